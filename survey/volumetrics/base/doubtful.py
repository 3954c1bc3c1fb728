"""Ground that was left out of a ring although it may be natural.

Whether a side of an outline is natural is judged from the ring alone. On a dune or a terrace a side may lie
off the rest's plane and be natural all the same. Leaving it out then makes the base worse, and trials, which
leave out the same part blindly, cannot see by how much. So the same ring is laid on undisturbed ground near
by, each side that was left out is foretold from the rest, and where the site's own side misses by no more
than sides there do, nobody can say whether it is natural: how much the volume would change with it is a doubt
of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from survey.volumetrics.base import trial
from survey.volumetrics.base.frame import Frame
from survey.volumetrics.base.judge import SECTORS
from survey.volumetrics.base.operators import _terms
from survey.volumetrics.base.ring import Ring, sectors, with_more

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AWAY = 3.5  # times what sides near by miss by: farther off is a wall, a bank, spoil
_FLOOR = 0.6  # of the site's depth: a side as far off as that may be its floor
_LEAST_EFFECTIVE = 3.0
_CURVED = 0.8  # share of the ring from which its curvature can be told


def doubtful(frame: Frame, terrain: Frame, ring: Ring, surface: NDArray[np.float64]) -> Ring | None:
    """The ring with those sides taken in that may be natural after all; None if there are none.

    ``terrain``: undisturbed ground on the frame's blocks. ``surface``: all measured heights.
    """
    around = (frame.clearance_m > ring.gap_m) & (frame.clearance_m <= ring.gap_m + ring.width_m)
    left_out = around & np.isfinite(frame.z) & ~ring.wide
    if not left_out.any() or ring.wide.sum() < 12:
        return None
    places = trial.find_places(frame, frame.inside | around, np.isfinite(terrain.z))
    if places.effective < _LEAST_EFFECTIVE:
        return None
    sector = sectors(frame, around)
    asked = [s for s in range(SECTORS) if (left_out & (sector == s)).any()]
    order = 2 if ring.share > _CURVED else 1
    terms = _terms(*frame.positions(ring.wide), order)
    inverse = np.linalg.pinv(terms, rcond=1e-8)
    kernels = []
    for s in asked:
        side = left_out & (sector == s)
        one = np.zeros(frame.z.shape)
        one[side] = 1.0 / side.sum()
        one[ring.wide] -= _terms(*frame.positions(side), order).mean(axis=0) @ inverse
        kernels.append(one)
    level = float(frame.z[ring.wide].mean())
    heights = np.where(np.isfinite(frame.z), frame.z - level, 0.0)
    off = np.array([float(np.sum(k * heights)) for k in kernels])
    errors = trial.errors(places, kernels, trial.filled(terrain.z))
    # Some trials cross the very wall in question: what holds two thirds of them is not moved by those.
    usual = np.quantile(np.abs(errors), 0.68, axis=0)
    inner = frame.inside & np.isfinite(surface)
    base = _terms(*frame.positions(inner), order) @ (inverse @ (frame.z[ring.wide] - level))
    depth = float(np.median(base - (surface[inner] - level))) if inner.any() else 0.0
    towards = -np.sign(depth) * off  # positive: the side lies towards the inside's level
    good = np.abs(off) <= _AWAY * usual
    good &= (towards <= _FLOOR * abs(depth)) | (abs(depth) <= usual)
    if not good.any():
        return None
    more = left_out & np.isin(sector, [s for s, g in zip(asked, good, strict=True) if g])
    return with_more(frame, ring, more)
