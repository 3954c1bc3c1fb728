"""Patches, clones and surfaces drawn out from coarser grids."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from rasterio.warp import Resampling, reproject
from scipy import ndimage

from survey.dem.steps import step_of
from survey.forensics.bare_ground import compare_models, judge_dtm
from survey.forensics.clones import clones
from survey.forensics.noise import fine_texture
from survey.forensics.parity import parity
from survey.forensics.smooth import Seen, Squares, find_patches, judge_smooth, squares
from survey.forensics.upsampled import drawn_out, grain, judge_upsampled
from survey.sample_data import make_scene
from survey.sample_data.survey_error import ErrorModel

PATCH = (slice(120, 176), slice(60, 140))


def drawn(z, k, how, n=300):
    out = np.full((n, n), np.nan, np.float32)
    reproject(
        z,
        out,
        src_transform=Affine.scale(k, k),
        dst_transform=Affine.identity(),
        src_crs="EPSG:32643",
        dst_crs="EPSG:32643",
        resampling=how,
        dst_nodata=np.nan,
    )
    return out


# -- noise -----------------------------------------------------------------------------------------------
def test_white_noise_comes_out_six_fold_and_quadratic_ground_not_at_all(rng):
    y, x = np.mgrid[:400, :400].astype(float)
    ground = 300 + 0.1 * x - 0.2 * y + 1e-3 * x * x - 2e-3 * y * y
    assert np.nanmax(np.abs(fine_texture(ground))) < 1e-9
    noise = rng.standard_normal((400, 400))
    assert np.nanstd(fine_texture(noise)) == pytest.approx(6.0, rel=0.02)


@pytest.mark.parametrize("step", [0.01, 0.05, 0.1, 0.5, 1.0])
def test_the_step_of_rounded_heights(honest, step):
    rounded = (np.round(honest.before.astype(float) / step) * step).astype(np.float32)
    assert step_of([rounded]) == step
    # The generator keeps heights in 1/512 m; noise that is not rounded hides even that.
    assert step_of([honest.before]) == round(1 / 512, 6)
    noise = np.random.default_rng(1).normal(0, 0.01, honest.before.shape)
    assert step_of([(honest.before + noise).astype(np.float32)]) == 0.0


# -- smooth patches --------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(4))
def test_honest_surfaces_have_no_smooth_patch(seed):
    scene = make_scene(
        seed, size_m=(240.0, 240.0), pools=1, groves_grown=1, crops=1, smoothing_cells=seed / 2
    )
    assert judge_smooth(squares(scene.after), 1.0).flags == ()


def forge(kind, z):
    z = z.copy()
    if kind == "level":
        z[PATCH] = float(z[PATCH].max())
    elif kind == "plane":
        z[PATCH] = z[120, 60] + 0.02 * np.arange(80, dtype=np.float32)
    else:
        z[PATCH] = ndimage.gaussian_filter(z.astype(float), 2.0)[PATCH]
    return z


@pytest.mark.parametrize("kind", ["level", "plane", "smoothed"])
def test_a_computed_patch_is_found_where_it_lies(honest, kind):
    outcome = judge_smooth(squares(forge(kind, honest.after)), 1.0)
    (flag,) = outcome.flags
    assert flag.strength == "moderate"
    assert flag.explanations
    (box,) = flag.where
    assert 104 <= box.row <= 128
    assert 44 <= box.col <= 64
    assert 0.5 * 56 * 80 < flag.evidence["area_m2"] < 1.5 * 56 * 80


def test_what_the_picture_shows_decides(honest):
    s = squares(forge("smoothed", honest.after))
    found, reason = find_patches(s, 1.0)
    assert reason is None
    ground = judge_smooth(s, 1.0, look={0: Seen(water=0.0, texture=0.9)}, patches=found)
    assert ground.flags[0].strength == "strong"
    water = judge_smooth(s, 1.0, look={0: Seen(water=0.9, texture=0.9)}, patches=found)
    assert water.flags == ()
    assert water.evidence["explained"] == 1
    blank = judge_smooth(s, 1.0, look={0: Seen(water=0.0, texture=0.1)}, patches=found)
    assert blank.flags == ()


def test_a_level_pond_in_a_hollow_is_taken_for_water(honest):
    z = honest.after.copy()
    y, x = np.mgrid[: z.shape[0], : z.shape[1]]
    hollow = np.maximum(0, 30 - np.hypot(y - 150, x - 150)).astype(np.float32) * np.float32(0.5)
    z -= hollow
    level = np.float32(np.median(z[hollow > 7]))
    z = np.where((z < level) & (hollow > 0), level, z)
    assert judge_smooth(squares(z), 1.0).flags == ()


def test_a_wholly_smooth_surface_has_no_power():
    y, x = np.mgrid[:160, :160].astype(float)
    assert judge_smooth(squares(300 + np.sin(x / 20) + np.cos(y / 30)), 1.0).no_power


def test_squares_of_tiles_put_together(honest):
    z = honest.after[:288, :288]
    parts = [[squares(z[r : r + 144, c : c + 144]) for c in (0, 144)] for r in (0, 144)]
    joined = Squares.joined(parts)
    np.testing.assert_allclose(joined.mean_m, squares(z).mean_m)
    assert judge_smooth(joined, 1.0).flags == ()


# -- clones ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(4))
def test_honest_surfaces_do_not_repeat(seed):
    scene = make_scene(seed, size_m=(240.0, 240.0), crops=1)
    outcome = clones(scene.after, 1.0)
    assert outcome.no_power is None
    assert outcome.flags == ()


@pytest.mark.parametrize("added", ["nothing", "a constant", "a tilt"])
def test_a_cloned_patch_and_its_source(honest, added):
    z = honest.after.copy()
    patch = honest.after[200:250, 210:270].copy()
    if added == "a constant":
        patch += np.float32(2.31)
    if added == "a tilt":
        patch += np.float32(2.31) + np.float32(0.01) * np.arange(60, dtype=np.float32)
    z[60:110, 40:100] = patch
    (flag,) = clones(z, 1.0).flags
    assert flag.strength == "strong"
    assert (flag.evidence["move_rows"], flag.evidence["move_cols"]) == (140, 170)
    assert flag.evidence["area_m2"] == pytest.approx(48 * 58, rel=0.1)


def test_ground_that_repeats_by_nature_is_no_clone(rng):
    x = np.arange(300)
    benches = 300.0 - np.floor(x / 30) * 6.0 + np.zeros((300, 1))
    assert clones(benches.astype(np.float32), 1.0).flags == ()
    noisy = (benches + 0.02 * rng.standard_normal(benches.shape)).astype(np.float32)
    assert clones(noisy, 1.0).flags == ()


# -- drawn out -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("k", [2.0, 2.5, 3.0, 5.0])
@pytest.mark.parametrize("how", [Resampling.nearest, Resampling.bilinear, Resampling.cubic])
def test_a_surface_drawn_out_k_fold(honest, k, how):
    g = grain(drawn(honest.before, k, how))
    assert drawn_out(g) == pytest.approx(k, rel=0.03)
    (flag,) = judge_upsampled([g], 0.1).flags
    assert flag.strength == "strong"
    assert flag.evidence["coarse_cell_m"] == pytest.approx(0.1 * k, rel=0.03)


@pytest.mark.parametrize("k", [0.94, 1.06])
def test_a_file_brought_to_another_projection_is_not_drawn_out(honest, k):
    for how in (Resampling.bilinear, Resampling.cubic):
        z = drawn(honest.before, k, how, int(280 * min(k, 1)))
        assert judge_upsampled([grain(z)], 1.0).flags == ()


@pytest.mark.parametrize("seed", range(3))
def test_honest_surfaces_are_not_drawn_out(seed):
    scene = make_scene(seed, size_m=(300.0, 300.0), smoothing_cells=seed * 0.7, workings_growth=0.3, crops=1)
    for z in (scene.before, np.round(scene.after, 2).astype(np.float32)):
        outcome = judge_upsampled([grain(z)], 1.0)
        assert outcome.no_power is None
        assert outcome.flags == ()


def test_smoothing_alone_is_only_described(honest):
    z = ndimage.gaussian_filter(honest.before.astype(float), 3.0).astype(np.float32)
    (flag,) = judge_upsampled([grain(z)], 1.0).flags
    assert flag.strength == "weak"
    assert flag.name == "no fine detail"


def test_a_plane_in_decimetres_has_no_power():
    y, x = np.mgrid[:300, :300].astype(float)
    z = np.round(300 + 0.05 * x + 0.03 * y, 1).astype(np.float32)
    assert judge_upsampled([grain(z)], 1.0).no_power


# -- bare ground -----------------------------------------------------------------------------------------
def test_a_terrain_model_without_trees_raises_nothing(honest):
    pair = compare_models(honest.after, honest.after_dtm, honest.after - honest.after_dtm > 0.5)
    assert pair.above > 0
    assert judge_dtm(pair).flags == ()


def test_the_surface_model_under_another_name(honest):
    trees = honest.after - honest.after_dtm > 0.5
    (flag,) = judge_dtm(compare_models(honest.after, honest.after.copy(), trees)).flags
    assert flag.strength == "strong"
    (flag,) = judge_dtm(compare_models(honest.after, honest.after.copy())).flags
    assert flag.strength == "moderate", "on bare ground the two may be equal"
    assert flag.explanations


def test_grass_is_green_and_has_no_height():
    """On a slope with a bench and a green heap that lies at repose; then with trees on it."""
    y, x = np.mgrid[:300, :300] * 0.5
    ground = 300 + 0.4 * x + np.where(y > 75, 6.0, 0.0)
    ground += np.clip(6.0 - 0.7 * np.hypot(x - 40, y - 30), 0, None)
    green = np.ones(ground.shape, bool)
    (flag,) = judge_dtm(compare_models(ground, ground.copy(), green, 0.5)).flags
    assert flag.strength == "moderate"
    assert "grass" in flag.explanations[0]
    trees = np.where(np.hypot(x % 50 - 25, y % 50 - 25) < 2.5, 4.0, 0.0)
    (flag,) = judge_dtm(compare_models(ground + trees, ground + trees, green, 0.5)).flags
    assert flag.strength == "strong"
    assert not flag.explanations


def test_models_in_the_wrong_order(honest):
    high = honest.after_dtm.copy()
    high[:60] += 3
    (flag,) = judge_dtm(compare_models(honest.after_dtm, high)).flags
    assert flag.name == "terrain above surface"


def test_counts_of_parts_sum_to_the_whole(honest):
    z, t = honest.after, honest.after_dtm
    whole = compare_models(z, t)
    assert compare_models(z[:100], t[:100]) + compare_models(z[100:], t[100:]) == whole


# -- two kinds of cells ----------------------------------------------------------------------------------
def test_alike_cells_follow_one_rule(rng):
    """White, smooth or sloping: what even cells miss by the odd ones' rule is what they miss by their own."""
    white = rng.standard_normal((240, 240))
    slope = 0.3 * np.arange(240)[None, :] + 0.1 * np.arange(240)[:, None]
    for z in (white, white + slope, ndimage.gaussian_filter(white, 0.7), ndimage.gaussian_filter(white, 1.5)):
        assert parity(300 + 0.03 * z) == pytest.approx(1.0, abs=0.03)


def test_cells_between_two_others_have_a_rule_of_their_own(rng):
    """Odd cells that are the mean of their neighbours are missed by nothing; the even ones follow no rule."""
    z = rng.standard_normal((240, 241)).cumsum(axis=0)
    z[:, 1::2] = 0.5 * (z[:, :-1:2] + z[:, 2::2])
    z[1:-1:2] = 0.5 * (z[:-2:2] + z[2::2])
    assert parity(z[:239]) < 0.6


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("step", [0.0, 0.01])
def test_twofold_on_smooth_matching_and_rounded_is_seen_and_honest_is_not(seed, step):
    survey = ErrorModel(random_m=0.03, correlated_m=0.02)
    z = make_scene(
        seed, size_m=(240.0, 240.0), smoothing_cells=0.7 * seed, before_error=survey, after_error=survey
    ).after.astype(float)
    coarse = z.reshape(120, 2, 120, 2).mean(axis=(1, 3))
    twofold = ndimage.zoom(coarse, 2, order=1, mode="nearest", grid_mode=True)
    if step:
        z, twofold = (np.round(a / step) * step for a in (z, twofold))
    (flag,) = judge_upsampled([grain(twofold.astype(np.float32))], 1.0).flags
    assert flag.name == "drawn out from a coarser grid"
    assert flag.evidence["coarse_cell_m"] == pytest.approx(2.0, rel=0.03)
    assert judge_upsampled([grain(z.astype(np.float32))], 1.0).flags == ()


def test_a_strip_is_too_little_for_two_rules(rng):
    assert np.isnan(parity(rng.standard_normal((240, 12))))
    assert np.isnan(parity(np.full((240, 240), np.nan)))
