"""The step of a run that makes everything its reports will be drawn from.

Reports compute nothing and are drawn again years later, when the surveys are gone. So this step, while the
surfaces are at hand, puts contours, bench lines, section profiles, levels and triangles into ``results.gpkg``
and small pictures into ``pictures/``. Both surfaces are read once, averaged over blocks to a drawing cell;
all lines are traced on that. No figure of the record comes from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.dem.coarse import around, block_mean, block_size, coarsened
from survey.grid import Bounds, Grid
from survey.pipelines import drawing_layers as layered
from survey.pipelines.drawing_inputs import (
    DrawingOptions,
    Epoch,
    Heights,
    LeaseShape,
    NamedShape,
    Photo,
    Shapes,
)
from survey.pipelines.drawing_pictures import draw_pictures
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
        The job grid. The drawing covers the lease and 520 m round it, and all sites; the whole grid where
        there is no lease.
    after, before:
        The later survey (the one that plans show) and, if there is one, the earlier.
    level_m:
        Level of detection: what lies below it is grey in the change picture.
    run:
        Maps a function over pieces, in order: ``lambda f, items: engine.map(f, items, stage="drawing")``.

    Returns
    -------
    dict
        What was chosen and reached (drawing cell, contour interval, tolerance of the triangles …), for
        ``record.settings["drawing"]``.
    """
    options = options or DrawingOptions()
    area = around(grid, _extent(shapes, options))
    block = block_size(area, finest_m=options.finest_cell_m, most_cells=options.most_cells)
    canvas = coarsened(area, block)
    later, earlier, rise = _read_all(area, block, canvas, before, after, run)
    relief = _relief(later)
    lines, interval = layered.contour_layer(later, canvas, relief, after.date, level_m, options)
    benches = layered.bench_lines_of(later, canvas, options)
    triangles, reached = layered.triangle_layer(earlier, later, before, after, canvas, shapes, options)
    layers = [
        *layered.outline_layers(shapes),
        lines,
        layered.bench_layer(benches, after.date),
        *layered.section_layers(
            layered.section_lines(shapes, options), canvas, earlier, later, before, after, benches, options
        ),
        layered.level_layer(shapes, later, canvas),
        triangles,
        layered.findings_layer(findings),
    ]
    gpkg = run_dir / "results.gpkg"
    write_layers(gpkg, layers, grid.crs_wkt)
    add_styles(gpkg, styles())
    pictures = draw_pictures(run_dir, canvas, earlier, later, rise, before, after, shapes, level_m, options)
    write_index(run_dir, pictures)
    return {
        **asdict(options),
        "drawing_cell_m": canvas.cell_m,
        "cells_averaged": block,
        "contour_interval_m": interval,
        "lowest_m": relief[0] if relief else None,
        "highest_m": relief[1] if relief else None,
        **reached,
    }


# -- reading ---------------------------------------------------------------------------------------------
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


def _coarse(
    before: Heights | None, after: Heights, block: int, piece: Grid
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.float32] | None]:
    late = after.read(piece)
    if before is None:
        return block_mean(late, block), None, None
    early = before.read(piece)
    return block_mean(late, block), block_mean(early, block), block_mean(late - early, block)


def _read_all(
    area: Grid, block: int, canvas: Grid, before: Epoch | None, after: Epoch, run: Run
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """(later, earlier, rise) on the drawing cells.

    Pieces are whole blocks, so the means do not depend on how the work was cut.
    """
    size = max(block, 2048 // block * block)
    pieces = list(area.pieces(size))
    out = [np.full(canvas.shape, np.nan, np.float32) for _ in range(1 if before is None else 3)]
    work = partial(_coarse, before.heights if before else None, after.heights, block)
    for piece, parts in zip(pieces, run(work, pieces), strict=True):
        r, c = (piece.row0 - area.row0) // block, (piece.col0 - area.col0) // block
        for whole, part in zip(out, parts, strict=False):
            whole[r : r + part.shape[0], c : c + part.shape[1]] = part
    return (out[0], None, None) if before is None else (out[0], out[1], out[2])


def _relief(heights: NDArray[np.float32]) -> tuple[float, float] | None:
    known = heights[np.isfinite(heights)]
    if not len(known):
        return None
    return float(known.min()), float(known.max())
