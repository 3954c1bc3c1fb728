"""Pits and heaps of closed form, measured by points."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.errors import InputRefused
from survey.volumetrics.points.codes import make_points, meaning
from survey.volumetrics.points.site import build_site
from survey.volumetrics.points.volume import point_volume
from survey.volumetrics.stock import volumes


def points(rows, sigma=0.02, seed=None):
    """rows: (code, east, north, up); shuffled if a seed is given."""
    rows = list(rows)
    if seed is not None:
        rows = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    at = np.array([row[1:4] for row in rows], float)
    made, _ = make_points(
        [str(i) for i in range(len(rows))], [r[0] for r in rows], *at.T, np.full(len(rows), sigma)
    )
    return made


def ring(code, radius, n, up, phase=0.0):
    for t in np.linspace(0, 2 * math.pi, n, endpoint=False) + phase:
        yield code, radius * math.cos(t), radius * math.sin(t), up


def frustum(n, pit=True, big=20.0, small=8.0, height=5.0, lift=100.0):
    sign = -1 if pit else 1
    rows = list(ring("rim" if pit else "toe", big, n, lift))
    rows += ring("toe" if pit else "crest", small, n, lift + sign * height)
    rows += [
        ("floor" if pit else "top", x, y, lift + sign * height)
        for x, y in ((0, 0), (3, 2), (-3, 1), (1, -4), (-2, -3))
    ]
    return rows


def polygon_area_factor(n):
    """Area of a regular n-gon over that of its circle."""
    return n / (2 * math.pi) * math.sin(2 * math.pi / n)


def hemisphere(n_rim, spacing, seed=0, big=20.0):
    rng = np.random.default_rng(seed)
    yield from ring("rim", big, n_rim, 100.0)
    at = np.arange(-big, big + 1e-9, spacing)
    for x in at:
        for y in at:
            e, n = x + rng.uniform(-0.3, 0.3) * spacing, y + rng.uniform(-0.3, 0.3) * spacing
            r = math.hypot(e, n)
            if r < big * math.cos(math.pi / n_rim) - 0.2:
                yield "floor", e, n, 100.0 - math.sqrt(big**2 - r**2)


def measured(rows, **more):
    site = build_site(points(rows, **more))
    made = point_volume(site)
    v = volumes(made.amount, made.doubts)
    return made, (v.cut if site.pit else v.fill)


@pytest.mark.parametrize("n", [12, 24, 48])
@pytest.mark.parametrize("pit", [True, False])
def test_a_frustum_is_that_of_its_polygon_exactly(n, pit):
    """With crest and toe measured at the same bearings the faces are plane: H/3 (A + √(A a) + a)."""
    made, volume = measured(frustum(n, pit))
    truth = polygon_area_factor(n) * math.pi * 5 / 3 * (400 + 160 + 64)
    # A face between parallel edges of different length is plane; its triangles leave nothing out.
    assert volume.value == pytest.approx(truth, rel=1e-9)
    assert made.amount.area_m2 == pytest.approx(polygon_area_factor(n) * math.pi * 400, rel=1e-12)
    assert made.amount.greatest_m == pytest.approx(5)
    assert volume.lo <= 3267.2564 <= volume.hi
    assert made.amount.pit is pit


def test_a_wedge():
    """A ramp cut into level ground: 20 m long, 10 m wide, 5 m deep at its end: 500 m³."""
    rows = [("rim", e, n, 0.0) for e in np.linspace(0, 20, 9) for n in (0.0, 10.0)]
    rows += [("rim", 20.0, n, 0.0) for n in (2.5, 5.0, 7.5)] + [("rim", 0.0, n, 0.0) for n in (2.5, 5.0, 7.5)]
    # The foot of the vertical walls, a hand's breadth inside.
    foot = [("toe", e, n, -0.25 * e) for e in np.linspace(0.5, 19.95, 9) for n in (0.05, 9.95)]
    foot += [("toe", 19.95, n, -0.25 * 19.95) for n in (2.5, 5.0, 7.5)]
    inner = [("floor", e, n, -0.25 * e) for e in (4.0, 8.0, 12.0, 16.0) for n in (3.0, 5.0, 7.0)]
    made, volume = measured(rows + foot + inner)
    assert volume.value == pytest.approx(500, rel=0.02)
    assert volume.lo <= 500 <= volume.hi
    assert made.base == "TIN"


def test_a_hemisphere_is_held_by_its_interval_which_shrinks_with_the_spacing():
    truth = 2 / 3 * math.pi * 20**3
    widths = []
    for n, spacing in ((16, 8.0), (24, 5.0), (36, 3.0), (72, 2.0)):
        for seed in range(4):
            _, volume = measured(hemisphere(n, spacing, seed))
            assert volume.lo <= truth <= volume.hi
        widths.append(volume.half_width)
    assert all(b < 0.8 * a for a, b in pairwise(widths))


def test_the_precision_of_the_points_goes_through_the_volume():
    """Monte Carlo: noise of 5 cm in the heights scatters the volume as the doubt says."""
    rows = list(hemisphere(24, 5.0))
    made, _ = measured(rows, sigma=0.05)
    said = next(d.sigma_m3 for d in made.doubts if d.name == "precision of points")
    rng = np.random.default_rng(5)
    found = []
    for _ in range(60):
        noisy = [(c, e, n, z + rng.normal(0, 0.05)) for c, e, n, z in rows]
        found.append(point_volume(build_site(points(noisy, sigma=0.05)), "TIN").amount.net_m3)
    assert said == pytest.approx(np.std(found), rel=0.3)


def test_a_common_error_of_all_heights_cancels():
    one, _ = measured(frustum(16, lift=100.0))
    other, _ = measured(frustum(16, lift=103.7))
    assert one.amount.net_m3 == pytest.approx(other.amount.net_m3, abs=1e-6)


def test_a_pit_on_a_slope_and_on_a_dome():
    def ground(x, y, bend):
        return 100 + 0.1 * x - 0.05 * y - bend * (x * x + y * y)

    for bend, name in ((0.0, "TIN"), (0.01, "smooth trend")):
        rows = [("rim", x, y, ground(x, y, bend)) for _, x, y, _ in ring("rim", 20, 24, 0)]
        rows += [("ground", x, y, ground(x, y, bend)) for _, x, y, _ in ring("ground", 30, 12, 0)]
        rng = np.random.default_rng(2)
        rows += [
            ("floor", x, y, ground(x, y, bend) - 5 * (1 - (x * x + y * y) / 400))
            for x, y in rng.uniform(-14, 14, (400, 2))
            if x * x + y * y < 19**2
        ]
        made, volume = measured(rows)
        assert made.base == name
        truth = 5 * math.pi * 400 / 2  # paraboloid
        assert volume.lo <= truth <= volume.hi
        assert volume.value == pytest.approx(truth, rel=0.04)


def test_points_taken_to_and_fro_are_put_in_order():
    rows = frustum(24)
    straight, _ = measured(rows)
    site = build_site(points(rows, seed=3))
    shuffled = point_volume(site)
    assert shuffled.amount.net_m3 == pytest.approx(straight.amount.net_m3, rel=1e-9)
    assert any("not measured in order" in remark for remark in site.remarks)


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 6.28), st.floats(-1e5, 1e5), st.floats(-1e5, 1e5))
def test_moving_and_turning_the_world_changes_no_volume(angle, east, north):
    rows = [
        (
            c,
            east + x * math.cos(angle) - y * math.sin(angle),
            north + x * math.sin(angle) + y * math.cos(angle),
            z,
        )
        for c, x, y, z in frustum(16)
    ]
    truth = polygon_area_factor(16) * math.pi * 5 / 3 * 624
    assert measured(rows)[0].amount.cut_m3 == pytest.approx(truth, rel=1e-6)


def test_toe_or_crest_serves_as_outline_whichever_encloses():
    heap = build_site(points(frustum(16, pit=False)))
    assert not heap.pit
    pit = build_site(points([("crest" if c == "rim" else c, *rest) for c, *rest in frustum(16)]))
    assert pit.pit


def test_cut_and_fill_stay_apart():
    """Half of the ground raised by one metre, half lowered: 50 m³ each, net nothing."""
    rows = [("rim", e, n, 0.0) for e in np.linspace(0, 10, 11) for n in (0.0, 10.0)]
    rows += [("rim", e, n, 0.0) for e in (0.0, 10.0) for n in np.linspace(1, 9, 9)]
    z = {True: 1.0, False: -1.0}
    rows += [
        ("floor", e, n, z[e < 5])
        for e in (0.01, 1, 2, 3, 4, 4.99, 5.01, 6, 7, 8, 9, 9.99)
        for n in np.linspace(0.01, 9.99, 11)
    ]
    made, _ = measured(rows)
    assert made.amount.cut_m3 == pytest.approx(50, rel=0.01)
    assert made.amount.fill_m3 == pytest.approx(50, rel=0.01)


def test_few_and_badly_spread_points_are_warned_of_with_places():
    rows = [*ring("rim", 20, 5, 100.0), ("floor", -8.0, -3.0, 96.0), ("floor", -9.0, 4.0, 95.5)]
    made, volume = measured(rows)
    assert any("outline has only 5 points" in remark for remark in made.remarks)
    assert any("Only 2 points" in remark for remark in made.remarks)
    assert volume.half_width > 0.3 * volume.value
    assert made.advice
    for place in made.advice:
        assert math.hypot(place.east, place.north) <= 20.0


def test_a_long_stretch_of_outline_without_a_point_is_named():
    rows = [*ring("rim", 20, 40, 100.0)][:31]
    rows += [*ring("toe", 10, 16, 95.0), ("floor", 0.0, 0.0, 95.0)]
    made, _ = measured(rows)
    gap = next(a for a in made.advice if "without a point" in a.why)
    assert gap.east > 0 > gap.north


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(InputRefused, match="no line bounds"):
        build_site(points([("floor", 0, 0, 1), ("floor", 1, 0, 1), ("floor", 0, 1, 1)]))
    with pytest.raises(InputRefused, match="no point was measured inside"):
        build_site(points(list(ring("rim", 10, 12, 0.0))))
    with pytest.raises(InputRefused, match="mean nothing here"):
        points([("tree", 0, 0, 0), ("pole", 1, 1, 1), ("rim", 2, 2, 2)])
    with pytest.raises(InputRefused, match="lie at one place"):
        points([("rim", 0, 0, 0), ("rim", 0, 0, 4), ("floor", 1, 1, 1)])
    rows = [*ring("rim", 20, 16, 100.0)]
    rows += [("toe1", x, 0.0, 95.0) for x in (-9, -3, 3, 9)]
    rows += [("toe2", 0.5, y, 94.0) for y in (-9, -3, 3, 9)]
    with pytest.raises(InputRefused, match="cross"):
        measured(rows)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Rim", ("rim", "")), ("PIT EDGE", ("rim", "")), ("toe2", ("toe", "2")),
        ("Top of bank-b", ("crest", "b")),
        ("NGL", ("ground", "")), ("floor 12", ("floor", "12")), ("bm1", None), ("", None),
    ],
)  # fmt: skip
def test_what_field_parties_write(said, code):
    assert meaning(said) == code


def test_an_outline_that_was_walked_half_way_round_is_refused():
    """Closed by a chord it would leave half of the pit out, and look whole."""
    rows = [row for row in frustum(24) if row[0] != "rim" or row[2] >= -0.1]
    with pytest.raises(InputRefused, match="lie outside the outline"):
        measured(rows)
