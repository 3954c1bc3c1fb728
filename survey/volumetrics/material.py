"""From cubic metres to tonnes and rupees, with every doubt carried along and nothing assumed in silence.

A void is not all mineral, densities are litigated, and a rate, a multiplier and their legal basis are the
officer's to enter. So a tonnage is an interval, made by the arithmetic of intervals: its low end takes the
low volume, the low fraction and the low density together. That is wider than a 95 % interval of independent
errors, and deliberately so: a fraction or a density that somebody stated has no known distribution. An
amount is only named when all that it rests on is there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from survey.errors import InputRefused
from survey.quantity import Measured

UNKNOWN = "not stated"


@dataclass(frozen=True, slots=True)
class Bounds:
    """A value between two bounds; ``best`` is NaN where only the bounds are known."""

    lo: float
    best: float
    hi: float

    def __post_init__(self) -> None:
        if math.isnan(self.lo) or math.isnan(self.hi) or self.lo > self.hi:
            raise ValueError(f"no bounds: {self.lo} … {self.hi}")
        if not math.isnan(self.best) and not self.lo <= self.best <= self.hi:
            raise ValueError(f"{self.best} does not lie between {self.lo} and {self.hi}")

    @classmethod
    def exact(cls, value: float) -> Bounds:
        return cls(value, value, value)

    @property
    def known(self) -> bool:
        return not math.isnan(self.best)

    def __mul__(self, other: Bounds) -> Bounds:
        """Product of two intervals of numbers ≥ 0."""
        return Bounds(self.lo * other.lo, self.best * other.best, self.hi * other.hi)


@dataclass(frozen=True, slots=True)
class Material:
    """Something that came out of the void or lies in the stock: its fraction by volume and its density.

    ``fraction``: None where nobody stated it. ``density``: t/m³, None if not known. ``state``: ``in situ`` or
    ``loose``. Sources are quoted as given.
    """

    name: str
    mineral: bool
    fraction: Bounds | None
    density: Bounds | None
    state: str
    fraction_source: str | None = None
    density_source: str | None = None


@dataclass(frozen=True, slots=True)
class Portion:
    """One material's share of a volume, with what it weighs. NaN where that cannot be said."""

    material: Material
    fraction: Bounds
    volume_m3: Bounds
    tonnes: Bounds | None


@dataclass(frozen=True, slots=True)
class Royalty:
    """What the officer entered. Nothing of it is ever supplied by the program."""

    rate_inr_t: float | None = None
    rate_date: str | None = None
    rate_source: str | None = None
    multiplier: float | None = None
    multiplier_basis: str | None = None

    def missing(self) -> tuple[str, ...]:
        """What is not there, in words, of all that an amount rests on."""
        wanted = (
            (self.rate_inr_t, "royalty rate"),
            (self.rate_date, "date of the royalty rate"),
            (self.rate_source, "source of the royalty rate"),
            (self.multiplier, "multiplier"),
            (self.multiplier_basis, "legal basis of the multiplier"),
        )
        return tuple(name for value, name in wanted if value is None)


@dataclass(frozen=True, slots=True)
class Worth:
    """Material, tonnes and amount of one volume.

    ``mineral_t``: tonnes of what is billed. ``royalty_inr``: tonnes × rate; ``amount_inr``: × multiplier.
    None where something is missing; ``missing`` says what. ``remarks`` say how the figures came about.
    """

    portions: tuple[Portion, ...]
    mineral_t: Bounds | None
    royalty_inr: Bounds | None
    amount_inr: Bounds | None
    missing: tuple[str, ...]
    remarks: tuple[str, ...] = field(default=())


def settle_fractions(materials: Sequence[Material]) -> tuple[list[Bounds], tuple[str, ...]]:
    """A fraction for every material, such that they can sum to one.

    A fraction that was not stated is bounded by what the others leave. Bounds that the others contradict are
    drawn in (if the rest is at least 0.3, this one is at most 0.7); a best value is given where all the
    others have one.

    Raises
    ------
    InputRefused
        The stated fractions cannot sum to one.
    """
    stated = [m.fraction or Bounds(0.0, math.nan, 1.0) for m in materials]
    low, high = sum(b.lo for b in stated), sum(b.hi for b in stated)
    if low > 1 + 5e-3 or high < 1 - 5e-3:
        raise InputRefused(
            f"the fractions of the materials sum to between {low:g} and {high:g}",
            expected="fractions that can sum to 1",
            mend="Correct [[assess.materials]].",
        )
    unknown = [i for i, b in enumerate(stated) if not b.known]
    out = []
    for i, b in enumerate(stated):
        lo = min(max(b.lo, 1 - (high - b.hi)), b.hi)
        hi = max(min(b.hi, 1 - (low - b.lo)), lo)
        best = b.best
        if unknown == [i]:
            best = min(max(1 - sum(o.best for k, o in enumerate(stated) if k != i), lo), hi)
        elif b.known:
            lo, hi = min(lo, best), max(hi, best)
        out.append(Bounds(lo, best, hi))
    names = [materials[i].name for i in unknown if materials[i].fraction is None]
    remarks: tuple[str, ...] = ()
    if names:
        remarks = (f"The fraction of {', '.join(names)} was not stated; it is bounded by what is left.",)
    return out, remarks


def worth(volume: Measured, materials: Sequence[Material], royalty: Royalty) -> Worth:
    """Split a volume by material, weigh it, and name the amount if everything is there.

    Parameters
    ----------
    volume:
        Void of a pit or bulk of a stock, m³, with its 95 % interval.
    materials:
        What it was made of. Empty: unknown; then it is bounded between nothing and all of it being mineral,
        and weighs nothing that could be said.
    """
    missing: list[str] = []
    remarks: list[str] = []
    if not volume.known:
        return Worth((), None, None, None, ("the volume was not measured",), ())
    bulk = Bounds(max(volume.lo, 0.0), max(volume.value, 0.0), max(volume.hi, 0.0))
    if not materials:
        missing.append("material and its density")
        remarks.append("What came out of the void was not stated; no tonnage is given.")
        return Worth((), None, None, None, (*missing, *royalty.missing()), tuple(remarks))
    fractions, said = settle_fractions(materials)
    remarks += said
    portions = []
    for material, fraction in zip(materials, fractions, strict=True):
        share = bulk * fraction
        tonnes = None if material.density is None else share * material.density
        portions.append(Portion(material, fraction, share, tonnes))
    billed = [p for p in portions if p.material.mineral]
    for portion in billed:
        if portion.tonnes is None:
            missing.append(f"density of {portion.material.name}")
        elif portion.material.density_source is None:
            missing.append(f"source of the density of {portion.material.name}")
    if not billed:
        remarks.append("None of the materials is marked as mineral; nothing is billed.")
    mineral = None
    if all(p.tonnes is not None for p in billed):
        mineral = _together(bulk, portions)
    lacking = (*missing, *royalty.missing())
    duty = amount = None
    if (
        mineral is not None
        and royalty.rate_inr_t is not None
        and royalty.multiplier is not None
        and not lacking
    ):
        duty = mineral * Bounds.exact(royalty.rate_inr_t)
        amount = duty * Bounds.exact(royalty.multiplier)
    return Worth(tuple(portions), mineral, duty, amount, lacking, tuple(remarks))


def _together(bulk: Bounds, portions: Sequence[Portion]) -> Bounds:
    """Tonnes of all that is billed: the fractions trade against each other, so their ends do not add up.

    The least (greatest) Σ fraction · density with every fraction in its bounds and their sum one is found by
    giving what is left over to the lightest (heaviest) first.
    """

    def extreme(sign: float) -> float:
        weights = [
            (p.material.density.lo if sign > 0 else p.material.density.hi)
            if p.material.mineral and p.material.density is not None
            else 0.0
            for p in portions
        ]
        total = sum(p.fraction.lo * w for p, w in zip(portions, weights, strict=True))
        left = 1 - sum(p.fraction.lo for p in portions)
        for k in sorted(range(len(portions)), key=lambda k: (sign * weights[k], k)):
            more = min(max(left, 0.0), portions[k].fraction.hi - portions[k].fraction.lo)
            total += more * weights[k]
            left -= more
        return total

    best = sum(
        p.fraction.best * p.material.density.best
        for p in portions
        if p.material.mineral and p.material.density is not None
    )
    low, high = extreme(1.0), extreme(-1.0)
    return Bounds(bulk.lo * low, bulk.best * min(max(best, low), high), bulk.hi * high)


def demarcation_fee_inr(
    area_ha: float, *, per_ha_inr: float, at_most_inr: float, re_verification_factor: float = 1.0
) -> float:
    """Fee for demarcation: a sum per hectare *or part of it*, up to a most; a multiple for re-verification.

    The figures are the law's; the caller takes them from the table of rules in force.

    Raises
    ------
    InputRefused
        The area is not positive.
    """
    if not (area_ha > 0 and math.isfinite(area_ha)):
        raise InputRefused(f"an area of {area_ha} ha cannot be demarcated", expected="an area above 0 ha")
    # 4.0 ha written as 4.000000000001 by a conversion is not a part of a fifth hectare: one mm² is no part.
    begun = math.ceil(round(area_ha, 10))
    return min(begun * per_ha_inr, at_most_inr) * re_verification_factor
