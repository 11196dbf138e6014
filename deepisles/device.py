"""The device that the networks run on."""

from __future__ import annotations

import logging

import torch

from deepisles.errors import DeviceError

logger = logging.getLogger(__name__)


def choose_device(name: str) -> torch.device:
    """Turn "auto", "cpu" or "cuda:0" into a device that is there.

    "auto" is the first CUDA device, or the CPU where there is none, which is announced. An asked-for device is never
    replaced by another.

    Raises
    ------
    DeviceError
        If the name is none, or the device is absent.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        logger.info("no CUDA device found: running on the CPU")
        return torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"There is no device called {name!r}: give auto, cpu or cuda:0.") from error
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise DeviceError("No CUDA device can be used: check the driver and --gpus, or give --device cpu.")
        if (device.index or 0) >= torch.cuda.device_count():
            raise DeviceError(f"There is no {name}: this machine has {torch.cuda.device_count()} CUDA device(s).")
    elif device.type != "cpu":
        raise DeviceError(f"Device {name!r} is not supported: give auto, cpu or cuda:0.")
    return device


def describe_device(device: torch.device) -> str:
    """Name a device as the report writes it."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)
