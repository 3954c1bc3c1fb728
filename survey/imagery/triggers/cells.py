"""The loops over the few cells that stand out: which they are, and what they are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.jit import kernel

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]


@kernel
def standing_out(
    distance: F32,
    observed: Mask,
    suspect: Mask,
    row0: int,
    col0: int,
    far: float,
    top: int,
    left: int,
    height: int,
    width: int,
) -> tuple[Mask, NDArray[np.intp], NDArray[np.intp], Mask]:
    """What was observed with enough history (row, col), the cells that are at least ``far``, in reading
    order, and which of those are suspect.

    ``distance`` is of a part of a piece that begins at (row0, col0) of it; ``observed`` and ``suspect`` are
    of the piece. Of the part only the window from (top, left) on is looked at.
    """
    seen = np.empty((height, width), np.bool_)
    chosen = np.zeros((height, width), np.bool_)
    count = 0
    for i in range(height):
        away = distance[top + i, left:]
        open_row = observed[row0 + top + i, col0 + left :]
        doubt_row = suspect[row0 + top + i, col0 + left :]
        for j in range(width):
            seen[i, j] = open_row[j] & (away[j] == away[j])
        for j in range(width):
            # What is not known is not far either.
            if away[j] >= far and (open_row[j] or doubt_row[j]):
                chosen[i, j] = True
                count += 1
    rows, cols = np.empty(count, np.intp), np.empty(count, np.intp)
    doubtful = np.empty(count, np.bool_)
    n = 0
    for i in range(height):
        for j in range(width):
            if chosen[i, j]:
                rows[n], cols[n] = top + i, left + j
                doubtful[n] = suspect[row0 + top + i, col0 + left + j]
                n += 1
    return seen, rows, cols, doubtful


@kernel
def unwhitened(spectra: F32, inverse: F32, floor: float) -> F32:
    """Reflectance (n, band) of whitened spectra (n, band); ``inverse`` undoes the whitening."""
    n, bands = spectra.shape
    out = np.empty((n, bands), np.float32)
    for i in range(n):
        for k in range(bands):
            total = np.float32(0.0)
            for b in range(bands):
                total += spectra[i, b] * inverse[k, b]
            out[i, k] = np.exp(total) - np.float32(floor)
    return out


@kernel
def veils(now: F32, before: F32, cloud_of: F32, haze_of: F32, weight: F32) -> tuple[F32, F32]:
    """``clear.veil_share``; ``cloud_of`` and ``haze_of`` (band,), ``weight`` (n, band)."""
    n, bands = now.shape
    share, strength = np.empty(n, np.float32), np.empty(n, np.float32)
    zero, least = np.float32(0.0), np.float32(1e-12)
    for i in range(n):
        cc, hh, ch, rc, rh, rr = zero, zero, zero, zero, zero, zero
        for b in range(bands):
            w = weight[i, b]
            cloud = cloud_of[b] - before[i, b]
            haze = haze_of[b] * (np.float32(1.0) - before[i, b])
            rise = now[i, b] - before[i, b]
            cc += cloud * cloud * w
            hh += haze * haze * w
            ch += cloud * haze * w
            rc += rise * cloud * w
            rh += rise * haze * w
            rr += rise * rise * w
        det = max(cc * hh - ch * ch, least)
        a, h = (rc * hh - rh * ch) / det, (rh * cc - rc * ch) / det
        if not (a >= zero and h >= zero):
            only_a, only_h = max(rc / max(cc, least), zero), max(rh / max(hh, least), zero)
            if only_a * rc >= only_h * rh:
                a, h = only_a, zero
            else:
                a, h = zero, only_h
        share[i] = (a * rc + h * rh) / max(rr, least)
        strength[i] = a + h
    return share, strength


@kernel
def leafless(
    counts: NDArray[np.uint16], wanted: Mask, tables: F32, red: int, nir: int, most_ndvi: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], F32]:
    """(rows, cols, reflectances (n, band)) of the wanted cells with an NDVI below ``most_ndvi``, in reading
    order; ``tables`` (band, count)."""
    bands, height, width = counts.shape
    last = np.uint16(tables.shape[1] - 1)
    chosen = np.zeros((height, width), np.bool_)
    count = 0
    for r in range(height):
        for c in range(width):
            if wanted[r, c]:
                a, b = tables[red, min(counts[red, r, c], last)], tables[nir, min(counts[nir, r, c], last)]
                if (b - a) / max(b + a, np.float32(1e-3)) < most_ndvi:
                    chosen[r, c] = True
                    count += 1
    rows, cols = np.empty(count, np.intp), np.empty(count, np.intp)
    spectra = np.empty((count, bands), np.float32)
    n = 0
    for r in range(height):
        for c in range(width):
            if chosen[r, c]:
                rows[n], cols[n] = r, c
                for k in range(bands):
                    spectra[n, k] = tables[k, min(counts[k, r, c], last)]
                n += 1
    return rows, cols, spectra
