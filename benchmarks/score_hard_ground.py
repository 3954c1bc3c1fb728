"""Score ``survey outside`` on the scenes of hard_ground.py, by form of digging and by condition.

    python benchmarks/score_hard_ground.py 0 16 --out hard.jsonl
    python benchmarks/score_hard_ground.py 100000 100040 --collect --out rows.pkl

Matched as score_sites.py does it (sign, and IoU of at least 0.3 or the centre within); a true site counts
from 40 m² and 3 σ of the pair. Of forms that run into each other on the ground (pits side by side) one site
for both counts as found for one of them and missed for the other. ``--collect`` writes rows for
fit_telling.py instead; seeds from 100,000 on are for that.
"""

from __future__ import annotations

import argparse
import json
import pickle
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from hard_ground import CONDITIONS, deliver
from other_ground import EAST, EPSG, NORTH
from score_other_ground import cause_in, rows_of
from shapely.affinity import translate
from shapely.geometry import Point, shape


def score(seed: int) -> dict[str, Any]:
    """What became of each site of a scene, and what is reported where none is."""
    from pyproj import Transformer
    from score_sites import run_command

    there = Transformer.from_crs(4326, EPSG, always_xy=True)
    with tempfile.TemporaryDirectory(prefix="hard-") as name:
        folder = Path(name)
        world = deliver(seed, folder)
        code, said = run_command("outside", folder / "job.toml", folder / "out", True, 600)
        run = folder / "out" / f"hard-{seed}"
        out: dict[str, Any] = {"seed": seed, "exit": code, "condition": CONDITIONS[seed % len(CONDITIONS)]}
        if code not in (0, 1):
            return out | {"said": said}
        features = json.loads((run / "sites.geojson").read_text())["features"]
        record = json.loads((run / "record.json").read_text())
    sigma = record["error"]["level_m"] / 1.96
    found = []
    for f in features:
        if str(f["properties"]["status"]).startswith("changed"):
            lon_lat = shapely.force_2d(shape(f["geometry"]))
            on_map = shapely.transform(lon_lat, lambda a: np.stack(there.transform(a[:, 0], a[:, 1]), axis=1))
            found.append((on_map.buffer(0), f["properties"]))
    true = [translate(s["outline"], EAST, NORTH) for s in world.sites]
    pairs = []
    for j, (site, area) in enumerate(zip(world.sites, true, strict=True)):
        for i, (o, p) in enumerate(found):
            if (p["kind"] == "pit") == (site["sign"] < 0) and area.intersects(o):
                overlap = area.intersection(o).area / area.union(o).area
                if overlap >= 0.3 or area.contains(o.centroid):
                    pairs.append((-overlap, j, i))
    of: dict[int, tuple[int, float]] = {}
    used: set[int] = set()
    for minus, j, i in sorted(pairs):
        if j not in of and i not in used:
            of[j] = i, -minus
            used.add(i)
    sites = []
    for j, (site, area) in enumerate(zip(world.sites, true, strict=True)):
        zones = site["zone_m3"]
        row = {
            "form": site["form"], "true_m3": site["volume_m3"], "depth_m": site["depth_m"],
            "area_m2": area.area,
            "counts": area.area >= 40 and site["depth_m"] > 3 * sigma, "found": j in of,
            "zone_share": max(zones.values()) / max(site["volume_m3"], 1e-9),
        }  # fmt: skip
        if j in of:
            i, overlap = of[j]
            p = found[i][1]
            names = ("id", "volume_m3", "volume_lo_m3", "volume_hi_m3", "confidence", "kind")
            row |= {k: p[k] for k in names}
            row |= {
                "iou": overlap, "found_m2": p["area_m2"], "zone": p["zone"],
                "zone_right": p["zone"] == max(zones, key=lambda z: zones[z]),
                "outside_m3": p["outside_volume_m3"], "true_outside_m3": site["volume_m3"] - zones["lease"],
            }  # fmt: skip
        else:
            near = area.buffer(3)
            row["why"] = [
                f"{d['reason']} {d['confidence']:.2f} {d['area_m2']:.0f} m²"
                for d in record["dismissed"]
                if near.contains(Point(there.transform(d["lon"], d["lat"])))
            ]  # fmt: skip
        sites.append(row)
    false = []
    for i, (o, p) in enumerate(found):
        if i not in used:
            under = [s["form"] for s, a in zip(world.sites, true, strict=True) if a.intersects(o)]
            false.append(
                {
                    "really": cause_in(world, o), "under": under, "kind": p["kind"], "area_m2": p["area_m2"],
                    "volume_m3": p["volume_m3"], "confidence": p["confidence"], "why": p["why"],
                }
            )  # fmt: skip
    return out | {"sites": sites, "false": false, "sigma_m": sigma}


def told(rows: list[dict[str, Any]], form: str | None = None) -> str:
    sites = [s for r in rows for s in r["sites"] if s["counts"] and form in (None, s["form"])]
    hit = [s for s in sites if s["found"]]
    false = [f for r in rows for f in r["false"]] if form is None else []
    if not hit:
        return f"{len(sites):4} sites, none found, {len(false)} false"
    precision, recall = len(hit) / (len(hit) + len(false)), len(hit) / len(sites)
    held = np.mean([s["volume_lo_m3"] <= s["true_m3"] <= s["volume_hi_m3"] for s in hit])
    off = np.array([s["volume_m3"] / s["true_m3"] - 1 for s in hit])
    half = np.array([(s["volume_hi_m3"] - s["volume_lo_m3"]) / 2 / s["true_m3"] for s in hit])
    zone = np.mean([s["zone_right"] for s in hit])
    said = f"{len(sites):4} sites, recall {recall:.3f}, "
    if form is None:
        said += f"precision {precision:.3f}, F1 {2 * precision * recall / (precision + recall):.3f}, "
        said += f"false {dict(Counter(f['really'] for f in false))}, "
    return said + (
        f"off {np.median(np.abs(off)):.1%} (signed {np.median(off):+.1%}), held {held:.1%}, "
        f"±{np.median(half):.1%}, zone right {zone:.1%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int, help="one past the last")
    parser.add_argument("--out", type=Path, required=True, help="what it holds of earlier runs is kept")
    parser.add_argument("--collect", action="store_true", help="write evidence to learn from")
    given = parser.parse_args()
    if given.collect:
        kept = pickle.loads(given.out.read_bytes()) if given.out.exists() else []
        for seed in range(given.first, given.last):
            if seed not in {r["scene"] for r in kept}:
                kept += rows_of(seed, deliver, "hard") or [{"scene": seed, "class": None}]
                given.out.write_bytes(pickle.dumps(kept))
        return
    rows = [json.loads(line) for line in given.out.read_text().splitlines()] if given.out.exists() else []
    done = {r["seed"] for r in rows}
    for seed in range(given.first, given.last):
        if seed not in done:
            rows.append(score(seed))
            with given.out.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    for r in rows:
        if "sites" not in r:
            print(r)
    rows = [r for r in rows if "sites" in r]
    by: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for r in rows:
        by[r["condition"]].append(r)
    for condition in sorted(by):
        print(f"{condition:26}", told(by[condition]))
    for form in sorted({s["form"] for r in rows for s in r["sites"]}):
        print(f"{form:26}", told(rows, form))
    print(f"{'all':26}", told(rows))


if __name__ == "__main__":
    main()
