"""Runs of the built image, as the platform makes them; the tests beside this file look at what they left.

`.ci/container.sh` builds the image and calls these tests with --image and --exported; without these they are skipped.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
from threshold_bundle import make_threshold_bundle

PROJECT = Path(__file__).resolve().parents[2]
SAMPLE = PROJECT / "resources" / "sample"
MODALITIES = ("dwi", "adc", "flair")

DATA_LIMIT_KIB = 7 * 1024 * 1024
"""The platform's default machine has 8 GB, of which a process may have all but one for its data."""
TIME_LIMIT_SECONDS = 3600
"""The platform's default; a real case takes some minutes on two cores."""

# buildah adds lines of its own to standard error, so the process's two streams and exit code are kept in files
RECORD = f'ulimit -d {DATA_LIMIT_KIB}; "$@" >/record/stdout 2>/record/stderr </dev/null; echo $? >/record/exit_code'


@dataclass(frozen=True)
class Run:
    """One run of the image: what the process said and the folder that was its /output."""

    exit_code: int
    stdout: str
    stderr: str
    output: Path
    seconds: float

    def files(self) -> list[str]:
        """List every file below /output by its path there, sorted."""
        return sorted(path.relative_to(self.output).as_posix() for path in self.output.rglob("*") if not path.is_dir())

    def read_json(self, name: str) -> Any:
        """Read a JSON file from /output; NaN and Infinity are not JSON."""

        def refuse(constant: str) -> float:
            raise ValueError(f"{constant} is not JSON")

        return json.loads((self.output / name).read_text(encoding="utf-8"), parse_constant=refuse)


Runner = Callable[..., Run]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--image", help="container image that buildah knows, to run")
    parser.addoption("--exported", type=Path, help="folder with what export.sh wrote of that image")


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest) -> str:
    """Name the image under test."""
    name: str | None = request.config.getoption("--image", default=None)
    if name is None:
        pytest.skip("no image was named: .ci/container.sh builds one and runs this")
    return name


@pytest.fixture(scope="session")
def exported(request: pytest.FixtureRequest) -> Path:
    """Locate what export.sh wrote."""
    folder: Path | None = request.config.getoption("--exported", default=None)
    if folder is None:
        pytest.skip("no exported files were named: .ci/container.sh makes them and runs this")
    return folder


@pytest.fixture(scope="session")
def image_config(image: str) -> dict[str, Any]:
    """Read the image's configuration as the platform does: user, entry point, architecture, labels."""
    answer = subprocess.run(
        ["buildah", "inspect", "--type", "image", image], check=True, capture_output=True, text=True
    )
    config: dict[str, Any] = json.loads(answer.stdout)["OCIv1"]
    return config


@pytest.fixture(scope="session")
def run_image(image: str, image_config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Give a function that runs the image once, in a fresh container."""

    def run(
        inputs: Path,
        model: Path | None = None,
        command: list[str] | None = None,
    ) -> Run:
        """Run the image's own command (or another) on a read-only /input, without any network."""
        scratch = tmp_path_factory.mktemp("run")
        output, record, empty = scratch / "output", scratch / "record", scratch / "model"
        for folder, mode in ((output, 0o777), (record, 0o777), (empty, 0o755)):
            folder.mkdir()
            folder.chmod(mode)
        config = image_config["config"]
        process = command or [*config["Entrypoint"], *(config.get("Cmd") or [])]
        container = subprocess.run(
            ["buildah", "from", image], check=True, capture_output=True, text=True
        ).stdout.strip()
        start = time.monotonic()
        try:
            subprocess.run(
                ["timeout", "--kill-after", "10", str(TIME_LIMIT_SECONDS),
                 "unshare", "--net", "buildah", "run", "--isolation", "chroot",
                 "--volume", f"{inputs}:/input:ro", "--volume", f"{output}:/output",
                 "--volume", f"{model or empty}:/opt/ml/model:ro", "--volume", f"{record}:/record",
                 container, "--", "sh", "-c", RECORD, "sh", *process],
                check=True,
            )  # fmt: skip
        finally:
            seconds = time.monotonic() - start
            subprocess.run(["buildah", "rm", container], check=True, capture_output=True)
        return Run(
            exit_code=int((record / "exit_code").read_text()),
            stdout=(record / "stdout").read_text(encoding="utf-8"),
            stderr=(record / "stderr").read_text(encoding="utf-8"),
            output=output,
            seconds=seconds,
        )

    return run


def write_grand_challenge_tree(case: Path, folder: Path) -> None:
    """Lay a case of NIfTI files out as the platform does: MetaImages with unforeseeable names, and inputs.json."""
    elements = []
    for number, modality in enumerate(MODALITIES):
        key = str(uuid.uuid4())
        relative_path = f"images/{modality}-brain-mri"
        (folder / relative_path).mkdir(parents=True)
        stored = sitk.ReadImage(case / f"{modality}.nii.gz")
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


@pytest.fixture(scope="session")
def baked_run(run_image: Runner, sample_input: Path) -> Run:
    """Run the sample case with an empty /opt/ml/model: the image's own weights."""
    return run_image(sample_input)


@pytest.fixture
def empty_input(tmp_path: Path) -> Path:
    """Give an empty /input."""
    folder = tmp_path / "empty"
    folder.mkdir(mode=0o755)
    return folder
