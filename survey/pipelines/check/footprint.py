"""Where a raster was measured, as polygons along its cells, and what of the lease it leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from survey.boundary.bands import grown, polygonal, shrunk
from survey.boundary.compliance import MissingArea, missing_area
from survey.grid import Grid
from survey.quantity import Z95, Measured

if TYPE_CHECKING:
    from survey.boundary.common_sides import CommonSides

BUFFER_M = 100.0

LARGE_HOLE_M2 = 400.0
LARGE_HOLE_SHARE = 0.01
"""Dense matching leaves holes over water and shadow. No rule says how many are too many, so a hole counts as
ground not covered only when it is as large as a house plot, or when all holes together are more than a
hundredth of the ground."""


@dataclass(frozen=True)
class TileCover:
    """One tile: its measured ground, and the small holes that were filled before it was outlined.

    ``holes``: (n, 3) east, north of each small hole's middle and its area, m².
    """

    measured: Any  # shapely geometry
    holes: NDArray[np.float64]


def cover_of(known: NDArray[np.bool_], piece: Grid, small_m2: float) -> TileCover:
    """Outline the measured cells of a tile; holes smaller than ``small_m2`` inside it are filled and
    listed.
    """
    nothing = np.zeros((0, 3))
    b = piece.bounds
    if known.all():
        return TileCover(shapely.box(b.west, b.south, b.east, b.north), nothing)
    if not known.any():
        return TileCover(shapely.Polygon(), nothing)
    from rasterio import features
    from scipy import ndimage

    labels, count = ndimage.label(~known)
    holes = nothing
    if count:
        cells = np.bincount(labels.ravel(), minlength=count + 1)
        at_edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        small = cells * piece.cell_area_m2 < small_m2
        small[0] = False
        small[at_edge] = False
        numbers = np.flatnonzero(small)
        if numbers.size:
            middle = np.array(ndimage.center_of_mass(labels > 0, labels, numbers)).reshape(-1, 2)
            east, north = piece.east_north(middle[:, 0], middle[:, 1])
            holes = np.stack([east, north, cells[numbers] * piece.cell_area_m2], axis=1)
            known = known | small[labels]
    found = [
        shapely.geometry.shape(outline)
        # A mask would come without a place, and the library would complain of that on every thread.
        for outline, value in features.shapes(
            known.astype(np.uint8), transform=piece.transform, connectivity=4
        )
        if value == 1
    ]
    return TileCover(shapely.union_all(found), holes)


@dataclass(frozen=True)
class Missing:
    """Ground of a zone without data: its size with the doubt about the boundary, and where it lies."""

    size: Measured
    where: Any  # shapely geometry
    zone_m2: float


@dataclass(frozen=True)
class Coverage:
    """What a raster covers.

    ``holes``, ``holes_m2``: gaps inside the surveyed ground smaller than the least site that is mapped.
    ``gaps``: gaps inside it that could hide a site, but too small to call the ground uncovered.
    """

    footprint: Any
    lease: Missing
    buffer: Missing
    exempt: Missing
    holes_m2: float
    holes: int
    gaps: Any = field(default_factory=shapely.Polygon)

    @property
    def touches_lease(self) -> bool:
        return self.lease.size.value < self.lease.zone_m2 * (1 - 1e-9)


def measure_cover(
    tiles: Sequence[TileCover],
    lease: Any,
    sigma_m: float,
    exempt: Sequence[CommonSides] = (),
    *,
    blur_m: float = 0.0,
    small_m2: float = 40.0,
) -> Coverage:
    """Put tiles together and take them from the lease and from the 100 m around it.

    The interval of a missing area is what is missing when the boundary lies 1.96 σ further in or out (and
    the outline of the data, known to ``blur_m``, with it).
    """
    footprint = polygonal(shapely.union_all([t.measured for t in tiles]))
    reach = grown(lease, BUFFER_M)
    filled, gaps = _holes_filled(footprint, reach, small_m2)
    doubt = Z95 * sigma_m + blur_m
    front = _front(exempt)

    def taken(move: float) -> MissingArea:
        if move >= 0:
            return missing_area(filled, grown(lease, move), grown(reach, move), front)
        return missing_area(filled, shrunk(lease, -move), shrunk(reach, -move), front)

    middle = taken(0.0)
    least, most = (taken(-doubt), taken(doubt)) if doubt > 0 else (middle, middle)

    def size(name: str) -> Measured:
        value = float(getattr(middle, name))
        # The band moves with both of its edges, so its missing part need not grow with the doubt.
        around = (float(getattr(least, name)), value, float(getattr(most, name)))
        return Measured(value, min(around), max(around), "m2")

    holes = np.concatenate([t.holes for t in tiles]) if tiles else np.zeros((0, 3))
    inside = holes[shapely.contains_xy(reach, holes[:, 0], holes[:, 1])] if len(holes) else holes
    inner = polygonal(shapely.intersection(shapely.difference(filled, footprint), reach))
    tiny = [g for g in shapely.get_parts(shapely.difference(inner, gaps)) if not g.is_empty]
    return Coverage(
        footprint=filled,
        lease=Missing(size("lease_missing_m2"), middle.lease_missing, middle.lease_area_m2),
        buffer=Missing(size("buffer_missing_m2"), middle.buffer_missing, middle.buffer_area_m2),
        exempt=Missing(size("exempt_missing_m2"), middle.exempt_missing, middle.buffer_area_m2),
        holes_m2=float(inside[:, 2].sum()) + float(sum(g.area for g in tiny)),
        holes=len(inside) + len(tiny),
        gaps=gaps,
    )


def _front(exempt: Sequence[CommonSides]) -> CommonSides | None:
    """All declared common sides as one."""
    if not exempt:
        return None
    from dataclasses import replace

    return replace(exempt[0], front=polygonal(shapely.union_all([c.front for c in exempt])))


def _holes_filled(footprint: Any, reach: Any, small_m2: float) -> tuple[Any, Any]:
    """The footprint without those holes that do not count as uncovered, and those of them that are not tiny.

    A hole counts as uncovered from ``LARGE_HOLE_M2`` on, and all from ``small_m2`` on do where together
    they are more than ``LARGE_HOLE_SHARE`` of the ground that must be covered.
    """
    rings = [
        (k, shapely.Polygon(ring))
        for k, part in enumerate(shapely.get_parts(footprint))
        for ring in part.interiors
    ]
    within = [(k, hole, float(shapely.intersection(hole, reach).area)) for k, hole in rings]
    together = sum(area for _, hole, area in within if hole.area >= small_m2)
    many = together > LARGE_HOLE_SHARE * float(reach.area)
    fill, gaps = [], []
    for _, hole, _ in within:
        if hole.area >= small_m2 and (many or hole.area >= LARGE_HOLE_M2):
            continue
        fill.append(hole)
        if hole.area >= small_m2:
            gaps.append(hole)
    filled = polygonal(shapely.union_all([footprint, *fill])) if fill else footprint
    return filled, polygonal(
        shapely.intersection(shapely.union_all(gaps), reach)
    ) if gaps else shapely.Polygon()
