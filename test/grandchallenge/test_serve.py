"""The "invoke" server as a process: what it answers, and how it ends."""

from __future__ import annotations

import threading
import time

import psutil
import pytest
from grand_challenge_tree import PATIENT, write_bright_tree
from invoke_server import InvokeServer, find_free_port

FLAGS = ["--device", "cpu", "--registration", "none"]


@pytest.fixture(scope="module")
def server(weights, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with InvokeServer(folder, ["--weights", str(weights), *FLAGS]) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture
def case(tmp_path):
    write_bright_tree(tmp_path / "case")
    return tmp_path / "case"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/health/", 404),
        ("GET", "/", 404),
        ("GET", "/invoke", 405),
        ("GET", "/docs", 404),
    ],
)
def test_nothing_is_ever_redirected(server, method, path, status):
    assert server.ask(method, path)[0] == status


def test_a_case_is_on_disk_when_it_is_answered(server, case):
    assert server.segment(case) == (201, "Done: the outputs are written.")
    assert (server.output / "stroke-lesion-report.json").is_file()
    assert PATIENT not in server.stdout


def test_no_input_at_all_is_a_failed_case(server):
    server.put_case(server.folder / "nowhere")
    status, sentence = server.ask("POST", "/invoke")
    assert status == 500
    assert "was not found" in sentence
    assert server.stderr.splitlines()[-1] == sentence
    assert "Traceback" not in server.stdout


def test_a_second_case_at_the_same_time_is_refused(server, case):
    first = []
    server.put_case(case)
    asking = threading.Thread(target=lambda: first.append(server.ask("POST", "/invoke")))
    asking.start()
    time.sleep(0.1)
    status, sentence = server.ask("POST", "/invoke")
    asking.join()
    assert (status, first[0][0]) == (503, 201)
    assert "one at a time" in sentence
    assert server.segment(case)[0] == 201


def test_health_is_answered_during_a_case(server, case):
    server.put_case(case)
    asking = threading.Thread(target=lambda: server.ask("POST", "/invoke"))
    asking.start()
    started = time.monotonic()
    assert server.ask("GET", "/health")[0] == 200
    assert time.monotonic() - started < 10
    assert asking.is_alive()
    asking.join()


def test_stopped_between_cases_it_ends_well(weights, case, tmp_path):
    with InvokeServer(tmp_path / "server", ["--weights", str(weights), *FLAGS]) as one:
        one.wait_until_ready()
        assert one.segment(case)[0] == 201
        assert one.stop() == 0
        assert one.stderr == ""


def ask_in_vain(server):
    with pytest.raises(ConnectionError):
        server.ask("POST", "/invoke")


def test_stopped_in_a_registration_it_leaves_no_process_and_no_output(weights, case, tmp_path):
    with InvokeServer(tmp_path / "server", ["--weights", str(weights), "--device", "cpu"]) as one:
        one.wait_until_ready()
        one.put_case(case)
        asking = threading.Thread(target=ask_in_vain, args=(one,))
        asking.start()
        while "prepare" not in one.stdout:
            assert one.process.poll() is None
        children = []
        while not children and one.process.poll() is None:
            children = psutil.Process(one.process.pid).children(recursive=True)
        assert one.stop() == 130
        asking.join()
        assert one.stderr == "The case was interrupted.\n"
        assert psutil.wait_procs(children, timeout=5)[1] == []
        assert list(one.output.iterdir()) == []


def test_weights_that_cannot_be_loaded_end_it_at_once(tmp_path):
    with InvokeServer(tmp_path / "server", ["--weights", str(tmp_path / "nowhere")]) as one:
        assert one.process.wait(60) == 5
        (sentence,) = one.stderr.splitlines()
        assert "There is no folder" in sentence
        # the platform shows no more than a time-out, the log has the rest
        assert "Traceback" in one.stdout


def test_a_port_that_is_taken(server, weights, tmp_path):
    with InvokeServer(tmp_path / "server", ["--weights", str(weights)], port=server.port) as one:
        assert one.process.wait(60) == 9
        assert one.stderr.startswith(f"Port {server.port} of 0.0.0.0 cannot be listened on")


def test_wrong_flags_end_in_one_sentence(tmp_path):
    with InvokeServer(tmp_path / "server", ["--bogus"], port=find_free_port()) as one:
        assert one.process.wait(60) == 2
        assert "--bogus" in one.stderr
