"""Medians of many short rows, of what is known of each: compiled, and without holding up other threads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.jit import kernel


@kernel
def row_medians(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) medians of the (n, m) rows' numbers that are not NaN; NaN where a row has none."""
    n, m = rows.shape
    out = np.empty(n)
    known = np.empty(m)
    for i in range(n):
        count = 0
        for k in range(m):
            if not np.isnan(rows[i, k]):
                known[count] = rows[i, k]
                count += 1
        out[i] = np.median(known[:count]) if count else np.nan
    return out
