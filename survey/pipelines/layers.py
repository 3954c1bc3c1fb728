"""The weights under which a sweep adds up: zones of the lease, doubtful ground, others' leases, polygons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from shapely.geometry.base import BaseGeometry

from survey.boundary.coverage import Coverage, Weights
from survey.boundary.zones import Zones
from survey.grid import Grid

LEASE, BUFFER, UNSURE_INSIDE, UNSURE_OUTSIDE, THEIRS = range(5)
"""Layers that every sweep has. BUFFER is 0–100 m outside the lease, whoever's ground it is; THEIRS lies in
other valid leases; the UNSURE ones lie so near the boundary that its σ leaves open whose they are."""
FIXED = 5


class LayerSet:
    """Weights of the fixed layers and of any further polygons, for any piece of the grid. Picklable."""

    def __init__(self, zones: Zones, grid: Grid, extra: Sequence[tuple[str, BaseGeometry]] = ()) -> None:
        self.names = ("lease", "buffer", "unsure inside", "unsure outside", "theirs", *(n for n, _ in extra))
        self._zones = zones
        self._extra = tuple(Coverage(shape, grid) for _, shape in extra)

    def weights(self, piece: Grid) -> tuple[Weights, ...]:
        s = self._zones.shares(piece)
        return (
            s.lease,
            _sum(s.buffer_free, s.buffer_theirs),
            s.unsure_inside,
            s.unsure_outside,
            _sum(s.buffer_theirs, s.beyond_theirs),
            *(c.weights(piece) for c in self._extra),
        )


def _sum(a: Weights, b: Weights) -> Weights:
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    return (np.asarray(a, np.uint16) + np.asarray(b, np.uint16)).astype(np.uint16)
