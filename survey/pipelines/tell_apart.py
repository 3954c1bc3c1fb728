"""Judge every region of a measurement: is it digging or heaping, and how sure is that?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from shapely.geometry.base import BaseGeometry
from survey.pipelines.pair import Measurement
from survey.volumetrics.telling import Verdict

if TYPE_CHECKING:
    from survey.imagery.ortho import Ortho


def tell_apart(
    m: Measurement,
    min_area_m2: float,
    probability: float,
    min_depth_m: float | None = None,
    ortho_before: Ortho | None = None,
    ortho_after: Ortho | None = None,
) -> tuple[list[Verdict], dict[int, BaseGeometry]]:
    """A verdict per region, and the outlines that were made on the way."""
    verdicts = []
    for k in m.regions:
        kind = "pit" if m.regions.sign[k] < 0 else "heap"
        area = float(m.regions.area_m2[k])
        mean = abs(float(m.regions.rise_m3[k])) / area
        sigma = float(m.region_error.sigma_m[k]) if m.region_error is not None else math.nan
        evidence = {"mean_rise_sigmas": mean / sigma if sigma > 0 else math.nan}
        if area < min_area_m2:
            verdicts.append(
                Verdict(True, kind, "too small", f"{area:.1f} m² is less than {min_area_m2:g} m²", 0.5, evidence)
            )
        elif min_depth_m is not None and m.regions.deep_m[k] < min_depth_m:
            verdicts.append(
                Verdict(True, kind, "too shallow", f"nowhere more than {min_depth_m:g} m", 0.5, evidence)
            )
        elif sigma > 0 and mean < 1.96 * sigma:
            why = f"its mean of {mean:.3f} m lies within the error of a mean over its area, ±{1.96 * sigma:.3f} m"
            verdicts.append(Verdict(True, kind, "noise", why, 0.9, evidence))
        else:
            what = "lower" if kind == "pit" else "higher"
            why = f"the ground is {mean:.2f} m {what} on average, {mean / sigma:.0f} times its error" if sigma > 0 else (
                f"the ground is {mean:.2f} m {what} on average; its error is not known"
            )
            verdicts.append(Verdict(False, kind, "", why, 0.8, evidence))
    return verdicts, {}
