"""An earlier surface on the cells of a later one: where it fits best, as the files say or moved by cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from survey.forensics.echo import Echo, measure_echo
from survey.forensics.moved import find_move, resampled_copy
from survey.forensics.noise import fine_texture
from survey.grid import Grid

if TYPE_CHECKING:
    from survey.dem.surface import Surface

MOVE_REACH = 64

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Beside:
    """An earlier surface that can be read on the cells of a later one.

    ``rows``, ``cols``: whole cells from the later grid's indices to the earlier one's; None where the
    cells do not coincide and heights are interpolated.
    """

    surface: Surface
    rows: int | None
    cols: int | None

    @staticmethod
    def of(earlier: Surface, later: Surface) -> Beside | None:
        """None where the two have different reference systems: then cells cannot be held against cells."""
        a, b = earlier.grid, later.grid
        if a.crs != b.crs or not 0.02 < a.cell_m / b.cell_m < 50:
            return None
        rows, cols = (a.top - b.top) / b.cell_north, (b.left - a.left) / b.cell_east
        whole = a.same_cells(b) and max(abs(rows - round(rows)), abs(cols - round(cols))) < 0.01
        return Beside(earlier, round(rows), round(cols)) if whole else Beside(earlier, None, None)

    def moved(self, rows: int, cols: int) -> Beside:
        """As if the earlier surface lay so many cells further down and right."""
        if self.rows is None or self.cols is None:
            raise ValueError("interpolated surfaces are not moved by cells")
        return Beside(self.surface, self.rows - rows, self.cols - cols)

    def read(self, piece: Grid) -> Floats:
        """Earlier heights on a piece of the later grid; NaN where there are none."""
        g = self.surface.grid
        if self.rows is not None and self.cols is not None:
            return self.surface.read(
                Grid(
                    g.crs_wkt,
                    g.west,
                    g.north,
                    g.cell_east,
                    g.cell_north,
                    piece.height,
                    piece.width,
                    piece.row0 + self.rows,
                    piece.col0 + self.cols,
                )
            )
        return _interpolated(self.surface, piece)


def _interpolated(surface: Surface, piece: Grid) -> Floats:
    """Bilinear heights at the cell centres of a piece in the same reference system."""
    from scipy.ndimage import map_coordinates

    east, north = piece.east_north(np.arange(piece.height)[:, None], np.arange(piece.width)[None, :])
    g = surface.grid
    row, col = g.row_col(east[0], north[:, 0])
    row, col = row.ravel(), col.ravel()
    r0, r1 = int(np.floor(row.min())) - 1, int(np.ceil(row.max())) + 2
    c0, c1 = int(np.floor(col.min())) - 1, int(np.ceil(col.max())) + 2
    source = surface.read(
        Grid(g.crs_wkt, g.west, g.north, g.cell_east, g.cell_north, r1 - r0, c1 - c0, r0, c0)
    )
    at = np.meshgrid(row - r0, col - c0, indexing="ij")
    out: Floats = map_coordinates(source.astype(np.float64), at, order=1, cval=np.nan)
    return out.astype(np.float32)


def best_place(
    beside: Beside, surface: Surface, windows: Sequence[Grid]
) -> tuple[Beside, tuple[int, int], list[tuple[float, float] | None], Echo | None]:
    """The place of the earlier surface that fits best: as both files say, or moved by whole cells.

    Also how well the later cells are a weighting of the earlier ones, which a copy moved by a part of a
    cell is.
    """
    places = [beside]
    moves: dict[tuple[int, int], int] = {(0, 0): 0}
    reach = MOVE_REACH
    if beside.rows is not None:
        for w in windows:
            z = surface.read(w)
            if not np.isfinite(z).any():
                continue
            around = Grid(
                w.crs_wkt, w.west, w.north, w.cell_east, w.cell_north,
                w.height + 2 * reach, w.width + 2 * reach, w.row0 - reach, w.col0 - reach,
            )  # fmt: skip
            rows, cols, height = find_move(beside.read(around), z, reach)
            if height > 12:
                moves[rows, cols] = moves.get((rows, cols), 0) + 1
        likely = max(moves, key=lambda m: (moves[m], m == (0, 0)))
        if likely != (0, 0):
            places.append(beside.moved(*likely))
        # The same cells under another placement: the files' first cells laid on each other.
        a, b = beside.surface.grid, surface.grid
        if a.shape == b.shape and (beside.rows, beside.cols) != (0, 0):
            places.append(Beside(beside.surface, 0, 0))
    best, best_share = beside, -1.0
    for place in places:
        share = _agreement(place, surface, windows)
        if share > best_share + 0.05:
            best, best_share = place, share
    moved = (0, 0)
    if best.rows is not None and beside.rows is not None and best is not beside:
        assert best.cols is not None
        assert beside.cols is not None
        moved = (beside.rows - best.rows, beside.cols - best.cols)
    small = [w[: min(256, w.height), : min(256, w.width)] for w in windows[:5]]
    fits = [resampled_copy(best.read(w), surface.read(w)) for w in small]
    echo = measure_echo([(best.read(w), surface.read(w)) for w in windows[:4]])
    return best, moved, fits, echo


def middle_rise(beside: Beside, windows: Sequence[Grid], samples: Sequence[Floats]) -> float:
    """Middle rise over the sampled windows: most ground of a lease and its surroundings does not change."""
    found = [(z - beside.read(w))[::4, ::4].ravel() for w, z in zip(windows, samples, strict=True)]
    rises = np.concatenate(found) if found else np.empty(0)
    rises = rises[np.isfinite(rises)]
    return float(np.median(rises)) if rises.size else float("nan")


def _agreement(place: Beside, surface: Surface, windows: Sequence[Grid]) -> float:
    """How alike the textures are: the mean correlation, the copy's being one."""
    found = []
    for w in windows:
        a, b = fine_texture(place.read(w)), fine_texture(surface.read(w))
        known = np.isfinite(a) & np.isfinite(b)
        if known.sum() < 1000:
            continue
        x, y = np.sign(a[known]), np.sign(b[known])
        found.append(float((x * y).mean()))
    return float(np.median(found)) if found else -1.0
