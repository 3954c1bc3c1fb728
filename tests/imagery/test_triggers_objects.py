"""What is one thing and what is another, and what a sum of curves says of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.imagery.triggers.bands import NAMES, BandSet
from survey.imagery.triggers.classify import CLASSES, Model, model_for
from survey.imagery.triggers.objects import Neighbours
from survey.imagery.triggers.product import Product, counts
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.support import gather
from survey.imagery.triggers.tracks import Assessment, Figures, Replay

SIDE = 24
ROCK = np.array([0.2, 0.23, 0.26, 0.3, 0.33, 0.3], np.float32)
WATER = np.array([0.08, 0.1, 0.08, 0.03, 0.01, 0.01], np.float32)


def _product(parts: list[tuple[slice, slice, np.ndarray]]) -> Product:
    """A clear look in which the cells of each (rows, columns, spectrum) were never seen like this: p =
    10⁻⁴."""
    picture = np.zeros((SIDE, SIDE, 6), np.float32)
    for rows, cols, spectrum in parts:
        picture[rows, cols] = spectrum
    cell = np.nonzero(picture.any(-1).ravel())[0].astype(np.int32)
    n = len(cell)
    now = counts(picture.reshape(-1, 6)[cell])
    usual = counts(np.full((n, 6), 0.12, np.float32))
    return Product(
        0,
        0,
        np.ones((SIDE, SIDE), bool),
        cell,
        np.full(n, -4000, np.int16),
        np.full(n, 900, np.uint16),
        np.zeros(n, np.uint8),
        np.zeros(n, np.uint8),
        now,
        usual,
        usual,
        np.zeros((n, 2), np.int8),
        np.zeros(n, np.uint8),
    )


def _tracks(days: list[list[tuple[slice, slice, np.ndarray]]]):
    support = gather([[_product(parts)] for parts in days], SIDE, 6)
    sure = Assessment({c: float(c == "excavation") for c in CLASSES}, {}, 0.5, False)
    walking = Replay(support, TriggerSettings(), 100.0, lambda *_: sure, may_confirm=True)
    return [t for t in walking.run() if t.merged_into is None]


PIT = (slice(4, 10), slice(4, 10), ROCK)
GROWN = (slice(4, 10), slice(4, 16), ROCK)
POND = (slice(4, 10), slice(10, 18), WATER)


def test_a_pit_that_grows_stays_one_thing():
    (track,) = _tracks([[PIT], [PIT], [GROWN], [GROWN]])
    assert len(track.cells) == 72
    assert track.confirmed == 1  # the second look: strong evidence


def test_water_that_appears_beside_a_pit_is_another_thing():
    pit, pond = sorted(_tracks([[PIT], [PIT], [PIT, POND], [PIT, POND]]), key=lambda t: t.first)
    assert (pit.first, pond.first) == (0, 2)
    assert (len(pit.cells), len(pond.cells)) == (36, 48)


def test_two_like_things_that_grow_together_become_one():
    left, right = PIT, (slice(4, 10), slice(14, 20), ROCK)
    between = (slice(4, 10), slice(10, 14), ROCK)
    (track,) = _tracks([[left, right], [left, right], [left, between, right], [left, between, right]])
    assert len(track.cells) == 96


def test_things_that_turn_out_to_be_one_have_one_story():
    small, large = (slice(4, 10), slice(4, 8), ROCK), (slice(4, 10), slice(10, 20), ROCK)
    seam = (slice(4, 10), slice(8, 10), ROCK)
    (track,) = _tracks([[small], [large], [small, seam, large], [small, seam, large]])
    # On the second day two thirds of what had been seen till then were there.
    assert [(look.t, look.hit) for look in track.looks] == [(0, True), (1, True), (2, True), (3, True)]
    assert track.first == 0


RIM = (slice(4, 12), slice(4, 12))
WITHIN = (slice(5, 11), slice(5, 11))
NOTHING = np.zeros(6, np.float32)


def test_a_mixed_rim_that_was_seen_before_the_floor_belongs_to_it():
    mixed = 0.45 * ROCK + 0.55 * 0.12
    rim, floor = [(*RIM, mixed), (*WITHIN, NOTHING)], [(*RIM, mixed), (*WITHIN, ROCK)]
    (track,) = _tracks([rim, floor, floor])
    assert (len(track.cells), track.first) == (64, 0)


def test_a_pond_within_a_wall_is_another_thing():
    wall, pond = [(*RIM, ROCK), (*WITHIN, NOTHING)], [(*RIM, ROCK), (*WITHIN, WATER)]
    tracks = _tracks([wall, pond, pond])
    assert sorted(len(t.cells) for t in tracks) == [28, 36]


def test_two_unlike_things_side_by_side_stay_two():
    left, right = PIT, (slice(4, 10), slice(14, 20), WATER)
    seam = (slice(4, 10), slice(11, 13), ROCK)
    tracks = _tracks([[left, right], [left, right], [left, seam, right], [left, seam, right]])
    assert len(tracks) == 2
    assert sum(len(t.cells) for t in tracks) == 84


# -- classes -------------------------------------------------------------------------------------------
def _model() -> Model:
    rng = np.random.default_rng(4)
    knots = (np.array([0.0, 1.0, 3.0]), np.array([-2.0, 2.0]))
    curves = tuple(rng.normal(size=(len(CLASSES), len(k))) for k in knots)
    return Model("hand-made", ("a", "b"), knots, curves, rng.normal(size=len(CLASSES)), {})


@pytest.mark.parametrize("a", [-5.0, 0.0, 0.4, 1.0, 2.9, 3.0, 50.0])
def test_a_curve_is_straight_between_its_knots_and_level_beyond(a):
    model = _model()
    parts = model.parts({"a": a, "b": 0.5})
    for c in range(len(CLASSES)):
        assert parts[0, c] == pytest.approx(np.interp(a, model.knots[0], model.curves[0][c]))
        assert parts[1, c] == pytest.approx(np.interp(0.5, model.knots[1], model.curves[1][c]))


def test_probabilities_sum_to_one_and_follow_the_scores():
    model = _model()
    said = model.probabilities({"a": 0.3, "b": 1.0})
    score = model.parts({"a": 0.3, "b": 1.0}).sum(0) + model.bias
    assert sum(said.values()) == pytest.approx(1)
    assert max(said, key=lambda k: said[k]) == CLASSES[int(score.argmax())]
    ratio = np.log(said[CLASSES[0]] / said[CLASSES[1]])
    assert ratio == pytest.approx(score[0] - score[1])


def test_a_model_survives_being_written():
    model = _model()
    again = Model.from_json("x", model.to_json())
    for a in (-1.0, 0.7, 9.0):
        values = {"a": a, "b": -a}
        assert again.probabilities(values) == pytest.approx(model.probabilities(values), abs=1e-3)


@pytest.mark.parametrize("bands", [NAMES, ("green", "red", "nir"), ("blue", "green", "red", "nir")])
@pytest.mark.parametrize("short", [True, False])
def test_what_is_shipped_was_fitted_and_tried(bands, short):
    model = model_for(BandSet(bands), short_history=short)
    held = model.provenance["left_out_seeds"]
    assert all(max(of[:2]) < 10_000 for of in model.provenance["seeds"].values())
    # Stated and true share agree on seeds that were left out, where there are enough objects to tell.
    for row in held["reliability"]:
        if row["objects"] >= 200:
            error = 3 * np.sqrt(row["true"] * (1 - row["true"]) / row["objects"] * 6)
            assert abs(row["stated"] - row["true"]) <= error + 0.02


@given(st.integers(0, 2**31), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_groups_are_those_of_the_graph_of_neighbours(seed, reach):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 16, 2)
    cell = np.nonzero(rng.random(height * width) < rng.random())[0].astype(np.int64)
    active = rng.random(len(cell)) < 0.7
    rows, cols = np.divmod(cell, width)
    near = (abs(rows[:, None] - rows) <= reach) & (abs(cols[:, None] - cols) <= reach)
    index = np.nonzero(active)[0]
    left, wanted = set(index.tolist()), []
    for start in index.tolist():
        if start not in left:
            continue
        group, edge = set(), {start}
        while edge:
            group |= edge
            edge = {j for i in edge for j in index[near[i][index]].tolist()} - group
        left -= group
        wanted.append(sorted(group))
    found = Neighbours(cell, int(width), reach).components(active)
    assert [g.tolist() for g in found] == wanted


@given(st.integers(0, 2**31), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_what_tiles_kept_is_gathered_cell_by_cell(seed, dates):
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(2, 30, 2))
    row_cut, col_cut = (int(v) for v in (rng.integers(1, height), rng.integers(1, width)))
    kept, seen = rng.random((2, dates, height, width)) < rng.random((2, 1, 1, 1))
    value = rng.integers(0, 60_000, (dates, height, width)).astype(np.uint16)
    days = []
    for t in range(dates):
        tiles = []
        for rows in (slice(0, row_cut), slice(row_cut, height)):
            for cols in (slice(0, col_cut), slice(col_cut, width)):
                own, numbers = kept[t, rows, cols], value[t, rows, cols]
                cell = np.nonzero(own.ravel())[0].astype(np.int32)
                n, spectra = len(cell), np.repeat(numbers[own][:, None], 3, 1)
                tiles.append(
                    Product(
                        rows.start, cols.start, seen[t, rows, cols], cell, np.zeros(n, np.int16),
                        numbers[own], np.zeros(n, np.uint8), np.zeros(n, np.uint8), spectra, spectra,
                        spectra, np.zeros((n, 2), np.int8), np.zeros(n, np.uint8),
                    )
                )  # fmt: skip
        days.append(tiles)
    support = gather(days, width, 3)
    assert support.cell.tolist() == np.nonzero(kept.any(0).ravel())[0].tolist()
    assert (support.rows.astype(int) * width + support.cols == support.cell).all()
    for t in range(dates):
        np.testing.assert_array_equal(support.seen[t], seen[t].ravel()[support.cell])
        there = support.at[t] >= 0
        np.testing.assert_array_equal(there, kept[t].ravel()[support.cell])
        found = support.now[support.at[t][there], 0]
        np.testing.assert_array_equal(found, value[t].ravel()[support.cell[there]])


def test_figures_read_like_the_dictionary_they_came_from():
    given_figures = {"b": 2.5, "a": -1.0}
    figures = Figures(given_figures)
    assert dict(figures) == given_figures
    assert list(figures) == ["b", "a"]
    assert figures.get("c", 7.0) == 7.0
    assert len(figures) == 2
