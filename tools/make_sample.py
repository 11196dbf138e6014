"""Write the project's sample case: a brain-like phantom with two acute infarcts, and no patient in it.

``python tools/make_sample.py DEST`` writes dwi.mha, adc.mha, flair.mha and the truth, lesions.mha. The seed is fixed,
and every value is rounded before it is written, so that the files in resources/sample come out again voxel for voxel.

Anatomy is a set of distance functions in the head's own millimetres (LPS: x to the left, y to the back, z up), so that
it can be sampled on any grid; signals come from tissue fractions, and the ADC map from the noisy b=0 and DWI signals.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]

SEED = 20250809
B_VALUE_MS_UM2 = 1.0
"""b = 1000 s/mm2, in the inverse of the ADC's unit (1e-3 mm2/s)."""
LAS = np.diag([1.0, -1.0, 1.0])
"""Index axes run to the left, to the front and up: the left-handed order of most ISLES'22 images."""
CSF, GREY, WHITE = 0, 1, 2
ADC_1E3_MM2_S = (3.0, 0.85, 0.75)
B0_SIGNAL = (1250.0, 740.0, 510.0)
FLAIR_SIGNAL = (170.0, 1150.0, 960.0)
LESION_ADC, LESION_B0, LESION_FLAIR = 0.55, 1.58, 1.42
"""Factors on tissue in a lesion's core; with the ADC's they make the DWI about 2.2 times brighter."""
LESIONS_MM = (((43.0, -4.0, 16.0), (12.0, 16.0, 11.5)), ((-24.0, 50.0, 12.0), (6.0, 7.0, 6.0)))
"""Centre and radii of each lesion in the head: left middle and right posterior cerebral territory."""
ADC_STEPS_PER_UNIT = 1024
"""Steps that float32 holds exactly, and that compress well."""


@dataclass(frozen=True)
class Scan:
    """Where a scan's voxels lie, and where the head lay meanwhile."""

    size_xyz: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    tilt_degrees: tuple[float, float]
    head_tilt_degrees: tuple[float, float]
    head_centre_mm: tuple[float, float, float]
    grid_centre_mm: tuple[float, float, float]

    @property
    def direction(self) -> Array:
        """Direction cosines, columns along the index axes (x, y, z)."""
        return np.asarray(Rotation.from_euler("xz", self.tilt_degrees, degrees=True).as_matrix() @ LAS)

    @property
    def origin_mm(self) -> Array:
        """Centre of the first voxel, LPS."""
        half = (np.array(self.size_xyz) - 1) / 2 * self.spacing_mm
        return np.asarray(np.array(self.grid_centre_mm) - self.direction @ half)

    def head_mm(self) -> Array:
        """Positions of the voxel centres in the head, (z, y, x, 3)."""
        axes = [np.arange(n) * step for n, step in zip(self.size_xyz, self.spacing_mm, strict=True)]
        z, y, x = np.meshgrid(*axes[::-1], indexing="ij")
        patient = np.stack([x, y, z], axis=-1) @ self.direction.T + self.origin_mm
        head = Rotation.from_euler("xz", self.head_tilt_degrees, degrees=True).as_matrix()
        return np.asarray((patient - self.head_centre_mm) @ head)


DIFFUSION = Scan((80, 96, 46), (2.0, 2.0, 3.0), (15.0, -14.0), (13.0, -12.0), (3.0, 14.0, 9.0), (3.0, 16.0, 8.0))
FLUID_ATTENUATED = Scan(
    (188, 224, 27), (0.9, 0.9, 5.0), (12.0, -11.0), (14.0, -11.0), (4.0, 13.0, 10.0), (2.0, 15.0, 8.0)
)


@dataclass(frozen=True)
class Anatomy:
    """What fills each voxel: brain or nothing, fractions of three tissues, and how much of the tissue is infarcted."""

    inside: NDArray[np.bool_]
    fractions: tuple[Array, Array, Array]
    infarct: Array
    bias: Array


def ellipsoid_mm(point: Array, centre: tuple[float, ...], radii: tuple[float, ...]) -> Array:
    """Approximate distance to an ellipsoid's surface, negative inside."""
    offset = point - np.array(centre)
    scaled = np.linalg.norm(offset / np.array(radii), axis=-1)
    gradient = np.linalg.norm(offset / np.array(radii) ** 2, axis=-1)
    return np.asarray(scaled * (scaled - 1) / np.maximum(gradient, 1e-6))


def folds(point: Array, wavelength_mm: float) -> Array:
    """Evaluate a gyroid, a wavy sheet without ends: about -1.5 to 1.5, 0 on the sheet."""
    phase = point * (2 * np.pi / wavelength_mm)
    return np.asarray((np.sin(phase) * np.cos(np.roll(phase, -1, axis=-1))).sum(axis=-1))


def share_within(distance_mm: Array, edge_mm: float = 0.7) -> Array:
    """Turn a distance into a fraction: 1 inside, 0 outside, a soft edge between."""
    return np.asarray(1 / (1 + np.exp(np.clip(distance_mm / edge_mm, -40, 40))))


def build_anatomy(head_mm: Array) -> Anatomy:
    """Lay out brain, tissues and lesions at positions (..., 3) in the head."""
    point = head_mm + 2.5 * np.sin(np.roll(head_mm, 1, axis=-1) / 19.0 + np.array([0.4, 1.1, 2.3]))
    half = np.concatenate([np.abs(point[..., :1]), point[..., 1:]], axis=-1)
    across, back, up = half[..., 0], half[..., 1], half[..., 2]

    cerebrum = np.maximum(ellipsoid_mm(half, (0, 2, 8), (65, 82, 57)), ellipsoid_mm(half, (0, 4, 30), (76, 96, 62)))
    temporal = ellipsoid_mm(half, (41, -4, -22), (22, 37, 21))
    cerebellum = ellipsoid_mm(half, (20, 46, -34), (30, 27, 24))
    stem = ellipsoid_mm(half, (0, 14, -34), (14, 15, 32))
    cortex = np.minimum(cerebrum, temporal)
    brain = np.minimum(np.minimum(cortex, cerebellum), stem)

    wavy = point + 3 * np.sin(np.roll(point, 1, axis=-1) / 9)
    sulci = np.maximum(np.abs(folds(wavy, 27.0)) / 0.34 - 0.9, np.maximum(-cortex - 15, cortex))
    folia = np.maximum(np.abs(np.sin((up + 0.35 * back) / 2.4)) / 0.4 - 0.3, np.maximum(cerebellum, -cortex))
    callosum = ellipsoid_mm(half, (0, 2, 4), (50, 44, 24))
    midline = np.maximum(across - 1.3, -np.minimum(callosum, stem))
    sylvian = np.maximum(np.abs(up + 4 - 0.6 * back) - 1.4, np.maximum(34 - across, np.abs(back + 6) - 30))
    outer_csf = np.minimum(np.minimum(-brain - 1, sulci), np.minimum(midline, sylvian))
    horns = np.minimum(ellipsoid_mm(half, (9, -12, 12), (5, 24, 8)), ellipsoid_mm(half, (19, 24, 8), (6, 22, 8)))
    middle = np.minimum(ellipsoid_mm(half, (0, 2, 0), (2.6, 14, 9)), ellipsoid_mm(half, (0, 30, -30), (7, 5, 9)))
    csf = share_within(np.minimum(outer_csf, np.minimum(horns, middle)))

    ribbon = np.maximum(np.minimum(outer_csf, folia) - 3, -stem)
    nuclei = np.minimum(ellipsoid_mm(half, (12, 8, 2), (8, 13, 8)), ellipsoid_mm(half, (25, -6, 1), (7, 17, 9)))
    nuclei = np.minimum(nuclei, ellipsoid_mm(half, (16, -18, 11), (4, 12, 7)))
    grey = (1 - csf) * share_within(np.minimum(ribbon, nuclei))

    lesions = [ellipsoid_mm(head_mm, centre, radii) for centre, radii in LESIONS_MM]
    infarct = share_within(np.minimum.reduce(lesions) + 1.6 * folds(head_mm, 21.0), edge_mm=0.9)
    bias = 1 + 0.10 * np.sin(head_mm[..., 1] / 70 + 0.5) + 0.06 * np.sin(head_mm[..., 0] / 60 - 0.3)
    return Anatomy(brain < 0.5, (csf, grey, 1 - csf - grey), infarct, bias)


def mix(anatomy: Anatomy, per_tissue: tuple[float, ...], infarct_factor: float) -> Array:
    """Mean value of each voxel, infarcts changing grey and white matter but not the fluid."""
    csf, grey, white = anatomy.fractions
    tissue = grey * per_tissue[GREY] + white * per_tissue[WHITE]
    return np.asarray(csf * per_tissue[CSF] + tissue * (1 + (infarct_factor - 1) * anatomy.infarct))


def add_noise(signal: Array, sd: float, generator: np.random.Generator) -> Array:
    """Take the magnitude of the signal with slightly smooth complex noise (Rician where the signal is weak)."""
    real, imaginary = (gaussian_filter(generator.standard_normal(signal.shape), 0.5) * sd / 0.66 for _ in range(2))
    return np.asarray(np.hypot(signal + real, imaginary))


def to_image(array: NDArray[np.generic], scan: Scan) -> sitk.Image:
    """Give an array (z, y, x) the scan's geometry."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(scan.spacing_mm)
    image.SetDirection(scan.direction.ravel().tolist())
    image.SetOrigin(scan.origin_mm.tolist())
    return image


def make_sample() -> dict[str, sitk.Image]:
    """Make the four images: int16 DWI and FLAIR, float32 ADC in 1e-3 mm2/s, uint8 truth."""
    generator = np.random.default_rng(SEED)
    anatomy = build_anatomy(DIFFUSION.head_mm())
    b0 = mix(anatomy, B0_SIGNAL, LESION_B0) * anatomy.bias
    dwi = b0 * np.exp(-B_VALUE_MS_UM2 * mix(anatomy, ADC_1E3_MM2_S, LESION_ADC))
    b0, dwi = add_noise(b0, 14.0, generator), add_noise(dwi, 9.0, generator)
    adc = np.maximum(np.round(np.log(b0 / dwi) / B_VALUE_MS_UM2 * ADC_STEPS_PER_UNIT), 1) / ADC_STEPS_PER_UNIT
    truth = anatomy.inside & (anatomy.infarct > 0.5) & (anatomy.fractions[CSF] < 0.5)

    thick = build_anatomy(FLUID_ATTENUATED.head_mm())
    flair = add_noise(mix(thick, FLAIR_SIGNAL, LESION_FLAIR) * thick.bias, 28.0, generator)
    return {
        "dwi": to_image(np.where(anatomy.inside, np.maximum(np.round(dwi), 1), 0).astype(np.int16), DIFFUSION),
        "adc": to_image(np.where(anatomy.inside, adc, 0).astype(np.float32), DIFFUSION),
        "flair": to_image(np.where(thick.inside, np.maximum(np.round(flair), 1), 0).astype(np.int16), FLUID_ATTENUATED),
        "lesions": to_image(truth.astype(np.uint8), DIFFUSION),
    }


def main() -> None:
    """Write the sample case into a folder."""
    parser = argparse.ArgumentParser(description="Write the generated sample case: DWI, ADC, FLAIR and truth, as MHA.")
    parser.add_argument("dest", type=Path, metavar="DEST", help="folder to write into; made if absent")
    dest: Path = parser.parse_args().dest
    dest.mkdir(parents=True, exist_ok=True)
    for name, image in make_sample().items():
        sitk.WriteImage(image, str(dest / f"{name}.mha"), useCompression=True)


if __name__ == "__main__":
    main()
