"""Which scale and which sheet a plan takes, and how it is cut where no sheet is large enough.

MCDR 2017, rule 31(1): 1:500 for small workings, 1:2000 for large opencast workings and the surface plans of
large leases, 1:1000 for others; rule 32(5)(b): the environment plan at 1:5000. *Large* is taken as 50 ha, the
area from which rule 34A(1) asks for a drone survey; *small* as no longer than 150 m a side. The rules give no
numbers for the words; a job may name the scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from survey.grid import Bounds
from survey.report.options import SHEETS_MM

LARGE_M2 = 500_000.0
SMALL_M = 150.0
ENVIRONMENT_SCALE = 5000

MARGIN_LEFT, MARGIN = 20.0, 10.0  # the left one is for binding
STRIP = 26.0  # below the map: scale bar and coordinates
COLUMN = {"A3": 104.0, "A2": 120.0, "A1": 150.0, "A0": 170.0}
TEXT_PT = {"A3": 7.5, "A2": 8.5, "A1": 10.5, "A0": 12.0}  # read on a table, not on a wall
EDGE = 7.0  # between the map's frame and what surrounds it: coordinates stand there
OVERLAP_MM = 20.0


@dataclass(frozen=True)
class Sheet:
    """One page of a plan: its number from 1 and the ground that its map shows."""

    number: int
    window: Bounds


@dataclass(frozen=True)
class Layout:
    """Sizes in mm of the page, of the map's frame and of the column beside it."""

    name: str
    page: tuple[float, float]
    frame: tuple[float, float]
    column: float
    scale: int
    sheets: tuple[Sheet, ...]


def surface_scale(area_m2: float, width_m: float, height_m: float) -> int:
    """1:n of the surface plan by the rule above."""
    if area_m2 >= LARGE_M2:
        return 2000
    return 500 if max(width_m, height_m) <= SMALL_M else 1000


def frame_of(sheet: str) -> tuple[float, float]:
    """(width, height) in mm of the map on a sheet."""
    width, height = SHEETS_MM[sheet]
    return (
        width - MARGIN_LEFT - MARGIN - COLUMN[sheet] - 2 * EDGE,
        height - 2 * MARGIN - STRIP - 2 * EDGE,
    )


def lay_out(extent: Bounds, scale: int, largest: str = "A0") -> Layout:
    """The smallest sheet that holds ``extent`` at 1:``scale``, else several of the largest with overlap.

    Windows are centred on the extent and as large as the frame; sheets are numbered in reading order.
    """
    width, height = extent.east - extent.west, extent.north - extent.south
    allowed = list(SHEETS_MM)[: list(SHEETS_MM).index(largest) + 1]
    for name in allowed:
        frame = frame_of(name)
        if width * 1000 / scale <= frame[0] and height * 1000 / scale <= frame[1]:
            break
    ground = frame[0] * scale / 1000, frame[1] * scale / 1000
    step = ground[0] - OVERLAP_MM * scale / 1000, ground[1] - OVERLAP_MM * scale / 1000
    across = 1 + max(0, math.ceil((width - ground[0]) / step[0] - 1e-9))
    down = 1 + max(0, math.ceil((height - ground[1]) / step[1] - 1e-9))
    span = ground[0] + (across - 1) * step[0], ground[1] + (down - 1) * step[1]
    west = (extent.west + extent.east - span[0]) / 2
    north = (extent.south + extent.north + span[1]) / 2
    sheets: list[Sheet] = []
    for row in range(down):
        for col in range(across):
            left, top = west + col * step[0], north - row * step[1]
            window = Bounds(left, top - ground[1], left + ground[0], top)
            sheets.append(Sheet(len(sheets) + 1, window))
    return Layout(name, SHEETS_MM[name], frame, COLUMN[name], scale, tuple(sheets))


def grid_spacing_m(scale: int) -> float:
    """Ground distance of grid lines, so that they stand 80 to 200 mm apart on paper."""
    wanted = 0.1 * scale
    return min(
        (10.0, 20.0, 25.0, 50.0, 100.0, 200.0, 250.0, 500.0, 1000.0), key=lambda s: abs(math.log(s / wanted))
    )


def scale_bar_m(scale: int) -> tuple[float, float]:
    """(length, division) on the ground of the drawn scale: at least 250 mm on paper (rule 31(1))."""
    least = 0.25 * scale
    power = 10.0 ** math.floor(math.log10(least))
    length = next(
        k * power
        for k in (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.25, 7.5, 10.0)
        if k * power >= least - 1e-9
    )
    return length, length / 10
