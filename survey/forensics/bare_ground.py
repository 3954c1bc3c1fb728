"""Is a terrain model bare ground, or the surface model under another name?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.forensics.flag import Flag, Outcome

TEST = "real.dtm"

CLEARED_CELLS, CLEARED_SHARE = 20, 2e-5
"""So many cells from which something higher than 0.3 m was taken away are more than the rim of a hole."""


@dataclass(frozen=True)
class Pair:
    """Counts over the cells where both models were measured."""

    cells: int
    equal: int  # to the last digit
    above: int  # surface more than 0.3 m above terrain
    below: int  # terrain more than 0.3 m above surface: impossible
    green: int  # cells that the orthomosaic shows as vegetation
    green_equal: int  # of these, equal

    def __add__(self, other: Pair) -> Pair:
        names = self.__dataclass_fields__
        return Pair(**{n: getattr(self, n) + getattr(other, n) for n in names})


def compare_models(
    dsm: NDArray[np.floating], dtm: NDArray[np.floating], green: NDArray[np.bool_] | None = None
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
        )


def judge_dtm(pair: Pair, same_file: bool = False) -> Outcome:
    """Flags for a surface model and a terrain model of one survey.

    In open ground the two may rightly be equal; where the orthomosaic shows vegetation they may not be, and a
    terrain model never lies above the surface. Where objects were taken away somewhere, the rest being equal
    is what an honest terrain model of open ground looks like: grass is green and has no height.
    """
    evidence = {
        "cells": pair.cells,
        "equal_share": pair.equal / pair.cells if pair.cells else float("nan"),
        "surface_above_share": pair.above / pair.cells if pair.cells else float("nan"),
        "vegetation_cells": pair.green,
    }
    if pair.cells < 1000:
        return Outcome(TEST, no_power="the two models share too little ground", evidence=evidence)
    flags = []
    equal = pair.equal / pair.cells
    cleared = pair.above >= max(CLEARED_CELLS, CLEARED_SHARE * pair.cells)
    if same_file or (equal > 0.999 and not cleared):
        leafy = pair.green >= max(100, 0.0005 * pair.cells) and pair.green_equal > 0.99 * pair.green
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
                () if leafy else ("there is nothing on the ground to be removed: no tree, shed or machine",),
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
