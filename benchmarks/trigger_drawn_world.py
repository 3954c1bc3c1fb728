"""A fourth maker of watches, by wide domain randomisation: it draws not only a world, but the laws of one.

The other makers know what Indian land looks like, and a model that is fitted to them knows what three people
thought of. Here spectra come from laws with wide bounds (``trigger_drawn_matter``), land and seasons from
rules that are drawn too (``trigger_drawn_land``), and what happens from generic shapes, ways of growing and
floors. It is for the fit: no world of it is likely, and all together surround those that are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import trigger_drawn_matter as matter
from numpy.typing import NDArray
from scipy import ndimage
from trigger_drawn_land import BUILT, CROP, OLD, SAND, SCRUB, WATER, WOOD, Land, noise

from survey.sample_data.satellite import Change, Plan

FINE = 2
ZONES = ("lease", "buffer", "ring", "beyond")
BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")
KINDS = ("clearing", "construction", "burn", "pond", "field use", "pit water", "meander", "road")
Array = NDArray[np.float64]
F32 = NDArray[np.float32]
Paint = Callable[[F32, F32, Array, int], F32]
"""(as it was (band, n), bare soil (band, n), days since each cell was taken (n,), day) → (band, n)."""


@dataclass
class Event:
    kind: str
    rows: NDArray[np.intp]
    cols: NDArray[np.intp]
    turns: Array  # day on which each cell is taken
    paint: Paint
    day: float
    detail: dict[str, Any] = field(default_factory=dict)

    def happen(self, out: F32, bare: F32, day: int) -> None:
        on = self.turns <= day
        if on.any():
            r, c = self.rows[on], self.cols[on]
            self.on = on
            out[:, r, c] = self.paint(out[:, r, c], bare[:, r, c], day - self.turns[on], day)


def lump(
    rng: np.random.Generator, side: int, area: float, where: tuple[float, float]
) -> tuple[Array, Array, Array]:
    """Rows, columns and depth (0 amid, 1 at the rim) of a body of ``area`` cells: level set of a cone with a
    drawn outline (round, angular or ragged), stretched and turned."""
    reach = int(2.2 * math.sqrt(area)) + 4
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(float)
    turn, long = rng.uniform(0, math.pi), math.exp(rng.uniform(0, 0.8))
    u, v = x * math.cos(turn) + y * math.sin(turn), (y * math.cos(turn) - x * math.sin(turn)) * long
    power = float(rng.choice([1.3, 2.0, 2.0, 4.0, 8.0]))
    far = (np.abs(u) ** power + np.abs(v) ** power) ** (1 / power)
    angle = np.arctan2(v, u)
    ragged = rng.uniform(0, 0.25)
    far = far * np.exp(
        sum(ragged / k * rng.normal() * np.cos(k * angle + rng.uniform(0, 6.3)) for k in range(2, 7))
    )
    far = far * np.exp(rng.uniform(0, 0.15) * noise(rng, 2 * reach + 1, 2.0))
    cut = np.partition(far.ravel(), int(area))[int(area)]
    rows, cols = np.nonzero(far < cut)
    depth = far[rows, cols] / cut
    rows, cols = rows + int(where[0]) - reach, cols + int(where[1]) - reach
    ok = (rows >= 2) & (cols >= 2) & (rows < side - 2) & (cols < side - 2)
    return rows[ok], cols[ok], depth[ok]


def plot(
    rng: np.random.Generator, side: int, area: float, where: tuple[float, float]
) -> tuple[Array, Array, Array, Array]:
    """Rows, columns and (u, v) from 0 to 1 of a turned rectangle."""
    ratio, turn = math.exp(rng.uniform(-0.8, 0.8)), rng.uniform(0, math.pi)
    wide, deep = math.sqrt(area * ratio), math.sqrt(area / ratio)
    reach = int(wide + deep) + 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(float)
    u = (x * math.cos(turn) + y * math.sin(turn)) / wide + 0.5
    v = (y * math.cos(turn) - x * math.sin(turn)) / deep + 0.5
    rows, cols = np.nonzero((u >= 0) & (u < 1) & (v >= 0) & (v < 1))
    u, v = u[rows, cols], v[rows, cols]
    rows, cols = rows + int(where[0]) - reach, cols + int(where[1]) - reach
    ok = (rows >= 2) & (cols >= 2) & (rows < side - 2) & (cols < side - 2)
    return rows[ok], cols[ok], u[ok], v[ok]


class _World:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rng = rng = np.random.default_rng([90_210, plan.seed])
        self.side, self.fine_m = plan.cells * FINE, plan.cell_m / FINE
        self.days = plan.baseline_days + plan.watch_days
        self.start = date(2018, 1, 1) + timedelta(days=int(rng.integers(0, 730)))
        self.land = Land(rng, self.side, self.fine_m, self.start.timetuple().tm_yday, self.days + 5)
        self._passes()
        self._leases()
        self.events: list[Event] = []
        self._happenings()

    def _passes(self) -> None:
        rng, plan = self.rng, self.plan
        if plan.pair:
            first = int(rng.uniform(0, max(1, self.days - 400)))
            gap = int(rng.choice([365, 365, 350, 380])) if rng.random() < 0.7 else int(rng.uniform(60, 600))
            self.passes = np.array([first, min(self.days - 1, first + gap)])
            self.since, self.until = float(self.passes[0] + 1), float(self.passes[1])
            return
        step = float(rng.choice([2.5, 5, 5, 8, 10]))
        every = np.arange(rng.uniform(0, step), self.days - 1, step).astype(int)
        chosen = rng.choice(every, min(plan.scenes, len(every)), replace=False)
        self.passes = np.sort(chosen)
        self.since, self.until = float(plan.baseline_days), float(self.passes[-1])

    def _leases(self) -> None:
        rng, side, fine_m, land = self.rng, self.side, self.fine_m, self.land
        inside = np.zeros((side, side), bool)
        self.rings = []
        y, x = np.mgrid[0:side, 0:side] + 0.5
        for _ in range(int(rng.integers(1, 4))):
            corners = int(rng.integers(4, 7))
            angle = np.sort(
                rng.uniform(0, 2 * math.pi / corners, corners) + np.arange(corners) * 2 * math.pi / corners
            )
            centre, size = rng.uniform(0.15, 0.85, 2) * side, rng.uniform(90, 260) / fine_m
            ring = centre + size * np.stack([np.cos(angle), np.sin(angle)], 1) * [1, rng.uniform(0.5, 1)]
            within = np.ones((side, side), bool)
            for a, b in zip(ring, np.roll(ring, -1, 0), strict=True):
                within &= (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) >= 0
            inside |= within
            self.rings.append(ring * fine_m)
        away = ndimage.distance_transform_edt(~inside) * fine_m
        self.zone = np.select([inside, away <= 100, away <= 500], [0, 1, 2], 3)
        dug = noise(rng, side, rng.uniform(1.5, 2.5), 0.01)
        self.old = inside & (dug > np.quantile(dug, 1 - rng.uniform(0.0, 0.5)))
        land.use[self.old] = OLD
        self.old_faces = np.exp(rng.uniform(0.02, 0.2) * noise(rng, side, 1.5, 0.05))
        self.sump = self.old & (dug > np.quantile(dug, 0.96))

    # -- what happens --------------------------------------------------------------------------------------
    def _happenings(self) -> None:
        rng, plan, fine2 = self.rng, self.plan, self.fine_m**2
        land = self.land
        self.taken = self.old | (land.use == WATER) | (land.use == SAND)
        share = rng.dirichlet(np.full(len(KINDS), 2.0) * [1.5, 1.8, 1.2, 1, 1.5, 0.5, 0.5, 0.6])
        wanted = [("pit", True)] * plan.pits
        wanted += [(str(k), True) for k in rng.choice(KINDS, plan.distractors, p=share)]
        wanted += [(str(k), False) for k in rng.choice(KINDS[:5], int(rng.integers(0, 5)))]
        turn = rng.permutation(4)
        for number, (kind, new) in enumerate(wanted):
            late = 1.0 if plan.pair else 0.7
            day = self.since + rng.uniform(0, late) * (self.until - self.since)
            if not new:
                day = rng.uniform(0, 0.8) * self.since
            area = math.exp(rng.uniform(math.log(600), math.log(25_000))) / fine2
            for _ in range(12):
                event = self._drawn(kind, area, turn[number % 4], day)
                if event is None or len(event.rows) < 6:
                    continue
                foot = np.zeros((self.side, self.side), bool)
                foot[event.rows, event.cols] = True
                if kind != "pit water" and (foot & self.taken).any():
                    continue
                self.taken |= ndimage.binary_dilation(foot, iterations=3 * FINE)
                self.events.append(event)
                break

    def _spot(self, want: NDArray[np.bool_]) -> tuple[float, float] | None:
        spots = np.flatnonzero(want & ~self.taken)
        if not len(spots):
            return None
        r, c = divmod(int(spots[self.rng.integers(len(spots))]), self.side)
        return float(r), float(c)

    def _drawn(self, kind: str, area: float, zone: int, day: float) -> Event | None:
        land = self.land
        where = {
            "pit": self.zone == zone,
            "clearing": (land.use == SCRUB) | (land.use == WOOD),
            "field use": land.use == CROP,
        }.get(kind, land.use != BUILT)
        if kind == "pit water":
            if any(e.kind == kind for e in self.events) or self.old.sum() < 30:
                return None
            return self._pit_water(day)
        if kind == "meander":
            return self._meander(day) if land.bed_m else None
        spot = self._spot(where)
        if spot is None:
            return None
        make = {
            "pit": self._pit, "clearing": self._clearing, "construction": self._construction,
            "burn": self._burn, "pond": self._pond, "field use": self._field_use, "road": self._road,
        }[kind]  # fmt: skip
        return make(spot, area, day)

    def _pit(self, spot: tuple[float, float], area: float, day: float) -> Event:
        rng, land = self.rng, self.land
        rows, cols, depth = lump(rng, self.side, area, spot)
        n = len(rows)
        roll = rng.random()
        if roll < 0.2:
            material, floor = (
                "own soil",
                matter.kin(rng, land.soil[:, int(spot[0]), int(spot[1])].astype(float), 0.2),
            )
        elif roll < 0.55:
            material, floor = "rock of the place", matter.kin(rng, land.rocks[0], 0.15)
        else:
            material, floor = "other rock", matter.rock(rng) if rng.random() < 0.6 else matter.soil(rng)
        dirt = max(0.0, rng.uniform(-0.3, 0.6))
        other = matter.kin(rng, matter.mixed(floor, land.soils[0], rng.uniform(0.2, 0.9)), 0.15)
        pattern = noise(rng, self.side, rng.uniform(0.5, 2.5), 0.04)[rows, cols]
        heaped = pattern > np.quantile(pattern, 1 - max(0.0, rng.uniform(-0.2, 0.45)))
        sun = rng.uniform(0, 2 * math.pi)
        facing = np.cos(np.arctan2(rows - rows.mean(), cols - cols.mean()) - sun)
        shade = np.where((depth > rng.uniform(0.65, 0.95)) & (facing > 0.1), rng.uniform(0.4, 1.0), 1.0)
        light = np.where((depth > 0.8) & (facing < -0.3), rng.uniform(1.0, 1.25), 1.0)
        body = np.where(heaped, other[:, None], floor[:, None]) * shade * light
        body = body * np.exp(rng.uniform(0.0, 0.15) * pattern)
        growth = str(rng.choice(["at once", "outward", "face", "patches"], p=[0.35, 0.25, 0.25, 0.15]))
        along = (rows - rows.mean()) * math.cos(sun) + (cols - cols.mean()) * math.sin(sun)
        order = {"at once": np.zeros(n), "outward": depth**2, "face": along, "patches": pattern}[growth]
        order = np.argsort(np.argsort(order, kind="stable"), kind="stable") / max(n - 1, 1)
        span, begun, steps = rng.uniform(5, 160), rng.uniform(0.1, 0.7), float(rng.choice([3, 6, 1000]))
        late = np.clip((order - begun) / (1 - begun), 0, 1)
        turns = day + (0.0 if growth == "at once" else 1.0) * np.ceil(late * steps) / steps * span
        floods, low, bar = rng.random() < 0.3, depth < rng.uniform(0.3, 0.95), rng.uniform(0.4, 0.9)
        water = matter.water(rng)
        weeds = rng.uniform(0, 0.4) if rng.random() < 0.3 else 0.0

        def paint(was: F32, bare: F32, since: Array, today: int) -> F32:
            on = event.on
            out = (1 - dirt) * body[:, on] * land.dried(today, 0.8)[:, None] + dirt * bare
            leafy = weeds * land.climate.green(today) * np.clip(since / 120, 0, 1)
            out = (1 - leafy) * out + leafy * land.leaf[:, None]
            if floods and land.climate.store(today) > bar:
                out = np.where(low[on] & (since > 10), water[:, None], out)
            return out

        event = Event("pit", rows, cols, turns, paint, day, {"material": material, "growth": growth})
        return event

    def _clearing(self, spot: tuple[float, float], area: float, day: float) -> Event:
        rng, land = self.rng, self.land
        rows, cols = (
            lump(rng, self.side, area, spot) if rng.random() < 0.5 else plot(rng, self.side, area, spot)
        )[:2]
        litter, fresh, back, pace = (
            rng.uniform(0, 0.6),
            rng.uniform(0.85, 1.3),
            rng.uniform(0, 0.9),
            rng.uniform(30, 200),
        )
        tufts = rng.uniform(0, 0.25) * np.clip(noise(rng, self.side, 1.5)[rows, cols], 0, 2)
        turns = day + rng.uniform(0, 20) * rng.random(len(rows))

        def paint(was: F32, bare: F32, since: Array, today: int) -> F32:
            left = np.clip(tufts[event.on], 0, 1)
            rotting = litter * np.exp(-since / 150)
            out = (1 - rotting) * fresh * bare + rotting * land.straw[:, None]
            green = back * land.climate.green(today) * np.clip(since / pace, 0, 1)
            out = (1 - green) * out + green * land.leaf[:, None]
            return (1 - left) * out + left * was

        event = Event("clearing", rows, cols, turns, paint, day)
        return event

    def _construction(self, spot: tuple[float, float], area: float, day: float) -> Event:
        """Levelled or filled ground first; then roofs, halls, pavement, panels or a yard, block by block."""
        rng, land = self.rng, self.land
        rows, cols, u, v = plot(rng, self.side, min(area, 16_000 / self.fine_m**2), spot)
        style = str(
            rng.choice(["houses", "hall", "panels", "paved", "yard"], p=[0.4, 0.25, 0.12, 0.13, 0.10])
        )
        count = {"houses": int(rng.integers(2, 6)), "hall": 1, "panels": int(rng.integers(3, 9))}.get(
            style, 1
        )
        fu, fv = (u * count) % 1, (v * (1 if style == "panels" else count)) % 1
        gap = rng.uniform(0.05, 0.25)
        roofed = (fu > gap) & (fu < 1 - gap) & (fv > gap / 2) & (fv < 1 - gap / 2)
        if style in ("paved", "yard"):
            roofed = np.ones(len(rows), bool)
        block = (np.floor(u * count) * count + np.floor(v * count)).astype(int)
        one = (
            matter.roof(rng)
            if style != "panels"
            else np.array([0.06, 0.06, 0.06, 0.08, 0.09, 0.09]) * rng.uniform(0.7, 1.5)
        )
        roofs = [one if style != "houses" else matter.roof(rng) for _ in range(count * count + 1)]
        if style == "yard":
            roofs = [matter.kin(rng, matter.mixed(land.soils[0], matter.rock(rng), rng.uniform(0, 0.5)), 0.1)]
        made = np.stack([roofs[b % len(roofs)] for b in block], 1)
        fill = matter.mixed(land.soils[0], land.rocks[0], max(0.0, rng.uniform(-0.6, 0.8))) * rng.uniform(
            0.85, 1.3
        )
        own = rng.random() < 0.6
        lag, pace = rng.uniform(0, 120), rng.uniform(0, 60)
        starts = lag + pace * rng.random(count * count + 1)[block % (count * count + 1)]
        grass = rng.uniform(0, 0.5)

        def paint(was: F32, bare: F32, since: Array, today: int) -> F32:
            on = event.on
            ground = 1.1 * bare if own else fill[:, None] * land.dried(today)[:, None] * np.ones_like(bare)
            green = grass * land.climate.green(today) * np.clip((since - lag) / 100, 0, 1)
            ground = (1 - green) * ground + green * land.leaf[:, None]
            up = roofed[on] & (since >= starts[on])
            return np.where(up, made[:, on] * land.dried(today, 0.15)[:, None], ground)

        event = Event("construction", rows, cols, np.full(len(rows), day), paint, day, {"style": style})
        return event

    def _burn(self, spot: tuple[float, float], area: float, day: float) -> Event:
        rng, land = self.rng, self.land
        rows, cols, depth = lump(rng, self.side, 2 * area, spot)
        fades, strength = rng.uniform(12, 120), np.clip(rng.uniform(0.5, 1.1) - 0.4 * depth**4, 0, 1)
        ash = matter.mixed(land.char, np.full(6, rng.uniform(0.1, 0.3)), rng.uniform(0, 0.4))

        def paint(was: F32, bare: F32, since: Array, today: int) -> F32:
            s = strength[event.on]
            black, gone = s * np.exp(-since / fades), 0.6 * s * np.exp(-since / (4 * fades))
            return (1 - black) * ((1 - gone) * was + gone * bare) + black * ash[:, None]

        event = Event("burn", rows, cols, np.full(len(rows), day), paint, day)
        return event

    def _pond(self, spot: tuple[float, float], area: float, day: float) -> Event:
        rng, land = self.rng, self.land
        area = min(area, 7000 / self.fine_m**2)
        if rng.random() < 0.6:
            rows, cols, u, v = plot(rng, self.side, area, spot)
            deep = 1 - 2 * np.maximum(np.abs(u - 0.5), np.abs(v - 0.5))
        else:
            rows, cols, depth = lump(rng, self.side, area, spot)
            deep = 1 - depth
        fills, pace, rim = rng.uniform(0, 60), rng.uniform(5, 60), rng.uniform(0.85, 1.2)
        seasonal, water = rng.random() < 0.4, matter.water(rng)

        def paint(was: F32, bare: F32, since: Array, today: int) -> F32:
            level = np.clip((since - fills) / pace, 0, 1) * 0.9
            if seasonal:
                level = level * land.climate.store(today)
            return np.where(deep[event.on] > 1 - level, water[:, None], rim * bare)

        event = Event("pond", rows, cols, np.full(len(rows), day), paint, day)
        return event

    def _field_use(self, spot: tuple[float, float], area: float, day: float) -> Event | None:
        rng, land = self.rng, self.land
        mask = (land.parcel == land.parcel[int(spot[0]), int(spot[1])]) & (land.use == CROP)
        mask[:2] = mask[-2:] = False
        mask[:, :2] = mask[:, -2:] = False
        if mask.sum() * self.fine_m**2 > 40_000:
            return None
        rows, cols = np.nonzero(mask)
        way = str(
            rng.choice(
                ["bare", "level", "plough", "straw", "sheet", "silt"], p=[0.3, 0.2, 0.2, 0.15, 0.05, 0.1]
            )
        )
        tone = {"bare": 1.0, "level": rng.uniform(1.05, 1.35), "plough": rng.uniform(0.65, 0.95)}.get(
            way, 1.0
        )
        cover = {"straw": land.straw, "sheet": matter.roof(rng), "silt": land.sand}.get(way)
        lasts = rng.uniform(15, 220)

        def paint(was: F32, bare: F32, since: Array, today: int) -> F32:
            if float(since.max()) > lasts:
                return was
            return (
                tone * bare
                if cover is None
                else cover[:, None] * land.dried(today, 0.5)[:, None] * np.ones_like(bare)
            )

        return Event("field use", rows, cols, np.full(len(rows), day), paint, day, {"way": way})

    def _road(self, spot: tuple[float, float], area: float, day: float) -> Event:
        rng, land = self.rng, self.land
        turn, bend = rng.uniform(0, math.pi), rng.uniform(-20, 20) / self.fine_m
        half, long = rng.uniform(3, 9) / self.fine_m, rng.uniform(60, 300) / self.fine_m
        y, x = np.mgrid[0 : self.side, 0 : self.side] - np.array(spot)[:, None, None]
        u, v = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
        rows, cols = np.nonzero((np.abs(v - bend * np.sin(u / long * 2)) < half) & (np.abs(u) < long))
        cover = matter.rock(rng) if rng.random() < 0.3 else matter.roof(rng) if rng.random() < 0.5 else None
        lag = rng.uniform(0, 60)

        def paint(was: F32, bare: F32, since: Array, today: int) -> F32:
            if cover is None or float(since.max()) < lag:
                return 1.1 * bare
            return cover[:, None] * land.dried(today, 0.4)[:, None] * np.ones_like(bare)

        return Event("road", rows, cols, np.full(len(rows), day), paint, day)

    def _pit_water(self, day: float) -> Event:
        """Old workings fill, or are pumped out: their floor appears."""
        rng, land = self.rng, self.land
        part = noise(rng, self.side, 2.0)
        rows, cols = np.nonzero(self.old & (part > np.quantile(part, rng.uniform(0.1, 0.6))))
        fills = rng.random() < 0.6
        water, floor = matter.water(rng), matter.kin(rng, land.rocks[0], 0.1) * rng.uniform(0.6, 1.1)

        def paint(was: F32, bare: F32, since: Array, today: int) -> F32:
            flat = water if fills else floor * land.dried(today)
            return flat[:, None] * np.ones_like(bare)

        if not fills:
            self.sump[rows, cols] = True
        return Event("pit water", rows, cols, np.full(len(rows), day), paint, day)

    def _meander(self, day: float) -> Event:
        rng, land = self.rng, self.land
        wide = rng.uniform(10, 45)
        y, x = np.mgrid[0 : self.side, 0 : self.side] * self.fine_m
        r, c = self._spot(land.from_river < land.bed_m + wide) or (0.0, 0.0)
        near = np.hypot(y - r * self.fine_m, x - c * self.fine_m) < rng.uniform(40, 160)
        beside = (land.from_river >= land.bed_m) & (land.from_river < land.bed_m + wide) & near
        rows, cols = np.nonzero(beside & ~self.taken)
        wets = rng.random()

        def paint(was: F32, bare: F32, since: Array, today: int) -> F32:
            sand = land.sand * land.dried(today)
            flat = land.waters[1] if land.climate.store(today) > wets else sand
            return flat[:, None] * np.ones_like(bare)

        return Event("meander", rows, cols, np.full(len(rows), day), paint, day)

    # -- as it is seen -------------------------------------------------------------------------------------
    def ground(self, day: int) -> F32:
        land = self.land
        out, bare = land.look(day)
        if self.old.any():
            old = (land.rocks[0] * land.dried(day, 0.8))[:, None] * self.old_faces[self.old]
            out[:, self.old] = 0.85 * old + 0.15 * bare[:, self.old]
            out[:, self.sump] = land.waters[2][:, None]
        for event in self.events:
            if event.day <= day:
                event.happen(out, bare, day)
        return out

    def series(self) -> SimpleNamespace:
        rng, plan, cells = self.rng, self.plan, self.plan.cells
        wobble, gain, gain_band = rng.uniform(0.03, 0.3), rng.uniform(0.0, 0.1), rng.uniform(0.003, 0.04)
        floor, part = rng.uniform(0.0005, 0.005), rng.uniform(0.003, 0.015)
        blur, stray = rng.uniform(0.1, 0.5) * FINE, max(0.0, rng.uniform(-0.05, 0.1))
        offset, lean, colour = rng.uniform(0, 0.008), rng.uniform(0, 0.025), matter.cloud(rng)
        sky = SimpleNamespace(
            often=rng.uniform(0.15, 0.8), haze=rng.uniform(0.002, 0.03), power=rng.uniform(1.8, 4.0),
            soft=rng.uniform(0.05, 0.8), sun=rng.uniform(-1.2, 1.2), miss=rng.uniform(0.05, 0.45),
            grown=int(rng.integers(0, 4)), bright=rng.random() < 0.3, shadows=rng.uniform(0.4, 1.0),
        )  # fmt: skip
        scenes, masks, clear = [], [], []
        ramp = np.linspace(-1, 1, cells)
        for day in self.passes:
            fine = ndimage.gaussian_filter(self.ground(int(day)), (0, blur, blur))
            shift = np.clip(rng.normal(0, wobble, 2), -0.55, 0.55) * FINE
            fine = ndimage.shift(fine, (0, *shift), order=1, mode="nearest")
            seen = fine.reshape(6, cells, FINE, cells, FINE).mean((2, 4))
            seen = (1 - stray) * seen + stray * ndimage.gaussian_filter(seen, (0, 8, 8))
            cloud, shade = self._sky(int(day), sky)
            seen = seen * (1 - shade * np.linspace(0.45, 0.7, 6)[:, None, None])
            path = rng.exponential(sky.haze) * (matter.WAVE_UM / 0.49) ** -rng.uniform(1, 4)
            even = np.clip(1 + rng.uniform(0, 0.8) * noise(rng, cells, 2.5), 0, 3)
            seen = seen + path[:, None, None] * even * (1 - seen)
            veil = np.clip(cloud * np.linspace(1, rng.uniform(0.7, 1), 6)[:, None, None], 0, 1)
            seen = (1 - veil) * seen + veil * colour[:, None, None] * rng.uniform(0.85, 1.15)
            factor = np.exp(rng.normal(0, gain) + rng.normal(0, gain_band, 6))[:, None, None]
            seen = seen * factor * (1 + rng.normal(0, lean) * ramp + rng.normal(0, lean) * ramp[:, None])
            seen = seen + (rng.normal() * offset * np.linspace(1, 0.2, 6))[:, None, None]
            seen = seen + rng.normal(size=seen.shape) * (floor + part * seen)
            scenes.append(np.clip(seen, 1e-4, 1.6).astype(np.float32))
            told = np.ones((cells, cells), np.uint8)
            told[shade > 0.3] = 3
            found = cloud > sky.miss
            told[ndimage.binary_dilation(found, iterations=sky.grown) if sky.grown else found] = 2
            if sky.bright and rng.random() < 0.5:
                told[seen[2] > np.quantile(seen[2], 0.997)] = 2
            masks.append(told)
            clear.append((cloud < 0.1) & (shade < 0.2))
        dates = tuple(self.start + timedelta(days=int(d)) for d in self.passes)
        until = dates[0] if plan.pair else self.start + timedelta(days=plan.baseline_days - 1)
        return SimpleNamespace(
            plan=plan,
            dates=dates,
            baseline_until=until,
            scenes=np.stack(scenes)[:, [BANDS.index(b) for b in plan.bands]],
            masks=np.stack(masks),
            truly_clear=np.stack(clear),
            leases=tuple(self.rings),
            changes=tuple(self._truth()),
        )

    def _sky(self, day: int, sky: SimpleNamespace) -> tuple[Array, Array]:
        """(thickness of cloud, strength of shadow) per cell. A pair is chosen for its clear sky."""
        rng, cells, pair = self.rng, self.plan.cells, self.plan.pair
        cloud, shade = np.zeros((cells, cells)), np.zeros((cells, cells))
        if rng.random() > (0.4 if pair else sky.often * (0.7 + 0.6 * self.land.climate.wet(day))):
            return cloud, shade
        share = min(0.1, rng.exponential(0.03)) if pair else min(0.95, rng.exponential(0.35))
        level = noise(rng, cells, sky.power, rng.uniform(0, 0.05))
        cloud = np.clip((level - np.quantile(level, 1 - share)) / sky.soft, 0, 1) * rng.uniform(0.5, 1)
        far = rng.uniform(4, 35)
        shade = np.roll(cloud, (int(-far * math.cos(sky.sun)), int(far * math.sin(sky.sun))), (0, 1))
        return cloud, sky.shadows * shade * (1 - cloud)

    def _truth(self) -> list[Change]:
        out, cells = [], self.plan.cells
        for event in self.events:
            if not self.since <= event.day <= self.passes[-1]:
                continue
            on = event.turns <= self.passes[-1]
            final = np.zeros((self.side, self.side), bool)
            final[event.rows[on], event.cols[on]] = True
            if final.sum() < 4:
                continue
            zone = ZONES[int(np.bincount(self.zone[final], minlength=4).argmax())]
            cover = final.reshape(cells, FINE, cells, FINE).mean((1, 3)).astype(np.float32)
            day = self.start + timedelta(days=math.ceil(event.day))
            out.append(
                Change(event.kind, day, float(final.sum() * self.fine_m**2), zone, cover, event.detail)
            )
        return out


def drawn_world(plan: Plan) -> SimpleNamespace:
    """A series with truth; the fields of ``survey.sample_data.satellite.Series`` that the scorer uses."""
    return _World(plan).series()
