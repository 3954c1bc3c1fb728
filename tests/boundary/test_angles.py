"""Angles in the spellings of surveyors."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.boundary.angles import parse_angle, split_pair

LAT = 24 + 35 / 60 + 12.34 / 3600


@pytest.mark.parametrize(
    "text",
    [
        "24°35'12.34\"N", "24 35 12.34 N", "N24-35-12.34", "24:35:12.34N", "24d35m12.34s N", "24°35′12.34″ N",
        "24º35’12.34”N", "24˚35'12.34''N", "24 deg 35 min 12.34 sec N", "24 Deg. 35 Min. 12.34 Sec. North",
        "२४°३५'१२.३४\" उ", "२४° ३५′ १२.३४″ उत्तर", "24°35'12,34\"N", "N 24° 35' 12.34\"", "24-35-12.34 n",
        "24 35 12.34\"N", "North 24 35 12.34", "24°35'12.34\" N.", " 24 ° 35 ' 12.34 \" N ",
        "24\u00a035\u00a012.34 N",
    ],
)  # fmt: skip
def test_degrees_minutes_seconds(text):
    angle = parse_angle(text)
    assert angle is not None
    assert angle.degrees == pytest.approx(LAT, abs=1e-12)
    assert angle.axis == "lat"
    assert angle.step_deg == pytest.approx(0.01 / 3600)


@pytest.mark.parametrize(
    ("text", "degrees", "axis"),
    [
        ("24° 35.2057' N", 24 + 35.2057 / 60, "lat"),
        ("24 35.2057", 24 + 35.2057 / 60, None),
        ("24.5868", 24.5868, None),
        ("24.5868°N", 24.5868, "lat"),
        ("E75.125", 75.125, "lon"),
        ("75°07'30\"E", 75.125, "lon"),
        ("75 7 30 पू", 75.125, "lon"),
        ("-24.5", -24.5, None),
        ("−24.5", -24.5, None),
        ("24.5 S", -24.5, "lat"),
        ("75.5 W", -75.5, "lon"),
        ("24°35'12\"S", -(24 + 35 / 60 + 12 / 3600), "lat"),
        ("24d35m12s", 24 + 35 / 60 + 12 / 3600, None),
        ("24d35m12s S", -(24 + 35 / 60 + 12 / 3600), "lat"),
        ("24°34'60.00\"N", 24 + 35 / 60, "lat"),
        ("24°", 24.0, None),
        ("24°35'", 24 + 35 / 60, None),
    ],
)
def test_other_forms(text, degrees, axis):
    angle = parse_angle(text)
    assert angle is not None
    assert angle.degrees == pytest.approx(degrees, abs=1e-12)
    assert angle.axis == axis


@pytest.mark.parametrize(
    "text",
    ["", "N", "abc", "24.5.6", "24°60'00\"", "24°35'61\"", "-24.5 S", "243512.34N", "24.35.12", "24.5868 NE",
     "1e3", "N24.5E", "24.5°35'12\"", "24°35.5'12\"", "400", "24 35 12 34", "2_4"],
)  # fmt: skip
def test_what_can_be_read_in_no_way_or_in_two_is_no_angle(text):
    assert parse_angle(text) is None


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 179), st.integers(0, 59), st.integers(0, 5999),
    st.sampled_from(["{d}°{m}'{s}\"{h}", "{d} {m} {s} {h}", "{h}{d}-{m}-{s}", "{d}:{m:02d}:{s} {h}",
                     "{d}d{m}m{s}s {h}", "{h} {d}° {m}′ {s}″"]),
    st.sampled_from("NSEW"),
)  # fmt: skip
def test_every_form_reads_back(d, m, hundredths, form, letter):
    text = form.format(d=d, m=m, s=f"{hundredths / 100:.2f}", h=letter)
    angle = parse_angle(text)
    assert angle is not None
    sign = -1 if letter in "SW" else 1
    assert angle.degrees == pytest.approx(sign * (d + m / 60 + hundredths / 360_000), abs=1e-11)
    assert angle.axis == ("lat" if letter in "NS" else "lon")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_no_text_breaks_the_parser(text):
    parse_angle(text)
    split_pair(text)


@pytest.mark.parametrize(
    ("text", "halves"),
    [
        ("24°35'12\"N 75°07'00\"E", ("24°35'12\"N", "75°07'00\"E")),
        ("24°35'12\"N, 75°07'00\"E", ("24°35'12\"N", "75°07'00\"E")),
        ("N24.5 E75.1", ("N24.5", "E75.1")),
        ("24.5, 75.1", ("24.5", "75.1")),
        ("24.5,75.1", ("24.5", "75.1")),
        ("24.5/75.1", ("24.5", "75.1")),
    ],
)
def test_pairs(text, halves):
    assert split_pair(text) == halves


def test_not_a_pair():
    assert split_pair("24.5 75.1 3") is None
