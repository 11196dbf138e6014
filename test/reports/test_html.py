"""The page: everything in it, nothing outside it, and nothing a report says can break it."""

from __future__ import annotations

import base64
import hashlib
import json
from html.parser import HTMLParser

import pytest

from deepisles.reports.html import as_sentence, describe_position, describe_slices, render_html
from deepisles.reports.page_pictures import PagePictures
from deepisles.reports.report import BrainExtractionReport, Report
from deepisles.reports.viewer_images import ViewerImage, ViewerImages

PICTURE = b"\x89PNG\r\n\x1a\n-picture"
PICTURES = PagePictures(overview=PICTURE)
VOID = {"meta", "img", "br", "link", "input", "hr"}
VIEWER = ViewerImages((ViewerImage("DWI", "AAAA", (3, 180)),), "BBBB", "CCCC", "DDDD", "z", (4, 3, 2), (2, 2, 1))
WITH_VIEWER = PagePictures(overview=PICTURE, registration=b"r", brain_mask=b"b", viewer=VIEWER)
HOSTILE = "<script>alert(1)</script><img src='http://outside.example/x.png' onerror=alert(2)> \"quoted\" {{ 7*7 }}"


class Page(HTMLParser):
    """Elements, texts, and table rows of a page; fails on tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.rows: list[list[str]] = []
        self.scripts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "script":
            self.scripts.append("")
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note text, outside style sheets and scripts."""
        if "style" in self._open or "script" in self._open:
            if self._open[-1] == "script":
                self.scripts[-1] += data
            return
        self.text += data
        if self.rows and ("td" in self._open or "th" in self._open):
            self.rows[-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """List the attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def row(self, header: str) -> list[str]:
        """Find the table row that starts with a header."""
        return next(row for row in self.rows if row[0] == header)


def test_says_what_the_report_says(lesion_report: Report) -> None:
    page = Page(render_html(lesion_report, PICTURES))
    for said in ("Lesion found", "9.36 ml", "Not every member answered", "The ADC map lies on", "2 x 2 x 3 mm"):
        assert said in page.text
    assert page.row("1") == ["1", "8.148", "43.1 L, 5.0 A, 16.0 S", "22-24, 27, 29-30", "0.87", "95%", "88%", "-",
                             "512.4", "512"]  # fmt: skip
    assert page.row("SEALS")[1:6] == ["ran", "9.81", "1", "5", "12.3"]
    assert page.row("NVAUTO")[3] == "2.5"
    assert page.row("SWAN")[1] == "failed: registering FLAIR to DWI failed"
    assert "above one half. The mask is made from SEALS, NVAUTO." in page.text
    assert page.row("SEALS weights")[1] == "a1" * 32
    assert page.row("Program")[1] == "deepisles 0.1.0, revision 0123abc"
    assert page.row("segment")[1] == "58.02"
    assert "Not a medical device" in page.text
    assert "Nature Communications 16, 7357 (2025)" in page.text


def test_what_makes_a_result_doubtful_comes_before_the_pictures(lesion_report: Report) -> None:
    text = Page(render_html(lesion_report, PICTURES)).text
    order = ("Degraded result", "Warnings", "Not a medical device", "Pictures", "Lesions")
    places = [text.index(said) for said in order]
    assert places == sorted(places)


def test_a_case_without_lesion_says_so(empty_report: Report) -> None:
    page = Page(render_html(empty_report, PICTURES))
    assert "No lesion found" in page.text
    assert "0.00 ml" in page.text
    assert "Degraded" not in page.text
    assert "Warnings" not in page.text
    assert "no lesion segmented" in (page.all("img")[0]["alt"] or "")


def test_hostile_text_stays_text(lesion_report: Report) -> None:
    member = lesion_report.members[2].model_copy(update={"reason": HOSTILE})
    software = lesion_report.software.model_copy(update={"device": HOSTILE, "revision": HOSTILE, "version": HOSTILE})
    report = lesion_report.model_copy(
        update={
            "warnings": (HOSTILE,),
            "notice": HOSTILE,
            "degraded_reason": HOSTILE,
            "pattern": HOSTILE,
            "territory": lesion_report.territory.model_copy(update={"reason": HOSTILE}),
            "members": (*lesion_report.members[:2], member),
            "software": software,
            "weights": lesion_report.weights.model_copy(update={"bundle": HOSTILE}),
            "consensus": lesion_report.consensus.model_copy(update={"description": HOSTILE, "members": (HOSTILE,)}),
            "inputs": lesion_report.inputs.model_copy(update={"checks": (HOSTILE,)}),
            "timing_seconds": {HOSTILE: 1.0},
        }
    )
    page = Page(render_html(report, PICTURES))
    assert page.all("script") == []
    assert len(page.all("img")) == 1
    with_viewer = Page(render_html(report, WITH_VIEWER))
    assert len(with_viewer.scripts) == 3
    assert len(with_viewer.all("img")) == 3
    assert page.text.count(HOSTILE) == 18


def test_needs_nothing_from_outside(lesion_report: Report) -> None:
    html = render_html(lesion_report, PICTURES)
    page = Page(html)
    for tag, attributes in page.elements:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form")
        for name in ("src", "href", "srcset", "action", "poster", "data"):
            assert (attributes.get(name) or "data:").startswith("data:")
        assert not any(name.startswith("on") for name in attributes)
    assert "url(" not in html
    assert "@import" not in html
    assert "://" not in html
    (image,) = page.all("img")
    assert base64.b64decode((image["src"] or "").removeprefix("data:image/png;base64,")) == PICTURE
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert "default-src 'none'" in (policy or "")


def test_no_script_runs_but_the_viewers(lesion_report: Report) -> None:
    html = render_html(lesion_report, WITH_VIEWER)
    page = Page(html)
    data, *programs = page.scripts
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta) or ""
    allowed = [base64.b64encode(hashlib.sha256(program.encode()).digest()).decode() for program in programs]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src " + " ".join(
        f"'sha256-{digest}'" for digest in allowed
    )
    assert [attributes for attributes in page.all("script") if attributes] == [
        {"type": "application/json", "id": "viewer-data"}
    ]
    assert "niivue" in programs[0]
    assert json.loads(data)["slices"] == [4, 3, 2]
    assert json.loads(data)["members"] == 2
    # what is not NiiVue's own names no address
    assert "://" not in html.replace(programs[0], "")


def test_coarse_copies_are_told(lesion_report: Report) -> None:
    assert "2 x 2 x 1 voxels averaged to one" in Page(render_html(lesion_report, WITH_VIEWER)).text


def test_without_pictures_there_are_words(lesion_report: Report) -> None:
    page = Page(render_html(lesion_report, PagePictures()))
    assert page.all("img") == []
    assert page.all("script") == []
    assert page.row("1")[1] == "8.148"


def test_says_what_to_cite(lesion_report: Report) -> None:
    text = Page(render_html(lesion_report, PICTURES)).text
    assert "re-implementation of DeepISLES [1]" in text
    assert "by SEALS [3], NVAUTO [4], members of" in text, "SWAN failed"
    assert "registered to DWI with elastix [5]" in text
    assert "extracted with deepbet 1.0.2 [6]" in text
    for work in ("s41467-025-62373-x", "s41592-020-01008-z", "2209.09546", "TMI.2009.2035616"):
        assert work in text
    assert "Factorizer" not in text


def test_can_be_read_without_seeing_it(lesion_report: Report) -> None:
    page = Page(render_html(lesion_report, WITH_VIEWER))
    assert page.all("html")[0]["lang"] == "en"
    assert {meta.get("charset") for meta in page.all("meta")} >= {"utf-8"}
    assert all(header.get("scope") in ("row", "col") for header in page.all("th"))
    assert "2, 9.36 ml in all" in (page.all("img")[0]["alt"] or "")
    assert len(page.all("h1")) == 1
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert all(image["alt"] for image in page.all("img"))
    assert {a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a} <= set(identifiers)


@pytest.mark.parametrize(("indices", "said"), [((4,), "4"), ((3, 4, 5), "3-5"), ((9, 1, 2, 4), "1-2, 4, 9"), ((), "")])
def test_slices_are_said_as_ranges(indices: tuple[int, ...], said: str) -> None:
    assert describe_slices(indices) == said


def test_positions_are_said_by_side() -> None:
    assert describe_position((43.12, -5.0, 16.0)) == "43.1 L, 5.0 A, 16.0 S"
    assert describe_position((-24.0, 50.0, -12.0)) == "24.0 R, 50.0 P, 12.0 I"


def test_phrases_become_sentences() -> None:
    assert as_sentence("an odd thing") == "An odd thing."
    assert as_sentence("Done. ") == "Done."
    assert as_sentence("") == ""


def test_brain_extraction_is_one_line(lesion_report: Report, empty_report: Report) -> None:
    def line(report: Report) -> str:
        return Page(render_html(report, PICTURES)).row("Brain extraction")[1]

    assert line(lesion_report) == "deepbet 1.0.2 on the FLAIR, 1414 ml; applied to DWI, ADC, FLAIR"
    assert line(empty_report) == "not needed: the images show the brain alone"
    off = BrainExtractionReport(status="off")
    assert line(lesion_report.model_copy(update={"brain_extraction": off})) == "off"
    assert line(lesion_report.model_copy(update={"brain_extraction": None})) == "not recorded"


def test_dicom_is_told_by_series_number_and_rule(lesion_report):
    page = render_html(lesion_report, PICTURES)
    assert "DWI from series 5, geometric mean of 3 directions (a gradient direction is stored)" in page
    assert "ADC from a series without number, computed from two b-values (named by the user)" in page
    inputs = lesion_report.inputs.model_copy(update={"dicom": None})
    assert "DICOM" not in render_html(lesion_report.model_copy(update={"inputs": inputs}), PICTURES)
