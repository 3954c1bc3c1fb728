"""Alerts: what the tracks of a watch mean for people, with an id that stays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid
from survey.imagery.triggers.classify import Model
from survey.imagery.triggers.features import middle
from survey.imagery.triggers.judge import speak
from survey.imagery.triggers.outlines import outlines
from survey.imagery.triggers.places import Placement, Places
from survey.imagery.triggers.product import plain
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.support import Support
from survey.imagery.triggers.tracks import Track
from survey.pipelines.triggers.store import Outcome, Published
from survey.record import canonical

if TYPE_CHECKING:
    from shapely import Geometry

SAME_SHARE = 0.3
"""Of the smaller: objects that share so many cells with one published before are that one."""


@dataclass
class Alert:
    """One trigger, or one dismissed change (``listed`` false)."""

    id: str
    track: Track
    cells: NDArray[np.int64]  # flat indices in the watch grid
    shape: Geometry
    placement: Placement
    properties: dict[str, Any]
    listed: bool
    evidence: dict[str, Any] = field(default_factory=dict)


def natural_id(first: str, anchor: int, grid: Grid) -> str:
    """An id made of the day and the place where a thing was first seen: always the same."""
    row, col = divmod(anchor, grid.width)
    east = grid.left + (col + 0.5) * grid.cell_east
    north = grid.top - (row + 0.5) * grid.cell_north
    code = hashlib.sha256(f"{east:.1f} {north:.1f}".encode()).hexdigest()[:6].upper()
    return f"T{first.replace('-', '')}-{code}"


def settle_ids(
    tracks: Sequence[Track],
    support: Support,
    dates: Sequence[str],
    grid: Grid,
    published: Sequence[Published],
) -> dict[int, str]:
    """Track number → id. A thing that was published keeps its id, also when a late scene shows it earlier."""
    natural = {}
    used: set[str] = set()
    for track in tracks:
        name = natural_id(dates[track.first], int(support.cell[track.anchor]), grid)
        while name in used:
            name += "X"
        used.add(name)
        natural[track.number] = name
    known = {p.id: p for p in published}
    out = {number: name for number, name in natural.items() if name in known}
    taken = set(out.values())
    if not published:
        return natural
    # Cells of all that was published, in order, and whose each is.
    cells = np.concatenate([p.cells for p in published])
    whose = np.repeat(np.arange(len(published)), [len(p.cells) for p in published])
    order = np.argsort(cells, kind="stable")
    cells, whose = cells[order], whose[order]
    for track in tracks:
        if track.number in out:
            continue
        mine = support.cell[track.cells]
        first, last = np.searchsorted(cells, mine, "left"), np.searchsorted(cells, mine, "right")
        met = np.concatenate([whose[a:b] for a, b in zip(first, last, strict=True) if b > a] or [whose[:0]])
        best, most = None, 0.0
        for index, both in zip(*np.unique(met, return_counts=True), strict=True):
            p = published[int(index)]
            share = float(both) / max(1, min(len(mine), len(p.cells)))
            if p.id not in taken and share > most:
                best, most = p, share
        if best is not None and most >= SAME_SHARE:
            out[track.number] = best.id
            taken.add(best.id)
        else:
            out[track.number] = natural[track.number]
    return out


MOST_DISMISSED = 400
"""Of changes that are not listed so many are described, the likeliest; the others are counted."""


def described(tracks: Sequence[Track], wanted: Callable[[Track], bool]) -> tuple[list[Track], int]:
    """The tracks that are told of, in their order, and the number of those that are only counted."""
    told = [t for t in tracks if t.assessment is not None and t.hits]
    rest = [t for t in told if not wanted(t)]

    def unlikely(t: Track) -> tuple[float, int]:
        return -t.assessment.excavation if t.assessment is not None else 0.0, t.number

    kept = {t.number for t in sorted(rest, key=unlikely)[:MOST_DISMISSED]}
    left = {t.number for t in rest} - kept
    return [t for t in told if t.number not in left], len(left)


def alerts_of(
    tracks: Sequence[Track],
    support: Support,
    dates: Sequence[str],
    grid: Grid,
    places: Places,
    model: Model,
    bands: tuple[str, ...],
    settings: TriggerSettings,
    report_p: float,
    published: Sequence[Published],
    outcomes: dict[str, Outcome],
    history_looks: int,
    short: bool,
    watched: Geometry | None = None,
) -> tuple[list[Alert], int]:
    """Alerts in order of first sight and id, and the number of changes that are only counted. ``watched``:
    beyond it nothing is reported."""
    ids = settle_ids(tracks, support, dates, grid, published)
    before = {p.id for p in published}
    out = []

    def listed(track: Track) -> bool:
        sure = track.assessment.excavation if track.assessment is not None else 0.0
        name = ids[track.number]
        return sure >= report_p or track.confirmed is not None or name in outcomes or name in before

    told, counted = described(tracks, listed)
    every = [support.cell[track.cells] for track in told]
    shapes = outlines(every, grid)
    if watched is not None:
        kept = [i for i, shape in enumerate(shapes) if watched.intersects(shape)]
        told, every, shapes = [told[i] for i in kept], [every[i] for i in kept], [shapes[i] for i in kept]
    placements = places.of_all(shapes)
    spoken = speak(model, [t.assessment.features for t in told if t.assessment is not None])
    for track, cells, shape, placement, words in zip(told, every, shapes, placements, spoken, strict=True):
        outcome = outcomes.get(ids[track.number])
        out.append(
            _alert(
                ids[track.number], track, cells, shape, placement, support, dates, words, bands, settings,
                report_p, outcome, history_looks, short,
            )
        )  # fmt: skip
    return sorted(out, key=lambda a: (a.properties["first_seen"], a.id)), counted


def _alert(
    name: str,
    track: Track,
    cells: NDArray[np.int64],
    shape: Geometry,
    placement: Placement,
    support: Support,
    dates: Sequence[str],
    words: list[str],
    bands: tuple[str, ...],
    settings: TriggerSettings,
    report_p: float,
    outcome: Outcome | None,
    history_looks: int,
    short: bool,
) -> Alert:
    found = track.assessment
    assert found is not None
    sure = found.excavation
    likeliest = max(found.probability, key=lambda k: (found.probability[k], k))
    kind = "excavation" if sure >= (report_p if short else found.threshold) else likeliest
    state: str = track.state
    confirmed_on = None if track.confirmed is None else dates[track.confirmed]
    if outcome is not None:
        state = {"confirmed": "confirmed", "false": "closed"}.get(outcome.verdict, state)
        confirmed_on = confirmed_on or (outcome.day if outcome.verdict == "confirmed" else None)
    listed = sure >= report_p or track.confirmed is not None or outcome is not None
    properties: dict[str, Any] = {
        "id": name,
        "state": state,
        "class": kind,
        "probability": round(found.probability[kind], 4),
        "zone": placement.zone,
        "lease_id": placement.lease_id,
        "distance_m": None if placement.distance_m is None else round(placement.distance_m, 1),
        "area_m2": round(float(shape.area), 1),
        "certain_area_m2": round(placement.certain_area_m2, 1),
        "first_seen": dates[track.first],
        "last_seen": dates[track.last],
        "confirmed_on": confirmed_on,
        "detections": len(track.hits),
        "observations": len(track.looks),
        "reasons": _reasons(
            track, support, dates, words, settings, history_looks, short, kind, likeliest, outcome, listed
        ),
        "excavation_probability": round(sure, 4),
        "bearing_deg": None if placement.bearing_deg is None else round(placement.bearing_deg, 1),
        "district": placement.district,
        "outside_m2": round(float(shape.area) - placement.areas_m2["lease"], 1),
        "last_look": dates[track.looks[-1].t],
        "outcome": None if outcome is None else outcome.verdict,
    }
    return Alert(
        name,
        track,
        cells,
        shape,
        placement,
        canonical(properties),
        listed,
        _evidence(track, support, dates, bands, found.probability) if listed else {},
    )


def _evidence(
    track: Track,
    support: Support,
    dates: Sequence[str],
    bands: tuple[str, ...],
    probability: Mapping[str, float],
) -> dict[str, Any]:
    """Reflectances before and after, and every look at it."""
    last = track.hits[-1].t
    at = support.at[last][track.cells]
    at = at[at >= 0]

    def spectrum(kept: NDArray[np.uint16]) -> dict[str, float]:
        return {b: round(float(v), 4) for b, v in zip(bands, middle(plain(kept)), strict=True)}

    return {
        "after": spectrum(support.now[at]),
        "before_nearest": spectrum(support.match[at]),
        "before_usual": spectrum(support.usual[at]),
        "distance_sigma": round(float(middle(support.distance[at])), 2),
        "log10_p": round(float(middle(support.log10_p[at])), 2),
        "probabilities": {k: round(v, 4) for k, v in probability.items()},
        "looks": [
            {
                "date": dates[k.t],
                "detected": k.hit,
                "seen_share": round(k.seen_share, 3),
                "novel_share": round(k.hit_share, 3),
            }
            for k in track.looks
        ],
        "areas_cells": [[dates[t], n] for t, n in track.areas[-12:]],
    }


def _reasons(
    track: Track,
    support: Support,
    dates: Sequence[str],
    words: list[str],
    settings: TriggerSettings,
    history_looks: int,
    short: bool,
    kind: str,
    likeliest: str,
    outcome: Outcome | None,
    listed: bool,
) -> list[str]:
    found = track.assessment
    assert found is not None
    last = track.hits[-1].t
    at = support.at[last][track.cells]
    at = at[at >= 0]
    distance, rarity = float(middle(support.distance[at])), float(middle(support.log10_p[at]))
    out = [
        f"its spectrum was not seen here in {history_looks} earlier "
        f"{'scene' if history_looks == 1 else 'scenes'}: "
        f"{distance:.1f} σ from the nearest, p = {10**rarity:.2g}",
        f"detected in {len(track.hits)} of {len(track.looks)} clear looks since {dates[track.first]}",
    ]
    out += words
    if likeliest != kind:
        out.append(f"could as well be {likeliest} ({found.probability[likeliest]:.0%})")
    if found.inside:
        out.append(
            "inside a permitted area, where ground is worked all the time: only strong evidence confirms"
        )
    if outcome is not None:
        out.append(
            f"field check of {outcome.day}: {outcome.verdict}"
            + (f" ({outcome.note})" if outcome.note else "")
        )
    if track.state == "provisional":
        if short:
            out.append(
                "stays provisional: with so few earlier scenes, crops and seasons cannot be told from digging"
            )
        elif track.withdrawn is not None:
            out.append(
                f"was confirmed and withdrawn on {dates[track.withdrawn]}: its later look speaks for {kind}"
            )
        elif found.excavation < found.threshold:
            out.append(
                f"stays provisional: excavation {found.excavation:.0%}, "
                f"{kind} {found.probability[kind]:.0%}; "
                "a field check or later scenes decide"
            )
        elif len(track.hits) < settings.confirm_hits:
            out.append(
                f"stays provisional: {len(track.hits)} of {settings.confirm_hits:.0f} detections that confirm"
            )
    elif track.state == "fading":
        out.append(f"not detected in the last {track.misses_since} clear looks")
    elif track.state == "closed":
        out.append(
            f"not detected in {track.misses_since} clear looks: closed on {dates[track.closed or track.last]}"
        )
    if found.features.get("seasonal", 0) > 0.5 and found.features.get("rare", 1) < 0.12:
        out.append(
            "green in its season, and like bare ground around it: digging and ploughing look alike here"
        )
    if not listed:
        out.append(f"not listed: excavation {found.excavation:.0%}")
    return out
