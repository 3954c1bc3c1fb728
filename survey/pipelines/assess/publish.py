"""Write what an assessment leaves behind: layers, pictures, sites, reports, the sheets, and the record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.dem.coarse import block_mean, block_size, coarsened
from survey.grid import Bounds, Grid
from survey.pipelines.assess.drawn import Drawn, Gridded
from survey.pipelines.drawing.draw import derive
from survey.pipelines.drawing.inputs import Epoch, Shapes
from survey.pipelines.publish import HeldHeights, sites_geojson, write_findings
from survey.record import Record
from survey.report.gpkg import Layer, add_layers
from survey.report.pictures import Picture, read_index, save, write_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from survey.archive import RunFolder
    from survey.pipelines.assess.ground import Read
    from survey.pipelines.assess.surveyed import Surveyed
    from survey.pipelines.progress import Progress
    from survey.record_assess import Assessment

_OBLIQUE = (1100, 620)  # pixels
_PLAN_PIXELS = 900
_CHIP_PIXELS = 520
_MARGIN = 0.35  # of the outline's longer side, shown around it
_LEAST_MARGIN_M = 8.0
_BUDGET = 220_000


@dataclass(frozen=True)
class View:
    """One outline's ground, for its pictures: heights and base on a grid, NaN where there is none."""

    assessment: Assessment
    polygon: Any
    grid: Grid
    surface: NDArray[np.float64]
    base: NDArray[np.float64]


@dataclass(frozen=True)
class _Later:
    """The later survey as the drawing step reads it."""

    read_both: Read

    def read(self, piece: Grid) -> NDArray[np.float32]:
        return self.read_both(piece)[0]


@dataclass(frozen=True)
class _Canvas:
    """What an assessment is drawn on."""

    grid: Grid
    after: Epoch
    before: Epoch | None
    views: list[View]
    chips: list[tuple[str, str | None, Any, tuple[float, float]]]


def draw_assessments(folder: RunFolder, record: Record, drawn: Drawn, progress: Progress) -> Record:
    """Write layers, pictures, sites and findings; the record with what was drawn."""
    canvas = _canvas(drawn)
    run_dir = folder.path("results.gpkg").parent
    progress.stage("drawing maps and layers")
    by_id = {site.id: site for site in record.sites}
    sites = [(by_id[a.id], polygon) for a, polygon in drawn.assessed]
    drawing = derive(
        run_dir,
        grid=canvas.grid,
        after=canvas.after,
        before=canvas.before,
        shapes=shapes_of(drawn, sites),
        level_m=_level(drawn.surveyed),
    )
    folder.write_text("sites.geojson", sites_geojson(sites, canvas.grid.crs_wkt))
    write_findings(folder, record.findings)
    _add(folder, drawn, canvas, progress)
    return record.model_copy(update={"settings": record.settings | {"drawing": drawing}})


def add_assessments(folder: RunFolder, drawn: Drawn, progress: Progress) -> None:
    """Add what the sheets are drawn from to the layers and pictures of a run that has drawn its own."""
    _add(folder, drawn, _canvas(drawn), progress)


def _add(folder: RunFolder, drawn: Drawn, canvas: _Canvas, progress: Progress) -> None:
    run_dir = folder.path("results.gpkg~").parent
    add_layers(run_dir / "results.gpkg", corner_layers(drawn.assessed), canvas.grid.crs_wkt)
    pictures = read_index(run_dir)
    progress.stage("drawing sheets", len(canvas.views))
    for number, view in enumerate(canvas.views, start=1):
        pictures += sheet_pictures(run_dir, number, view, canvas.chips)
        progress.advance()
    write_index(run_dir, pictures)


def _canvas(drawn: Drawn) -> _Canvas:
    if drawn.surveyed is None:
        return _canvas_of_points(drawn)
    s = drawn.surveyed
    m = s.pair
    if m is not None:
        from survey.volumetrics.coarse_sums import means

        grid, early, late, _ = means(list(m.coarse), m.job)
        move = (m.alignment.east_m, m.alignment.north_m)
        after = Epoch(s.after.date, HeldHeights(late), s.after.ortho, move)
        before = None
        if s.before is not None and s.before.bare_ground != "given":
            before = Epoch(s.before.date, HeldHeights(early), s.before.ortho)
    else:
        grid, move = s.grid, (0.0, 0.0)
        after, before = Epoch(s.after.date, _Later(s.read), s.after.ortho), None
    views = [
        View(a, polygon, made.stage.grid, made.surface, made.base)
        for (a, polygon), made in zip(drawn.assessed, drawn.measured, strict=True)
    ]
    chips: list[tuple[str, str | None, Any, tuple[float, float]]] = [
        ("after", after.date, s.after.ortho, move)
    ]
    if s.earlier is not None and s.earlier.ortho is not None:
        chips.insert(0, ("before", s.earlier.date, s.earlier.ortho, (0.0, 0.0)))
    return _Canvas(grid, after, before, views, chips)


def _canvas_of_points(drawn: Drawn) -> _Canvas:
    """Sites from points: the drawing step is given the triangles of the first, on cells."""
    views = [
        View(a, polygon, g.grid, g.surface, g.base)
        for (a, polygon), g in zip(drawn.assessed, drawn.gridded, strict=True)
    ]
    whole = merged(drawn.gridded)
    date = drawn.assessed[0][0].survey_date or ""
    return _Canvas(whole.grid, Epoch(date, whole), None, views, [])


def merged(grids: Sequence[Gridded]) -> Gridded:
    """All sites on one grid, as coarse as it takes to hold them."""
    if len(grids) == 1:
        return grids[0]
    boxes = [g.grid.bounds for g in grids]
    west, north = min(b.west for b in boxes), max(b.north for b in boxes)
    east, south = max(b.east for b in boxes), min(b.south for b in boxes)
    cell = max(min(g.grid.cell_m for g in grids), max(east - west, north - south) / 2000)
    grid = replace(
        grids[0].grid, west=west, north=north, cell_east=cell, cell_north=cell,
        height=math.ceil((north - south) / cell), width=math.ceil((east - west) / cell),
    )  # fmt: skip
    surface = np.full(grid.shape, np.nan)
    for g in grids:
        rows, cols = np.mgrid[0 : grid.height, 0 : grid.width]
        r, c = g.grid.row_col(*grid.east_north(rows, cols))
        i, j = np.rint(r).astype(np.intp), np.rint(c).astype(np.intp)
        here = (i >= 0) & (j >= 0) & (i < g.grid.height) & (j < g.grid.width)
        found = np.full(grid.shape, np.nan)
        found[here] = g.surface[i[here], j[here]]
        surface = np.where(np.isfinite(found), found, surface)
    return Gridded(grid, surface, surface)


def _level(surveyed: Surveyed | None) -> float:
    return 0.0 if surveyed is None or surveyed.pair is None else surveyed.pair.level_m


def shapes_of(drawn: Drawn, sites: Sequence[tuple[Any, Any]]) -> Shapes:
    lease, zones = drawn.lease, drawn.zones
    if lease is None or zones is None:
        return Shapes(sites=sites)
    return Shapes.around(lease, zones, sites=sites)


def corner_layers(assessed: Sequence[tuple[Assessment, Any]]) -> list[Layer]:
    """``corners`` (numbered points), ``assess_sections`` (lines) and ``measure_more`` (points)."""
    import shapely

    corners = [
        {"site": a.id, "number": v.number, "east": v.east_m, "north": v.north_m, "lat": v.lat, "lon": v.lon,
         "geometry": shapely.points(v.east_m, v.north_m)}
        for a, _ in assessed
        for v in a.vertices
    ]  # fmt: skip
    lines = [
        {"site": a.id, "section": s.name, "why": s.why, "bearing_deg": s.bearing_deg,
         "geometry": shapely.linestrings([(s.from_east_m, s.from_north_m), (s.to_east_m, s.to_north_m)])}
        for a, _ in assessed
        for s in a.sections
    ]  # fmt: skip
    more = [
        {
            "site": a.id,
            "why": p.why,
            "lat": p.lat,
            "lon": p.lon,
            "geometry": shapely.points(p.east_m, p.north_m),
        }
        for a, _ in assessed
        for p in a.measure_more
    ]
    layers = [
        Layer.of_rows("corners", "Point", ("site", "number", "east", "north", "lat", "lon"), corners),
        Layer.of_rows("assess_sections", "LineString", ("site", "section", "why", "bearing_deg"), lines),
    ]
    if more:
        layers.append(Layer.of_rows("measure_more", "Point", ("site", "why", "lat", "lon"), more))
    return layers


# -- pictures of the sheet ---------------------------------------------------------------------------------
def sheet_pictures(
    run_dir: Any, number: int, view: View, chips: Sequence[tuple[str, str | None, Any, tuple[float, float]]]
) -> list[Picture]:
    """An oblique view, a plan's background and the orthomosaics before and after."""
    from survey.dem.terrain import relief_shade
    from survey.report.sheet.oblique import exaggeration_of, oblique, relief_of

    a = view.assessment
    frame, surface, base = framed(view)
    b = frame.bounds
    times = exaggeration_of(relief_of(surface, base), min(b.east - b.west, b.north - b.south))
    stem = f"pictures/sheet-{number:03d}"
    out = []
    picture = oblique(surface, base, frame.cell_east, frame.cell_north, size=_OBLIQUE, pit=a.kind == "pit")
    out.append(
        save(
            run_dir, f"{stem}-oblique.webp", picture, frame.bounds,
            budget_bytes=_BUDGET, name="oblique", site=a.id, detail={"exaggeration": times},
        )
    )  # fmt: skip
    shade = relief_shade(surface.astype(np.float32), frame.cell_east, frame.cell_north)
    grey = np.where(np.isfinite(shade), 110 + 145 * np.nan_to_num(shade), 255).astype(np.uint8)
    rgba = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
    out.append(
        save(run_dir, f"{stem}-plan.webp", rgba, frame.bounds, budget_bytes=_BUDGET, name="plan", site=a.id)
    )
    for epoch, date, ortho, shift in chips:
        if ortho is None:
            continue
        look = _of_pixels(frame, _CHIP_PIXELS)
        seen = ortho.chip(look, shift_m=shift)
        if not seen[..., 3].any():
            continue
        out.append(
            save(
                run_dir, f"{stem}-{epoch}.webp", seen, look.bounds,
                budget_bytes=_BUDGET, name="photo", epoch=epoch, date=date, site=a.id,
            )
        )  # fmt: skip
    return out


def framed(view: View) -> tuple[Grid, NDArray[np.float64], NDArray[np.float64]]:
    """The outline with a margin, on at most ``_PLAN_PIXELS`` cells a side."""
    b = Bounds(*view.polygon.bounds)
    side = max(b.east - b.west, b.north - b.south)
    piece = view.grid.covering(b.grown(max(_MARGIN * side, _LEAST_MARGIN_M)))
    r, c = piece.row0 - view.grid.row0, piece.col0 - view.grid.col0
    part = np.s_[r : r + piece.height, c : c + piece.width]
    block = block_size(piece, finest_m=0.0, most_cells=_PLAN_PIXELS**2)
    frame = coarsened(piece, block)
    surface, base = (
        block_mean(z[part].astype(np.float64), block).astype(np.float64) for z in (view.surface, view.base)
    )
    from survey.boundary.coverage import Coverage

    weights = Coverage(view.polygon, frame).weights(frame)
    inside = np.full(frame.shape, weights) if isinstance(weights, int) else weights
    return frame, surface, np.where(inside > 0, base, np.nan)


def _of_pixels(frame: Grid, pixels: int) -> Grid:
    """The same ground in cells so large that its longer side has ``pixels`` of them."""
    b = frame.bounds
    cell = max(b.east - b.west, b.north - b.south) / pixels
    return replace(
        frame.origin_here(),
        cell_east=cell,
        cell_north=cell,
        height=max(1, round((b.north - b.south) / cell)),
        width=max(1, round((b.east - b.west) / cell)),
    )
