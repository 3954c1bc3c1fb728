"""What a scene must be able to do, and the simplest thing that can: an array in memory."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid
from survey.imagery.triggers.kernels import UNIT


class SceneSource(Protocol):
    """One dated scene on the grid of the watch. May be sent to another process."""

    @property
    def date(self) -> dt.date: ...

    @property
    def key(self) -> str:
        """SHA-256 of everything that was delivered as this scene."""

    def read(self, piece: Grid) -> NDArray[np.uint16]:
        """(band, row, col) reflectance of a piece of the watch grid in counts of ``UNIT``; 0 in every band
        where nothing was measured."""

    def read_clear(self, piece: Grid) -> NDArray[np.bool_] | None:
        """The delivered mask, True = clear; None without a mask."""


def to_counts(reflectance: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Counts of reflectance (band, row, col); a cell that lacks a band has none. Nothing measured is below
    1."""
    seen = np.isfinite(reflectance).all(axis=0)
    counts = np.clip(np.rint(np.where(seen, reflectance, 0.0) / UNIT), 1, 65535).astype(np.uint16)
    return np.where(seen, counts, np.uint16(0))


@dataclass(frozen=True, eq=False)
class ArrayScene:
    """A scene that is already in memory, in counts, on the whole watch grid."""

    date: dt.date
    key: str
    counts: NDArray[np.uint16]
    clear: NDArray[np.bool_] | None = None

    @classmethod
    def of(
        cls, day: dt.date, key: str, reflectance: NDArray[np.float32], clear: NDArray[np.bool_] | None = None
    ) -> ArrayScene:
        return cls(day, key, to_counts(reflectance), clear)

    def read(self, piece: Grid) -> NDArray[np.uint16]:
        rows, cols = _cut(piece)
        return np.ascontiguousarray(self.counts[:, rows, cols])

    def read_clear(self, piece: Grid) -> NDArray[np.bool_] | None:
        return None if self.clear is None else self.clear[_cut(piece)]


def _cut(piece: Grid) -> tuple[slice, slice]:
    return slice(piece.row0, piece.row0 + piece.height), slice(piece.col0, piece.col0 + piece.width)
