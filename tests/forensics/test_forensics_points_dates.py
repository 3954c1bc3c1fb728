from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from survey.forensics.dates import Dated, dates_of_file, find_dates, judge_dates
from survey.forensics.residuals import judge_residuals

FLOWN = date(2025, 4, 25)


# -- residuals -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("n", [4, 6, 15, 40])
def test_honest_residuals_raise_nothing(seed, n):
    rng = np.random.default_rng(seed)
    residual = np.round(0.03 * rng.standard_normal(n), 3)
    assert judge_residuals(residual, noise_m=0.02).flags == ()


def test_elevations_read_off_the_surface():
    (flag,) = judge_residuals(np.zeros(8), noise_m=0.02).flags
    assert (flag.name, flag.strength) == ("residuals exactly zero", "strong")


def test_some_points_read_off_the_surface():
    residual = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.031, -0.022, 0.04, -0.01, 0.018])
    (flag,) = judge_residuals(residual, noise_m=0.02).flags
    assert (flag.name, flag.strength) == ("residuals exactly zero", "moderate")


def test_one_residual_again_and_again():
    residual = np.array([0.017] * 7 + [0.02, -0.01])
    (flag,) = judge_residuals(residual, noise_m=0.02).flags
    assert (flag.name, flag.strength) == ("residuals repeat", "strong")


def test_residuals_below_the_noise_of_the_surface():
    rng = np.random.default_rng(3)
    residual = 0.004 * rng.standard_normal(12) + 0.001
    (flag,) = judge_residuals(residual, noise_m=0.05).flags
    assert flag.name == "residuals too small"


def test_heights_in_decimetres_give_zero_residuals_honestly():
    rng = np.random.default_rng(3)
    truth = 300 + rng.uniform(0, 50, 12)
    points = np.round(truth, 1)
    residual = np.round(truth, 1) - points
    assert judge_residuals(residual, noise_m=0.02, rounding_m=0.1).flags == ()


def test_three_points_are_too_few():
    assert judge_residuals(np.array([0.0, 0.0, np.nan, 0.0])).no_power


# -- dates -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("2025:04:25 11:30:00", [FLOWN]),
        ("2025-04-25T06:00:00Z", [FLOWN]),
        ("mine_20250425_dsm.tif", [FLOWN]),
        ("25-04-2025.tif", [FLOWN]),
        ("25.04.2025", [FLOWN]),
        ("04/25/2025", [FLOWN]),
        ("03/04/2025", []),  # the third of April, or the fourth of March
        ("05-05-2025", [date(2025, 5, 5)]),
        ("20251345", []),
        ("123456789012", []),
        ("survey-2024-02-30", []),
        ("", []),
        ("०५-०४-२०२५", []),
    ],
)
def test_dates_are_read_only_where_they_mean_one_day(text, days):
    assert find_dates(text) == days


def flags(*found):
    return [f.strength for f in judge_dates(found, FLOWN).flags]


def test_dates_that_fit_raise_nothing():
    assert (
        flags(
            Dated("dsm.tif", "written", "TIFFTAG_DATETIME", date(2025, 5, 20)),
            Dated("dsm.tif", "taken", "ACQUISITION_DATE", date(2025, 4, 24)),
            Dated("dsm_20250512.tif", "named", "file name", date(2025, 5, 12)),
        )
        == []
    )


def test_a_picture_of_last_year():
    assert flags(Dated("o.tif", "taken", "ACQUISITION_DATE", date(2024, 4, 20))) == ["strong"]
    assert flags(Dated("o.tif", "taken", "ACQUISITION_DATE", date(2025, 7, 1))) == ["moderate"]


def test_a_file_older_than_its_flight():
    assert flags(Dated("o.tif", "written", "TIFFTAG_DATETIME", date(2024, 6, 1))) == ["strong"]
    assert flags(Dated("o.tif", "written", "TIFFTAG_DATETIME", date(2025, 4, 20))) == ["moderate"]
    assert flags(Dated("o.tif", "written", "TIFFTAG_DATETIME", date(2025, 4, 24))) == [], (
        "clocks and time zones"
    )


def test_a_name_is_a_weak_sign():
    assert flags(Dated("dsm_20240420.tif", "named", "file name", date(2024, 4, 20))) == ["weak"]


def test_tags_are_told_apart():
    found = dates_of_file(
        "2024/dsm.tif",
        [
            ("TIFFTAG_DATETIME", "2025:05:20 10:00:00"),
            ("ACQUISITION_DATE", "2025-04-25"),
            ("TIFFTAG_SOFTWARE", "Version 2019-01-01"),
        ],
    )
    assert [(d.what, d.day.isoformat()) for d in found] == [
        ("written", "2025-05-20"),
        ("taken", "2025-04-25"),
    ]


def test_files_without_dates_have_no_power():
    assert judge_dates([], FLOWN).no_power
