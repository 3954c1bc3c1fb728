"""A surface that is looked at again and again in the same places: its last blocks are kept decoded."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid

MOST_BYTES = 96 << 20
LEAST_SIDE = 256
"""Cells a side of what is kept together: of strips, and of small tiles, several."""


class Readable(Protocol):
    @property
    def grid(self) -> Grid: ...
    @property
    def block(self) -> tuple[int, int]: ...
    @property
    def block_origin(self) -> tuple[int, int]: ...
    def read(self, piece: Grid) -> NDArray[np.float32]: ...


class Recent:
    """Reads as the surface does. Safe to share between threads."""

    def __init__(self, surface: Readable, most_bytes: int = MOST_BYTES) -> None:
        self._surface = surface
        self._most_bytes = most_bytes
        self._side = tuple(max(1, -(-LEAST_SIDE // side)) * side for side in surface.block)
        self._kept: OrderedDict[tuple[int, int], NDArray[np.float32]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Recent], tuple[Readable, int]]:
        """Sent to another process, it begins with nothing kept."""
        return Recent, (self._surface, self._most_bytes)

    @property
    def grid(self) -> Grid:
        return self._surface.grid

    def read(self, piece: Grid) -> NDArray[np.float32]:
        """(rows, cols) float32 heights in metres of a piece of ``grid``, NaN = not measured."""
        grid = self.grid
        r0, c0 = piece.row0, piece.col0
        top, bottom = max(r0, 0), min(r0 + piece.height, grid.height)
        left, right = max(c0, 0), min(c0 + piece.width, grid.width)
        # What does not fit beside others would only push them out.
        if top >= bottom or left >= right or 8 * piece.height * piece.width > self._most_bytes:
            return self._surface.read(piece)
        out = np.full(piece.shape, np.nan, np.float32)
        (rows, cols), (row0, col0) = self._side, self._surface.block_origin
        for i in range((top - row0) // rows, (bottom - 1 - row0) // rows + 1):
            for j in range((left - col0) // cols, (right - 1 - col0) // cols + 1):
                r, c, block = self._block(i, j)
                a, b = max(r, top), min(r + block.shape[0], bottom)
                d, e = max(c, left), min(c + block.shape[1], right)
                out[a - r0 : b - r0, d - c0 : e - c0] = block[a - r : b - r, d - c : e - c]
        return out

    def forget(self) -> None:
        """Give the room back."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _block(self, i: int, j: int) -> tuple[int, int, NDArray[np.float32]]:
        """First row, first column and heights of a block."""
        grid, (rows, cols), (row0, col0) = self.grid, self._side, self._surface.block_origin
        r, c = max(row0 + i * rows, 0), max(col0 + j * cols, 0)
        with self._lock:
            found = self._kept.get((i, j))
            if found is not None:
                self._kept.move_to_end((i, j))
                return r, c, found
        r1, c1 = min(row0 + (i + 1) * rows, grid.height), min(col0 + (j + 1) * cols, grid.width)
        found = self._surface.read(grid.at(r, r1, c, c1))
        with self._lock:
            if (i, j) not in self._kept:
                self._kept[i, j] = found
                self._bytes += found.nbytes
            while self._bytes > self._most_bytes and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= oldest.nbytes
        return r, c, found
