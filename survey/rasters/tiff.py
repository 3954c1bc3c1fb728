"""What a TIFF says of itself, read without any library, before any library is let near it.

Walking the directories costs milliseconds and answers three questions that GDAL answers too late or not at
all: is every block inside the file (a copy that broke off is refused, wherever it broke), how much memory
and time would decoding take (a kilobyte can announce a terabyte), and is the picture stored with loss.
Nothing is allocated on the word of the file beyond what the file's own length covers.

Layout: TIFF 6.0 (Aldus, 1992), BigTIFF (libtiff), tags of GDAL and GeoTIFF 1.1 (OGC 19-008r4).
"""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

MAX_DIRECTORIES = 64
MAX_ENTRIES = 1024

_TYPE_SIZE = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_DTYPES = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}

COMPRESSION = {
    1: "none",
    2: "CCITT RLE",
    3: "CCITT G3",
    4: "CCITT G4",
    5: "LZW",
    6: "old JPEG",
    7: "JPEG",
    8: "DEFLATE",
    32773: "PackBits",
    32946: "DEFLATE",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    50000: "ZSTD",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
LOSSY_PICTURE = frozenset({"JPEG", "old JPEG", "JPEG 2000", "WebP", "JPEG XL"})
"""Codecs made for pictures. LERC is not among them: its error is bounded and chosen in metres."""

PHOTOMETRIC = {
    0: "white is zero",
    1: "black is zero",
    2: "RGB",
    3: "palette",
    4: "mask",
    5: "CMYK",
    6: "YCbCr",
}
_SAMPLE_FORMAT = {1: "uint", 2: "int", 3: "float", 4: "void", 5: "complex int", 6: "complex float"}


_NAMES = {256: "width", 257: "height", 322: "tile width", 323: "tile height"}


class BadTiff(Exception):
    """The structure is broken; the text says how, in a clause without a subject."""


@dataclass(frozen=True, slots=True)
class Directory:
    """One image of a TIFF: the main one, an overview, or a mask."""

    width: int
    height: int
    bands: int
    bits: int
    sample_format: str
    compression: str
    photometric: str
    planar: bool  # bands stored apart
    tiled: bool
    block: tuple[int, int]  # rows, cols
    blocks: int
    sparse_blocks: int  # never written; GDAL gives nodata, or zero
    stored_bytes: int
    largest_stored_block: int
    overview: bool
    mask: bool
    orientation: int
    extra_samples: tuple[int, ...]
    written: tuple[int, int] | None  # first and last block that was written, in file order
    first_sparse: int | None
    nodata: str | None = None
    placed: bool = False  # has an own geotransform
    has_geokeys: bool = False
    datetime: str | None = None
    software: str | None = None
    description: str | None = None

    @property
    def decoded_bytes(self) -> int:
        rows, cols = self.block
        across, down = -(-self.width // cols), -(-self.height // rows)
        return across * down * rows * cols * self.bands * max(1, self.bits // 8)

    @property
    def one_plain_strip(self) -> bool:
        """All in one uncompressed strip, as many programs write it: any row of it can be read alone."""
        return self.compression == "none" and not self.tiled and self.block[0] >= self.height > 0

    @property
    def block_bytes(self) -> int:
        """Bytes that have to be held to read one cell."""
        rows, cols = (1, self.width) if self.one_plain_strip else self.block
        return rows * cols * max(1, self.bits // 8) * (1 if self.planar else self.bands)


@dataclass(frozen=True, slots=True)
class Tiff:
    bytes: int
    big: bool
    directories: tuple[Directory, ...]

    @property
    def main(self) -> Directory:
        return self.directories[0]

    @property
    def mask(self) -> Directory | None:
        return next((d for d in self.directories if d.mask and not d.overview), None)


def is_tiff(head: bytes) -> bool:
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_tiff(path: str | os.PathLike[str]) -> Tiff:
    """Walk all directories of a file and check that every block lies inside it.

    Raises
    ------
    BadTiff
        Not a TIFF, broken off, or inconsistent.
    OSError
    """
    with open(path, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        return _Reader(stream, size).tiff()


def raw_tags(data: bytes | memoryview) -> dict[int, tuple[int, bytes]]:
    """Type and bytes of every tag of the first directory of a TIFF in memory.

    Raises
    ------
    BadTiff
    """
    reader = _Reader(io.BytesIO(data), len(data))
    entries, _ = reader._entries(reader.first)
    return {tag: (entry[0], reader._raw(entry)) for tag, entry in entries}


class _Reader:
    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.stream = stream
        self.size = size
        head = self._bytes(0, min(16, size), "header")
        if not is_tiff(head):
            raise BadTiff("is not a TIFF")
        self.order: Literal["<", ">"] = "<" if head[:2] == b"II" else ">"
        self.big = head[2 if self.order == "<" else 3] == 43
        if len(head) < (16 if self.big else 8):
            raise BadTiff("breaks off in its header")
        if self.big:
            offset_size, zero, self.first = struct.unpack(self.order + "HHQ", head[4:16])
            if offset_size != 8 or zero != 0:
                raise BadTiff("has a damaged BigTIFF header")
        else:
            (self.first,) = struct.unpack(self.order + "I", head[4:8])

    def tiff(self) -> Tiff:
        directories = []
        seen: set[int] = set()
        pending = [self.first]
        while pending:
            at = pending.pop(0)
            if at == 0:
                continue
            if at in seen:
                raise BadTiff("has directories that lead in a circle")
            if len(seen) >= MAX_DIRECTORIES:
                raise BadTiff(f"has more than {MAX_DIRECTORIES} directories")
            seen.add(at)
            entries, following = self._entries(at)
            tags = dict(entries)
            directories.append(self._directory(tags))
            pending.append(following)
            if 330 in tags:
                pending.extend(int(child) for child in self._numbers(tags[330], MAX_DIRECTORIES))
        if not directories:
            raise BadTiff("holds no image")
        return Tiff(self.size, self.big, tuple(directories))

    # -- raw access ------------------------------------------------------------------------------------
    def _bytes(self, at: int, count: int, what: str) -> bytes:
        if at < 0 or count < 0 or at + count > self.size:
            raise BadTiff(f"breaks off: its {what} should lie at byte {at}, the file has {self.size}")
        self.stream.seek(at)
        got = self.stream.read(count)
        if len(got) != count:
            raise BadTiff(f"breaks off in its {what}")
        return got

    def _entries(self, at: int) -> tuple[list[tuple[int, tuple[int, int, bytes]]], int]:
        count_size, entry_size, next_size = (8, 20, 8) if self.big else (2, 12, 4)
        count_code, word = ("Q", "Q") if self.big else ("H", "I")
        (count,) = struct.unpack(self.order + count_code, self._bytes(at, count_size, "directory"))
        if not 0 < count <= MAX_ENTRIES:
            raise BadTiff(f"has a damaged directory ({count} entries)")
        raw = self._bytes(at + count_size, count * entry_size + next_size, "directory")
        entries = []
        for i in range(count):
            one = raw[i * entry_size : (i + 1) * entry_size]
            tag, kind, number = struct.unpack(self.order + "HH" + word, one[: 4 + next_size])
            entries.append((tag, (kind, number, one[4 + next_size :])))
        (following,) = struct.unpack(self.order + word, raw[count * entry_size :])
        return entries, following

    def _raw(self, entry: tuple[int, int, bytes]) -> bytes:
        kind, number, inline = entry
        if kind not in _TYPE_SIZE:
            raise BadTiff(f"has a directory entry of unknown type {kind}")
        length = number * _TYPE_SIZE[kind]
        if length <= len(inline):
            return inline[:length]
        (at,) = struct.unpack(self.order + ("Q" if self.big else "I"), inline)
        return self._bytes(at, length, "directory values")

    def _numbers(self, entry: tuple[int, int, bytes], most: int | None = None) -> NDArray[np.uint64]:
        kind, number, _ = entry
        if kind not in _DTYPES:
            raise BadTiff(f"has numbers of type {kind} where whole numbers belong")
        if most is not None and number > most:
            raise BadTiff(f"has {number} values where at most {most} belong")
        return np.frombuffer(self._raw(entry), np.dtype(_DTYPES[kind]).newbyteorder(self.order)).astype(
            np.uint64
        )

    # -- meaning ---------------------------------------------------------------------------------------
    def _directory(self, tags: dict[int, tuple[int, int, bytes]]) -> Directory:
        def one(tag: int, default: int | None = None) -> int:
            if tag not in tags:
                if default is None:
                    raise BadTiff(f"does not say its {_NAMES.get(tag, f'tag {tag}')}")
                return default
            values = self._numbers(tags[tag], 1 << 16)
            if values.size == 0:
                raise BadTiff(f"has an empty tag {tag}")
            return int(values[0])

        def text(tag: int) -> str | None:
            if tag not in tags or tags[tag][0] not in (1, 2, 7) or tags[tag][1] > 1 << 16:
                return None
            return self._raw(tags[tag]).split(b"\0")[0].decode("utf-8", "replace").strip() or None

        width, height, bands = one(256), one(257), one(277, 1)
        if width <= 0 or height <= 0 or bands <= 0:
            raise BadTiff(f"has {width} × {height} cells in {bands} bands")
        bits_per_band = self._numbers(tags[258], 1 << 16) if 258 in tags else np.array([1], np.uint64)
        if bits_per_band.size == 0 or bits_per_band.min() != bits_per_band.max() or bits_per_band[0] > 128:
            raise BadTiff("has bands of unequal or impossible depth")
        bits = int(bits_per_band[0])
        compression = COMPRESSION.get(one(259, 1), f"code {one(259, 1)}")
        tiled = 322 in tags or 324 in tags
        if tiled:
            block = (one(323), one(322))
        else:
            block = (min(one(278, height), height), width)
        if block[0] <= 0 or block[1] <= 0 or block[0] > 1 << 26 or block[1] > 1 << 26:
            raise BadTiff(f"has blocks of {block[1]} × {block[0]} cells")
        planar = one(284, 1) == 2
        across, down = -(-width // block[1]), -(-height // block[0])
        blocks = across * down * (bands if planar else 1)
        subfile = one(254, 0)
        offsets, counts = self._block_table(tags, tiled, blocks)
        written = counts > 0
        self._check_blocks(offsets, counts)
        if compression == "none":
            self._check_plain(counts, block, width, height, bits, bands, planar, tiled)
        where = np.flatnonzero(written)
        order = where[np.argsort(offsets[where], kind="stable")] if where.size else where
        return Directory(
            width=width,
            height=height,
            bands=bands,
            bits=bits,
            sample_format=_SAMPLE_FORMAT.get(one(339, 1), "unknown"),
            compression=compression,
            photometric=PHOTOMETRIC.get(one(262, 1), f"code {one(262, 1)}"),
            planar=planar,
            tiled=tiled,
            block=block,
            blocks=blocks,
            sparse_blocks=int(blocks - where.size),
            stored_bytes=int(counts.sum()),
            largest_stored_block=int(counts.max()) if counts.size else 0,
            overview=bool(subfile & 1),
            mask=bool(subfile & 4) or one(262, 1) == 4,
            orientation=one(274, 1),
            extra_samples=tuple(int(v) for v in self._numbers(tags[338], 1 << 12)) if 338 in tags else (),
            written=(int(order[0]), int(order[-1])) if order.size else None,
            first_sparse=int(np.argmin(written)) if where.size < blocks else None,
            nodata=text(42113),
            placed=(33550 in tags and 33922 in tags) or 34264 in tags,
            has_geokeys=34735 in tags,
            datetime=text(306),
            software=text(305),
            description=text(270),
        )

    def _block_table(
        self, tags: dict[int, tuple[int, int, bytes]], tiled: bool, blocks: int
    ) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        names = (324, 325) if tiled else (273, 279)
        for tag in names:
            if tag not in tags:
                raise BadTiff("does not say where its blocks lie")
            if tags[tag][1] < blocks:
                raise BadTiff(f"lists {tags[tag][1]} blocks where its size needs {blocks}")
        # Lengths are checked against the file before anything is read: a list cannot outgrow its file.
        offsets, counts = (self._numbers(tags[tag])[:blocks] for tag in names)
        return offsets, counts

    def _check_blocks(self, offsets: NDArray[np.uint64], counts: NDArray[np.uint64]) -> None:
        written = counts > 0
        if not written.any():
            return
        starts, lengths = offsets[written], counts[written]
        limit = np.uint64(self.size)
        # Written so that no sum can overflow.
        beyond = (starts > limit) | (lengths > limit) | (starts > limit - np.minimum(lengths, limit))
        if beyond.any():
            raise BadTiff(f"breaks off: {int(beyond.sum())} of {starts.size} blocks lie beyond its end")
        if (starts < 8).any():
            raise BadTiff("has blocks that lie in its header")

    def _check_plain(
        self,
        counts: NDArray[np.uint64],
        block: tuple[int, int],
        width: int,
        height: int,
        bits: int,
        bands: int,
        planar: bool,
        tiled: bool,
    ) -> None:
        """Blocks without compression have a length that can be computed."""
        across, down = -(-width // block[1]), -(-height // block[0])
        samples = 1 if planar else bands
        row_bytes = -(-block[1] * bits * samples // 8)
        rows = np.full(down, block[0], np.uint64)
        if not tiled:
            rows[-1] = height - (down - 1) * block[0]
        expected = np.repeat(rows * np.uint64(row_bytes), across)
        expected = np.tile(expected, bands if planar else 1)
        short = (counts > 0) & (counts < expected)
        if short.any():
            raise BadTiff(f"has {int(short.sum())} blocks that are shorter than their cells")
