"""Landsat's bands and numbers, masks by their maker's convention, and files that came twice."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio

from survey.errors import JobError
from survey.grid import Grid
from survey.imagery.triggers.bands import canonical_band
from survey.pipelines.triggers.reading import FoundFile
from survey.pipelines.triggers.scenes import shelve

CRS = "EPSG:32643"
SIX = ("blue", "green", "red", "nir", "swir1", "swir2")
GROUND = np.array([0.06, 0.09, 0.12, 0.25, 0.30, 0.22])


def watch(**keys):
    plain = {
        "bands": (), "scale": None, "offset": None, "nodata": None, "sensor": "auto", "crs": None,
        "mask_clear": (1,),
    }  # fmt: skip
    return SimpleNamespace(**(plain | keys))


def write(
    folder: Path, name: str, values: np.ndarray, names: tuple[str, ...] = (), cell: float = 30.0
) -> FoundFile:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    bands, height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=bands, height=height, width=width, dtype=values.dtype, crs=CRS,
        transform=rasterio.Affine(cell, 0, 400_000, 0, -cell, 2_700_000),
    ) as out:  # fmt: skip
        out.write(values)
        for i, said in enumerate(names, start=1):
            out.set_band_description(i, said)
    return FoundFile(path, name, hashlib.sha256(path.read_bytes()).hexdigest())


def ground(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return GROUND[:, None, None] * rng.uniform(0.9, 1.1, (6, 20, 20))


def landsat(reflectance: np.ndarray) -> np.ndarray:
    return np.rint((reflectance + 0.2) / 2.75e-5).astype(np.uint16)


def read(shelf, day: int = 0) -> np.ndarray:
    return shelf.scenes[day].read(Grid(CRS, 400_000.0, 2_700_000.0, 30.0, 30.0, 20, 20)) * 1e-4


@pytest.mark.parametrize(
    ("said", "family", "meant"),
    [
        ("SR_B5", "oli", "nir"),
        ("B5", "oli", "nir"),
        ("band06", "oli", "swir1"),
        ("B11", "oli", None),
        ("SR_B1", "tm", "blue"),
        ("SR_B5", "tm", "swir1"),
        ("red", "tm", "red"),
        ("B11", None, "swir1"),
        ("B5", None, None),
    ],
)
def test_a_number_means_what_its_satellite_means_by_it(said, family, meant):
    assert canonical_band(said, family) == meant


@pytest.mark.parametrize(
    ("stem", "numbers"),
    [("LC08_L2SP_147043", (2, 3, 4, 5, 6, 7)), ("LE07_L2SP_147043", (1, 2, 3, 4, 5, 7))],
)
def test_landsat_as_it_is_shipped_needs_no_words_in_the_job(tmp_path, stem, numbers):
    files, truth = [], [ground(1), ground(2)]
    for day, seen in zip(("20240112", "20240213"), truth, strict=True):
        files += [
            write(tmp_path, f"{stem}_{day}_20240301_02_T1_SR_B{n}.TIF", landsat(band)[None])
            for n, band in zip(numbers, seen, strict=True)
        ]
    shelf = shelve(files, [], watch(), CRS, None)
    assert shelf.bands.names == SIX
    np.testing.assert_allclose(read(shelf), truth[0], atol=1e-4)
    # What holds of all twelve files is said once.
    assert [n.code for n in shelf.notes] == ["landsat-scale"]
    assert "and 11 more" in shelf.notes[0].message


def test_one_file_of_landsat_is_known_by_its_bands(tmp_path):
    names = tuple(f"SR_B{n}" for n in range(2, 8))
    files = [
        write(tmp_path, f"{day}.tif", landsat(ground(k)), names)
        for k, day in enumerate(("20240101", "20240202"))
    ]
    shelf = shelve(files, [], watch(), CRS, None)
    assert shelf.bands.names == SIX
    np.testing.assert_allclose(read(shelf), ground(0), atol=1e-4)


CLEAR, CLOUD = 0, 1


@pytest.mark.parametrize(
    ("name", "values", "mask_clear", "taken"),
    [
        ("SCL", {CLEAR: 5, CLOUD: 9}, (1,), (4, 5, 6, 7)),
        ("classes", {CLEAR: 4, CLOUD: 8}, (1,), (4, 5, 6, 7)),
        ("QA_PIXEL", {CLEAR: 21824, CLOUD: 22280}, (1,), (21824, 21888, 21952, 5440, 5504)),
        ("own", {CLEAR: 1, CLOUD: 0}, (1,), (1,)),
        ("own", {CLEAR: 0, CLOUD: 1}, (0,), (0,)),
        ("SCL", {CLEAR: 5, CLOUD: 9}, (4, 5), (4, 5)),
    ],
)
def test_masks_mean_what_their_maker_means(tmp_path, name, values, mask_clear, taken):
    days = ("20240101", "20240202")
    scenes = [
        write(tmp_path, f"s/{d}.tif", (ground(k) * 1e4).astype(np.uint16), SIX) for k, d in enumerate(days)
    ]
    cloudy = np.zeros((1, 20, 20), np.uint16)
    cloudy[0, :, :7] = CLOUD
    shown = np.where(cloudy == CLOUD, values[CLOUD], values[CLEAR]).astype(np.uint16)
    # One of them shows nothing but clear ground: it says nothing of its convention alone.
    masks = [
        write(tmp_path, f"m/{name}_{d}.tif", m)
        for d, m in zip(days, (shown, np.full_like(shown, values[CLEAR])), strict=True)
    ]
    shelf = shelve(scenes, masks, watch(mask_clear=mask_clear), CRS, None)
    assert {s.mask.clear for s in shelf.scenes} == {taken}
    grid = Grid(CRS, 400_000.0, 2_700_000.0, 30.0, 30.0, 20, 20)
    np.testing.assert_array_equal(shelf.scenes[0].read_clear(grid), cloudy[0] == CLEAR)
    assert shelf.scenes[1].read_clear(grid).all()


def test_masks_in_which_nothing_can_be_clear_are_named(tmp_path):
    scenes = [
        write(tmp_path, f"s/{d}.tif", (ground(1) * 1e4 + k).astype(np.uint16), SIX)
        for k, d in enumerate(("20240101", "20240202"))
    ]
    masks = [write(tmp_path, "m/clouds_20240101.tif", np.full((1, 20, 20), 3, np.uint8))]
    with pytest.raises(JobError, match="the masks hold 3, and mask_clear names none"):
        shelve(scenes, masks, watch(), CRS, None)


def test_a_file_that_came_twice_is_one_look(tmp_path):
    numbers = [(ground(k) * 1e4).astype(np.uint16) for k in range(2)]
    first = write(tmp_path, "S2_20240101.tif", numbers[0], SIX)
    again = write(tmp_path, "S2_20240102.tif", numbers[0], SIX)
    copy = write(tmp_path, "copy_20240101.tif", numbers[0], SIX)
    later = write(tmp_path, "S2_20240202.tif", numbers[1], SIX)
    alone = shelve([first, later], [], watch(scale=1e-4), CRS, None)
    shelf = shelve([first, again, later, copy], [], watch(scale=1e-4), CRS, None)
    assert [s.key for s in shelf.scenes] == [s.key for s in alone.scenes]
    assert sorted(n.message for n in shelf.notes) == [
        "S2_20240102.tif: is the same file as S2_20240101.tif. This scene is left out.",
        "copy_20240101.tif: is the same file as S2_20240101.tif. This scene is left out.",
    ]
