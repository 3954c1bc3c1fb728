"""Guesses about files: right where content or name tell, silent where nobody can know."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from survey.delivery import Guess, guess_roles, open_delivery
from survey.delivery.dates import date_in

HEIGHTS = np.add.outer(np.arange(20.0), np.arange(30.0)).astype(np.float32) + 300


def raster(
    path: Path, bands: int = 1, dtype: str = "float32", crs: str | None = "EPSG:32643", **tags: str
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb = {"photometric": "RGB"} if bands == 3 and dtype == "uint8" else {}
    with rasterio.open(
        path, "w", driver="GTiff", width=30, height=20, count=bands, dtype=dtype, crs=crs,
        transform=Affine(1, 0, 5e5, 0, -1, 2.7e6), **rgb,
    ) as out:  # fmt: skip
        for band in range(1, bands + 1):
            out.write((HEIGHTS if dtype != "uint8" else HEIGHTS / 2).astype(dtype), band)
        out.update_tags(**tags)


def guesses(folder: Path) -> dict[str, Guess]:
    with open_delivery(folder) as delivery:
        found = guess_roles(delivery)
        assert [guess.file for guess in found] == list(delivery.files)
        assert all(guess.why for guess in found)
        return {guess.file.display_name: guess for guess in found}


def test_a_filing(tmp_path: Path) -> None:
    raster(tmp_path / "2024-04-20" / "dsm.tif")
    raster(tmp_path / "2024-04-20" / "DTM_final.tif", TIFFTAG_DATETIME="2024:05:11 10:00:00")
    raster(tmp_path / "2024-04-20" / "ortho.tif", 3, "uint8")
    raster(tmp_path / "20250425_dsm.tif", crs="EPSG:32643+3855")
    raster(tmp_path / "sentinel_2025-05-01.tif", 6, "uint16")
    raster(tmp_path / "hillshade.tif", 1, "uint8")
    raster(tmp_path / "slope.tif")
    (tmp_path / "lease.kml").write_text('<?xml version="1.0"?><kml><Placemark/></kml>')
    (tmp_path / "gcp.csv").write_text(
        "id,easting,northing,elevation,type\n1,500010.5,2699990.5,310.2,CHECK\n"
    )
    (tmp_path / "e-challans.csv").write_text("challan no,date,tonnes\n1,2024-05-01,22.5\n")
    (tmp_path / "ortho.tfw").write_text("1\n0\n0\n-1\n0\n0\n")
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7 ...")
    (tmp_path / "broken_dsm.tif").write_bytes(b"II*\0\x08\0\0\0")
    found = guesses(tmp_path)
    roles = {name: guess.role for name, guess in found.items()}
    assert roles == {
        "2024-04-20/DTM_final.tif": "dtm",
        "2024-04-20/dsm.tif": "dsm",
        "2024-04-20/ortho.tif": "ortho",
        "20250425_dsm.tif": "dsm",
        "broken_dsm.tif": "unreadable",
        "e-challans.csv": "challans",
        "gcp.csv": "checkpoints",
        "hillshade.tif": "derived",
        "lease.kml": "lease",
        "ortho.tfw": "document",
        "report.pdf": "document",
        "sentinel_2025-05-01.tif": "multispectral",
        "slope.tif": "derived",
    }
    dtm = found["2024-04-20/DTM_final.tif"]
    assert dtm.date == date(2024, 4, 20)
    assert dtm.date_source == 'its folder "2024-04-20"'
    assert dtm.unknown == ("height reference",)
    assert found["20250425_dsm.tif"].date == date(2025, 4, 25)
    assert found["20250425_dsm.tif"].date_source == "its name"
    assert found["20250425_dsm.tif"].unknown == ()
    assert found["sentinel_2025-05-01.tif"].date == date(2025, 5, 1)


def test_what_nobody_can_know_is_listed(tmp_path: Path) -> None:
    raster(tmp_path / "model.tif", crs=None, TIFFTAG_DATETIME="2024:05:11 10:00:00")
    guess = guesses(tmp_path)["model.tif"]
    assert guess.role == "dem"
    assert guess.date is None
    assert guess.unknown == ("date", "coordinate reference system", "height reference")
    assert any("DSM" in doubt for doubt in guess.doubts)
    assert any("2024-05-11" in doubt and "not the day of the survey" in doubt for doubt in guess.doubts)


def test_contradicting_dates_are_doubts(tmp_path: Path) -> None:
    raster(tmp_path / "dsm_2025-04-25.tif", TIFFTAG_DATETIME="2024:05:11 10:00:00")
    guess = guesses(tmp_path)["dsm_2025-04-25.tif"]
    assert guess.date == date(2025, 4, 25)
    assert any("before that day" in doubt for doubt in guess.doubts)


def test_names_cannot_make_pictures_into_heights(tmp_path: Path) -> None:
    raster(tmp_path / "dsm.tif", 1, "uint8")
    raster(tmp_path / "dem.tif", 3, "uint8")
    found = guesses(tmp_path)
    assert found["dsm.tif"].role == "derived"
    assert found["dsm.tif"].doubts
    assert found["dem.tif"].role == "ortho"


def test_a_lone_outline_is_a_doubtful_lease_and_two_are_none(tmp_path: Path) -> None:
    square = '{"type":"Polygon","coordinates":[[[75,26],[75.01,26],[75.01,26.01],[75,26]]]}'
    (tmp_path / "area.geojson").write_text(square)
    alone = guesses(tmp_path)["area.geojson"]
    assert alone.role == "lease"
    assert alone.doubts
    (tmp_path / "other.geojson").write_text(square)
    assert {g.role for g in guesses(tmp_path).values()} == {"unknown"}
    (tmp_path / "ML_boundary.geojson").write_text(square)
    found = guesses(tmp_path)
    assert found["ML_boundary.geojson"].role == "lease"
    assert found["area.geojson"].role == "unknown"


@pytest.mark.parametrize(
    ("name", "text", "role"),
    [
        ("pillars.csv", "pillar no;longitude;latitude\nBP1;75,1;26,1\n", "pillars"),
        ("lease.csv", "id,easting,northing\nA,500000,2700000\n", "pillars"),
        ("points.csv", "id,code,easting,northing,elevation\n1,TOE,5.0e5,2.7e6,310\n", "points"),
        ("list.csv", "id,easting,northing,elevation\n1,500000.5,2700000.5,310\n", "checkpoints"),
        ("notes.txt", "Dear Sir,\nplease find enclosed\n", "document"),
        ("स्तंभ.csv", "id,अक्षांश,देशांतर\n1,26.1,75.1\n", "pillars"),
    ],
)
def test_tables(tmp_path: Path, name: str, text: str, role: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert guesses(tmp_path)[name].role == role


def test_sidecars_belong_to_their_file(tmp_path: Path) -> None:
    raster(tmp_path / "dsm.tif")
    for name in ("dsm.tfw", "dsm.prj", "dsm.tif.aux.xml", "dsm.tif.ovr"):
        (tmp_path / name).write_text("x")
    (tmp_path / "lonely.prj").write_text("x")
    found = guesses(tmp_path)
    assert {name for name, guess in found.items() if guess.role == "sidecar"} == {
        "dsm.tfw",
        "dsm.prj",
        "dsm.tif.aux.xml",
        "dsm.tif.ovr",
    }


# -- dates ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "2024-04-20", "2024_04_20", "2024.04.20", "20240420", "dsm_20240420_v2", "20-04-2024", "20.04.2024",
        "20_4_2024", "20042024", "20Apr2024", "20-Apr-2024", "20 April 2024", "20th April 2024",
        "2024-Apr-20", "April 20, 2024", "Apr_20_2024", "20240420T103000Z", "20240420_103000",
        "20240420103000", "२०-०४-२०२४", "20 अप्रैल 2024", "DJI_2024-04-20_UTM43_5cm",
    ],
)  # fmt: skip
def test_spellings_of_one_day(name: str) -> None:
    found = date_in(name)
    assert found is not None
    assert found.day == date(2024, 4, 20)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("04-05-2024", "could be 2024-05-04 or 2024-04-05"),
        ("20-04-24", "two digits"),
        ("Apr2024", "April 2024"),
        ("2024-04", "April 2024"),
        ("FY 2024-25", "year 2024-25"),
        ("survey 2024", "says 2024"),
        ("2024-04-20 and 2024-05-01", "more than one"),
    ],
)
def test_what_is_not_a_certain_day(name: str, words: str) -> None:
    found = date_in(name)
    assert found is not None
    assert found.day is None
    assert words in found.said


@pytest.mark.parametrize(
    "name", ["", "dsm", "lease 417", "v2.1", "12345678", "99999999", "ML-32643", "2024-13-45x7"]
)
def test_what_is_no_date(name: str) -> None:
    found = date_in(name)
    assert found is None or found.day is None


@pytest.mark.parametrize("day", [date(2024, 2, 29), date(1999, 12, 31), date(2031, 1, 1), date(2025, 11, 30)])
def test_every_spelling_comes_back(day: date) -> None:
    for pattern in ("%Y-%m-%d", "%Y%m%d", "%d %B %Y", "%d-%b-%Y", "%Y_%m_%d"):
        found = date_in(f"dsm {day.strftime(pattern)} utm")
        assert found is not None
        assert found.day == day
