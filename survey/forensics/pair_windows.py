"""Two surfaces on the same cells, summed up in squares: what tells flights apart, ready to be put together.

Every sum belongs to a square of ``WINDOW`` cells, so a large raster can be looked at tile by tile. What the
sums say is for ``resent`` to judge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.forensics.medians import row_medians
from survey.forensics.noise import GAIN, MAD, blocks, fine_texture, last_digit

WINDOW = 32
_INNER = 8
_DECOYS = ((5, 3), (-3, 7), (7, -5), (-6, -4))

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PairWindows:
    """Sums per square of ``WINDOW`` cells; every array is (rows, cols) of squares. Heights in metres."""

    informative: Floats  # cells with a texture of their own
    equal: Floats  # of these, how many have the same texture in both
    decoy: Floats  # the same for the pair moved by a few cells: accidents (mean over the moves)
    rise: Floats  # median of after − before
    white: Floats  # variance of the difference per cell, from its fine texture, m²
    wide: Floats  # variance of the difference per cell, from neighbouring means over 8 × 8 cells, m²
    var_before: Floats  # variance of the earlier noise, if all its texture were noise, m²
    cov: Floats  # covariance of earlier noise and difference, m²
    rough: Floats  # 1 if there is texture to judge by
    beside: Floats  # covariance of earlier textures beside each other, m²: −2/3 of their variance if white

    @staticmethod
    def joined(parts: list[list[PairWindows]]) -> PairWindows:
        """Tiles put together: a list of rows of tiles."""
        names = PairWindows.__dataclass_fields__
        return PairWindows(**{n: np.block([[getattr(p, n) for p in row] for row in parts]) for n in names})


def pair_windows(before: NDArray[np.floating], after: NDArray[np.floating]) -> PairWindows:
    """The sums of one tile. Both arrays on the same cells, (rows, cols) metres, NaN = not measured.

    Rows and columns beyond the last whole square are left out.
    """
    a, b = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"the surfaces have different shapes: {a.shape} and {b.shape}")
    la, lb = fine_texture(a), fine_texture(b)
    d = b - a
    ld = lb - la
    # Rounding to 32-bit floats moves each of the nine heights by half a last digit at most; 16 weights.
    slack = 8 * max(last_digit(a), last_digit(b))
    known = np.isfinite(ld)
    informative = known & ((np.abs(la) > 3 * slack) | (np.abs(lb) > 3 * slack))
    equal = informative & (np.abs(ld) <= slack)
    decoy = np.zeros(a.shape)
    for dr, dc in _DECOYS:
        moved = np.roll(la, (dr, dc), axis=(0, 1))
        accident = informative & (np.abs(lb - moved) <= slack)
        decoy += accident
    decoy /= len(_DECOYS)

    def total(mask: NDArray[np.generic]) -> Floats:
        return blocks(mask.astype(np.float64), WINDOW).sum(axis=-1)

    count = total(informative)
    white, var_before, cov, beside = _moments(la, ld)
    return PairWindows(
        informative=count,
        equal=total(equal),
        decoy=total(decoy),
        rise=_median(blocks(d, WINDOW)),
        white=white,
        wide=_wide(d),
        var_before=var_before,
        cov=cov,
        rough=(count >= WINDOW * WINDOW / 2).astype(np.float64),
        beside=beside,
    )


def _median(cut: Floats) -> Floats:
    out = np.full(cut.shape[:2], np.nan)
    enough = np.isfinite(cut).sum(axis=-1) >= cut.shape[-1] / 2
    if enough.any():
        out[enough] = row_medians(cut[enough])
    return out


def _moments(la: Floats, ld: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Variance of the difference, of the earlier texture, their covariance, and that of earlier textures
    beside each other, per square, per cell of noise.

    Cells where either is beyond four robust standard deviations of its square (an edge, a tree, a face that
    moved) are left out.
    """
    ca, cd = blocks(la, WINDOW), blocks(ld, WINDOW)
    shape = ca.shape[:2]
    white, var_before, cov, beside = (np.full(shape, np.nan) for _ in range(4))
    known = np.isfinite(cd)
    enough = known.sum(axis=-1) >= WINDOW * WINDOW / 2
    if not enough.any():
        return white, var_before, cov, beside
    x, y = ca[enough], cd[enough]
    keep = np.isfinite(y)
    for values in (x, y):
        limit = 4 * MAD * row_medians(np.abs(values))[:, None]
        keep &= np.abs(values) <= np.where(limit > 0, limit, np.inf)
    n = np.maximum(keep.sum(axis=-1), 1)
    x, y = np.where(keep, x, 0.0), np.where(keep, y, 0.0)
    scale = GAIN * GAIN * n
    white[enough] = (y * y).sum(axis=-1) / scale
    var_before[enough] = (x * x).sum(axis=-1) / scale
    cov[enough] = (x * y).sum(axis=-1) / scale
    square, kept = x.reshape(-1, WINDOW, WINDOW), keep.reshape(-1, WINDOW, WINDOW)
    pairs = np.maximum((kept[:, :, 1:] & kept[:, :, :-1]).sum(axis=(1, 2)), 1)
    beside[enough] = (square[:, :, 1:] * square[:, :, :-1]).sum(axis=(1, 2)) / (GAIN * GAIN * pairs)
    return white, var_before, cov, beside


def _wide(d: Floats) -> Floats:
    """Variance per cell as means over 8 × 8 cells show it: 64 · half the mean squared step between
    neighbours.
    """
    inner = blocks(d, _INNER)
    means = np.where(np.isfinite(inner).all(axis=-1), inner.mean(axis=-1), np.nan)
    per = WINDOW // _INNER
    rows, cols = d.shape[0] // WINDOW, d.shape[1] // WINDOW
    means = means[: rows * per, : cols * per].reshape(rows, per, cols, per).swapaxes(1, 2)
    across = (means[..., 1:] - means[..., :-1]).reshape(rows, cols, -1)
    down = (means[:, :, 1:] - means[:, :, :-1]).reshape(rows, cols, -1)
    steps = np.concatenate([across, down], axis=-1) ** 2
    out = np.full((rows, cols), np.nan)
    enough = np.isfinite(steps).sum(axis=-1) >= steps.shape[-1] / 2
    if enough.any():
        out[enough] = np.nanmean(steps[enough], axis=-1) / 2 * _INNER * _INNER
    return out
