"""A land drawn from a seed, layer over layer: fields, wild ground, water, villages and roads, old mines."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from survey.sample_data.satellite.land import FINE, Land, Parcel, fractal, polygon_mask
from survey.sample_data.satellite.materials import ROCKS, ROOFS, SOILS, WATERS, Palette
from survey.sample_data.satellite.weather import Weather

Mask = NDArray[np.bool_]

WILD = {"plain": 0.18, "rock": 0.75, "forest": 0.85, "river": 0.35}
"""Share of the land that nobody farms, by style."""
WOODED = {"plain": 0.5, "rock": 0.25, "forest": 0.85, "river": 0.5}
"""Share of the wild ground that is wood."""
OUTCROPS = {"plain": 0.2, "rock": 0.8, "forest": 0.3, "river": 0.3}
"""Chance of bare rock."""


def make_land(
    rng: np.random.Generator, cells: int, cell_m: float, weather: Weather, days: int, style: str
) -> Land:
    """``style``: plain (fields, settlements, tanks), rock (scrub and old quarries), forest, river."""
    drawn = _Countryside(rng, cells, cell_m, weather, days)
    drawn.farm()
    drawn.grow_wild(style)
    if rng.random() < OUTCROPS[style]:
        drawn.lay_bare_rock()
    if style == "river" or rng.random() < 0.15:
        drawn.lead_a_river()
    for _ in range(int(rng.integers(0, 4))):
        drawn.fill_a_tank()
    drawn.build_villages()
    drawn.build_roads()
    drawn.open_old_mines()
    return drawn.land()


def _field_pattern(rng: np.random.Generator, shape: tuple[int, int], cell_m: float) -> NDArray[np.int32]:
    """Parcels of farmland: a bent, turned lattice cut at random, or Voronoi cells."""
    rows, cols = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float64) * cell_m
    bend = rng.uniform(10.0, 60.0)
    rows = rows + bend * fractal(rng, shape, 4.0)
    cols = cols + bend * fractal(rng, shape, 4.0)
    if rng.random() < 0.6:
        turn = rng.uniform(0.0, math.pi)
        u = rows * math.cos(turn) + cols * math.sin(turn)
        v = -rows * math.sin(turn) + cols * math.cos(turn)
        wide, deep = rng.uniform(45.0, 150.0), rng.uniform(35.0, 110.0)
        strip = np.floor(u / deep).astype(np.int64)
        lanes = rng.uniform(0.6, 1.5, 4096)
        block = np.floor((v + 37.0 * (strip % 17)) / (wide * lanes[strip % 4096])).astype(np.int64)
        key = strip * 100003 + block
    else:
        count = int(shape[0] * shape[1] * cell_m**2 / rng.uniform(3000.0, 14000.0)) + 4
        from scipy.spatial import cKDTree

        points = rng.random((count, 2)) * [shape[0] * cell_m, shape[1] * cell_m]
        key = cKDTree(points).query(np.stack([rows.ravel(), cols.ravel()], 1))[1].reshape(shape)
    return np.unique(key, return_inverse=True)[1].reshape(shape).astype(np.int32)


def _crop_year(
    rng: np.random.Generator, weather: Weather, days: int, habit: str, fallow: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(green, straw, flooded, tilled) of a field: what is sown when, with years that slip or are left out."""
    first = weather.start.timetuple().tm_yday
    green, straw, flooded, tilled = (np.zeros(days) for _ in range(4))
    day = np.arange(days)
    seasons = {
        "rain": [(185.0, 110.0)],
        "winter": [(318.0, 125.0)],
        "double": [(185.0, 105.0), (318.0, 120.0)],
        "paddy": [(190.0, 125.0)],
        "cane": [(45.0, 330.0)],
        "irrigated": [(185.0, 105.0), (310.0, 105.0), (65.0, 75.0)],
    }[habit]
    sow_slip = rng.normal(0.0, 8.0)
    for year in range(-1, days // 365 + 2):
        for sow, length in seasons:
            if rng.random() < fallow:
                continue
            start = 365 * year + sow - first + sow_slip + rng.normal(0.0, 7.0)
            length_now = length * rng.uniform(0.9, 1.1)
            age = (day - start) / length_now
            cover = np.clip(
                1.35 * np.sin(np.pi * np.clip(age, 0.0, 1.0)) ** 1.3, 0.0, rng.uniform(0.75, 0.95)
            )
            cover[age > 1.0] = 0.0
            green = np.maximum(green, cover)
            after = day - (start + length_now)
            straw = np.where((after > 0) & (after < 60), 0.75 * np.exp(-np.maximum(after, 0) / 22.0), straw)
            ploughed = (day > start - 25) & (day < start)
            tilled = np.where(ploughed, rng.normal(-0.12, 0.06), tilled)
            if habit == "paddy":
                flooded = np.where((day > start - 8) & (day < start + 30), 0.8, flooded)
    weeds = rng.uniform(0.1, 0.7) * weather.grass[:days]
    idle = green < 0.05
    green = np.where(idle, weeds, green)
    return green, straw, flooded, tilled


class _Countryside:
    """What has been drawn so far. Later layers lie on earlier ones; the order decides what is drawn."""

    def __init__(
        self, rng: np.random.Generator, cells: int, cell_m: float, weather: Weather, days: int
    ) -> None:
        self.rng, self.weather, self.days = rng, weather, days
        self.palette = Palette(rng)
        self.shape = (cells * FINE, cells * FINE)
        self.fine_m, self.span_m = cell_m / FINE, cells * cell_m
        self.soil, self.rock = str(rng.choice(SOILS)), str(rng.choice(ROCKS))
        self.table: list[Parcel] = []
        self.parcels = np.zeros(self.shape, np.int32)
        self.farmed = np.ones(self.shape, bool)
        self.wild, self.wood, self.settled = (np.zeros(self.shape, bool) for _ in range(3))
        self.height = np.full(self.shape, np.inf, np.float32)
        self.water_parcel = np.zeros(self.shape, np.int32)
        self.rows, self.cols = np.mgrid[0 : self.shape[0], 0 : self.shape[1]].astype(np.float64) * self.fine_m
        self.extra: dict[str, int] = {}
        self.leases: list[NDArray[np.float64]] = []
        self.lease_masks: list[Mask] = []

    @property
    def grass(self) -> NDArray[np.float64]:
        return self.weather.grass[: self.days]

    def add(self, parcel: Parcel) -> int:
        self.table.append(parcel)
        return len(self.table) - 1

    def cover(self, where: Mask, parcel: int | NDArray[np.int32]) -> None:
        self.parcels = np.where(where, parcel, self.parcels)

    def drown(self, where: Mask, level: NDArray[np.float64], parcel: int) -> None:
        """Ground that ``parcel`` covers once the store of water reaches ``level``."""
        self.height = np.where(where, level, self.height).astype(np.float32)
        self.water_parcel = np.where(where, parcel, self.water_parcel)

    def farm(self) -> None:
        """Farmland everywhere to begin with."""
        rng, palette = self.rng, self.palette
        pattern = _field_pattern(rng, self.shape, self.fine_m)
        kinds = ["rain", "winter", "double", "paddy", "cane", "irrigated"]
        habits = list(rng.choice(kinds, 3, replace=False))
        shares = rng.dirichlet([2.0, 2.0, 2.0])
        fallow = rng.uniform(0.03, 0.18)
        motley = rng.uniform(0.4, 2.0)
        of_field = np.empty(int(pattern.max()) + 1, np.int32)
        for index in range(len(of_field)):
            habit = str(rng.choice(habits, p=shares))
            green, straw, flooded, tilled = _crop_year(rng, self.weather, self.days, habit, fallow)
            ground, leaf = palette.near(rng, self.soil, motley), palette.near(rng, "leaf", 1.0)
            water = palette["muddy_water"]
            of_field[index] = self.add(Parcel("field", ground, leaf, green, straw, flooded, water, tilled))
        self.parcels = of_field[pattern]

    def grow_wild(self, style: str) -> None:
        """Scrub, woods and stony ground, in patches."""
        rng = self.rng
        patch = fractal(rng, self.shape, rng.uniform(2.6, 3.4))
        self.wild = patch > np.quantile(patch, 1.0 - WILD[style])
        second = fractal(rng, self.shape, 3.0)
        self.wood = self.wild & (second > np.quantile(second, 1.0 - WOODED[style]))
        canopy = np.clip(rng.uniform(0.75, 0.95) * self.weather.leaves[: self.days], 0.1, 1.0)
        for steps, mask, kind in ((5, self.wood, "wood"), (6, self.wild & ~self.wood, "scrub")):
            pieces = fractal(rng, self.shape, 2.4)
            cuts = np.digitize(pieces, np.quantile(pieces, np.linspace(0, 1, steps + 1)[1:-1]))
            for step in range(steps):
                parcel = self._wood(canopy) if kind == "wood" else self._scrub()
                self.cover(mask & (cuts == step), self.add(parcel))
        self.farmed &= ~self.wild

    def _wood(self, canopy: NDArray[np.float64]) -> Parcel:
        rng, palette = self.rng, self.palette
        green = np.clip(canopy * rng.uniform(0.7, 1.0) + 0.15 * self.grass, 0.0, 1.0)
        return Parcel("wood", palette.near(rng, self.soil), palette.near(rng, "canopy"), green, 0.15)

    def _scrub(self) -> Parcel:
        rng, palette = self.rng, self.palette
        green = np.clip(0.08 + rng.uniform(0.15, 0.9) * self.grass, 0.0, 0.95)
        ground = palette.near(rng, str(rng.choice([self.soil, "stony_ground"])))
        return Parcel("scrub", ground, palette.near(rng, "leaf"), green, rng.uniform(0.0, 0.5))

    def lay_bare_rock(self) -> None:
        """Outcrops of the country rock: what a quarry uncovers is often seen near by already."""
        rng, palette = self.rng, self.palette
        outcrop = self.wild & (fractal(rng, self.shape, 2.8) > rng.uniform(1.6, 2.3))
        rock = Parcel("outcrop", palette.near(rng, self.rock), palette["leaf"], 0.1 * self.grass)
        self.cover(outcrop, self.add(rock))

    def lead_a_river(self) -> None:
        """A winding river with sand on its banks."""
        rng, palette = self.rng, self.palette
        turn = rng.uniform(0.0, math.pi)
        along = self.rows * math.cos(turn) + self.cols * math.sin(turn)
        across = -self.rows * math.sin(turn) + self.cols * math.cos(turn)
        middle = across.mean() + rng.uniform(-0.25, 0.25) * self.span_m
        wave = rng.uniform(40.0, 130.0)
        length = rng.uniform(500.0, 1400.0)
        centre = middle + wave * np.sin(2 * math.pi * along / length + rng.uniform(0, 6.3))
        centre += 25.0 * fractal(rng, self.shape, 4.0)
        distance = np.abs(across - centre)
        bed = rng.uniform(50.0, 140.0)
        sand = self.add(
            Parcel("sand", palette.near(rng, "river_sand"), palette["leaf"], 0.0, 0.0, drains=0.8)
        )
        self.cover(distance < bed, sand)
        self.farmed &= distance > bed
        water = palette.near(rng, str(rng.choice(["muddy_water", "clear_water"])))
        river = self.add(Parcel("water", water, palette["leaf"]))
        level = (distance / bed) * rng.uniform(0.9, 1.4)
        self.drown(level < 1.25, level, river)
        self.extra |= {"river": river, "sand": sand, "river_turn": int(1000 * turn)}

    def fill_a_tank(self) -> None:
        """Water in a hollow with a muddy rim."""
        rng, palette = self.rng, self.palette
        r0, c0 = rng.random(2) * self.span_m
        size = rng.uniform(25.0, 130.0)
        wobble = 1 + 0.25 * fractal(rng, self.shape, 3.5)
        away = np.hypot(self.rows - r0, (self.cols - c0) * rng.uniform(0.6, 1.6)) / size * wobble
        mud = self.add(Parcel("mud", palette.near(rng, self.soil), palette["leaf"], 0.25 * self.grass))
        tank = self.add(Parcel("water", palette.near(rng, str(rng.choice(WATERS[:3]))), palette["leaf"]))
        self.cover(away < 1.0, mud)
        level = (away**2).astype(np.float32) * rng.uniform(0.8, 1.2)
        # Where it meets other water, the lower of the two drowns the ground.
        self.drown((away < 1.2) & (level <= self.height), level, tank)
        self.farmed &= away > 1.2

    def build_villages(self) -> None:
        rng, palette = self.rng, self.palette
        roofs = [
            self.add(
                Parcel("roof", palette.near(rng, str(rng.choice(ROOFS)), 1.5), palette["leaf"], drains=0.3)
            )
            for _ in range(7)
        ]
        yard = self.add(Parcel("yard", palette.near(rng, self.soil, 0.6), palette["leaf"], 0.25 * self.grass))
        garden = self.add(Parcel("garden", palette.near(rng, self.soil), palette["canopy"], 0.75))
        lookup = np.array([*roofs, yard, yard, yard, garden, garden], np.int32)
        for _ in range(int(rng.integers(1, 5))):
            r0, c0 = rng.random(2) * self.span_m
            size = rng.uniform(40.0, 190.0)
            round_it = size * (1 + 0.3 * fractal(rng, self.shape, 3.0))
            village = np.hypot(self.rows - r0, self.cols - c0) < round_it
            village &= ~np.isfinite(self.height)
            plots = rng.integers(0, 12, (self.shape[0] // 4 + 1, self.shape[1] // 4 + 1))
            houses = ndimage.zoom(plots, 4, order=0)[: self.shape[0], : self.shape[1]]
            self.cover(village, lookup[houses])
            self.settled |= village
        self.farmed &= ~self.settled

    def build_roads(self) -> None:
        rng, palette = self.rng, self.palette
        surface = str(rng.choice(["asphalt", self.soil, "concrete"]))
        road = self.add(Parcel("road", palette.near(rng, surface), palette["leaf"]))
        for _ in range(int(rng.integers(1, 4))):
            turn = rng.uniform(0.0, math.pi)
            line = -self.rows * math.sin(turn) + self.cols * math.cos(turn)
            aside = line - line.mean() + rng.uniform(-0.5, 0.5) * self.span_m
            off = np.abs(aside + 12 * fractal(rng, self.shape, 4.0))
            self.cover((off < rng.uniform(3.0, 7.0)) & ~np.isfinite(self.height), road)

    def open_old_mines(self) -> None:
        """Old mines in their leases, some with water on the floor."""
        rng = self.rng
        pool = self.add(Parcel("water", self.palette.near(rng, "quarry_water"), self.palette["leaf"]))
        for _ in range(int(rng.integers(1, 4))):
            found = self._lease()
            if found is None:
                continue
            centre, radius, outline, mask = found
            self.leases.append(outline)
            self.lease_masks.append(mask)
            share, aside = rng.uniform(0.3, 0.7), rng.normal(0, 15, 2)
            workings = polygon_mask(centre + (outline - centre) * share + aside, self.shape, self.fine_m)
            benches = np.digitize(fractal(rng, self.shape, 2.6), [-0.8, 0.0, 0.9])
            faces = [self.add(self._face(step)) for step in range(4)]
            self.cover(workings, np.array(faces, np.int32)[benches])
            self.farmed &= ~workings
            self.settled &= ~workings
            if rng.random() < 0.6:
                away = np.hypot(self.rows - centre[1], self.cols - centre[0]) / (0.35 * radius)
                self.drown(workings & (away < 1.0), away * rng.uniform(0.5, 1.1), pool)

    def _lease(self) -> tuple[NDArray[np.float64], float, NDArray[np.float64], Mask] | None:
        """(centre, radius, outline, mask) of a lease clear of the others, if there is room for one."""
        rng = self.rng
        for _ in range(30):
            centre = rng.uniform(0.18, 0.82, 2) * self.span_m
            radius = rng.uniform(110.0, 270.0) * min(1.0, self.span_m / 1500.0)
            corners = int(rng.integers(4, 8))
            within = rng.uniform(0, 2 * math.pi / corners, corners)
            angles = np.sort(within + np.arange(corners) * 2 * math.pi / corners)
            reach = radius * rng.uniform(0.75, 1.25, corners)
            outline = centre + np.stack([reach * np.cos(angles), reach * np.sin(angles)], 1)
            mask = polygon_mask(outline, self.shape, self.fine_m)
            near = ndimage.binary_dilation(mask, iterations=3)
            if not any((near & other).any() for other in self.lease_masks):
                return centre, radius, outline, mask
        return None

    def _face(self, step: int) -> Parcel:
        ground = self.palette.near(self.rng, self.rock if step < 3 else "shale", 1.3)
        green = (0.05 + 0.25 * self.rng.random()) * self.grass
        return Parcel("mine", ground, self.palette["leaf"], green, drains=0.9)

    def land(self) -> Land:
        rough = self.rng.uniform(0.03, 0.08) * fractal(self.rng, self.shape, 1.6)
        texture = np.exp(rough + 0.03 * self.rng.normal(size=self.shape))
        return Land(
            self.shape,
            self.fine_m,
            self.palette,
            self.weather,
            self.parcels.astype(np.int32),
            self.table,
            texture.astype(np.float32),
            self.leases,
            self.lease_masks,
            self.height,
            self.water_parcel.astype(np.int32),
            self.soil,
            self.rock,
            self.settled,
            self.wood,
            self.farmed,
            self.extra,
        )
