"""Which ground of the lease and its buffer a survey does not cover, less what is declared exempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from survey.boundary.bands import polygonal

if TYPE_CHECKING:
    from shapely import Geometry

    from survey.boundary.common_sides import CommonSides


@dataclass(frozen=True)
class MissingArea:
    """Ground that must be covered and is not. Areas on the map, m².

    ``buffer_missing`` leaves out what lies in front of common sides; that is ``exempt_missing``.
    """

    lease_missing: Geometry
    buffer_missing: Geometry
    exempt_missing: Geometry
    lease_area_m2: float
    buffer_area_m2: float

    @property
    def lease_missing_m2(self) -> float:
        return float(self.lease_missing.area)

    @property
    def buffer_missing_m2(self) -> float:
        return float(self.buffer_missing.area)

    @property
    def exempt_missing_m2(self) -> float:
        return float(self.exempt_missing.area)

    @property
    def lease_covered(self) -> float:
        """The covered part of the lease, 0 to 1."""
        return 1.0 - self.lease_missing_m2 / self.lease_area_m2

    @property
    def buffer_covered(self) -> float:
        """The covered part of the buffer; exempt ground counts as covered."""
        return 1.0 - self.buffer_missing_m2 / self.buffer_area_m2 if self.buffer_area_m2 else 1.0


def missing_area(
    footprint: Geometry, lease: Geometry, reach: Geometry, exempt: CommonSides | None = None
) -> MissingArea:
    """Lease and buffer less the footprint of a survey's measured ground.

    Parameters
    ----------
    footprint:
        Polygon of the measured ground, empty if there is none; any system, the same for all.
    lease, reach:
        The lease, and the lease with its buffer (``Zones.lease``, ``Zones.reach``).
    """
    import shapely

    if not shapely.is_valid(footprint):
        footprint = polygonal(shapely.make_valid(footprint))
    band = polygonal(shapely.difference(reach, lease))
    band_missing = polygonal(shapely.difference(band, footprint))
    exempt_missing = shapely.Polygon()
    if exempt is not None:
        exempt_missing = polygonal(shapely.intersection(band_missing, exempt.front))
        band_missing = polygonal(shapely.difference(band_missing, exempt.front))
    return MissingArea(
        polygonal(shapely.difference(lease, footprint)),
        band_missing,
        exempt_missing,
        float(lease.area),
        float(band.area),
    )
