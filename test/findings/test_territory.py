"""Territory loads of hand-made masks, and of 300 real ones against a count that is written here anew."""

from __future__ import annotations

import csv
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
from deepisles.case.decoder import InProcessDecoder
from deepisles.case.reading import read_volume
from deepisles.findings.territory import SIDES, TERRITORIES, measure_loads, territory_code

CASES = 300
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
def soop(shared: Path) -> dict[str, bytes]:
    """Read the first masks of SOOP, and the table of arteries beside them."""
    found: dict[str, bytes] = {}
    with tarfile.open(shared / "data" / "soop_lesions_mni.tar.gz") as archive:
        for member in archive:
            is_mask = member.name.endswith("_lesion.nii.gz")
            if (is_mask and sum(name.startswith("sub") for name in found) < CASES) or member.name == "artery.tsv":
                name = Path(member.name).name.removeprefix("bwsr").removesuffix("_lesion.nii.gz")
                found[name] = archive.extractfile(member).read()
    return found


@pytest.fixture(scope="module")
def territories(shared: Path, soop: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Name the territory of every mask by the program."""
    atlas = open_atlas(shared / "data" / "atlas" / "ArterialAtlas136.nii.gz")
    named = {}
    for subject, content in soop.items():
        if subject.startswith("sub"):
            path = tmp_path_factory.mktemp("masks") / "mask.nii.gz"
            path.write_bytes(content)
            mask = read_volume(path, "mask", allow_constant=True, decoder=InProcessDecoder())
            assert mask.grid.matches(atlas.codes.grid, 1e-3)
            largest = measure_loads(atlas.codes.array, mask.array, mask.grid.voxel_volume_ml).largest
            named[subject] = largest[0] if largest else None
    return named


def test_the_territory_of_real_masks_is_that_of_a_direct_count(shared, soop, territories):
    atlas = np.asanyarray(nib.load(shared / "data" / "atlas" / "ArterialAtlas136.nii.gz").dataobj)
    with (shared / "data" / "soop_lesions_mni.tsv").open() as table:
        labels = {row["subject"]: row["territory_max_load"] for row in csv.DictReader(table, delimiter="\t")}
    compared = 0
    for subject, territory in territories.items():
        mask = np.asanyarray(nib.Nifti1Image.from_bytes(_unpack(soop[subject])).dataobj) > 0
        counts = {name: int(np.isin(atlas[mask], numbers).sum()) for name, numbers in COUNTED.items()}
        if sum(counts.values()):
            assert counts[territory] == max(counts.values()), subject
        else:
            assert territory is None
        if label := labels.get(subject):
            compared += OTHER_NAMES.get(label, label) == territory
    assert len(territories) == CASES
    assert compared >= 0.98 * CASES


def test_it_agrees_with_the_arteries_that_soop_counted(soop, territories):
    rows = csv.DictReader(io.StringIO(soop["artery.tsv"].decode()), delimiter="\t")
    agree = Counter()
    for row in rows:
        if territory := territories.get(row["participant_id"]):
            shares = dict.fromkeys(COUNTED, 0.0)
            for column, share in row.items():
                number = column.partition("_")[0]
                for name, numbers in COUNTED.items():
                    if number.isdigit() and int(number) in numbers:
                        shares[name] = max(shares[name], float(share))
            agree[max(shares, key=shares.__getitem__) == territory] += 1
    assert agree.total() > 0.9 * CASES
    assert agree[True] / agree.total() > 0.7


def _unpack(content: bytes) -> bytes:
    import gzip

    return gzip.decompress(content)
