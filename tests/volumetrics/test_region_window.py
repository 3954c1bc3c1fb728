"""A region looked at again: the same rise as in the sweep, and large ones in blocks."""

from __future__ import annotations

import numpy as np
import pytest

from survey.volumetrics import region_window
from survey.volumetrics.region_window import block_means


def test_blocks_are_means_of_what_is_known() -> None:
    values = np.arange(36, dtype=np.float32).reshape(6, 6)
    values[0, 0] = np.nan
    values[3:, 3:] = np.nan
    out = block_means(values, 3)
    assert out.shape == (2, 2)
    assert out[0, 0] == pytest.approx((1 + 2 + 6 + 7 + 8 + 12 + 13 + 14) / 8)
    assert np.isnan(out[1, 1])
    np.testing.assert_array_equal(block_means(values, 1), values)


def test_a_large_region_is_read_in_strips_andblock_means(monkeypatch: pytest.MonkeyPatch) -> None:
    from made_regions import regions_of

    from survey.dem.mapping import map_onto
    from survey.dem.rise import Correction

    depth = np.zeros((60, 80))
    depth[10:50, 10:70] = -2.0
    regions = regions_of(depth)
    g = regions.job

    class Held:
        def __init__(self, z: np.ndarray) -> None:
            self.z, self.grid = z.astype(np.float32), g

        def read(self, piece):  # type: ignore[no-untyped-def]
            r, c = piece.row0, piece.col0
            out = np.full(piece.shape, np.nan, np.float32)
            r0, r1 = max(r, 0), min(r + piece.height, g.height)
            c0, c1 = max(c, 0), min(c + piece.width, g.width)
            out[r0 - r : r1 - r, c0 - c : c1 - c] = self.z[r0:r1, c0:c1]
            return out

    before, after = Held(np.full(depth.shape, 300.0)), Held(300.0 + depth)
    fine = region_window.look_at(regions, 0, before, after, map_onto(g, g), Correction())
    assert fine.step == 1
    assert np.array_equal(fine.inside, fine.rise < -1)
    monkeypatch.setattr(region_window, "MOST_CELLS", 500)
    monkeypatch.setattr(region_window, "STRIP_CELLS", 700)
    coarse = region_window.look_at(regions, 0, before, after, map_onto(g, g), Correction())
    assert coarse.step > 1
    assert coarse.inside.shape == coarse.rise.shape == coarse.before.shape
    assert np.median(coarse.rise[coarse.inside]) == pytest.approx(-2.0, abs=1e-3)
