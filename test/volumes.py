"""Small made-up volumes for tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from deepisles.case.volume import Grid, Volume


def make_grid(shape=(6, 8, 10), spacing_mm=(1.5, 1.25, 4.0), origin_mm=(10.0, -20.0, 5.0), rotation_deg=(0, 0, 0)):
    direction = Rotation.from_euler("xyz", rotation_deg, degrees=True).as_matrix()
    return Grid(tuple(shape), tuple(spacing_mm), tuple(origin_mm), tuple(float(d) for d in direction.ravel()))


def make_volume(shape=(6, 8, 10), seed=0, dtype=np.float32, **geometry):
    array = np.random.default_rng(seed).uniform(1, 100, size=shape).astype(dtype)
    return Volume(array, make_grid(shape, **geometry))


grids = st.builds(
    make_grid,
    shape=st.tuples(*[st.integers(2, 12)] * 3),
    spacing_mm=st.tuples(*[st.floats(0.5, 8)] * 3),
    origin_mm=st.tuples(*[st.floats(-200, 200)] * 3),
    rotation_deg=st.tuples(*[st.floats(-180, 180)] * 3),
)
