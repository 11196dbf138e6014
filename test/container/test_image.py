"""What the image says of itself, and the files that are uploaded."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from typing import Any


def test_user_is_a_plain_one(image_config: dict[str, Any], run_image: Any, empty_input: Path) -> None:
    user = image_config["config"]["User"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    known = run_image(empty_input, command=["python3", "-c", "import os, pwd; print(pwd.getpwuid(os.getuid()))"])
    assert known.exit_code == 0
    assert f"pw_uid={user.split(':')[0]}," in known.stdout


def test_platform(image_config: dict[str, Any]) -> None:
    assert (image_config["architecture"], image_config["os"]) == ("amd64", "linux")


def test_runs_without_arguments(image_config: dict[str, Any]) -> None:
    assert image_config["config"]["Entrypoint"] == ["/opt/venv/bin/python", "/opt/app/process.py"]
    assert not image_config["config"].get("Cmd")


def test_labels(image_config: dict[str, Any]) -> None:
    labels = image_config["config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == "deepisles"
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", labels["org.opencontainers.image.version"])
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", labels["org.opencontainers.image.revision"])
    # without this label the platform runs an image once per case, which is what this one is for
    assert "org.grand-challenge.api-method" not in labels


def test_nothing_lies_where_the_platform_mounts(run_image: Any, empty_input: Path) -> None:
    listing = "import pathlib; print(*(str(p) for d in ('/tmp', '/opt/ml') for p in pathlib.Path(d).rglob('*')))"
    found = run_image(empty_input, command=["python3", "-c", listing])
    assert found.exit_code == 0
    # the model folder is the mount itself
    assert found.stdout.split() == ["/opt/ml/model"]


def test_runs_are_sealed_off(run_image: Any, empty_input: Path) -> None:
    # the other tests' claims (no network, read-only input) hold only while this does
    code = "import os, socket; print([n for _, n in socket.if_nameindex()], os.statvfs('/input').f_flag & os.ST_RDONLY)"
    assert run_image(empty_input, command=["python3", "-c", code]).stdout == "['lo'] 1\n"


def test_image_holds_only_what_a_run_needs(run_image: Any, empty_input: Path) -> None:
    found = run_image(empty_input, command=["ls", "-A", "/opt/app"])
    assert not {".git", ".venv", ".ci", "test", "docs", "tools", "out", "dist"} & set(found.stdout.split())
    assert {"process.py", "deepisles", "models", "resources"} <= set(found.stdout.split())
    assert run_image(empty_input, command=["ls", "/wheelhouse"]).stdout == ""


def test_torch_is_the_pinned_one(run_image: Any, empty_input: Path) -> None:
    found = run_image(empty_input, command=["python", "-c", "import torch; print(torch.__version__.split('+')[0])"])
    pins = (Path(__file__).parents[2] / "requirements.txt").read_text()
    assert f"torch=={found.stdout.strip()}\n" in pins


def test_image_archive_holds_one_image(exported: Path) -> None:
    (archive,) = (path for path in exported.glob("*.tar.gz") if path.name != "model.tar.gz")
    names, documents = set(), {}
    # gigabytes: read once, from front to back
    with tarfile.open(archive, "r|gz") as stored:
        for member in stored:
            names.add(member.name)
            if member.name.endswith(".json") and (file := stored.extractfile(member)):
                documents[member.name] = json.load(file)
    (manifest,) = documents["manifest.json"]
    config = documents[manifest["Config"]]
    assert len(manifest["RepoTags"]) == 1
    assert re.search(r"[0-9a-f]{64}", manifest["Config"])
    assert config["architecture"] == "amd64"
    assert config["config"]["User"] not in ("", "0", "root")
    assert set(manifest["Layers"]) <= names


def test_weights_archive_unpacks_to_a_bundle(exported: Path, tmp_path: Path, tiny_bundle: Path) -> None:
    with tarfile.open(exported / "model.tar.gz", "r:gz") as stored:
        assert all(member.isfile() or member.isdir() for member in stored)
        stored.extractall(tmp_path, filter="data")
    unpacked = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    bundle = {path.relative_to(tiny_bundle): path.read_bytes() for path in tiny_bundle.rglob("*") if path.is_file()}
    assert Path("bundle.json") in unpacked
    assert unpacked == bundle
