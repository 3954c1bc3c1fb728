"""What is measured on an object to tell digging from all else that is new.

Everything is relative to the object's own past, to the ground around, or a shape; absolute brightness is
not used, for marble is brighter than any roof and coal darker than any fire. A feature that a sensor cannot
see is left out of its model, never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.common import UNKNOWN
from survey.imagery.triggers.company import ALIKE, REACH
from survey.imagery.triggers.ground import BARE, SEASONAL, SHORE, WATER, WOODY
from survey.imagery.triggers.measured import LEAST_BOXED, beside_others, measured
from survey.imagery.triggers.product import plain
from survey.imagery.triggers.shapes import axes, smallest_box
from survey.imagery.triggers.spectra import COMPARED, GAUGES
from survey.imagery.triggers.support import Support

F32 = NDArray[np.float32]

LAST_HITS = 4
"""Spectra are averaged over this many latest detections."""

RELIEF_FLOOR = 0.02
"""ln reflectance: unevenness below this is noise."""
RELIEF_SIZE = 2.0
"""ln ha, with its sign turned: of objects smaller than exp(−2) ha the edges speak louder than what lies
within."""


def _log(reflectance: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.log(np.maximum(reflectance, 0.0) + 0.03)


def middle(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Median over the first axis. Objects are small and many: NumPy's own costs more in calls than in
    work."""
    ranked = np.sort(values, axis=0)
    n = len(ranked)
    return 0.5 * (ranked[(n - 1) // 2] + ranked[n // 2])


def shape(rows: NDArray[np.integer], cols: NDArray[np.integer]) -> tuple[float, float]:
    """(ln elongation, fill): ratio of the axes of the ellipse with the same second moments, and the share
    of that ellipse that the cells fill (1 for an ellipse, 0.95 for a rectangle, less for ragged shapes)."""
    low, high = axes(rows, cols)
    return 0.5 * math.log(high / low), len(rows) / (4.0 * math.pi * math.sqrt(low * high))


FEW_BOXED = 0.85
_TURNS = np.deg2rad(np.arange(0.0, 90.0, 3.0))
_COS, _SIN = np.cos(_TURNS), np.sin(_TURNS)


def boxiness(rows: NDArray[np.integer], cols: NDArray[np.integer]) -> float:
    """Share of the smallest turned rectangle around the cells that they fill: 1 for a building plot, 0.79
    for an ellipse. Every cell counts as a unit square; of few cells nothing can be said, and 0.85 is
    returned."""
    if len(rows) < LEAST_BOXED:
        return FEW_BOXED
    return len(rows) / smallest_box(rows, cols, _COS, _SIN)


@dataclass(frozen=True)
class Words:
    """Spectra that are known around here, ln reflectance."""

    logs: F32  # (word, band)
    across: F32  # (band, word)
    middle: F32  # (band,)


class _Same:
    """An array that is the same as another only if it is that one: a watch asks with few, many times."""

    def __init__(self, values: F32) -> None:
        self.values = values

    def __hash__(self) -> int:
        return id(self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.values is self.values


@lru_cache(maxsize=8)
def _words(known: _Same) -> Words:
    logs = _log(known.values)
    return Words(logs, np.ascontiguousarray(logs.T), middle(logs) if len(logs) else logs.sum(0))


def _fade(far_by_hit: NDArray[np.float64], days: NDArray[np.float64], span: float) -> float:
    """ln of how much farther from all history the later half of the detections lies than the earlier."""
    if len(days) < 2:
        return 0.0
    seen, half = np.isfinite(far_by_hit), days[0] + span / 2
    early, late = far_by_hit[seen & (days < half)], far_by_hit[seen & (days >= half)]
    if not len(early) or not len(late):
        return 0.0
    return float(np.log(max(np.mean(late), 0.1) / max(np.mean(early), 0.1)))


@cache
def count_logs() -> tuple[F32, F32]:
    """ln reflectance of each count, and the same of the reflectance that the first stands for."""
    every = _log(plain(np.arange(2**16, dtype=np.uint16)))
    return every, _log((np.exp(every) - 0.03).astype(np.float32))


@cache
def band_places(bands: BandSet) -> NDArray[np.int64]:
    """Where ``compared`` finds the bands it asks for."""
    others = [bands.index(n) if bands.has(n) else -1 for n in ("green", "red", "nir", "swir1", "swir2")]
    return np.array([bands.bluest, *others])


@cache
def _unseen(bands: BandSet) -> tuple[str, ...]:
    """What cannot be said without the bands it takes."""
    lacking = [n for n in ("green", "swir1", "swir2") if not bands.has(n)]
    told_by = {"green": ("green_red",), "swir1": ("watery_swir", "swir1_", "swir2_"), "swir2": ("swir2_",)}
    return tuple(n for n in COMPARED if any(n.startswith(told_by[band]) for band in lacking))


@dataclass(frozen=True)
class Objects:
    """Some objects, and on which dates each was detected. ``cells`` (support indices, ascending in each) and
    ``hits`` (dates) stand one object after the other; each begins at ``starts`` and ``hit_starts`` (object +
    1,). ``looks``, ``born`` (object,): clear looks since the first detection, and cells when first seen."""

    cells: NDArray[np.int64]
    starts: NDArray[np.int64]
    hits: NDArray[np.int64]
    hit_starts: NDArray[np.int64]
    looks: NDArray[np.int64]
    born: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        cells: Sequence[NDArray[np.intp]],
        hits: Sequence[Sequence[int]],
        looks: Sequence[int],
        born: Sequence[int],
    ) -> Objects:
        def starts(parts: Sequence[Sized]) -> NDArray[np.int64]:
            return np.cumsum([0, *map(len, parts)], dtype=np.int64)

        return cls(
            np.concatenate(cells).astype(np.int64, copy=False),
            starts(cells),
            np.array(list(chain.from_iterable(hits)), np.int64),
            starts(hits),
            np.array(looks, np.int64),
            np.array(born, np.int64),
        )

    @property
    def sizes(self) -> NDArray[np.int64]:
        return np.diff(self.starts)


def measure(
    support: Support,
    objects: Objects,
    evidence: NDArray[np.float32],
    days: NDArray[np.float64],
    novel: NDArray[np.bool_],
    bands: BandSet,
    common: NDArray[np.float32],
    worked: NDArray[np.float32],
    cell_area_m2: float,
) -> dict[str, NDArray[np.float64]]:
    """Features of objects, by name, each (object,).

    ``evidence`` (cell,) is the accumulated log10 evidence of the cells of the support, ``days`` the day of
    every date, ``novel`` (date, cell) which cells were new.
    """
    s, o = support, objects
    known, taken, (logs, again) = _words(_Same(common)), _words(_Same(worked)), count_logs()
    # The strongest half speaks for the object; its edge is mixed with the neighbours.
    spectra, said, form, kinds, far = measured(
        o.cells, o.starts, o.hits, o.hit_starts, LAST_HITS, evidence, s.at, novel, s.cell, s.width,
        s.rows, s.cols, s.now, s.match, s.usual, s.distance, s.log10_p, s.flags, s.land, s.green,
        logs, again, known.across, taken.across, _COS, _SIN,
    )  # fmt: skip
    around = known.middle if len(known.logs) else known.middle[:0]
    told, beside = beside_others(
        o.cells, o.starts, o.hits[o.hit_starts[:-1]], s.at, novel, s.cell, s.width, s.now, logs, spectra,
        np.exp(spectra[:, 0]) - np.float32(0.03), around, known.logs, band_places(bands), UNKNOWN / 2,
        REACH, ALIKE,
    )  # fmt: skip
    out: dict[str, NDArray[np.float64]] = dict(zip(GAUGES, said.T, strict=True))
    out.update(zip(COMPARED, told.T, strict=True))
    for name in _unseen(bands):
        del out[name]
    first, last = days[o.hits[o.hit_starts[:-1]]], days[o.hits[o.hit_starts[1:] - 1]]
    span, many, size = np.maximum(last - first, 0.0), np.diff(o.hit_starts), o.sizes
    area, low, high = np.log(size * cell_area_m2 / 1e4), form[:, 0], form[:, 1]
    # Faces, shade and spoil of one rock differ in light; roofs amid earth, or crops, in colour.
    relief = _each(math.log, (out["uneven_in"] + RELIEF_FLOOR) / (out["patchy_in"] + RELIEF_FLOOR))
    shown = kinds.sum(1)
    if not len(worked):
        out["unlike_worked"] = np.full(len(size), UNKNOWN / 2)
    return out | {
        "relief": relief,
        "relief_large": relief * (area + RELIEF_SIZE),
        "company": beside,
        "surprise": -form[:, 3],
        "barer": out["ndvi_now"] - out["green_low"],
        "uneven_more": out["uneven"] - out.pop("uneven_usual"),
        "brighter_abs": np.abs(out["brighter"]),
        "no_lease_known": np.full(len(size), float(not len(worked))),
        "novelty": np.log(np.maximum(out.pop("distance"), 0.1)),
        "ln_area_ha": area,
        "elongation": 0.5 * _each(math.log, high / low),
        "fill": size / (4.0 * math.pi * np.sqrt(low * high)),
        "box": _boxiness(size, form[:, 2]),
        "fade": _fades(far, o, days, span),
        "one_hit": (many == 1).astype(np.float64),
        "ln_hits": np.log(many),
        "hit_share": many / np.maximum(o.looks, 1),
        "ln_days": np.log1p(span),
        "growth": np.log(size / np.maximum(o.born, 1)),
        "shore": (kinds[:, SHORE] + kinds[:, WATER]) / shown,
        "woody": kinds[:, WOODY] / shown,
        "seasonal": kinds[:, SEASONAL] / shown,
        "bare": kinds[:, BARE] / shown,
    }


def _each(function: Callable[[float], float], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """As Python has it: NumPy's own logarithm may differ in the last digit."""
    return np.array([function(v) for v in values.tolist()])


def _boxiness(size: NDArray[np.int64], box: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(size < LEAST_BOXED, FEW_BOXED, size / np.where(size < LEAST_BOXED, 1.0, box))


def _fades(
    far: NDArray[np.float64], o: Objects, days: NDArray[np.float64], span: NDArray[np.float64]
) -> NDArray[np.float64]:
    out = np.zeros(len(span))
    for k in np.nonzero(np.diff(o.hit_starts) > 1)[0]:
        own = slice(o.hit_starts[k], o.hit_starts[k + 1])
        out[k] = _fade(far[own], days[o.hits[own]], float(span[k]))
    return out
