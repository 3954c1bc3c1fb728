"""Everything that is fitted once per scene: place, light, haze, the law of ordinary novelty.

Fits look at a few blocks of the area, always the same ones, so that they do not depend on how the area is cut
into tiles later; an area that is small enough is looked at whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid
from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.clear import cloud_like, dark_now, haze_field, shadow_displacement, veil_share
from survey.imagery.triggers.common import PLACE_CELLS, common_spectra
from survey.imagery.triggers.coregister import Shift, find_shift
from survey.imagery.triggers.ground import (
    LAND,
    Ground,
    Look,
    SceneFit,
    history,
    judged,
    ndvi,
    placed,
    usual_of,
    wet,
)
from survey.imagery.triggers.lattice import block_quantile, fill_gaps, smooth3, spread
from survey.imagery.triggers.normalise import Line, fit_line, to_log, unwhitened, whitened, whitener
from survey.imagery.triggers.novelty import nearest_before, take_match
from survey.imagery.triggers.nulls import NullTable, scene_law
from survey.imagery.triggers.product import VEIL, WET, counts
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.sources import SceneSource

FIRST_SIGMA = 0.06
"""ln reflectance: the spread of unchanged ground before anything is known of this place."""
LOCAL_BLOCK = 32
Words = tuple[tuple[int, ...], ...]
SHORT_HISTORY = 3
"""With fewer baseline scenes the law of novelty comes from each scene itself."""


@dataclass(frozen=True)
class BaselineFit:
    """All that later scenes are held against, but for the cells themselves."""

    bands: BandSet
    scenes: tuple[SceneFit, ...]
    reference: int
    matrix: NDArray[np.float32]
    null: NullTable
    common: Words = ()
    """Exposed ground that is found in many places outside permitted areas, counts of ``product.UNIT``."""
    worked: Words = ()
    """Exposed ground inside permitted areas."""

    @property
    def usable(self) -> tuple[int, ...]:
        return tuple(i for i, s in enumerate(self.scenes) if s.usable)

    @property
    def short(self) -> bool:
        return len(self.usable) < SHORT_HISTORY


def sample_pieces(grid: Grid, scenes: int, bands: int, budget_cells: int = 40_000_000) -> list[Grid]:
    """Blocks of the area that fits look at: the whole, or up to 25 blocks spread evenly.

    ``budget_cells``: scene × band × cell values that may be held at once.
    """
    allowed = budget_cells // max(1, scenes * bands)
    if grid.height * grid.width <= allowed:
        return [grid]
    side = 256 if allowed >= 9 * 256 * 256 else 128
    count = int(np.clip(allowed // (side * side), 4, 25))
    per_side = max(2, int(np.sqrt(count)))
    rows = np.linspace(0, max(0, grid.height - side), per_side).astype(int)
    cols = np.linspace(0, max(0, grid.width - side), per_side).astype(int)
    starts = sorted(
        {(r // LOCAL_BLOCK * LOCAL_BLOCK, c // LOCAL_BLOCK * LOCAL_BLOCK) for r in rows for c in cols}
    )
    return [grid[int(r) : int(r) + side, int(c) : int(c) + side] for r, c in starts]


def blank(source: SceneSource, bands: int) -> SceneFit:
    return SceneFit(
        source.key, source.date.isoformat(), True, "", 0.0, 0.0, float("nan"), Line.none(bands), None, 1.0
    )


def slow_field(
    now: NDArray[np.float32], base: NDArray[np.float32], skip: int, aside: float
) -> NDArray[np.float32]:
    """The slow departure of ``now`` (whitened) from its nearest history: drought, haze, low sun.

    The median over blocks of ``LOCAL_BLOCK`` cells, on every third cell, spread smoothly; a pit fills far less
    than half of a block.
    """
    first, which, where, _ = nearest_before(now, base, skip, 3, aside)
    found = np.isfinite(first) & (which >= 0)
    match = take_match(base, which, where)
    out = np.empty_like(now)
    for band in range(now.shape[2]):
        level = block_quantile(now[..., band] - match[..., band], found, LOCAL_BLOCK, 0.5, least=0.02)
        out[..., band] = spread(smooth3(fill_gaps(level, 1, 0.0)), LOCAL_BLOCK, now.shape[:2])
    return out


@dataclass(frozen=True)
class Novelty:
    """How new one look is, (row, col), and between which spectra, whitened (row, col, band)."""

    distance: NDArray[np.float32]  # NaN where not looked at, or without any history
    now: NDArray[np.float32]
    match: NDArray[np.float32]


def novelty(
    one: Look,
    line: Line,
    ground: Ground,
    matrix: NDArray[np.float32],
    settings: TriggerSettings,
    skip: int = -1,
    step: int = 1,
) -> Novelty:
    """Hold one look against the history. Suspect cells get a distance too; later looks decide if it counts.

    With ``step`` only every such cell is looked at; the others are NaN.
    """
    sure = whitened(one.reflectance, one.clear.observed, line, matrix)
    field = slow_field(sure, ground.base, skip, settings.aside)
    both = whitened(one.reflectance, one.clear.observed | one.clear.suspect, line, matrix) - field
    first, which, where, seen = nearest_before(both, ground.base, skip, step, settings.aside)
    known = (which >= 0) & (seen >= min(int(settings.least_history), len(ground.base) - (skip >= 0)))
    return Novelty(
        np.where(known, np.sqrt(first), np.float32(np.nan)), both, take_match(ground.base, which, where)
    )


def material(
    new: Novelty,
    matrix: NDArray[np.float32],
    bands: BandSet,
    at: tuple[NDArray[np.intp], NDArray[np.intp]],
    inner: tuple[slice, slice],
    settings: TriggerSettings,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.uint8]]:
    """What the cells ``at`` (of the part ``inner``) are made of: spectra now and in the nearest history (n, band),
    whether they are exposed rather than leafy, and their flags."""
    now = unwhitened(new.now[inner][at], matrix)
    match = unwhitened(new.match[inner][at], matrix)
    noise = np.maximum(0.03 * match, 0.01)
    veiled, strength = veil_share(now, match, bands, 1.0 / noise**2)
    flags = np.zeros(len(now), np.uint8)
    flags[wet(now.T, bands)] |= WET
    flags[(veiled > 0.9) & (strength > 0.04)] |= VEIL
    return now, match, ndvi(now.T, bands) < settings.leafy, flags


def counted(
    new: Novelty,
    seen: NDArray[np.bool_],
    matrix: NDArray[np.float32],
    bands: BandSet,
    settings: TriggerSettings,
) -> NDArray[np.float32]:
    """Distances as they count towards the law of ordinary novelty: of leafy or veiled cells nothing would be
    made, so they count as nothing; NaN where not looked at."""
    out = np.where(seen, new.distance, np.float32(np.nan))
    rows, cols = np.nonzero(np.isfinite(out) & (out > 1.0))
    whole = (slice(None), slice(None))
    _, _, leafless, flags = material(new, matrix, bands, (rows, cols), whole, settings)
    idle = ~leafless | ((flags & VEIL) > 0)
    out[rows[idle], cols[idle]] = 0.0
    return out


def _log_bands(one: Look, bands: BandSet) -> NDArray[np.float32]:
    """Bands whose edges stay when leaves come and go."""
    chosen = [bands.index(b) for b in ("red", "nir", "swir1") if bands.has(b)]
    return to_log(one.reflectance[chosen])


def pooled_shift(
    reference: Sequence[Look], scene: Sequence[Look], bands: BandSet, settings: TriggerSettings
) -> tuple[float, float, float]:
    """(rows, cols, spread) from all blocks; zero where too few windows vote or they disagree."""
    rows, cols, votes = [], [], 0
    for a, b in zip(reference, scene, strict=True):
        found: Shift = find_shift(
            _log_bands(a, bands), a.clear.observed, _log_bands(b, bands), b.clear.observed
        )
        if found.votes:
            rows += [found.rows] * found.votes
            cols += [found.cols] * found.votes
            votes += found.votes
    if votes < 3:
        return 0.0, 0.0, float("nan")
    row, col = float(np.median(rows)), float(np.median(cols))
    spread_cells = 1.4826 * float(np.median(np.hypot(np.array(rows) - row, np.array(cols) - col)))
    if spread_cells > settings.worst_spread:
        return 0.0, 0.0, spread_cells
    return round(row, 3), round(col, 3), spread_cells


def _shadow(
    looks: Sequence[Look],
    usual: Sequence[NDArray[np.float32]],
    bands: BandSet,
    cell_m: float,
    settings: TriggerSettings,
) -> tuple[int, int] | None:
    """The displacement of shadows, from the block with most cloud edges."""
    best, most = None, 0.0
    for one, level in zip(looks, usual, strict=True):
        valid = one.valid
        haze = haze_field(one.reflectance, valid, level, bands)
        like = cloud_like(one.reflectance, level, haze, bands, settings.cloud_rise) & valid
        if one.given is not None:
            like |= valid & ~one.given
        share = float(like.mean())
        if min(share, 1 - share) > most:
            found = shadow_displacement(like, dark_now(one.reflectance, level, bands) & valid & ~like, cell_m)
            if found is not None:
                best, most = found, min(share, 1 - share)
    return best


def _clear_share(looks: Sequence[Look]) -> float:
    cells = sum(one.clear.observed.size for one in looks)
    return sum(int(one.clear.observed.sum()) for one in looks) / max(cells, 1)


def _line(
    looks: Sequence[Look],
    grounds: Sequence[NDArray[np.float32]],
    reflectances: Sequence[NDArray[np.float32]],
    bands: BandSet,
    skip: int,
    settings: TriggerSettings,
) -> Line:
    """The scene's radiometry against its nearest history, over all blocks. ``reflectances`` (scene, row, col, band)."""
    first_matrix = np.eye(len(bands), dtype=np.float32) / FIRST_SIGMA
    nows, refs = [], []
    for one, base, plain in zip(looks, grounds, reflectances, strict=True):
        now = whitened(one.reflectance, one.clear.observed, Line.none(len(bands)), first_matrix)
        first, which, where, _ = nearest_before(now, base, skip, 3, settings.aside)
        found = np.isfinite(first) & (which >= 0)
        match = take_match(plain, which, where)
        nows.append(one.reflectance[:, found])
        refs.append(match[found].T)
    now_all, ref_all = np.concatenate(nows, 1), np.concatenate(refs, 1)
    if now_all.shape[1] < 100:
        return Line.none(len(bands))
    return fit_line(now_all, ref_all)


class Fitter:
    """Holds the sampled blocks of the baseline while scenes are fitted to it."""

    def __init__(
        self,
        sources: Sequence[SceneSource],
        grid: Grid,
        bands: BandSet,
        settings: TriggerSettings,
        witness: SceneSource | None = None,
        align: bool = True,
        level: bool = True,
        permitted: Callable[[Grid], NDArray[np.bool_]] | None = None,
    ) -> None:
        """``sources``: baseline scenes in order of date. ``witness``: with a single baseline scene, a later one
        against which its clouds show. ``permitted``: the cells of a piece that lie in a lease."""
        self.sources, self.grid, self.bands, self.settings = list(sources), grid, bands, settings
        self.align, self.level = align, level
        self.pieces = sample_pieces(grid, len(sources) + 2, len(bands))
        self.cell_m = grid.cell_m
        self.witness = witness
        self.free = [np.ones(p.shape, bool) if permitted is None else ~permitted(p) for p in self.pieces]
        raw = [
            [placed(s.read(p), s.read_clear(p), blank(s, len(bands)), settings) for p in self.pieces]
            for s in sources
        ]
        against = raw
        if witness is not None:
            seen = [
                placed(witness.read(p), witness.read_clear(p), blank(witness, len(bands)), settings)
                for p in self.pieces
            ]
            against = [*raw, seen]
        usual = self._usual(against)
        shadows = [_shadow(looks, usual, bands, self.cell_m, settings) for looks in raw]
        judged_looks = [
            self._judged(looks, usual, shadow) for looks, shadow in zip(raw, shadows, strict=True)
        ]
        shares = [_clear_share(looks) for looks in judged_looks]
        self.reference = int(np.argmax(shares))
        fits = []
        for i, source in enumerate(sources):
            fit = replace(blank(source, len(bands)), shadow=shadows[i], clear_share=round(shares[i], 4))
            if shares[i] < settings.least_clear:
                fit = replace(fit, usable=False, why="shows too little ground")
            elif i != self.reference and align:
                rows, cols, scatter = pooled_shift(
                    judged_looks[self.reference], judged_looks[i], bands, settings
                )
                fit = replace(fit, rows=rows, cols=cols, spread=scatter)
            fits.append(fit)
        looks = [
            [placed(one.reflectance, one.given, fit, settings) for one in of]
            for of, fit in zip(raw, fits, strict=True)
        ]
        self.usual = self._usual(looks if witness is None else [*looks, against[-1]])
        looks = [self._judged(of, self.usual, fit.shadow) for of, fit in zip(looks, fits, strict=True)]
        self.keep = [i for i, fit in enumerate(fits) if fit.usable]
        if not self.keep:
            self.fit = BaselineFit(
                bands,
                tuple(fits),
                self.reference,
                np.eye(len(bands), dtype=np.float32),
                NullTable.empty(len(LAND)),
            )
            return
        self.reference_looks = looks[self.reference]
        # Radiometry of each baseline scene against the others.
        if level and len(self.keep) > 1:
            first_matrix = np.eye(len(bands), dtype=np.float32) / FIRST_SIGMA
            none = Line.none(len(bands))
            bases = [
                np.stack(
                    [
                        whitened(looks[i][p].reflectance, looks[i][p].clear.observed, none, first_matrix)
                        for i in self.keep
                    ]
                )
                for p in range(len(self.pieces))
            ]
            plains = [
                np.stack(
                    [np.ascontiguousarray(np.moveaxis(looks[i][p].reflectance, 0, -1)) for i in self.keep]
                )
                for p in range(len(self.pieces))
            ]
            for place, i in enumerate(self.keep):
                fits[i] = replace(fits[i], line=_line(looks[i], bases, plains, bands, place, settings))
            del bases, plains
        self.fits = fits
        self.looks = looks
        matrix = (
            self._matrix(np.eye(len(bands), dtype=np.float32) / FIRST_SIGMA)
            if len(self.keep) >= SHORT_HISTORY
            else None
        )
        self._settle(matrix)

    def _usual(self, looks: Sequence[Sequence[Look]]) -> list[NDArray[np.float32]]:
        return [usual_of([of[p] for of in looks], self.bands) for p in range(len(self.pieces))]

    def _judged(
        self, looks: Sequence[Look], usual: Sequence[NDArray[np.float32]], shadow: tuple[int, int] | None
    ) -> list[Look]:
        return [
            judged(one, level, self.bands, self.cell_m, shadow, self.settings)
            for one, level in zip(looks, usual, strict=True)
        ]

    def _grounds(self, matrix: NDArray[np.float32]) -> list[Ground]:
        return [
            history(
                [self.looks[i][p] for i in self.keep],
                [self.fits[i].line for i in self.keep],
                self.usual[p],
                matrix,
                self.bands,
            )
            for p in range(len(self.pieces))
        ]

    def _matrix(self, first: NDArray[np.float32]) -> NDArray[np.float32]:
        """The whitening under which a baseline scene departs from the others by one σ in every direction."""
        grounds = self._grounds(first)
        residuals = []
        for place in range(0, len(self.keep), max(1, len(self.keep) // 8)):
            for ground in grounds:
                now = ground.base[place]
                nearest, which, where, _ = nearest_before(now, ground.base, place, 4, self.settings.aside)
                found = np.isfinite(nearest) & (which >= 0)
                residuals.append((now - take_match(ground.base, which, where))[found])
        gathered = np.concatenate(residuals)
        if len(gathered) < 200:
            return first
        return (whitener(gathered @ np.linalg.inv(first.astype(np.float64)).T.astype(np.float32))).astype(
            np.float32
        )

    def _settle(self, matrix: NDArray[np.float32] | None) -> None:
        null = every = NullTable.empty(len(LAND))
        first = np.eye(len(self.bands), dtype=np.float32) / FIRST_SIGMA
        self.grounds = self._grounds(first if matrix is None else matrix)
        if matrix is not None:
            for place, i in enumerate(self.keep):
                for p, ground in enumerate(self.grounds):
                    new = novelty(
                        self.looks[i][p], self.fits[i].line, ground, matrix, self.settings, skip=place, step=2
                    )
                    seen = self.looks[i][p].clear.observed
                    null = null.with_sample(
                        counted(new, seen, matrix, self.bands, self.settings), ground.land
                    )
                    every = every.with_sample(np.where(seen, new.distance, np.nan), ground.land)
        self.every = every
        history_looks = [(self.fits[i], self.looks[i]) for i in self.keep]
        self.fit = BaselineFit(
            self.bands,
            tuple(self.fits),
            self.reference,
            first if matrix is None else matrix,
            null.pooled(),
            self._words(history_looks, inside=False),
            self._words(history_looks, inside=True),
        )

    def scene(self, source: SceneSource) -> tuple[SceneFit, NDArray[np.float32]]:
        """Fit a later scene; with it the whitening to use (a short history has none of its own)."""
        settings, bands = self.settings, self.bands
        raw = [
            placed(source.read(p), source.read_clear(p), blank(source, len(bands)), settings)
            for p in self.pieces
        ]
        fit = blank(source, len(bands))
        shadow = _shadow(raw, self.usual, bands, self.cell_m, settings)
        looks = self._judged(raw, self.usual, shadow)
        share = _clear_share(looks)
        fit = replace(fit, shadow=shadow, clear_share=round(share, 4))
        matrix = self.fit.matrix
        if share < settings.least_clear or not self.keep:
            return replace(fit, usable=False, why="shows too little ground"), matrix
        if self.align:
            rows, cols, scatter = pooled_shift(self.reference_looks, looks, bands, settings)
            fit = replace(fit, rows=rows, cols=cols, spread=scatter)
            looks = self._judged(
                [placed(one.reflectance, one.given, fit, settings) for one in raw], self.usual, shadow
            )
        if self.level:
            first_matrix = np.eye(len(bands), dtype=np.float32) / FIRST_SIGMA
            none = Line.none(len(bands))
            bases, plains = [], []
            for p in range(len(self.pieces)):
                of = [self.looks[i][p] for i in self.keep]
                plain = [
                    self.fits[i].line.undo(one.reflectance) for i, one in zip(self.keep, of, strict=True)
                ]
                bases.append(
                    np.stack(
                        [
                            whitened(v, one.clear.observed, none, first_matrix)
                            for v, one in zip(plain, of, strict=True)
                        ]
                    )
                )
                plains.append(np.stack([np.ascontiguousarray(np.moveaxis(v, 0, -1)) for v in plain]))
            fit = replace(fit, line=_line(looks, bases, plains, bands, -1, settings))
        if self.fit.short:
            matrix = self._short_matrix(looks, fit)
            fit = self._own_law(fit, looks, matrix)
        else:
            fit = self._allowance(fit, looks)
        return replace(fit, common=self._words([(fit, looks)], inside=False)), matrix

    def _exposed(
        self, line: Line, looks: Sequence[Look], inside: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """(spectra (n, band), place (n,)) of leafless cells inside or outside permitted areas."""
        spectra, places = [], []
        for number, (one, free, piece) in enumerate(zip(looks, self.free, self.pieces, strict=True)):
            plain_now = line.undo(one.reflectance)
            chosen = one.clear.observed & (free ^ inside) & (ndvi(plain_now, self.bands) < LEAFLESS)
            rows, cols = np.nonzero(chosen)
            spectra.append(plain_now[:, rows, cols].T)
            across = -(-piece.width // PLACE_CELLS)
            places.append(number * 1_000_000 + rows // PLACE_CELLS * across + cols // PLACE_CELLS)
        return np.concatenate(spectra), np.concatenate(places).astype(np.int64)

    def _words(self, fits_and_looks: Sequence[tuple[SceneFit, Sequence[Look]]], inside: bool) -> Words:
        parts = [self._exposed(fit.line, looks, inside) for fit, looks in fits_and_looks]
        spectra, places = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
        found = (
            common_spectra(spectra, places) if not inside else common_spectra(spectra, np.arange(len(places)))
        )
        return tuple(tuple(int(v) for v in word) for word in counts(found))

    def _short_matrix(self, looks: Sequence[Look], fit: SceneFit) -> NDArray[np.float32]:
        first = self.fit.matrix
        residuals = []
        for one, ground in zip(looks, self.grounds, strict=True):
            now = whitened(one.reflectance, one.clear.observed, fit.line, first)
            nearest, which, where, _ = nearest_before(now, ground.base, -1, 3, self.settings.aside)
            found = np.isfinite(nearest) & (which >= 0)
            residuals.append((now - take_match(ground.base, which, where))[found])
        gathered = np.concatenate(residuals)
        if len(gathered) < 200:
            return first
        return whitener(gathered * np.float32(FIRST_SIGMA))

    def _own_law(self, fit: SceneFit, looks: Sequence[Look], matrix: NDArray[np.float32]) -> SceneFit:
        """Without a history, each kind of land gets the law of its own unchanged majority in this scene."""
        found: list[list[NDArray[np.float32]]] = [[] for _ in LAND]
        grounds = self._grounds(matrix)
        for one, ground in zip(looks, grounds, strict=True):
            new = novelty(one, fit.line, ground, matrix, self.settings, step=2)
            land = ground.land
            for kind in range(len(LAND)):
                found[kind].append(new.distance[one.clear.observed & (land == kind)])
        pooled = np.concatenate([d for of in found for d in of])
        common = scene_law(pooled, len(self.bands))
        law = []
        for of in found:
            own = np.concatenate(of)
            law.append(scene_law(own, len(self.bands)) if np.isfinite(own).sum() >= 200 else common)
        return replace(fit, law=tuple((round(a, 4), round(b, 4)) for a, b in law))

    def _allowance(self, fit: SceneFit, looks: Sequence[Look]) -> SceneFit:
        """How much more than usual each kind of land departs in this scene: an unusual season is not digging."""
        table = NullTable.empty(len(LAND))
        for one, ground in zip(looks, self.grounds, strict=True):
            new = novelty(one, fit.line, ground, self.fit.matrix, self.settings, step=3)
            table = table.with_sample(np.where(one.clear.observed, new.distance, np.nan), ground.land)
        usual, now = self.every.quantile(0.75), table.quantile(0.75)
        cells = table.counts.sum(1)
        ratio = np.where(cells >= 60, np.maximum(1.0, now / np.maximum(usual, STEP_FLOOR)), 1.0)
        whole = table.counts.sum(0)
        misfit = 1.0
        if whole.sum() > 0:
            both = NullTable(np.stack([self.every.counts.sum(0), whole])).quantile(0.5)
            misfit = float(both[1] / max(both[0], STEP_FLOOR))
        fit = replace(fit, allowance=tuple(round(float(r), 4) for r in ratio), misfit=round(misfit, 4))
        if misfit > self.settings.worst_fit:
            return replace(
                fit, usable=False, why="does not fit the history: another processing, haze or snow"
            )
        return fit


STEP_FLOOR = 0.25
LEAFLESS = 0.40
"""NDVI below which half of a cell or more is exposed."""
