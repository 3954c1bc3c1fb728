"""Copies that were resampled and given noise are seen; two flights over any ground are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from survey.forensics.echo import judge_echo, measure_echo
from survey.forensics.noise import fine_texture
from survey.sample_data import make_scene
from survey.sample_data.survey_error import ErrorModel

SIDE = 448
HERE = [(slice(r, r + 224), slice(c, c + 224)) for r in (0, 224) for c in (0, 224)]


def told(before: np.ndarray, after: np.ndarray):
    return judge_echo(measure_echo([(before[cut], after[cut]) for cut in HERE]))


@pytest.fixture(scope="module")
def scene():
    plain = ErrorModel(random_m=0.03, correlated_m=0.02)
    return make_scene(
        41, size_m=(SIDE / 2, SIDE / 2), cell_m=0.5, before_error=plain, after_error=plain, groves_standing=1
    )


@pytest.mark.parametrize(
    ("order", "smooth", "noise"), [(1, 0.0, 0.01), (1, 0.0, 0.05), (3, 0.0, 0.03), (1, 0.6, 0.01)]
)
def test_a_copy_moved_smoothed_raised_and_given_noise(scene, rng, order, smooth, noise):
    z = ndimage.shift(scene.before.astype(float), (0.35, -0.3), order=order, mode="nearest") + 0.6
    z = ndimage.gaussian_filter(z, smooth) if smooth else z
    forged = (z + rng.normal(0, noise, z.shape)).astype(np.float32)
    flag = told(scene.before, forged)
    assert flag is not None
    assert flag.strength in ("strong", "moderate")
    # What was added is what is said to be left.
    assert flag.evidence["noise_m"] == pytest.approx(noise, rel=0.15)


def test_two_flights_raise_nothing(scene):
    n, m = (min(a, b) for a, b in zip(scene.before.shape, scene.after.shape, strict=True))
    assert told(scene.before[:n, :m], scene.after[:n, :m]) is None
    assert told(scene.before, scene.before_dtm) is None


def ground(rng: np.random.Generator, fall: float, texture_m: float, varied: bool) -> np.ndarray:
    """Fractal ground whose amplitudes fall with the frequency to the power ``fall``."""
    k = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :])
    k[0, 0] = 1
    z = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(SIDE, SIDE))) * k**-fall, s=(SIDE, SIDE))
    z *= 6 * texture_m / np.nanstd(fine_texture(z))
    if varied:
        rough = np.exp(80 * ndimage.gaussian_filter(rng.normal(size=z.shape), 40))
        z *= rough / np.median(rough)
    return z


@pytest.mark.parametrize("texture_m", [0.02, 0.06, 0.2])
@pytest.mark.parametrize(("fall", "varied"), [(1.0, False), (1.5, True), (2.0, False), (2.5, True)])
def test_two_flights_over_rough_ground_raise_nothing(fall, varied, texture_m, rng):
    """The hard case: the ground's own texture comes back in the second flight, moved by a part of a cell."""
    z = ground(rng, fall, texture_m, varied)
    again = ndimage.shift(z, (0.4, 0.3), order=3, mode="grid-wrap")
    waves = [0.02 * 28 * ndimage.gaussian_filter(rng.normal(size=z.shape), 8) for _ in range(2)]
    for noise in (0.02, 0.05):
        before, after = (
            (300 + g + w + rng.normal(0, n, z.shape)).astype(np.float32)
            for g, w, n in ((z, waves[0], 0.02), (again, waves[1], noise))
        )
        assert told(before, after) is None


def test_too_little_to_judge_by():
    empty = np.full((SIDE, SIDE), np.nan)
    assert measure_echo([]) is None
    assert measure_echo([(empty, empty)]) is None
    assert measure_echo([(np.zeros((20, 20)), np.zeros((20, 20)))]) is None
    level = np.full((SIDE, SIDE), 300.0)
    assert measure_echo([(level, level)]) is None
