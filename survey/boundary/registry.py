"""The registry of leases: thousands of them with numbers and dates, asked for those near a place."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from survey.boundary.bands import polygonal
from survey.boundary.choose import id_of
from survey.boundary.crs import crs_from, move
from survey.boundary.features import Feature, is_wild
from survey.boundary.formats import read_drawing
from survey.boundary.placing import Placed, place
from survey.boundary.rings import polygon_of, remarks
from survey.errors import InputRefused
from survey.grid import Bounds
from survey.remark import Remark
from survey.tables import header_key, plain_digits

if TYPE_CHECKING:
    from shapely import Geometry, STRtree

    from survey.boundary.lease import Lease

MAX_LEASES = 200_000
_OVERLAP_M2 = 100.0  # less is what two digitisations of one side leave
_FROM = (
    "valid_from", "from_date", "date_from", "start_date", "start", "grant_date", "date_of_grant",
    "lease_start", "commencement", "executed", "execution_date", "date_of_execution", "validfrom",
    "effective_from",
)  # fmt: skip
_TO = (
    "valid_to", "to_date", "date_to", "end_date", "end", "expiry", "expiry_date", "date_of_expiry",
    "lease_end", "valid_upto", "valid_till", "valid_until", "validto", "expires", "period_upto",
)  # fmt: skip
_NAMES = ("name", "lessee", "lessee_name", "mine_name", "mine", "owner", "holder", "title")


@dataclass(frozen=True)
class RegisteredLease:
    """A lease of the registry. A missing date means no limit on that side; both days are included."""

    lease_id: str
    name: str
    polygon: Geometry
    valid_from: date | None = None
    valid_to: date | None = None

    def valid_on(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_to is None or day <= self.valid_to
        )


class Registry:
    """Leases in one system, with a spatial index.

    ``notes`` say what was left out: a registry is other people's work, and one bad outline in it must not
    stop a survey, but nobody may be blamed because of a lease that could not be read.
    """

    def __init__(self, leases: Sequence[RegisteredLease], crs_wkt: str, notes: Sequence[Remark] = ()) -> None:
        self.leases = tuple(leases)
        self.crs_wkt = crs_wkt
        self.notes = tuple(notes)
        self._tree: STRtree | None = None

    def __len__(self) -> int:
        return len(self.leases)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tree": None}

    @property
    def _index(self) -> STRtree:
        import shapely

        if self._tree is None:
            self._tree = shapely.STRtree([lease.polygon for lease in self.leases])
        return self._tree

    def leases_at(self, east: float, north: float, on: date | None = None) -> list[RegisteredLease]:
        """All leases that hold a point of the registry's system, in the registry's order."""
        import shapely

        found = sorted(self._index.query(shapely.Point(east, north), predicate="intersects").tolist())
        return [self.leases[i] for i in found if on is None or self.leases[i].valid_on(on)]

    def lease_at(self, east: float, north: float, on: date | None = None) -> RegisteredLease | None:
        """The first lease of the registry that holds a point; None outside all."""
        return next(iter(self.leases_at(east, north, on)), None)

    def nearest(self, geometry: Geometry, on: date | None = None) -> tuple[RegisteredLease, float] | None:
        """The nearest valid lease to a geometry, and the distance in the registry's units; 0 if they meet."""
        if on is not None:
            valid = [lease for lease in self.leases if lease.valid_on(on)]
            if len(valid) < len(self.leases):
                return Registry(valid, self.crs_wkt).nearest(geometry)
        if not self.leases:
            return None
        found = self._index.query_nearest(geometry, all_matches=True)
        first = self.leases[int(min(found))]
        return first, float(first.polygon.distance(geometry))

    def window(
        self,
        bounds: Bounds,
        crs_wkt: str,
        *,
        on: date | None = None,
        own: Lease | None = None,
        clip: bool = True,
    ) -> Registry:
        """The leases valid on a day that meet a window, in the window's system.

        Parameters
        ----------
        bounds, crs_wkt:
            The window in a metric system.
        on:
            The day that counts; None for all leases whatever their dates.
        own:
            The lease under survey: entries with its number, or that are its ground but for a twentieth, are
            left out.
        clip:
            Cut leases at the window, so that a state's largest lease costs no more than what is looked at.
        """
        import shapely

        box = shapely.box(bounds.west, bounds.south, bounds.east, bounds.north)
        # The window's image is bent: its bounding box, grown a little, holds all that can matter.
        image = move(box, crs_wkt, self.crs_wkt)
        pad = 1e-5 if abs(image.bounds[0]) <= 180 else 1.0
        west, south, east, north = image.bounds
        search = shapely.box(west - pad, south - pad, east + pad, north + pad)
        found: list[RegisteredLease] = []
        notes = list(self.notes)
        for i in sorted(self._index.query(search).tolist()):
            lease = self.leases[i]
            if on is not None and not lease.valid_on(on):
                continue
            ground = move(lease.polygon, self.crs_wkt, crs_wkt)
            if not shapely.is_valid(ground):
                ground = shapely.make_valid(ground)
            if not shapely.intersects(ground, box):
                continue
            if own is not None and _is_own(lease, ground, own, crs_wkt):
                continue
            if own is not None:
                notes += _overlap(lease, ground, own, crs_wkt)
            if clip:
                ground = polygonal(shapely.intersection(ground, box))
                if ground.is_empty:
                    continue
            found.append(replace(lease, polygon=ground))
        return Registry(found, crs_wkt, notes)


def read_registry(path: str | os.PathLike[str], *, crs: str | None = None) -> Registry:
    """Read a registry from any supported vector file; every outline in it is one lease or a part of one.

    Numbers, names and dates are found among the attributes. Outlines that cannot be mended are left out and
    listed in ``notes``; so are dates that cannot be read (the lease then counts as valid).

    Raises
    ------
    InputRefused
        Unreadable, empty, too many leases, or no reference system.
    """
    given = None if crs is None else crs_from(crs)
    drawing = read_drawing(path, crs=given)
    outlines = [f for f in drawing.features if f.polygons]
    if not outlines:
        raise InputRefused("holds no lease", expected="polygons", file=drawing.file)
    if len(outlines) > MAX_LEASES:
        raise InputRefused(f"holds more than {MAX_LEASES:,} leases", file=drawing.file)
    left_out: list[str] = []
    usable = [f for f in outlines if _usable(f)]
    if not usable:
        raise InputRefused("holds no lease whose outline is usable", file=drawing.file)
    placed = place(drawing, [ring for f in usable for part in f.polygons for ring in part], given)
    notes = [*drawing.notes, *placed.notes]
    mends: Counter[str] = Counter()
    unread_dates: list[str] = []
    leases: list[RegisteredLease] = []
    for number, feature in enumerate(outlines, start=1):
        lease_id = id_of(feature.properties) or feature.name or f"#{number}"
        if not _usable(feature):
            left_out.append(f"{lease_id} (points at (0, 0), or not finite)")
            continue
        try:
            polygon = _outline(feature, placed, mends)
        except InputRefused as error:
            left_out.append(f"{lease_id} ({error.found})")
            continue
        dates = [_date_of(feature.properties, keys) for keys in (_FROM, _TO)]
        if any(d == "?" for d in dates):
            unread_dates.append(lease_id)
        start, end = (d if isinstance(d, date) else None for d in dates)
        leases.append(RegisteredLease(lease_id, _name_of(feature), polygon, start, end))
    if not leases:
        raise InputRefused("holds no lease whose outline is usable", file=drawing.file)
    notes += remarks(mends)
    if left_out:
        notes.append(
            Remark(
                "registry-left-out",
                f"{len(left_out)} lease(s) of the registry could not be used: {'; '.join(left_out[:20])}.",
                "serious",
            )
        )
    if unread_dates:
        listed = ", ".join(unread_dates[:20])
        notes.append(
            Remark("registry-dates", f"Dates of {len(unread_dates)} lease(s) were not readable: {listed}.")
        )
    return Registry(leases, placed.crs_wkt, notes)


def _usable(feature: Feature) -> bool:
    """Whether all coordinates are numbers and none is the (0, 0) of an empty field."""
    import numpy as np

    return not any(
        is_wild(ring) or bool((np.abs(ring) < 1e-9).all(axis=1).any()) for ring in feature.coordinates()
    )


def _outline(feature: Feature, placed: Placed, mends: Counter[str]) -> Geometry:
    return polygon_of(
        [[placed.straightened(ring) for ring in part] for part in feature.polygons],
        file="",
        label="it",
        metres_per_unit=placed.metres_per_unit,
        mends=mends,
    )


def _is_own(entry: RegisteredLease, ground: Geometry, own: Lease, crs_wkt: str) -> bool:
    import shapely

    if own.lease_id and header_key(own.lease_id) == header_key(entry.lease_id):
        return True
    mine = own.to_crs(crs_wkt).polygon
    common = shapely.intersection(ground, mine).area
    return bool(common > 0.95 * max(ground.area, mine.area))


def _overlap(entry: RegisteredLease, ground: Geometry, own: Lease, crs_wkt: str) -> list[Remark]:
    """Two leases on one ground are a matter for the office: it is said, and the ground stays with ``own``."""
    import shapely

    common = float(shapely.intersection(ground, own.to_crs(crs_wkt).polygon).area)
    if common < _OVERLAP_M2:
        return []
    text = f"The registry's lease {entry.lease_id} overlaps this lease by {common / 1e4:.4g} ha."
    return [Remark("registry-overlap", text, "serious")]


def _name_of(feature: Feature) -> str:
    plain = {header_key(str(key)).replace(" ", "_"): value for key, value in feature.properties.items()}
    for key in _NAMES:
        if plain.get(key) not in (None, ""):
            return str(plain[key])[:200]
    return feature.name


def _date_of(properties: dict[str, Any], keys: tuple[str, ...]) -> date | str | None:
    """A date among attributes; "?" if one stands there that cannot be read."""
    plain = {header_key(str(key)).replace(" ", "_"): value for key, value in properties.items()}
    for key in keys:
        value = plain.get(key)
        if value in (None, ""):
            continue
        return parse_date(str(value)) or "?"
    return None


def parse_date(text: str) -> date | None:
    """ISO dates, and days before months as India writes them: 31/03/2031, 31.3.2031, 31-Mar-2031."""
    plain = plain_digits(text).strip()
    match = re.match(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:\b|T)", plain)
    if match:
        year, month, day = map(int, match.groups())
    else:
        match = re.match(r"(\d{1,2})[-/. ](\d{1,2}|[A-Za-z]{3,9})[-/. ,]+(\d{4})\b", plain)
        if match is None:
            return None
        months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
        word = match[2].lower()[:3]
        if not match[2].isdigit() and word not in months:
            return None
        day, year = int(match[1]), int(match[3])
        month = int(match[2]) if match[2].isdigit() else months.index(word) + 1
    try:
        return date(year, month, day)
    except ValueError:
        return None
