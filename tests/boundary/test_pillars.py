"""Pillar tables as lessees write them: the same ground from each, and a reason where there is none."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from shapely.geometry import Polygon

from survey.boundary.crs import LON_LAT, move_points
from survey.boundary.lease import Lease, read_lease
from survey.errors import InputRefused

UTM43 = CRS.from_epsg(32643).to_wkt()
CORNERS = [(459_000.0, 2_799_000.0), (459_700.0, 2_799_050.0), (459_800.0, 2_799_600.0),
           (459_300.0, 2_799_900.0), (458_950.0, 2_799_500.0)]  # fmt: skip
LEASE = Polygon(CORNERS)
DEGREES = move_points(np.array(CORNERS), UTM43, LON_LAT)
NAMES = [f"P{i + 1}" for i in range(5)]


def dms(value: float, digits: int = 4) -> tuple[int, int, str]:
    units = round(value * 3600 * 10**digits)
    seconds, fraction = divmod(units, 10**digits)
    return seconds // 3600, seconds // 60 % 60, f"{seconds % 60}.{fraction:0{digits}d}"


def read(tmp_path, text: str | bytes, **options) -> Lease:
    path = tmp_path / "pillars.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return read_lease(path, **options)


def codes(lease: Lease) -> set[str]:
    return {note.code for note in lease.notes}


def same_ground(lease: Lease, tolerance_m: float = 0.005) -> None:
    assert CRS.from_wkt(lease.crs_wkt) == CRS.from_epsg(32643)
    assert lease.polygon.symmetric_difference(LEASE).area < tolerance_m * LEASE.length
    assert [p.name for p in lease.pillars] == NAMES
    np.testing.assert_allclose([(p.east, p.north) for p in lease.pillars], CORNERS, atol=2 * tolerance_m)
    np.testing.assert_allclose([(p.lon, p.lat) for p in lease.pillars], DEGREES, atol=1e-7)


def decimal_rows(order=range(5)) -> list[str]:
    return [f"{NAMES[i]},{DEGREES[i][1]:.9f},{DEGREES[i][0]:.9f}" for i in order]


def table(rows, header="Pillar No,Latitude,Longitude") -> str:
    return "\n".join([header, *rows]) + "\n"


# -- the same ground from every spelling ------------------------------------------------------------


def test_decimal_degrees(tmp_path):
    lease = read(tmp_path, table(decimal_rows()))
    same_ground(lease)
    assert "pillars-wgs84" in codes(lease)
    assert lease.source_crs == "OGC:CRS84"


@pytest.mark.parametrize(
    "form",
    [
        "{d}°{m}'{s}\"{h}",
        "{d} {m} {s} {h}",
        "{h}{d}-{m}-{s}",
        "{d}:{m}:{s}",
        "{h} {d}° {m}′ {s}″",
        "{d}d{m}m{s}s {h}",
    ],
)
def test_degrees_minutes_seconds(tmp_path, form):
    rows = []
    for name, (lon, lat) in zip(NAMES, DEGREES, strict=True):
        cells = []
        for value, letter in ((lat, "N"), (lon, "E")):
            d, m, s = dms(value)
            cells.append(form.format(d=d, m=m, s=s, h=letter))
        rows.append(";".join([name, *cells]))
    same_ground(read(tmp_path, table(rows, "Pillar No.;Latitude (N);Longitude (E)")))
    # The way a program writes quoted cells that hold quotation marks.
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in row.split(";")) for row in rows]
    same_ground(read(tmp_path, table(quoted)))


def test_columns_for_degrees_minutes_and_seconds(tmp_path):
    rows = [
        ",".join(map(str, (name, *dms(lat), *dms(lon))))
        for name, (lon, lat) in zip(NAMES, DEGREES, strict=True)
    ]
    header = "BP No,Lat Deg,Lat Min,Lat Sec,Long Deg,Long Min,Long Sec"
    same_ground(read(tmp_path, table(rows, header)))


def test_both_in_one_cell(tmp_path):
    rows = []
    for name, (lon, lat) in zip(NAMES, DEGREES, strict=True):
        (a, b, c), (d, e, f) = dms(lat), dms(lon)
        rows.append(f"{name};{a}°{b}'{c}\"N {d}°{e}'{f}\"E")
    same_ground(read(tmp_path, table(rows, "Pillar;Coordinates")))


def test_decimal_minutes_and_decimal_commas(tmp_path):
    rows = [
        f"{n};{int(lat)}° {(lat % 1) * 60:.7f}' N;{int(lon)}° {(lon % 1) * 60:.7f}' E".replace(".", ",")
        for n, (lon, lat) in zip(NAMES, DEGREES, strict=True)
    ]
    same_ground(read(tmp_path, table(rows, "pillar;lat;long")))
    rows = [
        f"{n};{lat:.9f};{lon:.9f}".replace(".", ",") for n, (lon, lat) in zip(NAMES, DEGREES, strict=True)
    ]
    lease = read(tmp_path, table(rows, "pillar;lat;long"))
    same_ground(lease)
    assert "table-decimal-comma" in codes(lease)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_devanagari(tmp_path, encoding):
    text = table(decimal_rows(), "स्तंभ क्रमांक,अक्षांश,देशांतर")
    digits = str.maketrans("0123456789", "०१२३४५६७८९")
    lines = text.splitlines()
    lines[1:] = [line[:2] + line[2:].translate(digits) for line in lines[1:]]
    same_ground(read(tmp_path, "\r\n".join(lines).encode(encoding)))


def test_windows_1252(tmp_path):
    rows = [f"{NAMES[i]};{lat:.9f}°;{lon:.9f}°" for i, (lon, lat) in enumerate(DEGREES)]
    same_ground(read(tmp_path, table(rows, "Pillar;Latitude;Longitude").encode("cp1252")))


@pytest.mark.parametrize(
    ("header", "options"),
    [
        ("Pillar,Easting,Northing", {"crs": "EPSG:32643"}),
        ("Pillar,X,Y", {"crs": "UTM 43N"}),
        ("Pillar,Easting (m),Northing (m)", {"crs": UTM43}),
        ("Pillar,UTM Easting 43N,UTM Northing", {}),
        ("Pillar,पूर्वी,उत्तरी", {"crs": "EPSG:32643"}),
    ],
)
def test_eastings(tmp_path, header, options):
    rows = [f"{name},{e},{n}" for name, (e, n) in zip(NAMES, CORNERS, strict=True)]
    same_ground(read(tmp_path, table(rows, header), **options))


@pytest.mark.parametrize("zone", ["43N", "43", "43 R", "UTM 43N", "43Q", "Zone 43 North"])
def test_zone_column(tmp_path, zone):
    rows = [f"{name},{e},{n},{zone}" for name, (e, n) in zip(NAMES, CORNERS, strict=True)]
    lease = read(tmp_path, table(rows, "Pillar,Easting,Northing,Zone"))
    same_ground(lease)
    assert lease.source_crs == "EPSG:32643"


def test_zone_in_a_title(tmp_path):
    rows = [f"{name},{e},{n}" for name, (e, n) in zip(NAMES, CORNERS, strict=True)]
    same_ground(
        read(tmp_path, "DGPS pillars (WGS 84 UTM Zone 43N)\n" + table(rows, "Pillar,Easting,Northing"))
    )


def test_grouped_and_lettered_eastings(tmp_path):
    rows = [f'{name},"{e:,.2f} E","{n:,.2f} mN"' for name, (e, n) in zip(NAMES, CORNERS, strict=True)]
    same_ground(read(tmp_path, table(rows, "Pillar,Easting,Northing"), crs="EPSG:32643"))


def test_degrees_under_x_and_y(tmp_path):
    rows = [f"{name},{lon:.9f},{lat:.9f}" for name, (lon, lat) in zip(NAMES, DEGREES, strict=True)]
    lease = read(tmp_path, table(rows, "Pillar,X,Y"))
    same_ground(lease)
    assert "pillars-degrees-under-xy" in codes(lease)


def test_old_datum_by_the_job(tmp_path):
    # Kalianpur 1975 lies roughly 300 m from WGS 84 in Rajasthan.
    lease = read(tmp_path, table(decimal_rows()), crs="EPSG:4146")
    moved = lease.polygon.centroid.distance(LEASE.centroid)
    assert 50 < moved < 1000
    assert "datum-accuracy" in codes(lease)


# -- order and repeats ------------------------------------------------------------------------------


def test_repeated_first_pillar_closes(tmp_path):
    lease = read(tmp_path, table([*decimal_rows(), decimal_rows()[0]]))
    same_ground(lease)
    assert "pillars-repeated" not in codes(lease)


@pytest.mark.parametrize("again", [0, 2, 4])
def test_repeated_row(tmp_path, again):
    rows = decimal_rows()
    rows.insert(again, rows[again])
    lease = read(tmp_path, table(rows))
    same_ground(lease)
    assert "pillars-repeated" in codes(lease)


def test_a_pillar_repeated_elsewhere_is_placed_by_its_number(tmp_path):
    rows = decimal_rows()
    same_ground(read(tmp_path, table([*rows, rows[2]])))


def test_one_name_at_two_places(tmp_path):
    rows = decimal_rows()
    rows.append(rows[2].replace("P3,25", "P3,24"))
    with pytest.raises(InputRefused, match=r"'P3' stands at two places .* m apart \(line 4 and line 7\)"):
        read(tmp_path, table(rows))


def test_rows_out_of_order_are_sorted_by_number(tmp_path):
    lease = read(tmp_path, table(decimal_rows([0, 2, 4, 1, 3])))
    same_ground(lease)
    assert {n.code: n.severity for n in lease.notes}["pillars-reordered"] == "serious"


def test_alphabetical_order_of_twelve_pillars(tmp_path):
    around = np.radians(np.arange(0, 360, 30))
    rows = {
        f"P{k + 1}": (459_000 + 300 * np.cos(a), 2_799_000 + 300 * np.sin(a)) for k, a in enumerate(around)
    }
    text = table([f"{k},{rows[k][0]},{rows[k][1]}" for k in sorted(rows)], "Pillar,Easting,Northing")
    lease = read(tmp_path, text, crs="EPSG:32643")
    assert lease.polygon.area == pytest.approx(3 * 300**2, rel=1e-9)  # a regular twelve-gon
    assert [p.name for p in lease.pillars] == list(rows)


def test_order_column(tmp_path):
    rows = [
        f"{row},{place}" for row, place in zip(decimal_rows([0, 2, 4, 1, 3]), (1, 3, 5, 2, 4), strict=True)
    ]
    text = table([r.replace("P", "Corner ") for r in rows], "Pillar,Latitude,Longitude,Order")
    lease = read(tmp_path, text)
    assert lease.polygon.symmetric_difference(LEASE).area < 0.005 * LEASE.length


def test_an_order_that_crosses_and_no_numbers(tmp_path):
    rows = [
        row.replace(name, letter)
        for row, name, letter in zip(
            decimal_rows([0, 2, 1, 3, 4]), ["P1", "P3", "P2", "P4", "P5"], "vwxyz", strict=True
        )
    ]
    with pytest.raises(
        InputRefused, match=r"the side v–w crosses the side x–y.*walking order|side .* crosses"
    ):
        read(tmp_path, table(rows))


def test_two_orders_that_both_fit_are_refused(tmp_path):
    # An arrow head: its notch can lie in the order of rows or of numbers.
    points = {"1": (0, 0), "2": (100, 0), "3": (100, 100), "4": (0, 100), "5": (50, 30)}
    rows = [f"{k},{459_000 + points[k][0]},{2_799_000 + points[k][1]}" for k in "15234"]
    with pytest.raises(InputRefused, match=r"order of the rows and another.*0\.\d+ ha and"):
        read(tmp_path, table(rows, "Pillar,Easting,Northing"), crs="EPSG:32643")


def test_file_order_counts_where_numbers_would_cross(tmp_path):
    rows = [
        row.replace(NAMES[i], name)
        for i, (row, name) in enumerate(zip(decimal_rows(), ["1", "14", "3", "9", "5"], strict=True))
    ]
    lease = read(tmp_path, table(rows))
    assert lease.polygon.symmetric_difference(LEASE).area < 0.005 * LEASE.length
    assert "pillars-reordered" not in codes(lease)


def test_blocks(tmp_path):
    rows = [f"{n},{e},{v},A" for n, (e, v) in zip(NAMES, CORNERS, strict=True)]
    rows += [
        f"Q{k},{460_500 + x},{2_799_000 + y},B" for k, (x, y) in enumerate([(0, 0), (100, 0), (100, 50)])
    ]
    lease = read(tmp_path, table(rows, "Pillar,Easting,Northing,Block"), crs="EPSG:32643")
    assert lease.polygon.area == pytest.approx(LEASE.area + 2500)
    assert len(lease.pillars) == 8


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(5)))
def test_whatever_the_order_the_ground_is_right_or_refused(tmp_path_factory, order):
    try:
        lease = read(tmp_path_factory.mktemp("csv"), table(decimal_rows(order)))
    except InputRefused:
        pytest.fail("numbers tell the order of a convex lease")
    assert lease.polygon.symmetric_difference(LEASE).area < 0.005 * LEASE.length


# -- swapped, doubtful, refused -----------------------------------------------------------------------


def test_swapped_columns_are_put_right_loudly(tmp_path):
    lease = read(tmp_path, table(decimal_rows(), "Pillar,Longitude,Latitude"))
    same_ground(lease)
    assert {n.code: n.severity for n in lease.notes}["axes-exchanged"] == "serious"
    rows = [f"{name},{n},{e}" for name, (e, n) in zip(NAMES, CORNERS, strict=True)]
    lease = read(tmp_path, table(rows, "Pillar,Easting,Northing"), crs="EPSG:32643")
    same_ground(lease)
    assert "axes-exchanged" in codes(lease)


def test_letters_win_over_headers(tmp_path):
    rows = [f"{n},{lat:.9f} N,{lon:.9f} E" for n, (lon, lat) in zip(NAMES, DEGREES, strict=True)]
    lease = read(tmp_path, table(rows, "Pillar,Longitude,Latitude"))
    same_ground(lease)
    assert {n.code: n.severity for n in lease.notes}["pillars-letters-swapped"] == "serious"


def test_coarse_coordinates_are_said(tmp_path):
    rows = [f"{n},{lat:.4f},{lon:.4f}" for n, (lon, lat) in zip(NAMES, DEGREES, strict=True)]
    lease = read(tmp_path, table(rows))
    assert "11.1 m only" in next(n.message for n in lease.notes if n.code == "pillars-coarse")


def test_both_kinds_of_coordinates_must_agree(tmp_path):
    header = "Pillar,Latitude,Longitude,Easting,Northing"
    rows = [f"{row},{e:.3f},{n:.3f}" for row, (e, n) in zip(decimal_rows(), CORNERS, strict=True)]
    lease = read(tmp_path, table(rows, header), crs="EPSG:32643")
    same_ground(lease)
    assert "pillars-two-coordinates" in codes(lease)
    assert "pillars-grid-unused" in codes(read(tmp_path, table(rows, header)))
    rows[3] = rows[3].replace("459300", "459330")
    with pytest.raises(
        InputRefused, match=r"line 5: the angles and the eastings of one pillar are 30\.0 m apart"
    ):
        read(tmp_path, table(rows, header), crs="EPSG:32643")


EAST = [f"{name},{e},{n}" for name, (e, n) in zip(NAMES, CORNERS, strict=True)]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (table(EAST, "Pillar,Easting,Northing"), "nothing says in which reference system"),
        (table([f"{r},{z}" for r, z in zip(EAST, (43, 43, 44, 43, 43), strict=True)],
               "Pillar,Easting,Northing,Zone"), r"several UTM zones \(43N, 44N\)"),
        (table([f"{r},x" for r in EAST], "Pillar,Easting,Northing,Zone"), "zone is not readable"),
        (table(decimal_rows()[:2]), "2 different pillars"),
        (table([]), "no pillars|empty"),
        (table(decimal_rows(), "a,b,c"), "no columns of coordinates among 'a', 'b', 'c'"),
        ("\n".join(decimal_rows()), "no columns|no header"),
        ("\n".join(r.replace("P", "") for r in decimal_rows()), "no header"),
        (table([*decimal_rows(), "P6,25.3,"]), "line 7: column 'Longitude' is empty"),
        (table([*decimal_rows(), "P6,25.3,74.6.1"]), r"line 7: '74\.6\.1' is not an angle"),
        (table([*decimal_rows(), "P6,0,0"]), r"point at \(0, 0\)"),
        (table([*decimal_rows(), "P6,253,74.6"]), "line 7: '253' lies beyond 180°"),
        (table([*decimal_rows(), "P6,25.3 E,74.6 E"]), "contradict"),
        ("Lease on Everest 1830\n" + table(decimal_rows()), "old datum"),
        (table([r + ",1" for r in decimal_rows()], "Pillar,Latitude,Longitude,Latitude"), "several columns"),
        (table([f"{n},25.3,74.6" for n in NAMES]), "different pillars|no area|two places"),
        (table([f"{n},25.3,{74.6 + i / 1000}" for i, n in enumerate(NAMES)]), "no area|crosses"),
    ],
)  # fmt: skip
def test_refused(tmp_path, text, what):
    with pytest.raises(InputRefused, match=what):
        read(tmp_path, text)


def test_metres_in_a_geographic_system(tmp_path):
    with pytest.raises(InputRefused, match="are not degrees"):
        read(tmp_path, table(EAST, "Pillar,Easting,Northing"), crs="EPSG:4326")
    rows = [f"{name},{lon:.9f},{lat:.9f}" for name, (lon, lat) in zip(NAMES, DEGREES, strict=True)]
    with pytest.raises(InputRefused, match="are degrees, not metres"):
        read(tmp_path, table(rows, "Pillar,Easting,Northing"), crs="EPSG:32643")


WORDS = [
    "Pillar", "Latitude", "Longitude", "24.5", "75.1", "P1", ",", "\n", ";", "°", "N", "E", "0", "-", '"',
    "\t",
    "Easting", "Northing", "459000", "2799000", "Zone", "43N", "अक्षांश", "nan", "1e400",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=60).map("".join), st.sampled_from([None, "EPSG:32643"]))
def test_no_table_breaks_the_reader(tmp_path_factory, text, crs):
    try:
        lease = read(tmp_path_factory.mktemp("csv"), text, crs=crs)
    except InputRefused:
        return
    assert lease.polygon.is_valid
    assert lease.area_ha > 0


def test_names_of_all_orders_are_kept(tmp_path):
    # Walking the other way, and beginning elsewhere, is the same lease.
    for start, step in itertools.product(range(5), (1, -1)):
        lease = read(tmp_path, table(decimal_rows([(start + step * k) % 5 for k in range(5)])))
        assert lease.polygon.area == pytest.approx(LEASE.area, rel=1e-6)
        assert {p.name for p in lease.pillars} == set(NAMES)
