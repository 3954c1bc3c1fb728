"""Which points lie near a lease."""

from __future__ import annotations

import numpy as np
import shapely

from survey.imagery.triggers.places import Permitted, Places


def test_points_near_a_lease_are_those_within_its_buffer():
    leases = [
        Permitted("A", shapely.Polygon([(0, 0), (400, 0), (100, 300)])),
        Permitted("B", shapely.box(2000, 2000, 2100, 2500)),
    ]
    east, north = np.random.default_rng(0).uniform(-500, 3000, (2, 4000))
    away = np.min([shapely.distance(p.polygon, shapely.points(east, north)) for p in leases], axis=0)
    near = Places(leases, 500.0, 1.0).near_lease(east, north)
    # The buffer is a polygon: its arcs lie up to a few centimetres inside the true distance.
    sure = abs(away - 100.0) > 0.1
    assert np.array_equal(near[sure], away[sure] < 100.0)
    assert near.any()


def test_without_leases_nothing_is_near_one():
    assert not Places([], 500.0, 1.0).near_lease(np.zeros(3), np.zeros(3)).any()
