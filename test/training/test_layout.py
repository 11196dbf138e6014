"""Finding the cases of a data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepisles.errors import InputRefused
from deepisles.training.layout import find_training_cases, name_case


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_isles22_as_written_by_synthesis(tmp_path: Path) -> None:
    for number in (2, 1):
        case = name_case(tmp_path, number)
        for path in (case.dwi, case.adc, case.mask, case.flair):
            assert path is not None
            touch(path)
    found = find_training_cases(tmp_path)
    assert [case.dwi for case in found] == [name_case(tmp_path, number).dwi for number in (1, 2)]
    assert [case.mask for case in found] == [name_case(tmp_path, number).mask for number in (1, 2)]
    assert all(case.flair is not None for case in found)


def test_isles22_as_published(tmp_path: Path) -> None:
    """Subjects directly under the root, FLAIR in lower case, another subject without a mask."""
    stem = "sub-strokecase0001_ses-0001"
    session = tmp_path / "sub-strokecase0001" / "ses-0001"
    dwi = touch(session / "dwi" / f"{stem}_dwi.nii.gz")
    touch(session / "dwi" / f"{stem}_adc.nii.gz")
    flair = touch(session / "anat" / f"{stem}_flair.nii.gz")
    mask = touch(tmp_path / "derivatives" / "sub-strokecase0001" / "ses-0001" / f"{stem}_msk.nii.gz")
    touch(tmp_path / "sub-strokecase0002" / "ses-0001" / "dwi" / "sub-strokecase0002_ses-0001_dwi.nii.gz")
    (case,) = find_training_cases(tmp_path)
    assert (case.dwi, case.flair, case.mask) == (dwi, flair, mask)


def test_a_table(tmp_path: Path) -> None:
    for name in ("d.nii.gz", "a.nii.gz", "m.nii.gz"):
        touch(tmp_path / name)
    table = tmp_path / "cases.csv"
    table.write_text("case,dwi,adc,mask,flair\none,d.nii.gz,a.nii.gz,m.nii.gz,\n", encoding="utf-8")
    (case,) = find_training_cases(table)
    assert case.name == "one"
    assert case.mask == tmp_path / "m.nii.gz"
    assert case.flair is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("dwi,adc\nd,a\n", "lacks a column"),
        ("dwi,adc,mask\nd.nii.gz,,m.nii.gz\n", "Row 1 .* has no adc"),
        ("dwi,adc,mask\nd.nii.gz,a.nii.gz,gone.nii.gz\n", "not there"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, sentence: str) -> None:
    for name in ("d.nii.gz", "a.nii.gz", "m.nii.gz"):
        touch(tmp_path / name)
    (tmp_path / "cases.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputRefused, match=sentence):
        find_training_cases(tmp_path / "cases.csv")


def test_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no training case"):
        find_training_cases(tmp_path)
    with pytest.raises(InputRefused, match="no training data"):
        find_training_cases(tmp_path / "absent")
