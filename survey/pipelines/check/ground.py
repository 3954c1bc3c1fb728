"""One pass over the rasters of a filing: coverage of every tile, and the sums of the tests of authenticity.

Reading is what costs, so each tile of this year's elevation model is read once, with the same ground of last
year's model and of the orthomosaics beside it. A very large survey is covered whole, but its texture is
looked at on ``MOST_TILES`` tiles spread evenly over it; the share is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from survey.dem.steps import step_of
from survey.errors import SurveyError
from survey.forensics.bare_ground import Pair, compare_models
from survey.forensics.clones import Keys, rounding_step, run_keys
from survey.forensics.echo import Echo
from survey.forensics.pair_windows import WINDOW, PairWindows, pair_windows
from survey.forensics.pictures import SQUARE as PICTURE_SQUARE
from survey.forensics.pictures import PictureSquares, picture_squares
from survey.forensics.smooth import SQUARE as SMOOTH_SQUARE
from survey.forensics.smooth import Squares, squares
from survey.forensics.unit import Poured, poured
from survey.forensics.upsampled import Grain, grain
from survey.grid import Bounds, Grid
from survey.imagery.register import Correlations, correlate, nothing
from survey.pipelines.check.beside import Beside, best_place, middle_rise
from survey.pipelines.check.footprint import TileCover, cover_of

if TYPE_CHECKING:
    from survey.blocks import Engine
    from survey.dem.surface import Surface
    from survey.imagery.ortho import Ortho

TILE = 512
MOST_TILES = 400
MOST_KEYS = 4_000_000
REGISTER_REACH = 24

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Plan:
    """What is read for every tile. Small and picklable."""

    surface: Surface
    work: Grid
    small_m2: float
    deep: bool
    earlier: Beside | None = None
    dtm: Surface | None = None
    ortho: Ortho | None = None
    earlier_ortho: Ortho | None = None
    step: float | None = None
    thin: int = 1
    offset_m: float = float("nan")  # rise of the middle of all ground since the earlier survey


@dataclass(frozen=True)
class TileSeen:
    """What one tile gave; None for what was not looked at."""

    cover: TileCover
    dtm_cover: TileCover | None
    pair: PairWindows | None
    squares: Squares | None
    keys: Keys | None
    models: Pair | None
    correlations: Correlations | None
    pictures: PictureSquares | None
    poured: Poured | None = None


@dataclass(frozen=True)
class Task:
    number: int
    piece: Grid
    deep: bool
    whole: Plan = field(repr=False, compare=False)


def look_at(task: Task) -> TileSeen:
    """Read one tile and take all its sums."""
    plan, piece = task.whole, task.piece
    z = plan.surface.read(piece)
    known = np.isfinite(z)
    cover = cover_of(known, piece, plan.small_m2)
    t = None
    dtm_cover = None
    if plan.dtm is not None:
        on = Beside.of(plan.dtm, plan.surface)
        if on is not None:
            t = on.read(piece)
            dtm_cover = cover_of(np.isfinite(t), piece, plan.small_m2)
    if not task.deep:
        return TileSeen(cover, dtm_cover, None, None, None, None, None, None)
    # A tile without heights still takes its place in the joined maps: its sums are empty.
    blank = not known.any()
    before = plan.earlier.read(piece) if plan.earlier is not None and not blank else None
    pair = None
    if plan.earlier is not None:
        pair = pair_windows(before if before is not None else np.full(z.shape, np.nan), z)
    new = None
    if before is not None and np.isfinite(plan.offset_m):
        new = poured(before, z, plan.offset_m, plan.surface.grid.cell_m)
    keys = None
    if plan.step is not None and not blank:
        keys = run_keys(z, plan.step, row0=piece.row0, col0=piece.col0, thin=plan.thin)
    light, green = _light(plan.ortho, piece) if not blank else (None, None)
    correlations = None
    if light is not None:
        correlations = correlate(z, light, REGISTER_REACH, first_window=task.number)
    pictures = None
    if plan.ortho is not None and plan.earlier_ortho is not None:
        first, first_green = _light(plan.earlier_ortho, piece) if not blank else (None, None)
        empty = np.full(z.shape, np.nan)
        pictures = picture_squares(
            empty if first is None else first,
            empty if light is None else light,
            green_before=first_green,
            green_after=green,
            heights=(empty if before is None else before, z) if plan.earlier is not None else None,
        )
    models = None
    if t is not None:
        cell_m = plan.surface.grid.cell_m
        models = compare_models(z, t, None if green is None else green > 0.6, cell_m)
    return TileSeen(
        cover,
        dtm_cover,
        pair,
        squares(z),
        keys,
        models,
        correlations,
        pictures,
        new,
    )


def _light(ortho: Ortho | None, piece: Grid) -> tuple[Floats | None, Floats | None]:
    """Brightness and share of vegetation on the piece's cells."""
    if ortho is None:
        return None, None
    from survey.imagery.cover import cover

    names = ortho.visible
    wanted = tuple(dict.fromkeys([*names, *(n for n in ("nir",) if n in ortho.colours)]))
    bands = ortho.read(piece, wanted)
    light = np.mean([bands[n] for n in names], axis=0)
    if not ({"red", "green", "blue"} <= set(wanted) or {"red", "nir"} <= set(wanted)):
        return light, None
    seen = cover(bands)
    return light, np.where(seen.unknown < 0.5, seen.vegetation, np.nan)


@dataclass(frozen=True)
class Seen:
    """A whole surface, looked at."""

    plan: Plan
    covers: list[TileCover]
    dtm_covers: list[TileCover]
    deep_share: float
    moved: tuple[int, int]
    pair: PairWindows | None
    fits: list[tuple[float, float] | None]
    echo: Echo | None
    squares: Squares | None
    keys: Keys | None
    models: Pair | None
    correlations: Correlations | None
    pictures: PictureSquares | None
    grains: list[Grain]
    dtm_grains: list[Grain]
    sample_noise_m: float
    step_m: float  # of heights that were stored in whole steps; 0: they were not
    problem: SurveyError | None = None
    poured: Poured | None = None
    median_m: float = float("nan")


def look_over(
    surface: Surface,
    area: Bounds | None,
    engine: Engine,
    *,
    small_m2: float = 40.0,
    authenticity: bool = True,
    dtm: Surface | None = None,
    earlier: Surface | None = None,
    ortho: Ortho | None = None,
    earlier_ortho: Ortho | None = None,
) -> Seen:
    """Read a surface once and take everything that the check wants to know of it.

    Parameters
    ----------
    area:
        Look only here (lease and its surroundings), in the surface's system; the whole surface if None.

    Raises
    ------
    InputRefused
        A block of the surface cannot be decoded.
    """
    grid = surface.grid
    work = grid if area is None else grid.covering(area)
    pieces = list(work.pieces(TILE))
    windows = _sample(surface, work)
    samples = [surface.read(w) for w in windows]
    step = None
    beside, moved = None, (0, 0)
    fits: list[tuple[float, float] | None] = []
    echo: Echo | None = None
    if authenticity and samples:
        step = rounding_step(max(samples, key=lambda z: int(np.isfinite(z).sum())))
        if earlier is not None:
            beside = Beside.of(earlier, surface)
        if beside is not None:
            beside, moved, fits, echo = best_place(beside, surface, windows)
    stride = max(1, -(-len(pieces) // MOST_TILES))
    cells = work.height * work.width / stride
    plan = Plan(
        surface,
        work,
        small_m2,
        authenticity,
        beside,
        dtm,
        ortho if authenticity else None,
        earlier_ortho if authenticity else None,
        step,
        max(1, int(cells / MOST_KEYS)),
        middle_rise(beside, windows, samples) if beside is not None else float("nan"),
    )
    deep = [authenticity and k % stride == 0 for k in range(len(pieces))]
    tasks = [Task(k, p, d, plan) for k, (p, d) in enumerate(zip(pieces, deep, strict=True))]
    seen = engine.map(look_at, tasks, stage="reading the elevation model")
    return _joined(plan, seen, deep, moved, (fits, echo), samples, windows)


def _joined(
    plan: Plan,
    seen: Sequence[TileSeen],
    deep: Sequence[bool],
    moved: tuple[int, int],
    weighted: tuple[list[tuple[float, float] | None], Echo | None],
    samples: list[Floats],
    windows: list[Grid],
) -> Seen:
    across = -(-plan.work.width // TILE)
    every = all(deep)

    def joined(name: str, kind: Any) -> Any:
        values = [getattr(t, name) for t in seen]
        if not any(v is not None for v in values):
            return None
        if every and all(v is not None for v in values):
            return kind.joined([values[k : k + across] for k in range(0, len(values), across)])
        # Tiles that were left out: the rest in one row of tiles of equal height.
        kept = [v for v in values if v is not None and _rows(v) == TILE // _side(kind)]
        return kind.joined([kept]) if kept else None

    keys = [t.keys for t in seen if t.keys is not None]
    models = [t.models for t in seen if t.models is not None]
    correlations = [t.correlations for t in seen if t.correlations is not None]
    texture = [z for z in samples if np.isfinite(z).any()]
    total = nothing(REGISTER_REACH)
    for c in correlations:
        total = total + c
    dtm_windows: list[Floats] = []
    if plan.dtm is not None and plan.deep:
        on = Beside.of(plan.dtm, plan.surface)
        dtm_windows = [] if on is None else [on.read(w) for w in windows]
    noise = [s for z in texture if np.isfinite(s := _noise(z))]
    return Seen(
        plan=plan,
        covers=[t.cover for t in seen],
        dtm_covers=[t.dtm_cover for t in seen if t.dtm_cover is not None],
        deep_share=sum(deep) / max(len(deep), 1),
        moved=moved,
        pair=joined("pair", PairWindows),
        fits=weighted[0],
        echo=weighted[1],
        squares=joined("squares", Squares),
        keys=Keys.joined(keys) if keys else None,
        models=_sum(models),
        correlations=total if correlations else None,
        pictures=joined("pictures", PictureSquares),
        grains=[grain(z) for z in texture] if plan.deep else [],
        dtm_grains=[grain(z) for z in dtm_windows if np.isfinite(z).any()],
        sample_noise_m=float(np.median(noise)) if noise else float("nan"),
        step_m=step_of(samples),
        poured=Poured.joined([t.poured for t in seen if t.poured is not None]),
        median_m=_middle(samples),
    )


def _middle(samples: Sequence[Floats]) -> float:
    known = [z[np.isfinite(z)][::7] for z in samples]
    joined = np.concatenate(known) if known else np.empty(0)
    return float(np.median(joined)) if joined.size else float("nan")


def _side(kind: Any) -> int:
    """Cells a side of what a test sums up in."""
    return {PairWindows: WINDOW, Squares: SMOOTH_SQUARE, PictureSquares: PICTURE_SQUARE}[kind]


def _rows(value: Any) -> int:
    first = next(iter(value.__dataclass_fields__))
    return int(getattr(value, first).shape[0])


def _sum(pairs: Sequence[Pair]) -> Pair | None:
    total: Pair | None = None
    for pair in pairs:
        total = pair if total is None else total + pair
    return total


def _noise(z: Floats) -> float:
    from survey.forensics.noise import GAIN, MAD, fine_texture

    texture = np.abs(fine_texture(z))
    texture = texture[np.isfinite(texture)]
    return MAD * float(np.median(texture)) / GAIN if texture.size > 100 else float("nan")


def _sample(surface: Surface, work: Grid, side: int = 512, most: int = 9) -> list[Grid]:
    """Up to nine windows spread over the measured ground, the fullest of a lattice of candidates."""
    side = min(side, work.height, work.width)
    if side < 64:
        return [work] if work.height and work.width else []
    # No more than fit side by side: reading the same ground twice tells nothing new.
    down, across = (min(5, -(-length // side)) for length in (work.height, work.width))
    candidates = [
        ((work.height - side) * i // max(down - 1, 1), (work.width - side) * j // max(across - 1, 1))
        for i in range(down)
        for j in range(across)
    ]
    pieces = [work[r : r + side, c : c + side] for r, c in dict.fromkeys(candidates)]
    full = []
    for k, piece in enumerate(pieces):
        # A few rows tell how full a window is.
        probe = surface.read(piece[side // 2 : side // 2 + 1, :])
        full.append((-float(np.isfinite(probe).mean()), k))
    chosen = sorted(k for share, k in sorted(full)[: 2 * most] if share < 0)
    if len(chosen) > most:
        chosen = [chosen[round(i * (len(chosen) - 1) / (most - 1))] for i in range(most)]
    return [pieces[k] for k in dict.fromkeys(chosen)]
