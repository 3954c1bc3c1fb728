"""A spectrum never seen here: the distance of each cell to everything its place has looked like before.

"Here" is the cell and its eight neighbours, so that half a cell of misplacement, and an edge that wanders,
are not new. "Before" is every clear baseline scene. Crops, ploughing, dry and wet seasons are thereby known
ground. What a whole neighbourhood does at once (drought, haze, a low sun) is taken off first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.clear import veil_share
from survey.imagery.triggers.ground import THIN, Look, Past, ndvi, wet
from survey.imagery.triggers.lattice import smooth_known
from survey.imagery.triggers.normalise import Line, log_tables, unwhitened
from survey.imagery.triggers.product import VEIL, WET
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.whitened import (
    block_departure,
    distances_before,
    matches,
    whiten,
    whitened_at,
)

SLOW_BLOCK = 32
"""Cells along the side of a block of the slow fields: a pit fills far less than half of one at 10 m."""
SLOW_LEAST = 5
"""Thinned cells that must be known in a block, of 64."""


@dataclass(frozen=True)
class Novelty:
    """How new one look is, (row, col) of a part of a piece that begins at (row0, col0)."""

    distance: NDArray[np.float32]  # NaN where not looked at, or without enough history
    base: NDArray[np.float32]  # (scene, row, band, col), whitened
    which: NDArray[np.int16]
    where: NDArray[np.int8]
    one: Look
    line: Line
    matrix: NDArray[np.float32]
    slow: NDArray[np.float32]
    row0: int
    col0: int

    def now(self, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> NDArray[np.float32]:
        """(n, band): the whitened spectra of the given cells, less what their neighbourhood did at once."""
        return whitened_at(
            self.one.counts, log_tables(self.line), self.matrix, self.slow, SLOW_BLOCK,
            self.row0, self.col0, rows, cols,
        )  # fmt: skip

    def match(self, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> NDArray[np.float32]:
        """(n, band): the nearest of the history at the given cells."""
        return matches(self.base, self.which, self.where, rows, cols)


def slow_lattice(
    one: Look, line: Line, thin_base: NDArray[np.float32], matrix: NDArray[np.float32], skip: int
) -> NDArray[np.float32]:
    """(band, block row, block col): the departure of whole neighbourhoods from their nearest history."""
    now = whiten(one.counts, one.clear.observed, log_tables(line), matrix, THIN)
    level = block_departure(now, thin_base, skip, SLOW_BLOCK // THIN, SLOW_LEAST)
    return smooth_known(level, 0.0)


def novelty(
    one: Look,
    line: Line,
    past: Past,
    thin_base: NDArray[np.float32],
    base: NDArray[np.float32],
    matrix: NDArray[np.float32],
    settings: TriggerSettings,
    *,
    part: tuple[slice, slice] | None = None,
    skip: int = -1,
    step: int = 1,
    enough: float = 0.0,
) -> Novelty:
    """Hold one look against the history.

    Parameters
    ----------
    thin_base, base :
        Whitened history of the whole piece, thinned, and of ``part`` of it in full.
    step :
        Only every such cell is looked at.
    enough :
        Distances up to this are as good as none; see ``whitened.nearest_before``.

    Suspect cells get a distance too; later looks decide if it counts.
    """
    slow = slow_lattice(one, line, thin_base, matrix, skip)
    rows, cols = (slice(0, None), slice(0, None)) if part is None else part
    ok = one.clear.observed[rows, cols] | one.clear.suspect[rows, cols]
    least = min(int(settings.least_history), len(base) - (skip >= 0))
    distance, which, where = distances_before(
        one.counts, ok, rows.start, cols.start, log_tables(line), matrix, slow, SLOW_BLOCK,
        base, skip, step, settings.aside, enough * enough, least,
    )  # fmt: skip
    return Novelty(distance, base, which, where, one, line, matrix, slow, rows.start, cols.start)


def material(
    new: Novelty,
    matrix: NDArray[np.float32],
    bands: BandSet,
    rows: NDArray[np.intp],
    cols: NDArray[np.intp],
    settings: TriggerSettings,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.uint8]]:
    """What the given cells are made of: reflectances now and in the nearest history (n, band), whether they
    are exposed rather than leafy, and their flags."""
    now = unwhitened(new.now(rows, cols), matrix)
    match = unwhitened(new.match(rows, cols), matrix)
    noise = np.maximum(0.03 * match, 0.01)
    veiled, strength = veil_share(now, match, bands, 1.0 / noise**2)
    flags = np.zeros(len(now), np.uint8)
    flags[wet(now.T, bands)] |= WET
    flags[(veiled > 0.9) & (strength > 0.04)] |= VEIL
    return now, match, ndvi(now.T, bands) < settings.leafy, flags


def counted(
    new: Novelty,
    seen: NDArray[np.bool_],
    matrix: NDArray[np.float32],
    bands: BandSet,
    settings: TriggerSettings,
) -> NDArray[np.float32]:
    """Distances as they count towards the law of ordinary novelty: of leafy or veiled cells nothing would be
    made, so they count as nothing; NaN where not looked at."""
    out = np.where(seen, new.distance, np.float32(np.nan))
    rows, cols = np.nonzero(np.isfinite(out) & (out > 1.0))
    _, _, leafless, flags = material(new, matrix, bands, rows, cols, settings)
    idle = ~leafless | ((flags & VEIL) > 0)
    out[rows[idle], cols[idle]] = 0.0
    return out
