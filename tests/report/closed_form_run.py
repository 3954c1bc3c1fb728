"""A run folder made from closed forms, so that reports can be tested without surveys.

The ground is an inclined plane with a gentle swell. Between the surveys a conical-bench pit grew inside the
lease, a dump rose beside it, a small pit was dug across the eastern boundary and a heap laid outside.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from survey.grid import Grid
from survey.pipelines.drawing.draw import Epoch, LeaseShape, NamedShape, Shapes, derive
from survey.record import (
    AlignmentPart,
    BenchVolumes,
    Clock,
    Dismissed,
    ErrorPart,
    Finding,
    Lag,
    Note,
    Record,
    Site,
    SlopeNoise,
    Source,
    Term,
    ZoneVolumes,
    to_json,
)

WEST, NORTH, CELL = 500_000.0, 2_800_400.0, 0.5
WIDTH, HEIGHT = 1000, 800  # 500 m by 400 m
PIT = (500_200.0, 2_800_220.0)
DUMP = (500_330.0, 2_800_140.0)
OUTSIDE = (500_412.0, 2_800_250.0)
HEAP = (500_440.0, 2_800_120.0)
LEASE = (
    (500_110, 2_800_090),
    (500_400, 2_800_075),
    (500_410, 2_800_320),
    (500_250, 2_800_345),
    (500_105, 2_800_300),
)


def grid() -> Grid:
    from pyproj import CRS

    return Grid(CRS.from_epsg(32643).to_wkt(), WEST, NORTH, CELL, CELL, HEIGHT, WIDTH)


def ground(east: np.ndarray, north: np.ndarray) -> np.ndarray:
    """Undisturbed ground: a plane dipping to the south-west and a long swell."""
    return 320.0 + 0.03 * (east - WEST) + 0.02 * (north - NORTH) + 1.5 * np.sin((east + north) / 90.0)


def bench_pit(r: np.ndarray, floor_radius: float, benches: int, height: float = 6.0) -> np.ndarray:
    """Depth of a pit with ``benches`` faces of ``height`` at 65° and berms of 8 m, against the old ground."""
    face = height / math.tan(math.radians(65))
    radii, depths = [0.0, floor_radius], [benches * height, benches * height]
    for _ in range(benches):
        radii += [radii[-1] + face, radii[-1] + face + 8.0]
        depths += [depths[-1] - height] * 2
    return np.interp(r, radii[:-1], depths[:-1], right=0.0)


def before(east: np.ndarray, north: np.ndarray) -> np.ndarray:
    pit = bench_pit(np.hypot(east - PIT[0], (north - PIT[1]) * 1.2), 18.0, 2)
    return ground(east, north) - pit


def after(east: np.ndarray, north: np.ndarray) -> np.ndarray:
    pit = bench_pit(np.hypot(east - PIT[0], (north - PIT[1]) * 1.2), 22.0, 3)
    r = np.hypot(east - DUMP[0], north - DUMP[1])
    dump = np.clip((38.0 - r) * math.tan(math.radians(36)), 0.0, 14.0)
    outside = 4.0 * np.clip(
        1 - (np.hypot(east - OUTSIDE[0], (north - OUTSIDE[1]) * 0.7) / 16.0) ** 2, 0, None
    )
    heap = 3.5 * np.clip(1 - np.hypot(east - HEAP[0], north - HEAP[1]) / 9.0, 0, None)
    return ground(east, north) - pit + dump - outside + heap


@dataclass(frozen=True)
class Formula:
    """A surface given by a formula, with a little noise that depends on the cell alone."""

    of: Callable[[np.ndarray, np.ndarray], np.ndarray]
    seed: int
    sigma_m: float = 0.02

    def read(self, piece: Grid) -> np.ndarray:
        rows, cols = np.mgrid[0 : piece.height, 0 : piece.width]
        east, north = piece.east_north(rows, cols)
        z = self.of(east, north)
        noise = np.random.default_rng(self.seed).normal(0, self.sigma_m, (1 << 12,))
        index = ((rows + piece.row0) * 7919 + (cols + piece.col0) * 104729) % (1 << 12)
        z = z + noise[index]
        # Nobody flew the north-western corner.
        z[(east < WEST + 30) & (north > NORTH - 20)] = np.nan
        return z.astype(np.float32)


@dataclass(frozen=True)
class Painted:
    """An orthomosaic painted from the heights: green ground, pale where it was dug or heaped."""

    of: Callable[[np.ndarray, np.ndarray], np.ndarray]

    def chip(self, piece: Grid, *, shift_m: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
        rows, cols = np.mgrid[0 : piece.height, 0 : piece.width]
        east, north = piece.east_north(rows, cols)
        change = np.abs(self.of(east, north) - ground(east, north))
        bare = np.clip(change / 0.5, 0, 1)[..., None]
        grain = (np.sin(east * 1.7) * np.cos(north * 2.3) * 14)[..., None]
        green, earth = np.array([96.0, 122.0, 70.0]), np.array([206.0, 186.0, 150.0])
        colour = green * (1 - bare) + earth * bare + grain - 2.2 * change[..., None]
        out = np.full((*piece.shape, 4), 255, np.uint8)
        out[..., :3] = np.clip(colour, 0, 255).astype(np.uint8)
        return out


def lease_polygon() -> shapely.Polygon:
    return shapely.Polygon(LEASE)


def _ellipse(centre: tuple[float, float], a: float, b: float) -> shapely.Polygon:
    t = np.linspace(0, 2 * np.pi, 73)[:-1]
    return shapely.Polygon(np.column_stack([centre[0] + a * np.cos(t), centre[1] + b * np.sin(t)]))


def pillars() -> list[dict[str, Any]]:
    from pyproj import Transformer

    to_degrees = Transformer.from_crs(32643, 4326, always_xy=True)
    found = []
    for k, (east, north) in enumerate(LEASE):
        lon, lat = to_degrees.transform(east, north)
        found.append({"name": f"BP-{k + 1}", "east": east, "north": north, "lon": lon, "lat": lat})
    return found


def sites() -> list[tuple[Site, shapely.Polygon]]:
    common: dict[str, Any] = {
        "status": "changed between the surveys",
        "lease_id": None,
        "unsure_volume_m3": 0.0,
        "base": "earlier survey",
    }

    def site(
        identity: str, kind: str, zone: str, polygon: shapely.Polygon, volume: float, **more: Any
    ) -> Any:
        east, north = polygon.centroid.x, polygon.centroid.y
        from pyproj import Transformer

        lon, lat = Transformer.from_crs(32643, 4326, always_xy=True).transform(east, north)
        values = {
            **common,
            "id": identity,
            "kind": kind,
            "zone": zone,
            "area_m2": polygon.area,
            "volume_m3": volume,
            "volume_lo_m3": volume * 0.97,
            "volume_hi_m3": volume * 1.03,
            "min_depth_m": 0.05,
            "mean_depth_m": volume / polygon.area,
            "max_depth_m": 3 * volume / polygon.area,
            "outside_volume_m3": 0.0,
            "distance_m": -polygon.centroid.distance(lease_polygon().boundary),
            "bearing_deg": 90.0,
            "confidence": 0.97,
            "why": "faces at 65 degrees, bare ground after",
            "lon": lon,
            "lat": lat,
            "deepest_east_m": east,
            "deepest_north_m": north,
            **more,
        }
        return Site(**values), polygon

    volume = math.pi / 2 * 16 * (16 / 0.7) * 4.0  # a paraboloid: half of area times depth
    return [
        site("S-0412-0388", "pit", "lease", _ellipse(PIT, 49, 41), 31_450.0, lease_volume_m3=31_450.0),
        site("S-0520-0660", "heap", "lease", _ellipse(DUMP, 38, 38), 33_105.0, lease_volume_m3=33_105.0),
        site(
            "S-0300-0824",
            "pit",
            "buffer",
            _ellipse(OUTSIDE, 16, 16 / 0.7),
            volume,
            outside_volume_m3=0.62 * volume,
            unsure_volume_m3=0.03 * volume,
            lease_volume_m3=0.35 * volume,
            buffer_volume_m3=0.62 * volume,
            distance_m=4.2,
            bearing_deg=92.0,
            nearest_pillar="BP-3",
        ),
        site(
            "S-0560-0880",
            "heap",
            "buffer",
            _ellipse(HEAP, 9, 9),
            math.pi / 3 * 81 * 3.5,
            outside_volume_m3=math.pi / 3 * 81 * 3.5,
            buffer_volume_m3=math.pi / 3 * 81 * 3.5,
            distance_m=36.8,
            bearing_deg=101.0,
            confidence=0.88,
            why="cone at 21 degrees </script><b>bare</b> ground after",
        ),
    ]


def _zone(zone: str, area: float, cut: float, fill: float) -> ZoneVolumes:
    return ZoneVolumes(
        zone=zone,
        area_m2=area,
        measured_m2=area * 0.995,
        missing_m2=area * 0.005,
        cut_m3=cut,
        cut_lo_m3=cut * 0.98,
        cut_hi_m3=cut * 1.02,
        fill_m3=fill,
        fill_lo_m3=fill * 0.98,
        fill_hi_m3=fill * 1.02,
        net_m3=fill - cut,
        net_lo_m3=fill - cut - 0.02 * (cut + fill),
        net_hi_m3=fill - cut + 0.02 * (cut + fill),
        dismissed_cut_m3=14.0,
        dismissed_fill_m3=31.0,
        rest_net_m3=-11.0,
        rest_net_lo_m3=-60.0,
        rest_net_hi_m3=38.0,
    )


def record() -> Record:
    """A full record whose figures belong to the closed forms above."""
    lags = [5.0, 10.0, 20.0, 40.0, 80.0, 160.0]
    model = [1.0 - 0.55 * math.exp(-3 * h / 60.0) for h in lags]
    fine = np.linspace(-0.2, 0.2, 42)
    bell = [round(4000 * math.exp(-0.5 * ((x - 0.06) / 0.05) ** 2)) for x in (fine[:-1] + fine[1:]) / 2]
    tight = [round(6000 * math.exp(-0.5 * (x / 0.03) ** 2)) for x in (fine[:-1] + fine[1:]) / 2]
    alignment = AlignmentPart(
        east_m=-0.31,
        north_m=0.18,
        up_m=-0.057,
        tilt_east=0.0,
        tilt_north=1.2e-5,
        dome_m_km2=0.0,
        centre_east_m=500_250.0,
        centre_north_m=2_800_200.0,
        east_sigma_m=0.006,
        north_sigma_m=0.007,
        up_sigma_m=0.004,
        terms=[
            Term(name="east", value=-0.31, sigma=0.006, unit="m", applied=True, why="well seen on slopes"),
            Term(name="north", value=0.18, sigma=0.007, unit="m", applied=True, why="well seen on slopes"),
            Term(name="up", value=-0.057, sigma=0.004, unit="m", applied=True, why="stable ground"),
            Term(
                name="dome",
                value=0.02,
                sigma=0.06,
                unit="m/km²",
                applied=False,
                why="no better on left-out blocks",
            ),
        ],
        stable_area_m2=118_250.0,
        nmad_before_m=0.071,
        nmad_after_m=0.031,
        notes=[Note(code="datum", message="Heights are EGM2008 in both surveys.", severity="info")],
    )
    error = ErrorPart(
        random_m=0.030,
        correlated_m=0.012,
        range_m=60.0,
        systematic_m=0.01,
        level_m=0.085,
        by_slope=[
            SlopeNoise(slope_deg=s, sigma_m=0.026 + 0.0011 * s, cells=9000 - 150 * s) for s in range(2, 50, 6)
        ],
        variogram=[
            Lag(lag_m=h, semivariance=m * (1 + 0.04 * (-1) ** k), model=m, pairs=20000)
            for k, (h, m) in enumerate(zip(lags, model, strict=True))
        ],
    )
    found = [site for site, _ in sites()]
    outside = sum(s.outside_volume_m3 for s in found if s.kind == "pit")
    return Record(
        command="excavation",
        job={"id": "DEMO-0417-2025", "regime": "mcdr"},
        mine={
            "name": "Chandrapura Limestone <Mine> & Co",
            "lessee": 'M/s Example Minerals "Pvt" Ltd',
            "mineral": "limestone",
            "lease_no": "ML 17/2004",
            "lease_area_ha": 7.2,
            "ibm_registration": "IBM/0417/2011",
            "mine_code": "30RAJ14077",
            "village": "Chandrapura",
            "tahsil": "Asind",
            "district": "Bhilwara",
            "state": "Rajasthan",
        },
        clock=Clock(
            started=datetime(2025, 6, 2, 5, 30, tzinfo=UTC),
            finished=datetime(2025, 6, 2, 5, 31, tzinfo=UTC),
            seconds=61.5,
        ),
        software={"mine-survey": "0.1.0", "numpy": "2.4.6", "gdal": "3.10.3"},
        sources=[
            Source(
                role=role,
                survey=date,
                path=path,
                sha256=f"{k:02x}" * 32,
                bytes=12_345_678 * (k + 1),
                crs="EPSG:32643",
                cell_m=0.5,
                height="EGM2008",
            )
            for k, (role, date, path) in enumerate(
                [
                    ("dem", "2024-04-20", "2024/dsm.tif"),
                    ("ortho", "2024-04-20", "2024/ortho.tif"),
                    ("dem", "2025-04-25", "2025/dsm.tif"),
                    ("ortho", "2025-04-25", "2025/ortho.tif"),
                    ("lease", None, "lease.kml"),
                ]
            )
        ],
        surveys=[
            {"date": "2024-04-20", "kind": "drone", "height": "EGM2008", "filed": "2024-06-12"},
            {"date": "2025-04-25", "kind": "drone", "height": "EGM2008", "filed": "2025-06-20"},
        ],
        grid={"crs": "EPSG:32643", "cell_east_m": CELL, "cell_north_m": CELL, "rows": HEIGHT, "cols": WIDTH},
        lease={
            "lease_id": "ML 17/2004",
            "area_m2": lease_polygon().area,
            "sigma_m": 0.3,
            "pillars": pillars(),
        },
        alignment=alignment,
        error=error,
        zones=[
            _zone("lease", lease_polygon().area, 31_450.0 + 1_015.0, 33_105.0),
            _zone("buffer", lease_polygon().buffer(100).area - lease_polygon().area, outside, 297.0),
            _zone("beyond", 12_000.0, 0.0, 0.0),
        ],
        benches=[
            BenchVolumes(
                floor_m=300.0 + 6 * k,
                crest_m=306.0 + 6 * k,
                cut_m3=4000.0 * (k + 1),
                cut_lo_m3=3900.0 * (k + 1),
                cut_hi_m3=4100.0 * (k + 1),
                fill_m3=0.0,
                fill_lo_m3=0.0,
                fill_hi_m3=40.0,
            )
            for k in range(3)
        ],
        polygons=[
            _zone("waste", 4_536.0, 0.0, 33_105.0).model_copy(update={"name": "East dump"}),
            _zone("workings", 6_311.0, 31_450.0, 0.0).model_copy(update={"name": "Main pit"}),
        ],
        sites=found,
        dismissed=[
            Dismissed(
                id="D-0100-0700",
                reason="tree growth",
                why="green before and after, rough surface",
                zone="buffer",
                area_m2=61.0,
                cut_m3=0.0,
                fill_m3=31.0,
                confidence=0.93,
            )
        ],
        findings=[
            Finding(
                id="F-1",
                rule="34A(1)",
                citation="MCDR 2017, rule 34A(1)",
                verdict="complies",
                observed="2025-06-20",
                limit="2025-07-01",
                unit="date",
                message="Filed eleven days before the last day.",
                grade="A",
            ),
            Finding(
                id="F-2",
                rule="34A(1) coverage",
                citation="MCDR 2017, rule 34A(1)",
                verdict="too close to call",
                observed="99.5",
                limit="100",
                unit="%",
                message="Half a per cent of the lease and the 100 m round it was not measured.",
                mend="Fly the north-western corner.",
                grade="A",
            ),
            Finding(
                id="F-3",
                rule="outside the lease",
                citation="MMDR Act 1957, s. 21",
                verdict="breaches",
                observed=f"{outside:.0f}",
                limit="0",
                unit="m³",
                message="A pit reaches across the eastern boundary near BP-3.",
                subject="S-0300-0824",
                grade="A",
            ),
        ],
        notes=[
            Note(
                code="dsm",
                message="Bare ground was measured on the DSM: no DTM was given.",
                severity="caution",
            )
        ],
        settings={
            "detect": {"min_area_m2": 40.0, "probability": 0.95},
            "alignment_plots": {
                "edges_m": [float(x) for x in fine],
                "before": bell,
                "after": tight,
                "sectors": [
                    {
                        "aspect_deg": 22.5 * k,
                        "before_m": -0.31 * math.sin(math.radians(22.5 * k))
                        + 0.18 * math.cos(math.radians(22.5 * k)),
                        "after_m": 0.01 * math.sin(3 * k),
                        "cells": 800,
                    }
                    for k in range(16)
                ],
            },
        },
    )


def shapes() -> Shapes:
    lease = lease_polygon()
    return Shapes(
        lease=LeaseShape(lease, "ML 17/2004", 0.3, pillars()),
        zones={"lease": lease, "buffer": lease.buffer(100, quad_segs=16).difference(lease)},
        polygons=[
            NamedShape("East dump", "waste", _ellipse(DUMP, 38, 38)),
            NamedShape("Main pit", "workings", _ellipse(PIT, 49, 41)),
        ],
        sites=sites(),
    )


def make_run(folder: Path) -> Path:
    """Write record.json, results.gpkg and pictures/ of the closed-form mine into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    made = record()
    drawing = derive(
        folder,
        grid=grid(),
        before=Epoch("2024-04-20", Formula(before, 1), Painted(before)),
        after=Epoch("2025-04-25", Formula(after, 2), Painted(after)),
        shapes=shapes(),
        level_m=0.085,
        findings=made.findings,
    )
    made = made.model_copy(update={"settings": {**made.settings, "drawing": drawing}})
    (folder / "record.json").write_text(to_json(made), encoding="utf-8")
    return folder
