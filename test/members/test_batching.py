"""How many windows go through a network at once."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepisles.members.batching import LARGEST_BATCH, Batching, find_batch_size

CPU = torch.device("cpu")
LARGE, SMALL = (192, 192, 128), (64, 64, 64)


def test_a_cpu_gets_one_large_window_at_a_time():
    seen = []

    def double(windows):
        seen.append(len(windows))
        return 2 * windows

    windows = torch.randn(5, 2, 3, 3, 3)
    assert torch.equal(Batching(CPU, LARGE).run(double, windows), 2 * windows)
    assert seen == [1] * 5


def test_a_cpu_gets_as_many_small_windows_as_it_has_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        batching = Batching(CPU, SMALL)
        assert batching.size == 2
        windows = torch.randn(5, 2, 3, 3, 3)
        assert torch.equal(batching.run(lambda window: 2 * window, windows), 2 * windows)
    finally:
        torch.set_num_threads(before)


@given(st.integers(1, 20), st.integers(1, 16), st.integers(1, 20))
def test_where_memory_runs_out_fewer_windows_go_and_none_is_lost(room, size, count):
    """The error is PyTorch's own; what is simulated is the card that raises it."""

    def double(windows):
        if len(windows) > room:
            raise torch.OutOfMemoryError
        return 2 * windows

    batching = Batching(CPU, LARGE)
    batching.size = size
    windows = torch.randn(count, 1, 2, 2, 2)
    assert torch.equal(batching.run(double, windows), 2 * windows)
    assert batching.size <= max(room, size)


def test_a_window_that_does_not_fit_at_all_is_an_error():
    def fail(windows):
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        Batching(CPU, LARGE).run(fail, torch.zeros(2, 1, 2, 2, 2))


@given(st.integers(0, 1 << 34), st.integers(-(1 << 30), 1 << 36))
def test_a_batch_fits_into_memory_and_divides_the_mirrored_windows(window_bytes, available_bytes):
    size = find_batch_size(window_bytes, available_bytes)
    assert 1 <= size <= LARGEST_BATCH
    assert 16 % size == 0
    if size > 1:
        assert size * window_bytes <= available_bytes


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gets_more_than_one_small_window_at_a_time():
    device = torch.device("cuda", 0)
    batching = Batching(device, (16, 16, 16))
    network = torch.nn.Conv3d(2, 2, 3, padding=1).to(device)
    windows = torch.randn(40, 2, 16, 16, 16, device=device)
    with torch.inference_mode():
        torch.testing.assert_close(batching.run(network, windows), network(windows))
    assert batching.size == LARGEST_BATCH
