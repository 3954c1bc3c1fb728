"""From stored numbers to heights: one pass over each block, in place where the file holds float32.

Reading must cost no more than decoding. The only work done beside GDAL's is this pass, which turns the
declared nodata value into NaN and counts the cells that no ground on Earth can hold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.jit import kernel

LOWEST_M = -600.0
HIGHEST_M = 9000.0
"""Heights outside these are not ground: the Dead Sea shore lies at -430 m, Everest at 8849 m."""


@kernel
def screen_f32(block: NDArray[np.float32], nodata: np.float32, low: np.float32, high: np.float32) -> int:
    """Set cells equal to ``nodata`` to NaN in place; return how many others lie outside [low, high].

    ``block`` is C-contiguous, of any shape; a NaN ``nodata`` matches nothing. Infinities count as outside.
    """
    flat = block.reshape(-1)
    outside = 0
    for i in range(flat.size):
        value = flat[i]
        is_nodata = value == nodata
        outside += int((not is_nodata) and ((value < low) or (value > high)))
        flat[i] = np.float32(np.nan) if is_nodata else value
    return outside
