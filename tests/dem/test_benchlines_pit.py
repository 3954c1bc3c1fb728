"""A pit with faces, berms and a floor of known size: crests, toes and their figures come back out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from survey.dem.benchlines import bench_lines
from survey.grid import Grid

EAST, NORTH = 500_060.0, 2_499_940.0


def pit(cell: float, *, height: float, angle: float, berm: float, benches: int, noise: float = 0.0):
    side = round(120 / cell)
    grid = Grid("EPSG:32643", 500_000.0, 2_500_000.0, cell, cell, side, side)
    rows, cols = np.mgrid[0:side, 0:side]
    east, north = grid.east_north(rows, cols)
    face = height / math.tan(math.radians(angle))
    radii, levels = [12.0], [100.0 - benches * height]
    for _ in range(benches):
        radii += [radii[-1] + face, radii[-1] + face + berm]
        levels += [levels[-1] + height] * 2
    z = np.interp(np.hypot(east - EAST, north - NORTH), radii, levels)
    z += np.random.default_rng(3).normal(0, noise, z.shape) if noise else 0.0
    return z.astype(np.float32), grid, radii


def mean_radius(line: np.ndarray) -> float:
    return float(np.hypot(line[:, 0] - EAST, line[:, 1] - NORTH).mean())


@pytest.mark.parametrize(
    ("angle", "cell", "noise"), [(45, 0.25, 0.0), (60, 0.5, 0.0), (70, 0.25, 0.02), (38, 0.5, 0.03)]
)
def test_crests_toes_heights_angles_and_berms(angle, cell, noise):
    z, grid, radii = pit(cell, height=5.0, angle=angle, berm=7.0, benches=2, noise=noise)
    found = bench_lines(z, grid)
    crests = sorted((b for b in found if b.kind == "crest"), key=lambda b: mean_radius(b.line))
    toes = sorted((b for b in found if b.kind == "toe"), key=lambda b: mean_radius(b.line))
    assert len(crests) == len(toes) == 2
    for k, (crest, toe) in enumerate(zip(crests, toes, strict=True)):
        assert mean_radius(crest.line) == pytest.approx(radii[2 * k + 1], abs=0.75 * cell)
        assert mean_radius(toe.line) == pytest.approx(radii[2 * k], abs=0.75 * cell)
        for line in (crest, toe):
            assert line.height_m == pytest.approx(5.0, abs=0.1 + 3 * noise)
            assert line.face_angle_deg == pytest.approx(angle, abs=2.0)
    assert toes[1].berm_width_m == pytest.approx(7.0, abs=2 * cell)
    assert math.isnan(toes[0].berm_width_m)  # the floor is no berm
    assert math.isnan(crests[0].berm_width_m)


def test_a_dump_has_its_crest_above_and_its_toe_below():
    z, grid, radii = pit(0.5, height=6.0, angle=37.0, berm=5.0, benches=1)
    dump = (200.0 - z).astype(np.float32)
    crest, toe = bench_lines(dump, grid)
    assert (crest.kind, toe.kind) == ("crest", "toe")
    assert mean_radius(crest.line) == pytest.approx(radii[0], abs=0.5)
    assert mean_radius(toe.line) == pytest.approx(radii[1], abs=0.5)
    assert crest.line[:, 2].mean() - toe.line[:, 2].mean() == pytest.approx(6.0, abs=0.5)


def test_low_faces_gentle_ground_and_noise_are_no_benches():
    z, grid, _ = pit(0.5, height=1.2, angle=60, berm=7.0, benches=2)
    assert bench_lines(z, grid, least_height_m=2.0) == []
    rows, cols = np.mgrid[0:200, 0:200]
    hill = (0.3 * cols * 0.5 + np.random.default_rng(0).normal(0, 0.03, (200, 200))).astype(np.float32)
    assert bench_lines(hill, Grid("EPSG:32643", 0.0, 0.0, 0.5, 0.5, 200, 200)) == []
    assert rows.shape == hill.shape


def test_a_face_that_runs_out_of_the_data_has_no_figures():
    z, grid, radii = pit(0.5, height=5.0, angle=60, berm=7.0, benches=1)
    rows, cols = np.mgrid[0 : grid.height, 0 : grid.width]
    east, north = grid.east_north(rows, cols)
    z[np.hypot(east - EAST, north - NORTH) < radii[0] + 1.0] = np.nan
    assert bench_lines(z, grid) == []


def test_moving_the_world_moves_the_lines():
    z, grid, _ = pit(0.5, height=5.0, angle=60, berm=7.0, benches=2)
    from dataclasses import replace

    moved = replace(grid, west=grid.west + 1000.0, north=grid.north - 500.0)
    for here, there in zip(bench_lines(z, grid), bench_lines(z + 64.0, moved), strict=True):
        np.testing.assert_allclose(
            there.line - here.line, [[1000.0, -500.0, 64.0]] * len(here.line), atol=1e-3
        )
        assert there.height_m == pytest.approx(here.height_m, abs=1e-3)
