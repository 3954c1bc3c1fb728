"""Shapefiles, through GDAL's own driver, from a private copy that holds nothing but the parts we name."""

from __future__ import annotations

import os
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.boundary.features import MAX_BYTES, Budget, Drawing, Feature, read_bytes
from survey.boundary.wkb import parts_of_wkb
from survey.errors import InputRefused
from survey.remark import Remark

if TYPE_CHECKING:
    from pyproj import CRS

_NAMES = ("name", "title", "label", "pillar", "pillar_no", "lease_id", "lease_no", "id")


def read_shapefile(data: bytes, path: str, *, max_bytes: int = MAX_BYTES) -> Drawing:
    """A ``.shp`` with the ``.dbf``, ``.prj``, ``.cpg`` beside it. A missing ``.shx`` is made anew.

    Raises
    ------
    InputRefused
        Damaged, of a kind without outlines, or with a ``.prj`` that is not understood.
    """
    index = _index_of(data, path)
    beside = {
        ending: found for ending in (".dbf", ".prj", ".cpg") if (found := _beside(path, ending)) is not None
    }
    notes: list[Remark] = []
    with tempfile.TemporaryDirectory(prefix="survey-") as folder:
        # Fixed names in an own folder: neither the names nor the neighbours of a delivery reach the driver.
        copy = Path(folder) / "boundary.shp"
        copy.write_bytes(data)
        copy.with_suffix(".shx").write_bytes(index)
        for ending in (".dbf", ".cpg"):
            if ending in beside:
                copy.with_suffix(ending).write_bytes(read_bytes(beside[ending], max_bytes))
        if ".dbf" not in beside:
            notes.append(Remark("shp-without-dbf", "The .dbf with the names is missing.", "info"))
        names, columns, geometries = _through_gdal(copy, path)
    crs = _crs(beside[".prj"], path) if ".prj" in beside else None
    budget = Budget(path)
    features = []
    for i, wkb in enumerate(geometries):
        budget.feature()
        if wkb is None:
            continue
        polygons, lines, points, heights = parts_of_wkb(wkb, budget.vertices, path)
        properties = {name: _plain(column[i]) for name, column in zip(names, columns, strict=True)}
        lower = {name.lower(): value for name, value in properties.items()}
        name = next((str(lower[key]) for key in _NAMES if lower.get(key) not in (None, "")), "")
        features.append(Feature(name[:200], "", polygons, lines, points, properties, heights))
    return Drawing(path, "Shapefile", tuple(features), crs, "the .prj" if crs else "", tuple(notes))


def _beside(path: str, ending: str) -> str | None:
    """The part of the shapefile with another ending, in either case of letters."""
    stem = os.path.splitext(path)[0]
    for spelled in (ending, ending.upper()):
        if os.path.isfile(stem + spelled):
            return stem + spelled
    return None


def _index_of(data: bytes, path: str) -> bytes:
    """The ``.shx`` that belongs to these records (ESRI Shapefile Technical Description, 1998)."""
    if len(data) < 100:
        raise InputRefused("is cut short", file=path)
    entries = bytearray()
    at = 100
    # The header counts 16-bit words; trailing bytes beyond it are not records.
    end = min(struct.unpack(">i", data[24:28])[0] * 2, len(data))
    if end * 1 < struct.unpack(">i", data[24:28])[0] * 2:
        raise InputRefused("is cut short", file=path)
    while at + 8 <= end:
        words = struct.unpack(">i", data[at + 4 : at + 8])[0]
        if words < 2 or at + 8 + 2 * words > end:
            raise InputRefused("is a damaged shapefile", file=path)
        entries += struct.pack(">ii", at // 2, words)
        at += 8 + 2 * words
    return data[:24] + struct.pack(">i", (100 + len(entries)) // 2) + data[28:100] + bytes(entries)


def _through_gdal(copy: Path, path: str) -> tuple[list[str], list[Any], Any]:
    import pyogrio
    import pyogrio.raw
    from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError

    try:
        info = pyogrio.read_info(copy)
        if info["driver"] != "ESRI Shapefile":
            raise InputRefused("is not a shapefile", file=path)
        try:
            meta, _, geometries, columns = pyogrio.raw.read(copy)
        except UnicodeDecodeError:
            meta, _, geometries, columns = pyogrio.raw.read(copy, encoding="ISO-8859-1")
    except (DataSourceError, DataLayerError, FeatureError, FieldError, ValueError, OSError) as error:
        reason = str(error).replace(str(copy), os.path.basename(path))
        raise InputRefused(f"is a damaged shapefile ({reason[:200]})", file=path) from None
    if geometries is None:
        raise InputRefused("holds no geometry", file=path)
    return [str(name) for name in meta["fields"]], list(columns), geometries


def _plain(value: Any) -> Any:
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value.astype("datetime64[D]"))
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and np.isnan(value) else value


def _crs(prj: str, path: str) -> CRS | None:
    from survey.boundary.crs import crs_from

    text = read_bytes(prj, 65_536).decode("utf-8", errors="replace").strip().strip("\ufeff\0")
    crs = crs_from(text, file=path)
    return None if crs.is_engineering else crs
