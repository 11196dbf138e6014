"""Images of the brain alone, as the members take them: what is stripped stays as it is, the rest is stripped."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from deepisles.case.case import Case
from deepisles.case.volume import Volume
from deepisles.errors import InputRefused
from deepisles.preparation.brain_detection import has_zero_background, is_brain_alone, reaches_beyond
from deepisles.preparation.brain_extractor import BrainExtractor
from deepisles.preparation.brain_mask import apply_mask, carry_mask, measure_coverage, measure_mask_ml
from deepisles.preparation.coarse import CoarseVolume

logger = logging.getLogger(__name__)

Modality = Literal["dwi", "adc", "flair"]
MODES: Final = ("auto", "on", "off")

LEAST_BRAIN_ML, MOST_BRAIN_ML = 500.0, 2500.0
"""A mask of less is no brain (a newborn's has 350 ml and is none of this software's cases), one of more is a head."""
LEAST_COVERAGE = 0.95
"""Share of the DWI's bright brain that a mask must cover. Measured: 0.99 where images lie together, 0.96 to 0.99 at
5 mm apart, 0.91 to 0.96 at 10 mm, 0.88 with soop-sub3's T1w, whose header is 12 mm off."""


@dataclass(frozen=True)
class BrainExtraction:
    """What was done to have the brain alone.

    Parameters
    ----------
    status : str
        "not-needed": all images showed the brain alone; "done"; "off": not asked for.
    mask : Volume or None
        uint8 {0, 1} on the DWI's grid, where extraction was done.
    method : str or None
        The extractor's name and version.
    source : str or None
        The image that the mask was found on.
    applied_to : tuple of str
        The images whose voxels outside the brain were set to 0.
    volume_ml : float or None
        Volume of the mask.
    seconds : float or None
        Wall time of the extraction.
    dwi_before : Volume or None
        The DWI as it was before, by which the mask can be judged.
    """

    status: Literal["not-needed", "done", "off"]
    mask: Volume | None = None
    method: str | None = None
    source: Literal["dwi", "flair"] | None = None
    applied_to: tuple[Modality, ...] = ()
    volume_ml: float | None = None
    seconds: float | None = None
    dwi_before: Volume | None = None


def strip_case(case: Case, mode: str, extractor: BrainExtractor) -> tuple[Case, BrainExtraction]:
    """Leave the brain alone in every image.

    The mask comes from the FLAIR where there is one to be stripped, else from the DWI, as in the original; a FLAIR's
    mask that does not fit the DWI is replaced by the DWI's own.

    Parameters
    ----------
    case : Case
        The ADC on the DWI's grid.
    mode : str
        "auto" strips the images that show more than the brain, "on" all, "off" none.
    extractor : BrainExtractor
        What finds the brain.

    Returns
    -------
    Case
        Outside the brain exactly 0 in the images that were stripped; the others are the very same objects.
    BrainExtraction
        What was done.

    Raises
    ------
    InputRefused
        If the mode is unknown, or no brain of a plausible size is found.
    WeightsError, MemberFailed
        If the extractor cannot run.
    """
    if mode not in MODES:
        raise InputRefused(f"Brain extraction is one of {', '.join(MODES)}, not {mode!r}.")
    if mode == "off":
        return case, BrainExtraction("off")
    wanted, warnings = (_list_images(case), ()) if mode == "on" else find_unstripped(case)
    case = replace(case, warnings=(*case.warnings, *warnings))
    if not wanted:
        return case, BrainExtraction("not-needed")
    logger.info("brain extraction by %s: %s", extractor.name, ", ".join(name.upper() for name in wanted))
    started = time.perf_counter()
    found = _find_masks(case, wanted, extractor)
    stripped = replace(
        case,
        dwi=apply_mask(case.dwi, found.dwi) if "dwi" in wanted else case.dwi,
        adc=apply_mask(case.adc, found.dwi) if "adc" in wanted else case.adc,
        flair=apply_mask(case.flair, found.flair) if case.flair and found.flair and "flair" in wanted else case.flair,
        warnings=(*case.warnings, *found.warnings),
    )
    return stripped, BrainExtraction(
        "done",
        mask=found.dwi,
        method=extractor.name,
        source=found.source,
        applied_to=wanted,
        volume_ml=measure_mask_ml(found.dwi),
        seconds=time.perf_counter() - started,
        dwi_before=case.dwi,
    )


def find_unstripped(case: Case) -> tuple[tuple[Modality, ...], tuple[str, ...]]:
    """List the images that show more than the brain; the ADC is judged by the DWI, on whose grid it lies.

    Returns
    -------
    tuple of str
        Some of "dwi", "adc" and "flair".
    tuple of str
        Warnings about the others.
    """
    dwi = CoarseVolume(case.dwi)
    unstripped: list[Modality] = []
    warnings: list[str] = []
    if not is_brain_alone(dwi):
        unstripped += ["dwi", "adc"]
    else:
        seen_ml = dwi.body.sum() * dwi.voxel_ml
        if seen_ml < LEAST_BRAIN_ML:
            warnings.append(f"the DWI shows only {seen_ml:.0f} ml of brain: lesions outside it are not counted")
        if reaches_beyond(CoarseVolume(case.adc), dwi):
            unstripped.append("adc")
        # a registered FLAIR rings in its background, as the members know it
        if not has_zero_background(dwi):
            warnings.append(
                "the DWI shows the brain alone, but on a background that is not 0, which the networks take for brain: "
                "with brain extraction on it becomes 0"
            )
    if case.flair is not None and not is_brain_alone(CoarseVolume(case.flair)):
        unstripped.append("flair")
    return tuple(unstripped), tuple(warnings)


@dataclass(frozen=True)
class _Masks:
    dwi: Volume
    flair: Volume | None
    source: Literal["dwi", "flair"]
    warnings: tuple[str, ...] = ()


def _find_masks(case: Case, wanted: tuple[Modality, ...], extractor: BrainExtractor) -> _Masks:
    """Find the brain on the FLAIR and carry it to the DWI, or find it on the DWI where that gives none that fits."""
    if case.flair is None or "flair" not in wanted:
        return _find_on_dwi(case, extractor)
    flair_mask = _find_brain(case.flair, extractor)
    if not _is_brain_sized(flair_mask):
        told = "no brain of a plausible size was found on the FLAIR image: the brain mask comes from the DWI"
        masks = _find_on_dwi(case, extractor)
        return replace(masks, flair=carry_mask(masks.dwi, case.flair), warnings=(told, *masks.warnings))
    carried = carry_mask(flair_mask, case.dwi)
    coverage = measure_coverage(carried, case.dwi)
    if _is_brain_sized(carried) and coverage >= LEAST_COVERAGE:
        return _Masks(carried, flair_mask, "flair")
    told = (
        f"the brain found on the FLAIR image covers only {coverage:.0%} of the DWI's, so the mask comes from the DWI: "
        "check that both headers place the head alike"
    )
    masks = _find_on_dwi(case, extractor)
    return replace(masks, flair=flair_mask, warnings=(told, *masks.warnings))


def _find_on_dwi(case: Case, extractor: BrainExtractor) -> _Masks:
    mask = _find_brain(case.dwi, extractor)
    if not _is_brain_sized(mask):
        raise InputRefused(
            f"The brain found on the DWI image has {measure_mask_ml(mask):.0f} ml, where {LEAST_BRAIN_ML:.0f} to "
            f"{MOST_BRAIN_ML:.0f} ml are plausible: check that it shows a whole head, or give images of the brain "
            "alone with brain extraction off."
        )
    coverage = measure_coverage(mask, case.dwi)
    if coverage >= LEAST_COVERAGE:
        return _Masks(mask, None, "dwi")
    told = f"the brain mask leaves out {1 - coverage:.0%} of what looks like brain on the DWI: compare the two"
    return _Masks(mask, None, "dwi", (told,))


def _find_brain(volume: Volume, extractor: BrainExtractor) -> Volume:
    return volume.with_array(extractor.find_brain(volume).astype(np.uint8))


def _is_brain_sized(mask: Volume) -> bool:
    return LEAST_BRAIN_ML <= measure_mask_ml(mask) <= MOST_BRAIN_ML


def _list_images(case: Case) -> tuple[Modality, ...]:
    return ("dwi", "adc") if case.flair is None else ("dwi", "adc", "flair")
