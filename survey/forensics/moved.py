"""Was a file moved before it was sent again? By whole cells, or by a part of one, which weighs neighbours."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from survey.forensics.flag import Flag
from survey.forensics.noise import GAIN, MAD, fine_texture

TEST = "real.resent"

Floats = NDArray[np.float64]


def find_move(
    before: NDArray[np.floating], after: NDArray[np.floating], reach: int
) -> tuple[int, int, float]:
    """By how many whole cells the earlier texture must be moved to fit the later one.

    Parameters
    ----------
    before:
        (rows + 2·reach, cols + 2·reach): the ground of ``after`` and ``reach`` cells more on each side.
    after:
        (rows, cols).

    Returns
    -------
    rows, cols, z
        ``after[i, j]`` fits ``before[i + reach − rows, j + reach − cols]``; z is the height of the peak of
        the correlation in standard deviations of its surroundings. Below about 8 it may be chance.
    """
    from scipy import fft

    def prepared(z: NDArray[np.floating]) -> Floats:
        texture = fine_texture(z)
        known = np.isfinite(texture)
        if not known.any():
            return np.zeros(z.shape)
        limit = 3 * MAD * float(np.median(np.abs(texture[known])))
        out: Floats = np.where(known, np.clip(texture, -limit, limit), 0.0)
        return out

    a, b = prepared(before), prepared(after)
    shape = [fft.next_fast_len(n, real=True) for n in a.shape]
    product = fft.rfft2(a, s=shape) * np.conj(fft.rfft2(b, s=shape))
    surface = fft.irfft2(product, s=shape)[: 2 * reach + 1, : 2 * reach + 1]
    spread = float(np.std(surface))
    if spread == 0:
        return 0, 0, 0.0
    row, col = np.unravel_index(int(np.argmax(surface)), surface.shape)
    # Without the peak itself, which would hide in its own spread.
    rest = np.delete(surface.ravel(), np.argmax(surface))
    z = (float(surface[row, col]) - float(np.mean(rest))) / float(np.std(rest))
    return reach - int(row), reach - int(col), z


def resampled_copy(before: NDArray[np.floating], after: NDArray[np.floating]) -> tuple[float, float] | None:
    """How well the later surface is a fixed weighting of 7 × 7 earlier cells: (residual, noise), metres.

    A copy moved by a part of a cell is such a weighting (bilinear, cubic, Lanczos, spline), exact to
    rounding; a second flight adds centimetres that no weighting knows. Both arrays on the same cells; None
    where there is too little to fit.
    """
    la, lb = fine_texture(before), fine_texture(after)
    reach = 3
    rows, cols = la.shape
    if min(rows, cols) < 40:
        return None
    inner = np.zeros(la.shape, bool)
    inner[reach + 1 : rows - reach - 1, reach + 1 : cols - reach - 1] = True
    row, col = np.nonzero(inner & np.isfinite(lb))
    every = max(1, row.size // 8000)
    row, col = row[::every], col[::every]
    offsets = range(-reach, reach + 1)
    x = np.stack([la[row + dr, col + dc] for dr in offsets for dc in offsets], axis=1)
    y = lb[row, col]
    known = np.isfinite(x).all(axis=1)
    if known.sum() < 1200:
        return None
    x, y = x[known], y[known]
    weights, *_ = np.linalg.lstsq(x, y, rcond=None)
    residual = y - x @ weights
    # Where the ground was worked, the copy is not one; fit again without it.
    keep = np.abs(residual) <= 4 * MAD * np.median(np.abs(residual)) + 1e-12
    weights, *_ = np.linalg.lstsq(x[keep], y[keep], rcond=None)
    residual = y[keep] - x[keep] @ weights
    return (
        float(MAD * np.median(np.abs(residual)) / GAIN),
        float(MAD * np.median(np.abs(y)) / GAIN),
    )


def judge_resampled(
    fits: list[tuple[float, float] | None], last_digit_m: float, rounded_to_m: float = 0.0
) -> Flag | None:
    """The flag of a copy that was moved by a part of a cell, from fits of several places.

    ``last_digit_m``: spacing of the file's numbers at its own heights. ``rounded_to_m``: step that the later
    file's heights were rounded to, 0.0 if they were not. What a copy may leave is its rounding (a step has
    step/√12 as 1 σ) and the digits; what a second flight leaves is its own noise, more than half of the
    texture where noise makes it. Where the rounding is no smaller than the texture, nothing can be told.
    """
    known = [fit for fit in fits if fit is not None]
    if not known:
        return None
    rounding = 1.3 * rounded_to_m / math.sqrt(12)
    most = 0.25 if rounded_to_m > 0 else 0.05
    exact = [
        r < rounding + max(3 * last_digit_m, 2e-4 + 0.005 * n) and n > 10 * last_digit_m and r < most * n
        for r, n in known
    ]
    part = sum(exact) / len(known)
    if part < 0.3:
        return None
    residual = float(np.median([r for (r, _), e in zip(known, exact, strict=True) if e]))
    return Flag(
        TEST,
        "resampled",
        "strong",
        f"At {sum(exact)} of {len(known)} places tried, the fine texture of this survey is a fixed "
        f"weighting of the "
        f"earlier one's cells, to {residual * 1000:.1f} mm: what moving a file by a part of a cell does, and "
        f"a second flight does not.",
        {"places": len(known), "exact_places": sum(exact), "residual_m": residual},
        (),
        ("the wrong file was packed",),
    )
