"""What a scene must be able to do, and the simplest thing that can: an array in memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid


class SceneSource(Protocol):
    """One dated scene on the grid of the watch. May be sent to another process."""

    @property
    def date(self) -> date: ...

    @property
    def key(self) -> str:
        """SHA-256 of everything that was delivered as this scene."""

    def read(self, piece: Grid) -> NDArray[np.float32]:
        """(band, row, col) reflectance of a piece of the watch grid; NaN where nothing was measured."""

    def read_clear(self, piece: Grid) -> NDArray[np.bool_] | None:
        """The delivered mask, True = clear; None without a mask."""


@dataclass(frozen=True, eq=False)
class ArrayScene:
    """A scene that is already in memory, on the whole watch grid."""

    date: date
    key: str
    reflectance: NDArray[np.float32]
    clear: NDArray[np.bool_] | None = None

    def read(self, piece: Grid) -> NDArray[np.float32]:
        cut = (slice(piece.row0, piece.row0 + piece.height), slice(piece.col0, piece.col0 + piece.width))
        return self.reflectance[:, cut[0], cut[1]].astype(np.float32)

    def read_clear(self, piece: Grid) -> NDArray[np.bool_] | None:
        if self.clear is None:
            return None
        return self.clear[piece.row0 : piece.row0 + piece.height, piece.col0 : piece.col0 + piece.width]
