"""Plans measured on the rendered page: 100 m is 100 m at the scale, and what rules 31 to 34 ask is there."""

from __future__ import annotations

import ctypes
import io
import math
import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import closed_form_run as mine
import numpy as np
import pypdfium2 as pdfium
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.errors import JobError
from survey.grid import Bounds
from survey.report import ReportOptions
from survey.report.draw.contours import smoothed
from survey.report.draw.view import View
from survey.report.folder import RunFolder
from survey.report.gpkg import Layer, write_layers
from survey.report.options import SHEETS_MM
from survey.report.paper.furniture import true_north_deg
from survey.report.paper.plans import environment_plan, plan_pdf, surface_plan
from survey.report.paper.sections import _sheets, sections_pdf
from survey.report.sheets import frame_of, lay_out, scale_bar_m, surface_scale
from survey.report.words import Words

DPI = 600
EN = Words("en")


def strip(page: pdfium.PdfPage, box_mm: tuple[float, float, float, float]) -> np.ndarray:
    """Grey pixels of a box (left, top, right, bottom, in mm from the page's top left) at 600 dpi."""
    width, height = page.get_size()
    left, top, right, bottom = (v * 72 / 25.4 for v in box_mm)
    bitmap = page.render(
        scale=DPI / 72,
        crop=(left, height - bottom, width - right, top),
        grayscale=True,
        optimize_mode="print",
    )
    return np.asarray(bitmap.to_pil()).astype(float)


def dark_lines_mm(darkness: np.ndarray, least: float) -> list[float]:
    """Centres, in mm from the start, of runs where ``darkness`` exceeds ``least``, weighted by it."""
    dark = darkness > least
    edges = np.flatnonzero(np.diff(np.concatenate([[False], dark, [False]]).astype(int)))
    found = []
    for first, end in zip(edges[0::2], edges[1::2], strict=True):
        index = np.arange(first, end)
        found.append(float((index + 0.5) @ darkness[first:end] / darkness[first:end].sum()) / DPI * 25.4)
    return found


@pytest.fixture(scope="module")
def square(tmp_path_factory, run) -> RunFolder:
    """A lease of exactly 100 m by 100 m and nothing else."""
    folder = tmp_path_factory.mktemp("square")
    box = shapely.box(512_345.67, 2_701_234.5, 512_445.67, 2_701_334.5)
    write_layers(
        folder / "results.gpkg",
        [Layer("lease", "MultiPolygon", [shapely.multipolygons([box])], {"lease_id": ["x"]})],
        mine.grid().crs_wkt,
    )
    return RunFolder(folder, run.record.model_copy(update={"sites": []}))


@pytest.mark.parametrize("scale", [500, 1000, 2000])
def test_a_hundred_metres_are_a_hundred_metres_at_the_scale(square, scale):
    options = ReportOptions(scale=scale)
    plan = surface_plan(square, options, EN)
    with pdfium.PdfDocument(plan_pdf(square, plan, options)) as document:
        page = document[0]
        width, height = (v / 72 * 25.4 for v in page.get_size())
        layout = lay_out(plan.extent, scale)
        assert (width, height) == pytest.approx(layout.page, abs=0.01)
        # The lease lies in the middle of the frame: a thin strip across it, and one down it.
        cx, cy = 20 + 7 + layout.frame[0] / 2, 10 + 7 + layout.frame[1] / 2
        half = 50_000 / scale
        across = strip(page, (cx - half - 5, cy - 21, cx + half + 5, cy - 19))
        down = strip(page, (cx - 21, cy - half - 5, cx - 19, cy + half + 5))
    for pixels, axis in ((across, 0), (down, 1)):
        lines = dark_lines_mm(255 - pixels.mean(axis=axis), 150)
        assert len(lines) == 2
        assert lines[1] - lines[0] == pytest.approx(100_000 / scale, abs=0.2)
        assert lines[1] - lines[0] == pytest.approx(100_000 / scale, abs=0.03)  # what is really reached


@pytest.mark.parametrize("scale", [500, 1000, 2000, 5000, 1500, 750])
def test_the_drawn_scale_is_at_least_25_cm_and_its_divisions_are_true(square, scale):
    length, division = scale_bar_m(scale)
    assert length * 1000 / scale >= 250 - 1e-9
    assert length * 1000 / scale <= frame_of("A3")[0]
    assert length == pytest.approx(10 * division)
    options = ReportOptions(scale=scale)
    plan = surface_plan(square, options, EN)
    with pdfium.PdfDocument(plan_pdf(square, plan, options)) as document:
        page = document[0]
        layout = lay_out(plan.extent, scale)
        top = 10 + 14 + layout.frame[1]
        pixels = strip(page, (20, top, 27 + layout.frame[0], top + 26))
    # The upper edge of the bar is its longest dark row; the even divisions below it are black.
    dark = 255 - pixels
    bar = int(np.argmax((dark > 128).sum(axis=1)))
    run_of_dark = np.flatnonzero(dark[bar] > 128)
    drawn = (run_of_dark[-1] - run_of_dark[0] + 1) / DPI * 25.4
    assert drawn == pytest.approx(length * 1000 / scale, abs=0.3)  # the outline is 0.2 mm wide
    body = dark[bar + round(1.9 / 25.4 * DPI)]
    edges = np.flatnonzero(np.diff((body > 128).astype(int))) / DPI * 25.4
    step = division * 1000 / scale
    black = [b - a for a, b in pairwise(edges) if b - a > step / 2]
    assert any(abs(width - step) < 0.3 for width in black)


def test_true_north_is_off_the_grid_by_the_convergence():
    # Grid north of a UTM zone leans from true north by atan(tan Δλ · sin φ) on the sphere.
    from pyproj import Transformer

    to_grid = Transformer.from_crs(4326, 32643, always_xy=True)
    for lon, lat in ((72.5, 25.0), (77.5, 25.0), (75.0, 12.0)):
        east, north = to_grid.transform(lon, lat)
        convergence = math.degrees(
            math.atan(math.tan(math.radians(lon - 75.0)) * math.sin(math.radians(lat)))
        )
        assert true_north_deg(mine.grid().crs_wkt, east, north) == pytest.approx(-convergence, abs=0.01)


def test_the_rule_chooses_the_scale():
    assert surface_scale(600_000, 900, 700) == 2000
    assert surface_scale(500_000, 700, 720) == 2000
    assert surface_scale(70_000, 300, 270) == 1000
    assert surface_scale(15_000, 150, 100) == 500


@settings(max_examples=50, deadline=None)
@given(
    st.floats(50, 9000),
    st.floats(50, 9000),
    st.sampled_from([500, 1000, 2000, 5000]),
    st.sampled_from(list(SHEETS_MM)),
)
def test_sheets_cover_the_ground_at_scale_and_overlap(width, height, scale, largest):
    extent = Bounds(500_000, 2_700_000, 500_000 + width, 2_700_000 + height)
    layout = lay_out(extent, scale, largest)
    windows = [sheet.window for sheet in layout.sheets]
    assert [sheet.number for sheet in layout.sheets] == list(range(1, len(windows) + 1))
    covered = shapely.union_all([shapely.box(w.west, w.south, w.east, w.north) for w in windows])
    assert covered.buffer(1e-6).covers(shapely.box(extent.west, extent.south, extent.east, extent.north))
    for window in windows:
        size = View(window, scale).size
        assert size == pytest.approx(layout.frame, abs=1e-6)
    if len(windows) > 1:
        assert layout.name == largest
    else:
        smaller = list(SHEETS_MM)[: list(SHEETS_MM).index(layout.name)]
        for name in smaller:
            frame = frame_of(name)
            assert width * 1000 / scale > frame[0] or height * 1000 / scale > frame[1]


def test_a_plan_too_large_for_its_sheet_takes_several_with_an_index(run):
    options = ReportOptions(scale=500, sheet="A3")
    plan = surface_plan(run, options, EN)
    with pdfium.PdfDocument(plan_pdf(run, plan, options)) as document:
        texts = [page.get_textpage().get_text_range() for page in document]
    sheets = len(lay_out(plan.extent, 500, "A3").sheets)
    assert sheets > 4
    for k in range(sheets):
        assert f"Sheet {k + 1} of {sheets}" in texts[k]
    assert len(texts) >= sheets


@pytest.fixture(scope="module")
def surface_text(run) -> str:
    options = ReportOptions()
    with pdfium.PdfDocument(plan_pdf(run, surface_plan(run, options, EN), options)) as document:
        return document[0].get_textpage().get_text_range()


def test_the_title_block_has_what_rule_31_asks(surface_text):
    for wanted in (
        "Surface plan",
        "Chandrapura Limestone <Mine> & Co",
        'M/s Example Minerals "Pvt" Ltd',
        "Up-to-date position of workings and dumps",
        "True north",
        "25\u202fApril\u202f2025",
        "1:1000",
        "Certificate, rule 34(2)",
        "Original (rule 34(3))",
        "WGS 84 / UTM zone 43N (EPSG:32643)",
        "EGM2008",
    ):
        assert wanted in surface_text.replace("\r\n", " ")


def test_pillars_stand_with_number_latitude_and_longitude(surface_text):
    for pillar in mine.pillars():
        assert pillar["name"] in surface_text
        assert f"{pillar['east']:.2f}" in surface_text
    assert "25°19′02.52″" in surface_text
    assert "75°00′03.93″" in surface_text


def test_index_contours_are_labelled_and_dumps_carry_their_height(surface_text):
    assert {"315", "320", "325", "330"} & set(surface_text.split())
    assert "(+14." in surface_text
    assert "(−18." in surface_text


def test_fonts_are_embedded_and_the_map_is_vector(run):
    options = ReportOptions()
    raw = pdfium.raw
    with pdfium.PdfDocument(plan_pdf(run, surface_plan(run, options, EN), options)) as document:
        page = document[0]
        fonts, paths, images = set(), 0, 0
        for item in page.get_objects(max_depth=8):
            if item.type == raw.FPDF_PAGEOBJ_TEXT:
                font = raw.FPDFTextObj_GetFont(item)
                name = ctypes.create_string_buffer(128)
                raw.FPDFFont_GetBaseFontName(font, name, 128)
                fonts.add((name.value.decode(), raw.FPDFFont_GetIsEmbedded(font)))
            paths += item.type == raw.FPDF_PAGEOBJ_PATH
            images += item.type == raw.FPDF_PAGEOBJ_IMAGE
    assert fonts
    assert all(embedded == 1 for _, embedded in fonts)
    assert any("SurveySans" in name for name, _ in fonts)
    assert paths > 100
    assert images == 0


def test_the_environment_plan_is_at_1_5000_and_keeps_workings_to_60_m(run):
    options = ReportOptions()
    plan = environment_plan(run, options, EN)
    assert plan.scale == 5000
    assert plan.look.contour_m == 5.0
    lease = mine.lease_polygon()
    assert plan.extent.west == pytest.approx(lease.bounds[0] - 500)
    assert plan.look.within.covers(lease.buffer(59.9))
    assert not plan.look.within.covers(lease.buffer(60.5))
    with pdfium.PdfDocument(plan_pdf(run, plan, options)) as document:
        assert "Scale 1:5000" in document[0].get_textpage().get_text_range()


def test_sections_are_at_one_scale_both_ways(run):
    with pdfium.PdfDocument(sections_pdf(run, ReportOptions(), 1000)) as document:
        text = "".join(page.get_textpage().get_text_range() for page in document)
    assert "1:1000 along and upwards" in text.replace("\r\n", " ")
    for name in ("Section C–C′", "Section through S-0300-0824", "lease boundary", "6.0 m, 67°"):
        assert name in text


def test_a_copy_refers_to_its_original(run):
    options = ReportOptions(original="Surface plan no. 12 of 2009")
    with pdfium.PdfDocument(plan_pdf(run, surface_plan(run, options, EN), options)) as document:
        text = document[0].get_textpage().get_text_range()
    assert "Copy (rule 34(3)) of: Surface plan no. 12 of 2009" in text.replace("\r\n", " ")


def test_a_run_without_lease_or_pictures_has_no_plan(tmp_path, run):
    bare = RunFolder(tmp_path, run.record)
    assert surface_plan(bare, ReportOptions(), EN) is None
    assert environment_plan(bare, ReportOptions(), EN) is None
    assert sections_pdf(bare, ReportOptions(), 1000) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(3, 300), st.booleans())
def test_smoothing_for_the_eye_moves_nothing_by_more_than_half_a_millimetre(seed, n, closed):
    rng = np.random.default_rng(seed)
    line = np.cumsum(rng.normal(0, 0.4, (n, 2)), axis=0)
    if closed:
        line = np.concatenate([line, line[:1]])
    drawn = smoothed(line)
    whole = shapely.linestrings(line)
    assert max(whole.distance(shapely.points(p)) for p in drawn) <= 0.5 + 1e-9
    if closed:
        np.testing.assert_array_equal(drawn[0], drawn[-1])
    else:
        np.testing.assert_allclose(drawn[[0, -1]], line[[0, -1]], atol=1e-9)


@pytest.mark.parametrize("wrong", [{"formats": ("html", "docx")}, {"sheet": "A7"}, {"scale": 1}])
def test_impossible_wishes_are_refused(wrong):
    with pytest.raises(JobError):
        ReportOptions(**wrong)


def test_the_same_plan_gives_the_same_bytes(run):
    options = ReportOptions(language="hi")
    plan = surface_plan(run, options, Words("hi"))
    one, two = plan_pdf(run, plan, options), plan_pdf(run, plan, options)
    assert one == two
    assert io.BytesIO(one).read(5) == b"%PDF-"


def test_a_small_site_is_drawn_at_a_scale_that_shows_it(run):
    """At the scale of the lease a pit is a finger wide; each sheet has one scale."""
    with pdfium.PdfDocument(sections_pdf(run, ReportOptions(), 2000)) as document:
        pages = [page.get_textpage().get_text_range() for page in document]
    scales = [re.findall(r"1:(\d+) along", text) for text in pages]
    assert all(len(found) == 1 for found in scales)
    assert "2000" in scales[0]
    for text, (scale,) in zip(pages, scales, strict=True):
        assert f"Scale 1:{scale}" in text
        if "Section through S-0300-0824" in text:
            assert int(scale) < 2000
            break
    else:
        raise AssertionError("the site has no section")


class _Drawing:
    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height


def test_no_section_stands_alone_on_a_last_sheet():
    room = (200.0, 250.0)
    # Four of 58 mm and gaps fill a sheet; a fifth fits with smaller gaps.
    pages, gap = _sheets([_Drawing(190, 46) for _ in range(5)], room)
    assert [len(page) for page in pages] == [5]
    assert gap < 6
    assert sum(row[0].height + gap for row in pages[0]) <= room[1] + gap
    # Where it cannot fit, the sheets are filled evenly, in the order given.
    drawings = [_Drawing(190, 60) for _ in range(5)]
    pages, gap = _sheets(drawings, room)
    assert [len(page) for page in pages] == [3, 2]
    assert [svg for page in pages for row in page for svg in row] == drawings
    # Two sheets with more than one on the last stay as they are.
    assert [len(page) for page in _sheets([_Drawing(190, 60) for _ in range(6)], room)[0]] == [3, 3]
    assert [len(page) for page in _sheets([_Drawing(190, 200)] * 2, room)[0]] == [1, 1]


def _pit_section(depth_m: float, half_m: float, faces: int) -> Any:
    """A pit with so many equal faces on each side, walls 1 m wide, in level ground."""
    from survey.report.draw.section import FaceMark, SectionDrawing, Trace

    step, berm = depth_m / faces, (half_m - 2 - faces) / faces
    far, height, points, marks = 2.0, 100.0, [(0.0, 100.0), (2.0, 100.0)], []
    for _ in range(faces):
        marks.append(FaceMark(far, far + 1, height, height - step, step, 70.0))
        far, height = far + 1, height - step
        points += [(far, height), (far + berm, height)]
        far += berm
    total = 2 * half_m
    left = np.array(points)
    right = np.column_stack([total - left[::-1, 0], left[::-1, 1]])
    marks += [
        FaceMark(total - m.to_m, total - m.from_m, m.to_height_m, m.from_height_m, step, 70.0) for m in marks
    ]
    ground = Trace("after", "after", [np.concatenate([left, right[1:]])])
    old = Trace("before", "before", [np.array([[0.0, 100.0], [total, 100.0]])])
    return SectionDrawing("S1", "site", total, 90.0, ((0, 0), (total, 0)), [old, ground], marks, site="S1")


@pytest.mark.parametrize(("depth_m", "half_m", "faces"), [(9.0, 24.0, 2), (30.0, 40.0, 4), (6.0, 200.0, 1)])
def test_no_text_of_a_face_lies_on_the_ground_or_on_another(depth_m, half_m, faces):
    from survey.report.draw.section import draw_section
    from survey.report.draw.svg import Label

    section = _pit_section(depth_m, half_m, faces)
    drawn = draw_section(section, EN, width_mm=171.0, most_height_mm=60.0)
    assert drawn is not None
    texts = [p for p in drawn._parts if isinstance(p, Label) and "70°" in p.text]
    assert len(texts) >= 2 * min(faces, 3)
    across = (drawn.frame[1] - drawn.frame[0]) / section.length_m
    heights = section.heights()
    assert heights is not None
    # The lowest tick label gives the level of the axis; heights and distances have one scale here.
    ground = section.traces[1].stretches[0]
    bottom = drawn.height - 13.0
    lowest = heights[0] - 0.08 * (heights[1] - heights[0])
    line = shapely.linestrings(
        np.column_stack([16.0 + ground[:, 0] * across, bottom - (ground[:, 1] - lowest) * across])
    )
    boxes = [shapely.box(t.x, t.y - 1.4, t.x + 0.5 * t.size * len(t.text), t.y) for t in texts]
    for k, box in enumerate(boxes):
        assert not box.intersects(line)
        assert not any(box.intersects(other) for other in boxes[:k])
        assert box.bounds[0] >= 16.0
        assert box.bounds[2] <= drawn.frame[1] + 0.5


@pytest.mark.parametrize("depth_m", [9.0, 30.0, 120.0])
def test_a_section_is_never_drawn_shallower_than_it_is(depth_m):
    from survey.report.draw.section import draw_section

    section = _pit_section(depth_m, 24.0, 2)
    drawn = draw_section(section, EN, width_mm=171.0, most_height_mm=52.0)
    assert drawn is not None
    assert drawn.height <= 52.0 + 0.1
    assert "not exaggerated" in drawn.markup()
    across = (drawn.frame[1] - drawn.frame[0]) / section.length_m
    body = drawn.height - 11.0 - 13.0
    assert body / (1.16 * depth_m) == pytest.approx(across, rel=0.01)


@pytest.mark.parametrize(("depth_m", "half_m"), [(4.5, 16.0), (30.0, 24.0), (120.0, 24.0), (2.0, 300.0)])
@pytest.mark.parametrize("words", [EN, Words("hi")])
def test_the_title_of_a_section_stands_clear_of_its_dates(depth_m, half_m, words):
    """A section that is drawn small to be true to scale is narrower than what is written over it."""
    from survey.report.draw.section import draw_section, section_title
    from survey.report.draw.svg import Label

    section = replace(_pit_section(depth_m, half_m, 1), name="C001974-000695", site="C001974-000695")
    traces = [replace(t, label=f"{t.label}: 25 April 2025") for t in section.traces]
    drawn = draw_section(replace(section, traces=traces), words, width_mm=171.0, most_height_mm=52.0)
    assert drawn is not None
    labels = [p for p in drawn._parts if isinstance(p, Label)]
    (title,) = [p for p in labels if p.text == section_title(section, words)]
    ends = title.x + 0.55 * title.size * len(title.text)
    dates = [p for p in labels if any(p.text == t.label for t in traces)]
    assert len(dates) == 2
    # Each date carries its line, 9 mm, to its left.
    assert min(d.x - 0.5 * d.size * len(d.text) - 9.0 for d in dates) > ends
    assert max(d.x for d in dates) <= drawn.width
