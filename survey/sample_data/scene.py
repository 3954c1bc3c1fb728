"""``make_scene``: a seed and a few wishes in, two surveys and what is true about them out."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon

from ..grid import Grid
from .fields import Floats, rng_of
from .options import SceneOptions
from .ortho import make_ortho
from .populate import populate
from .render import on_points, see, world_coordinates
from .truth import Truth, make_truth
from .world import World, bare_world


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A ground control point as the rover measured it, in its survey's reference system."""

    name: str
    east: float
    north: float
    height: float
    sigma_m: float
    type: str  # GCP | CHECK


@dataclass(frozen=True, eq=False)
class Scene:
    """Two surveys of one world. Heights float32, metres, NaN = not measured; grids north up, metric."""

    seed: int
    options: SceneOptions
    world: World
    before_grid: Grid
    after_grid: Grid
    before: NDArray[np.float32]  # surface models
    after: NDArray[np.float32]
    before_dtm: NDArray[np.float32]  # terrain models: trees, crops, sheds and vehicles taken away
    after_dtm: NDArray[np.float32]
    truth: Truth

    @property
    def lease(self) -> Polygon:
        """In the earlier survey's reference system."""
        return self.world.lease

    @property
    def grids(self) -> tuple[Grid, Grid]:
        return self.before_grid, self.after_grid

    @cached_property
    def orthos(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """(bands, rows, cols) of each survey, on ``ortho_grids``; painted when first asked for."""
        o = self.options
        first, second = self.ortho_grids
        return (
            make_ortho(self.world, 0, first, o.before_error),
            make_ortho(self.world, 1, second, o.after_error),
        )

    @property
    def ortho_grids(self) -> tuple[Grid, Grid]:
        cell = self.options.ortho_cell_m
        if cell is None:
            return self.grids
        return _recelled(self.before_grid, cell), _recelled(self.after_grid, cell)

    def checkpoints(self, epoch: int) -> tuple[Checkpoint, ...]:
        """Points on open, gentle, unchanged ground, with a rover's own error of 1 to 2 cm."""
        return _checkpoints(self, epoch)

    def true_rise(self) -> Floats:
        """Surface after − before at the centres of the earlier grid, without any survey error."""
        east, north = world_coordinates(self.before_grid, self.world.epsg)
        return on_points(self.world, 1, east, north)[1] - on_points(self.world, 0, east, north)[1]


def make_scene(seed: int, options: SceneOptions | None = None, **wishes: Any) -> Scene:
    """A scene from a seed; ``wishes`` are fields of ``SceneOptions``. Same arguments, same bytes.

    200 × 200 cells take about a tenth of a second; four million about four.

    Raises ``ValueError`` for a wish that does not exist or cannot be met.
    """
    known = {f.name for f in fields(SceneOptions)}
    if unknown := sorted(set(wishes) - known):
        raise ValueError(f"a scene has no option {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    options = replace(options or SceneOptions(), **wishes)
    world = populate(*bare_world(seed, options))
    grids = scene_grids(world)
    first = see(world, 0, grids[0], options.before_error, options.before_artefacts)
    second = see(world, 1, grids[1], options.after_error, options.after_artefacts)
    truth = make_truth(
        world,
        grids,
        (np.isfinite(first.dsm), np.isfinite(second.dsm)),
        (options.before_error, options.after_error),
        (first.patches, second.patches),
    )
    return Scene(seed, options, world, *grids, first.dsm, second.dsm, first.dtm, second.dtm, truth)


def crs_wkt(epsg: int) -> str:
    from pyproj import CRS

    return CRS.from_epsg(epsg).to_wkt()


def scene_grids(world: World) -> tuple[Grid, Grid]:
    """The earlier grid fills the world's box; the later covers it with its own cells and origin."""
    o = world.options
    w, s, e, n = world.box
    first = Grid(
        crs_wkt(o.epsg), w, n, o.cell_m, o.cell_m,
        math.floor((n - s) / o.cell_m + 1e-9), math.floor((e - w) / o.cell_m + 1e-9),
    )  # fmt: skip
    cell = o.after_cell_m or o.cell_m
    epsg = o.after_epsg or o.epsg
    if epsg != o.epsg:
        from pyproj import Transformer

        w, s, e, n = Transformer.from_crs(o.epsg, epsg, always_xy=True).transform_bounds(w, s, e, n)
        w, n = math.floor(w / cell) * cell, math.ceil(n / cell) * cell
    second = Grid(
        crs_wkt(epsg), w + o.after_offset_m[0], n + o.after_offset_m[1], cell, cell,
        math.floor((n - s) / cell + 1e-9), math.floor((e - w) / cell + 1e-9),
    )  # fmt: skip
    return first, second


def _recelled(grid: Grid, cell: float) -> Grid:
    return Grid(
        grid.crs_wkt, grid.west, grid.north, cell, cell,
        math.floor(grid.height * grid.cell_north / cell + 1e-9),
        math.floor(grid.width * grid.cell_east / cell + 1e-9),
    )  # fmt: skip


def _checkpoints(scene: Scene, epoch: int) -> tuple[Checkpoint, ...]:
    world = scene.world
    rng = rng_of(scene.seed, "checkpoints", epoch)
    w, s, e, n = world.box
    tries = max(400, 40 * scene.options.checkpoints)
    east, north = rng.uniform(w + 8, e - 8, tries), rng.uniform(s + 8, n - 8, tries)
    things = world.things(epoch) + world.things(1 - epoch)
    free = np.ones(tries, bool)
    for bw, bs, be, bn in (t.body.box for t in things if t.body.box[2] - t.body.box[0] < 0.8 * (e - w)):
        free &= ~((east > bw - 3) & (east < be + 3) & (north > bs - 3) & (north < bn + 3))
    height, *_ = on_points(world, epoch, east[None, :], north[None, :])
    found: list[Checkpoint] = []
    back = None
    grid = scene.grids[epoch]
    if grid.crs.to_epsg() != world.epsg:
        from pyproj import Transformer

        back = Transformer.from_crs(world.epsg, grid.crs, always_xy=True)
    seen = np.isfinite((scene.before, scene.after)[epoch])
    for k in np.nonzero(free)[0]:
        if len(found) == scene.options.checkpoints:
            break
        x, y = float(east[k]), float(north[k])
        if math.hypot(*world.terrain.slope_at(x, y)) > 0.3:
            continue
        if back is not None:
            x, y = back.transform(x, y)
        row, col = grid.row_col(x, y)
        r, c = round(float(row)), round(float(col))
        inside = 1 <= r < grid.height - 1 and 1 <= c < grid.width - 1
        if not inside or not seen[r - 1 : r + 2, c - 1 : c + 2].all():
            continue
        sigma = float(rng.choice([0.01, 0.015, 0.02]))
        dx, dy, dz = rng.normal(0, sigma, 3)
        kind = "GCP" if len(found) < min(5, scene.options.checkpoints // 3) else "CHECK"
        found.append(
            Checkpoint(
                f"{'G' if kind == 'GCP' else 'C'}{len(found) + 1:02d}",
                round(x + dx, 3), round(y + dy, 3), round(float(height[0, k]) + dz, 3), sigma, kind,
            )
        )  # fmt: skip
    return tuple(found)
