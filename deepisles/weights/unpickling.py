"""Checkpoints as torch and pickle wrote them, read without running anything in them.

Only what a network's weights need is made for real: tensors, numpy arrays and scalars, ordered dictionaries, sets.
Names are matched whole, as text, against the lists of `plain_makers` and `torch_records`; any other becomes an inert
record.
"""

from __future__ import annotations

import struct
from io import BytesIO
from zipfile import BadZipFile, ZipFile

from deepisles.errors import WeightsError
from deepisles.weights.pickle_machine import interpret
from deepisles.weights.plain_makers import PlainMakers
from deepisles.weights.torch_records import TensorMakers, TorchRecords

MAX_PICKLE_BYTES = 64 * 2**20
"""A published checkpoint's pickle, apart from its tensors, is well below 1 MB."""

_DAMAGE = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
    EOFError,
    MemoryError,
    RuntimeError,
    NotImplementedError,
    struct.error,
    BadZipFile,
)
"""What reading damaged bytes raises, in the pickle machine, zipfile, numpy and torch."""


def read_pickle(data: bytes, label: str) -> object:
    """Read a plain pickle.

    Parameters
    ----------
    data : bytes
        The whole file.
    label : str
        What to call it in an error.

    Returns
    -------
    object
        Plain data, numpy values, `Global`, `Partial` and `Inert`.

    Raises
    ------
    WeightsError
        If it is damaged or hostile.
    """
    if len(data) > MAX_PICKLE_BYTES:
        raise WeightsError(f"{label} is too large to be what it should be; fetch the weights again.")
    try:
        return interpret(data, PlainMakers())
    except _DAMAGE as error:
        raise WeightsError(f"{label} is damaged or no checkpoint ({_reason(error)}); fetch it again.") from error


def read_torch_archive(data: bytes, label: str) -> object:
    """Read what `torch.save` wrote: a zip of one pickle and the tensors' bytes.

    Parameters
    ----------
    data : bytes
        The whole file.
    label : str
        What to call it in an error.

    Returns
    -------
    object
        As `read_pickle`; tensors lie on the CPU.

    Raises
    ------
    WeightsError
        If it is damaged, hostile, or of another format.
    """
    try:
        with ZipFile(BytesIO(data)) as archive:
            records = TorchRecords(archive, len(data))
            return interpret(bytes(records.read("data.pkl", MAX_PICKLE_BYTES)), TensorMakers(records))
    except _DAMAGE as error:
        raise WeightsError(f"{label} is damaged or no checkpoint ({_reason(error)}); fetch it again.") from error


def _reason(error: BaseException) -> str:
    text = "".join(letter for letter in str(error)[:100] if letter.isprintable())
    return text or type(error).__name__
