"""The ways to rebuild the ground under an outline from the ring around it."""

from __future__ import annotations

from survey.volumetrics.base import operators as op
from survey.volumetrics.base.frame import Frame
from survey.volumetrics.base.ring import Ring

# The order is the order of simplicity: of two methods that try equally well the earlier is taken.
METHODS = (
    "plane",
    "smooth trend",
    "thin-plate spline",
    "minimum curvature",
    "natural neighbour",
    "TIN",
    "Laplace",
    "mean rim level",
)
"""Ways to rebuild from the ring, all of them candidates of ``auto``."""
LOWEST = "lowest rim level"
CLOSED = 0.8
"""Share of the rim that must be natural for methods that cannot reach beyond it."""


def operators(
    frame: Frame, ring: Ring, wanted: tuple[str, ...] = METHODS
) -> tuple[dict[str, op.Operator], dict[str, str]]:
    """Those of the ``wanted`` methods that this ring can carry, and of the others why it cannot."""
    makers = {
        "plane": lambda: op.trend(frame, ring.wide, 1, "plane"),
        "smooth trend": lambda: op.trend(frame, ring.wide, 2, "smooth trend"),
        "thin-plate spline": lambda: op.thin_plate(frame, ring.wide, "thin-plate spline"),
        "minimum curvature": lambda: op.minimum_curvature(frame, ring.rim, "minimum curvature"),
        "natural neighbour": lambda: op.natural_neighbour(frame, ring.rim, "natural neighbour"),
        "TIN": lambda: op.tin(frame, ring.rim, "TIN"),
        "Laplace": lambda: op.laplace(frame, ring.rim, "Laplace"),
        "mean rim level": lambda: op.trend(frame, ring.rim, 0, "mean rim level"),
    }
    made: dict[str, op.Operator] = {}
    refused: dict[str, str] = {}
    for name, make in makers.items():
        if name not in wanted:
            continue
        try:
            if name in ("natural neighbour", "TIN", "Laplace") and ring.share < CLOSED:
                raise op.NotPossible("the natural rim does not close around the outline")
            if not ring.rim.any():
                raise op.NotPossible("no natural rim")
            made[name] = make()
        except op.NotPossible as fault:
            refused[name] = str(fault)
    return made, refused
