"""tools/check_submission on good archives and on each way of being wrong."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from threshold_bundle import make_threshold_bundle

PROJECT = Path(__file__).resolve().parents[1]
USERS = "root:x:0:0::/root:/bin/sh\ndeepisles:x:10001:10001::/home/deepisles:/bin/sh\n"
LABEL = "org.grand-challenge.api-method"


def check(*paths):
    return subprocess.run([PROJECT / "tools" / "check_submission", *paths], capture_output=True, text=True)


def wrong_lines(ran):
    return [line for line in ran.stdout.splitlines() if line.startswith("  WRONG")]


def pack(files, mode="w"):
    """Make a tar archive of names and contents; a content of None is a folder, a str a link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if content is None:
                member.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
            else:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def make_image_files(layers=None, settings=None, config=None, new_layout=False):
    """Make the files of an image archive, as older docker and buildah write them or as docker 25 does."""
    made_settings = {"User": "10001:10001", "Entrypoint": ["/run"], "Labels": {}} | (settings or {})
    document = {"architecture": "amd64", "os": "linux", "config": made_settings} | (config or {})
    content = json.dumps(document).encode()
    digest = hashlib.sha256(content).hexdigest()
    config_name = f"blobs/sha256/{digest}" if new_layout else f"{digest}.json"
    packed = [pack(layer) for layer in (layers or [{"etc": None, "etc/passwd": USERS.encode()}, {"opt/app/run": b"x"}])]
    names = [
        f"blobs/sha256/{hashlib.sha256(layer).hexdigest()}" if new_layout else f"layer{number}.tar"
        for number, layer in enumerate(packed)
    ]
    manifest = [{"Config": config_name, "RepoTags": ["deepisles:1"], "Layers": names}]
    files = dict(zip(names, packed, strict=True))
    # older docker and buildah put these beside each layer
    beside = (
        {} if new_layout else {"layer0": None, "layer0/VERSION": b"1.0", "layer0/json": b"{}", "repositories": b"{}"}
    )
    return {**files, **beside, config_name: content, "manifest.json": json.dumps(manifest).encode()}


def write_image(folder, files):
    path = folder / "image.tar.gz"
    path.write_bytes(pack(files, "w:gz"))
    return path


@pytest.mark.parametrize("new_layout", [False, True])
@pytest.mark.parametrize("method", [None, "exec", "invoke"])
def test_a_good_image(tmp_path, new_layout, method):
    labels = {"Labels": {LABEL: method} if method else None}
    ran = check(write_image(tmp_path, make_image_files(settings=labels, new_layout=new_layout)))
    assert (ran.returncode, wrong_lines(ran)) == (0, []), ran.stdout + ran.stderr
    assert ("as a server" in ran.stdout) == (method == "invoke")


def test_a_good_image_uncompressed_and_with_layers_as_links(tmp_path):
    files = make_image_files()
    manifest = json.loads(files["manifest.json"])
    first = manifest[0]["Layers"][0]
    manifest[0]["Layers"][0] = "old/layer.tar"
    files |= {"manifest.json": json.dumps(manifest).encode(), "old/layer.tar": f"../{first}"}
    path = tmp_path / "image.tar"
    path.write_bytes(pack(files))
    ran = check(path)
    assert (ran.returncode, wrong_lines(ran)) == (0, []), ran.stdout
    assert "not compressed" in ran.stdout


@pytest.mark.parametrize("user", ["", "root", "0", "0:0", "root:root", "0:10001"])
def test_an_image_that_runs_as_root(tmp_path, user):
    ran = check(write_image(tmp_path, make_image_files(settings={"User": user})))
    assert ran.returncode == 1
    assert "runs as root" in wrong_lines(ran)[0]


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"settings": {"User": "4321"}}, "user 4321 is not in its /etc/passwd"),
        ({"settings": {"User": "nobody"}}, "user nobody is not in its /etc/passwd"),
        ({"config": {"architecture": "arm64"}}, "built for linux/arm64"),
        ({"config": {"os": "windows"}}, "built for windows/amd64"),
        ({"settings": {"Labels": {LABEL: "serve"}}}, "is 'serve'; it must be exec or invoke"),
        ({"settings": {"Entrypoint": None}}, "neither entry point nor command"),
        ({"layers": [{"etc/passwd": USERS.encode(), "opt/ml/model/w": b"1"}]}, "the first is /opt/ml/model/w"),
        ({"layers": [{"etc/passwd": USERS.encode(), "./tmp/cache": b"1"}]}, "the first is /tmp/cache"),
    ],
)
def test_an_image_with_one_thing_wrong(tmp_path, changes, fragment):
    ran = check(write_image(tmp_path, make_image_files(**changes)))
    assert ran.returncode == 1
    (sentence,) = wrong_lines(ran)
    assert fragment in sentence
    assert sentence.endswith(".")


def test_the_user_may_be_named_and_the_last_passwd_counts(tmp_path):
    layers = [{"etc/passwd": USERS.encode()}, {"etc/passwd": b"root:x:0:0::/root:/bin/sh\n"}]
    named = {"User": "deepisles"}
    assert check(write_image(tmp_path, make_image_files(settings=named))).returncode == 0
    ran = check(write_image(tmp_path, make_image_files(settings=named, layers=layers)))
    assert "user deepisles is not in its /etc/passwd" in wrong_lines(ran)[0]


def test_an_archive_of_two_images(tmp_path):
    files = make_image_files()
    files["manifest.json"] = json.dumps(json.loads(files["manifest.json"]) * 2).encode()
    assert "holds 2 images" in wrong_lines(check(write_image(tmp_path, files)))[0]


def test_an_archive_without_a_manifest(tmp_path):
    files = make_image_files()
    del files["manifest.json"]
    assert "no manifest.json" in wrong_lines(check(write_image(tmp_path, files)))[0]


def test_a_configuration_that_is_not_what_its_digest_says(tmp_path):
    files = make_image_files()
    (name,) = [name for name in files if len(name) == 69]
    files[name] += b" "
    assert "not what its digest says" in wrong_lines(check(write_image(tmp_path, files)))[0]


@pytest.mark.parametrize("missing", ["layer0.tar", "config"])
def test_an_archive_that_lacks_a_part(tmp_path, missing):
    files = make_image_files()
    del files[next(name for name in files if name == missing or (missing == "config" and len(name) == 69))]
    assert "missing" in wrong_lines(check(write_image(tmp_path, files)))[0]


def test_an_archive_that_was_cut(tmp_path):
    path = write_image(tmp_path, make_image_files())
    path.write_bytes(path.read_bytes()[:-40])
    ran = check(path)
    assert ran.returncode == 1
    assert "not a whole tar archive" in wrong_lines(ran)[0]
    assert ran.stderr == ""


def test_something_that_is_no_archive(tmp_path):
    (tmp_path / "image.tar.gz").write_text("patient")
    (tmp_path / "model.tar.gz").write_text("patient")
    ran = check(tmp_path / "image.tar.gz", tmp_path / "model.tar.gz", tmp_path / "absent.tar.gz")
    assert ran.returncode == 1
    assert len(wrong_lines(ran)) == 2
    assert "absent.tar.gz: there is no such file." in ran.stdout
    assert ran.stderr == ""


def test_without_archives_it_explains_itself():
    assert check("--help").returncode == 0
    ran = check()
    assert ran.returncode == 2
    assert "Usage: tools/check_submission" in ran.stdout


@pytest.fixture
def bundle(tmp_path):
    return make_threshold_bundle(tmp_path / "bundle")


def read_bundle(bundle, top=""):
    return {f"{top}{path.name}": path.read_bytes() for path in sorted(bundle.iterdir())}


def write_weights(folder, files, mode="w:gz"):
    path = folder / "model.tar.gz"
    path.write_bytes(pack(files, mode))
    return path


def test_good_weights_as_export_writes_them(bundle, tmp_path):
    packed = subprocess.run(
        [PROJECT / "export.sh", "--only", "weights", "--weights", bundle, "--output", tmp_path], capture_output=True
    )
    assert packed.returncode == 0
    ran = check(tmp_path / "model.tar.gz")
    assert (ran.returncode, wrong_lines(ran)) == (0, []), ran.stdout
    assert "called 'threshold'" in ran.stdout


@pytest.mark.parametrize(
    ("more", "fragment"),
    [
        ({"/etc/cron": b"x"}, "/etc/cron has an absolute path"),
        ({"../elsewhere": b"x"}, "../elsewhere leads out of the folder"),
        ({"link": "/etc/passwd"}, "link is a link with an absolute path"),
        ({"link": "../../elsewhere"}, "link is a link that leads out of the folder"),
    ],
)
def test_weights_that_the_platform_refuses_to_unpack(bundle, tmp_path, more, fragment):
    ran = check(write_weights(tmp_path, {**read_bundle(bundle), **more}))
    assert ran.returncode == 1
    assert fragment in wrong_lines(ran)[0]


def test_weights_with_a_top_folder(bundle, tmp_path):
    ran = check(write_weights(tmp_path, read_bundle(bundle, "model/")))
    assert "does not lie at its top (it is in model/)" in wrong_lines(ran)[0]


@pytest.mark.parametrize("damage", ["missing", "changed", "manifest", "not a bundle"])
def test_weights_that_are_no_whole_bundle(bundle, tmp_path, damage):
    files = read_bundle(bundle)
    if damage == "missing":
        del files["swan.safetensors"]
    elif damage == "changed":
        files["swan.safetensors"] += b"x"
    else:
        files["bundle.json"] = b"{" if damage == "manifest" else b"{}"
    ran = check(write_weights(tmp_path, files))
    assert ran.returncode == 1
    assert len(wrong_lines(ran)) == 1
    assert ran.stderr == ""


def test_weights_that_are_not_compressed(bundle, tmp_path):
    assert "not compressed by gzip" in wrong_lines(check(write_weights(tmp_path, read_bundle(bundle), "w")))[0]


def test_weights_that_were_cut(bundle, tmp_path):
    path = write_weights(tmp_path, read_bundle(bundle))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cut short or damaged" in wrong_lines(check(path))[0]


def test_both_at_once(bundle, tmp_path):
    ran = check(write_image(tmp_path, make_image_files()), write_weights(tmp_path, read_bundle(bundle)))
    assert ran.returncode == 0
    assert ran.stdout.count("  ok ") == 2


def test_it_runs_without_this_projects_packages(tmp_path):
    folder = shutil.copytree(PROJECT / "tools", tmp_path / "tools")
    path = write_image(tmp_path, make_image_files())
    ran = subprocess.run(
        ["python3", "-I", "-S", folder / "check_submission", path], capture_output=True, text=True, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stderr
