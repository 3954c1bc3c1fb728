"""``change.tif``: written band by band while the sweep runs, put together as a cloud-optimised GeoTIFF.

Bands are files of their own because they may be written by other threads, processes or machines. What was
written is read back before it counts: GDAL may fail to say that a disk was full.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from survey.errors import OutputError
from survey.grid import Grid

BLOCK = 512
GRAIN = np.float32(4096)
"""Heights are kept to 1/4096 m: a tenth of a millimetre, far below noise, and a third less to store."""


def _profile(grid: Grid) -> dict[str, object]:
    return {
        "driver": "GTiff",
        "height": grid.height,
        "width": grid.width,
        "count": 1,
        "dtype": "float32",
        "crs": grid.crs_wkt,
        "transform": grid.transform,
        "nodata": float("nan"),
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        # Written once, read once and removed: packing it would take longer than anything else in the run.
        "compress": None,
        "BIGTIFF": "IF_SAFER",
    }


class PartWriter:
    """Writes one band of the change raster; chunks come from north to south."""

    def __init__(self, folder: Path, number: int, band: Grid) -> None:
        self.path = folder / f"part-{number:05d}.tif"
        self.band = band

    def __enter__(self) -> Self:
        import rasterio

        from survey.raster_env import enter

        enter()
        self._file = rasterio.open(self.path, "w", **_profile(self.band))
        return self

    def write(self, piece: Grid, rise_m: NDArray[np.float32]) -> None:
        from rasterio.windows import Window

        row, col = piece.row0 - self.band.row0, piece.col0 - self.band.col0
        kept = np.round(rise_m * GRAIN) / GRAIN
        self._file.write(kept, 1, window=Window(col, row, piece.width, piece.height))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if error is None:
            box = {"row0": self.band.row0, "col0": self.band.col0, "shape": list(self.band.shape)}
            self.path.with_suffix(".json").write_text(json.dumps(box))


def assemble(folder: Path, job: Grid, target: Path, workers: int) -> None:
    """One COG from the bands in ``folder``, which are removed.

    Raises
    ------
    OutputError
        A band is missing or cannot be read back, or the disk is full.
    """
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.shutil import copy

    vrt = folder / "change.vrt"
    boxes = [
        json.loads(p.read_text()) | {"file": p.with_suffix(".tif").name}
        for p in sorted(folder.glob("part-*.json"))
    ]
    cells = sum(b["shape"][0] * b["shape"][1] for b in boxes)
    if cells != job.height * job.width:
        raise OutputError("a piece of change.tif was lost", mend="Run again; see that the disk has room.")
    vrt.write_text(_vrt(job, boxes))
    try:
        copy(
            str(vrt),
            str(target),
            driver="COG",
            compress="ZSTD",
            level=1,
            predictor="FLOATING_POINT",
            blocksize=BLOCK,
            overview_resampling="average",
            num_threads=str(workers),
            bigtiff="IF_SAFER",
        )
        with rasterio.open(target) as written:
            written.checksum(1, window=((job.height - 1, job.height), (0, min(job.width, BLOCK))))
            if written.shape != job.shape:
                raise OutputError("change.tif was not written whole", mend="See that the disk has room.")
    except (RasterioError, OSError) as error:
        raise OutputError(
            f"change.tif could not be written ({' '.join(str(error).split())[:120]})",
            mend="See that the disk has room, or leave it out with --no-change.",
        ) from error
    finally:
        for p in folder.iterdir():
            p.unlink()
        os.rmdir(folder)


def _vrt(job: Grid, boxes: list[dict[str, object]]) -> str:
    from xml.sax.saxutils import escape

    t = job.transform
    sources = []
    for b in boxes:
        rows, cols = b["shape"]  # type: ignore[misc]
        sources.append(
            "<SimpleSource>"
            f'<SourceFilename relativeToVRT="1">{escape(str(b["file"]))}</SourceFilename>'
            "<SourceBand>1</SourceBand>"
            f'<SrcRect xOff="0" yOff="0" xSize="{cols}" ySize="{rows}"/>'
            f'<DstRect xOff="{int(b["col0"]) - job.col0}" yOff="{int(b["row0"]) - job.row0}" '  # type: ignore[call-overload]
            f'xSize="{cols}" ySize="{rows}"/></SimpleSource>'
        )
    return (
        f'<VRTDataset rasterXSize="{job.width}" rasterYSize="{job.height}">'
        f"<SRS>{escape(job.crs_wkt)}</SRS>"
        f"<GeoTransform>{t.c!r}, {t.a!r}, 0.0, {t.f!r}, 0.0, {t.e!r}</GeoTransform>"
        '<VRTRasterBand dataType="Float32" band="1"><NoDataValue>nan</NoDataValue>'
        f"{''.join(sources)}</VRTRasterBand></VRTDataset>"
    )
