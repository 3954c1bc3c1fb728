"""A second simulator of satellite series: another idea of the same world.

It shares no code, spectra or shapes with ``survey.sample_data.satellite``: parcels are Voronoi cells, crops
are pairs of Gaussian seasons, rocks are mixed from a few end members, clouds are sums of discs, and the
sensor's faults are drawn from other laws. What the triggers reach on one when
fitted to the other shows how much they lean on one idea of the world.
"""

from __future__ import annotations

import math
from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from survey.sample_data.satellite import Change, Plan

SUB = 2
"""Ground is drawn in cells of half the sensor's side."""
F32 = NDArray[np.float32]

GREEN = np.array([0.028, 0.055, 0.033, 0.44, 0.21, 0.095])
STUBBLE = np.array([0.085, 0.115, 0.155, 0.255, 0.315, 0.235])
SOILS = np.array(
    [
        [0.060, 0.085, 0.125, 0.190, 0.270, 0.240],
        [0.095, 0.130, 0.185, 0.255, 0.345, 0.300],
        [0.045, 0.058, 0.075, 0.110, 0.180, 0.165],
        [0.120, 0.155, 0.200, 0.265, 0.330, 0.280],
    ]
)
ROCKS = {
    "pale": np.array([0.26, 0.30, 0.34, 0.39, 0.43, 0.38]),
    "grey": np.array([0.13, 0.15, 0.165, 0.19, 0.23, 0.22]),
    "rust": np.array([0.07, 0.10, 0.19, 0.26, 0.33, 0.27]),
    "white": np.array([0.42, 0.46, 0.50, 0.53, 0.54, 0.45]),
    "dark": np.array([0.055, 0.058, 0.065, 0.08, 0.11, 0.115]),
    "sand": np.array([0.17, 0.22, 0.28, 0.34, 0.40, 0.35]),
}
ROOF = np.array(
    [
        [0.20, 0.22, 0.24, 0.26, 0.28, 0.26],
        [0.30, 0.31, 0.32, 0.33, 0.32, 0.29],
        [0.1, 0.12, 0.2, 0.26, 0.3, 0.25],
    ]
)
CHAR = np.array([0.035, 0.04, 0.048, 0.07, 0.12, 0.11])
WATERS = np.array([[0.05, 0.06, 0.04, 0.02, 0.008, 0.005], [0.09, 0.12, 0.11, 0.055, 0.02, 0.012]])
CLOUD = np.array([0.60, 0.60, 0.61, 0.63, 0.50, 0.41])
MICRONS = np.array([0.49, 0.56, 0.665, 0.84, 1.61, 2.19])


def _bump(day: float, centre: float, width: float) -> float:
    away = (day - centre + 182.5) % 365 - 182.5
    return math.exp(-((away / width) ** 2))


def _noise(rng: np.random.Generator, shape: tuple[int, int], cells: float) -> F32:
    out = ndimage.gaussian_filter(rng.normal(0, 1, shape), cells, mode="wrap")
    return (out / out.std()).astype(np.float32)


def _polygon(
    rng: np.random.Generator, size: int, area: float, where: tuple[float, float]
) -> NDArray[np.bool_]:
    """A star-shaped, uneven polygon of ``area`` cells."""
    y, x = np.mgrid[0:size, 0:size]
    dy, dx = y - where[0], x - where[1]
    angle = np.arctan2(dy, dx)
    corners = int(rng.integers(5, 10))
    radius = np.interp(
        (angle + math.pi) / (2 * math.pi) * corners,
        np.arange(corners + 1),
        np.r_[(r := rng.uniform(0.7, 1.3, corners)), r[0]],
    )
    ratio = np.hypot(dy, dx) / radius
    mask: NDArray[np.bool_] = ratio <= np.partition(ratio.ravel(), int(area))[int(area)]
    return mask


def other_world(plan: Plan) -> SimpleNamespace:
    """A series with truth; the fields of ``survey.sample_data.satellite.Series`` that the scorer uses."""
    rng = np.random.default_rng([990_001, plan.seed])
    size = plan.cells * SUB
    fine_m = plan.cell_m / SUB
    shape = (size, size)
    days = plan.baseline_days + plan.watch_days
    start = date(2020, 1, 1) + timedelta(days=int(rng.integers(0, 365)))
    first_doy = start.timetuple().tm_yday

    # -- land
    seeds = rng.uniform(0, size, (max(20, int(size * size * fine_m**2 / rng.uniform(4000, 12000))), 2))
    yx = np.stack(np.mgrid[0:size, 0:size], -1).reshape(-1, 2)
    parcel = cKDTree(seeds).query(yx)[1].reshape(shape)
    count = len(seeds)
    use = rng.choice(["field", "scrub", "forest", "waste", "village"], count, p=[0.55, 0.24, 0.1, 0.07, 0.04])
    base_soil = rng.dirichlet(np.ones(len(SOILS)) * 0.5) @ SOILS
    soils = base_soil * np.exp(rng.normal(0, 0.10, (count, 1)) + rng.normal(0, 0.03, (count, 6)))
    sow = np.stack([rng.normal(190, 14, count), rng.normal(320, 16, count)], 1)
    long = np.stack([rng.normal(55, 8, count), rng.normal(55, 8, count)], 1)
    second = rng.random(count) < rng.uniform(0.2, 0.9)
    skip = rng.random((count, 4)) < 0.12
    texture = 0.06 * _noise(rng, shape, 1.0) + 0.08 * _noise(rng, shape, 9.0)
    roofs = np.exp(rng.normal(0, 0.2, (*shape, 1))) * ROOF[rng.integers(0, len(ROOF), shape)]

    # -- leases, tanks, old workings
    rock_name = str(rng.choice(list(ROCKS)))
    rock = ROCKS[rock_name] * np.exp(rng.normal(0, 0.08, 6))
    leases, inside = [], np.zeros(shape, bool)
    for _ in range(int(rng.integers(1, 4))):
        w, h = rng.uniform(180, 420, 2)
        x, y = rng.uniform(60, size * fine_m - 60 - w), rng.uniform(60, size * fine_m - 60 - h)
        leases.append(np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]]))
        inside[int(y / fine_m) : int((y + h) / fine_m), int(x / fine_m) : int((x + w) / fine_m)] = True
    away = ndimage.distance_transform_edt(~inside) * fine_m
    zones = np.where(inside, 0, np.where(away <= 100, 1, np.where(away <= 500, 2, 3)))
    old = inside & (_noise(rng, shape, 10) > 0.7)
    sump = old & (_noise(rng, shape, 6) > 0.9)
    river_y = size * (0.5 + 0.35 * np.sin(np.arange(size) / size * rng.uniform(3, 9) + rng.uniform(0, 6)))
    has_river = rng.random() < 0.4
    bank = np.abs(np.arange(size)[:, None] - river_y[None, :]) * fine_m
    tank_at = rng.uniform(0.1, 0.9, (int(rng.integers(1, 4)), 2)) * size
    tank = np.min([np.hypot(*(np.mgrid[0:size, 0:size] - t[:, None, None])) for t in tank_at], 0) * fine_m

    # -- what happens
    taken = (tank < 120) | ((bank < 110) & has_river) | old
    happened: list[tuple[str, NDArray[np.bool_], float, dict[str, object], SimpleNamespace]] = []

    def spot(want: NDArray[np.bool_], area: float) -> NDArray[np.bool_] | None:
        reach = 1.5 * math.sqrt(area / math.pi) + 8
        for _ in range(50):
            r, c = rng.uniform(reach, size - reach, 2) if 2 * reach < size else (size / 2, size / 2)
            if not want[int(r), int(c)]:
                continue
            mask = _polygon(rng, size, area, (r, c))
            if not (ndimage.binary_dilation(mask, iterations=6) & taken).any():
                return mask
        return None

    land_of = use[parcel]
    kinds = ["pit"] * plan.pits + list(
        rng.choice(
            ["clearing", "construction", "burn", "pond", "field use", "pit water", "meander"],
            plan.distractors,
        )
    )
    order = rng.permutation(4)
    for number, kind in enumerate(kinds):
        area = math.exp(rng.uniform(math.log(650), math.log(24000))) / fine_m**2
        day = rng.uniform(plan.baseline_days, plan.baseline_days + 0.6 * plan.watch_days)
        want = {
            "pit": (zones == order[number % 4]) & (land_of != "village"),
            "clearing": (land_of == "scrub") | (land_of == "forest"),
            "construction": np.ones(shape, bool),
            "burn": land_of != "village",
            "pond": np.ones(shape, bool),
            "field use": land_of == "field",
        }
        kind = str(kind)
        if kind == "pit water":
            mask = None if any(h[0] == kind for h in happened) else old & ~sump
        elif kind == "meander":
            mask = (bank > 40) & (bank < 75) & (river_y[None, :] > np.arange(size)[:, None])
            mask &= np.abs(np.arange(size)[None, :] - rng.uniform(0, size)) < 18
            if not has_river:
                continue
        elif kind == "field use":
            chosen = spot(want[kind] & ~taken, 40.0)
            mask = None if chosen is None else (parcel == parcel[np.nonzero(chosen)][0]) & ~taken
        else:
            mask = spot(want[kind] & ~taken, min(area, 8000 / fine_m**2) if kind == "pond" else area)
        if mask is None or mask.sum() < 8:
            continue
        how = SimpleNamespace()
        material = ""
        if kind == "pit":
            material = rock_name if rng.random() < 0.6 else str(rng.choice(list(ROCKS)))
            mix = np.clip(rng.normal(0.25, 0.2), 0, 0.7)
            floor = rock if material == rock_name else ROCKS[material] * np.exp(rng.normal(0, 0.1, 6))
            how.floor = (1 - mix) * floor + mix * base_soil * rng.uniform(0.9, 1.3)
            how.relief = np.exp(rng.uniform(0.08, 0.22) * _noise(rng, shape, 1.6))
            how.grows = rng.uniform(5, 120)
            how.floods = rng.random() < 0.2
        elif kind == "construction":
            how.floor = 0.5 * base_soil * 1.2 + 0.5 * ROOF[int(rng.integers(len(ROOF)))]
        elif kind == "burn":
            how.fades = rng.uniform(25, 90)
        elif kind == "pond":
            how.floor = WATERS[int(rng.integers(2))]
        elif kind == "field use":
            how.floor = base_soil * np.exp(rng.normal(0, 0.15, 6))
        else:
            how.floor = base_soil * np.exp(rng.normal(0.05, 0.08, 6))
        core = ndimage.distance_transform_edt(mask)
        how.order = 1 - core / core.max()
        taken |= ndimage.binary_dilation(mask, iterations=8)
        happened.append((kind, mask, day, {"material": material or rock_name}, how))

    # -- scenes
    steps = np.cumsum(rng.choice([5, 5, 10, 10, 15], 400))
    when = [int(d) for d in steps if d < days - 1]
    keep = np.sort(rng.choice(len(when), min(plan.scenes, len(when)), replace=False))
    if plan.pair:
        a = int(rng.uniform(0, plan.baseline_days - 60))
        when, keep = [a, min(days - 2, a + int(rng.choice([365, 340, 390])))], np.arange(2)
    level, murk = rng.uniform(0.02, 0.07), rng.uniform(0.0, 0.03)
    noise = rng.uniform(0.002, 0.005)
    cloudy = rng.uniform(0.3, 0.7)
    scenes, masks, clear, dates = [], [], [], []
    year_green = np.clip(rng.normal(1, 0.15, 8), 0.6, 1.3)
    for day in (when[i] for i in keep):
        doy = (first_doy + day) % 365
        wet = _bump(doy, 215, 55)
        cover = np.zeros(count)
        for season in range(2):
            grown = [_bump(doy, s + g, 0.7 * g) for s, g in zip(sow[:, season], long[:, season], strict=True)]
            on = ~skip[:, min(3, 2 * (day // 365) % 4 + season)] & (second if season else True)
            cover = np.maximum(cover, np.array(grown) * on)
        monsoon = 0.12 + 0.6 * _bump(doy, 240, 60) * year_green[day // 365]
        cover = np.select(
            [use == "field", use == "scrub", use == "forest", use == "waste"],
            [0.95 * cover, monsoon, 0.85 - 0.35 * _bump(doy, 105, 35), 0.25 * monsoon],
            0.15,
        )
        ripe = np.where(
            use == "field", np.clip(cover * 1.5 * (_bump(doy, 290, 30) + _bump(doy, 95, 30)), 0, 1), 0.0
        )
        leaf = cover * (1 - 0.8 * ripe)
        straw = cover - leaf
        bare = soils * (1 - 0.35 * wet)
        of = leaf[:, None] * GREEN + straw[:, None] * STUBBLE + (1 - cover)[:, None] * bare  # (parcel, band)
        ground = of[parcel] * np.exp(texture)[..., None]
        village = land_of == "village"
        ground[village] = 0.6 * roofs[village] + 0.4 * ground[village]
        ground[old] = (rock * np.exp(0.15 * texture[old][:, None] / 0.1)) * (1 - 0.3 * wet)
        full = 60 + 60 * _bump(doy, 270, 80)
        ground[tank < full] = WATERS[1] * (1 - 0.3 * wet)
        rim = (tank >= full) & (tank < 120)
        ground[rim] = SOILS[2] * (1.1 - 0.3 * wet)
        if has_river:
            ground[bank < 95] = ROCKS["sand"] * (1 - 0.3 * wet)
            ground[bank < 40] = WATERS[1]
        ground[sump] = WATERS[0]
        for kind, mask, since, _, how in happened:
            age = day - since
            if age < 0:
                continue
            if kind == "pit":
                part = mask & (how.order >= 1 - min(1.0, 0.35 + age / how.grows))
                ground[part] = (how.floor * how.relief[part][:, None]) * (1 - 0.3 * wet)
                if how.floods and wet > 0.5:
                    ground[part & (how.order < 0.45)] = WATERS[1]
            elif kind == "construction":
                ground[mask] = how.floor * np.exp(0.12 * texture[mask][:, None] / 0.1)
            elif kind == "burn":
                share = math.exp(-age / how.fades)
                ground[mask] = share * CHAR + (1 - share) * ground[mask]
            elif kind in ("pond", "meander"):
                ground[mask] = WATERS[1] if kind == "meander" else how.floor
            elif kind == "pit water":
                ground[mask] = WATERS[0]
            elif kind == "field use":
                if age < 120:
                    ground[mask] = how.floor * (1 - 0.35 * wet)
            else:
                green = min(0.35, age / 500) * monsoon
                ground[mask] = (green * GREEN + (1 - green) * how.floor) * (1 - 0.3 * wet)
        # -- as the sensor sees it
        shift = np.clip(rng.laplace(0, rng.choice([0.05, 0.2]), 2), -0.5, 0.5) * SUB
        seen = np.moveaxis(ground, -1, 0)
        seen = ndimage.gaussian_filter(seen, (0, 0.45 * SUB, 0.45 * SUB))
        seen = ndimage.shift(seen, (0, *shift), order=1, mode="nearest")
        seen = seen.reshape(6, plan.cells, SUB, plan.cells, SUB).mean((2, 4))
        cloud = np.zeros((plan.cells, plan.cells))
        if rng.random() < cloudy * (0.5 + wet) and not plan.pair:
            for _ in range(int(rng.integers(1, 14))):
                r, c = rng.uniform(0, plan.cells, 2)
                y, x = np.mgrid[0 : plan.cells, 0 : plan.cells]
                radius = rng.uniform(3, plan.cells / 3)
                blob = 1.25 - np.hypot(y - r, x - c) / radius + 0.35 * _noise(rng, cloud.shape, 3)
                cloud = np.maximum(cloud, np.clip(2 * blob, 0, 1) * rng.uniform(0.5, 1.0))
        if rng.random() < 0.15:
            cloud = np.maximum(cloud, np.clip(0.08 + 0.08 * _noise(rng, cloud.shape, 12), 0, 0.35))
        drop = (int(rng.integers(-30, -8)), int(rng.integers(-15, 15)))
        shade = ndimage.shift(cloud, drop, order=0, mode="nearest") * (cloud < 0.2)
        seen = seen * (1 - shade * np.linspace(0.45, 0.7, 6)[:, None, None])
        veil = cloud * np.linspace(1, 0.85, 6)[:, None, None]
        seen = seen * (1 - veil) + CLOUD[:, None, None] * veil
        haze = rng.exponential(murk) * (MICRONS / 0.49) ** -1.3
        seen = (seen + haze[:, None, None]) * np.exp(rng.normal(0, level) + rng.normal(0, 0.02, 6))[
            :, None, None
        ]
        seen = np.clip(seen + rng.normal(0, noise, seen.shape), 1e-4, 1.5)
        scenes.append(seen.astype(np.float32))
        told = np.ones(cloud.shape, np.uint8)
        told[shade > 0.25] = 3
        told[cloud > rng.choice([0.1, 0.3])] = 2
        masks.append(told)
        clear.append((cloud < 0.1) & (shade < 0.2))
        dates.append(start + timedelta(days=day))

    last = when[int(keep[-1])]
    changes = []
    for kind, mask, since, detail, how in happened:
        if kind == "pit":
            mask = mask & (how.order >= 1 - min(1.0, 0.35 + max(0.0, last - since) / how.grows))
        if since > last or mask.sum() < 4 or (plan.pair and since < when[int(keep[0])]):
            continue
        zone = ("lease", "buffer", "ring", "beyond")[int(np.bincount(zones[mask], minlength=4).argmax())]
        cover_of = mask.reshape(plan.cells, SUB, plan.cells, SUB).mean((1, 3)).astype(np.float32)
        area_m2 = float(mask.sum() * fine_m**2)
        changes.append(Change(kind, start + timedelta(days=int(since)), area_m2, zone, cover_of, detail))
    bands = ("blue", "green", "red", "nir", "swir1", "swir2")
    wanted = [bands.index(b) for b in plan.bands]
    until = dates[0] if plan.pair else start + timedelta(days=plan.baseline_days - 1)
    return SimpleNamespace(
        plan=plan,
        dates=tuple(dates),
        baseline_until=until,
        scenes=np.stack(scenes)[:, wanted],
        masks=np.stack(masks),
        truly_clear=np.stack(clear),
        leases=tuple(leases),
        changes=tuple(changes),
    )
