"""Do the 95 % intervals of zone volumes hold the truth, and are they no wider than they need be?

    python benchmarks/score_coverage.py --scenes 200 --seed 1 --out coverage-1.json

Many small pairs of surveys, each with digging of known volume in every zone and its own noise (white and
correlated, several covariances and ranges), shift, bias, tilt and dome, go through ``survey excavation``.
For cut, fill and net of each zone:

cover     share of intervals that hold the truth (aim: 0.93 to 0.97; the standard error is printed)
z spread  root mean square of error / (half width / 1.96): 1 when the intervals are right, < 1 when too wide
width     median of half width / ideal half width. The ideal knows the covariance of the noise exactly and
          has nothing to align: 1.96 · A · √(Σ σ² + Σᵢⱼ C(i, j)) over the cells that truly changed. What
          alignment must learn from stable ground comes on top, so 1 cannot be reached; aim ≤ 1.3 × what
          the errors themselves show (width / z spread) .

Orthomosaics come along: what a heap is must be seen, and this is not the score of seeing it.
Families vary one thing at a time, so that a fault shows where it comes from. Resumable like score_sites.py.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from scenes import Draw
from scipy import fft
from score_sites import NO_COMMAND, arguments, command_missing, finite, resumable, run_command

from survey.sample_data import make_scene, write_delivery
from survey.sample_data.delivery import DeliveryForm
from survey.sample_data.fields import correlation
from survey.sample_data.options import SceneOptions
from survey.sample_data.render import world_coordinates
from survey.sample_data.scene import Scene
from survey.sample_data.survey_error import ErrorModel
from survey.sample_data.terrain import TerrainOptions
from survey.sample_data.truth import ZONES

FAMILIES = ("white", "short range", "long range", "bias", "tilt and dome", "shift", "regridded", "busy")
QUANTITIES = ("cut", "fill", "net")


def options_of(family: str, d: Draw) -> SceneOptions:
    """A pair of 300 to 420 m a side, 1 m cells, with clear digging in every zone."""

    def error(**given: Any) -> ErrorModel:
        plain: dict[str, Any] = {
            "random_m": d.between(0.015, 0.04), "slope_factor": 0.5, "correlated_m": d.between(0.01, 0.03),
            "range_m": d.between(10, 30), "covariance": d.one("gaussian", "exponential", "spherical"),
        }  # fmt: skip
        return ErrorModel(**(plain | given))

    both = [error(), error()]
    extra: dict[str, Any] = {}
    if family == "white":
        both = [error(correlated_m=0.0), error(correlated_m=0.0)]
    elif family == "short range":
        both = [error(range_m=d.between(5, 10)), error(range_m=d.between(5, 10))]
    elif family == "long range":
        both = [error(range_m=d.between(40, 60)), error(range_m=d.between(40, 60))]
    elif family == "bias":
        both[1] = error(bias_m=d.either(d.between(0.05, 0.5)))
    elif family == "tilt and dome":
        both[1] = error(
            tilt_east=d.either(d.between(1e-4, 8e-4)), tilt_north=d.either(d.between(1e-4, 8e-4)),
            dome_m_km2=d.either(d.between(1, 6)),
        )  # fmt: skip
    elif family == "shift":
        both[1] = error(east_m=d.either(d.between(0.2, 2)), north_m=d.either(d.between(0.2, 2)))
    elif family == "regridded":
        cell = d.between(0.7, 1.4)
        extra = {"after_cell_m": cell, "after_offset_m": (d.between(0, cell), -d.between(0, cell))}
    elif family == "busy":
        extra = {"workings_growth": d.between(0.5, 1.0), "old_workings": True}
    relief = d.between(5, 12) if family == "shift" else d.between(1, 5)
    settings: dict[str, Any] = {
        "size_m": (float(d.count(300, 420)), float(d.count(300, 420))),
        "terrain": TerrainOptions(relief_m=relief, rough_m=0.02, hurst=0.95, longest_m=400, valley_m=1.0),
        "ortho": True, "lease_radius_m": 70.0, "neighbours": 0, "roads": 0,
        "old_workings": False, "old_pits": 0,
        "sites_lease": 2, "sites_boundary": 1, "sites_buffer": 3, "sites_beyond": 2,
        "site_radius_m": (7.0, 14.0), "site_depth_m": (1.0, 4.0), "heap_share": 0.4,
        "groves_standing": 0, "before_error": both[0], "after_error": both[1],
        "quad_points": 250_000,
    }  # fmt: skip
    return SceneOptions(**(settings | extra))


def ideal_sigma_m3(scene: Scene, cells: np.ndarray) -> float:
    """√Var of the summed noise of both surveys over the cells of a mask, covariances known, m³."""
    rows, cols = np.nonzero(cells)
    if len(rows) == 0:
        return math.nan
    mask = cells[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1].astype(float)
    size = [fft.next_fast_len(2 * n, real=True) for n in mask.shape]
    pairs = np.rint(fft.irfft2(np.abs(fft.rfft2(mask, s=size)) ** 2, s=size))
    grid = scene.before_grid
    lag_n, lag_e = (np.minimum(np.arange(n), n - np.arange(n)) for n in size)
    lag = np.hypot(lag_n[:, None] * grid.cell_north, lag_e[None, :] * grid.cell_east)
    total = 0.0
    for error, own in zip((scene.options.before_error, scene.options.after_error), scene.grids, strict=True):
        # A finer later grid is averaged down, a coarser one has more noise per square metre.
        total += error.random_m**2 * mask.sum() * own.cell_area_m2 / grid.cell_area_m2
        if error.correlated_m:
            total += error.correlated_m**2 * float(
                (pairs * correlation(lag, error.range_m, error.covariance)).sum()
            )
    return math.sqrt(total) * grid.cell_area_m2


def score_one(seed: int, index: int, in_process: bool, timeout_s: float) -> dict[str, Any]:
    family = FAMILIES[index % len(FAMILIES)]
    d = Draw(seed, index)
    options = options_of(family, d)
    scene_seed = int(d.rng.integers(1, 2**31))
    scene = make_scene(scene_seed, options)
    form = DeliveryForm(job_id=f"cover-{seed}-{index:05d}", registry=False, boundary_sigma_m=0.1)
    folder = Path(tempfile.mkdtemp(prefix="cover-"))
    try:
        job = write_delivery(scene, folder / "in", folder / "truth", form)
        code, said = run_command("excavation", job, folder / "out", in_process, timeout_s)
        path = folder / "out" / form.job_id / "record.json"
        if code not in (0, 1) or not path.is_file():
            return {"index": index, "family": family, "ok": False, "exit": code, "said": said}
        record = json.loads(path.read_text())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "index": index,
        "family": family,
        "seed": scene_seed,
        "ok": True,
        "zones": zone_rows(scene, record),
    }


def zone_rows(scene: Scene, record: dict[str, Any]) -> list[dict[str, Any]]:
    """Truth, estimate, interval and ideal of each quantity of each zone."""
    east, north = np.broadcast_arrays(*world_coordinates(scene.before_grid, scene.world.epsg))
    away = shapely.distance(scene.lease, shapely.points(east, north))
    where = {"lease": away == 0, "buffer": (away > 0) & (away <= 100), "beyond": away > 100}
    rise = scene.true_rise()
    rows = []
    for zone in record["zones"]:
        name = zone["zone"]
        if name not in ZONES or zone.get("name"):
            continue
        truth = scene.truth.zones[name]
        changed = {"cut": rise < -0.01, "fill": rise > 0.01}
        changed["net"] = changed["cut"] | changed["fill"]
        for quantity in QUANTITIES:
            value = getattr(truth, f"{quantity}_m3")
            if quantity != "net" and value < 5:
                continue  # nothing of it was dug there
            rows.append(
                {
                    "zone": name, "quantity": quantity, "true_m3": value, "found_m3": zone[f"{quantity}_m3"],
                    "lo_m3": zone[f"{quantity}_lo_m3"], "hi_m3": zone[f"{quantity}_hi_m3"],
                    "ideal_m3": 1.96 * ideal_sigma_m3(scene, changed[quantity] & where[name]),
                }
            )  # fmt: skip
    return rows


def figures(rows: list[dict[str, Any]]) -> dict[str, float]:
    rows = [r for r in rows if None not in (r["found_m3"], r["lo_m3"], r["hi_m3"])]
    if not rows:
        return {"n": 0, "cover": math.nan, "se": math.nan, "z_spread": math.nan, "z_median": math.nan,
                "width": math.nan, "error": math.nan}  # fmt: skip
    hold = np.array([r["lo_m3"] <= r["true_m3"] <= r["hi_m3"] for r in rows])
    half = np.array([(r["hi_m3"] - r["lo_m3"]) / 2 for r in rows])
    off = np.array([r["found_m3"] - r["true_m3"] for r in rows])
    ideal = np.array([r["ideal_m3"] if r["ideal_m3"] else math.nan for r in rows], float)
    z = 1.96 * off / np.where(half > 0, half, np.nan)
    share = float(hold.mean())
    return {
        "n": len(rows),
        "cover": share,
        "se": math.sqrt(max(share * (1 - share), 1e-4) / len(rows)),
        "z_spread": float(np.sqrt(np.nanmean(z**2))),
        "z_median": float(np.nanmedian(z)),
        "width": float(np.nanmedian(half / ideal)),
        "error": float(np.sqrt(np.nanmedian((1.96 * off / ideal) ** 2)) / 0.6745),
    }


def table(title: str, groups: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, float]]:
    print(f"{title:<22}    n  cover ± se      z spread  z median  width/ideal  error/ideal")
    parts = {name: figures(rows) for name, rows in groups.items()}
    for name, f in parts.items():
        print(
            f"{name:<22}{f['n']:>5}  {f['cover']:.3f} ± {f['se']:.3f}  {f['z_spread']:>8.2f}  "
            f"{f['z_median']:>8.2f}  {f['width']:>11.2f}  {f['error']:>11.2f}"
        )
    print()
    return parts


def main() -> int:
    given = arguments(__doc__ or "", "score_coverage.json", 80).parse_args()
    if missing := command_missing("excavation"):
        print(f"`survey excavation` cannot be scored: {missing}.", file=sys.stderr)
        return NO_COMMAND
    path = given.out.with_suffix(".rows.jsonl")
    if given.fresh:
        path.unlink(missing_ok=True)
    rows = resumable(
        path,
        range(given.scenes),
        lambda i: (score_one, given.seed, i, given.in_process, given.timeout),
        given.pool,
    )
    report(rows, given.out)
    return 0


def report(rows: list[dict[str, Any]], out: Path) -> None:
    ran = [r for r in rows if r["ok"]]
    flat = [z | {"family": r["family"]} for r in ran for z in r["zones"]]
    parts = {
        "family": table("family", {f: [z for z in flat if z["family"] == f] for f in FAMILIES}),
        "zone and quantity": table(
            "zone, quantity",
            {
                f"{zone} {q}": [z for z in flat if z["zone"] == zone and z["quantity"] == q]
                for zone in ZONES
                for q in QUANTITIES
            },
        ),
        "all": table("", {"ALL": flat}),
    }
    broken = [{k: r.get(k) for k in ("index", "family", "exit", "said")} for r in rows if not r["ok"]]
    if broken:
        print(f"{len(broken)} of {len(rows)} scenes did not run; the first: {broken[0]}")
    out.write_text(json.dumps(finite({"figures": parts, "broken": broken}), indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
