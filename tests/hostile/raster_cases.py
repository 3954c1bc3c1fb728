"""Elevation models as strangers send them."""

# ruff: noqa: E501  (a case is a line)

from __future__ import annotations

import os
import struct

import numpy as np
from affine import Affine
from hostile_mine import ACCEPT, CELLS, CRS, FLAG, NORTH, REFUSE, WEST, Case, Mine, heights, profile

US_FOOT = 1200 / 3937
UTM_FEET = "+proj=tmerc +lat_0=0 +lon_0=75 +k=0.9996 +x_0=500000 +y_0=0 +datum=WGS84 +units=us-ft +no_defs"


def rim(value):
    """The outer ten cells hold ``value`` where nothing was measured."""

    def change(z):
        z = z.astype(np.float32).copy()
        z[:10] = z[-10:] = value
        z[:, :10] = z[:, -10:] = value
        return z

    return change


def undeclared(value):
    return lambda m: m.before(rim(value), nodata=None).after(rim(value), nodata=None)


def cut_off(share):
    def change(m: Mine):
        path = m.folder / "after.tif"
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return change


def decimetres(declared):
    def change(m: Mine):
        def rounded(z):
            return np.round(z * 10).astype(np.int16)

        extra = {"scale": 0.1} if declared else {}
        m.before(rounded, nodata=-32768, **extra).after(rounded, nodata=-32768, **extra)

    return change


def laid(m: Mine, crs, transform, width, height, method="bilinear"):
    """The later survey on other cells."""
    import warnings

    from rasterio.warp import Resampling, reproject

    out = np.full((height, width), -9999.0, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reproject(
            heights(2, True), out, src_transform=profile()["transform"], src_crs=CRS, dst_transform=transform,
            dst_crs=crs, dst_nodata=-9999.0, resampling=Resampling[method],
        )  # fmt: skip
    m.raster("after.tif", out, crs=crs, transform=transform)


def to_system(epsg):
    """The later survey in another reference system."""

    def change(m: Mine):
        import warnings

        from rasterio.warp import calculate_default_transform

        bounds = (WEST, NORTH - CELLS, WEST + CELLS, NORTH)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            transform, width, height = calculate_default_transform(CRS, epsg, CELLS, CELLS, *bounds)
        laid(m, epsg, transform, width, height)

    return change


def hillshade(m: Mine):
    z = heights(2, True)
    down, east = np.gradient(z)
    light = np.clip(255 * (0.7 + 0.5 * (east - down)), 1, 255).astype(np.uint8)
    m.raster("after.tif", light, nodata=0)


def picture(m: Mine):
    rng = np.random.default_rng(0)
    m.raster("after.tif", rng.integers(0, 255, (3, CELLS, CELLS)).astype(np.uint8), nodata=None)


def jpeg(m: Mine):
    z = heights(2, True)
    scaled = np.clip((z - 280) * 6, 0, 255).astype(np.uint8)
    m.raster("after.tif", scaled, nodata=None, compress="jpeg", tiled=True, blockxsize=64, blockysize=64)


def slope(m: Mine):
    down, east = np.gradient(heights(2, True))
    m.raster("after.tif", np.degrees(np.arctan(np.hypot(down, east))).astype(np.float32))


def sparse_giant(m: Mine):
    """A header that announces a million by a million cells in a file of a few hundred bytes."""
    entries = [
        (256, 4, 1, 1_000_000), (257, 4, 1, 1_000_000), (258, 3, 1, 32), (259, 3, 1, 1), (262, 3, 1, 1),
        (277, 3, 1, 1), (322, 4, 1, 4096), (323, 4, 1, 4096), (324, 4, 1, 0), (325, 4, 1, 0), (339, 3, 1, 3),
    ]  # fmt: skip
    body = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    body += b"".join(struct.pack("<HHII", *e) for e in entries) + struct.pack("<I", 0)
    m.text("after.tif", body)


def sparse_real(m: Mine):
    """A sparse file that GDAL itself writes: nothing in it but a header."""
    import rasterio

    whole = profile(height=200_000, width=200_000, tiled=True, blockxsize=512, blockysize=512, BIGTIFF="YES")
    with rasterio.open(m.folder / "after.tif", "w", SPARSE_OK=True, **whole):
        pass


def flipped_bytes(m: Mine):
    m.after(compress="deflate", tiled=True, blockxsize=64, blockysize=64)
    path = m.folder / "after.tif"
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(4)
    for at in rng.integers(len(data) // 3, len(data) - 200, 60):
        data[at] ^= 0xFF
    path.write_bytes(bytes(data))


def vrt(m: Mine):
    m.text(
        "after.tif",
        '<VRTDataset rasterXSize="144" rasterYSize="144"><VRTRasterBand dataType="Float32" band="1">'
        '<SimpleSource><SourceFilename relativeToVRT="0">/etc/passwd</SourceFilename></SimpleSource>'
        "</VRTRasterBand></VRTDataset>",
    )


def png(m: Mine):
    from PIL import Image

    Image.fromarray(np.zeros((20, 20), np.uint8)).save(m.folder / "after.png")
    os.replace(m.folder / "after.png", m.folder / "after.tif")


def other_ending(m: Mine):
    os.replace(m.folder / "after.tif", m.folder / "after.dat")
    m.edit('"after.tif"', '"after.dat"')


def world_file(m: Mine):
    """No place inside the file; world file and .prj beside it."""
    from pyproj import CRS as PROJ

    m.after(transform=Affine.identity(), crs=None)
    m.text("after.tfw", f"1.0\n0.0\n0.0\n-1.0\n{WEST + 0.5}\n{NORTH - 0.5}\n")
    m.text("after.prj", PROJ.from_user_input(CRS).to_wkt("WKT1_ESRI"))


def lying_aux(m: Mine):
    m.text(
        "after.tif.aux.xml",
        "<PAMDataset><GeoTransform> 0.0, 9.0, 0.0, 0.0, 0.0, -9.0</GeoTransform></PAMDataset>",
    )


def spikes(m: Mine):
    def change(z):
        z = z.copy()
        z[5, 5:9] = 1e6
        return z

    m.after(change)


def south_up(m: Mine):
    m.after(lambda z: z[::-1], transform=Affine(1, 0, WEST, 0, 1, NORTH - CELLS))


def pixel_is_point(m: Mine):
    m.after(tags={"AREA_OR_POINT": "Point"})


def rotated(m: Mine):
    """Turned by five degrees about the middle, truly."""
    c, w = np.cos(np.deg2rad(5)), np.sin(np.deg2rad(5))
    half = CELLS / 2 + 8
    west, north = WEST + CELLS / 2 - half * c - half * w, NORTH - CELLS / 2 + half * c - half * w
    laid(m, CRS, Affine(c, w, west, w, -c, north), int(2 * half), int(2 * half))


def feet(said):
    return lambda m: (
        in_feet(m)
        if not said
        else in_feet(m).edit('dem = "after.tif"', 'dem = "after.tif"\nheight_unit = "m"')
    )


def in_feet(m: Mine):
    return m.after(
        crs=UTM_FEET, transform=Affine(1 / US_FOOT, 0, WEST / US_FOOT, 0, -1 / US_FOOT, NORTH / US_FOOT)
    )


def height_feet(m: Mine):
    m.before(lambda z: (z / 0.3048).astype(np.float32)).after(lambda z: (z / 0.3048).astype(np.float32))
    m.edit('height = "EGM2008"', 'height = "EGM2008"\nheight_unit = "ft"')


def only_later_in_feet(m: Mine):
    m.after(lambda z: (z / 0.3048).astype(np.float32))


def ellipsoidal(m: Mine, align: str):
    """The later survey in ellipsoidal heights, truly."""
    from survey.dem.heights import undulation

    n = float(undulation(75.0007, 24.412))
    m.after(lambda z: (z + n).astype(np.float32))
    m.edit('dem = "after.tif"\nheight = "EGM2008"', 'dem = "after.tif"\nheight = "ellipsoidal"')
    m.text("job.toml", m.job.read_text(encoding="utf-8") + f"[align]\n{align}\n")


def unit_tag(m: Mine):
    import rasterio

    for name, seed, dug in (("before.tif", 1, False), ("after.tif", 2, True)):
        m.raster(name, (heights(seed, dug) / 0.3048).astype(np.float32))
        with rasterio.open(m.folder / name, "r+") as out:
            out.units = ("ft",)


def other_ground(m: Mine):
    rows, cols = np.mgrid[0:CELLS, 0:CELLS]
    m.raster("after.tif", (300 + 5 * np.sin(rows / 11) * np.cos(cols / 7)).astype(np.float32))


def alpha(m: Mine):
    import rasterio
    from rasterio.enums import ColorInterp

    z = heights(2, True)
    seen = np.full_like(z, 255)
    seen[:10] = 0
    m.after(lambda _: np.stack([z, seen]), nodata=None)
    with rasterio.open(m.folder / "after.tif", "r+") as out:
        out.colorinterp = (ColorInterp.gray, ColorInterp.alpha)


def mask_all(m: Mine):
    import rasterio

    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(m.folder / "after.tif", "r+") as out:
        out.write_mask(np.zeros((CELLS, CELLS), bool))


def both(change, **header):
    """The same thing done to both surveys."""
    return lambda m: m.before(change, **header).after(change, **header)


def shaded(z):
    down, east = np.gradient(z)
    return np.clip(255 * (0.7 + 0.5 * (east - down)), 1, 255).astype(np.float32)


def inclined(z):
    down, east = np.gradient(z)
    return np.degrees(np.arctan(np.hypot(down, east))).astype(np.float32)


def swapped_files(m: Mine):
    """The files exchanged: the pit stands in the earlier survey."""
    m.raster("before.tif", heights(2, True), tags={"TIFFTAG_DATETIME": "2025:05:02 10:00:00"})
    m.raster("after.tif", heights(1, False), tags={"TIFFTAG_DATETIME": "2024:05:02 10:00:00"})


def quarters(m: Mine):
    """A mask inside the file that hides a corner without the pit."""
    import rasterio

    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(m.folder / "after.tif", "r+") as out:
        seen = np.ones((CELLS, CELLS), bool)
        seen[:20, :20] = False
        out.write_mask(seen)


def lied(said):
    """World file and .prj that contradict the file."""

    def change(m: Mine):
        m.text("after.tfw", f"1.0\n0.0\n0.0\n-1.0\n{WEST + 900.5}\n{NORTH - 0.5}\n")

    return change


def gcps(m: Mine):
    """Placed by ground control points only, as a scanned map."""
    import rasterio
    from rasterio.control import GroundControlPoint

    m.after(crs=None, transform=Affine.identity())
    with rasterio.open(m.folder / "after.tif", "r+") as out:
        corners = ((0, 0), (0, CELLS), (CELLS, 0), (CELLS, CELLS))
        points = [GroundControlPoint(row=r, col=c, x=WEST + c, y=NORTH - r, z=0.0) for r, c in corners]
        out.gcps = (points, rasterio.crs.CRS.from_string(CRS))


def cut_out(z):
    z = z.copy()
    z[60:90, 55:85] = -9999
    return z


CASES = [
    # reference systems
    Case("crs-none", "no reference system", REFUSE, lambda m: m.after(crs=None), "reference system", 1),
    Case(
        "crs-none-job", "no reference system in the file, named in the job", ACCEPT,
        lambda m: m.after(crs=None).edit('dem = "after.tif"', f'dem = "after.tif"\ncrs = "{CRS}"'),
    ),
    Case("crs-wrong-zone", "zone 44 written on coordinates of zone 43", REFUSE, lambda m: m.after(crs="EPSG:32644"), "", 1),
    Case(
        "crs-degrees-as-metres", "degrees under the name of a projected system", REFUSE,
        lambda m: m.after(transform=Affine(1e-5, 0, 75.0, 0, -1e-5, 24.4)), "", 1,
    ),
    Case(
        "crs-metres-as-degrees", "metres under the name of a geographic system", REFUSE,
        lambda m: m.after(crs="EPSG:4326"), "degrees", 1,
    ),
    Case("crs-degrees", "cells in degrees, rightly said", ACCEPT, to_system("EPSG:4326"), "interpolated", within=0.03),
    Case("crs-web-mercator", "web Mercator, whose areas are 20 % wrong here", ACCEPT, to_system("EPSG:3857"), "areas", within=0.03),
    Case("crs-other-zone", "the later survey in the neighbouring zone, rightly said", ACCEPT, to_system("EPSG:32644"), within=0.03),
    Case(
        "crs-local", "a local system not tied to the Earth", REFUSE,
        lambda m: m.after(crs='LOCAL_CS["mine grid",UNIT["metre",1]]'), "", 1,
    ),
    Case("crs-feet", "coordinates in US survey feet; the unit of the heights in the job", ACCEPT, feet(True), "foot"),
    Case("crs-feet-only", "coordinates in US survey feet, and nothing on the heights", REFUSE, feet(False), "foot"),
    Case("place-none", "no placement at all", REFUSE, lambda m: m.after(transform=Affine.identity(), crs=None), "", 1),
    Case("place-world-file", "placement in a world file and a .prj beside it", ACCEPT, world_file),
    Case("place-lying-world", "a world file that says another place", FLAG, lied("world"), "own was used"),
    Case("place-gcps", "placed by control points alone", REFUSE, gcps, "georeference", 1),
    Case("place-half-overlap", "the later survey covers half of the lease", FLAG, lambda m: m.raster("after.tif", heights(2, True)[:, :70]), ""),
    Case("place-lying-aux", "a sidecar .aux.xml that says another place", ACCEPT, lying_aux),
    Case("place-elsewhere", "the later survey 50 km away", REFUSE, lambda m: m.after(transform=Affine(1, 0, WEST + 5e4, 0, -1, NORTH)), "lease", 1),
    Case("place-south-up", "rows that run north", ACCEPT, south_up),
    Case("place-point", "PixelIsPoint: half a cell another place", ACCEPT, pixel_is_point, within=0.05),
    Case("place-rotated", "rows that run aslant", ACCEPT, rotated, "interpolated", within=0.03),
    # units and types of heights
    Case("height-feet", "heights in feet in both surveys, said in the job", ACCEPT, height_feet),
    Case("height-feet-one", "heights in feet in one survey, not said", REFUSE, only_later_in_feet, ""),
    Case("height-dm-declared", "Int16 decimetres with a scale tag", ACCEPT, decimetres(True), within=0.05),
    Case("height-dm-one", "Int16 decimetres without a scale tag, in one survey", REFUSE, lambda m: m.after(lambda z: np.round(z * 10).astype(np.int16), nodata=-32768), ""),
    Case("height-dm-both", "Int16 decimetres without a scale tag, in both surveys", REFUSE, both(lambda z: np.round(z * 10).astype(np.int16), nodata=-32768), "decimetres"),
    Case("height-dm-both-job", "Int16 decimetres without a scale tag, said in the job", ACCEPT, lambda m: (both(lambda z: np.round(z * 10).astype(np.int16), nodata=-32768)(m), m.edit('height = "EGM2008"', 'height = "EGM2008"\nheight_unit = "dm"')), within=0.05),
    Case("height-cm-both", "Int32 centimetres without a scale tag, in both surveys", REFUSE, both(lambda z: np.round(z * 100).astype(np.int32), nodata=-32768), "unit of height"),
    Case("height-metres-int", "Int16 whole metres", FLAG, both(lambda z: np.round(z).astype(np.int16), nodata=-32768), "whole numbers"),
    Case("height-dm-flat", "gentle ground in Int16 decimetres without a scale tag", FLAG, both(lambda z: np.round((z - 300) * 2 + 1500).astype(np.int16), nodata=-32768), "ten times too large"),
    Case("height-feet-both", "heights in feet in both surveys, not said", REFUSE, both(lambda z: ((z + 700) / 0.3048).astype(np.float32)), "feet"),
    Case("height-down", "depths, positive downwards, in one survey", REFUSE, lambda m: m.after(lambda z: -z), "off"),
    Case("height-f64", "Float64", ACCEPT, lambda m: m.after(lambda z: z.astype(np.float64))),
    Case("height-offset-47", "47 m higher: another height system", REFUSE, lambda m: m.after(lambda z: z + 47), "off"),
    Case("height-missing", "nothing says what heights are counted from", REFUSE, lambda m: m.edit('height = "EGM2008"\n', ""), "counted from"),
    Case(
        "height-differ", "one survey ellipsoidal, the other above the geoid", REFUSE,
        lambda m: m.edit('dem = "after.tif"\nheight = "EGM2008"', 'dem = "after.tif"\nheight = "ellipsoidal"'), "ellipsoidal",
    ),
    Case("height-differ-off", "the same, and alignment switched off", REFUSE, lambda m: ellipsoidal(m, "off = true"), "ellipsoidal"),
    Case("height-differ-convert", "the same, and the job asks for it to be converted", ACCEPT, lambda m: ellipsoidal(m, "convert_heights = true"), "were turned from ellipsoidal"),
    Case("height-unit-tag", "heights in feet in both surveys, said by the band's unit", ACCEPT, unit_tag),
    # two surveys that do not fit
    Case("fit-shift-5", "the later survey 5 m beside its place", FLAG, lambda m: m.after(transform=Affine(1, 0, WEST + 5, 0, -1, NORTH)), "had to be moved"),
    Case("fit-shift-30", "the later survey 30 m beside its place", REFUSE, lambda m: m.after(transform=Affine(1, 0, WEST + 30, 0, -1, NORTH)), "does not show the ground"),
    Case("fit-mirror", "the later survey left for right", REFUSE, lambda m: m.after(lambda z: z[:, ::-1]), "does not show the ground"),
    Case("fit-turned", "the later survey turned by a quarter", REFUSE, lambda m: m.after(lambda z: np.rot90(z).copy()), "does not show the ground"),
    Case("fit-tilt", "the later survey tilted by 20 m", REFUSE, lambda m: m.after(lambda z: z + np.linspace(0, 20, CELLS, dtype=np.float32)[None]), "does not show the ground"),
    Case("fit-noise", "noise of 5 m", REFUSE, lambda m: m.after(lambda z: (z + np.random.default_rng(5).normal(0, 5, z.shape)).astype(np.float32)), "does not show the ground"),
    Case("fit-other-ground", "other ground under the right place", REFUSE, other_ground, "does not show the ground"),
    Case("fit-stretched", "heights above the mean grown by a fifth", FLAG, lambda m: m.after(lambda z: ((z - 300) * 1.2 + 300).astype(np.float32)), "cannot be told from noise"),
    Case("fit-stripes", "every other column unmeasured", FLAG, lambda m: m.after(lambda z: np.where(np.arange(CELLS)[None] % 2 == 0, z, np.float32(-9999))), "too little common ground"),
    Case("fit-other-cells", "cells of 2 m in the later survey", ACCEPT, lambda m: laid(m, CRS, Affine(2, 0, WEST, 0, -2, NORTH), CELLS // 2, CELLS // 2), within=0.05),
    # nodata
    Case("nodata-alpha", "an alpha band that hides ten rows", ACCEPT, alpha),
    *(
        Case(f"nodata-{name}", f"undeclared nodata {name}", ACCEPT, undeclared(value))
        for name, value in (
            ("-9999", -9999.0), ("-32767", -32767.0), ("1e38", 1e38), ("inf", np.inf), ("nan", np.nan),
            ("-3.4e38", -3.4028235e38),
        )
    ),
    Case("nodata-0", "undeclared nodata 0", ACCEPT, undeclared(0.0), "not measured"),
    Case("nodata-everywhere", "no cell measured", REFUSE, lambda m: m.after(lambda z: np.full_like(z, -9999)), "", 1),
    Case("nodata-mask-all", "an internal mask that hides every cell", REFUSE, mask_all, "", 1),
    Case("nodata-spikes", "four cells at 1,000,000 m", REFUSE, spikes, "numbers", 1),
    # no heights at all
    Case("kind-hillshade", "a hillshade passed as elevation model", REFUSE, hillshade, "", 1),
    Case("kind-rgb", "a picture passed as elevation model", REFUSE, picture, "", 1),
    Case("kind-jpeg", "a lossy JPEG", REFUSE, jpeg, "", 1),
    Case("kind-slope", "a map of slopes passed as elevation model", REFUSE, slope, ""),
    Case("kind-complex", "complex numbers", REFUSE, lambda m: m.after(lambda z: z.astype(np.complex64), nodata=None), "", 1),
    Case("kind-png", "a PNG called .tif", REFUSE, png, "PNG", 1),
    Case("kind-vrt", "a virtual raster called .tif that points at a file of the machine", REFUSE, vrt, "virtual", 1),
    Case("kind-text", "a text called .tif", REFUSE, lambda m: m.text("after.tif", "hello\n" * 100), "", 1),
    Case("kind-other-ending", "a GeoTIFF with another ending", ACCEPT, other_ending),
    Case("kind-hillshade-both", "hillshades as Float32 for both surveys", REFUSE, both(shaded), "hillshade"),
    Case("kind-slope-both", "maps of slopes for both surveys", FLAG, both(inclined), "as slopes in degrees do"),
    Case("kind-zero-one", "heights scaled to 0 … 1", FLAG, both(lambda z: (z - 280) / 40), "between 0 and 1"),
    Case("kind-zeros", "zero everywhere", REFUSE, both(np.zeros_like), "zero", 1),
    Case("kind-flat", "300 m everywhere", FLAG, both(lambda z: np.full_like(z, 300)), "one and the same file"),
    Case("kind-noise", "chance for heights", REFUSE, lambda m: m.after(lambda z: np.random.default_rng(3).uniform(-400, 8000, z.shape).astype(np.float32)), ""),
    Case("kind-two-bands", "two bands of heights", REFUSE, lambda m: m.after(lambda z: np.stack([z, z + 1])), "bands", 1),
    Case("kind-hollow", "the pit left unmeasured", FLAG, lambda m: m.after(cut_out), "", None),
    # sizes
    Case("size-1x1", "one cell", REFUSE, lambda m: m.raster("after.tif", np.full((1, 1), 300, np.float32)), "", 1),
    Case("size-giant-header", "a header of a million by a million cells", REFUSE, sparse_giant, "", 1),
    Case("size-giant-sparse", "200,000 × 200,000 cells, none written", REFUSE, sparse_real, "", 1),
    # damage
    Case("damage-empty", "an empty file", REFUSE, lambda m: m.text("after.tif", b""), "empty", 1),
    *(
        Case(f"damage-cut-{round(share * 100)}", f"cut off at {share:.0%} of its length", REFUSE, cut_off(share), "", 1)
        for share in (0.002, 0.1, 0.5, 0.9, 0.999)
    ),
    Case("damage-bytes", "sixty flipped bytes in compressed blocks", REFUSE, flipped_bytes, "", 1),
    Case("damage-folder", "a folder in place of the file", REFUSE, lambda m: ((m.folder / "after.tif").unlink(), (m.folder / "after.tif").mkdir()), "", 1),
    Case("damage-missing", "no such file", REFUSE, lambda m: (m.folder / "after.tif").unlink(), "after.tif", 1),
    Case("files-exchanged", "the two surveys exchanged, each with the day it was written", FLAG, swapped_files, "swapped"),
    Case("nodata-mask-part", "an internal mask that hides a corner", ACCEPT, quarters),
    Case("same-file-again", "the earlier survey's heights in a file of another packing", FLAG, lambda m: m.raster("after.tif", heights(1, False), compress="deflate"), "digit for digit"),
    Case("same-file-twice", "the earlier survey's file sent as the later one", FLAG, lambda m: m.text("after.tif", (m.folder / "before.tif").read_bytes()), "one and the same file"),
]  # fmt: skip
