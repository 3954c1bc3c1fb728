"""What else looked new around an object on the same day, against a count by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from survey.imagery.triggers.company import company

LOGS = np.log(np.maximum(np.arange(2**16, dtype=np.float32) / 10_000, 0) + np.float32(0.03)).astype(
    np.float32
)
WIDTH = 40


def asked(own: np.ndarray, others: dict[tuple[int, int], tuple[int, ...]], reach: int = 8) -> float:
    """``own`` (n, 2) rows and columns of an object of one colour; other new cells by place, with counts."""
    colour = (1500, 2000, 3000)
    new = {(int(r), int(c)): colour for r, c in own} | others
    places = sorted(new)
    cell = np.array([r * WIDTH + c for r, c in places], np.int64)
    now = np.array([new[p] for p in places], np.uint16)
    inside = {(int(r), int(c)) for r, c in own}
    cells = np.array([i for i, p in enumerate(places) if p in inside], np.int64)
    at = np.arange(len(cell), dtype=np.int32)[None]
    novel = np.ones((1, len(cell)), bool)
    return company(cells, 0, cell, WIDTH, at, novel, now, LOGS, LOGS[list(colour)], reach, 0.15)


OWN = np.array([(20, 20), (20, 21), (21, 20), (21, 21)])


def test_who_is_alone_has_no_company() -> None:
    assert asked(OWN, {}) == pytest.approx(math.log(1 / 4))


def test_only_what_is_alike_and_near_is_company() -> None:
    like, unlike = (1500, 2000, 3000), (3000, 2000, 1500)
    # Two within eight cells of the object's box, one a tenth darker; one beyond; one of another colour.
    others = {(12, 20): like, (25, 29): (1350, 1800, 2700), (11, 20): like, (22, 25): unlike}
    assert asked(OWN, others) == pytest.approx(math.log(3 / 4))


def test_the_edge_of_the_area_cuts_the_neighbourhood() -> None:
    own = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    # A cell at the far end of its row comes next in reading order, and is not near.
    assert asked(own, {(0, WIDTH - 1): (1500, 2000, 3000), (5, 5): (1500, 2000, 3000)}) == pytest.approx(
        math.log(2 / 4)
    )
