"""Are files what they claim to be? Hits and false alarms of the flags of ``survey check``, simulated filings.

    python benchmarks/score_forensics.py --seed 400 --scenes 24 --out DIR        (goes on where it stopped)
    python benchmarks/score_forensics.py --table DIR

A filing is a lease of about a hectare with its 100 m, two years of DSM, DTM and orthomosaic, written to disk
and read back by the real check. Scenes differ in ground, noise, smoothing, cells, season and what stands on
them. Each is checked as it is (whatever is flagged then is a false alarm) and with each tampering (a hit is the
flag that is meant for it). Seeds from 400 on had no part in choosing any threshold.
"""

# ruff: noqa: E501  (a case is a line)

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from scipy import ndimage

from survey.blocks import Engine
from survey.pipelines.check.filing import open_filing
from survey.pipelines.check.run import check, make_record
from survey.pipelines.job import load_job
from survey.pipelines.options import Options
from survey.sample_data import make_scene, write_delivery
from survey.sample_data.delivery import DeliveryForm
from survey.sample_data.scene import Scene
from survey.sample_data.survey_error import ErrorModel

DSM, OLD, ORTHO, OLD_ORTHO = "2025/dsm.tif", "2024/dsm.tif", "2025/ortho.tif", "2024/ortho.tif"
TENTH_FOOT_M = 0.03048


def scene_of(seed: int) -> Scene:
    """Ground, noise, cells and season by lot."""
    rng = np.random.default_rng([2026, seed])
    cell = float(rng.choice([0.5, 0.8, 1.0, 1.0]))
    side = 352.0
    noise = float(rng.choice([0.02, 0.02, 0.03, 0.05]))
    errors = [
        replace(
            ErrorModel(),
            random_m=noise,
            correlated_m=float(rng.uniform(0.01, 0.03)),
            bias_m=float(rng.normal(0, 0.03)),
            dome_m_km2=float(rng.normal(0, 0.3)),
        )
        for _ in range(2)
    ]
    season = float(rng.uniform(0.15, 0.4))
    return make_scene(
        seed,
        size_m=(side, side),
        cell_m=cell,
        lease_radius_m=60.0,
        dtm=True,
        ortho=True,
        checkpoints=16,
        sites_lease=int(rng.integers(1, 3)),
        sites_boundary=int(rng.integers(0, 2)),
        sites_buffer=int(rng.integers(0, 2)),
        neighbours=0,
        groves_standing=int(rng.integers(1, 4)),
        groves_grown=int(rng.integers(0, 2)),
        crops=int(rng.integers(0, 2)),
        vehicles=int(rng.integers(0, 3)),
        sheds=int(rng.integers(0, 2)),
        pools=int(rng.integers(0, 2)),
        smoothing_cells=float(rng.choice([0.0, 0.0, 0.7])),
        after_offset_m=tuple(float(v) for v in rng.uniform(-0.45, 0.45, 2)),
        before_error=errors[0],
        after_error=errors[1],
        greenness=(season, float(np.clip(season + rng.uniform(-0.06, 0.06), 0, 1))),
    )


def write(scene: Scene, folder: Path) -> Path:
    form = DeliveryForm(
        job_id="F", regime="rajasthan", filed=(date(2024, 6, 12), date(2025, 6, 18)), ortho_quality=90
    )
    return write_delivery(scene, folder / "filing", folder / "truth", form).parent


# -- tampering -------------------------------------------------------------------------------------------
def read(folder: Path, name: str) -> tuple[np.ndarray, dict[str, Any]]:
    with rasterio.open(folder / name) as source:
        return source.read(1), source.profile


def put(folder: Path, name: str, z: np.ndarray, profile: dict[str, Any]) -> None:
    profile = profile | {"height": z.shape[0], "width": z.shape[1], "dtype": str(z.dtype)}
    with rasterio.open(folder / name, "w", **profile) as out:
        out.write(z, 1)


def resend(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Callable[..., None]:
    """Last year's model as this year's, after ``change``."""

    def tamper(folder: Path, rng: np.random.Generator, scene: Scene) -> None:
        z, profile = read(folder, OLD)
        put(folder, DSM, change(z, rng).astype(np.float32), profile)

    return tamper


def disguised(noise_m: float, smooth: float = 0.0, order: int = 1) -> Callable[..., None]:
    """Last year's model moved by parts of a cell, smoothed by so many cells, raised and given noise."""

    def change(z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        by = rng.uniform(0.15, 0.5, 2) * rng.choice([-1, 1], 2)
        z = ndimage.shift(z.astype(float), by, order=order, mode="nearest")
        if smooth:
            z = ndimage.gaussian_filter(z, smooth) + rng.uniform(0.2, 2)
        return z + rng.normal(0, noise_m, z.shape)

    return resend(change)


def moved(folder: Path, rng: np.random.Generator, scene: Scene) -> None:
    z, profile = read(folder, OLD)
    a = profile["transform"]
    cells = rng.integers(3, 12, 2)
    put(folder, DSM, z, profile | {"transform": a * Affine.translation(*(int(c) for c in cells))})


def part(folder: Path, rng: np.random.Generator, scene: Scene) -> None:
    """A third of the sides of last year's model in this year's, on last year's cells."""
    old, profile = read(folder, OLD)
    now, later = read(folder, DSM)
    a, b = profile["transform"], later["transform"]
    rows = round((b.f - a.f) / a.e), round((b.c - a.c) / a.a)
    fresh = ndimage.shift(np.nan_to_num(now, nan=0.0), rows, order=0, mode="nearest")[
        : old.shape[0], : old.shape[1]
    ]
    out = np.array(old)
    out[: fresh.shape[0], : fresh.shape[1]] = fresh
    n = min(out.shape) // 3
    r, c = (int(v) for v in rng.integers(n // 2, min(out.shape) - n - n // 2, 2))
    out[r : r + n, c : c + n] = old[r : r + n, c : c + n]
    put(folder, DSM, out.astype(np.float32), profile)


def box_of(
    scene: Scene, rng: np.random.Generator, shape: tuple[int, int], side_m: float
) -> tuple[slice, slice]:
    n = round(side_m / scene.options.cell_m)
    low, high = shape[0] // 5, min(shape) - shape[0] // 5 - n
    r, c = (int(v) for v in rng.integers(low, high, 2))
    return slice(r, r + n), slice(c, c + n)


def patch(how: str, side_m: float = 45.0) -> Callable[..., None]:
    def tamper(folder: Path, rng: np.random.Generator, scene: Scene) -> None:
        z, profile = read(folder, DSM)
        box = box_of(scene, rng, z.shape, side_m)
        if how == "smoothed":
            z[box] = ndimage.gaussian_filter(z, 2.0)[box]
        elif how == "flattened":
            z[box] = np.float32(np.nanmedian(z[box]))
        elif how == "plane":
            h, w = z[box].shape
            corner = [float(z[box][i, j]) for i, j in ((0, 0), (0, -1), (-1, 0))]
            i, j = np.mgrid[0:h, 0:w]
            z[box] = corner[0] + (corner[1] - corner[0]) * j / w + (corner[2] - corner[0]) * i / h
        elif how == "cloned":
            other = box_of(scene, rng, z.shape, side_m)
            while abs(other[0].start - box[0].start) < 20 and abs(other[1].start - box[1].start) < 20:
                other = box_of(scene, rng, z.shape, side_m)
            z[box] = z[other] + np.float32(rng.uniform(-3, 3))
        put(folder, DSM, z, profile)

    return tamper


def upsampled(factor: int) -> Callable[..., None]:
    def tamper(folder: Path, rng: np.random.Generator, scene: Scene) -> None:
        with rasterio.open(folder / DSM) as source:
            profile = source.profile
            shape = source.height // factor, source.width // factor
            coarse = source.read(1, out_shape=shape, resampling=Resampling.average)
        fine = ndimage.zoom(coarse.astype(float), factor, order=1, mode="nearest", grid_mode=True)
        out = np.full((profile["height"], profile["width"]), fine.mean(), np.float32)
        out[: fine.shape[0], : fine.shape[1]] = fine
        put(folder, DSM, out, profile)

    return tamper


def relabelled(folder: Path, rng: np.random.Generator, scene: Scene) -> None:
    shutil.copy(folder / DSM, folder / "2025/dtm.tif")


def file_date(folder: Path, rng: np.random.Generator, scene: Scene) -> None:
    with rasterio.open(folder / DSM, "r+") as out:
        out.update_tags(TIFFTAG_DATETIME="2023:01:05 10:00:00")


def old_picture(folder: Path, rng: np.random.Generator, scene: Scene) -> None:
    with rasterio.open(folder / ORTHO) as source:
        tags = source.tags()
    shutil.copy(folder / OLD_ORTHO, folder / ORTHO)
    with rasterio.open(folder / ORTHO, "r+") as out:
        out.update_tags(**tags)  # its date put right, so that the picture alone must tell


def picture_beside(folder: Path, rng: np.random.Generator, scene: Scene) -> None:
    with rasterio.open(folder / ORTHO) as source:
        data, profile = source.read(), source.profile
    a = profile["transform"]
    east, north = rng.uniform(4, 9, 2) * rng.choice([-1, 1], 2)
    with rasterio.open(
        folder / ORTHO, "w", **(profile | {"transform": Affine(a.a, a.b, a.c + east, a.d, a.e, a.f + north)})
    ) as out:
        out.write(data)


def other_season(folder: Path, rng: np.random.Generator, scene: Scene) -> None:
    from survey.sample_data.ortho import make_ortho

    green = replace(scene.options, greenness=(scene.options.greenness[0], 0.95))
    world = replace(scene.world, options=green)
    data = make_ortho(world, 1, scene.ortho_grids[1], scene.options.after_error)
    with rasterio.open(folder / ORTHO) as source:
        profile = source.profile
    with rasterio.open(folder / ORTHO, "w", **profile) as out:
        out.write(data)


def raised(folder: Path, rng: np.random.Generator, scene: Scene) -> None:
    z, profile = read(folder, DSM)
    put(folder, DSM, z + np.float32(rng.choice([-1, 1]) * rng.uniform(1.2, 4)), profile)


def read_off(folder: Path, rng: np.random.Generator, scene: Scene) -> None:
    import csv

    with open(folder / "2025/gcp.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    z, profile = read(folder, DSM)
    a = profile["transform"]
    for row in rows:
        col, line = ~a * (float(row["easting"]), float(row["northing"]))
        east, north = a * (int(col) + 0.5, int(line) + 0.5)
        row |= {
            "easting": f"{east:.3f}",
            "northing": f"{north:.3f}",
            "elevation": f"{z[int(line), int(col)]:.3f}",
        }
    with open(folder / "2025/gcp.csv", "w", newline="") as file:
        out = csv.DictWriter(file, rows[0])
        out.writeheader()
        out.writerows(rows)


def in_feet(folder: Path, rng: np.random.Generator, scene: Scene) -> None:
    import csv

    for year in ("2024", "2025"):
        for name in (f"{year}/dsm.tif", f"{year}/dtm.tif"):
            z, profile = read(folder, name)
            put(folder, name, z / np.float32(0.3048), profile)
        table_path = folder / year / "gcp.csv"
        if not table_path.is_file():
            continue
        with open(table_path, newline="") as file:
            rows = list(csv.DictReader(file))
        with open(table_path, "w", newline="") as file:
            out = csv.DictWriter(file, rows[0])
            out.writeheader()
            out.writerows(row | {"elevation": f"{float(row['elevation']) / 0.3048:.3f}"} for row in rows)


def in_steps(step_m: float, then: Callable[..., None] | None = None) -> Callable[..., None]:
    """Both years' models in whole steps, as many programs export them; ``then``: tampered with before that."""

    def tamper(folder: Path, rng: np.random.Generator, scene: Scene) -> None:
        if then is not None:
            then(folder, rng, scene)
        for name in (DSM, OLD):
            z, profile = read(folder, name)
            put(folder, name, (np.round(z.astype(float) / step_m) * step_m).astype(np.float32), profile)

    return tamper


def hanging(rng: np.random.Generator, shape: tuple[int, ...], sigma_m: float, cells: float) -> np.ndarray:
    """Noise that hangs together over so many cells."""
    field = ndimage.gaussian_filter(rng.normal(size=shape), cells, mode="wrap")
    return (field * sigma_m / field.std()).astype(np.float32)


def mixed(z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise as a second flight has it: cell by cell, over a few cells, and over many."""
    return z + rng.normal(0, 0.02, z.shape) + hanging(rng, z.shape, 0.03, 2) + hanging(rng, z.shape, 0.03, 10)


TAMPERINGS: dict[str, tuple[str, tuple[str, ...], Callable[..., None]]] = {
    # name: (what, the flags that count as a hit, how)
    "resent": ("last year's DEM", ("real.resent",), resend(lambda z, r: z)),
    "resent-raised": ("… plus a constant", ("real.resent",), resend(lambda z, r: z + r.uniform(0.2, 2))),
    "resent-noise-1": ("… plus noise of 1 cm", ("real.resent",), resend(lambda z, r: z + r.normal(0, 0.01, z.shape))),
    "resent-noise-5": ("… plus noise of 5 cm", ("real.resent",), resend(lambda z, r: z + r.normal(0, 0.05, z.shape))),
    "resent-moved": ("… moved by whole cells", ("real.resent",), moved),
    "resent-half-cell": (
        "… moved by parts of a cell", ("real.resent",), resend(lambda z, r: ndimage.shift(z, (0.4, 0.3), order=1, mode="nearest")),
    ),
    "resent-half-noise-1": ("… moved by parts of a cell, plus noise of 1 cm", ("real.resent",), disguised(0.01)),
    "resent-half-noise-5": ("… moved by parts of a cell, plus noise of 5 cm", ("real.resent",), disguised(0.05)),
    "resent-cubic-noise-2": ("… moved by parts of a cell (cubic), plus noise of 2 cm", ("real.resent",), disguised(0.02, order=3)),
    "resent-disguised": ("… moved by parts of a cell, smoothed by 0.6 cells, raised, plus noise of 2 cm", ("real.resent",), disguised(0.02, 0.6)),
    "resent-part": ("a third of its sides pasted in", ("real.resent",), part),
    "smoothed": ("a patch of 45 m smoothed", ("real.smooth_patch",), patch("smoothed")),
    "flattened": ("a patch of 45 m made level", ("real.smooth_patch",), patch("flattened")),
    "plane": ("a patch of 45 m made a plane", ("real.smooth_patch",), patch("plane")),
    "smoothed-small": ("a patch of 20 m smoothed", ("real.smooth_patch",), patch("smoothed", 20.0)),
    "cloned": ("a patch of 45 m copied elsewhere, raised", ("real.clone",), patch("cloned")),
    "cloned-small": ("a patch of 20 m copied elsewhere, raised", ("real.clone",), patch("cloned", 20.0)),
    "upsampled-2": ("a DEM drawn out from twice its cells", ("real.upsampled",), upsampled(2)),
    "upsampled-4": ("a DEM drawn out from four times its cells", ("real.upsampled",), upsampled(4)),
    "dsm-as-dtm": ("the DSM sent as DTM", ("real.dtm",), relabelled),
    "file-date": ("a file two years older than its flight", ("files.dates",), file_date),
    "old-ortho": ("last year's orthomosaic, its date put right", ("real.resent_ortho",), old_picture),
    "ortho-beside": ("an orthomosaic 6 to 12 m beside its place", ("files.register",), picture_beside),
    "other-season": ("an orthomosaic after the monsoon", ("real.season",), other_season),
    "feet": ("all heights of both years in feet, undeclared", ("real.unit",), in_feet),
    "resent-correlated-2": ("last year's DEM plus noise of 3 cm over 2 cells", ("real.resent",), resend(lambda z, r: z + hanging(r, z.shape, 0.03, 2))),
    "resent-correlated-6": ("… over 6 cells", ("real.resent",), resend(lambda z, r: z + hanging(r, z.shape, 0.03, 6))),
    "resent-half-correlated-2": (
        "… moved by parts of a cell, plus noise of 3 cm over 2 cells", ("real.resent",),
        resend(lambda z, r: ndimage.shift(z, (0.4, 0.3), order=1, mode="nearest") + hanging(r, z.shape, 0.03, 2)),
    ),
    "resent-correlated-1": ("… over 1 cell", ("real.resent",), resend(lambda z, r: z + hanging(r, z.shape, 0.03, 1))),
    "resent-mixed": (
        "… plus noise of 2 cm cell by cell and of 3 cm over 2 and over 10 cells", ("real.resent",), resend(mixed),
    ),
    "resent-half-correlated-1": (
        "… moved by parts of a cell, plus noise of 3 cm over 1 cell", ("real.resent",),
        resend(lambda z, r: ndimage.shift(z, (0.4, 0.3), order=1, mode="nearest") + hanging(r, z.shape, 0.03, 1)),
    ),
    "resent-half-mixed": (
        "… moved by parts of a cell, plus noise of 2 cm and of 3 cm over 2 and over 10 cells", ("real.resent",),
        resend(lambda z, r: mixed(ndimage.shift(z, (0.4, 0.3), order=1, mode="nearest"), r)),
    ),
    "steps-cm": ("nothing, but both years in whole centimetres", (), in_steps(0.01)),
    "steps-dm": ("nothing, but both years in whole decimetres", (), in_steps(0.1)),
    "steps-foot": ("nothing, but both years in whole tenths of a foot", (), in_steps(TENTH_FOOT_M)),
    "smoothed-foot": ("a patch of 45 m smoothed, tenths of a foot", ("real.smooth_patch",), in_steps(TENTH_FOOT_M, patch("smoothed"))),
    "plane-foot": ("a patch of 45 m made a plane, tenths of a foot", ("real.smooth_patch",), in_steps(TENTH_FOOT_M, patch("plane"))),
    "cloned-foot": ("a patch of 45 m copied elsewhere, raised, tenths of a foot", ("real.clone",), in_steps(TENTH_FOOT_M, patch("cloned"))),
    "upsampled-foot": ("drawn out from twice its cells, tenths of a foot", ("real.upsampled",), in_steps(TENTH_FOOT_M, upsampled(2))),
    "half-cell-foot": (
        "last year's DEM moved by parts of a cell, tenths of a foot", ("real.resent",),
        in_steps(TENTH_FOOT_M, resend(lambda z, r: ndimage.shift(z, (0.4, 0.3), order=1, mode="nearest"))),
    ),
    "raised": ("1.2 to 4 m off last year's heights", ("files.last_year",), raised),
    "read-off": ("check points read off the DEM", ("real.residuals",), read_off),
}  # fmt: skip


def flags_of(folder: Path) -> dict[str, str]:
    """Flags that were raised; holes are left out, since what they say is true of honest filings too."""
    job = load_job(folder / "job.toml", check_files=False)
    with Engine(workers=1) as engine, open_filing(job) as opened:
        found = check(opened, engine, None)
        record = make_record(found, datetime(2026, 1, 1, tzinfo=UTC), Options(workers=1))
    return {
        f.id: f"{f.evidence['flag']}: {f.message[:160]}"
        for f in record.findings
        if "flag" in f.evidence and f.verdict == "exempt, for review" and not f.id.startswith("files.holes")
    }


def score(seeds: range, out: Path, names: list[str], until: float) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        results = out / f"{seed}.json"
        done: dict[str, Any] = json.loads(results.read_text()) if results.is_file() else {}
        wanted = [n for n in ["honest", *names] if n not in done]
        if not wanted:
            continue
        scene = scene_of(seed)
        with tempfile.TemporaryDirectory(prefix="survey-forensics-") as work:
            base = write(scene, Path(work))
            # Last year's DTM and DSM say the same of what was sent again: one of them is looked at.
            for name in wanted:
                if time.monotonic() > until:
                    return
                folder = Path(work) / "now"
                shutil.copytree(base, folder)
                if name != "honest":
                    text = (folder / "job.toml").read_text(encoding="utf-8")
                    if name != "dsm-as-dtm":
                        for year in ("2024", "2025"):
                            text = text.replace(f'dtm = "{year}/dtm.tif"\n', "")
                    (folder / "job.toml").write_text(text, encoding="utf-8")
                    TAMPERINGS[name][2](folder, np.random.default_rng([seed, 77]), scene)
                done[name] = flags_of(folder)
                shutil.rmtree(folder)
                results.write_text(json.dumps(done, indent=1, ensure_ascii=False, sort_keys=True))
                print(seed, name, done[name], flush=True)


def table(out: Path) -> str:
    found = {p.stem: json.loads(p.read_text()) for p in sorted(out.glob("*.json"))}
    honest = [v["honest"] for v in found.values() if "honest" in v]
    lines = [
        "| tampering | filings | flagged as such | strong or moderate | flagged otherwise only |",
        "|---|---|---|---|---|",
    ]
    for name, (what, meant, _) in TAMPERINGS.items():
        of = [v[name] for v in found.values() if name in v]
        hits = [[f for k, f in x.items() if k.partition(":")[0] in meant] for x in of]
        firm = sum(any(not f.startswith("weak") for f in h) for h in hits)
        other = sum(not h and bool(x) for h, x in zip(hits, of, strict=True))
        lines.append(f"| {what} | {len(of)} | {sum(bool(h) for h in hits)} | {firm} | {other} |")
    alarms = [k.partition(":")[0] for x in honest for k in x]
    lines += ["", f"Honest filings: {len(honest)}; with any flag: {sum(bool(x) for x in honest)}."]
    for flag in sorted(set(alarms)):
        lines.append(f"* {flag}: {alarms.count(flag)}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=400)
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--only", nargs="*", choices=sorted(TAMPERINGS))
    parser.add_argument(
        "--seconds", type=float, default=1e9, help="stop after so long; the next call goes on"
    )
    parser.add_argument("--out", type=Path, default=Path("forensics-scores"))
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if asked.table:
        print(table(asked.out))
        return
    names = list(TAMPERINGS) if asked.only is None else asked.only
    score(range(asked.seed, asked.seed + asked.scenes), asked.out, names, time.monotonic() + asked.seconds)


if __name__ == "__main__":
    sys.exit(main())
