"""Blocks of ZSTD-packed float32 GeoTIFFs, decoded past GDAL, which takes half as long again.

GDAL finds the blocks and knows the format; this module only unpacks them and says whether they hold anything
but heights. Other layouts, and anything odd, are left to GDAL: it reads what it can and says what it cannot.
(DEFLATE is left to it too: its libdeflate beats the zlib of Python by more than is gained here.)
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.jit import kernel
from survey.rasters.handles import KEPT_PER_THREAD, Pin, dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_USED = 0.2
_thread = threading.local()


@dataclass(frozen=True)
class Tiles:
    """Where a band's blocks lie in the file. ``offset`` and ``size`` in bytes: (block rows, block cols)."""

    predictor: int
    rows: int
    cols: int
    block_rows: int
    block_cols: int
    offset: NDArray[np.int64]
    size: NDArray[np.int64]


@lru_cache(maxsize=32)
def tiles_of(pin: Pin) -> Tiles | None:
    """The blocks of the first band, if this module can unpack all of them."""
    if pin.driver != "GTiff" or pin.path.startswith("/vsi") or not _little_endian(pin.path):
        return None
    file = dataset(pin)
    tags = file.tags(ns="IMAGE_STRUCTURE")
    predictor = tags.get("PREDICTOR", "1")
    usual = (
        file.count == 1 and file.dtypes[0] == "float32" and "NBITS" not in file.tags(1, ns="IMAGE_STRUCTURE")
    )
    if tags.get("COMPRESSION") != "ZSTD" or predictor not in ("1", "2", "3") or not usual:
        return None
    height, width = file.block_shapes[0]
    down, across = -(-file.height // height), -(-file.width // width)
    found = np.zeros((2, down, across), np.int64)
    for k, item in enumerate(("BLOCK_OFFSET", "BLOCK_SIZE")):
        for i in range(down):
            for j in range(across):
                value = file.get_tag_item(f"{item}_{j}_{i}", "TIFF", bidx=1)
                # A block that was never written has no place in the file.
                if value is None:
                    return None
                found[k, i, j] = int(value)
    if (found[0] + found[1] > pin.bytes).any():
        return None
    return Tiles(int(predictor), file.height, file.width, height, width, found[0], found[1])


def read_tiles(
    pin: Pin, r0: int, r1: int, c0: int, c1: int, usual: tuple[float, float], out: NDArray[np.float32]
) -> bool | None:
    """Fill ``out`` with rows [r0, r1), columns [c0, c1) of the first band.

    Returns
    -------
    Whether any number lies outside ``usual``; ``None`` if the window is left to GDAL, which may be after a
    part of ``out`` was written.
    """
    tiles = tiles_of(pin)
    if tiles is None:
        return None
    first_row, last_row = r0 // tiles.block_rows, (r1 - 1) // tiles.block_rows
    first_col, last_col = c0 // tiles.block_cols, (c1 - 1) // tiles.block_cols
    touched = (min((last_row + 1) * tiles.block_rows, tiles.rows) - first_row * tiles.block_rows) * (
        min((last_col + 1) * tiles.block_cols, tiles.cols) - first_col * tiles.block_cols
    )
    # GDAL keeps blocks of which a reader wants a little at a time; here each would be decoded every time.
    if (r1 - r0) * (c1 - c0) < _LEAST_USED * touched:
        return None
    handle = _open(pin)
    if handle is None:
        return None
    middle = np.float32((usual[0] + usual[1]) / 2)
    half = np.float32((usual[1] - usual[0]) / 2)
    odd = np.int64(0)
    for i in range(first_row, last_row + 1):
        top = i * tiles.block_rows
        # Strips end with the file, tiles are always whole.
        strip = tiles.block_cols == tiles.cols
        rows = min(tiles.block_rows, tiles.rows - top) if strip else tiles.block_rows
        a0, a1 = max(r0, top), min(r1, top + rows)
        for j in range(first_col, last_col + 1):
            left = j * tiles.block_cols
            b0, b1 = max(c0, left), min(c1, left + tiles.block_cols)
            raw = _decode(handle, tiles, i, j, rows * tiles.block_cols * 4)
            if raw is None:
                return None
            odd += _UNPACK[tiles.predictor](
                raw.reshape(rows, 4 * tiles.block_cols),
                a0 - top,
                b0 - left,
                out[a0 - r0 : a1 - r0, b0 - c0 : b1 - c0],
                middle,
                half,
            )
    return bool(odd > 0)


def _decode(handle: int, tiles: Tiles, i: int, j: int, expected: int) -> NDArray[np.uint8] | None:
    """The bytes of a block, or ``None`` if they are not what they should be."""
    size = int(tiles.size[i, j])
    stored = os.pread(handle, size, int(tiles.offset[i, j]))
    if len(stored) != size:
        return None
    import zstandard

    # The frame says how long it becomes, and that much would be set aside unseen.
    try:
        if zstandard.frame_content_size(stored) not in (expected, -1):
            return None
        data = _unpacker().decompress(stored, max_output_size=expected)
    except zstandard.ZstdError:
        return None
    return np.frombuffer(data, np.uint8) if len(data) == expected else None


def _unpacker() -> Any:
    import zstandard

    found = getattr(_thread, "zstd", None)
    if found is None:
        found = _thread.zstd = zstandard.ZstdDecompressor()
    return found


def _little_endian(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"II"
    except OSError:
        return False


class _Handles(OrderedDict[Pin, int]):
    """A thread's open files, closed when the thread ends."""

    def __del__(self) -> None:
        for handle in self.values():
            os.close(handle)


def _open(pin: Pin) -> int | None:
    """This thread's handle of the file that was pinned; ``None`` if it is no longer that file."""
    kept: _Handles | None = getattr(_thread, "kept", None)
    if kept is None:
        kept = _thread.kept = _Handles()
    if pin in kept:
        kept.move_to_end(pin)
        return kept[pin]
    try:
        handle = os.open(pin.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return None
    seen = os.fstat(handle)
    if (seen.st_size, seen.st_mtime_ns) != (pin.bytes, pin.mtime_ns):
        os.close(handle)
        return None
    kept[pin] = handle
    if len(kept) > KEPT_PER_THREAD:
        os.close(kept.popitem(last=False)[1])
    return handle


_BYTES = np.uint64(0x00FF00FF00FF00FF)
_STRETCH = 128
"""So many bytes, and one before them, add up to less than 2¹⁶."""


# -- undoing predictors ----------------------------------------------------------------------------------
# Each takes (rows, 4·cols) bytes and writes the window that begins at (r, c) to ``out``; each counts cells
# that lie farther than ``half`` from ``middle``, so that a block without any needs no second look.
@kernel
def _unpack_plain(raw, r, c, out, middle, half):  # type: ignore[no-untyped-def]
    odd = np.int64(0)
    for i in range(out.shape[0]):
        values = raw[r + i].view(np.float32)[c : c + out.shape[1]]
        target = out[i]
        unusual = np.int32(0)
        for j in range(target.size):
            target[j] = values[j]
            unusual += np.int32(abs(values[j] - middle) > half)
        odd += unusual
    return int(odd)


@kernel
def _unpack_words(raw, r, c, out, middle, half):  # type: ignore[no-untyped-def]
    """Predictor 2: each word is the difference to the one before it in the row."""
    odd = np.int64(0)
    line = np.empty(raw.shape[1] // 4, np.uint32)
    values = line.view(np.float32)
    for i in range(out.shape[0]):
        words = raw[r + i].view(np.uint32)
        total = np.uint32(0)
        for j in range(line.size):
            total = np.uint32(total + words[j])
            line[j] = total
        target = out[i]
        unusual = np.int32(0)
        for j in range(target.size):
            target[j] = values[c + j]
            unusual += np.int32(abs(values[c + j] - middle) > half)
        odd += unusual
    return int(odd)


@kernel
def _spread(a, b, d, e, lanes):  # type: ignore[no-untyped-def]
    """The four bytes of each number, 16 bits apart: added up together, they carry into nothing."""
    for j in range(lanes.size):
        lanes[j] = (
            np.uint64(e[j])
            | (np.uint64(b[j]) << np.uint64(16))
            | (np.uint64(d[j]) << np.uint64(32))
            | (np.uint64(a[j]) << np.uint64(48))
        )


@kernel
def _run_on(lanes, total):  # type: ignore[no-untyped-def]
    for j in range(lanes.size):
        total = total + lanes[j]
        lanes[j] = total
    return total


@kernel
def _merge(lanes, line):  # type: ignore[no-untyped-def]
    for j in range(line.size):
        bytes_ = lanes[j] & _BYTES
        line[j] = np.uint32(bytes_ | (bytes_ >> np.uint64(24)))


@kernel
def _sum_of(plane):  # type: ignore[no-untyped-def]
    total = np.uint32(0)
    for j in range(plane.size):
        total += plane[j]
    return np.uint64(total) & np.uint64(255)


@kernel
def _unpack_planes(raw, r, c, out, middle, half):  # type: ignore[no-untyped-def]
    """Predictor 3: a row's highest bytes first, then the next …; each the difference to its left."""
    odd = np.int64(0)
    cols = raw.shape[1] // 4
    lanes = np.empty(cols, np.uint64)
    line = np.empty(cols, np.uint32)
    values = line.view(np.float32)
    for i in range(out.shape[0]):
        row = raw[r + i]
        a, b, d, e = row[:cols], row[cols : 2 * cols], row[2 * cols : 3 * cols], row[3 * cols :]
        # The differences run on from plane to plane; with each plane's sum known, all four run side by side.
        first = _sum_of(a)
        second = first + _sum_of(b)
        third = second + _sum_of(d)
        _spread(a, b, d, e, lanes)
        total = (first << np.uint64(16)) | (second << np.uint64(32)) | third
        for k in range(0, cols, _STRETCH):
            total = _run_on(lanes[k : k + _STRETCH], total & _BYTES)
        _merge(lanes, line)
        target, source = out[i], values[c : c + out.shape[1]]
        unusual = np.int32(0)
        for j in range(target.size):
            target[j] = source[j]
            unusual += np.int32(abs(source[j] - middle) > half)
        odd += unusual
    return int(odd)


_UNPACK = {1: _unpack_plain, 2: _unpack_words, 3: _unpack_planes}
