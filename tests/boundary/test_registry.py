"""The registry: whose ground, on which day, and how far to the next lease."""

from __future__ import annotations

import json
import pickle
from datetime import date

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from shapely.geometry import Point, Polygon, box, mapping

from survey.boundary.crs import LON_LAT, crs_from, move
from survey.boundary.lease import Lease
from survey.boundary.registry import RegisteredLease, Registry, parse_date, read_registry
from survey.errors import InputRefused
from survey.grid import Bounds

UTM43 = CRS.from_epsg(32643).to_wkt()
DEGREES = crs_from(LON_LAT).to_wkt()


def square(k: int, m: int) -> Polygon:
    return box(459_000 + 300 * k, 2_799_000 + 300 * m, 459_200 + 300 * k, 2_799_200 + 300 * m)


def write(path, entries, name="registry.geojson"):
    features = [
        {"type": "Feature", "properties": properties, "geometry": mapping(move(shape, UTM43, LON_LAT))}
        for shape, properties in entries
    ]
    out = path / name
    out.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return out


def test_read_numbers_names_and_dates(tmp_path):
    path = write(
        tmp_path,
        [
            (square(0, 0), {"Lease No": "ML-1/98", "Lessee": "A & Co", "valid_from": "2001-04-01",
                            "expiry_date": "31/03/2031"}),
            (square(1, 0), {"lease_id": 7, "Valid Upto": "31-Mar-2020"}),
            (square(2, 0), {"name": "पट्टा ३", "end_date": "soon"}),
            (square(3, 0), {}),
        ],
    )  # fmt: skip
    registry = read_registry(path)
    assert [(x.lease_id, x.valid_from, x.valid_to) for x in registry.leases] == [
        ("ML-1/98", date(2001, 4, 1), date(2031, 3, 31)),
        ("7", None, date(2020, 3, 31)),
        ("पट्टा ३", None, None),
        ("#4", None, None),
    ]
    assert registry.leases[0].name == "A & Co"
    assert {n.code for n in registry.notes} == {"registry-dates"}
    assert registry.leases[1].valid_on(date(2020, 3, 31))
    assert not registry.leases[1].valid_on(date(2020, 4, 1))


def test_bad_outlines_are_left_out_and_named(tmp_path):
    bow_tie = {
        "type": "Polygon",
        "coordinates": [[[74.6, 25.3], [74.61, 25.31], [74.61, 25.3], [74.6, 25.31], [74.6, 25.3]]],
    }
    zero = {"type": "Polygon", "coordinates": [[[0, 0], [74.61, 25.31], [74.61, 25.3], [0, 0]]]}
    path = write(tmp_path, [(square(0, 0), {"lease_id": "good"})])
    content = json.loads(path.read_text())
    for lease_id, geometry in (("bow", bow_tie), ("zero", zero)):
        content["features"].append(
            {"type": "Feature", "properties": {"lease_id": lease_id}, "geometry": geometry}
        )
    path.write_text(json.dumps(content))
    registry = read_registry(path)
    assert [x.lease_id for x in registry.leases] == ["good"]
    note = next(n for n in registry.notes if n.code == "registry-left-out")
    assert note.severity == "serious"
    assert "bow" in note.message
    assert "zero" in note.message
    content["features"] = content["features"][1:]
    path.write_text(json.dumps(content))
    with pytest.raises(InputRefused, match="usable"):
        read_registry(path)


def test_a_window_in_metres(tmp_path):
    entries = [(square(k, m), {"lease_id": f"{k}-{m}"}) for k in range(5) for m in range(5)]
    registry = read_registry(write(tmp_path, entries))
    here = registry.window(Bounds(459_100, 2_799_100, 459_400, 2_799_400), UTM43)
    assert [x.lease_id for x in here.leases] == ["0-0", "0-1", "1-0", "1-1"]
    for entry in here.leases:
        assert entry.polygon.area == pytest.approx(100 * 100, rel=1e-4)  # clipped
    assert here.lease_at(459_150, 2_799_150).lease_id == "0-0"
    assert here.lease_at(459_250, 2_799_250) is None
    assert [
        x.lease_id
        for x in registry.window(Bounds(459_100, 2_799_100, 459_400, 2_799_400), UTM43, clip=False).leases
    ]
    nearest, distance = here.nearest(Point(459_230, 2_799_150))
    assert (nearest.lease_id, round(distance, 2)) == ("0-0", 30.0)
    nearest, distance = here.nearest(square(0, 0))
    assert (nearest.lease_id, distance) == ("0-0", 0)
    far = registry.window(Bounds(600_000, 2_799_100, 600_400, 2_799_400), UTM43)
    assert len(far) == 0
    assert far.nearest(Point(0, 0)) is None
    assert far.lease_at(0, 0) is None


def test_dates_and_own_lease():
    leases = [
        RegisteredLease("old", "", square(0, 0), None, date(2020, 1, 1)),
        RegisteredLease("new", "", square(0, 0), date(2020, 1, 2), None),
        RegisteredLease("mine", "", square(1, 0)),
        RegisteredLease("twin", "", square(2, 0).buffer(0.5)),
    ]
    registry = Registry(leases, UTM43)
    window = Bounds(458_000, 2_798_000, 462_000, 2_802_000)
    assert registry.lease_at(459_100, 2_799_100).lease_id == "old"
    assert registry.lease_at(459_100, 2_799_100, on=date(2025, 1, 1)).lease_id == "new"
    assert [x.lease_id for x in registry.leases_at(459_100, 2_799_100)] == ["old", "new"]
    assert registry.nearest(Point(459_100, 2_799_100), on=date(2025, 1, 1))[0].lease_id == "new"
    own = Lease(square(2, 0), UTM43, lease_id="MINE ")
    here = registry.window(window, UTM43, on=date(2025, 1, 1), own=own)
    assert [x.lease_id for x in here.leases] == ["new"]


def test_an_overlap_with_the_own_lease_is_said():
    own = Lease(square(0, 0), UTM43)
    registry = Registry([RegisteredLease("B", "", box(459_100, 2_799_000, 459_300, 2_799_200))], UTM43)
    here = registry.window(Bounds(458_000, 2_798_000, 462_000, 2_802_000), UTM43, own=own)
    assert len(here) == 1
    assert "overlaps this lease by 2 ha" in here.notes[0].message


def test_to_a_worker_and_back():
    registry = Registry([RegisteredLease("B", "", square(0, 0))], UTM43)
    assert registry.lease_at(459_100, 2_799_100).lease_id == "B"
    assert pickle.loads(pickle.dumps(registry)).lease_at(459_100, 2_799_100).lease_id == "B"


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 9), st.integers(1, 9)),
        min_size=1,
        max_size=12,
    ),
    st.tuples(st.floats(-5, 45), st.floats(-5, 45)),
)
def test_answers_are_those_of_a_plain_search(rectangles, place):
    shapes = [box(x, y, x + w, y + h) for x, y, w, h in rectangles]
    registry = Registry([RegisteredLease(str(i), "", s) for i, s in enumerate(shapes)], UTM43)
    point = Point(place)
    holding = [str(i) for i, s in enumerate(shapes) if s.intersects(point)]
    assert [x.lease_id for x in registry.leases_at(*place)] == holding
    nearest, distance = registry.nearest(point)
    distances = [s.distance(point) for s in shapes]
    assert distance == pytest.approx(min(distances))
    assert distances[int(nearest.lease_id)] == pytest.approx(min(distances))


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2031-03-31", date(2031, 3, 31)),
        ("2031/3/31", date(2031, 3, 31)),
        ("2031-03-31T00:00:00", date(2031, 3, 31)),
        ("31/03/2031", date(2031, 3, 31)),
        ("5.4.2031", date(2031, 4, 5)),
        ("31-Mar-2031", date(2031, 3, 31)),
        ("31 March 2031", date(2031, 3, 31)),
        ("३१/०३/२०३१", date(2031, 3, 31)),
        ("31/02/2031", None),
        ("13/13/2031", None),
        ("31-Foo-2031", None),
        ("31/03/31", None),
        ("soon", None),
    ],
)
def test_dates(text, day):
    assert parse_date(text) == day


def test_thousands_of_leases_are_asked_quickly():
    corner = np.stack(np.meshgrid(np.arange(0, 126), np.arange(0, 126)), axis=-1).reshape(-1, 2) * 0.01 + (
        73,
        24,
    )
    shapes = shapely.box(corner[:, 0], corner[:, 1], corner[:, 0] + 0.004, corner[:, 1] + 0.004)
    registry = Registry([RegisteredLease(str(i), "", s) for i, s in enumerate(shapes)], DEGREES)
    here = registry.window(Bounds(380_000, 2_700_000, 390_000, 2_710_000), UTM43)
    assert 80 < len(here) < 130
    assert all(x.polygon.area < 460 * 420 for x in here.leases)
