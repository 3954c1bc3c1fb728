"""The interval of a sum when it is not sure what belongs to it.

A zone's cut is the sum over the changes that are more likely digging than not. Where one of them may as well
be a shed, the sum is not its measured value give or take its noise: it is one of two values. The sum is then
a mixture: each doubtful change is there with its probability or is not, all of them independent of each
other, and on top lies the error of measuring. The interval runs between the 2.5 % and 97.5 % points of that
mixture. The value stays the sum of what is reported as sites, so that tables add up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.quantity import Z95, Measured

MOST_EXACT = 10
"""So many doubtful changes are gone through in all combinations; of more, the least add their variance."""
SURE = 0.95
"""What is as sure as the interval itself is not doubted."""
_TAIL = 0.025
_HALVINGS = 80


@dataclass(frozen=True)
class Unsure:
    """A change that may or may not belong to a sum, as the sum counts it (its sign included).

    ``counted``: the sum's value holds it. ``chance``: that it belongs. ``sigma_m3``: error of its volume.
    """

    volume_m3: float
    chance: float
    counted: bool
    sigma_m3: float = 0.0

    @property
    def other(self) -> tuple[float, float]:
        """(by how much the sum changes if it is otherwise than counted, chance of that)."""
        return (-self.volume_m3, 1.0 - self.chance) if self.counted else (self.volume_m3, self.chance)


def widened(sum_m3: Measured, doubtful: Sequence[Unsure]) -> Measured:
    """The same sum with an interval that also holds what doubtful changes may add or take away.

    Never narrower than ``sum_m3``, whose own interval is read as that of a normal error.
    """
    if not sum_m3.known or not (math.isfinite(sum_m3.lo) and math.isfinite(sum_m3.hi)):
        return sum_m3
    some = [d for d in doubtful if d.other[1] > 1.0 - SURE and d.volume_m3 != 0.0]
    if not some:
        return sum_m3
    some.sort(key=_weight, reverse=True)
    centres, chances, variances = _combinations(some[:MOST_EXACT])
    for d in some[MOST_EXACT:]:
        by, chance = d.other
        centres = centres + chance * by
        variances = variances + chance * (1 - chance) * by**2 + chance * d.sigma_m3**2
    sigma = np.sqrt(variances + (sum_m3.half_width / Z95) ** 2)
    centres = centres + sum_m3.value
    lo, hi = (_quantile(q, centres, sigma, chances) for q in (_TAIL, 1 - _TAIL))
    return Measured(sum_m3.value, min(lo, sum_m3.lo), max(hi, sum_m3.hi), sum_m3.unit)


def _weight(d: Unsure) -> float:
    by, chance = d.other
    return chance * (1 - chance) * by**2


def _combinations(
    some: Sequence[Unsure],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(centre, probability, added variance) of each of the 2ⁿ ways that doubtful changes may turn out."""
    centres, chances, variances = np.zeros(1), np.ones(1), np.zeros(1)
    for d in some:
        by, chance = d.other
        # What is not counted brings the error of its own volume; what is counted has it in the sum already.
        own = 0.0 if d.counted else d.sigma_m3**2
        centres = np.concatenate([centres, centres + by])
        chances = np.concatenate([chances * (1 - chance), chances * chance])
        variances = np.concatenate([variances, variances + own])
    return centres, chances, variances


def _quantile(
    q: float, centres: NDArray[np.float64], sigma: NDArray[np.float64], chances: NDArray[np.float64]
) -> float:
    """The point below which the mixture of normal variables lies with probability ``q``."""
    from scipy.special import ndtr

    reach = 10.0 * float(sigma.max()) + 1e-9
    low, high = float(centres.min()) - reach, float(centres.max()) + reach
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        with np.errstate(divide="ignore", invalid="ignore"):
            below = np.where(
                sigma > 0, ndtr((middle - centres) / np.where(sigma > 0, sigma, 1.0)), middle >= centres
            )
        if float((chances * below).sum()) < q:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
