"""The page in a real Chromium: it opens from disk, needs nothing else, and does what it shows."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import closed_form_run as mine
import numpy as np
import pypdfium2 as pdfium
import pytest
from chromium_pipe import Page, chromium
from PIL import Image

from survey.report.folder import RunFolder
from survey.report.html import render_html
from survey.report.options import ReportOptions

pytestmark = pytest.mark.browser

CONTRAST = """(() => {
  const linear = x => x <= 10.31475 ? x / 255 / 12.92 : ((x / 255 + .055) / 1.055) ** 2.4;
  const bright = c => .2126 * linear(c[0]) + .7152 * linear(c[1]) + .0722 * linear(c[2]);
  const parse = s => s.match(/[\\d.]+/g).map(Number);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > .5) return c;
    }
    return [255, 255, 255];
  };
  const bad = [];
  document.querySelectorAll('main *, header *, nav *').forEach(e => {
    if (e.closest('svg') || e.closest('#map') || e.closest('[aria-hidden]') || e.tagName === 'OPTION') return;
    const own = Array.from(e.childNodes).some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.getClientRects().length) return;
    const a = bright(parse(getComputedStyle(e).color)), b = bright(ground(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) bad.push([e.tagName, e.textContent.trim().slice(0, 30), ratio]);
  });
  return bad;
})()"""
ROWS = "Array.from(document.querySelectorAll('#site-table tbody tr'))"


@pytest.fixture(scope="module")
def file(run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_html(run, ReportOptions()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser: Page, file: Path) -> Iterator[Page]:
    """The report, freshly opened on a desk-sized window; afterwards the console must be silent."""
    browser.complaints.clear()
    browser.requests.clear()
    browser.size(1400, 900)
    # Nothing glides: what a test looks at has arrived.
    browser.call(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}]
    )
    browser.open(file)
    browser.until("document.documentElement.dataset.ready === 'true'")
    yield browser
    assert browser.complaints == []
    assert [r for r in browser.requests if not r.startswith(("data:", "file:"))] == []
    assert sum(r.startswith("file:") for r in browser.requests) == 1


def middle(page: Page, selector: str) -> tuple[float, float]:
    x, y = page.run(
        f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
        # What lies on the map is not scrolled to: Leaflet puts a map that was scrolled inside back at once.
        "(e.closest('#map') || e).scrollIntoView({block: 'center', behavior: 'instant'}); "
        "const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
    )
    return x, y


def pixels(page: Page, selector: str, tmp_path: Path) -> np.ndarray:
    """What the screen shows of an element."""
    page.run(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")
    time.sleep(0.25)
    box = page.run(
        f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
        "return [b.x, b.y, b.right, b.bottom]; })()"
    )
    page.screenshot(tmp_path / "shot.png")
    image = Image.open(tmp_path / "shot.png").convert("RGB")
    return np.asarray(image.crop(tuple(round(v) for v in box))).astype(int)


def test_it_opens_with_a_map_that_shows_the_mine(page, tmp_path):
    assert (
        page.run("document.querySelectorAll('#map img.leaflet-image-layer').length") == 2
    )  # ground and change
    assert page.run("Array.from(document.images).every(i => i.loading === 'lazy' || i.naturalWidth > 0)")
    seen = pixels(page, "#map", tmp_path)
    red = (seen[..., 0] > seen[..., 2] + 60).mean()
    blue = (seen[..., 2] > seen[..., 0] + 60).mean()
    assert red > 0.005  # the pit
    assert blue > 0.005  # the dump
    assert page.run("document.querySelectorAll('#map path.leaflet-interactive[role=button]').length") == 4


def test_a_click_on_a_site_shows_its_card(page):
    page.run("document.getElementById('map-part').scrollIntoView()")
    time.sleep(0.3)
    path = f"#map path[aria-label^='{mine.sites()[1][0].id}']"
    page.click(*middle(page, path))
    page.until("document.querySelector('#card .card') !== null")
    card = page.run("document.querySelector('#card .card').innerText")
    assert "33,105" in card
    assert "32,112 to 34,098" in card
    assert page.run("document.querySelectorAll('#card img').length") == 2
    assert page.run("document.querySelectorAll('#card svg').length") == 1
    assert page.run("document.querySelector('#site-table tr.chosen').dataset.id") == "S-0520-0660"
    page.click(*middle(page, "#card .link"))
    assert page.run("document.querySelector('#card').childElementCount") == 0


def test_a_site_opens_by_keyboard_alone(page):
    page.run("document.querySelector(\"#map path[aria-label^='S-0300-0824']\").focus()")
    page.key("Enter", 13)
    page.until("document.querySelector('#card .card')?.dataset.site === 'S-0300-0824'")


def test_the_table_sorts_both_ways_and_says_so(page):
    column = f"{ROWS}.map(r => Number(r.cells[3].dataset.sort))"
    page.click(*middle(page, "#site-table th:nth-child(4) button"))
    rising = page.run(column)
    assert rising == sorted(rising)
    assert (
        page.run("document.querySelector('#site-table th:nth-child(4)').getAttribute('aria-sort')")
        == "ascending"
    )
    page.click(*middle(page, "#site-table th:nth-child(4) button"))
    assert page.run(column) == rising[::-1]
    page.click(*middle(page, "#site-table th:nth-child(1) button"))
    names = page.run("Array.from(document.querySelectorAll('#site-table tbody tr')).map(r => r.dataset.id)")
    assert names == sorted(names)


def test_the_table_filters_and_the_map_follows(page):
    page.run("document.getElementById('filter-kind').value = 'heap'")
    page.run("document.getElementById('filter-kind').dispatchEvent(new Event('input'))")
    shown = f"{ROWS}.filter(r => !r.hidden).map(r => r.dataset.id)"
    assert page.run(shown) == ["S-0520-0660", "S-0560-0880"]
    assert page.run("document.getElementById('shown').textContent") == "2 of 4 shown"
    hidden = "document.querySelector(\"#map path[aria-label^='S-0412-0388']\").style.display"
    assert page.run(hidden) == "none"
    page.run("document.getElementById('filter').value = 'nothing like it'")
    page.run("document.getElementById('filter').dispatchEvent(new Event('input'))")
    assert page.run(shown) == []
    assert page.run("document.getElementById('shown').textContent") == "no site fits"


def test_a_row_moves_the_map_to_its_site(page):
    width = "document.querySelector(\"#map path[aria-label^='S-0560-0880']\").getBoundingClientRect().width"
    before = page.run(width)
    page.click(*middle(page, "#site-table tbody tr[data-id='S-0560-0880'] td:nth-child(3)"))
    page.until(f"{width} > 3 * {before}")


def test_the_swipe_shows_the_earlier_survey_left_and_the_later_right(page, tmp_path):
    page.run("document.querySelectorAll('#overlays input').forEach(i => { if (i.checked) i.click(); })")
    page.run("document.querySelectorAll('#grounds input')[2].click()")
    assert page.run("document.getElementById('swipe').hidden") is False
    where = "document.querySelector('#swipe input')"

    def swipe(value: int) -> np.ndarray:
        page.run(f"{where}.value = {value}")
        page.run(f"{where}.dispatchEvent(new Event('input'))")
        return pixels(page, "#map", tmp_path)

    later, half, earlier = swipe(0), swipe(500), swipe(1000)
    wide = half.shape[1]
    left, right = slice(60, wide // 2 - 60), slice(wide // 2 + 60, wide - 60)
    band = slice(80, -80)
    np.testing.assert_array_equal(half[band, left], earlier[band, left])
    np.testing.assert_array_equal(half[band, right], later[band, right])
    assert np.abs(later[band] - earlier[band]).max() > 40  # the dump is there only afterwards


def test_the_swipe_moves_by_keyboard(page):
    page.run("document.querySelectorAll('#grounds input')[2].click()")
    page.run("document.querySelector('#swipe input').focus()")
    page.key("ArrowLeft", 37)
    assert page.run("Number(document.querySelector('#swipe input').value)") < 500
    clip = "document.querySelector('.leaflet-left-pane').style.clipPath"
    assert page.run(clip).startswith("polygon(")


def test_layers_go_on_and_off(page):
    for layer in ("contours", "benches", "sections", "polygons"):
        count = "document.querySelectorAll('#map path.leaflet-interactive, #map svg path').length"
        before = page.run(count)
        page.run(f"document.querySelector('label[data-layer={layer}] input').click()")
        assert page.run(count) > before, layer
        page.run(f"document.querySelector('label[data-layer={layer}] input').click()")
        assert page.run(count) == before, layer


def test_a_section_reads_out_its_heights_by_mouse_and_by_keyboard(page):
    page.run("document.querySelector('#section-choice').value = '2'")
    page.run("document.querySelector('#section-choice').dispatchEvent(new Event('change'))")
    page.run("document.getElementById('section-view').focus()")
    for _ in range(3):
        page.key("ArrowRight", 39)
    text = page.run("document.getElementById('section-readout').textContent")
    assert text.startswith("at 7.4 m")  # three hundredths of 246.8 m
    assert "before: " in text
    assert "difference: " in text
    x, y = middle(page, "#section-view svg")
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    page.until("document.getElementById('section-readout').textContent.includes('at 1')")
    height = (
        page.run("document.getElementById('section-readout').textContent").split("after:")[1].split(" m")[0]
    )
    assert float(height.split(":")[-1].split()[-1]) == pytest.approx(305.0, abs=1.0)  # the pit's floor
    page.click(*middle(page, "#section-next"))
    assert page.run("document.querySelector('#section-choice').value") == "3"


def test_tooltips_show_hostile_names_as_text(page):
    page.run(
        "document.querySelector(\"#map path[aria-label^='S-0412-0388']\")"
        ".dispatchEvent(new MouseEvent('mouseover', {bubbles: true, clientX: 500, clientY: 500}))"
    )
    assert page.run("document.querySelectorAll('.leaflet-tooltip img, .leaflet-tooltip script').length") == 0


@pytest.mark.parametrize("width", [320, 390, 820, 1400, 2400])
def test_no_width_scrolls_sideways(page, width):
    page.size(width, 900, phone=width < 600)
    time.sleep(0.2)
    assert page.run("document.documentElement.scrollWidth") <= page.run("window.innerWidth")
    assert page.run("document.getElementById('map').getBoundingClientRect().width") > 0.6 * min(width, 900)


def test_names_for_screen_readers(page):
    page.run("document.querySelectorAll('#grounds input')[2].click()")  # the slider is there when it swipes
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    named = {(n["role"]["value"], n.get("name", {}).get("value", "")) for n in tree if not n.get("ignored")}
    assert ("heading", "Chandrapura Limestone <Mine> & Co") in named
    for role in ("button", "link", "checkbox", "radio", "slider", "combobox", "searchbox", "image", "table"):
        nodes = [name for r, name in named if r == role]
        assert nodes, role
        assert all(name.strip() for name in nodes), role
    # One heading of the first level, and no level left out.
    levels = page.run("Array.from(document.querySelectorAll('h1,h2,h3')).map(h => Number(h.tagName[1]))")
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_texts_stand_out_from_their_ground(page):
    """WCAG 2.1: 4.5 to 1 for text, on every element that holds some (the drawings aside)."""
    low = page.run(CONTRAST)
    assert low == []


def test_it_prints_with_every_card_and_without_controls(page, tmp_path):
    page.pdf(tmp_path / "print.pdf")
    with pdfium.PdfDocument(tmp_path / "print.pdf") as document:
        text = "".join(p.get_textpage().get_text_range() for p in document)
        assert 4 <= len(document) <= 16
    for site, _ in mine.sites():
        assert text.count(site.id) >= 2
    assert "Search" not in text
    assert "Skip to the content" not in text


def test_it_can_be_read_without_javascript(browser, file):
    browser.complaints.clear()
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(file)
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
        assert browser.run("document.querySelectorAll('.card').length") == 4
        assert browser.run("getComputedStyle(document.querySelector('.card')).display") != "none"
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_hindi_is_drawn_with_the_font_that_came_along(browser, run, tmp_path):
    path = tmp_path / "hindi.html"
    path.write_text(render_html(run, ReportOptions(language="hi", indian_digits=True)), encoding="utf-8")
    browser.complaints.clear()
    browser.size(1000, 800)
    browser.open(path)
    browser.until("document.documentElement.dataset.ready === 'true'")
    browser.run("document.fonts.ready.then(() => true)")
    assert browser.run("Array.from(document.fonts).filter(f => f.status === 'loaded').length") >= 1
    assert browser.run("document.fonts.check('16px \"Survey Sans Devanagari\"', 'क्षे')")
    assert browser.complaints == []
    browser.screenshot(tmp_path / "hindi.png")
    assert Image.open(io.BytesIO((tmp_path / "hindi.png").read_bytes())).size == (1000, 800)
