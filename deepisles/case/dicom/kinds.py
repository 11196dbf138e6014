"""What a volume shows, told from its tags: the rules of docs/dicom.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from deepisles.case.dicom.frame import Frame
from deepisles.case.dicom.stack import Series, Stack
from deepisles.case.dicom.weighting import MAX_S_MM2, UNWEIGHTED_MAX_S_MM2

MIN_SLICES: Final = 5
"""Fewer are a localizer or a picture, not a head: 5 slices of the thickest protocols cover 40 mm."""

FLAIR_INVERSION_MS: Final = (1500.0, 3500.0)
"""Fluid is nulled at ln 2 times its T1 of about 4 s, less at short repetition times: 1600 to 2900 ms are in use.
T1 FLAIR, STIR and MPRAGE invert for less than 1200 ms."""
FLAIR_MIN_ECHO_MS: Final = 60.0
"""T1 FLAIR has echo times below 30 ms."""


class Kind(Enum):
    """What a volume shows, in this program's words."""

    TRACE = "trace"
    DIRECTION = "one diffusion direction"
    WEIGHTED = "diffusion-weighted, direction not said"
    UNWEIGHTED = "b 0"
    ADC = "ADC map"
    FLAIR = "FLAIR"
    UNKNOWN = "not told by its tags"
    OTHER = "other"


@dataclass(frozen=True)
class Finding:
    """What a volume was taken for.

    Parameters
    ----------
    kind : Kind
        What it shows.
    reason : str
        The rule that said so, in this program's words; never text from the file.
    b_value_s_mm2 : float or None
        Its b-value, where it is diffusion-weighted.
    is_secondary : bool
        Whether it was computed or reformatted from other images, and so comes after an original one.
    """

    kind: Kind
    reason: str
    b_value_s_mm2: float | None = None
    is_secondary: bool = False


_ADC_WORDS: Final = {"ADC", "ADC_UNSPECIFIED", "APPARENT_DIFFUSION_COEFFICIENT"}
_TRACE_WORDS: Final = {"TRACEW", "TRACE", "ISOTROPIC", "DIFFUSION_TRACE"}
_EXPONENTIAL_WORDS: Final = {"EADC", "EXPONENTIAL", "EXP_ADC", "EXPADC"}
_MAP_WORDS: Final = {
    "FA", "FRACTIONAL_ANISOTROPY", "RELATIVE_ANISOTROPY", "VOLUME_RATIO", "DIFFUSION_ANISO", "TENSOR", "TENSOR_B0",
    "FIBER", "ANISO", "TTP", "MTT", "CBV", "CBF", "RCBV", "RCBF", "RELCBV", "RELCBF", "RELMTT", "GBP", "PBP",
    "TMAX", "PERFUSION", "T_TEST", "ASL", "SUBTRACTION", "SW", "SWI", "QSM", "B0_MAP", "FIELD_MAP", "T1_MAP",
    "T2_MAP", "T2_STAR_MAP", "VELOCITY", "VELOCITY MAP", "ANGIO", "ANGIO_TIME", "TOF",
}  # fmt: skip
_PART_WORDS: Final = {"P", "PHASE", "PHASE MAP", "R", "REAL", "I", "IMAGINARY"}
_PROJECTION_WORDS: Final = {"MIP", "MIN IP", "MINIP", "MNIP", "PROJECTION IMAGE", "MAX_IP", "MIN_IP"}
_REFORMAT_WORDS: Final = {"MPR", "REFORMATTED", "CURVED", "RESAMPLED", "CALC_BVALUE", "COMP_DIFF", "CSA RESAMPLED"}
_LOCALIZER_WORDS: Final = {"LOCALIZER"}

# text is in upper case; an underscore is a letter to \b, so that names are cut at whatever is none or no digit
_EXPONENTIAL_TEXT: Final = re.compile(r"(?<![A-Z])E[ -]?ADC|EXPONENTIAL|(?<![A-Z])EXP[ _-]*(?:ADC|APPARENT|ATT|DIFF)")
_ADC_TEXT: Final = re.compile(r"(?<![A-Z])[DR]?ADC(?![A-Z])|APPARENT[ _]DIFF|DIFFUSION[ _]COEFF")
_TRACE_TEXT: Final = re.compile(r"TRACEW?(?![A-Z])|(?<![A-Z])ISO(?:TROPIC)?(?![A-Z])")
_DIFFUSION_TEXT: Final = re.compile(r"(?<![A-Z])(?:DWI|DIFF|DIFFUSION|DTI|[RS]?DWI[A-Z]*)(?![A-Z])|TRACEW")
_B_VALUE_TEXT: Final = re.compile(r"(?<![A-Z])B[ _=-]?(\d{2,4})(?!\d)")
_FLAIR_TEXT: Final = re.compile(r"FLAIR|DARK[ _-]?FL|(?<![A-Z])TIRM(?![A-Z])")
_NOT_FLAIR_TEXT: Final = re.compile(r"T1|DIR(?![A-Z])|DOUBLE[ _]INV|STIR")
_LOCALIZER_TEXT: Final = re.compile(r"LOCALI[SZ]ER|SCOUT|SURVEY|(?<![A-Z])(?:3[ -]?P(?:L|LANE)?[ _-])?LOC(?![A-Z])")


def describe_series(series: Series) -> tuple[tuple[Stack, Finding], ...]:
    """Say what each volume of a series shows.

    A volume without b-value is the one at b 0 where the others of its series are diffusion-weighted: Canon stores
    b-values only where there is a gradient.
    """
    findings = [describe_stack(stack) for stack in series.stacks]
    is_diffusion = any(finding.kind in (Kind.TRACE, Kind.DIRECTION, Kind.WEIGHTED) for finding in findings)
    told: list[tuple[Stack, Finding]] = []
    for stack, finding in zip(series.stacks, findings, strict=True):
        b_value = stack.first.weighting.b_value_s_mm2
        silent = finding.kind is Kind.UNKNOWN and not _is_weighted(b_value)
        original = finding.kind is Kind.ADC and b_value is not None and "ORIGINAL" in stack.first.words
        if is_diffusion and (silent or original):
            reason = "no b-value in a diffusion series" if b_value is None else "b 0 in a diffusion series"
            told.append((stack, Finding(Kind.UNWEIGHTED, reason, b_value or 0.0)))
        else:
            told.append((stack, finding))
    return tuple(told)


def describe_stack(stack: Stack) -> Finding:
    """Say what one volume shows, from its own tags."""
    frame = stack.first
    words, text = set(frame.words), frame.description
    is_secondary = "DERIVED" in words and bool(words & _REFORMAT_WORDS)
    excluded = _find_exclusion(stack, words, text)
    if excluded:
        return Finding(Kind.OTHER, excluded)
    if words & _ADC_WORDS:
        return Finding(Kind.ADC, "Image Type says ADC", is_secondary=is_secondary)
    b_value = frame.weighting.b_value_s_mm2
    is_trace = bool(words & _TRACE_WORDS)
    is_named_adc = bool(_ADC_TEXT.search(text)) and not is_trace and not _TRACE_TEXT.search(text)
    # scanners store a b-value in ADC maps too; an original image in a series called "DWI and ADC" is no map
    if is_named_adc and ("DERIVED" in words or not _is_weighted(b_value)):
        return Finding(Kind.ADC, "the series is called an ADC map", is_secondary=is_secondary)
    return _describe_diffusion(frame, is_trace, is_secondary) or _describe_flair(frame, is_secondary)


def _find_exclusion(stack: Stack, words: set[str], text: str) -> str | None:
    """Say why a volume is none of those looked for, in the order in which the rules apply."""
    if not stack.first.is_mr_image:
        return "not a gray MR image"
    if words & _LOCALIZER_WORDS or _LOCALIZER_TEXT.search(text):
        return "a localizer"
    if words & _PROJECTION_WORDS:
        return "a projection"
    if words & _EXPONENTIAL_WORDS or _EXPONENTIAL_TEXT.search(text):
        return "an exponential ADC map"
    # Image Type's first values are ORIGINAL or DERIVED and PRIMARY or SECONDARY (PS3.3 C.7.6.1.1.2)
    if words & _PART_WORDS:
        return "a phase, real or imaginary image"
    if words & _MAP_WORDS:
        return "a map other than ADC"
    if stack.slices < MIN_SLICES:
        return f"fewer than {MIN_SLICES} slices"
    return None


def _describe_diffusion(frame: Frame, is_trace: bool, is_secondary: bool) -> Finding | None:
    weighting = frame.weighting
    b_value, source = weighting.b_value_s_mm2, weighting.source
    looks_weighted = is_trace or weighting.directionality is not None or bool(_DIFFUSION_TEXT.search(frame.description))
    if b_value is None and looks_weighted:
        b_value, source = _read_b_value(frame.description), "the series' name"
    if b_value is None:
        return None
    if b_value <= UNWEIGHTED_MAX_S_MM2:
        # GE writes b 0 into images of any kind
        if looks_weighted or _DIFFUSION_TEXT.search(frame.protocol) or "EP_B" in frame.sequence:
            return Finding(Kind.UNWEIGHTED, f"b-value from {source}", b_value)
        return None
    if is_trace or weighting.directionality == "isotropic":
        said = "Image Type" if is_trace else "diffusion directionality"
        return Finding(Kind.TRACE, f"{said} says trace, b-value from {source}", b_value, is_secondary)
    if weighting.directionality == "directional":
        return Finding(Kind.DIRECTION, f"a gradient direction is stored, b-value from {source}", b_value, is_secondary)
    if _TRACE_TEXT.search(frame.description):
        return Finding(Kind.TRACE, f"the series is called a trace, b-value from {source}", b_value, is_secondary)
    return Finding(Kind.WEIGHTED, f"b-value from {source}", b_value, is_secondary)


def _describe_flair(frame: Frame, is_secondary: bool) -> Finding:
    inversion, echo = frame.inversion_ms, frame.echo_ms
    text = f"{frame.description} {frame.protocol}"
    named = bool(_FLAIR_TEXT.search(text)) and not _NOT_FLAIR_TEXT.search(text)
    low, high = FLAIR_INVERSION_MS
    if inversion and echo:
        contradicted = bool(_NOT_FLAIR_TEXT.search(frame.description))
        if low <= inversion <= high and (named or echo >= FLAIR_MIN_ECHO_MS) and not contradicted:
            reason = f"inversion time {inversion:.0f} ms and echo time {echo:.0f} ms"
            return Finding(Kind.FLAIR, reason, is_secondary=is_secondary)
        return Finding(Kind.OTHER, "its inversion and echo time are not those of FLAIR")
    if named:
        return Finding(Kind.FLAIR, "the series is called FLAIR", is_secondary=is_secondary)
    return Finding(Kind.UNKNOWN, "neither diffusion-weighted nor FLAIR by its tags")


def _is_weighted(b_value: float | None) -> bool:
    return b_value is not None and b_value > UNWEIGHTED_MAX_S_MM2


def _read_b_value(text: str) -> float | None:
    """Read "b1000" out of a name that says one b-value; several say nothing."""
    found = {float(match[1]) for match in _B_VALUE_TEXT.finditer(text)}
    return found.pop() if len(found) == 1 and max(found) <= MAX_S_MM2 else None
