"""A pit or heap made of points: which points are its outline, its surface, and the ground before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.errors import InputRefused
from survey.volumetrics.points.codes import Points
from survey.volumetrics.points.lines import closes, path_order, ring_order
from survey.volumetrics.points.mesh import Mesh, make_mesh

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_OUTLINE = 3
_MOST_BEYOND = 0.25  # of the surface points: with more of them outside, the outline is not whole


@dataclass(frozen=True)
class SiteLines:
    """How the points of a site hang together. Indices into ``points``.

    ``outline``: the ring that bounds the site, in order, not closed. ``breaks``: other lines; closed ones
    repeat their first point. ``inner``: points of the surface that are not on the outline. ``ground``: points
    of the ground before beside the outline's own.
    """

    points: Points
    pit: bool
    outline: NDArray[np.intp]
    breaks: tuple[NDArray[np.intp], ...]
    inner: NDArray[np.intp]
    ground: NDArray[np.intp]
    remarks: tuple[str, ...]

    @property
    def polygon(self) -> Any:
        import shapely

        at = np.append(self.outline, self.outline[0])
        return shapely.polygons(np.column_stack([self.points.east, self.points.north])[at])

    def without(self, dropped: Sequence[int] | NDArray[np.intp]) -> SiteLines:
        """The same site with some points not measured; lines go straight past them."""
        gone = np.zeros(len(self.points), bool)
        gone[np.asarray(dropped, np.intp)] = True

        def thin(line: NDArray[np.intp]) -> NDArray[np.intp]:
            left = line[~gone[line]]
            if len(line) and line[0] == line[-1] and len(left) and left[0] != left[-1]:
                left = np.append(left, left[0])
            return left

        return replace(
            self,
            outline=self.outline[~gone[self.outline]],
            breaks=tuple(t for t in map(thin, self.breaks) if len(np.unique(t)) > 1),
            inner=self.inner[~gone[self.inner]],
            ground=self.ground[~gone[self.ground]],
        )

    def surface(self) -> tuple[Mesh, NDArray[np.intp]]:
        """Triangles of the surface inside the outline, and which point each measured vertex is."""
        import shapely

        polygon = self.polygon
        inside = shapely.contains_xy(polygon, self.points.east[self.inner], self.points.north[self.inner])
        used = np.concatenate([self.outline, self.inner[inside]])
        number = np.full(len(self.points), -1)
        number[used] = np.arange(len(used))
        ring = number[np.append(self.outline, self.outline[0])]
        lines = [ring]
        for line in self.breaks:
            at = number[line]
            # A line that leaves the outline is parted there.
            for part in np.split(at, np.flatnonzero(at < 0)):
                part = part[part >= 0]
                if len(part) > 1:
                    lines.append(part)
        return make_mesh(self._xyz(used), lines, polygon), used

    def _xyz(self, index: NDArray[np.intp]) -> NDArray[np.float64]:
        p = self.points
        return np.column_stack([p.east[index], p.north[index], p.up[index]])


def build_site(points: Points, kind: str = "auto", *, file: str | None = None) -> SiteLines:
    """Find outline, lines and surface of a site from its coded points.

    The outline is the line coded ``rim``; without one, the toe of a heap or the crest of a pit, whichever of
    the two encloses the other. ``kind``: ``pit``, ``stock`` or ``auto``.

    Raises
    ------
    InputRefused
        There is no line that could bound the site, or nothing was measured inside it.
    """
    import shapely

    remarks: list[str] = []
    xy = np.column_stack([points.east, points.north])
    groups: dict[tuple[str, str], NDArray[np.intp]] = {}
    for code in ("rim", "toe", "crest"):
        at = points.coded(code)
        for line in dict.fromkeys(points.line[i] for i in at):
            groups[code, line] = np.array([i for i in at if points.line[i] == line], np.intp)
    rings: dict[tuple[str, str], NDArray[np.intp]] = {}
    for group, at in groups.items():
        if len(at) >= _LEAST_OUTLINE:
            order, measured = ring_order(xy[at])
            rings[group] = at[order]
            if not measured and group[0] == "rim":
                remarks.append(
                    "The rim points were not measured in order round the edge; they were joined the "
                    "shortest way."
                )

    def area(key: tuple[str, str]) -> float:
        return abs(float(shapely.area(shapely.polygons(xy[np.append(rings[key], rings[key][0])]))))

    def largest(code: str) -> tuple[str, str] | None:
        keys = [key for key in rings if key[0] == code]
        return max(keys, key=area) if keys else None

    rim, toe, crest = (largest(code) for code in ("rim", "toe", "crest"))
    key: tuple[str, str] | None = rim
    if key is None:
        both = [k for k in (toe, crest) if k is not None]
        if kind == "pit":
            both = [k for k in both if k[0] == "crest"] or both
        elif kind == "stock":
            both = [k for k in both if k[0] == "toe"] or both
        key = max(both, key=area) if both else None
    if key is None:
        found = ", ".join(f"{len(points.coded(c))} {c}" for c in dict.fromkeys(points.codes))
        raise InputRefused(
            f"no line bounds the site; there are {found or 'no points'}",
            expected="at least three points coded rim (or toe, for a heap) around it",
            file=file,
            mend="Measure the edge of the pit, or the foot of the heap, all the way round.",
        )
    outline = rings[key]
    on_outline = np.zeros(len(points), bool)
    on_outline[outline] = True
    ground = points.coded("ground")
    inner = np.array(
        [i for i in range(len(points)) if not on_outline[i] and points.codes[i] != "ground"], np.intp
    )
    polygon = shapely.polygons(xy[np.append(outline, outline[0])])
    within = shapely.contains_xy(polygon, xy[inner, 0], xy[inner, 1])
    if not within.any():
        raise InputRefused(
            "no point was measured inside the outline",
            expected="points on the floor, toe, crest or top",
            file=file,
            mend="Measure heights inside the site.",
        )
    beyond = int((~within).sum())
    if beyond > _MOST_BEYOND * len(inner):
        raise InputRefused(
            f"{beyond} of {len(inner)} points of the surface lie outside the outline "
            f"through the {key[0]} points",
            expected="an outline that was measured all the way round",
            file=file,
            mend=f"Measure the missing part of the edge ({key[0]} points), or correct codes and coordinates.",
        )
    if beyond:
        remarks.append(f"{beyond} points of the surface lie outside the outline and were not used.")
    if kind == "auto":
        pit = _lies_below(points, outline, inner[within])
    else:
        pit = kind == "pit"
    breaks = []
    for other, at in groups.items():
        if other == key or len(at) < 2:
            continue
        ring = rings.get(other)
        if ring is not None and (closes(xy[ring]) or _surrounds(xy, ring, inner[within])):
            breaks.append(np.append(ring, ring[0]))
        else:
            order, _ = path_order(xy[at])
            breaks.append(at[order])
    return SiteLines(points, pit, outline, tuple(breaks), inner[within], ground, tuple(remarks))


def _lies_below(points: Points, outline: NDArray[np.intp], inner: NDArray[np.intp]) -> bool:
    """Whether the inside lies below the plane through the outline, on the whole."""
    e0, n0 = points.east[outline].mean(), points.north[outline].mean()

    def terms(at: NDArray[np.intp]) -> NDArray[np.float64]:
        return np.column_stack([np.ones(len(at)), points.east[at] - e0, points.north[at] - n0])

    level = points.up[outline].mean()
    fit, *_ = np.linalg.lstsq(terms(outline), points.up[outline] - level, rcond=1e-6)
    return bool(np.mean(points.up[inner] - level - terms(inner) @ fit) < 0)


def _surrounds(xy: NDArray[np.float64], ring: NDArray[np.intp], inner: NDArray[np.intp]) -> bool:
    """Whether a line goes round the middle of the points inside, seen from which it leaves no wide gap."""
    middle = xy[inner].mean(axis=0)
    bearing = np.sort(np.arctan2(*(xy[ring] - middle).T))
    gaps = np.diff(np.append(bearing, bearing[0] + 2 * np.pi))
    return bool(len(ring) >= 4 and gaps.max() < np.pi * 0.75)
