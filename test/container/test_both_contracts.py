"""The two images, as exec and as invoke: sealed off, with baked and with mounted weights, twice in a row."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import SimpleITK as sitk
from platform_runs import Container
from scipy import ndimage
from threshold_bundle import make_threshold_bundle

from deepisles.resources import resource_path

MASK_FOLDER = "images/stroke-lesion-segmentation/"


def read_outputs(run: Any) -> dict[str, bytes]:
    return {name: (run.output / name).read_bytes() for name in run.files()}


def read_report(files: dict[str, bytes]) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(files["stroke-lesion-report.json"])
    return report


def test_r08_the_weights_are_the_baked_ones_or_the_mounted_ones(exec_runs: list[Any], model: Path | None) -> None:
    assert read_report(read_outputs(exec_runs[0]))["weights"]["bundle"] == ("starter" if model is None else "threshold")


def test_r36_exec_succeeds_sealed_off_and_says_nothing_on_stderr(exec_runs: list[Any]) -> None:
    assert [(run.exit_code, run.stderr) for run in exec_runs] == [(0, ""), (0, "")]
    assert all("secret-name" not in run.stdout for run in exec_runs)


def test_r31_exec_twice_in_a_row_gives_the_same_bytes(exec_runs: list[Any]) -> None:
    assert read_outputs(exec_runs[0]) == read_outputs(exec_runs[1])
    assert len(exec_runs[0].files()) == 6


def test_the_images_own_weights_find_the_samples_two_lesions(exec_runs: list[Any], model: Path | None) -> None:
    if model is not None:
        return
    files = read_outputs(exec_runs[0])
    report = read_report(files)
    assert [member["status"] for member in report["members"]] == ["ran", "ran", "ran"]
    assert json.loads(files["stroke-lesion-count.json"]) == 2
    truth = sitk.GetArrayFromImage(sitk.ReadImage(resource_path("sample", "lesions.mha"))) > 0
    (name,) = [name for name in files if name.startswith(MASK_FOLDER)]
    mask = sitk.GetArrayFromImage(sitk.ReadImage(exec_runs[0].output / name)) > 0
    labels, _ = ndimage.label(truth, [[[1] * 3] * 3] * 3)
    assert all(mask[labels == label].any() for label in (1, 2))


def test_r39_invoke_is_ready_only_when_its_networks_are_loaded(session: Any) -> None:
    assert session.health[-1] == 200
    # nothing listens, then it listens and loads
    assert set(session.health[:-1]) <= {0, 503}


def test_r39_invoke_answers_and_lives_on_after_a_bad_case(session: Any) -> None:
    assert [status for status, _ in session.answers] == [201, 500, 201]
    assert session.answers[1][1].startswith("The ADC image is cut short")
    assert session.files[1] == {}
    assert session.health_at_the_end == 200
    assert session.stderr.splitlines() == [session.answers[1][1]]
    assert "secret-name" not in session.stdout


def test_r40_invoke_gives_what_exec_gives(session: Any, exec_runs: list[Any]) -> None:
    alone = read_outputs(exec_runs[0])
    assert session.files[0] == alone
    assert session.files[2] == alone
    assert session.exit_code == 0


def test_r40_sigterm_in_the_middle_of_a_case_stops_the_image(
    invoke_image: str, invoke_config: dict[str, Any], sample_tree: Path, tmp_path: Path
) -> None:
    model = make_threshold_bundle(tmp_path / "model")
    with Container(invoke_image, invoke_config["config"], tmp_path / "container", model) as container:
        container.start()
        container.wait_until_ready()
        container.put_case(sample_tree)
        answers: list[tuple[int, str]] = []
        asking = threading.Thread(target=lambda: answers.append(container.ask("POST", "/invoke")))
        asking.start()
        while "prepare" not in container.stdout:
            assert asking.is_alive()
        exit_code = container.stop(5)
        asking.join()
    assert exit_code == 130
    assert answers[0][0] != 201
    assert list(container.output.iterdir()) == []
