"""Once it is known which changes are sites, each is followed to where it ends.

Only tiles that an outline crosses are looked at again, and what is kept of them are runs and whole numbers.
Tiles lie where the region lies, so that no cutting of the scene can change them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from survey.dem.contrast import MeanError, mean_error
from survey.dem.mapping import source_window
from survey.dem.rise import GRAINS_PER_M, rise
from survey.grid import Grid
from survey.pipelines.change.pair import Measurement
from survey.volumetrics.regions import Regions, gather, together
from survey.volumetrics.rim import reach_of, strip_along
from survey.volumetrics.runs import Parts
from survey.volumetrics.sweep import Plan, tile_parts
from survey.volumetrics.telling import Verdict

TILE_CELLS = 256


@dataclass(frozen=True)
class _Widened:
    """What tiles found along one region's outline: the parts of its strip, and Σ grains beyond."""

    parts: list[Parts]
    fringe: int

    def and_(self, other: _Widened) -> _Widened:
        return _Widened([*self.parts, *other.parts], self.fringe + other.fringe)


def to_the_rim(
    m: Measurement, verdicts: Sequence[Verdict], workers: int = 1
) -> tuple[Measurement, list[Verdict]]:
    """The same regions, those that are digging or heaping with the strip along them, and their verdicts.

    A cell belongs to one region at most, and zones' totals do not change: what a site gains the rest loses.
    The doubt of each outline is what lies beyond the strip, no longer what lies in it. Numbers are again
    those of first cells in reading order.
    """
    if m.region_error is None or m.noise is None:
        return m, list(verdicts)
    r = m.regions
    which = [k for k in r if not verdicts[k].dismissed]
    plan = m.plan()
    halo = reach_of(m.job.cell_east, m.job.cell_north, m.thresholds).halo
    tiles = [(k, tile) for k in which for tile in _tiles(m.regions, k, halo)]
    # Tiles know nothing of each other, and what looks at them leaves the interpreter's lock.
    with ThreadPoolExecutor(max(1, workers)) as pool:
        seen = list(pool.map(lambda task: _along(m, plan, task[0], task[1], halo), tiles))
    found = {k: _Widened([], 0) for k in which}
    for (k, _), one in zip(tiles, seen, strict=True):
        found[k] = found[k].and_(one)
    strips = {k: gather(f.parts, m.job) for k, f in found.items()}
    changed = [(k, s) for k, s in strips.items() if s.count]
    m.settings.update(
        {
            "rims_widened": len(changed),
            "rims_why": "from where single cells sink into their noise a side goes on as far as its "
            "slope inside the outline foretells; what lies there is summed with its sign",
        }
    )
    wider = _measured(m, changed) if changed else m
    return _in_order(wider, _doubts(m, wider, verdicts, found))


def _tiles(regions: Regions, k: int, halo: int) -> Iterator[Grid]:
    """Tiles of a region and its surroundings, counted from its own corner."""
    whole = regions.piece(k, halo)
    for row in range(0, whole.height, TILE_CELLS):
        for col in range(0, whole.width, TILE_CELLS):
            yield whole[row : min(row + TILE_CELLS, whole.height), col : min(col + TILE_CELLS, whole.width)]


def _along(m: Measurement, plan: Plan, k: int, tile: Grid, halo: int) -> _Widened:
    """The strip along region ``k`` in one tile; nothing where its outline is not near."""
    job = m.job
    r0, c0 = max(tile.row0 - halo, job.row0), max(tile.col0 - halo, job.col0)
    r1 = min(tile.row0 + tile.height + halo, job.row0 + job.height)
    c1 = min(tile.col0 + tile.width + halo, job.col0 + job.width)
    piece = job.at(r0, r1, c0, c1)
    owner = m.regions.owners(piece)
    inside = owner == k
    if not inside.any() or inside.all():
        return _Widened([], 0)
    sign = int(m.regions.sign[k])
    before, after = m.close_up
    first = before.read(piece)
    r0, r1, c0, c1 = source_window(plan.mapping, piece)
    second = after.read(after.grid.at(r0, r1, c0, c1))
    grains = rise(piece, first, second, r0, c0, plan.mapping, m.alignment.correction.polynomial(job))
    strip, beyond = strip_along(grains, first, owner, k, sign, job.cell_east, job.cell_north, m.thresholds)
    core = np.s_[
        tile.row0 - piece.row0 : tile.row0 - piece.row0 + tile.height,
        tile.col0 - piece.col0 : tile.col0 - piece.col0 + tile.width,
    ]
    fringe = int(beyond[core].sum(dtype=np.int64))
    if not strip[core].any():
        return _Widened([], fringe)
    mask = np.ascontiguousarray(strip[core]).astype(np.int8) * np.int8(2 * sign)
    own = np.ascontiguousarray(grains[core])
    blank = np.zeros(own.shape, np.float32)
    ground = np.ascontiguousarray(first[core])
    return _Widened([tile_parts(plan, tile, own, mask, blank, ground, plan.layers.weights(tile))], fringe)


def _measured(m: Measurement, changed: list[tuple[int, Regions]]) -> Measurement:
    """The measurement with wider regions, and the errors of their means."""
    assert m.noise is not None
    assert m.region_error is not None
    strips = [s.merged(np.zeros(s.count, np.int64)) for _, s in changed]
    which = np.array([k for k, _ in changed])
    strip_of = {(int(s.first[0, 0]), int(s.first[0, 1])): k for s, k in zip(strips, which, strict=True)}
    by = together(*strips)
    of = np.array([strip_of[int(row), int(col)] for row, col in by.first], np.int64)
    regions = m.regions.widened(by, of)
    areas = m.node_areas.copy()
    areas[of] += by.node_areas(m.nodes)
    e = mean_error(areas[which], m.nodes, m.alignment, m.noise)
    sigma, systematic = m.region_error.sigma_m.copy(), m.region_error.systematic_m.copy()
    sigma[which], systematic[which] = e.sigma_m, e.systematic_m
    return replace(m, regions=regions, node_areas=areas, region_error=MeanError(sigma, systematic, e.dof))


def _doubts(
    m: Measurement, wider: Measurement, verdicts: Sequence[Verdict], found: dict[int, _Widened]
) -> list[Verdict]:
    """Verdicts with the doubt of the outline as it runs now."""
    out = list(verdicts)
    for k, f in found.items():
        v = verdicts[k]
        was, now = (max(abs(float(one.regions.rise_m3[k])), 1e-9) for one in (m, wider))
        beyond = f.fringe / GRAINS_PER_M * m.job.cell_area_m2 / now
        inside = math.sqrt(max(v.outline_share**2 - v.fringe_share**2, 0.0)) * was / now
        share = math.hypot(beyond, inside)
        out[k] = replace(
            v,
            outline_share=share,
            fringe_share=beyond,
            evidence=v.evidence | {"outline_share": round(share, 5)},
        )
    return out


def _in_order(m: Measurement, verdicts: list[Verdict]) -> tuple[Measurement, list[Verdict]]:
    """Regions numbered by their first cells, as all regions are."""
    e, first = m.region_error, m.regions.first
    order = np.lexsort((first[:, 1], first[:, 0]))
    if e is None or (order[1:] > order[:-1]).all():
        return m, verdicts
    sorted_ones = replace(
        m,
        regions=together(m.regions),
        node_areas=m.node_areas[order],
        region_error=MeanError(e.sigma_m[order], e.systematic_m[order], e.dof),
    )
    return sorted_ones, [verdicts[k] for k in order]
