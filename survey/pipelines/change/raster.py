"""``change.tif``: packed band by band while the sweep runs, put together as a cloud-optimised GeoTIFF.

Bands are files of their own because they may be written by other threads, processes or machines. The file is
read back before it counts.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from survey.dem.rise import GRAINS_PER_M, MISSING
from survey.errors import OutputError
from survey.grid import Grid
from survey.jit import kernel
from survey.rasters.cog import BandPacker, put_together

GRAIN = 4096
"""Heights are kept to 1/4096 m: a quarter of a millimetre, far below noise, and a third less to store."""


class PartWriter:
    """Packs one band of the change raster of ``job``.

    Raises
    ------
    OutputError
        The disk is full, or cannot be written.
    """

    def __init__(self, folder: Path, number: int, job: Grid, band: Grid) -> None:
        self._path = folder / f"part-{number:05d}.band"
        self._job, self._band = job, band

    def __enter__(self) -> Self:
        try:
            self._packer = BandPacker(self._path, self._job, self._band)
        except OSError as error:
            raise _unwritten(error) from error
        return self

    def write(self, piece: Grid, grains: NDArray[np.int32]) -> None:
        """The rise of a piece of the band, in grains of 2⁻¹⁶ m."""
        kept = np.empty(grains.shape, np.float32)
        _keep(grains, kept)
        try:
            self._packer.add(piece, kept)
        except OSError as error:
            raise _unwritten(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._packer.finish() if error is None else self._packer.close()
        except OSError as full:
            raise _unwritten(full) from (error or full)


@kernel
def _keep(grains, kept):  # type: ignore[no-untyped-def]
    """Grains to metres, rounded to the nearest 1/GRAIN; halves go to the even one, so that sums stay true."""
    for i in range(kept.shape[0]):
        q = grains[i]
        out = kept[i]
        for j in range(out.size):
            whole = np.float32(np.rint(q[j] * (GRAIN / GRAINS_PER_M)) * (1.0 / GRAIN))
            out[j] = whole if q[j] != MISSING else np.float32(np.nan)


def assemble(folder: Path, job: Grid, target: Path) -> None:
    """One COG from the bands in ``folder``, which are removed.

    Raises
    ------
    OutputError
        A band is missing or cannot be read back, or the disk is full.
    """
    import rasterio
    from rasterio.errors import RasterioError

    from survey.raster_env import enter

    enter()
    try:
        put_together(sorted(folder.glob("part-*.band")), job, target)
        with rasterio.open(target) as written:
            written.checksum(1, window=((job.height - 1, job.height), (0, min(job.width, 512))))
            if written.shape != job.shape:
                raise OutputError("change.tif was not written whole", mend="See that the disk has room.")
    except (RasterioError, OSError, ValueError) as error:
        raise _unwritten(error) from error
    finally:
        for p in folder.iterdir():
            p.unlink()
        os.rmdir(folder)


def _unwritten(error: Exception) -> OutputError:
    return OutputError(
        f"change.tif could not be written ({' '.join(str(error).split())[:120]})",
        mend="See that the disk has room, or leave it out with --no-change.",
    )
