"""report.html: the report as one page to read, print and pass on, with nothing outside the file."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from deepisles.reports.page_pictures import PagePictures
from deepisles.reports.references import describe_method, list_references
from deepisles.reports.report import BrainExtractionReport, DicomImageReport, DicomReport, Report, TerritoryReport
from deepisles.reports.viewer_images import ViewerImages
from deepisles.resources import resource_path

VIEWER_SCRIPTS: Final = ("niivue/niivue.min.js", "viewer.js")
MEMBER_TITLES: Final = {"seals": "SEALS", "nvauto": "NVAUTO", "swan": "SWAN"}
STATUS_TITLES: Final = {"ran": "ran", "failed": "failed", "not-run": "did not run"}
PATTERN_TITLES: Final = {
    "no-ischemia": "no ischemia",
    "single-vessel-infarct": "single vessel infarct",
    "scattered-infarcts": "scattered infarcts based on micro-occlusions",
    "single-vessel-infarct-with-scattered-infarcts": "single vessel infarct with accompanying scattered infarcts",
}
TERRITORY_TITLES: Final = {
    "MCA": "middle cerebral artery (MCA)",
    "ACA": "anterior cerebral artery (ACA)",
    "PCA": "posterior cerebral artery (PCA)",
    "cerebellum": "cerebellum",
    "pons-medulla": "pons and medulla",
}
REGISTRATION_TITLES: Final = {
    "elastix": "FLAIR registered to the DWI",
    "rigid": "FLAIR turned and moved onto the DWI, not bent",
    "none": "none: the FLAIR was given on the DWI's grid",
    "not-needed": "not needed",
}


def render_html(report: Report, pictures: PagePictures) -> str:
    """Render the report as one self-contained page: no request, everything inside, no script but the viewer's.

    Parameters
    ----------
    report : Report
        What report.json says.
    pictures : PagePictures
        What is drawn of the case.

    Returns
    -------
    str
        HTML, to be written as UTF-8. All text from the report is escaped.
    """
    template = _environment().get_template("report.html")
    return template.render(
        report=report,
        pictures=pictures,
        viewer=pictures.viewer,
        scripts=() if pictures.viewer is None else _read_scripts(),
        methods=describe_method(report),
        references=list_references(report),
        member_titles=MEMBER_TITLES,
        status_titles=STATUS_TITLES,
        registration_titles=REGISTRATION_TITLES,
    )


def describe_position(lps_mm: tuple[float, float, float]) -> str:
    """Say an LPS position as a reader of images does: ``"43.1 L, 5.0 A, 16.2 S"`` (left/right, front/back, up/down)."""
    letters = (("L", "R"), ("P", "A"), ("S", "I"))
    return ", ".join(
        f"{abs(value):.1f} {positive if value >= 0 else negative}"
        for value, (positive, negative) in zip(lps_mm, letters, strict=True)
    )


def describe_slices(indices: tuple[int, ...]) -> str:
    """Say slice indices as ranges: ``"12-15, 18"``."""
    runs: list[list[int]] = []
    for index in sorted(indices):
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def describe_share(share: float) -> str:
    """Say a share from 0 to 1 as whole per cent."""
    return f"{share:.0%}"


def describe_brain_extraction(told: BrainExtractionReport | None) -> str:
    """Say in one line how the images came to show the brain alone."""
    if told is None:
        return "not recorded"
    if told.status == "off":
        return "off"
    if told.status == "not-needed":
        return "not needed: the images show the brain alone"
    images = ", ".join(name.upper() for name in told.images)
    return f"{told.method} on the {(told.source or '').upper()}, {told.brain_volume_ml:.0f} ml; applied to {images}"


def describe_pattern(pattern: str | None) -> str:
    """Say a stroke pattern in words."""
    return "not assessed" if pattern is None else PATTERN_TITLES.get(pattern, pattern)


def describe_territory(told: TerritoryReport) -> str:
    """Say in one line which territory has the largest load, what the others have, and what speaks against it."""
    reason = f": {told.reason}" if told.reason else ""
    if told.status == "not-assessed" or told.name is None or told.loads_ml is None:
        return f"not assessed{reason}"
    loads = sorted(
        ((load_ml, side, name) for name, both in told.loads_ml.items() for side, load_ml in both if load_ml > 0),
        reverse=True,
    )
    listed = ", ".join(f"{name} {side} {load_ml:.2f} ml" for load_ml, side, name in loads)
    outside = f", in none {told.outside_ml:.2f} ml" if told.outside_ml else ""
    doubt = f"; uncertain{reason}" if told.status == "uncertain" else ""
    return f"{TERRITORY_TITLES[told.name]}, {told.side} ({listed}{outside}){doubt}"


def describe_dicom(told: DicomReport | None) -> str:
    """Say in one line which series of the DICOM each image was taken from, and why."""
    if told is None:
        return "none: every image came as a file of its own"
    return "; ".join(_describe_dicom_image(image) for image in told.images) + f"; converted by {told.converter}"


def _describe_dicom_image(image: DicomImageReport) -> str:
    name = image.image.upper()
    series = "a series without number" if image.series_number is None else f"series {image.series_number}"
    how = {
        "volume": "",
        "geometric-mean": f", geometric mean of {image.directions} directions",
        "b0-and-dwi": ", computed from two b-values",
    }[image.source]
    by = "named by the user" if image.chosen_by == "user" else image.reason
    return f"{name} from {series}{how} ({by})"


def as_sentence(text: str) -> str:
    """Give a phrase a capital and a full stop."""
    phrase = text.strip()
    if not phrase:
        return ""
    return phrase[:1].upper() + phrase[1:] + ("" if phrase.endswith((".", "!", "?")) else ".")


def embed_png(png: bytes) -> str:
    """Make an address that holds the picture itself."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def digest_script(script: str) -> str:
    """Name a script as a Content-Security-Policy does, so that the browser runs it and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def embed_viewer_data(viewer: ViewerImages, report: Report) -> Markup:
    """Write what viewer.js reads, as JSON that cannot end its element."""
    return htmlsafe_json_dumps(
        {
            "images": [{"name": image.name, "nifti": image.nifti, "window": image.window} for image in viewer.images],
            "mask": viewer.mask,
            "probability": viewer.probability,
            "agreement": viewer.agreement,
            "axis": viewer.slice_axis,
            "slices": viewer.stored_slices,
            "members": sum(member.status == "ran" for member in report.members),
        }
    )


@cache
def _read_scripts() -> tuple[Markup, ...]:
    """Read the viewer's program; it comes with the project, so nothing in it is escaped."""
    texts = (resource_path("report", *name.split("/")).read_text(encoding="utf-8") for name in VIEWER_SCRIPTS)
    return tuple(Markup(text) for text in texts)  # noqa: S704


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(resource_path("report")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        position=describe_position,
        slices=describe_slices,
        share=describe_share,
        pattern=describe_pattern,
        territory=describe_territory,
        dicom=describe_dicom,
        brain_extraction=describe_brain_extraction,
        sentence=as_sentence,
        png=embed_png,
        digest=digest_script,
        viewer_data=embed_viewer_data,
    )
    return environment
