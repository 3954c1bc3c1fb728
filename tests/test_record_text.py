"""The text of a record is what the standard library would write."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.record import indented

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(plain)
@settings(max_examples=50, deadline=None)
def test_the_text_is_that_of_the_library(value):
    assert indented(value) == json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False)


@pytest.mark.parametrize("value", [math.nan, math.inf, [1.0, -math.inf], {"a": [math.nan, "b"]}])
def test_no_number_that_is_none(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        indented(value)
