"""What a hostile file can do to the process that decodes it, and what the user sees of that."""

from __future__ import annotations

import os
import signal
import sys
import time

import numpy as np
import psutil
import pytest
from image_files import make_array, write_image

from deepisles.case.child_decoder import ChildDecoder
from deepisles.case.decoder import InProcessDecoder
from deepisles.case.reading import read_volume
from deepisles.errors import GeometryError, InputRefused

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux' process table")


def read(path, decoder):
    return read_volume(path, "DWI", decoder=decoder)


def refuse(path, decoder, fragment):
    with pytest.raises(InputRefused, match=fragment) as refused:
        read(path, decoder)
    message = str(refused.value)
    assert message.startswith("The DWI image ")
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize("case", ["isles22-0009", "soop-sub3", "thick-slices"])
def test_the_child_hands_over_every_bit(cases, decoder, case):
    paths = [*(cases / case).rglob("*.nii.gz"), *(cases / case).rglob("*.mha")]
    assert paths
    for path in paths:
        volume, expected = read(path, decoder), read(path, InProcessDecoder())
        assert volume.array.dtype == expected.array.dtype
        assert volume.array.tobytes() == expected.array.tobytes()
        assert volume.array.flags.writeable
        assert volume.grid == expected.grid


@pytest.mark.parametrize("death", [signal.SIGSEGV, signal.SIGKILL, signal.SIGXCPU])
def test_a_dead_child_is_a_refusal_and_the_next_image_is_read(tmp_path, death):
    path = write_image(tmp_path / "image.mha")
    with ChildDecoder() as decoder:
        read(path, decoder)
        os.kill(decoder.process_id, death)
        refuse(path, decoder, "made the process that decodes it fail, as damaged or malicious files do: export it")
        np.testing.assert_array_equal(read(path, decoder).array, make_array())


def test_a_child_that_hangs_is_a_refusal(tmp_path):
    path = write_image(tmp_path / "image.mha")
    with ChildDecoder(time_limit_seconds=8) as decoder:
        read(path, decoder)
        os.kill(decoder.process_id, signal.SIGSTOP)
        started = time.monotonic()
        refuse(path, decoder, "took more than 8 seconds to decode")
        assert time.monotonic() - started < 60


@linux
@pytest.mark.parametrize("suffix", [".mha", ".nii", ".nii.gz"])
def test_memory_beyond_the_limit_is_a_refusal(tmp_path, suffix):
    path = write_image(tmp_path / f"image{suffix}", np.tile(make_array("float64"), (20, 20, 20)))
    with ChildDecoder(spare_memory_bytes=-(100 << 20)) as decoder:
        refuse(path, decoder, "takes more memory to decode|made the process that decodes it fail|is damaged")


@linux
def test_what_the_child_may(tmp_path):
    path = write_image(tmp_path / "image.nii.gz")
    with ChildDecoder() as decoder:
        read(path, decoder)
        child = psutil.Process(decoder.process_id)
        for no_files in (psutil.RLIMIT_FSIZE, psutil.RLIMIT_CORE):
            assert child.rlimit(no_files) == (0, 0)
        assert child.memory_info().vms < child.rlimit(psutil.RLIMIT_AS)[0] < 2 << 30
        assert child.rlimit(psutil.RLIMIT_CPU)[0] < 400
        assert not any("torch" in loaded.path for loaded in child.memory_maps())
    assert not child.is_running()


def test_code_beside_the_images_is_not_run(tmp_path, monkeypatch):
    path = write_image(tmp_path / "image.nii.gz")
    for name in ("numpy", "json", "SimpleITK", "deepisles"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('hostile')\n")
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(read_volume(path.relative_to(tmp_path), "DWI").array, make_array())


def test_names_that_are_no_text_are_read(tmp_path):
    path = write_image(tmp_path / "image.nii.gz").rename(os.fsdecode(os.fsencode(tmp_path) + b"/Schl\xe4fe.nii.gz"))
    np.testing.assert_array_equal(read_volume(path, "DWI").array, make_array())


def test_both_decoders_refuse_alike(tmp_path, decoder):
    path = write_image(tmp_path / "image.mha")
    for shape, error in (((6, 9, 11), InputRefused), ((9, 10), InputRefused)):
        for each in (decoder, InProcessDecoder()):
            with pytest.raises(error, match="The DWI image is damaged"):
                each.decode(path, "MetaImageIO", shape, "DWI")
    content = path.read_bytes().replace(b"TransformMatrix = 1 0 0", b"TransformMatrix = 0 0 0")
    path.write_bytes(content)
    for each in (decoder, InProcessDecoder()):
        with pytest.raises(GeometryError, match="right angles"):
            each.decode(path, "MetaImageIO", (6, 9, 10), "DWI")
