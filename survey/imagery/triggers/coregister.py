"""How far one scene lies off another, to a fraction of a cell, and moving it back.

Windowed phase correlation on gradients: where fields change colour, their edges stay. Each window votes
with a sharp peak or not at all; the scene's shift is the median of the votes (METHODS.md §7, step 3).
"""

from __future__ import annotations

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


def _peak(surface: NDArray[np.float64], reach: int) -> tuple[float, float, float] | None:
    """Sub-cell peak of a correlation surface with zero lag at [0, 0]: (row, col, sharpness)."""
    n_rows, n_cols = surface.shape
    rows = np.r_[0 : reach + 1, n_rows - reach : n_rows]
    cols = np.r_[0 : reach + 1, n_cols - reach : n_cols]
    near = surface[np.ix_(rows, cols)]
    at = int(near.argmax())
    r, c = int(rows[at // len(cols)]), int(cols[at % len(cols)])
    spread = float(surface.std())
    if spread == 0.0:
        return None

    def refine(before: float, top: float, after: float) -> float:
        bend = before - 2.0 * top + after
        return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))

    dr = refine(surface[r - 1, c], surface[r, c], surface[(r + 1) % n_rows, c])
    dc = refine(surface[r, c - 1], surface[r, c], surface[r, (c + 1) % n_cols])
    row = (r if r <= reach else r - n_rows) + dr
    col = (c if c <= reach else c - n_cols) + dc
    return row, col, float(surface[r, c]) / spread


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
    taper = np.hanning(window + 2)[1:-1]
    taper = (taper[:, None] * taper[None, :]).astype(np.float32)
    # Above half the sampling frequency there is more noise and aliasing than edge.
    f = np.hypot(np.fft.fftfreq(window)[:, None], np.fft.fftfreq(window)[None, :])
    keep = np.exp(-0.5 * (f / 0.22) ** 2)
    votes: list[tuple[float, float]] = []
    tried = 0
    for r in _starts(height, window):
        for c in _starts(width, window):
            cut = (slice(r, r + window), slice(c, c + window))
            if both[cut].mean() < 0.6:
                continue
            tried += 1
            surface = np.zeros((window, window))
            for a, b in bands:
                cross = np.fft.fft2(b[cut] * taper) * np.conj(np.fft.fft2(a[cut] * taper))
                size = np.abs(cross)
                floor = 1e-3 * float(size.max())
                if floor > 0.0:
                    # Between phase (1) and plain (0) correlation: phase alone listens to noise, plain to the
                    # strongest edge.
                    cross = cross / np.maximum(size, floor) ** 0.75
                    one = np.real(np.fft.ifft2(keep * cross))
                    surface += one / max(float(one.std()), 1e-30)
            found = _peak(surface, min(reach, window // 4))
            if found and found[2] >= sharp:
                votes.append(found[:2])
    if not votes:
        return Shift(0.0, 0.0, float("nan"), [], tried)
    where = np.array(votes)
    centre = np.median(where, axis=0)
    spread = 1.4826 * float(np.median(np.abs(where - centre)))
    return Shift(float(centre[0]), float(centre[1]), spread, votes, tried)


def _starts(size: int, window: int) -> list[int]:
    """Half-overlapping windows, the last one flush with the edge."""
    step = max(1, window // 2)
    starts = list(range(0, size - window + 1, step))
    if starts[-1] + window < size:
        starts.append(size - window)
    return starts
