"""The one table of Grand Challenge sockets: what the platform calls each input and output, and where its file lies.

Image sockets as in ISLES'22 and the published DeepISLES algorithm; the three JSON outputs have names of this project.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["Image", "Segmentation", "Float", "Integer", "Anything", "Thumbnail png"]
FILE_SUFFIXES: Final = {"Float": ".json", "Integer": ".json", "Anything": ".json", "Thumbnail png": ".png"}
"""What the names of files end in; the other kinds are folders below images/ with one image each."""


@dataclass(frozen=True)
class Socket:
    """One input or output.

    Parameters
    ----------
    slug : str
        The platform's name for it.
    kind : str
        What the platform expects in its place: an image folder for "Image" and "Segmentation", else one file.
    relative_path : str
        Its place below /input or /output, unless inputs.json says otherwise.
    other_slugs : tuple of str
        Names that it also goes by.
    """

    slug: str
    kind: Kind
    relative_path: str
    other_slugs: tuple[str, ...] = ()


DWI: Final = Socket("dwi-brain-mri", "Image", "images/dwi-brain-mri")
ADC: Final = Socket("adc-brain-mri", "Image", "images/adc-brain-mri")
FLAIR: Final = Socket("flair-brain-mri", "Image", "images/flair-brain-mri")

SETTINGS: Final = Socket("deepisles-settings", "Anything", "deepisles_settings.json", ("deepisles_settings",))
PARAMETERS: Final = (
    Socket("dwi-mri-acquisition-parameters", "Anything", "dwi-mri-acquisition-parameters.json"),
    Socket("adc-mri-parameters", "Anything", "adc-mri-parameters.json"),
    Socket("flair-mri-acquisition-parameters", "Anything", "flair-mri-acquisition-parameters.json"),
)
"""ISLES'22's scanner parameters: allowed, and not looked at."""

SEGMENTATION: Final = Socket("stroke-lesion-segmentation", "Segmentation", "images/stroke-lesion-segmentation")
VOLUME: Final = Socket("stroke-lesion-volume", "Float", "stroke-lesion-volume.json")
COUNT: Final = Socket("stroke-lesion-count", "Integer", "stroke-lesion-count.json")
REPORT: Final = Socket("stroke-lesion-report", "Anything", "stroke-lesion-report.json")
THUMBNAIL: Final = Socket(
    "stroke-lesion-segmentation-thumbnail", "Thumbnail png", "stroke-lesion-segmentation-thumbnail.png"
)
RESULTS: Final = Socket("results-json-file", "Anything", "results.json")
"""What evalutils containers wrote; the platform no longer reads it, older test scripts do."""

IMAGES: Final = (DWI, ADC, FLAIR)
EXTRAS: Final = (SETTINGS, *PARAMETERS)
OUTPUTS: Final = (SEGMENTATION, VOLUME, COUNT, REPORT, THUMBNAIL, RESULTS)

INTERFACES: Final = (frozenset({DWI, ADC, FLAIR}), frozenset({DWI, ADC}))
"""The sets of images that are accepted; any of `EXTRAS` may come with them."""


def find_input(slug: str) -> Socket | None:
    """Find the input socket that a slug means, or None."""
    for socket in (*IMAGES, *EXTRAS):
        if slug == socket.slug or slug in socket.other_slugs:
            return socket
    return None
