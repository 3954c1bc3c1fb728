"""What has become of an object since it was first detected.

A pit shows its floor from the first day, or turns from topsoil to rock as it grows; a building site begins as
levelled ground and ends as roofs; a pond begins as earth and fills. The look on the last date alone does not
tell them apart, the way from the first to the last does. Both are taken over all cells of the object, so that
neither the day's noise nor which half is strongest speaks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers import measured
from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.features import Objects, band_places, count_logs
from survey.imagery.triggers.support import Support


def since_first(
    support: Support, objects: Objects, novel: NDArray[np.bool_], bands: BandSet
) -> dict[str, NDArray[np.float64]]:
    """Changes from the first detection of each object to its last, by name, each (object,).

    ``novel`` (date, cell): which cells were new. All are differences of ln reflectance but ``since_wet``, a
    difference of shares; nothing has changed after one detection.
    """
    found = measured.since_first(
        objects.cells, objects.starts, objects.hits, objects.hit_starts, support.at, novel,
        support.now, support.flags, count_logs()[0], band_places(bands),
    )  # fmt: skip
    said = dict(zip(measured.SINCE, found.T, strict=True))
    if not bands.has("swir1"):
        del said["since_swir"]
    return said
