"""From files to crops: units, orientation, the cache, folds and the numbered stream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from deepisles.case.reading import read_volume
from deepisles.errors import InputRefused
from deepisles.reports.images import write_volume
from deepisles.training.examples import ADC, DWI, FLAIR, Example, load_example, prepare_example
from deepisles.training.folds import split
from deepisles.training.layout import TrainingCase, find_training_cases
from deepisles.training.patches import DataSet, PatchStream, arrange, crop
from deepisles.training.recipes import find_recipe


@pytest.fixture(scope="module")
def cases(data_set: Path) -> list[TrainingCase]:
    return find_training_cases(data_set)


def test_an_example_is_standardised_and_keeps_the_lesion(cases: list[TrainingCase]) -> None:
    for case in cases[:4]:
        example = prepare_example(case, 2.0)
        for channel in (DWI, ADC, FLAIR):
            values = example.channels[channel].astype(np.float64)
            inside = values[values != 0]
            assert inside.mean() == pytest.approx(0, abs=0.02)
            assert inside.std() == pytest.approx(1, abs=0.02)
        mask = read_volume(case.mask, "mask", allow_constant=True)
        volume = (mask.array > 0).sum() * mask.grid.voxel_volume_ml
        assert example.lesion.sum() * 0.008 == pytest.approx(volume, rel=0.35, abs=0.1)


def test_units_and_scale_do_not_matter(cases: list[TrainingCase], tmp_path: Path) -> None:
    case = cases[0]
    dwi, adc = read_volume(case.dwi, "DWI"), read_volume(case.adc, "ADC")
    write_volume(tmp_path / "dwi.nii.gz", (dwi.array * 0.37).astype(np.float32), dwi.grid)
    write_volume(tmp_path / "adc.nii.gz", (adc.array * 1e-3).astype(np.float32), adc.grid)
    scaled = TrainingCase("scaled", tmp_path / "dwi.nii.gz", tmp_path / "adc.nii.gz", case.mask, case.flair)
    first, second = prepare_example(case, 2.0), prepare_example(scaled, 2.0)
    assert np.allclose(first.channels.astype(float), second.channels.astype(float), atol=0.02)


def test_the_cache_holds_what_was_prepared(cases: list[TrainingCase], tmp_path: Path) -> None:
    prepared, loaded = prepare_example(cases[1], 2.0), load_example(cases[1], 2.0, tmp_path)
    again = load_example(cases[1], 2.0, tmp_path)
    for example in (loaded, again):
        assert np.array_equal(example.channels, prepared.channels)
        assert np.array_equal(example.lesion, prepared.lesion)
    assert len(list(tmp_path.glob("*.npy"))) == 1
    cases[1].mask.touch()  # a file that has changed is prepared anew
    load_example(cases[1], 2.0, tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 2


def test_a_mask_on_another_grid_is_refused(cases: list[TrainingCase], tmp_path: Path) -> None:
    mask = read_volume(cases[0].mask, "mask", allow_constant=True)
    other = read_volume(cases[2].mask, "mask", allow_constant=True)
    assert mask.grid.shape != other.grid.shape
    mixed = TrainingCase("mixed", cases[0].dwi, cases[0].adc, cases[2].mask)
    with pytest.raises(Exception, match="Training case mixed: The lesion mask does not lie"):
        prepare_example(mixed, 2.0)


def test_crops_are_cut_where_they_should() -> None:
    lesion = np.zeros((50, 60, 40), dtype=np.uint8)
    lesion[30:36, 10:18, 22:30] = 1
    example = Example(np.stack([lesion, 2 * lesion, 3 * lesion]).astype(np.float16), lesion)
    shown = 0
    for seed in range(40):
        image, label = crop(np.random.default_rng(seed), example, (24, 28, 20))
        assert image.shape == (3, 24, 28, 20)
        # image and label are cut at the same place
        assert all(np.array_equal(image[channel], (channel + 1) * label) for channel in range(3))
        shown += label.any()
    # two thirds are centred on the lesion, which fills little of the volume
    assert 20 <= shown < 40


def test_a_crop_larger_than_the_brain_is_padded() -> None:
    channels = np.ones((3, 10, 12, 14), dtype=np.float16)
    image, label = crop(np.random.default_rng(0), Example(channels, np.ones((10, 12, 14), np.uint8)), (16, 16, 16))
    assert image[0].sum() == label.sum() == 10 * 12 * 14


def test_members_see_their_channels_and_axes() -> None:
    image = torch.arange(3)[:, None, None, None].expand(3, 4, 5, 6).float()
    label = torch.zeros(1, 4, 5, 6)
    seals = arrange(image, label, find_recipe("seals"))
    assert seals["image"].shape == (2, 4, 5, 6)
    assert seals["image"][:, 0, 0, 0].tolist() == [DWI, ADC]
    nvauto = arrange(image, label, find_recipe("nvauto"))
    assert nvauto["image"].shape == (2, 6, 5, 4)
    assert nvauto["image"][:, 0, 0, 0].tolist() == [ADC, DWI]
    assert arrange(image, label, find_recipe("swan"))["image"][:, 0, 0, 0].tolist() == [DWI, ADC, FLAIR]


def test_crop_number_n_is_always_the_same(cases: list[TrainingCase], work: Path) -> None:
    def stream(seed: int) -> PatchStream:
        return PatchStream([DataSet(cases)], find_recipe("seals"), work, seed, 100)

    first, second = stream(0), stream(0)
    first[3]  # other crops drawn in between change nothing
    assert torch.equal(first[17]["image"], second[17]["image"])
    assert torch.equal(first[17]["label"], second[17]["label"])
    assert not torch.equal(first[17]["image"], first[18]["image"])
    assert not torch.equal(first[17]["image"], stream(1)[17]["image"])


def test_data_sets_are_drawn_equally_often(
    cases: list[TrainingCase], work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One case beside nine is seen in half of the crops."""
    drawn: list[str] = []

    def load_and_note(case: TrainingCase, spacing_mm: float, cache: Path) -> Example:
        drawn.append(case.name)
        return load_example(case, spacing_mm, cache)

    monkeypatch.setattr("deepisles.training.patches.load_example", load_and_note)
    stream = PatchStream([DataSet(cases[:1]), DataSet(cases[1:])], find_recipe("seals"), work, 0, 60)
    for number in range(60):
        stream[number]
    assert 18 < drawn.count(cases[0].name) < 42
    assert len(set(drawn)) > 5


def test_folds_share_no_case_and_leave_none_out() -> None:
    cases = [TrainingCase(f"case{n}", Path("d"), Path("a"), Path("m")) for n in range(40)]
    held: set[str] = set()
    for number in range(5):
        fold = split([cases], number, 5)
        training, validation = {case.name for case in fold.training[0].cases}, {case.name for case in fold.validation}
        assert not training & validation
        assert training | validation == {case.name for case in cases}
        assert not validation & held
        held |= validation
    assert held == {case.name for case in cases}
    with pytest.raises(InputRefused, match="Too few cases"):
        split([cases[:3]], 0, 1)


def test_cases_without_flair_are_trained_on_and_not_validated_on() -> None:
    """SWAN will only ever segment cases with FLAIR."""
    flair = {False: None, True: Path("f")}
    cases = [TrainingCase(f"case{n}", Path("d"), Path("a"), Path("m"), flair[n % 2 == 0]) for n in range(40)]
    fold = split([cases], 0, 5, needs_flair=True)
    assert fold.validation
    assert all(case.flair is not None for case in fold.validation)
    assert {case for case in cases if case.flair is None} <= set(fold.training[0].cases)
    with pytest.raises(InputRefused, match="at least 5 in one data set, with FLAIR"):
        split([[case for case in cases if case.flair is None]], 0, 5, needs_flair=True)
