"""Put digging and other change into a world: where it stands, what form it has, what it is called."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import shapely
from shapely.geometry import Polygon

from . import materials as m
from .disturb import Crop, Gully, Pool, Trees
from .fields import Bools, Floats, lattice_over, rng_of
from .materials import Change, Thing
from .outlines import Blob, Path, Rectangle
from .profiles import Benches, Bowl, Faces
from .shapes import Paint, Surface, Uneven, Wall
from .sites import HEAP_SHAPES, PIT_SHAPES, make_site
from .world import BUFFER_M, Room, World, blob, farther_than

Fits = Callable[[Floats, Floats, Floats], Bools]


def populate(world: World, room: Room) -> World:
    """The world with everything that its options ask for and that finds room."""
    changes: list[Change] = []
    stands: list[Change] = []
    # The order decides who gets the room: what must straddle a line comes first.
    _workings(world, changes)
    _sites(world, room, changes)
    _pools(world, room, changes)
    _groves(world, room, changes, stands)
    _crops(world, room, changes)
    _boxes(world, room, changes, stands)
    _gullies(world, room, changes)
    if len({c.id for c in changes}) != len(changes):
        raise AssertionError("two changes share an id")
    return replace(world, changes=tuple(changes), stands=tuple(stands))


# -- the lease's own work ------------------------------------------------------------------------------
def _workings(world: World, changes: list[Change]) -> None:
    """The lease's own pit goes deeper and wider, its dump grows, as ``workings_growth`` says."""
    growth = world.options.workings_growth
    if growth <= 0:
        return
    rng = rng_of(world.seed, "workings")
    for old in world.existing:
        if old.id not in ("old-pit", "old-heap"):
            continue
        uneven = old.after[0].body
        assert isinstance(uneven, Uneven)
        body = uneven.of
        assert isinstance(body, Surface)
        assert isinstance(body.profile, Benches)
        wider = 1 + 0.75 * growth
        assert isinstance(body.outline, Blob)
        outline = replace(body.outline, radius_m=body.outline.radius_m * wider)
        lifts = body.profile.count + (1 if growth > 0.15 else 0)
        level = body.level_m
        if body.sign > 0:
            level += 0.3 * growth * body.profile.lift_m
        new = Surface(outline, replace(body.profile, count=lifts), level, body.sign, body.apron_m)
        rough = lattice_over(rng, new.box, 1.2, 0.5, 5.0).scaled(0.06)
        kind = "pit" if body.sign < 0 else "heap"
        material = m.FRESH if body.sign < 0 else m.WASTE
        changes.append(Change(f"work-{kind}", kind, "workings", after=(Thing(Uneven(new, rough), material),)))


# -- pits and heaps ------------------------------------------------------------------------------------
def _sites(world: World, room: Room, changes: list[Change]) -> None:
    options, rng = world.options, rng_of(world.seed, "sites")
    near = shapely.union_all([n.polygon for n in world.neighbours]) if world.neighbours else Polygon()

    def off_neighbour(e: Floats, n: Floats, r: float) -> Bools:
        if near.is_empty:
            return np.ones(np.shape(e), bool)
        return shapely.distance(near, shapely.points(e, n)) > r

    def in_neighbour(e: Floats, n: Floats, r: float) -> Bools:
        return shapely.contains(near.buffer(-r), shapely.points(e, n))

    def fits(zone: str, r: float) -> Fits:
        if zone == "lease":
            return lambda e, n, d: d < -r - 2
        if zone == "boundary":
            return lambda e, n, d: (np.abs(d) < 0.6 * r) & off_neighbour(e, n, r)
        if zone == "buffer":
            return lambda e, n, d: (d > r + 2) & (d < BUFFER_M - 2 - r) & off_neighbour(e, n, r)
        if zone == "line":
            return lambda e, n, d: (np.abs(d - BUFFER_M) < 0.6 * r) & off_neighbour(e, n, r)
        if zone == "beyond":
            return lambda e, n, d: (d > BUFFER_M + 2 + r) & off_neighbour(e, n, r)
        return lambda e, n, d: in_neighbour(e, n, r) & (d > r + 2)

    wanted = [
        zone
        for zone in ("boundary", "line", "beyond", "neighbour", "buffer", "lease")
        for _ in range(getattr(options, f"sites_{zone}"))
    ]
    given = list(options.shapes)
    for k, zone in enumerate(wanted):
        low, high = options.site_radius_m
        size = float(np.exp(rng.uniform(math.log(low), math.log(high))))
        heap = bool(rng.random() < options.heap_share)
        shape = given[k] if k < len(given) else str(rng.choice(HEAP_SHAPES if heap else PIT_SHAPES))
        spot = room.place(rng, size * 1.15, fits(zone, size))
        if spot is None:
            continue
        changes.append(make_site(world, rng, f"site-{k:02d}", shape, spot, size))
        if shape in PIT_SHAPES and zone != "lease":
            _beside(world, room, rng, changes, k, spot, size)
    _backfill(world, rng, changes)


def _beside(
    world: World,
    room: Room,
    rng: np.random.Generator,
    changes: list[Change],
    k: int,
    spot: tuple[float, float],
    size: float,
) -> None:
    """What diggers leave beside a pit: now and then a spoil heap, often a wheel track that leads away."""
    spoil, track = rng.random() < world.options.spoil_share, rng.random() < 0.5
    if spoil and size > 6:
        small = float(rng.uniform(0.35, 0.55)) * size

        def next_to(e: Floats, n: Floats, d: Floats) -> Bools:
            gap = np.hypot(e - spot[0], n - spot[1]) - 1.15 * size - small
            return gap < 3 * room.margin_m

        place = room.place(rng, small, next_to)
        if place:
            shape = str(rng.choice(["cones", "flat top"]))
            changes.append(make_site(world, rng, f"spoil-{k:02d}", shape, place, small))
    if track:
        way, bend = rng.uniform(0, 2 * math.pi), rng.uniform(-0.8, 0.8)
        points = tuple(
            (
                spot[0] + 0.9 * size * math.cos(way) + t * math.cos(way + bend * t / 60),
                spot[1] + 0.9 * size * math.sin(way) + t * math.sin(way + bend * t / 60),
            )
            for t in np.linspace(0, 70, 8).tolist()
        )
        path = Path(points, 1.6)
        thing = Thing(Paint(path.box), m.ROAD, paint=path)
        changes.append(Change(f"track-{k:02d}", "track", "track", after=(thing,)))


def _backfill(world: World, rng: np.random.Generator, changes: list[Change]) -> None:
    """One old pit outside the workings is partly filled, if there are two or more of them."""
    pits = [c for c in world.existing if c.id.startswith("old-pit-")]
    if len(pits) < 2:
        return
    old = pits[int(rng.integers(len(pits)))].after[0].body
    assert isinstance(old, Uneven)
    pit = old.of
    assert isinstance(pit, Surface)
    deep = pit.profile.depth_m
    assert isinstance(pit.outline, Blob)
    inner = blob(rng, pit.outline.east, pit.outline.north, pit.outline.radius_m * 1.1, 0.3)
    level = pit.level_m - deep * float(rng.uniform(0.2, 0.6))
    fill = Surface(inner, Faces(0.3, 30), level - 0.3, 1)
    rough = lattice_over(rng, fill.box, 1.0, 0.5, 4.0).scaled(0.05)
    changes.append(Change("site-bf", "backfill", "backfill", after=(Thing(Uneven(fill, rough), m.WASTE),)))


# -- what is no digging --------------------------------------------------------------------------------
def _groves(world: World, room: Room, changes: list[Change], stands: list[Change]) -> None:
    options, rng = world.options, rng_of(world.seed, "groves")
    for fate in ("grown", "felled", "standing"):
        for k in range(getattr(options, f"groves_{fate}")):
            size = float(rng.uniform(5, 14))
            spot = room.place(rng, size, lambda e, n, d: np.ones(np.shape(e), bool))
            if spot is None:
                continue
            count = int(np.clip(size**2 / 12, 2, 30))
            way, far = rng.uniform(0, 2 * math.pi, count), np.sqrt(rng.uniform(0, 1, count)) * (size - 2)
            radius = rng.uniform(1.0, 2.6, count)
            height = radius * rng.uniform(1.1, 2.4, count)
            trees = Trees(
                np.stack([spot[0] + far * np.cos(way), spot[1] + far * np.sin(way), radius, height], 1),
                world.cover["crown"],
            )
            thing = Thing(trees, m.TREE, canopy=True)
            if fate == "standing":
                stands.append(Change(f"grove-{k}", "standing", "trees", (thing,), (thing,)))
            elif fate == "felled":
                changes.append(Change(f"felled-{k}", "felling", "trees", before=(thing,)))
            else:
                young = rng.random() < 0.5
                less = trees.grown(float(rng.uniform(0.35, 0.7)), float(rng.uniform(0.6, 0.9)))
                earlier = (Thing(less, m.TREE, canopy=True),) if young else ()
                changes.append(Change(f"growth-{k}", "tree growth", "trees", earlier, (thing,)))


def _crops(world: World, room: Room, changes: list[Change]) -> None:
    options, rng = world.options, rng_of(world.seed, "crops")
    turn = float(rng.uniform(0, 90))
    for k in range(options.crops):
        size = float(rng.uniform(12, 30))
        spot = room.place(rng, size, farther_than(size))
        if spot is None:
            continue
        plot = Rectangle(*spot, size * 1.5, size * float(rng.uniform(0.7, 1.2)), turn)
        tall = float(rng.uniform(0.3, 1.5))
        row = float(rng.uniform(0.6, 1.5))

        def standing(height: float, green: bool, plot: Rectangle = plot, row: float = row) -> Thing:
            crop = Crop(plot, height, row, world.cover["crown"])
            material = m.TILLED if height < 0.08 else m.CROP_GREEN if green else m.CROP_DRY
            return Thing(crop, material, canopy=True, paint=plot)

        green = bool(rng.random() < 0.7)
        states = [standing(tall, green), standing(float(rng.uniform(0.0, 0.1)), False)]
        if rng.random() < 0.5:
            states.reverse()
        changes.append(Change(f"crop-{k}", "crop", "parcel", (states[0],), (states[1],)))


def _boxes(world: World, room: Room, changes: list[Change], stands: list[Change]) -> None:
    options, rng = world.options, rng_of(world.seed, "boxes")
    for what, number in (("vehicle", options.vehicles), ("shed", options.sheds)):
        for k in range(number):
            if what == "vehicle":
                length, width, tall = rng.uniform(5, 10), rng.uniform(2.4, 4.2), rng.uniform(2.2, 4.0)
                material = m.PAINTED
            else:
                length, width, tall = rng.uniform(6, 18), rng.uniform(4, 9), rng.uniform(2.8, 5.0)
                material = m.METAL
            spot = room.place(rng, length / 2, lambda e, n, d: np.ones(np.shape(e), bool))
            if spot is None:
                continue
            body = Wall(
                Rectangle(*spot, float(length), float(width), float(rng.uniform(0, 180))),
                world.terrain.level_at(*spot) + float(tall),
            )
            thing = (Thing(body, material, canopy=True),)
            fate = rng.random()
            if what == "shed" and fate < 0.4:
                stands.append(Change(f"shed-{k}", "standing", "shed", thing, thing))
            elif fate < 0.65:
                changes.append(Change(f"{what}-{k}", "vehicle or shed", what, after=thing))
            else:
                changes.append(Change(f"{what}-{k}", "vehicle or shed", what, before=thing))


def _pools(world: World, room: Room, changes: list[Change]) -> None:
    """Ponds in hollows whose water stands higher or lower the year after."""
    rng = rng_of(world.seed, "pools")
    for k in range(world.options.pools):
        size = float(rng.uniform(8, 20))
        spot = room.place(rng, size * 1.1, lambda e, n, d: np.ones(np.shape(e), bool))
        if spot is None:
            continue
        outline = blob(rng, *spot, size, 0.7)
        deep = float(rng.uniform(2.0, 5.0))
        rim = world.terrain.level_at(*spot)
        basin = Thing(Surface(outline, Bowl(deep, outline.radius_m), rim, -1, 0.1 * size), m.NATURAL)
        low, high = sorted(rng.uniform(0.1, 0.9, 2))
        high = min(max(high, low + 0.15), 0.95)
        levels = [rim - deep + deep * float(f) for f in (low, high)]
        if rng.random() < 0.5:
            levels.reverse()
        before, after = (Thing(Pool(outline, level), m.WATER) for level in levels)
        changes.append(Change(f"pool-{k}", "water", "pool", (basin, before), (basin, after)))


def _gullies(world: World, room: Room, changes: list[Change]) -> None:
    rng = rng_of(world.seed, "gullies")
    w, s, e, n = world.box
    for k in range(world.options.gullies):
        for _ in range(8):
            spot = (float(rng.uniform(w + 10, e - 10)), float(rng.uniform(s + 10, n - 10)))
            line = world.terrain.flow_line(*spot, float(rng.uniform(40, 160)))
            inside = (line[:, 0] > w + 5) & (line[:, 0] < e - 5) & (line[:, 1] > s + 5) & (line[:, 1] < n - 5)
            if not inside.all():
                line = line[: int(np.argmin(inside))]
            clear = all(
                np.hypot(line[:, 0] - te, line[:, 1] - tn).min(initial=np.inf) > tr + 3
                for te, tn, tr in room.taken
            )
            if len(line) >= 16 and clear:
                path = Path(tuple(map(tuple, line.tolist())), float(rng.uniform(0.6, 1.4)))
                gully = Gully(path, float(rng.uniform(0.3, 1.1)))
                changes.append(Change(f"gully-{k}", "erosion", "gully", after=(Thing(gully, m.NATURAL),)))
                room.taken += [(float(x), float(y), 3.0) for x, y in line[::3]]
                break
