"""How large a raster may be before we refuse to look at it.

A file of a kilobyte can announce a terabyte of cells. What a file announces is compared with these limits,
and with its own length, before anything is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass

from survey.errors import InputRefused
from survey.rasters.tiff import Tiff


@dataclass(frozen=True, slots=True)
class RasterLimits:
    """Limits of one raster. The defaults hold twenty times the largest drone survey we know of."""

    cells: int = 25_000_000_000
    decoded_bytes: int = 400_000_000_000
    block_bytes: int = 256 * 1024 * 1024
    bands: int = 256
    inflation: float = 5_000.0
    """Decoded bytes per byte of the file, once more than ``inflation_from_bytes`` would be decoded."""
    inflation_from_bytes: int = 4_000_000_000


DEFAULT_LIMITS = RasterLimits()


def check_limits(tiff: Tiff, name: str, limits: RasterLimits = DEFAULT_LIMITS) -> None:
    """Raise InputRefused where the file announces more than a survey can hold."""
    main = tiff.main
    cells = main.width * main.height
    if cells > limits.cells:
        raise InputRefused(
            f"announces {main.width:,} × {main.height:,} cells",
            expected=f"at most {limits.cells:,} cells",
            file=name,
            mend="Cut the survey into parts, or check where the file comes from.",
        )
    if main.bands > limits.bands:
        raise InputRefused(
            f"announces {main.bands:,} bands", expected=f"at most {limits.bands} bands", file=name
        )
    for directory in (main, tiff.mask):
        if directory is None:
            continue
        if (directory.width, directory.height) != (main.width, main.height):
            raise InputRefused("has a mask of another size than its cells", file=name)
        decoded = directory.decoded_bytes
        if decoded > limits.decoded_bytes:
            raise InputRefused(
                f"would decode to {decoded / 1e9:,.0f} GB",
                expected=f"at most {limits.decoded_bytes / 1e9:,.0f} GB",
                file=name,
            )
        if decoded > limits.inflation_from_bytes and decoded > limits.inflation * tiff.bytes:
            raise InputRefused(
                f"would swell from {tiff.bytes:,} bytes to {decoded / 1e9:,.1f} GB",
                file=name,
                mend="The file is nearly empty: send the part that was measured.",
            )
        if directory.block_bytes > limits.block_bytes:
            raise InputRefused(
                f"stores its cells in blocks of {directory.block_bytes / 1e6:,.0f} MB",
                expected=f"blocks of at most {limits.block_bytes / 1e6:,.0f} MB",
                file=name,
                mend="Write it tiled: gdal_translate -co TILED=YES -co COMPRESS=ZSTD in.tif out.tif",
            )
