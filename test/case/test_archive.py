"""Zip archives are unpacked whole, or refused without a file outside of their folder."""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib

import pytest

from deepisles.case import archive
from deepisles.case.archive import unpack_zip
from deepisles.errors import InputRefused, OutputError

PATIENT = "DOE_JANE"


def write_zip(path, files, *, method=zipfile.ZIP_DEFLATED):
    """Write a zip; `files` are pairs, as names may come twice, of names or ZipInfo and contents."""
    with zipfile.ZipFile(path, "w", method) as packed:
        for name, content in files:
            packed.writestr(name, content)
    return path


def make_entry(name, mode=0):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    return entry


def patch_all(path, old, new):
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    return path


def refuse(path, folder, fragment, error=InputRefused):
    """Unpack into a folder and check how it is refused, and that nothing lies beside the folder."""
    before = sorted(folder.parent.iterdir())
    with pytest.raises(error) as refused:
        unpack_zip(path, folder, "DWI")
    message = str(refused.value)
    assert re.search(fragment, message), message
    assert message.startswith("The DWI ")
    assert message.endswith(".")
    assert "\n" not in message
    assert PATIENT not in message
    assert sorted(folder.parent.iterdir()) in (before, sorted([*before, folder]))


def list_files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_come_out_as_they_went_in(tmp_path, method):
    files = {"IM0": b"\0" * 300_000, "a/b/IM1": bytes(range(256)) * 3000, "a/empty": b"", "ä ö/名前": b"x"}
    path = write_zip(tmp_path / "study.zip", [("a/", b""), *files.items()], method=method)
    unpack_zip(path, tmp_path / "new" / "folder", "DWI")
    assert list_files(tmp_path / "new" / "folder") == files


def test_what_windows_and_macos_do_to_archives(tmp_path):
    path = write_zip(tmp_path / "study.zip", [("seriesX1XIM0", b"1"), ("__MACOSX/series/._IM0", b"2")])
    patch_all(path, b"seriesX1XIM0", b"series\\1\\IM0")
    unpack_zip(path, tmp_path / "out", "DWI")
    assert list_files(tmp_path / "out") == {"series/1/IM0": b"1"}


def test_permissions_are_not_taken_over(tmp_path):
    entry = make_entry("script", stat.S_IFREG | stat.S_ISUID | 0o777)
    unpack_zip(write_zip(tmp_path / "study.zip", [(entry, b"#!")]), tmp_path / "out", "DWI")
    assert stat.S_IMODE((tmp_path / "out" / "script").stat().st_mode) & (stat.S_ISUID | 0o111) == 0


def test_a_zip_within_a_zip_stays_packed(tmp_path):
    inner = write_zip(tmp_path / "inner.zip", [("IM0", b"1")]).read_bytes()
    unpack_zip(write_zip(tmp_path / "outer.zip", [("inner.zip", inner)]), tmp_path / "out", "DWI")
    assert list_files(tmp_path / "out") == {"inner.zip": inner}


@pytest.mark.parametrize(
    "name",
    [
        "../" + PATIENT,
        "a/../../" + PATIENT,
        "/etc/" + PATIENT,
        "..\\" + PATIENT,
        "\\\\server\\share\\" + PATIENT,
        "C:\\" + PATIENT,
        "C:" + PATIENT,
        "../" + PATIENT + "/",
    ],
)
def test_names_that_lead_out_of_the_folder(tmp_path, name):
    path = write_zip(tmp_path / "study.zip", [("IM0", b"1"), (name, b"2")])
    refuse(path, tmp_path / "out", "land outside of its folder")
    assert list_files(tmp_path / "out") == {}


@pytest.mark.parametrize("name", ["a/" * 40 + "x", "x" * 300, "é" * 200, PATIENT + "\nx", "."])
def test_impossible_names(tmp_path, name):
    refuse(write_zip(tmp_path / "study.zip", [(name, b"2")]), tmp_path / "out", "impossible name, or in folders too")


def test_a_name_that_ends_at_a_nul(tmp_path):
    path = patch_all(write_zip(tmp_path / "study.zip", [("IM0X/../../x", b"2")]), b"IM0X", b"IM0\0")
    refuse(path, tmp_path / "out", "outside|impossible name")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_links_and_devices(tmp_path, kind):
    path = write_zip(tmp_path / "study.zip", [(make_entry(PATIENT, kind | 0o777), b"/etc/passwd")])
    refuse(path, tmp_path / "out", "link or another special file")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "names",
    [("IM0", "IM0"), ("a/IM0", "a//IM0"), ("a/IM0", "./a/IM0"), ("a", "a/IM0"), ("a/IM0", "a"), ("a/I", "a\\I")],
)
def test_one_name_twice(tmp_path, names):
    path = write_zip(tmp_path / "study.zip", [(name, b"1") for name in names])
    refuse(path, tmp_path / "out", "two files of the same name")


def test_encrypted_and_unusually_compressed(tmp_path):
    path = write_zip(tmp_path / "study.zip", [("IM0", b"1" * 100)])
    for offset, flag in ((6, 0x1), (6, 0x40), (6, 0x2000)):
        content = bytearray(path.read_bytes())
        directory = content.index(b"PK\1\2")
        for place in (offset, directory + offset + 2):
            struct.pack_into("<H", content, place, flag)
        (tmp_path / "encrypted.zip").write_bytes(content)
        refuse(tmp_path / "encrypted.zip", tmp_path / "out", "encrypted: unpack it first")
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = write_zip(tmp_path / "unusual.zip", [("IM0", b"1" * 100)], method=method)
        refuse(path, tmp_path / "out", "unusual way")


def test_bombs(tmp_path, monkeypatch):
    zeros = b"\0" * (archive.SMALL_BYTES + 1)
    refuse(write_zip(tmp_path / "one.zip", [("IM0", zeros)]), tmp_path / "out", "more than a study has")
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 3 * archive.SMALL_BYTES)
    many = write_zip(tmp_path / "many.zip", [(f"IM{n}", zeros[1:]) for n in range(4)])
    refuse(many, tmp_path / "out", "more than a study has")
    assert list_files(tmp_path / "out") == {}


def test_too_many_files(tmp_path):
    path = write_zip(tmp_path / "many.zip", [(f"{n}", b"") for n in range(archive.MAX_FILES + 1)])
    refuse(path, tmp_path / "out", "more than 20000 files")


def test_entries_that_share_their_bytes(tmp_path):
    # two entries of the table of contents that point at the same data: the "better zip bomb"
    path = write_zip(tmp_path / "study.zip", [("IM0", bytes(range(256)) * 40)], method=zipfile.ZIP_STORED)
    content = path.read_bytes()
    start, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    directory, tail = content[start:end], bytearray(content[end:])
    struct.pack_into("<2HI", tail, 8, 9, 9, 9 * len(directory))
    several = b"".join(directory.replace(b"IM0", b"IM%d" % n) for n in range(9))
    path.write_bytes(content[:start] + several + tail)
    refuse(path, tmp_path / "out", "damaged or cut short")


def test_a_size_that_is_not_true(tmp_path):
    # the entry says 100 bytes and unpacks to 10 MB, or says 10 MB and unpacks to 100 bytes
    for told, true in ((100, 10_000_000), (10_000_000, 100)):
        path = write_zip(tmp_path / "study.zip", [("IM0", b"\1" * true)])
        patch_all(path, struct.pack("<I", true), struct.pack("<I", told))
        refuse(path, tmp_path / f"out{told}", "damaged")
        assert sum(map(len, list_files(tmp_path / f"out{told}").values())) <= 100


def test_a_table_of_contents_that_fills_the_memory(tmp_path):
    with (tmp_path / "study.zip").open("wb") as file:
        file.write(b"PK\3\4")
        file.truncate(3 << 30)
        file.seek(3 << 30)
        file.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 9, 9, (3 << 30) - 4, 4, 0))
    refuse(tmp_path / "study.zip", tmp_path / "out", "damaged")


def test_damaged_archives(tmp_path):
    path = write_zip(tmp_path / "study.zip", [("IM0", bytes(range(256)) * 40), ("IM1", b"1")])
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) // 2, 40, 4):
        path.write_bytes(whole[:length])
        refuse(path, tmp_path / f"out{length}", "damaged or cut short")
    flipped = bytearray(whole)
    flipped[100] ^= 0x10
    path.write_bytes(flipped)
    refuse(path, tmp_path / "flipped", "damaged or cut short")
    for content in (b"", b"x", b"patient DOE_JANE\n" * 100, zlib.compress(b"x")):
        path.write_bytes(content)
        refuse(path, tmp_path / "foreign", "not a zip archive")


def test_empty_archives(tmp_path):
    refuse(write_zip(tmp_path / "empty.zip", []), tmp_path / "out", "is empty")
    refuse(write_zip(tmp_path / "folder.zip", [("a/", b"")]), tmp_path / "out", "is empty")


def test_what_is_no_file(tmp_path):
    refuse(tmp_path / "nowhere.zip", tmp_path / "out", "not found: there is no file .*nowhere.zip")
    (tmp_path / "folder.zip").mkdir()
    refuse(tmp_path / "folder.zip", tmp_path / "out", "not found")


def test_a_full_disk_is_no_fault_of_the_archive(tmp_path, monkeypatch):
    path = write_zip(tmp_path / "study.zip", [("IM0", b"1")])

    def fail(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(path), "open", fail)
    refuse(path, tmp_path / "out", "cannot be unpacked: No space left", OutputError)


def test_only_empty_folders_are_unpacked_into(tmp_path):
    path = write_zip(tmp_path / "study.zip", [("IM0", b"1")])
    with pytest.raises(ValueError, match="empty folders"):
        unpack_zip(path, tmp_path, "DWI")
