"""Files that are not what they claim to be raise their own flag, and no breach but for a fact."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
import rasterio
from filings import honest_scene
from rasterio.enums import Resampling
from scipy import ndimage


def real(filing):
    return filing.check(authenticity=True)


def drop_dtm(filing):
    for year in ("2024", "2025"):
        filing.edit(f'dtm = "{year}/dtm.tif"\n', "")
    return filing


# -- last year's, sent again ---------------------------------------------------------------------------------
@pytest.mark.parametrize("what", ["identical", "raised", "noise"])
def test_last_years_model_sent_again(filing, what):
    drop_dtm(filing)
    z = filing.read("2024/dsm.tif")
    with rasterio.open(filing.folder / "2024/dsm.tif") as source:
        profile = source.profile
    if what == "raised":
        z = z + np.float32(0.42)
    if what == "noise":
        z = z + 0.02 * np.random.default_rng(1).standard_normal(z.shape).astype(np.float32)
    with rasterio.open(filing.folder / "2025/dsm.tif", "w", **profile) as out:
        out.write(z, 1)
    checked = real(filing)
    found = checked["real.resent:elevation-model"]
    assert checked.flags["real.resent"] in ("moderate", "strong")
    assert found.verdict == "exempt, for review"
    assert found.evidence["harmless_causes"]
    if what == "noise":
        assert checked.breaches == []
    else:
        # That this year's model is missing is a fact about the files; why it is, is not said.
        assert checked.breaches == ["rajasthan.28.dd.dem:this-year-s"]
        assert found.evidence["copied_part"] > 0.99


def test_last_years_model_under_another_placement(filing):
    drop_dtm(filing)
    shutil.copy(filing.folder / "2024/dsm.tif", filing.folder / "2025/dsm.tif")
    filing.move("2025/dsm.tif", east_m=7.0, north_m=-4.0)
    checked = real(filing)
    found = checked["real.resent:elevation-model"]
    assert checked.flags["real.resent"] == "strong"
    assert (found.evidence["moved_rows"], found.evidence["moved_cols"]) == (4, 7)


def test_a_part_of_last_years_model(filing):
    drop_dtm(filing)
    # Both years on the same cells, so that a part can be pasted.
    scene = honest_scene(offset_m=(0.0, 0.0))
    with rasterio.open(filing.folder / "2024/dsm.tif") as source:
        profile, before = source.profile, source.read(1)
    after = scene.after.copy()
    after[128:224, 128:224] = before[128:224, 128:224]
    with rasterio.open(filing.folder / "2025/dsm.tif", "w", **profile) as out:
        out.write(after, 1)
    checked = real(filing)
    found = checked["real.resent"]
    assert found.observed == "in part: identical"
    assert checked.breaches == []
    row, col, height, width = found.evidence["where_cells"][0]
    assert row <= 132 <= 220 <= row + height
    assert col <= 132 <= 220 <= col + width


# -- patches, clones, coarse grids ---------------------------------------------------------------------------
def test_a_smoothed_patch_where_the_picture_shows_ground(filing):
    drop_dtm(filing)

    def smooth(z):
        z = z.copy()
        z[140:200, 150:210] = ndimage.gaussian_filter(z, 2.0)[140:200, 150:210]
        return z

    checked = real(filing.heights("2025/dsm.tif", smooth))
    assert checked.flags["real.smooth_patch"] == "strong"
    assert checked.breaches == []


def test_a_cloned_patch(filing):
    drop_dtm(filing)

    def clone(z):
        z = z.copy()
        z[140:190, 150:200] = z[230:280, 60:110] + np.float32(1.5)
        return z

    checked = real(filing.heights("2025/dsm.tif", clone))
    assert checked.flags["real.clone"] == "strong"
    found = checked["real.clone"]
    assert (found.evidence["move_rows"], found.evidence["move_cols"]) == (90, -90)


def test_a_model_drawn_out_from_a_coarser_one(filing):
    drop_dtm(filing)
    path = filing.folder / "2025/dsm.tif"
    with rasterio.open(path) as source:
        profile = source.profile
        # Averaged over 4 m, drawn out to 1 m again: what a public elevation model would be.
        coarse = source.read(
            1, out_shape=(source.height // 4, source.width // 4), resampling=Resampling.average
        )
    fine = ndimage.zoom(coarse.astype(float), 4, order=1, mode="nearest", grid_mode=True)
    z = np.full((profile["height"], profile["width"]), np.float32(fine.mean()))
    z[: fine.shape[0], : fine.shape[1]] = fine
    with rasterio.open(path, "w", **profile) as out:
        out.write(z.astype(np.float32), 1)
    checked = real(filing)
    assert checked.flags["real.upsampled"] == "strong"
    assert checked["real.upsampled"].evidence["coarse_cell_m"] == pytest.approx(4.0, rel=0.05)


def test_a_surface_model_as_terrain_model(filing):
    shutil.copy(filing.folder / "2025/dsm.tif", filing.folder / "2025/dtm.tif")
    checked = real(filing)
    assert checked.flags["real.dtm"] == "strong"
    assert checked.breaches == []


# -- pictures ------------------------------------------------------------------------------------------------
def test_last_years_orthomosaic_sent_again(filing):
    shutil.copy(filing.folder / "2024/ortho.tif", filing.folder / "2025/ortho.tif")
    checked = real(filing)
    assert checked.flags["real.resent_ortho"] == "strong"
    # Its tag says when it was written, which was before the flight.
    assert checked.flags["files.dates"] in ("moderate", "strong")


def test_an_orthomosaic_that_lies_beside_the_heights(filing):
    filing.move("2025/ortho.tif", east_m=6.0)
    checked = real(filing)
    assert checked.flags["files.register"] in ("moderate", "strong")
    found = checked["files.register"]
    assert found.evidence["east_m"] == pytest.approx(6.0, abs=0.7)
    assert found.evidence["north_m"] == pytest.approx(0.0, abs=0.7)


# -- heights and points --------------------------------------------------------------------------------------
@pytest.mark.parametrize(("offset", "strength"), [(0.1, None), (2.0, "moderate"), (-47.0, "strong")])
def test_an_offset_from_last_years_heights(filing, offset, strength):
    drop_dtm(filing).heights("2025/dsm.tif", lambda z: z + np.float32(offset))
    checked = filing.check()
    assert checked.flags.get("files.last_year") == strength
    if offset == -47.0:
        # 47 m is what the geoid lies below the ellipsoid there.
        assert "ellips" in checked["files.last_year"].message


def test_heights_that_contradict_their_file(filing):
    filing.header("2025/dsm.tif", crs="EPSG:32643+3855")
    filing.edit('height = "EGM2008"', 'height = "ellipsoidal"')
    assert filing.check().flags["files.datum"] == "strong"


def test_check_points_read_off_the_surface(filing):
    drop_dtm(filing)
    path = filing.folder / "2025/gcp.csv"
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    with rasterio.open(filing.folder / "2025/dsm.tif") as source:
        z, a = source.read(1), source.transform
    for row in rows:
        col = round((float(row["easting"]) - a.c) / a.a - 0.5)
        line = round((float(row["northing"]) - a.f) / a.e - 0.5)
        row["easting"], row["northing"] = a.c + (col + 0.5) * a.a, a.f + (line + 0.5) * a.e
        row["elevation"] = f"{z[line, col]:.3f}"
    with open(path, "w", newline="") as file:
        out = csv.DictWriter(file, rows[0])
        out.writeheader()
        out.writerows(rows)
    assert filing.check().flags["real.residuals"] == "strong"


def test_a_file_older_than_its_flight(filing):
    with rasterio.open(filing.folder / "2025/dsm.tif", "r+") as out:
        out.update_tags(TIFFTAG_DATETIME="2023:01:05 10:00:00")
    assert filing.check().flags["files.dates"] == "strong"


# -- the whole command ---------------------------------------------------------------------------------------
def test_flags_are_drawn_and_reported_with_their_harmless_causes(filing):
    drop_dtm(filing)
    shutil.copy(filing.folder / "2024/dsm.tif", filing.folder / "2025/dsm.tif")
    filing.edit('name = "Invented quarry 1"', 'name = "<script>alert(1)</script> & Söhne"')
    done = filing.run()
    page = (done.folder / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Söhne" in page
    assert "Flags, for a person to weigh" in page
    assert "the wrong file was packed" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert (done.folder / "pictures/flag-1.png").is_file()
    assert page.index("Breaches (") < page.index("Flags, for a person") < page.index("Complies (")


def test_of_a_very_large_survey_what_was_looked_at_is_said(filing, monkeypatch):
    """Patches reach over tiles: where some tiles are left out, nothing is said of patches but that."""
    from survey.pipelines.check import ground

    whole = real(filing)
    monkeypatch.setattr(ground, "TILE", 128)
    monkeypatch.setattr(ground, "MOST_TILES", 8)
    checked = real(filing)
    assert checked.breaches == whole.breaches
    assert checked.flags == whole.flags
    assert "only a part of it was looked at" in checked["real.smooth_patch:DSM"].message
    assert checked["real.resent:elevation-model"].verdict == whole["real.resent:elevation-model"].verdict
