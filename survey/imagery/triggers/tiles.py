"""One tile of ground, all its scenes: the work that is mapped over the area."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid
from survey.imagery.triggers import chi
from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.cells import standing_out
from survey.imagery.triggers.fits import BaselineFit
from survey.imagery.triggers.ground import THIN, Land, Look, Past, SceneFit, judged, take, usual_of
from survey.imagery.triggers.novelty import SLOW_BLOCK, Novelty, material, novelty
from survey.imagery.triggers.nulls import BINS, STEP
from survey.imagery.triggers.product import SUSPECT, Product, counts
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.sources import SceneSource

HALO = 128
"""Cells that a tile borrows from its neighbours: two blocks of the slow field, and before them two blocks
of haze and the surroundings of a cloud. With it a tile gives exactly what the whole area would."""
FEW_SCENES = 8
"""For more at once it is cheaper to ask all cells how they lay."""


@dataclass(frozen=True)
class TileTask:
    """A piece of the watch grid (without halo) and the scenes to be judged on it."""

    grid: Grid  # the whole watch grid
    piece: Grid
    bands: BandSet
    baseline: BaselineFit
    baseline_sources: tuple[SceneSource, ...]
    scenes: tuple[tuple[SceneSource, SceneFit, NDArray[np.float32]], ...]
    settings: TriggerSettings
    witness: SceneSource | None = None
    witness_fit: SceneFit | None = None


def grown(grid: Grid, piece: Grid) -> Grid:
    """``piece`` with its halo, beginning on a block corner of the slow fields."""
    r0 = max(0, piece.row0 - HALO) // SLOW_BLOCK * SLOW_BLOCK
    c0 = max(0, piece.col0 - HALO) // SLOW_BLOCK * SLOW_BLOCK
    r1 = min(grid.height, piece.row0 + piece.height + HALO)
    c1 = min(grid.width, piece.col0 + piece.width + HALO)
    return grid[r0:r1, c0:c1]


def past_of(task: TileTask, wide: Grid) -> tuple[Past, Look | None]:
    """The baseline of a piece, from its files, and what the witness showed there."""
    settings, bands = task.settings, task.bands
    used = [(task.baseline_sources[i], task.baseline.scenes[i]) for i in task.baseline.usable]
    looks = [take(source, wide, fit, settings) for source, fit in used]
    seen = None
    if task.witness is not None and task.witness_fit is not None:
        seen = take(task.witness, wide, task.witness_fit, settings)
    usual = usual_of(looks if seen is None else [*looks, seen], bands)
    looks = [
        judged(one, usual, bands, task.grid.cell_m, fit.cloudy, settings)
        for one, (_, fit) in zip(looks, used, strict=True)
    ]
    return Past(looks, [fit.line for _, fit in used], usual, bands), seen


def judge_tile(task: TileTask) -> list[Product]:
    """A product for each scene of the task, on its piece."""
    wide = grown(task.grid, task.piece)
    past, seen = past_of(task, wide)
    # One cell more on every side: a neighbour's past counts.
    r0, c0 = task.piece.row0 - wide.row0, task.piece.col0 - wide.col0
    top, left = min(r0, 1), min(c0, 1)
    part = (
        slice(r0 - top, min(r0 + task.piece.height + 1, wide.height)),
        slice(c0 - left, min(c0 + task.piece.width + 1, wide.width)),
    )
    inner = (slice(top, top + task.piece.height), slice(left, left + task.piece.width))
    # Only cells that stand out are asked how they lay: one in twenty, in each scene.
    whole = past.land(part) if len(task.scenes) > FEW_SCENES else None

    def lying(rows: NDArray[np.intp], cols: NDArray[np.intp]) -> Land:
        if whole is not None:
            return whole.at(rows, cols)
        return past.land_at(part[0].start + rows, part[1].start + cols)

    matrix = task.scenes[0][2]
    base, thin = past.base(matrix, part), past.base(matrix, thin=THIN)
    out = []
    for source, fit, own in task.scenes:
        if own is not matrix:
            # A short history has no whitening of its own: each scene brings one.
            matrix, base, thin = own, past.base(own, part), past.base(own, thin=THIN)
        look = seen if task.witness is not None and source.key == task.witness.key else None
        if look is None or fit != task.witness_fit:
            look = take(source, wide, fit, task.settings)
        one = judged(
            look,
            past.usual,
            task.bands,
            task.grid.cell_m,
            fit.cloudy,
            task.settings,
        )
        far = keep_distance(fit, task.baseline, task.settings)
        new = novelty(
            one, fit.line, past, thin, base, matrix, task.settings, part=part, enough=0.99 * float(far.min())
        )
        out.append(
            make_product(
                one, new, past, lying, fit, matrix, task.baseline, task.piece, part, inner, far, task.settings
            )
        )
    return out


def judge_tile_packed(task: TileTask) -> list[bytes]:
    """The same as it is kept: packed where the work is done, so that little is held and sent."""
    return [product.to_bytes() for product in judge_tile(task)]


def keep_distance(fit: SceneFit, baseline: BaselineFit, settings: TriggerSettings) -> NDArray[np.float64]:
    """Per kind of land, the distance from which a cell is a candidate."""
    if baseline.short:
        return np.array(
            [scale * np.sqrt(chi.upper_quantile(settings.keep_p, freedom)) for scale, freedom in fit.law]
        )
    rare = baseline.null.log10_p() <= np.log10(settings.keep_p)
    first = np.where(rare.any(1), rare.argmax(1), BINS - 1)
    return first * STEP * np.array(fit.allowance)


def log10_rarity(
    distance: NDArray[np.float32], land: NDArray[np.int8], fit: SceneFit, baseline: BaselineFit
) -> NDArray[np.float64]:
    """log10 of the p-value of each distance (n,) on its kind of land."""
    d = distance.astype(np.float64)
    if baseline.short:
        out = np.empty(len(d))
        for kind, (scale, freedom) in enumerate(fit.law):
            own = land == kind
            out[own] = chi.log_above((d[own] / scale) ** 2, freedom)
        return np.maximum(out / np.log(10.0), -12.0)
    bins = np.minimum((d / np.array(fit.allowance)[land] / STEP).astype(np.int64), BINS - 1)
    return baseline.null.log10_p()[land, bins]


def make_product(
    one: Look,
    new: Novelty,
    past: Past,
    lying: Callable[[NDArray[np.intp], NDArray[np.intp]], Land],
    fit: SceneFit,
    matrix: NDArray[np.float32],
    baseline: BaselineFit,
    piece: Grid,
    part: tuple[slice, slice],
    inner: tuple[slice, slice],
    far: NDArray[np.float64],
    settings: TriggerSettings,
) -> Product:
    """Keep what is rare and not leafy. ``lying``: how single cells of the part lay."""
    top, left, height, width = inner[0].start, inner[1].start, piece.height, piece.width
    observed, rows, cols, suspect = standing_out(
        new.distance, one.clear.observed, one.clear.suspect, part[0].start, part[1].start,
        far.min().astype(np.float32), top, left, height, width,
    )  # fmt: skip
    land = lying(rows, cols)
    kinds = land.kind[0]
    rare = new.distance[rows, cols] >= far.astype(np.float32)[kinds]
    rows, cols, suspect = rows[rare], cols[rare], suspect[rare]
    now, match, leafless, flags = material(new, matrix, baseline.bands, rows, cols, settings)
    flags[suspect] |= SUSPECT
    rows, cols = rows[leafless], cols[leafless]
    now, match, flags = now[leafless], match[leafless], flags[leafless]
    kept = np.nonzero(rare)[0][leafless]
    kinds = kinds[kept]
    distance = new.distance[rows, cols]
    rarity = log10_rarity(distance, kinds, fit, baseline)
    green = np.stack([land.green_low[0, kept], land.green_high[0, kept]], 1)
    at_rows, at_cols = rows - top, cols - left
    return Product(
        piece.row0,
        piece.col0,
        observed,
        (at_rows * piece.width + at_cols).astype(np.int32),
        np.rint(rarity * 1000).astype(np.int16),
        np.clip(np.rint(distance * 100), 0, 65535).astype(np.uint16),
        flags,
        kinds.astype(np.uint8),
        counts(now),
        counts(match),
        np.ascontiguousarray(past.usual[:, part[0].start + rows, part[1].start + cols].T),
        np.clip(np.rint(np.nan_to_num(green) * 100), -100, 100).astype(np.int8),
        np.clip(np.rint(land.wet_share[0, kept] * 100), 0, 100).astype(np.uint8),
    )
