"""Runs of the built images, as the platform makes them; the tests beside this file look at what they left.

`.ci/container.sh` builds the images and calls these tests with --image, --invoke-image and --exported; without these
they are skipped.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
from platform_runs import Container, Run, list_files
from threshold_bundle import make_threshold_bundle

PROJECT = Path(__file__).resolve().parents[2]
SAMPLE = PROJECT / "resources" / "sample"
MODALITIES = ("dwi", "adc", "flair")

Runner = Callable[..., Run]


def ask_option(request: pytest.FixtureRequest, name: str) -> Any:
    """Give an option of this folder's, or skip without it."""
    value = request.config.getoption(name, default=None)
    if value is None:
        pytest.skip(f"no {name} was given: .ci/container.sh builds the images and runs this")
    return value


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest) -> str:
    """Name the exec image under test."""
    name: str = ask_option(request, "--image")
    return name


@pytest.fixture(scope="session")
def invoke_image(request: pytest.FixtureRequest) -> str:
    """Name the invoke image under test."""
    name: str = ask_option(request, "--invoke-image")
    return name


@pytest.fixture(scope="session")
def exported(request: pytest.FixtureRequest) -> Path:
    """Locate what export.sh wrote."""
    folder: Path = ask_option(request, "--exported")
    return folder


def read_config(image: str) -> dict[str, Any]:
    """Read an image's configuration as the platform does: user, entry point, architecture, labels."""
    answer = subprocess.run(
        ["buildah", "inspect", "--type", "image", image], check=True, capture_output=True, text=True
    )
    config: dict[str, Any] = json.loads(answer.stdout)["OCIv1"]
    return config


@pytest.fixture(scope="session")
def image_config(image: str) -> dict[str, Any]:
    """Read the exec image's configuration."""
    return read_config(image)


@pytest.fixture(scope="session")
def invoke_config(invoke_image: str) -> dict[str, Any]:
    """Read the invoke image's configuration."""
    return read_config(invoke_image)


@pytest.fixture(scope="session")
def run_image(image: str, image_config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Give a function that runs the exec image once, in a fresh container."""

    def run(inputs: Path, model: Path | None = None, command: list[str] | None = None) -> Run:
        """Run the image's own command (or another) on a read-only /input, without any network."""
        with Container(image, image_config["config"], tmp_path_factory.mktemp("run"), model) as container:
            container.put_case(inputs)
            return container.run(command)

    return run


def write_grand_challenge_tree(case: Path, folder: Path, suffix: str = ".nii.gz") -> None:
    """Lay a case of image files out as the platform does: MetaImages with unforeseeable names, and inputs.json."""
    elements = []
    for number, modality in enumerate(MODALITIES):
        key = str(uuid.uuid4())
        relative_path = f"images/{modality}-brain-mri"
        (folder / relative_path).mkdir(parents=True)
        stored = sitk.ReadImage(case / f"{modality}{suffix}")
        for name in stored.GetMetaDataKeys():
            stored.EraseMetaData(name)
        sitk.WriteImage(stored, folder / relative_path / f"{key}.mha", useCompression=True)
        socket = {
            "pk": number,
            "title": f"{modality.upper()} Brain MRI",
            "slug": f"{modality}-brain-mri",
            "kind": "Image",
            "super_kind": "Image",
            "relative_path": relative_path,
        }
        elements.append(
            {
                "pk": 100 + number,
                "socket": socket,
                "interface": socket,
                "image": {"pk": key, "name": f"secret-name-{modality}.nii.gz"},
                "file": None,
                "value": None,
            }
        )
    (folder / "inputs.json").write_text(json.dumps(elements), encoding="utf-8")


@pytest.fixture(scope="session")
def grand_challenge_input(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay the real case isles22-0009 out as the platform does."""
    folder = tmp_path_factory.mktemp("grand-challenge")
    folder.chmod(0o755)
    write_grand_challenge_tree(shared / "data" / "cases" / "isles22-0009", folder)
    return folder


@pytest.fixture(scope="session")
def grand_challenge_run(run_image: Runner, grand_challenge_input: Path, tiny_bundle: Path) -> Run:
    """Run the real case with the networks in /opt/ml/model that the original's results are known of."""
    return run_image(grand_challenge_input, model=tiny_bundle)


@pytest.fixture(scope="session")
def sample_input(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay the sample case out as plain files."""
    folder = tmp_path_factory.mktemp("sample")
    folder.chmod(0o755)
    for modality in MODALITIES:
        shutil.copy(SAMPLE / f"{modality}.mha", folder)
    return folder


@pytest.fixture(scope="session")
def sample_run(run_image: Runner, sample_input: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the sample case with weights of our own in /opt/ml/model: small ones, by whose name the report shows them."""
    model = make_threshold_bundle(tmp_path_factory.mktemp("filled") / "model")
    return run_image(sample_input, model=model)


@pytest.fixture(scope="session", params=["baked", "filled"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """Give the two states of /opt/ml/model: empty, so that the image's own weights are used, and filled."""
    if request.param == "baked":
        return None
    return make_threshold_bundle(tmp_path_factory.mktemp("filled") / "model")


@pytest.fixture(scope="session")
def sample_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay the sample case out as the platform does."""
    folder = tmp_path_factory.mktemp("sample-tree")
    write_grand_challenge_tree(SAMPLE, folder, ".mha")
    return folder


@pytest.fixture(scope="session")
def damaged_tree(sample_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the sample with an ADC map that was cut."""
    folder = tmp_path_factory.mktemp("damaged") / "tree"
    shutil.copytree(sample_tree, folder)
    (adc,) = (folder / "images" / "adc-brain-mri").iterdir()
    adc.write_bytes(adc.read_bytes()[:-9])
    return folder


@pytest.fixture(scope="session")
def exec_runs(
    image: str,
    image_config: dict[str, Any],
    model: Path | None,
    sample_tree: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Run]:
    """Run the sample twice in a row in one container, with either state of /opt/ml/model."""
    scratch = tmp_path_factory.mktemp("exec")
    runs = []
    with Container(image, image_config["config"], scratch / "container", model) as container:
        for name in ("first", "second"):
            container.put_case(sample_tree)
            runs.append(container.run(keep=scratch / name))
    return runs


@dataclass
class Session:
    """One life of the invoke container: what it answered, and the files after each case."""

    health: list[int] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)
    files: list[dict[str, bytes]] = field(default_factory=list)
    health_at_the_end: int = 0
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""


@pytest.fixture(scope="session")
def invoke_container(
    invoke_image: str,
    invoke_config: dict[str, Any],
    model: Path | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Container]:
    """Give a container of the invoke image, which is not started yet."""
    scratch = tmp_path_factory.mktemp("invoke") / "container"
    with Container(invoke_image, invoke_config["config"], scratch, model) as container:
        yield container


@pytest.fixture(scope="session")
def session(invoke_container: Container, sample_tree: Path, damaged_tree: Path) -> Session:
    """Serve the sample, a damaged case and the sample again, in one process."""
    seen = Session()
    invoke_container.start()
    seen.health = invoke_container.wait_until_ready()
    for case in (sample_tree, damaged_tree, sample_tree):
        invoke_container.put_case(case)
        seen.answers.append(invoke_container.ask("POST", "/invoke"))
        output = invoke_container.output
        seen.files.append({name: (output / name).read_bytes() for name in list_files(output)})
    seen.health_at_the_end = invoke_container.ask("GET", "/health")[0]
    seen.exit_code = invoke_container.stop()
    seen.stdout, seen.stderr = invoke_container.stdout, invoke_container.stderr
    return seen


@pytest.fixture
def empty_input(tmp_path: Path) -> Path:
    """Give an empty /input."""
    folder = tmp_path / "empty"
    folder.mkdir(mode=0o755)
    return folder
