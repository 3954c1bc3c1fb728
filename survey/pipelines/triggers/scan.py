"""Looking at scenes: what is not kept yet is fitted, judged tile by tile, and put into the state."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from survey.errors import InputRefused
from survey.grid import Grid
from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.files import FileScene
from survey.imagery.triggers.fits import BaselineFit, Fitter
from survey.imagery.triggers.ground import SceneFit
from survey.imagery.triggers.product import Product
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.slabs import SLABS, panel_cells, room_beside
from survey.imagery.triggers.tiles import TileTask, judge_tile_packed
from survey.pipelines.triggers.kept_fits import baseline_from_json, baseline_to_json, fit_json
from survey.pipelines.triggers.store import KeptScene, Store

METHOD = "triggers/3"
"""Changes whenever the same scenes would give other products: what is kept is then made anew."""
TILE = 1024
"""Cells along a tile: with larger ones the halo costs less, and two at once more memory than is given."""
BLOCK = 512
"""Files are mostly stored in blocks of so many cells, or of a part of that."""

SAMPLED = 25
"""As many blocks of each scene the fits have looked at, at most."""


class Mapper(Protocol):
    """What is used of ``survey.blocks.Engine``."""

    @property
    def width(self) -> int: ...
    @property
    def threads(self) -> int: ...
    def map(
        self, function: Callable[[Any], Any], items: Sequence[Any], *, stage: str | None = None
    ) -> list[Any]: ...


@dataclass(frozen=True)
class Scan:
    """What the scenes of a watch say, kept and new, in order of date."""

    baseline: BaselineFit
    baseline_scenes: tuple[FileScene, ...]
    kept: tuple[KeptScene, ...]  # later scenes
    added: int
    rebuilt: bool
    absent: tuple[str, ...]  # dates of later scenes that are kept but no longer in the folder

    @property
    def usable(self) -> tuple[KeptScene, ...]:
        return tuple(s for s in self.kept if s.usable)


def signature(
    grid: Grid,
    bands: BandSet,
    settings: TriggerSettings,
    baseline: Sequence[FileScene],
    witness: FileScene | None,
    leases: str,
    align: bool,
    level: bool,
) -> str:
    """SHA-256 of all that products of later scenes hang on."""
    said = {
        "method": METHOD,
        "grid": [
            grid.crs_wkt,
            grid.west,
            grid.north,
            grid.cell_east,
            grid.cell_north,
            grid.height,
            grid.width,
        ],
        "bands": bands.names,
        "settings": settings.public(),
        "baseline": [s.key for s in baseline],
        "witness": None if witness is None else witness.key,
        "leases": leases,
        "align": align,
        "level": level,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def split(scenes: Sequence[FileScene], until: date | None) -> tuple[list[FileScene], list[FileScene]]:
    """(baseline, later) scenes. Without a day, the first scene alone is the baseline.

    Raises
    ------
    InputRefused
        One of the two would be empty.
    """
    ordered = sorted(scenes, key=lambda s: (s.date, s.key))
    if until is None:
        before, after = ordered[:1], ordered[1:]
    else:
        before = [s for s in ordered if s.date <= until]
        after = [s for s in ordered if s.date > until]
    if not before:
        raise InputRefused(
            f"no scene is of {until} or earlier: there is nothing to compare with",
            mend="Add earlier scenes, or move [watch] baseline_until to a later day.",
        )
    return before, after


def panels(pieces: Sequence[Grid], cells: int) -> list[list[Grid]]:
    """Pieces of an area in panels about ``cells`` wide, each in reading order."""
    by: dict[int, list[Grid]] = {}
    for piece in pieces:
        by.setdefault(piece.col0 // cells, []).append(piece)
    return list(by.values())


def tiles_of(grid: Grid, side: int) -> list[Grid]:
    """Pieces in reading order, cut on the blocks of the slow fields.

    Large ones are cut amid the blocks of files, so that a piece with its halo reaches no farther than those
    that it needs anyway.
    """
    side = max(32, side // 32 * 32)
    first = side + BLOCK // 2 if side % BLOCK == 0 else side

    def spans(size: int) -> list[slice]:
        edges = [0, *range(first, size, side), size]
        return [slice(a, b) for a, b in pairwise(edges)]

    return [grid[rows, cols] for rows in spans(grid.height) for cols in spans(grid.width)]


def scan(
    store: Store,
    grid: Grid,
    bands: BandSet,
    baseline: Sequence[FileScene],
    later: Sequence[FileScene],
    permitted: Callable[[Grid], NDArray[np.bool_]],
    leases: str,
    settings: TriggerSettings,
    engine: Mapper,
    sources: Callable[[FileScene], list[dict[str, Any]]],
    *,
    tile: int | None = None,
    align: bool = True,
    level: bool = True,
    stage: Callable[[str], None] = lambda name: None,
) -> Scan:
    """Bring ``store`` up to date with the scenes of a folder.

    A later scene is known by its key and never looked at twice; a scene of a day whose files changed replaces
    the one that was kept. After an interruption the tiles that are in the store are not made again.
    """
    alone = len(baseline) == 1
    witness = later[0] if alone and later else None
    now = signature(grid, bands, settings, baseline, witness, leases, align, level)
    rebuilt = store.settle_baseline(now)
    kept = {s.key: s for s in store.scenes()}
    by_day = {s.date.isoformat(): s for s in later}
    here = {s.key for s in later}
    with store.transaction():
        for scene in kept.values():
            other = scene.day in by_day and by_day[scene.day].key != scene.key
            # What is neither whole nor to be had again says nothing that could be relied on.
            if other or not (scene.complete or scene.key in here):
                store.drop_scene(scene.key)
    kept = {s.key: s for s in store.scenes()}
    wanted = [s for s in later if s.key not in kept or not kept[s.key].complete]
    known_baseline = store.get("baseline_fit")
    if not wanted and known_baseline is not None and store.get("baseline_fit_for") == now:
        fit = baseline_from_json(known_baseline)
    else:
        stage("learning the ground as it was")
        fitter = Fitter(baseline, grid, bands, settings, witness, align, level, permitted, engine.threads)
        if not fitter.keep:
            raise InputRefused(
                "none of the earlier scenes shows the ground",
                expected=f"at least {settings.least_clear:.0%} of the area clear",
                mend="Add a clearer earlier scene, or check the masks and mask_clear.",
            )
        fit = fitter.fit
        with store.transaction():
            store.put("baseline_fit", baseline_to_json(fit))
            store.put("baseline_fit_for", now)
        if wanted:
            _look(
                store, grid, bands, fitter, baseline, wanted, witness, settings, engine, sources, tile, stage
            )
    SLABS.clear()
    final = store.scenes()
    absent = tuple(s.day for s in final if s.key not in {x.key for x in later})
    return Scan(fit, tuple(baseline), tuple(final), len(wanted), rebuilt, absent)


def _look(
    store: Store,
    grid: Grid,
    bands: BandSet,
    fitter: Fitter,
    baseline: Sequence[FileScene],
    wanted: Sequence[FileScene],
    witness: FileScene | None,
    settings: TriggerSettings,
    engine: Mapper,
    sources: Callable[[FileScene], list[dict[str, Any]]],
    tile: int | None,
    stage: Callable[[str], None],
) -> None:
    stage("laying new scenes on it")
    fitted: list[tuple[FileScene, SceneFit, NDArray[np.float32]]] = []
    witness_fit: SceneFit | None = None
    if witness is not None and witness.key not in {s.key for s in wanted}:
        witness_fit = fitter.scene(witness)[0]
    for scene in wanted:
        fit, matrix = fitter.scene(scene)
        if witness is not None and scene.key == witness.key:
            witness_fit = fit
        with store.transaction():
            if not any(s.key == scene.key for s in store.scenes()):
                store.add_scene(
                    scene.key, scene.date.isoformat(), scene.name, fit_json(fit), fit.usable, sources(scene)
                )
            if not fit.usable:
                store.complete_scene(scene.key)
        if fit.usable:
            fitted.append((scene, fit, matrix))
    baseline_fit = fitter.fit
    # The sampled blocks are large; the tiles need the memory now.
    for name in ("looks", "pasts", "usual", "read_already"):
        if hasattr(fitter, name):
            delattr(fitter, name)
    if not fitted:
        return
    done = {scene.key: store.tiles_of(scene.key) for scene, _, _ in fitted}
    files = [file for scene in (*baseline, *(scene for scene, _, _ in fitted)) for file in scene.files]
    # Files in strips are decoded over their whole width, or for nothing.
    strips = any(file.block[1] > 2 * BLOCK for file in files)
    scenes = len(baseline) + len(fitted)
    wide = grid.width if strips else min(grid.width, panel_cells(scenes, len(bands)))
    # What the fits looked at would be of use once more.
    if not room_beside(wide, SAMPLED, scenes, len(bands)):
        SLABS.clear()
    # After each batch all wait for its last tile, and what is not in the store yet is lost with a killed run.
    batch = max(24, 4 * engine.width)
    for panel in panels(tiles_of(grid, tile or TILE), wide):
        tasks = []
        for piece in panel:
            missing = tuple(x for x in fitted if (piece.row0, piece.col0) not in done[x[0].key])
            if missing:
                tasks.append(
                    TileTask(
                        grid, piece, bands, baseline_fit, tuple(baseline), missing, settings, witness,
                        witness_fit,
                    )
                )  # fmt: skip
        for start in range(0, len(tasks), batch):
            _look_at(store, tasks[start : start + batch], engine)
        SLABS.clear()
    with store.transaction():
        for scene, _, _ in fitted:
            store.complete_scene(scene.key)


def _look_at(store: Store, tasks: Sequence[TileTask], engine: Mapper) -> None:
    """Judge some tiles, and keep what they say."""
    results = engine.map(judge_tile_packed, tasks, stage="looking for what was never seen")
    with store.transaction():
        for task, products in zip(tasks, results, strict=True):
            for (scene, _, _), product in zip(task.scenes, products, strict=True):
                store.add_product(scene.key, task.piece.row0, task.piece.col0, product)


def products_of(store: Store, scenes: Sequence[KeptScene]) -> list[Iterator[Product]]:
    """The products of each scene, read when asked for: those of a whole area are never held at once."""
    return [map(Product.from_bytes, store.products(s.key)) for s in scenes]
