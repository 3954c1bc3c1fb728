"""What a strip between the rim and the first points inside may miss of a steep side.

Triangles run straight from the rim to the nearest points on the floor. If the side is steep its foot lies
somewhere between, and the strip misses up to all the ground between the straight line and the floor carried
on to the rim. Leaving out points sees too little of that: with half the points the strip is √2 times as wide
and misses √2 times as much, so that the change is two fifths of what is missed. Where the ground goes on
beyond the first points as steeply as in the strip, and the same way, there is no foot and nothing is missed.
All is seen as depth below the ground before: the slope of a hill, or its roughness, is no side of a pit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from survey.volumetrics.points.mesh import Mesh


def missed_at_the_foot(
    mesh: Mesh,
    on_outline: NDArray[np.bool_],
    on_line: NDArray[np.bool_],
    *,
    pit: bool,
    base: NDArray[np.float64] | None = None,
) -> float:
    """1 σ, m³: what strips along the outline may miss, if the foot may be anywhere in them.

    With everything between nothing and ``L`` equally likely, the mean square of what is missed is L²/3.

    Parameters
    ----------
    on_outline, on_line : (vertices,) of the mesh: on the outline; on a line inside that was measured as a
        line (a toe, a crest), which leaves nothing open.
    base : (vertices,) heights of the ground before; level ground if not given.
    """
    corners = mesh.triangles
    rim = on_outline[corners]
    strip = rim.any(axis=1) & ~rim.all(axis=1) & ~(on_line[corners] & ~rim).any(axis=1)
    if not strip.any():
        return 0.0
    z = mesh.xyz[:, 2] if base is None else mesh.xyz[:, 2] - base
    depth = -z if pit else z
    slope = _gradients(mesh, depth)
    size = np.hypot(*slope.T)
    beyond = _beyond(mesh, slope, np.logical_not(rim.any(axis=1)))
    most = 0.0
    for k in np.flatnonzero(strip):
        inner = corners[k][~rim[k]]
        drop = np.maximum(depth[inner].mean() - depth[corners[k][rim[k]]], 0.0)
        if not drop.any() or size[k] <= 0:
            continue
        # Only what goes on in the direction of the side is more of it.
        goes_on = float(np.clip(beyond[inner].mean(axis=0) @ slope[k] / size[k] ** 2, 0.0, 1.0))
        most += float(mesh.areas_m2[k]) * float(drop.sum()) / 3 * (1 - goes_on)
    return most / math.sqrt(3)


def _gradients(mesh: Mesh, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(triangles, 2): slope of values at the vertices, towards east and north."""
    a, b, c = (np.column_stack([mesh.xyz[:, :2], values])[mesh.triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    return -normal[:, :2] / np.maximum(np.abs(normal[:, 2:]), 1e-12)


def _beyond(mesh: Mesh, slope: NDArray[np.float64], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(vertices, 2) mean slope of the triangles there that do not touch the outline; 0 without any."""
    area = np.where(inside, mesh.areas_m2, 0.0)
    total = np.zeros(len(mesh.xyz))
    out = np.zeros((len(mesh.xyz), 2))
    for k in range(3):
        np.add.at(total, mesh.triangles[:, k], area)
        np.add.at(out, mesh.triangles[:, k], area[:, None] * slope)
    return out / np.maximum(total, 1e-12)[:, None]
