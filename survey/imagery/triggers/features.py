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
from survey.imagery.triggers.ground import BARE, SEASONAL, SHORE, WATER, WOODY
from survey.imagery.triggers.product import plain
from survey.imagery.triggers.shapes import axes, smallest_box
from survey.imagery.triggers.spectra import GAUGES, gauged, ways
from survey.imagery.triggers.sums import mean_of, size_of, spread_of
from survey.imagery.triggers.support import Support

F32 = NDArray[np.float32]

LAST_HITS = 4
"""Spectra are averaged over this many latest detections."""


def _log(reflectance: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.log(np.maximum(reflectance, 0.0) + 0.03)


def middle(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Median over the first axis. Objects are small and many: NumPy's own costs more in calls than in
    work."""
    ranked = np.sort(values, axis=0)
    n = len(ranked)
    return 0.5 * (ranked[(n - 1) // 2] + ranked[n // 2])


def shape(rows: NDArray[np.int64], cols: NDArray[np.int64]) -> tuple[float, float]:
    """(ln elongation, fill): ratio of the axes of the ellipse with the same second moments, and the share
    of that ellipse that the cells fill (1 for an ellipse, 0.95 for a rectangle, less for ragged shapes)."""
    low, high = axes(rows, cols)
    return 0.5 * math.log(high / low), len(rows) / (4.0 * math.pi * math.sqrt(low * high))


_TURNS = np.deg2rad(np.arange(0.0, 90.0, 3.0))
_COS, _SIN = np.cos(_TURNS), np.sin(_TURNS)


def boxiness(rows: NDArray[np.int64], cols: NDArray[np.int64]) -> float:
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


@lru_cache(maxsize=8)
def _words(content: bytes, bands: int) -> Words:
    logs = _log(np.frombuffer(content, np.float32).reshape(-1, bands))
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


def foreign(now: F32, usual: F32, common: F32) -> tuple[float, float, float]:
    """How far a change leads away from the ground around, all ln reflectance (band,); ``common`` (n, band).

    Ground that was cleared, ploughed or left fallow turns from what it was into one of the soils that lie
    bare near by, wholly or in part. Of all straight ways from ``usual`` to a common spectrum (no farther than
    a fifth beyond it) the nearest to ``now`` is sought. Returns its distance, that distance as a share of the
    change, and how far along it ``now`` lies.
    """
    found: tuple[float, float, float] = ways(now, usual, common)
    return found


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
    number = support.now.shape[1]
    known = _words(np.ascontiguousarray(common, np.float32).tobytes(), number)
    taken = _words(np.ascontiguousarray(worked, np.float32).tobytes(), number)
    a, m, u, far_by_hit, said, kinds = gauged(
        core, cells, np.array(hits), min(LAST_HITS, len(hits)), support.at, novel,
        support.cell, support.width, support.now, support.match, support.usual, support.distance,
        support.flags, support.land, support.green, *_logs(), known.across, taken.across,
    )  # fmt: skip
    gauge = dict(zip(GAUGES, said.tolist(), strict=True))
    red, nir, blue = bands.index("red"), bands.index("nir"), bands.bluest
    plain_now = np.exp(a) - 0.03
    ndvi_now = float((plain_now[nir] - plain_now[red]) / max(plain_now[nir] + plain_now[red], 1e-3))
    more, beside = a - u, a - m
    brighter = float(mean_of(more, number))
    land = (kinds / kinds.sum()).tolist()
    rows, cols = support.rows[cells], support.cols[cells]
    elongation, fill = shape(rows, cols)
    span = max(days[hits[-1]] - days[hits[0]], 0.0)
    short = bands.index("green") if bands.has("green") else blue
    if len(known.logs):
        around = known.middle
        left, left_share, way = foreign(a, u, known.logs)
    else:
        around, left, left_share, way = u, UNKNOWN / 2, 0.5, 0.5
    above = a - around
    out = {
        "foreign": left,
        "foreign_share": left_share,
        "toward_soil": way,
        "watery": float(a[short] - a[nir]),
        "barer": ndvi_now - gauge["green_low"],
        "patchy": gauge["patchy"],
        "flat": float(spread_of(a.copy(), number)),
        "uneven_more": gauge["uneven"] - gauge["uneven_usual"],
        "uneven_in": gauge["uneven_in"],
        "patchy_in": gauge["patchy_in"],
        "flicker": gauge["flicker"],
        "over_ground": float(mean_of(above, number)),
        "nir_red_ground": float(above[nir] - above[red]),
        "blue_red_ground": float(above[blue] - above[red]),
        "novelty": float(np.log(max(gauge["distance"], 0.1))),
        "contrast": float(size_of(beside, number)),
        "ndvi_now": ndvi_now,
        "green_high": gauge["green_high"],
        "green_low": gauge["green_low"],
        "brighter": brighter,
        "brighter_abs": abs(brighter),
        "bright": float(mean_of(a, number)),
        "blue_red": float(a[blue] - a[red]),
        "bluer": float(more[blue] - more[red]),
        "nir_red": float(a[nir] - a[red]),
        "rare": gauge["rare"],
        "unlike_worked": gauge["unlike_worked"] if len(worked) else UNKNOWN / 2,
        "no_lease_known": float(not len(worked)),
        "ln_area_ha": float(np.log(len(cells) * cell_area_m2 / 1e4)),
        "elongation": elongation,
        "fill": fill,
        "box": boxiness(rows, cols),
        "uneven": gauge["uneven"],
        "drift": gauge["drift"],
        "fade": _fade(far_by_hit, days[hits], span),
        "one_hit": float(len(hits) == 1),
        "ln_hits": float(np.log(len(hits))),
        "hit_share": len(hits) / max(looks, 1),
        "ln_days": float(np.log1p(span)),
        "growth": float(np.log(len(cells) / max(born_cells, 1))),
        "wet": gauge["wet"],
        "shore": float(kinds[SHORE] + kinds[WATER]) / float(kinds.sum()),
        "woody": land[WOODY],
        "seasonal": land[SEASONAL],
        "bare": land[BARE],
        "doubtful": gauge["doubtful"],
        "veiled": gauge["veiled"],
    }
    if bands.has("swir1"):
        s1 = bands.index("swir1")
        out["watery_swir"] = float(a[short] - max(a[nir], a[s1]))
        out["swir1_nir"] = float(a[s1] - a[nir])
        out["swir1_nir_more"] = float(more[s1] - more[nir])
        out["swir1_nir_ground"] = float(above[s1] - above[nir])
    if bands.has("swir1") and bands.has("swir2"):
        s1, s2 = bands.index("swir1"), bands.index("swir2")
        out["swir2_swir1"] = float(a[s2] - a[s1])
        out["swir2_swir1_more"] = float(more[s2] - more[s1])
        out["swir2_swir1_ground"] = float(above[s2] - above[s1])
    if bands.has("green"):
        g = bands.index("green")
        out["green_red"] = float(a[g] - a[red])
    return out
