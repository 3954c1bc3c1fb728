"""Outlines that overlap are counted once, whatever their number and order."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.errors import InputRefused
from survey.pipelines.assess.targets import (
    MOST_VERTICES,
    Target,
    drawn,
    from_polygons,
    from_sites,
    settle_overlaps,
    without_repeats,
)


def square(x, y, side):
    return shapely.box(x, y, x + side, y + side)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(2, 15)),
        min_size=1,
        max_size=6,
        unique=True,
    )
)
def test_the_grounds_of_all_outlines_make_their_union(boxes):
    targets = [Target(f"t{k}", square(*box), k) for k, box in enumerate(boxes)]
    try:
        settled = settle_overlaps(targets)
    except InputRefused:
        # Equal outlines, or one that smaller ones cover wholly.
        return
    whole = shapely.union_all([t.polygon for t in targets]).area
    assert shapely.union_all([t.polygon for t in settled]).area == pytest.approx(whole)
    # Ground that two of them hold is measured layer by layer, one within the other; none is counted twice.
    for k, one in enumerate(settled):
        for two in settled[:k]:
            if two.id not in one.within:
                assert shapely.intersection(one.polygon, two.polygon).area <= 1e-3 * two.polygon.area


def test_nested_and_overlapping_outlines_are_whole_and_counted_once():
    """b lies in a, c half in it and half on b: c keeps only what lies beyond both."""
    a, b, c = square(0, 0, 11), square(9, 0, 2), square(10, 0, 2)
    settled = {t.id: t for t in settle_overlaps([Target("a", a, 0), Target("b", b, 1), Target("c", c, 2)])}
    assert {name: t.polygon.area for name, t in settled.items()} == {"a": 121, "b": 4, "c": 2}
    assert settled["a"].within == ("b",)


def test_what_lies_in_an_inner_outline_that_is_cut_off_goes_with_it():
    """The small one lies in the middle one, which only half lies in the large one."""
    large, middle, small = square(0, 0, 20), shapely.box(15, 5, 28, 10), square(16, 6, 2)
    settled = {
        t.id: t
        for t in settle_overlaps([Target("l", large, 0), Target("m", middle, 1), Target("s", small, 2)])
    }
    assert settled["m"].within == ("s",)
    assert settled["l"].within == ()
    assert settled["l"].polygon.area == 400 - 25


def test_the_order_in_the_file_does_not_matter_but_among_equals():
    a, b = square(0, 0, 10), square(6, 6, 8)
    one = {t.id: t.polygon for t in settle_overlaps([Target("a", a, 0), Target("b", b, 1)])}
    two = {t.id: t.polygon for t in settle_overlaps([Target("b", b, 0), Target("a", a, 1)])}
    assert one["a"].equals(two["a"])
    assert one["b"].equals(two["b"])
    assert one["b"].area == 64  # the smaller keeps what they share


def test_inner_outlines_come_first():
    order = settle_overlaps([Target("out", square(0, 0, 20), 0), Target("in", square(5, 5, 4), 1)])
    assert [t.id for t in order] == ["in", "out"]
    assert order[1].within == ("in",)
    assert order[1].polygon.area == 400


def test_one_outline_twice_is_refused_or_nested_never_doubled():
    twice = [Target("a", square(0, 0, 5), 0), Target("b", square(0, 0, 5), 1)]
    settled = settle_overlaps(twice)
    assert settled[1].within == ("a",)


def test_outlines_that_are_one_are_kept_once_and_named():
    ring = square(0, 0, 10)
    same = shapely.Polygon([(10, 10), (10, 0), (5, 0), (0, 0), (0, 10)])  # begun elsewhere, a point more
    targets = [Target("a", ring, 0), Target("b", same, 1), Target("c", square(0, 0, 9), 2)]
    kept, said = without_repeats([*targets, Target("d", ring, 3)])
    assert [t.id for t in kept] == ["a", "c"]
    assert [line.split(" ")[0] for line in kept[0].counted] == ["b", "d"]
    assert [r.code for r in said] == ["outline-repeated"] * 2
    assert without_repeats(kept) == (kept, [])


def test_names_are_kept_and_made_unique():
    targets = from_polygons([("Pit", square(0, 0, 1)), ("Pit", square(2, 2, 1)), ("", square(4, 4, 1))])
    assert [t.id for t in targets] == ["Pit", "Pit (2)", "site 3"]


def test_a_detected_outline_is_drawn_with_few_corners_within_a_cell():
    """A disc in cells of half a metre."""
    cell = 0.5
    row, col = np.nonzero(np.hypot(*(np.mgrid[-60:61, -60:61])) <= 50)
    cells = shapely.union_all(shapely.box(col * cell, row * cell, (col + 1) * cell, (row + 1) * cell))
    simple = drawn(cells, cell)
    assert shapely.get_num_coordinates(simple) <= MOST_VERTICES
    assert simple.area == pytest.approx(cells.area, rel=0.02)
    assert shapely.hausdorff_distance(simple.exterior, cells.exterior) < 2 * cell


def test_detected_pits_and_heaps_outside_are_assessed_and_what_was_filled_again_is_not():
    def site(name, kind, outside_m3, zone="beyond"):
        return SimpleNamespace(id=name, kind=kind, outside_volume_m3=outside_m3, volume_m3=100.0, zone=zone)

    found = [
        (site("small pit", "pit", 20.0), square(0, 0, 9)),
        (site("filled", "backfill", 90.0), square(10, 0, 9)),
        (site("heap", "heap", 60.0), square(20, 0, 9)),
        (site("at home", "pit", 0.0, "lease"), square(30, 0, 9)),
    ]
    made = from_sites(found, 0.5, outside_only=True)
    assert [(t.id, t.kind) for t in made] == [("heap", "stock"), ("small pit", "pit")]
    assert "filled" not in {t.id for t in from_sites(found, 0.5, outside_only=False)}
