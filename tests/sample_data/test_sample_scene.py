"""Scenes: repeatable, one world under two surveys, and a truth whose parts sum to the whole."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely

from survey.sample_data import make_scene
from survey.sample_data.artefacts import ArtefactOptions
from survey.sample_data.render import compose, on_points, world_coordinates
from survey.sample_data.sites import HEAP_SHAPES, PIT_SHAPES
from survey.sample_data.survey_error import ErrorModel
from survey.sample_data.terrain import TerrainOptions
from survey.sample_data.truth import ZONES

QUIET = ErrorModel(random_m=0, correlated_m=0, canopy_m=0, water_m=0)
BUSY = {
    "size_m": (360.0, 320.0),
    "sites_lease": 2,
    "sites_line": 1,
    "sites_beyond": 1,
    "groves_grown": 1,
    "groves_felled": 1,
    "crops": 1,
    "vehicles": 2,
    "sheds": 1,
    "pools": 1,
    "gullies": 1,
    "old_pits": 2,
}


@pytest.fixture(scope="module")
def busy():
    return make_scene(21, **BUSY, before_error=QUIET, after_error=QUIET)


def test_the_same_seed_gives_the_same_bytes():
    first, second, other = (make_scene(s, ortho=True) for s in (5, 5, 6))
    assert first.before.tobytes() == second.before.tobytes()
    assert first.after.tobytes() == second.after.tobytes()
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first.orthos, second.orthos, strict=True))
    assert [s.volume_m3 for s in first.truth.sites] == [s.volume_m3 for s in second.truth.sites]
    assert first.before.tobytes() != other.before.tobytes()


def test_an_unknown_wish_is_named():
    with pytest.raises(ValueError, match="site_lease"):
        make_scene(1, site_lease=2)


def test_what_is_asked_for_is_there(busy):
    kinds = {d.reason for d in busy.truth.dismissed}
    assert kinds == {"tree growth", "felling", "crop", "vehicle or shed", "water", "erosion"}
    assert {s.kind for s in busy.truth.sites} >= {"pit", "backfill"}
    assert len(busy.truth.sites) >= 5


def test_zone_volumes_sum_to_the_total(busy):
    truth = busy.truth
    for site in truth.sites:
        assert sum(site.zone_m3.values()) == pytest.approx(site.volume_m3, rel=1e-9)
    # Over everything, the zones' nets are the integral of the true rise over the scene.
    step = 0.25
    w, s, e, n = busy.world.box
    east, north = np.arange(w + step / 2, e, step)[None, :], np.arange(s + step / 2, n, step)[:, None]
    rise = on_points(busy.world, 1, east, north)[1] - on_points(busy.world, 0, east, north)[1]
    total = sum(z.net_m3 + z.dismissed_fill_m3 - z.dismissed_cut_m3 for z in truth.zones.values())
    assert total == pytest.approx(rise.sum() * step * step, abs=0.002 * np.abs(rise).sum() * step * step)
    assert sum(z.area_m2 for z in truth.zones.values()) == pytest.approx((e - w) * (n - s), rel=1e-9)


def test_zone_parts_agree_with_an_independent_count(busy):
    step = 0.2
    for site in busy.truth.sites:
        w, s, e, n = site.outline.buffer(2).bounds
        east, north = np.arange(w, e, step)[None, :], np.arange(s, n, step)[:, None]
        rise = on_points(busy.world, 1, east, north)[1] - on_points(busy.world, 0, east, north)[1]
        flat = [a.ravel() for a in np.broadcast_arrays(east, north)]
        points = shapely.points(*flat)
        own = shapely.contains(site.outline, points)
        amount = np.where(own, -rise.ravel() if site.kind == "pit" else rise.ravel(), 0)
        distance = shapely.distance(busy.lease, points)
        zones = {
            "lease": distance == 0,
            "buffer": (distance > 0) & (distance <= 100),
            "beyond": distance > 100,
        }
        for zone in ZONES:
            found = amount[zones[zone]].sum() * step * step
            assert found == pytest.approx(site.zone_m3[zone], abs=0.02 * site.volume_m3 + 0.1)


def test_quadrature_states_an_error_that_holds():
    coarse = make_scene(33, size_m=(300.0, 300.0), old_workings=False, quad_points=10_000)
    fine = make_scene(33, size_m=(300.0, 300.0), old_workings=False, quad_points=400_000)
    assert len(coarse.truth.sites) == len(fine.truth.sites) > 1
    for a, b in zip(coarse.truth.sites, fine.truth.sites, strict=True):
        assert a.volume_m3 == pytest.approx(b.volume_m3, abs=3 * a.quadrature_m3 + 0.002 * a.volume_m3)
        assert b.quadrature_m3 < 0.002 * b.volume_m3


@pytest.mark.parametrize("shape", [*PIT_SHAPES, *HEAP_SHAPES])
def test_every_shape_can_be_made_and_has_its_sign(shape):
    scene = make_scene(
        4, size_m=(260.0, 260.0), shapes=(shape,), sites_boundary=1, sites_buffer=0, sites_lease=0,
        site_radius_m=(12, 14), site_depth_m=(2.5, 4), old_workings=False, old_pits=0,
        before_error=QUIET, after_error=QUIET,
    )  # fmt: skip
    (site,) = scene.truth.sites
    assert site.shape == shape
    assert site.kind == ("heap" if shape in HEAP_SHAPES else "pit")
    assert site.volume_m3 > 5
    assert 20 < site.area_m2 < 1200
    assert scene.world.changes[0].id == site.id
    east, north = world_coordinates(scene.before_grid, scene.world.epsg)
    inside = shapely.contains_xy(site.outline.buffer(-1.5), *np.broadcast_arrays(east, north))
    rise = scene.true_rise()[inside]
    assert np.median(rise) * (1 if site.kind == "heap" else -1) > 0.1
    # The surveys, free of error, hold the volume to what their cells allow.
    dig = (scene.after.astype(float) - scene.before)[np.abs(scene.true_rise()) > 0.01]
    assert abs(dig.sum()) == pytest.approx(site.volume_m3, rel=0.06)


def test_sites_keep_to_their_zone():
    zones = {"lease": set(), "buffer": set(), "beyond": set()}
    for seed in range(4):
        scene = make_scene(
            seed, size_m=(420.0, 420.0), sites_boundary=0, sites_lease=1, sites_buffer=1, sites_beyond=1,
            lease_radius_m=70.0, neighbours=0, old_pits=0,
        )  # fmt: skip
        for site in scene.truth.sites:
            zones[site.zone].add(len([v for v in site.zone_m3.values() if v > 0.02 * site.volume_m3]))
    assert zones == {"lease": {1}, "buffer": {1}, "beyond": {1}}


def test_sites_across_the_lines_have_parts_on_both_sides():
    scene = make_scene(
        8, size_m=(420.0, 420.0), sites_boundary=2, sites_line=2, sites_lease=0, sites_buffer=0,
        lease_radius_m=70.0, neighbours=0, shapes=("bowl",) * 4, site_radius_m=(12, 16),
    )  # fmt: skip
    parts = [tuple(z for z in ZONES if s.zone_m3[z] > 0.02 * s.volume_m3) for s in scene.truth.sites]
    assert parts.count(("lease", "buffer")) == 2
    assert parts.count(("buffer", "beyond")) == 2


def test_a_site_in_another_lease_names_it():
    scene = make_scene(
        3, size_m=(420.0, 420.0), sites_neighbour=1, sites_boundary=0, sites_buffer=0, sites_lease=0,
        neighbours=2, lease_radius_m=80.0, shapes=("faces",), old_pits=0,
    )  # fmt: skip
    (site,) = scene.truth.sites
    (other,) = [n for n in scene.world.neighbours if n.lease_id == site.neighbour]
    assert other.polygon.buffer(0.5).contains(site.outline)
    assert site.neighbour_m3 == pytest.approx(site.volume_m3, rel=0.01)


def test_common_boundary_leaves_no_gap():
    scene = make_scene(3, neighbours=1, neighbour_gap_m=0.0)
    (other,) = scene.world.neighbours
    assert other.polygon.intersection(scene.lease).area < 1e-6
    assert other.polygon.distance(scene.lease) == 0


@pytest.mark.parametrize("after", [{}, {"after_cell_m": 0.8, "after_offset_m": (0.3, -0.17)}])
def test_both_surveys_see_one_ground(after):
    scene = make_scene(
        12, sites_lease=0, sites_boundary=0, sites_buffer=0, before_error=QUIET, after_error=QUIET, **after
    )
    grid = scene.after_grid
    east, north = world_coordinates(grid, scene.world.epsg)
    expected = on_points(scene.world, 0, east, north)[1]
    assert scene.after == pytest.approx(expected, abs=0.0011)  # heights are kept in 1/512 m


def test_another_utm_zone_sees_the_same_ground():
    scene = make_scene(
        12, centre_lon_lat=(78.0, 25.4), epsg=32643, after_epsg=32644, sites_lease=0, sites_boundary=0,
        sites_buffer=0, groves_standing=0, before_error=QUIET, after_error=QUIET,
    )  # fmt: skip
    from pyproj import Transformer

    grid = scene.after_grid
    rows, cols = np.array([3, 50, 120, 200]), np.array([7, 90, 111, 201])
    e, n = grid.east_north(rows, cols)
    te, tn = Transformer.from_crs(32644, 32643, always_xy=True).transform(e, n)
    fit_e, fit_n = world_coordinates(grid, 32643)
    assert fit_e[rows, cols] == pytest.approx(te, abs=1e-6)
    assert fit_n[rows, cols] == pytest.approx(tn, abs=1e-6)
    expected, *_ = on_points(scene.world, 1, te[None, :], tn[None, :])
    assert scene.after[rows, cols] == pytest.approx(expected[0], abs=0.002)


def test_error_terms_come_back_by_least_squares():
    put = ErrorModel(
        random_m=0.01, correlated_m=0, bias_m=0.31, tilt_east=4e-4, tilt_north=-3e-4, dome_m_km2=4.0
    )
    scene = make_scene(
        9, sites_lease=0, sites_boundary=0, sites_buffer=0, groves_standing=0,
        before_error=QUIET, after_error=put,
    )  # fmt: skip
    east, north = world_coordinates(scene.before_grid, scene.world.epsg)
    de, dn = (
        a.ravel() for a in np.broadcast_arrays(east - scene.truth.centre[0], north - scene.truth.centre[1])
    )
    basis = np.stack([np.ones_like(de), de, dn, (de**2 + dn**2) * 1e-6], axis=1)
    rise = (scene.after.astype(float) - scene.before).ravel()
    fit, *_ = np.linalg.lstsq(basis, rise, rcond=None)
    assert fit == pytest.approx([0.31, 4e-4, -3e-4, 4.0], rel=0.02, abs=2e-5)
    # What must be added to the later survey is the opposite.
    truth = scene.truth.alignment
    assert [truth[k] for k in ("up_m", "tilt_east", "tilt_north", "dome_m_km2")] == pytest.approx(
        [-0.31, -4e-4, 3e-4, -4.0]
    )


def test_a_shift_moves_the_picture_the_stated_way():
    put = ErrorModel(random_m=0, correlated_m=0, canopy_m=0, water_m=0, east_m=3.0, north_m=-2.0)
    scene = make_scene(
        9, sites_lease=0, sites_boundary=0, sites_buffer=0, before_error=QUIET, after_error=put
    )
    # Shown three cells farther east, two farther south: after[r + 2, c + 3] = before[r, c].
    assert scene.after[2:, 3:] == pytest.approx(scene.before[:-2, :-3], abs=1e-6)
    assert (scene.truth.alignment["east_m"], scene.truth.alignment["north_m"]) == (-3.0, 2.0)


def test_scales_do_what_they_say():
    base = {"sites_lease": 0, "sites_boundary": 0, "sites_buffer": 0, "before_error": QUIET}
    stretched = ErrorModel(random_m=0, correlated_m=0, canopy_m=0, water_m=0, z_scale=0.01)
    scene = make_scene(2, **base, after_error=stretched, groves_standing=0)
    before = scene.before.astype(float)
    rise = scene.after - before
    assert np.polyfit(before.ravel() - before.mean(), rise.ravel(), 1) == pytest.approx([0.01, 0], abs=5e-4)


def test_the_terrain_model_has_no_canopy(busy):
    material = on_points(busy.world, 1, *world_coordinates(busy.after_grid, busy.world.epsg))[2]
    seen = np.isfinite(busy.after)
    assert np.array_equal(seen, np.isfinite(busy.after_dtm))
    tall = np.where(seen, busy.after - busy.after_dtm, 0)
    assert (tall >= 0).all()
    assert tall.max() > 1.5
    from survey.sample_data import materials as m

    assert np.abs(tall[(material == m.FRESH) | (material == m.WATER)]).max() == 0


def test_artefacts_are_listed_and_there():
    options = ArtefactOptions(spikes=4, smooth_holes=2, seam_m=0.2, curl_m=0.5, gaps=2, rim_m=60.0)
    plain = make_scene(14, before_error=QUIET, after_error=QUIET)
    scene = make_scene(14, before_error=QUIET, after_error=QUIET, after_artefacts=options)
    kinds = [p.kind for p in scene.truth.patches[1]]
    assert {k: kinds.count(k) for k in set(kinds)} == {
        "spike": 4, "interpolated hole": 2, "seam": 1, "edge curl": 1, "gap": 2,
    }  # fmt: skip
    assert not np.isfinite(scene.after).all()
    assert np.isfinite(scene.before).all()
    assert np.nanmax(np.abs(scene.after - plain.after)) > 1.9
    for patch in (p for p in scene.truth.patches[1] if p.kind == "spike"):
        row, col = (round(float(v)) for v in scene.after_grid.row_col(patch.east, patch.north))
        if np.isfinite(scene.after[row, col]):
            assert abs(scene.after[row, col] - plain.after[row, col]) > 1.5


def test_a_cut_side_leaves_part_of_the_buffer_unmeasured():
    scene = make_scene(
        14, size_m=(400.0, 400.0), lease_radius_m=70.0,
        after_artefacts=ArtefactOptions(cut_side="east", cut_m=40.0),
    )  # fmt: skip
    east, _ = world_coordinates(scene.after_grid, scene.world.epsg)
    gone = ~np.isfinite(scene.after)
    limit = scene.lease.bounds[2] + 40
    assert gone[:, east[0] > limit].all()
    assert not gone[:, east[0] < limit - 1].any()


def test_depths_and_shares_are_those_of_the_outline(busy):
    for site in busy.truth.sites:
        assert site.measured_share == 1.0
        assert 0 < site.mean_depth_m <= site.max_depth_m
        assert site.mean_depth_m * site.area_m2 == pytest.approx(site.volume_m3, rel=1e-9)
        if site.zone_m3["lease"] > 0.1 * site.volume_m3:
            assert site.distance_m == 0


def test_checkpoints_agree_with_the_survey_they_belong_to():
    scene = make_scene(17, size_m=(300.0, 300.0), checkpoints=30, before_error=QUIET)
    points = scene.checkpoints(0)
    assert len(points) == 30
    assert {p.type for p in points} == {"GCP", "CHECK"}
    off = []
    for p in points:
        row, col = (round(float(v)) for v in scene.before_grid.row_col(p.east, p.north))
        off.append(p.height - float(scene.before[row, col]))
    assert math.sqrt(np.mean(np.square(off))) < 0.12  # a cell on a slope of 0.1 to 0.2, and the rover
    assert abs(np.median(off)) < 0.03


def test_half_the_scene_can_have_changed():
    scene = make_scene(
        5, size_m=(320.0, 320.0), lease_radius_m=150.0, workings_growth=1.0,
        terrain=TerrainOptions(relief_m=2), before_error=QUIET, after_error=QUIET,
    )  # fmt: skip
    rise = scene.true_rise()
    inside = shapely.contains_xy(
        scene.lease, *np.broadcast_arrays(*world_coordinates(scene.before_grid, scene.world.epsg))
    )
    assert (np.abs(rise[inside]) > 0.1).mean() > 0.35


def test_existing_ground_stands_in_both_surveys():
    scene = make_scene(
        19, size_m=(400.0, 400.0), old_pits=2, old_heaps=1, sites_lease=0, sites_boundary=0, sites_buffer=0,
        before_error=QUIET, after_error=QUIET,
    )  # fmt: skip
    assert {s.kind for s in scene.truth.existing} == {"pit", "heap"}
    assert scene.truth.sites == () or {s.kind for s in scene.truth.sites} == {"backfill"}
    natural, *_ = compose(scene.world, [], *world_coordinates(scene.before_grid, scene.world.epsg))
    now = scene.before.astype(float) - natural
    for old in scene.truth.existing:
        east, north = world_coordinates(scene.before_grid, scene.world.epsg)
        inside = shapely.contains_xy(old.outline.buffer(-1), *np.broadcast_arrays(east, north))
        assert np.median(now[inside]) * (1 if old.kind == "heap" else -1) > 0.1


def test_bands_of_the_orthomosaic_tell_what_is_what():
    scene = make_scene(23, **BUSY, ortho=True, bands=6)
    image = scene.orthos[1].astype(float)
    assert image.shape == (6, *scene.after_grid.shape)
    from survey.sample_data import materials as m

    material = on_points(scene.world, 1, *world_coordinates(scene.after_grid, scene.world.epsg))[2]
    ndvi = (image[3] - image[2]) / (image[3] + image[2])
    assert np.median(ndvi[material == m.TREE]) > 0.5
    assert np.median(ndvi[material == m.FRESH]) < 0.2
    assert np.median(ndvi[material == m.WATER]) < 0
    assert np.median(image[:3, material == m.FRESH]) > 1.5 * np.median(image[:3, material == m.NATURAL])
