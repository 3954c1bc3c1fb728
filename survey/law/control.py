"""How many ground control points the procedure asks for."""

from __future__ import annotations

import math

from survey.law.clauses import Clause


def control_points_asked(clause: Clause, lease_area_ha: float, canopy_ha: float = 0.0) -> int:
    """``max(floor, ceil(per_km2 · open km²))``: open ground is the lease less dense canopy.

    The worked examples of the source: 478 ha ask for 24, the same with 200 ha of canopy for 14.

    Parameters
    ----------
    clause:
        The row ``ibm.control.number``; its limit holds ``per_km2`` and ``floor``.
    lease_area_ha, canopy_ha:
        Hectares; the canopy cannot be larger than the lease.
    """
    if not (lease_area_ha > 0 and 0 <= canopy_ha <= lease_area_ha):
        raise ValueError(f"{canopy_ha} ha of canopy in {lease_area_ha} ha of lease")
    open_km2 = (lease_area_ha - canopy_ha) / 100.0
    # Areas come out of sums of floats; a hundredth of a square metre does not ask for one more point.
    return max(int(clause.limit["floor"]), math.ceil(clause.limit["per_km2"] * open_km2 - 1e-7))
