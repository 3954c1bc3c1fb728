"""Well-known binary, cut into rings, lines and points without building a geometry that could be invalid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from survey.boundary.features import MAX_DEPTH, Ring
from survey.errors import InputRefused

Parts = tuple[tuple[tuple[Ring, ...], ...], tuple[Ring, ...], tuple[Ring, ...], bool]


def parts_of_wkb(data: bytes, count: Callable[[int], None], file: str) -> Parts:
    """Polygons, lines, points, and whether a height other than zero was there (OGC 06-103r4 §8; ISO Z/M).

    ``count`` is told the number of vertices before memory is taken for them.

    Raises
    ------
    InputRefused
        Damaged, a curve, or nested too deep.
    """
    reader = _Reader(data, count, file)
    reader.geometry(0)
    return tuple(reader.polygons), tuple(reader.lines), tuple(reader.points), reader.heights


class _Reader:
    def __init__(self, data: bytes, count: Callable[[int], None], file: str) -> None:
        self.data = data
        self.at = 0
        self.count = count
        self.file = file
        self.polygons: list[tuple[Ring, ...]] = []
        self.lines: list[Ring] = []
        self.points: list[Ring] = []
        self.heights = False

    def _number(self, order: str) -> int:
        if self.at + 4 > len(self.data):
            raise InputRefused("holds a geometry that is cut short", file=self.file)
        value = int(np.frombuffer(self.data, f"{order}u4", 1, self.at)[0])
        self.at += 4
        return value

    def _coordinates(self, order: str, size: int, has_z: bool, number: int) -> Ring:
        if self.at + 8 * size * number > len(self.data):
            raise InputRefused("holds a geometry that is cut short", file=self.file)
        self.count(number)
        values = np.frombuffer(self.data, f"{order}f8", number * size, self.at).reshape(number, size)
        self.at += 8 * size * number
        if has_z and np.any(values[:, 2] != 0):
            self.heights = True
        return values[:, :2].astype(np.float64)

    def geometry(self, depth: int) -> None:
        if depth > MAX_DEPTH or self.at >= len(self.data):
            raise InputRefused("holds a geometry that is damaged", file=self.file)
        order = "<" if self.data[self.at] == 1 else ">"
        self.at += 1
        code = self._number(order)
        has_z = bool(code & 0x80000000)
        has_m = bool(code & 0x40000000)
        if code & 0x20000000:
            self._number(order)
        code &= 0x0FFFFFFF
        has_z |= code // 1000 in (1, 3)
        has_m |= code // 1000 in (2, 3)
        kind = code % 1000
        size = 2 + has_z + has_m
        if kind == 1:
            point = self._coordinates(order, size, has_z, 1)
            if not np.isnan(point).all():  # an empty point is written as NaN
                self.points.append(point)
        elif kind == 2:
            self.lines.append(self._coordinates(order, size, has_z, self._number(order)))
        elif kind == 3:
            rings = self._number(order)
            self.count(rings)
            found = tuple(self._coordinates(order, size, has_z, self._number(order)) for _ in range(rings))
            if found:
                self.polygons.append(found)
        elif kind in (4, 5, 6, 7):
            for _ in range(self._number(order)):
                self.geometry(depth + 1)
        else:
            raise InputRefused(
                f"holds a geometry of kind {kind}, a curve or surface",
                expected="polygons with straight sides",
                file=self.file,
                mend="Convert curves to straight segments and save again.",
            )
