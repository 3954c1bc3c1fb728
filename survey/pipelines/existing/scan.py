"""Search one survey for disturbed ground and bodies, tile by tile, in memory bounded whatever its size.

Three passes over the heights: how much breaks of slope scatter (histograms, which add up exactly), where they
exceed their limits (runs of cells, which are joined exactly over tiles), and a look at each connected zone
through a window of its own. Tiles are cut along whole working cells and read with all the surroundings that
decide on a cell, so no cutting changes anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from survey.dem.coarse import block_mean
from survey.grid import Grid
from survey.volumetrics import existing, runs
from survey.volumetrics.existing import Look
from survey.volumetrics.existing_cells import distance_to
from survey.volumetrics.existing_find import Candidate, candidates, rim_of
from survey.volumetrics.existing_shape import Form
from survey.volumetrics.existing_tell import Cover, probability

if TYPE_CHECKING:
    from survey.blocks import Engine
    from survey.imagery.ortho import Ortho

TILE_CELLS = 1024
"""Working cells a side of a tile."""
_JOINED_M = 1.5  # breaks nearer to each other than twice this belong together
_LEAST_ZONE = 0.6
"""Of the smallest site: half of a rim, widened by ``_JOINED_M`` to both sides, covers more than that."""
MARGIN_M = (25.0, 120.0)
_MOST_CELLS = 3_000_000  # of a window
EVEN = 0.5
STRENGTHS = (1.0, 2.5)
"""Zones are joined from breaks above their limit, and once more from those well above it, where weak breaks
(a track, rough ground) have joined what does not belong together."""


class Readable(Protocol):
    @property
    def grid(self) -> Grid: ...

    def read(self, piece: Grid) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Seen:
    """A body found in one window: outline in the survey's system, form, cover, and how likely a site."""

    sign: int
    first: tuple[int, int]  # (row, col) of its first cell in reading order, cells of the survey
    outline: Any
    form: Form
    cover: Cover | None
    around: Cover | None
    probability: float


@dataclass(frozen=True)
class Scan:
    """All bodies, likely or not, and what the search was decided by."""

    bodies: list[Seen]
    working: Grid
    limits: tuple[float, ...]
    zones: int
    hollows: int = 0


def working_grid(grid: Grid, look: Look) -> Grid:
    """Working cells: whole blocks of the survey's cells, counted from its corner."""
    block = look.block(grid)
    return replace(
        grid.origin_here(),
        cell_east=grid.cell_east * block,
        cell_north=grid.cell_north * block,
        height=math.ceil(grid.height / block),
        width=math.ceil(grid.width / block),
    )


def scan(
    surface: Readable,
    look: Look,
    engine: Engine,
    ortho: Ortho | None,
    least_m2: float,
    least_m: float,
    tile_cells: int = TILE_CELLS,
) -> Scan:
    """Find every body that breaks of slope surround."""
    working = working_grid(surface.grid, look)
    tiles = list(working.pieces(tile_cells))
    counts = engine.map(partial(_count, surface, look, working), tiles, stage="looking at the ground's form")
    limits = existing.limits(look, [sum(c[k] for c in counts) for k in range(len(look.distances_m))])  # type: ignore[misc]
    marked = engine.map(
        partial(_mark, surface, look, working, limits), tiles, stage="marking breaks of slope"
    )
    joined = [runs.join([m[k] for m in marked])[0] for k in range(2)]
    weak, strong = (_apart(j, working, _LEAST_ZONE * least_m2) for j in joined)
    zones = [(STRENGTHS[0], zone) for zone in weak]
    zones += [(STRENGTHS[1], zone) for zone in _split(weak, strong)]
    work = partial(_window, surface, look, working, limits, ortho, least_m2, least_m)
    found = engine.map(work, zones, stage="looking for pits and heaps")
    bodies = [b for one in found for b in one]
    return Scan(sorted(bodies, key=lambda b: (b.first, b.sign, -b.form.area_m2)), working, limits, len(zones))


def heights_on(
    surface: Readable, look: Look, working: Grid, piece: Grid, times: int = 1
) -> NDArray[np.float32]:
    """Mean heights on working cells of a piece (it may overhang), ``times`` by ``times`` together."""
    block = look.block(surface.grid)
    g = surface.grid
    fine = replace(
        g.origin_here() if (g.row0, g.col0) != (0, 0) else g,
        height=piece.height * block,
        width=piece.width * block,
        row0=piece.row0 * block,
        col0=piece.col0 * block,
    )
    rows = max(times, 8_000_000 // max(fine.width, 1) // block // times * times) * block
    strips = [
        block_mean(surface.read(_rows(fine, r, min(rows, fine.height - r))), block * times)
        for r in range(0, fine.height, rows)
    ]
    return np.concatenate(strips)


def _rows(grid: Grid, first: int, count: int) -> Grid:
    return replace(grid, row0=grid.row0 + first, height=count)


def grown(piece: Grid, by: int) -> Grid:
    return replace(
        piece,
        row0=piece.row0 - by,
        col0=piece.col0 - by,
        height=piece.height + 2 * by,
        width=piece.width + 2 * by,
    )


def _count(surface: Readable, look: Look, working: Grid, tile: Grid) -> list[NDArray[np.int64]]:
    halo = look.reach(working.cell_m)
    z = heights_on(surface, look, working, grown(tile, halo))
    core = np.s_[halo:-halo, halo:-halo]
    return [existing.histogram(existing.breaks(z, working.cell_m, d)[core]) for d in look.distances_m]


def _mark(
    surface: Readable, look: Look, working: Grid, limits: tuple[float, ...], tile: Grid
) -> list[runs.Parts]:
    cell = working.cell_m
    joined = math.ceil(_JOINED_M / cell)
    halo = look.reach(cell) + joined
    z = heights_on(surface, look, working, grown(tile, halo))
    rim = np.abs(rim_of([existing.breaks(z, cell, d) for d in look.distances_m], limits))
    core = np.s_[halo:-halo, halo:-halo]
    out = []
    for strength in STRENGTHS:
        marks = rim > strength
        near = distance_to(marks) <= joined
        out.append(existing.parts_of(near[core], tile.row0, tile.col0))
    return out


def _apart(joined: runs.Runs, working: Grid, least_m2: float) -> list[runs.Runs]:
    """Zones large enough to hold a site, in reading order of their first cells."""
    if not joined.size:
        return []
    order = np.argsort(joined[:, 3], kind="stable")
    cuts = np.flatnonzero(np.diff(joined[order, 3])) + 1
    return [zone for zone in np.split(joined[order], cuts) if _area(zone, working) >= least_m2]


def _split(weak: list[runs.Runs], strong: list[runs.Runs]) -> list[runs.Runs]:
    """Those zones of strong breaks of which several lie in one zone of weak ones."""
    if not strong:
        return []
    every = np.concatenate([np.column_stack([z[:, :3], np.full(len(z), k)]) for k, z in enumerate(weak)])
    every = every[np.lexsort((every[:, 1], every[:, 0]))].astype(np.int64)
    keys = every[:, 0] * 2**31 + every[:, 1]
    at = [int(np.searchsorted(keys, int(z[0, 0]) * 2**31 + int(z[0, 1]), side="right")) - 1 for z in strong]
    parent = every[at, 3]
    return [z for z, p in zip(strong, parent, strict=True) if np.count_nonzero(parent == p) > 1]


def _area(zone: runs.Runs, working: Grid) -> float:
    return float((zone[:, 2] - zone[:, 1]).sum()) * working.cell_area_m2


def _window(
    surface: Readable,
    look: Look,
    working: Grid,
    limits: tuple[float, ...],
    ortho: Ortho | None,
    least_m2: float,
    least_m: float,
    zone: tuple[float, runs.Runs],
) -> list[Seen]:
    strength, own_runs = zone
    cell = working.cell_m
    r0, r1 = int(own_runs[:, 0].min()), int(own_runs[:, 0].max()) + 1
    c0, c1 = int(own_runs[:, 1].min()), int(own_runs[:, 2].max())
    margin = math.ceil(float(np.clip(0.6 * max(r1 - r0, c1 - c0) * cell, *MARGIN_M)) / cell)
    times = math.ceil(math.sqrt((r1 - r0 + 2 * margin) * (c1 - c0 + 2 * margin) / _MOST_CELLS))
    reach = look.reach(cell)
    pad = -(-reach // times) * times
    height, width = (-(-n // times) * times for n in (r1 - r0 + 2 * margin, c1 - c0 + 2 * margin))
    piece = replace(working, row0=r0 - margin, col0=c0 - margin, height=height, width=width)
    z = heights_on(surface, look, working, grown(piece, pad), times)
    size, halo = cell * times, pad // times
    rim = rim_of([existing.breaks(z, size, d) for d in look.distances_m], limits)
    core = np.s_[halo : z.shape[0] - halo, halo : z.shape[1] - halo]
    heights, rim = z[core].astype(np.float64), rim[core]
    near: NDArray[np.bool_] = np.zeros(piece.shape, np.bool_)
    _paint(own_runs, piece.row0, piece.col0, near)
    if times > 1:
        squares = near.reshape(height // times, times, width // times, times)
        near = np.asarray(squares.any(axis=(1, 3)))
    marks = np.abs(rim) > strength
    own = marks & near
    if not own.any():
        return []
    # Weak breaks are no ground to draw from only where zones are joined from weak breaks too.
    found = candidates(heights, own, (np.abs(rim) > 1.0) & ~near, rim, size, least_m2, least_m)
    return seen_in(found, look.block(surface.grid), piece, times, ortho)


def seen_in(
    found: Sequence[Candidate], block: int, piece: Grid, times: int, ortho: Ortho | None
) -> list[Seen]:
    """Bodies that were found in a piece of the working grid, on cells ``times`` as large."""
    grid = replace(
        piece.origin_here(),
        cell_east=piece.cell_east * times,
        cell_north=piece.cell_north * times,
        height=piece.height // times,
        width=piece.width // times,
    )
    out = []
    for one in found:
        cover, around = _cover(ortho, grid, one.body.cells)
        row, col = np.argwhere(one.body.cells)[0]
        out.append(
            Seen(
                one.body.sign,
                ((piece.row0 + int(row) * times) * block, (piece.col0 + int(col) * times) * block),
                _outline(one.body.cells, grid),
                one.form,
                cover,
                around,
                probability(one.form, cover, around),
            )
        )
    return out


def _paint(found: runs.Runs, row0: int, col0: int, out: NDArray[np.bool_]) -> None:
    for row, first, last, _ in found.tolist():
        out[row - row0, first - col0 : last - col0] = True


def _cover(ortho: Ortho | None, grid: Grid, cells: NDArray[np.bool_]) -> tuple[Cover | None, Cover | None]:
    """What the orthomosaic shows of a body and of a few metres around it."""
    if ortho is None:
        return None, None
    from survey.imagery.region_colour import colour_of

    rows, cols = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    by = math.ceil(6.0 / grid.cell_m)
    window = (
        slice(max(rows[0] - by, 0), min(rows[-1] + 1 + by, cells.shape[0])),
        slice(max(cols[0] - by, 0), min(cols[-1] + 1 + by, cells.shape[1])),
    )
    colour = colour_of(None, ortho, grid[window], cells[window], (0.0, 0.0))

    def part(seen: Any) -> Cover | None:
        return None if seen is None else Cover(seen.vegetation, seen.water, seen.bare, seen.shadow)

    return part(colour.after), part(colour.around_after)


def _outline(cells: NDArray[np.bool_], grid: Grid) -> Any:
    from rasterio.features import shapes
    from shapely import MultiPolygon
    from shapely.geometry import shape

    rows, cols = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    window = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1))
    mask = cells[window]
    found = [
        shape(g)
        for g, _ in shapes(mask.view(np.uint8), mask=mask, transform=grid[window].transform, connectivity=4)
    ]
    return found[0] if len(found) == 1 else MultiPolygon(found)


def settle(bodies: Sequence[Seen]) -> list[Seen]:
    """Bodies that share ground: the likeliest keeps it, of about equally likely ones the largest.

    Returns those that are left in the order of their first cells. What lies within or across a better one is
    not listed: a stock on the floor of a pit is part of what stands in the pit.
    """
    import shapely

    order = sorted(range(len(bodies)), key=lambda k: (_rank(bodies[k]), bodies[k].first, bodies[k].sign))
    if not order:
        return []
    tree = shapely.STRtree([b.outline for b in bodies])
    kept: list[int] = []
    out = set()
    for k in order:
        if k in out:
            continue
        kept.append(k)
        for other in tree.query(bodies[k].outline, predicate="intersects").tolist():
            if other == k or other in out or other in kept:
                continue
            shared = bodies[k].outline.intersection(bodies[other].outline).area
            # A halo: what the ground drawn under one body makes of the slope beside it.
            touching = bodies[k].outline.buffer(1.0).intersection(bodies[other].outline).area
            small = min(bodies[k].outline.area, bodies[other].outline.area)
            beside = bodies[other].probability < EVEN and touching > 0.15 * bodies[other].outline.area
            if shared > 0.25 * small or beside:
                out.add(other)
    return [bodies[k] for k in sorted(kept, key=lambda k: (bodies[k].first, bodies[k].sign))]


def _rank(body: Seen) -> tuple[bool, float]:
    """Sites before what is none; among sites size counts a little, so that benches do not share out a pit."""
    if body.probability < EVEN:
        return True, -body.probability
    return False, -body.probability - 0.04 * math.log(max(body.form.area_m2, 1.0) / 40)
