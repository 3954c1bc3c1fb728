"""Land of the fourth maker of watches: parcels, uses, seasons, rain; every law of it drawn anew per world."""

from __future__ import annotations

import math

import numpy as np
import trigger_drawn_matter as matter
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.float64]
F32 = NDArray[np.float32]
CROP, SCRUB, WOOD, BARREN, BUILT, WATER, SAND, OLD = range(8)


def noise(rng: np.random.Generator, side: int, steep: float, least: float = 0.0) -> Array:
    """Noise with a power-law spectrum, zero mean and unit spread; no wave is longer than 1/``least``."""
    freq = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    size = np.where(freq > 0, np.maximum(freq, max(least, 1.0 / side)) ** (-steep / 2 - 0.5), 0.0)
    out = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(side, side))) * size, s=(side, side))
    return (out - out.mean()) / out.std()


def parcels(rng: np.random.Generator, side: int, fine_m: float) -> tuple[NDArray[np.int64], int]:
    """Number of the parcel of each cell: nearest of scattered points in a stretched, turned plane, measured
    by one of three rules, so that parcels are hexagons, slabs or rectangles."""
    turn, stretch = rng.uniform(0, math.pi), math.exp(rng.uniform(0, 1.2))
    y, x = np.mgrid[0:side, 0:side] * fine_m
    u = (x * math.cos(turn) + y * math.sin(turn)) * stretch
    v = -x * math.sin(turn) + y * math.cos(turn)
    wide = math.exp(rng.uniform(math.log(35), math.log(160))) * math.sqrt(stretch)
    count = int(np.ptp(u) * np.ptp(v) / wide**2) + 8
    lo, hi = np.array([u.min(), v.min()]), np.array([u.max(), v.max()])
    if rng.random() < 0.5:
        points = rng.uniform(lo, hi, (count, 2))
    else:
        grid = np.stack(np.meshgrid(np.arange(lo[0], hi[0], wide), np.arange(lo[1], hi[1], wide)), -1)
        points = grid.reshape(-1, 2) + rng.normal(0, rng.uniform(0, 0.3) * wide, (grid.size // 2, 2))
    power = float(rng.choice([1.0, 2.0, np.inf]))
    _, number = cKDTree(points).query(np.stack([u.ravel(), v.ravel()], 1), p=power)
    return number.reshape(side, side), len(points)


class Climate:
    """Rain by day, and what it leaves: wet ground, green wilderness, full tanks."""

    def __init__(self, rng: np.random.Generator, first: int, days: int) -> None:
        self.first = first
        onset, length = rng.uniform(120, 220), rng.uniform(60, 170)
        often, seldom = rng.uniform(0.08, 0.55), rng.uniform(0.0, 0.08)
        second = rng.uniform(0, 0.3) if rng.random() < 0.4 else 0.0
        drying, slow, slower = rng.uniform(2, 14), rng.uniform(20, 70), rng.uniform(60, 200)
        year = np.clip(rng.normal(1, 0.25, 12), 0.3, 1.7)
        spin = 400
        n = days + spin
        moist, green, store = np.zeros(n), np.zeros(n), np.zeros(n)
        m = g = s = 0.0
        for i in range(n):
            doy = (first + i - spin) % 365
            y = year[(i // 365) % 12]
            chance = often * y if onset < doy < onset + length else seldom
            chance += second * y if (doy - onset) % 365 > 300 else 0.0
            rain = rng.exponential(0.6) if rng.random() < chance else 0.0
            m = min(1.0, m * math.exp(-1 / drying) + rain)
            g = g + ((m > 0.15) - g) / slow
            s = s + (min(1.0, 2 * m) - s) / slower
            moist[i], green[i], store[i] = m, g, s
        self._moist, self._spin = moist, spin
        self._green = green / max(green.max(), 0.05)
        self._store = store / max(store.max(), 0.05)

    def wet(self, day: int) -> float:
        return float(self._moist[day + self._spin])

    def green(self, day: int) -> float:
        return float(self._green[day + self._spin])

    def store(self, day: int) -> float:
        return float(self._store[day + self._spin])


class Land:
    """The ground before anything happens, and how it looks on a day."""

    def __init__(self, rng: np.random.Generator, side: int, fine_m: float, first: int, days: int) -> None:
        self.rng, self.side, self.fine_m, self.first = rng, side, fine_m, first
        self.climate = Climate(rng, first, days)
        self.dark = matter.darkening(rng)
        self.leaf, self.tree, self.straw = matter.leaf(rng), matter.leaf(rng, 0.75), matter.straw(rng)
        self.char, self.sand = matter.char(rng), matter.soil(rng) * rng.uniform(1.0, 1.6)
        self.waters = [matter.water(rng) for _ in range(3)]
        self.rocks = [matter.rock(rng) for _ in range(int(rng.integers(1, 4)))]
        self.roofs = [matter.roof(rng) for _ in range(6)]
        self._ground(int(rng.integers(1, 4)))
        self._uses()
        self._farming()

    def _ground(self, kinds: int) -> None:
        rng, side = self.rng, self.side
        self.parcel, self.count = parcels(rng, side, self.fine_m)
        self.soils = [matter.soil(rng)]
        for _ in range(kinds - 1):
            other = matter.soil(rng) if rng.random() < 0.5 else matter.kin(rng, self.soils[0], 0.25)
            self.soils.append(other)
        weight = np.stack([np.exp(1.5 * noise(rng, side, 2.5)) for _ in self.soils])
        weight /= weight.sum(0)
        self.soil = np.einsum("krc,kb->brc", weight, np.stack(self.soils)).astype(np.float32)
        each = np.exp(
            rng.normal(0, rng.uniform(0.03, 0.15), (1, self.count)) + rng.normal(0, 0.02, (6, self.count))
        )
        self.grain = rng.uniform(0.01, 0.10) * noise(rng, side, rng.uniform(0.5, 2.0), 0.03)
        self.soil *= (each[:, self.parcel] * np.exp(self.grain)).astype(np.float32)

    def _uses(self) -> None:
        rng, side, fine_m = self.rng, self.side, self.fine_m
        level = noise(rng, side, rng.uniform(2.0, 3.0))
        if rng.random() < 0.6:  # uses end where parcels end
            size = np.maximum(np.bincount(self.parcel.ravel(), minlength=self.count), 1)
            level = (np.bincount(self.parcel.ravel(), level.ravel(), self.count) / size)[self.parcel]
        parts = rng.dirichlet([2.0, 1.0, 0.8, 0.35])
        edges = np.quantile(level, np.cumsum(parts)[:3])
        self.use = np.searchsorted(edges, level)
        self.stone = matter.mixed(self.rocks[0], self.soils[0], rng.uniform(0.0, 0.6))
        self.thick = np.clip(rng.uniform(0.3, 0.9) + 0.2 * noise(rng, side, 1.8), 0.05, 1.0).astype(
            np.float32
        )
        y, x = np.mgrid[0:side, 0:side] * fine_m
        for _ in range(int(rng.integers(0, 4))):
            r, c = rng.uniform(0, side * fine_m, 2)
            self.use[np.hypot(y - r, x - c) < rng.uniform(30, 160)] = BUILT
        self.houses, self.house_of = parcels(rng, side, max(1.0, fine_m * 3.5))[0] % 8, self.roofs
        if rng.random() < 0.45:
            along, across = (x, y) if rng.random() < 0.5 else (y, x)
            course = across.max() * rng.uniform(0.2, 0.8) + sum(
                rng.uniform(10, 80) * np.sin(along / rng.uniform(80, 500) + rng.uniform(0, 6))
                for _ in range(3)
            )
            self.from_river = np.abs(across - course)
            self.bed_m = rng.uniform(12, 80)
            self.use[self.from_river < self.bed_m] = SAND
        else:
            self.from_river, self.bed_m = np.full((side, side), 1e9), 0.0
        self.depth = np.zeros((side, side))
        for _ in range(int(rng.integers(0, 4))):
            r, c = rng.uniform(0, side * fine_m, 2)
            radius = rng.uniform(25, 130)
            wobble = 1 + 0.25 * np.sin(3 * np.arctan2(y - r, x - c) + rng.uniform(0, 6))
            bowl = np.clip(1 - np.hypot(y - r, (x - c) * rng.uniform(0.7, 1.4)) / radius / wobble, 0, 1)
            self.depth = np.maximum(self.depth, bowl)
        self.use[self.depth > 0] = WATER

    def _farming(self) -> None:
        rng, n = self.rng, self.count
        self.seasons = []
        for _ in range(int(rng.integers(1, 4))):
            sow = rng.uniform(0, 365) + rng.normal(0, rng.uniform(4, 25), n)
            length = np.clip(rng.uniform(75, 170) + rng.normal(0, 10, n), 60, 230)
            sown = rng.random((n, 12)) < rng.uniform(0.35, 1.0)
            flooded = rng.random(n) < (rng.uniform(0, 0.7) if rng.random() < 0.3 else 0.0)
            self.seasons.append((sow, length, sown, flooded))
        self.stays = np.where(rng.random(n) < rng.random(), rng.uniform(20, 80), rng.uniform(2, 10))
        self.ploughs = rng.uniform(0.0, 0.25)
        self.lush = rng.uniform(0.7, 1.0, n)
        self.weeds = rng.uniform(0.0, 0.6)

    def fields(self, day: int) -> tuple[Array, Array, Array, Array]:
        """Per parcel: green, dry and flooded share, and how much darker it was ploughed."""
        green, dry, flood, plough = (np.zeros(self.count) for _ in range(4))
        last = np.full(self.count, 1e3)
        for sow, length, sown, flooded in self.seasons:
            year = np.floor((self.first + day - sow) / 365.0).astype(int)
            since = self.first + day - sow - 365.0 * year
            on = sown[np.arange(self.count), (year + 3) % 12]
            x = since / length
            leafy = np.where(on & (x < 1), np.clip(np.minimum(x / 0.4, (1 - x) / 0.15), 0, 1), 0.0)
            green = np.maximum(green, leafy**1.3)
            flood = np.maximum(flood, np.where(flooded & on & (x < 0.25), 0.8, 0.0))
            ripe = np.where(on & (x >= 0.8) & (x < 1), (x - 0.8) / 0.2, 0.0)
            after = np.where(on & (x >= 1), since - length, 1e3)
            dry = np.maximum(dry, np.maximum(0.8 * ripe, 0.8 * np.exp(-after / self.stays) * (after < 200)))
            last = np.minimum(last, after)
            plough = np.maximum(plough, np.where(on & (x < 0.12), self.ploughs, 0.0))
        weeds = self.weeds * self.climate.green(day) * (green < 0.2) * (plough == 0)
        green = np.clip(np.maximum(0.95 * green * self.lush, 0.6 * weeds), 0, 1)
        return green, np.clip(dry, 0, 1 - green), np.clip(flood, 0, 1 - green), plough

    def dried(self, day: int, strength: float = 1.0) -> Array:
        return np.exp(-strength * self.climate.wet(day) * self.dark)

    def look(self, day: int) -> tuple[F32, F32]:
        """(band, row, col): the land on a day, and its bare soil."""
        side, weather = self.side, self.climate
        bare = self.soil * self.dried(day)[:, None, None].astype(np.float32)
        g, d, f, p = self.fields(day)
        part = self.parcel
        lush = weather.green(day)
        scrub, wood, barren = self.use == SCRUB, self.use == WOOD, self.use == BARREN
        green, dry = g[part].astype(np.float32), d[part].astype(np.float32)
        green[scrub] = (self.thick * (0.1 + 0.8 * lush))[scrub]
        dry[scrub] = (self.thick * 0.5 * (1 - lush))[scrub]
        green[wood] = np.clip(self.thick + 0.2, 0, 1)[wood] * (0.55 + 0.45 * lush)
        dry[wood] = 0.3 * (1 - green[wood])
        green[barren], dry[barren] = 0.15 * self.thick[barren] * lush, 0.1
        rest = 1 - green - dry
        soil = bare * np.where(self.use == CROP, 1 - p[part], 1.0).astype(np.float32)
        stone = (self.stone * self.dried(day, 0.7)).astype(np.float32)[:, None]
        soil[:, barren] = stone * np.exp(2 * self.grain[barren]).astype(np.float32)
        out = np.empty((6, side, side), np.float32)
        silt = self.waters[0]
        drowned = np.where(self.use == CROP, f[part], 0.0).astype(np.float32)
        for b in range(6):
            plant = np.where(wood, self.tree[b], self.leaf[b]).astype(np.float32)
            out[b] = green * plant + dry * self.straw[b] + rest * soil[b]
            out[b] += drowned * (silt[b] - soil[b])
        built = self.use == BUILT
        if built.any():
            table = np.stack([*self.roofs, self.soils[0], self.leaf]).T
            out[:, built] = table[:, self.houses[built]]
        bed = self.use == SAND
        if bed.any():
            out[:, bed] = (self.sand * self.dried(day))[:, None] * np.exp(self.grain[bed])
            low = bed & (self.from_river < self.bed_m * (0.15 + 0.75 * weather.store(day)))
            out[:, low] = self.waters[1][:, None]
        tank = (self.use == WATER) & (self.depth > 1 - weather.store(day) ** 0.5)
        out[:, self.use == WATER] = 0.85 * bare[:, self.use == WATER]
        out[:, tank] = self.waters[2][:, None]
        return out, bare
