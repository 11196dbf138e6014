"""How networks run while they train."""

from __future__ import annotations

import torch
from torch import nn

from deepisles.members.half_precision import computes_in_bfloat16
from deepisles.training.supervised import AutocastInferer

CPU = torch.device("cpu")


class _Watched(nn.Module):
    """A convolution that notes the numbers it computes in."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(1, 1, 3, padding=1)
        self.seen: list[torch.dtype] = []

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.convolution(image)
        self.seen.append(result.dtype)
        return result


def test_a_cpu_trains_in_the_numbers_that_it_has_instructions_for() -> None:
    network = _Watched()
    logits = AutocastInferer(CPU)(torch.ones(1, 1, 4, 4, 4), network)
    assert network.seen == [torch.bfloat16 if computes_in_bfloat16() else torch.float32]
    assert isinstance(logits, torch.Tensor)
    assert logits.dtype == torch.float32
