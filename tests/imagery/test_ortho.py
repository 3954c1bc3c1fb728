"""What a cell of the job grid holds is the mean of the orthomosaic in it, however it is read."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from survey.errors import InputRefused
from survey.grid import Grid
from survey.imagery.ortho import open_ortho

UTM = "EPSG:32643"
WEST, NORTH = 500_000.0, 2_800_000.0


def write(path, data, *, crs=UTM, transform=None, **profile):
    data = np.asarray(data)
    data = data[None] if data.ndim == 2 else data
    transform = transform or Affine(0.05, 0, WEST, 0, -0.05, NORTH)
    with rasterio.open(
        path, "w", driver="GTiff", count=len(data), height=data.shape[1], width=data.shape[2],
        dtype=data.dtype, crs=crs, transform=transform, **profile,
    ) as out:  # fmt: skip
        out.write(data)
    return str(path)


def grid(cell=1.0, height=8, width=8, west=WEST, north=NORTH, crs=UTM):
    from pyproj import CRS

    return Grid(CRS(crs).to_wkt(), west, north, cell, cell, height, width)


def rgb(shape, seed=1, low=1):
    return np.random.default_rng(seed).integers(low, 255, (3, *shape), np.uint8)


def test_a_cell_is_the_mean_of_the_finer_cells_in_it(tmp_path):
    data = rgb((160, 160))
    ortho = open_ortho(write(tmp_path / "o.tif", data, photometric="RGB"))
    read = ortho.read(grid(), texture=True)
    blocks = data.reshape(3, 8, 20, 8, 20) / 255
    for i, name in enumerate(("red", "green", "blue")):
        np.testing.assert_allclose(read[name], blocks[i].mean(axis=(1, 3)), atol=1e-6)
    np.testing.assert_allclose(read["texture"], blocks.mean(axis=0).std(axis=(1, 3)), atol=1e-5)


def test_partly_covered_cells_count_by_area(tmp_path):
    # Cells of 0.4 m against cells of 1 m: two and a half each.
    data = np.zeros((1, 5, 5), np.uint8)
    data[0, :, 2] = 200
    path = write(tmp_path / "o.tif", data + 1, transform=Affine(0.4, 0, WEST, 0, -0.4, NORTH))
    read = open_ortho(path).read(grid(1.0, 2, 2))["grey"] * 255 - 1
    np.testing.assert_allclose(read, 200 * 0.2 / 1.0, atol=1e-4)


def test_the_piece_does_not_matter(tmp_path):
    data = rgb((900, 700))
    aligned = open_ortho(
        write(tmp_path / "a.tif", data, transform=Affine(0.07, 0, WEST - 3, 0, -0.07, NORTH + 2))
    )
    cos, sin = 0.07 * np.cos(0.3), 0.07 * np.sin(0.3)
    turned = open_ortho(write(tmp_path / "b.tif", data, transform=Affine(cos, sin, WEST, sin, -cos, NORTH)))
    whole = grid(0.5, 70, 83)
    for ortho in (aligned, turned):
        full = ortho.read(whole)
        for piece in whole.pieces((17, 40)):
            part = ortho.read(piece)
            for name in full:
                want = full[name][
                    piece.row0 : piece.row0 + piece.height, piece.col0 : piece.col0 + piece.width
                ]
                assert np.array_equal(part[name], want, equal_nan=True)


def test_a_ramp_is_found_where_it_lies_in_any_reference_system(tmp_path):
    """red = 100 + 2 (east − WEST), green = 100 + 2 (NORTH − north), in metres of zone 43."""
    from pyproj import Transformer

    other = {}
    for crs, cell in (("EPSG:32642", 0.1), ("EPSG:4326", 1e-6), (UTM, 0.1)):
        to = Transformer.from_crs(UTM, crs, always_xy=True)
        corners = [to.transform(WEST + e, NORTH - n) for e in (-2, 24) for n in (-2, 24)]
        west, north = min(c[0] for c in corners), max(c[1] for c in corners)
        height = int((north - min(c[1] for c in corners)) / cell)
        width = int((max(c[0] for c in corners) - west) / cell)
        col, row = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        back = Transformer.from_crs(crs, UTM, always_xy=True)
        east, north_m = back.transform(west + col * cell, north - row * cell)
        data = np.stack([100 + 2 * (east - WEST), 100 + 2 * (NORTH - north_m), 0 * row + 50])
        path = write(
            tmp_path / f"{crs[5:]}.tif", np.rint(data * 100).astype(np.uint16), crs=crs,
            transform=Affine(cell, 0, west, 0, -cell, north), photometric="RGB",
        )  # fmt: skip
        other[crs] = open_ortho(path)
    here = grid(1.0, 20, 20)
    east, north = here.east_north(*np.mgrid[0:20, 0:20])
    for ortho in other.values():
        read = ortho.read(here)
        # Two per metre of a value near 100: half a cell of 0.1 m would show as 0.1.
        np.testing.assert_allclose(read["red"] * ortho.white / 100, 100 + 2 * (east - WEST), atol=0.06)
        np.testing.assert_allclose(read["green"] * ortho.white / 100, 100 + 2 * (NORTH - north), atol=0.06)


def test_alignment_moves_the_picture(tmp_path):
    data = rgb((200, 200))
    ortho = open_ortho(write(tmp_path / "o.tif", data))
    moved = ortho.read(grid(1.0, 5, 5, WEST + 2, NORTH - 3), shift_m=(1.0, -2.0))
    still = ortho.read(grid(1.0, 5, 5, WEST + 1, NORTH - 1))
    np.testing.assert_allclose(moved["red"], still["red"], atol=1e-6)


@pytest.mark.parametrize("how", ["alpha", "mask", "nodata", "black", "nan"])
def test_what_was_not_photographed_is_nan_and_never_black(tmp_path, how):
    data = np.full((3, 100, 100), 90, np.uint8)
    gone = np.zeros((100, 100), bool)
    gone[:, :30] = True
    path = tmp_path / "o.tif"
    if how == "alpha":
        write(
            path,
            np.concatenate([data, np.where(gone, 0, 255).astype(np.uint8)[None]]),
            photometric="RGB",
            alpha="YES",
        )
    elif how == "mask":
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            write(path, data, photometric="RGB")
            with rasterio.open(path, "r+") as out:
                out.write_mask(~gone)
    elif how == "nodata":
        write(path, np.where(gone, 255, data).astype(np.uint8), nodata=255)
    elif how == "black":
        write(path, np.where(gone, 0, data).astype(np.uint8))
    else:
        write(path, np.where(gone, np.nan, data / 255).astype(np.float32))
    ortho = open_ortho(path)
    read = ortho.read(grid(1.0, 5, 5))
    assert np.isnan(read["red"][:, 0]).all()
    # The second cell is photographed on its right half only, and that half is not darkened by the rest.
    np.testing.assert_allclose(read["red"][:, 1:], 90 / 255, atol=1e-6)
    assert ortho.chip(grid(1.0, 5, 5))[0, 0, 3] == 0


def test_outside_the_file_is_nan(tmp_path):
    ortho = open_ortho(write(tmp_path / "o.tif", rgb((100, 100))))
    read = ortho.read(grid(1.0, 12, 12, WEST - 3, NORTH + 4))["red"]
    assert np.isfinite(read).sum() == 25
    assert np.isfinite(read[4:9, 3:8]).all()


def test_bands_by_name_description_and_wavelength(tmp_path):
    path = tmp_path / "m.tif"
    write(path, np.full((5, 50, 50), 3000, np.uint16))
    with rasterio.open(path, "r+") as out:
        for i, text in enumerate(("Blue", "Green", "Red", "Red Edge", "NIR"), 1):
            out.set_band_description(i, text)
    assert open_ortho(path).bands == ("blue", "green", "red", "red_edge", "nir")
    bare = write(tmp_path / "n.tif", np.full((5, 50, 50), 3000, np.uint16))
    assert not open_ortho(bare).has_nir, "a band that nobody named is not taken for near infrared"
    assert open_ortho(bare, bands=["b", "g", "r", "re", "nir"]).has_nir


def test_a_fourth_band_is_alpha_if_it_holds_only_two_values(tmp_path):
    data = np.concatenate([rgb((64, 64)), np.full((1, 64, 64), 255, np.uint8)])
    plain = {"photometric": "MINISBLACK"}
    assert open_ortho(write(tmp_path / "a.tif", data, **plain)).alpha == 4
    data[3] = np.random.default_rng(3).integers(0, 255, (64, 64))
    infrared = open_ortho(write(tmp_path / "n.tif", data, **plain))
    assert infrared.has_nir
    assert infrared.notes


def test_a_picture_that_is_marked_as_transparency_is_infrared(tmp_path):
    """What most writers make of a fourth band that nobody described."""
    data = np.concatenate([rgb((64, 64)), np.random.default_rng(3).integers(60, 120, (1, 64, 64), np.uint8)])
    ortho = open_ortho(write(tmp_path / "n.tif", data, photometric="RGB", alpha="YES"))
    assert ortho.has_nir
    assert ortho.notes
    read = ortho.read(grid(1.6, 2, 2))
    np.testing.assert_allclose(read["nir"], data[3].reshape(2, 32, 2, 32).mean(axis=(1, 3)) / 255, atol=1e-6)


def test_transparency_with_soft_edges_stays_transparency(tmp_path):
    data = np.concatenate([rgb((64, 64)), np.full((1, 64, 64), 255, np.uint8)])
    data[3, :, :16] = 0
    data[3, :, 16:32] = np.linspace(0, 255, 16, dtype=np.uint8)
    assert open_ortho(write(tmp_path / "a.tif", data, photometric="RGB", alpha="YES")).alpha == 4


def test_a_palette_is_looked_up(tmp_path):
    path = tmp_path / "p.tif"
    write(path, np.full((1, 40, 40), 7, np.uint8))
    with rasterio.open(path, "r+") as out:
        out.write_colormap(1, {7: (10, 200, 30, 255)})
    read = open_ortho(path).read(grid(1.0, 2, 2))
    np.testing.assert_allclose(read["green"], 200 / 255, atol=1e-6)


def test_files_that_cannot_be_placed_are_refused(tmp_path):
    with pytest.raises(InputRefused, match="no coordinate reference system"):
        open_ortho(write(tmp_path / "o.tif", rgb((10, 10)), crs=None))
    assert open_ortho(tmp_path / "o.tif", crs=UTM).cell_m == pytest.approx(0.05)
    (tmp_path / "x.tif").write_bytes(b"<VRTDataset/>" * 10)
    with pytest.raises(InputRefused, match="GeoTIFF"):
        open_ortho(tmp_path / "x.tif")
    whole = (tmp_path / "o.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[:60])
    with pytest.raises(InputRefused, match=r"(cannot be|broken|ends|damaged|cut)"):
        open_ortho(tmp_path / "cut.tif", crs=UTM)
    with pytest.raises(InputRefused, match="no band named nir"):
        open_ortho(tmp_path / "o.tif", crs=UTM).read(grid(), ("nir",))
