"""Measure one outline on surfaces: base, volume, doubt, sections."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.errors import InputRefused
from survey.pipelines.assess.ground import Stage, weights_on
from survey.pipelines.assess.targets import Target
from survey.volumetrics.base.choose import LOWEST, Base, rebuild
from survey.volumetrics.sections import Profile, SectionLine, long_axis_deg, profile, section_through
from survey.volumetrics.stock import (
    Amount,
    Doubt,
    Volumes,
    amount,
    rectified,
    steep_wall_sigma,
    volumes,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

METHODS = {
    "tin": "TIN",
    "natural": "natural neighbour",
    "curvature": "minimum curvature",
    "plane": "plane",
    "trend": "smooth trend",
    "spline": "thin-plate spline",
    "laplace": "Laplace",
    "lowest": LOWEST,
    "mean": "mean rim level",
    "auto": "auto",
}
"""Words of the job file for ways to rebuild the ground from the ring."""
EARLIER, LEVEL, SURFACE = "earlier survey", "given level", "given surface"
ASSUMED_LEVEL_M = 0.05
"""1 σ of a survey's height against a given level, where no check points tell: assumed, and said."""
_BEYOND = 1e-3  # of an outline's area: more than what rounding its edge to 1/4096 of a cell can lose
_LEAST_EARLIER = 0.98  # part of the outline that the earlier survey must have measured for it to be the base


@dataclass(frozen=True)
class Measured:
    """One outline, measured. ``base``: heights on the stage's cells; ``inner_bases`` are already in it."""

    target: Target
    stage: Stage
    weight: NDArray[np.uint16]
    surface: NDArray[np.float64]  # what is measured: the survey, or the bases of outlines within
    base: NDArray[np.float64]
    method: str
    source: str
    how: Base | None
    amount: Amount
    volumes: Volumes
    sections: tuple[tuple[SectionLine, str, Profile, Profile], ...]
    deepest: tuple[float, float] | None  # east, north
    remarks: tuple[str, ...]

    @property
    def pit(self) -> bool:
        return self.amount.pit


@dataclass(frozen=True)
class Wish:
    """What the job asks of the base, and what is known of the surveys' errors.

    ``pair_sigma``: σ of the mean rise over a polygon and its degrees of freedom; None with one survey.
    ``cell_m``: σ of one cell's height or rise. ``height_m``: σ of the survey's height against a level.
    """

    base: str = "auto"
    level_m: float | None = None
    kind: str = "auto"
    outline_sigma_m: float | None = None
    pair_sigma: Callable[[Any], tuple[float, float]] | None = None
    cell_m: float = 0.03
    height_m: float = ASSUMED_LEVEL_M
    height_assumed: bool = True
    before_word: str = EARLIER


def measure(target: Target, stage: Stage, wish: Wish, inner: Sequence[Measured] = ()) -> Measured:
    """Measure an outline.

    Parameters
    ----------
    inner:
        Outlines within this one, already measured: inside them this one is measured up to their base.

    Raises
    ------
    InputRefused
        The outline lies off the measured ground, or no base can be had.
    """
    weight = weights_on(stage.grid, target.polygon)
    if not weight.any():
        raise InputRefused(
            f"the outline {target.id!r} lies outside the measured ground",
            expected="outlines on the ground that the survey covers",
            mend="Check the outline's coordinates and their reference system.",
        )
    remarks = [*stage.remarks]
    spread = wish.outline_sigma_m if wish.outline_sigma_m is not None else max(0.1, 0.5 * stage.grid.cell_m)
    wider = weights_on(stage.grid, target.polygon.buffer(spread, join_style="mitre"))
    narrower = weights_on(stage.grid, target.polygon.buffer(-spread, join_style="mitre"))
    surface = _up_to(stage, inner)
    word, base, how, sigma, dof = _base(target, stage, wish, weight, wider, remarks)
    parts = amount(surface, base, weight, stage.grid.cell_area_m2, pit=_asked_pit(wish, target))
    beyond = float(target.polygon.area) - parts.area_m2
    if beyond > max(_BEYOND * parts.area_m2, 0.5 * stage.grid.cell_area_m2):
        # The survey ends before the outline does: what it does not reach was not measured.
        parts = replace(parts, area_m2=parts.area_m2 + beyond, missing_m2=parts.missing_m2 + beyond)
    if parts.measured_m2 <= 0:
        raise InputRefused(
            f"nothing inside the outline {target.id!r} was measured (water, shadow, a gap)",
            expected="heights inside every outline",
            mend="Take the outline out of the targets, or survey its inside, for example by points.",
        )
    doubts = _doubts(target, stage, wish, surface, base, weight, (narrower, wider), sigma, dof, parts)
    cell = _cell_sigma(wish, how, parts)
    made = volumes(parts, doubts, blurred=rectified(surface, base, weight, stage.grid.cell_area_m2, cell))
    if parts.missing_m2 > 0.01 * parts.area_m2:
        remarks.append(
            f"{parts.missing_m2:.0f} m² of {parts.area_m2:.0f} m² were not measured (water, shadow, a gap, "
            "the survey's end); what lies there is in no volume."
        )
    deepest = None
    if parts.deepest is not None:
        east, north = stage.grid.east_north(*parts.deepest)
        deepest = (float(east), float(north))
    return Measured(
        target=target,
        stage=stage,
        weight=weight,
        surface=surface,
        base=base,
        method=word,
        source=_source(word, how),
        how=how,
        amount=parts,
        volumes=made,
        sections=_sections(target, stage, base, deepest),
        deepest=deepest,
        remarks=tuple(dict.fromkeys([*remarks, *(how.remarks if how is not None else ())])),
    )


def _source(word: str, how: Base | None) -> str:
    """Where the base's doubt comes from."""
    if how is not None:
        return how.source
    return "given" if word == LEVEL else "stable ground"


def _asked_pit(wish: Wish, target: Target) -> bool | None:
    kind = target.kind if wish.kind == "auto" else wish.kind
    return None if kind is None else kind == "pit"


def _up_to(stage: Stage, inner: Sequence[Measured]) -> NDArray[np.float64]:
    """The survey, with the ground beneath inner outlines in place of what lies on it."""
    if not inner:
        return stage.surface
    out = stage.surface.copy()
    for one in inner:
        weight = weights_on(stage.grid, one.target.polygon)
        under = _moved(one, stage)
        share = weight / 4096.0
        known = (weight > 0) & np.isfinite(under)
        # A cell on the inner outline is partly its base and partly the survey.
        out[known] = under[known] * share[known] + np.where(
            share[known] < 1, out[known] * (1 - share[known]), 0.0
        )
    return out


def _moved(one: Measured, stage: Stage) -> NDArray[np.float64]:
    """The base of another outline on this stage's cells (bilinear between the cells of its own)."""
    from survey.dem.checkpoints import bilinear_at
    from survey.volumetrics.base.trial import filled

    # A rebuilt base ends a cell beyond its outline; an earlier survey's gaps stay gaps.
    held = filled(one.base) if one.how is not None else one.base
    rows, cols = np.mgrid[0 : stage.grid.height, 0 : stage.grid.width]
    east, north = stage.grid.east_north(rows, cols)
    bounds = one.stage.grid.bounds
    inside = (east >= bounds.west) & (east <= bounds.east) & (north >= bounds.south) & (north <= bounds.north)
    out = np.full(stage.grid.shape, np.nan)
    if inside.any():
        row, col = one.stage.grid.row_col(east[inside], north[inside])
        out[inside] = bilinear_at(held.astype(np.float32), row, col)
    return out


def _base(
    target: Target,
    stage: Stage,
    wish: Wish,
    weight: NDArray[np.uint16],
    wider: NDArray[np.uint16],
    remarks: list[str],
) -> tuple[str, NDArray[np.float64], Base | None, float, float]:
    """(word, heights, how, 1 σ of the volume from the base and the survey, degrees of freedom)."""
    area = float(weight.sum(dtype=np.int64)) / 4096 * stage.grid.cell_area_m2
    if wish.base == "level":
        assert wish.level_m is not None
        if wish.height_assumed:
            alone = wish.height_m * area
            remarks.append(
                "The survey's height against the given level was taken as "
                f"{100 * wish.height_m:.0f} cm (1 σ): no check points tell it. That alone is {alone:.0f} m³."
            )
        return LEVEL, np.full(stage.grid.shape, wish.level_m), None, wish.height_m * area, math.inf
    if wish.base in ("auto", "earlier", "surface") and stage.before is not None:
        inside = weight > 0
        had = float(weight[inside & np.isfinite(stage.before)].sum(dtype=np.int64)) / float(
            weight[inside].sum(dtype=np.int64)
        )
        if had >= _LEAST_EARLIER or wish.base != "auto":
            assert wish.pair_sigma is not None
            sigma, dof = wish.pair_sigma(target.polygon)
            word = SURFACE if wish.base == "surface" else wish.before_word
            return word, stage.before, None, sigma * area, dof
        remarks.append(
            f"The {wish.before_word} covers only {100 * had:.0f} % of the outline; the ground was rebuilt."
        )
    if wish.base == "earlier":
        raise InputRefused(
            f"the base of {target.id!r} cannot be the earlier survey: there is none",
            mend='Add the earlier [[survey]], or use base = "auto".',
        )
    method = METHODS["auto" if wish.base in ("auto", "surface") else wish.base]
    try:
        how = rebuild(
            stage.surface,
            weight / 4096.0,
            stage.natural,
            stage.grid.cell_east,
            stage.grid.cell_north,
            method=method,
            ground=stage.untouched,
            touched=wider > 0,
            pit=_asked_pit(wish, target),
        )
    except InputRefused as fault:
        raise InputRefused(
            f"{target.id!r}: {fault.found}", expected=fault.expected, mend=fault.mend, file=fault.file
        ) from fault
    return how.method, how.heights, how, how.sigma_m3, how.dof


def _doubts(
    target: Target,
    stage: Stage,
    wish: Wish,
    surface: NDArray[np.float64],
    base: NDArray[np.float64],
    weight: NDArray[np.uint16],
    others: tuple[NDArray[np.uint16], NDArray[np.uint16]],
    sigma: float,
    dof: float,
    parts: Amount,
) -> tuple[Doubt, ...]:
    name = "surveys" if stage.before is not None and base is stage.before else "base and survey"
    if wish.base == "level":
        name = "survey against the level"
    cell = stage.grid.cell_area_m2
    nets = [amount(surface, base, w, cell).net_m3 for w in others if w.any()]
    moved = float(np.mean([abs(net - parts.net_m3) for net in nets])) if nets else 0.0
    edge = (weight > 0) & (weight < 4096) & np.isfinite(surface) & np.isfinite(base)
    height = float(np.mean(np.abs(surface - base)[edge])) if edge.any() else 0.0
    sampled = steep_wall_sigma(float(target.polygon.length), height, stage.grid.cell_m)
    return (Doubt(name, sigma, dof), Doubt("outline", math.hypot(moved, sampled)))


def _cell_sigma(wish: Wish, how: Base | None, parts: Amount) -> float:
    """σ of one height over its base, for what noise alone puts into cut and fill."""
    if how is None or parts.measured_m2 <= 0:
        return wish.cell_m
    return math.hypot(wish.cell_m, how.sigma_m3 / parts.area_m2)


# -- sections --------------------------------------------------------------------------------------------
def _sections(
    target: Target, stage: Stage, base: NDArray[np.float64], deepest: tuple[float, float] | None
) -> tuple[tuple[SectionLine, str, Profile, Profile], ...]:
    """Along the longest axis and across it, both through the deepest (highest) point."""
    if deepest is None:
        return ()
    axis = long_axis_deg(target.polygon)
    out = []
    for letter, bearing, why in (
        ("A", axis, "along the longest axis"),
        ("B", (axis + 90.0) % 180.0, "across the longest axis"),
    ):
        line = section_through(
            target.polygon, deepest, name=letter, site=target.id, bearing_deg=bearing, overhang=0.2
        )
        step = max(stage.grid.cell_m, line.length_m / 600)
        read_surface, read_base = held(stage.surface), held(base)
        over = profile(read_surface, stage.grid, line.line, step)
        under = profile(read_base, stage.grid, line.line, step)
        out.append((line, why, over, under))
    return tuple(out)


def held(array: NDArray[np.float64]) -> Callable[[Any], NDArray[np.float32]]:
    """A reader of pieces of an array that is held whole; beyond it nothing was measured."""

    def read(piece: Any) -> NDArray[np.float32]:
        out = np.full(piece.shape, np.nan)
        r0, c0 = max(piece.row0, 0), max(piece.col0, 0)
        r1, c1 = min(piece.row0 + piece.height, array.shape[0]), min(piece.col0 + piece.width, array.shape[1])
        if r0 < r1 and c0 < c1:
            out[r0 - piece.row0 : r1 - piece.row0, c0 - piece.col0 : c1 - piece.col0] = array[r0:r1, c0:c1]
        return out

    return read
