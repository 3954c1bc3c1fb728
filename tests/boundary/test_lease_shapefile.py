"""A lease as shapefile: its parts, its records, and its names."""

from __future__ import annotations

import struct

import pytest
from lease_writers import (
    LEASE,
    codes,
    ring,
    shp_file,
    shp_record,
    write_vector,
)
from shapely.geometry import box

from survey.boundary.lease import read_lease
from survey.errors import InputRefused


def test_shapefile_with_parts_missing(tmp_path):
    path = write_vector(tmp_path / "L.shp", [LEASE], "ESRI Shapefile", "EPSG:32643", name=["L"])
    (tmp_path / "L.shx").unlink()
    (tmp_path / "L.dbf").unlink()
    lease = read_lease(path)
    assert lease.polygon.area == pytest.approx(LEASE.area)
    assert "shp-without-dbf" in codes(lease)
    (tmp_path / "L.prj").unlink()
    with pytest.raises(InputRefused, match=r"does not say.*\.prj"):
        read_lease(path)
    assert read_lease(path, crs="UTM 43N").polygon.area == pytest.approx(LEASE.area)


def test_shapefile_cut_anywhere(tmp_path):
    path = write_vector(tmp_path / "L.shp", [LEASE], "ESRI Shapefile", "EPSG:32643", name=["L"])
    good = path.read_bytes()
    for cut in (4, 30, 99, 100, 120, len(good) - 1):
        path.write_bytes(good[:cut])
        with pytest.raises(InputRefused):
            read_lease(path)
    for part in (".dbf", ".shx", ".prj"):
        with pytest.raises(InputRefused):
            read_lease(path.with_suffix(part))


def test_shapefile_with_hostile_prj(tmp_path):
    path = write_vector(tmp_path / "L.shp", [LEASE], "ESRI Shapefile", "EPSG:32643", name=["L"])
    path.with_suffix(".prj").write_text("+init=/etc/passwd")
    with pytest.raises(InputRefused, match="reference system"):
        read_lease(path)


RECORD = shp_record(5, [ring(LEASE)])


def test_holes_that_turn_the_wrong_way(tmp_path):
    hole, island = box(459_300, 2_799_300, 459_400, 2_799_400), box(459_330, 2_799_330, 459_350, 2_799_350)
    clockwise = [ring(LEASE)[::-1], ring(hole), ring(island)[::-1]]
    path = shp_file(tmp_path / "a.shp", shp_record(5, clockwise))
    lease = read_lease(path)
    assert lease.polygon.area == pytest.approx(LEASE.area - 10_000 + 400)
    assert "shp-holes-by-nesting" not in codes(lease)
    path = shp_file(
        tmp_path / "b.shp", shp_record(5, [island.exterior.coords, *(ring(s) for s in (LEASE, hole))])
    )
    lease = read_lease(path)
    assert lease.polygon.area == pytest.approx(LEASE.area - 10_000 + 400)
    assert "shp-holes-by-nesting" in codes(lease)


def test_shapefile_with_heights_and_measures(tmp_path):
    xy = ring(LEASE)
    z = struct.pack("<2d", 0, 9) + struct.pack(f"<{len(xy)}d", *[350.0] * len(xy))
    lease = read_lease(shp_file(tmp_path / "z.shp", shp_record(15, [xy], z), code=15))
    assert lease.polygon.area == pytest.approx(LEASE.area)
    assert "heights-dropped" in codes(lease)
    assert read_lease(
        shp_file(tmp_path / "m.shp", shp_record(25, [xy]), code=25)
    ).polygon.area == pytest.approx(LEASE.area)


@pytest.mark.parametrize(
    ("record", "what"),
    [
        (struct.pack(">2i", 1, 10**8) + b"\0" * 8, "longer than the file"),
        (struct.pack(">2i", 1, 1) + b"\0" * 8, "longer than the file|within a record"),
        (shp_record(31, [ring(LEASE)]), "type 31"),
        (RECORD[:48] + struct.pack("<i", 2**31 - 1) + RECORD[52:], "damaged"),
        (RECORD[:48] + struct.pack("<i", -1) + RECORD[52:], "damaged"),
        (RECORD[:44] + struct.pack("<i", -5) + RECORD[48:], "damaged"),
        (RECORD[:44] + struct.pack("<i", 2**31 - 1) + RECORD[48:], "vertices"),
        (RECORD[:52] + struct.pack("<i", 3) + RECORD[56:], "order"),
    ],
)  # fmt: skip
def test_hostile_records(tmp_path, record, what):
    with pytest.raises(InputRefused, match=what):
        read_lease(shp_file(tmp_path / "a.shp", record))


def test_dbf_encodings_and_damage(tmp_path):
    path = write_vector(
        tmp_path / "L.shp", [LEASE], "ESRI Shapefile", "EPSG:32643", name=["पट्टा"], lease_no=["ML/9"]
    )
    lease = read_lease(path)
    assert (lease.name, lease.lease_id) == ("पट्टा", "ML/9")
    path.with_suffix(".cpg").unlink()
    assert read_lease(path).name == "पट्टा"
    dbf = path.with_suffix(".dbf").read_bytes()
    path.with_suffix(".dbf").write_bytes(dbf[:70])
    lease = read_lease(path)
    assert "shp-dbf-not-used" in codes(lease)
    assert lease.polygon.area == pytest.approx(LEASE.area)
    at = struct.unpack_from("<H", dbf, 8)[0]
    path.with_suffix(".dbf").write_bytes(dbf[:at] + b"*" + dbf[at + 1 :])
    with pytest.raises(InputRefused, match="no outline"):
        read_lease(path)


def test_dbf_values():
    from survey.boundary.dbf import read_dbf

    fields = [("A", "C", 6), ("N", "N", 8), ("F", "F", 8), ("D", "D", 8), ("L", "L", 1)]
    head = b"".join(
        n.encode().ljust(11, b"\0") + k.encode() + bytes(4) + bytes([w]) + bytes(15) for n, k, w in fields
    )
    rows = [b"M\xfcller      12     3.520310331T", b"              *" + b"*" * 7 + b" " * 9, b" " * 31]
    size = 1 + sum(w for *_, w in fields)
    start = struct.pack("<B3BIHH", 3, 25, 1, 1, len(rows), 32 + len(head) + 1, size).ljust(32, b"\0")
    data = start + head + b"\r" + b"".join(b" " + row.ljust(size - 1)[: size - 1] for row in rows)
    found = read_dbf(data)
    assert found[0] == {"A": "Müller", "N": 12, "F": 3.5, "D": "2031-03-31", "L": True}
    assert found[2] == dict.fromkeys("ANFDL")
