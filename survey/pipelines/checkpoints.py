"""Check points of a job: read, laid on the survey they belong to, and reported."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from survey.dem.checkpoints import HeightCheck, bilinear_at, check_heights
from survey.errors import InputRefused
from survey.grid import Grid

if TYPE_CHECKING:
    from survey.dem.surface import Surface
    from survey.pipelines.inputs import Inputs
    from survey.pipelines.job import Job
    from survey.pipelines.opened import Opened

LEAST_TO_TIE = 3


@dataclass(frozen=True)
class Checkpoints:
    """Points in the surface's system, metres. ``control``: used in processing (GCP), so not independent."""

    names: tuple[str, ...]
    east: NDArray[np.float64]
    north: NDArray[np.float64]
    height: NDArray[np.float64]
    sigma: NDArray[np.float64]
    control: NDArray[np.bool_]


@dataclass(frozen=True)
class CheckpointReport:
    """One survey against its points: independent check points and control points apart."""

    survey: str
    file: str
    points: Checkpoints
    check: HeightCheck | None
    control: HeightCheck | None

    def public(self) -> dict[str, Any]:
        """For the record."""

        def part(c: HeightCheck | None) -> dict[str, Any] | None:
            if c is None:
                return None
            return {
                "n": c.n,
                "mean_m": c.mean_m,
                "rmse_m": c.rmse_m,
                "rmse_with_points_m": c.rmse_with_points_m,
                "sigma_of_mean_m": c.sigma_of_mean_m,
                "fewer_than_30": c.n < 30,
            }

        return {
            "survey": self.survey,
            "file": self.file,
            "points": len(self.points.names),
            "check": part(self.check),
            "control": part(self.control),
        }


def read_checkpoints(path: str, crs: str | None, surface: Surface) -> Checkpoints:
    """Read a check-point table into the surface's system.

    Columns: id, easting, northing, elevation[, sigma][, type], or longitude/latitude for the first two.

    Raises
    ------
    InputRefused
        A column is missing or a coordinate is not a number.
    """
    from survey.dem.mapping import transformer
    from survey.tables import read_table

    table = read_table(path)
    names = table.find("id", "name", "point", "point id", "gcp")
    east = table.find("easting", "east", "x", "e")
    north = table.find("northing", "north", "y", "n")
    lon = table.find("longitude", "lon", "long", "lng")
    lat = table.find("latitude", "lat")
    height = table.find("elevation", "height", "z", "h", "elev", "altitude", required=True)
    sigma, kind = table.find("sigma", "sigma_m", "accuracy"), table.find("type", "kind", "use")
    assert height is not None
    if east is not None and north is not None:
        x, y = table.numbers(east, required=True), table.numbers(north, required=True)
        source = crs
    elif lon is not None and lat is not None:
        x, y = table.numbers(lon, required=True), table.numbers(lat, required=True)
        source = crs or "EPSG:4326"
    else:
        raise InputRefused(
            f"has the columns {', '.join(c for c in table.columns if c) or '(none named)'}",
            expected="easting and northing, or longitude and latitude",
            file=table.file,
        )
    if source is not None:
        x, y = transformer(source, surface.grid.crs_wkt).transform(x, y)
    n = len(table)
    if n == 0:
        raise InputRefused(
            "holds no points below its header",
            file=table.file,
            mend="Fill it in, or take it out of the job.",
        )
    return Checkpoints(
        tuple(table.text(names)) if names is not None else tuple(str(k + 1) for k in range(n)),
        np.asarray(x, np.float64),
        np.asarray(y, np.float64),
        table.numbers(height, required=True),
        table.numbers(sigma) if sigma is not None else np.full(n, np.nan),
        np.array([t.strip().casefold().startswith(("gcp", "control")) for t in table.text(kind)])
        if kind is not None
        else np.zeros(n, np.bool_),
    )


def heights_at(
    surface: Surface, east: NDArray[np.float64], north: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Surface heights at points, bilinear; one small window per point."""
    g = surface.grid
    row, col = g.row_col(east, north)
    out = np.full(east.size, np.nan)
    for k in range(east.size):
        if not (math.isfinite(row[k]) and -1 < row[k] < g.height and -1 < col[k] < g.width):
            continue
        r0, c0 = math.floor(row[k]), math.floor(col[k])
        piece = Grid(g.crs_wkt, g.west, g.north, g.cell_east, g.cell_north, 2, 2, r0, c0)
        out[k] = (
            bilinear_at(surface.read(piece), np.array([row[k] - r0]), np.array([col[k] - c0]))[0]
            if (r0 >= 0 and c0 >= 0)
            else math.nan
        )
        if math.isnan(out[k]) and row[k] == r0 and col[k] == c0:
            out[k] = float(surface.read(piece)[0, 0])
    return out


def checkpoint_reports(job: Job, inputs: Inputs, epochs: Sequence[Opened]) -> list[CheckpointReport]:
    """A report per survey that came with points; none where the job leaves them out."""
    if job.align.checkpoints is False:
        return []
    out = []
    for o in epochs:
        name = o.survey.checkpoints
        if name is None:
            continue
        points = read_checkpoints(str(inputs.path(name)), o.survey.checkpoints_crs, o.surface)
        # Points are counted from what their own survey was filed in.
        z = heights_at(replace(o.surface, lift=None), points.east, points.north)

        def part(
            use: NDArray[np.bool_], points: Checkpoints = points, z: NDArray[np.float64] = z
        ) -> HeightCheck | None:
            return check_heights(z[use], points.height[use], points.sigma[use]) if use.any() else None

        out.append(CheckpointReport(o.date, name, points, part(~points.control), part(points.control)))
    return out


def tie_of(reports: Sequence[CheckpointReport], before: str, after: str) -> tuple[float, float] | None:
    """Height difference after - before at points, and its σ: of check points, or else of control."""
    by_date = {r.survey: r for r in reports}
    if before not in by_date or after not in by_date:
        return None
    chosen = []
    for r in (by_date[before], by_date[after]):
        c = r.check if r.check is not None and r.check.n >= LEAST_TO_TIE else r.control
        if c is None or c.n < LEAST_TO_TIE:
            return None
        chosen.append(c)
    return (
        chosen[1].mean_m - chosen[0].mean_m,
        math.hypot(chosen[0].sigma_of_mean_m, chosen[1].sigma_of_mean_m),
    )
