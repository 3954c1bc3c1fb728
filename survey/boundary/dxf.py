"""DXF drawings: lines of the model space, streamed, with bulges and arcs turned into short chords."""

from __future__ import annotations

import io
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.boundary.features import Budget, Drawing, Feature, Ring
from survey.errors import InputRefused
from survey.remark import Remark

if TYPE_CHECKING:
    from collections.abc import Iterator

# How far a chord may leave its arc, in drawing units (metres).
_SAGITTA = 0.0005
_TYPES = ("LWPOLYLINE", "POLYLINE", "LINE", "ARC", "CIRCLE", "ELLIPSE", "SPLINE", "POINT")
_MAX_CHORDS = 100_000
_UNITS = {1: "inches", 2: "feet", 4: "millimetres", 5: "centimetres", 7: "kilometres", 21: "US survey feet"}


def read_dxf(data: bytes, file: str) -> Drawing:
    """Lines and points by layer. A DXF seldom says where on Earth it lies: the caller's system is used.

    Raises
    ------
    InputRefused
        Damaged, a binary DXF, or too large.
    """
    if data.startswith(b"AutoCAD Binary DXF"):
        raise InputRefused("is a binary DXF", file=file, mend="Save it as an ASCII DXF.")
    from ezdxf import DXFError

    budget = Budget(file)
    features: list[Feature] = []
    try:
        for entity in _entities(data):
            budget.feature()
            feature = _feature(entity, budget)
            if feature is not None:
                features.append(feature)
    except InputRefused:
        raise
    except (DXFError, ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError) as error:
        # The reader meets hostile tags in many ways; none of them leaves anything half read behind.
        raise InputRefused(f"is a damaged DXF ({type(error).__name__}: {error})", file=file) from None
    notes = []
    unit = _UNITS.get(_header_number(data, b"$INSUNITS"))
    if unit:
        notes.append(
            Remark(
                "dxf-units",
                f"The drawing declares {unit}; its numbers were taken as those of the system given.",
            )
        )
    return Drawing(file, "DXF", tuple(features), None, "", tuple(notes))


def _entities(data: bytes) -> Iterator[Any]:
    from ezdxf.addons import iterdxf

    yield from iterdxf.single_pass_modelspace(io.BytesIO(data), types=_TYPES)


def _feature(entity: Any, budget: Budget) -> Feature | None:
    from ezdxf import path

    layer = str(entity.dxf.get("layer", "0"))
    if entity.dxf.get("paperspace", 0):
        return None
    kind = entity.dxftype()
    if kind == "POINT":
        x, y, z = entity.dxf.location
        budget.vertices(1)
        return Feature("", layer, points=(np.array([[x, y]]),), had_heights=z != 0)
    if kind == "POLYLINE" and not (entity.is_2d_polyline or entity.is_3d_polyline):
        return None  # meshes
    closed = bool(getattr(entity, "is_closed", False)) or kind == "CIRCLE"
    route = path.make_path(entity)
    if len(route) == 0:
        return None
    points = []
    for point in route.flattening(_SAGITTA):
        points.append((point.x, point.y, point.z))
        if len(points) > _MAX_CHORDS:
            raise InputRefused(
                f"a line of layer {layer!r} has more than {_MAX_CHORDS:,} chords", file=budget.file
            )
    budget.vertices(len(points))
    xyz = np.array(points, np.float64)
    ring: Ring = xyz[:, :2].copy()
    heights = bool(np.any(xyz[:, 2] != 0))
    closed = closed or math.dist(ring[0], ring[-1]) == 0.0
    if closed and len(ring) >= 3:
        return Feature("", layer, polygons=((ring,),), had_heights=heights)
    return Feature("", layer, lines=(ring,), had_heights=heights)


def _header_number(data: bytes, variable: bytes) -> int:
    match = re.search(re.escape(variable) + rb"\s*\r?\n\s*\d+\s*\r?\n\s*(-?\d{1,6})\s*\r?\n", data[: 2**20])
    return int(match[1]) if match else 0
