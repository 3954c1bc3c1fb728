"""What makers of images mean by the numbers of a band, a mask and a cell, where the job does not say."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from survey.errors import JobError
from survey.pipelines.triggers.numbers import sample
from survey.remark import Remark

if TYPE_CHECKING:
    from survey.pipelines.triggers.watch_keys import WatchLike
    from survey.rasters.describe import RasterDescription

Family = Literal["oli", "tm"]
"""Landsat 8 and 9, whose band 5 is near infrared; Landsat 4 to 7, whose band 4 is."""

_SATELLITE = re.compile(r"(?:^|[^A-Za-z0-9])L([COTEM])0?([4-9])(?=[^0-9]|$)")

SCL_CLEAR = (4, 5, 6, 7)
"""Sentinel-2 scene classification: vegetation, bare, water, unclassified (ESA, Level-2A ATBD)."""
QA_PIXEL_CLEAR = (21824, 21888, 21952, 5440, 5504)
"""Landsat Collection 2 QA_PIXEL, clear land and water: OLI, then TM and ETM+ (USGS LSDS-1619, LSDS-1618)."""
SAMPLED_MASKS = 25


def landsat_family(raster: RasterDescription, name: str, watch: WatchLike) -> Family | None:
    """Which Landsat a file is of, by its name, its tags, its bands' names or the job; None if of none."""
    named = _SATELLITE.search(os.path.basename(name).upper())
    if named:
        return "oli" if int(named[2]) >= 8 else "tm"
    tags = {key.upper(): value for key, value in raster.tags}
    craft = re.search(r"LANDSAT[_ -]?([4-9])", tags.get("SPACECRAFT_ID", "").upper())
    if craft:
        return "oli" if int(craft[1]) >= 8 else "tm"
    bands = {(b.description or "").upper() for b in raster.bands}
    surface = {d for d in bands if re.fullmatch(r"SR_B\d", d)}
    if watch.sensor != "landsat" and not surface:
        return None
    return "tm" if "SR_B1" in surface and "SR_B6" not in surface else "oli"


def clear_values(
    masks: Sequence[tuple[RasterDescription, str]], watch: WatchLike, notes: list[Remark]
) -> tuple[int, ...]:
    """The values of the masks that mean a clear cell: those of the job, or of a convention that they show.

    Raises
    ------
    JobError
        The masks hold none of them.
    """
    given = tuple(int(v) for v in watch.mask_clear)
    every = len(masks)
    chosen = [
        masks[i] for i in sorted({int(i) for i in np.linspace(0, every - 1, min(every, SAMPLED_MASKS))})
    ]
    found: set[int] = set()
    for raster, _ in chosen:
        numbers = sample(raster, 1)
        found |= {int(v) for v in np.unique(numbers[np.isfinite(numbers)])}
    if not found or (given != (1,) and found & set(given)):
        return given
    tokens = {t.upper() for _, name in masks for t in re.split(r"[^A-Za-z0-9]+", os.path.basename(name))}
    if given == (1,):
        classes = found <= set(range(12)) and bool(found & {4, 5}) and bool(found & set(range(6, 12)))
        if classes or ("SCL" in tokens and found <= set(range(12))):
            notes.append(
                Remark(
                    "mask-convention",
                    "the masks are scene classifications of Sentinel-2: 4, 5, 6 and 7 count as clear",
                    "info",
                )
            )
            return SCL_CLEAR
        if found & set(QA_PIXEL_CLEAR):
            notes.append(
                Remark(
                    "mask-convention",
                    "the masks are QA_PIXEL bands of Landsat: clear land and water count as clear",
                    "info",
                )
            )
            return QA_PIXEL_CLEAR
    if not found & set(given):
        held = ", ".join(str(v) for v in sorted(found)[:8])
        raise JobError(
            f"the masks hold {held}, and mask_clear names none of these",
            mend="Name the values that mean a clear cell in [watch] mask_clear.",
        )
    return given
