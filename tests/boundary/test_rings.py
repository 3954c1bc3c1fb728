"""Rings: what is mended is said, what is ambiguous is refused."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Polygon, box

from survey.boundary.rings import crossing, polygon_of, remarks, tidy
from survey.errors import InputRefused

SQUARE = [(0, 0), (100, 0), (100, 100), (0, 100), (0, 0)]


def build(*parts, metres_per_unit=1.0, **options):
    mends: Counter[str] = Counter()
    arrays = [[np.array(ring, float) for ring in part] for part in parts]
    shape = polygon_of(
        arrays, file="a.kml", label="the lease", metres_per_unit=metres_per_unit, mends=mends, **options
    )
    return shape, {r.code for r in remarks(mends)}


def test_nothing_to_mend():
    shape, said = build([SQUARE, box(10, 10, 20, 20).exterior.coords])
    assert shape.area == 10_000 - 100
    assert said == set()


@pytest.mark.parametrize(
    ("ring", "code", "area"),
    [
        (SQUARE[:-1], "ring-unclosed", 10_000),
        ([*SQUARE[:2], (100, 0), (100, 0.0001), *SQUARE[2:]], "vertices-repeated", 10_000),
        ([(0, 0), (100, 0), (150, 0), (100, 0), (100, 100), (0, 100), (0, 0)], "spikes-dropped", 10_000),
        ([(0, 0), (100, 0), (100, 150), (100, 100), (0, 100), (0, 0)], "spikes-dropped", 10_000),
        # Two squares that touch in (100, 100), walked in one go without crossing there.
        ([(0, 0), (100, 0), (100, 100), (200, 100), (200, 200), (100, 200), (100, 100), (0, 100), (0, 0)],
         "ring-touches-itself", 20_000),
        # A hole reached by a cut that is walked to and fro.
        ([(0, 0), (100, 0), (100, 100), (0, 100), (0, 50), (40, 50), (40, 60), (60, 60), (60, 50), (40, 50),
          (0, 50), (0, 0)], "ring-touches-itself", 10_000 - 200),
    ],
)  # fmt: skip
def test_mended_and_said(ring, code, area):
    shape, said = build([ring])
    assert shape.is_valid
    assert shape.area == pytest.approx(area, abs=0.02)
    assert said == {code}


def test_orientation_is_said_only_where_the_format_has_a_rule():
    clockwise = SQUARE[::-1]
    assert build([clockwise])[1] == set()
    assert build([clockwise], counter_clockwise=True)[1] == {"ring-orientation"}
    assert build([SQUARE], counter_clockwise=True)[1] == set()


@pytest.mark.parametrize(
    ("ring", "what"),
    [
        ([(0, 0), (100, 100), (100, 0), (0, 100)], r"crosses itself \(sides 1–2 at \(0, 0\) and 3–4"),
        # The same bow tie with a vertex where it crosses.
        ([(0, 0), (50, 50), (100, 100), (100, 0), (50, 50), (0, 100)], "crosses itself"),
        # A star, whose middle is walked around twice.
        ([(50 + 50 * np.cos(a), 50 + 50 * np.sin(a)) for a in np.arange(5) * 0.8 * np.pi], "crosses itself"),
        ([(0, 0), (100, 0)], "2 vertices"),
        ([(0, 0), (100, 0), (50, 0), (0, 0)], "no area"),
        ([(0, 0), (0, 0), (0, 0), (0, 0)], "no area"),
        ([], "0 vertices"),
    ],
)
def test_refused(ring, what):
    with pytest.raises(InputRefused, match=what):
        build([np.array(ring, float).reshape(-1, 2)])


def test_pillars_are_named_in_the_refusal():
    with pytest.raises(InputRefused, match="sides A–B and C–D"):
        build([[(0, 0), (100, 100), (100, 0), (0, 100)]], names=list("ABCD"))


def test_holes():
    shape, said = build([SQUARE, box(0, 10, 10, 20).exterior.coords])
    assert shape.area == 9_900
    assert said == {"hole-touches-outline"}
    for hole in (box(90, 90, 110, 110), box(200, 200, 210, 210), box(-10, -10, 110, 110)):
        with pytest.raises(InputRefused, match="holes of the lease"):
            build([SQUARE, hole.exterior.coords])
    with pytest.raises(InputRefused, match="holes of the lease"):
        build([SQUARE, box(10, 10, 30, 30).exterior.coords, box(20, 20, 40, 40).exterior.coords])


def test_parts():
    far = box(200, 0, 300, 100).exterior.coords
    shape, said = build([SQUARE], [far])
    assert isinstance(shape, MultiPolygon)
    assert said == set()
    shape, said = build([SQUARE], [box(100, 0, 150, 100).exterior.coords])
    assert isinstance(shape, Polygon)
    assert (shape.area, said) == (15_000, {"parts-joined"})
    shape, said = build([SQUARE], [SQUARE[::-1]])
    assert (shape.area, said) == (10_000, {"part-repeated"})
    with pytest.raises(InputRefused, match=r"overlap by 0\.5 ha"):
        build([SQUARE], [box(50, 0, 150, 100).exterior.coords])


def test_an_island_in_a_hole():
    shape, said = build([SQUARE, box(10, 10, 90, 90).exterior.coords], [box(40, 40, 60, 60).exterior.coords])
    assert shape.area == 10_000 - 6_400 + 400
    assert said == set()


def test_tolerances_are_metres_in_degrees_too():
    ring = np.array(SQUARE, float) * 1e-5 + (75, 25)  # a hundred steps of a metre
    shape, said = build([[*ring[:2], ring[1] + (0, 1e-9), *ring[2:]]], metres_per_unit=111_000)
    assert said == {"vertices-repeated"}
    assert len(shape.exterior.coords) == 5


def test_a_chain_of_tiny_steps_is_no_repetition():
    around = np.linspace(0, 2 * np.pi, 40_000, endpoint=False)
    ring = np.column_stack([np.cos(around), np.sin(around)]) * 1.0  # steps of 0.16 mm
    shape, _ = build([ring])
    assert shape.area == pytest.approx(np.pi, rel=1e-3)


def star(radii, angles) -> np.ndarray:
    around = np.sort(np.array(angles))
    return np.column_stack([np.cos(around), np.sin(around)]) * np.resize(radii, len(around))[:, None] * 100


shapes = st.builds(
    star,
    st.lists(st.floats(0.2, 1), min_size=3, max_size=12),
    st.lists(st.floats(0, 2 * np.pi), min_size=4, max_size=12, unique_by=lambda a: round(a, 2)),
).filter(lambda ring: Polygon(ring).is_valid and Polygon(ring).area > 100)


@settings(max_examples=40, deadline=None)
@given(ring=shapes, data=st.data())
def test_mends_give_back_the_ring(ring, data):
    """Repeat vertices, add spikes, leave it open, turn it: the ground stays the same."""
    spoilt = []
    for k, vertex in enumerate(ring):
        spoilt.append(vertex)
        what = data.draw(st.sampled_from(["nothing", "repeat", "spike"]))
        if what == "repeat":
            spoilt.append(vertex)
        elif what == "spike":
            outward = vertex * data.draw(st.floats(1.05, 1.5))
            spoilt += [outward, vertex]
        del k
    if data.draw(st.booleans()):
        spoilt = spoilt[::-1]
    if data.draw(st.booleans()):
        spoilt.append(spoilt[0])
    try:
        shape, _ = build([np.array(spoilt)])
    except InputRefused:
        # A spike may hit another side; then the ring does cross itself.
        assert crossing(np.array(spoilt)) is not None
        return
    assert shape.symmetric_difference(Polygon(ring)).area < 0.001 * Polygon(ring).length


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=9))
def test_any_ring_becomes_valid_or_is_refused(points):
    try:
        shape, _ = build([np.array(points, float)])
    except InputRefused:
        return
    assert shape.is_valid
    assert shape.area > 0
    # Whatever was mended, the area is the one that the ring encloses with a sign.
    ring = np.array(points, float)
    signed = abs(np.sum(ring[:, 0] * np.roll(ring[:, 1], -1) - np.roll(ring[:, 0], -1) * ring[:, 1])) / 2
    assert shape.area == pytest.approx(signed, rel=1e-9)


def test_crossing_names_the_first_pair():
    assert crossing(np.array([(0, 0), (1, 1), (1, 0), (0, 1)], float)) == (0, 2)
    assert crossing(np.array([(0, 0), (1, 0), (1, 1), (0, 1)], float)) is None
    assert crossing(np.array([(0, 0), (1, 0), (0, 1)], float)) is None
    touching = np.array([(0, 0), (2, 0), (2, 2), (1, 0), (0, 2)], float)
    assert crossing(touching) == (0, 2)
    assert crossing(touching, proper=True) is None


def test_tidy_keeps_a_clean_ring():
    ring = np.array(SQUARE, float)
    np.testing.assert_array_equal(tidy(ring, 1e-3, Counter()), ring[:-1])
    assert shapely.Polygon(ring).is_valid


def test_a_hostile_ring_takes_no_time():
    """A way out and back over the same vertices, many times: one spike inside another."""
    out = np.column_stack([np.arange(40_000.0), np.zeros(40_000)])
    way = np.vstack([[(0.0, 100.0)], out, out[-2::-1], [(-100.0, 0.0)]])
    shape, said = build([way])
    assert shape.area == 5_000
    assert said == {"ring-unclosed", "spikes-dropped"}
    zigzag = np.column_stack([np.arange(30_000) % 2 * 1000.0, np.arange(30_000) % 7 * 1.0])
    with pytest.raises(InputRefused, match=r"30,000 vertices crosses itself|no area"):
        build([zigzag])
