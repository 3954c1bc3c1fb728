"""What has become of an object since it was first detected.

A pit shows its floor from the first day, or turns from topsoil to rock as it grows; a building site begins as
levelled ground and ends as roofs; a pond begins as earth and fills. The look on the last date alone does not
tell them apart, the way from the first to the last does. Both are taken over all cells of the object, so that
neither the day's noise nor which half is strongest speaks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.product import WET, plain
from survey.imagery.triggers.support import Support

SINCE = ("since_brighter", "since_bluer", "since_nir", "since_grey", "since_wet")
SINCE_SWIR = "since_swir"


def _look(
    support: Support, cells: NDArray[np.intp], days: list[int], novel: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], float] | None:
    """(median ln reflectance (band,), share of open water) on the first of ``days`` that shows any cell as
    new."""
    for t in days:
        at = support.at[t][cells[novel[t][cells]]]
        if len(at):
            logs = np.log(np.maximum(plain(support.now[at]), 0.0) + np.float32(0.03))
            return np.median(logs, axis=0), float(np.count_nonzero(support.flags[at] & WET)) / len(at)
    return None


def since_first(
    support: Support, cells: NDArray[np.intp], hits: list[int], novel: NDArray[np.bool_], bands: BandSet
) -> dict[str, float]:
    """Changes from the first detection to the last of an object with ``cells`` (support indices).

    ``hits``: dates of its detections, ascending; ``novel`` (date, cell): which cells were new. All are
    differences of ln reflectance but ``since_wet``, a difference of shares; nothing has changed after one
    detection.
    """
    names = (*SINCE, SINCE_SWIR) if bands.has("swir1") else SINCE
    out = dict.fromkeys(names, 0.0)
    if len(hits) < 2:
        return out
    first, last = _look(support, cells, hits, novel), _look(support, cells, hits[::-1], novel)
    if first is None or last is None:
        return out
    change = last[0] - first[0]
    red, nir, blue = bands.index("red"), bands.index("nir"), bands.bluest
    out["since_brighter"] = float(change.mean())
    out["since_bluer"] = float(change[blue] - change[red])
    out["since_nir"] = float(change[nir] - change[red])
    out["since_grey"] = float(last[0].std() - first[0].std())
    out["since_wet"] = last[1] - first[1]
    if bands.has("swir1"):
        out[SINCE_SWIR] = float(change[bands.index("swir1")] - change[nir])
    return out
