"""An offset that some scenes of a series carry and nobody stated."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from survey.pipelines.triggers.numbers import sample
from survey.remark import Remark

if TYPE_CHECKING:
    from survey.imagery.triggers.bands import BandSet
    from survey.pipelines.triggers.reading import Reader
    from survey.pipelines.triggers.watch_keys import WatchLike

DARK_SHARE = 0.001
S2_OFFSET = 0.1


def without_offset(
    by_day: dict[date, list[Reader]], bands: BandSet, watch: WatchLike, notes: list[Remark]
) -> dict[date, list[Reader]]:
    """Sentinel-2 numbers since 2022, and reprocessed older ones, carry 1000 too much; the date is no test.

    Where no scale was stated, the darkest thousandth of the short-wave bands is compared between the scenes:
    water and shadow are near zero in a scene without the offset and near 0.1 in one with it.
    """
    if any(r.stated or abs(r.scale - 1e-4) > 1e-9 for readers in by_day.values() for r in readers):
        return by_day
    probe = [b for b in ("swir2", "swir1", "nir") if bands.has(b)][:1]
    level: dict[date, float] = {}
    for day, readers in by_day.items():
        lows = []
        for r in readers:
            for i, n in enumerate(r.names):
                if n in probe:
                    v = sample(r.raster, i + 1)
                    v = v[np.isfinite(v) & (v > 0)] * r.scale
                    if v.size:
                        lows.append(float(np.quantile(v, DARK_SHARE)))
        if lows:
            level[day] = min(lows)
    if not level:
        return by_day
    lowest = min(level.values())
    sentinel = watch.sensor == "sentinel2"
    mixed = lowest < 0.06 and any(v > lowest + 0.07 for v in level.values())
    raised = {
        d
        for d, v in level.items()
        if v > 0.085 and ((mixed and v > lowest + 0.07) or (sentinel and lowest > 0.085))
    }
    # A scene full of cloud is bright in its darkest cell too: then nothing of it is used anyway.
    if not raised:
        return by_day
    shown = ", ".join(sorted(d.isoformat() for d in raised)[:5])
    notes.append(
        Remark(
            "offset-found",
            f"the darkest cells of {len(raised)} scenes ({shown} …) lie at 0.1: "
            "an offset of −0.1 was taken off",
            "caution",
        )
    )
    return {
        d: [replace(r, offset=r.offset - S2_OFFSET) for r in rs] if d in raised else rs
        for d, rs in by_day.items()
    }
