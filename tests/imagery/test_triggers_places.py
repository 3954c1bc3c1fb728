"""Which points lie in a permitted area."""

from __future__ import annotations

import numpy as np
import pytest
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


def test_many_lie_where_each_of_them_lies():
    leases = [
        Permitted("A", shapely.Polygon([(0, 0), (400, 0), (100, 300)]), district="North"),
        Permitted("B", shapely.box(2000, 2000, 2100, 2500)),
    ]
    places = Places(leases, 300.0, 5.0)
    rng = np.random.default_rng(6)
    corners, sides = rng.uniform(-1500, 4000, (200, 2)), rng.uniform(10, 400, (200, 2))
    shapes = [shapely.box(x, y, x + w, y + h) for (x, y), (w, h) in zip(corners, sides, strict=True)]
    shapes.append(shapely.box(2010, 2010, 2080, 2090))
    each = [places.of(shape) for shape in shapes]
    assert places.of_all(shapes) == each
    assert {one.zone for one in each} == {"lease", "buffer", "ring", "beyond"}
    for shape, one in zip(shapes, each, strict=True):
        apart = {p.lease_id: shapely.distance(shape, p.polygon) for p in leases}
        assert one.distance_m == apart[one.lease_id] == min(apart.values())
        assert sum(one.areas_m2.values()) == pytest.approx(shape.area)
    assert places.of_all([]) == []
    nowhere = Places([], 300.0, 5.0)
    assert nowhere.of_all(shapes) == [nowhere.of(shape) for shape in shapes]
