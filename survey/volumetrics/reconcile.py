"""Do declared figures fit the ground? The mass balance of Form G1 against measured volumes.

Over a year

    void cut [bank m³]          = overburden generated [m³] + ore mined [t] / in-situ density
    dumps and backfill grow by  = overburden · (1 + swell)
    stacks grow by              = (closing − opening stock) [t] / loose density

Both sides carry doubt: the volumes their 95 % interval, the density its range. Figures agree if the two
intervals meet. Agreement is worth little where the interval is wide, so a comparison says how wide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from survey.quantity import Measured

Agreement = Literal["agrees", "contradicts", "too wide to tell"]

TOO_WIDE = 0.5
"""An interval whose half is more than this part of the declared figure cannot confirm it."""


@dataclass(frozen=True)
class Range:
    """Low, best and high value of something that somebody stated."""

    lo: float
    best: float
    hi: float

    @classmethod
    def of(cls, best: float | None, lo: float | None = None, hi: float | None = None) -> Range | None:
        """None without a best value; a side that is not given is the best value itself."""
        if best is None:
            return None
        return cls(best if lo is None else lo, best, best if hi is None else hi)

    def __add__(self, other: Range) -> Range:
        return Range(self.lo + other.lo, self.best + other.best, self.hi + other.hi)


@dataclass(frozen=True)
class Comparison:
    """One figure: what was declared, what the ground shows, and whether they can both be true."""

    quantity: str
    declared: Range
    measured: Measured
    agreement: Agreement
    message: str

    @property
    def apart(self) -> float:
        """Declared less measured, best values."""
        return self.declared.best - self.measured.value


@dataclass(frozen=True)
class Figures:
    """The figures of the annual return that the balance uses; None = not declared."""

    overburden_m3: float | None = None
    disposed_m3: float | None = None
    backfilled_m3: float | None = None
    production_t: float | None = None
    opening_stock_t: float | None = None
    closing_stock_t: float | None = None


@dataclass(frozen=True)
class Ground:
    """What was measured over the same time inside the lease: gross cut and gross fill, m³."""

    cut: Measured
    fill: Measured


def compare(quantity: str, declared: Range, measured: Measured, message: str) -> Comparison:
    """Whether the intervals meet."""
    if not measured.known:
        return Comparison(quantity, declared, measured, "too wide to tell", message)
    meet = declared.lo <= measured.hi and measured.lo <= declared.hi
    agreement: Agreement = "agrees" if meet else "contradicts"
    size = max(abs(declared.best), abs(measured.value))
    if meet and size > 0 and measured.half_width > TOO_WIDE * size:
        agreement = "too wide to tell"
    return Comparison(quantity, declared, measured, agreement, message)


def balance(
    figures: Figures, ground: Ground, density: Range | None, loose: Range | None, swell: float | None
) -> list[Comparison]:
    """Every equation for which the figures are there.

    Parameters
    ----------
    density, loose:
        In-situ density of the ore and loose density of a stack, t/m³, with their range.
    swell:
        Growth of waste when it is broken.

    Returns
    -------
    list of Comparison
        In a fixed order; quantities are those of the law tables (``void_cut_m3`` …).
    """
    found: list[Comparison] = []
    ore = None
    if figures.production_t is not None and density is not None:
        ore = Range(
            figures.production_t / density.hi,
            figures.production_t / density.best,
            figures.production_t / density.lo,
        )
    waste = Range.of(figures.overburden_m3)
    if waste is not None and ore is not None:
        whole = waste + ore
        found.append(
            compare(
                "void_cut_m3",
                whole,
                ground.cut,
                f"Declared overburden of {waste.best:,.0f} m³ and {figures.production_t:,.0f} t of ore at "
                f"{_density(density)} fill {_range(whole)} m³; the void that was cut holds "
                f"{_measured(ground.cut)} m³.",
            )
        )
        found.append(_production(figures, ground, density, waste))
        found.append(_overburden(ground, ore, waste))
    elif ore is not None:
        found.append(_at_least("rom_production_t", figures, ground, density))
    elif waste is not None:
        # The void holds at least the waste; how much ore came out is not declared.
        message = (
            f"The declared overburden is {waste.best:,.0f} m³; the whole void that was cut holds "
            f"{_measured(ground.cut)} m³."
        )
        found.append(_no_more_than("overburden_generated_m3", waste, ground.cut, message))
    found += _heaps(figures, ground, loose, swell)
    return found


def _production(figures: Figures, ground: Ground, density: Range | None, waste: Range) -> Comparison:
    assert density is not None
    assert figures.production_t is not None
    volume = (ground.cut.value - waste.best, ground.cut.lo - waste.best, ground.cut.hi - waste.best)
    best = volume[0] * density.best
    lo = min(volume[1] * density.lo, volume[1] * density.hi)
    hi = max(volume[2] * density.lo, volume[2] * density.hi)
    implied = Measured(best, min(lo, best), max(hi, best), "t")
    return compare(
        "rom_production_t",
        Range(figures.production_t, figures.production_t, figures.production_t),
        implied,
        f"The void less the declared overburden is {_measured(implied)} t of ore at {_density(density)}; "
        f"declared are "
        f"{figures.production_t:,.0f} t.",
    )


def _overburden(ground: Ground, ore: Range, waste: Range) -> Comparison:
    implied = Measured(
        ground.cut.value - ore.best,
        ground.cut.lo - ore.hi,
        ground.cut.hi - ore.lo,
        "m3",
    )
    return compare(
        "overburden_generated_m3",
        waste,
        implied,
        (
            f"The void less the declared ore is {_measured(implied)} m³ of overburden; declared are "
            f"{waste.best:,.0f} m³."
        ),
    )


def _at_least(quantity: str, figures: Figures, ground: Ground, density: Range | None) -> Comparison:
    """Production without overburden: the whole void bounds it from above."""
    assert density is not None
    assert figures.production_t is not None
    most = Measured(
        ground.cut.value * density.best, ground.cut.lo * density.lo, ground.cut.hi * density.hi, "t"
    )
    declared = Range(figures.production_t, figures.production_t, figures.production_t)
    message = (
        f"The whole void, were it all ore at {_density(density)}, would be {_measured(most)} t; declared are "
        f"{figures.production_t:,.0f} t, and the overburden is not declared."
    )
    return _no_more_than(quantity, declared, most, message)


def _no_more_than(quantity: str, declared: Range, most: Measured, message: str) -> Comparison:
    agreement: Agreement = "contradicts" if declared.lo > most.hi else "too wide to tell"
    return Comparison(quantity, declared, most, agreement, message)


def _heaps(figures: Figures, ground: Ground, loose: Range | None, swell: float | None) -> list[Comparison]:
    """Dumps, backfill and stacks: what was put down, in loose volume, against the gross fill."""
    placed = [v for v in (figures.disposed_m3, figures.backfilled_m3) if v is not None]
    waste = sum(placed) if placed else figures.overburden_m3
    if waste is None or swell is None:
        return []
    dumped = Range(waste * (1 + swell), waste * (1 + swell), waste * (1 + swell))
    stacks = None
    if figures.opening_stock_t is not None and figures.closing_stock_t is not None and loose is not None:
        change = figures.closing_stock_t - figures.opening_stock_t
        ends = sorted((change / loose.lo, change / loose.hi))
        stacks = Range(ends[0], change / loose.best, ends[1])
    if stacks is None:
        grown, note = dumped, "; the change of stocks is not declared and was left out"
    else:
        grown, note = dumped + stacks, f", with {stacks.best:+,.0f} m³ of stacks"
    return [
        compare(
            "disposed_and_backfilled_m3",
            grown,
            ground.fill,
            f"Declared waste of {waste:,.0f} m³ grows to {_range(grown)} m³ with a swell of "
            f"{swell:g}{note}; heaps and "
            f"fills grew by {_measured(ground.fill)} m³.",
        )
    ]


def returns_that_do_not_add_up(
    beginning: float | None,
    generated: float | None,
    disposed: float | None,
    backfilled: float | None,
    end: float | None,
    *,
    slack: float = 0.005,
) -> list[str]:
    """Sentences for overburden figures that contradict each other within the return itself.

    What is at the end is what was there plus what was generated, or plus what went to the dumps if
    backfill is not counted as waste at hand; lessees write both. What was generated is what was disposed
    and backfilled.
    """
    found = []

    def differ(one: float, other: float) -> bool:
        return abs(one - other) > slack * max(abs(one), abs(other), 1.0)

    split = generated is not None and disposed is not None and backfilled is not None
    if split and differ(generated, disposed + backfilled):  # type: ignore[operator, arg-type]
        found.append(
            f"generated {generated:,.0f} m³ is not disposed {disposed:,.0f} m³ and backfilled "
            f"{backfilled:,.0f} m³"
        )
    if beginning is not None and end is not None:
        ways = [beginning + v for v in (generated, disposed) if v is not None]
        if generated is not None and backfilled is not None:
            ways.append(beginning + generated - backfilled)
        if ways and all(differ(end, way) for way in ways):
            found.append(
                f"the total at the end, {end:,.0f} m³, is not that at the beginning, {beginning:,.0f} "
                f"m³, and what was "
                f"added"
            )
    return found


def _range(r: Range) -> str:
    if math.isclose(r.lo, r.hi, rel_tol=1e-6):
        return f"{r.best:,.0f}"
    return f"{r.best:,.0f} ({r.lo:,.0f} to {r.hi:,.0f})"


def _measured(m: Measured) -> str:
    return f"{m.value:,.0f} ({m.lo:,.0f} to {m.hi:,.0f})" if m.known else "an unknown number of"


def _density(r: Range | None) -> str:
    assert r is not None
    return f"{r.best:g} t/m³" if r.lo == r.hi else f"{r.best:g} ({r.lo:g} to {r.hi:g}) t/m³"
