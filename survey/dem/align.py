"""Alignment of a later survey on an earlier one: what is applied, what it is worth, and why.

The order of work: sample both surveys; find the shift and the stable ground together, from the mode of the
rise; settle the shift on stable cells alone; choose tilt and dome by stable blocks left out; fit height
terms under the noise's own covariance. Every number that leaves is rounded to micrometres, so that no
machine's last bit can show in a volume.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from survey.dem import stable as _stable
from survey.dem.coregister import Basis, Fit, Tiling, first_fit, refine_shift
from survey.dem.rise import Correction
from survey.dem.robust import nmad
from survey.dem.sampling import (
    REACH_M,
    WINDOW_CELLS,
    Points,
    Resampler,
    Window,
    points,
    read_whole,
    stride,
)
from survey.dem.trend import LEAST_BLOCKS, Trend, choose_terms, fit_trend
from survey.grid import Grid

MOST_POINTS = 160_000
LEAST_STABLE = 500
BLOCKS_FOR_EVERY_TERM = 24
"""Fewer stable blocks than these cannot carry tilt and dome beside their own noise."""
NAMES = ("up", "tilt_east", "tilt_north", "dome")


@dataclass(frozen=True)
class Wishes:
    """What the job says about each term: True applies it, False leaves it out, None lets the data decide."""

    horizontal: bool | None = None
    vertical: bool | None = None
    tilt: bool | None = None
    dome: bool | None = None


@dataclass(frozen=True)
class Term:
    name: str
    value: float
    sigma: float
    unit: str
    applied: bool
    why: str


@dataclass(frozen=True)
class Alignment:
    """What is done to the later survey, how sure that is, and the stable ground it was learnt from."""

    east_m: float
    north_m: float
    correction: Correction
    terms: tuple[Term, ...]
    shift_covariance: NDArray[np.float64]  # (2, 2) m²; what remains unknown of the shift, applied or not
    trend: Trend | None
    full_trend: Trend | None  # with every height term the blocks can carry: what was left out could be this
    basis: Basis
    stable_area_m2: float
    nmad_before_m: float
    nmad_after_m: float
    residual: NDArray[np.float64]  # (n,) at the sampled points, aligned; NaN where not stable
    stable: NDArray[np.bool_]
    points: Points
    notes: tuple[tuple[str, str], ...] = ()
    histogram: tuple[NDArray[np.float64], NDArray[np.float64]] = field(
        default_factory=lambda: (np.empty(0), np.empty(0))
    )

    @property
    def up_sigma_m(self) -> float:
        return math.sqrt(self.trend.covariance[0, 0]) if self.trend else math.nan


Masker = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]
"""Given eastings and northings (n,), says which points may be stable ground."""


@dataclass(frozen=True)
class _Ground:
    """The sampled points and the blocks they lie in: what every step of the alignment looks at."""

    at: Points
    untouched: NDArray[np.float64]  # (n,) rise before anything is moved
    use: NDArray[np.bool_]  # (n,) measured twice, and allowed to be stable
    columns: NDArray[np.float64]  # (n, 4) height terms
    block: NDArray[np.int64]  # (n,) number of the point's block
    cols: int
    tiling: Tiling
    side_m: float
    full: int  # sampled points in a whole block

    def stable(self, residual: NDArray[np.float64]) -> NDArray[np.bool_]:
        least = max(8, int(0.05 * self.full))
        return _stable.stable_cells(residual, self.use, self.block, self.cols, least=least)

    def blocks(self, rise: NDArray[np.float64], stable: NDArray[np.bool_]) -> _stable.Blocks:
        return _stable.block_means(self.at, rise, stable, self.block, self.columns, self.side_m, self.full)


@dataclass(frozen=True)
class _Shift:
    """What was decided about the horizontal shift, and the rise (n,) at it."""

    east_m: float
    north_m: float
    covariance: NDArray[np.float64]  # (2, 2) m²; what remains unknown
    rise: NDArray[np.float64]
    applied: bool
    why: str
    notes: tuple[tuple[str, str], ...] = ()


def align(
    sample: list[Window],
    job: Grid,
    after_grid: Grid,
    interest: NDArray[np.float64],
    wishes: Wishes,
    usable: Masker | None = None,
    tie: tuple[float, float] | None = None,
) -> Alignment:
    """Lay the later survey on the earlier one.

    Parameters
    ----------
    sample : windows of both surveys (:func:`survey.dem.sampling.load`).
    interest : (k, 2) east, north of points of the area whose volumes are asked for, to see whether stable
        ground surrounds it.
    usable : ground that may be stable (outside workings, not vegetated …); all of it if None.
    tie : height difference after - before at check points and its σ, used where stable ground is missing.
    """
    at = points(sample, job, MOST_POINTS)
    basis = _basis(job)
    resampler = Resampler(sample, at, job, after_grid)
    untouched = resampler.at(0.0, 0.0) - at.before
    use = np.isfinite(untouched)
    if usable is not None:
        use &= usable(at.east, at.north)
    if wishes.vertical is not False and int(use.sum()) < LEAST_STABLE:
        return _without_ground(at, untouched, use, basis, tie, f"{int(use.sum())} usable cells")
    ground = _ground(sample, job, at, basis, untouched, use)
    if wishes.vertical is False:
        return _unaligned(ground, basis, job, sample)
    reach = min(REACH_M, 90 * after_grid.cell_m)
    fit = first_fit(at, resampler, basis, use, horizontal=wishes.horizontal is not False, reach_m=reach)
    shift = _shift(ground, resampler, fit, wishes.horizontal, reach, job.cell_m)
    stable, blocks = _settled(ground, shift.rise, fit.beta)
    if blocks.count < LEAST_BLOCKS or int(stable.sum()) < LEAST_STABLE // 2:
        return _without_ground(at, untouched, use, basis, tie, f"{blocks.count} stable blocks")
    inside = _hull_holds(*_corners(blocks), interest)
    terms, reasons = choose_terms(
        blocks, np.array([inside, inside]), {"tilt": wishes.tilt, "dome": wishes.dome}
    )
    trend = fit_trend(blocks, terms)
    every = (0, 1, 2, 3) if blocks.count >= BLOCKS_FOR_EVERY_TERM else terms
    full_trend = trend if every == terms else fit_trend(blocks, every)
    correction = _correction(trend, basis)
    residual = np.where(stable, shift.rise + correction.at(at.east, at.north), np.nan)
    notes = shift.notes
    if not inside:
        said = "stable ground does not surround the area of interest: its error is extrapolated"
        notes = (*notes, ("extrapolated", said))
    return Alignment(
        east_m=round(shift.east_m, 6),
        north_m=round(shift.north_m, 6),
        correction=correction,
        terms=_terms(shift, trend, full_trend, basis, reasons),
        shift_covariance=shift.covariance,
        trend=trend,
        full_trend=full_trend,
        basis=basis,
        stable_area_m2=_area(sample, job, stable, at),
        nmad_before_m=nmad(untouched[stable]),
        nmad_after_m=nmad(residual),
        residual=residual,
        stable=stable,
        points=at,
        notes=notes,
        histogram=(untouched[stable], residual[stable]),
    )


def _basis(job: Grid) -> Basis:
    b = job.bounds
    return Basis(
        round((b.west + b.east) / 2, 3),
        round((b.south + b.north) / 2, 3),
        max(1.0, round(max(b.east - b.west, b.north - b.south) / 2, 3)),
    )


def _ground(
    sample: list[Window],
    job: Grid,
    at: Points,
    basis: Basis,
    untouched: NDArray[np.float64],
    use: NDArray[np.bool_],
) -> _Ground:
    side = _stable.block_side(job, not read_whole(job), WINDOW_CELLS)
    block, cols, tiling = _stable.block_of(at, side, job)
    full = _points_per_block(sample, at, side)
    columns = basis.columns(at.east, at.north)
    return _Ground(at, untouched, use, columns, block, cols, tiling, side * job.cell_m, full)


def _shift(
    ground: _Ground, resampler: Resampler, fit: Fit, wish: bool | None, reach: float, cell_m: float
) -> _Shift:
    """Apply the shift that stable cells show, if they show one well enough, or if the job asks for it."""
    if wish is False:
        off = "switched off in the job"
        return _Shift(0.0, 0.0, np.zeros((2, 2)), ground.untouched, False, off)
    residual = resampler.at(fit.east_m, fit.north_m) - ground.at.before + ground.columns @ fit.beta
    east, north, covariance, moved = refine_shift(
        ground.at, resampler, ground.columns, ground.stable(residual), ground.tiling, fit, reach
    )
    known = bool(np.isfinite(covariance).all())
    sigma = math.sqrt(max(np.linalg.eigvalsh(covariance)[-1], 0.0)) if known else math.inf
    length = math.hypot(east, north)
    applied, why = _worth_applying(length, sigma, wish, cell_m)
    notes = []
    if max(abs(east), abs(north)) >= 0.98 * reach:
        applied, why = False, f"no shift within {reach:.0f} m lays the surveys on each other"
        notes.append(("shift-out-of-reach", f"{why}; heights alone were aligned"))
    if applied:
        return _Shift(east, north, covariance, moved, True, why, tuple(notes))
    # What the ground cannot tell may be there: as large as its σ, and no larger than the fit saw.
    unknown = min(sigma, max(length, cell_m)) if math.isfinite(sigma) else cell_m
    notes.append(("shift-unknown", f"horizontal shift not applied: {why}"))
    return _Shift(0.0, 0.0, np.eye(2) * unknown**2, ground.untouched, False, why, tuple(notes))


def _worth_applying(length_m: float, sigma_m: float, wish: bool | None, cell_m: float) -> tuple[bool, str]:
    if wish is True and math.isfinite(sigma_m):
        return True, "asked for in the job"
    if sigma_m <= 0.5 * cell_m:
        return True, f"the ground shows it to ±{1.96 * sigma_m:.3f} m"
    if length_m > 3 * sigma_m:
        return True, f"{length_m:.2f} m, {length_m / sigma_m:.1f} times its σ"
    if math.isfinite(sigma_m):
        return False, f"the ground is too flat to tell: ±{1.96 * sigma_m:.2f} m"
    return False, "the ground is flat or slopes one way only: no shift can be told"


def _settled(
    ground: _Ground, rise: NDArray[np.float64], beta: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], _stable.Blocks]:
    """Stable points and their blocks, judged again with the height terms that they themselves imply."""
    for _ in range(3):
        stable = ground.stable(rise + ground.columns @ beta)
        blocks = ground.blocks(rise, stable)
        if blocks.count < LEAST_BLOCKS:
            break
        flexible = (0, 1, 2, 3) if blocks.count >= BLOCKS_FOR_EVERY_TERM else (0,)
        new = np.zeros(4)
        new[list(flexible)] = np.linalg.lstsq(blocks.columns[:, flexible], -blocks.value, rcond=None)[0]
        if np.abs(new - beta).max() < 1e-4:
            break
        beta = new
    return stable, blocks


def _points_per_block(sample: list[Window], at: Points, side: int) -> int:
    """Sampled cells in a whole block."""
    return max(1, round((side / stride(sample, MOST_POINTS)) ** 2))


def _area(sample: list[Window], job: Grid, stable: NDArray[np.bool_], at: Points) -> float:
    """Stable area of the whole scene, from its share in the sample."""
    cells = sum(w.piece.height * w.piece.width for w in sample)
    share = min(1.0, float(stable.sum()) * stride(sample, MOST_POINTS) ** 2 / cells)
    return share * job.height * job.width * job.cell_area_m2


def _correction(trend: Trend, basis: Basis) -> Correction:
    beta = np.zeros(4)
    beta[list(trend.terms)] = trend.beta
    s = basis.scale_m
    return Correction(
        up=round(float(beta[0]), 6),
        tilt_east=round(float(beta[1]) / s, 12),
        tilt_north=round(float(beta[2]) / s, 12),
        dome=round(float(beta[3]) / s**2, 15),
        centre_east=basis.centre_east,
        centre_north=basis.centre_north,
    )


def _terms(
    shift: _Shift, trend: Trend, full_trend: Trend, basis: Basis, reasons: dict[str, str]
) -> tuple[Term, ...]:
    covariance, applied, why = shift.covariance, shift.applied, shift.why
    out = [
        Term("east", shift.east_m, math.sqrt(max(covariance[0, 0], 0)), "m", applied, why),
        Term("north", shift.north_m, math.sqrt(max(covariance[1, 1], 0)), "m", applied, why),
    ]
    scale = (1.0, basis.scale_m, basis.scale_m, basis.scale_m**2 / 1e6)
    units = ("m", "m/m", "m/m", "m/km²")
    for column, name in enumerate(NAMES):
        used = column in trend.terms
        source = trend if used else full_trend
        reason = "stable ground" if column == 0 else reasons["dome" if column == 3 else "tilt"]
        if column in source.terms:
            k = source.terms.index(column)
            value = float(source.beta[k]) / scale[column]
            sigma = math.sqrt(source.covariance[k, k]) / scale[column]
        else:
            value = sigma = math.nan
        out.append(Term(name, value, sigma, units[column], used, reason))
    return tuple(out)


def _corners(blocks: _stable.Blocks) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """East, north of the stable blocks' corners: the ground reaches half a block beyond their means."""
    half = 0.5 * blocks.side_m
    east = np.concatenate([blocks.east + a * half for a in (-1, -1, 1, 1)])
    north = np.concatenate([blocks.north + b * half for b in (-1, 1, -1, 1)])
    return east, north


def _hull_holds(east: NDArray[np.float64], north: NDArray[np.float64], interest: NDArray[np.float64]) -> bool:
    """Whether nine tenths of the points of interest lie inside the convex hull of the stable ground."""
    from scipy.spatial import Delaunay, QhullError

    if interest.size == 0:
        return True
    try:
        hull = Delaunay(np.stack([east, north], axis=1))
    except (QhullError, ValueError):
        return False
    return float((hull.find_simplex(interest) >= 0).mean()) >= 0.9


def _unaligned(ground: _Ground, basis: Basis, job: Grid, sample: list[Window]) -> Alignment:
    """The job asks for no alignment; noise is still learnt from the ground that stayed."""
    at, untouched = ground.at, ground.untouched
    stable = ground.stable(untouched)
    blocks = ground.blocks(untouched, stable)
    trend = fit_trend(blocks, (0,)) if blocks.count >= LEAST_BLOCKS else None
    off = "alignment is switched off in the job"
    residual = np.where(stable, untouched, np.nan)
    up = float(trend.beta[0]) if trend else math.nan
    return Alignment(
        0.0,
        0.0,
        Correction(centre_east=basis.centre_east, centre_north=basis.centre_north),
        tuple(
            Term(name, up if name == "up" else math.nan, math.nan, unit, False, off)
            for name, unit in (
                ("east", "m"),
                ("north", "m"),
                ("up", "m"),
                ("tilt_east", "m/m"),
                ("tilt_north", "m/m"),
                ("dome", "m/km²"),
            )
        ),
        np.zeros((2, 2)),
        trend,
        trend,
        basis,
        _area(sample, job, stable, at),
        nmad(residual),
        nmad(residual),
        residual,
        stable,
        at,
        (("not-aligned", f"{off}: a height offset between the surveys is part of the volumes"),),
        (untouched[stable], untouched[stable]),
    )


def _without_ground(
    at: Points,
    untouched: NDArray[np.float64],
    use: NDArray[np.bool_],
    basis: Basis,
    tie: tuple[float, float] | None,
    found: str,
) -> Alignment:
    """Too little stable ground: heights are tied by check points, or left as they came and said to be."""
    up, sigma = (-tie[0], tie[1]) if tie else (0.0, math.nan)
    why = "tied to check points" if tie else f"too little stable ground ({found}) and no check points"
    none = f"too little stable ground ({found})"
    terms = [Term(n, math.nan, math.nan, "m", False, none) for n in ("east", "north")]
    terms.append(Term("up", up, sigma, "m", tie is not None, why))
    terms += [
        Term(n, math.nan, math.nan, u, False, none)
        for n, u in zip(NAMES[1:], ("m/m", "m/m", "m/km²"), strict=True)
    ]
    return Alignment(
        0.0,
        0.0,
        Correction(up=round(up, 6), centre_east=basis.centre_east, centre_north=basis.centre_north),
        tuple(terms),
        np.zeros((2, 2)),
        None,
        None,
        basis,
        0.0,
        nmad(untouched[use]),
        nmad(untouched[use]),
        np.full(at.count, np.nan),
        np.zeros(at.count, np.bool_),
        at,
        (("too-little-stable-ground", why),),
    )


def with_tie(alignment: Alignment, difference_m: float, sigma_m: float) -> Alignment:
    """Add a note on how the check points agree with stable ground; they should, within both errors."""
    up = next(t for t in alignment.terms if t.name == "up")
    gap = -difference_m - up.value
    spread = math.hypot(sigma_m, up.sigma)
    said = (
        f"check points ask for {-difference_m:+.3f} ± {1.96 * sigma_m:.3f} m, "
        f"stable ground for {up.value:+.3f} ± {1.96 * up.sigma:.3f} m"
    )
    code = "checkpoints-disagree" if abs(gap) > 2.58 * spread else "checkpoints-agree"
    return replace(alignment, notes=(*alignment.notes, (code, said)))
