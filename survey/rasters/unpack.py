"""Rasters packed into blocks too large to be decoded for each window: decoded once, for the time of a run.

A file that is one compressed strip has to be decoded as a whole for each window read of it. Decoded once,
from top to bottom, and laid down in plain tiles, it is read like any other. Nothing is refused here: a file
that does not fit, or that is damaged, is left to whoever reads it block by block.
"""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from survey.raster_env import open_dataset
from survey.rasters.handles import Pin

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

    from survey.rasters.describe import RasterDescription

TILE = 512
LEAST_BLOCK_BYTES = 1 << 24
"""Smaller blocks are cheap enough to decode for each window that needs them."""
FREE_SHARE = 0.25
"""Of the room that is left on the disk, no more is taken than this."""

_one_at_a_time = threading.Lock()
"""A block may hold a quarter of a gigabyte."""

_FORMATS = {"u": 1, "i": 2, "f": 3}
_TYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")


def unpacked(raster: RasterDescription, folder: Path) -> Pin | None:
    """A copy of the file's only band in plain tiles of ``TILE``², in ``folder``, under the file's own name.

    Returns
    -------
    ``None`` if that is not worth it, if there is no room for it, or if the file cannot be decoded.
    """
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    if not _worth_it(raster):
        return None
    tiles = -(-raster.height // TILE) * -(-raster.width // TILE)
    room = tiles * TILE * TILE * np.dtype(raster.bands[0].dtype).itemsize
    target: Path | None = None
    try:
        if room > FREE_SHARE * shutil.disk_usage(folder).free:
            return None
        handle, name = tempfile.mkstemp(suffix=".tif", dir=folder)
        target = Path(name)
        with (
            _one_at_a_time,
            os.fdopen(handle, "wb") as out,
            open_dataset(raster.path, raster.driver) as file,
        ):
            _write(file, out)
        pin = Pin.of(target, "GTiff", raster.name)
    except (OSError, RasterioError, CPLE_BaseError):
        if target is not None:
            target.unlink(missing_ok=True)
        return None
    if raster.pin.changed():
        target.unlink(missing_ok=True)
        return None
    return pin


def _worth_it(raster: RasterDescription) -> bool:
    rows, cols = raster.block
    return (
        raster.tiff is not None
        and not raster.tiff.main.one_plain_strip
        and raster.compression != "none"
        and len(raster.bands) == 1
        and raster.bands[0].dtype in _TYPES
        and not raster.has_mask
        and raster.alpha_band is None
        and raster.sparse_blocks == 0
        and rows > TILE
        and rows * cols * np.dtype(raster.bands[0].dtype).itemsize > LEAST_BLOCK_BYTES
    )


def _write(file: DatasetReader, out: BinaryIO) -> None:
    """A BigTIFF: head, directory, and the tiles row by row."""
    from rasterio.windows import Window

    height, width, dtype = file.height, file.width, np.dtype(file.dtypes[0]).newbyteorder("<")
    down, across = -(-height // TILE), -(-width // TILE)
    head = _head(height, width, dtype, down * across)
    out.write(head)
    band = np.zeros((TILE, across * TILE), dtype)
    for top in range(0, height, TILE):
        rows = min(TILE, height - top)
        # The library keeps the block that it decoded last: from top to bottom each is decoded once.
        band[:rows, :width] = file.read(1, window=Window(0, top, width, rows))
        for left in range(0, across * TILE, TILE):
            out.write(band[:, left : left + TILE].tobytes())


def _head(height: int, width: int, dtype: np.dtype[np.generic], tiles: int) -> bytes:
    short, long = 3, 16
    size = TILE * TILE * dtype.itemsize
    plain = [
        (256, long, width),
        (257, long, height),
        (258, short, 8 * dtype.itemsize),
        (259, short, 1),
        (262, short, 1),
        (277, short, 1),
        (284, short, 1),
        (322, short, TILE),
        (323, short, TILE),
        (324, long, None),
        (325, long, None),
        (339, short, _FORMATS[dtype.kind]),
    ]
    first = 16
    lists = first + 8 + 20 * len(plain) + 8
    data = -(-(lists + 16 * tiles) // 4096) * 4096
    arrays = {324: data + size * np.arange(tiles, dtype="<u8"), 325: np.full(tiles, size, "<u8")}
    out = struct.pack("<2sHHHQQ", b"II", 43, 8, 0, first, len(plain))
    at = lists
    for tag, kind, value in plain:
        if value is not None:
            out += struct.pack("<HHQQ", tag, kind, 1, value)
        elif tiles == 1:
            # What fits into the entry stands in it.
            out += struct.pack("<HHQQ", tag, kind, 1, int(arrays[tag][0]))
        else:
            out += struct.pack("<HHQQ", tag, kind, tiles, at)
            at += 8 * tiles
    out += struct.pack("<Q", 0)
    if tiles > 1:
        out += arrays[324].astype("<u8").tobytes() + arrays[325].tobytes()
    return out.ljust(data, b"\0")
