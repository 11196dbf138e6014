"""What the tests of the platform's requirements (R01 to R40, docs/grand-challenge.md) share."""

from __future__ import annotations

import pytest
from bright_member import BrightMember
from exec_runs import OPTIONS, run_process
from grand_challenge_tree import write_bright_tree
from heads import IntensityExtractor
from threshold_bundle import make_threshold_bundle

from deepisles import Ensemble
from deepisles.container import run_container


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    return make_threshold_bundle(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def ensemble(weights):
    return Ensemble.load(weights, device="cpu")


@pytest.fixture(scope="session")
def bright_ensemble(ensemble):
    """Give one member without networks: for what happens to files and geometry."""
    return Ensemble([BrightMember()], ensemble.bundle, ensemble.device, (), IntensityExtractor())


@pytest.fixture
def segment(bright_ensemble, tmp_path):
    """Give the one function behind both front ends, from a folder like /input to one like /output."""

    def run(folder, loaded=None, output=None):
        made = output or tmp_path / "output"
        run_container(folder, made, OPTIONS, load=lambda _options: loaded or bright_ensemble)
        return made

    return run


@pytest.fixture
def bright_case(tmp_path):
    write_bright_tree(tmp_path / "input")
    return tmp_path / "input"


@pytest.fixture(scope="session")
def exec_run(weights, tmp_path_factory):
    """Run a case as the platform does: /input is a link to a folder that is read-only, FLAIR is registered."""
    folder = tmp_path_factory.mktemp("exec")
    write_bright_tree(folder / "stored")
    for place in (*folder.joinpath("stored").rglob("*"), folder / "stored"):
        place.chmod(0o555 if place.is_dir() else 0o444)
    (folder / "input").symlink_to(folder / "stored")
    (folder / "output").mkdir()
    return run_process(folder / "input", folder / "output", weights)
