"""The finest texture of a surface, with the ground removed.

A survey is ground plus noise. Two flights share the ground and never the noise, so what tells files apart
is what remains after the ground has been taken away. The 3 × 3 mask

    1 −2  1
   −2  4 −2      (Immerkær 1996)
    1 −2  1

is blind to any surface a·x² + b·y² + c·x + d·y + e (and to any sum f(x) + g(y)); white noise of standard
deviation σ comes out with 6σ.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.forensics.medians import row_medians

GAIN = 6.0
"""Root of the sum of the squared weights of the mask."""

MAD = 1.4826
"""Standard deviation of a normal variable per median absolute deviation."""

Floats = NDArray[np.float64]


def fine_texture(z: NDArray[np.floating]) -> Floats:
    """The mask on every cell: (rows, cols) float64; NaN on the rim and next to a NaN."""
    z = np.asarray(z, np.float64)
    out = np.full(z.shape, np.nan)
    if min(z.shape) < 3:
        return out
    across = z[:, :-2] - 2 * z[:, 1:-1] + z[:, 2:]
    out[1:-1, 1:-1] = across[:-2] - 2 * across[1:-1] + across[2:]
    return out


def blocks(values: NDArray[np.floating], size: int) -> Floats:
    """Cut into squares: (rows // size, cols // size, size²); what does not fill a square is left out."""
    rows, cols = values.shape[0] // size, values.shape[1] // size
    cut = np.asarray(values, np.float64)[: rows * size, : cols * size]
    return cut.reshape(rows, size, cols, size).swapaxes(1, 2).reshape(rows, cols, size * size)


def block_sigma(texture: Floats, size: int, least: float = 0.5) -> Floats:
    """Noise per square from its fine texture, 1 σ in the unit of the heights: robust, NaN where too little.

    ``least``: the part of a square that must have been measured.
    """
    cut = np.abs(blocks(texture, size))
    known = np.isfinite(cut).sum(axis=-1)
    out = np.full(cut.shape[:2], np.nan)
    enough = known >= least * size * size
    if enough.any():
        out[enough] = MAD * row_medians(cut[enough]) / GAIN
    return out


def last_digit(z: NDArray[np.floating]) -> float:
    """The spacing of 32-bit floats at the size of these heights: rounding that a copy may carry, metres."""
    finite = z[np.isfinite(z)]
    if finite.size == 0:
        return 0.0
    return float(np.spacing(np.float32(np.max(np.abs(finite)))))
