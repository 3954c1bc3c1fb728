"""What a run hands to its drawing step: surveys, outlines and choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from survey.grid import Grid
from survey.record import Dismissed, Site

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from survey.boundary.lease import Lease
    from survey.boundary.zones import Zones


class Heights(Protocol):
    """Heights on the grid given with them: the later survey already laid on the earlier one."""

    def read(self, piece: Grid) -> NDArray[np.float32]:
        """(rows, cols) of a piece of that grid, metres, NaN = not measured."""
        ...


class Photo(Protocol):
    """An orthomosaic that can be looked at on any grid (``survey.imagery.ortho.Ortho`` is one)."""

    def chip(self, piece: Grid, *, shift_m: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.uint8]:
        """RGBA, (rows, cols, 4)."""
        ...


@dataclass(frozen=True)
class Epoch:
    """One survey as it is drawn. ``shift_m``: horizontal alignment, by which its orthomosaic is moved."""

    date: str
    heights: Heights
    ortho: Photo | None = None
    shift_m: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Canvas:
    """Both surfaces on the drawing cells: arrays (rows, cols) of ``grid``, metres, NaN = not measured."""

    grid: Grid
    later: NDArray[np.float32]
    earlier: NDArray[np.float32] | None = None
    rise: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class LeaseShape:
    """The lease in the job grid's system. ``pillars``: dicts of name, east, north, lon, lat."""

    polygon: BaseGeometry
    lease_id: str | None = None
    sigma_m: float | None = None
    pillars: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, lease: Lease) -> LeaseShape:
        return cls(lease.polygon, lease.lease_id, lease.sigma_m, [asdict(p) for p in lease.pillars])


@dataclass(frozen=True)
class NamedShape:
    """A polygon that the job names: a working, a dump, a stock yard, a road … ``kind`` in the job's words."""

    name: str
    kind: str
    polygon: BaseGeometry


@dataclass(frozen=True)
class Shapes:
    """All outlines, in the job grid's system."""

    lease: LeaseShape | None = None
    zones: Mapping[str, BaseGeometry] = field(default_factory=dict)  # lease, buffer
    other_leases: Sequence[NamedShape] = ()
    polygons: Sequence[NamedShape] = ()
    sites: Sequence[tuple[Site, BaseGeometry]] = ()
    dismissed: Sequence[tuple[Dismissed, BaseGeometry]] = ()

    @classmethod
    def around(
        cls,
        lease: Lease,
        zones: Zones,
        *,
        sites: Sequence[tuple[Site, BaseGeometry]],
        dismissed: Sequence[tuple[Dismissed, BaseGeometry]] = (),
        polygons: Sequence[NamedShape] = (),
    ) -> Shapes:
        """The lease with its zones and neighbours, and what was found or named on its ground."""
        return cls(
            LeaseShape.of(lease),
            {"lease": zones.lease, "buffer": zones.buffer},
            [NamedShape(o.lease_id, "other lease", o.polygon) for o in zones.others],
            polygons,
            sites,
            dismissed,
        )


@dataclass(frozen=True)
class DrawingOptions:
    """What a job may choose; every value is printed in the report."""

    detail: bool = True
    """Bench lines and thinned triangles too, which plans and CAD files show and a map can do without."""
    finest_cell_m: float = 0.25
    most_cells: int = 9_000_000
    around_lease_m: float = 520.0  # the environment plan shows 500 m round the lease
    contour_interval_m: float | None = None
    contour_cell_m: float = 1.0  # contours are traced on means over cells at least this wide
    section_spacing_m: float | None = None
    section_bearing_deg: float | None = None
    face_slope_deg: float = 30.0
    face_height_m: float = 2.0
    tin_tolerance_m: float = 0.10
    tin_points: int = 12_000
    picture_pixels: int = 2048
    chip_pixels: int = 256
    most_chips: int = 40
    most_site_sections: int = 60

    @classmethod
    def of_job(cls, report: Mapping[str, Any]) -> DrawingOptions:
        """From the ``[report]`` section of a job; what it leaves open keeps the default."""
        names = {
            "contour_interval_m": "contour_interval_m",
            "section_spacing_m": "section_spacing_m",
            "section_bearing_deg": "section_bearing_deg",
            "dxf_tolerance_m": "tin_tolerance_m",
        }
        return cls(
            **{ours: report[theirs] for theirs, ours in names.items() if report.get(theirs) is not None}
        )
