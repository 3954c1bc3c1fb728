"""Rebuild the ground under an outline, say by which method, and how wrong it may be.

``auto`` takes the method whose trials on undisturbed ground near by went best (``compete``). Where no ground
near by can hold the outline, nor a smaller copy of it, the spread between the methods is taken for the
uncertainty, and the report says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from survey.errors import InputRefused
from survey.volumetrics.base.candidates import CLOSED, LOWEST, METHODS, operators
from survey.volumetrics.base.compete import NONE, SMALLER, Piece, Trials, compete, usual
from survey.volumetrics.base.doubtful import doubtful
from survey.volumetrics.base.frame import Frame, make_frame, refine, surface_of
from survey.volumetrics.base.one_side import hangs_on_one_side, plainly_odd
from survey.volumetrics.base.ring import Ring, find_ring

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Heights = NDArray[np.float64]


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
    free = (usable if ground is None else ground) & known & ~wanted
    piece = Piece(heights, weight, wanted, free, cell_east, cell_north, origin)
    frame = piece.framed(usable)
    surface = surface_of(heights, known, frame)
    terrain = make_frame(
        heights, weight * 0 + wanted, free, cell_east, cell_north, origin=origin, factor=frame.factor
    )
    typical, uneven = usual(frame, terrain)
    ring = find_ring(frame, surface, pit=pit, usual_m=typical)
    if np.count_nonzero(ring.wide) < 6:
        raise _no_ground("no natural ground was measured around the outline")
    candidates, refused = operators(frame, ring)
    if not candidates:
        why = next(iter(refused.values()))
        raise _no_ground(f"the ground around the outline cannot carry a base ({why})")
    trials = compete(piece, frame, terrain, ring, candidates, method)
    bases = {name: one.heights(frame.z[one.ring]) for name, one in candidates.items()}
    if method == LOWEST:
        bases[LOWEST] = np.full(int(frame.inside.sum()), float(frame.z[ring.rim].min()))
    chosen = _chosen(method, bases, refused, trials, ring)
    volumes = _volumes(bases, frame, ring)
    sigma, dof = _uncertainty(trials, chosen, method, volumes, frame, ring)
    either_m3 = _either(frame, doubtful(frame, terrain, ring, surface), chosen, bases[chosen])
    side_m3, odd = hangs_on_one_side(frame, ring, typical), plainly_odd(frame, ring, uneven)
    doubts = _doubts(sigma, either_m3, side_m3, odd)
    if trials.source == SMALLER:
        dof = max(min(dof, 6.0), 2.0)
    field = np.full(frame.z.shape, np.nan)
    field[frame.inside] = bases[chosen]
    if frame.factor > 1:
        # Blocks beside the outline lend their ground to the interpolation between block centres.
        field = np.where(np.isnan(field) & ring.wide, frame.z, field)
    return Base(
        method=chosen,
        heights=refine(field, frame, z.shape),
        sigma_m3=math.hypot(sigma, either_m3, side_m3),
        dof=dof,
        source=trials.source if trials.told(chosen) else NONE,
        trials=len(trials.places) if trials.any else 0,
        independent=trials.places.effective if trials.any else 0.0,
        table=_table(trials, volumes, chosen, refused),
        ring=ring,
        remarks=(*doubts, *_weaknesses(trials, chosen, frame, ring)),
    )


def _no_ground(found: str) -> InputRefused:
    return InputRefused(
        found,
        expected="measured, undisturbed ground on some side of it",
        mend="Give an earlier survey, a base surface or a base level, or survey the ground around it.",
    )


def _chosen(
    method: str, bases: Mapping[str, Heights], refused: dict[str, str], trials: Trials, ring: Ring
) -> str:
    if method in bases:
        return method
    if method != "auto":
        raise InputRefused(
            f"the base {method!r} cannot be rebuilt here: {refused.get(method, 'unknown method')}",
            expected=f"auto, {', '.join((*METHODS, LOWEST))}",
            mend='Use base = "auto".',
        )
    if trials.any:
        return trials.best
    untried = "thin-plate spline" if ring.share >= CLOSED else "plane"
    return untried if untried in bases else next(iter(bases))


def _volumes(bases: Mapping[str, Heights], frame: Frame, ring: Ring) -> dict[str, float]:
    """Volume under each base above the ring's mean level, m³: only differences between them mean anything."""
    weights, level = frame.weight[frame.inside], frame.z[ring.wide].mean()
    area = frame.cell_east * frame.cell_north
    return {name: float(np.sum(weights * (base - level)) * area) for name, base in bases.items()}


def _uncertainty(
    trials: Trials, chosen: str, method: str, volumes: dict[str, float], frame: Frame, ring: Ring
) -> tuple[float, float]:
    """1 σ of the volume, m³, and its degrees of freedom: from trials, or else from the spread of methods."""
    if trials.told(chosen):
        sigma = float(trials.rms[trials.names.index(chosen)])
        if method == "auto":
            sigma = max(sigma, trials.blind)
        return sigma, max(trials.places.effective - 1, 2.0)
    spread = max(
        abs(volume - volumes[chosen])
        for name, volume in volumes.items()
        if name not in (LOWEST, "mean rim level")
    )
    grain = ring.noise_m if np.isfinite(ring.noise_m) else 0.0
    # Half the greatest difference to another method, and no less than the ring's own scatter allows.
    return max(0.5 * spread, 0.5 * grain * frame.area_m2), 4.0


def _either(frame: Frame, wider: Ring | None, chosen: str, base: NDArray[np.float64]) -> float:
    """Half of what the volume changes if the doubtful part of the ring is natural, m³."""
    if wider is None:
        return 0.0
    made, _ = operators(frame, wider, (chosen,) if chosen != LOWEST else ())
    if chosen not in made:
        return 0.0
    other = made[chosen].heights(frame.z[made[chosen].ring])
    weights = frame.weight[frame.inside]
    return 0.5 * abs(float(np.sum(weights * (other - base)))) * frame.cell_east * frame.cell_north


def _doubts(sigma_m3: float, either_m3: float, side_m3: float, odd: bool) -> list[str]:
    """What the ring leaves open, as far as it matters beside ``sigma_m3``."""
    said = []
    if either_m3 > sigma_m3 / 4:
        said.append(
            "Part of the ground beside the outline lies off the rest by no more than undisturbed ground near "
            f"by does; whether it is natural makes {2 * either_m3:.0f} m³, and half of that was added to the "
            "uncertainty (1 σ)."
        )
    if side_m3 > sigma_m3 / 4 and not odd:
        said.append(
            "The ground around the outline is as uneven as ground near by is in places; a wall, a bank or a "
            "slope on one of its sides might not be told from that. Which side that would be makes up to "
            f"{math.sqrt(3) * side_m3:.0f} m³, and {side_m3:.0f} m³ were added to the uncertainty (1 σ)."
        )
    elif side_m3 > sigma_m3 / 4:
        said.append(
            "The ground around the outline is more uneven than it is near by, or part of it is not natural: "
            "a wall, a bank or a slope may stand on one of its sides. Which side that is makes up to "
            f"{math.sqrt(3) * side_m3:.0f} m³, and {side_m3:.0f} m³ were added to the uncertainty (1 σ)."
        )
    return said


def _weaknesses(trials: Trials, chosen: str, frame: Frame, ring: Ring) -> list[str]:
    """On what less than usual the base and its uncertainty rest."""
    said = []
    if not trials.told(chosen):
        said.append(
            "No undisturbed ground near by could hold the outline; the uncertainty is the spread between the "
            "methods, which is a weaker basis than trials."
        )
    elif trials.source == SMALLER:
        said.append(
            "The ground near by has no room for the whole outline; smaller copies were tried and their error "
            "was carried up to full size, so the uncertainty is less sure than usual."
        )
    if ring.share < CLOSED:
        said.append(
            f"Natural ground lies beside {100 * ring.share:.0f} % of the outline only; the base rests on "
            "that part and is carried across the rest. The trials left the same part out."
        )
    if ring.gap_m > 2.01 * frame.cell_m:
        said.append(
            f"The nearest {ring.gap_m:.1f} m around the outline do not lie at the level of the ground "
            "farther out (an outline inside the rim, or a bund); the base was taken from beyond."
        )
    return said


def _table(
    trials: Trials, volumes: dict[str, float], chosen: str, refused: dict[str, str]
) -> tuple[Tried, ...]:
    tried = (
        Tried(name, float(rms), float(bias), volumes[name] - volumes[chosen])
        for name, rms, bias in zip(trials.names, trials.rms, trials.bias, strict=True)
    )
    return (*tried, *(Tried(name, np.nan, np.nan, np.nan, why) for name, why in refused.items()))
