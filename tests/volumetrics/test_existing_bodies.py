"""Pits and heaps of known form on known ground."""

from __future__ import annotations

import math

import numpy as np
import pytest

from survey.volumetrics import existing
from survey.volumetrics.existing import Look
from survey.volumetrics.existing_find import Candidate, candidates, rim_of
from survey.volumetrics.existing_ground import carried, drawn_ground, zone_of
from survey.volumetrics.existing_tell import Cover, dismissal, probability, reasons

CELL = 0.5
LIMITS = Look().least_breaks


def plain(
    rows: int = 200, cols: int = 220, slope: float = 0.05, bend: float = 1e-4
) -> tuple[np.ndarray, ...]:
    y, x = np.mgrid[0:rows, 0:cols] * CELL
    x, y = x - x.mean(), y - y.mean()
    return x, y, 250 + slope * x - 0.5 * slope * y + bend * (x * x - x * y)


def look(z: np.ndarray) -> list[Candidate]:
    z32 = z.astype(np.float32)
    rim = rim_of([existing.breaks(z32, CELL, d) for d in Look().distances_m], LIMITS)
    marks = np.abs(rim) > 1
    marks[:20], marks[-20:], marks[:, :20], marks[:, -20:] = False, False, False, False
    if not marks.any():
        return []
    return candidates(z, marks, np.zeros_like(marks), rim, CELL, 40.0, 0.4)


def best(found: list[Candidate]) -> Candidate:
    return max(found, key=lambda c: c.form.score * math.sqrt(c.form.area_m2))


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def frustum(r: np.ndarray, rim: float, depth: float, face: float) -> np.ndarray:
    return np.clip((rim - r) * face, 0, depth)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_a_frustum_on_curved_ground_is_found_to_its_rim(sign: int, slope: float) -> None:
    x, y, ground = plain(slope=slope)
    depth = frustum(np.hypot(x, y), 15.0, 4.0, math.tan(math.radians(37)))
    found = best(look(ground + sign * depth))
    assert found.body.sign == sign
    assert iou(found.body.cells, depth > 0.05) > 0.9
    assert found.form.depth_m == pytest.approx(4.0, rel=0.03)
    assert found.form.closed > 0.95
    assert found.form.least_closed > 0.9


def test_a_cut_into_a_slope_that_is_open_below() -> None:
    x, y, ground = plain(slope=0.25)
    floor = np.where(np.hypot(x, y) < 14, np.minimum(ground, 250.0), ground)
    face = math.tan(math.radians(60))
    z = np.minimum(ground, np.maximum(floor, 250 + np.maximum(np.hypot(x, y) - 12, 0) * face))
    dug = ground - z
    found = [c for c in look(z) if c.body.sign < 0]
    assert max(iou(c.body.cells, dug > 0.1) for c in found) > 0.7


def test_natural_ground_that_bends_gently_holds_nothing() -> None:
    x, y, ground = plain()
    hill = 5 * np.exp(-(x**2 + y**2) / (2 * 25.0**2))
    assert look(ground + hill) == []
    assert look(ground - hill) == []


def test_drawn_ground_continues_a_quadratic_surface() -> None:
    x, y, ground = plain(slope=0.1, bend=3e-4)
    zone = np.hypot(x, 0.6 * y) < 12
    drawn = drawn_ground(np.where(zone, 0.0, ground), zone, np.ones_like(zone), CELL)
    assert drawn is not None
    assert np.abs(drawn[0] - ground)[zone].max() < 0.01
    assert drawn[1] < 0.005


def test_drawn_ground_is_not_moved_by_a_tree_on_the_ring() -> None:
    x, y, ground = plain(slope=0.1)
    zone = np.hypot(x, y) < 12
    z = ground + 6.0 * (np.hypot(x - 15, y) < 2)
    drawn = drawn_ground(z, zone, np.ones_like(zone), CELL)
    assert drawn is not None
    assert np.abs(drawn[0] - ground)[zone].max() < 0.15


def test_no_ring_no_ground() -> None:
    z = np.full((30, 30), np.nan)
    zone = np.zeros((30, 30), bool)
    zone[10:20, 10:20] = True
    assert drawn_ground(z, zone, np.ones_like(zone), CELL) is None


def test_carrying_keeps_what_is_known_and_stays_within_it() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 1, (37, 53))
    values[rng.random(values.shape) < 0.8] = np.nan
    out = carried(values)
    known = np.isfinite(values)
    assert (out[known] == values[known]).all()
    assert out.min() >= np.nanmin(values)
    assert out.max() <= np.nanmax(values)
    assert carried(np.where(known, 0.7, np.nan)) == pytest.approx(0.7)


def test_a_zone_closes_gaps_and_fills_the_floor() -> None:
    x, y, _ = plain()
    r, way = np.hypot(x, y), np.arctan2(y, x)
    ring = (np.abs(r - 15) < 1) & (np.abs(way) > 0.15)
    zone = zone_of(ring, CELL)
    assert iou(zone, r < 16) > 0.9


def test_probability_rises_with_a_closed_rim_and_falls_with_leaves() -> None:
    x, y, ground = plain()
    depth = frustum(np.hypot(x, y), 12.0, 3.0, math.tan(math.radians(35)))
    pit, heap = best(look(ground - depth)).form, best(look(ground + depth)).form
    for form in (pit, heap):
        assert probability(form, None, None) > 0.5
        assert 0 <= probability(form, Cover(0, 0, 1, 0), Cover(0.1, 0, 0.9, 0)) <= 1
    green, bare = Cover(0.95, 0, 0.03, 0.02), Cover(0.02, 0, 0.96, 0.02)
    assert probability(heap, green, bare) < probability(heap, bare, bare)
    assert "no orthomosaic" in reasons(pit, None, None)
    assert "water" in reasons(pit, Cover(0, 0.8, 0.1, 0.1), None)


def test_a_dismissal_says_what_it_is() -> None:
    x, y, ground = plain()
    shed = ground + 3.0 * ((np.abs(x) < 6) & (np.abs(y) < 4))
    form = best(look(shed)).form
    assert dismissal(form, None, None)[0] == "vehicle or shed"
    assert dismissal(form, Cover(0.9, 0, 0.1, 0), None)[0] == "trees or crop"
