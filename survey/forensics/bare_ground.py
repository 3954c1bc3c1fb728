"""Is a terrain model bare ground, or the surface model under another name?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.forensics.flag import Flag, Outcome

TEST = "real.dtm"

CLEARED_CELLS, CLEARED_SHARE = 20, 2e-5
"""So many cells from which something higher than 0.3 m was taken away are more than the rim of a hole."""
GREEN_CELLS, GREEN_SHARE = 100, 5e-4
STANDING_CELLS = 30
"""So many green cells that stand are a tree or two. Grass and young crops are green, and an honest terrain
model takes nothing away where nothing has a height."""
STANDING_M = 1.0
CROWN_M = 12.0
"""What is narrower than this and stands out of its surroundings may be a tree; a heap of that width has
gentler sides."""
STEEP = 1.2


@dataclass(frozen=True)
class Pair:
    """Counts over the cells where both models were measured."""

    cells: int
    equal: int  # to the last digit
    above: int  # surface more than 0.3 m above terrain
    below: int  # terrain more than 0.3 m above surface: impossible
    green: int  # cells that the orthomosaic shows as vegetation
    green_equal: int  # of these, equal
    standing: int = 0  # green cells that stand above the ground around as trees do

    def __add__(self, other: Pair) -> Pair:
        names = self.__dataclass_fields__
        return Pair(**{n: getattr(self, n) + getattr(other, n) for n in names})


def compare_models(
    dsm: NDArray[np.floating],
    dtm: NDArray[np.floating],
    green: NDArray[np.bool_] | None = None,
    cell_m: float = 1.0,
) -> Pair:
    """The counts of one tile; three arrays of one shape, heights in metres, NaN = not measured."""
    known = np.isfinite(dsm) & np.isfinite(dtm)
    with np.errstate(invalid="ignore"):
        rise = np.asarray(dsm, np.float64) - np.asarray(dtm, np.float64)
        equal = known & (dsm == dtm)
        leaf = known & green if green is not None else np.zeros(known.shape, bool)
        return Pair(
            int(known.sum()),
            int(equal.sum()),
            int((known & (rise > 0.3)).sum()),
            int((known & (rise < -0.3)).sum()),
            int(leaf.sum()),
            int((leaf & equal).sum()),
            int((leaf & _standing(np.asarray(dsm, np.float64), known, cell_m)).sum()) if leaf.any() else 0,
        )


def _standing(z: NDArray[np.float64], known: NDArray[np.bool_], cell_m: float) -> NDArray[np.bool_]:
    """Cells of narrow things with steep sides, higher than ``STANDING_M`` above the opening of the surface.

    A plane, a face and a bench are their own opening by a flat square; a crown is not. Along the border of
    the tile nobody knows what the square would hold.
    """
    from scipy.ndimage import grey_opening, maximum_filter

    side = 2 * max(1, round(CROWN_M / cell_m / 2)) + 1
    whole = np.where(known, z, z[known].max())
    out = np.zeros(z.shape, bool)
    inner = np.s_[side // 2 : -(side // 2), side // 2 : -(side // 2)]
    out[inner] = (known & (whole - grey_opening(whole, size=(side, side)) > STANDING_M))[inner]
    if not out.any():
        return out
    north, east = np.gradient(whole, cell_m)
    around = 2 * max(1, round(1.0 / cell_m)) + 1
    return out & (maximum_filter(np.hypot(north, east), around) > STEEP)


def judge_dtm(pair: Pair, same_file: bool = False) -> Outcome:
    """Flags for a surface model and a terrain model of one survey.

    In open ground the two may rightly be equal; where the orthomosaic shows plants that stand they may not
    be, and a terrain model never lies above the surface. Where objects were taken away somewhere, the rest
    being equal is what an honest terrain model of open ground looks like: grass is green and has no height.
    """
    evidence = {
        "cells": pair.cells,
        "equal_share": pair.equal / pair.cells if pair.cells else float("nan"),
        "surface_above_share": pair.above / pair.cells if pair.cells else float("nan"),
        "vegetation_cells": pair.green,
        "standing_vegetation_cells": pair.standing,
    }
    if pair.cells < 1000:
        return Outcome(TEST, no_power="the two models share too little ground", evidence=evidence)
    flags = []
    equal = pair.equal / pair.cells
    cleared = pair.above >= max(CLEARED_CELLS, CLEARED_SHARE * pair.cells)
    if same_file or (equal > 0.999 and not cleared):
        green = pair.green >= max(GREEN_CELLS, GREEN_SHARE * pair.cells)
        leafy = green and pair.green_equal > 0.99 * pair.green and pair.standing >= STANDING_CELLS
        honest = (
            "what is green there may be grass or crops: nothing of it stands"
            if green
            else "there is nothing on the ground to be removed: no tree, shed or machine"
        )
        flags.append(
            Flag(
                TEST,
                "terrain model is the surface model",
                "strong" if same_file or leafy else "moderate",
                f"The terrain model equals the surface model in {equal:.2%} of the cells"
                + (", also where the orthomosaic shows vegetation" if leafy else "")
                + (" (the two files are the same, byte for byte)" if same_file else "")
                + ".",
                evidence,
                (),
                () if leafy else (honest,),
            )
        )
    elif pair.below > 0.05 * pair.cells:
        flags.append(
            Flag(
                TEST,
                "terrain above surface",
                "moderate",
                f"The terrain model lies more than 0.3 m above the surface model in "
                f"{pair.below / pair.cells:.1%} of "
                f"the cells.",
                evidence | {"terrain_above_share": pair.below / pair.cells},
                (),
                ("the two files were given in the wrong order", "they come from different flights or datums"),
            )
        )
    return Outcome(TEST, tuple(flags), evidence=evidence)
