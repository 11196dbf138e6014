"""Where a patient's brain lies in MNI152 space: an affine registration, and how good it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from deepisles.case.itk_images import to_image, to_volume
from deepisles.case.mni_template import load_mni_template
from deepisles.case.volume import Grid, Volume
from deepisles.preparation.common_grid import shrink
from deepisles.preparation.prepared import PreparedCase
from deepisles.preparation.registration_child import RegistrationChild

STEP_MM = 2.0
"""Voxel width that images are registered at, about."""
BINS = 32
LEAST_OVERLAP = 0.9
"""Measured (docs/findings.md): 0.94 to 0.97 where the registration is right, 0.83 to 0.93 where a header is wrong."""
LEAST_INFORMATION = 0.09
"""Measured: 0.095 to 0.152 where the registration is right, at most 0.067 where a header is wrong."""
PLAUSIBLE_STRETCH = (0.7, 1.4)
"""Measured: 0.81 to 0.98 where the registration is right; 2.2 and more, or 0.59 to 0.74, where images are damaged."""


@dataclass(frozen=True)
class MniAlignment:
    """How a patient's space and MNI152 space belong together.

    Parameters
    ----------
    from_mni : numpy.ndarray
        4 x 4, from MNI152 to the DWI's space, both in LPS millimetres.
    image : str
        Which image was registered.
    overlap : float
        Dice of the brain and the template's brain, inside the image's field of view, 0 to 1.
    mutual_information : float
        Of the image and the template inside both brains, in nats.
    """

    from_mni: NDArray[np.float64]
    image: Literal["dwi", "flair"]
    overlap: float
    mutual_information: float

    @property
    def doubt(self) -> str | None:
        """Say why it should not be trusted; None if it may be."""
        stretch = np.linalg.svd(self.from_mni[:3, :3], compute_uv=False)
        low, high = PLAUSIBLE_STRETCH
        if stretch.min() < low or stretch.max() > high or np.linalg.det(self.from_mni[:3, :3]) <= 0:
            return "the registration to MNI space distorts the brain implausibly"
        if self.overlap < LEAST_OVERLAP:
            return f"the brain overlaps the MNI template's by {self.overlap:.2f} only, where {LEAST_OVERLAP} is usual"
        if self.mutual_information < LEAST_INFORMATION:
            return (
                f"the image hardly resembles the MNI template (mutual information {self.mutual_information:.3f}, "
                f"where {LEAST_INFORMATION} is usual)"
            )
        return None


class MniRegistration(RegistrationChild):
    """Registers a patient's brain to the MNI152 template, in a child process that is started at once."""

    def __init__(self) -> None:
        super().__init__("align", "Registering the brain to MNI space")

    def align(self, images: PreparedCase) -> MniAlignment:
        """Register the FLAIR on the DWI's grid if there is one, else the DWI.

        Parameters
        ----------
        images : PreparedCase
            Of the brain alone.

        Raises
        ------
        MemberFailed
            If Elastix failed, crashed or did not end.
        """
        seen = images.flair or images.dwi
        template, image = (to_volume(shrink(volume, STEP_MM)) for volume in (load_mni_template(), seen))
        self.send(template, image)
        matrix = self.result("run again without --mni and with --territory off")
        # a registered FLAIR rings in its background; the DWI's is 0
        brain = images.dwi.with_array((images.dwi.array > 0).astype(np.uint8))
        overlap, information = measure_quality(template, image, brain, matrix)
        return MniAlignment(matrix, "flair" if images.flair else "dwi", overlap, information)


def carry_to_mni(volume: Volume, alignment: MniAlignment, *, is_mask: bool = False) -> Volume:
    """Resample a volume onto the template's 1 mm grid: linearly, float32; a mask by nearest neighbour; 0 outside."""
    return _carry(volume, load_mni_template().grid, alignment.from_mni, is_mask)


def carry_from_mni(labels: Volume, grid: Grid, alignment: MniAlignment) -> NDArray[Any]:
    """Bring a label map in MNI152 space onto a patient's grid, (z, y, x), nearest neighbour, 0 outside."""
    return _carry(labels, grid, np.linalg.inv(alignment.from_mni), True).array


def to_affine(matrix: NDArray[np.floating]) -> sitk.AffineTransform:
    """Make ITK's transform of a 4 x 4 matrix between LPS millimetres."""
    return sitk.AffineTransform([float(v) for v in matrix[:3, :3].ravel()], [float(v) for v in matrix[:3, 3]])


def measure_quality(
    template: Volume, image: Volume, brain: Volume, from_mni: NDArray[np.floating]
) -> tuple[float, float]:
    """Measure how an image lies on the template.

    Parameters
    ----------
    template, image : Volume
        Of the brain alone, each on its own grid.
    brain : Volume
        uint8 {0, 1}: the brain in the image, holes allowed.
    from_mni : numpy.ndarray
        4 x 4, from the template's space to the image's.

    Returns
    -------
    float
        Dice of the two brains, inside the field of view of `brain`.
    float
        Mutual information of the two images inside both brains, in nats.
    """
    # 0 beyond the field of view, 1 within, 2 in the brain
    places = _carry(brain.with_array(brain.array + np.uint8(1)), template.grid, from_mni, True).array
    found = ndimage.binary_fill_holes(places == 2)
    expected = (template.array > 0) & (places > 0)
    both = found & expected
    if not both.any():
        return 0.0, 0.0
    overlap = 2 * both.sum() / (found.sum() + expected.sum())
    laid = _carry(image, template.grid, from_mni, False).array
    return float(overlap), measure_information(template.array[both], laid[both])


def measure_information(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Mutual information of two lists of values, in nats, from `BINS` classes of about equal size each."""
    together, _, _ = np.histogram2d(_classify(one), _classify(other), bins=np.arange(BINS + 1) - 0.5)
    joint = together / together.sum()
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    filled = joint > 0
    return float((joint[filled] * np.log(joint[filled] / apart[filled])).sum())


def _classify(values: NDArray[Any]) -> NDArray[np.intp]:
    limits = np.quantile(values, np.arange(1, BINS) / BINS)
    return np.searchsorted(limits, values, side="right")


def _carry(volume: Volume, grid: Grid, matrix: NDArray[np.floating], is_label: bool) -> Volume:
    target = sitk.Image([*grid.shape[::-1]], sitk.sitkUInt8)
    target.SetSpacing(grid.spacing_mm)
    target.SetOrigin(grid.origin_mm)
    target.SetDirection(grid.direction)
    image = to_image(volume)
    how = (sitk.sitkNearestNeighbor, image.GetPixelID()) if is_label else (sitk.sitkLinear, sitk.sitkFloat32)
    carried = sitk.Resample(image, target, to_affine(matrix), how[0], 0.0, how[1])
    return Volume(sitk.GetArrayFromImage(carried), grid)
