"""Reference systems: metric twins, heights, and what cannot be used."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Transformer

from survey.errors import InputRefused
from survey.rasters.crs import frame_of, to_lonlat, transformer, utm_wkt

US_FOOT = 1200 / 3937


@pytest.mark.parametrize(
    ("system", "unit_m"),
    [
        ("EPSG:2264", US_FOOT),
        ("EPSG:2222", 0.3048),
        ("+proj=utm +zone=43 +datum=WGS84 +units=us-ft", US_FOOT),
    ],
)
def test_the_twin_is_the_same_place_in_metres(system: str, unit_m: float) -> None:
    frame = frame_of(system)
    assert frame.unit_m == unit_m
    twin = CRS(frame.wkt)
    assert all(axis.unit_name == "metre" for axis in twin.axis_info)
    place = CRS(system).area_of_use
    lon, lat = ((place.west + place.east) / 2, (place.south + place.north) / 2) if place else (75.2, 26.3)
    geodetic = CRS(system).geodetic_crs
    feet = Transformer.from_crs(geodetic, system, always_xy=True).transform(lon, lat)
    metres = Transformer.from_crs(geodetic, twin, always_xy=True).transform(lon, lat)
    assert metres == pytest.approx([v * unit_m for v in feet], abs=1e-6)


def test_one_system_has_one_text() -> None:
    texts = ["EPSG:32643", "+proj=utm +zone=43 +datum=WGS84", CRS("EPSG:32643").to_wkt("WKT1_GDAL"),
             CRS("EPSG:32643").to_wkt("WKT1_ESRI"), CRS("EPSG:32643").to_wkt("WKT2_2019"), "EPSG:32643+3855",
             CRS("EPSG:32643").to_json()]  # fmt: skip
    assert len({frame_of(text).wkt for text in texts}) == 1


@pytest.mark.parametrize(
    ("system", "name", "unit_m", "ellipsoidal"),
    [
        ("EPSG:32643+3855", "EGM2008 height", 1.0, False),
        ("EPSG:32643+6360", "NAVD88 height (ftUS)", US_FOOT, False),
        ("EPSG:4979", "ellipsoidal height", 1.0, True),
    ],
)
def test_vertical_part(system: str, name: str, unit_m: float, ellipsoidal: bool) -> None:
    heights = frame_of(system).heights
    assert heights is not None
    assert (heights.name, heights.unit_m, heights.ellipsoidal) == (name, unit_m, ellipsoidal)


@pytest.mark.parametrize(
    ("system", "words"),
    [
        ("nonsense", "not understood"),
        ("", "not understood"),
        ("EPSG:99999999", "not understood"),
        ('LOCAL_CS["mine",UNIT["metre",1]]', "not tied to the Earth"),
        ("EPSG:4978", "not tied to the Earth"),
        ("EPSG:3855", "not tied to the Earth"),
        ("EPSG:2048", "point west and south"),
    ],
)
def test_unusable_systems(system: str, words: str) -> None:
    with pytest.raises(InputRefused, match=words):
        frame_of(system, file="dem.tif")


@settings(max_examples=40, deadline=None)
@given(st.floats(67, 98), st.floats(7, 37))
def test_utm_zone_of_a_place(lon: float, lat: float) -> None:
    """The zone's central meridian is never more than 3° away, and the place comes back."""
    wkt = utm_wkt(frame_of("EPSG:4326").wkt, lon, lat)
    crs = CRS(wkt)
    meridian = next(p.value for p in crs.coordinate_operation.params if "ongitude" in p.name)
    assert abs(lon - meridian) <= 3 + 1e-9
    assert crs.to_epsg() == 32600 + int((meridian + 183) / 6)
    east, north = transformer(CRS("EPSG:4326").to_wkt(), wkt).transform(lon, lat)
    assert to_lonlat(wkt).transform(east, north) == pytest.approx((lon, lat), abs=1e-9)


def test_old_indian_datum_keeps_its_own_utm() -> None:
    wkt = utm_wkt(frame_of("EPSG:4146").wkt, 75.2, 26.0)
    assert CRS(wkt).to_epsg() == 24343
