"""What slopes say of a change: whether it is new ground, or the old ground seen otherwise.

Where one survey lies a little beside the other, or resolves a crest and a cleft less sharply, every crest
seems cut and every cleft filled. Such a change is foretold by the earlier ground itself: a small move gives
its slope times the move, a blur its curvature times the blur. Earth that was dug or poured lies in faces that
go on for metres; leaves, crops and noise slope every way from cell to cell. Water cuts where it was hollow.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from survey.jit import kernel

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

BESIDE_CELLS = 4
"""So far around a region the change is held against what the earlier ground foretells."""
FEWEST_CELLS = 12
FACE_M = 0.5
"""Faces are looked for in squares that reach so far to every side, but at least one cell."""
HOLLOW_M = 3.0
"""Half the side of the square whose mean level tells a hollow from a crest."""


def foretold(z: Floats, rise: Floats, known: Mask, near: Mask, farthest_cells: float) -> float:
    """Share (0…1) of the variance of a rise that the earlier ground foretells, moved and blurred a little.

    Least squares of the rise on the ground's two slopes and its Laplacian over the cells ``near``; a move is
    held to ``farthest_cells`` and the blur to half of its square, so that nothing deep is put down to them.
    z, rise : (rows, cols) metres. Cells without four measured neighbours are left out.
    """
    if min(z.shape) < 3:
        return 0.0
    g = _products(z, rise, known, near)
    n = g[3, 3]
    if n < FEWEST_CELLS:
        return 0.0
    centred = g - np.outer(g[3], g[3]) / n
    xx, xy, yy = centred[:3, :3], centred[:3, 4], centred[4, 4]
    if not yy > 1e-12:
        return 0.0
    # So little of a ridge that nothing is changed but ground without any slope, which foretells nothing.
    c = np.linalg.solve(xx + (1e-9 * np.trace(xx) + 1e-12) * np.eye(3), xy)
    move = math.hypot(c[0], c[1])
    if move > farthest_cells:
        c[:2] *= farthest_cells / move
    c[2] = min(max(c[2], -0.5 * farthest_cells**2), 0.5 * farthest_cells**2)
    return float(np.clip((2 * c @ xy - c @ xx @ c) / yy, 0.0, 1.0))


@kernel
def _products(z: Floats, rise: Floats, known: Mask, near: Mask) -> Floats:
    """Sums of products of (slope down the rows, along the columns, Laplacian, 1, rise), all per cell."""
    out = np.zeros((5, 5))
    v = np.zeros(5)
    v[3] = 1.0
    for i in range(1, z.shape[0] - 1):
        for j in range(1, z.shape[1] - 1):
            if not (near[i, j] and known[i, j]):
                continue
            if not (known[i - 1, j] and known[i + 1, j] and known[i, j - 1] and known[i, j + 1]):
                continue
            v[0] = 0.5 * (z[i + 1, j] - z[i - 1, j])
            v[1] = 0.5 * (z[i, j + 1] - z[i, j - 1])
            v[2] = z[i + 1, j] + z[i - 1, j] + z[i, j + 1] + z[i, j - 1] - 4 * z[i, j]
            v[4] = rise[i, j]
            for a in range(5):
                for b in range(5):
                    out[a, b] += v[a] * v[b]
    return out


def coherent(rise: Floats, inside: Mask, cell_m: tuple[float, float]) -> float:
    """Share (0…1) of the rise's slopes, squared, that is left when they are averaged over small squares."""
    from scipy.ndimage import uniform_filter

    if min(rise.shape) < 2:
        return 1.0
    side = 2 * max(1, round(FACE_M / math.sqrt(cell_m[0] * cell_m[1]))) + 1
    north, east = np.gradient(rise, *cell_m)
    left = uniform_filter(north, side) ** 2 + uniform_filter(east, side) ** 2
    whole = uniform_filter(north**2 + east**2, side)
    return float(np.clip(left[inside].sum() / max(float(whole[inside].sum()), 1e-9), 0.0, 1.0))


def hollow(z: Floats, known: Mask, inside: Mask, cell_m: float) -> float:
    """Metres by which the ground inside lay below the mean level of the squares around its cells."""
    from scipy.ndimage import uniform_filter

    side = 2 * max(1, round(HOLLOW_M / cell_m)) + 1
    share = uniform_filter(known.astype(np.float64), side, mode="nearest")
    level = uniform_filter(np.where(known, z, 0.0), side, mode="nearest") / np.maximum(share, 1e-6)
    return float((level - z)[inside].mean())
