"""Where ground lies on paper, what of it is seen, and which places of the paper text has taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.grid import Bounds

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry


@dataclass(frozen=True)
class View:
    """A window of ground on paper, at 1:``scale``. x runs east and y south from the window's corner."""

    window: Bounds
    scale: float

    @property
    def size(self) -> tuple[float, float]:
        w = self.window
        return (w.east - w.west) * 1000 / self.scale, (w.north - w.south) * 1000 / self.scale

    def place(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 2) east, north in metres as x, y in mm."""
        points = np.asarray(points, np.float64)
        return np.column_stack(
            [
                (points[:, 0] - self.window.west) * 1000 / self.scale,
                (self.window.north - points[:, 1]) * 1000 / self.scale,
            ]
        )

    def spot(self, east: float, north: float) -> tuple[float, float]:
        x, y = self.place(np.array([[east, north]]))[0]
        return float(x), float(y)

    def holds(self, x: float, y: float, margin: float = 0.0) -> bool:
        width, height = self.size
        return margin <= x <= width - margin and margin <= y <= height - margin


class Labels:
    """Boxes that text has taken; later text gives way."""

    def __init__(self) -> None:
        self._boxes: list[tuple[float, float, float, float]] = []

    def free(self, x: float, y: float, width: float, height: float) -> bool:
        """Take the box centred on (x, y) if nothing stands there."""
        box = x - width / 2, y - height / 2, x + width / 2, y + height / 2
        for other in self._boxes:
            if box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]:
                return False
        self._boxes.append(box)
        return True


def clipped(shapes: Iterable[BaseGeometry], view: View, margin_mm: float = 3.0) -> NDArray[Any]:
    import shapely

    grow = margin_mm * view.scale / 1000
    w = view.window
    return shapely.clip_by_rect(
        np.array(list(shapes), dtype=object), w.west - grow, w.south - grow, w.east + grow, w.north + grow
    )


def coordinates(shape: BaseGeometry | None) -> list[NDArray[np.float64]]:
    import shapely

    if shape is None or shape.is_empty:
        return []
    lines = []
    for part in shapely.get_parts(shape):
        if part.geom_type == "Polygon":
            lines += [shapely.get_coordinates(r) for r in (part.exterior, *part.interiors)]
        elif part.geom_type in ("LineString", "LinearRing"):
            lines.append(shapely.get_coordinates(part))
        elif part.geom_type.startswith("Multi") or part.geom_type == "GeometryCollection":
            lines += coordinates(part)
    return lines
