"""Two surveys in, everything that can be measured between them out.

The steps every command shares that compares surveys: lay them on one grid, align, learn the noise, sweep the
pixels once, join the regions, and give each its error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from survey.boundary.zones import Zones
from survey.dem.align import Alignment, Masker, Wishes, align, with_tie
from survey.dem.contrast import MeanError, Nodes, lay_nodes, mean_error
from survey.dem.mapping import map_onto
from survey.dem.noise import Noise, measure_noise
from survey.dem.recent import Recent
from survey.dem.rise import GRAINS_PER_M
from survey.dem.sampling import Window, load, windows
from survey.dem.steps import spread_in_steps
from survey.errors import InputRefused
from survey.grid import Bounds, Grid
from survey.heap import give_back
from survey.pipelines.change.levels import (
    SMOOTH_RADIUS_M,
    bench_edges,
    correlated_part,
    thresholds_of,
)
from survey.pipelines.change.misplaced import refuse_misplaced
from survey.pipelines.layers import FIXED, LayerSet
from survey.pipelines.memory import WIDEST, cut_for
from survey.pipelines.nodes import nodes_grid, zone_nodes
from survey.rasters.cog import UNIT
from survey.remark import Remark
from survey.volumetrics.change_mask import Thresholds, scale_of
from survey.volumetrics.coarse_sums import CoarseSums
from survey.volumetrics.fragments import absorb
from survey.volumetrics.regions import Regions, gather
from survey.volumetrics.sweep import BandResult, LayerTotals, Plan, bands, sweep_band

if TYPE_CHECKING:
    from survey.blocks import Engine
    from survey.dem.surface import Surface

LEAST_STEP_SAID_M = 0.005
DRAWING_CELL_M = 0.25
DRAWING_CELLS = 4_000_000


@dataclass(frozen=True)
class Settings:
    """What decides a measurement besides the data. All of it is printed in the record."""

    wishes: Wishes = field(default_factory=Wishes)
    probability: float = 0.95
    min_area_m2: float = 40.0
    bench_height_m: float | None = None
    bench_origin_m: float = 0.0


@dataclass(frozen=True)
class Measurement:
    """All that was measured between two surveys, before anything is judged.

    ``sigma_m`` is the error of the mean rise of each region, ``None`` where no stable ground tells it.
    """

    job: Grid
    before: Surface
    after: Surface
    alignment: Alignment
    noise: Noise | None
    nodes: Nodes
    thresholds: Thresholds
    zones: Zones
    layers: LayerSet
    extra: tuple[tuple[str, BaseGeometry], ...]
    totals: LayerTotals
    regions: Regions
    node_areas: NDArray[np.float64]
    region_error: MeanError | None
    level_edges_m: NDArray[np.float64]
    notes: tuple[Remark, ...]
    settings: dict[str, Any]
    correlated_m: float
    range_m: float
    systematic_m: float
    close_up: tuple[Recent, Recent]
    """Both surveys, to look at regions closely: many windows are looked at more than once."""
    coarse: tuple[CoarseSums, ...] = ()
    seen: dict[bytes, Any] = field(default_factory=dict, repr=False, compare=False)
    """Evidence on regions that were looked at, by their cells."""

    @property
    def level_m(self) -> float:
        """Level of detection of one cell on flat ground, 95 %."""
        if self.noise is None:
            return math.nan
        # To a micrometre: what solvers leave open in the last digits must not reach a picture.
        return round(1.96 * math.hypot(self.noise.random_m, self.correlated_m), 6)

    def plan(self) -> Plan:
        """How parts of this pair are swept again, as they were: aligned, and counted in the same layers."""
        a = self.alignment
        return Plan(
            self.before,
            self.after,
            map_onto(self.job, self.after.grid, a.east_m, a.north_m),
            a.correction,
            self.job,
            self.thresholds,
            self.layers,
            np.round(self.level_edges_m * GRAINS_PER_M).astype(np.int64),
            FIXED,
        )

    def look_away(self) -> None:
        """Nothing more is looked at closely; the room is wanted elsewhere."""
        for survey in self.close_up:
            survey.forget()


def job_grid(before: Surface, after: Surface) -> Grid:
    """The earlier survey's cells, as far as the later survey reaches.

    Raises
    ------
    InputRefused
        The surveys do not overlap.
    """
    bounds = _bounds_in(after.grid, before.grid)
    grid = before.grid.covering(bounds)
    if grid.height == 0 or grid.width == 0:
        a, b = before.grid.bounds, bounds
        raise InputRefused(
            f"the surveys do not overlap: {before.name} covers {a.west:.0f}…{a.east:.0f} east, "
            f"{a.south:.0f}…{a.north:.0f} north, {after.name} {b.west:.0f}…{b.east:.0f} east, "
            f"{b.south:.0f}…{b.north:.0f} north",
            file=after.name,
            mend="Check that both are of the same mine, and their reference systems.",
        )
    return grid


def _rounded(before_m: float, after_m: float) -> list[Remark]:
    """Steps that are worth a word: finer ones are counted in too, and nothing beside any survey's noise."""
    said = []
    if before_m >= LEAST_STEP_SAID_M:
        said.append(
            f"The earlier survey's heights are rounded to steps of {before_m:g} m: its noise has that."
        )
    if after_m >= LEAST_STEP_SAID_M:
        said.append(f"The later survey's heights are rounded to steps of {after_m:g} m: its noise has that.")
    return [Remark("rounded-heights", text) for text in said]


def _bounds_in(grid: Grid, target: Grid) -> Bounds:
    b = grid.bounds
    if grid.crs == target.crs:
        return b
    from survey.dem.mapping import transformer

    edge = np.linspace(0, 1, 21)
    east = np.concatenate(
        [b.west + edge * (b.east - b.west)] * 2 + [np.full(21, b.west), np.full(21, b.east)]
    )
    north = np.concatenate(
        [np.full(21, b.south), np.full(21, b.north)] + [b.south + edge * (b.north - b.south)] * 2
    )
    e, n = transformer(grid.crs_wkt, target.crs_wkt).transform(east, north)
    return Bounds(float(e.min()), float(n.min()), float(e.max()), float(n.max()))


def measure_pair(
    before: Surface,
    after: Surface,
    zones: Zones,
    settings: Settings,
    engine: Engine,
    *,
    extra: Sequence[tuple[str, BaseGeometry]] = (),
    usable: Masker | None = None,
    tie: tuple[float, float] | None = None,
    change_parts: Path | None = None,
    tile: int | None = None,
    whole: Grid | None = None,
) -> Measurement:
    """Measure everything between two surveys.

    Parameters
    ----------
    extra : named polygons that are measured as zones of their own.
    usable : which points may be stable ground.
    tie : after - before at check points and its σ.
    change_parts : a folder for the pieces of the change raster; none are written without it.
    """
    job = whole or job_grid(before, after)
    sample, remarks = _sampled(before, after, job, engine)
    if engine.progress is not None:
        engine.progress.stage("aligning")
    alignment = align(sample, job, after.grid, _points_in(zones.reach, job), settings.wishes, usable, tie)
    if tie is not None and alignment.trend is not None:
        alignment = with_tie(alignment, *tie)
    notes = (*(Remark(code, text) for code, text in alignment.notes), *remarks)
    refuse_misplaced(alignment, before, after, job, settings.wishes)
    radius = scale_of(job.cell_m, SMOOTH_RADIUS_M)
    noise = None
    if alignment.trend is not None:
        noise = measure_noise(sample, job, after.grid, alignment, radius)
    correlated, range_m = correlated_part(alignment, noise)
    thresholds, said = thresholds_of(
        job, radius, alignment, noise, settings.probability, settings.min_area_m2
    )
    layers = LayerSet(zones, job, extra)
    edges = bench_edges(sample, settings.bench_height_m, settings.bench_origin_m)
    # The sweep needs the room that the windows take.
    del sample
    plan = Plan(
        before,
        after,
        map_onto(job, after.grid, alignment.east_m, alignment.north_m),
        alignment.correction,
        job,
        thresholds,
        layers,
        np.round(edges * GRAINS_PER_M).astype(np.int64),
        FIXED,
        drawing_block(job),
    )
    totals, regions, coarse = _swept(plan, engine, tile, change_parts)
    regions = absorb(regions, 2 * radius, settings.min_area_m2)
    nodes = lay_nodes(job, alignment)
    regions, areas, error = _real(regions, nodes, alignment, noise, said, settings.min_area_m2)
    return Measurement(
        job,
        before,
        after,
        alignment,
        noise,
        nodes,
        thresholds,
        zones,
        layers,
        tuple(extra),
        totals,
        regions,
        areas,
        error,
        edges,
        notes,
        said,
        correlated,
        range_m,
        _systematic(zones, nodes, alignment, noise),
        (Recent(before), Recent(after)),
        coarse,
    )


def _sampled(before: Surface, after: Surface, job: Grid, engine: Engine) -> tuple[list[Window], list[Remark]]:
    """The windows from which alignment and noise are learnt, rounded heights spread over their steps."""
    rows = engine.map(partial(load, before, after), windows(job), stage="sampling both surveys")
    sample = [window for row in rows for window in row]
    if not any(np.isfinite(w.before).any() and np.isfinite(w.after).any() for w in sample):
        raise InputRefused(
            "the surveys have no measured cell in common",
            file=after.name,
            mend="Check their extents and nodata.",
        )
    sample, *steps = spread_in_steps(sample)
    return sample, _rounded(*steps)


def _real(
    regions: Regions,
    nodes: Nodes,
    alignment: Alignment,
    noise: Noise | None,
    said: Mapping[str, Any],
    min_area_m2: float,
) -> tuple[Regions, NDArray[np.float64], MeanError | None]:
    """Regions that noise cannot explain, their area on each node, and the errors of their mean rise.

    What neither stands out anywhere nor as a whole is left in the rest, where it counts with its sign.
    """
    certain_m, certain_sigmas = said["certain_m"], said["certain_sigmas"]
    regions = regions.keep((regions.deep_m >= certain_m) | (regions.area_m2 >= min_area_m2))
    areas = regions.node_areas(nodes)
    if noise is None or not regions.count:
        return regions, areas, None
    error = mean_error(areas, nodes, alignment, noise)
    as_a_whole = np.abs(regions.rise_m3) >= certain_sigmas * error.sigma_m * regions.area_m2
    real = (regions.deep_m >= certain_m) | as_a_whole
    error = MeanError(error.sigma_m[real], error.systematic_m[real], error.dof)
    return regions.keep(real), areas[real], error


def _systematic(zones: Zones, nodes: Nodes, alignment: Alignment, noise: Noise | None) -> float:
    """What alignment leaves unknown of the lease's mean height, metres; NaN where nothing tells it."""
    if noise is None:
        return math.nan
    lease = zone_nodes(zones, (), nodes)[:1] * nodes_grid(nodes).cell_area_m2
    if not lease.sum() > 0:
        return math.nan
    return float(mean_error(lease, nodes, alignment, noise).systematic_m[0])


def drawing_block(job: Grid) -> int:
    """Cells a side of the blocks that drawings are made from: a quarter metre, or few enough to hold."""
    wanted = DRAWING_CELL_M / job.cell_m
    fit = math.sqrt(job.height * job.width / DRAWING_CELLS)
    return max(1, math.floor(wanted + 1e-9), math.ceil(fit))


def _points_in(shape: BaseGeometry, job: Grid) -> NDArray[np.float64]:
    """A lattice of points in the area of interest, as far as the job grid goes."""
    import shapely

    rows = (np.arange(32) + 0.5) / 32 * job.height - 0.5
    cols = (np.arange(32) + 0.5) / 32 * job.width - 0.5
    east, north = job.east_north(*(a.ravel() for a in np.meshgrid(rows, cols, indexing="ij")))
    inside = shapely.contains_xy(shape, east, north)
    return np.stack([east[inside], north[inside]], axis=1)


def _swept(
    plan: Plan, engine: Engine, tile: int | None, parts: Path | None
) -> tuple[LayerTotals, Regions, tuple[CoarseSums, ...]]:
    """Every cell measured: totals, regions joined across bands, and means for the drawings."""
    results = _sweep(plan, engine, tile, parts)
    totals = results[0].totals
    for r in results[1:]:
        totals = totals + r.totals
    regions = gather(
        [p for r in results for p in r.parts],
        plan.job,
        layers=len(plan.layers.names),
        slabs=max(0, plan.level_edges.size - 1),
    )
    coarse = tuple(r.coarse for r in results if r.coarse is not None)
    # Drawing comes next, and needs as much again.
    del results
    give_back()
    return totals, regions, coarse


def _sweep(plan: Plan, engine: Engine, tile: int | None, parts: Path | None) -> list[BandResult]:
    # What is written away is packed by whole tiles of its own.
    unit = None if parts is None else UNIT
    chunk: int | None
    if tile is not None:
        pieces, chunk = bands(plan.job, plan.before.block, engine.width, tile, unit=unit), tile
    else:
        cut = cut_for(plan, engine)
        chunk = cut.chunk_rows
        pieces = bands(plan.job, plan.before.block, engine.width, None, cut.widest or WIDEST, unit)
    total = float(plan.job.height * plan.job.width)
    advance = engine.advance if engine.local else None
    task = partial(_sweep_task, plan, chunk, advance, parts)
    return engine.map(task, list(enumerate(pieces)), stage="measuring every cell", total=total)


def _sweep_task(
    plan: Plan,
    chunk: int | None,
    advance: Callable[[float], None] | None,
    parts: Path | None,
    numbered: tuple[int, Grid],
) -> BandResult:
    number, band = numbered
    if parts is None:
        return sweep_band(plan, band, chunk, advance)
    from survey.pipelines.change.raster import PartWriter

    with PartWriter(parts, number, plan.job, band) as writer:
        return sweep_band(plan, band, chunk, advance, writer.write)
