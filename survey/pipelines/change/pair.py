"""Two surveys in, everything that can be measured between them out.

The steps every command shares that compares surveys: lay them on one grid, align, learn the noise, sweep the
pixels once, join the regions, and give each its error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
from survey.dem.fit import fit_of
from survey.dem.mapping import map_onto
from survey.dem.noise import Noise, measure_noise
from survey.dem.sampling import load, windows
from survey.dem.steps import spread_in_steps
from survey.errors import InputRefused
from survey.grid import Bounds, Grid
from survey.heap import give_back
from survey.pipelines.layers import FIXED, LayerSet
from survey.pipelines.memory import WIDEST, cut_for
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

SMOOTH_RADIUS_M = 0.75
LOW_SIGMAS = 2.0
SEED_SIGMAS = 3.3
CELL_SIGMAS = 2.5
DRAWING_CELL_M = 0.25
DRAWING_CELLS = 4_000_000
ABSURD_OFFSET_M = 10.0
"""No two surveys of one mine differ by this on stable ground, unless their heights mean different things."""
ABSURD_SLOPE = 0.02
"""A flight without any ground control is tilted and bent by some metres in a thousand. What would have to be
turned by two in a hundred is other ground, or this one mirrored, that happens to differ by a plane."""


@dataclass(frozen=True)
class Settings:
    """What decides a measurement besides the data. All of it is printed in the record."""

    wishes: Wishes = field(default_factory=Wishes)
    probability: float = 0.95
    min_area_m2: float = 40.0
    bench_height_m: float | None = None
    bench_origin_m: float = 0.0
    declared: dict[str, float] = field(default_factory=dict)


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
    said = []
    if before_m:
        said.append(
            f"The earlier survey's heights are rounded to steps of {before_m:g} m: its noise has that."
        )
    if after_m:
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
    rows = engine.map(partial(load, before, after), windows(job), stage="sampling both surveys")
    sample = [window for row in rows for window in row]
    if not any(np.isfinite(w.before).any() and np.isfinite(w.after).any() for w in sample):
        raise InputRefused(
            "the surveys have no measured cell in common",
            file=after.name,
            mend="Check their extents and nodata.",
        )
    sample, *steps = spread_in_steps(sample)
    interest = _points_in(zones.reach, job)
    if engine.progress is not None:
        engine.progress.stage("aligning")
    alignment = align(sample, job, after.grid, interest, settings.wishes, usable, tie)
    notes = [Remark(code, text) for code, text in alignment.notes]
    if tie is not None and alignment.trend is not None:
        alignment = with_tie(alignment, *tie)
        notes = [Remark(code, text) for code, text in alignment.notes]
    notes += _rounded(*steps)
    _refuse_turned(alignment, before, after, job)
    _refuse_absurd(alignment, before, after, job, settings)
    _refuse_misfit(alignment, before, after)
    nodes = lay_nodes(job, alignment)
    noise: Noise | None = None
    radius = scale_of(job.cell_m, SMOOTH_RADIUS_M)
    if alignment.trend is not None:
        noise = measure_noise(sample, job, after.grid, alignment, radius)
    correlated, range_m = _correlated(alignment, noise)
    thresholds, said = _thresholds(job, radius, alignment, noise, settings)
    layers = LayerSet(zones, job, extra)
    edges = _bench_edges(sample, settings)
    plan = Plan(
        before,
        after,
        map_onto(job, after.grid, alignment.east_m, alignment.north_m),
        alignment.correction,
        job,
        thresholds,
        layers,
        np.round(edges * 65536).astype(np.int64),
        FIXED,
        drawing_block(job),
    )
    results = _sweep(plan, engine, tile, change_parts)
    totals = results[0].totals
    for r in results[1:]:
        totals = totals + r.totals
    regions = gather(
        [p for r in results for p in r.parts],
        job,
        layers=len(layers.names),
        slabs=max(0, edges.size - 1),
    )
    coarse = tuple(r.coarse for r in results if r.coarse is not None)
    # Drawing comes next, and needs as much again.
    del results
    give_back()
    regions = absorb(regions, 2 * radius, settings.min_area_m2)
    regions = regions.keep((regions.deep_m >= said["certain_m"]) | (regions.area_m2 >= settings.min_area_m2))
    areas = regions.node_areas(nodes)
    error = mean_error(areas, nodes, alignment, noise) if noise is not None and regions.count else None
    if error is not None:
        # What neither stands out anywhere nor as a whole is left in the rest, where it counts with its sign.
        real = (regions.deep_m >= said["certain_m"]) | (
            np.abs(regions.rise_m3) >= said["certain_sigmas"] * error.sigma_m * regions.area_m2
        )
        regions, areas = regions.keep(real), areas[real]
        error = MeanError(error.sigma_m[real], error.systematic_m[real], error.dof)
    systematic = math.nan
    if noise is not None:
        where = zone_nodes(zones, (), nodes)[:1] * nodes_grid(nodes).cell_area_m2
        if where.sum() > 0:
            systematic = float(mean_error(where, nodes, alignment, noise).systematic_m[0])
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
        tuple(notes),
        said,
        correlated,
        range_m,
        systematic,
        coarse,
    )


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


def _refuse_absurd(
    alignment: Alignment, before: Surface, after: Surface, job: Grid, settings: Settings
) -> None:
    up = next(t.value for t in alignment.terms if t.name == "up")
    if settings.wishes.vertical is False or not math.isfinite(up) or abs(up) < ABSURD_OFFSET_M:
        return
    from survey.dem.heights import offset_hint
    from survey.rasters.crs import to_lonlat

    b = job.bounds
    lon, lat = to_lonlat(job.crs_wkt).transform((b.west + b.east) / 2, (b.south + b.north) / 2)
    median = float(np.median(alignment.points.before)) if alignment.points.count else None
    hint = offset_hint(-up, float(lon), float(lat), before_median_m=median)
    raise InputRefused(
        f"on ground that did not change it lies {-up:+.2f} m off {before.name}",
        expected="the same heights in both surveys to within decimetres",
        file=after.name,
        mend=hint or "Check the height reference and the unit of both.",
    )


def _refuse_turned(alignment: Alignment, before: Surface, after: Surface, job: Grid) -> None:
    c, b = alignment.correction, job.bounds
    slope = max(
        math.hypot(
            c.tilt_east + 2 * c.dome * (east - c.centre_east),
            c.tilt_north + 2 * c.dome * (north - c.centre_north),
        )
        for east in (b.west, b.east)
        for north in (b.south, b.north)
    )
    if slope > ABSURD_SLOPE:
        raise InputRefused(
            f"does not show the ground of {before.name}: to fit it would have to be turned by up to "
            f"{100 * slope:.0f} m in 100 m",
            expected="two surveys of one ground, tilted against each other by centimetres in 100 m",
            file=after.name,
            mend="Check that both are of the same mine, their reference systems, positions and orientation.",
        )


def _refuse_misfit(alignment: Alignment, before: Surface, after: Surface) -> None:
    fit = fit_of(alignment)
    if fit.none:
        raise InputRefused(
            f"does not show the ground of {before.name}: laid on it as well as can be, heights differ by "
            f"±{fit.residual_m:.1f} m, where the ground itself varies by ±{fit.relief_m:.1f} m (1 σ)",
            expected="two surveys of one ground",
            file=after.name,
            mend="Check that both are of the same mine, their reference systems, positions and orientation.",
        )


def _correlated(alignment: Alignment, noise: Noise | None) -> tuple[float, float]:
    """σ of everything that is correlated, and its range: texture and long noise together, by variance."""
    if noise is None or alignment.trend is None:
        return math.nan, math.nan
    long, short = alignment.trend.correlated_m**2, noise.texture_m**2
    total = long + short
    if total <= 0:
        return 0.0, 0.0
    return math.sqrt(total), (long * alignment.trend.range_m + short * noise.texture_range_m) / total


def _thresholds(
    job: Grid,
    radius: int,
    alignment: Alignment,
    noise: Noise | None,
    settings: Settings,
) -> tuple[Thresholds, dict[str, Any]]:
    """Low and seed levels from this pair's own noise, and the words that say so."""
    from scipy.special import ndtri

    side = (2 * radius + 1) * job.cell_m
    squares = max(1.0, job.height * job.width * job.cell_area_m2 / side**2)
    if noise is None or not math.isfinite(noise.smooth_m):
        sigma = max(alignment.nmad_after_m, 0.02) if math.isfinite(alignment.nmad_after_m) else 0.10
        gain, cell, cell_gain = 0.0, sigma, 0.0
        source = "spread of the rise, for want of stable ground"
    else:
        sigma = max(noise.smooth_m, 1e-4)
        gain = noise.smooth_slope_m / sigma
        cell = max(noise.flat_m, sigma)
        cell_gain = noise.slope_m / cell
        source = "stable ground"
    sigma = max(sigma, 1e-4)
    low, seed = round(LOW_SIGMAS * sigma, 6), round(SEED_SIGMAS * sigma, 6)
    own = round(CELL_SIGMAS * cell, 6)
    # So many squares, and a chance of less than 1 - probability that random noise lifts any of them so far.
    certain = float(ndtri(1 - (1 - settings.probability) / (2 * squares)))
    said = {
        "smoothing_side_m": side,
        "smooth_sigma_m": sigma,
        "smooth_sigma_from": source,
        "low_sigmas": LOW_SIGMAS,
        "low_m": low,
        "low_why": "reaches the rim; noise alone passes it in one cell of twenty, but seldom beside a seed",
        "seed_sigmas": SEED_SIGMAS,
        "seed_m": seed,
        "seed_why": "candidates only: whether a region is real is judged by its whole area and its edge",
        "independent_squares": round(squares),
        "certain_sigmas": certain,
        "certain_m": round(certain * sigma, 6),
        "certain_why": "noise lifts any of the independent squares so far with a chance of 1 - probability",
        "slope_gain": gain,
        "cell_sigmas": CELL_SIGMAS,
        "cell_m": own,
        "cell_slope_gain": cell_gain,
        "probability": settings.probability,
        "min_area_m2": settings.min_area_m2,
    }
    return Thresholds(low, seed, round(gain, 6), radius, own, round(cell_gain, 6)), said


def _bench_edges(sample: Sequence[Any], settings: Settings) -> NDArray[np.float64]:
    """Levels of the benches that the sampled ground touches, with one to spare on both ends."""
    if settings.bench_height_m is None:
        return np.empty(0)
    low = min(float(np.nanmin(z)) for w in sample for z in (w.before, w.after) if np.isfinite(z).any())
    high = max(float(np.nanmax(z)) for w in sample for z in (w.before, w.after) if np.isfinite(z).any())
    h, origin = settings.bench_height_m, settings.bench_origin_m
    first = math.floor((low - origin) / h) - 1
    last = math.ceil((high - origin) / h) + 1
    if last - first > 2000:
        raise InputRefused(
            f"benches of {h} m over {high - low:.0f} m of height are {last - first} levels",
            mend="Give a larger measure.bench_height_m.",
        )
    return origin + h * np.arange(first, last + 1, dtype=np.float64)


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


def nodes_grid(nodes: Nodes) -> Grid:
    """The coarse lattice as a grid: its cells are the nodes."""
    j = nodes.job
    return Grid(
        j.crs_wkt,
        j.left,
        j.top,
        j.cell_east * nodes.side,
        j.cell_north * nodes.side,
        nodes.rows,
        nodes.cols,
    )


def zone_nodes(zones: Zones, extra: Sequence[tuple[str, BaseGeometry]], nodes: Nodes) -> NDArray[np.float64]:
    """(2 + extra, nodes) part of each node that lies in the lease, the buffer and each further polygon."""
    from survey.boundary.coverage import Coverage

    grid = nodes_grid(nodes)
    shapes = [zones.lease, zones.buffer, *(shape for _, shape in extra)]
    out = []
    for shape in shapes:
        w = Coverage(shape, grid).weights(grid)
        full = np.full(grid.shape, w) if isinstance(w, int) else w
        out.append(full.ravel() / 4096.0)
    return np.array(out)
