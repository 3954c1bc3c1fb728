"""A lease as DXF: arcs, loose lines, layers, and what is refused."""

from __future__ import annotations

import ezdxf
import numpy as np
import pytest
from lease_writers import (
    CORNERS,
    LEASE,
    write_dxf,
)

from survey.boundary.lease import read_lease
from survey.errors import InputRefused


def test_dxf_arcs_keep_their_area(tmp_path):
    drawing = ezdxf.new("R2010")
    # Two half circles of radius 50 m: bulge 1.
    drawing.modelspace().add_lwpolyline(
        [(459_000, 2_799_000, 1), (459_100, 2_799_000, 1)],
        format="xyb",
        close=True,
        dxfattribs={"layer": "LEASE"},
    )
    drawing.saveas(tmp_path / "a.dxf")
    lease = read_lease(tmp_path / "a.dxf", crs="EPSG:32643")
    # A chord's sagitta of 0.5 mm takes at most that much off the perimeter.
    assert lease.polygon.area == pytest.approx(np.pi * 2500, abs=0.0005 * np.pi * 100)


def test_dxf_loose_lines_make_a_ring(tmp_path):
    drawing = ezdxf.new("R2010")
    for i in (2, 0, 3, 1, 4):
        drawing.modelspace().add_line(CORNERS[i], CORNERS[(i + 1) % 5], dxfattribs={"layer": "ML"})
    drawing.saveas(tmp_path / "a.dxf")
    assert read_lease(tmp_path / "a.dxf", crs="EPSG:32643").polygon.area == pytest.approx(LEASE.area)
    drawing.modelspace().add_line(CORNERS[0], (458_000, 2_799_000), dxfattribs={"layer": "ML"})
    drawing.saveas(tmp_path / "b.dxf")
    with pytest.raises(InputRefused, match="open"):
        read_lease(tmp_path / "b.dxf", crs="EPSG:32643")


def test_dxf_layers(tmp_path):
    pit = LEASE.buffer(-50).exterior.coords[:-1]
    path = write_dxf(tmp_path / "a.dxf", CORNERS, pit, layers=("LEASE-BOUNDARY", "PIT"), version="R12")
    lease = read_lease(path, crs="EPSG:32643")
    assert lease.polygon.area == pytest.approx(LEASE.area)
    path = write_dxf(tmp_path / "b.dxf", CORNERS, pit, layers=("A", "B"))
    with pytest.raises(InputRefused, match=r"2 outlines.*'A'.*'B'"):
        read_lease(path, crs="EPSG:32643")


def test_dxf_needs_a_system(tmp_path):
    path = write_dxf(tmp_path / "a.dxf", CORNERS)
    with pytest.raises(InputRefused, match="does not say in which reference system"):
        read_lease(path)
    millimetres = write_dxf(tmp_path / "mm.dxf", [(x * 1000, y * 1000) for x, y in CORNERS])
    with pytest.raises(InputRefused):
        read_lease(millimetres, crs="EPSG:32643")


def test_dxf_refused(tmp_path):
    path = write_dxf(tmp_path / "a.dxf", CORNERS)
    text = path.read_bytes()
    at = text.index(b"LWPOLYLINE")
    (tmp_path / "cut.dxf").write_bytes(text[: at + 60])
    with pytest.raises(InputRefused):
        read_lease(tmp_path / "cut.dxf", crs="EPSG:32643")
    (tmp_path / "bin.dxf").write_bytes(b"AutoCAD Binary DXF\r\n\x1a\0")
    with pytest.raises(InputRefused, match="binary"):
        read_lease(tmp_path / "bin.dxf", crs="EPSG:32643")
    (tmp_path / "dwg.dxf").write_bytes(b"AC1027" + bytes(100))
    with pytest.raises(InputRefused, match="DWG"):
        read_lease(tmp_path / "dwg.dxf", crs="EPSG:32643")
