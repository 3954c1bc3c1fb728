"""Heights in feet that nobody declared: told by how steep poured ground stands, and by the highest ground.

A surface in feet read as metres is 3.28 times too high everywhere, and nothing inside it says so but what has
a size of its own. Loose rock and earth have: however tipped, they come to rest at 30° to 42° (angle of
repose; Carrigy 1970, Sedimentology 14: 33° to 38° for dry crushed rock). In feet that is 62° to 71°, at which
nothing loose stands. Poured ground is what rose by metres between two surveys; its rim is left out, where
walls, sheds, trees and faces that are half a cell off show. And no ground of a State lies above its summit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.forensics.flag import Flag, Outcome

TEST = "real.unit"
FEET = 1 / 0.3048
LEAST_RISE_M = 2.0
RIM_M = 1.5
LEAST_STEEP_M2 = 150.0
FROM_DEG = 25
"""Less steep ground is a dump's top, or was spread."""
REPOSE_DEG = (27.0, 46.0)
CONCENTRATED = 0.7
MOST_OFF_M = 2.0

BEYOND_SUMMIT = 1.02
"""Above this much of the highest ground of its State nothing lies: figures of summits differ by as much."""


@dataclass(frozen=True)
class Summit:
    """The highest ground of a State. ``source``: the row of law's table of summits, as findings name it."""

    state: str
    height_m: float
    source: str


@dataclass(frozen=True)
class Poured:
    """How steep poured ground stands: cells per degree of slope, 0 to 90."""

    cells: NDArray[np.int64]
    cell_m2: float

    @staticmethod
    def joined(parts: Sequence[Poured]) -> Poured | None:
        return Poured(np.sum([p.cells for p in parts], axis=0), parts[0].cell_m2) if parts else None

    @property
    def steep_m2(self) -> float:
        return float(self.cells[FROM_DEG:].sum()) * self.cell_m2

    def quantile_deg(self, part: float) -> float:
        """Of the steep ground."""
        steep = np.cumsum(self.cells[FROM_DEG:])
        return FROM_DEG + float(np.searchsorted(steep, part * steep[-1], side="left")) + 0.5

    def share(self, low_deg: float, high_deg: float) -> float:
        """Of the steep ground, how much stands between."""
        total = self.cells[FROM_DEG:].sum()
        return float(self.cells[max(FROM_DEG, round(low_deg)) : round(high_deg)].sum()) / max(int(total), 1)


def poured(
    before: NDArray[np.floating], after: NDArray[np.floating], offset_m: float, cell_m: float
) -> Poured | None:
    """Slopes of what rose between two surveys on the same cells, metres; None where nothing did.

    ``offset_m``: rise of ground that did not change. Slopes are central differences, so half of a face's
    edge is rounded, never steepened.
    """
    from scipy.ndimage import binary_erosion

    rose = after - before - offset_m > LEAST_RISE_M
    rim = max(3, math.ceil(RIM_M / cell_m))
    if min(rose.shape) < 2 * rim + 3 or int(rose.sum()) < (2 * rim + 1) ** 2:
        return None
    inner = binary_erosion(rose, np.ones((3, 3)), iterations=rim, border_value=False)
    if not inner.any():
        return None
    z = np.asarray(after, np.float64)
    down, across = np.full(z.shape, np.nan), np.full(z.shape, np.nan)
    down[1:-1] = (z[2:] - z[:-2]) / (2 * cell_m)
    across[:, 1:-1] = (z[:, 2:] - z[:, :-2]) / (2 * cell_m)
    slope = np.degrees(np.arctan(np.hypot(down, across)))[inner]
    degrees = np.minimum(slope[np.isfinite(slope)].astype(np.int64), 90)
    return Poured(np.bincount(degrees, minlength=91), cell_m * cell_m)


def judge_unit(
    seen: Poured | None, *, off_m: float = 0.0, median_m: float = math.nan, summit: Summit | None = None
) -> Outcome:
    """The flag of heights that would fit as feet and cannot be metres.

    ``off_m``: how far the two surveys lie off each other in plan. ``median_m``: middle height of the later
    survey; ``summit``: the highest ground of the State that the job names.
    """
    if summit is not None and median_m > BEYOND_SUMMIT * summit.height_m:
        return Outcome(
            TEST,
            (
                Flag(
                    TEST,
                    "higher than the State",
                    "strong",
                    f"half of the heights are above {median_m:,.0f} m, and no ground of {summit.state} is "
                    f"higher than {summit.height_m:,.0f} m ({summit.source}); as feet they would be "
                    f"{median_m / FEET:,.0f} m.",
                    {"median_m": median_m, "summit_m": summit.height_m, "summit_source": summit.source},
                    (),
                    ("the heights are in feet and the files do not say so", "the job names the wrong State"),
                ),
            ),
        )
    if seen is None or seen.steep_m2 < LEAST_STEEP_M2:
        return Outcome(
            TEST, no_power="no ground was poured between the surveys whose slope could be measured"
        )
    if off_m > MOST_OFF_M:
        return Outcome(
            TEST, no_power="the surveys lie too far off each other to measure slopes of new ground"
        )
    middle = seen.quantile_deg(0.5)
    low, high = (math.degrees(math.atan(FEET * math.tan(math.radians(d)))) for d in REPOSE_DEG)
    evidence = {
        "slope_deg": middle,
        "slope_quartiles_deg": [seen.quantile_deg(0.25), seen.quantile_deg(0.75)],
        "steep_m2": seen.steep_m2,
        "share_as_feet": seen.share(low, high),
        "share_as_metres": seen.share(*REPOSE_DEG),
    }
    if not (low < middle < high and seen.share(low, high) > CONCENTRATED):
        return Outcome(TEST, evidence=evidence)
    as_feet = math.degrees(math.atan(math.tan(math.radians(middle)) / FEET))
    return Outcome(
        TEST,
        (
            Flag(
                TEST,
                "heights as if in feet",
                "moderate",
                f"ground that was poured between the surveys stands at {middle:.0f}° (middle of "
                f"{seen.steep_m2:,.0f} m²), and loose rock and earth rest at 30° to 42°; read as feet, it "
                f"would stand at {as_feet:.0f}°.",
                evidence,
                (),
                (
                    "the heights are in feet and the files do not say so",
                    "what rose was built, not poured: masonry, gabions, reinforced earth",
                ),
            ),
        ),
        evidence=evidence,
    )
