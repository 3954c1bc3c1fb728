"""Heights in feet are told by how steep poured ground stands; what is not poured raises nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from survey.forensics.unit import BEYOND_SUMMIT, FEET, REPOSE_DEG, Poured, Summit, judge_unit, poured

CELL = 0.5


def ground(seed: int, side: int = 320) -> np.ndarray:
    rng = np.random.default_rng(seed)
    row, col = np.mgrid[:side, :side] * CELL
    return 300 + 0.05 * row + 4 * np.sin(col / 40) + rng.normal(0, 0.03, (side, side))


def dump(side: int, repose_deg: float, top_m: float) -> np.ndarray:
    """Height of a tipped heap with a level top: a cone of that slope, cut off."""
    row, col = (np.mgrid[:side, :side] - side / 2) * CELL
    return np.clip(math.tan(math.radians(repose_deg)) * (60 - np.hypot(row, col)), 0, top_m)


@pytest.mark.parametrize("repose_deg", [30.0, 34.0, 38.0, 42.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_dump_at_its_angle_of_repose_is_told_from_the_same_in_feet(repose_deg, seed):
    before = ground(seed)
    after = ground(seed + 100) + dump(320, repose_deg, 12.0)
    honest = judge_unit(poured(before, after, 0.0, CELL))
    assert honest.clear
    assert honest.evidence["slope_deg"] == pytest.approx(repose_deg, abs=4)
    in_feet = judge_unit(poured(before * FEET, after * FEET, 0.0, CELL))
    assert [f.name for f in in_feet.flags] == ["heights as if in feet"]
    # What it would be as feet is what it is.
    assert f"stand at {repose_deg:.0f}°" in in_feet.flags[0].message or any(
        f"stand at {repose_deg + d:.0f}°" in in_feet.flags[0].message for d in (-4, -3, -2, -1, 1, 2, 3, 4)
    )


def test_the_band_of_feet_lies_wholly_above_what_rests():
    low = math.degrees(math.atan(FEET * math.tan(math.radians(REPOSE_DEG[0]))))
    assert low > REPOSE_DEG[1] + 10


@pytest.mark.parametrize("seed", [3, 4])
def test_sheds_trees_and_faces_half_a_metre_off_are_not_poured(seed):
    before = ground(seed)
    after = ground(seed + 100)
    for k in range(8):
        after[20 + 36 * k : 40 + 36 * k, 30:70] += 6.0  # sheds with upright walls
    row, col = (np.mgrid[:320, :320] % 24 - 12) * CELL
    after[:, 200:] += np.clip(5 - (row**2 + col**2), 0, None)[:, 200:]  # crowns
    assert not judge_unit(poured(before, after, 0.0, CELL)).flags
    # A quarry whose walls of 70° are laid a cell off rises along them, on one side.
    pit = -np.clip(
        (np.hypot(*(np.mgrid[:320, :320] - 160.0)) * -CELL + 60) * math.tan(math.radians(70)), 0, 40
    )
    assert not judge_unit(poured(before + pit, ground(seed + 5) + np.roll(pit, 1, 1), 0.0, CELL)).flags


def test_an_offset_of_the_whole_survey_is_no_fill():
    before = ground(6)
    assert poured(before, ground(7) + 31.0, 31.0, CELL) is None


def test_tiles_join_and_little_is_too_little():
    before, after = ground(8), ground(9) + dump(320, 35.0, 12.0)
    one = poured(before, after, 0.0, CELL)
    assert one is not None
    both = Poured.joined([one, one])
    assert both is not None
    assert both.steep_m2 == 2 * one.steep_m2
    assert both.quantile_deg(0.5) == one.quantile_deg(0.5)
    few = Poured(np.where(np.arange(91) == 66, 100, 0).astype(np.int64), CELL * CELL)
    assert judge_unit(few).no_power is not None
    assert judge_unit(None).no_power is not None
    assert judge_unit(one, off_m=9.0).no_power is not None


def test_no_ground_is_higher_than_the_summit_of_its_state():
    abu = Summit("Rajasthan", 1722.0, "State summits, Rajasthan [grade C]")
    told = judge_unit(None, median_m=560 * FEET, summit=abu)
    assert [f.strength for f in told.flags] == ["strong"]
    assert "560" in told.flags[0].message
    assert "grade C" in told.flags[0].message
    assert not judge_unit(None, median_m=1700.0, summit=abu).flags  # Mount Abu
    assert not judge_unit(None, median_m=5000.0, summit=None).flags
    assert 1 < BEYOND_SUMMIT < 1.1
