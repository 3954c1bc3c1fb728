"""What happens to the land: new pits, and the many things that look like them from above.

An event owns some fine cells and paints them. ``turns[cell]`` is the day on which a cell is taken; ``paint``
gets the land as it would have been and returns what it has become.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from survey.sample_data.satellite.land import Land, fractal
from survey.sample_data.satellite.materials import ROCKS, ROOFS, wetted

Paint = Callable[[NDArray[np.float32], NDArray[np.float32], int], NDArray[np.float32]]
"""(reflectance before (band, n), days since taken (n,), day) → reflectance (band, n)."""


@dataclass
class Event:
    kind: str  # pit | clearing | construction | burn | meander | pond | pit water | road | stock | field use
    rows: NDArray[np.int64]  # fine cells
    cols: NDArray[np.int64]
    turns: NDArray[np.float32]  # day on which each is taken
    paint: Paint
    start_day: int
    until_day: int = 10**6
    detail: dict[str, object] = field(default_factory=dict)

    def apply(self, scene: NDArray[np.float32], day: int) -> None:
        """Paint onto a (band, row, col) fine scene in place."""
        if day < self.start_day or day >= self.until_day:
            return
        taken = self.turns <= day
        if not taken.any():
            return
        r, c = self.rows[taken], self.cols[taken]
        scene[:, r, c] = self.paint(scene[:, r, c], day - self.turns[taken], day)

    def footprint(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        out = np.zeros(shape, bool)
        out[self.rows, self.cols] = True
        return out


def blob(
    rng: np.random.Generator, shape: tuple[int, int], centre: tuple[float, float], area: float, rough: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Fine cells (rows, cols) of an uneven round shape of ``area`` fine cells, and 0–1 distance from its
    core."""
    radius = math.sqrt(area / math.pi)
    reach = int(radius * 2.4) + 4
    r0, c0 = int(centre[0]), int(centre[1])
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    turn, stretch = rng.uniform(0, math.pi), math.exp(rng.uniform(-0.35, 0.35))
    u = (x * math.cos(turn) + y * math.sin(turn)) * stretch
    v = (-x * math.sin(turn) + y * math.cos(turn)) / stretch
    angle = np.arctan2(v, u)
    wobble = sum(rough / k * rng.normal() * np.cos(k * angle + rng.uniform(0, 6.3)) for k in range(2, 6))
    away = np.hypot(u, v) / (1.0 + np.clip(wobble, -0.6, 0.8))
    cut = np.partition(away.ravel(), int(area))[int(area)]
    inside = away < cut
    rows, cols = np.nonzero(inside)
    depth = away[inside] / cut
    rows, cols = rows + r0 - reach, cols + c0 - reach
    ok = (rows >= 0) & (rows < shape[0]) & (cols >= 0) & (cols < shape[1])
    return rows[ok], cols[ok], depth[ok]


def box(
    rng: np.random.Generator, shape: tuple[int, int], centre: tuple[float, float], area: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Fine cells of a turned rectangle and their (u, v) coordinates, −0.5 to 0.5."""
    ratio = math.exp(rng.uniform(-0.6, 0.6))
    wide, deep = math.sqrt(area * ratio), math.sqrt(area / ratio)
    reach = int(max(wide, deep)) + 3
    turn = rng.uniform(0, math.pi)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    u = (x * math.cos(turn) + y * math.sin(turn)) / wide
    v = (-x * math.sin(turn) + y * math.cos(turn)) / deep
    inside = (np.abs(u) <= 0.5) & (np.abs(v) <= 0.5)
    rows, cols = np.nonzero(inside)
    u, v = u[inside], v[inside]
    rows, cols = rows + int(centre[0]) - reach, cols + int(centre[1]) - reach
    ok = (rows >= 0) & (rows < shape[0]) & (cols >= 0) & (cols < shape[1])
    return rows[ok], cols[ok], u[ok], v[ok]


def new_pit(
    rng: np.random.Generator, land: Land, centre: tuple[float, float], area_m2: float, day: int, days: int
) -> Event:
    """A pit: floor and faces of fresh rock or subsoil, a shaded wall, spoil; grows at once, in steps or
    steadily; some fill with water in the rains."""
    area = area_m2 / land.cell_m**2
    rows, cols, depth = blob(rng, land.shape, centre, area, rng.uniform(0.1, 0.35))
    n = len(rows)
    roll = rng.random()
    if roll < 0.12:
        material = land.soil  # brick earth, murram: no other ground than the field next to it
        floor = land.palette.near(rng, land.soil, 1.6) * rng.uniform(0.75, 1.2)
    elif roll < 0.55:
        material = land.rock
        floor = land.palette.near(rng, land.rock, 1.2)
    else:
        material = str(rng.choice([*ROCKS, "river_sand", "stony_ground"]))
        floor = land.palette.near(rng, material, 1.2)
    # Thin overburden, dust and weathering: many floors are half soil.
    soil_share = max(0.0, rng.uniform(-0.4, 0.6))
    floor = (1 - soil_share) * floor + soil_share * land.palette.near(rng, land.soil, 1.0)
    spoil = land.palette.near(rng, land.soil, 1.2) * 0.5 + floor * 0.5
    bland = rng.random() < 0.4
    share_spoil = 0.0 if bland else rng.uniform(0.0, 0.3)
    pattern = fractal(rng, land.shape, 2.4)[rows, cols]
    is_spoil = pattern > np.quantile(pattern, 1 - share_spoil) if share_spoil > 0.02 else np.zeros(n, bool)
    sun = rng.uniform(0, 2 * math.pi)
    r0, c0 = rows.mean(), cols.mean()
    facing = np.cos(np.arctan2(rows - r0, cols - c0) - sun)
    wall = (depth > rng.uniform(0.70, 0.88)) & (facing > 0.2)
    spectra = np.where(is_spoil, spoil[:, None], floor[:, None])
    spectra = spectra * np.where(wall, 1.0 if bland else rng.uniform(0.4, 0.8), 1.0)
    mottle = np.exp(rng.uniform(0.0, 0.05 if bland else 0.12) * pattern)
    growth = str(rng.choice(["at once", "steps", "steady"], p=[0.4, 0.3, 0.3]))
    span = rng.uniform(20.0, 140.0)
    if growth == "at once":
        turns = np.full(n, float(day))
    elif growth == "steps":
        turns = day + np.floor(depth**2 * 3.999) / 3.0 * span
    else:
        first = rng.uniform(0.2, 0.5)
        turns = day + np.clip((depth**2 - first) / (1 - first), 0.0, 1.0) * span
    flood_day = 10**6
    low = depth < rng.uniform(0.45, 0.95)
    if rng.random() < 0.3:
        wet_days = np.nonzero(land.weather.moisture[day + 20 :] > 0.75)[0]
        if len(wet_days):
            flood_day = day + 20 + int(wet_days[min(len(wet_days) - 1, int(rng.integers(0, 8)))])
    water = land.palette.near(rng, str(rng.choice(["quarry_water", "muddy_water", "green_water"])))
    order = np.arange(n)

    def paint(before: NDArray[np.float32], since: NDArray[np.float32], today: int) -> NDArray[np.float32]:
        here = order[turns <= today]
        wet = float(land.weather.moisture[today])
        out = wetted(spectra[:, here].T, 0.9 * wet).T * mottle[here]
        if today >= flood_day:
            out = np.where(low[here], water[:, None], out)
        return out.astype(np.float32)

    return Event(
        "pit",
        rows,
        cols,
        turns.astype(np.float32),
        paint,
        day,
        detail={"material": material, "growth": growth, "flooded": flood_day < days},
    )


def clearing(
    rng: np.random.Generator, land: Land, centre: tuple[float, float], area_m2: float, day: int, days: int
) -> Event:
    """Trees or scrub taken away: local soil, litter, and the weeds of the next rain."""
    area = area_m2 / land.cell_m**2
    if rng.random() < 0.5:
        rows, cols, _ = blob(rng, land.shape, centre, area, 0.3)
    else:
        rows, cols, _, _ = box(rng, land.shape, centre, area)
    soil = land.palette.near(rng, str(rng.choice([land.soil, land.soil, "stony_ground"])), 1.0)
    leaf = land.palette.near(rng, "leaf")
    litter = rng.uniform(0.0, 0.5)
    back = rng.uniform(0.2, 1.0)
    turns = np.full(len(rows), float(day)) + rng.uniform(0, 10) * (rng.random(len(rows)) > 0.5)
    mottle = np.exp(rng.uniform(0.02, 0.2) * fractal(rng, land.shape, 2.0)[rows, cols])

    def paint(before: NDArray[np.float32], since: NDArray[np.float32], today: int) -> NDArray[np.float32]:
        wet = float(land.weather.moisture[today])
        bare = wetted(soil, wet) * (1 - litter) + litter * land.palette["straw"]
        green = back * float(land.weather.grass[today]) * np.clip(since / 60.0, 0.0, 1.0)
        here = turns <= today
        return ((bare[:, None] * (1 - green) + leaf[:, None] * green) * mottle[here]).astype(np.float32)

    return Event("clearing", rows, cols, turns.astype(np.float32), paint, day)


def construction(
    rng: np.random.Generator, land: Land, centre: tuple[float, float], area_m2: float, day: int, days: int
) -> Event:
    """A yard is levelled, then roofs and concrete stand in it. Solar parks and plastic houses are of this
    kind."""
    area = area_m2 / land.cell_m**2
    rows, cols, u, v = box(rng, land.shape, centre, area)
    style = str(rng.choice(["houses", "shed", "solar", "plastic"], p=[0.5, 0.3, 0.1, 0.1]))
    ground = land.palette.near(rng, land.soil, 0.8) * rng.uniform(0.9, 1.25)
    built = np.repeat(ground[:, None], len(rows), 1)
    if style == "houses":
        count = int(rng.integers(2, 5))
        plot = np.floor((u + 0.5) * count).astype(int) * count + np.floor((v + 0.5) * count).astype(int)
        roofs = [land.palette.near(rng, str(rng.choice(ROOFS))) for _ in range(count * count + count + 1)]
        fu, fv = ((u + 0.5) * count) % 1.0, ((v + 0.5) * count) % 1.0
        roofed = (fu > 0.2) & (fu < 0.85) & (fv > 0.2) & (fv < 0.85)
        for p in np.unique(plot):
            mask = roofed & (plot == p)
            built[:, mask] = roofs[int(p) % len(roofs)][:, None]
    else:
        name = {
            "shed": str(rng.choice(["metal_roof", "blue_sheet", "concrete"])),
            "solar": "solar_panel",
            "plastic": "plastic_house",
        }[style]
        roofed = (np.abs(u) < 0.42) & (np.abs(v) < 0.42)
        built[:, roofed] = land.palette.near(rng, name)[:, None]
    lag = rng.uniform(0.0, 70.0)
    mottle = np.exp(0.04 * rng.normal(size=len(rows)))
    turns = np.full(len(rows), float(day))

    def paint(before: NDArray[np.float32], since: NDArray[np.float32], today: int) -> NDArray[np.float32]:
        wet = float(land.weather.moisture[today])
        done = (today - day) >= lag
        raw = np.where(roofed & done, built, ground[:, None])
        dried = wetted(raw.T, 1.0 * wet).T
        return (np.where(roofed & done, raw * (1 - 0.1 * wet), dried) * mottle).astype(np.float32)

    return Event("construction", rows, cols, turns.astype(np.float32), paint, day, detail={"style": style})


def burn(
    rng: np.random.Generator, land: Land, centre: tuple[float, float], area_m2: float, day: int, days: int
) -> Event:
    """Char over what was there; it fades in weeks to months."""
    area = area_m2 / land.cell_m**2
    rows, cols, _ = blob(rng, land.shape, centre, area, 0.4)
    char = land.palette.mix({"char": 1.0, "ash": rng.uniform(0.0, 0.4), "straw": rng.uniform(0, 0.2)})
    fade = rng.uniform(20.0, 110.0)
    strength = np.clip(rng.uniform(0.7, 1.0) + 0.15 * fractal(rng, land.shape, 2.0)[rows, cols], 0.2, 1.0)
    soil = land.palette.near(rng, land.soil)

    def paint(before: NDArray[np.float32], since: NDArray[np.float32], today: int) -> NDArray[np.float32]:
        alpha = strength[: before.shape[1]] * np.exp(-since / fade)
        gone = strength[: before.shape[1]] * np.exp(-since / (3 * fade)) * 0.5
        base = (1 - gone) * before + gone * wetted(soil, float(land.weather.moisture[today]))[:, None]
        return ((1 - alpha) * base + alpha * char[:, None]).astype(np.float32)

    return Event("burn", rows, cols, np.full(len(rows), float(day), np.float32), paint, day)


def meander(rng: np.random.Generator, land: Land, day: int, days: int) -> Event | None:
    """The river eats its bank: fields become sand or water along a strip."""
    if "river" not in land.extra:
        return None
    bed = np.isin(land.parcels, [land.extra["sand"]])
    near = ndimage.distance_transform_edt(~bed)
    edge = (near > 0) & (near < rng.uniform(4.0, 16.0))
    picks = np.argwhere(edge)
    if not len(picks):
        return None
    r0, c0 = picks[int(rng.integers(len(picks)))]
    reach = rng.uniform(20.0, 70.0)
    rr, cc = np.nonzero(
        edge & (np.hypot(*(np.indices(land.shape) - np.array([r0, c0])[:, None, None])) < reach)
    )
    sand = land.palette.near(rng, "river_sand")
    water = land.table[land.extra["river"]].spectrum(day, land.weather, land.palette["straw"])
    wet_share = near[rr, cc] < rng.uniform(0.0, 12.0)

    def paint(before: NDArray[np.float32], since: NDArray[np.float32], today: int) -> NDArray[np.float32]:
        m = before.shape[1]
        level = float(land.weather.store[today])
        drowned = wet_share[:m] & (level > 0.35)
        return np.where(
            drowned, water[:, None], wetted(sand, 0.8 * float(land.weather.moisture[today]))[:, None]
        ).astype(np.float32)

    return Event("meander", rr, cc, np.full(len(rr), float(day), np.float32), paint, day)


def pond(
    rng: np.random.Generator, land: Land, centre: tuple[float, float], area_m2: float, day: int, days: int
) -> Event:
    """A farm pond or percolation tank: an earthen rim, then water after rain."""
    area = area_m2 / land.cell_m**2
    rows, cols, u, v = box(rng, land.shape, centre, area)
    rim = land.palette.near(rng, land.soil) * rng.uniform(0.95, 1.15)
    water = land.palette.near(rng, str(rng.choice(["clear_water", "muddy_water", "green_water"])))
    inner = (np.abs(u) < 0.38) & (np.abs(v) < 0.38)
    needs = rng.uniform(0.2, 0.6)

    def paint(before: NDArray[np.float32], since: NDArray[np.float32], today: int) -> NDArray[np.float32]:
        wet = float(land.weather.moisture[today])
        full = float(land.weather.store[today]) > needs
        dry = wetted(rim, wet)[:, None]
        return np.where(inner & full, water[:, None], dry).astype(np.float32) * np.ones(
            before.shape, np.float32
        )

    return Event("pond", rows, cols, np.full(len(rows), float(day), np.float32), paint, day)


def road(rng: np.random.Generator, land: Land, centre: tuple[float, float], day: int, days: int) -> Event:
    """A new earth or tar road of 8 to 16 m."""
    turn = rng.uniform(0, math.pi)
    y, x = np.indices(land.shape).astype(np.float64)
    u = (x - centre[1]) * math.cos(turn) + (y - centre[0]) * math.sin(turn)
    v = -(x - centre[1]) * math.sin(turn) + (y - centre[0]) * math.cos(turn)
    half = rng.uniform(4.0, 8.0) / land.cell_m
    length = rng.uniform(150.0, 700.0) / land.cell_m
    bend = rng.uniform(-1, 1) * 12.0 / land.cell_m
    rows, cols = np.nonzero(
        (np.abs(v - bend * np.sin(2 * u / max(length, 1) * math.pi)) < half) & (np.abs(u) < length / 2)
    )
    surface = land.palette.near(rng, str(rng.choice(["asphalt", land.soil, "laterite", "concrete"])))

    def paint(before: NDArray[np.float32], since: NDArray[np.float32], today: int) -> NDArray[np.float32]:
        return np.repeat(
            wetted(surface, 0.6 * float(land.weather.moisture[today]))[:, None], before.shape[1], 1
        ).astype(np.float32)

    return Event("road", rows, cols, np.full(len(rows), float(day), np.float32), paint, day)


def field_use(
    rng: np.random.Generator, land: Land, centre: tuple[float, float], day: int, days: int
) -> Event | None:
    """A field does what it never did: left bare for half a year, manured, levelled, another crop."""
    r, c = int(centre[0]), int(centre[1])
    number = int(land.parcels[r, c])
    if land.table[number].kind != "field":
        return None
    rows, cols = np.nonzero(land.parcels == number)
    near = (np.abs(rows - r) < 60) & (np.abs(cols - c) < 60)
    rows, cols = rows[near], cols[near]
    soil = land.palette.near(rng, land.soil, 1.3) * rng.uniform(0.8, 1.25)
    cover = rng.uniform(0.0, 0.25)
    leaf = land.palette["leaf"]

    def paint(before: NDArray[np.float32], since: NDArray[np.float32], today: int) -> NDArray[np.float32]:
        green = cover * float(land.weather.grass[today])
        out = wetted(soil, float(land.weather.moisture[today])) * (1 - green) + green * leaf
        return np.repeat(out[:, None], before.shape[1], 1).astype(np.float32)

    until = day + int(rng.uniform(30, 220))
    return Event("field use", rows, cols, np.full(len(rows), float(day), np.float32), paint, day, until)


def drained(rng: np.random.Generator, land: Land, day: int, days: int) -> Event | None:
    """An old flooded pit is pumped dry: its floor shows for the first time in the series."""
    candidates = [
        (rows, cols)
        for mask in land.lease_masks
        if len(rows := np.nonzero(mask & np.isfinite(land.height_over_water))[0]) > 4
        and len(cols := np.nonzero(mask & np.isfinite(land.height_over_water))[1]) > 4
    ]
    if not candidates:
        return None
    rows, cols = candidates[int(rng.integers(len(candidates)))]
    mud = land.palette.near(rng, land.rock) * rng.uniform(0.5, 0.9)

    def paint(before: NDArray[np.float32], since: NDArray[np.float32], today: int) -> NDArray[np.float32]:
        return np.repeat(wetted(mud, 0.3)[:, None], before.shape[1], 1).astype(np.float32)

    return Event("pit water", rows, cols, np.full(len(rows), float(day), np.float32), paint, day)
