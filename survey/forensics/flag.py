"""What a test of authenticity returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Strength = Literal["weak", "moderate", "strong"]
STRENGTHS: tuple[Strength, ...] = ("weak", "moderate", "strong")


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of cells: rows ``row … row + height``, columns ``col … col + width``."""

    row: int
    col: int
    height: int
    width: int

    @property
    def cells(self) -> int:
        return self.height * self.width

    def moved(self, rows: int, cols: int) -> Box:
        return Box(self.row + rows, self.col + cols, self.height, self.width)

    def scaled(self, factor: int) -> Box:
        return Box(self.row * factor, self.col * factor, self.height * factor, self.width * factor)


@dataclass(frozen=True, eq=False)
class Flag:
    """One sign.

    Attributes
    ----------
    test:
        Id of the row in ``law/practice.toml`` that says what is expected: "real.resent".
    name:
        What kind of sign, in two or three words: "constant added".
    strength:
        How hard it is to explain otherwise: weak, moderate or strong.
    message:
        What was seen, in plain words and without a conclusion about anyone.
    evidence:
        The numbers behind it.
    where:
        Rectangles of cells of the later file's grid; empty = everywhere.
    explanations:
        Harmless causes that would look the same.
    picture:
        A small map to draw (float, NaN = nothing to say), or None; ``picture_step`` cells per pixel.
    """

    test: str
    name: str
    strength: Strength
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    where: Sequence[Box] = ()
    explanations: Sequence[str] = ()
    picture: NDArray[np.float32] | None = None
    picture_step: int = 1
    picture_says: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a test came to: its flags, or why it could not tell. No flags and no reason = nothing seen."""

    test: str
    flags: tuple[Flag, ...] = ()
    no_power: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def clear(self) -> bool:
        return not self.flags and self.no_power is None


def stronger(one: Strength, other: Strength) -> Strength:
    return max(one, other, key=STRENGTHS.index)


def weaker(one: Strength, other: Strength) -> Strength:
    return min(one, other, key=STRENGTHS.index)


def boxes_of(mask: NDArray[np.bool_], step: int = 1, most: int = 20) -> tuple[Box, ...]:
    """Rectangles around the connected parts of a mask, largest part first, ``step`` cells per pixel."""
    from scipy import ndimage

    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    if count == 0:
        return ()
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    slices = ndimage.find_objects(labels)
    order = sorted(range(count), key=lambda i: (-int(sizes[i]), i))
    found = []
    for i in order[:most]:
        rows, cols = slices[i]
        box = Box(rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start)
        found.append(box.scaled(step))
    return tuple(found)
