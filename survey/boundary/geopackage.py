"""GeoPackage, read with SQLite alone: read-only, no extensions, no triggers or views, no file beside it."""

from __future__ import annotations

import os
import sqlite3
import struct
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from survey.boundary.features import Budget, Drawing, Feature
from survey.boundary.wkb import parts_of_wkb
from survey.errors import InputRefused
from survey.remark import Remark

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyproj import CRS

_MAX_LAYERS = 200
_MAX_VALUE = 64 * 2**20  # bytes of one text or geometry
_MAX_STEPS = 200_000_000  # of SQLite's virtual machine: a hostile table must not run for ever
_ENVELOPES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}
_NAMES = ("name", "title", "label", "pillar", "pillar_no", "lease_id", "lease_no", "id")


def read_geopackage(path: str) -> Drawing:
    """All vector layers of a GeoPackage that share one reference system.

    Raises
    ------
    InputRefused
        Damaged, not a GeoPackage, being edited, layers in different systems, curves.
    """
    for ending in ("-wal", "-journal"):
        if os.path.exists(path + ending) and os.path.getsize(path + ending) > 0:
            raise InputRefused(
                f"was copied while a program wrote to it (there is a {os.path.basename(path)}{ending})",
                file=path,
                mend="Close the program that has it open and deliver it again.",
            )
    # "immutable" keeps SQLite from looking at, or making, any other file.
    address = f"file:{quote(os.path.abspath(path))}?mode=ro&immutable=1"
    try:
        connection = sqlite3.connect(address, uri=True)
    except sqlite3.Error as error:
        raise InputRefused(f"cannot be opened ({error})", file=path) from None
    try:
        _harden(connection)
        return _read(connection, path)
    except (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeError) as error:
        raise InputRefused(f"is a damaged GeoPackage ({error})", file=path) from None
    finally:
        connection.close()


def _harden(connection: sqlite3.Connection) -> None:
    connection.text_factory = lambda raw: raw.decode("utf-8", errors="replace")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA cell_size_check = ON")
    allowed = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ}

    def authorise(action: int, *_: object) -> int:
        return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY

    steps = [_MAX_STEPS // 100_000]

    def tick() -> int:
        steps[0] -= 1
        return steps[0] < 0

    connection.set_authorizer(authorise)
    connection.set_progress_handler(tick, 100_000)


def _read(connection: sqlite3.Connection, path: str) -> Drawing:
    kinds = dict(_rows(connection, "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')"))
    if "gpkg_contents" not in kinds or "gpkg_geometry_columns" not in kinds:
        raise InputRefused("is an SQLite database, but not a GeoPackage with vector layers", file=path)
    for table in ("gpkg_contents", "gpkg_geometry_columns", "gpkg_spatial_ref_sys"):
        if kinds.get(table) != "table":
            raise InputRefused(f"has no proper table {table}", file=path)
    layers = _rows(
        connection,
        "SELECT g.table_name, g.column_name, g.srs_id FROM gpkg_geometry_columns g "
        "JOIN gpkg_contents c ON c.table_name = g.table_name WHERE c.data_type = 'features' "
        f"ORDER BY g.table_name LIMIT {_MAX_LAYERS + 1}",
    )
    if len(layers) > _MAX_LAYERS:
        raise InputRefused(f"has more than {_MAX_LAYERS} layers", file=path)
    budget = Budget(path)
    features: list[Feature] = []
    notes: list[Remark] = []
    systems: dict[int, CRS | None] = {}
    for table, column, srs_id in layers:
        if kinds.get(table) != "table":
            notes.append(Remark("gpkg-view", f"The layer {str(table)[:60]!r} is a view and was not read."))
            continue
        found = _layer(connection, str(table), str(column), budget, path)
        if found and srs_id not in systems:
            systems[srs_id] = _crs(connection, srs_id, path)
        features.extend(found)
    known = list(systems.values())
    if any(crs != known[0] for crs in known[1:]):
        named = ", ".join("none" if crs is None else crs.name for crs in known)
        raise InputRefused(
            f"has layers in different reference systems ({named})",
            file=path,
            mend="Deliver the lease's layer alone.",
        )
    crs = known[0] if known else None
    return Drawing(path, "GeoPackage", tuple(features), crs, "the GeoPackage" if crs else "", tuple(notes))


def _rows(connection: sqlite3.Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _layer(
    connection: sqlite3.Connection, table: str, column: str, budget: Budget, path: str
) -> list[Feature]:
    cursor = connection.execute(f"SELECT * FROM {_quoted(table)}")
    names = [entry[0] for entry in cursor.description]
    if column not in names:
        raise InputRefused(f"the layer {table[:60]!r} lacks its geometry column", file=path)
    at = names.index(column)
    found = []
    for row in cursor:
        budget.feature()
        if row[at] is None:
            continue
        polygons, lines, points, heights = _geometry(row[at], budget.vertices, path)
        properties = {
            name: value
            for name, value in zip(names, row, strict=True)
            if name != column and not isinstance(value, bytes)
        }
        lower = {name.lower(): value for name, value in properties.items()}
        name = next((str(lower[key]) for key in _NAMES if lower.get(key) not in (None, "")), "")
        found.append(Feature(name[:200], table, polygons, lines, points, properties, heights))
    return found


def _geometry(blob: Any, count: Callable[[int], None], path: str):  # type: ignore[no-untyped-def]
    """A GeoPackage geometry: header (magic, version, flags, srs id), envelope, WKB (OGC 12-128 §2.1.3)."""
    if not isinstance(blob, bytes) or len(blob) < 8 or blob[:2] != b"GP":
        raise InputRefused("holds a geometry that is not one of a GeoPackage", file=path)
    flags = blob[3]
    envelope = _ENVELOPES.get((flags >> 1) & 7)
    if envelope is None:
        raise InputRefused("holds a geometry with an unknown envelope", file=path)
    if flags & 0x20:
        raise InputRefused("holds a geometry of an extended kind", file=path)
    return parts_of_wkb(blob[8 + envelope :], count, path)


def _crs(connection: sqlite3.Connection, srs_id: int, path: str) -> CRS | None:
    """The system of a layer; None for the two ids that mean "undefined" and for engineering systems."""
    from survey.boundary.crs import crs_from

    if srs_id in (-1, 0):
        return None
    rows = connection.execute(
        "SELECT organization, organization_coordsys_id, definition "
        "FROM gpkg_spatial_ref_sys WHERE srs_id = ?",
        (srs_id,),
    ).fetchall()
    if not rows:
        raise InputRefused(f"does not define its reference system {srs_id}", file=path)
    organisation, code, definition = rows[0]
    if str(organisation).upper() in ("EPSG", "ESRI") and isinstance(code, int):
        crs = crs_from(f"{organisation}:{code}", file=path)
    else:
        crs = crs_from(str(definition), file=path)
    return None if crs.is_engineering else crs


def is_geopackage(head: bytes) -> bool:
    """By SQLite's magic; the application id at byte 68 is often left out by writers."""
    ids = (0, 0x47504B47, 0x47503130, 0x47503131)
    return (
        head.startswith(b"SQLite format 3\0")
        and len(head) >= 72
        and struct.unpack(">I", head[68:72])[0] in ids
    )
