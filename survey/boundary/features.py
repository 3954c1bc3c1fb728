"""What a vector file holds, before anything is decided about it: rings, lines and points as they stand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from survey.errors import InputRefused
from survey.remark import Remark

if TYPE_CHECKING:
    from pyproj import CRS

MAX_BYTES = 64 * 2**20
"""Of a boundary file, unpacked. Parsing XML or JSON takes about ten times as much memory."""

MAX_VERTICES = 3_000_000
MAX_FEATURES = 200_000
MAX_DEPTH = 64
"""Of folders in folders and geometries in geometries."""

Ring = NDArray[np.float64]  # (n, 2): x before y, closed or not


@dataclass(frozen=True)
class Feature:
    """One drawn thing. ``polygons`` are lists of rings (outer first); all coordinates are (n, 2)."""

    name: str = ""
    layer: str = ""
    polygons: tuple[tuple[Ring, ...], ...] = ()
    lines: tuple[Ring, ...] = ()
    points: tuple[Ring, ...] = ()
    properties: dict[str, Any] = field(default_factory=dict)
    had_heights: bool = False

    def coordinates(self) -> Iterable[Ring]:
        for rings in self.polygons:
            yield from rings
        yield from self.lines
        yield from self.points

    @property
    def label(self) -> str:
        parts = [part for part in (self.layer, self.name) if part]
        return " / ".join(parts) if parts else "unnamed"


@dataclass(frozen=True)
class Drawing:
    """A whole file. ``crs`` is what the file itself says (None: nothing), ``crs_said_by`` where."""

    file: str
    format: str
    features: tuple[Feature, ...]
    crs: CRS | None
    crs_said_by: str
    notes: tuple[Remark, ...] = ()


class Budget:
    """Counts vertices and features while a file is read, and refuses before they fill the memory."""

    def __init__(self, file: str, *, vertices: int = MAX_VERTICES, features: int = MAX_FEATURES) -> None:
        self.file = file
        self._vertices = vertices
        self._features = features
        self._limits = (vertices, features)

    def vertices(self, count: int) -> None:
        self._vertices -= count
        if self._vertices < 0:
            raise InputRefused(f"holds more than {self._limits[0]:,} vertices", file=self.file)

    def feature(self) -> None:
        self._features -= 1
        if self._features < 0:
            raise InputRefused(f"holds more than {self._limits[1]:,} features", file=self.file)


def read_bytes(path: str, limit: int = MAX_BYTES) -> bytes:
    """A whole file, if it is a regular one and not larger than ``limit``.

    Raises
    ------
    InputRefused
    """
    import os
    import stat

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InputRefused("is not a file", file=path)
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or error
        raise InputRefused(f"cannot be read ({what})", file=path) from None
    if len(data) > limit:
        raise InputRefused(f"is larger than {limit / 2**20:.0f} MB", file=path)
    if not data:
        raise InputRefused("is empty", file=path)
    return data


_WILDEST = 1e9
"""No metre on a map of the Earth and no degree is larger."""


def is_wild(ring: Ring) -> bool:
    """Whether a coordinate is no number, or beyond anything on Earth."""
    return bool(len(ring)) and not bool((np.abs(ring) < _WILDEST).all())


def refuse_wild(drawing: Drawing) -> None:
    """Stop before such numbers reach any arithmetic.

    Raises
    ------
    InputRefused
    """
    for feature in drawing.features:
        for ring in feature.coordinates():
            if is_wild(ring):
                x, y = ring[~(np.abs(ring) < _WILDEST).all(axis=1)][0]
                what = "not finite numbers" if not np.isfinite([x, y]).all() else "beyond all bounds"
                raise InputRefused(
                    f"{feature.label!r} has coordinates that are {what}: ({x:.6g}, {y:.6g})",
                    file=drawing.file,
                )


def metres_per_unit(drawing: Drawing) -> float:
    """The size of a coordinate's unit, for tolerances: roughly 111 km where numbers are degrees."""
    if drawing.crs is not None:
        return 111_000.0 if drawing.crs.is_geographic else 1.0
    degrees = all(bool((np.abs(xy) <= 180).all()) for f in drawing.features for xy in f.coordinates())
    return 111_000.0 if degrees else 1.0
