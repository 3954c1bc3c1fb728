"""Each number of the evidence on forms that were made to have it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from importlib.resources import files
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from survey.imagery.region_colour import NOTHING, Seen
from survey.volumetrics import telling
from survey.volumetrics.region_shape import Scale, Shape, shape_of, wall_sampling
from survey.volumetrics.telling_words import in_words

CELL = 0.5
SCALE = Scale(smooth_m=0.02, smooth_slope_m=0.0, random_m=0.03, radius=2)
N = 120
EAST, SOUTH = np.meshgrid((np.arange(N) - N / 2) * CELL, (np.arange(N) - N / 2) * CELL)
R = np.hypot(EAST, SOUTH)
RNG = np.random.default_rng(1)
GROUND = 300 + 0.03 * EAST + RNG.normal(0, 0.02, (N, N))
NOISE = RNG.normal(0, 0.03, (N, N))


def look(rise: np.ndarray, before: np.ndarray = GROUND, least: float = 0.06) -> Shape:
    return shape_of(before, rise + NOISE, np.abs(rise) > least, (CELL, CELL), SCALE)


def frustum(depth: float, radius: float = 8.0, face: float = 1.5) -> np.ndarray:
    return np.clip((radius - R) * face, 0, depth)


def test_a_pit_did_not_stand_above_its_surroundings() -> None:
    s = look(-frustum(2.0))
    assert s.standing == pytest.approx(0, abs=0.1)
    assert s.closed > 0.95
    assert s.open_edge == 0


def test_a_heap_stands_and_its_removal_stood() -> None:
    assert look(frustum(2.0)).standing == pytest.approx(1, abs=0.1)
    assert look(-frustum(2.0), GROUND + frustum(2.0)).standing == pytest.approx(1, abs=0.1)


def test_fill_of_an_older_pit_stands_nowhere_above() -> None:
    assert look(frustum(2.0), GROUND - frustum(2.0)).standing == pytest.approx(0, abs=0.1)


def test_swapped_surveys_give_the_same_shape() -> None:
    """What was a pit is a fill: the same ground, the same edges, the same step."""
    rise = -frustum(2.0) + NOISE
    inside = frustum(2.0) > 0.06
    one = shape_of(GROUND, rise, inside, (CELL, CELL), SCALE)
    two = shape_of(GROUND + rise, -rise, inside, (CELL, CELL), SCALE)
    for name in ("closed", "width_m", "uneven", "standing", "level", "rough_high", "grain_low"):
        assert getattr(one, name) == pytest.approx(getattr(two, name), rel=1e-6), name


def test_strips_are_long_and_know_the_fall_line() -> None:
    slope = 300 + 0.2 * EAST
    strip = np.where((np.abs(SOUTH) < 1.0) & (np.abs(EAST) < 20), -0.6, 0.0)
    along, across = look(strip, slope), look(strip.T, slope)
    assert along.width_m == pytest.approx(2.0, abs=1.0)
    assert along.elongation > 8
    assert along.along_flow > 0.9
    assert across.along_flow < 0.1


def test_a_box_is_upright_level_and_rectangular() -> None:
    box = (np.abs(SOUTH) < 3) & (np.abs(EAST) < 6)
    s = look(np.where(box, 303.0 - GROUND, 0.0))
    assert s.wall > 0.9
    assert s.level < 0.05
    assert s.rectangular > 0.95


def test_a_swell_has_no_edge_and_a_plate_has() -> None:
    swell = 0.1 * np.exp(-((R / 12) ** 2))
    plate = np.where(R < 12, 0.1, 0.0)
    inside = R < 10
    soft = shape_of(GROUND, swell, inside, (CELL, CELL), SCALE)
    hard = shape_of(GROUND, plate, R < 12, (CELL, CELL), SCALE)
    assert soft.edge_share < 0.6
    assert hard.edge_share == pytest.approx(1, abs=0.15)


def test_a_guess_has_no_grain() -> None:
    """A parabola laid over part of the later survey has third differences of zero."""
    inside = R < 8
    guess = 300.4 + 0.01 * EAST**2 - 0.02 * SOUTH
    rise = np.where(inside, guess - GROUND, NOISE)
    s = shape_of(GROUND, rise, inside, (CELL, CELL), SCALE)
    assert s.grain_high < -2
    assert abs(s.grain_low) < 0.7


@pytest.mark.parametrize("coarser", [2, 3, 4])
@pytest.mark.parametrize("way", [-1, 1])
def test_ground_between_the_cells_of_a_coarser_survey_is_no_guess(coarser: int, way: int) -> None:
    """Linear between its cells, the later survey has hardly a third difference anywhere; nor has its pit."""
    n = N // coarser
    at = (np.arange(n) + 0.5) * coarser - 0.5
    east, south = np.meshgrid((at - N / 2) * CELL, (at - N / 2) * CELL)
    rough = np.random.default_rng(4).normal(0, 0.02, (n, n))
    depth = way * np.clip((12 - np.hypot(east, south)) * 1.5, 0, 4)
    between = RegularGridInterpolator((at, at), 300 + 0.03 * east + rough + depth, bounds_error=False)
    r, c = np.mgrid[0:N, 0:N]
    after = between((r, c))
    inside = R < 12
    s = shape_of(GROUND, after - GROUND, inside, (CELL, CELL), replace(SCALE, after_cells=coarser))
    # More than around, if anything: the faces bend from cell to cell.
    assert s.grain_high > -0.3
    assert s.grain_low > -0.3


def test_where_no_four_cells_lie_in_a_row_no_grain_can_show() -> None:
    inside = (np.abs(EAST - SOUTH) < 0.6) & (R < 10)  # a trench across the cells, three of them wide
    s = shape_of(GROUND, np.where(inside, -2.0, NOISE), inside, (CELL, CELL), SCALE)
    assert s.grain_high == s.grain_low == -math.inf


def test_where_the_ground_around_has_no_grain_either_it_says_nothing() -> None:
    """Heights in whole decimetres on a plain."""
    before = np.round(GROUND, 1)
    inside = R < 8
    rise = np.where(inside, np.round(300.4 + 0.01 * EAST**2, 1) - before, 0.0)
    s = shape_of(before, rise, inside, (CELL, CELL), SCALE)
    assert s.grain_high == s.grain_low == 0


def test_crowns_are_rough() -> None:
    crowns = np.where(R < 8, 3 + RNG.normal(0, 0.4, (N, N)), 0)
    assert look(crowns).rough_high > 1.5


def test_missing_data_at_the_outline_is_seen() -> None:
    rise = -frustum(2.0) + NOISE
    rise[:, : N // 2] = np.nan
    s = shape_of(GROUND, rise, (frustum(2.0) > 0.06), (CELL, CELL), SCALE)
    assert 0.2 < s.open_edge < 0.6


@pytest.mark.parametrize("step", [1, 4])
def test_a_shed_is_higher_than_earth_can_be_heaped_whatever_the_cells(step: int) -> None:
    """On cells of half a metre and of two, where no side of either is resolved."""

    def seen(rise: np.ndarray) -> Shape:
        blocks = rise.reshape(N // step, step, N // step, step).mean(axis=(1, 3))
        flat = np.full(blocks.shape, 300.0)
        return shape_of(flat, blocks, blocks > 0.3, (CELL * step, CELL * step), SCALE)

    cone = np.clip(0.65 * (6.0 - R), 0, None)
    shed = np.where((np.abs(SOUTH) < 3) & (np.abs(EAST) < 4), 3.5, 0.0)
    assert seen(cone).piled < 1.1
    assert seen(shed).piled > 1.5
    assert (seen(shed).cells_wide < 6) == (step == 4)


def test_what_is_out_of_reach_of_any_certain_change_is_a_lobe() -> None:
    certain = replace(SCALE, certain_m=0.1, reach_m=2.0)
    rise = -frustum(2.0) - np.where((np.abs(SOUTH) < 2) & (EAST > 7) & (EAST < 25), 0.05, 0.0)
    inside = rise < -0.02
    s = shape_of(GROUND, rise, inside, (CELL, CELL), certain)
    far = inside & (R > 11) & (EAST > 0)
    assert s.lobe_share == pytest.approx(rise[far].sum() / rise[inside].sum(), rel=0.15)
    assert shape_of(GROUND, -frustum(2.0), frustum(2.0) > 0, (CELL, CELL), certain).lobe_share == 0.0


def test_of_a_pit_the_lower_surface_breaks_with_the_ground_and_of_a_crop_the_higher() -> None:
    """Beside terraces that stand in both surveys, too."""
    terraces = np.where(EAST > 8, -0.4, np.where(EAST < -8, 0.3, 0.0))
    field = (np.abs(EAST) < 8) & (np.abs(SOUTH) < 8)
    ground = GROUND + terraces
    pit, crop = np.where(field, -0.9, 0.0), np.where(field, 0.9, 0.0)
    assert look(pit, ground).odd_high < 0.2
    assert look(-crop, ground + crop).odd_high > 0.8
    assert look(pit).odd_high < 0.05
    assert look(-crop, GROUND + crop).odd_high > 0.95


CLIFF = 300 + 6 / (1 + np.exp(-EAST * 3)) + RNG.normal(0, 0.01, (N, N))


@pytest.mark.parametrize(("east_cells", "blur"), [(0.4, 0.0), (0.0, 0.9), (-0.3, 0.6)])
def test_a_cliff_that_was_moved_or_blurred_foretells_its_change(east_cells: float, blur: float) -> None:
    from scipy.ndimage import gaussian_filter, shift

    after = gaussian_filter(shift(CLIFF, (0, east_cells), order=3, mode="nearest"), blur)
    rise = after - CLIFF
    inside = (np.abs(rise) > 0.15) & (np.sign(rise) == np.sign(rise.ravel()[np.abs(rise).argmax()]))
    inside &= np.abs(SOUTH) < 20
    s = shape_of(CLIFF, rise, inside, (CELL, CELL), SCALE)
    assert s.foretold > 0.8
    assert s.cells_moved < 1.5


def test_no_ground_foretells_a_pit_nor_a_cliff_that_was_cut_back() -> None:
    assert look(-frustum(2.0)).foretold < 0.1
    pit = look(-frustum(2.0), CLIFF)
    assert pit.foretold < 0.15
    back = 300 + 6 / (1 + np.exp(-(EAST - 6) * 3))
    rise = np.where(np.abs(SOUTH) < 20, back - CLIFF, 0.0)
    s = shape_of(CLIFF, rise + NOISE, rise < -0.1, (CELL, CELL), SCALE)
    assert s.foretold < 0.4


def test_what_the_ground_foretells_is_the_same_upside_down_and_turned() -> None:
    rise = np.roll(CLIFF, 1, axis=1) - CLIFF
    inside = (rise < -0.15) & (np.abs(SOUTH) < 20)
    s = shape_of(CLIFF, rise, inside, (CELL, CELL), SCALE)
    for before, change, where in ((-CLIFF, -rise, inside), (CLIFF.T, rise.T, inside.T)):
        other = shape_of(before, change, where, (CELL, CELL), SCALE)
        assert other.foretold == pytest.approx(s.foretold, rel=1e-6)


def test_faces_of_a_cone_go_on_and_lie_at_repose_and_leaves_do_neither() -> None:
    cone = np.clip(0.65 * (8.0 - R), 0, None)
    crowns = np.where(R < 8, 3 + RNG.normal(0, 0.5, (N, N)), 0)
    heap, leaves = look(cone), look(crowns)
    assert heap.coherent > 0.9
    assert leaves.coherent < 0.5
    assert heap.at_repose > 0.7
    assert leaves.at_repose < 0.2
    assert heap.deeper_within > 2
    assert leaves.deeper_within == pytest.approx(1, abs=0.1)
    assert leaves.rougher_high > 1.5
    assert look(-crowns, GROUND + crowns).rougher_high > 1.5


def test_a_gully_deepens_what_was_hollow_and_a_pit_does_not() -> None:
    valley = GROUND - 1.2 * np.exp(-((SOUTH / 2.0) ** 2))
    strip = np.where((np.abs(SOUTH) < 1.5) & (np.abs(EAST) < 20), -0.8, 0.0)
    assert look(strip, valley).hollow > 0.2
    assert look(strip).hollow == pytest.approx(0, abs=0.05)
    assert look(strip, 600 - valley).hollow < -0.2


def test_water_is_level_to_the_noise_of_a_cell() -> None:
    bowl = GROUND - frustum(3.0)
    pond = look(np.where(R < 7.5, 299.5 - bowl, 0.0), bowl)
    assert pond.level_sigmas < 2
    assert look(frustum(2.0, face=0.6)).level_sigmas > 5


def test_how_far_ground_had_to_move_is_its_change_over_its_slope() -> None:
    slope = 300 + 0.5 * EAST
    box = (np.abs(SOUTH) < 6) & (np.abs(EAST) < 6)
    s = shape_of(slope, np.where(box, -1.0, 0.0), box, (CELL, CELL), replace(SCALE, after_cells=2))
    assert s.cells_moved == pytest.approx(1.0 / (0.5 * CELL * 2), rel=0.05)


# -- the model -------------------------------------------------------------------------------------------
def region(sign: int, rise: np.ndarray, before: np.ndarray = GROUND) -> SimpleNamespace:
    shape = look(rise, before)
    inside = np.abs(rise) > 0.06
    area = float(inside.sum()) * CELL**2
    return SimpleNamespace(
        sign=sign, area_m2=area, median_m=float(np.median(np.abs(rise[inside]))), certainty=40.0,
        shape=shape, colour=NOTHING,
    )  # fmt: skip


def test_probabilities_sum_to_one_and_a_plain_pit_is_digging() -> None:
    e = region(-1, -frustum(2.5))
    p = telling.probabilities(-1, telling.numbers(e))
    assert math.fsum(p.values()) == pytest.approx(1)
    assert tuple(p) == telling.CLASSES
    assert p["digging"] > 0.8


def test_every_number_is_bounded_whatever_is_put_in() -> None:
    e = region(-1, -frustum(2.5))
    strange = SimpleNamespace(**vars(e))
    values = dict.fromkeys((f for f in Shape.__dataclass_fields__), math.nan)
    strange.shape = Shape(**values)
    strange.certainty = math.inf
    for name, value in telling.numbers(strange).items():
        low, high = telling.BOUNDS[name]
        assert low <= value <= high, name


def test_colours_that_nobody_saw_are_not_invented() -> None:
    assert not set(telling.COLOURS) & set(telling.numbers(region(-1, -frustum(2.5))))


@pytest.mark.parametrize("when", telling.SEEN)
def test_one_orthomosaic_says_what_it_shows_and_nothing_of_the_other(when: str) -> None:
    e = region(1, frustum(2.5, face=0.7))
    green = Seen(vegetation=0.9, water=0.0, bare=0.1, shadow=0.0)
    soil = Seen(vegetation=0.1, water=0.0, bare=0.9, shadow=0.0)
    e.colour = replace(NOTHING, **{when: green, f"around_{when}": soil})
    given = telling.numbers(e)
    assert telling.seen_alone(given) == when
    assert telling.which_weights(1, given) == f"fill seen {when}"
    assert tuple(given) == telling.names_of(f"fill seen {when}")
    assert given[f"greener_alone_{when}"] == pytest.approx(0.8)
    assert math.fsum(telling.probabilities(1, given).values()) == pytest.approx(1)
    assert "90 % green" in in_words([f"green_alone_{when}"], e)


def test_the_weights_say_what_they_were_learnt_from() -> None:
    raw = json.loads(files("survey.volumetrics").joinpath("telling_model.json").read_text("utf-8"))
    assert raw["classes"] == list(telling.CLASSES)
    sets = ("", " with colour", " seen before", " seen after")
    assert set(raw["weights"]) == {sign + way for sign in ("cut", "fill") for way in sets}
    for name, w in raw["weights"].items():
        assert w["names"] == list(telling.names_of(name))
        assert np.isfinite(np.array(w["coefficients"])).all()
    assert raw["provenance"]["held_out"]


def test_words_name_what_spoke() -> None:
    e = region(-1, -frustum(2.5))
    assert "edge" in in_words(["closed"], e)
    assert in_words(["green_high"], e) == ""  # nobody saw its colour


@pytest.mark.parametrize("shape", [(9, 9), (9, 40), (40, 9)])
def test_a_single_cell_can_be_looked_at(shape: tuple[int, int]) -> None:
    """One cell of ten metres is a region of 100 m²: nothing may fail on it."""
    rise = np.zeros(shape)
    rise[4, 4] = -3.0
    s = shape_of(np.full(shape, 300.0), rise, rise < 0, (10.0, 10.0), SCALE)
    assert s.closed == 1.0
    assert s.one_cell == 1.0


def test_a_product_speaks_for_both_of_its_numbers_and_is_bounded() -> None:
    pairs = telling.places(["a", "b", "c"], [["a", "b"], ["c", "c"]])
    z = np.array([2.0, -1.5, 4.0])
    assert telling.with_pairs(z, pairs) == pytest.approx([2.0, -1.5, 4.0, -3.0, telling.PAIR_BOUND])
    w = telling.Weights(
        ("a", "b", "c"), np.zeros(3), np.ones(3), np.zeros(2),
        np.array([[1.0, 0.0, 0.0, -2.0, 1.0], [0.0] * 5]), pairs,
    )  # fmt: skip
    given = dict(zip("abc", z.tolist(), strict=True))
    assert w.scores(given) == pytest.approx([2.0 + 6.0 + telling.PAIR_BOUND, 0.0])
    # All that is said is said by some number: 2 + half of 6, half of 6, and the whole of its own square.
    assert dict(w.speaking(given, 0, 1)) == pytest.approx({"a": 5.0, "b": 3.0, "c": telling.PAIR_BOUND})


def test_calibrated_odds_are_stretched_moved_and_shared():
    """ln(p′/(1 − p′)) = slope · ln(p/(1 − p)) + shift; all sum to one, the others keep their ratios."""
    m = telling.model()
    others = dict(zip(telling.CLASSES[1:], (0.4, 0.3, 0.15, 0.1, 0.04, 0.01), strict=True))
    last = 0.0
    for digging in (1e-6, 0.1, 0.45, 0.5, 0.9, 0.999):
        p = {telling.DIGGING: digging}
        p |= {name: share * (1 - digging) for name, share in others.items()}
        out = telling.calibrated(p)
        now = out[telling.DIGGING]
        assert math.log(now / (1 - now)) == pytest.approx(
            m.slope * math.log(digging / (1 - digging)) + m.shift, rel=1e-9
        )
        assert sum(out.values()) == pytest.approx(1.0, rel=1e-12)
        for name, share in others.items():
            assert out[name] == pytest.approx(share * (1 - now), rel=1e-6)
        assert now > last
        last = now
    for sure in (0.0, 1.0):
        out = telling.calibrated({telling.DIGGING: sure, "crop": 1 - sure})
        assert sum(out.values()) == pytest.approx(1.0)


# -- walls between cells -----------------------------------------------------------------------------------
def _sums(radius: float, height: float, slope: float, times: int = 120) -> tuple[float, float]:
    """(scatter of the sum over cells, what is said of it) of a round pit laid at random, cells of 1 m."""
    rng = np.random.default_rng(8)
    y, x = np.mgrid[:40, :40]
    sums, said = [], []
    for east, north in rng.uniform(19, 20, (times, 2)):
        r = np.hypot(x - east, y - north)
        d = np.clip((radius - r) * slope, 0, height)
        sums.append(d.sum())
        said.append(wall_sampling(d, np.ones(d.shape, bool), r < radius + 2))
    return float(np.std(sums)), float(np.mean(said))


@pytest.mark.parametrize("height", [0.5, 3.0])
def test_an_upright_wall_is_sampled_by_its_height_and_length(height: float) -> None:
    scatter, said = _sums(11.0, height, 1e6)
    assert said == pytest.approx(height * math.sqrt(0.0724 * 2 * math.pi * 11.0), rel=0.1)
    assert said == pytest.approx(scatter, rel=0.25)


@pytest.mark.parametrize("slope", [1.0, 0.5])
def test_a_slope_that_cells_resolve_is_missed_by_little(slope: float) -> None:
    scatter, said = _sums(11.0, 3.0, slope)
    wall = 3.0 * math.sqrt(0.0724 * 2 * math.pi * 11.0)
    assert scatter < 0.1 * wall
    assert said < 0.1 * wall


def test_what_is_said_of_steep_sides_is_no_less_than_they_scatter() -> None:
    for slope in (4.0, 2.0):
        scatter, said = _sums(11.0, 1.5, slope)
        assert said > 0.8 * scatter


def test_a_wall_thinner_than_a_cell_is_seen_as_two() -> None:
    """Sampled anew by a later survey, 5 m of wall come and go along its line: up here, down there."""
    rng = np.random.default_rng(9)
    y, x = np.mgrid[:40, :40]
    sums, said = [], []
    for east, north in rng.uniform(19, 20, (120, 2)):
        r = np.hypot(x - east, y - north)
        d = np.where((r > 10.0) & (r < 10.6), 5.0, 0.0)
        sums.append(d.sum())
        said.append(wall_sampling(d, np.ones(d.shape, bool), r < 13))
    assert float(np.mean(said)) == pytest.approx(float(np.std(sums)), rel=0.5)


def test_data_that_end_are_no_wall() -> None:
    d = np.full((30, 30), 2.0)
    known = np.ones(d.shape, bool)
    known[:, 15:] = False
    assert wall_sampling(np.where(known, d, 0.0), known, np.ones(d.shape, bool)) == 0.0
