"""Score the program on the scenes of other_ground.py, or learn from them.

    python benchmarks/score_other_ground.py score 0 20 --out scores.jsonl
    python benchmarks/score_other_ground.py score 0 20 --single --out single.jsonl
    python benchmarks/score_other_ground.py collect 100000 100060 --out rows.pkl
    python benchmarks/score_other_ground.py bodies 100000 100020 --out existing-rows

``collect`` writes rows as collect_telling.py does, for fit_telling.py; ``bodies`` those of one survey alone,
for score_existing.py --fit. Scenes from 100,000 on are for that, those below it for scoring.
"""

from __future__ import annotations

import argparse
import json
import math
import pickle
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import shapely
from other_ground import CAUSES, EAST, EPSG, NORTH, World, cells_of, deliver
from shapely.affinity import translate
from shapely.geometry import Point, shape


def cause_in(world: World, outline: Any) -> str:
    """What lies under most of an outline that was found, in the reference system of the surveys."""
    there = translate(outline, -EAST, -NORTH)
    if there.is_empty or there.area < 1:
        return CAUSES[0]
    found = np.zeros(7)
    for part in getattr(there, "geoms", [there]):
        window, inside = cells_of(part)
        found += np.bincount(world.cause[window][inside], minlength=7)
    cause = int(found[1:].argmax()) + 1
    return CAUSES[cause] if found[cause] > 0.3 * found.sum() else CAUSES[0]


def rows_of(
    seed: int, make: Callable[[int, Path], World] = deliver, maker: str = "other"
) -> list[dict[str, Any]]:
    """Evidence on each region of a scene, with what it is, as collect_telling.py has it."""
    from survey.blocks import Engine
    from survey.pipelines.change import compare as comparing
    from survey.pipelines.change.evidence import evidence_on
    from survey.pipelines.change.sites import outline
    from survey.pipelines.inputs import open_inputs
    from survey.pipelines.job import load_job

    rows = []
    with tempfile.TemporaryDirectory(prefix="other-") as name:
        world = make(seed, Path(name))
        job = load_job(Path(name) / "job.toml")
        with Engine(1) as engine, open_inputs(job) as inputs:
            # Regions are judged before they are followed to their rims.
            with patch.object(comparing, "to_the_rim", lambda m, verdicts, _: (m, verdicts)):
                pair = comparing.compare(job, inputs, engine).pairs[-1]
            m = pair.measurement
            for k in m.regions:
                if m.regions.area_m2[k] < job.detect.min_area_m2:
                    continue
                evidence = evidence_on(m, k, pair.before.ortho, pair.after.ortho)
                where = outline(m, k).buffer(0)
                if math.isfinite(evidence.median_m):
                    cause = cause_in(world, where)
                    rows.append(
                        {
                            "case": f"{maker}-{seed}", "scene": seed, "evidence": evidence, "class": cause,
                            "at": where.centroid.coords[0],
                        }
                    )  # fmt: skip
    return rows


def bodies_of(seed: int) -> dict[str, Any]:
    """The bodies that the later survey alone shows and what they are, as score_existing.py has them."""
    from survey.blocks import Engine
    from survey.pipelines.epochs import open_epochs
    from survey.pipelines.existing.wide import search
    from survey.pipelines.inputs import open_inputs
    from survey.pipelines.job import load_job
    from survey.volumetrics.existing import Look

    with tempfile.TemporaryDirectory(prefix="other-") as name:
        world = deliver(seed, Path(name), True)
        job = load_job(Path(name) / "job.toml")
        with Engine(1) as engine, open_inputs(job) as inputs:
            after = open_epochs(job, inputs)[0][-1]
            found = search(after.surface, Look(), engine, after.ortho, 40.0, 0.4)
    wanted = standing(world)
    bodies = []
    for body in found.bodies:
        here = translate(body.outline, -EAST, -NORTH)
        overlaps = {
            counts: max(
                (
                    here.intersection(s["outline"]).area / here.union(s["outline"]).area
                    for s in those
                    if s["sign"] == body.sign
                ),
                default=0.0,
            )
            for counts, those in ((True, wanted), (False, world.sites))
        }
        bodies.append(
            {
                "body": body, "iou": overlaps[True], "really": cause_in(world, body.outline),
                "ignored": overlaps[False] > 0.1 and overlaps[False] > overlaps[True],
            }
        )  # fmt: skip
    return {"index": seed, "family": "other", "bodies": bodies}


def standing(world: World) -> list[dict[str, Any]]:
    """What the later survey alone shows: pits and heaps of a metre, and the old pit with its deepening."""
    old = world.old["outline"]
    apart = [s for s in world.sites if s["depth_m"] >= 1.0 and not old.contains(s["outline"].centroid)]
    within = [s["volume_m3"] for s in world.sites if old.contains(s["outline"].centroid)]
    return [*apart, world.old | {"volume_m3": world.old["volume_m3"] + sum(within)}]


def score(seed: int, single: bool = False) -> dict[str, Any]:
    """What became of each site of a scene, and what is reported where none is."""
    from pyproj import Transformer
    from score_sites import run_command

    there = Transformer.from_crs(4326, EPSG, always_xy=True)
    with tempfile.TemporaryDirectory(prefix="other-") as name:
        folder = Path(name)
        world = deliver(seed, folder, single)
        code, said = run_command("outside", folder / "job.toml", folder / "out", True, 600)
        run = folder / "out" / f"other-{seed}"
        if code not in (0, 1):
            return {"seed": seed, "exit": code, "said": said}
        features = json.loads((run / "sites.geojson").read_text())["features"]
        dismissed = json.loads((run / "record.json").read_text())["dismissed"]
    found = []
    for f in features:
        if not str(f["properties"]["status"]).startswith("existing" if single else "changed"):
            continue
        lon_lat = shapely.force_2d(shape(f["geometry"]))
        on_map = shapely.transform(lon_lat, lambda a: np.stack(there.transform(a[:, 0], a[:, 1]), axis=1))
        found.append((on_map.buffer(0), f["properties"]))
    used: set[int] = set()
    sites = []
    for site in standing(world) if single else world.sites:
        true = translate(site["outline"], EAST, NORTH)
        if true.area < 40:
            continue
        fits = [
            (true.intersection(o).area / true.union(o).area, i)
            for i, (o, p) in enumerate(found)
            if i not in used and (p["kind"] == "pit") == (site["sign"] < 0) and true.intersects(o)
        ]
        best = max(fits, default=(0.0, -1))
        row = {"volume_m3": site["volume_m3"], "depth_m": site["depth_m"], "area_m2": true.area}
        if best[0] >= 0.3:
            used.add(best[1])
            p = found[best[1]][1]
            row |= {k: p[k] for k in ("volume_m3", "volume_lo_m3", "volume_hi_m3", "confidence", "zone")} | {
                "true_m3": site["volume_m3"], "found": True, "iou": best[0], "found_m2": p["area_m2"],
                "id": p.get("id"),
            }  # fmt: skip
        else:
            near = [
                d["reason"] for d in dismissed
                if true.buffer(3).contains(Point(there.transform(d["lon"], d["lat"])))
            ]  # fmt: skip
            row |= {"found": False, "why": near[:1]}
        sites.append(row)
    false = [
        {
            "really": cause_in(world, o), "kind": p["kind"], "area_m2": p["area_m2"],
            "volume_m3": p["volume_m3"], "confidence": p["confidence"], "why": p["why"],
        }
        for i, (o, p) in enumerate(found) if i not in used
    ]  # fmt: skip
    return {"seed": seed, "exit": code, "ortho": bool(seed % 3), "sites": sites, "false": false}


def told(rows: list[dict[str, Any]]) -> str:
    ran = [r for r in rows if "sites" in r]
    sites = [s for r in ran for s in r["sites"]]
    hit = [s for s in sites if s["found"]]
    false = [f for r in ran for f in r["false"]]
    precision, recall = len(hit) / max(1, len(hit) + len(false)), len(hit) / max(1, len(sites))
    held = [s["volume_lo_m3"] <= s["true_m3"] <= s["volume_hi_m3"] for s in hit]
    off = [abs(s["volume_m3"] / s["true_m3"] - 1) for s in hit]
    return (
        f"{len(ran)} scenes, {len(sites)} sites: precision {precision:.3f}, recall {recall:.3f}, "
        f"F1 {2 * precision * recall / max(1e-9, precision + recall):.3f}; "
        f"volume error {np.median(off):.2%}, "
        f"intervals hold {np.mean(held):.1%}; false {len(false)}: {dict(Counter(f['really'] for f in false))}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", choices=["score", "collect", "bodies"])
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int, help="one past the last")
    parser.add_argument("--single", action="store_true", help="score what the later survey alone shows")
    parser.add_argument("--out", type=Path, required=True, help="what it holds of earlier runs is kept")
    given = parser.parse_args()
    if given.what == "bodies":
        given.out.mkdir(parents=True, exist_ok=True)
        for seed in range(given.first, given.last):
            path = given.out / f"other-{seed}.pickle"
            if not path.exists():
                path.write_bytes(pickle.dumps(bodies_of(seed)))
        return
    if given.what == "collect":
        rows = pickle.loads(given.out.read_bytes()) if given.out.exists() else []
        done = {r["scene"] for r in rows}
        for seed in range(given.first, given.last):
            if seed not in done:
                rows += rows_of(seed) or [{"scene": seed, "class": None}]
                given.out.write_bytes(pickle.dumps(rows))
        return
    rows = [json.loads(line) for line in given.out.read_text().splitlines()] if given.out.exists() else []
    done = {r["seed"] for r in rows}
    for seed in range(given.first, given.last):
        if seed not in done:
            rows.append(score(seed, given.single))
            with given.out.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    for r in rows:
        if "sites" not in r:
            print(r, file=sys.stderr)
    for name, some in (("with orthomosaics", True), ("without", False)):
        print(name, told([r for r in rows if r.get("ortho") is some]))
    print("all", told(rows))


if __name__ == "__main__":
    main()
