"""The loops over the cells of one object: what their spectra say, now and beside what was there.

Objects are many and small, and NumPy costs more in calls than in work. Spectra are kept as counts; every
count has one logarithm, so all of them are looked up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers.common import UNKNOWN
from survey.imagery.triggers.ground import KINDS
from survey.imagery.triggers.product import SUSPECT, VEIL, WET
from survey.imagery.triggers.sums import mean_of, middle_of, size_of, spread_of
from survey.jit import kernel

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U16 = NDArray[np.uint16]
Mask = NDArray[np.bool_]


@kernel
def log_middles(kept: U16, at: I64, logs: F32) -> F32:
    """(band,): median ln of the spectra ``kept`` (row, band) in the rows ``at``."""
    n, bands = len(at), kept.shape[1]
    out, one = np.empty(bands, np.float32), np.empty(n, np.float32)
    for b in range(bands):
        for i in range(n):
            one[i] = logs[kept[at[i], b]]
        out[b] = middle_of(one, n)
    return out


@kernel
def middle_at(values: F32, at: I64) -> float:
    """Median of some of the values."""
    chosen = np.empty(len(at), np.float32)
    for i in range(len(at)):
        chosen[i] = values[at[i]]
    return middle_of(chosen, len(at))


@kernel
def levels(kept: U16, at: I64, logs: F32) -> F32:
    """(n,): mean ln of each spectrum."""
    n, bands = len(at), kept.shape[1]
    out = np.zeros(n, np.float32)
    for i in range(n):
        for b in range(bands):
            out[i] += logs[kept[at[i], b]]
        out[i] /= np.float32(bands)
    return out


@kernel
def patchiness(kept: U16, at: I64, logs: F32) -> float:
    """Root mean square ln departure of each cell's colour from the middle colour."""
    n, bands = len(at), kept.shape[1]
    level = levels(kept, at, logs)
    away, one = np.empty(n * bands, np.float32), np.empty(n, np.float32)
    for b in range(bands):
        for i in range(n):
            one[i] = logs[kept[at[i], b]] - level[i]
            away[i * bands + b] = one[i]
        middle = np.float32(middle_of(one, n))
        for i in range(n):
            away[i * bands + b] -= middle
    return float(size_of(away, n * bands))


@kernel
def rareness_at(kept: U16, at: I64, logs: F32, words: F32) -> float:
    """Median over some spectra of ``common.rareness``; ``words`` (band, word) in ln."""
    n, bands = len(at), kept.shape[1]
    count, half = np.float32(bands), np.float32(0.5)
    out = np.empty(n, np.float32)
    shift, total = np.empty(words.shape[1], np.float32), np.empty(words.shape[1], np.float32)
    for i in range(n):
        # Band by band over all words: the loops then take several words at a time.
        shift[:] = 0.0
        for b in range(bands):
            mine = logs[kept[at[i], b]]
            for j in range(len(shift)):
                shift[j] += mine - words[b, j]
        for j in range(len(shift)):
            shift[j] = half * (shift[j] / count)
        total[:] = 0.0
        for b in range(bands):
            mine = logs[kept[at[i], b]]
            for j in range(len(shift)):
                away = (mine - words[b, j]) - shift[j]
                total[j] += away * away
        best = np.float32(np.inf)
        for j in range(len(total)):
            best = min(best, total[j])
        out[i] = min(np.sqrt(best / count), np.float32(UNKNOWN))
    return middle_of(out, n)


@kernel
def foreign(now: F32, usual: F32, common: F32) -> tuple[float, float, float]:
    """How far a change leads away from the ground around, all ln reflectance (band,); ``common`` (n, band).

    Ground that was cleared, ploughed or left fallow turns from what it was into one of the soils that lie
    bare near by, wholly or in part. Of all straight ways from ``usual`` to a common spectrum (no farther than
    a fifth beyond it) the nearest to ``now`` is sought. Returns its distance, that distance as a share of the
    change, and how far along it ``now`` lies.
    """
    bands = len(now)
    count = np.float32(bands)
    change, squares = np.empty(bands, np.float32), np.empty(bands, np.float32)
    for b in range(bands):
        change[b] = now[b] - usual[b]
        squares[b] = change[b]
    size = size_of(squares, bands)
    left, best_along = np.float32(np.inf), np.float32(0.0)
    for j in range(len(common)):
        dot, length = np.float32(0.0), np.float32(0.0)
        for b in range(bands):
            way = common[j, b] - usual[b]
            dot += way * change[b]
            length += way * way
        along = min(max(dot / max(length, np.float32(1e-6)), np.float32(0.0)), np.float32(1.2))
        rest = np.float32(0.0)
        for b in range(bands):
            away = change[b] - along * (common[j, b] - usual[b])
            rest += away * away
        rest /= count
        if rest < left:
            left, best_along = rest, along
    away = float(np.sqrt(left))
    return away, away / max(float(size), 1e-3), float(best_along)


@kernel
def _holds(cell: I64, cells: I64, wanted: int) -> bool:
    """Whether an object (support indices, ascending) holds the cell with this flat index."""
    low, high = 0, len(cells)
    while low < high:
        half = (low + high) // 2
        if cell[cells[half]] < wanted:
            low = half + 1
        else:
            high = half
    return low < len(cells) and cell[cells[low]] == wanted


@kernel
def inner_cells(cell: I64, cells: I64, width: int) -> I64:
    """Those of an object's cells that have all four neighbours in it."""
    out = np.empty(len(cells), np.int64)
    n = 0
    for i in cells:
        at = cell[i]
        if (
            _holds(cell, cells, at - width)
            and _holds(cell, cells, at - 1)
            and _holds(cell, cells, at + 1)
            and _holds(cell, cells, at + width)
        ):
            out[n] = i
            n += 1
    return out[:n]


@kernel
def texture(
    kept: U16,
    at: NDArray[np.int32],
    novel: Mask,
    chosen: I64,
    dates: I64,
    logs: F32,
) -> tuple[float, float, float]:
    """(brightness, colour, time), ln reflectance, root mean square: how far the cells ``chosen`` (support
    indices) of an object differ from one another in either, and each on some dates from its own mean.

    Means over dates are compared, so that noise and the weather of a day do not pass for faces and spoil.
    ``at`` and ``novel`` (date, cell).
    """
    n, bands = len(chosen), kept.shape[1]
    mean, count = np.zeros((n, bands), np.float32), np.zeros(n, np.float32)
    looks = 0
    for t in dates:
        for i in range(n):
            if novel[t, chosen[i]]:
                count[i] += np.float32(1.0)
                looks += 1
                for b in range(bands):
                    mean[i, b] += logs[kept[at[t, chosen[i]], b]]
    if looks == 0:
        return 0.0, 0.0, 0.0
    shown = 0
    level, colour = np.empty(n, np.float32), np.empty(n * bands, np.float32)
    for i in range(n):
        if count[i] == 0:
            continue
        total = np.float32(0.0)
        for b in range(bands):
            mean[i, b] /= count[i]
            total += mean[i, b]
        level[shown] = total / np.float32(bands)
        for b in range(bands):
            colour[shown * bands + b] = mean[i, b] - level[shown]
        shown += 1
    _centre(colour, 0, shown, bands)
    rest = np.empty(looks * bands, np.float32)
    begun = 0
    for t in dates:
        end = begun
        for i in range(n):
            if novel[t, chosen[i]]:
                for b in range(bands):
                    rest[end * bands + b] = logs[kept[at[t, chosen[i]], b]] - mean[i, b]
                end += 1
        _centre(rest, begun, end, bands)
        begun = end
    return (
        float(spread_of(level, shown)),
        float(size_of(colour, shown * bands)),
        float(size_of(rest, looks * bands)),
    )


@kernel
def _centre(values: F32, first: int, end: int, bands: int) -> None:
    """Take the mean of each band off the rows [first, end) of (row · band,)."""
    for b in range(bands):
        total = np.float32(0.0)
        for i in range(first, end):
            total += values[i * bands + b]
        if end > first:
            mean = total / np.float32(end - first)
            for i in range(first, end):
                values[i * bands + b] -= mean


GAUGES = (
    "wet", "doubtful", "veiled", "distance", "green_low", "green_high", "uneven", "uneven_usual",
    "patchy", "rare", "unlike_worked", "drift", "uneven_in", "patchy_in", "flicker",
)  # fmt: skip
"""What ``gauged`` says, in this order."""
GAUGED = len(GAUGES)


@kernel
def gauged(
    core: I64,
    cells: I64,
    hits: I64,
    recent: int,
    at: NDArray[np.int32],
    novel: Mask,
    cell: I64,
    width: int,
    now: U16,
    match: U16,
    usual: U16,
    distance: F32,
    flags: NDArray[np.uint8],
    land: NDArray[np.uint8],
    green: NDArray[np.int8],
    logs: F32,
    again: F32,
    common: F32,
    worked: F32,
) -> tuple[F32, F32, F32, F64, F64, I64]:
    """All that is measured on the spectra of an object.

    Parameters
    ----------
    core, cells :
        Support indices of its strongest half and of the whole, ascending the latter.
    hits, recent :
        Dates of its detections, and how many of the last of them speak for its look now.
    at, novel :
        (date, cell) of the support.
    logs, again :
        ln of each count, and ln of the reflectance that it stands for.
    common, worked :
        (band, word) ln.

    Returns
    -------
    Middle spectra now, of the nearest history, and usually (band,), ln; the middle distance on each hit
    (NaN where none of its cells was novel); figures in the order of ``GAUGES``;
    number of cells of each kind of land (kind,) on the last hit.
    """
    bands = now.shape[1]
    paths, path_looks = np.empty(len(hits) * bands, np.float32), 0
    far_by_hit = np.full(len(hits), np.nan)
    rows = np.empty(len(core) * recent + len(cells) * recent, np.int64)
    n = 0
    one = np.empty(len(cells), np.int64)
    for k in range(len(hits)):
        t, m = hits[k], 0
        for i in core:
            if novel[t, i]:
                one[m] = at[t, i]
                m += 1
        if m == 0:
            for i in cells:
                if novel[t, i]:
                    one[m] = at[t, i]
                    m += 1
        if m == 0:
            continue
        spectrum = log_middles(now, one[:m], logs)
        paths[path_looks * bands : (path_looks + 1) * bands] = spectrum
        path_looks += 1
        far_by_hit[k] = middle_at(distance, one[:m])
        if k >= len(hits) - recent:
            rows[n : n + m] = one[:m]
            n += m
    rows = rows[:n]
    last = np.empty(len(cells), np.int64)
    m = 0
    for i in cells:
        if novel[hits[-1], i]:
            last[m] = at[hits[-1], i]
            m += 1
    last = last[:m]
    out = np.empty(GAUGED, np.float64)
    wet, doubtful, veiled = 0, 0, 0
    for i in rows:
        wet += (flags[i] & WET) != 0
        doubtful += (flags[i] & (SUSPECT | VEIL)) != 0
        veiled += (flags[i] & VEIL) != 0
    out[0], out[1], out[2] = wet / n, doubtful / n, veiled / n
    out[3] = middle_at(distance, rows)
    for k in range(2):
        shown = np.empty(m, np.float64)
        for i in range(m):
            shown[i] = green[last[i], k] / 100.0
        out[4 + k] = middle_of(shown, m)
    inner, before = levels(now, last, logs), levels(usual, last, logs)
    out[6], out[7] = spread_of(inner, m), spread_of(before, m)
    out[8] = patchiness(now, rows, logs)
    out[9] = rareness_at(now, rows, again, common)
    out[10] = rareness_at(now, rows, again, worked)
    _centre(paths, 0, path_looks, bands)
    out[11] = size_of(paths, path_looks * bands)
    # A rim is a mixture: where there are five inner cells only those speak of texture.
    within = inner_cells(cell, cells, width)
    chosen = within if len(within) >= 5 else cells
    out[12], out[13], out[14] = texture(now, at, novel, chosen, hits[len(hits) - recent :], logs)
    kinds = np.zeros(KINDS, np.int64)
    for i in last:
        kinds[land[i]] += 1
    return (
        log_middles(now, rows, logs),
        log_middles(match, rows, logs),
        log_middles(usual, rows, logs),
        far_by_hit,
        out,
        kinds,
    )


COMPARED = (
    "foreign", "foreign_share", "toward_soil", "ndvi_now", "watery", "flat", "contrast", "brighter", "bright",
    "over_ground", "nir_red_ground", "blue_red_ground", "blue_red", "bluer", "nir_red", "green_red",
    "watery_swir", "swir1_nir", "swir1_nir_more", "swir1_nir_ground",
    "swir2_swir1", "swir2_swir1_more", "swir2_swir1_ground",
)  # fmt: skip
"""What ``compared`` says, in this order."""
FIGURES = len(COMPARED)


@kernel
def compared(
    now: F32, match: F32, usual: F32, around: F32, plain: F32, common: F32, place: I64, unknown: float
) -> F64:
    """Colours of an object now, beside what was there and beside the ground around.

    ``now``, ``match``, ``usual``, ``around`` (band,) ln, ``plain`` (band,) reflectance now, ``common`` (word,
    band) ln; ``place`` of the bands blue (or the shortest), green, red, nir, swir1, swir2, −1 where absent.
    """
    out = np.zeros(FIGURES, np.float64)
    bands = len(now)
    blue, green, red, nir, swir1, swir2 = place
    more, beside, above = now - usual, now - match, now - around
    if len(common):
        out[0], out[1], out[2] = foreign(now, usual, common)
    else:
        out[0], out[1], out[2] = unknown, 0.5, 0.5
    out[3] = (plain[nir] - plain[red]) / max(plain[nir] + plain[red], np.float32(1e-3))
    short = green if green >= 0 else blue
    out[4] = now[short] - now[nir]
    out[5] = spread_of(now.copy(), bands)
    out[6] = size_of(beside, bands)
    out[7], out[8], out[9] = mean_of(more, bands), mean_of(now, bands), mean_of(above, bands)
    out[10], out[11] = above[nir] - above[red], above[blue] - above[red]
    out[12], out[13], out[14] = now[blue] - now[red], more[blue] - more[red], now[nir] - now[red]
    if green >= 0:
        out[15] = now[green] - now[red]
    if swir1 >= 0:
        out[16] = now[short] - max(now[nir], now[swir1])
        out[17], out[18] = now[swir1] - now[nir], more[swir1] - more[nir]
        out[19] = above[swir1] - above[nir]
    if swir1 >= 0 and swir2 >= 0:
        out[20], out[21] = now[swir2] - now[swir1], more[swir2] - more[swir1]
        out[22] = above[swir2] - above[swir1]
    return out
