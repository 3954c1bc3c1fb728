"""Hollows at several scales: what is one, how deep it is, and pits on ground too rough for rims."""

from __future__ import annotations

import math

import numpy as np
import pytest

from survey.volumetrics import existing
from survey.volumetrics.existing import Look
from survey.volumetrics.existing_find import hollowed, rim_of
from survey.volumetrics.existing_wide import WideLook, hollows

CELL = 2.0


def plane(rows: int = 150, cols: int = 160, slope: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    y, x = np.mgrid[0:rows, 0:cols] * CELL
    x, y = x - x.mean(), y - y.mean()
    return x, y, 250 + slope * x - 0.5 * slope * y


@pytest.mark.parametrize("slope", [0.0, 0.6])
@pytest.mark.parametrize("distance", WideLook().distances_m)
def test_a_plane_is_not_below_itself_and_a_pit_is_by_its_depth(slope: float, distance: float) -> None:
    x, y, ground = plane(slope=slope)
    flat = existing.breaks(ground.astype(np.float32), CELL, distance) * distance
    inner = np.s_[40:-40, 40:-40]
    assert np.abs(flat[inner]).max() < 2e-3
    pit = (ground - 5.0 * (np.hypot(x, y) < 0.6 * distance)).astype(np.float32)
    assert existing.breaks(pit, CELL, distance)[75, 80] * distance == pytest.approx(-5.0, abs=2e-3)


def rough(seed: int, x: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(seed)
    k = np.hypot(np.fft.fftfreq(x.shape[0])[:, None], np.fft.rfftfreq(x.shape[1])[None])
    k[0, 0] = 1
    spectrum = np.fft.rfft2(rng.normal(size=x.shape)) * k**-1.6 * (k < 0.25)
    spectrum[0, 0] = 0
    z = np.fft.irfft2(spectrum, s=x.shape)
    return z / z.std()


@pytest.mark.parametrize("seed", range(3))
def test_a_wide_pit_on_rough_ground_is_the_first_hollow_and_is_outlined(seed: int) -> None:
    cell = 1.0
    y, x = np.mgrid[0:300, 0:320] * cell
    x, y = x - x.mean(), y - y.mean()
    depth = np.clip((30.0 - np.hypot(x, y)) * math.tan(math.radians(55)), 0, 12.0)
    z = 300 + 0.2 * x + 2.5 * rough(seed, x) - depth
    coarse = z.reshape(150, 2, 160, 2).mean(axis=(1, 3)).astype(np.float32)
    found = hollows(coarse, 2.0, WideLook(), 40.0)
    first = found[0]
    core = np.zeros(coarse.shape, bool)
    rows, cols = first.cells.shape
    core[first.row0 : first.row0 + rows, first.col0 : first.col0 + cols] = first.cells
    core = np.kron(core, np.ones((2, 2), bool))
    true = depth > 0.05
    assert (core & true).sum() > 0.9 * core.sum()
    limits = Look().least_breaks
    rim = rim_of([existing.breaks(z.astype(np.float32), cell, d) for d in Look().distances_m], limits)
    pits = hollowed(z, core, 2.0 + 0.15 * first.distance_m, rim, cell, 40.0, 0.4)
    assert {c.body.sign for c in pits} == {-1}
    assert max((c.body.cells & true).sum() / (c.body.cells | true).sum() for c in pits) > 0.75


def test_level_ground_and_heaps_are_no_hollows() -> None:
    x, y, ground = plane()
    noise = np.random.default_rng(3).normal(0, 0.05, x.shape)
    heap = np.clip((20 - np.hypot(x, y)) * 0.65, 0, 6)
    assert hollows((ground + noise).astype(np.float32), CELL, WideLook(), 40.0) == []
    assert all(
        h.cells.sum() * CELL**2 < 40
        for h in hollows((ground + heap + noise).astype(np.float32), CELL, WideLook(), 40.0)
    )
    assert hollows(np.full((40, 40), np.nan, np.float32), CELL, WideLook(), 40.0) == []


def test_cells_grow_with_the_survey_so_that_memory_does_not() -> None:
    look = WideLook()
    assert look.block(0.5, 8192**2) == 4
    assert look.block(0.5, 100_000**2) ** 2 * look.most_cells >= 100_000**2
