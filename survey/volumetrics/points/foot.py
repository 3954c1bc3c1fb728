"""What a strip between the rim and the first points inside may miss of a steep side.

Triangles run straight from the rim to the nearest points on the floor. If the side is steep its foot lies
somewhere between, and the strip misses up to all the ground between the straight line and the floor carried
on to the rim. Leaving out points sees too little of that: with half the points the strip is √2 times as wide
and misses √2 times as much, so that the change is two fifths of what is missed. Where the ground goes on
beyond the first points as steeply as in the strip, there is no foot and nothing is missed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from survey.volumetrics.points.mesh import Mesh


def missed_at_the_foot(
    mesh: Mesh, on_outline: NDArray[np.bool_], on_line: NDArray[np.bool_], *, pit: bool
) -> float:
    """1 σ, m³: what strips along the outline may miss, if the foot may be anywhere in them.

    With everything between nothing and ``L`` equally likely, the mean square of what is missed is L²/3.

    Parameters
    ----------
    on_outline, on_line : (vertices,) of the mesh: on the outline; on a line inside that was measured as a
        line (a toe, a crest), which leaves nothing open.
    """
    slopes = _slopes(mesh)
    corners = mesh.triangles
    rim = on_outline[corners]
    strip = rim.any(axis=1) & ~rim.all(axis=1) & ~(on_line[corners] & ~rim).any(axis=1)
    if not strip.any():
        return 0.0
    beyond = _beyond(mesh, slopes, np.logical_not(rim.any(axis=1)))
    z = mesh.xyz[:, 2]
    sign = 1.0 if pit else -1.0
    most = 0.0
    for k in np.flatnonzero(strip):
        inner = corners[k][~rim[k]]
        drop = sign * (z[corners[k][rim[k]]] - z[inner].mean())
        drop = np.maximum(drop, 0.0)
        if not drop.any() or slopes[k] <= 0:
            continue
        goes_on = min(float(beyond[inner].mean()) / float(slopes[k]), 1.0)
        most += float(mesh.areas_m2[k]) * float(drop.sum()) / 3 * (1 - goes_on)
    return most / math.sqrt(3)


def _slopes(mesh: Mesh) -> NDArray[np.float64]:
    """Tangent of each triangle's slope."""
    a, b, c = (mesh.xyz[mesh.triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    return np.hypot(normal[:, 0], normal[:, 1]) / np.maximum(np.abs(normal[:, 2]), 1e-12)


def _beyond(mesh: Mesh, slopes: NDArray[np.float64], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(vertices,) steepest slope of the triangles there that do not touch the outline; 0 without any."""
    out = np.zeros(len(mesh.xyz))
    for k in range(3):
        np.maximum.at(out, mesh.triangles[inside, k], slopes[inside])
    return out
