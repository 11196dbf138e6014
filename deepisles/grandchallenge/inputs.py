"""Finding a case below /input: by inputs.json, or by the ISLES'22 layout where there is none.

/input is a link that the platform makes anew for every case: paths are used as given and never resolved.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, StrictBool, TypeAdapter, ValidationError

from deepisles.case.files import CaseFiles
from deepisles.case.formats import ACCEPTED_IN_WORDS, is_accepted
from deepisles.errors import InputRefused
from deepisles.grandchallenge.sockets import ADC, DWI, EXTRAS, FLAIR, IMAGES, INTERFACES, SETTINGS, Socket, find_input
from deepisles.options import Profile

INPUTS_NAME: Final = "inputs.json"
MAX_JSON_BYTES: Final = 16 << 20
MAX_SHOWN_SLUGS: Final = 10


class _Record(BaseModel):
    # values can hold the upload's name, which may be a patient's
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class _SocketRecord(_Record):
    slug: str
    relative_path: str


class _InputRecord(_Record):
    """One element of inputs.json; the platform calls the socket `socket`, `interface` or both."""

    socket: _SocketRecord | None = None
    interface: _SocketRecord | None = None


def _read_switch(value: object) -> object:
    """Let the words pass that DeepISLES' users have written for a switch; else only true and false are bool."""
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


class Settings(_Record):
    """What deepisles-settings can ask for; other keys are let pass."""

    skull_strip: Annotated[StrictBool, BeforeValidator(_read_switch)] = False
    profile: Profile | None = None


_INPUTS: Final = TypeAdapter(list[_InputRecord])


@dataclass(frozen=True)
class GrandChallengeInputs:
    """A case below /input.

    Parameters
    ----------
    files : CaseFiles
        Its images.
    settings : Settings
        What was asked for beside them.
    """

    files: CaseFiles
    settings: Settings


def is_grand_challenge_tree(folder: Path) -> bool:
    """Whether a folder holds inputs.json, or images in folders that are named after sockets."""
    return (folder / INPUTS_NAME).exists() or any((folder / socket.relative_path).is_dir() for socket in IMAGES)


def resolve_inputs(folder: Path) -> GrandChallengeInputs:
    """Find the images and settings of a case.

    Parameters
    ----------
    folder : Path
        /input, or one like it.

    Returns
    -------
    GrandChallengeInputs
        Exactly one file per image socket of a known interface.

    Raises
    ------
    InputRefused
        If inputs.json is damaged, the set of sockets is unknown, a path leads out of the folder, an image socket has
        no or several files, or the settings are not understood.
    """
    paths = _read_inputs_json(folder) if (folder / INPUTS_NAME).exists() else _look_around(folder)
    images = {socket: _find_image(path, socket) for socket, path in paths.items() if socket in IMAGES}
    files = CaseFiles(images[DWI], images[ADC], images.get(FLAIR))
    return GrandChallengeInputs(files, _read_settings(paths[SETTINGS]) if SETTINGS in paths else Settings())


def _read_inputs_json(folder: Path) -> dict[Socket, Path]:
    records = _read_records(folder / INPUTS_NAME)
    paths: dict[Socket, Path] = {}
    slugs: list[str] = []
    for record in records:
        stated = record.socket or record.interface
        if stated is None:
            raise InputRefused(
                "An element of inputs.json names neither a socket nor an interface: send the case again."
            )
        slugs.append(stated.slug)
        socket = find_input(stated.slug)
        if socket is None:
            continue
        if socket in paths:
            raise InputRefused(f"inputs.json names the socket {socket.slug} twice: give one input for each socket.")
        paths[socket] = folder / _stay_inside(stated.relative_path, socket)
    _check_interface(paths, slugs)
    return paths


def _read_records(path: Path) -> list[_InputRecord]:
    try:
        return _INPUTS.validate_json(_read_json_bytes(path, INPUTS_NAME))
    except ValidationError as error:
        raise InputRefused(
            "inputs.json is damaged or not as Grand Challenge writes it: a list of inputs with socket, slug and "
            "relative_path."
        ) from error


def _read_json_bytes(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_JSON_BYTES + 1)
    except OSError as error:
        raise InputRefused(f"{what} cannot be read: send the case again.") from error
    if len(content) > MAX_JSON_BYTES:
        raise InputRefused(f"{what} has more than {MAX_JSON_BYTES >> 20} MiB: send the case again.")
    return content


def _stay_inside(relative_path: str, socket: Socket) -> PurePosixPath:
    path = PurePosixPath(relative_path)
    if path.is_absolute() or ".." in path.parts or not path.parts or re.search(r"[\\\0]", relative_path):
        raise InputRefused(f"The path of the socket {socket.slug} in inputs.json leads out of the input folder.")
    return path


def _look_around(folder: Path) -> dict[Socket, Path]:
    """Take the sockets whose files are there: the ISLES'22 layout."""
    slugs = sorted(entry.name for entry in folder.glob("images/*") if entry.is_dir())
    paths = {socket: folder / socket.relative_path for socket in IMAGES if socket.slug in slugs}
    paths |= {socket: folder / socket.relative_path for socket in EXTRAS if (folder / socket.relative_path).exists()}
    _check_interface(paths, slugs)
    return paths


def _check_interface(sockets: Mapping[Socket, Path], slugs: Iterable[str]) -> None:
    """Accept the inputs only if they are those of an interface, with nothing unknown beside them."""
    unknown = any(find_input(slug) is None for slug in slugs)
    if unknown or frozenset(sockets) & frozenset(IMAGES) not in INTERFACES:
        expected = " or ".join(
            ", ".join(socket.slug for socket in IMAGES if socket in interface) for interface in INTERFACES
        )
        found = [re.sub(r"[^A-Za-z0-9_-]", "?", slug)[:60] for slug in sorted(slugs)]
        shown = ", ".join(found[:MAX_SHOWN_SLUGS]) or "none"
        raise InputRefused(
            f"The inputs are not those of this algorithm: expected the sockets {expected}; found {shown}."
        )


def _find_image(folder: Path, socket: Socket) -> Path:
    try:
        files = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise InputRefused(f"The image folder of the socket {socket.slug} is missing: send the case again.") from error
    if len(files) != 1:
        raise InputRefused(
            f"The socket {socket.slug} has {len(files)} files where exactly one image is needed: send the case again."
        )
    if not is_accepted(files[0]):
        raise InputRefused(
            f"The image of the socket {socket.slug} is in a format that is not accepted: "
            f"give a {ACCEPTED_IN_WORDS} file."
        )
    return files[0]


def _read_settings(path: Path) -> Settings:
    content = _read_json_bytes(path, f"The file of the socket {SETTINGS.slug}")
    try:
        return Settings.model_validate_json(content)
    except ValidationError as error:
        raise InputRefused(
            f"The settings of the socket {SETTINGS.slug} are not understood: give an object in which skull_strip, if "
            f"it is there, is true or false, and profile is {' or '.join(get_args(Profile))}."
        ) from error
