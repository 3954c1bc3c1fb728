"""Outlines as they are drawn: what is too small to be seen as a shape is left out of the drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

SPECK_MM = 5.0
"""Parts and holes of an outline smaller than this square on paper are not drawn."""


def without_specks(shape: BaseGeometry, least_m2: float) -> BaseGeometry:
    """``shape`` without parts and holes smaller than ``least_m2``; its largest part stays in any case.

    Where ground hardly changed, an outline frays into islands and holes that a pen draws as blots.
    """
    import shapely

    parts = [p for p in shapely.get_parts(shape) if p.geom_type == "Polygon" and not p.is_empty]
    if not parts:
        return shape
    largest = max(parts, key=lambda p: p.area)
    kept = [
        shapely.Polygon(p.exterior, [hole for hole in p.interiors if shapely.Polygon(hole).area >= least_m2])
        for p in parts
        if p is largest or p.area >= least_m2
    ]
    return kept[0] if len(kept) == 1 else shapely.MultiPolygon(kept)
