"""Heights that were stored in whole steps: centimetres, decimetres, tenths of a foot.

Where the step is not small against the noise, most differences between two surveys are exactly nought, and a
median of them says that there is no noise at all. So wherever noise is learnt, each height is put somewhere
within its step, as far as anybody knows where it was: the spread is then that of the survey and its rounding,
somewhat more (by the rounding once again) and never less.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from survey.dem.sampling import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_STEP_M = 1e-3
"""Rounding to less adds a third of a millimetre to no survey's noise."""
_LOOKED_AT = 1 << 15
_LEAST_LOOKED_AT = 256
_ON_THE_LADDER = 0.99  # of the heights, for rounding to be the reason; a few may be fill values
_OFF_RUNG = 0.05


def step_of(heights: Iterable[NDArray[np.float32]]) -> float:
    """The step, metres, that heights lie apart by whole multiples of; 0 if there is none of a millimetre or
    more, or if there are too few heights (256) to tell.

    Any step is found (a tenth of a foot as well as a decimetre), counted from any level. Among many heights
    the closest two are one step apart; of heights that were not rounded they are next to nothing apart.
    """
    stacked = [z[np.isfinite(z)] for z in heights]
    found = np.concatenate(stacked) if stacked else np.empty(0, np.float32)
    found = found[:: max(1, found.size // _LOOKED_AT)].astype(np.float64)
    if found.size < _LEAST_LOOKED_AT:
        return 0.0
    levels = np.unique(found)
    # What storing as float32 may do to a height is no difference.
    blur = 2 * float(np.spacing(np.float32(np.abs(levels).max())))
    gaps = np.diff(levels)
    gaps = gaps[gaps > 2 * blur]
    if gaps.size == 0 or gaps.min() + 2 * blur < LEAST_STEP_M:
        return 0.0
    # One gap is as blurred as the heights; the whole ladder of them, fitted from its middle, is not.
    least = float(gaps.min())
    step = float(gaps[gaps < 1.5 * least + 2 * blur].mean())
    middle = levels[levels.size // 2]
    above = levels - middle
    rungs = np.round(above / step)
    if not rungs.any():
        return 0.0
    step = float((above * rungs).sum() / (rungs * rungs).sum())
    if blur > step / 8:
        # Above a thousand metres float32 has steps of its own, and every height is on such a ladder.
        return 0.0
    off = np.abs(found - middle - step * np.round((found - middle) / step))
    on = np.mean(off <= _OFF_RUNG * step + 2 * blur) >= _ON_THE_LADDER
    return round(step, 6) if on else 0.0


def spread_in_steps(sample: list[Window]) -> tuple[list[Window], float, float]:
    """The sample with rounded heights put anywhere within their step; each survey's step, metres, 0: none.

    Where a height goes hangs on its own row and column alone. A survey without steps is left as it is.
    """
    before, after = step_of(w.before for w in sample), step_of(w.after for w in sample)
    if before == after == 0:
        return sample, 0.0, 0.0
    return (
        [
            replace(
                w,
                before=_put(w.before, before, w.piece.row0, w.piece.col0, 1),
                after=_put(w.after, after, w.after_grid.row0, w.after_grid.col0, 2),
            )
            for w in sample
        ],
        before,
        after,
    )


def _put(z: NDArray[np.float32], step: float, row0: int, col0: int, survey: int) -> NDArray[np.float32]:
    if step == 0:
        return z
    rows = (np.arange(z.shape[0]) + row0 + (1 << 31)).astype(np.uint64)
    cols = (np.arange(z.shape[1]) + col0 + (1 << 31)).astype(np.uint64)
    mixed = _mixed(_mixed(rows + np.uint64(survey << 40))[:, None] + cols[None, :])
    return (z + step * ((mixed >> np.uint64(11)) * 2.0**-53 - 0.5)).astype(np.float32)


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64 (Steele, Lea and Flood 2014): 64 bits that look like chance, the same on every machine."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
