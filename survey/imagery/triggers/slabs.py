"""Decoded parts of files, kept as long as neighbours need them."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from survey.errors import InputRefused
from survey.heap import give_back
from survey.rasters.describe import DAMAGED
from survey.rasters.handles import Pin, dataset

SLAB_CELLS = 512
CACHE_BYTES = 384 * 2**20

Key = tuple[Pin, tuple[int, ...], int, int]
"""File, its bands, first row and first column."""


class _Slabs:
    """Decoded slabs of files, shared by the threads of this process: neighbouring tiles need the same ones.

    An area is walked in reading order, so of those that have no room the highest goes first, and of one row
    the first: what the next row of tiles needs is then still here, which it would not be if the oldest went.
    """

    def __init__(self, most: int) -> None:
        self._most, self._held = most, 0
        self._kept: dict[Key, NDArray[np.generic]] = {}
        self._lock = threading.Lock()
        self._busy: dict[object, threading.Lock] = {}

    def get(
        self, pin: Pin, bands: tuple[int, ...], r0: int, c0: int, rows: int, cols: int
    ) -> NDArray[np.generic]:
        key = (pin, bands, r0, c0)
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                return found
            busy = self._busy.setdefault(key, threading.Lock())
        with busy:
            with self._lock:
                found = self._kept.get(key)
            if found is not None:
                return found
            slab = decoded(pin, bands, r0, c0, rows, cols)
            with self._lock:
                self._kept[key] = slab
                self._held += slab.nbytes
                while self._held > self._most and len(self._kept) > 1:
                    gone = min((k for k in self._kept if k != key), key=_place)
                    self._held -= self._kept.pop(gone).nbytes
                self._busy.pop(key, None)
            return slab

    def clear(self) -> None:
        """Let all of them go, and give the room back: what follows needs it for itself."""
        with self._lock:
            self._kept.clear()
            self._held = 0
        give_back()


def _place(key: Key) -> tuple[int, int]:
    return key[2:]


def _slabs_in_a_row(scenes: int, bands: int) -> int:
    """How many slabs of each of so many scenes there is room for."""
    return CACHE_BYTES // (SLAB_CELLS**2 * 2 * bands * scenes)


def panel_cells(scenes: int, bands: int) -> int:
    """How wide a panel of an area may be, in cells, for the slabs of so many scenes to be kept until the next
    row of tiles has used them.

    A quarter goes to the row of slabs that two rows of tiles share; in the rest, and in the margins of both
    sides (five slabs in a row), tiles are being read.
    """
    return max(2 * SLAB_CELLS, (_slabs_in_a_row(scenes, bands) - 5) // 4 * 2 * SLAB_CELLS)


def room_beside(cells: int, held: int, scenes: int, bands: int) -> bool:
    """Whether ``held`` slabs of each scene may stay while a panel so wide is read: the row that is shared,
    and two tiles of nine."""
    return cells / SLAB_CELLS + 18 + held <= _slabs_in_a_row(scenes, bands)


SLABS = _Slabs(CACHE_BYTES)


def decoded(pin: Pin, bands: tuple[int, ...], r0: int, c0: int, rows: int, cols: int) -> NDArray[np.generic]:
    """(band, row, col) of a file, in its own numbers."""
    from rasterio.errors import RasterioError
    from rasterio.windows import Window

    try:
        out: NDArray[np.generic] = dataset(pin).read(list(bands), window=Window(c0, r0, cols, rows))
    except RasterioError as error:
        raise InputRefused(
            f"cells of rows {r0 + 1} to {r0 + rows} cannot be decoded", file=pin.name, mend=DAMAGED
        ) from error
    return out


def read_native(
    pin: Pin,
    bands: tuple[int, ...],
    shape: tuple[int, int],
    block: tuple[int, int],
    r0: int,
    c0: int,
    rows: int,
    cols: int,
) -> tuple[NDArray[np.generic], tuple[int, int, int, int]]:
    """The part of a window that the file has, and where it lies: (array, (r0, r1, c0, c1) of the file)."""
    top, bottom = max(0, r0), min(shape[0], r0 + rows)
    left, right = max(0, c0), min(shape[1], c0 + cols)
    if top >= bottom or left >= right:
        return np.zeros((len(bands), 0, 0), np.uint8), (top, top, left, left)
    high = max(block[0], SLAB_CELLS // block[0] * block[0])
    wide = shape[1] if block[1] >= shape[1] else max(block[1], SLAB_CELLS // block[1] * block[1])
    out: NDArray[np.generic] | None = None
    for sr in range(top // high * high, bottom, high):
        for sc in range(left // wide * wide, right, wide):
            slab = SLABS.get(pin, bands, sr, sc, min(high, shape[0] - sr), min(wide, shape[1] - sc))
            if out is None:
                out = np.empty((len(bands), bottom - top, right - left), slab.dtype)
            a, b = max(top, sr), min(bottom, sr + slab.shape[1])
            c, d = max(left, sc), min(right, sc + slab.shape[2])
            out[:, a - top : b - top, c - left : d - left] = slab[:, a - sr : b - sr, c - sc : d - sc]
    assert out is not None
    return out, (top, bottom, left, right)
