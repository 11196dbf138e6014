"""Territory loads of hand-made masks, and of 200 real ones against a count that is written here anew."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deepisles.atlas.store import open_atlas
from deepisles.findings.territory import SIDES, TERRITORIES, measure_loads, territory_code

CASES = 200
COUNTED = {  # the label table of ArterialAtlas136, read by hand
    "ACA": (1, 2, 3, 4),
    "MCA": (5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
    "PCA": (17, 18, 19, 20, 21, 22, 23, 24),
    "pons-medulla": (25, 26),
    "cerebellum": (27, 28, 29, 30),
}
OTHER_NAMES = {"brainstem": "pons-medulla"}


@given(
    arrays(np.uint8, (3, 4, 5), elements=st.integers(0, 10)),
    arrays(np.uint8, (3, 4, 5), elements=st.integers(0, 1)),
    st.floats(0.0001, 0.1),
)
def test_loads_add_up_to_the_lesions(codes, mask, voxel_ml):
    loads = measure_loads(codes, mask, voxel_ml)
    total = sum(load.both for load in loads.loads_ml.values()) + loads.outside_ml
    assert total == pytest.approx(mask.sum() * voxel_ml)
    for name in TERRITORIES:
        for side in SIDES:
            expected = ((codes == territory_code(name, side)) & (mask > 0)).sum() * voxel_ml
            assert getattr(loads.loads_ml[name], side) == pytest.approx(expected)


def test_both_sides_count_for_a_territory_and_the_larger_names_the_side():
    codes = np.array([[[territory_code("MCA", "left")] * 3, [territory_code("PCA", "left")] * 3]])
    codes[0, 1, 1:] = territory_code("PCA", "right")
    loads = measure_loads(codes, np.array([[[1, 1, 0], [1, 1, 1]]]), 1.0)
    assert loads.largest == ("PCA", "right")
    assert (loads.loads_ml["MCA"].left, loads.loads_ml["MCA"].right) == (2, 0)


def test_lesions_outside_every_territory_have_none():
    loads = measure_loads(np.zeros((2, 2, 2), int), np.ones((2, 2, 2)), 0.5)
    assert loads.largest is None
    assert loads.outside_ml == 4
    assert loads.labelled_share == 0


def test_a_map_on_another_grid_is_an_error():
    with pytest.raises(ValueError, match="shape"):
        measure_loads(np.zeros((2, 2, 2), int), np.ones((2, 2, 3)), 0.5)


@pytest.fixture(scope="module")
def soop(shared: Path) -> tuple[dict[str, np.ndarray], str]:
    """Read the first masks of SOOP (x, y, z), and the table of arteries that its authors made of them."""
    masks: dict[str, np.ndarray] = {}
    arteries = ""
    with tarfile.open(shared / "data" / "soop_lesions_mni.tar.gz") as archive:
        for member in archive:
            if member.name == "artery.tsv":
                arteries = archive.extractfile(member).read().decode()
            elif member.name.endswith("_lesion.nii.gz") and len(masks) < CASES:
                image = nib.Nifti1Image.from_bytes(gzip.decompress(archive.extractfile(member).read()))
                masks[Path(member.name).name.removeprefix("bwsr").split("_")[0]] = np.asanyarray(image.dataobj) > 0
    return masks, arteries


@pytest.fixture(scope="module")
def territories(shared: Path, soop: tuple[dict[str, np.ndarray], str]) -> dict[str, str | None]:
    """Name the territory of every mask by the program."""
    atlas = open_atlas(shared / "data" / "atlas" / "ArterialAtlas136.nii.gz")
    loads = {name: measure_loads(atlas.codes.array, mask.T, 0.001) for name, mask in soop[0].items()}
    return {name: load.largest[0] if load.largest else None for name, load in loads.items()}


def test_the_territory_of_real_masks_is_that_of_a_direct_count(shared, soop, territories):
    atlas = np.asanyarray(nib.load(shared / "data" / "atlas" / "ArterialAtlas136.nii.gz").dataobj)
    with (shared / "data" / "soop_lesions_mni.tsv").open() as table:
        told = {row["subject"]: row["territory_max_load"] for row in csv.DictReader(table, delimiter="\t")}
    as_told = 0
    for subject, mask in soop[0].items():
        labels = atlas[mask]
        counts = {name: int(np.isin(labels, numbers).sum()) for name, numbers in COUNTED.items()}
        if sum(counts.values()):
            assert counts[territories[subject]] == max(counts.values()), subject
        else:
            assert territories[subject] is None
        as_told += OTHER_NAMES.get(told[subject], told[subject]) == territories[subject]
    assert len(territories) == CASES
    assert as_told >= 0.98 * CASES


def test_it_agrees_with_the_arteries_that_soops_authors_found(soop, territories):
    """Their table has the share of each artery's region that is damaged; the most damaged one names the territory."""
    agree = Counter()
    for row in csv.DictReader(io.StringIO(soop[1]), delimiter="\t"):
        shares = {int(name.split("_")[0]): float(share) for name, share in row.items() if name[0].isdigit()}
        most_damaged = max(range(1, 31), key=shares.__getitem__)
        if (territory := territories.get(row["participant_id"])) and shares[most_damaged]:
            agree[most_damaged in COUNTED[territory]] += 1
    assert agree.total() > 0.9 * CASES
    assert agree[True] / agree.total() > 0.8
