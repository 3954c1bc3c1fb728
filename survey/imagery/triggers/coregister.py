"""How far one scene lies off another, to a fraction of a cell, and moving it back.

Windowed phase correlation on gradients: where fields change colour, their edges stay. Each window votes
with a sharp peak or not at all; the scene's shift is the median of the votes (METHODS.md §7, step 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Shift:
    """The scene must be sampled at ``row + rows, col + cols`` to lie on the reference."""

    rows: float
    cols: float
    spread: float  # cells: 1.4826 · median absolute deviation of the votes
    where: list[tuple[float, float]]  # the votes, (rows, cols)
    windows: int

    @property
    def votes(self) -> int:
        return len(self.where)

    @property
    def known(self) -> bool:
        return self.votes >= 3


def edges(image: NDArray[np.float32], ok: NDArray[np.bool_]) -> NDArray[np.complex64]:
    """Complex gradient (east + i·south), zero where any neighbour is unobserved."""
    filled = np.where(ok, image, 0.0).astype(np.float32)
    out = np.zeros(image.shape, np.complex64)
    gx = (filled[1:-1, 2:] - filled[1:-1, :-2]) * 0.5
    gy = (filled[2:, 1:-1] - filled[:-2, 1:-1]) * 0.5
    inside = ok[1:-1, 1:-1] & ok[1:-1, 2:] & ok[1:-1, :-2] & ok[2:, 1:-1] & ok[:-2, 1:-1]
    grad = np.where(inside, gx + 1j * gy, 0.0)
    # A cloud edge or a bright roof must not outvote a hundred field edges.
    size = np.abs(grad)
    strong = size[inside]
    cap = 3.0 * float(np.median(strong)) if strong.size else 0.0
    if cap > 0:
        grad = np.where(size > cap, grad * (cap / np.maximum(size, 1e-12)), grad)
    out[1:-1, 1:-1] = grad
    return out


def _peak(surface: NDArray[np.float32], at: int, reach: int) -> tuple[float, float]:
    """(row, col) of the top of a correlation surface with zero lag at [0, 0], to a part of a cell. ``at``
    counts through the lags of at most ``reach`` as ``_near`` does."""
    n_rows, n_cols = surface.shape
    side = 2 * reach + 1
    r, c = (k if k <= reach else k - side for k in divmod(at, side))

    def refine(before: float, top: float, after: float) -> float:
        bend = before - 2.0 * top + after
        return 0.0 if bend >= 0 else min(max(0.5 * (before - after) / bend, -0.5), 0.5)

    top = float(surface[r, c])
    dr = refine(float(surface[r - 1, c]), top, float(surface[(r + 1) % n_rows, c]))
    dc = refine(float(surface[r, c - 1]), top, float(surface[r, (c + 1) % n_cols]))
    return r + dr, c + dc


def _near(surfaces: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """(window, lag): the lags of at most ``reach`` rows and columns, those of zero and more first."""
    lags = np.r_[0 : reach + 1, -reach:0]
    return surfaces[:, lags[:, None], lags].reshape(len(surfaces), -1)


def find_shift(
    reference: NDArray[np.float32],
    ok_reference: NDArray[np.bool_],
    scene: NDArray[np.float32],
    ok_scene: NDArray[np.bool_],
    *,
    window: int = 64,
    reach: int = 3,
    sharp: float = 4.5,
) -> Shift:
    """Shift of ``scene`` against ``reference``, both (band, row, col) in any monotone brightness.

    ``reach``: the largest whole-cell shift looked for. A window votes if it is mostly observed and the peak
    of its correlation, summed over the bands, stands ``sharp`` standard deviations out of the surface.
    """
    height, width = reference.shape[-2:]
    window = max(16, min(window, int(min(height, width) / 2.5)))
    if min(height, width) < window:
        return Shift(0.0, 0.0, float("nan"), [], 0)
    both = ok_reference & ok_scene
    bands = [(edges(a, both), edges(b, both)) for a, b in zip(reference, scene, strict=True)]
    corners = [
        (r, c)
        for r in _starts(height, window)
        for c in _starts(width, window)
        if both[r : r + window, c : c + window].mean() >= 0.6
    ]
    tried = len(corners)
    if not corners:
        return Shift(0.0, 0.0, float("nan"), [], 0)
    reach = min(reach, window // 4)
    surfaces = _surfaces(bands, corners, window)
    near, spread_of = _near(surfaces, reach), surfaces.std(axis=(1, 2))
    sharpest = near.argmax(1)
    stands = near[np.arange(tried), sharpest] >= sharp * spread_of
    votes = [_peak(surfaces[i], int(sharpest[i]), reach) for i in np.nonzero(stands & (spread_of > 0))[0]]
    if not votes:
        return Shift(0.0, 0.0, float("nan"), [], tried)
    where = np.array(votes)
    centre = np.median(where, axis=0)
    spread = 1.4826 * float(np.median(np.abs(where - centre)))
    return Shift(float(centre[0]), float(centre[1]), spread, votes, tried)


def _surfaces(
    bands: Sequence[tuple[NDArray[np.complex64], NDArray[np.complex64]]],
    corners: Sequence[tuple[int, int]],
    window: int,
) -> NDArray[np.float32]:
    """(window, row lag, col lag) correlation of windows of edges, summed over the bands, each of unit
    spread."""
    from scipy import fft

    taper = np.hanning(window + 2)[1:-1]
    taper = (taper[:, None] * taper[None, :]).astype(np.float32)
    # Above half the sampling frequency there is more noise and aliasing than edge.
    f = np.hypot(np.fft.fftfreq(window)[:, None], np.fft.fftfreq(window)[None, :])
    keep = np.exp(-0.5 * (f / 0.22) ** 2).astype(np.float32)
    out = np.zeros((len(corners), window, window), np.float32)
    for pair in bands:
        one, two = (
            fft.fft2(np.stack([of[r : r + window, c : c + window] for r, c in corners]) * taper)
            for of in pair
        )
        cross = two * np.conj(one)
        size = np.abs(cross)
        floor = np.float32(1e-3) * size.max(axis=(1, 2), keepdims=True)
        # Between phase (1) and plain (0) correlation: phase alone listens to noise, plain to the strongest
        # edge. The power of three quarters is two roots.
        root = np.sqrt(np.maximum(size, np.where(floor > 0, floor, np.float32(1.0))))
        surface = fft.ifft2(cross * (keep / (root * np.sqrt(root)))).real
        spread = surface.std(axis=(1, 2), keepdims=True)
        out += surface / np.where(spread > 0, spread, np.float32(1.0))
    return out


def _starts(size: int, window: int) -> list[int]:
    """Half-overlapping windows, the last one flush with the edge."""
    step = max(1, window // 2)
    starts = list(range(0, size - window + 1, step))
    if starts[-1] + window < size:
        starts.append(size - window)
    return starts
