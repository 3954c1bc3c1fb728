"""A drawing of a given size in millimetres, y downwards.

SVG because it is vector, a browser shows it and typst sets it into a PDF at its true size: one drawing for
screen and paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FONTS = "Survey Sans, Noto Sans, sans-serif"
# Shaping joins signs only within one font: text with Devanagari asks for that font first.
DEVANAGARI = "Survey Sans Devanagari, Noto Sans Devanagari, Survey Sans, sans-serif"
MM_PER_POINT = 25.4 / 72


def mm(value: float) -> str:
    """Micrometres are enough: a plotter draws to a tenth of a millimetre."""
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def path_of(lines: Iterable[NDArray[np.float64]], *, closed: bool = False) -> str:
    """The ``d`` of a path through lines of (n, 2) points."""
    parts = []
    for line in lines:
        if len(line) < 2:
            continue
        # A hundredth of a millimetre: a tenth of what a plotter can draw. Adding 0 leaves no negative zero.
        numbers = np.round(np.asarray(line, np.float64), 2) + 0.0
        text = "L".join(f"{x:.10g} {y:.10g}" for x, y in numbers.tolist())
        parts.append("M" + text + ("Z" if closed else ""))
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Label:
    """Text on a drawing; sizes in mm, ``rotate`` in degrees clockwise about its baseline point."""

    x: float
    y: float
    text: str
    size: float
    anchor: str
    colour: str
    bold: bool
    rotate: float
    halo: float

    def markup(self) -> str:
        look = ' font-weight="700"' if self.bold else ""
        if self.rotate:
            look += f' transform="rotate({mm(self.rotate)} {mm(self.x)} {mm(self.y)})"'
        if any("\u0900" <= sign <= "\u097f" for sign in self.text):
            look += f' font-family="{DEVANAGARI}"'
        if self.halo:
            look += f' paint-order="stroke" stroke="#ffffff" stroke-width="{mm(self.halo)}"'
            look += ' stroke-linejoin="round"'
        return (
            f'<text x="{mm(self.x)}" y="{mm(self.y)}" font-size="{mm(self.size)}" text-anchor="{self.anchor}"'
            f'{look} fill="{self.colour}">{escape(self.text)}</text>'
        )


class Svg:
    """Collects shapes. Colours are given as ``#rrggbb``; every text is escaped."""

    def __init__(self, width_mm: float, height_mm: float, title: str = "", *, identity: str = "") -> None:
        self.width, self.height, self.title, self.identity = width_mm, height_mm, title, identity
        self.frame = (0.0, width_mm)  # where what it shows begins and ends across
        self._parts: list[str | Label] = []
        self._defs: list[str] = []

    def raw(self, text: str) -> None:
        """Markup made by this package; never anything read from a file."""
        self._parts.append(text)

    def define(self, text: str) -> None:
        self._defs.append(text)

    def clip(self, name: str, x: float, y: float, width: float, height: float) -> str:
        """Define a rectangle to clip to; the name is made unique among the drawings of a page."""
        full = f"{self.identity}{name}"
        self.define(
            f'<clipPath id="{full}"><rect x="{mm(x)}" y="{mm(y)}" width="{mm(width)}" '
            f'height="{mm(height)}"/></clipPath>'
        )
        return full

    def open_group(self, *, clip: str | None = None, opacity: float | None = None, name: str = "") -> None:
        attributes = f' clip-path="url(#{clip})"' if clip else ""
        attributes += f' opacity="{opacity}"' if opacity is not None else ""
        attributes += f" class={quoteattr(name)}" if name else ""
        self._parts.append(f"<g{attributes}>")

    def close_group(self) -> None:
        self._parts.append("</g>")

    def path(
        self,
        d: str,
        *,
        stroke: str | None = "#000000",
        width: float = 0.2,
        fill: str | None = None,
        dash: Sequence[float] | None = None,
        opacity: float = 1.0,
        fill_opacity: float = 1.0,
        name: str = "",
    ) -> None:
        if not d:
            return
        look = f'fill="{fill}" fill-rule="evenodd"' if fill else 'fill="none"'
        if fill and fill_opacity < 1:
            look += f' fill-opacity="{fill_opacity}"'
        if stroke:
            look += f' stroke="{stroke}" stroke-width="{mm(width)}"'
            look += ' stroke-linejoin="round" stroke-linecap="round"'
        if dash:
            look += f' stroke-dasharray="{" ".join(mm(part) for part in dash)}"'
        if opacity < 1:
            look += f' opacity="{opacity}"'
        if name:
            look += f" class={quoteattr(name)}"
        self._parts.append(f'<path d="{d}" {look}/>')

    def line(self, x1: float, y1: float, x2: float, y2: float, **look: object) -> None:
        self.path(f"M{mm(x1)} {mm(y1)}L{mm(x2)} {mm(y2)}", **look)  # type: ignore[arg-type]

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str | None = None,
        stroke: str | None = None,
        line_width: float = 0.2,
        opacity: float = 1.0,
    ) -> None:
        look = f'fill="{fill or "none"}"'
        if stroke:
            look += f' stroke="{stroke}" stroke-width="{mm(line_width)}"'
        if opacity < 1:
            look += f' opacity="{opacity}"'
        self._parts.append(
            f'<rect x="{mm(x)}" y="{mm(y)}" width="{mm(max(width, 0))}" '
            f'height="{mm(max(height, 0))}" {look}/>'
        )

    def circle(
        self,
        x: float,
        y: float,
        radius: float,
        *,
        fill: str | None = None,
        stroke: str | None = None,
        width: float = 0.2,
    ) -> None:
        look = f'fill="{fill or "none"}"' + (
            f' stroke="{stroke}" stroke-width="{mm(width)}"' if stroke else ""
        )
        self._parts.append(f'<circle cx="{mm(x)}" cy="{mm(y)}" r="{mm(radius)}" {look}/>')

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 2.5,
        anchor: str = "start",
        colour: str = "#000000",
        bold: bool = False,
        rotate: float = 0.0,
        halo: float = 0.0,
    ) -> None:
        """Text with its baseline at (x, y). ``halo``: width of a white rim that keeps it legible on lines."""
        self._parts.append(Label(x, y, text, size, anchor, colour, bold, rotate, halo))

    def for_paper(self) -> tuple[str, list[dict[str, object]]]:
        """(the drawing without its texts, the texts inside it): the typesetter sets those itself.

        What turns SVG into PDF places the vowel signs of Devanagari on top of each other; typst does not.
        """
        labels = [part for part in self._parts if isinstance(part, Label)]
        inside = [n for n in labels if 0 <= n.x <= self.width and 0 <= n.y <= self.height]
        return self._document([part for part in self._parts if isinstance(part, str)]), [
            asdict(label) for label in inside
        ]

    def markup(self, *, inline: bool = False) -> str:
        """The whole drawing. ``inline``: for a page, scaling with its column, named for screen readers."""
        return self._document([p if isinstance(p, str) else p.markup() for p in self._parts], inline=inline)

    def _document(self, parts: Sequence[str], *, inline: bool = False) -> str:
        size = f'viewBox="0 0 {mm(self.width)} {mm(self.height)}" '
        if inline:
            size += f'role="img" aria-label={quoteattr(self.title)}'
        else:
            size += f'width="{mm(self.width)}mm" height="{mm(self.height)}mm"'
        title = f"<title>{escape(self.title)}</title>" if self.title and not inline else ""
        defs = f"<defs>{''.join(self._defs)}</defs>" if self._defs else ""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONTS}">{title}{defs}'
            f"{''.join(parts)}</svg>"
        )


def nice_step(span: float, about: int = 6) -> float:
    """1, 2 or 5 times a power of ten, so that ``span`` holds about ``about`` steps."""
    if not span > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(span / about))
    return float(min((1, 2, 5, 10), key=lambda k: abs(np.log(span / (k * power) / about))) * power)


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers from ``low`` to ``high``."""
    step = nice_step(high - low, about)
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [round(k * step, 10) for k in range(first, last + 1)]


def label(value: float, step: float) -> str:
    """A tick's label with the decimals of its step."""
    places = max(0, -int(np.floor(np.log10(step) + 1e-9))) if step > 0 else 0
    return f"{value:.{places}f}".replace("-", "−")
