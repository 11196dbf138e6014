"""NVAUTO's importer: what can be rebuilt is rebuilt and answers alike, anything else is kept whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.networks.nets import SegResNetDS
from published_formats import Triple, dump_torch, dump_torchscript, make_segresnet
from torch import Tensor, nn

from deepisles.errors import WeightsError
from deepisles.members.networks.specs import SegResNetDSSpec, TorchScriptSpec
from deepisles.weights.build import assemble_network
from deepisles.weights.importers.nvauto import convert_model
from deepisles.weights.torchscript import open_torchscript

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore:Converting a tensor")

DEEP = {"blocks_down": (1, 2, 1), "blocks_up": (1, 2), "dsdepth": 2}
FLAT = {"blocks_down": (0, 0), "blocks_up": (0,)}


def compare(network: nn.Module, spec: SegResNetDSSpec, tensors: dict[str, Tensor]) -> float:
    rebuilt = assemble_network(spec, tensors, "model")
    image = torch.randn(1, 2, 16, 24, 16)
    with torch.no_grad():
        return float((network.eval()(image) - rebuilt(image)).abs().max())


@pytest.mark.parametrize("traced_on", [None, (16, 16, 16)], ids=["scripted", "traced"])
@pytest.mark.parametrize(
    ("arguments", "norm"),
    [
        ({}, "instance_affine"),
        ({**DEEP, "norm": "batch"}, "batch"),
        ({**DEEP, "norm": ("instance", {"affine": False})}, "instance"),
        ({**DEEP, "upsample_mode": "nontrainable"}, "instance_affine"),
        ({"blocks_down": (1, 0, 1, 2), "init_filters": 2, "dsdepth": 3}, "instance_affine"),
        (FLAT, "instance"),
        ({"blocks_down": (2,), "blocks_up": ()}, "instance_affine"),
    ],
)
def test_rebuilt(arguments: dict[str, Any], norm: str, traced_on: Triple | None) -> None:
    network = make_segresnet(**arguments)
    converted = convert_model(dump_torchscript(network, traced_on), "model")
    spec = converted.spec
    assert isinstance(spec, SegResNetDSSpec)
    assert converted.archive is None
    assert spec.norm == norm
    assert spec.blocks_down == network.blocks_down
    assert spec.blocks_up == network.blocks_up
    assert compare(network, spec, converted.tensors) < 1e-5


class ExtraScale(SegResNetDS):
    """Has the tensors of a SegResNetDS, and does something else."""

    def forward(self, image: Tensor) -> Tensor:
        """Scale the answer."""
        return 1.001 * super().forward(image)


class OtherNames(nn.Module):
    """A network of another kind."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.layer = nn.Conv3d(2, classes, 3, padding=1)
        self.bound = 1.5

    def forward(self, image: Tensor) -> Tensor:
        """Clip, then convolve."""
        return self.layer(image.clamp(-self.bound, self.bound))


class ManyAnswers(OtherNames):
    """Gives a list where one answer is wanted."""

    def forward(self, image: Tensor) -> list[Tensor]:
        """Convolve."""
        return [self.layer(image)]


KEPT: dict[str, Callable[[], bytes]] = {
    "extra scale": lambda: dump_torchscript(ExtraScale(init_filters=4, in_channels=2), (16, 16, 16)),
    "other names": lambda: dump_torchscript(OtherNames()),
    "other activation": lambda: dump_torchscript(make_segresnet(act="leakyrelu")),
    "other norm": lambda: dump_torchscript(make_segresnet(norm=("group", {"num_groups": 2}))),
    "uneven resolution": lambda: dump_torchscript(
        make_segresnet(blocks_down=(1, 1, 1), resolution=(1, 1, 2)), (16, 16, 16)
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str, caplog: pytest.LogCaptureFixture) -> None:
    data = KEPT[name]()
    caplog.set_level("INFO")
    converted = convert_model(data, "model3.ts")
    assert converted.spec == TorchScriptSpec(in_channels=2, out_channels=2)
    assert converted.archive == data
    assert "model3.ts" in caplog.text
    assert "archive is kept" in caplog.text


def test_frozen_archives_are_kept() -> None:
    module = torch.jit.freeze(torch.jit.script(make_segresnet().eval()))
    data = module.save_to_buffer()
    assert convert_model(data, "model").archive == data


def test_a_network_for_larger_strides_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Picky(OtherNames):
        def forward(self, image: Tensor) -> Tensor:
            if image.shape[2] != 40:
                raise ValueError("another size")
            return self.layer(image)

    window = (40, 40, 40)
    monkeypatch.setattr("deepisles.weights.importers.nvauto.NvautoSettings", lambda: type("S", (), {"window": window}))
    data = dump_torchscript(Picky())
    assert convert_model(data, "model").archive == data
    monkeypatch.undo()


REFUSED: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "text": lambda: b"text",
    "no script": lambda: dump_torch({"a": torch.ones(1)}),
    "cut off": lambda: dump_torchscript(OtherNames())[:-50],
    "three classes": lambda: dump_torchscript(OtherNames(classes=3)),
    "several answers": lambda: dump_torchscript(ManyAnswers()),
    "three images": lambda: dump_torchscript(nn.Conv3d(3, 2, 1)),
    "a SegResNetDS of three classes": lambda: dump_torchscript(make_segresnet(out_channels=3)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    window = (16, 16, 16)
    monkeypatch.setattr("deepisles.weights.importers.nvauto.NvautoSettings", lambda: type("S", (), {"window": window}))
    with pytest.raises(WeightsError, match=r"^model") as caught:
        convert_model(REFUSED[name](), "model")
    assert "\n" not in str(caught.value)


def test_code_that_reaches_for_files_is_refused(tmp_path: Path) -> None:
    class Writes(OtherNames):
        def forward(self, image: Tensor) -> Tensor:
            torch.save(image, "trace")
            return self.layer(image)

    with pytest.raises(WeightsError, match=r"torch\.save"):
        open_torchscript(dump_torchscript(Writes()), "model")


def test_training_state_is_not_changed_by_the_probe() -> None:
    # a trace made in training mode updates its running means whenever it runs
    network = make_segresnet(norm="batch").train()
    module = torch.jit.trace(network, torch.randn(1, 2, 8, 8, 8), check_trace=False)
    data = module.save_to_buffer()
    converted = convert_model(data, "model")
    assert converted.archive == data


def test_golden_networks(golden: Path) -> None:
    for number in (0, 14):
        data = (golden / "weights" / "NVAUTO" / "ts" / f"model{number}.ts").read_bytes()
        converted = convert_model(data, "model")
        assert isinstance(converted.spec, SegResNetDSSpec)
        assert sum(tensor.numel() for tensor in converted.tensors.values()) == 29748
        assert compare(open_torchscript(data, "model"), converted.spec, converted.tensors) < 1e-5
