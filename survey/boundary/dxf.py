"""DXF drawings: lines of the model space, streamed, with bulges and arcs turned into short chords."""

from __future__ import annotations

import codecs
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
_TYPES = (
    "LWPOLYLINE", "POLYLINE", "VERTEX", "SEQEND", "LINE", "ARC", "CIRCLE", "ELLIPSE", "SPLINE", "POINT",
    "HATCH",
)  # fmt: skip
_MAX_CHORDS = 100_000
_MAX_LINE = 2**20
_MAX_TAGS = 1_000_000
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
        for entity in _entities(data, file):
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


def _entities(data: bytes, file: str) -> Iterator[Any]:
    """The entities of the model space, one at a time.

    ezdxf's own streaming reader loses the last entity of a drawing and takes a cut file for a whole one;
    its tags and entities are used, the walk through the sections is ours.
    """
    from ezdxf.entities import factory
    from ezdxf.entities.subentity import entity_linker
    from ezdxf.lldxf.extendedtags import ExtendedTags
    from ezdxf.lldxf.tagger import tag_compiler

    linked = entity_linker()
    waiting = None  # a polyline whose vertices follow as entities of their own
    tags: list[Any] = []
    section = before = None
    for tag in tag_compiler(_tags(data, _encoding(data))):
        if section != "ENTITIES":
            if before == (0, "SECTION") and tag.code == 2:
                section = tag.value
            before = (tag.code, tag.value)
            continue
        if tag.code != 0:
            if tags:
                tags.append(tag)
            if len(tags) > _MAX_TAGS:
                raise InputRefused(f"holds an entity of more than {_MAX_TAGS:,} tags", file=file)
            continue
        if tags:
            entity = factory.load(ExtendedTags(tags))
            if not linked(entity):
                if waiting is not None:
                    yield waiting
                waiting = entity
        if tag.value == "ENDSEC":
            if waiting is not None:
                yield waiting
            return
        tags = [tag] if tag.value in _TYPES else []
    raise InputRefused("is cut short: its entities do not end", file=file)


def _tags(data: bytes, encoding: str) -> Iterator[Any]:
    from ezdxf.lldxf.types import DXFTag

    lines = io.BytesIO(data)
    while True:
        code, value = lines.readline(), lines.readline(_MAX_LINE)
        if not value:
            return
        yield DXFTag(int(code), value.rstrip(b"\r\n").decode(encoding, errors="replace"))


def _encoding(data: bytes) -> str:
    """UTF-8 since the format of 2007, before that the code page of the header."""
    version = re.search(rb"\$ACADVER\s{1,9}1\s{1,9}(AC\d{4})", data[: 2**20])
    if version is not None and version[1] >= b"AC1021":
        return "utf-8"
    page = re.search(rb"\$DWGCODEPAGE\s{1,9}3\s{1,9}[A-Za-z]{1,9}_(\d{1,5})", data[: 2**20])
    try:
        return codecs.lookup(f"cp{page[1].decode()}").name if page else "cp1252"
    except LookupError:
        return "cp1252"


def _feature(entity: Any, budget: Budget) -> Feature | None:
    kind = entity.dxftype()
    if entity.dxf.get("paperspace", 0) or kind in ("VERTEX", "SEQEND"):
        return None
    layer = str(entity.dxf.get("layer", "0"))
    if kind == "POINT":
        x, y, z = entity.dxf.location
        budget.vertices(1)
        return Feature("", layer, points=(np.array([[x, y]]),), had_heights=z != 0)
    if kind == "HATCH":
        return _hatch(entity, layer, budget)
    points = []
    for x, y, z in _course(entity, kind):
        points.append((x, y, z))
        if len(points) > _MAX_CHORDS:
            raise InputRefused(
                f"a line of layer {layer!r} has more than {_MAX_CHORDS:,} chords", file=budget.file
            )
    if len(points) < 2:
        return None
    budget.vertices(len(points))
    xyz = np.array(points, np.float64)
    ring: Ring = xyz[:, :2].copy()
    heights = bool(np.any(xyz[:, 2] != 0))
    closed = bool(getattr(entity, "is_closed", False) or getattr(entity, "closed", False))
    closed = closed or kind == "CIRCLE" or math.dist(ring[0], ring[-1]) == 0.0
    if closed and len(ring) >= 3:
        return Feature("", layer, polygons=((ring,),), had_heights=heights)
    return Feature("", layer, lines=(ring,), had_heights=heights)


def _hatch(entity: Any, layer: str, budget: Budget) -> Feature | None:
    """A filled area: GDAL and programs built on it save polygons so. Its largest path is the outline.

    Only paths of straight lines and of polylines are read: curved edges of a hatch are decoration.
    """
    from shapely import Polygon

    rings: list[Ring] = []
    for path in entity.paths:
        corners = getattr(path, "vertices", None)
        if corners is not None:
            if any(len(c) > 2 and c[2] != 0 for c in corners):
                return None
            points = [(float(c[0]), float(c[1])) for c in corners]
        else:
            if any(type(edge).__name__ != "LineEdge" for edge in path.edges):
                return None
            points = [(float(e.start[0]), float(e.start[1])) for e in path.edges]
        if len(points) >= 3:
            budget.vertices(len(points))
            rings.append(np.array([*points, points[0]], np.float64))
    if not rings:
        return None
    sizes = [Polygon(ring).area for ring in rings]
    outer = int(np.argmax(sizes))
    within = [r for k, r in enumerate(rings) if k != outer]
    shell = Polygon(rings[outer])
    if not shell.is_valid or all(shell.covers(Polygon(r)) for r in within if Polygon(r).is_valid):
        return Feature("", layer, polygons=((rings[outer], *within),))
    # Paths beside each other are areas of their own.
    return Feature("", layer, polygons=tuple((ring,) for ring in rings))


def _course(entity: Any, kind: str) -> Iterator[Any]:
    """Points along an entity in world coordinates, no arc farther than the sagitta from its chord."""
    if kind == "LINE":
        yield from (entity.dxf.start, entity.dxf.end)
    elif kind in ("CIRCLE", "ARC", "ELLIPSE", "SPLINE"):
        yield from entity.flattening(_SAGITTA)
    elif kind == "LWPOLYLINE":
        corners = [(x, y, bulge) for x, y, bulge in entity.get_points("xyb")]
        yield from _with_bulges(entity, corners, entity.dxf.elevation)
    elif entity.is_2d_polyline:
        corners = [(*v.dxf.location.vec2, v.dxf.bulge) for v in entity.vertices]
        yield from _with_bulges(entity, corners, entity.dxf.elevation.z)
    elif entity.is_3d_polyline:
        yield from (v.dxf.location for v in entity.vertices)


def _with_bulges(entity: Any, corners: list[tuple[float, float, float]], elevation: float) -> Iterator[Any]:
    """A flat polyline whose sides may be arcs: a bulge is the tangent of a quarter of the arc's angle."""
    ocs = entity.ocs()
    sides = list(zip(corners, corners[1:] + corners[:1], strict=True))
    if not entity.is_closed:
        sides[-1] = ((*corners[-1][:2], 0.0), corners[-1])
    for (x0, y0, bulge), (x1, y1, _) in sides:
        yield ocs.to_wcs((x0, y0, elevation))
        chord = math.hypot(x1 - x0, y1 - y0)
        if bulge == 0 or chord == 0 or not math.isfinite(bulge):
            continue
        angle = 4 * math.atan(bulge)
        radius = chord / (2 * abs(math.sin(angle / 2)))
        # The centre lies left of the chord for arcs that turn left by less than half a circle.
        offset = chord / (2 * math.tan(angle / 2))
        cx = (x0 + x1) / 2 - offset * (y1 - y0) / chord
        cy = (y0 + y1) / 2 + offset * (x1 - x0) / chord
        step = 2 * math.acos(max(1 - _SAGITTA / radius, 0.0))
        pieces = min(max(math.ceil(abs(angle) / step), 1), _MAX_CHORDS)
        start = math.atan2(y0 - cy, x0 - cx)
        for k in range(1, pieces):
            turn = start + angle * k / pieces
            yield ocs.to_wcs((cx + radius * math.cos(turn), cy + radius * math.sin(turn), elevation))


def _header_number(data: bytes, variable: bytes) -> int:
    match = re.search(re.escape(variable) + rb"\s{1,9}\d{1,4}\s{1,9}(-?\d{1,6})\s", data[: 2**20])
    return int(match[1]) if match else 0
