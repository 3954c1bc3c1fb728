"""What the orthomosaics say of one region of change: what covered it before, after, and whether it changed.

Colours of two flights differ by light and season. So the change of a region's colour is measured against the
change of its surroundings, in units of how much the surroundings differ among themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from survey.imagery.cover import Cover, cover

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from survey.grid import Grid
    from survey.imagery.ortho import Ortho

TILE = 48
MOST_TILES = 40
LEAST_SEEN = 0.3
USED = ("red", "green", "blue", "nir", "swir1")


@dataclass(frozen=True)
class Seen:
    """Shares (0…1) of a region that one orthomosaic shows as each kind of cover."""

    vegetation: float
    water: float
    bare: float
    shadow: float


@dataclass(frozen=True)
class Colour:
    """Evidence from colour. ``None``: that orthomosaic is missing, or does not show the place."""

    before: Seen | None
    after: Seen | None
    around_before: Seen | None
    around_after: Seen | None
    change: float | None
    """Change of colour against that of the surroundings, in units of the spread of the surroundings."""


NOTHING = Colour(None, None, None, None, None)


def colour_of(
    before: Ortho | None,
    after: Ortho | None,
    grid: Grid,
    inside: NDArray[np.bool_],
    shift_m: tuple[float, float],
) -> Colour:
    """Look at a region in both orthomosaics.

    Parameters
    ----------
    grid, inside : the window around the region, and the region's cells in it.
    shift_m : by which the later survey was moved to lie on the earlier one.
    """
    if before is None and after is None:
        return NOTHING
    bands: list[list[dict[str, NDArray[np.float32]]]] = [[], []]
    where = []
    for rows, cols in _tiles(inside):
        piece = grid[rows, cols]
        where.append(inside[rows, cols].ravel())
        for k, (ortho, shift) in enumerate(((before, (0.0, 0.0)), (after, shift_m))):
            if ortho is None:
                continue
            names = tuple(n for n in USED if n in ortho.colours)
            bands[k].append({n: v.ravel() for n, v in ortho.read(piece, names, shift_m=shift).items()})
    within = np.concatenate(where)
    joined = [
        {n: np.concatenate([b[n] for b in pieces]) for n in pieces[0]} if pieces else None for pieces in bands
    ]
    was, now = (_cover(b) for b in joined)
    return Colour(
        _seen(was, within),
        _seen(now, within),
        _seen(was, ~within),
        _seen(now, ~within),
        _change(joined[0], joined[1], within),
    )


def _tiles(inside: NDArray[np.bool_]) -> list[tuple[slice, slice]]:
    """The whole of a small window; of a large one evenly chosen tiles that hold cells of the region."""
    rows, cols = inside.shape
    if rows * cols <= MOST_TILES * TILE * TILE:
        return [(slice(0, rows), slice(0, cols))]
    found = [
        (slice(r, min(r + TILE, rows)), slice(c, min(c + TILE, cols)))
        for r in range(0, rows, TILE)
        for c in range(0, cols, TILE)
        if inside[r : r + TILE, c : c + TILE].any()
    ]
    return found[:: max(1, -(-len(found) // MOST_TILES))]


def _cover(bands: dict[str, NDArray[np.float32]] | None) -> Cover | None:
    if bands is None or not ({"red", "green", "blue"} <= set(bands) or {"red", "nir"} <= set(bands)):
        return None
    return cover(bands)


def _seen(c: Cover | None, where: NDArray[np.bool_]) -> Seen | None:
    if c is None or not where.any():
        return None
    known = 1.0 - c.unknown[where]
    total = float(known.sum(dtype=np.float64))
    if total < LEAST_SEEN * where.sum():
        return None
    return Seen(
        *(
            float(getattr(c, n)[where].sum(dtype=np.float64)) / total
            for n in ("vegetation", "water", "bare", "shadow")
        )
    )


def _change(
    before: dict[str, NDArray[np.float32]] | None,
    after: dict[str, NDArray[np.float32]] | None,
    inside: NDArray[np.bool_],
) -> float | None:
    if before is None or after is None:
        return None
    names = [n for n in USED if n in before and n in after]
    if not names:
        return None
    logs = []
    for n in names:
        with np.errstate(invalid="ignore", divide="ignore"):
            logs.append(np.log(np.maximum(after[n], 0.004)) - np.log(np.maximum(before[n], 0.004)))
    stack = np.stack(logs).astype(np.float64)
    ok = np.isfinite(stack).all(axis=0)
    here, there = stack[:, ok & inside], stack[:, ok & ~inside]
    if here.shape[1] < 4 or there.shape[1] < 8:
        return None
    centre = np.median(there, axis=1)
    spread = np.maximum(1.4826 * np.median(np.abs(there - centre[:, None]), axis=1), 0.05)
    effect = (np.median(here, axis=1) - centre) / spread
    return float(np.sqrt(np.mean(effect**2)))
