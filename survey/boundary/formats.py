"""What kind of file this is, by its first bytes, and the one reader that fits. A name proves nothing."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from survey.boundary.features import MAX_BYTES, Drawing, read_bytes
from survey.boundary.geopackage import is_geopackage, read_geopackage
from survey.errors import InputRefused
from survey.remark import Remark
from survey.tables import decode_text

if TYPE_CHECKING:
    from pyproj import CRS

_ENDINGS = {
    ".kml": "KML", ".kmz": "KMZ", ".geojson": "GeoJSON", ".json": "GeoJSON", ".gpkg": "GeoPackage",
    ".shp": "Shapefile", ".dxf": "DXF", ".csv": "CSV", ".tsv": "CSV", ".txt": "CSV",
}  # fmt: skip
KINDS = "KML, KMZ, GeoJSON, GeoPackage, Shapefile, DXF, or CSV of pillars"
_MAX_DATABASE = 2**28  # a GeoPackage is read row by row, not into memory


def read_drawing(
    path: str | os.PathLike[str], *, crs: CRS | None = None, max_bytes: int = MAX_BYTES
) -> Drawing:
    """Read any vector file that is supported.

    ``crs`` is needed only to understand CSV files; whether it fits the others is decided by the caller.

    Raises
    ------
    InputRefused
        Unreadable, too large, or none of the formats.
    """
    name = os.fspath(path)
    ending = os.path.splitext(name)[1].lower()
    head = _head(name)
    if head.startswith(b"SQLite format 3"):
        if not is_geopackage(head):
            raise InputRefused("is a database, but not a GeoPackage", expected=KINDS, file=name)
        if os.path.getsize(name) > _MAX_DATABASE:
            raise InputRefused(f"is larger than {_MAX_DATABASE / 2**20:.0f} MB", file=name)
        return _named(read_geopackage(name), ending)
    data = read_bytes(name, max_bytes)
    kind = kind_of(data, ending, name)
    if kind == "KMZ":
        from survey.boundary.kml import read_kmz

        return _named(read_kmz(data, name), ending)
    if kind == "KML":
        from survey.boundary.kml import read_kml

        return _named(read_kml(data, name), ending)
    if kind == "GeoJSON":
        from survey.boundary.geojson import read_geojson

        return _named(read_geojson(data, name), ending)
    if kind == "Shapefile":
        from survey.boundary.shapefile import read_shapefile

        return _named(read_shapefile(data, name, max_bytes=max_bytes), ending)
    if kind == "DXF":
        from survey.boundary.dxf import read_dxf

        return _named(read_dxf(data, name), ending)
    from survey.boundary.pillars import read_pillars

    return _named(read_pillars(data, name, crs=crs), ending)


def kind_of(data: bytes, ending: str, file: str) -> str:
    """The format of some bytes; the file's ending decides only between text formats without a mark.

    Raises
    ------
    InputRefused
        None of ours; known strangers are named.
    """
    if data.startswith(b"PK\x03\x04"):
        if b"xl/workbook" in data[: 2**20] or ending in (".xlsx", ".xlsm"):
            raise InputRefused(
                "is an Excel workbook", expected=KINDS, file=file, mend="Save the sheet as CSV."
            )
        return "KMZ"
    if data.startswith(b"\x00\x00\x27\x0a"):
        return "Shapefile"
    if data.startswith(b"AutoCAD Binary DXF"):
        return "DXF"
    if re.match(rb"AC10\d\d", data):
        raise InputRefused("is a DWG drawing", expected=KINDS, file=file, mend="Save it as DXF.")
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise InputRefused("is an old Excel or Word file", expected=KINDS, file=file, mend="Save it as CSV.")
    if ending in (".dbf", ".shx", ".prj"):
        raise InputRefused("is only a part of a shapefile", file=file, mend="Name the .shp instead.")
    start = _text_start(data, file)
    if start.startswith("<"):
        root = re.search(r"<\s*(?:\w+:)?([A-Za-z_]\w*)", re.sub(r"(?s)<[?!].*?>", "", start))
        if root and root[1] in ("kml", "Document", "Folder", "Placemark"):
            return "KML"
        what = f"XML of kind <{root[1][:40]}>" if root else "XML of no known kind"
        raise InputRefused(f"is {what}", expected=KINDS, file=file)
    if start.startswith("{"):
        return "GeoJSON"
    if re.match(r"(?:999\r?\n.*?\r?\n\s*)*0\r?\n\s*SECTION\s", start):
        return "DXF"
    if _ENDINGS.get(ending) == "CSV":
        return "CSV"
    raise InputRefused(
        "is in no format that is known here"
        + (f", though its name ends in {ending}" if ending in _ENDINGS else ""),
        expected=KINDS,
        file=file,
    )


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(100)
    except (OSError, ValueError) as error:
        raise InputRefused(
            f"cannot be read ({getattr(error, 'strerror', None) or error})", file=path
        ) from None


def _text_start(data: bytes, file: str) -> str:
    """The first characters of a text, behind mark and blanks."""
    head = data[:4096]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or head.count(0) > len(head) // 4:
        try:
            return decode_text(head[: len(head) // 4 * 4], file)[0].lstrip()
        except InputRefused:
            return ""
    return head.removeprefix(b"\xef\xbb\xbf").decode("latin-1").lstrip()


def _named(drawing: Drawing, ending: str) -> Drawing:
    """Say so when the name promises another format than the content holds."""
    if _ENDINGS.get(ending, drawing.format) == drawing.format:
        return drawing
    note = Remark("format-differs", f"The file is named {ending} but holds {drawing.format}.")
    return Drawing(
        drawing.file,
        drawing.format,
        drawing.features,
        drawing.crs,
        drawing.crs_said_by,
        (note, *drawing.notes),
    )
