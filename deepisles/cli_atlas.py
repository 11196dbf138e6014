"""The commands of the command line that put the atlas of arterial territories in place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from deepisles.plain_errors import Debug, plain_errors

LabelsOption = Annotated[
    Literal["jhu-level-1", "five-territories"] | None,
    typer.Option("--labels", help="What its numbers mean, where the file is none that is known."),
]

atlas_app = typer.Typer(
    help="Atlas of arterial territories (CC BY-SA 4.0, not part of this software): install a file, or fetch it.",
    no_args_is_help=True,
)


@atlas_app.command("install")
def install_atlas(
    file: Annotated[Path, typer.Argument(help="The JHU arterial atlas in MNI152 space, .nii or .nii.gz.")],
    labels: LabelsOption = None,
    debug: Debug = False,
) -> None:
    """Put an atlas file in place, so that reports name the vascular territory."""
    with plain_errors(debug):
        from deepisles.atlas.store import find_folder, install

        note = install(file, labels)
        _tell(note.name, note.sha256, find_folder())


@atlas_app.command("fetch")
def fetch_atlas(
    url: Annotated[str | None, typer.Option(help="Download it from there.")] = None,
    digest: Annotated[str | None, typer.Option(help="What it must be, sha256:... or md5:...")] = None,
    labels: LabelsOption = None,
    debug: Debug = False,
) -> None:
    """Download the published atlas (0.1 MB) and put it in place."""
    with plain_errors(debug):
        from deepisles.atlas.fetch import fetch
        from deepisles.atlas.store import find_folder

        note = fetch(url, digest, labels)
        _tell(note.name, note.sha256, find_folder())


def _tell(name: str, sha256: str, folder: Path) -> None:
    from deepisles.atlas.known import CITATION, LICENCE

    typer.echo(f"atlas:   {name}")
    typer.echo(f"digest:  sha256:{sha256}")
    typer.echo(f"licence: {LICENCE}; please cite {CITATION}")
    typer.echo(f"folder:  {folder}")
