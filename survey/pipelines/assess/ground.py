"""The ground around one outline, read from the surveys: heights, and what of it is natural."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.boundary.coverage import FULL, Coverage
from survey.dem.coarse import block_mean, coarsened
from survey.grid import Bounds, Grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from survey.blocks import Engine
    from survey.dem.surface import Surface
    from survey.imagery.ortho import Ortho
    from survey.pipelines.assess.targets import Target
    from survey.pipelines.change.pair import Measurement
    from survey.pipelines.opened import Opened

Read = Callable[[Grid], tuple["NDArray[np.float32]", "NDArray[np.float32] | None"]]
"""(heights of the later survey, heights of the earlier or None) on a piece of the job grid."""

MOST_CELLS = 9_000_000
"""Working cells of one outline and the ground tried around it."""
_AROUND = 3.0  # outline lengths of ground on every side, for trials
_LEAST_AROUND_M = 60.0
_MOST_AROUND_M = 1500.0
_STEEP_DEG = 50.0  # natural ground near a mine is not steeper; mine faces are
_LEAST_SITE_M2, _LEAST_SITE_M = 20.0, 0.3  # smaller pits and heaps do not spoil a trial
_STRIP_CELLS = 16_000_000
_COVER_CELL_M = 0.5
_PLANT, _WATER = 0.6, 0.5  # probability from which ground is not bare
_LEAST_BARE = 0.25  # of the ground near by; where less is bare, plants are everywhere and exclude nothing


@dataclass(frozen=True)
class Stage:
    """Arrays on a working piece, (rows, cols) each; ``block``: job cells a side of a working cell.

    ``natural``: may carry a base. ``untouched``: may be tried on.
    """

    grid: Grid
    block: int
    surface: NDArray[np.float64]
    before: NDArray[np.float64] | None
    natural: NDArray[np.bool_]
    untouched: NDArray[np.bool_]
    remarks: tuple[str, ...]


def reader_of(surface: Surface) -> Read:
    """A single survey."""

    def read(piece: Grid) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        return surface.read(piece), None

    return read


def reader_of_pair(m: Measurement) -> Read:
    """Two surveys, the later laid on the earlier as they were aligned."""
    from survey.dem.mapping import map_onto, source_window
    from survey.dem.rise import metres, rise

    a, source = m.alignment, m.after.grid
    mapping = map_onto(m.job, source, a.east_m, a.north_m)
    polynomial = a.correction.polynomial(m.job)

    def read(piece: Grid) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        before = m.before.read(piece)
        r0, r1, c0, c1 = source_window(mapping, piece)
        after = m.after.read(source.at(r0, r1, c0, c1))
        change = metres(rise(piece, before, after, r0, c0, mapping, polynomial))
        return before + change, before

    return read


def lay_stage(
    job: Grid,
    read: Read,
    polygon: Any,
    *,
    others: Sequence[Any] = (),
    hosts: Sequence[Any] = (),
    ortho: tuple[Ortho, tuple[float, float]] | None = None,
    bare: bool = False,
    changed_m: float | None = None,
    wide: bool = True,
) -> Stage:
    """Read the ground around an outline and say what of it is natural.

    Parameters
    ----------
    others:
        Outlines of other sites and changes: not natural ground.
    hosts:
        Outlines that this one lies in, as a stock lies in a pit: their surface carries the base and is what
        the base is tried on.
    ortho:
        Orthomosaic of the later survey and the shift to apply to it: trees and water are not ground.
    bare:
        The heights are of bare ground (a DTM): plants do not matter.
    changed_m:
        Where the two surveys differ by more than this the ground was worked; None with one survey.
    wide:
        Read enough ground for trials.
    """
    bounds = Bounds(*polygon.bounds)
    length = max(bounds.east - bounds.west, bounds.north - bounds.south)
    reach = reach_of(bounds) if wide else max(0.5 * length, 20.0)
    piece = job.covering(bounds.grown(reach))
    block = max(1, math.ceil(math.sqrt(piece.height * piece.width / MOST_CELLS)))
    grid = coarsened(piece, block)
    surface, before = _read(piece, read, block, grid)
    natural = np.isfinite(surface)
    remarks: list[str] = []
    margin = max(2 * grid.cell_m, 1.0)
    for other in others:
        shape = other.buffer(margin, quad_segs=4)
        if not shape.intersects(_box(grid.bounds)):
            continue
        weights = Coverage(shape, grid).weights(grid)
        natural &= ~_touched(weights, grid)
    if before is not None and changed_m is not None:
        natural &= ~_widened(np.abs(surface - before) > changed_m, margin, grid)
    untouched = natural & ~_widened(_steep(surface, grid), 2 * margin, grid)
    for host in hosts:
        untouched &= weights_on(grid, host) == FULL
    if ortho is not None:
        plants, water = _cover(grid, *ortho)
        natural &= ~water
        untouched &= ~water
        if not bare:
            if natural.any() and np.mean(~plants[natural]) < _LEAST_BARE:
                remarks.append(
                    "Plants cover nearly all of the ground near by; the base lies on top of them and not on "
                    "the soil."
                )
            else:
                natural &= ~plants
                untouched &= ~plants
    return Stage(grid, block, surface, before, natural, untouched & natural, tuple(remarks))


@dataclass(frozen=True)
class _Part:
    """A part of a surface as a surface of its own, for searches that begin at their grid's corner."""

    surface: Surface
    piece: Grid

    @property
    def grid(self) -> Grid:
        return self.piece.origin_here()

    def read(self, piece: Grid) -> NDArray[np.float32]:
        own = self.surface.grid
        return self.surface.read(
            replace(
                own,
                height=piece.height,
                width=piece.width,
                row0=self.piece.row0 + piece.row0,
                col0=self.piece.col0 + piece.col0,
            )
        )


def disturbed_ground(after: Opened, targets: Sequence[Target], engine: Engine) -> tuple[Any, ...]:
    """Outlines of pits and heaps that one survey shows around the targets: no ground to try a base on."""
    from survey.pipelines.existing.scan import scan
    from survey.volumetrics.existing import Look

    grid = after.surface.grid
    boxes = [Bounds(*t.polygon.bounds) for t in targets]
    reach = [reach_of(b) for b in boxes]
    whole = Bounds(
        min(b.west - r for b, r in zip(boxes, reach, strict=True)),
        min(b.south - r for b, r in zip(boxes, reach, strict=True)),
        max(b.east + r for b, r in zip(boxes, reach, strict=True)),
        max(b.north + r for b, r in zip(boxes, reach, strict=True)),
    )
    piece = grid.covering(whole)
    if not piece.height or not piece.width:
        return ()
    found = scan(_Part(after.surface, piece), Look(), engine, after.ortho, _LEAST_SITE_M2, _LEAST_SITE_M)
    return tuple(body.outline for body in found.bodies if body.probability >= 0.5)


def reach_of(bounds: Bounds) -> float:
    """How much ground around an outline is read for trials, metres."""
    length = max(bounds.east - bounds.west, bounds.north - bounds.south)
    return min(max(_AROUND * length, _LEAST_AROUND_M), _MOST_AROUND_M)


def weights_on(grid: Grid, polygon: Any) -> NDArray[np.uint16]:
    """Part of each working cell inside a polygon, in 1/4096."""
    if polygon.is_empty:
        return np.zeros(grid.shape, np.uint16)
    weights = Coverage(polygon, grid).weights(grid)
    return np.full(grid.shape, weights, np.uint16) if isinstance(weights, int) else weights


def _read(
    piece: Grid, read: Read, block: int, grid: Grid
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    rows = max(block, _STRIP_CELLS // max(piece.width, 1) // block * block)
    surface = np.full(grid.shape, np.nan)
    before: NDArray[np.float64] | None = None
    for r in range(0, piece.height, rows):
        strip = piece[r : r + rows, :]
        later, earlier = read(strip)
        at = r // block
        small = block_mean(later, block)
        surface[at : at + small.shape[0]] = small
        if earlier is not None:
            if before is None:
                before = np.full(grid.shape, np.nan)
            before[at : at + small.shape[0]] = block_mean(earlier, block)
    return surface, before


def _box(b: Bounds) -> Any:
    import shapely

    return shapely.box(b.west, b.south, b.east, b.north)


def _touched(weights: NDArray[np.uint16] | int, grid: Grid) -> NDArray[np.bool_]:
    if isinstance(weights, int):
        return np.full(grid.shape, weights > 0)
    return weights > FULL // 8


def _widened(mask: NDArray[np.bool_], by_m: float, grid: Grid) -> NDArray[np.bool_]:
    from scipy.ndimage import distance_transform_edt

    if not mask.any():
        return mask
    return distance_transform_edt(~mask, sampling=(grid.cell_north, grid.cell_east)) <= by_m


def _steep(z: NDArray[np.float64], grid: Grid) -> NDArray[np.bool_]:
    """Slopes over about a metre, steeper than natural ground."""
    k = max(1, round(0.5 / grid.cell_m))
    out = np.zeros(z.shape, bool)
    if z.shape[0] <= 2 * k or z.shape[1] <= 2 * k:
        return out
    north = (z[2 * k :, k:-k] - z[: -2 * k, k:-k]) / (2 * k * grid.cell_north)
    east = (z[k:-k, 2 * k :] - z[k:-k, : -2 * k]) / (2 * k * grid.cell_east)
    with np.errstate(invalid="ignore"):
        out[k:-k, k:-k] = np.hypot(north, east) > math.tan(math.radians(_STEEP_DEG))
    return out


def _cover(
    grid: Grid, ortho: Ortho, shift_m: tuple[float, float]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(plants, water) on the working cells, looked at on cells of at least half a metre."""
    from survey.errors import InputRefused
    from survey.imagery.cover import cover

    k = max(1, math.floor(_COVER_CELL_M / grid.cell_m + 1e-9))
    look = coarsened(grid, k)
    try:
        seen = cover(ortho.read(look, shift_m=shift_m, texture=True))
    except InputRefused:
        return np.zeros(grid.shape, bool), np.zeros(grid.shape, bool)

    def fine(share: NDArray[np.float32], limit: float) -> NDArray[np.bool_]:
        return np.kron(share > limit, np.ones((k, k), bool))[: grid.height, : grid.width]

    return fine(seen.vegetation, _PLANT), fine(seen.water, _WATER)
