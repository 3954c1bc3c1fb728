"""What one scene says of one piece of ground, small enough to be kept for ever.

Where the ground was seen, and the few cells that looked like nothing before: how rare, which spectrum, and
what had been there. All later reasoning works on these, so that a scene is read once.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers.kernels import UNIT

SUSPECT, WET, VEIL = 1, 2, 4
"""Flags of a cell: looks like cloud and stands alone; open water; a veil over something seen before."""


@dataclass(frozen=True)
class Product:
    """Candidates are in reading order. ``row0``/``col0`` count from the corner of the watch grid."""

    row0: int
    col0: int
    observed: NDArray[np.bool_]  # (row, col)
    cell: NDArray[np.int32]  # (n,) flat index in the piece
    log10_p: NDArray[np.int16]  # (n,) thousandths
    distance: NDArray[np.uint16]  # (n,) hundredths of σ
    flags: NDArray[np.uint8]
    land: NDArray[np.uint8]
    now: NDArray[np.uint16]  # (n, band) counts of UNIT
    match: NDArray[np.uint16]  # (n, band): the nearest of the history
    usual: NDArray[np.uint16]  # (n, band)
    green: NDArray[np.int8]  # (n, 2): NDVI of the history in hundredths, lower and upper tenth
    wet_share: NDArray[np.uint8]  # per cent

    def to_bytes(self) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            _put(archive, "head", np.array([self.row0, self.col0, *self.observed.shape], np.int64))
            _put(archive, "observed", np.packbits(self.observed))
            # Cells come in reading order: their steps are small.
            _put(archive, "cell", np.diff(self.cell, prepend=np.int32(0)))
            for name in _FIELDS:
                _put(archive, name, getattr(self, name))
        return out.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Product:
        with zipfile.ZipFile(io.BytesIO(content)) as kept:
            row0, col0, rows, cols = (int(v) for v in _got(kept, "head", np.int64))
            observed = (
                np.unpackbits(_read(kept, "observed"), count=rows * cols).reshape(rows, cols).astype(bool)
            )
            cell = np.cumsum(_got(kept, "cell", np.int32), dtype=np.int32)
            return cls(row0, col0, observed, cell, *(_got(kept, n, kind) for n, kind in _FIELDS.items()))


_FIELDS: dict[str, type] = {
    "log10_p": np.int16,
    "distance": np.uint16,
    "flags": np.uint8,
    "land": np.uint8,
    "now": np.uint16,
    "match": np.uint16,
    "usual": np.uint16,
    "green": np.int8,
    "wet_share": np.uint8,
}
"""What is kept of each candidate, in the order of ``Product``."""


def _put(archive: zipfile.ZipFile, name: str, values: NDArray[np.generic]) -> None:
    """One field. The lowest bytes of its numbers are mostly noise and are kept as they are; the others shrink
    to little, and apart from those even at the fastest level."""
    packing = zipfile.ZIP_DEFLATED
    size = values.itemsize
    if size > 1:
        little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        parts = little.view(np.uint8).reshape(*values.shape, size)
        _put(archive, f"{name}.high", np.moveaxis(parts[..., 1:], -1, 0))
        name, values, packing = f"{name}.low", parts[..., 0], zipfile.ZIP_STORED
    out = io.BytesIO()
    np.lib.format.write_array(out, np.ascontiguousarray(values), allow_pickle=False)
    archive.writestr(zipfile.ZipInfo(f"{name}.npy"), out.getvalue(), packing, 1)


def _read(archive: zipfile.ZipFile, name: str) -> NDArray[np.uint8]:
    # In one piece: NumPy's own reader of archives goes through them a little at a time.
    out: NDArray[np.uint8] = np.lib.format.read_array(
        io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False
    )
    return out


def _got(archive: zipfile.ZipFile, name: str, kind: type) -> NDArray[Any]:
    size = np.dtype(kind).itemsize
    if size == 1:
        return _read(archive, name).view(kind)
    whole = np.dtype(f"u{size}")
    low = _read(archive, f"{name}.low")
    out = np.zeros(low.shape, whole)
    for high in _read(archive, f"{name}.high")[::-1]:
        out |= high
        out <<= whole.type(8)
    out |= low
    return out.view(kind)


def counts(reflectance: NDArray[np.float32]) -> NDArray[np.uint16]:
    return np.clip(np.rint(np.nan_to_num(reflectance) / UNIT), 0, 65535).astype(np.uint16)


def plain(kept: NDArray[np.uint16]) -> NDArray[np.float32]:
    return kept.astype(np.float32) * np.float32(UNIT)
