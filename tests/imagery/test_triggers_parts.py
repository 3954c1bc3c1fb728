"""Place, light, rarity, evidence, shapes and words of the triggers, each against what it should give."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import chi2

from survey.errors import JobError
from survey.imagery.triggers.bands import NAMES, BandSet, canonical_band
from survey.imagery.triggers.clear import judge, told, veil_share
from survey.imagery.triggers.common import common_spectra, rareness
from survey.imagery.triggers.coregister import find_shift
from survey.imagery.triggers.evidence import log10_e
from survey.imagery.triggers.features import boxiness, middle, shape
from survey.imagery.triggers.kernels import moved_counts
from survey.imagery.triggers.normalise import Line, fit_line, log_tables, to_log, unwhitened, whitener
from survey.imagery.triggers.nulls import BINS, STEP, NullTable, scene_law
from survey.imagery.triggers.objects import Neighbours, grown_objects
from survey.imagery.triggers.sources import to_counts
from survey.imagery.triggers.spectra import foreign

SIX = BandSet(NAMES)


# -- bands -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("B02", "blue"),
        ("B8A", "nir"),
        ("Band 4 - Red", "red"),
        ("SWIR-1", "swir1"),
        ("B12", "swir2"),
        ("ndvi", None),
        (None, None),
    ],
)
def test_bands_are_known_by_many_names(said, meant):
    assert canonical_band(said) == meant


def test_too_few_bands_are_refused_with_what_would_do():
    with pytest.raises(JobError, match="red, nir and at least one more"):
        BandSet(("blue", "green", "red"))
    assert BandSet(("green", "red", "nir")).bluest == 0
    assert not BandSet(("green", "red", "nir")).has("swir1")


# -- place -----------------------------------------------------------------------------------------------
def _fields(seed=3, size=96):
    rng = np.random.default_rng(seed)
    patch = ndimage.zoom(rng.uniform(800, 3000, (3, size // 6, size // 6)), (1, 6, 6), order=0)
    return np.stack([ndimage.gaussian_filter(band, 0.7) for band in patch]) + rng.normal(
        0, 10, (3, size, size)
    )


@pytest.mark.parametrize("by", [(0.5, 0.0), (0.3, -0.4), (-1.6, 0.7)])
def test_a_shift_put_in_comes_back_out(by):
    scene = np.rint(_fields()).astype(np.uint16)
    shifted = moved_counts(scene, -by[0], -by[1])
    ok = shifted[0] > 0
    found = find_shift(to_log(scene / 1e4), np.ones_like(ok), to_log(shifted / 1e4), ok)
    assert found.known
    assert (found.rows, found.cols) == pytest.approx(by, abs=0.1)


def test_two_unlike_scenes_give_no_shift_that_many_windows_share():
    a, b = _fields(1), _fields(2)[:, :, ::-1] + _fields(5).swapaxes(1, 2)
    rng = np.random.default_rng(0)
    b = np.stack([ndimage.gaussian_filter(rng.normal(1500, 900, a.shape[1:]), 1.5) for _ in b]).clip(
        100, None
    )
    found = find_shift(
        to_log(a / 1e4), np.ones(a.shape[1:], bool), to_log(b / 1e4), np.ones(a.shape[1:], bool)
    )
    assert not found.known or found.spread > 0.6


# -- light -----------------------------------------------------------------------------------------------
def test_gain_and_offset_come_back_though_a_third_changed():
    rng = np.random.default_rng(0)
    before = rng.uniform(0.05, 0.4, (2, 4000))
    now = (
        np.array([[1.08], [0.93]]) * before
        + np.array([[0.01], [-0.004]])
        + rng.normal(0, 0.004, before.shape)
    )
    now[:, :1300] = rng.uniform(0.05, 0.5, (2, 1300))
    line = fit_line(now, before)
    assert line.gain == pytest.approx((1.08, 0.93), abs=0.02)
    assert line.offset == pytest.approx((0.01, -0.004), abs=0.004)
    tables = log_tables(line)
    assert tables[0, 2260] == pytest.approx(
        to_log(np.array((0.226 - line.offset[0]) / line.gain[0])), abs=1e-4
    )


def test_whitened_residuals_have_unit_covariance_though_some_cells_changed():
    rng = np.random.default_rng(1)
    mix = rng.normal(size=(4, 4)) * 0.05
    residuals = (rng.normal(size=(20000, 4)) @ mix.T).astype(np.float32)
    changed = residuals.copy()
    changed[:1500] += 1.0
    matrix = whitener(changed, floor=1e-6)
    covariance = np.cov((residuals[1500:] @ matrix.T).T)
    np.testing.assert_allclose(covariance, np.eye(4), atol=0.25)
    spectra = rng.uniform(0.02, 0.6, (50, 4)).astype(np.float32)
    back = unwhitened(to_log(spectra) @ matrix.T, matrix)
    np.testing.assert_allclose(back, spectra, rtol=2e-3, atol=1e-3)


def test_the_line_that_changes_nothing():
    line = Line.none(3)
    assert np.array_equal(line.undo(np.ones((3, 2, 2))), np.ones((3, 2, 2)))


# -- clouds ----------------------------------------------------------------------------------------------
SOIL = np.array([0.09, 0.12, 0.16, 0.22, 0.30, 0.26])
CLOUD = np.array([0.62, 0.62, 0.62, 0.64, 0.48, 0.38])
MARBLE = np.array([0.47, 0.51, 0.54, 0.57, 0.57, 0.49])


def _scene(size=160):
    rng = np.random.default_rng(5)
    ground = SOIL[:, None, None] * np.exp(rng.normal(0, 0.03, (1, size, size)))
    return np.broadcast_to(ground, (6, size, size)).copy()


def _clear(now, usual, cloudy=True, given=None):
    now, usual = to_counts(now.astype(np.float32)), to_counts(usual.astype(np.float32))
    return judge(now[0] > 0, given, told(now, usual, SIX, 0.05), cell_m=10.0, cloudy=cloudy, widen_m=20.0)


def test_a_cloud_is_hidden_with_its_edge_and_a_white_floor_is_only_suspect():
    usual = _scene()
    now = usual.copy()
    now[:, 20:70, 20:70] = CLOUD[:, None, None]
    now[:, 120:126, 120:126] = MARBLE[:, None, None]
    clear = _clear(now, usual)
    assert not clear.observed[18:72, 20:70].any()
    assert not clear.observed[20:70, 18:72].any()
    assert clear.suspect[120:126, 120:126].all()
    assert not clear.observed[120:126, 120:126].any()
    far = np.ones_like(clear.observed)
    far[10:80, 10:80] = far[115:131, 115:131] = False
    assert clear.observed[far].all()


def test_haze_over_everything_hides_nothing():
    usual = _scene()
    haze = np.array([0.05, 0.041, 0.031, 0.022, 0.008, 0.005])[:, None, None]
    assert _clear(usual + haze, usual).observed.all()


def test_shade_counts_only_where_there_are_clouds():
    usual = _scene()
    now = usual.copy()
    now[:, 50:60, 50:60] *= 0.4
    assert _clear(now, usual, cloudy=True).suspect[50:60, 50:60].all()
    assert _clear(now, usual, cloudy=False).observed.all()


def test_a_delivered_mask_is_widened_and_a_small_mark_stays_suspect():
    usual = _scene()
    given = np.ones(usual.shape[1:], bool)
    given[:60, :60] = False
    given[120:123, 120:123] = False
    clear = _clear(usual, usual, given=given)
    assert not clear.observed[:62, :60].any()
    assert clear.observed[62:100, :60].all()
    assert not clear.suspect[:30, :30].any()
    assert clear.suspect[120:123, 120:123].all()


def test_a_veil_over_the_old_ground_is_told_from_new_ground():
    before = np.repeat(SOIL[None], 2, 0).astype(np.float32)
    laterite = np.array([0.075, 0.112, 0.21, 0.30, 0.36, 0.285])
    now = np.stack([0.8 * SOIL + 0.2 * CLOUD, laterite * 1.4]).astype(np.float32)
    share, strength = veil_share(now, before, SIX, 1.0 / np.maximum(0.03 * before, 0.01) ** 2)
    assert share[0] > 0.99
    assert strength[0] == pytest.approx(0.2, abs=0.03)
    assert share[1] < 0.9


# -- rarity ----------------------------------------------------------------------------------------------
def test_p_values_are_ranks_among_the_history():
    table = NullTable.empty(2).with_sample(
        np.array([0.05] * 98 + [5.0, 9.0], np.float32), np.zeros(100, np.int8)
    )
    p = 10 ** table.log10_p()[0]
    assert p[0] == 1.0
    assert p[int(1.0 / STEP)] == pytest.approx(3 / 101)
    assert p[int(7.0 / STEP)] == pytest.approx(2 / 101)
    assert p[BINS - 1] == pytest.approx(1 / 101)
    halves = NullTable.empty(2)
    for part in np.array_split(np.array([0.05] * 98 + [5.0, 9.0], np.float32), 7):
        halves = halves.with_sample(part, np.zeros(len(part), np.int8))
    assert np.array_equal(halves.counts, table.counts)


def test_the_law_of_one_scene_is_found_under_a_few_per_cent_of_change():
    rng = np.random.default_rng(2)
    d = 1.7 * np.sqrt(chi2.rvs(4.0, size=60000, random_state=rng))
    d[:1800] += 10
    scale, freedom = scene_law(d.astype(np.float32), 6)
    level = scale * np.sqrt(chi2.isf(0.01, freedom))
    assert level == pytest.approx(1.7 * np.sqrt(chi2.isf(0.01, 4.0)), rel=0.12)


def test_evidence_of_ordinary_ground_has_mean_one():
    # ∫ κ p^(κ−1) dp over (0, 1) is 1: that makes it an e-value. With p = e^−u the integrand is e·e^−u.
    u = np.linspace(0, 400, 400_001)
    for kappa in (0.1, 0.15, 0.5):
        log10 = log10_e(-u / np.log(10), kappa).astype(float) - u / np.log(10)
        assert np.trapezoid(10**log10, u) == pytest.approx(1.0, abs=1e-3)


# -- common ground ---------------------------------------------------------------------------------------
def test_a_spectrum_is_common_only_if_many_places_show_it():
    rng = np.random.default_rng(3)
    soil = SOIL * np.exp(rng.normal(0, 0.01, (900, 6)))
    pit = MARBLE * np.exp(rng.normal(0, 0.01, (300, 6)))
    words = common_spectra(
        np.concatenate([soil, pit]).astype(np.float32),
        np.concatenate([np.arange(900) // 20, np.full(300, 7)]),
    )
    assert rareness(SOIL[None].astype(np.float32), words)[0] < 0.05
    assert rareness(MARBLE[None].astype(np.float32), words)[0] > 0.3
    assert rareness(SOIL[None].astype(np.float32), np.zeros((0, 6), np.float32))[0] == 1.0


def test_what_turns_into_a_soil_from_around_is_not_foreign():
    usual = np.array([0.0, 0.0, 1.0], np.float32)
    soils = np.array([[1.0, 0.0, 1.0], [0.0, 2.0, 1.0]], np.float32)
    half_way = usual + 0.5 * (soils[1] - usual)
    away, share, along = foreign(half_way, usual, soils)
    assert (away, share, along) == pytest.approx((0.0, 0.0, 0.5), abs=1e-6)
    # Across both ways: nothing of it is explained.
    away, share, along = foreign(usual + np.array([0, 0, 0.6], np.float32), usual, soils)
    assert (away, share, along) == pytest.approx((0.6 / np.sqrt(3), 1.0, 0.0), abs=1e-6)
    # Far beyond a soil, in its direction: a fifth of the way is granted.
    away, _, along = foreign(usual + np.array([3, 0, 0], np.float32), usual, soils)
    assert (away, along) == pytest.approx((1.8 / np.sqrt(3), 1.2), abs=1e-6)


# -- shapes ----------------------------------------------------------------------------------------------
def test_shapes_know_a_disc_from_a_line_and_a_box():
    y, x = np.mgrid[-20:21, -20:21]
    disc = np.nonzero(x * x + y * y <= 300)
    elongation, fill = shape(*disc)
    assert elongation == pytest.approx(0.0, abs=0.02)
    assert fill == pytest.approx(1.0, abs=0.02)
    assert boxiness(*disc) == pytest.approx(np.pi / 4, abs=0.04)
    line = np.zeros(30, int), np.arange(30)
    assert shape(*line)[0] == pytest.approx(np.log(30), abs=0.01)
    box = np.nonzero((np.abs(x) <= 14) & (np.abs(y) <= 8))
    assert boxiness(*box) == pytest.approx(1.0)
    turned = np.nonzero((np.abs(2 * x + y) <= 40) & (np.abs(x - 2 * y) <= 22))
    assert boxiness(*turned) > 0.88


def test_middle_is_the_median():
    rng = np.random.default_rng(9)
    for n in (1, 2, 5, 8):
        values = rng.normal(size=(n, 3))
        np.testing.assert_array_equal(middle(values), np.median(values, axis=0))


def test_objects_are_the_connected_parts_that_hold_a_seed():
    rng = np.random.default_rng(7)
    evidence = np.where(rng.random((40, 50)) < 0.25, rng.uniform(0, 4, (40, 50)), 0.0).astype(np.float32)
    cell = np.nonzero(evidence.ravel() > 0)[0].astype(np.int64)
    found = grown_objects(evidence.ravel()[cell], Neighbours(cell, 50, 1), grow=1.0, seed=3.0, least_cells=2)
    label, count = ndimage.label(evidence >= 1.0, structure=np.ones((3, 3)))
    wanted = [np.nonzero(label.ravel() == k)[0] for k in range(1, count + 1)]
    wanted = [w for w in wanted if len(w) >= 2 and evidence.ravel()[w].max() >= 3.0]
    assert [cell[f].tolist() for f in found] == sorted(w.tolist() for w in wanted)
    gap = np.array([0, 2, 50 * 3], np.int64)  # one cell between the first two, two rows to the third
    assert [len(p) for p in Neighbours(gap, 50, 2).components(np.ones(3, bool))] == [2, 1]
