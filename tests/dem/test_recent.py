"""What is kept decoded is what the surface holds, however little room there is and whoever asks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.dem.recent import Recent
from survey.grid import Grid

GRID = Grid("", 500_000.0, 2_500_000.0, 1.0, 1.0, 700, 900)
HEIGHTS = np.random.default_rng(7).normal(300, 5, GRID.shape).astype(np.float32)


class Counted:
    """A surface in memory that counts the cells it was asked for."""

    grid = GRID

    def __init__(self, block, block_origin=(0, 0)):
        self.block, self.block_origin, self.cells = block, block_origin, 0

    def read(self, piece):
        self.cells += piece.height * piece.width
        out = np.full(piece.shape, np.nan, np.float32)
        r0, c0 = max(piece.row0, 0), max(piece.col0, 0)
        r1, c1 = min(piece.row0 + piece.height, 700), min(piece.col0 + piece.width, 900)
        if r1 > r0 and c1 > c0:
            out[r0 - piece.row0 : r1 - piece.row0, c0 - piece.col0 : c1 - piece.col0] = HEIGHTS[r0:r1, c0:c1]
        return out


corner = st.tuples(st.integers(-80, 720), st.integers(-80, 920))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(corner, st.integers(1, 400), st.integers(1, 400)), min_size=1, max_size=6),
    st.sampled_from([(256, 256), (1, 900), (64, 64), (700, 900), (300, 512)]),
    st.sampled_from([(0, 0), (-44, 0), (0, -12)]),
    st.sampled_from([1 << 12, 1 << 20, 1 << 26]),
)
def test_pieces_are_those_of_the_surface(pieces, block, origin, most_bytes):
    recent, plain = Recent(Counted(block, origin), most_bytes), Counted(block)
    for (row, col), height, width in pieces:
        piece = GRID.at(row, row + height, col, col + width)
        np.testing.assert_array_equal(recent.read(piece), plain.read(piece))


def test_what_was_read_is_not_read_again_until_it_is_forgotten():
    surface = Counted((256, 256))
    recent = Recent(surface)
    recent.read(GRID.at(10, 200, 10, 500))
    once = surface.cells
    assert once == 2 * 256 * 256
    recent.read(GRID.at(0, 256, 100, 300))
    assert surface.cells == once
    recent.forget()
    recent.read(GRID.at(0, 5, 0, 5))
    assert surface.cells == once + 256 * 256


@pytest.mark.parametrize("block", [(256, 256), (1, 900)])
def test_room_is_bounded(block):
    recent = Recent(Counted(block), most_bytes=2 << 20)
    for row in range(0, 700, 50):
        for col in range(0, 900, 50):
            recent.read(GRID.at(row, row + 100, col, col + 100))
    assert sum(kept.nbytes for kept in recent._kept.values()) <= 2 << 20


def test_threads_share_it():
    recent = Recent(Counted((256, 256)), most_bytes=1 << 20)
    pieces = [GRID.at(r, r + 130, c, c + 170) for r in range(0, 570, 37) for c in range(0, 730, 53)]
    with ThreadPoolExecutor(4) as pool:
        for piece, found in zip(pieces, pool.map(recent.read, pieces), strict=True):
            r, c = piece.row0, piece.col0
            np.testing.assert_array_equal(found, HEIGHTS[r : r + 130, c : c + 170])
