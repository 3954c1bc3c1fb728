"""A whole series of scenes and what is true of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from survey.sample_data.satellite import events as happen
from survey.sample_data.satellite.land import FINE, Land, make_land
from survey.sample_data.satellite.materials import BANDS
from survey.sample_data.satellite.sensor import delivered_mask, draw_sensor, draw_sky, observe
from survey.sample_data.satellite.weather import make_weather

BUFFER_M, RING_M = 100.0, 500.0


@dataclass(frozen=True)
class Plan:
    """What to draw. Everything that is not fixed here comes from the seed."""

    seed: int
    cells: int = 160
    cell_m: float = 10.0
    scenes: int = 45
    baseline_days: int = 400
    watch_days: int = 200
    pits: int = 8
    distractors: int = 14
    bands: tuple[str, ...] = BANDS
    pair: bool = False  # two nearly clear scenes, one to two years apart


@dataclass(frozen=True)
class Change:
    """One thing that happened after the baseline."""

    kind: str
    start: date
    area_m2: float
    zone: str
    cover: NDArray[np.float32]  # (row, col): share of each cell, in its final extent
    detail: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Series:
    plan: Plan
    dates: tuple[date, ...]
    baseline_until: date
    scenes: NDArray[np.float32]  # (date, band, row, col) reflectance
    masks: NDArray[np.uint8]  # (date, row, col): 1 clear, 2 cloud, 3 shadow, as a provider would deliver it
    truly_clear: NDArray[np.bool_]  # (date, row, col)
    shifts: NDArray[np.float64]  # (date, 2) cells: how far each scene lies off
    leases: tuple[NDArray[np.float64], ...]  # (n, 2) metres east and south of the north-west corner
    changes: tuple[Change, ...]
    land: Land

    @property
    def pits(self) -> tuple[Change, ...]:
        return tuple(c for c in self.changes if c.kind == "pit")


def _zone_map(land: Land) -> NDArray[np.int8]:
    """0 lease, 1 buffer, 2 ring, 3 beyond, on the fine grid."""
    inside = np.zeros(land.shape, bool)
    for mask in land.lease_masks:
        inside |= mask
    away = ndimage.distance_transform_edt(~inside) * land.cell_m
    return np.where(inside, 0, np.where(away <= BUFFER_M, 1, np.where(away <= RING_M, 2, 3))).astype(np.int8)


ZONES = ("lease", "buffer", "ring", "beyond")


def _coarse(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    rows, cols = mask.shape[0] // FINE, mask.shape[1] // FINE
    return mask.reshape(rows, FINE, cols, FINE).mean((1, 3)).astype(np.float32)


def simulate(plan: Plan) -> Series:
    rng = np.random.default_rng([20417, plan.seed])
    days = plan.baseline_days + plan.watch_days + 5
    start = date(2022, 1, 1) + timedelta(days=int(rng.integers(0, 365)))
    style = str(rng.choice(["plain", "rock", "forest", "river"]))
    weather = make_weather(rng, start, days, dryness=float(rng.random()))
    land = make_land(rng, plan.cells, plan.cell_m, weather, days, style)
    sensor = draw_sensor(rng)
    zones = _zone_map(land)
    watch_from = plan.baseline_days

    # Where and when things happen. Nothing new stands on or beside something else that is new.
    taken = np.zeros(land.shape, bool)
    gap = FINE * 4
    old = np.isfinite(land.height_over_water) & (land.height_over_water < 1.2)
    happenings: list[happen.Event] = []

    def place(want: NDArray[np.bool_], radius: float) -> tuple[float, float] | None:
        margin = int(radius) + gap
        for _ in range(60):
            r, c = (
                rng.integers(margin, land.shape[0] - margin, 2) if 2 * margin < land.shape[0] - 2 else (0, 0)
            )
            if r == 0:
                return None
            box = (slice(r - margin, r + margin + 1), slice(c - margin, c + margin + 1))
            if want[r, c] and not taken[box].any():
                return float(r), float(c)
        return None

    def settle(event: happen.Event | None) -> None:
        if event is None or len(event.rows) < 4:
            return
        happenings.append(event)
        taken[event.rows, event.cols] = True

    last_start = watch_from + plan.watch_days * 0.6

    def when() -> int:
        return int(rng.uniform(watch_from - (0 if not plan.pair else 0.8 * plan.baseline_days), last_start))

    dug_before = np.isin(
        land.parcels, [i for i, p in enumerate(land.table) if p.kind in ("mine", "water", "outcrop")]
    )
    order = [int(z) for z in rng.permutation(4)]
    for index in range(plan.pits):
        area = math.exp(rng.uniform(math.log(600.0), math.log(25000.0)))
        radius = math.sqrt(area / math.pi) / land.cell_m * 1.3
        want = (zones == order[index % 4]) & ~dug_before & ~old & ~land.settled
        spot = place(want, radius)
        if spot:
            settle(happen.new_pit(rng, land, spot, area, when(), days))

    anywhere = np.ones(land.shape, bool)
    for _ in range(plan.distractors):
        kind = str(
            rng.choice(
                ["clearing", "construction", "burn", "meander", "pond", "road", "field use", "pit water"],
                p=[0.2, 0.22, 0.17, 0.06, 0.07, 0.04, 0.18, 0.06],
            )
        )
        area = math.exp(rng.uniform(math.log(700.0), math.log(30000.0)))
        radius = math.sqrt(area / math.pi) / land.cell_m * 1.3
        if kind == "meander":
            settle(happen.meander(rng, land, when(), days))
        elif kind == "pit water":
            settle(happen.drained(rng, land, when(), days))
        else:
            want = {
                "clearing": ~land.farmed & ~old & ~land.settled & ~dug_before,
                "field use": land.farmed,
                "pond": ~dug_before & ~old,
            }.get(kind, anywhere & ~old & ~dug_before)
            spot = place(want, radius)
            if spot is None:
                continue
            make = {
                "clearing": lambda spot=spot, area=area: happen.clearing(rng, land, spot, area, when(), days),
                "construction": lambda spot=spot, area=area: happen.construction(
                    rng, land, spot, min(area, 12000.0), when(), days
                ),
                "burn": lambda spot=spot, area=area: happen.burn(rng, land, spot, area * 2, when(), days),
                "pond": lambda spot=spot, area=area: happen.pond(
                    rng, land, spot, min(area, 6000.0), when(), days
                ),
                "road": lambda spot=spot, area=area: happen.road(rng, land, spot, when(), days),
                "field use": lambda spot=spot, area=area: happen.field_use(rng, land, spot, when(), days),
            }[kind]
            settle(make())
    # The baseline has its own fires and clearings: history is not clean either.
    for _ in range(int(rng.integers(0, 4))):
        spot = place(~land.settled & ~old & ~dug_before, 20.0)
        if spot:
            day = int(rng.uniform(0, watch_from * 0.7))
            settle(
                (happen.burn if rng.random() < 0.6 else happen.clearing)(rng, land, spot, 6000.0, day, days)
            )

    # Days on which a scene was taken.
    if plan.pair:
        first = int(rng.integers(5, max(6, days - 420))) if days > 430 else 5
        apart = int(rng.choice([365, 365, 330, 395, 300]))
        taken_days = [first, min(first + apart, days - 2)]
    else:
        base = np.sort(rng.choice(np.arange(2, watch_from), int(plan.scenes * 0.58), replace=False))
        step = plan.watch_days / max(1, plan.scenes - len(base))
        watch = (
            watch_from
            + np.arange(plan.scenes - len(base)) * step
            + rng.integers(0, max(1, int(step / 2)) + 1)
        )
        taken_days = [int(d) for d in (*base, *np.clip(watch, 0, days - 2))]
        taken_days = sorted(set(taken_days))

    cloud_colour = land.palette["cloud"]
    scenes, masks, clear, shifts = [], [], [], []
    for day in taken_days:
        fine = land.render(day)
        for event in happenings:
            event.apply(fine, day)
        sky = draw_sky(rng, plan.cells, sensor, float(weather.moisture[day]))
        if plan.pair:
            for _ in range(8):
                if sky.cloud.mean() < 0.12:
                    break
                sky = draw_sky(rng, plan.cells, sensor, 0.0)
        shift = tuple(np.clip(rng.normal(0.0, sensor.shift_cells, 2), -0.6, 0.6))
        seen = observe(rng, fine, sensor, sky, shift, cloud_colour)
        bright = seen[2] > np.quantile(seen[2], 0.995)
        scenes.append(seen)
        masks.append(delivered_mask(rng, sky, sensor, bright))
        clear.append((sky.cloud < 0.1) & (sky.shadow < 0.2))
        shifts.append(shift)

    first_watch = taken_days[1] if plan.pair else watch_from
    changes = []
    for event in happenings:
        if (event.start_day >= first_watch and not plan.pair) or (
            plan.pair and taken_days[0] < event.start_day <= taken_days[1]
        ):
            pass
        else:
            continue
        seen_days = taken_days[-1]
        now = np.zeros(land.shape, bool)
        done = event.turns <= seen_days
        if not done.any():
            continue
        now[event.rows[done], event.cols[done]] = True
        zone_counts = np.bincount(zones[event.rows[done], event.cols[done]], minlength=4)
        changes.append(
            Change(
                event.kind,
                start + timedelta(days=int(event.start_day)),
                float(now.sum() * land.cell_m**2),
                ZONES[int(zone_counts.argmax())],
                _coarse(now),
                dict(event.detail),
            )
        )
    keep = [BANDS.index(b) for b in plan.bands]
    return Series(
        plan,
        tuple(start + timedelta(days=d) for d in taken_days),
        start + timedelta(days=taken_days[0] if plan.pair else watch_from - 1),
        np.stack(scenes)[:, keep],
        np.stack(masks),
        np.stack(clear),
        np.array(shifts),
        tuple(land.leases),
        tuple(changes),
        land,
    )
