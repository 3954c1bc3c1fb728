"""Rebuild the ground under an outline, say by which method, and how wrong it may be.

``auto`` takes the method whose trials on undisturbed ground near by went best. Each trial's error is scaled
by how rough the ring is here against how rough it is there, because ground is seldom equally rough
everywhere. Where the ground near by cannot hold the outline, copies of half and a quarter of its size are
tried and their errors carried up to full size; where it cannot hold these either, the spread between the
methods is taken, and the report says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from survey.errors import InputRefused
from survey.quantity import Z95
from survey.volumetrics.base import operators as op
from survey.volumetrics.base import trial
from survey.volumetrics.base.doubtful import doubtful
from survey.volumetrics.base.frame import Frame, make_frame, refine
from survey.volumetrics.base.one_side import hangs_on_one_side, plainly_odd
from survey.volumetrics.base.ring import Ring, find_ring

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The order is the order of simplicity: of two methods that try equally well the earlier is taken.
METHODS = (
    "plane",
    "smooth trend",
    "thin-plate spline",
    "minimum curvature",
    "natural neighbour",
    "TIN",
    "Laplace",
    "mean rim level",
)
"""Ways to rebuild from the ring, all of them candidates of ``auto``."""
LOWEST = "lowest rim level"
GIVEN = ("earlier survey", "given level", "given surface")

_LEAST_EFFECTIVE = 3.0  # independent trials below which their scatter says too little
_UNEVEN = 0.9  # of the rings near by, than which a ring must scatter more to be called uneven
_ENOUGH = 40  # trials from which their 95th percentile can be seen
_EQUAL = 1.05  # trials within five per cent are equal
_WINSOR = 8.0  # NMAD beyond which a trial counts as this far: it lay on ground that somebody had touched
_ROUGHER = 4.0  # the most that roughness may scale a trial by
_CLOSED = 0.8  # share of the rim that must be natural for methods that cannot reach beyond it


@dataclass(frozen=True, slots=True)
class Tried:
    """One method in the trials. ``volume_m3`` is the base's volume over the site against the chosen one's."""

    method: str
    rms_m3: float  # NaN if not tried
    bias_m3: float
    differs_m3: float
    why_not: str | None = None


@dataclass(frozen=True, slots=True)
class Base:
    """The ground before, as rebuilt.

    ``heights``: on the fine cells, metres; NaN where no base was asked for. ``sigma_m3``: 1 σ of the volume
    under the base; ``dof`` its degrees of freedom. ``source`` of the uncertainty: ``trials`` | ``smaller
    copies`` | ``spread of methods`` | ``given``. ``trials``: how many; ``independent``: how many of these
    count as independent.
    """

    method: str
    heights: NDArray[np.float64]
    sigma_m3: float
    dof: float
    source: str
    trials: int
    independent: float
    table: tuple[Tried, ...]
    ring: Ring | None
    remarks: tuple[str, ...]


def rebuild(
    z: NDArray[np.floating],
    weight: NDArray[np.floating],
    usable: NDArray[np.bool_],
    cell_east: float,
    cell_north: float,
    *,
    method: str = "auto",
    ground: NDArray[np.bool_] | None = None,
    touched: NDArray[np.bool_] | None = None,
    origin: tuple[int, int] = (0, 0),
    pit: bool | None = None,
) -> Base:
    """Rebuild the ground under an outline from the ring around it.

    Parameters
    ----------
    z:
        Heights of the survey, metres, (rows, cols), NaN = not measured. The piece should reach well beyond
        the outline: three or four times its size, so that there is room for trials.
    weight:
        Share of each cell inside the outline, 0 to 1.
    usable:
        Cells that may carry the base.
    method:
        ``auto``, one of ``METHODS``, or ``lowest rim level``.
    ground:
        Undisturbed ground for the trials; ``usable`` if not given.
    touched:
        Cells where a base is wanted, if more than the outline touches.
    origin:
        Absolute (row, col) of the piece on the job grid.
    pit:
        True a pit, False a stock, None: the ground tells.

    Raises
    ------
    InputRefused
        No ground around the outline can carry a base, or the method asked for cannot serve it.
    """
    heights = np.asarray(z, np.float64)
    known = np.isfinite(heights)
    # Blocks where a base is wanted are inside; blocks outside the outline proper weigh nothing.
    wanted = weight > 0 if touched is None else touched | (weight > 0)
    frame = _framed(heights, weight, usable, wanted, cell_east, cell_north, origin)
    surface = _block_means(heights, known, frame)
    free = (usable if ground is None else ground) & known & ~wanted
    terrain = make_frame(
        heights, weight * 0 + wanted, free, cell_east, cell_north, origin=origin, factor=frame.factor
    )
    usual, uneven = _usual(frame, terrain)
    ring = find_ring(frame, surface, pit=pit, usual_m=usual)
    if np.count_nonzero(ring.wide) < 6:
        raise InputRefused(
            "no natural ground was measured around the outline",
            expected="measured, undisturbed ground on some side of it",
            mend="Give an earlier survey, a base surface or a base level, or survey the ground around it.",
        )
    operators, refused = _operators(frame, ring)
    if not operators:
        raise InputRefused(
            f"the ground around the outline cannot carry a base ({next(iter(refused.values()))})",
            expected="measured, undisturbed ground on some side of it",
            mend="Give an earlier survey, a base surface or a base level, or survey the ground around it.",
        )
    places, errors = _tried(frame, terrain, ring, operators, method)
    source = "trials"
    if places.effective < _LEAST_EFFECTIVE:
        carried = _smaller(
            heights, wanted, weight, free, frame, list(operators), cell_east, cell_north, origin
        )
        if carried is not None:
            places, errors, source = *carried, "smaller copies"
        else:
            source = "spread of methods"
    wider = doubtful(frame, terrain, ring, surface)
    side = hangs_on_one_side(frame, ring, usual), plainly_odd(frame, ring, uneven)
    return _decide(frame, ring, wider, side, operators, refused, places, errors, source, method, z.shape)


# -- stage -------------------------------------------------------------------------------------------
def _framed(
    z: NDArray[np.float64],
    weight: NDArray[np.floating],
    usable: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    cell_east: float,
    cell_north: float,
    origin: tuple[int, int],
    factor: int | None = None,
) -> Frame:
    frame = make_frame(
        z, wanted.astype(np.float64), usable, cell_east, cell_north, origin=origin, factor=factor
    )
    proper = make_frame(z, weight, usable, cell_east, cell_north, origin=origin, factor=frame.factor)
    return replace(frame, weight=proper.weight)


def _block_means(z: NDArray[np.float64], known: NDArray[np.bool_], frame: Frame) -> NDArray[np.float64]:
    f = frame.factor
    rows, cols = frame.z.shape

    def blocks(array: NDArray[np.float64]) -> NDArray[np.float64]:
        padded = np.zeros((rows * f, cols * f))
        padded[-frame.row0 : -frame.row0 + z.shape[0], -frame.col0 : -frame.col0 + z.shape[1]] = array
        return padded.reshape(rows, f, cols, f).sum(axis=(1, 3))

    level = float(np.median(z[known])) if known.any() else 0.0
    count = blocks(known.astype(np.float64))
    total = blocks(np.where(known, z - level, 0.0))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan) + level


def _operators(
    frame: Frame, ring: Ring, wanted: tuple[str, ...] = METHODS
) -> tuple[dict[str, op.Operator], dict[str, str]]:
    makers = {
        "plane": lambda: op.trend(frame, ring.wide, 1, "plane"),
        "smooth trend": lambda: op.trend(frame, ring.wide, 2, "smooth trend"),
        "thin-plate spline": lambda: op.thin_plate(frame, ring.wide, "thin-plate spline"),
        "minimum curvature": lambda: op.minimum_curvature(frame, ring.rim, "minimum curvature"),
        "natural neighbour": lambda: op.natural_neighbour(frame, ring.rim, "natural neighbour"),
        "TIN": lambda: op.tin(frame, ring.rim, "TIN"),
        "Laplace": lambda: op.laplace(frame, ring.rim, "Laplace"),
        "mean rim level": lambda: op.trend(frame, ring.rim, 0, "mean rim level"),
    }
    made: dict[str, op.Operator] = {}
    refused: dict[str, str] = {}
    for name, make in makers.items():
        if name not in wanted:
            continue
        try:
            if name in ("natural neighbour", "TIN", "Laplace") and ring.share < _CLOSED:
                raise op.NotPossible("the natural rim does not close around the outline")
            if not ring.rim.any():
                raise op.NotPossible("no natural rim")
            made[name] = make()
        except op.NotPossible as fault:
            refused[name] = str(fault)
    return made, refused


def _usual(frame: Frame, terrain: Frame) -> tuple[float, float] | tuple[None, None]:
    """How much a ring like this one scatters about its plane on undisturbed ground near by, metres: half of
    such rings less than the first, all but one in ten less than the second."""
    ring = find_ring(frame, judge=False)
    if ring.wide.sum() < 12:
        return None, None
    places = trial.find_places(frame, frame.inside | ring.wide, np.isfinite(terrain.z))
    if places.effective < _LEAST_EFFECTIVE:
        return None, None
    near_by = trial.roughness(frame, ring.wide, places, trial.filled(terrain.z), order=1)
    return float(np.median(near_by)), float(np.quantile(near_by, _UNEVEN))


# -- trials ------------------------------------------------------------------------------------------
def _tried(
    frame: Frame, terrain: Frame, ring: Ring, operators: dict[str, op.Operator], method: str
) -> tuple[trial.Places, NDArray[np.float64]]:
    used = frame.inside | ring.wide | ring.rim
    places = trial.find_places(frame, used, np.isfinite(terrain.z))
    if not len(places):
        return places, np.empty((0, len(operators)))
    land = trial.filled(terrain.z)
    kernels = [trial.kernel(frame, one) for one in operators.values()]
    errors = trial.errors(places, kernels, land)
    if method == LOWEST:
        lowest = trial.lowest_errors(frame, ring.rim, places, land)
        errors = np.column_stack([errors, lowest])
    here = trial.roughness(frame, ring.wide, None, frame.z)
    there = trial.roughness(frame, ring.wide, places, land)
    floor = max(1e-4, 0.05 * float(np.median(there)))
    factor = np.clip(max(float(here[0]), floor) / np.maximum(there, floor), 1 / _ROUGHER, _ROUGHER)
    return places, errors * factor[:, None]


def _smaller(
    z: NDArray[np.float64],
    wanted: NDArray[np.bool_],
    weight: NDArray[np.floating],
    free: NDArray[np.bool_],
    frame: Frame,
    names: list[str],
    cell_east: float,
    cell_north: float,
    origin: tuple[int, int],
) -> tuple[trial.Places, NDArray[np.float64]] | None:
    """Errors of copies of half and a quarter of the size, carried up to full size.

    The outline is drawn with blocks two or four times as large and laid on ground of the working blocks. The
    error of a mean height grows with size as a power between 1, on rough plains, and 3, between smooth hills:
    as it grew between the two sizes if both can be tried, else 2. Noise hides growth, so never less than 1.
    """
    found = {}
    for shrink in (2, 4):
        try:
            big = _framed(z, weight, free, wanted, cell_east, cell_north, origin, frame.factor * shrink)
        except InputRefused:
            break
        if np.count_nonzero(big.inside) < 12:
            break
        small = replace(
            big,
            cell_east=big.cell_east / shrink,
            cell_north=big.cell_north / shrink,
            clearance_m=big.clearance_m / shrink,
        )
        ring = find_ring(small, judge=False)
        made, _ = _operators(small, ring)
        if not set(names) <= set(made):
            break
        terrain = make_frame(
            z, wanted.astype(np.float64), free, cell_east, cell_north, origin=origin, factor=frame.factor
        )
        places, errors = _tried_small(small, terrain, ring, {name: made[name] for name in names})
        if places.effective >= _LEAST_EFFECTIVE:
            found[shrink] = (places, errors / small.area_m2)
    if not found:
        return None
    shrink = min(found)
    places, relative = found[shrink]
    power = np.full(relative.shape[1], 2.0)
    if len(found) == 2:
        two, four = (np.sqrt(np.mean(found[s][1] ** 2, axis=0)) for s in (2, 4))
        power = np.clip(np.log2(np.maximum(two, 1e-12) / np.maximum(four, 1e-12)), 1.0, 3.0)
    return places, relative * shrink**power * frame.area_m2


def _tried_small(
    small: Frame, terrain: Frame, ring: Ring, operators: dict[str, op.Operator]
) -> tuple[trial.Places, NDArray[np.float64]]:
    places = trial.find_places(small, small.inside | ring.wide | ring.rim, np.isfinite(terrain.z))
    if not len(places):
        return places, np.empty((0, len(operators)))
    kernels = [trial.kernel(small, one) for one in operators.values()]
    return places, trial.errors(places, kernels, trial.filled(terrain.z))


# -- decision ----------------------------------------------------------------------------------------
def _spread(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 σ of each method's error about zero: a bias is an error like any other.

    The root mean square, with wild trials drawn in, and no less than what holds 95 % of the trials where
    there are enough of them to see that: real relief has longer tails than a normal variable.
    """
    scale = 1.4826 * np.median(np.abs(errors), axis=0)
    limit = np.where(scale > 0, _WINSOR * scale, np.inf)
    rms = np.sqrt(np.mean(np.clip(errors, -limit, limit) ** 2, axis=0))
    if len(errors) < _ENOUGH:
        return rms
    return np.maximum(rms, np.quantile(np.abs(errors), 0.95, axis=0) / Z95)


def _decide(
    frame: Frame,
    ring: Ring,
    wider: Ring | None,
    side: tuple[float, bool],
    operators: dict[str, op.Operator],
    refused: dict[str, str],
    places: trial.Places,
    errors: NDArray[np.float64],
    source: str,
    method: str,
    shape: tuple[int, int],
) -> Base:
    bases = {name: one.heights(frame.z[one.ring]) for name, one in operators.items()}
    if method == LOWEST:
        lowest = float(frame.z[ring.rim].min())
        bases[LOWEST] = np.full(int(frame.inside.sum()), lowest)
    names = list(bases)
    area = frame.cell_east * frame.cell_north
    weights = frame.weight[frame.inside]
    volume = {
        name: float(np.sum(weights * (base - frame.z[ring.wide].mean())) * area)
        for name, base in bases.items()
    }
    tried = len(places) > 0 and source != "spread of methods"
    if tried and errors.shape[1] < len(names):
        # Smaller copies do not try the lowest point of a rim.
        errors = np.column_stack([errors, np.full(len(errors), np.nan)])
    rms = _spread(errors) if tried else np.full(len(names), np.nan)
    bias = np.mean(errors, axis=0) if tried else np.full(len(names), np.nan)
    remarks: list[str] = []
    if method == "auto":
        chosen = _best(names, rms) if tried else ("thin-plate spline" if ring.share >= _CLOSED else "plane")
        if chosen not in bases:
            chosen = names[0]
    elif method in bases:
        chosen = method
    else:
        raise InputRefused(
            f"the base {method!r} cannot be rebuilt here: {refused.get(method, 'unknown method')}",
            expected=f"auto, {', '.join((*METHODS, LOWEST))}",
            mend='Use base = "auto".',
        )
    at = names.index(chosen)
    spread = max(
        abs(volume[name] - volume[chosen]) for name in names if name not in (LOWEST, "mean rim level")
    )
    if tried and np.isfinite(rms[at]):
        sigma, dof = float(rms[at]), max(places.effective - 1, 2.0)
        if method == "auto":
            sigma = max(sigma, _chosen_blind(names, errors))
    else:
        source = "spread of methods"
        grain = ring.noise_m if np.isfinite(ring.noise_m) else 0.0
        # Half the greatest difference to another method, and no less than the ring's own scatter allows.
        sigma, dof = max(0.5 * spread, 0.5 * grain * frame.area_m2), 4.0
    either_m3 = _either(frame, wider, chosen, bases[chosen])
    if either_m3 > sigma / 4:
        remarks.append(
            "Part of the ground beside the outline lies off the rest by no more than undisturbed ground near "
            f"by does; whether it is natural makes {2 * either_m3:.0f} m³, and half of that was added to the "
            "uncertainty (1 σ)."
        )
    side_m3, odd = side
    if side_m3 > sigma / 4 and not odd:
        remarks.append(
            "The ground around the outline is as uneven as ground near by is in places; a wall, a bank or a "
            "slope on one of its sides might not be told from that. Which side that would be makes up to "
            f"{math.sqrt(3) * side_m3:.0f} m³, and {side_m3:.0f} m³ were added to the uncertainty (1 σ)."
        )
    elif side_m3 > sigma / 4:
        remarks.append(
            "The ground around the outline is more uneven than it is near by, or part of it is not natural: "
            "a wall, a bank or a slope may stand on one of its sides. Which side that is makes up to "
            f"{math.sqrt(3) * side_m3:.0f} m³, and {side_m3:.0f} m³ were added to the uncertainty (1 σ)."
        )
    sigma = math.hypot(sigma, either_m3, side_m3)
    if source == "smaller copies":
        dof = max(min(dof, 6.0), 2.0)
        remarks.append(
            "The ground near by has no room for the whole outline; smaller copies were tried and their error "
            "was carried up to full size, so the uncertainty is less sure than usual."
        )
    if source == "spread of methods":
        remarks.append(
            "No undisturbed ground near by could hold the outline; the uncertainty is the spread between the "
            "methods, which is a weaker basis than trials."
        )
    if ring.share < _CLOSED:
        remarks.append(
            f"Natural ground lies beside {100 * ring.share:.0f} % of the outline only; the base rests on "
            "that part and is carried across the rest. The trials left the same part out."
        )
    if ring.gap_m > 2.01 * frame.cell_m:
        remarks.append(
            f"The nearest {ring.gap_m:.1f} m around the outline do not lie at the level of the ground "
            "farther out (an outline inside the rim, or a bund); the base was taken from beyond."
        )
    field = np.full(frame.z.shape, np.nan)
    field[frame.inside] = bases[chosen]
    if frame.factor > 1:
        # Blocks beside the outline lend their ground to the interpolation between block centres.
        field = np.where(np.isnan(field) & ring.wide, frame.z, field)
    table = tuple(
        Tried(name, float(rms[i]), float(bias[i]), volume[name] - volume[chosen])
        for i, name in enumerate(names)
    ) + tuple(Tried(name, np.nan, np.nan, np.nan, why) for name, why in refused.items())
    return Base(
        method=chosen,
        heights=refine(field, frame, shape),
        sigma_m3=sigma,
        dof=dof,
        source=source,
        trials=len(places) if tried else 0,
        independent=places.effective if tried else 0.0,
        table=table,
        ring=ring,
        remarks=tuple(remarks),
    )


def _either(frame: Frame, wider: Ring | None, chosen: str, base: NDArray[np.float64]) -> float:
    """Half of what the volume changes if the doubtful part of the ring is natural, m³."""
    if wider is None:
        return 0.0
    made, _ = _operators(frame, wider, (chosen,) if chosen != LOWEST else ())
    if chosen not in made:
        return 0.0
    other = made[chosen].heights(frame.z[made[chosen].ring])
    weights = frame.weight[frame.inside]
    return 0.5 * abs(float(np.sum(weights * (other - base)))) * frame.cell_east * frame.cell_north


def _chosen_blind(names: list[str], errors: NDArray[np.float64]) -> float:
    """1 σ of the error when each trial's method is chosen by the *other* trials.

    The method that did best on some trials owes part of that to chance; a place that had no say in the
    choice, as the site itself has none, does not share in it.
    """
    if len(errors) < 4:
        return 0.0
    columns = [names.index(name) for name in METHODS if name in names]
    squares = errors[:, columns] ** 2
    if not np.isfinite(squares).all():
        return 0.0
    others = squares.sum(axis=0)[None, :] - squares
    chosen = np.argmin(others, axis=1)
    return float(_spread(errors[np.arange(len(errors)), np.array(columns)[chosen]][:, None])[0])


def _best(names: list[str], rms: NDArray[np.float64]) -> str:
    candidates = [i for i, name in enumerate(names) if name in METHODS and np.isfinite(rms[i])]
    least = min(rms[i] for i in candidates)
    return next(name for name in METHODS if name in names and rms[names.index(name)] <= _EQUAL * least)
