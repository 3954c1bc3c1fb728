"""The one pass: closed-form volumes, laws, and the same numbers however it is cut."""

from __future__ import annotations

import math

import numpy as np
import numpy.testing as npt
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from simulated import Held, grid, held

from survey.boundary.coverage import Coverage
from survey.dem.mapping import map_onto
from survey.dem.rise import Correction
from survey.grid import Grid
from survey.volumetrics.change_mask import Thresholds
from survey.volumetrics.coarse_sums import means
from survey.volumetrics.regions import gather
from survey.volumetrics.sweep import BandResult, LayerTotals, Plan, RowFeed, bands, chunks, sweep_band

FLAT = 300.0


class OneLayer:
    """A polygon as the only layer."""

    names = ("lease",)

    def __init__(self, polygon, g: Grid) -> None:  # type: ignore[no-untyped-def]
        self._cover = Coverage(polygon, g)

    def weights(self, piece: Grid):  # type: ignore[no-untyped-def]
        return (self._cover.weights(piece),)


def plan_of(before: Held, after: Held, polygon=None, low=0.05, seed=0.2, **more) -> Plan:  # type: ignore[no-untyped-def]
    g = before.grid
    b = g.bounds
    whole = shapely.box(b.west - 1, b.south - 1, b.east + 1, b.north + 1)
    return Plan(
        before,
        after,
        map_onto(g, after.grid),
        Correction(),
        g,
        Thresholds(low, seed, 0.0, 1),
        OneLayer(polygon or whole, g),
        **more,
    )


def swept(plan: Plan, pieces=None, chunk=None) -> list[BandResult]:  # type: ignore[no-untyped-def]
    return [sweep_band(plan, p, chunk) for p in (pieces or bands(plan.job, plan.before.block, 1))]


def total(results: list[BandResult]) -> LayerTotals:
    out = results[0].totals
    for r in results[1:]:
        out = out + r.totals
    return out


def volume_m3(results: list[BandResult], plan: Plan, layer: int = -1) -> float:
    return total(results).rise[layer] / (65536 * 4096) * plan.job.cell_area_m2


def centre(g: Grid) -> tuple[float, float]:
    b = g.bounds
    return (b.west + b.east) / 2 + 0.137, (b.south + b.north) / 2 - 0.211


R, H, r = 20.0, 5.0, 8.0


def frustum(d):  # type: ignore[no-untyped-def]
    return np.where(d < r, H, np.clip(H * (R - d) / (R - r), 0, None))


def cone(d):  # type: ignore[no-untyped-def]
    return np.clip(H * (1 - d / R), 0, None)


def paraboloid(d):  # type: ignore[no-untyped-def]
    return np.clip(H * (1 - (d / R) ** 2), 0, None)


def hemisphere(d):  # type: ignore[no-untyped-def]
    return np.sqrt(np.clip(R * R - d * d, 0, None))


@pytest.mark.parametrize("cell", [0.5, 1.0])
@pytest.mark.parametrize(
    ("shape", "truth", "relative", "order"),
    [
        # METHODS §5: volumes of R = 20, H = 5, r = 8, relative RMS at 1 m and order of convergence.
        (frustum, math.pi * H / 3 * (R * R + R * r + r * r), 2e-5, 2.7),
        (cone, math.pi * R * R * H / 3, 4e-5, 2.5),
        (paraboloid, math.pi * R * R * H / 2, 6e-5, 2.6),
        (hemisphere, 2 / 3 * math.pi * R**3, 4e-4, 2.1),
    ],
)
def test_closed_forms(shape, truth, relative, order, cell):
    n = int(60 / cell)
    g = grid(n, n, cell=cell)
    x0, y0 = centre(g)
    before = held(g, lambda x, y: np.full_like(x, FLAT))
    after = held(g, lambda x, y: FLAT - shape(np.hypot(x - x0, y - y0)))
    plan = plan_of(before, after)
    # Three times the published RMS, over random centres; float32 at 300 m adds 1e-5 relative at most.
    tolerance = truth * (3 * relative * cell**order + 1e-5)
    npt.assert_allclose(volume_m3(swept(plan), plan), -truth, atol=tolerance)
    regions = gather([p for result in swept(plan) for p in result.parts], g)
    assert regions.count == 1
    # The region stops where the smoothed cut is 5 cm: what is left outside is a ring of a few centimetres.
    assert -truth <= regions.rise_m3[0] <= -0.98 * truth


def test_a_wedge_on_a_tilted_base():
    # 30 m × 20 m, rising evenly to 5 m over the length, on ground of 10 %: ½·30·20·5 = 1500 m³.
    g = grid(120, 120, cell=0.5)
    x0, y0 = g.west + 12.37, g.north - 41.62

    def base(x, y):  # type: ignore[no-untyped-def]
        return FLAT + 0.1 * (x - g.west) - 0.05 * (y - g.north)

    def wedge(x, y):  # type: ignore[no-untyped-def]
        inside = (x > x0) & (x < x0 + 30) & (y > y0) & (y < y0 + 20)
        return base(x, y) + np.where(inside, 5 * (x - x0) / 30, 0)

    plan = plan_of(held(g, base), held(g, wedge))
    # The vertical end, 5 m × 20 m, is resolved to half a cell at worst.
    npt.assert_allclose(volume_m3(swept(plan), plan), 1500.0, atol=5 * 20 * 0.5 / 2)


def test_a_notched_lease_takes_its_exact_part():
    # Everywhere 2 m deeper: the volume in any polygon is 2 m × its area, whatever cells its edges cut.
    g = grid(90, 110, cell=0.5)
    x, y = g.west, g.north
    ring = [
        (3.3, -4.1),
        (40.2, -5.7),
        (39.1, -20.3),
        (25.7, -21.9),
        (26.4, -30.2),
        (41.8, -33.3),
        (38, -41),
        (5.2, -39),
    ]
    lease = shapely.Polygon([(x + a, y + b) for a, b in ring])
    plan = plan_of(
        held(g, lambda e, n: np.full_like(e, FLAT)), held(g, lambda e, n: np.full_like(e, FLAT - 2)), lease
    )
    results = swept(plan)
    # Weights are kept to 1/4096 of a cell; some 300 cells lie on the edge.
    npt.assert_allclose(volume_m3(results, plan, 0), -2 * lease.area, atol=2 * 0.25 * math.sqrt(300) / 4096)
    npt.assert_allclose(total(results).weight[0] / 4096 * 0.25, lease.area, atol=0.25 * math.sqrt(300) / 4096)


def lumpy(seed: int, n: int = 96, holes: bool = True) -> tuple[Held, Held]:
    """A pair with blobs of cut and fill, noise and holes."""
    rng = np.random.default_rng(seed)
    g = grid(n, n + 17)
    change = ndimage.gaussian_filter(rng.normal(size=g.shape), 6) * 12
    change = np.where(np.abs(change) > 0.35, change, 0)
    a = FLAT + ndimage.gaussian_filter(rng.normal(size=g.shape), 12) * 20
    b = a + change + rng.normal(0, 0.03, g.shape)
    if holes:
        b[rng.random(g.shape) < 0.01] = np.nan
    return Held(g, a.astype(np.float32)), Held(g, b.astype(np.float32))


def fingerprint(results: list[BandResult], g: Grid):  # type: ignore[no-untyped-def]
    regions = gather([p for x in results for p in x.parts], g)
    t = total(results)
    return (
        t.rise,
        t.weight,
        regions.first.tolist(),
        regions.cells.tolist(),
        regions.rise_m3.tolist(),
        regions.layer_m3.tolist(),
        regions.deep_m.tolist(),
        regions.deepest.tolist(),
        regions.levels_m3.tolist(),
    )


@given(rows=st.integers(7, 120), cols=st.integers(7, 140), chunk=st.integers(3, 90), seed=st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_cutting_changes_nothing(rows, cols, chunk, seed):
    before, after = lumpy(seed)
    g = before.grid
    polygon = shapely.Point(*centre(g)).buffer(17.3)
    edges = (np.array([FLAT - 4, FLAT - 1, FLAT, FLAT + 0.5, FLAT + 4]) * 65536).astype(np.int64)
    plan = plan_of(before, after, polygon, level_edges=edges, coarse_block=5)
    whole = swept(plan, [g], 4096)
    cut = swept(plan, list(g.pieces((rows, cols))), chunk)
    assert fingerprint(cut, g) == fingerprint(whole, g)
    for a, b in zip(
        means([r.coarse for r in cut], g)[1:],
        means([r.coarse for r in whole], g)[1:],
        strict=True,  # type: ignore[misc]
    ):
        npt.assert_array_equal(a, b)


@given(st.integers(0, 20))
@settings(max_examples=10, deadline=None)
def test_swapped_epochs_swap_cut_and_fill(seed):
    before, after = lumpy(seed, holes=False)
    one, other = plan_of(before, after), plan_of(after, before)
    a, b = (gather([p for x in swept(p_) for p in x.parts], p_.job) for p_ in (one, other))
    # Rise is rounded to 2⁻¹⁶ m, halves upwards in both: at most one grain a cell.
    npt.assert_allclose(
        volume_m3(swept(one), one), -volume_m3(swept(other), other), atol=96 * 113 * 0.25 / 65536
    )
    assert sorted(zip(a.sign.tolist(), a.cells.tolist(), strict=True)) == sorted(
        zip((-b.sign).tolist(), b.cells.tolist(), strict=True)
    )


@given(st.floats(-4e5, 4e5), st.floats(-1e6, 1e5))
@settings(max_examples=10, deadline=None)
def test_moving_the_world_moves_only_coordinates(east, north):
    before, after = lumpy(1)
    # Whole cells: coordinates then stay as exact as they were.
    moved = grid(*before.grid.shape, west=500_000 + round(east) * 0.5, north=2_700_000 + round(north) * 0.5)
    one = plan_of(before, after)
    other = plan_of(Held(moved, before.heights), Held(moved, after.heights))
    assert total(swept(one)).rise == total(swept(other)).rise


def test_levels_add_up_to_the_whole():
    before, after = lumpy(2)
    edges = (np.linspace(FLAT - 3, FLAT + 3, 13) * 65536).astype(np.int64)
    plan = plan_of(before, after, level_edges=edges)
    regions = gather([p for x in swept(plan) for p in x.parts], plan.job)
    # Beyond the outermost levels the first and last slab take all.
    npt.assert_allclose(regions.levels_m3.sum(axis=1), regions.rise_m3, atol=1e-9)


def test_what_is_missing_is_not_zero():
    before, after = lumpy(3)
    missing = int(np.isnan(after.heights).sum())
    plan = plan_of(before, after)
    assert total(swept(plan)).weight[-1] == (before.heights.size - missing) * 4096


def test_a_vertical_wall_stays_where_it_stands():
    # A square pit of 12 m with vertical walls: smoothing alone would draw its outline a radius farther out.
    g = grid(100, 100, cell=0.5)
    heights = np.full(g.shape, FLAT, np.float32)
    dug = heights.copy()
    dug[30:54, 40:64] -= 3
    plan = plan_of(Held(g, heights), Held(g, dug))
    regions = gather([p for x in swept(plan) for p in x.parts], g)
    assert regions.count == 1
    # The square's mean at a corner cell is a quarter of the depth: up to four corner cells go to the rest.
    npt.assert_allclose(regions.rise_m3[0], -3 * 144, atol=4 * 0.25 * 3 + 1e-6)
    # The outline stands on the wall to within one cell all around.
    assert 22 * 22 <= int(regions.cells[0]) <= 26 * 26


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_bands_cover_the_job_once(workers):
    g = grid(1300, 900)[37:1201, 11:850]
    seen = np.zeros((1300, 900), int)
    for band in bands(g, (64, 64), workers):
        seen[band.row0 : band.row0 + band.height, band.col0 : band.col0 + band.width] += 1
        assert sum(c.height for c in chunks(band, 64)) == band.height
    assert (seen[37:1201, 11:850] == 1).all()
    assert seen.sum() == 1164 * 839


class Counting(Held):
    """Remembers which rows were read."""

    reads: list[tuple[int, int]] = []  # noqa: RUF012

    def read_into(self, piece: Grid, out) -> None:  # type: ignore[no-untyped-def]
        self.reads.append((piece.row0, piece.row0 + piece.height))
        super().read_into(piece, out)


def test_each_block_row_is_decoded_once():
    g = grid(640, 100)
    surface = Counting(g, np.zeros(g.shape, np.float32), (64, 64))
    feed = RowFeed(surface, 0, 100, 640, 200)
    for r in range(0, 640, 50):
        row0, held_rows = feed.rows(max(r - 7, 0), min(r + 57, 640))
        assert row0 == max(r - 7, 0)
        assert held_rows.shape == (min(r + 57, 640) - max(r - 7, 0), 100)
    spans = surface.reads
    assert all(a % 64 == 0 for a, _ in spans)
    assert [a for a, _ in spans[1:]] == [b for _, b in spans[:-1]]
