"""Layers in a GeoPackage, with styles that QGIS applies by itself.

The file is written the same way every time: no clock of the machine, features in the order given.
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.errors import OutputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

Value = str | float | int | bool | None

_EPOCH = (
    "2000-01-01T00:00:00.000Z"  # GeoPackage asks for a date of last change; the run's own is in record.json
)


@dataclass(frozen=True)
class Layer:
    """Features of one kind. ``kind`` is the OGC name of the geometry type, or None for a plain table."""

    name: str
    kind: str | None
    geometry: Sequence[BaseGeometry | None]
    columns: Mapping[str, Sequence[Value]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, values in self.columns.items():
            if len(values) != len(self.geometry):
                raise ValueError(
                    f"{self.name}.{name}: {len(values)} values for {len(self.geometry)} features"
                )

    def __len__(self) -> int:
        return len(self.geometry)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each feature as a dict of its columns and ``geometry``."""
        for k, shape in enumerate(self.geometry):
            yield {**{name: values[k] for name, values in self.columns.items()}, "geometry": shape}

    @classmethod
    def of_rows(
        cls, name: str, kind: str | None, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]
    ) -> Layer:
        """From dicts; ``geometry`` is the shape, the other keys are columns."""
        return cls(
            name,
            kind,
            [row.get("geometry") for row in rows],
            {column: [row.get(column) for row in rows] for column in columns},
        )


def write_layers(path: Path, layers: Sequence[Layer], crs_wkt: str) -> None:
    """Write all ``layers`` into a new GeoPackage; an older file of that name is replaced."""
    path.unlink(missing_ok=True)
    add_layers(path, layers, crs_wkt)


def add_layers(path: Path, layers: Sequence[Layer], crs_wkt: str) -> None:
    """Write ``layers`` beside those that a GeoPackage has; names must be new."""
    import pyogrio

    # The run folder is flushed to disk as a whole when it is put in place; SQLite need not wait for the disk
    # after each of its many small transactions.
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _EPOCH, "OGR_SQLITE_SYNCHRONOUS": "OFF"})
    try:
        for layer in layers:
            _write(path, layer, crs_wkt)
    except (pyogrio.errors.DataSourceError, OSError, RuntimeError) as error:
        raise OutputError(
            f"the layers could not be written ({error})",
            file=path,
            mend="Is the disk full, or the folder write-protected?",
        ) from error
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None, "OGR_SQLITE_SYNCHRONOUS": None})


def _write(path: Path, layer: Layer, crs_wkt: str) -> None:
    import shapely
    from pyogrio.raw import write

    fields, data, masks = [], [], []
    for name, values in layer.columns.items():
        array, mask = _column(values)
        fields.append(name)
        data.append(array)
        masks.append(mask)
    geometry = None
    if layer.kind is not None:
        flat = not layer.kind.endswith(" Z")
        shapes = [s if s is None or not flat else shapely.force_2d(s) for s in layer.geometry]
        geometry = np.array(
            [
                None if s is None else shapely.to_wkb(s, flavor="iso", output_dimension=2 if flat else 3)
                for s in shapes
            ],
            dtype=object,
        )
    write(
        os.fspath(path),
        geometry,
        field_data=data,
        fields=fields,
        field_mask=masks,
        layer=layer.name,
        driver="GPKG",
        geometry_type=layer.kind,
        crs=crs_wkt if layer.kind is not None else None,
        append=False,
        layer_options={"SPATIAL_INDEX": "YES"}
        if layer.kind is not None
        else {"ASPATIAL_VARIANT": "GPKG_ATTRIBUTES"},
    )


def _column(values: Sequence[Value]) -> tuple[np.ndarray, np.ndarray | None]:
    """A column and where it is null. NaN is null too: nobody measured it."""
    missing = np.array([v is None or (isinstance(v, float) and math.isnan(v)) for v in values], bool)
    present = [v for v, gone in zip(values, missing, strict=True) if not gone]
    if present and all(isinstance(v, bool) for v in present):
        kind: type = bool
    elif present and all(isinstance(v, int) and not isinstance(v, bool) for v in present):
        kind = np.int64
    elif present and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in present):
        kind = np.float64
    else:
        text = [None if gone else str(v) for v, gone in zip(values, missing, strict=True)]
        return np.array(text, dtype=object), None
    filled: NDArray[Any] = np.array(
        [kind(0) if gone else kind(v) for v, gone in zip(values, missing, strict=True)], dtype=kind
    )
    return filled, missing if missing.any() else None


def layer_names(path: Path) -> list[str]:
    """Names of the layers and tables that hold results; empty if there is no such file."""
    if not path.exists():
        return []
    import pyogrio

    return [str(name) for name, _ in pyogrio.list_layers(path) if str(name) != "layer_styles"]


def crs_of(path: Path) -> str | None:
    """WKT of the first layer that has geometry; None if there is none."""
    if not path.exists():
        return None
    import pyogrio
    from pyproj import CRS

    for name, kind in pyogrio.list_layers(path):
        if kind is not None:
            crs = pyogrio.read_info(os.fspath(path), layer=str(name)).get("crs")
            return None if not crs else str(CRS.from_user_input(crs).to_wkt())
    return None


def read_layer(path: Path, name: str) -> Layer:
    """One layer; empty if the file or the layer is not there."""
    if not path.exists():
        return Layer(name, None, [])
    import shapely
    from pyogrio.errors import DataLayerError
    from pyogrio.raw import read

    try:
        meta, _, wkb, data = read(os.fspath(path), layer=name)
    except DataLayerError:
        return Layer(name, None, [])
    columns: dict[str, list[Value]] = {}
    for field_name, values in zip(meta["fields"], data, strict=True):
        columns[str(field_name)] = [_plain(v) for v in values.tolist()]
    count = len(wkb) if wkb is not None else (len(data[0]) if len(data) else 0)
    shapes = [None] * count if wkb is None else list(shapely.from_wkb(wkb))
    return Layer(name, meta["geometry_type"] if wkb is not None else None, shapes, columns)


def _plain(value: Any) -> Value:
    return None if isinstance(value, float) and math.isnan(value) else value


def add_styles(path: Path, styles: Mapping[str, str]) -> None:
    """Put QGIS styles (QML by layer name) into the ``layer_styles`` table that QGIS looks for."""
    if not path.exists():
        return
    with sqlite3.connect(path) as base:
        base.execute("PRAGMA synchronous = OFF")
        base.execute("DROP TABLE IF EXISTS layer_styles")
        base.execute(
            "CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "
            "f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256), "
            "f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT, "
            "useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), update_time DATETIME)"
        )
        present = {
            row[0]: row[1]
            for row in base.execute("SELECT table_name, column_name FROM gpkg_geometry_columns")
        }
        for name, qml in styles.items():
            if name in present:
                base.execute(
                    "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, "
                    "f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner, "
                    "update_time) "
                    "VALUES ('', '', ?, ?, ?, ?, '', 1, ?, '', ?)",
                    (name, present[name], name, qml, "mine-survey", _EPOCH),
                )
        base.execute("DELETE FROM gpkg_contents WHERE table_name = 'layer_styles'")
        base.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change) "
            "VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?)",
            (_EPOCH,),
        )
    base.close()
