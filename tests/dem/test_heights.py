"""Height references: never guessed, never mixed; and the geoid that ships with the program."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.dem.heights import (
    HeightReference,
    agree,
    ellipsoidal,
    offset_hint,
    orthometric,
    parse_reference,
    reference_of,
    settle,
    undulation,
)
from survey.errors import InputRefused
from survey.rasters.crs import Heights, frame_of

EGM2008, ELLIPSOIDAL, MSL, LOCAL = (parse_reference(w) for w in ("EGM2008", "ellipsoidal", "MSL", "local"))


# -- words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("EGM2008", "EGM2008"),
        ("egm 2008", "EGM2008"),
        ("EGM08", "EGM2008"),
        ("Ellipsoidal height", "ellipsoidal"),
        ("WGS-84 ellipsoid", "ellipsoidal"),
        ("EGM96", "EGM96"),
        ("Mean Sea Level", "MSL"),
        ("local", "local"),
    ],
)
def test_words_of_the_trade(word: str, kind: str) -> None:
    assert parse_reference(word).kind == kind


@pytest.mark.parametrize("word", ["", "EGM", "EGM2009", "geoid", "metres", "समुद्र तल"])
def test_other_words_are_refused_with_the_list(word: str) -> None:
    with pytest.raises(InputRefused, match="EGM2008, ellipsoidal, EGM96, MSL, local"):
        parse_reference(word)


@pytest.mark.parametrize(
    ("system", "kind"),
    [
        ("EPSG:32643+3855", "EGM2008"),
        ("EPSG:32643+5773", "EGM96"),
        ("EPSG:32643+5714", "MSL"),
        ("EPSG:4979", "ellipsoidal"),
        ("EPSG:32643+5703", "other"),
    ],
)
def test_what_a_file_says(system: str, kind: str) -> None:
    reference = reference_of(frame_of(system).heights)
    assert reference is not None
    assert reference.kind == kind


def test_a_flat_system_says_nothing() -> None:
    assert reference_of(frame_of("EPSG:32643").heights) is None


def test_job_and_file_together() -> None:
    egm = Heights("EGM2008 height", 3855, 1.0, False)
    assert settle("EGM2008", None)[0] == EGM2008
    assert settle(None, egm)[0] == HeightReference("EGM2008", "EGM2008", "file")
    assert settle(None, None) == (None, ())
    reference, remarks = settle("MSL", egm)
    assert reference is not None
    assert reference.kind == "EGM2008"
    assert remarks[0].code == "height-sharpened"
    for word in ("ellipsoidal", "EGM96", "local"):
        with pytest.raises(InputRefused, match="the file says EGM2008"):
            settle(word, egm, file="dsm.tif")


# -- agreement ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", [EGM2008, ELLIPSOIDAL, MSL])
def test_like_with_like(one: HeightReference) -> None:
    assert agree(one, one) == ()


def test_two_local_benchmarks_are_taken_on_trust() -> None:
    assert agree(LOCAL, LOCAL)[0].code == "local-heights"


@pytest.mark.parametrize(
    ("before", "after"), [(EGM2008, ELLIPSOIDAL), (ELLIPSOIDAL, MSL), (EGM2008, LOCAL), (MSL, EGM2008)]
)
def test_mixtures_are_refused(before: HeightReference, after: HeightReference) -> None:
    with pytest.raises(InputRefused, match="same height reference") as caught:
        agree(before, after, after_file="2025.tif")
    assert caught.value.mend


@pytest.mark.parametrize(("before", "after"), [(None, EGM2008), (EGM2008, None), (None, None)])
def test_not_given_is_refused(before: HeightReference | None, after: HeightReference | None) -> None:
    with pytest.raises(InputRefused, match="counted from"):
        agree(before, after)


def test_other_systems_agree_by_name() -> None:
    navd, other = (HeightReference("other", name, "file") for name in ("NAVD88 height", "Baltic 1977 height"))
    assert agree(navd, navd) == ()
    with pytest.raises(InputRefused):
        agree(navd, other)


# -- the geoid ------------------------------------------------------------------------------------------


def test_depth_and_place_of_the_indian_ocean_low() -> None:
    """The deepest place of the whole geoid: about -106 m, south of Sri Lanka's tip, near 78° to 79° E."""
    lon, lat = np.meshgrid(np.arange(70, 90, 1 / 24), np.arange(5, 12, 1 / 24))
    n = undulation(lon, lat)
    k = np.unravel_index(n.argmin(), n.shape)
    assert -107.0 < n[k] < -105.5
    assert 78 <= lon[k] <= 79.5
    assert lat[k] < 6


def test_the_range_over_rajasthan() -> None:
    # States' corners: Ganganagar, Jaisalmer, Dungarpur, Bharatpur.
    n = undulation([73.9, 70.9, 73.7, 77.5], [29.9, 26.9, 23.8, 27.2])
    assert ((n > -60) & (n < -33)).all()


def test_matches_proj_with_the_same_grid() -> None:
    """PROJ's own interpolation is an independent oracle. Run apart, to leave its search path alone."""
    script = (
        "import sys, numpy as np, pyproj; pyproj.datadir.append_data_dir(sys.argv[1]);"
        "t = pyproj.Transformer.from_crs('EPSG:4979', 'EPSG:4326+3855', always_xy=True, "
        "allow_ballpark=False, only_best=True);"
        "r = np.random.default_rng(5); lon = r.uniform(66.1, 98.9, 400); lat = r.uniform(5.1, 37.9, 400);"
        "h = t.transform(lon, lat, np.zeros(400))[2]; print(' '.join(map(repr, map(float, h))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(files("survey") / "data")],
        capture_output=True,
        text=True,
        check=True,
    )
    proj = -np.array([float(word) for word in done.stdout.split()])
    rng = np.random.default_rng(5)
    ours = undulation(rng.uniform(66.1, 98.9, 400), rng.uniform(5.1, 37.9, 400))
    np.testing.assert_allclose(ours, proj, atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.floats(66, 99), st.floats(5, 38), st.floats(-400, 8000))
def test_there_and_back(lon: float, lat: float, height: float) -> None:
    assert float(orthometric(ellipsoidal(height, lon, lat), lon, lat)) == pytest.approx(height, abs=1e-9)
    # India: the ellipsoidal height is always the smaller one.
    assert float(ellipsoidal(height, lon, lat)) < height


@settings(max_examples=30, deadline=None)
@given(st.floats(66, 98), st.floats(6, 37), st.floats(0, 1))
def test_linear_between_nodes(lon: float, lat: float, part: float) -> None:
    """Along a row of nodes, between two of them, the geoid is a straight line."""
    step = 1 / 24
    west = 66 + round((lon - 66) / step) * step
    row = 38 - round((38 - lat) / step) * step
    a, b, middle = undulation([west, west + step, west + part * step], row)
    assert middle == pytest.approx(a * (1 - part) + b * part, abs=1e-6)


@pytest.mark.parametrize(
    ("lon", "lat"),
    [(65.9, 20), (99.1, 20), (75, 38.1), (75, 4.9), (-75, 26), (26, 75), (np.nan, 20), (75, np.inf)],
)
def test_outside_the_grid_is_refused_not_zero(lon: float, lat: float) -> None:
    with pytest.raises(InputRefused, match="geoid is not known"):
        undulation([75.0, lon], [26.0, lat])


# -- recognising offsets --------------------------------------------------------------------------------

JAIPUR = (75.8, 26.9)
N_JAIPUR = float(undulation(*JAIPUR))


def test_hint_of_mixed_references() -> None:
    assert -60 < N_JAIPUR < -33
    later = offset_hint(N_JAIPUR + 0.8, *JAIPUR)
    assert later is not None
    assert "later survey looks ellipsoidal" in later
    earlier = offset_hint(-N_JAIPUR - 1.2, *JAIPUR)
    assert earlier is not None
    assert "earlier survey looks ellipsoidal" in earlier


@pytest.mark.parametrize("rise", [0.0, 2.0, -15.0, N_JAIPUR + 6, 200.0])
def test_no_hint_where_there_is_none(rise: float) -> None:
    assert offset_hint(rise, *JAIPUR) is None


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1 / 0.3048, "later.*feet"),
        (0.3048, "earlier.*feet"),
        (10, "later.*decimetres"),
        (0.1, "earlier.*deci"),
    ],
)
def test_hint_of_units(factor: float, words: str) -> None:
    import re

    hint = offset_hint(312.0 * (factor - 1), *JAIPUR, before_median_m=312.0)
    assert hint is not None
    assert re.search(words, hint)


def test_far_from_india_there_is_no_hint() -> None:
    assert offset_hint(-30.0, -78.9, 35.2) is None
