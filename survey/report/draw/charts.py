"""Small plots of how well the surveys fit: histogram, rose of residuals, noise by slope, variogram."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.report.colours import OKABE_ITO
from survey.report.draw.svg import Svg, label, nice_step, path_of, ticks

if TYPE_CHECKING:
    from survey.record import ErrorPart, ZoneVolumes
    from survey.report.words import Words

GREY, BLUE, ORANGE = "#8c8c8c", OKABE_ITO["blue"], OKABE_ITO["vermilion"]
_W, _H = 72.0, 50.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 13.0, 3.0, 6.5, 11.5


class _Axes:
    """A plot's frame: draws ticks, and places data."""

    def __init__(
        self, svg: Svg, x: tuple[float, float], y: tuple[float, float], x_name: str, y_name: str
    ) -> None:
        self.svg, self.x, self.y = svg, x, y
        right, bottom = svg.width - _RIGHT, svg.height - _BOTTOM
        for value in ticks(*y, 4):
            at = self.at(x[0], value)[1]
            svg.line(_LEFT, at, right, at, stroke="#dddddd", width=0.1)
            svg.text(_LEFT - 1, at + 0.8, label(value, nice_step(y[1] - y[0], 4)), size=2.2, anchor="end")
        for value in ticks(*x, 5):
            at = self.at(value, y[0])[0]
            svg.line(at, bottom, at, bottom + 1, stroke="#000000", width=0.15)
            svg.text(at, bottom + 3.8, label(value, nice_step(x[1] - x[0], 5)), size=2.2, anchor="middle")
        svg.line(_LEFT, bottom, right, bottom, stroke="#000000", width=0.2)
        svg.text((_LEFT + right) / 2, bottom + 8.4, x_name, size=2.4, anchor="middle")
        svg.text(3.0, (_TOP + bottom) / 2, y_name, size=2.4, anchor="middle", rotate=-90)

    def at(self, x: float, y: float) -> tuple[float, float]:
        right, bottom = self.svg.width - _RIGHT, self.svg.height - _BOTTOM
        return (
            _LEFT + (x - self.x[0]) / (self.x[1] - self.x[0]) * (right - _LEFT),
            bottom - (y - self.y[0]) / (self.y[1] - self.y[0]) * (bottom - _TOP),
        )

    def line(self, xs: Sequence[float], ys: Sequence[float], **look: object) -> None:
        points = np.array([self.at(x, y) for x, y in zip(xs, ys, strict=True)])
        self.svg.path(path_of([points]), **look)  # type: ignore[arg-type]

    def dots(self, xs: Sequence[float], ys: Sequence[float], colour: str) -> None:
        for x, y in zip(xs, ys, strict=True):
            px, py = self.at(x, y)
            self.svg.circle(px, py, 0.8, fill=colour)


def _key(svg: Svg, entries: Sequence[tuple[str, str]]) -> None:
    at = _LEFT
    for colour, text in entries:
        svg.rect(at, 2.0, 3.0, 2.0, fill=colour)
        svg.text(at + 4.0, 3.8, text, size=2.2)
        at += 7.0 + 1.25 * len(text)


def histogram(plots: dict[str, Any], words: Words) -> Svg | None:
    """Difference on stable ground before and after alignment."""
    edges, before, after = plots.get("edges_m") or [], plots.get("before") or [], plots.get("after") or []
    if len(edges) < 2 or not before:
        return None
    svg = Svg(_W, _H, words("plot.histogram"))
    most = max(*before, *after, 1)
    share = [100 * n / max(sum(before), 1) for n in before], [100 * n / max(sum(after), 1) for n in after]
    top = max(*share[0], *share[1], 1e-9)
    axes = _Axes(
        svg, (edges[0], edges[-1]), (0.0, top * 1.05), words("plot.difference_m"), words("plot.share")
    )
    for shares, colour, opacity in ((share[0], GREY, 0.9), (share[1], BLUE, 0.55)):
        for low, high, value in zip(edges[:-1], edges[1:], shares, strict=True):
            x0, y = axes.at(low, value)
            x1, floor = axes.at(high, 0.0)
            svg.rect(x0, y, x1 - x0, floor - y, fill=colour, opacity=opacity)
    if edges[0] < 0 < edges[-1]:
        zero = axes.at(0.0, 0.0)
        svg.line(zero[0], _TOP, zero[0], zero[1], stroke="#000000", width=0.2, dash=(0.8, 0.8))
    _key(svg, [(GREY, words("plot.before")), (BLUE, words("plot.after"))])
    return svg if most else None


def rose(plots: dict[str, Any], words: Words) -> Svg | None:
    """Median of rise / slope by direction of fall: a leaning ring is a horizontal shift."""
    sectors = [
        s
        for s in plots.get("sectors") or []
        if s.get("before_m") is not None and s.get("after_m") is not None
    ]
    if len(sectors) < 4:
        return None
    svg = Svg(_W, _H, words("plot.rose"))
    values = [abs(s[key]) for s in sectors for key in ("before_m", "after_m")]
    limit = max(*values, 0.01)
    step = nice_step(limit, 2)
    limit = math.ceil(limit / step - 1e-9) * step
    cx, cy, radius = _W / 2, _TOP + 18.5, 15.0

    def place(aspect: float, value: float) -> tuple[float, float]:
        # Zero lies on the middle ring: outwards the later survey is too high, inwards too low.
        r = radius * (0.5 + 0.5 * value / limit)
        return cx + r * math.sin(math.radians(aspect)), cy - r * math.cos(math.radians(aspect))

    for part in (0.0, 0.5, 1.0):
        svg.circle(
            cx, cy, max(radius * part, 0.3), stroke="#000000" if part == 0.5 else "#cccccc", width=0.15
        )
    for text, aspect in (("N", 0), ("E", 90), ("S", 180), ("W", 270)):
        x, y = (
            cx + (radius + 3) * math.sin(math.radians(aspect)),
            cy - (radius + 3) * math.cos(math.radians(aspect)),
        )
        svg.text(x, y + 0.9, words("compass." + text), size=2.4, anchor="middle")
    for key, colour, width in (("before_m", GREY, 0.4), ("after_m", BLUE, 0.5)):
        ring = np.array([place(s["aspect_deg"], max(-limit, min(limit, s[key]))) for s in sectors])
        svg.path(path_of([ring], closed=len(sectors) == 16), stroke=colour, width=width)
    svg.text(cx + 1, cy - radius + 2.4, f"+{label(limit, step)} m", size=2.0, colour="#555555")
    svg.text(cx + 1, cy - radius / 2 + 2.4, "0", size=2.0, colour="#555555")
    svg.text(cx + 1, cy + 2.6, f"−{label(limit, step)} m", size=2.0, colour="#555555")
    svg.text(_W / 2, _H - 3.6, words("plot.rose_note"), size=2.4, anchor="middle")
    _key(svg, [(GREY, words("plot.before")), (BLUE, words("plot.after"))])
    return svg


def noise_by_slope(error: ErrorPart, words: Words) -> Svg | None:
    if len(error.by_slope) < 2:
        return None
    svg = Svg(_W, _H, words("plot.by_slope"))
    slopes = [s.slope_deg for s in error.by_slope]
    sigmas = [s.sigma_m for s in error.by_slope]
    axes = _Axes(
        svg, (0.0, max(slopes) * 1.05), (0.0, max(sigmas) * 1.15), words("plot.slope"), words("plot.sigma")
    )
    axes.line(slopes, sigmas, stroke=BLUE, width=0.4)
    axes.dots(slopes, sigmas, BLUE)
    return svg


def variogram(error: ErrorPart, words: Words) -> Svg | None:
    if len(error.variogram) < 2:
        return None
    svg = Svg(_W, _H, words("plot.variogram"))
    lags = [v.lag_m for v in error.variogram]
    seen, model = [v.semivariance for v in error.variogram], [v.model for v in error.variogram]
    axes = _Axes(
        svg,
        (0.0, max(lags) * 1.05),
        (0.0, max(*seen, *model) * 1.15),
        words("plot.lag"),
        words("plot.semivariance"),
    )
    axes.line(lags, model, stroke=ORANGE, width=0.5)
    axes.dots(lags, seen, BLUE)
    _key(svg, [(BLUE, words("plot.seen")), (ORANGE, words("plot.model"))])
    return svg


def zone_bars(zones: Sequence[ZoneVolumes], words: Words, numbers: Any) -> Svg | None:
    """Cut and fill of each zone, with their 95 % intervals."""
    from survey.report.colours import CUT, FILL

    shown = [z for z in zones if math.isfinite(z.cut_m3) and math.isfinite(z.fill_m3)]
    largest = max((max(z.cut_hi_m3, z.fill_hi_m3) for z in shown), default=0.0)
    if not shown or not largest > 0:
        return None
    row, left, right = 11.0, 34.0, 26.0
    svg = Svg(170.0, 6.0 + row * len(shown), words("plot.zones"))
    span = svg.width - left - right
    for k, zone in enumerate(shown):
        y = 4.0 + k * row
        svg.text(left - 2, y + 4.6, zone.name or words.named("zone", zone.zone), size=2.6, anchor="end")
        bars = (
            (zone.cut_m3, zone.cut_lo_m3, zone.cut_hi_m3, CUT[2], words("cut")),
            (zone.fill_m3, zone.fill_lo_m3, zone.fill_hi_m3, FILL[2], words("fill")),
        )
        for n, (value, low, high, colour, name) in enumerate(bars):
            top = y + 4.2 * n
            svg.rect(left, top, span * value / largest, 3.4, fill=colour)
            lo, hi = left + span * max(low, 0) / largest, left + span * high / largest
            svg.line(lo, top + 1.7, hi, top + 1.7, stroke="#000000", width=0.35)
            for end in (lo, hi):
                svg.line(end, top + 0.7, end, top + 2.7, stroke="#000000", width=0.35)
            svg.text(hi + 1.5, top + 2.6, f"{name} {numbers.with_unit(value, 'm³', 0)}", size=2.2)
    svg.line(left, 2.0, left, svg.height - 1, stroke="#000000", width=0.2)
    return svg
