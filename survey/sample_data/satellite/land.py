"""The land before anything new happens: parcels of ground, each with its own year.

The land is drawn on cells a third of the sensor's, so that a sensor cell mixes what lies in it. A parcel is a
number in ``Land.parcels``; ``Land.reflectance(day)`` gives the spectrum of every parcel on that day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from survey.sample_data.satellite.materials import ROCKS, ROOFS, SOILS, WATERS, Palette, wetted
from survey.sample_data.satellite.weather import Weather

FINE = 3
"""Fine cells along one side of a sensor cell."""


def fractal(rng: np.random.Generator, shape: tuple[int, int], beta: float) -> NDArray[np.float64]:
    """A random field with spectrum k^-beta, zero mean, unit variance."""
    rows, cols = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    k = np.hypot(rows, cols)
    k[0, 0] = np.inf
    phase = rng.normal(size=k.shape) + 1j * rng.normal(size=k.shape)
    out = np.fft.irfft2(phase * k ** (-beta / 2), s=shape)
    return (out - out.mean()) / out.std()


@dataclass
class Parcel:
    """One piece of ground. ``year`` says how green it is and how much straw lies on it, day by day."""

    kind: str
    ground: NDArray[np.float64]
    plant: NDArray[np.float64]
    green: NDArray[np.float64] | float = 0.0
    straw: NDArray[np.float64] | float = 0.0
    flooded: NDArray[np.float64] | float = 0.0
    water: NDArray[np.float64] | None = None
    tilled: NDArray[np.float64] | float = 0.0
    drains: float = 1.0  # how strongly rain darkens it

    def spectrum(self, day: int, weather: Weather, straw: NDArray[np.float64]) -> NDArray[np.float64]:
        def at(value: NDArray[np.float64] | float) -> float:
            return float(value[day]) if isinstance(value, np.ndarray) else float(value)

        bare = wetted(self.ground, self.drains * float(weather.moisture[day])) * math.exp(at(self.tilled))
        litter = at(self.straw)
        bare = (1 - litter) * bare + litter * straw
        if self.water is not None:
            wet = at(self.flooded)
            bare = (1 - wet) * bare + wet * self.water
        cover = at(self.green)
        return (1 - cover) * bare + cover * self.plant


@dataclass
class Land:
    """Everything that was there at the start, on the fine grid."""

    shape: tuple[int, int]  # fine cells
    cell_m: float  # of a fine cell
    palette: Palette
    weather: Weather
    parcels: NDArray[np.int32]
    table: list[Parcel]
    texture: NDArray[np.float32]
    leases: list[NDArray[np.float64]]  # (n, 2) vertices, metres east/south of the north-west corner
    lease_masks: list[NDArray[np.bool_]]
    height_over_water: NDArray[np.float32]  # of tanks and rivers: the level at which a fine cell drowns
    water_parcel: NDArray[np.int32]
    soil: str
    rock: str
    settled: NDArray[np.bool_]
    wooded: NDArray[np.bool_]
    farmed: NDArray[np.bool_]
    extra: dict[str, int] = field(default_factory=dict)

    def reflectance(self, day: int) -> NDArray[np.float32]:
        """(parcel, band) on that day."""
        straw = self.palette["straw"]
        return np.stack([p.spectrum(day, self.weather, straw) for p in self.table]).astype(np.float32)

    def render(self, day: int) -> NDArray[np.float32]:
        """(band, row, col) of the fine grid on that day, before any event of the series."""
        which = self.parcels
        drowned = self.height_over_water < self.weather.store[day]
        which = np.where(drowned, self.water_parcel, which)
        out = self.reflectance(day)[which]
        out *= self.texture[..., None]
        return np.ascontiguousarray(np.moveaxis(out, -1, 0))


def polygon_mask(vertices: NDArray[np.float64], shape: tuple[int, int], cell_m: float) -> NDArray[np.bool_]:
    """Fine cells whose centre lies in the polygon (even-odd rule)."""
    y = (np.arange(shape[0]) + 0.5)[:, None] * cell_m
    x = (np.arange(shape[1]) + 0.5)[None, :] * cell_m
    inside = np.zeros(shape, bool)
    for (x0, y0), (x1, y1) in zip(vertices, np.roll(vertices, -1, axis=0), strict=True):
        crosses = (y0 > y) != (y1 > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            at = x0 + (y - y0) / (y1 - y0) * (x1 - x0)
        inside ^= crosses & (x < at)
    return inside


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


def make_land(
    rng: np.random.Generator, cells: int, cell_m: float, weather: Weather, days: int, style: str
) -> Land:
    """``style``: plain (fields, settlements, tanks), rock (scrub and old quarries), forest, river."""
    palette = Palette(rng)
    shape = (cells * FINE, cells * FINE)
    fine_m = cell_m / FINE
    span = cells * cell_m
    soil = str(rng.choice(SOILS))
    rock = str(rng.choice(ROCKS))
    table: list[Parcel] = []

    def add(parcel: Parcel) -> int:
        table.append(parcel)
        return len(table) - 1

    # Farmland everywhere to begin with.
    pattern = _field_pattern(rng, shape, fine_m)
    habits = list(rng.choice(["rain", "winter", "double", "paddy", "cane", "irrigated"], 3, replace=False))
    shares = rng.dirichlet([2.0, 2.0, 2.0])
    fallow = rng.uniform(0.03, 0.18)
    motley = rng.uniform(0.4, 2.0)
    of_field = np.empty(int(pattern.max()) + 1, np.int32)
    for index in range(len(of_field)):
        habit = str(rng.choice(habits, p=shares))
        green, straw, flooded, tilled = _crop_year(rng, weather, days, habit, fallow)
        of_field[index] = add(
            Parcel(
                "field",
                palette.near(rng, soil, motley),
                palette.near(rng, "leaf", 1.0),
                green,
                straw,
                flooded,
                palette["muddy_water"],
                tilled,
            )
        )
    parcels = of_field[pattern]
    farmed = np.ones(shape, bool)

    # Scrub, woods and stony ground, in patches.
    share = {"plain": 0.18, "rock": 0.75, "forest": 0.85, "river": 0.35}[style]
    patch = fractal(rng, shape, rng.uniform(2.6, 3.4))
    wild = patch > np.quantile(patch, 1.0 - share)
    second = fractal(rng, shape, 3.0)
    woody = {"plain": 0.5, "rock": 0.25, "forest": 0.85, "river": 0.5}[style]
    wood = wild & (second > np.quantile(second, 1.0 - woody))
    scrub = wild & ~wood
    canopy = np.clip(rng.uniform(0.75, 0.95) * weather.leaves[:days], 0.1, 1.0)
    for steps, mask, kind in ((5, wood, "wood"), (6, scrub, "scrub")):
        pieces = fractal(rng, shape, 2.4)
        cuts = np.digitize(pieces, np.quantile(pieces, np.linspace(0, 1, steps + 1)[1:-1]))
        for step in range(steps):
            if kind == "wood":
                green = np.clip(canopy * rng.uniform(0.7, 1.0) + 0.15 * weather.grass[:days], 0.0, 1.0)
                number = add(Parcel(kind, palette.near(rng, soil), palette.near(rng, "canopy"), green, 0.15))
            else:
                cover = rng.uniform(0.15, 0.9)
                green = np.clip(0.08 + cover * weather.grass[:days], 0.0, 0.95)
                ground = palette.near(rng, str(rng.choice([soil, "stony_ground"])))
                number = add(Parcel(kind, ground, palette.near(rng, "leaf"), green, rng.uniform(0.0, 0.5)))
            parcels = np.where(mask & (cuts == step), number, parcels)
    farmed &= ~wild

    # Bare outcrops of the country rock: what a quarry uncovers is often seen near by already.
    if rng.random() < {"plain": 0.2, "rock": 0.8, "forest": 0.3, "river": 0.3}[style]:
        outcrop = wild & (fractal(rng, shape, 2.8) > rng.uniform(1.6, 2.3))
        parcels = np.where(
            outcrop,
            add(Parcel("outcrop", palette.near(rng, rock), palette["leaf"], 0.1 * weather.grass[:days])),
            parcels,
        )

    # Water: a winding river with sand, or tanks at low places.
    height = np.full(shape, np.inf, np.float32)
    water_parcel = np.zeros(shape, np.int32)
    rows, cols = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float64) * fine_m
    extra: dict[str, int] = {}
    if style == "river" or rng.random() < 0.15:
        turn = rng.uniform(0.0, math.pi)
        along = rows * math.cos(turn) + cols * math.sin(turn)
        across = -rows * math.sin(turn) + cols * math.cos(turn)
        middle = across.mean() + rng.uniform(-0.25, 0.25) * span
        wave = rng.uniform(40.0, 130.0)
        length = rng.uniform(500.0, 1400.0)
        centre = middle + wave * np.sin(2 * math.pi * along / length + rng.uniform(0, 6.3))
        centre += 25.0 * fractal(rng, shape, 4.0)
        distance = np.abs(across - centre)
        bed = rng.uniform(50.0, 140.0)
        sand = add(Parcel("sand", palette.near(rng, "river_sand"), palette["leaf"], 0.0, 0.0, drains=0.8))
        parcels = np.where(distance < bed, sand, parcels)
        farmed &= distance > bed
        river = add(
            Parcel(
                "water", palette.near(rng, str(rng.choice(["muddy_water", "clear_water"]))), palette["leaf"]
            )
        )
        level = (distance / bed) * rng.uniform(0.9, 1.4)
        drown = level < 1.25
        height = np.where(drown, level, height).astype(np.float32)
        water_parcel = np.where(drown, river, water_parcel)
        extra["river"] = river
        extra["sand"] = sand
        extra["river_turn"] = int(1000 * turn)
    for _ in range(int(rng.integers(0, 4))):
        r0, c0 = rng.random(2) * span
        size = rng.uniform(25.0, 130.0)
        wobble = 1 + 0.25 * fractal(rng, shape, 3.5)
        away = np.hypot(rows - r0, (cols - c0) * rng.uniform(0.6, 1.6)) / size * wobble
        mud = add(Parcel("mud", palette.near(rng, soil), palette["leaf"], 0.5 * weather.grass[:days] * 0.5))
        tank = add(Parcel("water", palette.near(rng, str(rng.choice(WATERS[:3]))), palette["leaf"]))
        parcels = np.where(away < 1.0, mud, parcels)
        level = (away**2).astype(np.float32) * rng.uniform(0.8, 1.2)
        drown = away < 1.2
        height = np.where(drown, np.minimum(height, level), height).astype(np.float32)
        water_parcel = np.where(drown & (level <= height), tank, water_parcel)
        farmed &= away > 1.2

    # Roads and villages.
    settled = np.zeros(shape, bool)
    roof_parcels = [
        add(Parcel("roof", palette.near(rng, str(rng.choice(ROOFS)), 1.5), palette["leaf"], drains=0.3))
        for _ in range(7)
    ]
    yard = add(Parcel("yard", palette.near(rng, soil, 0.6), palette["leaf"], 0.25 * weather.grass[:days]))
    garden = add(Parcel("garden", palette.near(rng, soil), palette["canopy"], 0.75))
    for _ in range(int(rng.integers(1, 5))):
        r0, c0 = rng.random(2) * span
        size = rng.uniform(40.0, 190.0)
        village = np.hypot(rows - r0, cols - c0) < size * (1 + 0.3 * fractal(rng, shape, 3.0))
        village &= ~np.isfinite(height)
        houses = ndimage.zoom(rng.integers(0, 12, (shape[0] // 4 + 1, shape[1] // 4 + 1)), 4, order=0)
        houses = houses[: shape[0], : shape[1]]
        lookup = np.array([*roof_parcels, yard, yard, yard, garden, garden], np.int32)
        parcels = np.where(village, lookup[houses], parcels)
        settled |= village
    farmed &= ~settled
    asphalt = add(
        Parcel("road", palette.near(rng, str(rng.choice(["asphalt", soil, "concrete"]))), palette["leaf"])
    )
    for _ in range(int(rng.integers(1, 4))):
        turn = rng.uniform(0.0, math.pi)
        line = -rows * math.sin(turn) + cols * math.cos(turn)
        road = np.abs(
            line - line.mean() + rng.uniform(-0.5, 0.5) * span + 12 * fractal(rng, shape, 4.0)
        ) < rng.uniform(3.0, 7.0)
        parcels = np.where(road & ~np.isfinite(height), asphalt, parcels)

    # Old mines in their leases.
    leases: list[NDArray[np.float64]] = []
    lease_masks: list[NDArray[np.bool_]] = []
    old_pit_water = add(Parcel("water", palette.near(rng, "quarry_water"), palette["leaf"]))
    for _ in range(int(rng.integers(1, 4))):
        for _try in range(30):
            centre_xy = rng.uniform(0.18, 0.82, 2) * span
            radius = rng.uniform(110.0, 270.0) * min(1.0, span / 1500.0)
            corners = int(rng.integers(4, 8))
            angles = np.sort(
                rng.uniform(0, 2 * math.pi / corners, corners) + np.arange(corners) * 2 * math.pi / corners
            )
            reach = radius * rng.uniform(0.75, 1.25, corners)
            outline = centre_xy + np.stack([reach * np.cos(angles), reach * np.sin(angles)], 1)
            mask = polygon_mask(outline, shape, fine_m)
            if not any((ndimage.binary_dilation(mask, iterations=3) & other).any() for other in lease_masks):
                break
        else:
            continue
        leases.append(outline)
        lease_masks.append(mask)
        workings = polygon_mask(
            centre_xy + (outline - centre_xy) * rng.uniform(0.3, 0.7) + rng.normal(0, 15, 2), shape, fine_m
        )
        benches = np.digitize(fractal(rng, shape, 2.6), [-0.8, 0.0, 0.9])
        faces = []
        for step in range(4):
            ground = palette.near(rng, rock if step < 3 else "shale", 1.3)
            faces.append(
                add(
                    Parcel(
                        "mine",
                        ground,
                        palette["leaf"],
                        (0.05 + 0.25 * rng.random()) * weather.grass[:days],
                        drains=0.9,
                    )
                )
            )
        parcels = np.where(workings, np.array(faces, np.int32)[benches], parcels)
        farmed &= ~workings
        settled &= ~workings
        if rng.random() < 0.6:
            floor_away = np.hypot(rows - centre_xy[1], cols - centre_xy[0]) / (0.35 * radius)
            pool = workings & (floor_away < 1.0)
            height = np.where(pool, floor_away * rng.uniform(0.5, 1.1), height).astype(np.float32)
            water_parcel = np.where(pool, old_pit_water, water_parcel)

    texture = np.exp(rng.uniform(0.03, 0.08) * fractal(rng, shape, 1.6) + 0.03 * rng.normal(size=shape))
    return Land(
        shape,
        fine_m,
        palette,
        weather,
        parcels.astype(np.int32),
        table,
        texture.astype(np.float32),
        leases,
        lease_masks,
        height,
        water_parcel.astype(np.int32),
        soil,
        rock,
        settled,
        wood,
        farmed,
        extra,
    )
