"""Files of points as field parties send them."""

from __future__ import annotations

import numpy as np
import pytest
from pyproj import Transformer

from survey.errors import InputRefused
from survey.pipelines.assess.points import read_points

UTM = "EPSG:32643"
RIM = [
    ("rim", 0, 0, 10.0),
    ("rim", 20, 0, 10.1),
    ("rim", 20, 20, 10.2),
    ("rim", 0, 20, 10.0),
    ("floor", 10, 10, 5.0),
]


def rows(east=500_000.0, north=2_700_000.0):
    return [(f"P{k}", c, east + e, north + n, z) for k, (c, e, n, z) in enumerate(RIM, start=1)]


def write(path, header, lines):
    path.write_text(header + "\n" + "\n".join(",".join(str(v) for v in line) for line in lines) + "\n")
    return path


def test_the_plain_form(tmp_path):
    file = read_points(
        write(tmp_path / "p.csv", "id,code,easting,northing,elevation", rows()), crs=UTM, sigma_m=0.02
    )
    ((_, points),) = file.sites
    assert points.ids == ("P1", "P2", "P3", "P4", "P5")
    assert points.codes[:2] == ("rim", "rim")
    assert not file.assumed
    np.testing.assert_allclose(points.sigma, 0.02)


def test_precision_that_nobody_stated_is_assumed_and_said(tmp_path):
    file = read_points(
        write(tmp_path / "p.csv", "id,code,easting,northing,elevation", rows()), crs=UTM, sigma_m=None
    )
    assert file.assumed
    own = [(*r, 0.015) for r in rows()]
    file = read_points(
        write(tmp_path / "q.csv", "id,code,easting,northing,elevation,sigma", own), crs=UTM, sigma_m=None
    )
    assert not file.assumed
    np.testing.assert_allclose(file.sites[0][1].sigma, 0.015)


def test_longitude_and_latitude_are_laid_in_their_utm_zone(tmp_path):
    to = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    lonlat = []
    for name, code, e, n, z in rows():
        lon, lat = to.transform(e, n)
        lonlat.append((name, code, f"{lon:.9f}", f"{lat:.9f}", z))
    file = read_points(
        write(tmp_path / "p.csv", "id,code,longitude,latitude,height", lonlat), crs=None, sigma_m=0.02
    )
    points = file.sites[0][1]
    np.testing.assert_allclose(points.east, [r[2] for r in rows()], atol=1e-3)
    np.testing.assert_allclose(points.north, [r[3] for r in rows()], atol=1e-3)


def test_several_sites_in_one_file(tmp_path):
    both = [(*r, "A") for r in rows()] + [(f"Q{k}", *r[1:], "B") for k, r in enumerate(rows(501_000.0))]
    file = read_points(
        write(tmp_path / "p.csv", "id,code,easting,northing,elevation,pit", both), crs=UTM, sigma_m=0.02
    )
    assert [name for name, _ in file.sites] == ["A", "B"]


@pytest.mark.parametrize(
    ("header", "change", "match"),
    [
        ("id,easting,northing,elevation", lambda r: (r[0], *r[2:]), "no column 'code'"),
        ("id,code,easting,northing,elevation", lambda r: (*r[:4], "wet"), "not a number"),
        ("id,code,easting,northing,elevation", lambda r: (r[0], r[1], r[3], r[2], r[4]), "exchanged"),
        ("id,code,easting,northing,elevation,sigma", lambda r: (*r, 20), "cannot be metres"),
        ("id,code,easting,northing,elevation", lambda r: (r[0], "xyz", *r[2:]), "mean nothing here"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, header, change, match):
    path = write(tmp_path / "p.csv", header, [change(r) for r in rows()])
    with pytest.raises(InputRefused, match=match):
        read_points(path, crs=UTM, sigma_m=0.02)


def test_a_reference_system_is_never_guessed(tmp_path):
    path = write(tmp_path / "p.csv", "id,code,easting,northing,elevation", rows())
    with pytest.raises(InputRefused, match="nobody says which reference system"):
        read_points(path, crs=None, sigma_m=0.02)
    with pytest.raises(InputRefused, match="metres"):
        read_points(path, crs="EPSG:4326", sigma_m=0.02)
