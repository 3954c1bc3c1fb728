"""What is measured on an object to tell digging from all else that is new.

Everything is relative to the object's own past, to the ground around, or a shape; absolute brightness is
not used, for marble is brighter than any roof and coal darker than any fire. A feature that a sensor cannot
see is left out of its model, never guessed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.common import UNKNOWN, rareness
from survey.imagery.triggers.ground import BARE, SEASONAL, SHORE, WATER, WOODY
from survey.imagery.triggers.product import SUSPECT, VEIL, WET, plain
from survey.imagery.triggers.shapes import axes, smallest_box
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


def _mean(values: NDArray[np.float32]) -> np.float32:
    """As ``values.mean()`` of one axis, without its overhead."""
    return np.add.reduce(values) / np.float32(len(values))


def _spread(values: NDArray[np.float32]) -> float:
    """As ``values.std()`` of one axis."""
    away = values - _mean(values)
    return float(np.sqrt(_mean(away * away)))


def _size(values: NDArray[np.float32]) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(values * values)))


def _share(mask: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(mask)) / len(mask)


def inside(cell: NDArray[np.int64], width: int) -> NDArray[np.bool_]:
    """Which cells of an object (flat indices, ascending) have all four neighbours in it."""
    out = np.ones(len(cell), bool)
    for step in (-width, -1, 1, width):
        beside = cell + step
        at = np.minimum(np.searchsorted(cell, beside), len(cell) - 1)
        out &= cell[at] == beside
    return out


def texture(
    support: Support,
    cells: NDArray[np.intp],
    novel: list[NDArray[np.bool_]],
    hits: list[int],
    bands: int,
) -> tuple[float, float, float]:
    """(brightness, colour, time), ln reflectance, root mean square: how far the cells of an object differ
    from one another in either, and each on the dates ``hits`` from its own mean.

    Means over dates are compared, so that noise and the weather of a day do not pass for faces and spoil; of
    objects with five inner cells or more only those, because a rim is a mixture.
    """
    within = inside(support.cell[cells], support.width)
    chosen = cells[within] if np.count_nonzero(within) >= 5 else cells
    total, count = np.zeros((len(chosen), bands), np.float32), np.zeros(len(chosen), np.float32)
    looks = []
    for t in hits:
        there = novel[t][chosen]
        if there.any():
            spectrum = _log(plain(support.now[support.at[t][chosen[there]]]))
            looks.append((there, spectrum))
            total[there] += spectrum
            count[there] += 1
    if not looks:
        return 0.0, 0.0, 0.0
    mean = total / np.maximum(count, 1)[:, None]
    shown = mean[count > 0]
    level = np.add.reduce(shown, 1) / np.float32(bands)
    colour = shown - level[:, None]
    away = [spectrum - mean[there] for there, spectrum in looks]
    rest = np.concatenate([one - one.mean(0) for one in away])
    return _spread(level), _size(colour - colour.mean(0)), _size(rest)


def foreign(now: F32, usual: F32, common: F32) -> tuple[float, float, float]:
    """How far a change leads away from the ground around, all ln reflectance (band,); ``common`` (n, band).

    Ground that was cleared, ploughed or left fallow turns from what it was into one of the soils that lie
    bare near by, wholly or in part. Of all straight ways from ``usual`` to a common spectrum (no farther than
    a fifth beyond it) the nearest to ``now`` is sought. Returns its distance, that distance as a share of the
    change, and how far along it ``now`` lies.
    """
    change = now - usual
    size = _size(change)
    ways = common - usual
    along = np.clip((ways * change).sum(1) / np.maximum((ways * ways).sum(1), 1e-6), 0.0, 1.2)
    away = change - along[:, None] * ways
    rest = (away * away).mean(1)
    best = int(np.argmin(rest))
    left = float(np.sqrt(rest[best]))
    return left, left / max(size, 1e-3), float(along[best])


def measure(
    support: Support,
    cells: NDArray[np.intp],
    evidence: NDArray[np.float32],
    hits: list[int],
    looks: int,
    days: NDArray[np.float64],
    born_cells: int,
    novel: list[NDArray[np.bool_]],
    bands: BandSet,
    common: NDArray[np.float32],
    worked: NDArray[np.float32],
    cell_area_m2: float,
) -> dict[str, float]:
    """Features of an object with ``cells`` (support indices) that was detected on the dates ``hits``.

    ``evidence`` is the accumulated log10 evidence of its cells, ``looks`` the clear looks since the first
    hit, ``days`` the day of every date, ``novel`` which cells were novel on each date.
    """
    # The strongest half speaks for the object; its edge is mixed with the neighbours.
    order = np.argsort(-evidence, kind="stable")
    core = cells[order[: max(3, len(cells) // 2)]]
    recent = hits[-LAST_HITS:]
    now, match, usual, distance, flags, by_hit, distance_by_hit = [], [], [], [], [], [], []
    for t in hits:
        have = core[novel[t][core]]
        if not len(have):
            have = cells[novel[t][cells]]
        at = support.at[t][have]
        if not len(at):
            continue
        spectrum = _log(plain(support.now[at]))
        by_hit.append((t, middle(spectrum)))
        distance_by_hit.append((t, float(middle(support.distance[at]))))
        if t in recent:
            now.append(spectrum)
            match.append(_log(plain(support.match[at])))
            usual.append(_log(plain(support.usual[at])))
            distance.append(support.distance[at])
            flags.append(support.flags[at])
    # Of one detection the middle is known already.
    once = len(now) == 1 and by_hit[-1][0] in recent
    spectra_ln = now[0] if len(now) == 1 else np.concatenate(now)
    a = by_hit[-1][1] if once else middle(spectra_ln)
    m = middle(np.concatenate(match))
    u = middle(np.concatenate(usual))
    flag = np.concatenate(flags)
    far = distance_by_hit[-1][1] if once else float(middle(np.concatenate(distance)))
    at_last = support.at[hits[-1]][cells[novel[hits[-1]][cells]]]
    kinds = support.land[at_last]
    green = support.green[at_last].astype(float) / 100.0
    red, nir, blue = bands.index("red"), bands.index("nir"), bands.bluest
    plain_now = np.exp(a) - 0.03
    ndvi_now = float((plain_now[nir] - plain_now[red]) / max(plain_now[nir] + plain_now[red], 1e-3))
    inner = np.add.reduce(_log(plain(support.now[at_last])), 1) / np.float32(len(a))
    inner_usual = np.add.reduce(_log(plain(support.usual[at_last])), 1) / np.float32(len(a))
    uneven, patchy, flicker = texture(support, cells, novel, recent, len(a))
    more, beside = a - u, a - m
    brighter = float(_mean(more))
    land = np.bincount(kinds, minlength=5) / len(kinds)
    rows, cols = support.rows[cells], support.cols[cells]
    elongation, fill = shape(rows, cols)
    path = np.stack([s for _, s in by_hit])
    span = max(days[hits[-1]] - days[hits[0]], 0.0)
    fade = 0.0
    half = days[hits[0]] + span / 2
    early = [v for t, v in distance_by_hit if days[t] < half]
    late = [v for t, v in distance_by_hit if days[t] >= half]
    if early and late:
        fade = float(np.log(max(np.mean(late), 0.1) / max(np.mean(early), 0.1)))
    spectra = (np.exp(spectra_ln) - 0.03).astype(np.float32)
    colours = spectra_ln - spectra_ln.mean(1, keepdims=True)
    short = bands.index("green") if bands.has("green") else blue
    if len(common):
        words = _log(common)
        around = middle(words)
        left, left_share, way = foreign(a, u, words)
    else:
        around, left, left_share, way = u, UNKNOWN / 2, 0.5, 0.5
    above = a - around
    out = {
        "foreign": left,
        "foreign_share": left_share,
        "toward_soil": way,
        "watery": float(a[short] - a[nir]),
        "barer": ndvi_now - float(middle(green[:, 0])),
        "patchy": _size(colours - middle(colours)),
        "flat": _spread(a),
        "uneven_more": _spread(inner) - _spread(inner_usual),
        "uneven_in": uneven,
        "patchy_in": patchy,
        "flicker": flicker,
        "over_ground": float(_mean(above)),
        "nir_red_ground": float(above[nir] - above[red]),
        "blue_red_ground": float(above[blue] - above[red]),
        "novelty": float(np.log(max(far, 0.1))),
        "contrast": float(np.sqrt(_mean(beside * beside))),
        "ndvi_now": ndvi_now,
        "green_high": float(middle(green[:, 1])),
        "green_low": float(middle(green[:, 0])),
        "brighter": brighter,
        "brighter_abs": abs(brighter),
        "bright": float(_mean(a)),
        "blue_red": float(a[blue] - a[red]),
        "bluer": float(more[blue] - more[red]),
        "nir_red": float(a[nir] - a[red]),
        "rare": float(middle(rareness(spectra, common))),
        "unlike_worked": float(middle(rareness(spectra, worked))) if len(worked) else UNKNOWN / 2,
        "no_lease_known": float(not len(worked)),
        "ln_area_ha": float(np.log(len(cells) * cell_area_m2 / 1e4)),
        "elongation": elongation,
        "fill": fill,
        "box": boxiness(rows, cols),
        "uneven": _spread(inner),
        "drift": float(np.sqrt(((path - path.mean(0)) ** 2).mean())) if len(path) > 1 else 0.0,
        "fade": fade,
        "one_hit": float(len(hits) == 1),
        "ln_hits": float(np.log(len(hits))),
        "hit_share": len(hits) / max(looks, 1),
        "ln_days": float(np.log1p(span)),
        "growth": float(np.log(len(cells) / max(born_cells, 1))),
        "wet": _share((flag & WET) > 0),
        "shore": float(np.count_nonzero((kinds == SHORE) | (kinds == WATER))) / len(kinds),
        "woody": float(land[WOODY]),
        "seasonal": float(land[SEASONAL]),
        "bare": float(land[BARE]),
        "doubtful": _share((flag & (SUSPECT | VEIL)) > 0),
        "veiled": _share((flag & VEIL) > 0),
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
