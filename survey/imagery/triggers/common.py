"""What exposed ground commonly looks like around here: the second question after "was it seen *here*
before?".

A harvested field shows the soil of a hundred other fields; a clearing likewise. The floor of a pit seldom
does. Spectra of exposed cells are grouped around leaders; a group is common if it is found in many places.
One pit or one cleared forest, however large, is one place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.jit import kernel

RADIUS = 0.10
"""Root mean square ln ratio within which two spectra are of one kind."""
PLACE_CELLS = 16
"""Side of a place, in cells."""
LEAST_PLACES, LEAST_PLACE_SHARE = 5, 0.04
MOST = 200
UNKNOWN = 1.0
"""The rareness where nothing common is known: as far as any ground is from any other."""


def _log(reflectance: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.log(np.maximum(reflectance, 0) + np.float32(0.03)).astype(np.float32)


@kernel
def _leaders(
    logs: NDArray[np.float32], radius2: float, most: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    n, bands = logs.shape
    lead = np.empty((most, bands), np.float32)
    of = np.full(n, -1, np.int64)
    used = 0
    for i in range(n):
        best, at = np.float32(1e30), -1
        for j in range(used):
            d = np.float32(0.0)
            for b in range(bands):
                away = logs[i, b] - lead[j, b]
                d += away * away
            if d < best:
                best, at = d, j
        if at >= 0 and best <= radius2 * bands:
            of[i] = at
        elif used < most:
            for b in range(bands):
                lead[used, b] = logs[i, b]
            of[i] = used
            used += 1
    return lead[:used], of


def common_spectra(
    exposed: NDArray[np.float32], place: NDArray[np.int64], cap: int = 12000
) -> NDArray[np.float32]:
    """(word, band) reflectances found in many places among ``exposed`` (n, band); ``place`` (n,) numbers
    them."""
    n = len(exposed)
    if n == 0:
        return np.zeros((0, exposed.shape[1]), np.float32)
    chosen = np.linspace(0, n - 1, min(n, cap)).astype(np.intp)
    taken, place = exposed[chosen], place[chosen]
    lead, of = _leaders(_log(taken), RADIUS**2, 8 * MOST)
    known = of >= 0
    pairs = np.unique(np.stack([of[known], place[known]], 1), axis=0)
    places = np.bincount(pairs[:, 0], minlength=len(lead))
    least = max(LEAST_PLACES, LEAST_PLACE_SHARE * len(np.unique(place)))
    order = np.argsort(-places, kind="stable")
    keep = order[places[order] >= least][:MOST]
    return (np.exp(lead[keep]) - 0.03).astype(np.float32)


def rareness(spectra: NDArray[np.float32], words: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) root mean square ln ratio of each spectrum (n, band) to the nearest common one.

    A factor common to all bands costs only half: moisture and slope shift a soil's brightness more than its
    colour.
    """
    if not len(words) or not len(spectra):
        return np.full(len(spectra), UNKNOWN, np.float32)
    return np.minimum(_to_nearest(_log(spectra), _log(words)), UNKNOWN)


@kernel
def _to_nearest(logs: NDArray[np.float32], words: NDArray[np.float32]) -> NDArray[np.float32]:
    n, bands = logs.shape
    count = np.float32(bands)
    out = np.empty(n, np.float32)
    away = np.empty(bands, np.float32)
    for i in range(n):
        best = np.float32(np.inf)
        for j in range(len(words)):
            mean = np.float32(0.0)
            for b in range(bands):
                away[b] = logs[i, b] - words[j, b]
                mean += away[b]
            half = np.float32(0.5) * (mean / count)
            total = np.float32(0.0)
            for b in range(bands):
                total += (away[b] - half) * (away[b] - half)
            best = min(best, total / count)
        out[i] = np.sqrt(best)
    return out
