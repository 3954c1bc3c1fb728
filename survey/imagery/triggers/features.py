"""What is measured on an object to tell digging from all else that is new.

Everything is relative to the object's own past, to the ground around, or a shape; absolute brightness is
not used, for marble is brighter than any roof and coal darker than any fire. A feature that a sensor cannot
see is left out of its model, never guessed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.common import UNKNOWN
from survey.imagery.triggers.company import ALIKE, REACH, company
from survey.imagery.triggers.ground import BARE, SEASONAL, SHORE, WATER, WOODY
from survey.imagery.triggers.product import plain
from survey.imagery.triggers.shapes import axes, smallest_box
from survey.imagery.triggers.spectra import COMPARED, GAUGES, compared, gauged
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


_TURNS = np.deg2rad(np.arange(0.0, 90.0, 3.0))
_COS, _SIN = np.cos(_TURNS), np.sin(_TURNS)


def boxiness(rows: NDArray[np.integer], cols: NDArray[np.integer]) -> float:
    """Share of the smallest turned rectangle around the cells that they fill: 1 for a building plot, 0.79
    for an ellipse. Every cell counts as a unit square; of few cells nothing can be said, and 0.85 is
    returned."""
    if len(rows) < 9:
        return 0.85
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
def _logs() -> tuple[F32, F32]:
    """ln reflectance of each count, and the same of the reflectance that the first stands for."""
    every = _log(plain(np.arange(2**16, dtype=np.uint16)))
    return every, _log((np.exp(every) - 0.03).astype(np.float32))


@cache
def _places(bands: BandSet) -> NDArray[np.int64]:
    """Where ``compared`` finds the bands it asks for."""
    others = [bands.index(n) if bands.has(n) else -1 for n in ("green", "red", "nir", "swir1", "swir2")]
    return np.array([bands.bluest, *others])


@cache
def _unseen(bands: BandSet) -> tuple[str, ...]:
    """What cannot be said without the bands it takes."""
    lacking = [n for n in ("green", "swir1", "swir2") if not bands.has(n)]
    told_by = {"green": ("green_red",), "swir1": ("watery_swir", "swir1_", "swir2_"), "swir2": ("swir2_",)}
    return tuple(n for n in COMPARED if any(n.startswith(told_by[band]) for band in lacking))


def measure(
    support: Support,
    cells: NDArray[np.intp],
    evidence: NDArray[np.float32],
    hits: list[int],
    looks: int,
    days: NDArray[np.float64],
    born_cells: int,
    novel: NDArray[np.bool_],
    bands: BandSet,
    common: NDArray[np.float32],
    worked: NDArray[np.float32],
    cell_area_m2: float,
) -> dict[str, float]:
    """Features of an object with ``cells`` (support indices) that was detected on the dates ``hits``.

    ``evidence`` is the accumulated log10 evidence of its cells, ``looks`` the clear looks since the first
    hit, ``days`` the day of every date, ``novel`` (date, cell) which cells of the support were new.
    """
    # The strongest half speaks for the object; its edge is mixed with the neighbours.
    order = np.argsort(-evidence, kind="stable")
    core = cells[order[: max(3, len(cells) // 2)]]
    known, taken = _words(_Same(common)), _words(_Same(worked))
    a, m, u, far_by_hit, said, kinds = gauged(
        core, cells, np.array(hits), min(LAST_HITS, len(hits)), support.at, novel,
        support.cell, support.width, support.now, support.match, support.usual, support.distance,
        support.flags, support.land, support.green, *_logs(), known.across, taken.across,
    )  # fmt: skip
    around = known.middle if len(known.logs) else u
    told = compared(a, m, u, around, np.exp(a) - np.float32(0.03), known.logs, _places(bands), UNKNOWN / 2)
    out: dict[str, float] = dict(zip(GAUGES, said.tolist(), strict=True))
    out.update(zip(COMPARED, told.tolist(), strict=True))
    for name in _unseen(bands):
        del out[name]
    span = float(max(days[hits[-1]] - days[hits[0]], 0.0))
    rows, cols = support.rows[cells], support.cols[cells]
    elongation, fill = shape(rows, cols)
    novelty, area, many, grown = np.log(
        [
            max(out.pop("distance"), 0.1),
            len(cells) * cell_area_m2 / 1e4,
            len(hits),
            len(cells) / max(born_cells, 1),
        ]
    ).tolist()
    # Faces, shade and spoil of one rock differ in light; roofs amid earth, or crops, in colour.
    relief = math.log((out["uneven_in"] + RELIEF_FLOOR) / (out["patchy_in"] + RELIEF_FLOOR))
    beside = company(
        cells, hits[0], support.cell, support.width, support.at, novel, support.now, _logs()[0], a,
        REACH, ALIKE,
    )  # fmt: skip
    new = cells[novel[hits[-1]][cells]]
    land = kinds.tolist()
    shown = sum(land)
    if not len(worked):
        out["unlike_worked"] = UNKNOWN / 2
    return out | {
        "relief": relief,
        "relief_large": relief * (area + RELIEF_SIZE),
        "company": beside,
        "surprise": -float(middle(support.log10_p[support.at[hits[-1]][new]])),
        "barer": out["ndvi_now"] - out["green_low"],
        "uneven_more": out["uneven"] - out.pop("uneven_usual"),
        "brighter_abs": abs(out["brighter"]),
        "no_lease_known": float(not len(worked)),
        "novelty": novelty,
        "ln_area_ha": area,
        "elongation": elongation,
        "fill": fill,
        "box": boxiness(rows, cols),
        "fade": _fade(far_by_hit, days[hits], span),
        "one_hit": float(len(hits) == 1),
        "ln_hits": many,
        "hit_share": len(hits) / max(looks, 1),
        "ln_days": float(np.log1p(span)),
        "growth": grown,
        "shore": (land[SHORE] + land[WATER]) / shown,
        "woody": land[WOODY] / shown,
        "seasonal": land[SEASONAL] / shown,
        "bare": land[BARE] / shown,
    }
