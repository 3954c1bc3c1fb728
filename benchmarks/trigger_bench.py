"""Shared by score_triggers.py and train_triggers.py: simulated watches, run on arrays, matched with truth.

A *regime* says what the watch is given: ``masks`` (series of 10 m, six bands, delivered cloud masks),
``nomask``, ``liss`` (5 m, green red nir, with masks), ``four`` (10 m, blue to nir, with masks), ``pair`` (two
scenes, no masks) and ``pair-masks``; with ``other-``, ``arid-``, ``humid-`` or ``drawn-`` before it, of
another world.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
from trigger_drawn_world import drawn_world
from trigger_other_world import other_world
from trigger_third_world import CLIMATES, third_world

from survey.grid import Grid
from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.classify import Model
from survey.imagery.triggers.fits import Fitter
from survey.imagery.triggers.judge import Judge, words_of
from survey.imagery.triggers.outlines import outline
from survey.imagery.triggers.places import Permitted, Places
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.sources import ArrayScene
from survey.imagery.triggers.support import Support, gather
from survey.imagery.triggers.tiles import TileTask, judge_tile
from survey.imagery.triggers.tracks import Replay, Track
from survey.sample_data.satellite import Change, Plan, Series, simulate
from survey.sample_data.satellite.deliver import grid_of

REGIMES = ("masks", "nomask", "liss", "four", "pair", "pair-masks")
OWN = "own"
WORLDS = (OWN, "other", *CLIMATES, "drawn")
CLASS_OF = {
    "pit": "excavation",
    "clearing": "clearing",
    "burn": "clearing",
    "pond": "water",
    "meander": "water",
    "pit water": "water",
    "construction": "built-up",
    "road": "built-up",
    "field use": "crop",
}
SEEN_LOOKS = 3
"""A pit that was shown in fewer clear scenes could not be confirmed by anybody; it is not asked for."""


_BANDS = {"liss": ("green", "red", "nir"), "four": ("blue", "green", "red", "nir")}


def plan_for(regime: str, seed: int) -> Plan:
    """Size, length and richness of a watch are drawn from the seed too."""
    r = np.random.default_rng([77, seed])
    if regime.startswith("pair"):
        return Plan(
            seed,
            cells=int(r.integers(120, 180)),
            pair=True,
            scenes=2,
            pits=int(r.integers(8, 13)),
            distractors=int(r.integers(14, 24)),
        )
    liss = regime == "liss"
    cells, scenes = int(r.integers(105, 150)), int(r.integers(14, 62))
    baseline, watch = int(r.integers(300, 760)), int(r.integers(110, 300))
    pits, distractors = int(r.integers(7, 12)), int(r.integers(12, 24))
    return Plan(
        seed,
        cells=int(r.integers(150, 200)) if liss else cells,
        cell_m=5.0 if liss else 10.0,
        scenes=scenes,
        baseline_days=baseline,
        watch_days=watch,
        pits=pits,
        distractors=distractors,
        bands=_BANDS.get(regime, Plan.bands),
    )


@dataclass
class Watch:
    """One simulated watch, judged up to its products; replays are cheap."""

    plan: Plan
    regime: str
    grid: Grid
    bands: BandSet
    dates: list[str]  # of the scenes that could be used
    days: NDArray[np.float64]
    support: Support
    common: NDArray[np.float32]
    worked: NDArray[np.float32]
    short: bool
    places: Places
    changes: tuple[Change, ...]
    clear: NDArray[np.bool_]  # (date, row, col), the truth

    @property
    def pits(self) -> list[Change]:
        return [c for c in self.changes if c.kind == "pit"]

    def looks_at(self, change: Change) -> list[int]:
        """Dates after its start on which most of a change was truly clear."""
        core = change.cover > min(0.5, 0.9 * float(change.cover.max()))
        since = change.start.isoformat()
        return [t for t, d in enumerate(self.dates) if d >= since and self.clear[t][core].mean() > 0.7]


def world_of(regime: str) -> tuple[str, str]:
    """(world, regime there): ``"arid-pair-masks"`` → ``("arid", "pair-masks")``."""
    first, _, rest = regime.partition("-")
    return (first, rest) if first in WORLDS else (OWN, regime)


def simulated(regime: str, seed: int) -> Any:
    """The series of a regime, with its truth."""
    world, plain = world_of(regime)
    plan = plan_for(plain, seed)
    if world in CLIMATES:
        return third_world(plan, world)
    if world == "drawn":
        return drawn_world(plan)
    return simulate(plan) if world == OWN else other_world(plan)


def make_watch(regime: str, seed: int, settings: TriggerSettings) -> Watch:
    masks = world_of(regime)[1] in ("masks", "liss", "four", "pair-masks")
    return watch_of(simulated(regime, seed), regime, masks, settings)


def watch_of(series: Series, regime: str, masks: bool, settings: TriggerSettings) -> Watch:
    from shapely import Polygon

    grid = grid_of(series)
    bands = BandSet(series.plan.bands)
    sources = [
        ArrayScene.of(d, f"{i:04d}", series.scenes[i], (series.masks[i] == 1) if masks else None)
        for i, d in enumerate(series.dates)
    ]
    count = sum(d <= series.baseline_until for d in series.dates)
    permitted = [
        Permitted(f"ML-{k}", Polygon([(grid.west + x, grid.north - y) for x, y in ring]))
        for k, ring in enumerate(series.leases, start=1)
    ]
    places = Places(permitted, 500.0, 3.0)
    witness = sources[count] if count == 1 else None
    fitter = Fitter(sources[:count], grid, bands, settings, witness, permitted=places.mask)
    scenes = [(s, *fitter.scene(s)) for s in sources[count:]]
    used = tuple(x for x in scenes if x[1].usable)
    first = scenes[0][1] if witness is not None else None
    task = TileTask(grid, grid, bands, fitter.fit, tuple(sources[:count]), used, settings, witness, first)
    products = judge_tile(task) if used else []
    support = gather([[p] for p in products], grid.width, len(bands))
    words = [tuple(w) for w in fitter.fit.common]
    if fitter.fit.short:
        words += [tuple(w) for _, fit, _ in used for w in fit.common]
    dates = [s.date.isoformat() for s, _, _ in used]
    return Watch(
        series.plan,
        regime,
        grid,
        bands,
        dates,
        np.array([float(s.date.toordinal()) for s, _, _ in used]),
        support,
        words_of(words, len(bands)),
        words_of(fitter.fit.worked, len(bands)),
        fitter.fit.short,
        places,
        series.changes,
        np.stack([series.truly_clear[int(s.key)] for s, _, _ in used])
        if used
        else np.zeros((0, grid.height, grid.width), bool),
    )


def replay(watch: Watch, model: Model, settings: TriggerSettings, keep: list | None = None) -> Replay:  # type: ignore[type-arg]
    """Walk the dates. ``keep`` collects (track, date, features, cells) at every detection."""
    permitted = watch.places.in_lease(*watch.grid.east_north(watch.support.rows, watch.support.cols))
    judge = Judge(
        watch.bands,
        model,
        settings,
        watch.days,
        watch.common,
        watch.worked,
        watch.grid.cell_area_m2,
        lambda support, cells: bool(2 * permitted[cells].sum() > len(cells)),
    )

    def assess(track: Track, t: int, walking: Replay):  # type: ignore[no-untyped-def]
        found = judge(track, t, walking)
        if keep is not None:
            keep.append((track.number, t, len(track.hits), found.features, track.cells.copy()))
        return found

    walking = Replay(watch.support, settings, watch.grid.cell_area_m2, assess, may_confirm=not watch.short)
    walking.run()
    return walking


def share_of(change: Change, cells: NDArray[np.int64]) -> float:
    """Cells' worth of a change that an object covers."""
    return float(change.cover.ravel()[cells].sum())


def truth_of(watch: Watch, cells: NDArray[np.int64], dates: list[int]) -> tuple[str, str, int]:
    """(class, kind, number of the change or −1) of an object with these cells, detected on ``dates``.

    The change that it covers most of, if that is a fifth of the object; else ordinary land, or cloud that was
    there.
    """
    best, most = -1, 0.0
    for i, change in enumerate(watch.changes):
        covered = share_of(change, cells)
        if covered > most:
            best, most = i, covered
    if best >= 0 and most >= max(0.8, 0.2 * len(cells)):
        kind = watch.changes[best].kind
        return CLASS_OF[kind], kind, best
    rows, cols = cells // watch.grid.width, cells % watch.grid.width
    clear = float(np.mean([watch.clear[t][rows, cols].mean() for t in dates])) if dates else 1.0
    return ("cloud remnant" if clear < 0.6 else "crop"), "nothing", -1


__all__ = [
    "REGIMES",
    "SEEN_LOOKS",
    "Watch",
    "make_watch",
    "outline",
    "plan_for",
    "replay",
    "share_of",
    "simulated",
    "truth_of",
    "watch_of",
    "world_of",
]
