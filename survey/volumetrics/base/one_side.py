"""How much a base hangs on any one side of its ring, where something stands in the ring.

A slope with a step cannot be told from a steeper slope: where a wall, a bank or a tip stands beside an
outline on uneven ground, the ring itself cannot say which of its sides are natural, and trials on
undisturbed ground know of no wall. But a ring in which something stands scatters more than such rings do
near by, or part of it has been left out as not natural, perhaps not all that should be. There each side in
turn is taken to be the one that is not natural: a plane through the rest is laid under the outline, and the
volume may be off by anything up to the most that leaving one side out changes. Between a ring that scatters
as rings near by do and one that is clearly odd, so much of that counts as the ring is odd.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from survey.volumetrics.base.frame import Frame
from survey.volumetrics.base.judge import SECTORS
from survey.volumetrics.base.operators import _terms
from survey.volumetrics.base.ring import Ring, sectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

USUAL, ODD = 1.1, 1.4
"""Times what rings near by scatter about their plane: from the one on something may stand in this ring, from
the other on it is taken to."""
LEFT_OUT = 0.05
"""Part of the outline whose ground was left out as not natural, from which more of it may not be."""
SIDE = 10
"""Of ``SECTORS`` equal pieces of the outline: a side, up to two fifths of the outline."""
_LESS_THAN_HALF = 0.5  # of the outline with natural ground beside it
_LEAST_BLOCKS = 12


def hangs_on_one_side(frame: Frame, ring: Ring, usual_m: float | None) -> float:
    """1 σ, m³, of not knowing which side of the ring is natural; 0 where the ring is like those near by and
    whole.

    With everything between nothing and the greatest change ``L`` equally likely, the mean square is L²/3.

    Parameters
    ----------
    usual_m : scatter of such a ring about its plane on undisturbed ground near by; None: not known.
    """
    around = _around(frame, ring)
    if usual_m is None or around.sum() < _LEAST_BLOCKS:
        return 0.0
    odd = 1.0
    if ring.rejected <= LEFT_OUT:
        times = _scatter(frame, around) / max(usual_m, 1e-6)
        odd = min((times - USUAL) / (ODD - USUAL), 1.0)
    if odd <= 0:
        return 0.0
    most = most_of_a_side(frame, ring.wide, sectors(frame, around))
    if ring.share < _LESS_THAN_HALF:
        # So little was taken for natural that it may be the other way round.
        rest = around & ~ring.wide
        most = max(most, abs(_volume(frame, around, rest) - _volume(frame, around, ring.wide)))
    return odd * most / math.sqrt(3)


def plainly_odd(frame: Frame, ring: Ring, uneven_m: float | None) -> bool:
    """Whether a ring shows by itself that something stands in it: part of it was left out as not natural, or
    it scatters more than all but the most uneven rings near by, ``uneven_m``.

    What is usual near by has a spread of its own; a ring within it is not called more uneven.
    """
    if ring.rejected > LEFT_OUT:
        return True
    return uneven_m is not None and _scatter(frame, _around(frame, ring)) > uneven_m


def most_of_a_side(frame: Frame, wide: NDArray[np.bool_], sector: NDArray[np.intp]) -> float:
    """The greatest change, m³, of the volume under a plane through the ring if one side is left out."""
    whole, most = _volume(frame, wide, wide), 0.0
    for first in range(SECTORS):
        kept = wide & ((sector - first) % SECTORS >= SIDE)
        if kept.sum() >= _LEAST_BLOCKS:
            most = max(most, abs(_volume(frame, wide, kept) - whole))
    return most


def _around(frame: Frame, ring: Ring) -> NDArray[np.bool_]:
    """All measured blocks as far from the outline as the ring is, natural or not."""
    near = (frame.clearance_m > ring.gap_m) & (frame.clearance_m <= ring.gap_m + ring.width_m)
    return near & np.isfinite(frame.z)


def _volume(frame: Frame, around: NDArray[np.bool_], kept: NDArray[np.bool_]) -> float:
    """m³ under a plane through some of a ring, over the mean level of the ring."""
    level = float(frame.z[around].mean())
    terms = _terms(*frame.positions(kept), 1)
    fit = np.linalg.lstsq(terms, frame.z[kept] - level, rcond=1e-8)[0]
    under = frame.weight[frame.inside] @ _terms(*frame.positions(frame.inside), 1)
    return float(under @ fit) * frame.cell_east * frame.cell_north


def _scatter(frame: Frame, where: NDArray[np.bool_]) -> float:
    """Root mean square of heights about their plane, metres."""
    terms = _terms(*frame.positions(where), 1)
    z = frame.z[where] - frame.z[where].mean()
    return float(np.sqrt(np.mean((z - terms @ np.linalg.lstsq(terms, z, rcond=1e-8)[0]) ** 2)))
