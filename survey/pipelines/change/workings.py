"""Which regions of change are one working, decided before any is called a site.

A threshold cuts where the change meets the noise, and sometimes it cuts wrongly: the faces of a benched pit
change and its berms do not, so that one pit falls into rings; a floor that was lowered by less than the level
of detection is a hole in its pit; and where correlated noise touches a small deep pit, it is joined on. Each
way to cut is a hypothesis, and the evidence that tells digging from other changes judges between them: a lobe
is cut off if the rest alone looks more like digging, rings are joined if together they look no less like it.
What a working surrounds belongs to it where its mean rise, tested over its own area, is a real change too.

All is counted again in the same whole numbers as in the sweep, on windows that depend on the regions alone.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from survey.dem.contrast import MeanError, mean_error
from survey.dem.mapping import source_window
from survey.dem.rise import MISSING, metres, rise
from survey.grid import Grid
from survey.pipelines.change.evidence import Evidence, evidence_in, evidence_on
from survey.pipelines.change.pair import Measurement
from survey.volumetrics import telling
from survey.volumetrics.change_mask import change_mask
from survey.volumetrics.fragments import near_pairs, shallow_beside
from survey.volumetrics.partition import core_of, enclosure, inner_cells, reach_m, share_within, surrounded
from survey.volumetrics.region_window import MOST_CELLS, RegionWindow, block_means, margin_cells
from survey.volumetrics.regions import Regions, gather, together
from survey.volumetrics.sweep import Plan, tile_parts
from survey.volumetrics.telling import DIGGING

if TYPE_CHECKING:
    from survey.imagery.ortho import Ortho

T = TypeVar("T")

ALONE_CELLS = 1_500_000
"""Larger windows are looked at one at a time: each takes a hundred bytes for a cell."""
WINDOW_CELLS = 6_000_000
"""Larger regions are left as they were cut: what leaked onto them is small beside them."""
LEAST_LOBE = 0.15
"""Share of a region from which cells out of reach of any certain change are looked at as a leak."""
SHALLOW = 0.5
"""A mean below this share of the greatest depth is what a leak leaves."""
EVEN = 0.5
BETTER = 0.02
"""By how much a cut must raise the probability of digging, and a joint may lower it."""
WITHIN = 0.6
"""Share of a region that another must surround to be thought of as one with it."""
MOST_PIECES = 6
CLEAR = 0.9
"""A piece that is so likely something else than digging (a tree in a pit) is no part of the working."""
NOISE = "artefact"
OPEN = 0.05
"""A region along so much of whose outline data end surrounds nothing: it may go on there."""
LEAST_HOLE = 0.01
WIDEST_FLOOR = 2.0
"""Times the ground that was seen to change: a frame that surrounds the whole survey has no floor."""
REAL = 1.96


@dataclass(frozen=True)
class _Cells:
    """One window of the job grid at full resolution, as the sweep saw it."""

    piece: Grid
    grains: NDArray[np.int32]
    before: NDArray[np.float32]
    mask: NDArray[np.int8]  # ±2 where the change is certain
    smooth: NDArray[np.float32]


@dataclass(frozen=True)
class _Sight:
    before: Ortho | None
    after: Ortho | None
    min_area_m2: float
    plan: Plan
    workers: int
    alone: threading.Lock = field(default_factory=threading.Lock)


Spoken = dict[tuple[int, int], Evidence]
"""Of a working that was joined, by its first cell: the evidence of the part that looks most like digging."""


def settle_workings(
    m: Measurement,
    min_area_m2: float,
    before: Ortho | None = None,
    after: Ortho | None = None,
    workers: int = 1,
) -> tuple[Measurement, Spoken]:
    """The same measurement, its regions cut and joined so that each working is one, and who speaks for it.

    Zones' totals do not change: what a region loses the rest gains.
    """
    if m.regions.count == 0 or m.region_error is None or m.noise is None:
        return m, {}
    plan = m.plan()
    sight = _Sight(before, after, min_area_m2, plan, workers)
    m, cut = _without_leaks(m, sight)
    m, joined, spoken = _joined(m, sight)
    m, filled = _with_floors(m, sight, spoken)
    m.settings.update(
        {
            "workings_cut": cut,
            "workings_joined": joined,
            "workings_floors": filled,
            "workings_why": f"a lobe is cut off if that raises the probability of digging by {BETTER:g}; "
            "pieces that one surrounds are joined if that does not lower it by as much; ground that it "
            f"surrounds belongs to a working where its mean rise exceeds {REAL:g} times its error",
        }
    )
    return m, spoken


# -- leaks -----------------------------------------------------------------------------------------
def _without_leaks(m: Measurement, s: _Sight) -> tuple[Measurement, int]:
    r = m.regions
    assert m.region_error is not None
    certain = float(m.settings["certain_m"])
    side = float(m.settings["smoothing_side_m"])
    reach = reach_m(certain, m.thresholds.low_m, side) / m.job.cell_m
    suspect = (r.area_m2 >= s.min_area_m2) & (r.deep_m >= certain)
    suspect &= np.abs(r.rise_m3) / r.area_m2 < SHALLOW * r.deep_m
    cut = np.zeros(r.count, np.bool_)
    made: list[Regions] = []
    sigmas = m.region_error.sigma_m

    def without_leak(k: int) -> list[Regions] | None:
        cells = _look(m, s, k)
        if cells is None:
            return None
        inside = r.mask(k, cells.piece)
        core = core_of(inside & (np.abs(cells.mask) == 2), inside, reach)
        lost = inside & ~core
        if lost.sum() < LEAST_LOBE * inside.sum() or core.sum() * m.job.cell_area_m2 < s.min_area_m2 / 2:
            return None
        sign = int(r.sign[k])
        whole, alone = (_probability(m, s, cells, sign, c, float(sigmas[k])) for c in (inside, core))
        if not alone > whole + BETTER:
            return None
        # What was one change stays one, though its certain parts may lie apart.
        kept = _counted(s.plan, cells, sign, core)
        return [kept.merged(np.zeros(kept.count, np.int64)), _counted(s.plan, cells, sign, lost)]

    for k, parts in _of_each(m, s, np.flatnonzero(suspect), without_leak):
        cut[k] = True
        made += parts
    if not made:
        return m, 0
    large = [n.keep((n.deep_m >= certain) | (n.area_m2 >= s.min_area_m2)) for n in made]
    after = _measured_again(m, together(r.keep(~cut), *large))
    assert after.region_error is not None
    r, error = after.regions, after.region_error
    real = (r.deep_m >= certain) | (
        np.abs(r.rise_m3) >= float(m.settings["certain_sigmas"]) * error.sigma_m * r.area_m2
    )
    return _only(after, real), int(cut.sum())


# -- rings -----------------------------------------------------------------------------------------
def _joined(m: Measurement, s: _Sight) -> tuple[Measurement, int, Spoken]:
    """Join what lies within a region of its own sign, the innermost surrounding region first."""
    count = m.regions.count
    closed = m.thresholds.radius
    by_hull: dict[int, list[int]] = {}
    best: dict[int, tuple[int, int]] = {}
    for k in np.flatnonzero(m.regions.area_m2 >= s.min_area_m2).tolist():
        others = surrounded(m.regions, k, np.arange(count))
        if not others.size:
            continue
        around = enclosure(m.regions, k, closed, bands=True)
        size = int(around.whole.sum()) * around.step**2
        for b in others:
            if share_within(m.regions, int(b), around) >= WITHIN:
                best[int(b)] = min(best.get(int(b), (size, k)), (size, k))
    for b, (_, k) in best.items():
        by_hull.setdefault(k, []).append(b)
    judged = _Judged(m, s)
    for b, k in _shallow_sides(m):
        if b not in best and judged.digging((k,)) >= EVEN:
            best[b] = (0, k)
            by_hull.setdefault(k, []).append(b)
    group = np.arange(count)
    # From the inside outwards, so that rings within rings grow ring by ring.
    for k in sorted(by_hull, key=lambda k: (int(m.regions.cells[k]), k)):
        own = tuple(int(i) for i in np.flatnonzero(group == group[k]))
        pieces = sorted({tuple(int(i) for i in np.flatnonzero(group == group[b])) for b in by_hull[k]})
        held = _held(judged, own, [p for p in pieces if p != own])
        group[list(held)] = min(held)
    joined = count - np.unique(group).size
    if not joined:
        return m, 0, {}
    after = _measured_again(m, m.regions.merged(group))
    spoken = {}
    for n, head in enumerate(np.unique(group)):
        members = np.flatnonzero(group == head)
        if members.size > 1:
            row, col = after.regions.first[n]
            spoken[int(row), int(col)] = judged.speaker(members.tolist())
    return after, joined, spoken


def _shallow_sides(m: Measurement) -> list[tuple[int, int]]:
    """(piece, region): wide pieces beside a much deeper region, as an upper floor lies beside a pit."""
    if m.regions.count < 2:
        return []
    a, b = near_pairs(m.regions, 2 * m.thresholds.radius)
    small = np.where(m.regions.cells[a] < m.regions.cells[b], a, b)
    large = a + b - small
    some = shallow_beside(m.regions, small, large)
    # Of several regions beside a piece the largest first.
    order = np.lexsort((large[some], -m.regions.cells[large[some]]))
    return [(int(small[some][i]), int(large[some][i])) for i in order]


Members = tuple[int, ...]


class _Judged:
    """What groups of regions look like as one; each is looked at once."""

    def __init__(self, m: Measurement, s: _Sight) -> None:
        self.m, self.s = m, s
        self.known: dict[Members, dict[str, float]] = {}
        self.seen: dict[Members, Evidence] = {}

    def area_m2(self, members: Members) -> float:
        return float(self.m.regions.area_m2[list(members)].sum())

    def classes(self, members: Members) -> dict[str, float]:
        key = tuple(sorted(members))
        if key not in self.known:
            some = self.m.regions.keep(np.isin(np.arange(self.m.regions.count), key))
            one = _measured_again(self.m, some.merged(np.zeros(len(key), np.int64)))
            e = self.seen[key] = evidence_on(one, 0, self.s.before, self.s.after)
            self.known[key] = telling.probabilities(e.sign, telling.as_one(e))
        return self.known[key]

    def digging(self, members: Members) -> float:
        return self.classes(members)[DIGGING]

    def likeliest(self, members: Iterable[int]) -> tuple[float, int]:
        """The part that was looked at by itself and looks most like digging."""
        return max((self.digging((i,)), -i) for i in members if (i,) in self.known)

    def speaker(self, members: Iterable[int]) -> Evidence:
        return self.seen[(-self.likeliest(members)[1],)]


def _held(judged: _Judged, own: Members, pieces: list[Members]) -> Members:
    """A region and those of the pieces it surrounds that are one working with it."""
    for i in own:
        judged.classes((i,))
    # Survey rims that curl up are long bands, and surround all that there is.
    at_the_end = max(judged.seen[(i,)].shape.open_edge for i in own) > OPEN
    if at_the_end or _clearly_else(judged.classes(own)) or judged.classes(own)[NOISE] >= EVEN:
        return own
    rings: list[Members] = []
    floor: list[Members] = []
    for p in pieces:
        if judged.area_m2(p) < judged.s.min_area_m2:
            floor.append(p)
        elif _likeliest(judged.classes(p)) == NOISE:
            floor.append(p)  # told from noise by nothing but where it lies
        elif not _clearly_else(judged.classes(p)):
            rings.append(p)
    held = own
    for some in ([i for p in rings for i in p], *rings[:MOST_PIECES]):
        joint = (*held, *(i for i in some if i not in held))
        if len(joint) > len(held) and _one(judged, joint):
            held = joint
    if floor and judged.likeliest(held)[0] >= EVEN:
        held = (*held, *(i for p in floor for i in p if i not in held))
    return held


def _one(judged: _Judged, joint: Members) -> bool:
    """Together no less like digging than the likeliest part; or one is digging, and none clearly else."""
    best = judged.likeliest(joint)[0]
    return best >= EVEN or judged.digging(joint) >= best - BETTER


def _likeliest(classes: dict[str, float]) -> str:
    return max(classes, key=lambda name: classes[name])


def _clearly_else(classes: dict[str, float]) -> bool:
    likeliest = _likeliest(classes)
    return likeliest not in (DIGGING, NOISE) and classes[likeliest] >= CLEAR


# -- floors ----------------------------------------------------------------------------------------
def _with_floors(m: Measurement, s: _Sight, spoken: Spoken) -> tuple[Measurement, int]:
    """Give each working the ground that it surrounds, where that changed as a whole."""
    r = m.regions
    grown = np.zeros(r.count, np.bool_)
    made: list[Regions] = []

    def with_floor(k: int) -> tuple[Evidence, Regions] | None:
        around = enclosure(r, k, m.thresholds.radius)
        if around.open_cells <= LEAST_HOLE * max(int(around.own.sum()), 1):
            return None
        seen = evidence_on(m, k, s.before, s.after)
        said = spoken.get((int(r.first[k, 0]), int(r.first[k, 1])))
        speaker = max((e for e in (seen, said) if e is not None), key=_digging)
        if _digging(speaker) < EVEN:
            return None
        cells = _look(m, s, k)
        if cells is None:
            return None
        inside = r.mask(k, cells.piece)
        holes = inner_cells(around, cells.piece) & ~inside & ~_taken(r, cells.piece)
        holes &= cells.grains != MISSING
        own = _changed_floor(m, s, cells, holes, int(r.sign[k]), int(inside.sum()))
        if own is None:
            return None
        whole = _counted(s.plan, cells, int(r.sign[k]), inside | own)
        # Rings that were found to be one working stay one, though its floor does not reach all of them.
        return speaker, whole.merged(np.zeros(whole.count, np.int64))

    for k, (speaker, whole) in _of_each(m, s, np.flatnonzero(r.area_m2 >= s.min_area_m2), with_floor):
        # What it was without its floor decides what it is: the floor was added because of that.
        spoken[int(r.first[k, 0]), int(r.first[k, 1])] = speaker
        grown[k] = True
        made.append(whole)
    if not made:
        return m, 0
    return _measured_again(m, together(r.keep(~grown), *made)), int(grown.sum())


def _changed_floor(
    m: Measurement, s: _Sight, cells: _Cells, holes: NDArray[np.bool_], sign: int, most: int
) -> NDArray[np.bool_] | None:
    """Holes that changed with the region beyond the error of a mean; small ones are taken together."""
    from scipy.ndimage import label

    marks, n = label(holes)
    if n == 0:
        return None
    area = np.bincount(marks.ravel(), minlength=n + 1)
    area[0] = 0
    large = [i for i in range(1, n + 1) if area[i] * m.job.cell_area_m2 >= s.min_area_m2]
    small = np.setdiff1d(np.arange(1, n + 1), large)
    out = np.zeros(holes.shape, np.bool_)
    for some in (*([i] for i in large), small.tolist()):
        here = np.isin(marks, some) if some else out & False
        if not here.any() or int(here.sum()) > WIDEST_FLOOR * most:
            continue
        mean = sign * float(metres(cells.grains[here]).astype(np.float64).mean())
        if mean > REAL * _sigma_of(m, cells.piece, here):
            out |= here
    return out if out.any() else None


def _sigma_of(m: Measurement, piece: Grid, where: NDArray[np.bool_]) -> float:
    """Error of the mean rise over some cells."""
    assert m.noise is not None
    row, col = np.nonzero(where)
    node = m.nodes.of(row + piece.row0, col + piece.col0)
    cells = np.bincount(node, minlength=m.nodes.count).astype(np.float64)
    areas = cells[None, :] * m.job.cell_area_m2
    return float(mean_error(areas, m.nodes, m.alignment, m.noise).sigma_m[0])


def _taken(regions: Regions, piece: Grid) -> NDArray[np.bool_]:
    """Cells of any region in a piece."""
    out = np.zeros(piece.shape, np.bool_)
    b = regions.box
    near = (b[:, 0] < piece.row0 + piece.height) & (b[:, 1] > piece.row0)
    near &= (b[:, 2] < piece.col0 + piece.width) & (b[:, 3] > piece.col0)
    for k in np.flatnonzero(near):
        out |= regions.mask(int(k), piece)
    return out


# -- looking and counting again --------------------------------------------------------------------
def _of_each(
    m: Measurement, s: _Sight, which: NDArray[np.int64], look: Callable[[int], T | None]
) -> Iterator[tuple[int, T]]:
    """What looking at some regions gave, in their order. Regions know nothing of each other."""

    def task(k: int) -> T | None:
        b = m.regions.box[k]
        with s.alone if int(b[1] - b[0]) * int(b[3] - b[2]) > ALONE_CELLS else nullcontext():
            return look(k)

    numbers = [int(k) for k in which]
    with ThreadPoolExecutor(max(1, s.workers)) as pool:
        found = list(pool.map(task, numbers))
    for k, one in zip(numbers, found, strict=True):
        if one is not None:
            yield k, one


def _look(m: Measurement, s: _Sight, k: int) -> _Cells | None:
    """Both surveys around a region at full resolution; None if that would be too much to hold."""
    halo = max(margin_cells(m.regions, k), m.thresholds.halo)
    piece = m.regions.piece(k, halo)
    if piece.height * piece.width > WINDOW_CELLS:
        return None
    before, after = m.close_up
    first = before.read(piece)
    r0, r1, c0, c1 = source_window(s.plan.mapping, piece)
    second = after.read(after.grid.at(r0, r1, c0, c1))
    grains = rise(piece, first, second, r0, c0, s.plan.mapping, m.alignment.correction.polynomial(m.job))
    certain = replace(m.thresholds, seed_m=float(m.settings["certain_m"]))
    mask, smooth = change_mask(grains, first, m.job.cell_east, m.job.cell_north, certain)
    return _Cells(piece, grains, first, mask, smooth)


def _counted(plan: Plan, cells: _Cells, sign: int, where: NDArray[np.bool_]) -> Regions:
    """The connected parts of a mask as regions, with exact sums, as the sweep makes them."""
    t = plan.thresholds
    # Seeds are what the sweep calls so: on a slope its factor is that of the certain ones here.
    seed = np.abs(cells.smooth) > np.float32(t.seed_m)
    mask = np.where(where, np.where(seed | (np.abs(cells.mask) == 2), 2, 1) * sign, 0).astype(np.int8)
    weights = plan.layers.weights(cells.piece)
    parts = tile_parts(plan, cells.piece, cells.grains, mask, cells.smooth, cells.before, weights)
    return gather([parts], plan.job)


def _probability(
    m: Measurement, s: _Sight, cells: _Cells, sign: int, inside: NDArray[np.bool_], sigma_m: float
) -> float:
    p = cells.piece
    step = max(1, math.ceil(math.sqrt(p.height * p.width / MOST_CELLS)))
    up = metres(cells.grains)
    share = block_means(inside.astype(np.float32), step) >= 0.5
    w = RegionWindow(p, step, block_means(cells.before, step), block_means(up, step), share)
    mean = abs(float(np.nanmean(up[inside])))
    return _digging(evidence_in(m, w, sign, mean, sigma_m, s.before, s.after))


def _digging(e: Evidence) -> float:
    return telling.probabilities(e.sign, telling.as_one(e))[DIGGING]


def _measured_again(m: Measurement, regions: Regions) -> Measurement:
    assert m.noise is not None
    areas = regions.node_areas(m.nodes)
    error = mean_error(areas, m.nodes, m.alignment, m.noise) if regions.count else None
    return replace(m, regions=regions, node_areas=areas, region_error=error)


def _only(m: Measurement, wanted: NDArray[np.bool_]) -> Measurement:
    if wanted.all():
        return m
    e = m.region_error
    assert e is not None
    return replace(
        m,
        regions=m.regions.keep(wanted),
        node_areas=m.node_areas[wanted],
        region_error=MeanError(e.sigma_m[wanted], e.systematic_m[wanted], e.dof),
    )
