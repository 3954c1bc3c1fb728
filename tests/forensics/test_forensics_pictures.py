from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from survey.forensics.pictures import (
    PictureSquares,
    judge_contradiction,
    judge_resent_picture,
    judge_season,
    picture_squares,
)
from survey.imagery.register import WINDOW, correlate, judge
from survey.sample_data import make_scene


def on_cells(image, k=4):
    bright = image[:3].astype(float).mean(axis=0) / 255
    rows, cols = bright.shape[0] // k, bright.shape[1] // k
    return bright[: rows * k, : cols * k].reshape(rows, k, cols, k).mean(axis=(1, 3))


def compressed(image, quality):
    held = io.BytesIO()
    Image.fromarray(np.moveaxis(image[:3], 0, -1)).save(held, "JPEG", quality=quality)
    return np.moveaxis(np.asarray(Image.open(held)), -1, 0)


def resent(before, after):
    return [(f.name, f.strength) for f in judge_resent_picture(picture_squares(before, after), 1.0).flags]


def test_two_flights_take_two_pictures(honest):
    before, after = (on_cells(o) for o in honest.orthos)
    assert resent(before, after) == []
    squeezed = [on_cells(compressed(o, 80)) for o in honest.orthos]
    assert resent(*squeezed) == []


def test_the_picture_sent_again(honest):
    before = on_cells(honest.orthos[0])
    assert resent(before, before.copy()) == [("orthomosaic sent again", "strong")]


def test_the_picture_sent_again_and_compressed_anew(honest):
    one, other = (on_cells(compressed(honest.orthos[0], q)) for q in (90, 75))
    ((_, strength),) = resent(one, other)
    assert strength in ("moderate", "strong")


def test_a_part_of_the_picture_sent_again(honest):
    before, after = (on_cells(o) for o in honest.orthos)
    after = after.copy()
    after[64:160, 64:160] = before[64:160, 64:160]
    assert resent(before, after) == [("part of the orthomosaic sent again", "moderate")]


def test_no_common_ground_has_no_power(honest):
    before = on_cells(honest.orthos[0])
    assert judge_resent_picture(picture_squares(before, np.full(before.shape, np.nan)), 1.0).no_power


def test_a_far_greener_year():
    shape = (160, 160)
    flat = np.full(shape, 0.5)
    grey = picture_squares(flat, flat, green_before=np.full(shape, 0.1), green_after=np.full(shape, 0.15))
    assert judge_season(grey).flags == ()
    green = picture_squares(flat, flat, green_before=np.full(shape, 0.1), green_after=np.full(shape, 0.8))
    (flag,) = judge_season(green).flags
    assert flag.strength == "moderate"
    assert judge_season(picture_squares(flat, flat)).no_power


def dug(seed):
    """Two flights with a pit between them whose sides are real slopes."""
    return make_scene(seed, size_m=(300.0, 300.0), ortho=True, sites_lease=3, site_radius_m=(14.0, 20.0),
                      site_depth_m=(4.0, 7.0), workings_growth=0.4)  # fmt: skip


@pytest.mark.parametrize("seed", [3, 5])
def test_the_picture_follows_this_years_ground(seed):
    scene = dug(seed)
    before, after = (on_cells(o, 1) for o in scene.orthos)
    rows, cols = min(after.shape[0], scene.after.shape[0]), min(after.shape[1], scene.after.shape[1])
    cut = (slice(rows), slice(cols))
    heights = scene.before[cut], scene.after[cut]

    def outcome(picture):
        sun = judge(correlate(heights[1], picture[cut], 12), 1.0)
        assert sun.known
        s = picture_squares(before[cut], picture[cut], heights=heights)
        return judge_contradiction(s, 1.0, 0.03, sun.sun_deg)

    honest = outcome(after)
    assert honest.no_power is None
    assert honest.flags == ()
    assert honest.evidence["fit_of_this_ground"] > honest.evidence["fit_of_earlier_ground"]
    (flag,) = outcome(before).flags
    assert flag.test == "files.contradict"


def test_tiles_put_together(honest):
    before, after = (on_cells(o)[:288, :288] for o in honest.orthos)
    whole = picture_squares(before, after)
    parts = [
        [picture_squares(before[r : r + 144, c : c + 144], after[r : r + 144, c : c + 144]) for c in (0, 144)]
        for r in (0, 144)
    ]
    np.testing.assert_allclose(PictureSquares.joined(parts).brighter, whole.brighter)


# -- registration ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("move", [(0, 0), (4, -7), (-9, 2)])
def test_the_offset_of_a_picture_comes_back_out(honest, move):
    light = on_cells(honest.orthos[1])
    n = min(light.shape[0], honest.after.shape[0])
    found = judge(correlate(honest.after[:n, :n], np.roll(light, move, axis=(0, 1))[:n, :n], 16), 1.0)
    assert found.known
    assert not found.at_rim
    assert found.east_m == pytest.approx(move[1] * 1.0, abs=4 * found.sigma_m)
    assert found.north_m == pytest.approx(-move[0] * 1.0, abs=4 * found.sigma_m)
    assert found.sigma_m < 0.5


def test_a_picture_of_another_place_does_not_register(honest):
    other = on_cells(make_scene(77, size_m=(300.0, 300.0), ortho=True).orthos[1], 1)
    n = min(other.shape[0], honest.after.shape[0])
    assert not judge(correlate(honest.after[:n, :n], other[:n, :n], 16), 1.0).known


def test_a_grey_picture_says_nothing(honest):
    flat = np.full(honest.after.shape, 0.5)
    assert not judge(correlate(honest.after, flat, 8), 1.0).known


def test_windows_of_parts_sum_to_the_whole(honest):
    light = on_cells(honest.orthos[1])
    side = 2 * WINDOW
    z, light = honest.after[:side, :side], light[:side, :side]
    whole = correlate(z, light, 8)
    upper = correlate(z[:WINDOW], light[:WINDOW], 8, first_window=0)
    lower = correlate(z[WINDOW:], light[WINDOW:], 8, first_window=2)
    both = upper + lower
    np.testing.assert_allclose(both.east, whole.east, atol=1e-9)
    assert (both.windows == whole.windows).all()
