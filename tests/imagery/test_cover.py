"""Colours of known ground come out as what they are, and doubt stays doubt."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.errors import InputRefused
from survey.imagery.cover import CLASSES, cover


def look(colour, **more):
    bands = {
        name: np.full((2, 3), v / 255, np.float32)
        for name, v in zip(("red", "green", "blue"), colour, strict=True)
    }
    bands |= {name: np.full((2, 3), v, np.float32) for name, v in more.items()}
    got = cover(bands)
    return {name: float(getattr(got, name)[0, 0]) for name in CLASSES}


@pytest.mark.parametrize("colour", [(80, 110, 60), (50, 60, 45), (110, 150, 70), (150, 170, 100)])
def test_leaves(colour):
    assert look(colour)["vegetation"] > 0.8


@pytest.mark.parametrize(
    "colour",
    [(165, 100, 70), (150, 110, 80), (200, 180, 140), (128, 128, 128), (240, 240, 238), (70, 70, 72)],
)
def test_soil_sand_marble_and_basalt_are_bare(colour):
    assert look(colour)["bare"] > 0.8


@pytest.mark.parametrize("colour", [(70, 140, 130), (60, 90, 130), (30, 60, 70)])
def test_clear_water_is_blue_and_smooth(colour):
    assert look(colour, texture=0.004)["water"] > 0.8


def test_deep_shadow_is_neither_water_nor_ground_for_sure():
    seen = look((12, 12, 16))
    assert seen["shadow"] > 0.8
    assert seen["bare"] < 0.1


def test_muddy_water_has_the_colour_of_mud_and_only_infrared_tells():
    """Water takes up infrared light, mud gives it back."""
    assert look((140, 115, 85))["water"] < 0.1
    assert look((140, 130, 90), nir=0.12)["water"] > 0.3
    assert look((140, 115, 85), nir=0.65)["water"] < 0.02


def test_infrared_finds_dry_scrub():
    brownish = (120, 110, 85)
    assert look(brownish)["vegetation"] < 0.5
    assert look(brownish, nir=0.9)["vegetation"] > 0.7
    assert look(brownish, nir=0.55)["bare"] > 0.7


def test_what_was_not_seen_is_unknown():
    assert look((np.nan, 100, 100))["unknown"] == 1


def test_too_few_bands_are_refused_and_none_is_faked():
    with pytest.raises(InputRefused, match="cannot show"):
        cover({"grey": np.ones((2, 2))})


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1.25, width=32), min_size=4, max_size=4), st.booleans())
def test_shares_sum_to_one(values, infrared):
    bands = {
        n: np.full((1, 1), v, np.float32)
        for n, v in zip(("red", "green", "blue", "nir"), values, strict=True)
    }
    if not infrared:
        del bands["nir"]
    got = cover(bands)
    parts = np.array([getattr(got, name)[0, 0] for name in CLASSES])
    assert ((parts >= 0) & (parts <= 1)).all()
    assert parts.sum() == pytest.approx(1, abs=1e-5)
