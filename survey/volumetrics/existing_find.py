"""Bodies in one zone of disturbed ground: several guesses at the zone, the ground drawn under each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.volumetrics.existing_cells import distance_to, window_of
from survey.volumetrics.existing_ground import Body, Bools, Floats, bodies, drawn_ground, zone_of
from survey.volumetrics.existing_shape import Form, form_of

_REACH_M = 2.0
_REDRAWN = 2  # a hollow says less of where a pit ends than breaks do
_HULL = (1.25, 6.0)  # a rim that is open on one side fills this much less than its hull


@dataclass(frozen=True)
class Candidate:
    """A body on its working piece, with the form that it was found to have."""

    body: Body
    form: Form


def zones_of(marked: Bools, cell_m: float) -> list[Bools]:
    """What ground the breaks may enclose: their gaps closed; if they are open to a side, their hull."""
    closed = zone_of(marked, cell_m)
    hull = _hull(marked)
    ratio = float(hull.sum()) / max(int(closed.sum()), 1)
    return [closed, hull] if _HULL[0] < ratio < _HULL[1] else [closed]


def _hull(marked: Bools) -> Bools:
    import shapely

    rows, cols = np.nonzero(marked)
    hull = shapely.convex_hull(shapely.multipoints(np.stack([cols, rows], axis=1).astype(float)))
    if hull.geom_type != "Polygon":
        return marked
    shapely.prepare(hull)
    out = np.zeros_like(marked)
    window = window_of(marked)
    rr, cc = np.mgrid[window]
    out[window] = shapely.intersects_xy(hull, cc.ravel(), rr.ravel()).reshape(rr.shape)
    return out


def rim_of(breaks: Sequence[NDArray[np.floating]], limits: Sequence[float]) -> Floats:
    """The strongest break of each cell over all distances, in units of its limit."""
    out = np.zeros(breaks[0].shape)
    for b, limit in zip(breaks, limits, strict=True):
        share = np.nan_to_num(b) / limit
        out = np.where(np.abs(share) > np.abs(out), share, out)
    return out


def candidates(
    z: Floats, marked: Bools, others: Bools, rim: Floats, cell_m: float, least_m2: float, least_m: float
) -> list[Candidate]:
    """All bodies that the breaks ``marked`` may be the rims and toes of.

    Parameters
    ----------
    z : heights, (rows, cols) with a margin around the marked cells, NaN = not measured.
    others : other disturbed cells: no ground to draw from.
    rim : see ``rim_of``.
    """
    out: list[Candidate] = []
    for zone in zones_of(marked, cell_m):
        drawn = drawn_ground(z, zone, ~others, cell_m)
        if drawn is None:
            continue
        ground, sigma = drawn
        reach = distance_to(zone) * cell_m <= _REACH_M
        for body in bodies(z - ground, reach, rim, cell_m, sigma, least_m2, least_m):
            final, under = _again(z, body, others, rim, cell_m, least_m2, least_m) or (body, ground)
            out.append(
                Candidate(final, form_of(z, under, final.cells, rim, final.sign, cell_m, final.sigma_m))
            )
    return out


def hollowed(
    z: Floats, core: Bools, by_m: float, rim: Floats, cell_m: float, least_m2: float, least_m: float
) -> list[Candidate]:
    """Pits around ground that lies below its surroundings, whatever breaks there are.

    Parameters
    ----------
    z, rim : as of ``candidates``.
    core : cells that lie low. ``by_m``: how far beyond them a pit may reach at first.
    """
    zone = distance_to(core) * cell_m <= by_m
    drawn = drawn_ground(z, zone, np.ones_like(zone), cell_m)
    if drawn is None:
        return []
    ground, sigma = drawn
    reach = distance_to(zone) * cell_m <= _REACH_M
    none = np.zeros_like(zone)
    out: list[Candidate] = []
    for body in bodies(z - ground, reach, rim, cell_m, sigma, least_m2, least_m):
        if body.sign > 0 or not (body.cells & core).any():
            continue
        final, under = body, ground
        for _ in range(_REDRAWN):
            again = _again(z, final, none, rim, cell_m, least_m2, least_m)
            if again is None:
                break
            final, under = again
        out.append(Candidate(final, form_of(z, under, final.cells, rim, -1, cell_m, final.sigma_m)))
    return out


def _again(
    z: Floats, body: Body, others: Bools, rim: Floats, cell_m: float, least_m2: float, least_m: float
) -> tuple[Body, Floats] | None:
    """The body with the ground drawn from the ring around itself instead of around its zone."""
    near = distance_to(body.cells) * cell_m <= _REACH_M
    drawn = drawn_ground(z, body.cells, ~(others & ~near), cell_m)
    if drawn is None:
        return None
    ground, sigma = drawn
    better = [
        b
        for b in bodies(z - ground, near, rim, cell_m, sigma, least_m2, least_m)
        if b.sign == body.sign and 2 * (b.cells & body.cells).sum() > min(b.cells.sum(), body.cells.sum())
    ]
    if not better:
        return None
    return max(better, key=lambda b: int(b.cells.sum())), ground
