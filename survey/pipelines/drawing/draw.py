"""The step of a run that makes everything its reports will be drawn from.

Reports compute nothing and are drawn again years later, when the surveys are gone. So this step, while the
surfaces are at hand, puts contours, bench lines, section profiles, levels and triangles into ``results.gpkg``
and small pictures into ``pictures/``. All is traced on means over blocks of cells; no figure of the record
comes from here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.dem.coarse import around, block_mean, block_size, coarsened
from survey.grid import Bounds, Grid
from survey.pipelines.drawing import layers as layered
from survey.pipelines.drawing.inputs import (
    Canvas,
    DrawingOptions,
    Epoch,
    Heights,
    LeaseShape,
    NamedShape,
    Photo,
    Shapes,
)
from survey.pipelines.drawing.pictures import draw_pictures
from survey.record import Finding
from survey.report.gpkg import add_styles, write_layers
from survey.report.pictures import write_index
from survey.report.qgis import styles

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "DrawingOptions",
    "Epoch",
    "Heights",
    "LeaseShape",
    "NamedShape",
    "Photo",
    "Shapes",
    "derive",
]

Run = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]


def _in_turn(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterable[Any]:
    return map(function, items)


def derive(
    run_dir: Path,
    *,
    grid: Grid,
    after: Epoch,
    before: Epoch | None,
    shapes: Shapes,
    level_m: float = 0.0,
    findings: Sequence[Finding] = (),
    options: DrawingOptions | None = None,
    run: Run = _in_turn,
) -> dict[str, Any]:
    """Write ``results.gpkg`` and ``pictures/`` into ``run_dir``.

    Parameters
    ----------
    grid:
        The grid on which both epochs' heights are read: the job grid, or a coarser one that a sweep has made
        (``survey.volumetrics.coarse_sums.means``). What is drawn is the lease and 520 m round it, and all
        sites; the whole grid where there is no lease.
    after, before:
        The later survey (the one that plans show) and, if there is one, the earlier.
    shapes:
        Outlines in the grid's reference system.
    level_m:
        Level of detection: what lies below it is grey in the change picture. NaN counts as none.
    run:
        Maps a function over pieces, in order: ``lambda f, items: engine.map(f, items, stage="drawing")``.

    Returns
    -------
    dict
        What was chosen and reached (drawing cell, contour interval, tolerance of the triangles …), for
        ``record.settings["drawing"]``.
    """
    options = options or DrawingOptions()
    level_m = level_m if math.isfinite(level_m) else 0.0
    canvas = _canvas(grid, after, before, _extent(shapes, options), options, run)
    grid, later, earlier = canvas.grid, canvas.later, canvas.earlier
    relief = _relief(later)
    # Pictures and lines know nothing of each other, and packing pictures leaves the interpreter's lock.
    with ThreadPoolExecutor(1) as beside:
        pictures = beside.submit(draw_pictures, run_dir, canvas, before, after, shapes, level_m, options)
        lines, interval = layered.contour_layer(later, grid, relief, after.date, level_m, options)
        benches = layered.bench_lines_of(later, grid, options) if options.detail else []
        triangles, reached = layered.triangle_layer(earlier, later, before, after, grid, shapes, options)
        layers = [
            *layered.outline_layers(shapes),
            lines,
            layered.bench_layer(benches, after.date),
            *layered.section_layers(
                layered.section_lines(shapes, options), grid, earlier, later, before, after, benches, options
            ),
            layered.level_layer(shapes, later, grid),
            triangles,
            layered.findings_layer(findings),
        ]
        gpkg = run_dir / "results.gpkg"
        write_layers(gpkg, layers, grid.crs_wkt)
        add_styles(gpkg, styles())
        write_index(run_dir, pictures.result())
    return {
        **asdict(options),
        "drawing_cell_m": grid.cell_m,
        "contour_interval_m": interval,
        "lowest_m": relief[0] if relief else None,
        "highest_m": relief[1] if relief else None,
        **reached,
    }


def _extent(shapes: Shapes, options: DrawingOptions) -> Bounds | None:
    if shapes.lease is None or shapes.lease.polygon.is_empty:
        return None
    boxes = [Bounds(*shapes.lease.polygon.bounds).grown(options.around_lease_m)]
    boxes += [Bounds(*polygon.bounds).grown(50.0) for _, polygon in shapes.sites if not polygon.is_empty]
    return Bounds(
        min(b.west for b in boxes),
        min(b.south for b in boxes),
        max(b.east for b in boxes),
        max(b.north for b in boxes),
    )


def _relief(heights: NDArray[np.float32]) -> tuple[float, float] | None:
    known = heights[np.isfinite(heights)]
    if not len(known):
        return None
    return float(known.min()), float(known.max())


# -- the canvas ------------------------------------------------------------------------------------------
def _canvas(
    grid: Grid,
    after: Epoch,
    before: Epoch | None,
    extent: Bounds | None,
    options: DrawingOptions,
    run: Run,
) -> Canvas:
    """Read both surfaces once, averaged over blocks to drawing cells."""
    area = around(grid, extent)
    block = block_size(area, finest_m=options.finest_cell_m, most_cells=options.most_cells)
    coarse = coarsened(area, block)
    # Pieces are whole blocks, so that the means do not depend on how the work was cut.
    pieces = list(area.pieces(max(block, 2048 // block * block)))
    out = [np.full(coarse.shape, np.nan, np.float32) for _ in range(1 if before is None else 3)]
    work = partial(_means, after.heights, before.heights if before else None, block)
    for piece, parts in zip(pieces, run(work, pieces), strict=True):
        r, c = (piece.row0 - area.row0) // block, (piece.col0 - area.col0) // block
        for whole, part in zip(out, parts, strict=True):
            whole[r : r + part.shape[0], c : c + part.shape[1]] = part
    return Canvas(coarse, *out)


def _means(later: Heights, earlier: Heights | None, block: int, piece: Grid) -> list[NDArray[np.float32]]:
    late = later.read(piece)
    if earlier is None:
        return [block_mean(late, block)]
    early = earlier.read(piece)
    return [block_mean(late, block), block_mean(early, block), block_mean(late - early, block)]
