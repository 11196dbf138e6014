"""Small windows run side by side on a CPU, and give the answers that they give alone."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

from deepisles.members.effort import Effort
from deepisles.members.half_precision import computes_in_bfloat16, half_precision
from deepisles.members.side_by_side import LARGEST_WINDOW_VOXELS, count_side_by_side, predict_side_by_side


@pytest.fixture(params=[2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_small_windows_go_one_a_thread_and_large_ones_alone(threads):
    assert count_side_by_side((64, 64, 64)) == threads
    assert count_side_by_side((64, 64, LARGEST_WINDOW_VOXELS // 64**2 + 1)) == 1


def test_answers_are_those_of_each_window_alone(threads):
    network = nn.Sequential(nn.Conv3d(2, 4, 3, padding=1), nn.InstanceNorm3d(4), nn.Conv3d(4, 1, 3, padding=1)).eval()
    windows = torch.randn(5, 2, 12, 10, 14)
    with torch.inference_mode():
        alone = torch.cat([network(window) for window in windows.split(1)])
        together = predict_side_by_side(network, windows)
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-6)


def test_each_window_has_its_thread_and_the_process_keeps_its_own(threads):
    seen = []

    def note(window):
        seen.append((threading.get_ident(), torch.get_num_threads(), torch.is_inference_mode_enabled()))
        return window

    windows = torch.arange(threads).view(-1, 1, 1, 1, 1)
    with torch.inference_mode():
        assert torch.equal(predict_side_by_side(note, windows), windows)
    assert len(seen) == threads
    assert threading.get_ident() not in {thread for thread, _, _ in seen}
    assert {(share, inference) for _, share, inference in seen} == {(1, True)}
    # threads that start later have as many as before
    told = []
    later = threading.Thread(target=lambda: told.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert told == [threads]
    assert torch.get_num_threads() == threads


@pytest.mark.skipif(not computes_in_bfloat16(), reason="this CPU has no bfloat16")
def test_windows_are_computed_in_the_precision_that_was_asked_for(threads):
    network = nn.Conv3d(1, 1, 3, padding=1)
    windows = torch.randn(2, 1, 8, 8, 8)
    with torch.inference_mode():
        with half_precision(torch.device("cpu"), Effort(bfloat16=True)):
            assert predict_side_by_side(network, windows).dtype == torch.bfloat16
        assert predict_side_by_side(network, windows).dtype == torch.float32


def test_what_a_window_raises_is_raised(threads):
    def fail(window):
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        predict_side_by_side(fail, torch.zeros(2, 1, 2, 2, 2))
    assert torch.get_num_threads() == threads
