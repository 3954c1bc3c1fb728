"""The coarse lattice of nodes on which errors are added up, and which part of each node a zone takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from survey.boundary.zones import Zones
from survey.dem.contrast import Nodes
from survey.grid import Grid


def nodes_grid(nodes: Nodes) -> Grid:
    """The coarse lattice as a grid: its cells are the nodes."""
    j = nodes.job
    return Grid(
        j.crs_wkt,
        j.left,
        j.top,
        j.cell_east * nodes.side,
        j.cell_north * nodes.side,
        nodes.rows,
        nodes.cols,
    )


def zone_nodes(zones: Zones, extra: Sequence[tuple[str, BaseGeometry]], nodes: Nodes) -> NDArray[np.float64]:
    """(2 + extra, nodes) part of each node that lies in the lease, the buffer and each further polygon."""
    from survey.boundary.coverage import Coverage

    grid = nodes_grid(nodes)
    shapes = [zones.lease, zones.buffer, *(shape for _, shape in extra)]
    out = []
    for shape in shapes:
        w = Coverage(shape, grid).weights(grid)
        full = np.full(grid.shape, w) if isinstance(w, int) else w
        out.append(full.ravel() / 4096.0)
    return np.array(out)
