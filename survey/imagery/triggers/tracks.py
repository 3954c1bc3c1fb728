"""Objects through time: who is who from date to date, what was seen of each, and the state it is in.

The dates are walked in order, each time with nothing but what was known by then. So a weekly run and a run
over the whole year agree, and a scene that arrives late takes its place in the order.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from survey.heap import give_back
from survey.imagery.triggers.evidence import Accumulator
from survey.imagery.triggers.objects import Neighbours, grown_objects
from survey.imagery.triggers.product import plain
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.spectra import inner_cells
from survey.imagery.triggers.sums import summed
from survey.imagery.triggers.support import Support
from survey.jit import kernel

State = Literal["provisional", "confirmed", "fading", "closed"]


@dataclass(frozen=True, slots=True)
class TrackLook:
    """One date on which enough of the object could be seen."""

    t: int
    hit: bool
    seen_share: float
    hit_share: float
    evidence: float  # mean log10 e over the seen cells
    cells: int


class Figures(Mapping[str, float]):
    """Named figures in a tenth of the room of a dictionary: every object keeps its own."""

    __slots__ = ("_names", "_values")
    _shared: ClassVar[dict[tuple[str, ...], dict[str, int]]] = {}

    def __init__(self, figures: Mapping[str, float]) -> None:
        self._names = self._numbered(tuple(figures))
        self._values = array("d", figures.values())

    @classmethod
    def _numbered(cls, names: tuple[str, ...]) -> dict[str, int]:
        if names not in cls._shared:
            cls._shared[names] = {name: i for i, name in enumerate(names)}
        return cls._shared[names]

    @classmethod
    def of(cls, names: tuple[str, ...], values: NDArray[np.float64]) -> Figures:
        """The figures ``values`` (name,)."""
        out = cls.__new__(cls)
        out._names = cls._numbered(names)
        out._values = array("d", values.tobytes())
        return out

    def __getitem__(self, name: str) -> float:
        return self._values[self._names[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What an object is taken for, by its features on one date."""

    probability: Mapping[str, float]
    features: Mapping[str, float]
    threshold: float  # probability of excavation that confirms, at this place
    inside: bool = False  # lies in a permitted area

    @property
    def excavation(self) -> float:
        return self.probability["excavation"]


@dataclass(slots=True)
class Track:
    number: int
    cells: NDArray[np.intp]  # support indices, now
    born: int
    first: int
    looks: list[TrackLook] = field(default_factory=list)
    areas: list[tuple[int, int]] = field(default_factory=list)  # (date, cells)
    state: State = "provisional"
    confirmed: int | None = None
    withdrawn: int | None = None
    closed: int | None = None
    assessment: Assessment | None = None
    merged_into: int | None = None
    anchor: int = -1  # support index of the strongest cell at birth

    @property
    def hits(self) -> list[TrackLook]:
        return [look for look in self.looks if look.hit]

    @property
    def last(self) -> int:
        hits = self.hits
        return hits[-1].t if hits else self.first

    @property
    def misses_since(self) -> int:
        count = 0
        for look in reversed(self.looks):
            if look.hit:
                break
            count += 1
        return count


Assess = Callable[[Track, int, "Replay"], Assessment]


@runtime_checkable
class AssessMany(Protocol):
    """What can assess several tracks in one go, as it would one after the other."""

    def many(self, tracks: Sequence[Track], t: int, replay: Replay) -> list[Assessment]: ...


LARGE = 1_000_000
"""Cells from which on room is asked back that was taken to find objects among them."""
THIN_SHARE = 0.15
"""Of a rim's cells, at most, that have all their neighbours in it."""
MIXTURES = np.arange(0.2, 0.91, 0.1, dtype=np.float32)
"""Shares of a mixed cell that are tried."""


def _figures(given: Mapping[str, float]) -> Figures:
    return given if isinstance(given, Figures) else Figures(given)


def _apart(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Root mean square ln ratio of two spectra; 0 if one of them was never seen."""
    return float(np.sqrt(((a - b) ** 2).mean())) if np.isfinite(a + b).all() else 0.0


@kernel
def _shown(
    cells: NDArray[np.int64],
    starts: NDArray[np.int64],
    looked: NDArray[np.bool_],
    novel: NDArray[np.bool_],
    at: NDArray[np.int32],
    log10_p: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Of the cells of each object on one date: how many were looked at, how many of those were novel, and the
    sum of their log10 p, each (object,). The cells stand one object after the other, each beginning at
    ``starts`` (object + 1,)."""
    n = len(starts) - 1
    counts, news, sums = np.zeros(n, np.int64), np.zeros(n, np.int64), np.empty(n, np.float64)
    rarity = np.empty(len(cells), np.float32)
    for k in range(n):
        new = 0
        for i in cells[starts[k] : starts[k + 1]]:
            if looked[i]:
                counts[k] += 1
                if novel[i]:
                    rarity[new] = log10_p[at[i]]
                    new += 1
        news[k], sums[k] = new, summed(rarity, new)
    return counts, news, sums


@kernel
def _beginnings(
    cells: NDArray[np.int64],
    starts: NDArray[np.int64],
    owner: NDArray[np.int32],
    total: NDArray[np.float32],
    since: NDArray[np.int16],
    now: int,
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Of groups of cells that stand one after the other: whether they belong to nobody, their strongest cell,
    and the date on which the first of them began (``now`` if none did), each (group,)."""
    n = len(starts) - 1
    free = np.ones(n, np.bool_)
    anchor, first = np.empty(n, np.int64), np.empty(n, np.int64)
    for k in range(n):
        anchor[k], first[k] = cells[starts[k]], -1
        for i in cells[starts[k] : starts[k + 1]]:
            if owner[i] >= 0:
                free[k] = False
            if total[i] > total[anchor[k]]:
                anchor[k] = i
            if since[i] >= 0 and (first[k] < 0 or since[i] < first[k]):
                first[k] = since[i]
        if first[k] < 0:
            first[k] = now
    return free, anchor, first


def _joined(parts: Sequence[NDArray[np.intp]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cells one group after the other, and where each begins (group + 1,)."""
    starts = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    return (np.concatenate(parts) if len(parts) else np.zeros(0, np.int64)), starts


class Replay:
    """Walks a support from its first date to its last."""

    def __init__(
        self,
        support: Support,
        settings: TriggerSettings,
        cell_area_m2: float,
        assess: Assess,
        *,
        may_confirm: bool,
    ) -> None:
        self.support, self.settings, self.assess, self.may_confirm = support, settings, assess, may_confirm
        self.least_cells = max(2, int(np.ceil(settings.least_area_m2 / cell_area_m2)))
        self.neighbours = Neighbours(support.cell, support.width, 1 + int(settings.join_cells))
        self.accumulator = Accumulator(support, settings, alone=not may_confirm)
        self.looked = np.zeros(support.at.shape, bool)  # (date, cell), as far as the walk has come
        self.novel = np.zeros(support.at.shape, bool)
        self.owner = np.full(len(support.cell), -1, np.int32)
        self._look_of = np.full(len(support.cell), -1, np.int32)  # latest candidate of each cell
        self.tracks: list[Track] = []

    def run(self) -> list[Track]:
        for t in range(len(self.support.at)):
            self.step(t)
        return [track for track in self.tracks if track.merged_into is None]

    # -- one date ------------------------------------------------------------------------------------------
    def step(self, t: int) -> None:
        looked, novel = self.accumulator.step(t)
        self.looked[t], self.novel[t] = looked, novel
        s = self.settings
        groups = grown_objects(
            self.accumulator.total, self.neighbours, grow=s.grow, seed=s.seed, least_cells=self.least_cells
        )
        if len(novel) > LARGE:
            # Of a whole tile of a satellite this is a tenth of what is held.
            give_back()
        novel_now = np.nonzero(novel)[0]
        self._look_of[novel_now] = self.support.at[t][novel_now]
        touched: dict[int, list[NDArray[np.intp]]] = {}
        begun = zip(*(v.tolist() for v in self._beginning(groups, t)), strict=True)
        for group, (free, anchor, start) in zip(groups, begun, strict=True):
            if free:
                touched[self._put(group, t, anchor, start)] = [group]
                continue
            for number, cells in self._claimed(group, t, touched):
                touched.setdefault(number, []).append(cells)
        for number, parts in touched.items():
            track = self.tracks[number]
            track.cells = parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts))
            self.owner[track.cells] = number
        self._judged(
            [track for track in self.tracks if track.merged_into is None and track.state != "closed"], t
        )

    def _beginning(
        self, groups: Sequence[NDArray[np.intp]], t: int
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
        a = self.accumulator
        return _beginnings(*_joined(groups), self.owner, a.total, a.since, t)

    def _claimed(
        self, group: NDArray[np.intp], t: int, touched: dict[int, list[NDArray[np.intp]]]
    ) -> list[tuple[int, NDArray[np.intp]]]:
        """Whose the cells of a connected group are: (track, cells).

        Tracks that have grown together are one if they look alike; ground that is new beside a track, much
        of it and unlike it, is another thing that happened there.
        """
        s, owner = self.settings, self.owner[group]
        numbers, counts = np.unique(owner[owner >= 0], return_counts=True)
        looks = {int(n): self._spectrum(group[owner == n]) for n in numbers}
        size = {int(n): int(c) for n, c in zip(numbers, counts, strict=True)}
        kept: list[int] = []
        for n in looks:
            like = [
                k
                for k in kept
                if min(size[n], size[k]) < self.least_cells
                or _apart(looks[n], looks[k]) <= s.alike
                or self._rim(group[owner == n], group[owner == k])
            ]
            if like:
                self._merge(n, like[0], touched)
                owner[owner == n] = like[0]
            else:
                kept.append(n)
        fresh = group[owner < 0]
        if len(fresh) >= max(self.least_cells, s.sudden * (len(group) - len(fresh))):
            look = self._spectrum(fresh)
            near = min(kept, key=lambda k: _apart(look, looks[k]))
            if _apart(look, looks[near]) > s.alike and not self._rim(fresh, group[owner == near]):
                active = np.zeros(len(self.owner), bool)
                active[fresh] = True
                parts = self.neighbours.components(active)
                new = [p for p in parts if len(p) >= self.least_cells]
                out = [(k, group[owner == k]) for k in kept]
                out += [(self._born(p, t), p) for p in new]
                return out
        if len(kept) == 1:
            return [(kept[0], group)]
        # A few new cells between two things go with the larger.
        main = max(kept, key=lambda k: (int((owner == k).sum()), -k))
        owner[owner < 0] = main
        return [(k, group[owner == k]) for k in kept]

    def _spectrum(self, cells: NDArray[np.intp]) -> NDArray[np.float32]:
        """Median ln reflectance of the latest novel look of some cells."""
        at = self._latest(cells)
        return np.median(np.log(plain(self.support.now[at]) + np.float32(0.03)), axis=0)

    def _rim(self, a: NDArray[np.intp], b: NDArray[np.intp]) -> bool:
        """Is one of two groups nothing but the rim of the other: thin, and a mixture of the other with what
        was there before? A white floor may pass for cloud on the day on which its mixed edge is seen."""
        thin, core = (a, b) if len(a) <= len(b) else (b, a)
        cell = self.support.cell
        inner = inner_cells(cell, thin, self.support.width)
        if len(inner) > THIN_SHARE * len(thin):
            return False
        rim, full = self._latest(thin), self._latest(core)
        if not len(rim) or not len(full):
            return False
        s = self.support
        seen, within, before = (
            np.median(plain(kept[at]), axis=0) for kept, at in ((s.now, rim), (s.now, full), (s.usual, rim))
        )
        mixed = MIXTURES[:, None] * within + (1 - MIXTURES[:, None]) * before
        away = np.log((mixed + np.float32(0.03)) / (seen + np.float32(0.03)))
        return bool(np.sqrt((away**2).mean(1)).min() <= self.settings.alike / 2)

    def _latest(self, cells: NDArray[np.intp]) -> NDArray[np.int32]:
        """Candidates of the latest novel look of some cells."""
        at = self._look_of[cells]
        return at[at >= 0]

    def _born(self, group: NDArray[np.intp], t: int) -> int:
        (_,), (anchor,), (start,) = self._beginning([group], t)
        return self._put(group, t, int(anchor), int(start))

    def _put(self, group: NDArray[np.intp], t: int, anchor: int, start: int) -> int:
        """A new track, whose cells began to look new on date ``start``."""
        number = len(self.tracks)
        track = Track(number, group, t, t, anchor=anchor)
        self.tracks.append(track)
        self.owner[group] = number
        for earlier in range(start, t):
            self._look([track], earlier)
        # What was seen before it first looked new is not part of its story.
        while track.looks and not track.looks[0].hit:
            track.looks.pop(0)
        if track.looks:
            track.first = track.looks[0].t
        return number

    def _merge(self, other: int, into: int, touched: dict[int, list[NDArray[np.intp]]]) -> None:
        gone, kept = self.tracks[other], self.tracks[into]
        if gone.merged_into is not None:
            return
        gone.merged_into = into
        self.owner[self.owner == other] = into
        touched.pop(other, None)
        kept.looks = self._together(kept.looks, gone.looks)
        kept.first = kept.looks[0].t if kept.looks else min(kept.first, gone.first)
        if gone.confirmed is not None and (kept.confirmed is None or gone.confirmed < kept.confirmed):
            kept.confirmed = gone.confirmed
            if kept.state == "provisional":
                kept.state = "confirmed"

    def _together(self, a: Sequence[TrackLook], b: Sequence[TrackLook]) -> list[TrackLook]:
        """What two tracks that are one showed together. A date that showed enough of one only is its own."""
        by: dict[int, TrackLook] = {look.t: look for look in a}
        for other in b:
            one = by.get(other.t)
            if one is None:
                by[other.t] = other
                continue
            cells = one.cells + other.cells
            shown = one.seen_share * one.cells, other.seen_share * other.cells
            seen = sum(shown)
            hit = (one.hit_share * shown[0] + other.hit_share * shown[1]) / seen
            evidence = (one.evidence * shown[0] + other.evidence * shown[1]) / seen
            by[other.t] = TrackLook(
                other.t, hit >= self.settings.hit_share, seen / cells, hit, evidence, cells
            )
        return [by[t] for t in sorted(by)]

    def _look(self, tracks: Sequence[Track], t: int) -> None:
        """Enter what a date shows of each track."""
        s = self.settings
        parts = [track.cells for track in tracks]
        shown = _shown(
            *_joined(parts), self.looked[t], self.novel[t], self.support.at[t], self.support.log10_p
        )
        for track, count, new, total in zip(tracks, *(v.tolist() for v in shown), strict=True):
            share = count / len(track.cells)
            if share < s.seen_share:
                continue
            hit_share = new / count
            evidence = -total / count if new else 0.0
            track.looks.append(
                TrackLook(t, hit_share >= s.hit_share, share, hit_share, evidence, len(track.cells))
            )

    def _judged(self, tracks: Sequence[Track], t: int) -> None:
        """Look at each track, assess those that were detected, and say what state they are in."""
        self._look(tracks, t)
        for track in tracks:
            track.areas.append((t, len(track.cells)))
        seen = [track for track in tracks if track.looks and track.looks[-1].t == t]
        found = [track for track in seen if track.looks[-1].hit]
        if isinstance(self.assess, AssessMany):
            said = self.assess.many(found, t, self)
        else:
            said = [self.assess(track, t, self) for track in found]
        for track, assessment in zip(found, said, strict=True):
            track.assessment = Assessment(
                _figures(assessment.probability),
                _figures(assessment.features),
                assessment.threshold,
                assessment.inside,
            )
        for track in seen:
            self._settle(track, t)

    def _settle(self, track: Track, t: int) -> None:
        s = self.settings
        misses = track.misses_since
        if misses >= s.close_looks:
            track.state, track.closed = "closed", t
            self.owner[self.owner == track.number] = -1
            return
        if misses >= s.fade_looks:
            track.state = "fading"
            return
        if not track.looks[-1].hit or track.assessment is None:
            return
        sure = track.assessment.excavation
        if track.confirmed is not None:
            # Withdrawn only when it has clearly become something else.
            if sure < track.assessment.threshold - 0.2:
                track.state, track.confirmed, track.withdrawn = "provisional", None, t
            else:
                track.state = "confirmed"
            return
        track.state = "provisional"
        if self.may_confirm and self._enough(track) and sure >= track.assessment.threshold:
            track.state, track.confirmed = "confirmed", t

    def _enough(self, track: Track) -> bool:
        s = self.settings
        hits = len(track.hits)
        if hits < s.confirm_hits or hits / len(track.looks) < s.confirm_share:
            return False
        evidence = float(np.quantile(self.accumulator.total[track.cells], 0.75))
        inside = track.assessment is not None and track.assessment.inside
        return evidence >= (s.confirm_evidence_inside if inside else s.confirm_evidence)


def walk(
    support: Support,
    settings: TriggerSettings,
    cell_area_m2: float,
    assess: Assess,
    *,
    may_confirm: bool = True,
) -> list[Track]:
    return Replay(support, settings, cell_area_m2, assess, may_confirm=may_confirm).run()


def day_gaps(dates: Sequence[str]) -> NDArray[np.float64]:
    """Days of each ISO date after the first."""
    from datetime import date

    days = [date.fromisoformat(d) for d in dates]
    return np.array([(d - days[0]).days for d in days], np.float64)
