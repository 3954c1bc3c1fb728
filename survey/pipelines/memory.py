"""How much memory a job takes, and how to cut it so that it takes no more than it may.

Figures here are of bytes, never of results: a pass cut into narrower bands or shorter chunks gives the same
numbers to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from survey.errors import EngineError

if TYPE_CHECKING:
    from survey.blocks import Engine
    from survey.volumetrics.sweep import Plan

PROGRAM_BYTES = 520_000_000
"""The libraries, the numbers of a run, and the drawing of its reports, without any pixels."""
DRAWN_CELL_BYTES = 75
"""Of each drawing cell while maps, contours and triangles are made."""
CACHE_BYTES = 96_000_000
"""The raster library's own cache, and what it holds of files being written."""
CELL_BYTES = 34
"""Of each cell of a chunk: heights, rise, verdict, the piece of change.tif, what decoding needs."""
WIDEST = 16384
CHUNK_ROWS = 512


@dataclass(frozen=True, slots=True)
class Cut:
    """How the pass over the pixels is cut: None leaves the choice to the pass."""

    widest: int | None = None
    chunk_rows: int | None = None


def least_bytes(cells: float, drawing_cells: int = 4_000_000) -> int:
    """What a comparison over so many cells takes at the least, however it is cut."""
    return int(PROGRAM_BYTES + DRAWN_CELL_BYTES * min(cells, drawing_cells))


def usual_bytes(cells: float, workers: int) -> int:
    """What a comparison over so many cells takes if nobody limits it."""
    side = cells**0.5
    band = min(side, WIDEST) * min(side, 3 * CHUNK_ROWS) * CELL_BYTES * workers
    return int(max(least_bytes(cells), PROGRAM_BYTES - 150_000_000 + CACHE_BYTES + band))


def cut_for(plan: Plan, engine: Engine) -> Cut:
    """The widest bands and longest chunks that all tasks at once have room for.

    Raises
    ------
    EngineError
        Even the smallest do not fit.
    """
    if engine.memory_bytes is not None and engine.local:
        need = least_bytes(float(plan.job.height) * plan.job.width)
        if engine.memory_bytes < need:
            raise _too_little(engine.memory_bytes, need)
    room = engine.room_bytes()
    if room is None:
        return Cut()
    room -= CACHE_BYTES // engine.width
    rows, cols = plan.before.block
    widest = max(cols, WIDEST // cols * cols)
    chunk = rows * -(-CHUNK_ROWS // rows)
    while band_bytes(plan, min(widest, plan.job.width), chunk) > room:
        if widest >= 2 * cols:
            widest = max(cols, widest // 2 // cols * cols)
        elif chunk > max(rows, 64):
            chunk = max(rows, chunk // 2 // rows * rows)
        else:
            short = band_bytes(plan, min(widest, plan.job.width), chunk) - room
            raise _too_little(
                engine.memory_bytes or room * engine.width, (engine.memory_bytes or 0) + short * engine.width
            )
    return Cut(widest, chunk)


def band_bytes(plan: Plan, width: int, chunk_rows: int) -> int:
    """Memory of one band of so many columns, read in chunks of so many rows."""
    halo = plan.thresholds.halo
    wide, rows = width + 2 * halo, min(chunk_rows, plan.job.height) + 2 * halo
    across = plan.job.cell_east / plan.after.grid.cell_east
    along = plan.job.cell_north / plan.after.grid.cell_north
    own = rows * wide * CELL_BYTES + 2 * plan.before.block[0] * wide * 4
    other = (rows * along + 2 * plan.after.block[0] + 8) * (wide * across + 8) * 5
    return int(own + other)


def _too_little(given: int, need: int) -> EngineError:
    return EngineError(
        f"{given / 1e6:,.0f} MB of memory are not enough for this job",
        expected=f"at least {-(-need // 10_000_000) * 10:,.0f} MB",
        mend="Give more with --memory, or fewer --workers.",
    )
