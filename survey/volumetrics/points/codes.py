"""Points as a field party codes them, and what each code means here.

``rim``: edge of a pit, on the ground before. ``toe``: foot of a face or a heap. ``crest``: upper edge of a
face or of a heap's flat top. ``floor``: bottom of a pit, between the edges. ``top``: top of a heap.
``ground``: the ground before, measured where nobody worked; it carries the base and is no part of the
surface. A number or letter behind a code tells lines of one kind apart: ``toe1``, ``crest-b``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from survey.errors import InputRefused

if TYPE_CHECKING:
    from numpy.typing import NDArray

CODES = ("rim", "toe", "crest", "floor", "top", "ground")
LINES = ("rim", "toe", "crest")
"""Codes whose points form lines, in the order in which they were measured."""

_SYNONYMS = {
    "rim": ("rim", "pitrim", "edge", "pitedge", "brim", "outline", "periphery", "perimeter", "topofpit"),
    "toe": ("toe", "toeline", "foot", "bottomedge", "toeofbank", "toeofdump", "benchtoe", "stocktoe"),
    "crest": ("crest", "crestline", "shoulder", "topedge", "topofbank", "benchcrest", "brow"),
    "floor": ("floor", "pitfloor", "bottom", "pitbottom", "bed", "bench", "benchfloor", "inside", "spot"),
    "top": ("top", "peak", "summit", "heaptop", "stocktop", "dumptop", "apex"),
    "ground": (
        "ground", "ngl", "ogl", "gl", "og", "ng", "naturalground", "originalground", "existingground",
        "naturalsurface", "outside",
    ),
}  # fmt: skip
_MEANING = {word: code for code, words in _SYNONYMS.items() for word in words}
_MOST_UNKNOWN = 0.2
_SAME_PLACE_M = 0.002


@dataclass(frozen=True)
class Points:
    """Measured points of one site, in the order of the file.

    ``line`` tells lines of one code apart. ``east``, ``north``, ``up``, ``sigma`` (1 σ of height): metres.
    """

    ids: tuple[str, ...]
    codes: tuple[str, ...]
    line: tuple[str, ...]
    east: NDArray[np.float64]
    north: NDArray[np.float64]
    up: NDArray[np.float64]
    sigma: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)

    def coded(self, *codes: str) -> NDArray[np.intp]:
        """Indices of the points with one of the codes, in order."""
        return np.array([i for i, code in enumerate(self.codes) if code in codes], np.intp)


def meaning(code: str) -> tuple[str, str] | None:
    """(code, line) of what somebody wrote in the code column; None if it means nothing here."""
    plain = re.sub(r"[^a-z0-9]+", " ", code.casefold()).strip()
    joined = plain.replace(" ", "")
    if joined in _MEANING:
        return _MEANING[joined], ""
    for pattern in (r"([a-z ]+?)\s*(\d+)", r"([a-z ]+) ([a-z])"):
        found = re.fullmatch(pattern, plain)
        if found and found[1].replace(" ", "") in _MEANING:
            return _MEANING[found[1].replace(" ", "")], found[2]
    return None


def make_points(
    ids: Sequence[str],
    codes: Sequence[str],
    east: NDArray[np.float64],
    north: NDArray[np.float64],
    up: NDArray[np.float64],
    sigma: NDArray[np.float64],
    *,
    file: str | None = None,
) -> tuple[Points, tuple[str, ...]]:
    """Points with their codes understood; and what was left out or put together, in words.

    Points with a code that means nothing here (a base station, a tree) are left out. Two points at one place
    are one, at their weighted mean height.

    Raises
    ------
    InputRefused
        More than a fifth of the codes mean nothing here, or two points at one place differ in height.
    """
    read = [meaning(code) for code in codes]
    unknown = sorted({code.strip() for code, known in zip(codes, read, strict=True) if known is None})
    left = sum(known is None for known in read)
    if left > _MOST_UNKNOWN * max(len(read), 1):
        shown = ", ".join(repr(code) for code in unknown[:6])
        raise InputRefused(
            f"{left} of {len(read)} points carry codes that mean nothing here: {shown}",
            expected=", ".join(CODES),
            file=file,
            mend="Write one of these codes into the column 'code' of every point.",
        )
    remarks = []
    if left:
        remarks.append(f"{left} points coded {', '.join(unknown[:6])} were left out.")
    kept = [i for i, known in enumerate(read) if known is not None]
    merged: dict[tuple[int, int, str, str], list[int]] = {}
    for i in kept:
        known = read[i]
        assert known is not None
        place = (round(float(east[i]) / _SAME_PLACE_M), round(float(north[i]) / _SAME_PLACE_M))
        merged.setdefault((*place, *known), []).append(i)
    first = sorted(merged.values(), key=lambda group: group[0])
    heights, sigmas = [], []
    for group in first:
        weight = 1 / np.maximum(sigma[group], 1e-4) ** 2
        heights.append(float(np.sum(up[group] * weight) / weight.sum()))
        sigmas.append(float(weight.sum() ** -0.5))
        if len(group) > 1 and np.ptp(up[group]) > max(0.15, 5 * float(sigma[group].max())):
            a, b = ids[group[0]], ids[group[int(np.argmax(np.abs(up[group] - up[group[0]])))]]
            raise InputRefused(
                f"the points {a} and {b} lie at one place and differ by {np.ptp(up[group]):.2f} m in height",
                file=file,
                mend="Remove the wrong one.",
            )
    if len(first) < len(kept):
        remarks.append(f"{len(kept) - len(first)} points measured twice were put together.")
    at = [group[0] for group in first]
    points = Points(
        tuple(ids[i] for i in at),
        tuple(read[i][0] for i in at),  # type: ignore[index]
        tuple(read[i][1] for i in at),  # type: ignore[index]
        np.asarray(east, np.float64)[at],
        np.asarray(north, np.float64)[at],
        np.array(heights),
        np.array(sigmas),
    )
    return points, tuple(remarks)
