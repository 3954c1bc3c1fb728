"""Everything that is fitted once per scene: place, light, haze, the law of ordinary novelty.

Fits look at a few blocks of the area, always the same ones, so that they do not depend on how the area is cut
into tiles later; an area that is small enough is looked at whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid
from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.cells import leafless
from survey.imagery.triggers.clear import told
from survey.imagery.triggers.common import PLACE_CELLS, common_spectra
from survey.imagery.triggers.coregister import find_shift
from survey.imagery.triggers.ground import LAND, THIN, Look, Past, SceneFit, judged, placed, usual_of
from survey.imagery.triggers.kernels import LIKE, UNIT
from survey.imagery.triggers.normalise import Line, fit_line, log_tables, reflectance_tables, to_log, whitener
from survey.imagery.triggers.novelty import SLOW_BLOCK, counted, novelty
from survey.imagery.triggers.nulls import NullTable, scene_law
from survey.imagery.triggers.product import counts
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.sources import SceneSource
from survey.imagery.triggers.whitened import matches, nearest_before, whiten

FIRST_SIGMA = 0.06
"""ln reflectance: the spread of unchanged ground before anything is known of this place."""
SHORT_HISTORY = 3
"""With fewer baseline scenes the law of novelty comes from each scene itself."""
CLOUDY_SHARE = 0.005
"""A scene with more cloud-like cells than this has shadows too."""
SMALLEST_LEVEL = 0.25
LEAFLESS = 0.40
"""NDVI below which half of a cell or more is exposed."""
FILE_BLOCK = 512
"""Cells along a block in which files are mostly stored, or a multiple of theirs."""
STEP_LINE, STEP_NULL, STEP_LEVEL = 3, 2, 3
"""Every so many cells are looked at for radiometry, for the null, and for a scene's level."""

MOST_LINE = 50_000
"""Cells for a line of radiometry: neighbours err alike, and more would not make it surer."""

Words = tuple[tuple[int, ...], ...]
F32 = NDArray[np.float32]


@dataclass(frozen=True)
class BaselineFit:
    """All that later scenes are held against, but for the cells themselves."""

    bands: BandSet
    scenes: tuple[SceneFit, ...]
    reference: int
    matrix: F32
    null: NullTable
    common: Words = ()
    """Exposed ground that is found in many places outside permitted areas, counts."""
    worked: Words = ()
    """Exposed ground inside permitted areas."""

    @property
    def usable(self) -> tuple[int, ...]:
        return tuple(i for i, s in enumerate(self.scenes) if s.usable)

    @property
    def short(self) -> bool:
        return len(self.usable) < SHORT_HISTORY


def sample_pieces(grid: Grid, scenes: int, bands: int, budget: int = 40_000_000) -> list[Grid]:
    """Blocks of the area that fits look at: the whole, or up to 25 blocks spread evenly.

    ``budget``: scene × band × cell values that may be held at once.
    """
    allowed = budget // max(1, scenes * bands)
    if grid.height * grid.width <= allowed:
        return [grid]
    side = 256 if allowed >= 9 * 256 * 256 else 128
    per_side = int(np.clip(np.sqrt(allowed // (side * side)), 2, 5))

    def starts(size: int) -> list[int]:
        at = np.linspace(0, max(0, size - side), per_side).astype(int) // SLOW_BLOCK * SLOW_BLOCK
        # None lies across two blocks of a file: both had to be decoded.
        return sorted(
            {int(a // FILE_BLOCK * FILE_BLOCK + min(a % FILE_BLOCK, FILE_BLOCK - side)) for a in at}
        )

    return [grid[r : r + side, c : c + side] for r in starts(grid.height) for c in starts(grid.width)]


def blank(source: SceneSource, bands: int) -> SceneFit:
    """A fit that changes nothing."""
    return SceneFit(
        source.key, source.date.isoformat(), True, "", 0.0, 0.0, float("nan"), Line.none(bands), False, 1.0
    )


def first_matrix(bands: int) -> F32:
    return np.eye(bands, dtype=np.float32) / np.float32(FIRST_SIGMA)


def _edges_of(one: Look, bands: BandSet) -> F32:
    """Bands whose edges stay when leaves come and go."""
    chosen = [bands.index(b) for b in ("red", "nir", "swir1") if bands.has(b)]
    return to_log(one.counts[chosen].astype(np.float32) * np.float32(UNIT))


def pooled_shift(
    reference: Sequence[Look], scene: Sequence[Look], bands: BandSet, settings: TriggerSettings
) -> tuple[float, float, float]:
    """(rows, cols, spread) from all blocks; zero where too few windows vote or they disagree."""
    votes: list[tuple[float, float]] = []
    for a, b in zip(reference, scene, strict=True):
        found = find_shift(_edges_of(a, bands), a.clear.observed, _edges_of(b, bands), b.clear.observed)
        votes += found.where
    if len(votes) < 3:
        return 0.0, 0.0, float("nan")
    where = np.array(votes)
    centre = np.median(where, axis=0)
    spread = 1.4826 * float(np.median(np.hypot(*(where - centre).T)))
    if spread > settings.worst_spread:
        return 0.0, 0.0, spread
    return round(float(centre[0]), 3), round(float(centre[1]), 3), spread


def _share(masks: Sequence[NDArray[np.bool_]]) -> float:
    return sum(int(m.sum()) for m in masks) / max(1, sum(m.size for m in masks))


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
        threads: int = 1,
    ) -> None:
        """``sources``: baseline scenes in order of date. ``witness``: with a single baseline scene, a later
        one against which its clouds show. ``permitted``: the cells of a piece that lie in a lease.
        ``threads``: how many decode at once."""
        self.bands, self.settings, self.align, self.level = bands, settings, align, level
        self.threads = threads
        self.cell_m = grid.cell_m
        self.pieces = sample_pieces(grid, len(sources) + 2, len(bands))
        self.free = [np.ones(p.shape, bool) if permitted is None else ~permitted(p) for p in self.pieces]
        raw = self._raw(sources if witness is None else [*sources, witness])
        raw, seen = raw[: len(sources)], raw[len(sources) :]
        # The witness is fitted next, as a later scene: its blocks are not decoded twice.
        self.read_already = {} if witness is None else {witness.key: seen[0]}
        fits, judged_looks = self._first_look(sources, raw, self._usual([*raw, *seen]))
        self.reference = int(np.argmax([fit.clear_share for fit in fits]))
        if align:
            fits = [self._aligned(fit, i, judged_looks) for i, fit in enumerate(fits)]
        looks = [
            [placed(one.counts, one.given, fit, settings) for one in of]
            for of, fit in zip(raw, fits, strict=True)
        ]
        self.usual = self._usual([*looks, *seen])
        self.looks = [self._judged(of, fit.cloudy) for of, fit in zip(looks, fits, strict=True)]
        self.keep = [i for i, fit in enumerate(fits) if fit.usable]
        self.fits = fits
        if not self.keep:
            empty = NullTable.empty(len(LAND))
            self.fit = BaselineFit(bands, tuple(fits), self.reference, first_matrix(len(bands)), empty)
            return
        if level and len(self.keep) > 1:
            self._level_baseline()
        self._settle()

    # -- the baseline ------------------------------------------------------------------------------------
    def _raw(self, sources: Sequence[SceneSource]) -> list[list[Look]]:
        """The blocks of some scenes as they are, (scene, block)."""

        def look(task: tuple[SceneSource, Grid]) -> Look:
            source, piece = task
            none = blank(source, len(self.bands))
            return placed(source.read(piece), source.read_clear(piece), none, self.settings)

        tasks = [(source, piece) for source in sources for piece in self.pieces]
        if self.threads < 2 or len(tasks) < 2:
            looks = [look(task) for task in tasks]
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                looks = list(pool.map(look, tasks))
        blocks = len(self.pieces)
        return [looks[k : k + blocks] for k in range(0, len(looks), blocks)]

    def _usual(self, looks: Sequence[Sequence[Look]]) -> list[NDArray[np.uint16]]:
        return [usual_of([of[p] for of in looks], self.bands) for p in range(len(self.pieces))]

    def _judged(
        self, looks: Sequence[Look], cloudy: bool, usual: Sequence[NDArray[np.uint16]] | None = None
    ) -> list[Look]:
        levels = self.usual if usual is None else usual
        return [
            judged(one, level, self.bands, self.cell_m, cloudy, self.settings)
            for one, level in zip(looks, levels, strict=True)
        ]

    def _cloudy(self, looks: Sequence[Look], usual: Sequence[NDArray[np.uint16]]) -> bool:
        rise = self.settings.cloud_rise
        like = [
            (told(one.counts, level, self.bands, rise) & LIKE) > 0
            for one, level in zip(looks, usual, strict=True)
        ]
        marked = [one.valid & ~one.given for one in looks if one.given is not None]
        return _share(like) > CLOUDY_SHARE or (bool(marked) and _share(marked) > CLOUDY_SHARE)

    def _first_look(
        self,
        sources: Sequence[SceneSource],
        raw: Sequence[Sequence[Look]],
        usual: Sequence[NDArray[np.uint16]],
    ) -> tuple[list[SceneFit], list[list[Look]]]:
        fits, out = [], []
        for source, looks in zip(sources, raw, strict=True):
            cloudy = self._cloudy(looks, usual)
            found = self._judged(looks, cloudy, usual)
            share = round(_share([one.clear.observed for one in found]), 4)
            fit = replace(blank(source, len(self.bands)), cloudy=cloudy, clear_share=share)
            if share < self.settings.least_clear:
                fit = replace(fit, usable=False, why="shows too little ground")
            fits.append(fit)
            out.append(found)
        return fits, out

    def _aligned(self, fit: SceneFit, number: int, looks: Sequence[Sequence[Look]]) -> SceneFit:
        if number == self.reference or not fit.usable:
            return fit
        rows, cols, spread = pooled_shift(looks[self.reference], looks[number], self.bands, self.settings)
        return replace(fit, rows=rows, cols=cols, spread=spread)

    def _pasts(self) -> list[Past]:
        return [
            Past(
                [self.looks[i][p] for i in self.keep],
                [self.fits[i].line for i in self.keep],
                self.usual[p],
                self.bands,
            )
            for p in range(len(self.pieces))
        ]

    def _level_baseline(self) -> None:
        """Each baseline scene's radiometry against the others."""
        pasts = self._pasts()
        bases = [past.base(first_matrix(len(self.bands))) for past in pasts]
        for place, i in enumerate(self.keep):
            line = self._line(self.looks[i], bases, place)
            self.fits[i] = replace(self.fits[i], line=line)

    def _line(self, looks: Sequence[Look], bases: Sequence[F32], skip: int) -> Line:
        """The scene's radiometry against its nearest history, over all blocks."""
        bands = len(self.bands)
        none = log_tables(Line.none(bands))
        nows, refs = [], []
        for one, base in zip(looks, bases, strict=True):
            now = whiten(one.counts, one.clear.observed, none, first_matrix(bands), 1)
            _, which, where, _ = nearest_before(now, base, skip, STEP_LINE, self.settings.aside, 0.0)
            rows, cols = np.nonzero(which >= 0)
            logs = matches(base, which, where, rows, cols) * np.float32(FIRST_SIGMA)
            refs.append((np.exp(logs) - np.float32(0.03)).T)
            nows.append(one.counts[:, rows, cols].astype(np.float32) * np.float32(UNIT))
        now_all, ref_all = np.concatenate(nows, 1), np.concatenate(refs, 1)
        if now_all.shape[1] < 100:
            return Line.none(bands)
        every = -(-now_all.shape[1] // MOST_LINE)
        return fit_line(now_all[:, ::every], ref_all[:, ::every])

    def _residuals(self, now: F32, base: F32, skip: int, step: int) -> F32:
        _, which, where, _ = nearest_before(now, base, skip, step, self.settings.aside, 0.0)
        rows, cols = np.nonzero(which >= 0)
        return now[rows, :, cols] - matches(base, which, where, rows, cols)

    def _settle(self) -> None:
        """Whitening, law of ordinary novelty, common spectra."""
        bands = len(self.bands)
        matrix = first_matrix(bands)
        null = self.every = NullTable.empty(len(LAND))
        pasts = self._pasts()
        self.pasts = pasts
        if len(self.keep) >= SHORT_HISTORY:
            places = range(0, len(self.keep), max(1, len(self.keep) // 8))
            residuals = []
            for past in pasts:
                base = past.base(matrix)
                residuals += [self._residuals(base[place], base, place, 4) for place in places]
            gathered = np.concatenate(residuals)
            if len(gathered) >= 200:
                matrix = whitener(gathered * np.float32(FIRST_SIGMA))
            for p, past in enumerate(pasts):
                base, thin, kinds = past.base(matrix), past.base(matrix, thin=THIN), past.land().kind
                for place, i in enumerate(self.keep):
                    one, line = self.looks[i][p], self.fits[i].line
                    new = novelty(
                        one, line, past, thin, base, matrix, self.settings, skip=place, step=STEP_NULL
                    )
                    seen = one.clear.observed
                    null = null.with_sample(counted(new, seen, matrix, self.bands, self.settings), kinds)
                    self.every = self.every.with_sample(np.where(seen, new.distance, np.nan), kinds)
        history = [(self.fits[i], self.looks[i]) for i in self.keep]
        self.fit = BaselineFit(
            self.bands,
            tuple(self.fits),
            self.reference,
            matrix,
            null.pooled(),
            self._words(history, inside=False),
            self._words(history, inside=True),
        )

    # -- a later scene -----------------------------------------------------------------------------------
    def scene(self, source: SceneSource) -> tuple[SceneFit, F32]:
        """Fit a later scene; with it the whitening to use (a short history has none of its own)."""
        settings, bands = self.settings, self.bands
        matrix = self.fit.matrix
        raw = self.read_already.pop(source.key, None) or self._raw([source])[0]
        if not self.keep:
            return replace(blank(source, len(bands)), usable=False, why="there is no baseline"), matrix
        (fit,), (looks,) = self._first_look([source], [raw], self.usual)
        if not fit.usable:
            return fit, matrix
        if self.align:
            rows, cols, spread = pooled_shift(self.looks[self.reference], looks, bands, settings)
            fit = replace(fit, rows=rows, cols=cols, spread=spread)
            looks = self._judged([placed(one.counts, one.given, fit, settings) for one in raw], fit.cloudy)
        pasts = self.pasts
        if self.level:
            bases = [past.base(first_matrix(len(bands))) for past in pasts]
            fit = replace(fit, line=self._line(looks, bases, -1))
        if self.fit.short:
            matrix = self._own_matrix(looks, fit)
            fit = self._own_law(fit, looks, matrix)
        else:
            fit = self._allowance(fit, looks)
        return replace(fit, common=self._words([(fit, looks)], inside=False)), matrix

    def _own_matrix(self, looks: Sequence[Look], fit: SceneFit) -> F32:
        first = first_matrix(len(self.bands))
        tables = log_tables(fit.line)
        gathered = np.concatenate(
            [
                self._residuals(
                    whiten(one.counts, one.clear.observed, tables, first, 1), past.base(first), -1, 3
                )
                for one, past in zip(looks, self.pasts, strict=True)
            ]
        )
        return first if len(gathered) < 200 else whitener(gathered * np.float32(FIRST_SIGMA))

    def _distances(
        self, fit: SceneFit, looks: Sequence[Look], matrix: F32
    ) -> list[tuple[F32, NDArray[np.int8]]]:
        """(distance, kind of land) of the clear cells of each block, thinned."""
        out = []
        for one, past in zip(looks, self.pasts, strict=True):
            base, thin = past.base(matrix), past.base(matrix, thin=THIN)
            new = novelty(one, fit.line, past, thin, base, matrix, self.settings, step=STEP_LEVEL)
            out.append((np.where(one.clear.observed, new.distance, np.float32(np.nan)), past.land().kind))
        return out

    def _own_law(self, fit: SceneFit, looks: Sequence[Look], matrix: F32) -> SceneFit:
        """Without a history, each kind of land gets the law of its own unchanged majority in this scene."""
        found = self._distances(fit, looks, matrix)
        every = np.concatenate([d.ravel() for d, _ in found])
        kinds = np.concatenate([k.ravel() for _, k in found])
        common = scene_law(every, len(self.bands))
        law = []
        for kind in range(len(LAND)):
            own = every[kinds == kind]
            law.append(scene_law(own, len(self.bands)) if np.isfinite(own).sum() >= 200 else common)
        return replace(fit, law=tuple((round(a, 4), round(b, 4)) for a, b in law))

    def _allowance(self, fit: SceneFit, looks: Sequence[Look]) -> SceneFit:
        """How much more than usual each kind of land departs in this scene: an unusual season is not
        digging."""
        table = NullTable.empty(len(LAND))
        for distance, kinds in self._distances(fit, looks, self.fit.matrix):
            table = table.with_sample(distance, kinds)
        usual, now = self.every.quantile(0.75), table.quantile(0.75)
        ratio = np.where(
            table.counts.sum(1) >= 60, np.maximum(1.0, now / np.maximum(usual, SMALLEST_LEVEL)), 1.0
        )
        misfit = 1.0
        whole = table.counts.sum(0)
        if whole.sum() > 0:
            both = NullTable(np.stack([self.every.counts.sum(0), whole])).quantile(0.5)
            misfit = float(both[1] / max(both[0], SMALLEST_LEVEL))
        fit = replace(fit, allowance=tuple(round(float(r), 4) for r in ratio), misfit=round(misfit, 4))
        if misfit > self.settings.worst_fit:
            return replace(
                fit, usable=False, why="does not fit the history: another processing, haze or snow"
            )
        return fit

    # -- common spectra ----------------------------------------------------------------------------------
    def _exposed(self, line: Line, looks: Sequence[Look], inside: bool) -> tuple[F32, NDArray[np.int64]]:
        """(spectra (n, band), place (n,)) of leafless cells inside or outside permitted areas."""
        spectra, places = [], []
        tables = reflectance_tables(line)
        red, nir = self.bands.index("red"), self.bands.index("nir")
        for number, (one, free, piece) in enumerate(zip(looks, self.free, self.pieces, strict=True)):
            wanted = one.clear.observed & (free ^ inside)
            rows, cols, found = leafless(one.counts, wanted, tables, red, nir, LEAFLESS)
            spectra.append(found)
            across = -(-piece.width // PLACE_CELLS)
            places.append(number * 1_000_000 + rows // PLACE_CELLS * across + cols // PLACE_CELLS)
        return np.concatenate(spectra), np.concatenate(places).astype(np.int64)

    def _words(self, history: Sequence[tuple[SceneFit, Sequence[Look]]], inside: bool) -> Words:
        parts = [self._exposed(fit.line, looks, inside) for fit, looks in history]
        spectra, places = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
        # Inside leases one working is enough to be known.
        found = common_spectra(spectra, np.arange(len(places)) if inside else places)
        return tuple(tuple(int(v) for v in word) for word in counts(found))
