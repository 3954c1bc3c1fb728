"""The loops over whitened spectra: a scene against everything its place has looked like before.

Whitened spectra lie (row, band, col), so that the loops run over neighbouring cells of one band; NaN in the
first band means not observed. As everywhere, no result depends on how the area was cut.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers.sums import ranked
from survey.jit import kernel

U16 = NDArray[np.uint16]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

MOST_BANDS = 6


@kernel
def _six(matrix: F32) -> F32:
    """The matrix for as many bands as there can be; what is not there adds nothing."""
    out = np.zeros((MOST_BANDS, MOST_BANDS), np.float32)
    out[: matrix.shape[0], : matrix.shape[1]] = matrix
    return out


@kernel
def _whiten_row(
    counts: U16,
    ok: NDArray[np.bool_],
    r: int,
    c0: int,
    stride: int,
    tables: F32,
    six: F32,
    logs: F32,
    out: F32,
) -> None:
    """One row into ``out`` (band, col). ``ok`` (col,) begins at ``c0``; ``logs`` (MOST_BANDS, col) is
    scratch that holds zeros beyond the bands."""
    bands, cols = out.shape
    most = np.uint16(tables.shape[1] - 1)
    for b in range(bands):
        for j in range(cols):
            logs[b, j] = tables[b, min(counts[b, r, c0 + j * stride], most)]
    for j in range(cols):
        # What is not a number in one band makes all of them so.
        logs[0, j] = logs[0, j] if ok[j * stride] else np.float32(np.nan)
    l0, l1, l2, l3, l4, l5 = logs[0], logs[1], logs[2], logs[3], logs[4], logs[5]
    for k in range(bands):
        w0, w1, w2, w3, w4, w5 = six[k, 0], six[k, 1], six[k, 2], six[k, 3], six[k, 4], six[k, 5]
        into = out[k]
        for j in range(cols):
            into[j] = ((((w0 * l0[j] + w1 * l1[j]) + w2 * l2[j]) + w3 * l3[j]) + w4 * l4[j]) + w5 * l5[j]


@kernel
def whiten_into(
    out: F32, counts: U16, ok: NDArray[np.bool_], row0: int, col0: int, tables: F32, matrix: F32, stride: int
) -> None:
    """``whiten`` of the cells from (row0, col0) on, into ``out`` (row, band, col)."""
    logs, six = np.zeros((MOST_BANDS, out.shape[2]), np.float32), _six(matrix)
    for i in range(out.shape[0]):
        r = row0 + i * stride
        _whiten_row(counts, ok[r, col0:], r, col0, stride, tables, six, logs, out[i])


def whiten(counts: U16, ok: NDArray[np.bool_], tables: F32, matrix: F32, stride: int) -> F32:
    """(row, band, col): matrix · table[counts] of every ``stride``-th cell; NaN where not ``ok``.

    ``tables`` (band, count): ln(ρ' + ρ₀) of the normalised reflectance.
    """
    bands, height, width = counts.shape
    out = np.empty((-(-height // stride), bands, -(-width // stride)), np.float32)
    whiten_into(out, counts, ok, 0, 0, tables, matrix, stride)
    return out


@kernel
def whitened_at(
    counts: U16,
    tables: F32,
    matrix: F32,
    lattice: F32,
    block: int,
    row0: int,
    col0: int,
    rows: NDArray[np.intp],
    cols: NDArray[np.intp],
) -> F32:
    """(n, band): what ``whiten`` and ``less_slow`` make of single cells; ``rows`` and ``cols`` count from
    (row0, col0)."""
    bands = counts.shape[0]
    most = np.uint16(tables.shape[1] - 1)
    out = np.empty((len(rows), bands), np.float32)
    blocks_r, blocks_c = lattice.shape[1], lattice.shape[2]
    one = np.float32(1.0)
    for i in range(len(rows)):
        r, c = row0 + rows[i], col0 + cols[i]
        br, br1, fr = _between(r, block, blocks_r)
        bc, bc1, fc = _between(c, block, blocks_c)
        for k in range(bands):
            total = np.float32(0.0)
            for b in range(bands):
                total += matrix[k, b] * tables[b, min(counts[b, r, c], most)]
            a = lattice[k, br, bc] * (one - fr) + lattice[k, br1, bc] * fr
            more = lattice[k, br, bc1] * (one - fr) + lattice[k, br1, bc1] * fr - a
            out[i, k] = total - (a + more * fc)
    return out


@kernel
def block_departure(now: F32, base: F32, skip: int, block: int, least: int) -> F32:
    """(band, block row, block col): median over a block of ``now`` less its nearest history at the same cell.

    ``now`` (row, band, col) and ``base`` (scene, row, band, col) are whitened and thinned; ``block`` counts
    thinned cells. NaN where fewer than ``least`` cells of a block are known.
    """
    height, bands, width = now.shape
    scenes = base.shape[0]
    rows, cols = (height + block - 1) // block, (width + block - 1) // block
    out = np.full((bands, rows, cols), np.float32(np.nan), np.float32)
    values = np.empty((bands, block * block), np.float32)
    for br in range(rows):
        for bc in range(cols):
            n = 0
            for r in range(br * block, min((br + 1) * block, height)):
                for c in range(bc * block, min((bc + 1) * block, width)):
                    if np.isnan(now[r, 0, c]):
                        continue
                    best, at = np.float32(1e12), -1
                    for s in range(scenes):
                        if s == skip or np.isnan(base[s, r, 0, c]):
                            continue
                        total = np.float32(0.0)
                        for b in range(bands):
                            away = now[r, b, c] - base[s, r, b, c]
                            total += away * away
                            if total >= best:
                                break
                        if total < best:
                            best, at = total, s
                    if at >= 0:
                        for b in range(bands):
                            values[b, n] = now[r, b, c] - base[at, r, b, c]
                        n += 1
            if n >= least:
                for b in range(bands):
                    high = ranked(values[b], n, n // 2)
                    low = high
                    if n % 2 == 0:
                        low = values[b, 0]
                        for i in range(1, n // 2):
                            low = max(low, values[b, i])
                    out[b, br, bc] = np.float32(0.5) * (low + high)
    return out


@kernel
def _between(at: int, block: int, blocks: int) -> tuple[int, int, np.float32]:
    """The two blocks between whose middles a cell lies, and how far from the first."""
    where = min(max((at + 0.5) / block - 0.5, 0.0), blocks - 1.0)
    first = min(int(where), max(blocks - 2, 0))
    return first, min(first + 1, blocks - 1), np.float32(where - first)


@kernel
def _less_slow_row(now: F32, lattice: F32, block: int, r: int, col0: int) -> None:
    """Row ``r`` of the piece, ``now`` (band, col) beginning at column ``col0``."""
    bands, width = now.shape
    blocks_r, blocks_c = lattice.shape[1], lattice.shape[2]
    one = np.float32(1.0)
    br, br1, fr = _between(r, block, blocks_r)
    start = 0
    while start < width:
        bc, bc1, part = _between(col0 + start, block, blocks_c)
        # Up to the next middle of a block; level before the first and after the last.
        stop = min(((col0 + start + block // 2) // block + 1) * block - block // 2 - col0, width)
        inside = block // 2 <= col0 + start < (blocks_c - 1) * block + block // 2
        step = one / np.float32(block) if inside else np.float32(0.0)
        for b in range(bands):
            a = lattice[b, br, bc] * (one - fr) + lattice[b, br1, bc] * fr
            more = lattice[b, br, bc1] * (one - fr) + lattice[b, br1, bc1] * fr - a
            row = now[b]
            for c in range(start, stop):
                row[c] -= a + more * (part + np.float32(c - start) * step)
        start = stop


@kernel
def less_slow(now: F32, lattice: F32, block: int, row0: int, col0: int) -> None:
    """Take a lattice of blocks (band, block row, block col), spread bilinearly, off ``now`` (row, band, col)
    in place. ``block`` is even.

    ``row0``/``col0``: where ``now`` begins, in cells of the piece to which the lattice belongs.
    """
    for r in range(now.shape[0]):
        _less_slow_row(now[r], lattice, block, row0 + r, col0)


@kernel
def _search_row(
    now: F32,
    base: F32,
    r: int,
    skip: int,
    step: int,
    price: np.float32,
    enough: float,
    guess: int,
    total_of: F32,
    nearest: F32,
    which: NDArray[np.int16],
    where: NDArray[np.int8],
    seen: NDArray[np.int16],
) -> int:
    """``nearest_before`` of one row, ``now`` (band, col); returns the scene that fitted last."""
    bands, cols = now.shape
    scenes, rows = base.shape[0], base.shape[1]
    for s in range(scenes):
        if s != skip:
            row = base[s, r, 0]
            for c in range(cols):
                seen[c] += np.int16(0) if np.isnan(row[c]) else np.int16(1)
    first = guess
    # Most ground is usual: a whole row is held against one scene, and only the rest is looked at closely.
    quick = step == 1 and enough > 0.0 and first != skip
    if quick:
        for c in range(cols):
            total_of[c] = np.float32(0.0)
        for b in range(bands):
            mine, other = now[b], base[first, r, b]
            for c in range(cols):
                apart = mine[c] - other[c]
                total_of[c] += apart * apart
    for c in range(0, cols, step):
        if np.isnan(now[0, c]):
            continue
        if quick and total_of[c] <= enough:
            nearest[c], which[c] = total_of[c], first
            continue
        best, best_scene, best_where = np.float32(1e12), scenes, 9
        if guess != skip and not (quick and guess == first) and not np.isnan(base[guess, r, 0, c]):
            total = np.float32(0.0)
            for b in range(bands):
                away = now[b, c] - base[guess, r, b, c]
                total += away * away
            if total <= enough:
                nearest[c], which[c] = total, guess
                continue
        # The scene that fitted the last cell is asked first: a small distance found early prunes all others.
        for i in range(scenes):
            s = guess if i == 0 else (i - 1 if i <= guess else i)
            if s == skip:
                continue
            for k in range(9):
                # The cell itself first, then its neighbours.
                q = (k + 4) % 9
                rr, cc = r + q // 3 - 1, c + q % 3 - 1
                if rr < 0 or cc < 0 or rr >= rows or cc >= cols:
                    continue
                if np.isnan(base[s, rr, 0, cc]):
                    continue
                total = np.float32(0.0) if q == 4 else price
                for b in range(bands):
                    if total > best:
                        break
                    away = now[b, c] - base[s, rr, b, cc]
                    total += away * away
                if total < best or (
                    total == best and (s < best_scene or (s == best_scene and q < best_where))
                ):
                    best, best_scene, best_where = total, s, q
                if best <= enough:
                    break
            if best <= enough:
                break
        if best_scene < scenes:
            nearest[c] = best
            which[c] = best_scene
            where[c] = best_where
            guess = best_scene
    return guess


@kernel
def nearest_before(
    now: F32, base: F32, skip: int, step: int, aside: float, enough: float
) -> tuple[F32, NDArray[np.int16], NDArray[np.int8], NDArray[np.int16]]:
    """Squared distance of every ``step``-th cell of ``now`` (row, band, col) to ``base`` (scene, row, band,
    col).

    NaN in the first band means not observed. ``skip``: a scene of ``base`` to leave out (−1: none).
    ``aside``: what a match on a neighbour costs (a squared distance), so that a new small pit is not
    explained by the track beside it at no price. A distance of at most ``enough`` (squared) is not improved
    further: such a cell is usual. Returns (nearest, scene of the nearest or −1, which neighbour 0–8, number
    of scenes that saw the place); cells that were not looked at are NaN. Above ``enough`` the earliest
    scene and neighbour of equal distances is taken.
    """
    rows, _, cols = now.shape
    nearest = np.full((rows, cols), np.float32(np.nan), np.float32)
    which = np.full((rows, cols), np.int16(-1), np.int16)
    where = np.full((rows, cols), np.int8(4), np.int8)
    seen = np.zeros((rows, cols), np.int16)
    total_of = np.empty(cols, np.float32)
    guess = 0
    for r in range(0, rows, step):
        guess = _search_row(
            now[r], base, r, skip, step, np.float32(aside), enough, guess,
            total_of, nearest[r], which[r], where[r], seen[r],
        )  # fmt: skip
    return nearest, which, where, seen


@kernel
def distances_before(
    counts: U16,
    ok: NDArray[np.bool_],
    row0: int,
    col0: int,
    tables: F32,
    matrix: F32,
    lattice: F32,
    block: int,
    base: F32,
    skip: int,
    step: int,
    aside: float,
    enough: float,
    least: int,
) -> tuple[F32, NDArray[np.int16], NDArray[np.int8]]:
    """``whiten``, ``less_slow`` and ``nearest_before`` row by row, and nothing of them kept but the distance
    (its root; NaN where not looked at or seen in fewer than ``least`` scenes), the scene and the neighbour.

    ``counts`` (band, row, col) of a piece, ``ok`` of the part of it that ``base`` covers and that begins at
    (row0, col0).
    """
    rows, cols = ok.shape
    bands = counts.shape[0]
    distance = np.full((rows, cols), np.float32(np.nan), np.float32)
    which = np.full((rows, cols), np.int16(-1), np.int16)
    where = np.full((rows, cols), np.int8(4), np.int8)
    seen = np.empty(cols, np.int16)
    logs, now = np.zeros((MOST_BANDS, cols), np.float32), np.empty((bands, cols), np.float32)
    six, total_of = _six(matrix), np.empty(cols, np.float32)
    guess = 0
    for r in range(0, rows, step):
        _whiten_row(counts, ok[r], row0 + r, col0, 1, tables, six, logs, now)
        _less_slow_row(now, lattice, block, row0 + r, col0)
        seen[:] = 0
        guess = _search_row(
            now, base, r, skip, step, np.float32(aside), enough, guess,
            total_of, distance[r], which[r], where[r], seen,
        )  # fmt: skip
        for c in range(0, cols, step):
            distance[r, c] = np.sqrt(distance[r, c]) if seen[c] >= least else np.float32(np.nan)
    return distance, which, where


@kernel
def matches(
    base: F32,
    which: NDArray[np.int16],
    where: NDArray[np.int8],
    rows: NDArray[np.intp],
    cols: NDArray[np.intp],
) -> F32:
    """(n, band): the spectra of ``base`` that were nearest at the given cells; NaN where there was none."""
    bands = base.shape[2]
    out = np.full((len(rows), bands), np.float32(np.nan), np.float32)
    for i in range(len(rows)):
        r, c = rows[i], cols[i]
        s = which[r, c]
        if s < 0:
            continue
        rr, cc = r + where[r, c] // 3 - 1, c + where[r, c] % 3 - 1
        for b in range(bands):
            out[i, b] = base[s, rr, b, cc]
    return out
