"""What the image says of itself, and the files that are uploaded."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from platform_runs import DATA_LIMIT_BYTES


def test_r01_the_images_user_is_a_plain_one_that_it_knows(
    image_config: dict[str, Any], run_image: Any, empty_input: Path
) -> None:
    user = image_config["config"]["User"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    known = run_image(empty_input, command=["python3", "-c", "import os, pwd; print(pwd.getpwuid(os.getuid()))"])
    assert known.exit_code == 0
    assert f"pw_uid={user.split(':')[0]}," in known.stdout


def test_r02_the_image_is_for_the_platforms_machines(image_config: dict[str, Any]) -> None:
    assert (image_config["architecture"], image_config["os"]) == ("amd64", "linux")


def test_r03_the_images_entry_points_need_no_arguments(
    image_config: dict[str, Any], invoke_config: dict[str, Any]
) -> None:
    assert image_config["config"]["Entrypoint"] == ["/opt/venv/bin/python", "/opt/app/process.py"]
    assert invoke_config["config"]["Entrypoint"] == ["/opt/venv/bin/deepisles", "serve"]
    assert not image_config["config"].get("Cmd")
    assert not invoke_config["config"].get("Cmd")


def test_r04_the_images_labels_say_how_they_are_run(
    image_config: dict[str, Any], invoke_config: dict[str, Any]
) -> None:
    # without this label the platform runs an image once per case
    assert "org.grand-challenge.api-method" not in image_config["config"]["Labels"]
    assert invoke_config["config"]["Labels"]["org.grand-challenge.api-method"] == "invoke"
    assert [port.removesuffix("/tcp") for port in invoke_config["config"]["ExposedPorts"]] == ["4743"]
    assert (invoke_config["architecture"], invoke_config["os"]) == ("amd64", "linux")
    assert invoke_config["config"]["User"] == image_config["config"]["User"]


def test_labels(image_config: dict[str, Any]) -> None:
    labels = image_config["config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == "deepisles"
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", labels["org.opencontainers.image.version"])
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", labels["org.opencontainers.image.revision"])


def test_r06_the_image_has_nothing_where_the_platform_mounts(image: str) -> None:
    container = buildah("from", image)
    try:
        root = Path(buildah("mount", container))
        found = [path for place in ("tmp", "input", "output", "opt/ml") for path in (root / place).rglob("*")]
        assert [path for path in found if not path.is_dir()] == []
    finally:
        buildah("rm", container)


def buildah(*arguments: str) -> str:
    return subprocess.run(["buildah", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def test_image_is_below_ten_gigabytes(image: str) -> None:
    (described,) = json.loads(buildah("images", "--json", image))
    assert re.fullmatch(r"[\d.]+ [kMG]?B", described["size"])
    number, unit = described["size"].split()
    assert float(number) < 10 or unit != "GB"


INSTALLED = """
import json
from importlib.metadata import distributions
print(json.dumps([[one.metadata["Name"], one.version] for one in distributions()]))
"""


def test_image_lists_what_is_in_it(run_image: Any, exported: Path, empty_input: Path) -> None:
    listed = json.loads(next(exported.glob("*.cdx.json")).read_text(encoding="utf-8"))
    assert listed["bomFormat"] == "CycloneDX"
    versions = {component["name"].lower(): component["version"] for component in listed["components"]}
    found = json.loads(run_image(empty_input, command=["python", "-c", INSTALLED]).stdout)
    assert {"torch", "monai", "simpleitk", "fastapi"} <= versions.keys()
    assert {name.lower() for name, _ in found} - {"deepisles"} <= versions.keys()
    # what made the list is not in the image
    assert not {"cyclonedx-bom", "cyclonedx-python-lib", "lxml"} & {name.lower() for name, _ in found}
    notices = run_image(empty_input, command=["cat", "/opt/app/THIRD_PARTY_NOTICES.txt"]).stdout
    assert "\nPermission is hereby granted, free of charge" in notices
    assert all(f"\n{name} {version}\n" in notices for name, version in found if name != "deepisles")


SEALED = """
import json, os, pathlib, resource, socket
def writable(folder):
    try:
        place = pathlib.Path(folder) / "probe"
        place.write_text("x")
        place.unlink()
        return True
    except OSError:
        return False
home = os.path.expanduser("~")
print(json.dumps({
    "devices": [name for _, name in socket.if_nameindex()],
    "user": [os.getuid(), os.getgid(), os.getgroups()],
    "tmp": os.listdir("/tmp"),
    "input is a link": os.path.islink("/input"),
    "writable": list(filter(writable, [
        "/", "/input/", "/opt/app", "/opt/venv", "/opt/ml/model", "/etc", "/var/tmp", "/output", "/tmp", home
    ])),
    "home": home,
    "data limit": resource.getrlimit(resource.RLIMIT_DATA)[0],
}))
"""


def test_r36_runs_are_sealed_off(run_image: Any, empty_input: Path) -> None:
    """The other tests' claims (no network, no root, read-only) hold only while this does."""
    found = json.loads(run_image(empty_input, command=["python3", "-c", SEALED]).stdout)
    assert found["devices"] == ["lo"]
    assert found["user"] == [10001, 10001, []]
    assert found["tmp"] == []
    assert found["input is a link"]
    assert found["writable"] == ["/output", "/tmp", found["home"]]  # noqa: S108
    assert found["data limit"] == DATA_LIMIT_BYTES


def test_image_holds_only_what_a_run_needs(run_image: Any, empty_input: Path) -> None:
    found = run_image(empty_input, command=["ls", "-A", "/opt/app"])
    assert not {".git", ".venv", ".ci", "test", "docs", "tools", "out", "dist"} & set(found.stdout.split())
    assert {"process.py", "deepisles", "models", "resources"} <= set(found.stdout.split())
    assert run_image(empty_input, command=["ls", "/wheelhouse"]).stdout == ""


def test_torch_is_the_pinned_one(run_image: Any, empty_input: Path) -> None:
    found = run_image(empty_input, command=["python", "-c", "import torch; print(torch.__version__.split('+')[0])"])
    pins = (Path(__file__).parents[2] / "requirements.txt").read_text()
    assert f"torch=={found.stdout.strip()}\n" in pins


def test_r05_the_archive_holds_one_image(exported: Path) -> None:
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


def test_r07_the_exported_weights_unpack_to_a_bundle(exported: Path, tmp_path: Path, tiny_bundle: Path) -> None:
    with tarfile.open(exported / "model.tar.gz", "r:gz") as stored:
        assert all(member.isfile() or member.isdir() for member in stored)
        stored.extractall(tmp_path, filter="data")
    unpacked = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    bundle = {path.relative_to(tiny_bundle): path.read_bytes() for path in tiny_bundle.rglob("*") if path.is_file()}
    assert Path("bundle.json") in unpacked
    assert unpacked == bundle
