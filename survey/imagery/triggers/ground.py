"""What a piece of ground looked like throughout the baseline: spectra, kind of land, usual levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid
from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.clear import Clear, haze_field, judge, usual_levels
from survey.imagery.triggers.coregister import moved
from survey.imagery.triggers.normalise import Line, whitened
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.sources import SceneSource

WATER, WOODY, SEASONAL, BARE, SHORE = range(5)
LAND = ("water", "woody", "seasonal green", "bare", "shore")
"""Kinds of land by their own history. Noise and seasons differ among them, so each has its own null."""


@dataclass(frozen=True)
class SceneFit:
    """Where one scene lies, how it is lit, and whether it can be used."""

    key: str
    date: str
    usable: bool
    why: str
    rows: float
    cols: float
    spread: float
    line: Line
    shadow: tuple[int, int] | None
    clear_share: float
    misfit: float = 1.0
    allowance: tuple[float, ...] = (1.0,) * len(LAND)
    common: tuple[tuple[int, ...], ...] = ()
    """Common spectra of exposed ground on that day, counts of ``product.UNIT``."""
    law: tuple[tuple[float, float], ...] = ((1.0, 6.0),) * len(LAND)


@dataclass(frozen=True)
class Look:
    """One scene on one piece of ground, put in place."""

    reflectance: NDArray[np.float32]  # (band, row, col), as delivered
    given: NDArray[np.bool_] | None  # delivered mask, True = clear
    clear: Clear  # before ``judged``: the delivered mask alone

    @property
    def valid(self) -> NDArray[np.bool_]:
        return np.isfinite(self.reflectance).all(axis=0)


def placed(
    reflectance: NDArray[np.float32],
    given: NDArray[np.bool_] | None,
    fit: SceneFit,
    settings: TriggerSettings,
) -> Look:
    """A scene moved to where it belongs; only the delivered mask counts yet."""
    if np.hypot(fit.rows, fit.cols) >= settings.least_shift:
        reflectance = moved(reflectance, fit.rows, fit.cols)
        if given is not None:
            given = moved(given.astype(np.float32)[None], fit.rows, fit.cols)[0] > 0.7
    valid = np.isfinite(reflectance).all(axis=0)
    seen = valid if given is None else valid & given
    nothing = np.zeros_like(seen)
    return Look(reflectance, given, Clear(seen, nothing, nothing, nothing))


def take(source: SceneSource, piece: Grid, fit: SceneFit, settings: TriggerSettings) -> Look:
    return placed(source.read(piece), source.read_clear(piece), fit, settings)


def judged(
    one: Look,
    usual: NDArray[np.float32],
    bands: BandSet,
    cell_m: float,
    shadow: tuple[int, int] | None,
    settings: TriggerSettings,
) -> Look:
    """The same look, with cloud and shadow found against the usual levels of the place."""
    valid = one.valid
    clear = judge(
        one.reflectance,
        valid,
        usual,
        bands,
        cell_m=cell_m,
        given_clear=one.given,
        displacement=shadow,
        haze=haze_field(one.reflectance, valid, usual, bands),
        rise=settings.cloud_rise,
        widen_m=settings.mask_widen_m,
    )
    return replace(one, clear=clear)


def ndvi(reflectance: NDArray[np.float32], bands: BandSet) -> NDArray[np.float32]:
    """Normalised difference of near infrared and red along the first axis (Rouse et al. 1974)."""
    red, nir = reflectance[bands.index("red")], reflectance[bands.index("nir")]
    return (nir - red) / np.maximum(nir + red, np.float32(1e-3))


def wet(reflectance: NDArray[np.float32], bands: BandSet) -> NDArray[np.bool_]:
    """Open water along the first axis: dark beyond the red, and darker there than in the green."""
    nir = reflectance[bands.index("nir")]
    short = reflectance[bands.index("green" if bands.has("green") else "blue")]
    out = (nir < 0.10) & (short > nir)
    if bands.has("swir1"):
        out = (
            (reflectance[bands.index("swir1")] < 0.07)
            & (nir < 0.14)
            & (short > reflectance[bands.index("swir1")])
        )
    return out


@dataclass(frozen=True)
class Ground:
    """The baseline of one piece."""

    base: NDArray[np.float32]  # (scene, row, col, band) whitened, NaN where not seen
    usual: NDArray[np.float32]  # (band, row, col)
    green_low: NDArray[np.float32]  # (row, col) NDVI: lower tenth
    green_high: NDArray[np.float32]  # upper tenth
    wet_share: NDArray[np.float32]
    looks: NDArray[np.int16]

    @property
    def land(self) -> NDArray[np.int8]:
        kind = np.full(self.looks.shape, BARE, np.int8)
        kind[self.green_high > 0.42] = SEASONAL
        kind[self.green_low > 0.42] = WOODY
        kind[self.wet_share > 0.08] = SHORE
        kind[self.wet_share > 0.75] = WATER
        return kind


def _rank(values: NDArray[np.float32], seen: NDArray[np.bool_], q: float) -> NDArray[np.float32]:
    """Order statistic over the first axis among ``seen``; NaN where nothing was."""
    ranked = np.sort(np.where(seen, values, np.inf), axis=0)
    count = seen.sum(0)
    at = np.clip(np.floor(q * (count - 1) + 0.5).astype(np.intp), 0, None)
    out = np.take_along_axis(ranked, at[None], 0)[0]
    return np.where(count > 0, out, np.nan).astype(np.float32)


def history(
    looks: Sequence[Look],
    lines: Sequence[Line],
    usual: NDArray[np.float32],
    matrix: NDArray[np.float32],
    bands: BandSet,
) -> Ground:
    """The baseline of a piece from its looks, all in place and on one radiometry."""
    rows, cols = usual.shape[1:]
    base = np.empty((len(looks), rows, cols, len(bands)), np.float32)
    green = np.empty((len(looks), rows, cols), np.float32)
    water = np.empty((len(looks), rows, cols), bool)
    seen = np.empty((len(looks), rows, cols), bool)
    for i, (one, line) in enumerate(zip(looks, lines, strict=True)):
        base[i] = whitened(one.reflectance, one.clear.observed, line, matrix)
        plain = line.undo(one.reflectance)
        green[i], water[i], seen[i] = ndvi(plain, bands), wet(plain, bands), one.clear.observed
    count = seen.sum(0)
    with np.errstate(invalid="ignore"):
        share = (water & seen).sum(0) / np.maximum(count, 1)
    return Ground(
        base,
        usual,
        _rank(green, seen, 0.1),
        _rank(green, seen, 0.9),
        share.astype(np.float32),
        count.astype(np.int16),
    )


def usual_of(looks: Sequence[Look], bands: BandSet) -> NDArray[np.float32]:
    """Usual levels of a piece from looks in which only delivered masks count yet."""
    stack = np.stack([one.reflectance for one in looks])
    ok = np.stack([one.clear.observed for one in looks])
    return usual_levels(stack, ok, bands)
