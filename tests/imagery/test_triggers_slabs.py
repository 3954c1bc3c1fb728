"""Decoded parts of files: what goes when there is no room, and numbers that are looked up."""

from __future__ import annotations

import numpy as np
import pytest

from survey.grid import Grid
from survey.imagery.triggers import slabs
from survey.imagery.triggers.files import BandFile, counted_values, counts_of, looked_up
from survey.imagery.triggers.fits import FILE_BLOCK, sample_pieces
from survey.pipelines.triggers.scan import panels, tiles_of


def test_the_highest_goes_first_and_of_one_row_the_first(monkeypatch):
    asked = []

    def decoded(pin, bands, r0, c0, rows, cols):
        asked.append((r0, c0))
        return np.zeros((1, 10, 10), np.uint8)

    monkeypatch.setattr(slabs, "decoded", decoded)
    kept = slabs._Slabs(300)

    def get(r0, c0):
        return kept.get("file", (1,), r0, c0, 10, 10)

    for place in ((0, 0), (10, 0), (0, 10)):
        get(*place)
    get(10, 10)  # no room: (0, 0) goes
    asked.clear()
    get(10, 0), get(0, 10), get(10, 10)
    assert asked == []
    get(0, 0)  # (0, 10) goes, and not the one that was just asked for
    get(10, 0), get(0, 0)
    assert asked == [(0, 0)]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_numbers_looked_up_are_numbers_worked_out(dtype):
    rng = np.random.default_rng(0)
    raw = rng.integers(0, np.iinfo(dtype).max + 1, (3, 20, 30)).astype(dtype)
    raw[1, 4, 5] = raw[0, 6, 7] = 7
    every = np.arange(np.iinfo(dtype).max + 1).astype(dtype).reshape(1, 1, -1)
    table = counted_values(every, 3e-4, -0.1, 7.0)[0, 0]
    wanted = counted_values(raw, 3e-4, -0.1, 7.0)
    np.testing.assert_array_equal(looked_up(raw, table), wanted)
    assert (wanted[:, 4, 5] == 0).all()
    assert (wanted[:, 6, 7] == 0).all()


@pytest.mark.parametrize("lowest", [0, 1])
@pytest.mark.parametrize(
    ("scale", "offset", "nodata"), [(1e-4, 0.0, 0.0), (1e-4, 0.0, 7.0), (1e-4, -0.1, 0.0)]
)
def test_numbers_that_are_counts_already_are_what_working_them_out_gives(lowest, scale, offset, nodata):
    raw = np.random.default_rng(1).integers(lowest, 2**16, (4, 30, 20)).astype(np.uint16)
    raw[:, 3, 4] = lowest, 7, 65535, 1
    file = BandFile(None, ((1, 0),), scale, offset, nodata, False, (10, 0, 0, 0, -10, 0), "", 30, 20, (8, 8))
    np.testing.assert_array_equal(counts_of(raw, file), counted_values(raw, scale, offset, nodata))


@pytest.mark.parametrize(("height", "width", "side"), [(100, 70, 32), (5000, 1700, 512), (3000, 6000, 1536)])
def test_tiles_cover_every_cell_once_and_begin_on_blocks(height, width, side):
    seen = np.zeros((height, width), np.uint8)
    for piece in tiles_of(Grid("EPSG:32643", 0.0, 0.0, 10.0, 10.0, height, width), side):
        assert piece.row0 % 32 == piece.col0 % 32 == 0
        assert max(piece.shape) <= side + 256
        seen[piece.row0 : piece.row0 + piece.height, piece.col0 : piece.col0 + piece.width] += 1
    assert (seen == 1).all()


def test_panels_hold_every_piece_once_and_no_more_columns_than_are_kept():
    grid = Grid("EPSG:32643", 0.0, 0.0, 10.0, 10.0, 5000, 10980)
    pieces = tiles_of(grid, 1024)
    assert panels(pieces, 11264) == [pieces]
    parted = panels(pieces, slabs.panel_cells(8, 6))
    assert sorted((p.row0, p.col0) for panel in parted for p in panel) == [(p.row0, p.col0) for p in pieces]
    for panel in parted:
        assert [(p.row0, p.col0) for p in panel] == sorted((p.row0, p.col0) for p in panel)
        shared = (len({p.col0 for p in panel}) * 2 + 1) * 8 * 6 * 2 * 512**2
        assert shared < slabs.CACHE_BYTES / 2


@pytest.mark.parametrize("size", [3000, 10980, 4097])
def test_what_fits_look_at_lies_within_single_blocks_of_a_file(size):
    grid = Grid("EPSG:32643", 0.0, 0.0, 10.0, 10.0, size, size)
    pieces = sample_pieces(grid, 3, 6)
    assert 9 <= len(pieces) <= 25
    for piece in pieces:
        assert piece.row0 // FILE_BLOCK == (piece.row0 + piece.height - 1) // FILE_BLOCK
        assert piece.col0 // FILE_BLOCK == (piece.col0 + piece.width - 1) // FILE_BLOCK
        assert piece.row0 % 32 == piece.col0 % 32 == 0
    assert max(p.row0 + p.height for p in pieces) > 0.8 * size
