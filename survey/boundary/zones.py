"""Zones of a lease on a grid: the lease, the band around it, and beyond; whose ground it is; what is unsure.

Every weight is an integer in 1/4096 of a cell, does not depend on how the grid is cut, and the parts of a
partition sum to 4096 in every cell: they are differences of the weights of polygons that contain each other
(lease ⊂ lease and free band ⊂ lease and band ⊂ lease, band and others' ground).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from survey.boundary.bands import grown, polygonal, shrunk
from survey.boundary.coverage import FULL, Coverage, Weights
from survey.boundary.polygons import read_polygons
from survey.grid import Grid
from survey.quantity import Z95

if TYPE_CHECKING:
    from shapely import Geometry

    from survey.boundary.lease import Lease
    from survey.boundary.registry import RegisteredLease

__all__ = ["BUFFER_M", "Shares", "Zones", "make_zones", "read_polygons"]

BUFFER_M = 100.0
"""How far outside the lease the law asks for a survey (MCDR 34A, Rajasthan 28(2)(iv)(dd))."""


@dataclass(frozen=True)
class Shares:
    """Weights of one piece, each an array or a plain number.

    ``lease + buffer_free + buffer_theirs + beyond_free + beyond_theirs`` is 4096 everywhere; *theirs* lies in
    another valid lease. ``unsure_inside`` ⊂ lease and ``unsure_outside`` ⊂ the rest lie so near the lease's
    boundary that its uncertainty leaves open whose ground they are. ``ring`` is the ground between the buffer
    and the outer edge of a ring that triggers may ask for.
    """

    lease: Weights
    buffer_free: Weights
    buffer_theirs: Weights
    beyond_free: Weights
    beyond_theirs: Weights
    unsure_inside: Weights
    unsure_outside: Weights
    ring: Weights


@dataclass(frozen=True)
class Zones:
    """Zones prepared on one grid. Picklable; safe in threads. Made by :func:`make_zones`.

    Areas are on the map (m² of the grid), like the cells that they are compared with.
    """

    lease: Geometry
    reach: Geometry  # the lease and its buffer
    theirs: Geometry  # other valid leases, less this one, clipped to a window
    buffer_m: float
    sigma_m: float
    unsure_m: float
    ring_m: float
    others: tuple[RegisteredLease, ...]
    _lease: Coverage = field(repr=False)
    _free_reach: Coverage = field(repr=False)
    _reach: Coverage = field(repr=False)
    _reach_and_theirs: Coverage = field(repr=False)
    _core: Coverage = field(repr=False)
    _lease_and_unsure: Coverage = field(repr=False)
    _ring: Coverage = field(repr=False)

    @property
    def lease_area_m2(self) -> float:
        return float(self.lease.area)

    @property
    def buffer(self) -> Geometry:
        """The band outside the lease, without the lease."""
        import shapely

        return polygonal(shapely.difference(self.reach, self.lease))

    @property
    def buffer_area_m2(self) -> float:
        return float(self.reach.area - self.lease.area)

    def weights(self, piece: Grid) -> tuple[Weights, Weights]:
        """Weights of lease and buffer (others' ground in it included); beyond is 4096 − both."""
        lease = self._lease.weights(piece)
        return lease, _less(self._reach.weights(piece), lease)

    def shares(self, piece: Grid) -> Shares:
        """All parts of a piece: see :class:`Shares`."""
        made: dict[int, Weights] = {}

        def laid(outline: Coverage) -> Weights:
            # Without neighbours or doubt several outlines are one and the same.
            if id(outline) not in made:
                made[id(outline)] = outline.weights(piece)
            return made[id(outline)]

        lease = laid(self._lease)
        free_reach = _most(laid(self._free_reach), lease)
        reach = _most(laid(self._reach), free_reach)
        with_theirs = _most(laid(self._reach_and_theirs), reach)
        return Shares(
            lease,
            _less(free_reach, lease),
            _less(reach, free_reach),
            _less(FULL, with_theirs),
            _less(with_theirs, reach),
            _less(lease, laid(self._core)),
            _less(laid(self._lease_and_unsure), lease),
            _less(laid(self._ring), reach),
        )

    def zone_of(self, east: float, north: float) -> Literal["lease", "buffer", "beyond"]:
        """The zone of a point: ``lease``, ``buffer`` or ``beyond``. A point on a line lies inside."""
        import shapely

        point = shapely.Point(east, north)
        if shapely.covers(self.lease, point):
            return "lease"
        return "buffer" if shapely.covers(self.reach, point) else "beyond"


def make_zones(
    lease: Lease,
    grid: Grid,
    *,
    buffer_m: float = BUFFER_M,
    sigma_m: float | None = None,
    unsure_sigmas: float = Z95,
    others: Sequence[RegisteredLease] = (),
    ring_m: float = 0.0,
) -> Zones:
    """Lay a lease's zones on a grid.

    Parameters
    ----------
    lease:
        In any system; it is brought to the grid's.
    buffer_m:
        Width of the band outside the lease.
    sigma_m:
        Standard deviation of the boundary's position; the lease's own by default, 0 if it has none.
    unsure_sigmas:
        How many of them, to either side, are unsure: 1.96 leaves 95 % of the doubt within.
    others:
        Other valid leases in the grid's system (see ``registry.Registry.window``). What of them lies in this
        lease counts as this lease's.
    ring_m:
        Outer edge of an additional ring, measured from the lease; 0 for none.
    """
    import shapely

    here = lease.to_crs(grid.crs_wkt).polygon
    sigma = lease.sigma_m if sigma_m is None else sigma_m
    sigma = 0.0 if sigma is None else float(sigma)
    unsure = sigma * unsure_sigmas
    reach = grown(here, buffer_m)
    b = grid.bounds
    window = shapely.box(b.west, b.south, b.east, b.north)
    theirs = shapely.Polygon()
    if others:
        near = [polygonal(shapely.intersection(o.polygon, window)) for o in others]
        theirs = polygonal(shapely.difference(shapely.union_all(near), here))
    free_reach = reach if theirs.is_empty else polygonal(shapely.difference(reach, theirs))
    with_theirs = reach if theirs.is_empty else polygonal(shapely.union(reach, theirs))
    ring = grown(here, ring_m) if ring_m > buffer_m else reach

    def laid(polygon: Any) -> Coverage:
        return Coverage(polygon, grid)

    on_lease, on_reach = laid(here), laid(reach)
    return Zones(
        here,
        reach,
        theirs,
        float(buffer_m),
        sigma,
        unsure,
        float(ring_m),
        tuple(others),
        on_lease,
        on_reach if free_reach is reach else laid(free_reach),
        on_reach,
        on_reach if with_theirs is reach else laid(with_theirs),
        laid(shrunk(here, unsure)) if unsure else on_lease,
        laid(grown(here, unsure)) if unsure else on_lease,
        on_reach if ring is reach else laid(ring),
    )


def _less(larger: Weights, smaller: Weights) -> Weights:
    """A difference of weights, never below zero: nested outlines may differ by one unit of rounding."""
    if isinstance(larger, int) and isinstance(smaller, int):
        return max(larger - smaller, 0)
    a = np.asarray(larger, np.uint16)
    # Never below zero in sixteen bits either: this is asked for every tile that an outline crosses.
    return np.asarray(a - np.minimum(a, np.asarray(smaller, np.uint16)), np.uint16)


def _most(outer: Weights, inner: Weights) -> Weights:
    """The weight of a polygon that contains another: at least the other's."""
    if isinstance(outer, int) and isinstance(inner, int):
        return max(outer, inner)
    if isinstance(outer, int) and outer == FULL:
        return FULL
    if isinstance(inner, int) and inner == 0:
        return outer
    return np.maximum(np.asarray(outer, np.uint16), np.asarray(inner, np.uint16))
