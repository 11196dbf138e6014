"""R01 to R08 as far as the recipe and the scripts tell; test/container has them for the built image and its archive."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile

import pytest
from exec_runs import PROJECT

from deepisles.errors import WeightsError
from deepisles.weights.locate import Places, find_weights, open_weights

LABEL = "org.grand-challenge.api-method"


@pytest.fixture(scope="module")
def stages():
    """Read the Dockerfile's stages: name to instructions, those of the stages below included."""
    text = re.sub(r"\\\n", " ", (PROJECT / "Dockerfile").read_text(encoding="utf-8"))
    found, name = {}, ""
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if start := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            name = start[2]
            found[name] = list(found.get(start[1], ()))
        elif name and not line.startswith("#"):
            found[name].append(line)
    return found


@pytest.fixture(params=["exec", "invoke"])
def stage(stages, request):
    return stages[request.param]


def last(stage, instruction):
    return [line.removeprefix(f"{instruction} ") for line in stage if line.startswith(f"{instruction} ")][-1]


def test_r01_the_recipe_ends_as_a_user_that_it_made(stage):
    user, group = last(stage, "USER").split(":")
    assert int(user) > 0
    assert int(group) > 0
    (made,) = [line for line in stage if "useradd" in line]
    assert f"--uid {user} " in made
    assert f"--gid {group} " in made


def test_r02_the_image_is_built_for_the_platforms_machines():
    assert "--platform linux/amd64" in (PROJECT / "build.sh").read_text(encoding="utf-8")


def test_r03_the_entry_point_needs_no_shell_and_no_arguments(stage):
    assert all(isinstance(word, str) for word in json.loads(last(stage, "ENTRYPOINT")))
    assert json.loads(last(stage, "CMD")) == []


def test_r04_the_label_tells_invoke_from_exec(stages):
    assert [line for line in stages["invoke"] if LABEL in line] == [f'LABEL {LABEL}="invoke"']
    assert not [line for line in stages["exec"] if LABEL in line]
    # what a build without a target makes
    assert list(stages)[-1] == "exec"


def test_r06_nothing_is_put_where_the_platform_mounts(stage):
    assert last(stage, "WORKDIR") == "/opt/app"
    for line in stage:
        if line.startswith(("COPY", "ADD")):
            assert not re.match(r"/(tmp|input|output|opt/ml)\b", line.split()[-1])


def test_r07_the_model_archive_unpacks_to_what_the_code_expects(weights, tmp_path):
    packed = subprocess.run(
        [PROJECT / "export.sh", "--only", "weights", "--weights", weights, "--output", tmp_path], capture_output=True
    )
    assert packed.returncode == 0, packed.stderr
    with tarfile.open(tmp_path / "model.tar.gz", "r:gz") as archive:
        archive.extractall(tmp_path / "model", filter="data")
    bundle = open_weights(places=Places(platform_folder=tmp_path / "model"))
    bundle.verify()
    assert bundle.manifest.name == "threshold"


def test_r08_uploaded_weights_come_first_and_baked_ones_where_there_are_none(weights, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "models" / "starter").mkdir(parents=True)
    (tmp_path / "models" / "starter" / "bundle.json").write_text("{}")
    baked = {"models_folder": tmp_path / "models"}
    assert find_weights(Places(platform_folder=weights, **baked)) == weights
    assert find_weights(Places(platform_folder=tmp_path / "empty", **baked)) == tmp_path / "models" / "starter"
    with pytest.raises(WeightsError, match=r"^No weights were found: [^\n]*\.$"):
        find_weights(Places(platform_folder=tmp_path / "empty", models_folder=tmp_path / "empty"))
