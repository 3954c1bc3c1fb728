"""A number that knows how sure it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z95 = 1.959963984540054
"""Half-width of a central 95 % interval of a normal variable, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A value with its 95 % interval and unit.

    NaN in ``value`` means *not measured*; the interval is then NaN too. Addition is deliberately absent:
    whether two errors are independent is something only the caller can know.
    """

    value: float
    lo: float
    hi: float
    unit: str

    def __post_init__(self) -> None:
        if math.isnan(self.value):
            if not (math.isnan(self.lo) and math.isnan(self.hi)):
                raise ValueError("a value that was not measured cannot have an interval")
        elif not self.lo <= self.value <= self.hi:
            raise ValueError(f"the interval [{self.lo}, {self.hi}] does not hold the value {self.value}")

    @classmethod
    def from_sigma(cls, value: float, sigma: float, unit: str, *, t: float = Z95) -> Measured:
        """The symmetric 95 % interval of a normal error with standard deviation ``sigma``."""
        return cls(value, value - t * sigma, value + t * sigma, unit)

    @classmethod
    def missing(cls, unit: str) -> Measured:
        return cls(math.nan, math.nan, math.nan, unit)

    @property
    def known(self) -> bool:
        return not math.isnan(self.value)

    @property
    def half_width(self) -> float:
        return (self.hi - self.lo) / 2

    def scaled(self, factor: float, unit: str) -> Measured:
        """The same quantity in another unit: m³ to tonnes, m² to hectares. ``factor`` must be exact."""
        lo, hi = sorted((self.lo * factor, self.hi * factor))
        return Measured(self.value * factor, lo, hi, unit)

    def non_negative(self) -> Measured:
        """The interval cut at zero, for quantities that cannot be negative (a gross volume)."""
        if not self.known:
            return self
        value = max(self.value, 0.0)
        return Measured(value, min(max(self.lo, 0.0), value), max(self.hi, value), self.unit)
