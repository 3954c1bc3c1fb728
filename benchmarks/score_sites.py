"""Score ``survey outside`` on scenes whose truth is known.

    python benchmarks/score_sites.py --scenes 64 --seed 1 --out sites-1.json

Each scene (families: see scenes.py) is made, delivered to a temporary folder and given to the command; the
sites it reports are matched one to one with the truth, best overlap first, where signs agree (a heap is no
pit) and IoU ≥ 0.3 or the found centroid lies in the true outline. Printed and written as JSON:

* precision, recall and F1 for sites of at least 40 m² that are deeper somewhere than 3 σ of the pair;
* median volume error, share of the 95 % intervals that hold the truth, ratio of widths to errors;
* share of right zones, of all found sites and of those with at least 80 % of their volume in one zone;
* false sites per 50 ha, by what is really there; missed sites by form, depth and what became of them.

With ``--single`` only the later survey is delivered, and all pits and heaps that stand in it, old and new,
are to be found from the shape of the ground (those of at least 40 m² and 1 m).

Smaller or shallower true sites neither help nor hurt. A second piece of a true site counts as false.
Rows are appended to OUT.rows.jsonl as they come; a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from scenes import FAMILIES, Case, case
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from survey.sample_data import make_scene, write_delivery
from survey.sample_data.scene import Scene
from survey.sample_data.truth import SiteTruth

MIN_AREA_M2 = 40.0
MIN_SIGMAS = 3.0
EXISTING_M = 1.0  # from one survey: what the roughness of the ground cannot hide
IOU = 0.3
NO_COMMAND = 3
CONFIDENCES = (0.5, 0.65, 0.8, 0.9, 0.97, 1.01)


@dataclass(frozen=True)
class Found:
    """A site as ``sites.geojson`` has it, its outline in the scene's own reference system."""

    outline: BaseGeometry
    properties: dict[str, Any]

    @property
    def sign(self) -> int:
        return -1 if self.properties["kind"] == "pit" else 1


def sign_of(site: SiteTruth) -> int:
    return -1 if site.kind == "pit" else 1


# -- matching ------------------------------------------------------------------------------------------
def iou(a: BaseGeometry, b: BaseGeometry) -> float:
    both = a.intersection(b).area
    return both / (a.area + b.area - both) if both else 0.0


def match(found: list[Found], true: list[SiteTruth]) -> list[tuple[int, int, float]]:
    """Pairs (found, true, IoU), each used once, best IoU first; ties by position, so always the same."""
    pairs = []
    for i, f in enumerate(found):
        for j, t in enumerate(true):
            if f.sign != sign_of(t) or not f.outline.intersects(t.outline):
                continue
            overlap = iou(f.outline, t.outline)
            if overlap >= IOU or t.outline.contains(f.outline.centroid):
                pairs.append((-overlap, i, j))
    used_f: set[int] = set()
    used_t: set[int] = set()
    matched = []
    for minus, i, j in sorted(pairs):
        if i not in used_f and j not in used_t:
            used_f.add(i)
            used_t.add(j)
            matched.append((i, j, -minus))
    return matched


def counts(site: SiteTruth, sigma_m: float) -> bool:
    """Whether a true site must be found."""
    return (
        site.area_m2 >= MIN_AREA_M2 and site.max_depth_m > MIN_SIGMAS * sigma_m and site.measured_share >= 0.9
    )


# -- one scene -----------------------------------------------------------------------------------------
def to_world(feature: dict[str, Any], epsg: int) -> BaseGeometry:
    from pyproj import Transformer

    there = Transformer.from_crs(4326, epsg, always_xy=True)
    lon_lat = shape(feature["geometry"])
    return shapely.transform(
        shapely.force_2d(lon_lat), lambda xy: np.stack(there.transform(xy[:, 0], xy[:, 1]), axis=1)
    ).buffer(0)


def row_of(one: Case, scene: Scene, run: Path, seconds: float, single: bool = False) -> dict[str, Any]:
    """What became of each true and each found site of a scene, as plain data."""
    truth = scene.truth
    features = json.loads((run / "sites.geojson").read_text())["features"]
    found = [
        Found(to_world(f, scene.world.epsg), f["properties"])
        for f in features
        if str(f["properties"].get("status", "changed")).startswith("existing" if single else "changed")
    ]
    record = json.loads((run / "record.json").read_text())
    true = list(truth.existing if single else truth.sites)
    matched = match(found, true)
    of_true = {j: (i, overlap) for i, j, overlap in matched}
    of_found = {i: j for i, j, _ in matched}
    surveys = zip((scene.before, scene.after), scene.grids, strict=True)
    measured_m2 = float(min(np.isfinite(heights).sum() * grid.cell_area_m2 for heights, grid in surveys))
    limit_m = EXISTING_M if single else MIN_SIGMAS * truth.sigma_m
    sites = []
    for j, site in enumerate(true):
        row: dict[str, Any] = {
            "id": site.id, "kind": site.kind, "shape": site.shape, "zone": site.zone,
            "area_m2": site.area_m2, "volume_m3": site.volume_m3, "max_depth_m": site.max_depth_m,
            "sigmas": site.max_depth_m / truth.sigma_m, "counts": counts(site, limit_m / MIN_SIGMAS),
            "zone_share": max(site.zone_m3.values()) / site.volume_m3,
            "outside_m3": site.outside_m3,
            "measured_share": site.measured_share, "neighbour": site.neighbour,
        }  # fmt: skip
        if j in of_true:
            i, overlap = of_true[j]
            p = found[i].properties
            row |= {
                "found": True, "iou": overlap,
                "found_m3": p["volume_m3"], "lo_m3": p["volume_lo_m3"], "hi_m3": p["volume_hi_m3"],
                "found_kind": p["kind"], "found_zone": p["zone"], "found_outside_m3": p["outside_volume_m3"],
                "found_area_m2": p["area_m2"], "found_lease": p.get("lease_id"),
                "confidence": p.get("confidence"),
            }  # fmt: skip
        else:
            row |= {"found": False, "why": why_missed(site, scene, found, of_found, record)}
        sites.append(row)
    false = [
        {
            "kind": f.properties["kind"], "zone": f.properties["zone"], "area_m2": f.properties["area_m2"],
            "volume_m3": f.properties["volume_m3"], "confidence": f.properties.get("confidence"),
            "really": really(f, scene),
        }
        for i, f in enumerate(found)
        if i not in of_found
    ]  # fmt: skip
    return {
        "index": one.index, "family": one.family, "seed": one.seed, "ok": True, "seconds": seconds,
        "sigma_m": truth.sigma_m, "measured_m2": measured_m2,
        "alignment": alignment_error(scene, record), "noise": record.get("error") and {
            k: record["error"].get(k) for k in ("random_m", "correlated_m", "range_m", "level_m")
        },
        "sites": sites, "false": false,
    }  # fmt: skip


def why_missed(
    site: SiteTruth, scene: Scene, found: list[Found], of_found: dict[int, int], record: dict[str, Any]
) -> str:
    touching = [
        i for i, f in enumerate(found) if f.outline.intersection(site.outline).area > 0.2 * site.area_m2
    ]
    if any(i in of_found for i in touching):
        return "merged with another site"
    if touching:
        return (
            "found with the wrong sign" if found[touching[0]].sign != sign_of(site) else "outline too far off"
        )
    from pyproj import Transformer

    there = Transformer.from_crs(4326, scene.world.epsg, always_xy=True)
    near = site.outline.buffer(3)
    for d in record.get("dismissed", []):
        if d.get("lon") is not None and near.contains(shapely.Point(there.transform(d["lon"], d["lat"]))):
            return f"dismissed: {d['reason']}"
    return "not seen"


def really(f: Found, scene: Scene) -> str:
    """What stands where a false site was reported."""
    own = f.outline.area
    for site in scene.truth.sites:
        if site.outline.intersection(f.outline).area > 0.2 * own:
            return "piece of a true site" if sign_of(site) == f.sign else "true site, other sign"
    for d in scene.truth.dismissed:
        if d.outline.buffer(1).intersection(f.outline).area > 0.2 * own:
            return d.reason
    for patches in scene.truth.patches:
        for p in patches:
            if (
                math.isfinite(p.radius_m)
                and f.outline.distance(shapely.Point(p.east, p.north)) < p.radius_m + 1
            ):
                return p.kind
    for site in (*scene.truth.sites, *scene.truth.existing):
        if site.outline.buffer(3).intersects(f.outline):
            return "rim of digging, old or new"
    return "nothing"


def alignment_error(scene: Scene, record: dict[str, Any]) -> dict[str, float] | None:
    found = record.get("alignment")
    if not found:
        return None
    truth = scene.truth.alignment
    return {k: found[k] - truth[k] for k in ("east_m", "north_m") if found.get(k) is not None}


# -- running the command -------------------------------------------------------------------------------
def command_missing(name: str) -> str | None:
    """Why the command cannot be run here, or None."""
    for module in ("survey.pipelines.cli", f"survey.pipelines.{name}"):
        try:
            if find_spec(module) is None:
                return f"{module} does not exist yet"
        except ModuleNotFoundError as error:
            return f"{error.name} does not exist yet"
    return None


@contextlib.contextmanager
def without_drawings() -> Iterator[None]:
    """Maps, plans and reports cost most of a small run's time and decide no figure: leave them out."""
    import survey.pipelines.publish as publish
    import survey.report as reports

    kept = publish.derive, reports.write_all
    publish.derive, reports.write_all = (lambda *_, **__: {}), (lambda *_, **__: [])
    try:
        yield
    finally:
        publish.derive, reports.write_all = kept


def run_command(name: str, job: Path, out: Path, in_process: bool, timeout_s: float) -> tuple[int, str]:
    """(exit code, last words) of ``survey NAME JOB -o OUT``."""
    words = [name, str(job), "-o", str(out), "--no-change", "--workers", "1", "-q"]
    if in_process:
        from survey.pipelines.cli import app

        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said), without_drawings():
                code = app(words, standalone_mode=False)
        except SystemExit as error:
            code = error.code
        return int(code or 0), said.getvalue()[-2000:]
    go = [sys.executable, "-c", "from survey.pipelines.cli import main; main()", *words]
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        done = subprocess.run(
            go, capture_output=True, text=True, timeout=timeout_s, env=os.environ | {"PYTHONPATH": path}
        )
    except subprocess.TimeoutExpired:
        return 124, f"no end within {timeout_s:.0f} s"
    return done.returncode, (done.stderr + done.stdout)[-2000:]


def score_one(
    seed: int,
    index: int,
    families: tuple[str, ...],
    in_process: bool,
    keep: str | None,
    timeout_s: float,
    single: bool = False,
    command: str = "outside",
) -> dict[str, Any]:
    one = case(seed, index, families)
    if single:
        one = replace(one, form=replace(one.form, epochs=(1,)))
    scene = make_scene(one.seed, one.options)
    folder = Path(keep) / one.form.job_id if keep else Path(tempfile.mkdtemp(prefix="score-"))
    try:
        job = write_delivery(scene, folder / "in", folder / "truth", one.form)
        began = time.perf_counter()
        code, said = run_command(command, job, folder / "out", in_process, timeout_s)
        seconds = time.perf_counter() - began
        run = folder / "out" / one.form.job_id
        if code not in (0, 1) or not (run / "sites.geojson").is_file():
            return {
                "index": index, "family": one.family, "seed": one.seed, "ok": False, "exit": code,
                "said": said,
            }  # fmt: skip
        return row_of(one, scene, run, seconds, single)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


# -- summary -------------------------------------------------------------------------------------------
def summary(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """All figures over the rows that ran."""
    rows = [r for r in rows if r["ok"]]
    wanted = [s for r in rows for s in r["sites"] if s["counts"]]
    hit = [s for s in wanted if s["found"]]
    false = [f for r in rows for f in r["false"]]
    area = sum(r["measured_m2"] for r in rows)
    recall = len(hit) / len(wanted) if wanted else math.nan
    precision = len(hit) / (len(hit) + len(false)) if hit or false else math.nan
    f1 = 2 * precision * recall / (precision + recall) if hit else math.nan
    off = [s["found_m3"] / s["volume_m3"] - 1 for s in hit]
    inside = [s["lo_m3"] <= s["volume_m3"] <= s["hi_m3"] for s in hit]
    z = [
        (s["found_m3"] - s["volume_m3"]) / ((s["hi_m3"] - s["lo_m3"]) / 3.92)
        for s in hit
        if s["hi_m3"] > s["lo_m3"]
    ]
    clear = [s for s in hit if s["zone_share"] >= 0.8]
    return {
        "scenes": len(rows),
        "true_sites": len(wanted),
        "found": len(hit),
        "false": len(false),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "median_volume_error": _median(np.abs(off)),
        "p90_volume_error": float(np.quantile(np.abs(off), 0.9)) if off else math.nan,
        "median_signed_error": _median(off),
        "intervals_hold": float(np.mean(inside)) if inside else math.nan,
        "median_z": _median(z),
        "spread_z": 1.4826 * _median(np.abs(np.array(z) - _median(z))) if z else math.nan,
        "median_relative_half_width": _median([(s["hi_m3"] - s["lo_m3"]) / 2 / s["volume_m3"] for s in hit]),
        "zone_right": float(np.mean([s["found_zone"] == s["zone"] for s in hit])) if hit else math.nan,
        "zone_right_clear": float(np.mean([s["found_zone"] == s["zone"] for s in clear]))
        if clear
        else math.nan,
        "kind_right": float(np.mean([s["found_kind"] == s["kind"] for s in hit])) if hit else math.nan,
        "median_iou": _median([s["iou"] for s in hit]),
        "false_per_50_ha": len(false) / (area / 5e5) if area else math.nan,
        "missed_why": dict(Counter(s["why"] for s in wanted if not s["found"]).most_common()),
        "missed_shape": dict(Counter(s["shape"] for s in wanted if not s["found"]).most_common()),
        "false_really": dict(Counter(f["really"] for f in false).most_common()),
        "seconds_median": _median([r["seconds"] for r in rows]),
    }


def reliability(rows: Iterable[dict[str, Any]]) -> list[dict[str, float]]:
    """Of the reported sites, by what confidence was said: how many are digging or heaping.

    Those that match no true site count as wrong, and so does a second piece of a true one.
    """
    said: list[tuple[float, bool]] = []
    for r in rows:
        if r["ok"]:
            said += [(s["confidence"], True) for s in r["sites"] if s["found"] and s.get("confidence")]
            said += [(f["confidence"], False) for f in r["false"] if f.get("confidence")]
    out = []
    for low, high in itertools.pairwise(CONFIDENCES):
        here = [(c, true) for c, true in said if low <= c < high]
        if here:
            out.append(
                {
                    "from": low, "to": min(high, 1.0), "sites": len(here),
                    "said": float(np.mean([c for c, _ in here])),
                    "true": float(np.mean([t for _, t in here])),
                }
            )  # fmt: skip
    return out


def _median(values: Any) -> float:
    return float(np.median(values)) if len(values) else math.nan


def by(rows: list[dict[str, Any]], key: Callable[[dict[str, Any]], str]) -> dict[str, dict[str, Any]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return {name: summary(group) for name, group in sorted(groups.items())}


def sites_by(rows: list[dict[str, Any]], key: Callable[[dict[str, Any]], str]) -> dict[str, dict[str, Any]]:
    """Recall and volume figures of true sites by a property of theirs; false sites are left out."""
    names = sorted({key(s) for r in rows if r["ok"] for s in r["sites"]})
    return {
        name: summary(
            [r | {"sites": [s for s in r["sites"] if key(s) == name], "false": []} for r in rows if r["ok"]]
        )
        for name in names
    }


def size_band(site: dict[str, Any]) -> str:
    limits = (40, 80, 160, 320, 1000, math.inf)
    bands = zip((0, *limits), limits, strict=False)
    return next(f"{a:>4} to {b:g} m²" for a, b in bands if site["area_m2"] < b)


def table(title: str, parts: dict[str, dict[str, Any]]) -> str:
    lines = [f"{title:<18}scenes  true  found false   prec    rec     F1  med|dV|  hold  zone   IoU"]
    lines += [
        f"{name:<18}{p['scenes']:>6}{p['true_sites']:>6}{p['found']:>7}{p['false']:>6}"
        f"{p['precision']:>7.3f}{p['recall']:>7.3f}{p['f1']:>7.3f}{100 * p['median_volume_error']:>8.2f}%"
        f"{p['intervals_hold']:>6.2f}{p['zone_right']:>6.2f}{p['median_iou']:>6.2f}"
        for name, p in parts.items()
    ]
    return "\n".join(lines)


def finite(value: Any) -> Any:
    """NaN has no place in JSON."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# -- the run -------------------------------------------------------------------------------------------
def resumable(
    path: Path, indices: Iterable[int], work: Callable[[int], tuple[Any, ...]], pool: int
) -> list[dict[str, Any]]:
    """Rows of all indices, from ``path`` where they are there, else made; appended as they come."""
    rows = {}
    if path.is_file():
        for line in path.read_text().splitlines():
            row = json.loads(line)
            rows[row["index"]] = row
    todo = [i for i in indices if i not in rows]
    if todo:
        with ProcessPoolExecutor(pool) as executor, path.open("a") as out:
            jobs = {executor.submit(*work(i)): i for i in todo}
            for n, job in enumerate(as_completed(jobs), start=1):
                try:
                    row = job.result()
                except Exception as error:  # a fault in one scene must not lose the others
                    row = {"index": jobs[job], "ok": False, "family": "?", "exit": -1, "said": repr(error)}
                rows[row["index"]] = row
                out.write(json.dumps(finite(row)) + "\n")
                out.flush()
                print(f"\r{n}/{len(todo)} scenes", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    return [rows[i] for i in indices]


def arguments(doc: str, default: str, scenes: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("--scenes", type=int, default=scenes, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    parser.add_argument("--out", type=Path, default=Path(default), metavar="FILE.json")
    parser.add_argument("--pool", type=int, default=2, help="scenes at a time")
    parser.add_argument(
        "--in-process", action="store_true", help="much faster: no process and no drawings per scene"
    )
    parser.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS")
    parser.add_argument("--fresh", action="store_true", help="forget rows of an earlier run")
    return parser


def main() -> int:
    parser = arguments(__doc__ or "", "score_sites.json", 2 * len(FAMILIES))
    parser.add_argument("--families", default=",".join(FAMILIES), help="some of them, comma-separated")
    parser.add_argument("--keep", metavar="DIR", help="keep deliveries, truth and runs here")
    parser.add_argument("--single", action="store_true", help="deliver the later survey only: old digging")
    parser.add_argument("--command", default="outside", choices=("outside", "excavation", "run"))
    given = parser.parse_args()
    families = tuple(given.families.split(","))
    if unknown := set(families) - set(FAMILIES):
        parser.error(f"no family {', '.join(sorted(unknown))}; there are {', '.join(FAMILIES)}")
    if missing := command_missing(given.command):
        print(f"`survey {given.command}` cannot be scored: {missing}.", file=sys.stderr)
        return NO_COMMAND
    path = given.out.with_suffix(".rows.jsonl")
    if given.fresh:
        path.unlink(missing_ok=True)
    rows = resumable(
        path,
        range(given.scenes),
        lambda i: (
            score_one,
            given.seed,
            i,
            families,
            given.in_process,
            given.keep,
            given.timeout,
            given.single,
            given.command,
        ),
        given.pool,
    )
    report(rows, given.out)
    return 0


def report(rows: list[dict[str, Any]], out: Path) -> None:
    ran = [r for r in rows if r["ok"]]
    whole = summary(ran)
    parts = {
        "family": by(ran, lambda r: r["family"]),
        "shape": sites_by(ran, lambda s: s["shape"]),
        "area": sites_by(ran, size_band),
        "zone": sites_by(ran, lambda s: s["zone"]),
        "kind": sites_by(ran, lambda s: s["kind"]),
    }
    broken = [{k: r.get(k) for k in ("index", "family", "seed", "exit", "said")} for r in rows if not r["ok"]]
    for title, part in parts.items():
        print(table(title, part), end="\n\n")
    print(table("", {"ALL": whole}))
    for key in (
        "f1", "precision", "recall", "median_volume_error", "median_signed_error", "intervals_hold",
        "median_z", "spread_z", "zone_right", "zone_right_clear", "kind_right", "false_per_50_ha",
        "seconds_median",
    ):  # fmt: skip
        print(f"{key:>24} {whole[key]:.4f}")
    for key in ("missed_why", "missed_shape", "false_really"):
        print(f"{key:>24} {whole[key]}")
    sure = reliability(ran)
    for b in sure:
        print(
            f"confidence {b['from']:.2f} to {b['to']:.2f}: {b['sites']:4.0f} sites,"
            f" said {b['said']:.3f}, true {b['true']:.3f}"
        )
    if broken:
        print(f"{len(broken)} scenes did not run:")
        for b in broken[:10]:
            last = (b["said"] or "").strip().splitlines()
            print(f"  {b['index']:>4} {b['family']:<11} exit {b['exit']}: {last[-1] if last else ''}")
    out.write_text(
        json.dumps(finite({"all": whole, "by": parts, "confidence": sure, "broken": broken}), indent=1) + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
