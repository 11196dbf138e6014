"""The errors that end a case, each with the exit code a shell sees."""

from __future__ import annotations


class DeepIslesError(Exception):
    """Root of every error that is told to the user as one plain sentence.

    The message says what is wrong and what to do about it, and never holds a caller's
    file name beyond what the caller typed, nor patient data.
    """

    exit_code = 1


class InputRefused(DeepIslesError):
    """The input cannot be processed: missing, damaged, of the wrong kind or out of range."""

    exit_code = 3


class GeometryError(DeepIslesError):
    """The images do not fit together in space."""

    exit_code = 4


class WeightsError(DeepIslesError):
    """Weights are missing, damaged, or not what their description says."""

    exit_code = 5


class AtlasError(DeepIslesError):
    """The atlas of arterial territories is missing where one was named, damaged, or cannot be fetched."""

    exit_code = 5


class DeviceError(DeepIslesError):
    """The asked-for device is absent or cannot run the networks."""

    exit_code = 6


class MemberFailed(DeepIslesError):
    """A member of the ensemble, or a step it depends on, failed while running."""

    exit_code = 7


class OutputError(DeepIslesError):
    """The results cannot be written."""

    exit_code = 8


class ServerError(DeepIslesError):
    """The server cannot be started."""

    exit_code = 9
