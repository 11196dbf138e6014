"""Calls of networks while stages run: by hand, with networks that take a known time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from deepisles.bench.precision import find_precision
from deepisles.bench.recorder import CostRecorder, sum_covered

CPU = torch.device("cpu")


class Sleeper(nn.Module):
    """Takes 50 ms, and gives back what it is given."""

    def forward(self, image):
        """Sleep."""
        time.sleep(0.05)
        return image


def test_time_before_between_and_after_networks_is_told_apart():
    recorder, network = CostRecorder(CPU), Sleeper()
    with recorder.watch("member", [network]):
        recorder.start("member")
        time.sleep(0.1)
        network(torch.zeros(3, 2, 4, 4, 4))
        time.sleep(0.03)
        network(torch.zeros(1, 2, 4, 4, 4))
        time.sleep(0.2)
        recorder.finish("member", 0.0)
    cost = recorder.stages["member"]
    assert (cost.calls, cost.windows) == (2, 4)
    assert cost.pre_seconds == pytest.approx(0.1, abs=0.03)
    assert cost.network_seconds == pytest.approx(0.1, abs=0.03)
    assert cost.post_seconds == pytest.approx(0.2, abs=0.03)
    assert cost.wall_seconds > 0.43
    assert recorder.windows["member"] == {(0, (2, 4, 4, 4)): 4}
    network(torch.zeros(1, 2, 4, 4, 4))
    assert recorder.windows["member"].total() == 4


def test_what_runs_side_by_side_is_counted_whole_and_timed_once():
    recorder, network = CostRecorder(CPU), Sleeper()
    with recorder.watch("member", [network]):
        recorder.start("member")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(network, torch.zeros(8, 1, 2, 4, 4, 4)))
        recorder.finish("member", 0.0)
    cost = recorder.stages["member"]
    assert (cost.calls, cost.windows) == (8, 8)
    # two rounds of 50 ms
    assert 0.1 <= cost.network_seconds < 0.2
    assert cost.network_seconds <= cost.wall_seconds


intervals = st.tuples(st.integers(0, 40), st.integers(0, 10)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(intervals, max_size=12))
def test_covered_seconds_count_once(calls):
    assert sum_covered(calls) == len({second for begin, end in calls for second in range(begin, end)})


def test_stages_may_overlap_and_may_be_timed_elsewhere():
    recorder = CostRecorder(CPU)
    recorder.start("first")
    recorder.start("second")
    time.sleep(0.05)
    recorder.finish("first", 0.0)
    time.sleep(0.05)
    recorder.finish("second", 0.0)
    recorder.finish("register", 12.0)
    walls = {name: cost.wall_seconds for name, cost in recorder.stages.items()}
    assert walls["first"] < walls["second"] - 0.04
    assert walls["register"] == 12.0
    assert recorder.stages["first"].calls == 0


def test_a_call_that_fails_is_not_counted():
    class Careful(nn.Module):
        """Takes one window at a time."""

        def forward(self, image):
            """Refuse more."""
            if len(image) > 1:
                raise torch.OutOfMemoryError
            return image

    recorder, network = CostRecorder(CPU), Careful()
    with recorder.watch("member", [network]):
        recorder.start("member")
        with pytest.raises(torch.OutOfMemoryError):
            network(torch.zeros(4, 2, 4, 4, 4))
        time.sleep(0.1)
        network(torch.zeros(1, 2, 4, 4, 4))
        recorder.finish("member", 0.0)
    cost = recorder.stages["member"]
    assert (cost.calls, cost.windows) == (1, 1)
    assert cost.network_seconds < 0.05


def test_precision_is_autocasts_or_the_images_own():
    image = torch.zeros(1)
    assert find_precision(image) == "float32"
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert find_precision(image) == "bfloat16"
    with torch.autocast("cpu", dtype=torch.float16, enabled=False):
        assert find_precision(image.half()) == "float16"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_time_on_a_gpu_is_the_gpus_own():
    device = torch.device("cuda", 0)
    network = nn.Conv3d(32, 32, 3, padding=1).to(device)
    image = torch.zeros(1, 32, 128, 128, 128, device=device)
    network(image)
    torch.cuda.synchronize()
    recorder = CostRecorder(device)
    with recorder.watch("member", [network]):
        recorder.start("member")
        started = time.perf_counter()
        for _ in range(20):
            network(image)
        asked_for = time.perf_counter() - started
        recorder.finish("member", 0.0)
    cost = recorder.stages["member"]
    # calls return long before the work is done
    assert cost.network_seconds > 2 * asked_for
    assert cost.network_seconds <= cost.wall_seconds
