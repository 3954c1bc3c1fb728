"""Which points lie in a permitted area."""

from __future__ import annotations

import numpy as np
import shapely

from survey.imagery.triggers.places import Permitted, Places


def test_points_in_a_lease_are_those_at_no_distance_from_one():
    leases = [
        Permitted("A", shapely.Polygon([(0, 0), (400, 0), (100, 300)])),
        Permitted("B", shapely.box(2000, 2000, 2100, 2500)),
    ]
    east, north = np.random.default_rng(0).uniform(-500, 3000, (2, 4000))
    away = np.min([shapely.distance(p.polygon, shapely.points(east, north)) for p in leases], axis=0)
    inside = Places(leases, 500.0, 1.0).in_lease(east, north)
    assert np.array_equal(inside, away == 0.0)
    assert inside.any()


def test_without_leases_nothing_is_in_one():
    assert not Places([], 500.0, 1.0).in_lease(np.zeros(3), np.zeros(3)).any()
