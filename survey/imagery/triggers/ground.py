"""What a piece of ground looked like throughout the baseline: spectra, kind of land, usual levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid
from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.clear import Clear, judge, told
from survey.imagery.triggers.kernels import (
    lie_of_land,
    moved_counts,
    moved_mask,
    usual_counts,
    usual_of_two,
)
from survey.imagery.triggers.normalise import Line, log_tables, reflectance_tables
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.sources import SceneSource
from survey.imagery.triggers.whitened import whiten_into
from survey.jit import kernel

LAND = ("water", "woody", "seasonal green", "bare", "shore")
"""Kinds of land by their own history. Noise and seasons differ among them, so each has its own null."""
KINDS = len(LAND)
WATER, WOODY, SEASONAL, BARE, SHORE = range(KINDS)
THIN = 4
"""Every so many cells the slow fields look at one."""


@dataclass(frozen=True)
class SceneFit:
    """Where one scene lies, how it is lit, and whether it can be used."""

    key: str
    date: str
    usable: bool
    why: str
    rows: float  # the scene is sampled at (row + rows, col + cols)
    cols: float
    spread: float
    line: Line
    cloudy: bool
    clear_share: float
    misfit: float = 1.0
    allowance: tuple[float, ...] = (1.0,) * len(LAND)
    common: tuple[tuple[int, ...], ...] = ()
    """Common spectra of exposed ground on that day, counts."""
    law: tuple[tuple[float, float], ...] = ((1.0, 6.0),) * len(LAND)


@dataclass(frozen=True)
class Look:
    """One scene on one piece of ground, put in place."""

    counts: NDArray[np.uint16]  # (band, row, col), as delivered
    given: NDArray[np.bool_] | None  # delivered mask, True = clear
    clear: Clear  # before ``judged``: the delivered mask alone

    @property
    def valid(self) -> NDArray[np.bool_]:
        return self.counts[0] > 0


def placed(
    counts: NDArray[np.uint16], given: NDArray[np.bool_] | None, fit: SceneFit, settings: TriggerSettings
) -> Look:
    """A scene moved to where it belongs; only the delivered mask counts yet."""
    if np.hypot(fit.rows, fit.cols) >= settings.least_shift:
        counts = moved_counts(counts, fit.rows, fit.cols)
        if given is not None:
            given = moved_mask(given, fit.rows, fit.cols, 0.7)
    valid = counts[0] > 0
    seen = valid if given is None else valid & given
    return Look(counts, given, Clear(seen, np.zeros_like(seen)))


def take(source: SceneSource, piece: Grid, fit: SceneFit, settings: TriggerSettings) -> Look:
    return placed(source.read(piece), source.read_clear(piece), fit, settings)


def judged(
    one: Look,
    usual: NDArray[np.uint16],
    bands: BandSet,
    cell_m: float,
    cloudy: bool,
    settings: TriggerSettings,
) -> Look:
    """The same look, with cloud and shadow found against the usual levels of the place."""
    flags = told(one.counts, usual, bands, settings.cloud_rise)
    clear = judge(one.valid, one.given, flags, cell_m=cell_m, cloudy=cloudy, widen_m=settings.mask_widen_m)
    return replace(one, clear=clear)


def usual_of(looks: Sequence[Look], bands: BandSet) -> NDArray[np.uint16]:
    """Usual levels of a piece from looks in which only delivered masks count yet."""
    if len(looks) == 2:
        a, b = looks
        return usual_of_two(a.counts, a.clear.observed, b.counts, b.clear.observed, bands.bluest)
    return usual_counts(
        np.stack([one.counts for one in looks]), np.stack([one.clear.observed for one in looks]), bands.bluest
    )


def ndvi(reflectance: NDArray[np.float32], bands: BandSet) -> NDArray[np.float32]:
    """Normalised difference of near infrared and red along the first axis (Rouse et al. 1974)."""
    red, nir = reflectance[bands.index("red")], reflectance[bands.index("nir")]
    return (nir - red) / np.maximum(nir + red, np.float32(1e-3))


def wet(reflectance: NDArray[np.float32], bands: BandSet) -> NDArray[np.bool_]:
    """Open water along the first axis: dark beyond the red, and darker there than in the green."""
    nir = reflectance[bands.index("nir")]
    short = reflectance[_short(bands)]
    if bands.has("swir1"):
        swir1 = reflectance[bands.index("swir1")]
        return (swir1 < 0.07) & (nir < 0.14) & (short > swir1)
    return (nir < 0.10) & (short > nir)


def _short(bands: BandSet) -> int:
    return bands.index("green") if bands.has("green") else bands.bluest


@kernel
def kinds_of(
    low: NDArray[np.float32], high: NDArray[np.float32], wet: NDArray[np.float32]
) -> NDArray[np.int8]:
    """The kind of land of each cell, by its NDVI when dry and when green and the share of looks under
    water."""
    height, width = wet.shape
    out = np.empty((height, width), np.int8)
    for r in range(height):
        for c in range(width):
            kind = BARE
            if high[r, c] > 0.42:
                kind = SEASONAL
            if low[r, c] > 0.42:
                kind = WOODY
            if wet[r, c] > 0.08:
                kind = SHORE
            if wet[r, c] > 0.75:
                kind = WATER
            out[r, c] = kind
    return out


@dataclass(frozen=True)
class Land:
    """How a piece lay through the baseline, (row, col)."""

    green_low: NDArray[np.float32]  # NDVI: lower tenth
    green_high: NDArray[np.float32]  # upper tenth
    wet_share: NDArray[np.float32]
    looks: NDArray[np.int16]

    @property
    def kind(self) -> NDArray[np.int8]:
        return kinds_of(self.green_low, self.green_high, self.wet_share)

    def at(self, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> Land:
        """The same of single cells, each (1, cell)."""
        here = rows[None], cols[None]
        return Land(self.green_low[here], self.green_high[here], self.wet_share[here], self.looks[here])


@dataclass(frozen=True)
class Past:
    """The baseline looks of a piece, in place and judged, and their radiometry."""

    looks: list[Look]
    lines: list[Line]
    usual: NDArray[np.uint16]  # (band, row, col)
    bands: BandSet

    def base(
        self, matrix: NDArray[np.float32], part: tuple[slice, slice] | None = None, thin: int = 1
    ) -> NDArray[np.float32]:
        """(scene, row, band, col) whitened spectra, NaN where not seen; of every ``thin``-th cell."""
        bands, height, width = self.usual.shape
        rows, cols = (slice(0, height), slice(0, width)) if part is None else part
        shape = (-(-(rows.stop - rows.start) // thin), bands, -(-(cols.stop - cols.start) // thin))
        out = np.empty((len(self.looks), *shape), np.float32)
        for room, one, line in zip(out, self.looks, self.lines, strict=True):
            tables = log_tables(line)
            whiten_into(room, one.counts, one.clear.observed, rows.start, cols.start, tables, matrix, thin)
        return out

    def land(self, part: tuple[slice, slice] | None = None) -> Land:
        return self._lying((slice(None), slice(None)) if part is None else part)

    def land_at(self, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> Land:
        """The same of single cells of the piece, each (1, cell)."""
        return self._lying((rows[None], cols[None]))

    def _lying(self, where: tuple[Any, Any]) -> Land:
        bands = self.bands
        asked = [bands.index("red"), bands.index("nir"), _short(bands)]
        swir1 = len(asked) if bands.has("swir1") else -1
        if swir1 > 0:
            asked.append(bands.index("swir1"))
        ok = np.stack([one.clear.observed[where] for one in self.looks])
        stack = np.empty((len(ok), len(asked), *ok.shape[1:]), np.uint16)
        for of_scene, one in zip(stack, self.looks, strict=True):
            for room, band in zip(of_scene, asked, strict=True):
                room[:] = one.counts[band][where]
        tables = np.stack([reflectance_tables(line)[asked] for line in self.lines])
        return Land(*lie_of_land(stack, ok, tables, 0, 1, 2, swir1))
