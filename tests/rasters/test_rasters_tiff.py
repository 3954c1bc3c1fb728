"""The structure of TIFF files, read by hand, against what GDAL says of the same files."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from survey.rasters.limits import RasterLimits, check_limits
from survey.rasters.sniff import sniff_bytes
from survey.rasters.tiff import BadTiff, read_tiff

CELLS = np.arange(90 * 70, dtype=np.float32).reshape(90, 70)
PLACE = Affine(1, 0, 5e5, 0, -1, 2.7e6)
WAYS: dict[str, dict[str, object]] = {
    "strips": {},
    "tiles": {"tiled": True, "blockxsize": 32, "blockysize": 16},
    "lzw": {"compress": "lzw", "predictor": 3},
    "zstd tiles": {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "zstd"},
    "big": {"BIGTIFF": "YES"},
    "big-endian": {"ENDIANNESS": "BIG"},
    "big big-endian": {"BIGTIFF": "YES", "ENDIANNESS": "BIG", "compress": "deflate"},
    "cog": {"driver": "COG", "compress": "lerc", "blocksize": 32 * 4},
    "nodata": {"nodata": -9999},
    "bands apart": {"count": 3, "interleave": "band"},
    "bands together": {"count": 3, "interleave": "pixel"},
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_agrees_with_gdal(tmp_path: Path, way: dict[str, object]) -> None:
    path = tmp_path / "a.tif"
    options: dict[str, object] = {
        "driver": "GTiff", "width": 70, "height": 90, "count": 1, "dtype": "float32", "crs": "EPSG:32643",
        "transform": PLACE, **way,
    }  # fmt: skip
    with rasterio.open(path, "w", **options) as out:
        for band in range(1, int(str(options["count"])) + 1):
            out.write(CELLS, band)
        out.update_tags(TIFFTAG_DATETIME="2024:04:20 10:00:00")
    main = read_tiff(path).main
    with rasterio.open(path) as opened:
        assert (main.width, main.height, main.bands) == (opened.width, opened.height, opened.count)
        assert main.block == (
            min(opened.block_shapes[0][0], 90) if not main.tiled else opened.block_shapes[0][0],
            opened.block_shapes[0][1],
        )
        assert main.tiled == opened.profile["tiled"]
        assert (
            opened.compression.value.lower() if opened.compression else "none"
        ) in main.compression.lower()
        assert main.planar == (opened.count > 1 and opened.interleaving.value == "BAND")
    assert main.bits == 32
    assert main.sample_format == "float"
    assert main.placed
    assert main.has_geokeys
    assert main.datetime == "2024:04:20 10:00:00"
    assert main.sparse_blocks == 0
    assert (main.nodata is not None) == ("nodata" in way)


def test_masks_and_overviews_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(
        path, "w", driver="GTiff", width=70, height=90, count=1, dtype="float32", crs="EPSG:32643",
        transform=PLACE,
    ) as out:  # fmt: skip
        out.write(CELLS, 1)
        out.write_mask(CELLS > 100)
        out.build_overviews([2], rasterio.enums.Resampling.nearest)
    tiff = read_tiff(path)
    kinds = sorted((d.overview, d.mask) for d in tiff.directories)
    assert kinds == [(False, False), (False, True), (True, False), (True, True)]
    assert tiff.mask is not None
    assert (tiff.mask.width, tiff.mask.height) == (70, 90)


def ifd(tags: list[tuple[int, int, int, int]], following: int = 0) -> bytes:
    body = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return struct.pack("<H", len(tags)) + body + struct.pack("<I", following)


def tiff_of(tags: dict[int, tuple[int, int, int]], following: int = 0, data: bytes = bytes(64)) -> bytes:
    """A TIFF of 4 × 4 bytes in one strip at byte 8; ``tags`` replace or add (type, count, value)."""
    usual = {256: (3, 1, 4), 257: (3, 1, 4), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 273: (4, 1, 8),
             277: (3, 1, 1), 278: (3, 1, 4), 279: (4, 1, 16)}  # fmt: skip
    entries = [(tag, *entry) for tag, entry in {**usual, **tags}.items() if entry[0]]
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + ifd(entries, following)


def judge(tmp_path: Path, blob: bytes) -> None:
    path = tmp_path / "x.tif"
    path.write_bytes(blob)
    read_tiff(path)


def test_the_small_file_is_sound(tmp_path: Path) -> None:
    judge(tmp_path, tiff_of({}))


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({256: (0, 0, 0)}, "width"),
        ({273: (0, 0, 0)}, "blocks lie"),
        ({279: (0, 0, 0)}, "blocks lie"),
        ({257: (3, 1, 0)}, "4 × 0"),
        ({277: (3, 1, 0)}, "bands"),
        ({258: (3, 1, 0xFFFF)}, "depth"),
        ({273: (4, 1, 4000)}, "beyond its end"),
        ({279: (4, 1, 4000)}, "beyond its end"),
        ({279: (4, 1, 0xFFFFFFFF)}, "beyond its end"),
        ({273: (4, 1, 2)}, "header"),
        ({279: (4, 1, 15)}, "shorter than"),
        ({278: (3, 1, 1)}, "lists 1 blocks"),
        ({273: (4, 0x3FFFFFFF, 8)}, "breaks off"),
        ({273: (99, 1, 8)}, "type 99"),
        ({273: (2, 1, 8)}, "type 2"),
        ({322: (3, 1, 0), 323: (3, 1, 16), 324: (4, 1, 8), 325: (4, 1, 16)}, "blocks of 0"),
    ],
)
def test_broken_structure(tmp_path: Path, tags: dict[int, tuple[int, int, int]], words: str) -> None:
    with pytest.raises(BadTiff, match=words):
        judge(tmp_path, tiff_of(tags))


def test_circles_and_chains_without_end(tmp_path: Path) -> None:
    with pytest.raises(BadTiff, match="circle"):
        judge(tmp_path, tiff_of({}, following=72))
    one = len(tiff_of({})) - 72
    chain = tiff_of({}, following=72 + one)
    for i in range(70):
        chain += tiff_of({}, following=72 + one * (i + 2))[72:]
    with pytest.raises(BadTiff, match="more than 64"):
        judge(tmp_path, chain)


def test_limits(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=70, height=90, count=1, dtype="float32", crs="EPSG:32643",
        transform=PLACE,
    ) as out:  # fmt: skip
        out.write(CELLS, 1)
    tiff = read_tiff(path)
    check_limits(tiff, "a.tif")
    for limits, words in (
        (RasterLimits(cells=6299), "cells"),
        (RasterLimits(bands=0), "bands"),
        (RasterLimits(decoded_bytes=20_000), "decode"),
        (RasterLimits(block_bytes=1000), "blocks of"),
        (RasterLimits(inflation=0.5, inflation_from_bytes=1000), "swell"),
    ):
        with pytest.raises(Exception, match=words):
            check_limits(tiff, "a.tif", limits)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", "empty"),
        (b"II*\0....", "tiff"),
        (b"MM\0+....", "tiff"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
        (b"PK\x03\x04", "zip"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><kml xmlns='x'>", "kml"),
        (b"<?xml?><gpx>", "xml"),
        (b"  <VRTDataset>", "vrt"),
        (b'{"type": "Feature"}', "json"),
        (b"ncols 5\nnrows 5", "ascii grid"),
        (b"0\nSECTION\n2\nHEADER", "dxf"),
        (b"  0\r\nSECTION\r\n", "dxf"),
        (b"SQLite format 3\0...", "sqlite"),
        (b"id;x;y\n", "text"),
        ("नाम,पूर्व\n".encode(), "text"),
        (bytes(range(256)), "binary"),
    ],
)
def test_kinds_by_first_bytes(head: bytes, kind: str) -> None:
    assert sniff_bytes(head) == kind
