"""Score, and fit, what one survey shows of old pits and heaps, on scenes whose truth is known.

    python benchmarks/score_existing.py --scenes 64 --seed 7             candidates of each scene, scored
    python benchmarks/score_existing.py --scenes 200 --seed 5 --fit      weights for existing_tell.py
    python benchmarks/score_existing.py … --fit --also existing-rows     with bodies of score_other_ground.py

The scenes are those of scenes.py (only the later survey is looked at). ``score_sites.py --single`` scores the
whole command; this looks at the finding and the confidence alone: sites of at least 40 m² and 1 m must be
found; ground that truth calls a heap in an old pit, whose pit it does not list, counts neither way. Seeds
used for fitting must not be used for scoring. Rows are kept in OUT, so that a run can be looked at again.
"""

from __future__ import annotations

import argparse
import pickle
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scenes import FAMILIES, case
from score_sites import EXISTING_M, Found, counts, iou, match, really, sign_of

from survey.sample_data import make_scene, write_delivery


class _Quiet:
    def stage(self, name: str, total: float | None = None) -> None: ...
    def advance(self, amount: float = 1.0) -> None: ...


def row_of(seed: int, index: int) -> dict[str, Any]:
    """All bodies of one scene with what they really are."""
    from survey.blocks import Engine
    from survey.pipelines.epochs import open_epochs
    from survey.pipelines.existing.wide import search
    from survey.pipelines.inputs import open_inputs
    from survey.pipelines.job import load_job
    from survey.volumetrics.existing import Look

    one = case(seed, index)
    one = replace(one, form=replace(one.form, epochs=(1,)))
    scene = make_scene(one.seed, one.options)
    folder = Path(tempfile.mkdtemp(prefix="existing-"))
    try:
        path = write_delivery(scene, folder / "in", folder / "truth", one.form)
        job = load_job(path)
        with Engine(1, None, _Quiet()) as engine, open_inputs(job) as inputs:
            epochs, _ = open_epochs(job, inputs)
            began = time.perf_counter()
            after = epochs[-1]
            found = search(after.surface, Look(), engine, after.ortho, 40.0, 0.4)
            seconds = time.perf_counter() - began
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    bodies = []
    crs = after.surface.grid.crs_wkt
    for body in found.bodies:
        outline = _moved(body.outline, crs, scene.world.epsg)
        bodies.append({"body": body, "outline": outline, **_truth_of(outline, body.sign, scene)})
    hidden = [c for c in scene.world.changes if c.shape == "in a pit"]
    return {
        "index": index, "family": one.family, "bodies": bodies, "seconds": seconds,
        "limits": found.limits, "zones": found.zones,
        "true": [
            {"outline": t.outline, "sign": sign_of(t), "shape": t.shape, "area_m2": t.area_m2,
             "depth_m": t.max_depth_m, "volume_m3": t.volume_m3, "site": t,
             "counts": counts(replace(t, measured_share=1.0), EXISTING_M / 3)}
            for t in scene.truth.existing
        ],
        "hidden": [_disc(c.box) for c in hidden],
        "measured_m2": float(np.isfinite(scene.after).sum() * scene.after_grid.cell_area_m2),
    }  # fmt: skip


def _disc(box: tuple[float, float, float, float]) -> Any:
    import shapely

    return shapely.box(*box).buffer(4)


def _moved(outline: Any, crs_wkt: str, epsg: int) -> Any:
    import shapely
    from pyproj import Transformer

    there = Transformer.from_crs(crs_wkt, epsg, always_xy=True)
    return shapely.transform(
        outline, lambda xy: np.stack(there.transform(xy[:, 0], xy[:, 1]), axis=1)
    ).buffer(0)


def _truth_of(outline: Any, sign: int, scene: Any) -> dict[str, Any]:
    best, overlap = None, 0.0
    for t in scene.truth.existing:
        if sign_of(t) == sign and t.outline.intersects(outline):
            share = iou(outline, t.outline)
            if share > overlap:
                best, overlap = t, share
    hidden = any(
        c.shape == "in a pit" and _disc(c.box).intersection(outline).area > 0.5 * outline.area
        for c in scene.world.changes
    )
    small = best is not None and not counts(replace(best, measured_share=1.0), EXISTING_M / 3)
    kind = {"kind": "pit" if sign < 0 else "heap"}
    return {
        "iou": overlap, "shape": best.shape if best is not None else None,
        "ignored": hidden or (small and overlap > 0.1),
        "really": really(Found(outline, kind), scene),
    }  # fmt: skip


def sites_of(row: dict[str, Any], at_least: float = 0.5) -> list[dict[str, Any]]:
    """The bodies that would be reported, judged anew by the weights as they are now."""
    from survey.pipelines.existing.scan import settle
    from survey.volumetrics.existing_tell import probability

    bodies = [
        replace(b["body"], probability=probability(b["body"].form, b["body"].cover, b["body"].around))
        for b in row["bodies"]
    ]
    of = {id(b): k for k, b in enumerate(bodies)}
    kept = settle(bodies)
    return [row["bodies"][of[id(b)]] | {"p": b.probability} for b in kept if b.probability >= at_least]


def score(rows: list[dict[str, Any]]) -> None:
    lines: dict[str, list[float]] = {}
    missed: dict[str, int] = {}
    wrong: dict[str, int] = {}
    scored: list[tuple[float, bool]] = []
    total = np.zeros(5)
    for row in rows:
        sites = sites_of(row)
        for s in sites_of(row, 0.02):
            if not s["ignored"]:
                scored.append((s["p"], s["iou"] >= 0.3))
        found = [Found(s["outline"], {"kind": "pit" if s["body"].sign < 0 else "heap"}) for s in sites]
        pairs = match(found, [t["site"] for t in row["true"]])
        used, hit = {i for i, _, _ in pairs}, {j for _, j, _ in pairs}
        false = [s for i, s in enumerate(sites) if i not in used and not s["ignored"]]
        wanted = [j for j, t in enumerate(row["true"]) if t["counts"]]
        right = [j for j in wanted if j in hit]
        for j in wanted:
            if j not in hit:
                missed[row["true"][j]["shape"]] = missed.get(row["true"][j]["shape"], 0) + 1
        for s in false:
            wrong[s["really"]] = wrong.get(s["really"], 0) + 1
        now = np.array([len(wanted), len(right), len(false), row["measured_m2"], row["seconds"]])
        total += now
        lines.setdefault(row["family"], [0.0] * 5)
        lines[row["family"]] = list(np.array(lines[row["family"]]) + now)
    for name, (n, hits, false, m2, seconds) in {**lines, "all": list(total)}.items():
        p, r = hits / max(hits + false, 1), hits / max(n, 1)
        print(
            f"{name:<12}{n:5.0f}{hits:5.0f}{false:5.0f}  prec {p:.3f} rec {r:.3f}"
            f" F1 {2 * p * r / max(p + r, 1e-9):.3f}  false/50ha {false / (m2 / 5e5):.2f}  {seconds:.0f} s"
        )
    print("missed", dict(sorted(missed.items(), key=lambda x: -x[1])))
    print("false", dict(sorted(wrong.items(), key=lambda x: -x[1])))
    p, y = (np.array(x) for x in zip(*scored, strict=True))
    for low, high in pairwise((0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 1.01)):
        here = (p >= low) & (p < high)
        if here.any():
            print(
                f"confidence {low:.2f} to {high:.2f}: {here.sum():5d} bodies,"
                f" mean {p[here].mean():.3f}, true {y[here].mean():.3f}"
            )


RIDGE = 0.5
FOLDS = 4
DAMPED = 0.6
"""Share of the calibration that is applied: the folds are fitted on fewer scenes and shrink more."""


def fit(rows: list[dict[str, Any]]) -> None:
    """Logistic regression with a ridge, per sign, calibrated on scenes left out; printed as WEIGHTS.

    Of the bodies on one piece of ground only the best is kept, which makes it likelier than a body taken at
    random. So a slope and an offset of the log-odds are fitted on what is kept in left-out scenes.
    """
    from survey.volumetrics.existing_tell import WEIGHTS

    odds, truth = [], []
    for k in range(FOLDS):
        WEIGHTS.update(_weights([r for n, r in enumerate(rows) if n % FOLDS != k]))
        for row in rows[k::FOLDS]:
            for b in sites_of(row, 0.02):
                if not b["ignored"] and b["really"] != "water":
                    p = min(max(b["p"], 1e-4), 1 - 1e-4)
                    odds.append(np.log(p / (1 - p)))
                    truth.append(float(b["iou"] >= 0.3))
    x = np.stack([np.ones(len(odds)), np.array(odds)], axis=1)
    offset, slope = logistic(x, np.array(truth), np.ones(len(odds)), 1e-4)
    offset, slope = DAMPED * offset, 1 + DAMPED * (slope - 1)
    for sign, weights in _weights(rows).items():
        WEIGHTS[sign] = {n: slope * v + (offset if n == "one" else 0.0) for n, v in weights.items()}
        print(f"    {sign}: {{")
        for name, value in WEIGHTS[sign].items():
            print(f'        "{name}": {value:.3f},')
        print("    },")


def _weights(rows: list[dict[str, Any]]) -> dict[int, dict[str, float]]:
    from survey.volumetrics.existing_tell import signs

    out = {}
    for sign in (-1, 1):
        x, y, w = [], [], []
        for body, right in (
            (b["body"], b["iou"] >= 0.45)
            for row in rows
            for b in row["bodies"]
            if b["body"].sign == sign and not b["ignored"] and not 0.15 < b["iou"] < 0.45
        ):
            x.append(list(signs(body.form, body.cover, body.around).values()))
            y.append(float(right))
            w.append(1.0)
            if body.cover is not None:  # what is said without an orthomosaic must be learnt too
                x.append(list(signs(body.form, None, None).values()))
                y.append(float(right))
                w.append(0.25)
        names = list(signs(rows[0]["bodies"][0]["body"].form, None, None))
        beta = logistic(np.array(x), np.array(y), np.array(w), RIDGE)
        out[sign] = dict(zip(names, beta.tolist(), strict=True))
    return out


def logistic(x: np.ndarray, y: np.ndarray, w: np.ndarray, ridge: float) -> np.ndarray:
    beta = np.zeros(x.shape[1])
    penalty = ridge * np.eye(x.shape[1])
    penalty[0, 0] = 1e-6
    for _ in range(60):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        gradient = x.T @ (w * (p - y)) + penalty @ beta
        hessian = (x * (w * p * (1 - p))[:, None]).T @ x + penalty
        step = np.linalg.solve(hessian, gradient)
        beta = beta - step * min(1.0, 5.0 / max(np.abs(step).max(), 1e-9))
        if np.abs(step).max() < 1e-7:
            break
    return beta


def _kept(folder: Path, seed: int, index: int) -> dict[str, Any]:
    path = folder / f"{seed}-{index:04d}.pickle"
    if path.is_file():
        return pickle.loads(path.read_bytes())
    row = row_of(seed, index)
    path.write_bytes(pickle.dumps(row))
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--scenes", type=int, default=2 * len(FAMILIES))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("existing-rows"))
    parser.add_argument("--pool", type=int, default=2)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--also", type=Path, help="fit on these too: rows of score_other_ground.py bodies")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(given.pool) as pool:
        n = given.scenes
        rows = list(pool.map(_kept, [given.out] * n, [given.seed] * n, range(n)))
    if given.fit:
        also = sorted(given.also.glob("other-*.pickle")) if given.also else []
        fit([*rows, *(pickle.loads(path.read_bytes()) for path in also)])
    score(rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
