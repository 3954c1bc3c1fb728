"""What has become of an object since it was first seen."""

from __future__ import annotations

import numpy as np
import pytest

from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.beginning import since_first
from survey.imagery.triggers.features import Objects
from survey.imagery.triggers.product import WET, counts
from survey.imagery.triggers.support import Support

BANDS = BandSet(("blue", "green", "red", "nir", "swir1", "swir2"))
SOIL = np.array([0.09, 0.12, 0.16, 0.22, 0.30, 0.26])


def seen_as(spectra: list[np.ndarray], wet: list[bool], cells: int = 5) -> tuple[Support, np.ndarray]:
    """A row of cells that look alike, on as many dates as there are spectra; all new on all dates."""
    dates = len(spectra)
    n = dates * cells
    now = np.repeat(counts(np.array(spectra, np.float32)), cells, axis=0)
    flags = np.repeat(np.where(wet, WET, 0), cells).astype(np.uint8)
    at = np.arange(n, dtype=np.int32).reshape(dates, cells)
    support = Support(
        40, np.arange(cells), np.ones((dates, cells), bool), at,
        np.zeros(n, np.float32), np.zeros(n, np.float32), flags, np.zeros(n, np.uint8), now, now, now,
        np.zeros((n, 2), np.int8), np.zeros(n, np.uint8), np.zeros(cells, np.int64), np.arange(cells),
    )  # fmt: skip
    return support, np.ones((dates, cells), bool)


def since(
    spectra: list[np.ndarray], wet: list[bool] | None = None, bands: BandSet = BANDS
) -> dict[str, float]:
    support, novel = seen_as(spectra, wet or [False] * len(spectra))
    return of_one(support, list(range(len(spectra))), novel, bands)


def of_one(support: Support, hits: list[int], novel: np.ndarray, bands: BandSet = BANDS) -> dict[str, float]:
    one = Objects.of([np.arange(5)], [hits], [len(hits)], [5])
    return {name: float(values[0]) for name, values in since_first(support, one, novel, bands).items()}


def test_one_detection_and_what_stays_have_not_changed():
    assert set(since([SOIL]).values()) == {0.0}
    assert set(since([SOIL, 3 * SOIL, SOIL]).values()) == {0.0}


def test_what_brightens_as_a_whole_keeps_its_colour():
    # ln(R + 0.03) doubles its argument in every band.
    found = since([SOIL, 1.5 * SOIL, 2 * (SOIL + 0.03) - 0.03])
    assert found["since_brighter"] == pytest.approx(np.log(2), abs=2e-3)
    for name in ("since_bluer", "since_nir", "since_swir", "since_grey", "since_wet"):
        assert found[name] == pytest.approx(0.0, abs=3e-3)


def test_roofs_on_levelled_ground_are_greyer_and_bluer():
    found = since([SOIL, SOIL, np.full(6, 0.25)])
    assert found["since_grey"] < 0 < found["since_bluer"]
    assert found["since_nir"] < 0


def test_a_pond_fills():
    water = np.array([0.06, 0.07, 0.05, 0.02, 0.01, 0.008])
    found = since([SOIL, water], [False, True])
    assert found["since_wet"] == 1.0
    assert found["since_swir"] < 0


def test_without_short_wave_bands_nothing_is_said_of_them():
    three = BandSet(("green", "red", "nir"))
    assert "since_swir" not in since([SOIL[1:4], SOIL[1:4]], bands=three)


def test_dates_on_which_no_cell_of_it_was_new_are_passed_over():
    support, novel = seen_as([SOIL, 2 * SOIL, SOIL], [False] * 3)
    novel[0] = False
    found = of_one(support, [0, 1, 2], novel)
    assert found["since_brighter"] < -0.4
