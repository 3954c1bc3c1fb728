"""What a watch carries from run to run: the working copy of its state, and what was published where."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from survey.errors import OutputError
from survey.pipelines.triggers.store import Published, Store

if TYPE_CHECKING:
    from survey.grid import Grid
    from survey.pipelines.triggers.alerts import Alert

STATE = "state.sqlite"


def _working(out: Path, job_id: str) -> Path:
    return Path(out) / f".{job_id}~watch.sqlite"


@contextlib.contextmanager
def working_state(out: Path, job_id: str) -> Iterator[Path]:
    """Where the state is worked on: a copy beside the run, so that the run that is in place stays whole, and
    an interrupted one is taken up again. It is removed when the run that holds its outcome is in place."""
    path = _working(out, job_id)
    former = Path(out) / job_id / STATE
    if not path.exists() and former.is_file():
        partial = path.with_suffix(".copying")
        try:
            shutil.copyfile(former, partial)
            os.replace(partial, path)
        except OSError as error:
            raise OutputError(
                f"the state of the watch cannot be copied ({error.strerror or error})",
                mend="Free some space.",
            ) from error
    yield path


def forget_working_state(out: Path, job_id: str) -> None:
    path = _working(out, job_id)
    for name in (path, path.with_name(path.name + "-journal")):
        with contextlib.suppress(FileNotFoundError):
            name.unlink()


PUBLISHED_GRID = "published_grid"


def grid_text(grid: Grid) -> str:
    """What says where cells of a grid lie."""
    return json.dumps(
        [grid.crs_wkt, grid.west, grid.north, grid.cell_east, grid.cell_north, grid.height, grid.width]
    )


def on_grid(published: Sequence[Published], kept_on: str | None, grid: Grid) -> list[Published]:
    """Triggers published on a former grid, by the cells of this one that their cells' centres fall into.

    The grid reaches as far as the scenes, and may reach farther or elsewhere with new ones.
    """
    if kept_on is None or kept_on == grid_text(grid):
        return list(published)
    from survey.boundary.crs import move_points

    crs_wkt, west, north, cell_east, cell_north, _, width = json.loads(kept_on)
    out = []
    for p in published:
        rows, cols = np.divmod(p.cells, width)
        at = np.column_stack([west + (cols + 0.5) * cell_east, north - (rows + 0.5) * cell_north])
        if crs_wkt != grid.crs_wkt:
            at = move_points(at, crs_wkt, grid.crs_wkt)
        new_cols = np.floor((at[:, 0] - grid.west) / grid.cell_east).astype(np.int64)
        new_rows = np.floor((grid.north - at[:, 1]) / grid.cell_north).astype(np.int64)
        here = (new_rows >= 0) & (new_rows < grid.height) & (new_cols >= 0) & (new_cols < grid.width)
        out.append(replace(p, cells=np.unique(new_rows[here] * grid.width + new_cols[here])))
    return out


def remember(store: Store, alerts: Sequence[Alert], grid: Grid) -> None:
    """What is published now, with every cell a thing ever held."""
    before = {p.id: p for p in on_grid(store.published(), store.get(PUBLISHED_GRID), grid)}
    now = {
        a.id: Published(
            a.id,
            a.properties["first_seen"],
            np.union1d(a.cells, before[a.id].cells) if a.id in before else a.cells,
            a.properties,
        )
        for a in alerts
        if a.listed or a.id in before
    }
    store.publish({**before, **now}.values())
    store.put(PUBLISHED_GRID, grid_text(grid))
