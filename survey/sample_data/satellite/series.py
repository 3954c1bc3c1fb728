"""A whole series of scenes and what is true of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from survey.sample_data.satellite import events as happen
from survey.sample_data.satellite.countryside import make_land
from survey.sample_data.satellite.land import FINE, Land
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
    """Draw the land, let things happen on it, and photograph it on some days. One plan gives one series."""
    rng = np.random.default_rng([20417, plan.seed])
    days = plan.baseline_days + plan.watch_days + 5
    start = date(2022, 1, 1) + timedelta(days=int(rng.integers(0, 365)))
    style = str(rng.choice(["plain", "rock", "forest", "river"]))
    weather = make_weather(rng, start, days, dryness=float(rng.random()))
    land = make_land(rng, plan.cells, plan.cell_m, weather, days, style)
    sensor = draw_sensor(rng)
    story = _Story(rng, plan, land, days)
    story.dig_pits()
    story.distract()
    story.soil_the_baseline()
    scene_days = _pair_of_days(rng, days) if plan.pair else _series_of_days(rng, plan, days)
    scenes, masks, clear, shifts = [], [], [], []
    for day in scene_days:
        fine = land.render(day)
        for event in story.events:
            event.apply(fine, day)
        sky = draw_sky(rng, plan.cells, sensor, float(weather.moisture[day]))
        if plan.pair:
            for _ in range(8):
                if sky.cloud.mean() < 0.12:
                    break
                sky = draw_sky(rng, plan.cells, sensor, 0.0)
        shift = tuple(np.clip(rng.normal(0.0, sensor.shift_cells, 2), -0.6, 0.6))
        seen = observe(rng, fine, sensor, sky, shift, land.palette["cloud"])
        bright = seen[2] > np.quantile(seen[2], 0.995)
        scenes.append(seen)
        masks.append(delivered_mask(rng, sky, sensor, bright))
        clear.append((sky.cloud < 0.1) & (sky.shadow < 0.2))
        shifts.append(shift)
    keep = [BANDS.index(b) for b in plan.bands]
    return Series(
        plan,
        tuple(start + timedelta(days=d) for d in scene_days),
        start + timedelta(days=scene_days[0] if plan.pair else plan.baseline_days - 1),
        np.stack(scenes)[:, keep],
        np.stack(masks),
        np.stack(clear),
        np.array(shifts),
        tuple(land.leases),
        tuple(_changes(story, start, scene_days)),
        land,
    )


class _Story:
    """What happens on the land, where and when. Nothing new stands on or beside another new thing."""

    def __init__(self, rng: np.random.Generator, plan: Plan, land: Land, days: int) -> None:
        self.rng, self.plan, self.land, self.days = rng, plan, land, days
        self.events: list[happen.Event] = []
        self.zones = _zone_map(land)
        self._taken = np.zeros(land.shape, bool)
        self._water = np.isfinite(land.height_over_water) & (land.height_over_water < 1.2)
        bare = [i for i, p in enumerate(land.table) if p.kind in ("mine", "water", "outcrop")]
        self._dug_before = np.isin(land.parcels, bare)

    def dig_pits(self) -> None:
        order = [int(z) for z in self.rng.permutation(4)]
        for index in range(self.plan.pits):
            area = self._area(600.0, 25000.0)
            zone = self.zones == order[index % 4]
            want = zone & ~self._dug_before & ~self._water & ~self.land.settled
            spot = self._place(want, self._radius(area))
            if spot:
                self._settle(happen.new_pit(self.rng, self.land, spot, area, self._when(), self.days))

    def distract(self) -> None:
        """What looks new and was not dug."""
        kinds = ["clearing", "construction", "burn", "meander", "pond", "road", "field use", "pit water"]
        for _ in range(self.plan.distractors):
            kind = str(self.rng.choice(kinds, p=[0.2, 0.22, 0.17, 0.06, 0.07, 0.04, 0.18, 0.06]))
            area = self._area(700.0, 30000.0)
            if kind == "meander":
                self._settle(happen.meander(self.rng, self.land, self._when(), self.days))
            elif kind == "pit water":
                self._settle(happen.drained(self.rng, self.land, self._when(), self.days))
            else:
                spot = self._place(self._ground_for(kind), self._radius(area))
                if spot is not None:
                    self._settle(self._at(kind, spot, area))

    def soil_the_baseline(self) -> None:
        """The baseline has its own fires and clearings: history is not clean either."""
        for _ in range(int(self.rng.integers(0, 4))):
            spot = self._place(~self.land.settled & ~self._water & ~self._dug_before, 20.0)
            if spot:
                day = int(self.rng.uniform(0, self.plan.baseline_days * 0.7))
                make = happen.burn if self.rng.random() < 0.6 else happen.clearing
                self._settle(make(self.rng, self.land, spot, 6000.0, day, self.days))

    def _ground_for(self, kind: str) -> NDArray[np.bool_]:
        land = self.land
        if kind == "field use":
            return land.farmed
        untouched = ~self._dug_before & ~self._water
        return untouched & ~land.farmed & ~land.settled if kind == "clearing" else untouched

    def _at(self, kind: str, spot: tuple[float, float], area: float) -> happen.Event | None:
        rng, land, days = self.rng, self.land, self.days
        day = self._when()
        if kind == "clearing":
            return happen.clearing(rng, land, spot, area, day, days)
        if kind == "construction":
            return happen.construction(rng, land, spot, min(area, 12000.0), day, days)
        if kind == "burn":
            return happen.burn(rng, land, spot, area * 2, day, days)
        if kind == "pond":
            return happen.pond(rng, land, spot, min(area, 6000.0), day, days)
        if kind == "road":
            return happen.road(rng, land, spot, day, days)
        return happen.field_use(rng, land, spot, day, days)

    def _area(self, least: float, most: float) -> float:
        return math.exp(self.rng.uniform(math.log(least), math.log(most)))

    def _radius(self, area: float) -> float:
        """In fine cells, with some room round it."""
        return math.sqrt(area / math.pi) / self.land.cell_m * 1.3

    def _when(self) -> int:
        """A day of the watch; of a pair, whose two scenes lie anywhere, nearly any day."""
        first = self.plan.baseline_days - (0.8 * self.plan.baseline_days if self.plan.pair else 0)
        return int(self.rng.uniform(first, self.plan.baseline_days + self.plan.watch_days * 0.6))

    def _place(self, want: NDArray[np.bool_], radius: float) -> tuple[float, float] | None:
        margin = int(radius) + FINE * 4
        if 2 * margin >= self.land.shape[0] - 2:
            return None
        for _ in range(60):
            r, c = self.rng.integers(margin, self.land.shape[0] - margin, 2)
            box = (slice(r - margin, r + margin + 1), slice(c - margin, c + margin + 1))
            if want[r, c] and not self._taken[box].any():
                return float(r), float(c)
        return None

    def _settle(self, event: happen.Event | None) -> None:
        if event is not None and len(event.rows) >= 4:
            self.events.append(event)
            self._taken[event.rows, event.cols] = True


def _pair_of_days(rng: np.random.Generator, days: int) -> list[int]:
    """About a year apart."""
    first = int(rng.integers(5, max(6, days - 420))) if days > 430 else 5
    apart = int(rng.choice([365, 365, 330, 395, 300]))
    return [first, min(first + apart, days - 2)]


def _series_of_days(rng: np.random.Generator, plan: Plan, days: int) -> list[int]:
    """Days of the baseline by chance, days of the watch about evenly."""
    base = np.sort(rng.choice(np.arange(2, plan.baseline_days), int(plan.scenes * 0.58), replace=False))
    count = plan.scenes - len(base)
    step = plan.watch_days / max(1, count)
    watch = plan.baseline_days + np.arange(count) * step + rng.integers(0, max(1, int(step / 2)) + 1)
    return sorted({int(d) for d in (*base, *np.clip(watch, 0, days - 2))})


def _changes(story: _Story, start: date, scene_days: list[int]) -> list[Change]:
    """What of the story a watch could see: begun within it, and there on its last day."""
    plan, land, zones = story.plan, story.land, story.zones
    changes = []
    for event in story.events:
        if plan.pair:
            within = scene_days[0] < event.start_day <= scene_days[1]
        else:
            within = event.start_day >= plan.baseline_days
        done = event.turns <= scene_days[-1]
        if not within or not done.any():
            continue
        rows, cols = event.rows[done], event.cols[done]
        now = np.zeros(land.shape, bool)
        now[rows, cols] = True
        changes.append(
            Change(
                event.kind,
                start + timedelta(days=int(event.start_day)),
                float(now.sum() * land.cell_m**2),
                ZONES[int(np.bincount(zones[rows, cols], minlength=4).argmax())],
                _coarse(now),
                dict(event.detail),
            )
        )
    return changes
