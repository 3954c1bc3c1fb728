"""From regions of change to sites and dismissed changes: outlines, zones, position, figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from survey.boundary.position import position_of
from survey.pipelines.change.pair import Measurement
from survey.pipelines.layers import BUFFER, LEASE, THEIRS, UNSURE_INSIDE, UNSURE_OUTSIDE
from survey.pipelines.record_parts import quantile95
from survey.record import Dismissed, Site, SiteStatus, Zone
from survey.volumetrics.telling import Verdict

if TYPE_CHECKING:
    from datetime import date

    from survey.boundary.lease import Lease
    from survey.boundary.registry import Registry

CHANGED: SiteStatus = "changed between the surveys"
LARGE_CELLS = 4_000_000
STRIP_BLOCKS = 64


@dataclass(frozen=True)
class Found:
    """Sites and dismissed changes, each with its outline in the job grid's system."""

    sites: list[tuple[Site, BaseGeometry]]
    dismissed: list[tuple[Dismissed, BaseGeometry]]


def region_id(m: Measurement, k: int) -> str:
    """Name of a region: kind of change and its first cell in reading order, so no tiling can change it."""
    row, col = m.regions.first[k]
    return f"{'C' if m.regions.sign[k] < 0 else 'F'}{row:06d}-{col:06d}"


def outline(m: Measurement, k: int) -> BaseGeometry:
    """The region's outline along its cells; of a very large one, along blocks that it mostly fills."""
    from rasterio.features import shapes
    from shapely import MultiPolygon
    from shapely.geometry import shape

    piece = m.regions.piece(k)
    step = max(1, math.ceil(math.sqrt(piece.height * piece.width / LARGE_CELLS)))
    if step == 1:
        mask = m.regions.mask(k, piece)
        transform = piece.transform
    else:
        rows = []
        height, width = step * STRIP_BLOCKS, -(-piece.width // step) * step
        for r in range(0, piece.height, height):
            strip = piece[r : min(r + height, piece.height), :]
            padded = np.zeros((-(-strip.height // step) * step, width), np.bool_)
            padded[: strip.height, : strip.width] = m.regions.mask(k, strip)
            rows.append(padded.reshape(padded.shape[0] // step, step, -1, step).mean(axis=(1, 3)) >= 0.5)
        mask = np.concatenate(rows)
        transform = piece.transform * piece.transform.scale(step)
    # Traced by sides only: outlines that touched themselves at a corner would not be valid polygons.
    found = [shape(g) for g, _ in shapes(mask.view(np.uint8), mask=mask, transform=transform, connectivity=4)]
    return found[0] if len(found) == 1 else MultiPolygon(found)


def make_found(
    m: Measurement,
    verdicts: list[Verdict],
    lease: Lease,
    registry: Registry | None,
    day: date,
) -> Found:
    """Records of all regions. ``verdicts[k]`` says what region ``k`` is."""
    t = quantile95(m.region_error.dof) if m.region_error is not None else math.nan
    sites, dismissed = [], []
    for k in m.regions:
        verdict = verdicts[k]
        if verdict.small:
            continue
        shape = outline(m, k)
        volume = abs(float(m.regions.rise_m3[k]))
        place = position_of(shape, lease)
        zone = _zone(m, k)
        if verdict.dismissed:
            cut = volume if m.regions.sign[k] < 0 else 0.0
            dismissed.append(
                (
                    Dismissed(
                        id=region_id(m, k),
                        reason=verdict.reason,
                        why=verdict.why,
                        zone=zone,
                        area_m2=float(m.regions.area_m2[k]),
                        cut_m3=cut,
                        fill_m3=volume - cut,
                        confidence=verdict.confidence,
                        lon=place.lon,
                        lat=place.lat,
                        evidence=verdict.evidence,
                    ),
                    shape,
                )
            )
            continue
        area = float(m.regions.area_m2[k])
        sigma = float(m.region_error.sigma_m[k]) * area if m.region_error is not None else math.nan
        sigma = math.hypot(sigma, verdict.outline_share * volume)
        rise = m.regions.rise_m3[k]
        layer = np.abs(m.regions.layer_m3[k]) * np.where(
            np.sign(m.regions.layer_m3[k]) == np.sign(rise), 1, 0
        )
        unsure_in, unsure_out = float(layer[UNSURE_INSIDE]), float(layer[UNSURE_OUTSIDE])
        inside = min(float(layer[LEASE]), volume)
        outside = max(volume - inside - unsure_out, 0.0)
        buffer = max(min(float(layer[BUFFER]) - unsure_out, outside), 0.0)
        other = None
        if registry is not None:
            here = registry.lease_at(*_deepest(m, k), on=day)
            other = here.lease_id if here is not None else None
        sites.append(
            (
                Site(
                    id=region_id(m, k),
                    kind=verdict.kind,
                    status=CHANGED,
                    zone=zone,
                    lease_id=other,
                    area_m2=area,
                    volume_m3=volume,
                    volume_lo_m3=max(volume - t * sigma, 0.0),
                    volume_hi_m3=volume + t * sigma,
                    min_depth_m=float(m.regions.shallow_m[k]),
                    mean_depth_m=volume / area,
                    max_depth_m=float(m.regions.deep_m[k]),
                    outside_volume_m3=outside,
                    unsure_volume_m3=unsure_in + unsure_out,
                    distance_m=place.distance_m,
                    bearing_deg=place.bearing_deg,
                    base="earlier survey",
                    confidence=verdict.confidence,
                    why=verdict.why,
                    lease_volume_m3=max(inside - unsure_in, 0.0),
                    buffer_volume_m3=buffer,
                    beyond_volume_m3=max(outside - buffer, 0.0),
                    other_lease_volume_m3=float(layer[THEIRS]),
                    nearest_pillar=place.pillar,
                    lon=place.lon,
                    lat=place.lat,
                    deepest_east_m=_deepest(m, k)[0],
                    deepest_north_m=_deepest(m, k)[1],
                    evidence=verdict.evidence,
                ),
                shape,
            )
        )
    return Found(sites, dismissed)


def _deepest(m: Measurement, k: int) -> tuple[float, float]:
    row, col = m.regions.deepest[k]
    east, north = m.job.east_north(row - m.job.row0, col - m.job.col0)
    return float(east), float(north)


def _zone(m: Measurement, k: int) -> Zone:
    """Where most of the region's volume lies."""
    total = abs(float(m.regions.rise_m3[k]))
    lease, buffer = (abs(float(m.regions.layer_m3[k, i])) for i in (LEASE, BUFFER))
    parts: dict[Zone, float] = {
        "lease": lease,
        "buffer": buffer,
        "beyond": max(total - lease - buffer, 0.0),
    }
    return max(parts, key=lambda name: parts[name])


def dismissed_mask(verdicts: list[Verdict]) -> NDArray[np.bool_]:
    return np.array([v.dismissed for v in verdicts], np.bool_)
