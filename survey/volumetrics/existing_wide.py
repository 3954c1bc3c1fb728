"""Hollows at several scales: ground that lies lower than the ground tens of metres around it.

On rough ground the rims of a pit are lost among the ground's own breaks, and yet the pit is lower than its
surroundings by more than ground there usually is. A cell is held against the median of the means of opposite
points 16, 32 or 64 m away (``existing.breaks``, on cells of two metres): on a plane there is no difference,
however it slopes, and what stands on a third of the surroundings has no say. How much the difference scatters
over this survey says what is unusual, apart for each distance.

Mounds are not looked for in this way: natural hills and crowns stand out as heaps do, and on ground of our
own making twenty of them were called heaps and not one heap was found that had not been.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.volumetrics import existing, runs

Floats = NDArray[np.float32]

WORTH = {
    "one": 4.02, "stands_out": 2.12, "wide": 1.26, "fills": 1.10, "below_half": -0.94, "ragged": -1.30,
}  # fmt: skip
"""Log-odds that a hollow is worth a closer look, fitted on seeds 100,100 to 100,107 of the other maker, on
ground of three kinds of roughness. ``stands_out``: logarithm of its depth over the scatter at that distance;
``wide``: logarithm of its area over the square of the distance; ``fills``: share of its bounding box;
``below_half``: share of it that reaches half of its depth; ``ragged``: outline over the root of the area."""
SAME = 0.7


@dataclass(frozen=True)
class WideLook:
    """How hollows are looked for. All of it is printed in the record.

    ``cell_m``: heights are averaged over blocks to cells of about this size (coarser where a survey would
    have more than ``most_cells`` of them). ``least_m``: shallower ones are not looked at.
    ``spreads``: robust standard deviations below their surroundings at which hollows are outlined.
    ``worth_from``: log-odds by ``WORTH`` from which one is looked at closely. ``sure_from``: probability from
    which a pit is added; it is above even, for nature has more hollows than rims.
    """

    cell_m: float = 2.0
    most_cells: int = 8_000_000
    distances_m: tuple[float, ...] = (16.0, 32.0, 64.0)
    least_m: float = 1.0
    spreads: tuple[float, ...] = (2.2, 3.3, 5.0)
    worth_from: float = 0.1
    sure_from: float = 0.6

    def block(self, working_m: float, cells: int) -> int:
        """Working cells a side of a cell, in a survey of so many working cells."""
        return max(1, round(self.cell_m / working_m), math.ceil(math.sqrt(cells / self.most_cells)))

    def public(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Hollow:
    """Cells below their surroundings ``distance_m`` away; ``row0``, ``col0``: where their window begins."""

    distance_m: float
    row0: int
    col0: int
    cells: NDArray[np.bool_]
    worth: float

    @property
    def runs(self) -> runs.Runs:
        return runs.find_runs(self.cells.astype(np.int8), self.row0, self.col0)[0]


def hollows(z: Floats, cell_m: float, look: WideLook, least_m2: float) -> list[Hollow]:
    """Hollows that may be pits, those most worth a look first.

    Parameters
    ----------
    z : (rows, cols) float32 heights of the whole survey on cells of ``cell_m``, NaN = not measured.
    least_m2 : area from which a pit is looked for; what is found of one may be 0.4 of that.
    """
    from scipy.ndimage import find_objects, label

    found: list[Hollow] = []
    everywhere = np.ones((3, 3), bool)
    for distance in look.distances_m:
        below = existing.breaks(z, cell_m, distance) * np.float32(-distance)
        known = np.abs(below[np.isfinite(below)])
        sigma = 1.4826 * float(np.median(known)) if known.size else 0.0
        if sigma <= 0:
            continue
        np.nan_to_num(below, copy=False)
        for spreads in look.spreads:
            marks, _ = label(below > max(0.4 * look.least_m, spreads * sigma), structure=everywhere)
            for number, window in enumerate(find_objects(marks), start=1):
                cells = marks[window] == number
                area = float(cells.sum()) * cell_m**2
                if not max(0.4 * least_m2, 0.02 * distance**2) <= area <= 4 * distance**2:
                    continue
                depth = float(below[window][cells].max())
                if depth < look.least_m:
                    continue
                worth = _worth(cells, below[window], depth, sigma, area, distance, cell_m)
                if worth >= look.worth_from:
                    found.append(Hollow(distance, window[0].start, window[1].start, cells, worth))
    found.sort(key=lambda h: (-h.worth, h.row0, h.col0, h.distance_m, h.cells.size))
    kept: list[Hollow] = []
    for one in found:
        if all(_shared(one, other) <= SAME for other in kept):
            kept.append(one)
    return kept


def _worth(
    cells: NDArray[np.bool_],
    below: Floats,
    depth: float,
    sigma: float,
    area: float,
    distance: float,
    cell_m: float,
) -> float:
    wide = np.pad(cells, 1)
    sides = sum(
        int((wide[1:-1, 1:-1] & ~np.roll(wide, step, axis)[1:-1, 1:-1]).sum())
        for step in (-1, 1)
        for axis in (0, 1)
    )
    signs = {
        "one": 1.0,
        "stands_out": math.log(depth / sigma),
        "wide": math.log(area / distance**2),
        "fills": float(cells.mean()),
        "below_half": float((below[cells] > 0.5 * depth).mean()),
        "ragged": sides * cell_m / math.sqrt(area),
    }
    return sum(WORTH[name] * value for name, value in signs.items())


def _shared(a: Hollow, b: Hollow) -> float:
    """What two hollows share, over what either covers."""
    r0, c0 = max(a.row0, b.row0), max(a.col0, b.col0)
    r1 = min(a.row0 + a.cells.shape[0], b.row0 + b.cells.shape[0])
    c1 = min(a.col0 + a.cells.shape[1], b.col0 + b.cells.shape[1])
    if r0 >= r1 or c0 >= c1:
        return 0.0
    one = a.cells[r0 - a.row0 : r1 - a.row0, c0 - a.col0 : c1 - a.col0]
    other = b.cells[r0 - b.row0 : r1 - b.row0, c0 - b.col0 : c1 - b.col0]
    both = int((one & other).sum())
    return both / (int(a.cells.sum()) + int(b.cells.sum()) - both)
