"""A spectrum never seen here: the distance of each cell to everything its place has looked like before.

"Here" is the cell and its eight neighbours, so that half a cell of misplacement, and an edge that wanders, are
not new. "Before" is every clear baseline scene. Crops, ploughing, dry and wet seasons are thereby known ground.
Arrays are cell-major (row, col, band) and whitened: a distance of 1 is one standard deviation in every direction.
"""

from __future__ import annotations

import numpy as np
from survey.jit import kernel
from numpy.typing import NDArray


@kernel
def nearest_before(
    now: NDArray[np.float32],
    base: NDArray[np.float32],
    skip: int,
    step: int,
    aside: float,
) -> tuple[NDArray[np.float32], NDArray[np.int16], NDArray[np.int8], NDArray[np.int16]]:
    """Squared distance of every ``step``-th cell of ``now`` (row, col, band) to ``base`` (scene, row, col, band).

    NaN in the first band means not observed. ``skip``: a scene of ``base`` to leave out (−1: none). ``aside``: what
    a match on a neighbour costs (a squared distance), so that a new small pit is not explained by the track beside
    it at no price. Returns (nearest, scene of the nearest or −1, which neighbour 0–8, number of scenes that saw the
    place); cells that were not looked at are NaN. Of equal distances the earliest scene and neighbour is taken.
    """
    rows, cols, bands = now.shape
    scenes = base.shape[0]
    nearest = np.full((rows, cols), np.float32(np.nan), np.float32)
    which = np.full((rows, cols), np.int16(-1), np.int16)
    where = np.full((rows, cols), np.int8(4), np.int8)
    seen = np.zeros((rows, cols), np.int16)
    price = np.float32(aside)
    for r in range(0, rows, step):
        # The scene that fitted the last cell is asked first: a small distance found early prunes all others.
        guess = 0
        for c in range(0, cols, step):
            if np.isnan(now[r, c, 0]):
                continue
            best, best_scene, best_where, count = np.float32(1e12), scenes, 9, 0
            for i in range(scenes):
                s = guess if i == 0 else (i - 1 if i <= guess else i)
                if s == skip:
                    continue
                if not np.isnan(base[s, r, c, 0]):
                    count += 1
                for k in range(9):
                    # The cell itself first, then its neighbours.
                    q = (k + 4) % 9
                    rr, cc = r + q // 3 - 1, c + q % 3 - 1
                    if rr < 0 or cc < 0 or rr >= rows or cc >= cols:
                        continue
                    if np.isnan(base[s, rr, cc, 0]):
                        continue
                    total = np.float32(0.0) if q == 4 else price
                    for b in range(bands):
                        if total > best:
                            break
                        away = now[r, c, b] - base[s, rr, cc, b]
                        total += away * away
                    if total < best or (
                        total == best and (s < best_scene or (s == best_scene and q < best_where))
                    ):
                        best, best_scene, best_where = total, s, q
            if best_scene < scenes:
                nearest[r, c] = best
                which[r, c] = best_scene
                where[r, c] = best_where
                guess = best_scene
            seen[r, c] = count
    return nearest, which, where, seen


@kernel
def take_match(
    base: NDArray[np.float32], which: NDArray[np.int16], where: NDArray[np.int8]
) -> NDArray[np.float32]:
    """(row, col, band): the spectrum of ``base`` that was nearest; NaN where there was none."""
    scenes, rows, cols, bands = base.shape
    out = np.full((rows, cols, bands), np.float32(np.nan), np.float32)
    for r in range(rows):
        for c in range(cols):
            s = which[r, c]
            if s < 0:
                continue
            rr, cc = r + where[r, c] // 3 - 1, c + where[r, c] % 3 - 1
            for b in range(bands):
                out[r, c, b] = base[s, rr, cc, b]
    return out
