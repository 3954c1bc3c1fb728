"""One survey: the same sites however it is cut, volumes within their intervals, parts that sum up."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import shapely

from survey.blocks import Engine
from survey.boundary.lease import Lease
from survey.boundary.zones import make_zones
from survey.grid import Grid
from survey.pipelines.existing.find import EXISTING, Existing, ExistingSettings, find_existing
from survey.pipelines.existing.scan import scan, working_grid
from survey.pipelines.existing.wide import search
from survey.volumetrics.existing import Look

GRID = Grid("EPSG:32643", 500_000.0, 2_900_000.0, 0.5, 0.5, 480, 560)
RIM, DEPTH, FACE = 16.0, 4.0, math.tan(math.radians(50))
PIT, HEAP = (500_100.0, 2_899_900.0), (500_210.0, 2_899_860.0)
HEAP_RADIUS, REPOSE = 11.0, math.tan(math.radians(34))


@dataclass(frozen=True)
class Held:
    grid: Grid
    heights: np.ndarray
    block = (64, 96)
    block_origin = (0, 0)

    def read(self, piece: Grid) -> np.ndarray:
        out = np.full(piece.shape, np.nan, np.float32)
        r0, c0 = max(piece.row0, 0), max(piece.col0, 0)
        r1 = min(piece.row0 + piece.height, self.grid.height)
        c1 = min(piece.col0 + piece.width, self.grid.width)
        if r0 < r1 and c0 < c1:
            rows, cols = slice(r0 - piece.row0, r1 - piece.row0), slice(c0 - piece.col0, c1 - piece.col0)
            out[rows, cols] = self.heights[r0:r1, c0:c1]
        return out


def ground(grid: Grid = GRID) -> Held:
    """Gently rolling ground with a frustum pit and a cone, and centimetres of noise."""
    rows, cols = np.mgrid[0 : grid.height, 0 : grid.width]
    east, north = grid.east_north(rows, cols)
    z = 300 + 0.03 * (east - 500_000) + 1.2 * np.sin((east - 500_000) / 60) * np.cos((north - 2_900_000) / 75)
    z -= np.clip((RIM - np.hypot(east - PIT[0], north - PIT[1])) * FACE, 0, DEPTH)
    z += np.maximum((HEAP_RADIUS - np.hypot(east - HEAP[0], north - HEAP[1])) * REPOSE, 0)
    z += np.random.default_rng(5).normal(0, 0.015, z.shape)
    return Held(grid, z.astype(np.float32))


def pit_m3() -> float:
    floor = RIM - DEPTH / FACE
    return math.pi * DEPTH / 3 * (RIM**2 + RIM * floor + floor**2)


def heap_m3() -> float:
    return math.pi * HEAP_RADIUS**3 * REPOSE / 3


def lease() -> Lease:
    # Its eastern side runs through the middle of the pit; the heap lies 110 m east of it: beyond the buffer.
    return Lease(shapely.box(500_010, 2_899_800, 500_100, 2_899_990), GRID.crs_wkt)


def found(tile: int | None = None, surface: Held | None = None) -> Existing:
    surface = surface or ground()
    opened: Any = SimpleNamespace(
        surface=surface, ortho=None, bare_ground="dsm", survey=SimpleNamespace(date=date(2025, 4, 1))
    )
    here = lease()
    zones = make_zones(here, GRID)
    return find_existing(opened, zones, here, None, Engine(1), ExistingSettings(), tile)


@pytest.fixture(scope="module")
def sites() -> Existing:
    return found()


def test_both_are_found_and_nothing_else(sites: Existing) -> None:
    kinds = {s.kind: s for s, _ in sites.found.sites}
    assert sorted(s.kind for s, _ in sites.found.sites) == ["heap", "pit"]
    assert kinds["pit"].zone in ("lease", "buffer")
    assert kinds["heap"].zone == "beyond"
    for site, outline in sites.found.sites:
        assert site.status == EXISTING
        assert site.id.startswith("E")
        assert site.base != "earlier survey"
        assert 0.5 <= site.confidence <= 1
        middle, radius = (PIT, RIM) if site.kind == "pit" else (HEAP, HEAP_RADIUS)
        disc = shapely.Point(middle).buffer(radius, quad_segs=64)
        assert outline.intersection(disc).area / outline.union(disc).area > 0.9


def test_volumes_against_closed_forms(sites: Existing) -> None:
    for site, _ in sites.found.sites:
        true = pit_m3() if site.kind == "pit" else heap_m3()
        assert site.volume_m3 == pytest.approx(true, rel=0.05)
        assert site.volume_lo_m3 <= true <= site.volume_hi_m3


def test_parts_sum_to_the_whole_and_the_boundary_halves_the_pit(sites: Existing) -> None:
    for site, _ in sites.found.sites:
        parts = site.lease_volume_m3 + site.buffer_volume_m3 + site.beyond_volume_m3
        assert parts == pytest.approx(site.volume_m3, rel=1e-6)
        assert site.outside_volume_m3 == pytest.approx(site.volume_m3 - site.lease_volume_m3, rel=1e-6)
        if site.kind == "pit":
            assert site.lease_volume_m3 == pytest.approx(site.volume_m3 / 2, rel=0.02)


def test_no_tiling_changes_anything(sites: Existing) -> None:
    surface, look = ground(), Look()
    whole, cut = (scan(surface, look, Engine(1), None, 40.0, 0.4, tile) for tile in (4096, 130))
    assert whole.limits == cut.limits
    assert whole.zones == cut.zones
    assert [b.first for b in whole.bodies] == [b.first for b in cut.bodies]
    for a, b in zip(whole.bodies, cut.bodies, strict=True):
        assert a.outline.equals(b.outline)
        assert a.form == b.form
    ids = [s.id for s, _ in sites.found.sites]
    assert all(any(i == f"E{b.first[0]:06d}-{b.first[1]:06d}" for b in whole.bodies) for i in ids)


def test_everything_that_decides_is_said(sites: Existing) -> None:
    said = sites.settings
    for name in ("least_m2", "least_m", "site_from", "limits", "look", "weights", "working_cell_m"):
        assert name in said
    assert any(n.code == "one-survey" for n in sites.notes)
    assert any(n.code == "no-ortho" for n in sites.notes)


def test_level_noise_holds_no_site() -> None:
    rng = np.random.default_rng(8)
    held = Held(GRID, (300 + rng.normal(0, 0.03, GRID.shape)).astype(np.float32))
    assert scan(held, Look(), Engine(1), None, 40.0, 0.4).bodies == []


def test_gaps_are_no_sites() -> None:
    surface = ground()
    heights = np.full(GRID.shape, np.float32(300))
    heights[100:200, 100:260] = np.nan
    assert scan(replace(surface, heights=heights), Look(), Engine(1), None, 40.0, 0.4).bodies == []


def test_working_grid_covers_the_survey() -> None:
    fine = Grid("EPSG:32643", 10.0, 90.0, 0.2, 0.2, 101, 77)
    working = working_grid(fine, Look())
    assert working.bounds.east >= fine.bounds.east
    assert working.bounds.south <= fine.bounds.south
    assert (working.west, working.north) == (fine.west, fine.north)


@pytest.mark.parametrize("step_m", [0.1, 1.0])
def test_where_rounding_breaks_the_ground_as_rims_do_nothing_is_made_of_it(step_m: float) -> None:
    """Steps of a metre on a slope are banks everywhere; a decimetre is less than any site is deep."""
    stepped = replace(ground(), heights=(np.round(ground().heights / step_m) * step_m).astype(np.float32))
    made = found(surface=stepped)
    said = [note.code for note in made.notes]
    if step_m > ExistingSettings().least_m:
        assert made.found.sites == made.found.dismissed == []
        assert said == ["rounded-heights"]
    else:
        assert sorted(s.kind for s, _ in made.found.sites) == ["heap", "pit"]
        assert "rounded-heights" not in said


def rough(seed: int = 4) -> Held:
    """Ground whose own breaks hide rims: metres of relief within metres, and in it a pit 64 m wide."""
    rng = np.random.default_rng(seed)
    k = np.hypot(np.fft.fftfreq(GRID.height)[:, None], np.fft.rfftfreq(GRID.width)[None])
    k[0, 0] = 1
    spectrum = np.fft.rfft2(rng.normal(size=GRID.shape)) * k**-1.6 * (k < 0.2)
    spectrum[0, 0] = 0
    relief = np.fft.irfft2(spectrum, s=GRID.shape)
    rows, cols = np.mgrid[0 : GRID.height, 0 : GRID.width]
    east, north = GRID.east_north(rows, cols)
    z = 300 + 2.5 * relief / relief.std() + 0.1 * (east - 500_000)
    z -= np.clip((32.0 - np.hypot(east - 500_140, north - 2_899_880)) * math.tan(math.radians(60)), 0, 15.0)
    return Held(GRID, z.astype(np.float32))


def test_the_second_search_adds_and_takes_nothing() -> None:
    for surface in (ground(), rough()):
        first = scan(surface, Look(), Engine(1), None, 40.0, 0.4)
        second = search(surface, Look(), Engine(1), None, 40.0, 0.4)
        assert {b.outline.wkt for b in first.bodies} <= {b.outline.wkt for b in second.bodies}
        sites = [b.outline for b in first.bodies if b.probability >= 0.5]
        for added in second.bodies:
            if added not in first.bodies:
                assert added.sign < 0
                assert added.probability >= 0.5
                assert all(s.intersection(added.outline).area <= 0.25 * s.area for s in sites)


def test_a_wide_pit_on_rough_ground_is_found_to_its_rim_however_the_survey_is_cut() -> None:
    true = shapely.Point(500_140, 2_899_880).buffer(32)
    whole, cut = (search(rough(), Look(), Engine(1), None, 40.0, 0.4, tile) for tile in (4096, 150))
    assert [(b.outline.wkt, b.form) for b in whole.bodies] == [(b.outline.wkt, b.form) for b in cut.bodies]
    shares = [
        b.outline.intersection(true).area / b.outline.union(true).area
        for b in whole.bodies
        if b.sign < 0 and b.probability >= 0.5
    ]
    assert max(shares, default=0.0) > 0.8
