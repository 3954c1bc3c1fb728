"""From what was measured to the parts of the record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from survey.dem.contrast import mean_error
from survey.grid import Grid
from survey.pipelines.change.pair import Measurement
from survey.pipelines.layers import BUFFER, FIXED, LEASE
from survey.pipelines.map_scale import map_scale
from survey.pipelines.nodes import nodes_grid, zone_nodes
from survey.quantity import Z95, Measured
from survey.record import AlignmentPart, BenchVolumes, ErrorPart, Lag, Note, SlopeNoise, Term, ZoneVolumes
from survey.volumetrics.unsure_sum import SURE, Unsure, widened
from survey.volumetrics.zone_sums import Part, Share, ZoneSums, parts_of, zone_sums

if TYPE_CHECKING:
    from survey.remark import Remark


def notes_of(remarks: Sequence[Remark]) -> list[Note]:
    return [Note(code=r.code, message=r.message, severity=r.severity) for r in remarks]


def alignment_part(m: Measurement) -> AlignmentPart:
    a, c = m.alignment, m.alignment.correction
    by_name = {t.name: t for t in a.terms}
    return AlignmentPart(
        east_m=a.east_m,
        north_m=a.north_m,
        up_m=c.up,
        tilt_east=c.tilt_east,
        tilt_north=c.tilt_north,
        dome_m_km2=c.dome * 1e6,
        centre_east_m=c.centre_east,
        centre_north_m=c.centre_north,
        east_sigma_m=by_name["east"].sigma,
        north_sigma_m=by_name["north"].sigma,
        up_sigma_m=by_name["up"].sigma,
        terms=[
            Term(name=t.name, value=t.value, sigma=t.sigma, unit=t.unit, applied=t.applied, why=t.why)
            for t in a.terms
        ],
        stable_area_m2=a.stable_area_m2,
        nmad_before_m=a.nmad_before_m,
        nmad_after_m=a.nmad_after_m,
        tied_to_checkpoints=by_name["up"].why == "tied to check points",
        notes=notes_of(m.notes),
    )


def error_part(m: Measurement) -> ErrorPart:
    if m.noise is None:
        nan = math.nan
        return ErrorPart(
            random_m=nan, correlated_m=nan, range_m=nan, systematic_m=nan, level_m=nan,
            source="nothing: there is too little stable ground",
        )  # fmt: skip
    return ErrorPart(
        random_m=m.noise.random_m,
        correlated_m=m.correlated_m,
        range_m=m.range_m,
        systematic_m=m.systematic_m,
        level_m=m.level_m,
        by_slope=[
            SlopeNoise(slope_deg=b.slope_deg, sigma_m=b.sigma_m, cells=b.cells) for b in m.noise.by_slope
        ],
        variogram=[
            Lag(lag_m=v.lag_m, semivariance=v.semivariance, model=v.model, pairs=v.pairs)
            for v in m.noise.variogram
        ],
    )


def quantile95(dof: float) -> float:
    """Two-sided 95 % quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(dof, 0.975)) if math.isfinite(dof) else Z95


def grid_part(grid: Grid) -> dict[str, Any]:
    """The cells that everything was measured on; ``areal_scale``: their m² per m² of the ellipsoid."""
    return {
        "crs": grid.crs.to_string() if grid.crs.to_epsg() is None else f"EPSG:{grid.crs.to_epsg()}",
        "west_m": grid.left,
        "north_m": grid.top,
        "cell_east_m": grid.cell_east,
        "cell_north_m": grid.cell_north,
        "rows": grid.height,
        "cols": grid.width,
        "areal_scale": map_scale(grid),
    }


def zone_shares(m: Measurement) -> dict[str, tuple[Share, float]]:
    """Each zone's share in regions and whole, and its area: lease, buffer, beyond, named polygons."""
    j = m.job
    cell = j.cell_area_m2
    nodes = zone_nodes(m.zones, m.extra, m.nodes)
    scale = 1 / (65536 * 4096)
    reach_in_grid = m.zones.reach.intersection(_box(j))
    areas = {
        "lease": m.zones.lease_area_m2,
        "buffer": m.zones.buffer_area_m2,
        "beyond": j.height * j.width * cell - reach_in_grid.area,
    }
    totals = {k: m.totals.rise[k] for k in (LEASE, BUFFER)}
    weights = {k: m.totals.weight[k] for k in (LEASE, BUFFER)}
    r = m.regions
    out: dict[str, tuple[Share, float]] = {}
    for name, k in (("lease", LEASE), ("buffer", BUFFER)):
        out[name] = (
            Share(
                r.layer_m3[:, k],
                r.layer_m2[:, k],
                nodes[k],
                totals[k] * scale * cell,
                weights[k] / 4096 * cell,
            ),
            areas[name],
        )
    out["beyond"] = (
        Share(
            r.rise_m3 - r.layer_m3[:, LEASE] - r.layer_m3[:, BUFFER],
            np.maximum(r.area_m2 - r.layer_m2[:, LEASE] - r.layer_m2[:, BUFFER], 0.0),
            np.clip(1 - nodes[LEASE] - nodes[BUFFER], 0, 1),
            (m.totals.rise[-1] - sum(totals.values())) * scale * cell,
            (m.totals.weight[-1] - sum(weights.values())) / 4096 * cell,
        ),
        areas["beyond"],
    )
    for index, (name, shape) in enumerate(m.extra):
        k = FIXED + index
        out[name] = (
            Share(
                r.layer_m3[:, k],
                r.layer_m2[:, k],
                nodes[2 + index],
                m.totals.rise[k] * scale * cell,
                m.totals.weight[k] / 4096 * cell,
            ),
            shape.area,
        )
    return out


def _box(j) -> BaseGeometry:  # type: ignore[no-untyped-def]
    import shapely

    b = j.bounds
    return shapely.box(b.west, b.south, b.east, b.north)


def all_zone_sums(
    m: Measurement,
    dismissed: NDArray[np.bool_],
    declared_systematic_m: float = 0.0,
    outline_share: NDArray[np.float64] | None = None,
    chance: NDArray[np.float64] | None = None,
) -> dict[str, tuple[ZoneSums, float]]:
    """Sums with intervals for every zone and named polygon, with its area.

    ``chance``: (n,) probability that each region is digging or heaping; where it leaves doubt, the intervals
    hold the sum with the region and without it.
    """
    shares = zone_shares(m)
    node_m2 = nodes_grid(m.nodes).cell_area_m2
    parts: dict[tuple[str, str], Part] = {}
    for zone, (share, _) in shares.items():
        found = parts_of(share, m.regions.sign, dismissed, m.node_areas, node_m2, outline_share)
        for name, part in found.items():
            parts[zone, name] = part
    keys = list(parts)
    sigma = dict.fromkeys(keys, math.nan)
    t = Z95
    if m.noise is not None:
        error = mean_error(np.array([parts[k].node_m2 for k in keys]), m.nodes, m.alignment, m.noise)
        sigma = dict(zip(keys, (float(s) for s in error.sigma_m), strict=True))
        t = quantile95(error.dof)
    out = {}
    for zone, (share, area) in shares.items():
        sums = zone_sums(
            share,
            m.regions.sign,
            dismissed,
            {name: parts[zone, name] for name in ("cut", "fill", "net", "rest")},
            {name: sigma[zone, name] for name in ("cut", "fill", "net", "rest")},
            t,
            declared_systematic_m,
        )
        out[zone] = (sums if chance is None else _with_doubtful(m, sums, share, dismissed, chance)), area
    return out


def _with_doubtful(
    m: Measurement,
    sums: ZoneSums,
    share: Share,
    dismissed: NDArray[np.bool_],
    chance: NDArray[np.float64],
) -> ZoneSums:
    """The sums of a zone with intervals that know which regions may be something else."""
    sign = m.regions.sign
    open_to_doubt = np.flatnonzero((np.abs(chance - 0.5) < SURE - 0.5) & (share.rise_m3 != 0))
    if not open_to_doubt.size:
        return sums
    sigma_m = np.zeros(sign.size) if m.region_error is None else np.nan_to_num(m.region_error.sigma_m)

    def of(which: NDArray[np.intp], factor: float) -> list[Unsure]:
        return [
            Unsure(
                factor * float(share.rise_m3[k]),
                float(chance[k]),
                not dismissed[k],
                float(sigma_m[k] * share.area_m2[k]),
            )
            for k in which
        ]

    cuts, fills = open_to_doubt[sign[open_to_doubt] < 0], open_to_doubt[sign[open_to_doubt] > 0]
    return replace(
        sums,
        cut=widened(sums.cut, of(cuts, -1.0)).non_negative(),
        fill=widened(sums.fill, of(fills, 1.0)).non_negative(),
        net=widened(sums.net, of(open_to_doubt, 1.0)),
    )


def zone_volumes(
    zone: str,
    sums: ZoneSums,
    area_m2: float,
    *,
    name: str | None = None,
    lowest_m: float | None = None,
    highest_m: float | None = None,
    mean_slope_deg: float | None = None,
) -> ZoneVolumes:
    def bounds(q: Measured) -> tuple[float, float]:
        return (q.lo if math.isfinite(q.lo) else math.nan), (q.hi if math.isfinite(q.hi) else math.nan)

    cut, fill, net, rest = (bounds(q) for q in (sums.cut, sums.fill, sums.net, sums.rest_net))
    return ZoneVolumes(
        zone=zone,
        name=name,
        area_m2=area_m2,
        measured_m2=sums.measured_m2,
        missing_m2=max(area_m2 - sums.measured_m2, 0.0),
        cut_m3=sums.cut.value,
        cut_lo_m3=cut[0],
        cut_hi_m3=cut[1],
        fill_m3=sums.fill.value,
        fill_lo_m3=fill[0],
        fill_hi_m3=fill[1],
        net_m3=sums.net.value,
        net_lo_m3=net[0],
        net_hi_m3=net[1],
        dismissed_cut_m3=sums.dismissed_cut_m3,
        dismissed_fill_m3=sums.dismissed_fill_m3,
        rest_net_m3=sums.rest_net.value,
        rest_net_lo_m3=rest[0],
        rest_net_hi_m3=rest[1],
        worked_m2=sums.worked_m2,
        lowest_m=lowest_m,
        highest_m=highest_m,
        mean_slope_deg=mean_slope_deg,
    )


def bench_volumes(m: Measurement, dismissed: NDArray[np.bool_], lease: ZoneVolumes) -> list[BenchVolumes]:
    """Cut and fill of the lease between levels.

    The error of a slab is not resolved by itself: the relative error of the lease's cut (fill) is taken for
    each bench, which is what a common error of height does to slabs of one face.
    """
    edges = m.level_edges_m
    if edges.size < 2:
        return []
    worked = ~dismissed
    cut = -m.regions.levels_m3[worked & (m.regions.sign < 0)].sum(axis=0)
    fill = m.regions.levels_m3[worked & (m.regions.sign > 0)].sum(axis=0)

    def relative(value: float, low: float, high: float) -> float:
        return max(high - value, value - low) / value if value > 0 else math.nan

    out = []
    for k in range(edges.size - 1):
        c, f = max(float(cut[k]), 0.0), max(float(fill[k]), 0.0)
        if c == 0 and f == 0:
            continue
        rc = relative(lease.cut_m3, lease.cut_lo_m3, lease.cut_hi_m3) if c else 0.0
        rf = relative(lease.fill_m3, lease.fill_lo_m3, lease.fill_hi_m3) if f else 0.0
        out.append(
            BenchVolumes(
                floor_m=float(edges[k]),
                crest_m=float(edges[k + 1]),
                cut_m3=c,
                cut_lo_m3=max(c * (1 - rc), 0.0),
                cut_hi_m3=c * (1 + rc),
                fill_m3=f,
                fill_lo_m3=max(f * (1 - rf), 0.0),
                fill_hi_m3=f * (1 + rf),
            )
        )
    return out
