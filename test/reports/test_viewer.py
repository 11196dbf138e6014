"""report.html in a browser: the viewer shows the images and goes where it is sent; without it the page still serves.

Needs chromium (Debian: apt-get install chromium) and playwright, whose own browsers are not used.
"""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from deepisles.case.itk_images import to_volume
from deepisles.findings.lesions import list_lesions, measure_volume_ml
from deepisles.preparation.prepared import IsotropicImages, PreparedCase
from deepisles.reports.html import describe_position, render_html
from deepisles.reports.page_pictures import draw_pictures
from deepisles.reports.report import BoundingBox, LesionReport, Report
from deepisles.resources import resource_path

sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed (extra dev)")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# a machine without a graphics card draws in software; root has no sandbox
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
PATIENCE_MS = 120_000
OUTLINE = np.array([255, 106, 0])


@pytest.fixture(scope="module")
def lesions():
    """Read the sample case: images, and the truth in place of an answer."""
    return {
        name: to_volume(sitk.ReadImage(str(resource_path("sample", f"{name}.mha"))))
        for name in ("dwi", "adc", "lesions")
    }


@pytest.fixture(scope="module")
def sample(lesions, lesion_report: Report):
    """Report and page of the sample case."""
    dwi, adc, truth = lesions["dwi"], lesions["adc"], lesions["lesions"]
    agreement = truth.array * 2
    probability = (truth.array * 0.75).astype(np.float32)
    found = list_lesions(truth.array, truth.grid, probability, {}, dwi.array, adc.array)
    rows = tuple(
        LesionReport(
            label=lesion.label,
            volume_ml=lesion.volume_ml,
            centroid_mm=lesion.centroid_mm,
            bounding_box=BoundingBox(start=lesion.start, stop=lesion.stop),
            slices=lesion.slices,
            mean_probability=lesion.mean_probability,
            votes={},
            mean_dwi=lesion.mean_dwi,
            mean_adc=lesion.mean_adc,
            mean_adc_1e6_mm2_s=lesion.mean_adc,
        )
        for lesion in found
    )
    report = lesion_report.model_copy(
        update={
            "lesions": rows,
            "lesion_count": len(rows),
            "lesion_volume_ml": measure_volume_ml(truth.array, truth.grid),
        }
    )
    images = PreparedCase(dwi, adc, IsotropicImages(dwi, adc))
    maps = {
        "lesion_mask": truth,
        "lesion_probability": truth.with_array(probability),
        "lesion_agreement": truth.with_array(agreement),
    }
    return report, render_html(report, draw_pictures(images, maps))


@pytest.fixture(scope="module")
def address(sample, tmp_path_factory) -> str:
    path: Path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(sample[1], encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def playwright() -> Iterator:
    with sync_api.sync_playwright() as started:
        yield started


def launch(playwright, *flags: str):
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser is installed, none of {', '.join(BROWSERS)} (Debian: apt-get install chromium)")
    return playwright.chromium.launch(executable_path=program, args=[*FLAGS, *flags], timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser(playwright) -> Iterator:
    started = launch(playwright)
    yield started
    started.close()


@pytest.fixture(scope="module")
def opened(browser, address):
    """Open the page and let its viewer run; with it comes everything that it said or asked for."""
    page = browser.new_page(viewport={"width": 1150, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    told: list[str] = []
    page.on("console", lambda message: told.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: told.append(f"error: {error}"))
    page.on("request", lambda request: told.append(f"request: {request.url}"))
    page.goto(address)
    page.get_by_text("Cross at").wait_for()
    yield page, told
    page.close()


@pytest.fixture
def page(opened):
    return opened[0]


def read_place(page) -> str:
    return page.inner_text("#viewer-place")


def look(page):
    """Take the viewer's picture: (row, column, red green blue)."""
    png = page.locator(".stage").screenshot()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def count_outline(picture) -> int:
    return int((np.abs(picture - OUTLINE).max(axis=-1) < 40).sum())


def read_lps_mm(page):
    found = re.findall(r"(\d+\.\d) ([LRPASI])", read_place(page))
    return np.array([float(number) * (1 if letter in "LPS" else -1) for number, letter in found])


def test_the_viewer_shows_the_images(page) -> None:
    picture = look(page)
    assert (picture.max(axis=-1) > 40).mean() > 0.1
    assert len(np.unique(picture.max(axis=-1))) > 50, "grey levels, not a flat area"
    page.check("input[value=ADC]")
    assert np.abs(look(page) - picture).mean() > 5
    page.check("input[value=DWI]")
    np.testing.assert_allclose(look(page), picture, atol=8)


def test_the_outline_can_be_taken_off(page) -> None:
    assert count_outline(look(page)) > 300
    page.uncheck("#show-outline")
    assert count_outline(look(page)) == 0
    page.check("#show-outline")
    assert count_outline(look(page)) > 300


def test_maps_can_be_laid_over_the_image(page) -> None:
    plain = look(page)
    for box in ("#show-probability", "#show-agreement"):
        page.check(box)
        coloured = look(page)
        changed = np.abs(coloured - plain).max(axis=-1) > 30
        assert 0.001 < changed.mean() < 0.2, "the lesions, not the whole image"
        page.uncheck(box)
    np.testing.assert_allclose(look(page), plain, atol=8)


def test_a_click_on_a_lesion_goes_to_its_centre(page, sample) -> None:
    for lesion in reversed(sample[0].lesions):
        page.click(f"tr[data-lps]:nth-child({lesion.label}) td:nth-child(3)")
        assert f"Cross at {describe_position(lesion.centroid_mm)} mm" in read_place(page)
        assert "probability 0.75, 2 of 2 members say lesion" in read_place(page)
        (name,) = re.findall(r"slice z (\d+)", read_place(page))
        assert int(name) in lesion.slices
    assert page.locator("tr.shown").count() == 1


def test_the_outline_lies_where_the_cross_is(page, sample, lesions) -> None:
    first = sample[0].lesions[0]
    page.click(f"tr[data-lps]:nth-child({first.label})")
    page.check("input[value=axial]")
    rows, columns = np.nonzero(np.abs(look(page) - OUTLINE).max(axis=-1) < 40)
    # the patient's left, where the larger lesion is, is on the right; it lies near the middle from front to back
    assert first.centroid_mm[0] > 20
    assert np.median(columns) > 0.52 * look(page).shape[1]
    # of the mask's proportions on this slice: the lesions are outlined, each where it is
    (slice_index,) = map(int, re.findall(r"slice z (\d+)", read_place(page)))
    height, width = (np.ptp(index) + 1 for index in np.nonzero(lesions["lesions"].array[slice_index]))
    assert np.ptp(rows) / np.ptp(columns) == pytest.approx(height / width, rel=0.1)
    page.check("input[value=planes]")


def test_the_keyboard_reaches_everything(page, sample) -> None:
    page.click("tr[data-lps]:nth-child(1)")
    page.evaluate("document.activeElement.blur()")
    reached: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.getAttribute('aria-label')"))
        if reached[-1] == "2: show this lesion in the viewer":
            break
    assert {"show-outline", "show-probability", "show-agreement", "viewer-slice", "viewer-canvas"} <= set(reached)
    page.keyboard.press("Enter")
    assert describe_position(sample[0].lesions[1].centroid_mm) in read_place(page)


@pytest.mark.parametrize(
    ("key", "axis", "step_mm"), [("ArrowRight", 0, 2), ("ArrowUp", 1, -2), ("PageUp", 2, 3), ("PageDown", 2, -3)]
)
def test_keys_move_the_cross_by_a_voxel(page, key, axis, step_mm) -> None:
    page.click("tr[data-lps]:nth-child(1)")
    page.focus("#viewer-canvas")
    # from a lesion's centre, which lies anywhere, the first step ends in the middle of a voxel
    page.keyboard.press(key)
    before = read_lps_mm(page)
    page.keyboard.press(key)
    moved = read_lps_mm(page) - before
    # the grid is oblique: most of the step is along one axis of the patient
    assert np.linalg.norm(moved) == pytest.approx(abs(step_mm), abs=0.15)
    assert np.abs(moved).argmax() == axis
    assert np.sign(moved[axis]) == np.sign(step_mm)


def test_the_slider_goes_through_the_slices(page) -> None:
    page.click("tr[data-lps]:nth-child(1)")
    (before,) = re.findall(r"slice z (\d+)", read_place(page))
    page.focus("#viewer-slice")
    page.keyboard.press("ArrowRight")
    (after,) = re.findall(r"slice z (\d+)", read_place(page))
    assert abs(int(after) - int(before)) == 1
    assert page.inner_text("#viewer-slice-name") == f"z {after}"


def test_the_window_changes_the_greys(page) -> None:
    before = look(page)
    page.focus("#window-high")
    page.keyboard.press("Home")
    assert look(page).mean() > before.mean() + 10
    page.locator("#window-high").fill("186")


def test_nothing_was_asked_for_and_nothing_went_wrong(opened, address) -> None:
    # the last of those that use the page: whatever they did is in here
    assert opened[1] == [f"request: {address}"]


def test_on_paper_the_picture_stands_for_the_viewer(page) -> None:
    page.emulate_media(media="print")
    assert not page.is_visible("#viewer")
    assert page.is_visible("figure img")
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    page.emulate_media(media="screen")


def test_without_scripts_everything_else_is_there(browser, address, sample) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    check_still_page(page, sample[0])
    context.close()


def test_without_webgl_everything_else_is_there(playwright, address, sample) -> None:
    without = launch(playwright, "--disable-3d-apis")
    page = without.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    check_still_page(page, sample[0])
    assert errors == []
    without.close()


def check_still_page(page, report: Report) -> None:
    assert page.is_visible("text=The viewer needs JavaScript and WebGL2")
    assert not page.is_visible("#viewer")
    assert page.is_visible("figure img")
    assert page.is_visible(f"text={describe_position(report.lesions[1].centroid_mm)}")
    assert not page.is_visible("#lesions-hint")
