"""R32 to R38: how the process for one case behaves."""

from __future__ import annotations

import hashlib
import json
import os
import shutil

import pytest
import torch
from exec_runs import DATA_LIMIT_BYTES, list_files, read_json, run_process
from grand_challenge_tree import PATIENT, write_bright_tree
from safetensors.torch import load_file, save_file
from threshold_bundle import make_threshold_bundle

from deepisles.container import main
from deepisles.cpu_count import count_cpus
from deepisles.preparation.registration_child import WORKERS

MAX_LINE_BYTES = 64 << 10
MAX_SENTENCE_LENGTH = 1024
MAX_CLOSING_SECONDS = 1


def run_here(case, output, weights, *flags):
    arguments = ["--input", case, "--output", output, "--weights", weights, "--device", "cpu", "--registration", "none"]
    return main([*map(str, arguments), *flags])


@pytest.fixture
def broken_weights(tmp_path):
    """Make a bundle whose NVAUTO answers with what is no number."""
    bundle = make_threshold_bundle(tmp_path / "broken")
    path = bundle / "nvauto.safetensors"
    parameters = load_file(path)
    next(iter(parameters.values())).fill_(torch.nan)
    save_file(parameters, path)
    manifest = json.loads((bundle / "bundle.json").read_text())
    (entry,) = manifest["members"]["nvauto"]["networks"]
    entry |= {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size_bytes": path.stat().st_size}
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    return bundle


def test_r32_success_is_exit_code_0(exec_run):
    assert exec_run.exit_code == 0


def test_r32_a_failed_member_fails_the_case(bright_case, broken_weights, tmp_path, capfd):
    assert run_here(bright_case, tmp_path / "output", broken_weights) == 7
    assert "NVAUTO failed" in capfd.readouterr().err
    assert not (tmp_path / "output").exists()


def test_r32_unless_that_is_allowed_and_then_the_report_says_so(bright_case, broken_weights, tmp_path):
    assert run_here(bright_case, tmp_path / "output", broken_weights, "--allow-degraded") == 0
    report = read_json(tmp_path / "output" / "stroke-lesion-report.json")
    assert report["degraded"]
    assert "NVAUTO" in report["degraded_reason"]


def test_r32_a_failed_registration_fails_the_case(bright_case, weights, tmp_path, monkeypatch, capfd):
    """The registration is a process of its own; here it cannot be started."""
    monkeypatch.setitem(WORKERS, "bend", ("Elastix", "deepisles.no_such_worker"))
    arguments = ["--input", bright_case, "--output", tmp_path / "output", "--weights", weights, "--device", "cpu"]
    assert main([*map(str, arguments)]) == 7
    assert "Registering FLAIR to DWI failed" in capfd.readouterr().err
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("damage", ["content", "names", "weights"])
def test_r33_a_failure_ends_in_one_sentence_without_names(bright_case, weights, tmp_path, capfd, damage):
    (dwi,) = (bright_case / "images" / "dwi-brain-mri").iterdir()
    if damage == "content":
        dwi.write_bytes(dwi.read_bytes()[:200])
    elif damage == "names":
        dwi.rename(dwi.with_name(f"{PATIENT}.png"))
    else:
        weights = shutil.copytree(weights, tmp_path / "damaged")
        (weights / "seals.safetensors").write_bytes(b"")
    assert run_here(bright_case, tmp_path / "output", weights) != 0
    sentence = capfd.readouterr().err.splitlines()[-1]
    assert 0 < len(sentence) < MAX_SENTENCE_LENGTH
    assert sentence.endswith(".")
    assert PATIENT not in sentence
    assert dwi.name not in sentence


def test_r34_success_says_nothing_on_stderr_and_no_names_in_the_log(exec_run):
    assert exec_run.stderr == b""
    log = exec_run.stdout.decode("utf-8")
    assert PATIENT not in log
    assert max(len(line) for line in exec_run.stdout.splitlines()) < MAX_LINE_BYTES
    assert "\r" not in log
    assert "secret" not in log


def test_r35_nothing_of_the_process_lives_on(exec_run):
    assert exec_run.survivors == []
    assert exec_run.seconds_until_closed < MAX_CLOSING_SECONDS


def test_r37_a_case_fits_the_default_machines_memory(exec_run):
    # set by run_process
    assert DATA_LIMIT_BYTES < 8 << 30
    assert exec_run.exit_code == 0


def test_r37_too_little_memory_is_a_failure(tmp_path, weights):
    write_bright_tree(tmp_path / "input")
    ran = run_process(tmp_path / "input", tmp_path / "output", weights, data_limit_bytes=300 << 20)
    assert ran.exit_code != 0
    assert not (tmp_path / "output").exists() or list_files(tmp_path / "output") == []


def test_r37_a_memory_error_is_a_failure_in_one_sentence(bright_case, weights, tmp_path, monkeypatch, capfd):
    def run_out_of_memory(*_arguments, **_options):
        raise MemoryError

    monkeypatch.setattr("deepisles.ensemble.prepare_diffusion", run_out_of_memory)
    assert run_here(bright_case, tmp_path / "output", weights) == 1
    assert capfd.readouterr().err == "The machine ran out of memory: run the case on one with more.\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here, so that nothing runs on the CPU unasked")
def test_r38_without_a_gpu_it_says_that_it_runs_on_the_cpu(bright_case, weights, tmp_path, capfd):
    places = ["--input", bright_case, "--output", tmp_path / "output", "--weights", weights, "--registration", "none"]
    assert main([*map(str, places)]) == 0
    assert "no CUDA device found: running on the CPU" in capfd.readouterr().out


def test_r38_threads_are_as_many_as_the_scheduler_allows(exec_run):
    # run_process allows one CPU
    assert b"running on cpu, 1 CPU thread(s)" in exec_run.stdout


@pytest.mark.parametrize(
    ("files", "most"),
    [
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": "none of it\n"}, None),
        ({}, None),
    ],
)
def test_r38_threads_are_no_more_than_the_control_group_pays_for(tmp_path, files, most):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    allowed = len(os.sched_getaffinity(0))
    assert count_cpus(tmp_path) == min(allowed, most or allowed)
