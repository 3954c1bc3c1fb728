"""What one scene says of one piece of ground, small enough to be kept for ever.

Where the ground was seen, and the few cells that looked like nothing before: how rare, which spectrum, and
what had been there. All later reasoning works on these, so that a scene is read once.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, fields

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
        packed = {
            f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("row0", "col0", "observed")
        }
        out = io.BytesIO()
        head = np.array([self.row0, self.col0, *self.observed.shape], np.int64)
        packed = {"head": head, "observed": np.packbits(self.observed), **packed}
        # An .npz as NumPy writes it, but at the fastest level: the fields hardly shrink further.
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, values in packed.items():
                with archive.open(f"{name}.npy", "w") as member:
                    np.lib.format.write_array(member, np.asanyarray(values), allow_pickle=False)
        return out.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Product:
        with np.load(io.BytesIO(content), allow_pickle=False) as kept:
            row0, col0, rows, cols = (int(v) for v in kept["head"])
            observed = np.unpackbits(kept["observed"], count=rows * cols).reshape(rows, cols).astype(bool)
            names = [f.name for f in fields(cls) if f.name not in ("row0", "col0", "observed")]
            return cls(row0, col0, observed, **{name: kept[name] for name in names})


def counts(reflectance: NDArray[np.float32]) -> NDArray[np.uint16]:
    return np.clip(np.rint(np.nan_to_num(reflectance) / UNIT), 0, 65535).astype(np.uint16)


def plain(kept: NDArray[np.uint16]) -> NDArray[np.float32]:
    return kept.astype(np.float32) * np.float32(UNIT)
