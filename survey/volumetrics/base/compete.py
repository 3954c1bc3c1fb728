"""How well each way to rebuild ground does on undisturbed ground near by, under the same outline.

Each trial's error is scaled by how rough the ring is here against how rough it is there, because ground is
seldom equally rough everywhere. Where the ground near by cannot hold the outline, copies of half and a
quarter of its size are tried and their errors carried up to full size; where it cannot hold these either,
nothing is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from survey.errors import InputRefused
from survey.quantity import Z95
from survey.volumetrics.base import operators as op
from survey.volumetrics.base import trial
from survey.volumetrics.base.candidates import LOWEST, METHODS, operators
from survey.volumetrics.base.frame import Frame, framed
from survey.volumetrics.base.ring import Ring, find_ring

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRIALS, SMALLER, NONE = "trials", "smaller copies", "spread of methods"
"""Where the uncertainty comes from: trials, trials of smaller copies, or no trial at all."""

_LEAST_EFFECTIVE = 3.0  # independent trials below which their scatter says too little
_UNEVEN = 0.9  # of the rings near by, than which a ring must scatter more to be called uneven
_ENOUGH = 40  # trials from which their 95th percentile can be seen
_EQUAL = 1.05  # trials within five per cent are equal
_WINSOR = 8.0  # NMAD beyond which a trial counts as this far: it lay on ground that somebody had touched
_ROUGHER = 4.0  # the most that roughness may scale a trial by


@dataclass(frozen=True)
class Trials:
    """Errors of each method (n, methods), m³, and where they come from."""

    names: tuple[str, ...]
    places: trial.Places
    errors: NDArray[np.float64]
    source: str

    @property
    def any(self) -> bool:
        return len(self.places) > 0 and self.source != NONE

    @cached_property
    def rms(self) -> NDArray[np.float64]:
        """(methods,) 1 σ of each method's error; NaN where it was not tried."""
        return _spread(self.errors) if self.any else np.full(len(self.names), np.nan)

    @cached_property
    def bias(self) -> NDArray[np.float64]:
        return np.mean(self.errors, axis=0) if self.any else np.full(len(self.names), np.nan)

    def told(self, name: str) -> bool:
        """Whether trials tell this method's error."""
        return self.any and bool(np.isfinite(self.rms[self.names.index(name)]))

    @cached_property
    def best(self) -> str:
        """The simplest of the methods that did best, within a few per cent."""
        rms = self.rms
        candidates = [i for i, name in enumerate(self.names) if name in METHODS and np.isfinite(rms[i])]
        least = min(rms[i] for i in candidates)
        return next(
            name for name in METHODS if name in self.names and rms[self.names.index(name)] <= _EQUAL * least
        )

    @cached_property
    def blind(self) -> float:
        """1 σ of the error when each trial's method is chosen by the *other* trials.

        The method that did best on some trials owes part of that to chance; a place that had no say in the
        choice, as the site itself has none, does not share in it.
        """
        if len(self.errors) < 4:
            return 0.0
        columns = [self.names.index(name) for name in METHODS if name in self.names]
        squares = self.errors[:, columns] ** 2
        if not np.isfinite(squares).all():
            return 0.0
        others = squares.sum(axis=0)[None, :] - squares
        chosen = np.array(columns)[np.argmin(others, axis=1)]
        return float(_spread(self.errors[np.arange(len(self.errors)), chosen][:, None])[0])


@dataclass(frozen=True)
class Piece:
    """The piece of a survey that an outline is rebuilt on. All arrays are (rows, cols)."""

    z: NDArray[np.float64]
    weight: NDArray[np.floating]  # share of the cell inside the outline
    wanted: NDArray[np.bool_]  # cells where a base is wanted
    free: NDArray[np.bool_]  # undisturbed ground for trials
    cell_east: float
    cell_north: float
    origin: tuple[int, int]  # absolute row and column on the job grid

    def framed(self, ground: NDArray[np.bool_], factor: int | None = None) -> Frame:
        return framed(
            self.z, self.weight, ground, self.wanted, self.cell_east, self.cell_north, self.origin, factor
        )


def compete(
    piece: Piece,
    frame: Frame,
    terrain: Frame,
    ring: Ring,
    candidates: dict[str, op.Operator],
    method: str,
) -> Trials:
    """Try all candidates on ``terrain``, the undisturbed ground near by in blocks of ``frame``'s size.

    Where ``method`` is the lowest rim level, that is tried too.
    """
    names = (*candidates, LOWEST) if method == LOWEST else tuple(candidates)
    places, errors = _tried(frame, terrain, ring, candidates, method)
    if places.effective >= _LEAST_EFFECTIVE:
        return Trials(names, places, errors, TRIALS)
    carried = _smaller(piece, frame, terrain, list(candidates))
    if carried is None:
        return Trials(names, places, errors, NONE)
    places, errors = carried
    if method == LOWEST:
        # Smaller copies do not try the lowest point of a rim.
        errors = np.column_stack([errors, np.full(len(errors), np.nan)])
    return Trials(names, places, errors, SMALLER)


def usual(frame: Frame, terrain: Frame) -> tuple[float, float] | tuple[None, None]:
    """How much a ring like this one scatters about its plane on undisturbed ground near by, metres.

    Half of such rings scatter less than the first number, all but one in ten less than the second.
    """
    ring = find_ring(frame, judge=False)
    if ring.wide.sum() < 12:
        return None, None
    places = trial.find_places(frame, frame.inside | ring.wide, np.isfinite(terrain.z))
    if places.effective < _LEAST_EFFECTIVE:
        return None, None
    near_by = trial.roughness(frame, ring.wide, places, trial.filled(terrain.z), order=1)
    return float(np.median(near_by)), float(np.quantile(near_by, _UNEVEN))


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
    piece: Piece, frame: Frame, terrain: Frame, names: list[str]
) -> tuple[trial.Places, NDArray[np.float64]] | None:
    """Errors of copies of half and a quarter of the size, carried up to full size.

    The outline is drawn with blocks two or four times as large and laid on ground of the working blocks. The
    error of a mean height grows with size as a power between 1, on rough plains, and 3, between smooth hills:
    as it grew between the two sizes if both can be tried, else 2. Noise hides growth, so never less than 1.
    """
    found = {}
    for shrink in (2, 4):
        try:
            big = piece.framed(piece.free, frame.factor * shrink)
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
        made, _ = operators(small, ring)
        if not set(names) <= set(made):
            break
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
