"""All objects of one date measured in two calls: they are many and small, and a call costs more than a loop.

What an object is measured by stands in ``spectra``, ``shapes`` and ``company``; here it is asked of one after
the other. The numbers of an object do not depend on which others it is measured with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers.company import company
from survey.imagery.triggers.ground import KINDS
from survey.imagery.triggers.product import WET
from survey.imagery.triggers.shapes import axes, smallest_box
from survey.imagery.triggers.spectra import FIGURES, GAUGED, compared, gauged, log_middles, middle_at
from survey.imagery.triggers.sums import mean_of, spread_of
from survey.jit import kernel

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U16 = NDArray[np.uint16]
Mask = NDArray[np.bool_]

SHAPES = ("low", "high", "box", "log10_p")
"""Of each object: variances along both axes and the smallest rectangle around it, cells²; middle rarity."""
FORMS = len(SHAPES)
LEAST_BOXED = 9
"""Of fewer cells no rectangle is sought."""


@kernel
def strongest(cells: I64, evidence: F32) -> I64:
    """The half of an object's cells with the most evidence, three at least; of equals the first."""
    order = np.argsort(-evidence[cells], kind="mergesort")
    return cells[order[: max(3, len(cells) // 2)]]


@kernel
def _new_on(cells: I64, novel: Mask, at: NDArray[np.int32]) -> I64:
    """Candidates of the cells that were new on a date; ``novel`` and ``at`` (cell,)."""
    out = np.empty(len(cells), np.int64)
    n = 0
    for i in cells:
        if novel[i]:
            out[n] = at[i]
            n += 1
    return out[:n]


@kernel
def measured(
    cells: I64,
    starts: I64,
    hits: I64,
    hit_starts: I64,
    most_recent: int,
    evidence: F32,
    at: NDArray[np.int32],
    novel: Mask,
    cell: I64,
    width: int,
    rows: NDArray[np.int32],
    cols: NDArray[np.int32],
    now: U16,
    match: U16,
    usual: U16,
    distance: F32,
    log10_p: F32,
    flags: NDArray[np.uint8],
    land: NDArray[np.uint8],
    green: NDArray[np.int8],
    logs: F32,
    again: F32,
    common: F32,
    worked: F32,
    cos: F64,
    sin: F64,
) -> tuple[F32, F64, F64, I64, F64]:
    """``gauged`` and the shape of many objects.

    Parameters
    ----------
    cells, starts :
        Support indices of all objects, one after the other, and where each begins (object + 1,).
    hits, hit_starts :
        The same of the dates of their detections.
    evidence :
        (cell,) of the support.
    cos, sin :
        Of the angles at which the smallest rectangle is sought.

    Others as in ``gauged``.

    Returns
    -------
    Middle spectra now, of the nearest history and usually (object, 3, band), ln; figures (object, gauge)
    and (object, ``SHAPES``); cells of each kind of land on the last hit (object, kind); the middle distance
    on each hit (hit,).
    """
    n, bands = len(starts) - 1, now.shape[1]
    spectra = np.empty((n, 3, bands), np.float32)
    said, form = np.empty((n, GAUGED), np.float64), np.empty((n, FORMS), np.float64)
    kinds, far = np.empty((n, KINDS), np.int64), np.empty(len(hits), np.float64)
    for k in range(n):
        own, days = cells[starts[k] : starts[k + 1]], hits[hit_starts[k] : hit_starts[k + 1]]
        a, m, u, by_hit, gauges, lands = gauged(
            strongest(own, evidence), own, days, min(most_recent, len(days)), at, novel, cell, width,
            now, match, usual, distance, flags, land, green, logs, again, common, worked,
        )  # fmt: skip
        spectra[k, 0], spectra[k, 1], spectra[k, 2] = a, m, u
        said[k], kinds[k], far[hit_starts[k] : hit_starts[k + 1]] = gauges, lands, by_hit
        form[k, 0], form[k, 1] = axes(rows[own], cols[own])
        form[k, 2] = smallest_box(rows[own], cols[own], cos, sin) if len(own) >= LEAST_BOXED else 0.0
        form[k, 3] = middle_at(log10_p, _new_on(own, novel[days[-1]], at[days[-1]]))
    return spectra, said, form, kinds, far


@kernel
def beside_others(
    cells: I64,
    starts: I64,
    first: I64,
    at: NDArray[np.int32],
    novel: Mask,
    cell: I64,
    width: int,
    now: U16,
    logs: F32,
    spectra: F32,
    plain: F32,
    around: F32,
    common: F32,
    place: I64,
    unknown: float,
    reach: int,
    alike: float,
) -> tuple[F64, F64]:
    """``compared`` (object, figure) and ``company`` (object,) of many objects.

    ``first`` (object,): the date on which each was first detected. ``spectra`` (object, 3, band) as
    ``measured`` gives them, ``plain`` (object, band) reflectance now; ``around`` (band,), or empty where
    nothing is known of the ground around.
    """
    n = len(starts) - 1
    told, beside = np.empty((n, FIGURES), np.float64), np.empty(n, np.float64)
    for k in range(n):
        own = cells[starts[k] : starts[k + 1]]
        a, m, u = spectra[k, 0], spectra[k, 1], spectra[k, 2]
        told[k] = compared(a, m, u, around if len(around) else u, plain[k], common, place, unknown)
        beside[k] = company(own, first[k], cell, width, at, novel, now, logs, a, reach, alike)
    return told, beside


SINCE = ("since_brighter", "since_bluer", "since_nir", "since_grey", "since_wet", "since_swir")
"""What ``since_first`` says, in this order."""
CHANGES = len(SINCE)


@kernel
def _look(
    cells: I64,
    days: I64,
    at: NDArray[np.int32],
    novel: Mask,
    now: U16,
    flags: NDArray[np.uint8],
    logs: F32,
) -> tuple[F32, float, bool]:
    """(median ln reflectance (band,), share of open water) on the first of ``days`` that shows any cell as
    new, and whether there was one."""
    for t in days:
        seen = _new_on(cells, novel[t], at[t])
        if len(seen):
            wet = 0
            for i in seen:
                wet += (flags[i] & WET) != 0
            return log_middles(now, seen, logs), wet / len(seen), True
    return np.zeros(now.shape[1], np.float32), 0.0, False


@kernel
def since_first(
    cells: I64,
    starts: I64,
    hits: I64,
    hit_starts: I64,
    at: NDArray[np.int32],
    novel: Mask,
    now: U16,
    flags: NDArray[np.uint8],
    logs: F32,
    place: I64,
) -> F64:
    """(object, ``SINCE``): changes from the first detection of each object to its last.

    ``place`` as in ``compared``. All are differences of ln reflectance but ``since_wet``, a difference of
    shares; nothing has changed after one detection.
    """
    n, bands = len(starts) - 1, now.shape[1]
    out = np.zeros((n, CHANGES), np.float64)
    blue, red, nir, swir1 = place[0], place[2], place[3], place[4]
    change = np.empty(bands, np.float32)
    for k in range(n):
        own, days = cells[starts[k] : starts[k + 1]], hits[hit_starts[k] : hit_starts[k + 1]]
        if len(days) < 2:
            continue
        first, wet_first, begun = _look(own, days, at, novel, now, flags, logs)
        last, wet_last, ended = _look(own, days[::-1], at, novel, now, flags, logs)
        if not (begun and ended):
            continue
        for b in range(bands):
            change[b] = last[b] - first[b]
        out[k, 0] = mean_of(change, bands)
        out[k, 1] = change[blue] - change[red]
        out[k, 2] = change[nir] - change[red]
        out[k, 3] = spread_of(last, bands) - spread_of(first, bands)
        out[k, 4] = wet_last - wet_first
        if swir1 >= 0:
            out[k, 5] = change[swir1] - change[nir]
    return out
