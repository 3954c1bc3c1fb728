"""What else looked new around an object on the same day.

A harvest, a rain, haze that was not seen and a scene that lies askew show themselves in many places at once;
whoever digs does so alone. So each day is its own measure: how much of what was new around looks like the
object.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.jit import kernel

REACH = 24
"""Cells on each side of an object in which company is sought."""
ALIKE = 0.15
"""Root mean square ln ratio, a common factor at half its price, up to which two spectra are one thing."""


@kernel
def _first_at(cell: NDArray[np.int64], wanted: int) -> int:
    low, high = 0, len(cell)
    while low < high:
        half = (low + high) // 2
        if cell[half] < wanted:
            low = half + 1
        else:
            high = half
    return low


@kernel
def company(
    cells: NDArray[np.int64],
    day: int,
    cell: NDArray[np.int64],
    width: int,
    at: NDArray[np.int32],
    novel: NDArray[np.bool_],
    now: NDArray[np.uint16],
    logs: NDArray[np.float32],
    spectrum: NDArray[np.float32],
    reach: int,
    alike: float,
) -> float:
    """ln of how many cells around were new on one date and looked like an object, beside its own number.

    Parameters
    ----------
    cells :
        Its support indices, ascending.
    cell, width, at, novel :
        Of the support; ``novel`` (date, cell) which cells were new.
    now, logs :
        Counts of each candidate (row, band), and ln of each count.
    spectrum :
        (band,) ln, of the object.
    reach, alike :
        ``REACH`` and ``ALIKE``.
    """
    n, bands = len(cells), now.shape[1]
    top, bottom = cell[cells[0]] // width, cell[cells[n - 1]] // width
    left, right = width, 0
    for i in cells:
        c = cell[i] % width
        left, right = min(left, c), max(right, c)
    left, right = max(left - reach, 0), min(right + reach, width - 1)
    top, bottom = max(top - reach, 0), bottom + reach
    like, own = 0, 0
    for r in range(top, bottom + 1):
        i = _first_at(cell, r * width + left)
        last = r * width + right
        while i < len(cell) and cell[i] <= last:
            while own < n and cells[own] < i:
                own += 1
            mine = own < n and cells[own] == i
            if novel[day, i] and not mine:
                mean = np.float32(0.0)
                for b in range(bands):
                    mean += logs[now[at[day, i], b]] - spectrum[b]
                half = np.float32(0.5) * mean / np.float32(bands)
                total = np.float32(0.0)
                for b in range(bands):
                    away = logs[now[at[day, i], b]] - spectrum[b] - half
                    total += away * away
                like += total <= alike * alike * bands
            i += 1
    return np.log((like + 1.0) / n)
