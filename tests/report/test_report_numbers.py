"""Digits, grouping, intervals, dates and angles as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.report.numbers import MINUS, Numbers, dms, grouped, number
from survey.report.words import Words

EN, HI = Numbers(Words("en")), Numbers(Words("hi"), indian=True)


@pytest.mark.parametrize(
    ("digits", "western", "indian"),
    [
        ("7", "7", "7"),
        ("999", "999", "999"),
        ("1000", "1,000", "1,000"),
        ("99999", "99,999", "99,999"),
        ("100000", "100,000", "1,00,000"),
        ("12345678", "12,345,678", "1,23,45,678"),
    ],
)
def test_grouping(digits, western, indian):
    assert grouped(digits, indian=False) == western
    assert grouped(digits, indian=True) == indian


@given(st.integers(0, 10**15), st.booleans())
def test_grouping_only_adds_commas(value, indian):
    assert grouped(str(value), indian=indian).replace(",", "") == str(value)


@pytest.mark.parametrize(
    ("value", "decimals", "sign", "text"),
    [
        (-1234.5, 1, False, f"{MINUS}1,234.5"),
        (1234.5, 0, True, "+1,234"),  # rounds half to even, as Python's formatting does
        (-0.04, 1, True, "0.0"),
        (0.0, 0, True, "0"),
        (-0.06, 1, False, f"{MINUS}0.1"),
    ],
)
def test_minus_plus_and_no_negative_zero(value, decimals, sign, text):
    assert number(value, decimals, sign=sign) == text


@pytest.mark.parametrize(
    ("degrees", "text"),
    [
        (25.3084777, "25°18′30.52″"),
        (75.0, "75°00′00.00″"),
        (25.99999999, "26°00′00.00″"),  # carries through seconds and minutes
        (0.5, "0°30′00.00″"),
    ],
)
def test_degrees_to_a_hundredth_of_a_second(degrees, text):
    assert dms(degrees, "N", "S") == f"{text}\u202fN"
    assert dms(-degrees, "N", "S").endswith("S")


@given(st.floats(-90, 90))
def test_degrees_come_back(degrees):
    text = dms(degrees, "N", "S")
    whole, rest = text[:-2].rstrip("″").split("°")
    minutes, seconds = rest.split("′")
    back = int(whole) + int(minutes) / 60 + float(seconds) / 3600
    assert abs(back - abs(degrees)) <= 0.5 * 0.01 / 3600 + 1e-12


def test_what_was_not_measured_is_said_never_zero():
    assert EN.plain(math.nan) == EN.volume(None) == EN.interval(math.nan, math.nan) == "not measured"
    assert HI.with_unit(None, "m") == "मापा नहीं गया"


def test_intervals_and_volumes_have_decimals_that_mean_something():
    assert EN.interval(31_815.7, 33_114.3) == "31,816 to 33,114"
    assert EN.interval(-0.4, 3.26) == f"{MINUS}0.4 to 3.3"
    assert HI.interval(131_815.7, 233_114.3) == "1,31,816 से 2,33,114"
    assert EN.volume(9.96) == "10.0"
    assert EN.volume(0.0) == "0"


def test_dates():
    assert EN.date("2025-04-05") == "5\u202fApril\u202f2025"
    assert HI.date("2025-04-05T10:00:00") == "5\u202fअप्रैल\u202f2025"
    assert EN.date("spring") == "spring"
    assert EN.date(None) == "not given"


@pytest.mark.parametrize(
    ("said", "set_right"),
    [
        ("moved -0.21 m (-0.01 east)", "moved −0.21 m (−0.01 east)"),
        ("filed on 2025-06-18", "filed on 2025-06-18"),
        ("the lease ML-417/2009-2", "the lease ML-417/2009-2"),
        ("of 35% it is 4.5%", "of 35\u202f% it is 4.5\u202f%"),
        ('the file "a-1 -2 5%.tif"', 'the file "a-1 -2 5%.tif"'),
    ],
)
def test_a_recorded_sentence_is_set_with_true_minus_signs_outside_names(said, set_right):
    assert Numbers(Words("en")).said(said) == set_right
