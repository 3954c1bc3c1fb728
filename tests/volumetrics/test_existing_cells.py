"""Distances, holes and outlines of cells against their definitions, and breaks against theirs."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from survey.dem.recent import Recent
from survey.grid import Grid
from survey.volumetrics import existing
from survey.volumetrics.existing_cells import distance_to, edge_of, filled, window_of


def some(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.random(tuple(rng.integers(1, 26, 2))) < rng.choice([0.03, 0.3, 0.6])


@pytest.mark.parametrize("seed", range(12))
def test_distances_are_those_to_the_nearest_of_all_cells(seed: int) -> None:
    target = some(seed)
    target.flat[seed % target.size] = True
    at = np.argwhere(target)
    each = np.argwhere(np.ones_like(target))
    nearest = np.sqrt(((each[:, None] - at[None]) ** 2).sum(axis=2).min(axis=1)).reshape(target.shape)
    assert (distance_to(target) == nearest).all()


def test_nothing_is_infinitely_far() -> None:
    assert np.isinf(distance_to(np.zeros((4, 7), bool))).all()


@pytest.mark.parametrize("seed", range(12))
def test_a_hole_is_what_does_not_reach_the_edge(seed: int) -> None:
    mask = some(seed)
    reached = np.zeros_like(mask)
    reached[0], reached[-1], reached[:, 0], reached[:, -1] = True, True, True, True
    reached &= ~mask
    while True:
        wider = reached.copy()
        wider[1:] |= reached[:-1]
        wider[:-1] |= reached[1:]
        wider[:, 1:] |= reached[:, :-1]
        wider[:, :-1] |= reached[:, 1:]
        wider &= ~mask
        if (wider == reached).all():
            break
        reached = wider
    assert (filled(mask) == ~reached).all()


@pytest.mark.parametrize("seed", range(6))
def test_an_edge_cell_has_a_side_outside(seed: int) -> None:
    mask = some(seed)
    out = np.pad(mask, 1)
    alone = ~(out[:-2, 1:-1] & out[2:, 1:-1] & out[1:-1, :-2] & out[1:-1, 2:])
    assert (edge_of(mask) == (mask & alone)).all()


def test_a_window_holds_a_mask_and_what_is_around_it() -> None:
    mask = np.zeros((20, 30), bool)
    mask[3:5, 10:12] = True
    assert window_of(mask) == (slice(3, 5), slice(10, 12))
    assert window_of(mask, 4) == (slice(0, 9), slice(6, 16))


@pytest.mark.parametrize("distance_m", [2.0, 4.0, 8.0])
def test_a_break_is_the_median_of_what_a_cell_differs_from_opposite_pairs(distance_m: float) -> None:
    rng = np.random.default_rng(5)
    z = (200 + rng.normal(0, 1, (60, 75))).astype(np.float32)
    z[rng.random(z.shape) < 0.01] = np.nan
    z[30:36, 40:50] = np.nan
    half, far = round(distance_m / 8 / 0.5), round(distance_m / 0.5)
    mean = np.full(z.shape, np.nan)
    for i, j in np.argwhere(np.isfinite(z)):
        held = [
            float(z[i + a, j + b])
            for a in range(-half, half + 1)
            for b in range(-half, half + 1)
            if 0 <= i + a < 60 and 0 <= i - a < 60 and 0 <= j + b < 75 and 0 <= j - b < 75
            and np.isfinite(z[i + a, j + b]) and np.isfinite(z[i - a, j - b])
        ]  # fmt: skip
        mean[i, j] = np.mean(held)
    if half:  # gaps are bridged for those that look at them from afar
        for i, j in np.argwhere(np.isnan(z)):
            held = [
                float(z[i + a, j + b])
                for a in range(-half, half + 1)
                for b in range(-half, half + 1)
                if 0 <= i + a < 60 and 0 <= i - a < 60 and 0 <= j + b < 75 and 0 <= j - b < 75
                and np.isfinite(z[i + a, j + b]) and np.isfinite(z[i - a, j - b])
            ]  # fmt: skip
            mean[i, j] = np.mean(held) if held else np.nan
    turn = np.pi * np.arange(8) / 8
    found = existing.breaks(z, 0.5, distance_m)
    for i, j in np.argwhere(np.isfinite(z)):
        off = []
        for r, c in np.rint(far * np.stack([np.sin(turn), np.cos(turn)], axis=1)).astype(int).tolist():
            a, b, e, d = i + r, j + c, i - r, j - c
            if 0 <= a < 60 and 0 <= e < 60 and 0 <= b < 75 and 0 <= d < 75:
                off.append(mean[i, j] - (mean[a, b] + mean[e, d]) / 2)
        off = [x for x in off if np.isfinite(x)]
        truth = np.median(off) / (far * 0.5) if 2 * len(off) >= 8 else 0.0
        assert found[i, j] == pytest.approx(truth, abs=3e-5)
    assert np.isnan(found[np.isnan(z)]).all()


class Held:
    """Heights that count how often they are read; can be sent to another process."""

    block, block_origin = (8, 64), (0, 0)

    def __init__(self) -> None:
        self.grid = Grid("EPSG:32643", 0.0, 64.0, 1.0, 1.0, 64, 64)
        self.read_m2 = 0

    def read(self, piece: Grid) -> np.ndarray:
        self.read_m2 += piece.height * piece.width
        rows = np.arange(piece.row0, piece.row0 + piece.height, dtype=np.float32)
        return np.repeat(rows[:, None], piece.width, axis=1)


def test_what_is_kept_decoded_is_not_sent_along() -> None:
    recent = Recent(Held())
    recent.read(recent.grid)
    there = pickle.loads(pickle.dumps(recent))
    assert (there.read(there.grid.at(3, 9, 1, 5)) == np.arange(3, 9)[:, None]).all()
