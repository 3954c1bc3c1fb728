"""What the shape of a change says of its cause: one number per physical idea, on the cells around a region.

Digging starts from ground that was level with its surroundings and leaves a step all around it. A felled tree
stood *above* its surroundings before; a shed has flat top and upright walls; water is level; noise has no
edge; what a survey guessed is smoother than anything it measured. Each idea is a number that a reader can
check on the pictures, in units of metres, of the pair's own noise, or as a share from 0 to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_BAND_M = 1.5
MOST_BAND_M = 4.0


@dataclass(frozen=True)
class Scale:
    """What the numbers are measured against: 1 σ of the smoothed rise and of one cell's, on flat ground.

    ``certain_m``: what noise lifts no square of the scene to. ``reach_m``: how far from there a rim may lie.
    """

    smooth_m: float
    smooth_slope_m: float
    random_m: float
    radius: int
    after_cells: int = 1
    """Cells of the window in one of the later survey's own, rounded up: it may be coarser than the earlier
    one, and between its cells it was interpolated."""
    certain_m: float = math.inf
    reach_m: float = math.inf


@dataclass(frozen=True)
class Shape:
    """Evidence from heights. Shares are 0…1; ``*_sigmas`` are in units of the smoothed rise's σ here."""

    mean_sigmas: float
    """Mean |rise| of the region."""
    edge_sigmas: float
    """Mean step of the rise across the outline, just inside against just outside."""
    edge_share: float
    """That step as a share of the mean rise: a plateau with walls has 1, a swell without an edge has 0."""
    closed: float
    """Share of the outline along which there is such a step."""
    open_edge: float
    """Share of the outline where data end."""
    width_m: float
    """Four times the mean distance to the outline: the width of a strip, the radius · 4/3 of a disc."""
    elongation: float
    """Area / width²: 0.6 for a disc, n for a strip n times as long as wide."""
    along_flow: float
    """0.5 without direction, to 1 for strips that run down the slope, 0 across it."""
    slope: float
    """Mean slope of the earlier ground, as a tangent."""
    standing: float
    """How much of the step across the outline stood above the surroundings when the place was higher."""
    wall: float
    """How much of the change comes within a cell and a half of the outline: upright sides have 1."""
    level: float
    """Spread of the higher surface inside, over the mean rise: near 0 for roofs and water."""
    uneven: float
    """Spread of the rise inside, over its median: 0 for a layer of one thickness."""
    rough_high: float
    """ln of the roughness inside over that outside, on the surface that was higher."""
    rough_low: float
    """The same on the surface that was lower."""
    grain_high: float
    """ln of the cell-to-cell grain inside over that outside, on the higher surface; a guess has none."""
    grain_low: float
    """The same on the lower surface."""
    rough_m: float
    """Roughness of the higher surface inside, metres."""
    rectangular: float
    """Area over that of the smallest rectangle around."""
    one_cell: float
    """Largest cell's share of the volume."""
    fringe_share: float = 0.0
    """What lies within the smoothing's reach outside the outline, as a share of the volume inside."""
    sampling_share: float = 0.0
    """1 σ, as a share of the volume, of sampling the walls along the outline with cells of this size."""
    towards_end: float = 0.0
    """By how much the rise exceeds its mean where data end: models curl at their rims, pits do not."""
    steep: float = 0.0
    """Tangent of the rise's slope that a fifth of the strip along the outline exceeds: loose earth lies at
    0.6 to 0.8, crowns and walls stand."""
    piled: float = 0.0
    """Mean rise over that of the steepest heap of loose earth that fits the outline: crowns, sheds and
    upright pits have more than 1, however few cells they have."""
    cells_wide: float = 0.0
    """The width in cells: of a handful no side is resolved."""
    lobe_share: float = 0.0
    """The part of the volume out of reach of any certain change: a gentle rim, or noise that joined on."""
    whole: tuple[float, float, float] | None = None
    """Width, elongation and rectangularity of all that the outline encloses, if that is more than itself."""


NAMES = tuple(f.name for f in fields(Shape))
REPOSE = 0.8
"""Tangent of the steepest slope at which poured earth and rock lie."""
WALL_SAMPLING = 0.0724
"""σ² = 0.0724·h²·s³·P of the volume under a wall of height h and length P at random to cells of side s."""


def shape_of(
    before: Floats, rise: Floats, inside: NDArray[np.bool_], cell_m: tuple[float, float], scale: Scale
) -> Shape:
    """Evidence of one region.

    Parameters
    ----------
    before, rise : (rows, cols) earlier heights and rise in metres, NaN = not measured, on a window with a
        margin around the region; both are taken as known only where both were measured.
    inside : cells of the region.
    cell_m : cell height and width, metres.
    """
    from scipy.ndimage import distance_transform_edt, uniform_filter

    known = np.isfinite(before) & np.isfinite(rise)
    inside = inside & known
    n = int(inside.sum())
    sign = 1.0 if float(rise[inside].sum()) > 0 else -1.0
    cell = math.sqrt(cell_m[0] * cell_m[1])
    z0 = np.where(known, before, 0.0)
    level0 = float(np.mean(before[inside]))
    z0 = np.where(known, before - level0, 0.0)
    d = np.where(known, sign * np.clip(rise, -1e3, 1e3), 0.0)
    z1 = z0 + sign * d
    high, low = (z1, z0) if sign > 0 else (z0, z1)
    mean = float(d[inside].mean())

    depth = _depth(inside, cell_m)
    away = distance_transform_edt(~inside, sampling=cell_m)
    width = max(4.0 * float(depth[inside].mean()), cell)
    outside = known & ~inside

    # The band to both sides of the outline over which the step is taken: no wider than the region's half.
    band = float(np.clip(0.35 * width, max(LEAST_BAND_M, 2 * cell), max(MOST_BAND_M, 2 * cell)))
    near_in = inside & (depth <= band + 0.5 * cell)
    near_out = outside & (away > 1.01 * cell) & (away <= band + 1.5 * cell)
    if not near_out.any():
        near_out = outside & (away <= band + 2.5 * cell)
    rim = inside & (depth <= 1.01 * max(cell_m))
    reach = max(1, round(band / cell))

    def local(values: Floats, where: NDArray[np.bool_]) -> Floats:
        share = uniform_filter(where.astype(np.float64), 2 * reach + 1, mode="constant")
        total = uniform_filter(np.where(where, values, 0.0), 2 * reach + 1, mode="constant")
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(share > 1e-9, total / share, np.nan)

    def step(values: Floats) -> Floats:
        return (local(values, near_in) - local(values, near_out))[rim]

    steps = step(d)
    seen = np.isfinite(steps)
    tan = _slope(z0, known, cell_m)
    slope = float(tan[inside].mean())
    sigma = max(math.hypot(scale.smooth_m, scale.smooth_slope_m * slope), 1e-4)
    edge = float(steps[seen].mean()) if seen.any() else 0.0
    closed = float((steps[seen] > 0.3 * mean).sum()) / max(int(rim.sum()), 1)
    above = step(high)
    above_seen = above[seen]
    stood = float(above_seen.mean()) if above_seen.size else 0.0
    standing = float(np.clip(stood / max(edge, 0.2 * mean, 1e-6), -1.0, 2.0))

    just_in = inside & (depth > 1.01 * cell) & (depth <= 2.6 * cell)
    if not just_in.any():
        just_in = inside
    just_out = outside & (away > 0.5 * cell) & (away <= 1.6 * cell)
    across = float(d[just_in].mean()) - (float(d[just_out].mean()) if just_out.any() else 0.0)
    middle = float(np.median(d[inside]))
    wall = float(np.clip(across / max(middle, 1e-6), 0.0, 1.5))

    # Neighbours of the other sign (spoil beside its pit) are not this region's fringe.
    fringe = outside & (away <= (scale.radius + 1) * cell)
    limit = 3 * sigma
    volume = max(float(d[inside].sum()), 1e-9)
    fringe_share = float(np.clip(d[fringe], -limit, limit).sum()) / volume
    walls = wall_sampling(d, known, inside | (outside & (away <= 2.01 * cell)))
    whole = _whole(inside, cell_m)
    if whole is not None:
        # Ground that it encloses was not told from unchanged ground, so its outline is not known to the cell:
        # what stands along it counts even where cells resolve it.
        upright = math.sqrt(WALL_SAMPLING * 1.1 * float(rim.sum())) * max(across, 0.0)
        walls = max(walls, upright)

    core = inside & (depth > min(1.6 * cell, 0.2 * width))
    if int(core.sum()) < 8:
        core = inside
    level = _spread(high[core]) / max(mean, 1e-6)
    uneven = _spread(d[core]) / max(middle, 1e-6)
    ring = outside & (away > 2 * cell)
    rough_in_high, rough_in_low = (_rough(z, known, core, scale.radius) for z in (high, low))
    floor = max(scale.random_m * 0.5, 1e-4)
    out_high, out_low = (max(_rough(z, known, ring, scale.radius), floor) for z in (high, low))

    steps_of = (scale.after_cells, 1) if sign > 0 else (1, scale.after_cells)
    grain = {
        name: _lacking(_grain(z, known, inside, k), _grain(z, known, ring, k), scale.random_m)
        for name, z, k in zip(("high", "low"), (high, low), steps_of, strict=True)
    }

    far = inside & ~_within_reach(d, known, inside, sigma, cell, scale)

    along = (inside & (depth <= max(1.0, 2 * cell))) | (outside & (away <= max(0.5, 1.01 * cell)))
    steep = float(np.quantile(_slope(d, known, cell_m)[along], 0.8))
    cells_out = _touching_nothing(inside, known)
    flow = _along_flow(depth, z0, inside, known, cell_m)
    return Shape(
        mean_sigmas=mean / sigma,
        edge_sigmas=edge / sigma,
        edge_share=float(np.clip(edge / max(mean, 1e-6), -0.5, 2.0)),
        closed=closed,
        open_edge=float((cells_out & rim).sum()) / max(int(rim.sum()), 1),
        width_m=width,
        elongation=n * cell * cell / width**2,
        along_flow=flow,
        slope=slope,
        standing=standing,
        wall=wall,
        level=level,
        uneven=uneven,
        rough_high=math.log(max(rough_in_high, 0.02 * out_high, 1e-5) / out_high),
        rough_low=math.log(max(rough_in_low, 0.02 * out_low, 1e-5) / out_low),
        grain_high=grain["high"],
        grain_low=grain["low"],
        rough_m=rough_in_high,
        rectangular=_rectangular(inside, cell_m),
        one_cell=float(d[inside].max()) / volume,
        fringe_share=fringe_share,
        sampling_share=walls / volume,
        towards_end=float(d[cells_out].mean()) / max(mean, 1e-6) - 1.0 if cells_out.any() else 0.0,
        steep=steep,
        # The outline runs half a cell outside the outermost cells' centres.
        piled=mean / (REPOSE * max(float(depth[inside].mean()) - 0.5 * cell, 0.25 * cell)),
        cells_wide=width / cell,
        lobe_share=float(np.clip(float(d[far].sum()) / volume, 0.0, 1.0)),
        whole=whole,
    )


def wall_sampling(d: Floats, known: NDArray[np.bool_], near: NDArray[np.bool_]) -> float:
    """1 σ of the sum of a rise over cells, metres times cells, from where walls fall between their centres.

    A wall shows as a step between two cells that does not go on in the steps beside it; on a slope that cells
    resolve every step does, and there cells miss nothing. A ridge of one cell is two walls, up and down.
    Along rows and columns together the outline of a wall of length P crosses 4P/(πs) pairs, so that with the
    excess e of each σ² = 0.0724·(π/4)·Σe², which for one upright wall is h²·P/s times 0.0724.
    """
    total = 0.0
    for a, ok, w in ((d, known, near), (d.T, known.T, near.T)):
        if a.shape[1] < 4:
            continue
        step = np.diff(a, axis=1)
        way = np.sign(step[:, 1:-1])
        goes_on = np.maximum(np.maximum(way * step[:, :-2], way * step[:, 2:]), 0.0)
        excess = np.maximum(np.abs(step[:, 1:-1]) - goes_on, 0.0)
        seen = ok[:, :-3] & ok[:, 1:-2] & ok[:, 2:-1] & ok[:, 3:] & (w[:, 1:-2] | w[:, 2:-1])
        total += float((excess[seen] ** 2).sum())
    return math.sqrt(WALL_SAMPLING * math.pi / 4 * total)


def _whole(inside: NDArray[np.bool_], cell_m: tuple[float, float]) -> tuple[float, float, float] | None:
    """The faces of a benched pit are rings; the pit, which they surround, is none."""
    from scipy.ndimage import binary_fill_holes

    whole = binary_fill_holes(inside)
    n = int(whole.sum())
    if n == int(inside.sum()):
        return None
    area = n * cell_m[0] * cell_m[1]
    width = max(4.0 * float(_depth(whole, cell_m)[whole].mean()), math.sqrt(cell_m[0] * cell_m[1]))
    return width, area / width**2, _rectangular(whole, cell_m)


def _depth(inside: NDArray[np.bool_], cell_m: tuple[float, float]) -> Floats:
    """Distance of each cell inside to the outline, metres; the window's border is an outline too."""
    from scipy.ndimage import distance_transform_edt

    return distance_transform_edt(np.pad(inside, 1), sampling=cell_m)[1:-1, 1:-1]


def _spread(values: Floats) -> float:
    """Half of the middle 80 %, in σ of a normal distribution."""
    a, b = np.quantile(values, (0.1, 0.9))
    return float(b - a) / 2.563


def _rough(z: Floats, known: NDArray[np.bool_], where: NDArray[np.bool_], radius: int) -> float:
    """Typical departure of a cell from the mean of the square around it; a plane has none."""
    from scipy.ndimage import uniform_filter

    if not where.any():
        return math.nan
    whole = uniform_filter(known.astype(np.float64), 2 * radius + 1, mode="nearest") > 0.999
    departure = np.abs(z - uniform_filter(z, 2 * radius + 1, mode="nearest"))
    chosen = departure[where & whole]
    return 1.4826 * float(np.median(chosen)) if chosen.size else math.nan


def _grain(z: Floats, known: NDArray[np.bool_], where: NDArray[np.bool_], step: int) -> float | None:
    """σ of one cell from third differences, which vanish on anything guessed by planes, parabolas or splines.

    Of independent cells with σ the third difference has σ·√20. They are taken over ``step`` cells, no less
    than one of the survey's own: between its own cells a coarser survey is a line, and would look guessed
    everywhere. None: no four cells in a row.
    """
    found = []
    for a, w in ((z, known & where), (z.T, (known & where).T)):
        n = a.shape[0] - 3 * step
        if n < 1:
            continue
        q = [slice(k * step, k * step + n) for k in range(4)]
        third = np.abs(a[q[3]] - 3 * a[q[2]] + 3 * a[q[1]] - a[q[0]])
        found.append(third[w[q[3]] & w[q[2]] & w[q[1]] & w[q[0]]])
    joined = np.concatenate(found) if found else np.empty(0)
    return 1.4826 * float(np.median(joined)) / math.sqrt(20.0) if joined.size else None


def _lacking(inside_m: float | None, around_m: float | None, random_m: float) -> float:
    """ln of the grain inside over that around; 0, which says nothing, where there is none around.

    Heights in whole decimetres, or smoothed throughout, have no grain anywhere. What has no four cells in a
    row can show none (-inf): among things that small are more guesses, sheds and crowns than diggings.
    """
    if around_m is None or around_m < max(0.1 * random_m, 1e-4):
        return 0.0
    if inside_m is None:
        return -math.inf
    return math.log(max(inside_m, 1e-5) / around_m)


def _within_reach(
    d: Floats,
    known: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    sigma: float,
    cell: float,
    scale: Scale,
) -> NDArray[np.bool_]:
    """Cells no farther from a certain change of the region than its rim may lie; all where nothing is."""
    from scipy.ndimage import distance_transform_edt, uniform_filter

    side = 2 * scale.radius + 1
    share = uniform_filter(known.astype(np.float64), side, mode="constant")
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = uniform_filter(d, side, mode="constant") / share
    certain = inside & (np.nan_to_num(mean) > scale.certain_m * sigma / max(scale.smooth_m, 1e-4))
    if not certain.any() or not math.isfinite(scale.reach_m):
        return np.ones(d.shape, np.bool_)
    return distance_transform_edt(~certain) * cell <= scale.reach_m


def _slope(z: Floats, known: NDArray[np.bool_], cell_m: tuple[float, float]) -> Floats:
    north, east = np.gradient(z, *cell_m) if min(z.shape) > 1 else (np.zeros_like(z),) * 2
    from scipy.ndimage import uniform_filter

    tan = np.hypot(uniform_filter(north, 3), uniform_filter(east, 3))
    return np.where(known, np.minimum(tan, 5.0), 0.0)


def _along_flow(
    depth: Floats, z: Floats, inside: NDArray[np.bool_], known: NDArray[np.bool_], cell_m: tuple[float, float]
) -> float:
    """Mean of sin² between the outline's normal and the fall line, weighted by slope."""
    from scipy.ndimage import gaussian_filter

    if min(z.shape) < 3:
        return 0.5
    smooth = 2.0 / math.sqrt(cell_m[0] * cell_m[1])
    weight = gaussian_filter(known.astype(np.float64), smooth)
    ground = gaussian_filter(z, smooth) / np.maximum(weight, 1e-6)
    gn, ge = np.gradient(ground, *cell_m)
    nn, ne = np.gradient(gaussian_filter(depth, 1.0), *cell_m)
    g2, n2 = (gn * gn + ge * ge)[inside], (nn * nn + ne * ne)[inside]
    dot = (gn * nn + ge * ne)[inside]
    total = float((g2 * n2).sum())
    return 1 - float((dot * dot).sum()) / total if total > 1e-12 else 0.5


def _touching_nothing(inside: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells with nothing measured within three cells; the window's own border counts as the data's end."""
    from scipy.ndimage import maximum_filter

    missing = np.pad(~known, 3, constant_values=True)
    return maximum_filter(missing, 7)[3:-3, 3:-3] & inside


def _rectangular(inside: NDArray[np.bool_], cell_m: tuple[float, float]) -> float:
    import shapely

    edge = inside.copy()
    edge[1:-1, 1:-1] &= ~(inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:])
    r, c = np.nonzero(edge)
    corners = np.concatenate(
        [np.stack([(c + i) * cell_m[1], (r + j) * cell_m[0]], axis=1) for i in (0, 1) for j in (0, 1)]
    )
    around = shapely.minimum_rotated_rectangle(shapely.multipoints(corners)).area
    return float(min(1.0, inside.sum() * cell_m[0] * cell_m[1] / max(around, 1e-9)))
