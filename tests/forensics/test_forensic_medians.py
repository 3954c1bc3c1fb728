"""Medians of rows with gaps."""

from __future__ import annotations

import math

import numpy as np
import numpy.testing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from survey.forensics.medians import row_medians

gaps = arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.integers(1, 9)),
    elements=st.one_of(st.just(math.nan), st.floats(-1e6, 1e6)),
)


@settings(deadline=None, max_examples=50)
@given(gaps)
def test_half_of_what_is_known_lies_on_either_side(rows: np.ndarray) -> None:
    found = row_medians(rows)
    for row, middle in zip(rows, found, strict=True):
        known = np.sort(row[~np.isnan(row)])
        if known.size == 0:
            assert math.isnan(middle)
            continue
        # The definition: the middle number, or the mean of the two in the middle (exact in both orders).
        npt.assert_equal(middle, (known[(known.size - 1) // 2] + known[known.size // 2]) / 2)
