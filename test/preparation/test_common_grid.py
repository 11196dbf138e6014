"""DWI and ADC on one grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from volumes import make_volume

from deepisles.case.volume import Volume
from deepisles.errors import GeometryError
from deepisles.preparation.common_grid import bring_adc_to_dwi, require_overlap


def test_equal_grids_are_used_as_they_are():
    dwi, adc = make_volume(seed=1), make_volume(seed=2)
    nearly = Volume(adc.array, replace(adc.grid, origin_mm=(10.0 + 1e-6, -20.0, 5.0)))
    prepared, warning = bring_adc_to_dwi(dwi, nearly)
    assert warning is None
    assert prepared.grid == dwi.grid
    assert prepared.array is adc.array


def test_another_grid_is_resampled_in_space_not_relabelled():
    """A ramp along x stays the same ramp in millimetres, though the ADC's grid is finer and shifted."""
    dwi = make_volume((5, 6, 7), spacing_mm=(2, 2, 2), origin_mm=(0, 0, 0))
    adc = make_volume((16, 18, 20), spacing_mm=(1, 1, 1), origin_mm=(-2.5, -2, -2))
    ramp = np.broadcast_to(adc.grid.origin_mm[0] + np.arange(20, dtype=np.float32), adc.array.shape)
    prepared, warning = bring_adc_to_dwi(dwi, adc.with_array(np.ascontiguousarray(ramp)))
    np.testing.assert_allclose(prepared.array, np.broadcast_to(2.0 * np.arange(7), dwi.array.shape), atol=1e-5)
    assert warning is not None
    assert "resampled" in warning


def test_images_of_different_places_are_refused():
    dwi, elsewhere = make_volume(), make_volume(origin_mm=(900, 0, 0))
    with pytest.raises(GeometryError, match=r"ADC image covers only 0%"):
        bring_adc_to_dwi(dwi, elsewhere)
    with pytest.raises(GeometryError, match="FLAIR"):
        require_overlap(dwi.grid, elsewhere.grid, "FLAIR")
