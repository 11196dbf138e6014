"""The MNI152 brain that patients are registered to, as nilearn carries it (ICBM 2009a nonlinear symmetric, 1 mm)."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from deepisles.case.decoder import InProcessDecoder
from deepisles.case.reading import read_volume
from deepisles.case.volume import Volume
from deepisles.errors import DeepIslesError

TEMPLATE_FILE = ("datasets", "data", "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz")
"""Inside nilearn. It is read as a file, since importing nilearn takes seconds and brings scikit-learn and pandas."""


@cache
def load_mni_template() -> Volume:
    """Load the T1-weighted template at 1 mm: uint8 (z, y, x), the brain alone, 0 outside it.

    Raises
    ------
    DeepIslesError
        If nilearn is not installed.
    """
    found = find_spec("nilearn")
    folders = found.submodule_search_locations if found else None
    if not folders:
        raise DeepIslesError("The MNI template is missing: install nilearn, which carries it.")
    return read_volume(Path(folders[0]).joinpath(*TEMPLATE_FILE), "MNI template", decoder=InProcessDecoder())
