"""Linear interpolation, against ITK's."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepisles.members.seals import sample_native


@given(
    st.tuples(*[st.integers(4, 9)] * 3),
    st.tuples(*[st.sampled_from([0.75, 1.0, 1.3, 2.0, 2.5])] * 3),
    st.tuples(*[st.integers(2, 6)] * 3),
)
def test_native_sampling_is_itks(shape_1mm, spacing_mm, shape):
    volume = np.random.default_rng(0).random(shape_1mm, dtype=np.float32)
    ours = sample_native(torch.from_numpy(volume)[None], shape, spacing_mm)[0].numpy()
    image = sitk.GetImageFromArray(volume)
    theirs = sitk.Resample(
        image, shape[::-1], sitk.Transform(), sitk.sitkLinear, (0.0,) * 3, spacing_mm[::-1], np.eye(3).ravel(), 0.0
    )
    np.testing.assert_allclose(ours, sitk.GetArrayFromImage(theirs), atol=1e-6)
