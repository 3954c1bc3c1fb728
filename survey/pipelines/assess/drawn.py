"""What the drawing step is given beside the record of an assessment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid

if TYPE_CHECKING:
    from survey.boundary.lease import Lease
    from survey.boundary.zones import Zones
    from survey.pipelines.assess.measure import Measured
    from survey.pipelines.assess.surveyed import Surveyed
    from survey.record import Record
    from survey.record_assess import Assessment


@dataclass(frozen=True)
class Gridded:
    """A site's triangles on a grid, for drawings only: no figure comes from it."""

    grid: Grid
    surface: NDArray[np.float64]
    base: NDArray[np.float64]

    def read(self, piece: Grid) -> NDArray[np.float32]:
        """As the drawing step reads heights."""
        r, c = piece.row0 - self.grid.row0, piece.col0 - self.grid.col0
        return self.surface[r : r + piece.height, c : c + piece.width].astype(np.float32)


@dataclass(frozen=True)
class Drawn:
    """What the drawing step needs beside the record: the measured outlines, by surveys or by points."""

    record: Record
    assessed: list[tuple[Assessment, Any]]
    surveyed: Surveyed | None
    measured: list[Measured]
    lease: Lease | None
    zones: Zones | None
    gridded: tuple[Gridded, ...] = ()
