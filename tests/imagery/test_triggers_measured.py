"""Objects of one date are measured together: none may notice the others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.imagery.triggers.bands import NAMES, BandSet
from survey.imagery.triggers.beginning import since_first
from survey.imagery.triggers.classify import CLASSES, model_for
from survey.imagery.triggers.features import Objects, boxiness, measure, shape
from survey.imagery.triggers.judge import Judge
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.support import Support
from survey.imagery.triggers.tracks import Replay, day_gaps

WIDTH = 40


def restless_ground(seed: int, bands: int, dates: int) -> Support:
    """Every cell of a small area was a candidate on every date, each with another spectrum."""
    rng = np.random.default_rng(seed)
    cells = WIDTH * 30
    n = cells * dates
    spectra = (rng.uniform(0.03, 0.4, (3, n, bands)) * 1e4).astype(np.uint16)
    at = np.arange(n, dtype=np.int32).reshape(dates, cells)
    rows, cols = np.divmod(np.arange(cells), WIDTH)
    return Support(
        WIDTH, np.arange(cells), np.ones((dates, cells), bool), at,
        rng.uniform(-8, -2, n).astype(np.float32), rng.uniform(1, 20, n).astype(np.float32),
        rng.integers(0, 8, n).astype(np.uint8), rng.integers(0, 5, n).astype(np.uint8), *spectra,
        rng.integers(-20, 80, (n, 2)).astype(np.int8), np.zeros(n, np.uint8),
        rows.astype(np.int32), cols.astype(np.int32),
    )  # fmt: skip


def some_objects(seed: int, dates: int) -> list[tuple[np.ndarray, list[int], int, int]]:
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(6):
        row, col = rng.integers(0, 20, 2)
        high, wide = rng.integers(1, 9, 2)
        block = (np.arange(row, row + high)[:, None] * WIDTH + np.arange(col, col + wide)).ravel()
        kept = np.sort(rng.permutation(block)[: max(1, len(block) * 3 // 4)])
        hits = sorted(rng.choice(dates, rng.integers(1, dates + 1), replace=False).tolist())
        out.append((kept, hits, dates, int(rng.integers(1, 30))))
    return out


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.sampled_from([NAMES, ("green", "red", "nir")]))
def test_an_object_is_the_same_alone_and_among_others(seed, dates, names):
    bands = BandSet(names)
    support = restless_ground(seed, len(bands), dates)
    rng = np.random.default_rng(seed + 1)
    evidence = np.round(rng.uniform(0, 9, len(support.cell)), 1).astype(np.float32)
    novel = rng.random(support.at.shape) < 0.8
    days = np.arange(dates) * 9.0
    words = rng.uniform(0.05, 0.4, (4, len(bands))).astype(np.float32)
    # Something of each is new on each date of its detections, as detections have it.
    objects = some_objects(seed, dates)
    for cells, hits, _, _ in objects:
        novel[np.ix_(hits, cells[:1])] = True

    def figures(some):
        of = Objects.of(*map(list, zip(*some, strict=True)))
        found = measure(support, of, evidence, days, novel, bands, words, words[:1], 100.0)
        return found | since_first(support, of, novel, bands)

    together = figures(objects)
    for k, one in enumerate(objects):
        alone = figures([one])
        assert list(alone) == list(together)
        for name, values in alone.items():
            assert values[0] == together[name][k], name
        cells = one[0]
        rows, cols = support.rows[cells], support.cols[cells]
        assert alone["box"][0] == boxiness(rows, cols)
        assert (alone["elongation"][0], alone["fill"][0]) == pytest.approx(shape(rows, cols), rel=1e-14)
        assert alone["ln_hits"][0] == pytest.approx(np.log(len(one[1])))
        assert alone["woody"][0] + alone["seasonal"][0] + alone["bare"][0] + alone["shore"][
            0
        ] == pytest.approx(1)


@pytest.mark.parametrize("short", [True, False])
def test_a_walk_is_the_same_whether_its_judge_is_asked_of_one_or_of_many(short):
    bands = BandSet(NAMES)
    support = restless_ground(3, len(bands), 4)
    # Squares of four cells with three between them.
    support.at[:, (support.rows % 7 >= 4) | (support.cols % 7 >= 4)] = -1
    judge = Judge(
        bands,
        model_for(bands, short_history=short),
        TriggerSettings(),
        day_gaps([f"2024-0{month}-01" for month in range(1, 5)]),
        np.zeros((0, 6), np.float32),
        np.zeros((0, 6), np.float32),
        100.0,
        lambda of, cells: len(cells) % 2 == 0,
    )

    def told(assess):
        walking = Replay(support, TriggerSettings(), 100.0, assess, may_confirm=not short)
        return [
            (t.number, t.state, t.confirmed, t.cells.tolist(), t.looks, dict(t.assessment.features),
             dict(t.assessment.probability), t.assessment.threshold)
            for t in walking.run() if t.assessment is not None
        ]  # fmt: skip

    many = told(judge)
    assert len(many) > 3
    assert {c for one in many for c in one[6]} == set(CLASSES)
    assert many == told(lambda track, t, walking: judge(track, t, walking))
