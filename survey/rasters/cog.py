"""A cloud-optimised GeoTIFF of heights, packed tile by tile while they are made.

GDAL makes one from a finished raster, which it reads twice, averages and packs: several times the work of the
run that made the heights. Here a tile is packed where it is, and overviews follow on the way; putting the
file together only copies.

Layout: TIFF 6.0 (Aldus, 1992), its technical note 3 (predictor 3), BigTIFF, and GDAL's cloud-optimised
layout: directories first, overviews from the smallest, tiles in rows with their size before and their end
after them.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid
from survey.jit import inlined, kernel

BLOCK = 512
_LEVEL = 1
_PACKED_BY_BANDS = 2
"""Levels whose tiles lie whole in one band: bands are cut on multiples of ``UNIT``."""
UNIT = BLOCK << (_PACKED_BY_BANDS - 1)
_LEADER = _TRAILER = 4
_CLASSIC_BYTES = (1 << 32) - (1 << 24)
_GHOST = (
    b"LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
    b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
)
_PLACE_TAGS = (33550, 33922, 34264, 34735, 34736, 34737)
"""Cell size, tie point, transformation, and the GeoTIFF keys with their numbers and texts."""

Take = Callable[[int, int, NDArray[np.float32]], None]
"""Takes values whose first cell lies at (row, col) of a level."""


def sizes(height: int, width: int) -> list[tuple[int, int]]:
    """(rows, cols) of the full raster and of its overviews, each half of the one before."""
    found = [(height, width)]
    while max(found[-1]) > BLOCK:
        found.append((-(-found[-1][0] // 2), -(-found[-1][1] // 2)))
    return found


class BandPacker:
    """Packs a band's tiles and overviews beside ``path`` as its heights arrive, in any pieces.

    ``path`` itself is written last and says what is where: a band without it does not count.

    The band begins at multiples of ``UNIT`` cells of the raster. Heights are float32 metres, NaN where
    nothing was measured. Raises OSError, and ``ValueError`` if the band was not filled.
    """

    def __init__(self, path: Path, job: Grid, band: Grid) -> None:
        self.path = path
        self._job, self._band = job, band
        row, col = band.row0 - job.row0, band.col0 - job.col0
        if row % UNIT or col % UNIT:
            raise ValueError(f"a band may not begin at row {row}, column {col}")
        levels = len(sizes(job.height, job.width))
        steps = min(_PACKED_BY_BANDS, levels)
        self._tiles = _Tiles(_stream_names(path, range(steps)))
        self._rest = path.with_suffix(".rest").open("wb")
        self._rests: list[tuple[int, int, int, int, int]] = []
        above = self._keep if steps < levels else None
        self._levels = _chain(self._tiles, 0, steps, _Box(row, col, *band.shape), above)

    def add(self, piece: Grid, values: NDArray[np.float32]) -> None:
        self._levels[0].add(piece.row0 - self._job.row0, piece.col0 - self._job.col0, values)

    def close(self) -> None:
        self._tiles.close()
        self._rest.close()
        # They lead back to this one: their room would wait for the collector of such circles.
        self._levels.clear()

    def finish(self) -> None:
        """Call once, after the last piece."""
        if not all(level.whole for level in self._levels):
            raise ValueError("a band of the raster was not filled")
        self.close()
        said = {
            "row0": self._band.row0,
            "col0": self._band.col0,
            "shape": list(self._band.shape),
            "tiles": self._tiles.found,
            "rest": self._rests,
        }
        self.path.write_text(json.dumps(said))

    def _keep(self, row: int, col: int, values: NDArray[np.float32]) -> None:
        self._rests.append((row, col, *values.shape, self._rest.tell()))
        self._rest.write(np.ascontiguousarray(values).data)


def put_together(parts: list[Path], job: Grid, target: Path) -> None:
    """One file from bands that were packed; ``parts`` are their ``path``.

    Raises
    ------
    ValueError
        The bands do not fill the raster.
    OSError
    """
    levels = sizes(job.height, job.width)
    where: list[_Places] = [{} for _ in levels]
    said = [(p, json.loads(p.read_text())) for p in parts]
    if sum(s["shape"][0] * s["shape"][1] for _, s in said) != job.height * job.width:
        raise ValueError("a band of the raster is missing")
    top = target.with_suffix(".overviews")
    streams = _stream_names(top, range(_PACKED_BY_BANDS, len(levels)))
    try:
        packed = _pack_rest(said, levels, streams)
        for path, tiles in ((top, packed), *((p, s["tiles"]) for p, s in said)):
            for level, i, j, at, size in tiles:
                where[level][i, j] = _stream_name(path, level), at, size
        for (rows, cols), found in zip(levels, where, strict=True):
            if len(found) != -(-rows // BLOCK) * -(-cols // BLOCK):
                raise ValueError("a tile of the raster is missing")
        with target.open("wb") as out:
            out.write(_head(levels, where, _placing(job)))
            out.flush()
            for found in reversed(where):
                for path, at, size in _stretches([found[key] for key in sorted(found)]):
                    _append(path, at, size, out)
    finally:
        for path in streams.values():
            path.unlink(missing_ok=True)


_Places = dict[tuple[int, int], tuple[Path, int, int]]
"""Tile (row, col) -> file, offset and bytes of what is packed there, without what stands around it."""


def _stream_name(path: Path, level: int) -> Path:
    return path.with_suffix(f".{level}")


def _stream_names(path: Path, levels: Iterable[int]) -> dict[int, Path]:
    return {level: _stream_name(path, level) for level in levels}


def _stretches(tiles: list[tuple[Path, int, int]]) -> Iterator[tuple[Path, int, int]]:
    """Tiles with what stands around them, those together that follow each other in one file."""
    path, start, end = tiles[0][0], tiles[0][1] - _LEADER, tiles[0][1] - _LEADER
    for other, at, size in tiles:
        if (other, at - _LEADER) != (path, end):
            yield path, start, end - start
            path, start = other, at - _LEADER
        end = at + size + _TRAILER
    yield path, start, end - start


def _append(path: Path, at: int, size: int, out: IO[bytes]) -> None:
    """Bytes of a file onto the end of another, by the kernel where it can: half the copying."""
    with path.open("rb") as source:
        target = out.fileno()
        while size:
            try:
                done = os.copy_file_range(source.fileno(), target, min(size, 1 << 30), at)
            except (AttributeError, OSError):
                done = os.write(target, os.pread(source.fileno(), min(size, 1 << 22), at))
            if done == 0:
                raise ValueError(f"{path.name} broke off")
            at, size = at + done, size - done


def _pack_rest(
    said: list[tuple[Path, Any]], levels: list[tuple[int, int]], streams: dict[int, Path]
) -> list[tuple[int, int, int, int, int]]:
    """The overviews that no band could make alone, each fed by the one before."""
    if not streams:
        return []
    tiles = _Tiles(streams)
    first = _PACKED_BY_BANDS
    chain = _chain(tiles, first, len(levels) - first, _Box(0, 0, *levels[first]), None)
    rests = [p.with_suffix(".rest").open("rb") for p, _ in said]
    try:
        # From north to south, so that few tiles are open at a time.
        for row, col, rows, cols, at, k in sorted(
            (*r, k) for k, (_, s) in enumerate(said) for r in s["rest"]
        ):
            rests[k].seek(at)
            values = np.frombuffer(rests[k].read(4 * rows * cols), np.float32)
            chain[0].add(row, col, values.reshape(rows, cols))
    finally:
        tiles.close()
        for stream in rests:
            stream.close()
    if not all(level.whole for level in chain):
        raise ValueError("an overview of the raster was not filled")
    return tiles.found


# -- levels --------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Box:
    row0: int
    col0: int
    rows: int
    cols: int

    def half(self) -> _Box:
        return _Box(self.row0 // 2, self.col0 // 2, -(-self.rows // 2), -(-self.cols // 2))


class _Tiles:
    """Packs tiles, each level into a file of its own, with the bytes that stand around each in the end.

    ``found`` lists (level, tile row, tile column, offset of the tile itself, its bytes).
    """

    def __init__(self, streams: dict[int, Path]) -> None:
        import zstandard

        self._streams = {level: path.open("wb") for level, path in streams.items()}
        self._zstd = zstandard.ZstdCompressor(level=_LEVEL)
        self._values = np.empty((BLOCK, BLOCK), np.float32)
        self._planes = np.empty((BLOCK, 4 * BLOCK), np.uint8)
        self.found: list[tuple[int, int, int, int, int]] = []

    def add(self, level: int, i: int, j: int, values: NDArray[np.float32]) -> None:
        rows, cols = values.shape
        if values.shape != (BLOCK, BLOCK):
            self._values[...] = np.nan
        self._values[:rows, :cols] = values
        _split(self._values, self._planes)
        packed = self._zstd.compress(self._planes.data)
        stream = self._streams[level]
        stream.write(struct.pack("<I", len(packed)))
        self.found.append((level, i, j, stream.tell(), len(packed)))
        stream.write(packed)
        # Readers that fetch a tile see by this that nobody edited it.
        stream.write(packed[-_TRAILER:])

    def close(self) -> None:
        for stream in self._streams.values():
            stream.close()


class _Level:
    """Tiles of one level, packed as each becomes whole, and handed on at half the size."""

    def __init__(self, tiles: _Tiles, level: int, box: _Box, above: Take | None) -> None:
        self._tiles, self._level, self._box, self._above = tiles, level, box, above
        self._open: dict[tuple[int, int], tuple[NDArray[np.float32], int]] = {}
        # The pages of fresh memory cost more than what is done on them.
        self._free: list[NDArray[np.float32]] = []
        self._half = np.empty(BLOCK * BLOCK // 4, np.float32)
        self._left = box.rows * box.cols

    @property
    def whole(self) -> bool:
        return self._left == 0

    def add(self, row: int, col: int, values: NDArray[np.float32]) -> None:
        box = self._box
        end_row, end_col = row + values.shape[0], col + values.shape[1]
        for i in range(row // BLOCK, -(-end_row // BLOCK)):
            top, bottom = i * BLOCK, min((i + 1) * BLOCK, box.row0 + box.rows)
            a, b = max(row, top), min(end_row, bottom)
            for j in range(col // BLOCK, -(-end_col // BLOCK)):
                left, right = j * BLOCK, min((j + 1) * BLOCK, box.col0 + box.cols)
                c, d = max(col, left), min(end_col, right)
                room, got = self._open.pop((i, j)) if (i, j) in self._open else (self._room(), 0)
                held = room[: (bottom - top) * (right - left)].reshape(bottom - top, right - left)
                held[a - top : b - top, c - left : d - left] = values[a - row : b - row, c - col : d - col]
                got += (b - a) * (d - c)
                if got < held.size:
                    self._open[i, j] = room, got
                else:
                    self._pack(i, j, held)
                    self._free.append(room)

    def _room(self) -> NDArray[np.float32]:
        return self._free.pop() if self._free else np.empty(BLOCK * BLOCK, np.float32)

    def _pack(self, i: int, j: int, held: NDArray[np.float32]) -> None:
        self._left -= held.size
        self._tiles.add(self._level, i, j, held)
        if self._above is not None:
            rows, cols = -(-held.shape[0] // 2), -(-held.shape[1] // 2)
            half = self._half[: rows * cols].reshape(rows, cols)
            _halve(held, half)
            self._above(i * BLOCK // 2, j * BLOCK // 2, half)


def _chain(tiles: _Tiles, first: int, count: int, box: _Box, last: Take | None) -> list[_Level]:
    boxes = [box]
    while len(boxes) < count:
        boxes.append(boxes[-1].half())
    above = last
    made: list[_Level] = []
    for level in range(count - 1, -1, -1):
        made.insert(0, _Level(tiles, first + level, boxes[level], above))
        above = made[0].add
    return made


@kernel
def _split(values, planes):  # type: ignore[no-untyped-def]
    """Predictor 3: of each row the highest bytes first, then the next …; each less the one to its left."""
    cols = values.shape[1]
    for i in range(values.shape[0]):
        words = values[i].view(np.uint32)
        row = planes[i]
        for p in range(4):
            shift = np.uint32(24 - 8 * p)
            plane = row[p * cols : (p + 1) * cols]
            before = np.uint32(0)
            if p > 0:
                before = words[cols - 1] >> np.uint32(shift + np.uint32(8))
            plane[0] = np.uint8(((words[0] >> shift) - before) & np.uint32(255))
            for j in range(1, cols):
                plane[j] = np.uint8(((words[j] >> shift) - (words[j - 1] >> shift)) & np.uint32(255))


@kernel
def _halve(values, half):  # type: ignore[no-untyped-def]
    """Mean of the measured ones of two by two cells, to 1/4096 m; at an odd edge of one or two."""
    rows, cols = values.shape
    none = np.full(cols, np.nan, np.float32)
    for i in range(half.shape[0]):
        a = values[2 * i]
        b = values[2 * i + 1] if 2 * i + 1 < rows else none
        out = half[i]
        for j in range(cols // 2):
            out[j] = _mean(a[2 * j], a[2 * j + 1], b[2 * j], b[2 * j + 1])
        if cols % 2:
            out[-1] = _mean(a[-1], none[0], b[-1], none[0])


@inlined
def _mean(a, b, c, d):  # type: ignore[no-untyped-def]
    total, n = 0.0, 0.0
    total += a if a == a else 0.0
    n += 1.0 if a == a else 0.0
    total += b if b == b else 0.0
    n += 1.0 if b == b else 0.0
    total += c if c == c else 0.0
    n += 1.0 if c == c else 0.0
    total += d if d == d else 0.0
    n += 1.0 if d == d else 0.0
    return np.float32(np.rint(total / n * 4096.0) / 4096.0) if n > 0.0 else np.float32(np.nan)


# -- the file ------------------------------------------------------------------------------------------
def _placing(job: Grid) -> list[tuple[int, int, bytes]]:
    """The tags (number, type, bytes) with which GDAL places this grid: it knows reference systems."""
    from rasterio.io import MemoryFile

    from survey.raster_env import enter
    from survey.rasters.tiff import raw_tags

    enter()
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            height=1,
            width=1,
            count=1,
            dtype="float32",
            crs=job.crs_wkt,
            transform=job.transform,
        ):
            pass
        found = raw_tags(memory.getbuffer())
    return [(tag, *found[tag]) for tag in _PLACE_TAGS if tag in found]


def _head(
    levels: list[tuple[int, int]], where: list[_Places], placing: list[tuple[int, int, bytes]]
) -> bytes:
    """All that stands before the tiles."""
    tables = [[tiles[key][2] for key in sorted(tiles)] for tiles in where]
    around = _LEADER + _TRAILER
    big = sum(size + around for table in tables for size in table) > _CLASSIC_BYTES
    ghost = b"GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n" % len(_GHOST) + _GHOST
    ghost += bytes(-len(ghost) % 8)
    start = (16 if big else 8) + len(ghost)
    entries = [_entries(*levels[k], tables[k], placing, k) for k in range(len(levels))]
    lengths = [_directory_bytes(found, big) for found in entries]
    at = start + sum(lengths)
    offsets: list[list[int]] = [[] for _ in levels]
    for k in reversed(range(len(levels))):
        for size in tables[k]:
            offsets[k].append(at + _LEADER)
            at += size + around
    head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, start) if big else struct.pack("<2sHI", b"II", 42, start)
    head += ghost
    for k, found in enumerate(entries):
        following = len(head) + lengths[k] if k + 1 < len(levels) else 0
        head += _directory(found, offsets[k], len(head), following, big)
    return head


_SHORT, _LONG, _ASCII, _LONG8 = 3, 4, 2, 16
_WIDTHS = {_ASCII: 1, _SHORT: 2, _LONG: 4, 12: 8, _LONG8: 8}


def _entries(
    rows: int,
    cols: int,
    table: list[int],
    placing: list[tuple[int, int, bytes]],
    level: int,
) -> list[tuple[int, int, bytes | None]]:
    """A directory's tags (number, type, bytes); the offsets of tiles, still unknown, are ``None``."""

    def short(tag: int, value: int) -> tuple[int, int, bytes]:
        return tag, _SHORT, struct.pack("<H", value)

    def long(tag: int, *values: int) -> tuple[int, int, bytes]:
        return tag, _LONG, np.array(values, "<u4").tobytes()

    return [
        *([long(254, 1)] if level else []),
        long(256, cols),
        long(257, rows),
        short(258, 32),
        short(259, 50000),  # ZSTD
        short(262, 1),
        short(277, 1),
        short(284, 1),
        short(317, 3),
        short(322, BLOCK),
        short(323, BLOCK),
        (324, _LONG8, None),
        long(325, *table),
        short(339, 3),
        *(placing if level == 0 else []),
        (42113, _ASCII, b"nan\0"),
    ]


def _shape(entry: tuple[int, int, bytes | None], tiles: int, big: bool) -> tuple[int, int]:
    """(type, bytes) of an entry's values."""
    _, kind, values = entry
    if values is None:
        kind = _LONG8 if big else _LONG
        return kind, tiles * _WIDTHS[kind]
    return kind, len(values)


def _tiles_in(found: list[tuple[int, int, bytes | None]]) -> int:
    return next(len(values or b"") // 4 for tag, _, values in found if tag == 325)


def _directory_bytes(found: list[tuple[int, int, bytes | None]], big: bool) -> int:
    word = 8 if big else 4
    length = (8 + 20 * len(found) + 8) if big else (2 + 12 * len(found) + 4)
    tiles = _tiles_in(found)
    spare = (_shape(e, tiles, big)[1] for e in found)
    return -(-length // 8) * 8 + sum(-(-n // 8) * 8 for n in spare if n > word)


def _directory(
    found: list[tuple[int, int, bytes | None]], offsets: list[int], at: int, following: int, big: bool
) -> bytes:
    word = 8 if big else 4
    length = (8 + 20 * len(found) + 8) if big else (2 + 12 * len(found) + 4)
    head = bytearray(struct.pack("<Q" if big else "<H", len(found)))
    spare = bytearray()
    base = at + -(-length // 8) * 8
    for entry in found:
        tag, _, values = entry
        kind, size = _shape(entry, len(offsets), big)
        if values is None:
            values = np.array(offsets, "<u8" if big else "<u4").tobytes()
        head += struct.pack("<HHQ" if big else "<HHI", tag, kind, size // _WIDTHS[kind])
        if size <= word:
            head += values.ljust(word, b"\0")
        else:
            head += struct.pack("<Q" if big else "<I", base + len(spare))
            spare += values + bytes(-len(values) % 8)
    head += struct.pack("<Q" if big else "<I", following)
    return bytes(head).ljust(-(-length // 8) * 8, b"\0") + bytes(spare)
