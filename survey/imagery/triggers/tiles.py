"""One tile of ground, all its scenes: the work that is mapped over the area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid
from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.fits import BaselineFit, Novelty, material, novelty
from survey.imagery.triggers.ground import Ground, Look, SceneFit, history, judged, take, usual_of
from survey.imagery.triggers.normalise import Line
from survey.imagery.triggers.nulls import BINS, STEP
from survey.imagery.triggers.product import SUSPECT, Product, counts
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.sources import SceneSource

HALO = 128
"""Cells that a tile borrows from its neighbours: the slow field of ``fits`` reaches three blocks of 32, a shadow
and a cloud's surroundings less. With it a tile gives exactly what the whole area would."""


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
    r0, c0 = max(0, piece.row0 - HALO), max(0, piece.col0 - HALO)
    r0, c0 = r0 // 32 * 32, c0 // 32 * 32
    r1 = min(grid.height, piece.row0 + piece.height + HALO)
    c1 = min(grid.width, piece.col0 + piece.width + HALO)
    return grid[r0:r1, c0:c1]


@dataclass(frozen=True)
class Past:
    """The baseline looks of a piece, ready to be whitened."""

    looks: list[Look]
    lines: list[Line]
    usual: NDArray[np.float32]
    bands: BandSet

    def ground(self, matrix: NDArray[np.float32]) -> Ground:
        return history(self.looks, self.lines, self.usual, matrix, self.bands)


def past_of(task: TileTask, wide: Grid) -> Past:
    """The baseline of a piece, from its files."""
    settings, bands = task.settings, task.bands
    used = [(task.baseline_sources[i], task.baseline.scenes[i]) for i in task.baseline.usable]
    looks = [take(source, wide, fit, settings) for source, fit in used]
    against = list(looks)
    if task.witness is not None:
        against.append(take(task.witness, wide, task.witness_fit, settings))
    usual = usual_of(against, bands)
    looks = [
        judged(one, usual, bands, task.grid.cell_m, fit.shadow, settings)
        for one, (_, fit) in zip(looks, used, strict=True)
    ]
    return Past(looks, [fit.line for _, fit in used], usual, bands)


def judge_tile(task: TileTask) -> list[Product]:
    """A product for each scene of the task, on its piece."""
    wide = grown(task.grid, task.piece)
    past = past_of(task, wide)
    ground = past.ground(task.baseline.matrix)
    inner = (
        slice(task.piece.row0 - wide.row0, task.piece.row0 - wide.row0 + task.piece.height),
        slice(task.piece.col0 - wide.col0, task.piece.col0 - wide.col0 + task.piece.width),
    )
    out = []
    for source, fit, matrix in task.scenes:
        if task.baseline.short:
            # A short history has no whitening of its own: each scene brings one.
            ground = past.ground(matrix)
        one = take(source, wide, fit, task.settings)
        one = judged(one, ground.usual, task.bands, task.grid.cell_m, fit.shadow, task.settings)
        new = novelty(one, fit.line, ground, matrix, task.settings)
        out.append(
            make_product(one, new, ground, fit, matrix, task.baseline, task.piece, inner, task.settings)
        )
    return out


def log10_rarity(
    distance: NDArray[np.float32], land: NDArray[np.int8], fit: SceneFit, baseline: BaselineFit
) -> NDArray[np.float32]:
    """log10 of the p-value of each distance; NaN distances give 0."""
    known = np.isfinite(distance)
    d = np.where(known, distance, 0.0)
    if baseline.short:
        from scipy.stats import chi2

        out = np.zeros(distance.shape, np.float32)
        for kind, (scale, freedom) in enumerate(fit.law):
            here = known & (land == kind)
            if here.any():
                out[here] = chi2.logsf((d[here] / scale) ** 2, freedom) / np.log(10.0)
        return np.maximum(out, -12.0)
    allowance = np.array(fit.allowance, np.float32)[land]
    bins = np.minimum((d / allowance / STEP).astype(np.int64), BINS - 1)
    table = baseline.null.log10_p().astype(np.float32)
    return np.where(known, table[land, bins], 0.0).astype(np.float32)


def make_product(
    one: Look,
    new: Novelty,
    ground: Ground,
    fit: SceneFit,
    matrix: NDArray[np.float32],
    baseline: BaselineFit,
    piece: Grid,
    inner: tuple[slice, slice],
    settings: TriggerSettings,
) -> Product:
    """Keep what is rare and not leafy."""
    bands = baseline.bands
    land = ground.land[inner]
    distance = new.distance[inner]
    rarity = log10_rarity(distance, land, fit, baseline)
    observed = one.clear.observed[inner] & np.isfinite(distance)
    suspect = one.clear.suspect[inner] & np.isfinite(distance)
    rare = (rarity <= np.log10(settings.keep_p)) & (observed | suspect)
    rows, cols = np.nonzero(rare)
    now, match, leafless, flags = material(new, matrix, bands, (rows, cols), inner, settings)
    rows, cols, now, match, flags = (
        rows[leafless],
        cols[leafless],
        now[leafless],
        match[leafless],
        flags[leafless],
    )
    usual = ground.usual[:, inner[0], inner[1]][:, rows, cols].T
    flags[suspect[rows, cols]] |= SUSPECT
    green = np.stack([ground.green_low[inner][rows, cols], ground.green_high[inner][rows, cols]], 1)
    return Product(
        piece.row0,
        piece.col0,
        observed,
        (rows * piece.width + cols).astype(np.int32),
        np.rint(rarity[rows, cols] * 1000).astype(np.int16),
        np.clip(np.rint(distance[rows, cols] * 100), 0, 65535).astype(np.uint16),
        flags,
        land[rows, cols].astype(np.uint8),
        counts(now),
        counts(match),
        counts(usual),
        np.clip(np.rint(np.nan_to_num(green) * 100), -100, 100).astype(np.int8),
        np.clip(np.rint(ground.wet_share[inner][rows, cols] * 100), 0, 100).astype(np.uint8),
    )
