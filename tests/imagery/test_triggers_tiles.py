"""An area says the same however it is cut into tiles."""

from __future__ import annotations

import dataclasses
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.grid import Grid
from survey.imagery.triggers.bands import NAMES, BandSet
from survey.imagery.triggers.fits import Fitter
from survey.imagery.triggers.product import Product
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.sources import ArrayScene
from survey.imagery.triggers.support import gather
from survey.imagery.triggers.tiles import TileTask, judge_tile
from survey.pipelines.triggers.scan import tiles_of

SIDE = 448


def _ground(rng: np.random.Generator) -> np.ndarray:
    """(band, row, col) reflectance: fields of one soil or crop each, and noise."""
    colours = rng.uniform(0.05, 0.35, (40, 6)).cumsum(1) / 3
    fields = rng.integers(0, 40, (SIDE // 14, SIDE // 14)).repeat(14, 0).repeat(14, 1)
    return np.moveaxis(colours[fields], -1, 0).astype(np.float32)


def _scene(day: int, ground: np.ndarray, rng: np.random.Generator) -> ArrayScene:
    seen = ground * rng.uniform(0.9, 1.1, (6, 1, 1)) + rng.normal(0, 0.004, ground.shape)
    rows, cols = np.mgrid[0:SIDE, 0:SIDE]
    # Haze that thickens to one side, a cloud with its edge, and a few pits.
    seen += 0.03 * cols / SIDE * np.array([1.0, 0.8, 0.6, 0.4, 0.1, 0.1])[:, None, None]
    cloud = np.hypot(rows - 60 * day, cols - 90 * day) < 30
    seen[:, cloud] = np.array([0.6, 0.6, 0.6, 0.62, 0.5, 0.4])[:, None]
    for k in range(day):
        at = np.hypot(rows - 97 * (k + 1), cols - 190) < 5
        seen[:, at] = np.array([0.3, 0.34, 0.38, 0.4, 0.2, 0.15])[:, None]
    seen[:, 200:205, 300:320] = np.nan
    return ArrayScene.of(date(2024, 1, 1 + day), f"{day}", seen.astype(np.float32))


@pytest.mark.parametrize("history", [1, 4])
def test_tiles_say_what_the_whole_says(history, monkeypatch):
    rng = np.random.default_rng(5)
    ground = _ground(rng)
    scenes = [_scene(day, ground, rng) for day in range(history + 2)]
    baseline, later = scenes[:history], scenes[history:]
    grid, bands, settings = (
        Grid("EPSG:32643", 400000.0, 2700000.0, 10.0, 10.0, SIDE, SIDE),
        BandSet(NAMES),
        TriggerSettings(),
    )
    witness = later[0] if history == 1 else None
    fitter = Fitter(baseline, grid, bands, settings, witness, threads=2)
    alone = Fitter(baseline, grid, bands, settings, witness).fit
    assert repr(fitter.fit.scenes) == repr(alone.scenes)
    np.testing.assert_array_equal(fitter.fit.matrix, alone.matrix)
    fitted = []
    for scene in later:
        fit, matrix = fitter.scene(scene)
        # A shift that is worth resampling, so that the edges of tiles are tried by it too.
        fitted.append((scene, dataclasses.replace(fit, usable=True, rows=0.3, cols=-0.4), matrix))

    def judged(side: int, few: int = 8):
        # Of many scenes at once all cells are asked how they lay, of few those that stand out.
        monkeypatch.setattr("survey.imagery.triggers.tiles.FEW_SCENES", few)
        products = [
            judge_tile(
                TileTask(
                    grid,
                    piece,
                    bands,
                    fitter.fit,
                    tuple(baseline),
                    tuple(fitted),
                    settings,
                    witness,
                    fitted[0][1],
                )
            )
            for piece in tiles_of(grid, side)
        ]
        return gather([[of[i] for of in products] for i in range(len(later))], SIDE, 6)

    whole, cut = judged(SIDE, few=0), judged(96)
    assert len(whole.cell) > 200
    assert (whole.at >= 0).any(1).all()
    np.testing.assert_array_equal(cut.cell, whole.cell)
    np.testing.assert_array_equal(cut.seen, whole.seen)
    for t in range(len(later)):
        there = whole.at[t] >= 0
        np.testing.assert_array_equal(cut.at[t] >= 0, there)
        for name in ("log10_p", "distance", "flags", "land", "now", "match", "usual", "green", "wet_share"):
            one, other = (getattr(s, name)[s.at[t][there]] for s in (whole, cut))
            np.testing.assert_array_equal(one, other, err_msg=f"{name} on date {t}")


@given(st.integers(0, 2**31), st.integers(0, 60))
@settings(max_examples=25, deadline=None)
def test_a_product_comes_back_as_it_was_kept(seed, n):
    rng = np.random.default_rng(seed)
    rows, cols = rng.integers(1, 40, 2)
    n = min(n, int(rows * cols))

    def drawn(kind, *shape):
        info = np.iinfo(kind)
        return rng.integers(info.min, info.max + 1, shape).astype(kind)

    cell = np.sort(rng.choice(rows * cols, n, replace=False)).astype(np.int32)
    product = Product(
        64, 1_000_000, rng.random((rows, cols)) < 0.5, cell, drawn(np.int16, n), drawn(np.uint16, n),
        drawn(np.uint8, n), drawn(np.uint8, n), drawn(np.uint16, n, 6), drawn(np.uint16, n, 6),
        drawn(np.uint16, n, 6), drawn(np.int8, n, 2), drawn(np.uint8, n),
    )  # fmt: skip
    content = product.to_bytes()
    again = Product.from_bytes(content)
    for field in dataclasses.fields(Product):
        was, now = np.asarray(getattr(product, field.name)), np.asarray(getattr(again, field.name))
        assert was.dtype == now.dtype
        np.testing.assert_array_equal(was, now)
    assert again.to_bytes() == content
