"""Whether a case's DICOM output can be made, asked before the networks run."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import numpy as np

from deepisles.case.dicom.quiet import quiet_pydicom
from deepisles.case.dicom.source_slices import DERIVED_INSTEAD, SourceSlices
from deepisles.case.volume import Grid, Volume
from deepisles.errors import InputRefused
from deepisles.reports.dicom.origin import Origin
from deepisles.reports.dicom.placement import lay_on_slices
from deepisles.reports.dicom.segmentation import build_segmentation, track_lesions

UNFIT = (ValueError, TypeError, AttributeError, KeyError, IndexError, OverflowError)
"""What highdicom raises for tags that break the standard's rules; its messages quote them."""


@dataclass(frozen=True)
class DicomPlan:
    """What DICOM output is to be written.

    Parameters
    ----------
    slices : SourceSlices or None
        The DWI's own slices; None: a series is to be derived.
    with_probability : bool
        Whether to write the probability too.
    """

    slices: SourceSlices | None
    with_probability: bool = False


def plan_on_source(slices: SourceSlices | None, grid: Grid, *, with_probability: bool) -> DicomPlan:
    """Plan a segmentation that lies on the DWI's own DICOM, and try it with one voxel.

    Parameters
    ----------
    slices : SourceSlices or None
        None where the DWI did not come as DICOM.
    grid : Grid
        The DWI's, which the mask will have.
    with_probability : bool
        Whether to write the probability too.

    Raises
    ------
    InputRefused
        If the DWI is no DICOM, or its tags cannot be carried over.
    GeometryError
        If the grid's voxels are not those of the slices.
    """
    if slices is None:
        raise InputRefused(
            "The DWI did not come as DICOM, so there is no series for a DICOM segmentation to lie on: give the DWI as "
            f"DICOM, {DERIVED_INSTEAD}."
        )
    voxel = np.zeros(grid.shape, dtype=np.uint8)
    voxel[0, 0, 0] = 1
    labels = lay_on_slices(Volume(voxel, grid), slices)
    try:
        with quiet_pydicom():
            tried = build_segmentation(slices, labels, track_lesions([1]), Origin())
            tried.save_as(BytesIO(), enforce_file_format=True)
    except UNFIT:
        # neither chained nor quoted: what was wrong may be a patient's name
        raise InputRefused(
            "The segmentation cannot lie on the DWI's DICOM: tags of the series break the standard's rules and cannot "
            f"be carried over; {DERIVED_INSTEAD}."
        ) from None
    return DicomPlan(slices, with_probability)
