"""What a file is, by its first bytes. Its name is not asked: names are claims."""

from __future__ import annotations

import os
from typing import Literal

Kind = Literal[
    "tiff",
    "jp2",
    "zip",
    "gzip",
    "7z",
    "rar",
    "tar",
    "xml",
    "vrt",
    "kml",
    "json",
    "toml",
    "sqlite",
    "shp",
    "dbf",
    "dxf",
    "pdf",
    "png",
    "jpeg",
    "webp",
    "img",
    "ascii grid",
    "hdf5",
    "las",
    "text",
    "binary",
    "empty",
]

HEAD_BYTES = 4096

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"SQLite format 3\0", "sqlite"),
    (b"\0\0\x27\x0a", "shp"),
    (b"%PDF-", "pdf"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"EHFA_HEADER_TAG", "img"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"LASF", "las"),
    (b"AC10", "binary"),  # DWG: no open reader
)

WORDS: dict[Kind, str] = {
    "jp2": "a JPEG 2000 picture",
    "zip": "a zip archive",
    "gzip": "a gzip archive",
    "7z": "a 7-Zip archive",
    "rar": "a RAR archive",
    "tar": "a tar archive",
    "xml": "an XML text",
    "vrt": "a GDAL virtual raster, which only points at other files",
    "kml": "a KML text",
    "json": "a JSON text",
    "sqlite": "an SQLite database (GeoPackage, MBTiles …)",
    "shp": "a shapefile",
    "dxf": "a DXF drawing",
    "pdf": "a PDF",
    "png": "a PNG picture",
    "jpeg": "a JPEG picture",
    "webp": "a WebP picture",
    "img": "an Erdas Imagine raster",
    "ascii grid": "an ASCII grid",
    "hdf5": "an HDF5 or netCDF file",
    "las": "a LAS point cloud",
    "text": "a text",
    "binary": "no kind of file known here",
    "empty": "an empty file",
}
"""For messages: "dem.tif is a PNG picture"."""


def sniff_bytes(head: bytes) -> Kind:
    """The kind of a file that begins with ``head`` (its first ``HEAD_BYTES``)."""
    if not head:
        return "empty"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[257:262] == b"ustar":
        return "tar"
    text = _as_text(head)
    if text is None:
        # dBASE III to VII: version byte, then a date of last update.
        if len(head) >= 32 and head[0] & 0x07 == 3 and 1 <= head[2] <= 12 and 1 <= head[3] <= 31:
            return "dbf"
        return "binary"
    start = text.lstrip("\ufeff \t\r\n")
    lowered = start[:2000].lower()
    if lowered.startswith("<"):
        if "<vrtdataset" in lowered or "<vrttileddataset" in lowered:
            return "vrt"
        return "kml" if "<kml" in lowered else "xml"
    if lowered.startswith(("{", "[{")):
        return "json"
    if lowered.startswith(("ncols", "nrows")):
        return "ascii grid"
    first = [line.strip() for line in start.splitlines()[:2]]
    if first[:1] == ["0"] and [w.upper() for w in first[1:2]] == ["SECTION"]:
        return "dxf"
    if first[:1] == ["999"]:
        return "dxf"
    return "text"


def sniff(path: str | os.PathLike[str]) -> Kind:
    with open(path, "rb") as stream:
        return sniff_bytes(stream.read(HEAD_BYTES))


def _as_text(head: bytes) -> str | None:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head.decode("utf-16", "replace")
    if b"\0" in head:
        return None
    control = sum(byte < 9 or 13 < byte < 32 for byte in head)
    if control > len(head) // 50:
        return None
    return head.decode("utf-8", "replace")
