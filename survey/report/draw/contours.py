"""Contours on paper: which interval is readable, lines for the eye, and levels written on them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from survey.dem.contours import thinned
from survey.report.colours import CONTOUR
from survey.report.draw.svg import Svg, path_of
from survey.report.draw.view import Labels, View, clipped, coordinates

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from survey.report.folder import RunFolder

_THIN_MM = 0.03
_LABEL_EVERY_MM = 130.0


def for_a_pen(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """A line in mm of paper without the points that a pen's width hides."""
    return thinned(line, _THIN_MM)


def smoothed(line: NDArray[np.float64], sigma_mm: float = 1.0, most_mm: float = 0.5) -> NDArray[np.float64]:
    """A line in mm of paper, averaged along itself for the eye: never for a measure.

    No point moves by more than ``most_mm``.
    """
    step = 0.4
    closed = bool(np.array_equal(line[0], line[-1]))
    gap = np.concatenate([[0.0], np.hypot(*np.diff(line, axis=0).T).cumsum()])
    count = round(gap[-1] / step)
    if count < 12:
        return line
    at = np.linspace(0.0, gap[-1], count + 1)
    points = np.column_stack([np.interp(at, gap, line[:, k]) for k in (0, 1)])
    reach = min(math.ceil(3 * sigma_mm / step), count - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / sigma_mm) ** 2)
    kernel /= kernel.sum()
    if closed:
        padded = np.concatenate([points[-1 - reach : -1], points, points[1 : 1 + reach]])
    else:
        # Mirrored through its ends, so that they stay where they are.
        padded = np.concatenate(
            [2 * points[0] - points[reach:0:-1], points, 2 * points[-1] - points[-2 : -2 - reach : -1]]
        )
    mean = np.column_stack([np.convolve(padded[:, k], kernel, mode="valid") for k in (0, 1)])
    moved = mean - points
    far = np.hypot(*moved.T)
    out = points + moved * np.minimum(1.0, most_mm / np.maximum(far, 1e-12))[:, None]
    if closed:
        out[-1] = out[0]
    return out


def contour_interval_m(
    run: RunFolder, scale: float, most_m: float, area: BaseGeometry | None = None
) -> float | None:
    """The finest stored interval whose lines stand 2.5 mm apart in the mean, and at most ``most_m``.

    None if the run traced no contours.
    """
    import shapely

    layer = run.layer("contours")
    if not len(layer):
        return None
    levels = np.array(layer.columns["level_m"], np.float64)
    stored = float(layer.columns["interval_m"][0])  # type: ignore[arg-type]
    lengths = shapely.length(np.array(layer.geometry, dtype=object)) * 1000 / scale
    hull = area if area is not None else run.lease
    extent = run.extent
    if hull is not None and not hull.is_empty:
        surface_mm2 = float(shapely.envelope(hull).area) * (1000 / scale) ** 2
    elif extent is not None:
        surface_mm2 = (extent.east - extent.west) * (extent.north - extent.south) * (1000 / scale) ** 2
    else:
        return stored
    for multiple in (1, 2, 5, 10, 20, 50):
        interval = stored * multiple
        if interval > most_m + 1e-9:
            break
        drawn = lengths[_on_interval(levels, interval)].sum()
        if drawn <= surface_mm2 / 2.5:
            return interval
    # None stands far enough apart: the widest that the rule allows.
    return max((stored * m for m in (1, 2, 5, 10, 20, 50) if stored * m <= most_m + 1e-9), default=stored)


def _on_interval(levels: NDArray[np.float64], interval: float) -> NDArray[np.bool_]:
    part = levels / interval
    return np.abs(part - np.round(part)) < 1e-6


def draw_contours(
    svg: Svg,
    run: RunFolder,
    view: View,
    interval_m: float,
    labels: Labels,
    *,
    within: BaseGeometry | None = None,
    text_mm: float = 2.0,
) -> None:
    """Every fifth line heavy, with its level on it; none beyond ``within``."""
    import shapely

    layer = run.layer("contours")
    if not len(layer):
        return
    levels = np.array(layer.columns["level_m"], np.float64)
    chosen = np.flatnonzero(_on_interval(levels, interval_m))
    shapes = shapely.force_2d([layer.geometry[k] for k in chosen.tolist()])
    if within is not None:
        shapes = shapely.intersection(shapes, within)
    shapes = clipped(shapes, view)
    plain: list[NDArray[np.float64]] = []
    heavy: list[tuple[float, NDArray[np.float64]]] = []
    for k, shape in zip(chosen, shapes, strict=True):
        level = float(levels[k])
        is_index = bool(_on_interval(np.array([level]), 5 * interval_m)[0])
        for line in coordinates(shape):
            on_paper = for_a_pen(smoothed(view.place(line)))
            # A ring no larger than a letter is a tree or a stone.
            ring = bool(np.array_equal(line[0], line[-1]))
            if len(on_paper) < 2 or np.hypot(*np.diff(on_paper, axis=0).T).sum() < (12.0 if ring else 3.0):
                continue
            if is_index:
                heavy.append((level, on_paper))
            else:
                plain.append(on_paper)
    svg.path(path_of(plain), stroke=CONTOUR, width=0.13)
    svg.path(path_of(line for _, line in heavy), stroke=CONTOUR, width=0.3)
    for level, line in sorted(heavy, key=lambda item: -len(item[1])):
        _label_line(svg, line, f"{level:g}", text_mm, labels, view)


def _label_line(
    svg: Svg, line: NDArray[np.float64], text: str, size: float, labels: Labels, view: View
) -> None:
    """The level on the line itself, upright, every 130 mm, where the line is straight enough to carry it."""
    gap = np.concatenate([[0.0], np.hypot(*np.diff(line, axis=0).T).cumsum()])
    length = float(gap[-1])
    half = 0.62 * size * len(text) / 2 + 0.8
    if length < 6 * half:
        return
    count = max(1, round(length / _LABEL_EVERY_MM))
    for k in range(count):
        for nudge in (0.0, 0.15, -0.15, 0.3, -0.3):
            at = length * (k + 0.5 + nudge) / count
            ends = [
                (float(np.interp(s, gap, line[:, 0])), float(np.interp(s, gap, line[:, 1])))
                for s in (at - half, at, at + half)
            ]
            (x0, y0), (x, y), (x1, y1) = ends
            chord = math.hypot(x1 - x0, y1 - y0)
            if chord < 1.8 * half or not view.holds(x, y, 3.0):
                continue
            if not labels.free(x, y, 2 * half, 2 * size):
                continue
            turn = math.degrees(math.atan2(y1 - y0, x1 - x0))
            turn = turn - 180 if turn > 90 else turn + 180 if turn <= -90 else turn
            lift = 0.35 * size
            dx, dy = -math.sin(math.radians(turn)) * lift, math.cos(math.radians(turn)) * lift
            svg.text(x + dx, y + dy, text, size=size, anchor="middle", colour=CONTOUR, rotate=turn, halo=0.8)
            break
