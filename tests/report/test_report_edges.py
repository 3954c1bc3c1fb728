"""Runs that are not the usual pair: one survey, no lease, no pictures, nothing measured, a damaged folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import closed_form_run as mine
import numpy as np
import pytest

from survey.errors import InputRefused, OutputError
from survey.grid import Grid
from survey.pipelines.drawing.draw import Epoch, Shapes, derive
from survey.pipelines.drawing.inputs import DrawingOptions
from survey.pipelines.options import Options
from survey.pipelines.report import run_report
from survey.record import to_json
from survey.report import ReportOptions, write_all
from survey.report.folder import open_run


class Quiet:
    """A progress that shows nothing."""

    def stage(self, name: str) -> None:
        assert name


def small() -> Grid:
    return mine.grid()[200:520, 240:720]


class Nothing:
    def read(self, piece: Grid) -> np.ndarray:
        return np.full(piece.shape, np.nan, np.float32)


def test_one_survey_without_orthomosaic_or_lease_is_drawn(tmp_path):
    record = mine.record()
    surveys = record.surveys[1:]
    alone = record.model_copy(
        update={
            "surveys": surveys,
            "zones": [],
            "benches": [],
            "polygons": [],
            "alignment": None,
            "error": None,
        }
    )
    settings = derive(
        tmp_path,
        grid=small(),
        before=None,
        after=Epoch("2025-04-25", mine.Formula(mine.after, 2)),
        shapes=Shapes(sites=mine.sites()[:1]),
    )
    assert settings["drawing_cell_m"] == 0.5
    run = open_run(tmp_path, alone)
    assert {p.name for p in run.pictures} == {"hillshade", "chip"}
    assert {row["epoch"] for row in run.layer("profiles").rows()} == {"after"}
    names = write_all(tmp_path, alone)
    assert {"report.html", "report.pdf", "plan-surface.pdf", "plan-sections.pdf", "plan.dxf"} <= set(names)
    assert "plan-environment.pdf" not in names  # it needs a lease


def test_nothing_measured_gives_a_report_without_lines(tmp_path):
    record = mine.record()
    derive(
        tmp_path,
        grid=small(),
        before=Epoch("2024-04-20", Nothing()),
        after=Epoch("2025-04-25", Nothing()),
        shapes=mine.shapes(),
        level_m=float("nan"),
    )
    run = open_run(tmp_path, record)
    for layer in ("contours", "bench_lines", "profiles", "triangles", "levels"):
        assert len(run.layer(layer)) == 0, layer
    assert "surface.xml" not in write_all(tmp_path, record)


def test_drawing_cells_do_not_depend_on_how_the_reading_was_cut(tmp_path):
    """The same layers and pictures, whatever the pieces and in whatever way they are mapped."""

    def backwards(function, items):
        done = {k: function(item) for k, item in reversed(list(enumerate(items)))}
        return [done[k] for k in range(len(items))]

    from survey.dem.coarse import block_mean
    from survey.pipelines.drawing import draw as drawings

    options = DrawingOptions(finest_cell_m=1.0, detail=False)
    found = []
    for run in (drawings._in_turn, backwards):
        canvas = drawings._canvas(
            small(),
            Epoch("b", mine.Formula(mine.after, 2)),
            Epoch("a", mine.Formula(mine.before, 1)),
            None,
            options,
            run,
        )
        found.append(canvas)
    whole = block_mean(mine.Formula(mine.after, 2).read(small()), 2)
    for canvas in found:
        np.testing.assert_array_equal(canvas.later, whole)
        assert canvas.grid.cell_m == 1.0


def test_survey_report_draws_again_from_the_folder_alone(run_dir, drawn, tmp_path):
    folder = tmp_path / "DEMO-0417-2025"
    shutil.copytree(run_dir, folder)
    before = (folder / "record.json").read_bytes()
    files = run_report(folder, Options(), Quiet())
    assert files[0] == folder / "report.html"
    assert all(file.is_file() for file in files)
    assert (folder / "record.json").read_bytes() == before
    assert (folder / "report.html").read_bytes() == (drawn / "report.html").read_bytes()
    assert run_report(folder / "record.json", Options(), Quiet()) == files


def test_the_jobs_own_wishes_hold_when_drawn_again(run_dir, tmp_path):
    record = open_run(run_dir).record
    report = {"language": "hi", "indian_grouping": True, "scale": 2000, "sheet": "A1", "original": "No. 12"}
    asked = record.model_copy(update={"job": {**record.job, "report": report}})
    assert ReportOptions.of_record(asked) == ReportOptions(
        language="hi", indian_digits=True, scale=2000, sheet="A1", original="No. 12"
    )
    strange = {"language": "fr", "sheet": "auto", "scale": "large"}
    odd = record.model_copy(update={"job": {"id": "x", "report": strange}})
    assert ReportOptions.of_record(odd) == ReportOptions()


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no record.json"), ("{", "cannot be read"), ('{"schema": "x"}', "cannot be read")],
)
def test_a_folder_that_is_no_run_is_refused(tmp_path, content, said):
    if content is not None:
        (tmp_path / "record.json").write_text(content)
    with pytest.raises(InputRefused, match=said):
        run_report(tmp_path, Options(), Quiet())


def test_a_folder_that_cannot_be_written_is_said(run_dir, tmp_path, monkeypatch):
    folder = tmp_path / "r"
    shutil.copytree(run_dir, folder)

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left"):
        write_all(folder, options=ReportOptions(formats=("kml",)))
    assert not (folder / "sites.kml").exists()


def test_numbers_that_were_not_measured_reach_every_format_as_such(run_dir, tmp_path):
    folder = tmp_path / "r"
    shutil.copytree(run_dir, folder)
    record = open_run(folder).record
    nan = float("nan")
    blank = dict.fromkeys(
        (
            "cut_m3",
            "cut_lo_m3",
            "cut_hi_m3",
            "fill_m3",
            "fill_lo_m3",
            "fill_hi_m3",
            "net_m3",
            "net_lo_m3",
            "net_hi_m3",
        ),
        nan,
    )
    zones = [z.model_copy(update=blank) for z in record.zones]
    sites = [
        s.model_copy(update={"distance_m": nan, "bearing_deg": nan, "min_depth_m": nan}) for s in record.sites
    ]
    gap = record.model_copy(update={"zones": zones, "sites": sites})
    (folder / "record.json").write_text(to_json(gap), encoding="utf-8")
    assert json.loads((folder / "record.json").read_text())["zones"][0]["cut_m3"] is None
    write_all(folder)
    assert "not measured" in (folder / "report.html").read_text()
    assert "nan" not in (folder / "tables/zones.csv").read_text().lower()


def test_many_pillars_go_to_a_sheet_of_their_own(run_dir, tmp_path):
    import pypdfium2 as pdfium
    import shapely

    from survey.report.gpkg import Layer, write_layers
    from survey.report.paper.plans import plan_pdf, surface_plan
    from survey.report.words import Words

    run = open_run(run_dir)
    ring = shapely.get_coordinates(mine.lease_polygon().exterior)
    rows = [
        {
            "name": f"P{k}",
            "lon": 75.0 + k * 1e-5,
            "lat": 25.3,
            "east": e,
            "north": n,
            "geometry": shapely.points(e, n),
        }
        for k, (e, n) in enumerate(np.repeat(ring[:-1], 40, axis=0))
    ]
    layers = [
        run.layer("lease"),
        Layer.of_rows("pillars", "Point", ("name", "lon", "lat", "east", "north"), rows),
    ]
    write_layers(tmp_path / "results.gpkg", layers, str(run.crs_wkt))
    many = open_run(tmp_path, run.record)
    options = ReportOptions()
    with pdfium.PdfDocument(plan_pdf(many, surface_plan(many, options, Words("en")), options)) as document:
        texts = [page.get_textpage().get_text_range() for page in document]
    assert "see the last sheet" in texts[0]
    later = " ".join(texts[1:])
    assert all(f"P{k}\r\n" in later or f"P{k} " in later for k in (0, 99, 199))


def test_a_grid_with_its_own_origin_gives_the_same_drawing(tmp_path):
    """A piece that counts its cells from the corner of the whole draws as if it counted from its own."""
    piece = small()
    for name, grid in (("a", piece), ("b", piece.origin_here())):
        (tmp_path / name).mkdir()
        derive(
            tmp_path / name,
            grid=grid,
            before=None,
            after=Epoch("2025-04-25", Plain()),
            shapes=Shapes(),
        )
    assert (tmp_path / "a/results.gpkg").read_bytes() == (tmp_path / "b/results.gpkg").read_bytes()


class Plain:
    def read(self, piece: Grid) -> np.ndarray:
        rows, cols = np.mgrid[0 : piece.height, 0 : piece.width]
        return mine.after(*piece.east_north(rows, cols)).astype(np.float32)
