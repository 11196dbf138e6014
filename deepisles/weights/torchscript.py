"""TorchScript archives, opened here and nowhere else."""

from __future__ import annotations

import re
import zlib
from io import BytesIO
from zipfile import BadZipFile, ZipFile

import torch
from torch import nn

from deepisles.errors import WeightsError

MAX_CODE_BYTES = 64 * 2**20
SCRIPT_ERRORS = (RuntimeError, torch.jit.Error)
"""What running an archive raises."""
_REACHES_OUT = re.compile(rb"\b(torch\.(save|load|from_file)|__setstate__|ops\.(?!prim\.|aten\.)\w+)")
"""TorchScript has no more of Python than its own operators; these write or map files, or come from extensions."""


def open_torchscript(data: bytes, label: str) -> nn.Module:
    """Open a TorchScript archive on the CPU, in eval mode.

    Parameters
    ----------
    data : bytes
        The whole file.
    label : str
        What to call it in an error.

    Raises
    ------
    WeightsError
        If it is damaged, or its code does more than compute.
    """
    _check_code(data, label)
    try:
        module: nn.Module = torch.jit.load(BytesIO(data), map_location="cpu")  # type: ignore[no-untyped-call]
    except (*SCRIPT_ERRORS, ValueError, TypeError, LookupError) as error:
        raise WeightsError(f"{label} is damaged or no TorchScript archive; fetch it again.") from error
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return module.eval()


def _check_code(data: bytes, label: str) -> None:
    try:
        with ZipFile(BytesIO(data)) as archive:
            sources = [entry for entry in archive.infolist() if entry.filename.endswith(".py")]
            if sum(entry.file_size for entry in sources) > MAX_CODE_BYTES:
                raise WeightsError(f"{label} holds too much code for a network; do not use it.")
            found = next((match for entry in sources if (match := _REACHES_OUT.search(archive.read(entry)))), None)
    except (BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError, zlib.error) as error:
        raise WeightsError(f"{label} is damaged or no TorchScript archive; fetch it again.") from error
    if found:
        raise WeightsError(f"The code in {label} uses {found[0].decode()}, which no network needs; do not use it.")


def count_archived_numbers(data: bytes, label: str) -> int:
    """Count the learnt numbers in an archive; arguments as in `open_torchscript`."""
    tensors = open_torchscript(data, label).state_dict().values()
    return sum(tensor.numel() for tensor in tensors if tensor.is_floating_point())
