"""How many windows go through a network at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor

from deepisles.members.side_by_side import count_side_by_side, predict_side_by_side

logger = logging.getLogger(__name__)

MEMORY_LIMIT_BYTES: Final = 14 << 30
"""What a process may take of a GPU: a T4 has 16 GB, of which 15 can be used (the platform's smallest GPU)."""
LARGEST_BATCH: Final = 16
"""A bound on the windows and answers that lie in memory beside a network; where it is best no card has told yet."""


class Batching:
    """Sends windows through a network, as many at once as the device's memory takes.

    A CPU gets large windows one at a time and small ones side by side. On a GPU the first window goes alone and tells
    how much memory one takes; where memory runs out after all, the batch is halved and the windows go again.

    Parameters
    ----------
    device : torch.device
        Where the networks run.
    window : sequence of int
        Size of the windows.
    """

    def __init__(self, device: torch.device, window: Sequence[int]) -> None:
        self.device = device
        self.size = count_side_by_side(window) if device.type == "cpu" else 1
        self._is_measured = device.type != "cuda"
        self._are_side_by_side = self.size > 1

    def run(self, predict: Callable[[Tensor], Tensor], windows: Tensor) -> Tensor:
        """Predict (n, channels, a, b, c) in batches.

        Parameters
        ----------
        predict : callable
            Maps (m, channels, a, b, c) to (m, classes, a, b, c), each window by itself.
        windows : Tensor
            All of them, on the device.

        Raises
        ------
        torch.OutOfMemoryError
            If not even one window fits.
        """
        answers: list[Tensor] = []
        done = 0
        while done < len(windows):
            size = self.size if self._is_measured else 1
            try:
                answers.append(self._predict(predict, windows[done : done + size]))
                done += size
                continue
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
            # not until here: the error holds on to what the network had made
            self.size = size // 2
            logger.info("out of GPU memory with %d windows at once: going on with %d", size, self.size)
            torch.cuda.empty_cache()
        return answers[0] if len(answers) == 1 else torch.cat(answers)

    def _predict(self, predict: Callable[[Tensor], Tensor], windows: Tensor) -> Tensor:
        if self._are_side_by_side:
            return predict_side_by_side(predict, windows)
        if self._is_measured:
            return predict(windows)
        before = torch.cuda.memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        answer = predict(windows)
        window_bytes = torch.cuda.max_memory_allocated(self.device) - before
        free_bytes = torch.cuda.mem_get_info(self.device)[0] + torch.cuda.memory_reserved(self.device) - before
        self.size = find_batch_size(window_bytes, min(free_bytes, MEMORY_LIMIT_BYTES - before))
        self._is_measured = True
        logger.debug("a window takes %.2f GB: %d at once", window_bytes / 1e9, self.size)
        return answer


def find_batch_size(window_bytes: int, available_bytes: int) -> int:
    """Find how many windows go at once: at least one, at most `LARGEST_BATCH`, a power of two.

    Powers of two divide the eight mirrored windows evenly.
    """
    fitting = max(min(available_bytes // max(window_bytes, 1), LARGEST_BATCH), 1)
    return 1 << (fitting.bit_length() - 1)
