"""Overviews of a picture, and whether they agree with it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.errors import InputRefused
from survey.rasters.handles import Pin, dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray


@lru_cache(maxsize=16)
def overviews(pin: Pin, white: float) -> tuple[int, ...] | None:
    """Factors of the file's overviews; None if one of them shows another picture than the file.

    A hostile overview could leave out a pit. In 6 × 6 of the file's blocks, means over sixteenths of a block
    are compared: resampling and compression move them by a hundredth of white, a twelfth is too much.
    """
    from rasterio.errors import RasterioError

    try:
        source = dataset(pin)
        factors = tuple(int(f) for f in source.overviews(1))
        high, wide = (min(max(n, 256), 1024) for n in source.block_shapes[0])
        blocks = [
            (int(row) * high, int(col) * wide)
            for row in np.unique(np.linspace(0, max(source.height // high - 1, 0), 6).astype(int))
            for col in np.unique(np.linspace(0, max(source.width // wide - 1, 0), 6).astype(int))
        ]
        for level, factor in enumerate(factors):
            small = dataset(replace(pin, overview=level))
            if min(high, wide) // factor < 16:
                # The next finer overview speaks for those that are too small to compare.
                continue
            for row, col in blocks:
                window = ((row, min(row + high, source.height)), (col, min(col + wide, source.width)))
                same = tuple((a // factor, b // factor) for a, b in window)
                whole = _sixteenths(source.read(1, window=window))
                if not np.allclose(
                    whole, _sixteenths(small.read(1, window=same)), rtol=0, atol=white / 12, equal_nan=True
                ):
                    return None
    except (RasterioError, OSError, InputRefused):
        return None
    return factors


def _sixteenths(values: NDArray[Any]) -> NDArray[np.float64]:
    """Means of 4 × 4 parts of an array."""
    rows, cols = (np.linspace(0, n, 5).astype(int) for n in values.shape)
    return np.array(
        [
            values[r0:r1, c0:c1].mean(dtype=np.float64)
            for r0, r1 in pairwise(rows)
            for c0, c1 in pairwise(cols)
        ]
    )
