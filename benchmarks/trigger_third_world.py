"""A third simulator of satellite series, written as a stranger would who has seen neither of the others.

Fields are rectangles cut from strips that lie askew, with double-logistic seasons; soil dries after single
rains; woods, rocks and waste are thresholds of smooth noise; rocks, soils and plants are rows of a table in
the manner of spectral libraries; pits are irregular ellipses that are dug by steps from one side, with a wet
floor, a shaded wall and dirt; clouds are thresholds of a fractal; each scene has its own gain, path light,
slope of light across the picture and misplacement. Two climates: ``arid`` and ``humid``.
"""

from __future__ import annotations

import math
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from survey.sample_data.satellite import Change, Plan

CLIMATES = ("arid", "humid")
FINE = 2
"""Ground is drawn in cells of half the sensor's side."""
ZONES = ("lease", "buffer", "ring", "beyond")
BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")
Array = NDArray[np.float64]

# Hemispherical reflectances as spectral libraries give them for such materials, in the six bands, dry.
TABLE = {
    "dune sand": (0.150, 0.215, 0.290, 0.375, 0.470, 0.430),
    "grey loam": (0.085, 0.115, 0.150, 0.215, 0.300, 0.255),
    "red loam": (0.045, 0.075, 0.150, 0.235, 0.325, 0.265),
    "black clay": (0.045, 0.058, 0.075, 0.125, 0.195, 0.165),
    "brown silt": (0.070, 0.100, 0.140, 0.225, 0.330, 0.270),
    "laterite": (0.050, 0.085, 0.175, 0.245, 0.330, 0.240),
    "sandstone": (0.170, 0.225, 0.285, 0.345, 0.415, 0.370),
    "shale": (0.090, 0.108, 0.128, 0.160, 0.215, 0.190),
    "limestone": (0.275, 0.320, 0.360, 0.405, 0.435, 0.355),
    "marble": (0.470, 0.500, 0.520, 0.540, 0.530, 0.440),
    "granite": (0.185, 0.205, 0.225, 0.245, 0.275, 0.255),
    "basalt": (0.060, 0.070, 0.082, 0.105, 0.140, 0.130),
    "coal": (0.035, 0.037, 0.040, 0.052, 0.078, 0.085),
    "iron ore": (0.048, 0.060, 0.115, 0.150, 0.185, 0.155),
    "bauxite": (0.095, 0.145, 0.245, 0.320, 0.430, 0.320),
    "murram": (0.065, 0.105, 0.200, 0.285, 0.380, 0.300),
    "china clay": (0.360, 0.420, 0.470, 0.510, 0.520, 0.360),
    "river sand": (0.155, 0.195, 0.240, 0.295, 0.365, 0.330),
    "crop": (0.030, 0.068, 0.040, 0.440, 0.215, 0.105),
    "rice": (0.035, 0.062, 0.042, 0.340, 0.125, 0.055),
    "straw": (0.095, 0.135, 0.185, 0.285, 0.375, 0.280),
    "grass": (0.040, 0.072, 0.060, 0.330, 0.235, 0.130),
    "wood": (0.022, 0.042, 0.027, 0.320, 0.150, 0.065),
    "leafless wood": (0.055, 0.075, 0.095, 0.190, 0.250, 0.175),
    "clear water": (0.045, 0.045, 0.028, 0.014, 0.006, 0.004),
    "green water": (0.045, 0.070, 0.042, 0.030, 0.010, 0.006),
    "muddy water": (0.085, 0.120, 0.135, 0.075, 0.018, 0.010),
    "char": (0.032, 0.036, 0.045, 0.075, 0.130, 0.120),
    "concrete": (0.230, 0.260, 0.285, 0.310, 0.325, 0.300),
    "tin": (0.300, 0.310, 0.315, 0.330, 0.350, 0.360),
    "tile": (0.085, 0.110, 0.190, 0.250, 0.300, 0.260),
    "asphalt": (0.085, 0.092, 0.100, 0.112, 0.130, 0.130),
    "blue sheet": (0.260, 0.220, 0.180, 0.330, 0.300, 0.270),
}
SOILS = {
    "arid": ("dune sand", "grey loam", "brown silt", "red loam"),
    "humid": ("red loam", "black clay", "brown silt", "grey loam", "laterite"),
}
ROCKS = {
    "arid": ("sandstone", "limestone", "marble", "granite", "murram", "china clay", "shale", "river sand"),
    "humid": ("laterite", "coal", "iron ore", "basalt", "shale", "bauxite", "granite", "murram", "limestone",
              "river sand"),
}  # fmt: skip
ROOFS = ("concrete", "tin", "tile", "asphalt", "blue sheet")


def fractal(rng: np.random.Generator, side: int, longest: float, octaves: int = 4) -> Array:
    """Smooth noise of zero mean and unit spread: bicubic lattices, each half as coarse and half as strong."""
    out = np.zeros((side, side))
    for k in range(octaves):
        step = max(longest / 2**k, 2.0)
        nodes = math.ceil(side / step) + 4
        lattice = rng.normal(0, 1, (nodes, nodes))
        at = np.arange(side) / step + 1 + rng.random()
        out += 0.55**k * ndimage.map_coordinates(lattice, np.meshgrid(at, at, indexing="ij"), order=3)
    return (out - out.mean()) / out.std()


def fields(rng: np.random.Generator, side: int, fine_m: float) -> tuple[NDArray[np.int64], int]:
    """Rectangles in strips that lie askew: the number of each cell's field."""
    turn = rng.uniform(0, math.pi)
    y, x = np.mgrid[0:side, 0:side] * fine_m
    u, v = x * math.cos(turn) + y * math.sin(turn), -x * math.sin(turn) + y * math.cos(turn)
    width = rng.uniform(35, 110)
    edges = np.cumsum(width * rng.uniform(0.6, 1.5, 400)) - 150 * width
    strip = np.searchsorted(edges, u)
    long = rng.uniform(0.8, 2.5) * width
    place = np.floor((v + rng.uniform(0, long, 401)[strip]) / (long * rng.uniform(0.6, 1.6, 401)[strip]))
    _, number = np.unique(strip * 100_000 + place, return_inverse=True)
    number = number.reshape(side, side)
    return number, int(number.max()) + 1


def ellipse(
    rng: np.random.Generator, side: int, area: float, where: tuple[float, float]
) -> tuple[NDArray[np.bool_], Array]:
    """An uneven ellipse of ``area`` cells, and how far each cell lies from the end where work begins, 0…1."""
    y, x = np.mgrid[0:side, 0:side].astype(float)
    turn, ratio = rng.uniform(0, math.pi), rng.uniform(1, 2.6)
    dy, dx = y - where[0], x - where[1]
    u, v = dx * math.cos(turn) + dy * math.sin(turn), -dx * math.sin(turn) + dy * math.cos(turn)
    angle = np.arctan2(v * ratio, u)
    ragged = 1 + sum(
        rng.normal(0, 0.12) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in range(2, 6)
    )  # fmt: skip
    far = np.hypot(u, v * ratio) / ragged
    mask = far <= np.partition(far.ravel(), int(area))[int(area)]
    along = u[mask] if rng.random() < 0.6 else far[mask]
    order = np.ones((side, side))
    order[mask] = (along - along.min()) / max(float(np.ptp(along)), 1e-9)
    return mask, order


def rectangle(
    rng: np.random.Generator, side: int, area: float, where: tuple[float, float]
) -> NDArray[np.bool_]:
    y, x = np.mgrid[0:side, 0:side].astype(float)
    turn, ratio = rng.uniform(0, math.pi), rng.uniform(1, 2.2)
    dy, dx = y - where[0], x - where[1]
    u, v = dx * math.cos(turn) + dy * math.sin(turn), -dx * math.sin(turn) + dy * math.cos(turn)
    half = 0.5 * math.sqrt(area * ratio)
    return (np.abs(u) <= half) & (np.abs(v) <= half / ratio)


def rise_and_fall(day: Array, up: Array, down: Array, pace: float) -> Array:
    """Double logistic season; days of a year, wrapped."""
    since = (day - up + 60) % 365 - 60
    length = (down - up) % 365
    return 1 / (1 + np.exp(-since / pace)) - 1 / (1 + np.exp(-(since - length) / (0.6 * pace)))


def third_world(plan: Plan, climate: str) -> SimpleNamespace:
    """A series with truth; the fields of ``survey.sample_data.satellite.Series`` that the scorer uses."""
    return _World(plan, climate).series()


class _World:
    def __init__(self, plan: Plan, climate: str) -> None:
        self.plan, self.arid = plan, climate == "arid"
        self.rng = rng = np.random.default_rng([4_711, CLIMATES.index(climate), plan.seed])
        self.side, self.fine_m = plan.cells * FINE, plan.cell_m / FINE
        self.days = plan.baseline_days + plan.watch_days
        self.start = date(2019, 1, 1) + timedelta(days=int(rng.integers(0, 365)))
        self.doy = self.start.timetuple().tm_yday
        # Every world has its own spectra: stretched in brightness, tilted and bent along the wave.
        tilt = np.linspace(-1, 1, 6)
        self.of = {
            name: np.array(row) ** math.exp(rng.normal(0, 0.06))
            * np.exp(rng.normal(0, 0.12) + rng.normal(0, 0.06) * tilt + rng.normal(0, 0.05) * tilt**2)
            for name, row in TABLE.items()
        }
        self._rain()
        self._land(climate)
        self._leases()
        self._events(climate)

    # -- weather -------------------------------------------------------------------------------------------
    def _rain(self) -> None:
        rng = self.rng
        amount = rng.uniform(0.04, 0.15) if self.arid else rng.uniform(0.2, 0.5)
        dry = 0.01 if self.arid else 0.04
        drying = rng.uniform(4, 9) if self.arid else rng.uniform(8, 20)
        self.year = np.clip(rng.normal(1, 0.25, 9), 0.4, 1.6)
        self.moist = np.zeros(self.days + 200)
        level = 0.0
        for d in range(-200, self.days):
            doy = (self.doy + d) % 365
            monsoon = 165 < doy < 275
            chance = amount * self.year[(d + 200) // 365] if monsoon else dry
            level *= math.exp(-1 / drying)
            if rng.random() < chance:
                level = min(1.0, level + rng.uniform(0.3, 1.0))
            self.moist[d + 200] = level
        # Greenness of what is not sown follows the rain of the last two months.
        kernel = np.exp(-np.arange(150) / rng.uniform(35, 60))
        self.lush = np.convolve(self.moist, kernel / kernel.sum())[: len(self.moist)]
        self.lush /= max(self.lush.max(), 1e-6)

    # -- land ----------------------------------------------------------------------------------------------
    def _land(self, climate: str) -> None:
        rng, side, fine_m = self.rng, self.side, self.fine_m
        self.field, count = fields(rng, side, fine_m)
        self.count = count
        wild = fractal(rng, side, rng.uniform(400, 1200) / fine_m)
        share_wild = rng.uniform(0.25, 0.75) if self.arid else rng.uniform(0.1, 0.6)
        self.use = np.where(wild > np.quantile(wild, 1 - share_wild), 1, 0)  # 0 field, 1 open, 2 wood, 3 rock
        wood = fractal(rng, side, 500 / fine_m)
        self.use[(self.use == 1) & (wood > (1.0 if self.arid else 0.1))] = 2
        self.use[(self.use == 1) & (wood < (-1.1 if self.arid else -1.6))] = 3
        soils = rng.choice(SOILS[climate], 2, replace=False)
        blend = 1 / (1 + np.exp(-2 * fractal(rng, side, 900 / fine_m)))[..., None]
        self.soil = blend * self.of[soils[0]] + (1 - blend) * self.of[soils[1]]
        each = np.exp(rng.normal(0, 0.09, (count, 1)) + rng.normal(0, 0.02, (count, 6)))
        self.soil = np.where((self.use == 0)[..., None], self.soil * each[self.field], self.soil)
        self.grain = rng.uniform(0.03, 0.10) * fractal(rng, side, 40 / fine_m, 3)
        self.rock_name = str(rng.choice(ROCKS[climate]))
        self.wood_thick = np.clip(0.75 + 0.15 * fractal(rng, side, 120 / fine_m), 0.2, 1)
        self.open_thick = np.clip(0.5 + 0.3 * fractal(rng, side, 150 / fine_m), 0, 1)
        # Crops: one or two seasons, years of fallow, a day of sowing per field.
        self.kharif = rng.normal(185, 12, count), rng.normal(290, 12, count)
        self.rabi = rng.normal(318, 14, count), rng.normal(85, 10, count)
        self.has_rabi = rng.random(count) < (rng.uniform(0.05, 0.5) if self.arid else rng.uniform(0.3, 1.0))
        self.has_kharif = rng.random(count) < (rng.uniform(0.3, 0.9) if self.arid else rng.uniform(0.7, 1.0))
        self.fallow = rng.random((count, 9, 2)) < rng.uniform(0.03, 0.2)
        self.rice = rng.random(count) < (0.0 if self.arid else rng.uniform(0, 0.6))
        self.stubble_stays = rng.random(count) < 0.5
        # Houses, a road, a river, tanks.
        self.house = np.zeros((side, side), bool)
        self.roof = np.zeros((side, side), int)
        for _ in range(int(rng.integers(1, 4))):
            r, c = rng.uniform(0, side, 2)
            near = np.hypot(*(np.mgrid[0:side, 0:side] - np.array([r, c])[:, None, None])) * fine_m
            block = rng.integers(0, 9, (side // 4 + 1, side // 4 + 1))
            block = np.kron(block, np.ones((4, 4), int))[:side, :side]
            here = (near < rng.uniform(60, 180)) & (block < 6)
            self.house |= here
            self.roof[here] = block[here] % len(ROOFS)
        self.tanks = []
        for _ in range(int(rng.integers(1, 4))):
            where = rng.uniform(0.08, 0.92, 2) * side
            bowl, _ = ellipse(rng, side, rng.uniform(8_000, 60_000) / fine_m**2, (where[0], where[1]))
            depth = ndimage.distance_transform_edt(bowl)
            self.tanks.append((bowl, depth / depth.max()))
        self.has_river = rng.random() < 0.45
        at = np.arange(side) * fine_m
        course = sum(
            rng.uniform(20, 90) * np.sin(at / rng.uniform(120, 500) + rng.uniform(0, 6)) for _ in range(3)
        )
        self.across = np.mgrid[0:side, 0:side][0] * fine_m - (rng.uniform(0.2, 0.8) * side * fine_m + course)
        if rng.random() < 0.5:
            self.across = self.across.T.copy()
        self.river_half = rng.uniform(15, 60)

    def _leases(self) -> None:
        rng, side, fine_m = self.rng, self.side, self.fine_m
        self.leases = []
        inside = np.zeros((side, side), bool)
        for _ in range(int(rng.integers(1, 4))):
            mask = rectangle(rng, side, 1.0, (0, 0))
            centre = rng.uniform(0.2, 0.8, 2) * side
            turn, size = rng.uniform(0, math.pi), rng.uniform(150, 420, 2) / 2 / fine_m
            corner = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size
            spin = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
            ring = corner @ spin + centre[::-1]  # (x, y) in fine cells
            y, x = np.mgrid[0:side, 0:side] + 0.5
            local = (np.stack([x, y], -1) - centre[::-1]) @ spin.T
            mask = (np.abs(local) <= size).all(-1)
            inside |= mask
            self.leases.append(ring * fine_m)
        away = ndimage.distance_transform_edt(~inside) * fine_m
        self.zone = np.where(inside, 0, np.where(away <= 100, 1, np.where(away <= 500, 2, 3)))
        dug = fractal(rng, side, 90 / fine_m)
        self.old = inside & (dug > rng.uniform(0.2, 1.2))
        self.old_sump = self.old & (dug > 1.9)

    # -- what happens --------------------------------------------------------------------------------------
    def _events(self, climate: str) -> None:
        rng, fine_m, plan = self.rng, self.fine_m, self.plan
        taken = self.old.copy()
        for bowl, _ in self.tanks:
            taken |= bowl
        if self.has_river:
            taken |= np.abs(self.across) < self.river_half + 40
        self.happened: list[tuple[str, NDArray[np.bool_], float, SimpleNamespace]] = []
        wanted = ["pit"] * plan.pits + list(
            rng.choice(
                ["clearing", "construction", "burn", "pond", "field use", "pit water", "meander", "road"],
                plan.distractors,
                p=[0.2, 0.2, 0.15, 0.12, 0.15, 0.06, 0.06, 0.06],
            )
        )
        turn = rng.permutation(4)
        for number, kind in enumerate(str(k) for k in wanted):
            area = math.exp(rng.uniform(math.log(600), math.log(25_000))) / fine_m**2
            day = plan.baseline_days + rng.uniform(0, 0.65) * plan.watch_days
            how = SimpleNamespace(order=None, material=self.rock_name)
            mask = self._place(kind, area, turn[number % 4], taken, how)
            if mask is None or mask.sum() < 6:
                continue
            self._furnish(kind, how, climate)
            taken |= ndimage.binary_dilation(mask, iterations=4 * FINE)
            self.happened.append((kind, mask, day, how))

    def _place(
        self, kind: str, area: float, zone: int, taken: NDArray[np.bool_], how: SimpleNamespace
    ) -> NDArray[np.bool_] | None:
        rng, side = self.rng, self.side
        if kind == "pit water":
            done = any(k == kind for k, *_ in self.happened)
            return None if done else self.old & ~self.old_sump & (fractal(rng, side, 60) > -0.3)
        if kind == "meander":
            if not self.has_river:
                return None
            mid = rng.uniform(0, side)
            axis = np.mgrid[0:side, 0:side][1]
            beside = (self.across > self.river_half) & (self.across < self.river_half + 30)
            return beside & (np.abs(axis - mid) * self.fine_m < 120)
        free = ~taken & ~self.house
        want = {
            "pit": free & (self.zone == zone),
            "clearing": free & ((self.use == 2) | (self.use == 1)),
            "field use": free & (self.use == 0),
        }.get(kind, free)
        spots = np.argwhere(want)
        if not len(spots):
            return None
        for _ in range(40):
            r, c = spots[int(rng.integers(len(spots)))]
            if kind == "pit":
                mask, how.order = ellipse(rng, side, area, (float(r), float(c)))
            elif kind == "construction":
                mask = rectangle(rng, side, min(area, 15_000 / self.fine_m**2), (float(r), float(c)))
            elif kind == "road":
                mask = rectangle(rng, side, 1.0, (float(r), float(c)))
                angle = rng.uniform(0, math.pi)
                y, x = np.mgrid[0:side, 0:side] - np.array([r, c])[:, None, None]
                along, over = (
                    x * math.cos(angle) + y * math.sin(angle),
                    y * math.cos(angle) - x * math.sin(angle),
                )
                mask = (np.abs(over) * self.fine_m < 7) & (np.abs(along) * self.fine_m < rng.uniform(60, 250))
            elif kind == "field use":
                mask = self.field == self.field[r, c]
                if mask.sum() > 30_000 / self.fine_m**2:
                    continue
            else:
                mask, _ = ellipse(rng, side, area * (0.5 if kind == "pond" else 1.0), (float(r), float(c)))
            rows, cols = np.nonzero(mask)
            edge = (
                min(rows.min(), cols.min(), side - 1 - rows.max(), side - 1 - cols.max()) if len(rows) else -1
            )
            near = ndimage.binary_dilation(mask, iterations=2 * FINE)
            if edge > 1 and not (near & taken).any():
                return mask
        return None

    def _furnish(self, kind: str, how: SimpleNamespace, climate: str) -> None:
        rng = self.rng
        if kind == "pit":
            if rng.random() < 0.45:
                how.material = str(rng.choice(ROCKS[climate]))
            how.dirt = float(np.clip(rng.normal(0.25, 0.2), 0, 0.8))
            how.takes = rng.uniform(3, 150)
            how.first = rng.uniform(0.15, 0.8) if rng.random() < 0.75 else 1.0
            how.rough = rng.uniform(0.0, 0.18)
            how.shift = np.exp(rng.normal(0, 0.08) + rng.normal(0, 0.03, 6))
            how.floods = rng.random() < 0.25
            how.wall = rng.uniform(0.55, 0.95)
        elif kind == "construction":
            how.roofs = [
                self.of[rng.choice(ROOFS)] * np.exp(rng.normal(0, 0.2) + rng.normal(0, 0.04, 6))
                for _ in range(2)
            ]
            how.built = rng.uniform(0.2, 0.8) if rng.random() < 0.7 else 1.0
            how.level = np.exp(rng.normal(0.1, 0.08))
            how.takes = rng.uniform(20, 150)
            how.block = int(rng.integers(3, 9))
        elif kind == "burn":
            how.strength, how.fades = rng.uniform(0.5, 1.0), rng.uniform(20, 90)
        elif kind == "pond":
            how.water = str(rng.choice(["clear water", "green water", "muddy water"]))
            how.digs = rng.uniform(0, 25)
        elif kind == "field use":
            how.way = str(rng.choice(["fallow", "level", "plough", "straw"]))
            how.lasts, how.tone = rng.uniform(25, 150), np.exp(rng.normal(0, 0.08))
        elif kind == "road":
            how.cover = str(rng.choice(["asphalt", "murram", "concrete"]))
        elif kind == "clearing":
            how.regrows, how.fresh = rng.uniform(100, 600), np.exp(rng.normal(0.05, 0.10))

    # -- one day -------------------------------------------------------------------------------------------
    def ground(self, day: int) -> Array:
        """(row, col, band) reflectance of the fine ground."""
        of = self.of
        doy = (self.doy + day) % 365
        wet, lush = self.moist[day + 200], self.lush[day + 200]
        year = min(8, (self.doy + day) // 365 + 1)
        darker = 1 - wet * np.linspace(0.35, 0.55, 6)
        bare = self.soil * darker * np.exp(self.grain)[..., None]
        out = bare.copy()
        # fields
        before = max(year - 1, 0)
        grown = np.zeros(self.count)
        rice = np.zeros(self.count)
        straw = np.zeros(self.count)
        seasons = ((self.kharif, self.has_kharif, 0), (self.rabi, self.has_rabi, 1))
        for (up, down), has, k in seasons:
            off = np.where((k == 1) & (doy < 180), self.fallow[:, before, k], self.fallow[:, year, k])
            on = has & ~off
            leaf = rise_and_fall(np.full(self.count, float(doy)), up, down, 12.0) * on
            grown = np.maximum(grown, leaf)
            if k == 0:
                rice = leaf * self.rice
            after = (doy - down) % 365
            straw = np.maximum(
                straw, np.exp(-after / np.where(self.stubble_stays, 45.0, 8.0)) * on * (after < 120)
            )
        green = np.where((rice > 0)[:, None], of["rice"], of["crop"])
        cover = np.clip(0.92 * grown, 0, 1)[:, None]
        dead = np.clip(0.7 * straw, 0, 1)[:, None] * (1 - cover)
        # a flooded rice field before it closes
        young = np.clip(4 * rice * (1 - rice) * (rice < 0.5), 0, 0.8)[:, None]
        soil_part = 1 - cover - dead
        f = self.field
        sown = (
            cover[f] * green[f]
            + dead[f] * of["straw"]
            + soil_part[f] * ((1 - young[f]) * bare + young[f] * of["muddy water"])
        )
        out = np.where((self.use == 0)[..., None], sown, out)
        # what is not sown
        grassy = (self.open_thick * (0.15 + 0.75 * lush))[..., None]
        dry_grass = (self.open_thick * 0.4)[..., None] * (1 - grassy)
        wild = grassy * of["grass"] + dry_grass * of["straw"] + (1 - grassy - dry_grass) * bare
        out = np.where((self.use == 1)[..., None], wild, out)
        leafy = (0.35 + 0.65 * lush) if self.arid else (0.6 + 0.4 * math.sin((doy - 120) / 365 * 2 * math.pi))
        thick = self.wood_thick[..., None]
        woods = thick * (leafy * of["wood"] + (1 - leafy) * of["leafless wood"]) + (1 - thick) * wild
        out = np.where((self.use == 2)[..., None], woods, out)
        stone = of[self.rock_name] * darker**0.6 * np.exp(1.5 * self.grain)[..., None]
        out = np.where((self.use == 3)[..., None], 0.45 * stone + 0.55 * wild, out)
        roofs = np.stack([of[name] for name in ROOFS])
        out[self.house] = (0.7 * roofs[self.roof] + 0.3 * out)[self.house]
        for bowl, depth in self.tanks:
            level = np.clip(0.25 + 0.6 * lush, 0, 1)
            out[bowl] = of["grey loam"] * darker
            out[bowl & (depth > 1 - level)] = of["green water" if lush < 0.4 else "muddy water"]
        if self.has_river:
            width = self.river_half * (0.45 + 0.55 * lush)
            bed = np.abs(self.across) < self.river_half + 12
            out[bed] = (of["river sand"] * darker * np.exp(self.grain)[..., None])[bed]
            out[np.abs(self.across) < width] = of["muddy water" if wet > 0.4 else "clear water"]
        worked = of[self.rock_name] * darker**0.7 * np.exp(2 * self.grain)[..., None]
        out[self.old] = worked[self.old]
        out[self.old_sump] = of["green water"]
        for kind, mask, since, how in self.happened:
            if day >= since:
                self._happen(out, kind, mask, day - since, how, bare, darker, lush, wet)
        return out

    def open_part(self, mask: NDArray[np.bool_], how: SimpleNamespace, age: float) -> NDArray[np.bool_]:
        """What of a pit is dug; it grows in steps of a fifth."""
        share = how.first + (1 - how.first) * min(1.0, math.floor(5 * age / how.takes) / 5)
        return mask & (how.order <= max(share, 1e-9) + 1e-9)

    def _happen(
        self, out: Array, kind: str, mask: NDArray[np.bool_], age: float, how: SimpleNamespace,
        bare: Array, darker: Array, lush: float, wet: float,
    ) -> None:  # fmt: skip
        of = self.of
        if kind == "pit":
            dug = self.open_part(mask, how, age)
            floor = of[how.material] * how.shift * (1 - how.dirt) + bare * how.dirt
            out[dug] = (floor * darker**0.7 * np.exp(how.rough / 0.06 * self.grain)[..., None])[dug]
            inner = ndimage.distance_transform_edt(dug)
            sunless = dug & (inner * self.fine_m < 6) & (np.roll(dug, (4, 3), (0, 1)) == 0)
            out[sunless] *= how.wall
            if how.floods and (lush > 0.5 or wet > 0.5):
                out[dug & (inner > 0.5 * inner.max())] = of["muddy water"]
        elif kind == "construction":
            built = min(how.built, age / how.takes)
            out[mask] = bare[mask] * how.level
            side = self.side
            blocks = np.random.default_rng(int(how.takes * 1e6)).random((side // how.block + 1,) * 2)
            blocks = np.kron(blocks, np.ones((how.block, how.block)))[:side, :side]
            for k, roof in enumerate(how.roofs):
                part = mask & (blocks < built) & ((blocks * 97 % 1 < 0.5) == bool(k))
                out[part] = roof
        elif kind == "burn":
            share = how.strength * math.exp(-age / how.fades)
            out[mask] = share * of["char"] + (1 - share) * out[mask]
        elif kind == "pond":
            out[mask] = bare[mask] * 0.9 if age < how.digs else of[how.water]
        elif kind == "meander":
            out[mask] = of["muddy water" if wet > 0.4 else "clear water"]
        elif kind == "pit water":
            out[mask] = of["clear water"]
        elif kind == "road":
            out[mask] = of[how.cover] * darker**0.3
        elif kind == "field use":
            if age < how.lasts:
                scale = {"fallow": 1.0, "level": 1.12, "plough": 0.82, "straw": 1.0}[how.way]
                out[mask] = of["straw"] if how.way == "straw" else bare[mask] * scale * how.tone
        elif kind == "clearing":
            back = min(0.6, age / how.regrows) * lush
            out[mask] = back * of["grass"] + (1 - back) * (0.15 * of["straw"] + 0.85 * how.fresh * bare[mask])

    # -- as the sensor sees it -----------------------------------------------------------------------------
    def series(self) -> SimpleNamespace:
        rng, plan, cells = self.rng, self.plan, self.plan.cells
        revisit = int(rng.choice([3, 5, 5, 5, 8]))
        passes = np.arange(int(rng.integers(0, revisit)), self.days - 1, revisit)
        if plan.pair:
            first = int(rng.uniform(0, max(1, plan.baseline_days - 40)))
            gap = int(rng.choice([365, 350, 380, 180])) if rng.random() < 0.8 else int(rng.uniform(100, 500))
            passes = np.array([first, min(self.days - 1, max(plan.baseline_days + 20, first + gap))])
        else:
            passes = np.sort(rng.choice(passes, min(plan.scenes, len(passes)), replace=False))
        sigma_shift, spread_gain = rng.uniform(0.05, 0.28), rng.uniform(0.01, 0.06)
        haze_scale, noise = rng.uniform(0.002, 0.02), rng.uniform(0.001, 0.004)
        overcast = rng.uniform(0.1, 0.45)
        blur, mask_miss, mask_grow = rng.uniform(0.3, 0.55), rng.uniform(0.05, 0.35), int(rng.integers(0, 3))
        scenes, masks, clear = [], [], []
        for day in passes:
            fine = np.moveaxis(self.ground(int(day)).astype(np.float32), -1, 0)
            fine = ndimage.gaussian_filter(fine, (0, blur * FINE, blur * FINE))
            shift = np.clip(rng.normal(0, sigma_shift, 2), -0.5, 0.5) * FINE
            fine = ndimage.shift(fine, (0, *shift), order=1, mode="nearest")
            seen = fine.reshape(6, cells, FINE, cells, FINE).mean((2, 4))
            seen, thick, shade = self._sky(seen, int(day), overcast, haze_scale)
            gain = np.exp(rng.normal(0, spread_gain) + rng.normal(0, 0.015, 6))
            lean = (
                1
                + rng.normal(0, 0.015) * np.linspace(-1, 1, cells)[None, :]
                + rng.normal(0, 0.015) * np.linspace(-1, 1, cells)[:, None]
            )
            seen = seen * gain[:, None, None] * lean
            seen = seen + rng.normal(0, 1, seen.shape) * (noise + 0.008 * seen)
            scenes.append(np.clip(seen, 1e-4, 1.6).astype(np.float32))
            told = np.ones((cells, cells), np.uint8)
            found = (
                ndimage.binary_dilation(thick > mask_miss, iterations=mask_grow)
                if mask_grow
                else thick > mask_miss
            )
            told[shade > 0.3], told[found] = 3, 2
            masks.append(told)
            clear.append((thick < 0.1) & (shade < 0.2))
        dates = tuple(self.start + timedelta(days=int(d)) for d in passes)
        until = dates[0] if plan.pair else self.start + timedelta(days=plan.baseline_days - 1)
        wanted = [BANDS.index(b) for b in plan.bands]
        return SimpleNamespace(
            plan=plan,
            dates=dates,
            baseline_until=until,
            scenes=np.stack(scenes)[:, wanted],
            masks=np.stack(masks),
            truly_clear=np.stack(clear),
            leases=tuple(self.leases),
            changes=tuple(self._truth(int(passes[0]), int(passes[-1]))),
        )

    def _sky(self, seen: Array, day: int, overcast: float, haze_scale: float) -> tuple[Array, Array, Array]:
        """(scene under its sky, thickness of cloud, strength of shadow)."""
        rng, cells = self.rng, self.plan.cells
        thick, shade = np.zeros((cells, cells)), np.zeros((cells, cells))
        monsoon = 165 < (self.doy + day) % 365 < 275
        # A pair is chosen for its clear sky, but not by somebody who looks at every corner.
        often = 0.4 if self.plan.pair else overcast * (1.6 if monsoon else 0.7)
        if rng.random() < often:
            share = min(0.10, rng.exponential(0.03)) if self.plan.pair else min(0.85, rng.exponential(0.3))
            level = fractal(rng, cells, rng.uniform(8, 60), 5)
            thick = np.clip((level - np.quantile(level, 1 - share)) / rng.uniform(0.2, 0.8), 0, 1)
            drop = rng.integers(4, 25), rng.integers(-20, 20)
            shade = np.roll(thick, drop, (0, 1)) * (1 - thick)
        white = np.array([0.58, 0.58, 0.585, 0.60, 0.46, 0.36]) * rng.uniform(0.8, 1.25)
        seen = seen * (1 - shade * np.array([0.4, 0.45, 0.5, 0.6, 0.62, 0.64])[:, None, None])
        seen = seen * (1 - thick) + white[:, None, None] * thick
        path = rng.exponential(haze_scale) * np.array([1.0, 0.7, 0.45, 0.25, 0.05, 0.02])
        even = 1.0 if rng.random() < 0.6 else np.clip(1 + 0.6 * fractal(rng, cells, cells / 2, 2), 0, 3)
        return seen + path[:, None, None] * even, thick, shade

    def _truth(self, first: int, last: int) -> list[Change]:
        out = []
        cells = self.plan.cells
        for kind, mask, since, how in self.happened:
            if since > last or since < first:
                continue
            final = self.open_part(mask, how, last - since) if kind == "pit" else mask
            if final.sum() < 4:
                continue
            zone = ZONES[int(np.bincount(self.zone[final], minlength=4).argmax())]
            cover = final.reshape(cells, FINE, cells, FINE).mean((1, 3)).astype(np.float32)
            detail: dict[str, Any] = {"material": how.material}
            area_m2 = float(final.sum() * self.fine_m**2)
            out.append(
                Change(kind, self.start + timedelta(days=math.ceil(since)), area_m2, zone, cover, detail)
            )
        return out
