"""The thinned surface of a run as points and triangles, as CAD and LandXML want it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from survey.report.folder import RunFolder


@dataclass(frozen=True)
class Triangles:
    """``points``: (n, 3) east, north, height; ``faces``: (m, 3) indices, anticlockwise."""

    survey: str
    epoch: str
    tolerance_m: float
    points: NDArray[np.float64]
    faces: NDArray[np.int64]


def triangles_of(run: RunFolder) -> list[Triangles]:
    """The stored surfaces, the earlier first; corners that coincide become one point."""
    import shapely

    found = []
    for row in run.layer("triangles").rows():
        rings = shapely.get_coordinates(row["geometry"], include_z=True).reshape(-1, 4, 3)[:, :3]
        corners = np.round(rings.reshape(-1, 3), 4)
        points, index = np.unique(corners, axis=0, return_inverse=True)
        found.append(
            Triangles(str(row["survey"]), str(row["epoch"]), row["tolerance_m"], points, index.reshape(-1, 3))
        )
    return found
