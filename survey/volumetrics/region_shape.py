"""What the shape of a change says of its cause: one number per physical idea, on the cells around a region.

Digging starts from ground that was level with its surroundings and leaves a step all around it. A felled tree
stood *above* its surroundings before; a shed has flat top and upright walls; water is level; noise has no
edge; what a survey guessed is smoother than anything it measured. Each idea is a number that a reader can
check on the pictures, in units of metres, of the pair's own noise, or as a share from 0 to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from survey.volumetrics.region_relief import BESIDE_CELLS, coherent, foretold, hollow

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
    odd_high: float = 0.5
    """Share of the outline along which the higher surface, not the lower, breaks with the ground around."""
    foretold: float = 0.0
    """Share of the change that the earlier ground foretells, moved by a cell or blurred."""
    cells_moved: float = 1.0
    """Cells by which the ground would have to be moved down its slope to seem changed by so much."""
    coherent: float = 1.0
    """Share of the rise's slopes that goes on from cell to cell: faces have 1, leaves and noise little."""
    at_repose: float = 0.0
    """Share of the region where the rise slopes as poured earth does."""
    hollow: float = 0.0
    """How far the earlier ground lay below that within three metres, over the change; of crests below 0."""
    rougher_high: float = 0.0
    """ln of the roughness inside on the higher surface over that on the lower one."""
    level_sigmas: float = 1.0
    """Spread of the higher surface inside, in σ of a cell or of a small square: near 1 for water."""
    deeper_within: float = 1.0
    """Mean rise of the half farther from the outline over that of the half nearer to it."""


NAMES = tuple(f.name for f in fields(Shape))
REPOSE = 0.8
"""Tangent of the steepest slope at which poured earth and rock lie."""
AT_REPOSE = (0.45, 0.9)
"""Tangents between which the faces of poured earth and rock lie, as cells show them."""
WALL_SAMPLING = 0.0724
"""σ² = 0.0724·h²·s³·P of the volume under a wall of height h and length P at random to cells of side s."""


@dataclass(frozen=True)
class _Region:
    """A region and what lies around it, on one window. Masks and heights are (rows, cols)."""

    cell_m: tuple[float, float]
    known: NDArray[np.bool_]  # measured in both surveys
    inside: NDArray[np.bool_]
    upward: bool  # whether the region rose
    d: Floats  # rise, turned so that the region's is positive; 0 where not measured
    high: Floats  # the surface that was higher, above the region's earlier mean level
    low: Floats
    depth: Floats  # distance to the outline, of cells inside
    away: Floats  # distance to the region, of cells outside

    @cached_property
    def cell(self) -> float:
        return math.sqrt(self.cell_m[0] * self.cell_m[1])

    @cached_property
    def outside(self) -> NDArray[np.bool_]:
        return self.known & ~self.inside

    @property
    def earlier(self) -> Floats:
        return self.low if self.upward else self.high

    @cached_property
    def mean(self) -> float:
        return float(self.d[self.inside].mean())

    @cached_property
    def median(self) -> float:
        return float(np.median(self.d[self.inside]))

    @cached_property
    def volume(self) -> float:
        """Metres times cells."""
        return max(float(self.d[self.inside].sum()), 1e-9)

    @cached_property
    def width(self) -> float:
        return max(4.0 * float(self.depth[self.inside].mean()), self.cell)

    @cached_property
    def rim(self) -> NDArray[np.bool_]:
        """The outermost cells inside."""
        return self.inside & (self.depth <= 1.01 * max(self.cell_m))


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
    r = _region(before, rise, inside, cell_m)
    tan = _slope(r.earlier, r.known, cell_m)
    slope = float(tan[r.inside].mean())
    tan_rise = _slope(r.d, r.known, cell_m)
    sigma = max(math.hypot(scale.smooth_m, scale.smooth_slope_m * slope), 1e-4)
    edge, closed, standing, odd_high = _step_across(r)
    wall_m = _wall(r)
    whole = _whole(r.inside, cell_m)
    rough_high, rough_low, rough_m, rougher_high = _roughness(r, scale)
    grain_high, grain_low = _grains(r, scale)
    core = _core(r)
    far = r.inside & ~_within_reach(r.d, r.known, r.inside, sigma, r.cell, scale)
    ends = _touching_nothing(r.inside, r.known)
    return Shape(
        mean_sigmas=r.mean / sigma,
        edge_sigmas=edge / sigma,
        edge_share=float(np.clip(edge / max(r.mean, 1e-6), -0.5, 2.0)),
        closed=closed,
        open_edge=float((ends & r.rim).sum()) / max(int(r.rim.sum()), 1),
        width_m=r.width,
        elongation=int(r.inside.sum()) * r.cell * r.cell / r.width**2,
        along_flow=_along_flow(r.depth, r.earlier, r.inside, r.known, cell_m),
        slope=slope,
        standing=standing,
        wall=float(np.clip(wall_m / max(r.median, 1e-6), 0.0, 1.5)),
        level=_spread(r.high[core]) / max(r.mean, 1e-6),
        uneven=_spread(r.d[core]) / max(r.median, 1e-6),
        rough_high=rough_high,
        rough_low=rough_low,
        grain_high=grain_high,
        grain_low=grain_low,
        rough_m=rough_m,
        rectangular=_rectangular(r.inside, cell_m),
        one_cell=float(r.d[r.inside].max()) / r.volume,
        fringe_share=_fringe(r, scale, 3 * sigma) / r.volume,
        sampling_share=_sampling(r, wall_m, encloses=whole is not None) / r.volume,
        towards_end=float(r.d[ends].mean()) / max(r.mean, 1e-6) - 1.0 if ends.any() else 0.0,
        steep=_steep(r, tan_rise),
        # The outline runs half a cell outside the outermost cells' centres.
        piled=r.mean / (REPOSE * max(float(r.depth[r.inside].mean()) - 0.5 * r.cell, 0.25 * r.cell)),
        cells_wide=r.width / r.cell,
        lobe_share=float(np.clip(float(r.d[far].sum()) / r.volume, 0.0, 1.0)),
        whole=whole,
        odd_high=odd_high,
        foretold=foretold(
            r.earlier,
            r.d,
            r.known,
            r.inside | (r.away <= BESIDE_CELLS * r.cell),
            scale.after_cells + 0.5,  # laying one grid on the other takes half a cell more
        ),
        cells_moved=r.median / max(slope * r.cell * scale.after_cells, 1e-3),
        coherent=coherent(r.d, r.inside, cell_m),
        at_repose=float(((tan_rise > AT_REPOSE[0]) & (tan_rise < AT_REPOSE[1]))[r.inside].mean()),
        hollow=hollow(r.earlier, r.known, r.inside, r.cell) / max(r.median, 0.1),
        rougher_high=rougher_high,
        level_sigmas=_spread(r.high[core]) / max(scale.random_m, scale.smooth_m, 1e-4),
        deeper_within=_deeper_within(r),
    )


def _region(before: Floats, rise: Floats, inside: NDArray[np.bool_], cell_m: tuple[float, float]) -> _Region:
    from scipy.ndimage import distance_transform_edt

    known = np.isfinite(before) & np.isfinite(rise)
    inside = inside & known
    sign = 1.0 if float(rise[inside].sum()) > 0 else -1.0
    z0 = np.where(known, before - float(np.mean(before[inside])), 0.0)
    d = np.where(known, sign * np.clip(rise, -1e3, 1e3), 0.0)
    z1 = z0 + sign * d
    high, low = (z1, z0) if sign > 0 else (z0, z1)
    away = distance_transform_edt(~inside, sampling=cell_m)
    return _Region(cell_m, known, inside, sign > 0, d, high, low, _depth(inside, cell_m), away)


def _step_across(r: _Region) -> tuple[float, float, float, float]:
    """Step of the rise across the outline; the share of the outline that has one; how much of it stood, in
    the mean and as the share of the outline where the higher surface breaks with the ground around more than
    the lower one does: terraces and bunds that stand in both surveys spoil the mean, not the share.

    It is taken between bands to both sides of the outline, no wider than the region's half.
    """
    from scipy.ndimage import uniform_filter

    cell = r.cell
    band = float(np.clip(0.35 * r.width, max(LEAST_BAND_M, 2 * cell), max(MOST_BAND_M, 2 * cell)))
    near_in = r.inside & (r.depth <= band + 0.5 * cell)
    near_out = r.outside & (r.away > 1.01 * cell) & (r.away <= band + 1.5 * cell)
    if not near_out.any():
        near_out = r.outside & (r.away <= band + 2.5 * cell)
    side = 2 * max(1, round(band / cell)) + 1

    shares = [
        uniform_filter(where.astype(np.float64), side, mode="constant") for where in (near_in, near_out)
    ]

    def local(values: Floats, where: NDArray[np.bool_], share: Floats) -> Floats:
        total = uniform_filter(np.where(where, values, 0.0), side, mode="constant")
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(share > 1e-9, total / share, np.nan)

    def step(values: Floats) -> Floats:
        steps = (local(values, near_in, shares[0]) - local(values, near_out, shares[1]))[r.rim]
        return steps[np.isfinite(steps)]

    steps, above = step(r.d), step(r.high)
    clear = steps > 0.3 * r.mean
    clear = clear if clear.any() else np.ones(steps.shape, np.bool_)
    odd = (np.abs(above) > np.abs(above - steps))[clear]
    edge = float(steps.mean()) if steps.size else 0.0
    closed = float((steps > 0.3 * r.mean).sum()) / max(int(r.rim.sum()), 1)
    stood = float(above.mean()) if above.size else 0.0
    standing = float(np.clip(stood / max(edge, 0.2 * r.mean, 1e-6), -1.0, 2.0))
    return edge, closed, standing, float(odd.mean()) if odd.size else 0.5


def _wall(r: _Region) -> float:
    """Metres of the rise that come within a cell and a half of the outline."""
    just_in = r.inside & (r.depth > 1.01 * r.cell) & (r.depth <= 2.6 * r.cell)
    if not just_in.any():
        just_in = r.inside
    just_out = r.outside & (r.away > 0.5 * r.cell) & (r.away <= 1.6 * r.cell)
    return float(r.d[just_in].mean()) - (float(r.d[just_out].mean()) if just_out.any() else 0.0)


def _fringe(r: _Region, scale: Scale, limit_m: float) -> float:
    """Metres times cells within the smoothing's reach of the outline.

    Neighbours of the other sign (spoil beside its pit) are no fringe, so a cell counts up to ``limit_m``.
    """
    fringe = r.outside & (r.away <= (scale.radius + 1) * r.cell)
    return float(np.clip(r.d[fringe], -limit_m, limit_m).sum())


def _sampling(r: _Region, wall_m: float, *, encloses: bool) -> float:
    """1 σ of the volume from where walls fall between centres of cells, metres times cells."""
    walls = wall_sampling(r.d, r.known, r.inside | (r.outside & (r.away <= 2.01 * r.cell)))
    if encloses:
        # Ground that it encloses was not told from unchanged ground, so its outline is not known to the cell:
        # what stands along it counts even where cells resolve it.
        upright = math.sqrt(WALL_SAMPLING * 1.1 * float(r.rim.sum())) * max(wall_m, 0.0)
        walls = max(walls, upright)
    return walls


def _core(r: _Region) -> NDArray[np.bool_]:
    """Cells inside that no wall crosses."""
    core = r.inside & (r.depth > min(1.6 * r.cell, 0.2 * r.width))
    return core if int(core.sum()) >= 8 else r.inside


def _roughness(r: _Region, scale: Scale) -> tuple[float, float, float, float]:
    """ln of the roughness inside over that outside, of the higher and the lower surface; metres inside; ln of
    that of the higher over that of the lower surface."""
    core, ring = _core(r), r.outside & (r.away > 2 * r.cell)
    floor = max(scale.random_m * 0.5, 1e-4)
    in_high, in_low = (_rough(z, r.known, core, scale.radius) for z in (r.high, r.low))
    out_high, out_low = (max(_rough(z, r.known, ring, scale.radius), floor) for z in (r.high, r.low))
    return (
        math.log(max(in_high, 0.02 * out_high, 1e-5) / out_high),
        math.log(max(in_low, 0.02 * out_low, 1e-5) / out_low),
        in_high,
        math.log(max(in_high, 1e-4) / max(in_low, 1e-4)) if in_high > 0 and in_low > 0 else 0.0,
    )


def _grains(r: _Region, scale: Scale) -> tuple[float, float]:
    """ln of the grain inside over that outside, on the higher and the lower surface."""
    ring = r.outside & (r.away > 2 * r.cell)
    steps = (scale.after_cells, 1) if r.upward else (1, scale.after_cells)
    high, low = (
        _lacking(_grain(z, r.known, r.inside, k), _grain(z, r.known, ring, k), scale.random_m)
        for z, k in zip((r.high, r.low), steps, strict=True)
    )
    return high, low


def _steep(r: _Region, tan_rise: Floats) -> float:
    """Tangent of the rise's slope that a fifth of the strip along the outline exceeds."""
    cell = r.cell
    within = r.inside & (r.depth <= max(1.0, 2 * cell))
    beside = r.outside & (r.away <= max(0.5, 1.01 * cell))
    return float(np.quantile(tan_rise[within | beside], 0.8))


def _deeper_within(r: _Region) -> float:
    within = r.inside & (r.depth > 0.5 * float(r.depth[r.inside].max()))
    near = r.inside & ~within
    if not near.any():
        return 1.0
    return float(np.clip(float(r.d[within].mean()) / max(float(r.d[near].mean()), 1e-3), 0.0, 5.0))


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
