"""b-value and direction of an image, from the standard's tags or the vendors' own.

Sources: PS3.3 C.8.13.5.9 (MR Diffusion Sequence); the vendors' private elements as documented by NA-MIC ("DICOM for
DWI and DTI") and by dcm2niix (folders Siemens, GE, Philips and Canon of its repository).
"""

from __future__ import annotations

import math
import re
import struct
import warnings
from collections.abc import Sequence
from typing import Final, get_args

from pydicom.dataset import Dataset

from deepisles.case.dicom.frame import Directionality, Vector, Weighting
from deepisles.case.dicom.values import get_item, get_number, get_numbers, get_private, get_text, to_numbers, to_vector

UNWEIGHTED_MAX_S_MM2: Final = 50.0
"""Scanners store crushers' b-values of some s/mm2 for b 0, and some protocols take b 50 in its place."""
MAX_S_MM2: Final = 100_000.0
"""Beyond any scanner's gradients: what is larger is not a b-value."""
GE_BIAS: Final = 1_000_000
"""GE adds 1e9 to the b-values of series with several (dcm2niix issue 602); the rest after millions is the b-value."""

_CANON_COMMENT: Final = re.compile(r"B\s*=\s*(\d+(?:\.\d+)?)\s*(?:\(([-\d.,\s]+)\))?", re.IGNORECASE)
_SIEMENS_SEQUENCE: Final = re.compile(r"EP_B(\d+)(T?)")
_DAMAGED_CSA: Final = (
    AssertionError,
    KeyError,
    IndexError,
    OverflowError,
    TypeError,
    ValueError,
    struct.error,
)
_PHILIPS_DIRECTIONS: Final = {"I": "isotropic", **dict.fromkeys("PMSO", "directional")}


def read_weighting(places: Sequence[Dataset], vendor: str) -> Weighting:
    """Read an image's diffusion weighting.

    Parameters
    ----------
    places : sequence of Dataset
        Where its elements may be: its frame's functional groups first, the whole file's dataset last.
    vendor : str
        Whose private elements to look at: "siemens", "ge", "philips" or "canon".

    Returns
    -------
    Weighting
        The first b-value found, the standard's tag before private ones, and what is said of its direction.
    """
    private = {"siemens": _read_siemens, "ge": _read_ge, "philips": _read_philips, "canon": _read_canon}.get(vendor)
    found = [_read_standard(place) for place in places]
    if private is not None:
        found += [private(place) for place in places]
    b_value = next((said for said in found if said.b_value_s_mm2 is not None), Weighting())
    direction = next((said.direction for said in found if said.direction is not None), None)
    told = next((said.directionality for said in found if said.directionality is not None), None)
    return _settle(b_value, told, direction)


def _settle(said: Weighting, told: Directionality | None, direction: Vector | None) -> Weighting:
    b_value = said.b_value_s_mm2
    if b_value is None or b_value <= UNWEIGHTED_MAX_S_MM2:
        # a trace that lost its b-value still says that it is one
        return Weighting(b_value, "isotropic" if b_value is None and told == "isotropic" else None, None, said.source)
    length = 0.0 if direction is None else math.hypot(*direction)
    if told == "isotropic" or (direction is not None and length == 0 and told is None):
        return Weighting(b_value, "isotropic", None, said.source)
    if direction is not None and length > 0:
        x, y, z = direction
        return Weighting(b_value, "directional", (x / length, y / length, z / length), said.source)
    return Weighting(b_value, "directional" if told == "directional" else None, None, said.source)


def _read_standard(place: Dataset) -> Weighting:
    """Read the standard's tags: in the MR Diffusion Sequence of enhanced images, at the top of some classic ones."""
    group = get_item(place, "MRDiffusionSequence") or place
    gradient = get_item(group, "DiffusionGradientDirectionSequence") or group
    return Weighting(
        _check(get_number(group, "DiffusionBValue")),
        _to_directionality(get_text(group, "DiffusionDirectionality")),
        to_vector(get_numbers(gradient, "DiffusionGradientOrientation")),
        "Diffusion b-value (0018,9087)",
    )


def _read_siemens(place: Dataset) -> Weighting:
    creator = "SIEMENS MR HEADER"
    said = Weighting(
        _first(get_private(place, 0x0019, creator, 0x0C)),
        _to_directionality(_text(get_private(place, 0x0019, creator, 0x0D))),
        to_vector(to_numbers(get_private(place, 0x0019, creator, 0x0E), "d")),
        "Siemens B_value (0019,xx0C)",
    )
    if said.b_value_s_mm2 is not None:
        return said
    from_csa = _read_csa(get_private(place, 0x0029, "SIEMENS CSA HEADER", 0x10))
    if from_csa.b_value_s_mm2 is not None:
        return from_csa
    # a name that outlives anonymisers which drop private tags: *ep_b1000t is the trace, *ep_b1000#2 a direction
    name = _SIEMENS_SEQUENCE.search(get_text(place, "SequenceName"))
    if name is None:
        return Weighting()
    return Weighting(_check(float(name[1])), "isotropic" if name[2] else None, None, "Sequence Name (0018,0024)")


def _read_csa(value: object) -> Weighting:
    """Read the CSA image header, where software before VB17 alone keeps the b-value."""
    if not isinstance(value, bytes):
        return Weighting()
    # imported where it is needed, and warns on import of readers that are not used here
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nibabel.nicom import csareader
    try:
        header = csareader.read(value)
        items = {name: header["tags"][name]["items"] for name in header["tags"]} if header else {}
    except (csareader.CSAReadError, *_DAMAGED_CSA):
        return Weighting()
    return Weighting(
        _first(items.get("B_value")),
        _to_directionality(_text((items.get("DiffusionDirectionality") or [""])[0])),
        to_vector(to_numbers(items.get("DiffusionGradientDirection"))),
        "Siemens CSA header (0029,xx10)",
    )


def _read_ge(place: Dataset) -> Weighting:
    numbers = to_numbers(get_private(place, 0x0043, "GEMS_PARM_01", 0x39))
    b_value = _check(numbers[0] % GE_BIAS) if numbers else None
    parts = [to_numbers(get_private(place, 0x0019, "GEMS_ACQU_01", element)) for element in (0xBB, 0xBC, 0xBD)]
    direction = (parts[0][0], parts[1][0], parts[2][0]) if all(parts) else None
    return Weighting(b_value, None, direction, "GE b-value (0043,xx39)")


def _read_philips(place: Dataset) -> Weighting:
    numbers = to_numbers(get_private(place, 0x2001, "Philips Imaging DD 001", 0x03), "f")
    letter = _text(get_private(place, 0x2001, "Philips Imaging DD 001", 0x04))[:1]
    told = _to_directionality(_PHILIPS_DIRECTIONS.get(letter, ""))
    parts = [
        to_numbers(get_private(place, 0x2005, "Philips MR Imaging DD 001", element), "f")
        for element in (0xB0, 0xB1, 0xB2)
    ]
    direction = (parts[0][0], parts[1][0], parts[2][0]) if all(parts) else None
    return Weighting(_check(numbers[0]) if numbers else None, told, direction, "Philips b-factor (2001,xx03)")


def _read_canon(place: Dataset) -> Weighting:
    comment = _CANON_COMMENT.match(get_text(place, "ImageComments"))
    if comment is None:
        return Weighting()
    direction = to_vector(to_numbers((comment[2] or "").split(",")))
    return Weighting(_check(float(comment[1])), None, direction, "Image Comments (0020,4000)")


def _to_directionality(text: str) -> Directionality | None:
    word = text.lower()
    if word == "bmatrix":
        return "directional"
    return next((known for known in get_args(Directionality) if known == word), None)


def _text(value: object) -> str:
    text = value.decode("ascii", errors="replace") if isinstance(value, bytes) else str(value or "")
    return text.strip(" \0").upper()


def _first(value: object) -> float | None:
    numbers = to_numbers(value)
    return _check(numbers[0]) if numbers else None


def _check(b_value: float | None) -> float | None:
    return b_value if b_value is not None and 0 <= b_value <= MAX_S_MM2 else None
