"""New bare ground between two orthomosaics that come without a DEM.

Three colours and two dates say little: a ploughed field and a stripped bench look alike. What is found here
are candidates with a confidence that is never high, for a person or a later DEM to decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from survey.errors import InputRefused
from survey.grid import Grid
from survey.imagery.cover import cover
from survey.imagery.triggers.outlines import outline

if TYPE_CHECKING:
    from shapely import Geometry

MOST_SURE = 0.6
"""Confidence of the clearest case: leaves before, bare after, a compact patch unlike its surroundings."""


@dataclass(frozen=True)
class BareGround:
    """A patch that was not bare before and is now."""

    polygon: Geometry  # in the grid's system
    area_m2: float
    confidence: float  # 0 to MOST_SURE
    before: str  # what lay there by its colour: vegetation, water, shadow
    why: str


def new_bare_ground(
    before: Mapping[str, NDArray[np.floating]],
    after: Mapping[str, NDArray[np.floating]],
    grid: Grid,
    *,
    min_area_m2: float = 40.0,
    tolerance_m: float = 1.0,
) -> list[BareGround]:
    """Candidates, largest first.

    Parameters
    ----------
    before, after :
        ``red``, ``green``, ``blue`` (and more, if there are) on ``grid``, parts of white, NaN where not
        photographed; as ``Ortho.read`` gives them. Cells of 0.5 to 2 m serve best.
    tolerance_m :
        How far the two pictures may be out of place: ground that was bare so near by is not new.

    Raises
    ------
    InputRefused
        The pictures do not share a grid, or have too few bands.
    """
    shapes = {np.shape(v) for v in (*before.values(), *after.values())}
    if shapes != {grid.shape}:
        raise InputRefused(f"the pictures have {sorted(shapes)} cells", expected=f"{grid.shape}")
    was, now = cover(_same_light(before, after)), cover(after)
    reach = max(1, round(tolerance_m / grid.cell_m))
    size = 2 * reach + 1
    bare_near = ndimage.maximum_filter(was.bare, size=size, mode="nearest")
    # Bare for sure on both sides of the cell, so that a path that moved by a step is no patch.
    bare_all = ndimage.minimum_filter(now.bare, size=3, mode="nearest")
    seen = (was.unknown < 0.5) & (now.unknown < 0.5)
    gain = np.where(seen, np.minimum(now.bare, 1.0) - bare_near, 0.0)
    core = (gain > 0.5) & (bare_all > 0.4)
    label, count = ndimage.label(gain > 0.3, structure=np.ones((3, 3), bool))
    out = []
    for number, where in enumerate(ndimage.find_objects(label), start=1):
        mask = label[where] == number
        area = float(mask.sum()) * grid.cell_area_m2
        if area < min_area_m2 or (core[where] & mask).sum() * grid.cell_area_m2 < 0.5 * min_area_m2:
            continue
        rows, cols = np.nonzero(mask)
        strength = float(gain[where][mask].mean())
        kinds = {k: float(getattr(was, k)[where][mask].mean()) for k in ("vegetation", "water", "shadow")}
        kind = max(kinds, key=lambda k: (kinds[k], k))
        # Shadow that moved shows ground that may always have been bare; water that sank likewise.
        trust = {"vegetation": 1.0, "water": 0.5, "shadow": 0.25}[kind]
        solid = mask.sum() / ((np.ptp(rows) + 1) * (np.ptp(cols) + 1))
        confidence = MOST_SURE * strength * trust * min(1.0, solid / 0.5)
        flat = (rows + where[0].start) * grid.width + cols + where[1].start
        out.append(
            BareGround(
                outline(flat.astype(np.int64), grid),
                area,
                round(confidence, 4),
                kind,
                f"{kind} before, bare ground after, by colour alone: a field or a plot looks the same",
            )
        )
    assert count >= len(out)
    return sorted(out, key=lambda b: (-b.area_m2, -b.confidence))


def _same_light(
    before: Mapping[str, NDArray[np.floating]], after: Mapping[str, NDArray[np.floating]]
) -> dict[str, NDArray[np.floating]]:
    """``before`` in the light and white balance of ``after``: per band the factor that most of the ground
    agrees on."""
    out = dict(before)
    for name in ("red", "green", "blue", "nir"):
        if name in before and name in after:
            a, b = np.asarray(before[name], np.float64), np.asarray(after[name], np.float64)
            ok = np.isfinite(a) & np.isfinite(b) & (a > 0.02) & (b > 0.02)
            if ok.sum() >= 100:
                factor = float(np.exp(np.median(np.log(b[ok] / a[ok]))))
                # A year in which everything was harvested is not a change of light.
                out[name] = a * np.clip(factor, 0.8, 1.25)
    return out
