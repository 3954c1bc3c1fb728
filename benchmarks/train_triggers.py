"""Fit the class coefficients of the triggers on simulated watches, and write them with their provenance.

    python benchmarks/train_triggers.py gather REGIME FIRST COUNT OUT.pkl    # features of objects, by seed
    python benchmarks/train_triggers.py fit GATHERED.pkl …      # → survey/imagery/triggers/data/classes.json

Seeds below 10000 are for fitting; those from 10000 on are only ever scored (score_triggers.py). A fifth of
the fitting seeds is left out of each fit to state how well the probabilities hold; what is shipped uses all.
"""

from __future__ import annotations

import json
import pickle
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

sys.path.insert(0, str(Path(__file__).parent))
from trigger_bench import Watch, make_watch, replay, truth_of, world_of

from survey.imagery.triggers.classify import CLASSES, Model
from survey.imagery.triggers.measured import SINCE
from survey.imagery.triggers.settings import TriggerSettings

OUT = Path(__file__).parents[1] / "survey" / "imagery" / "triggers" / "data" / "classes.json"
LEFT_OUT = ("green_red",)
"""Not every sensor has green; its absence must not need a model of its own."""
ONLY_SERIES = SINCE
"""Of two dates nothing has changed since the first."""
ONLY_PAIRS = ("relief", "relief_large", "company", "surprise")
"""What helps where a thing is seen once. Of series it gained on makers that were left out what it lost on
seeds that were."""
WHEN = (1, 2, 3, 5, 8)
"""Objects enter the fit at these numbers of detections, and at their last."""
PENALTY = {"series": 300.0, "pair": 100.0}
WEIGHT_OF = {"drawn": 1.5}
"""Each watch of the fourth maker is of a world of its own. Penalties and this weight are those under which
makers that were left out, and seeds that were left out, fare best together."""
MAKER_OF = {"arid": "third", "humid": "third"}
"""Climates of one maker are left out together: they share its land, its pits and its sky."""
QUANTILES = (0.02, 0.2, 0.4, 0.6, 0.8, 0.98)
HELD_SEEDS = 10_000


class _Anything(Model):
    """Takes everything for digging, so that every object is followed to its end."""

    def __init__(self) -> None:
        pass

    def shares(self, features: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        objects = len(next(iter(features.values())))
        return np.tile(np.array([float(c == "excavation") for c in CLASSES]), (objects, 1))


def rows_of(watch: Watch, settings: TriggerSettings) -> list[dict[str, Any]]:
    """What was measured on each object of a watch at some of its detections, and what it is."""
    seen: list[tuple[int, int, int, dict[str, float], NDArray[np.intp]]] = []
    walking = replay(watch, _Anything(), settings, seen)
    last = {number: t for number, t, _, _, _ in seen}
    rows: list[dict[str, Any]] = []
    for number, t, hits, features, cells in seen:
        track = walking.tracks[number]
        if track.merged_into is not None or not (hits in WHEN or t == last[number]):
            continue
        dates = [look.t for look in track.hits if look.t <= t]
        kind = truth_of(watch, watch.support.cell[cells], dates)
        rows.append(
            {
                "regime": watch.regime,
                "seed": watch.plan.seed,
                "hits": hits,
                "features": features,
                "class": kind[0],
                "kind": kind[1],
            }
        )
    return rows


def gather(regime: str, first: int, count: int, out: Path) -> None:
    settings = TriggerSettings()
    rows: list[dict[str, Any]] = []
    for seed in range(first, first + count):
        start = time.perf_counter()
        rows += rows_of(make_watch(regime, seed, settings), settings)
        print(regime, seed, len(rows), f"{time.perf_counter() - start:.1f} s", flush=True)
    out.write_bytes(pickle.dumps(rows))


def knots_of(values: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the curve of a feature may bend: at weighted quantiles, not closer than a fiftieth of its
    range."""
    order = np.argsort(values, kind="stable")
    at = np.cumsum(weight[order]) / weight.sum()
    chosen = values[order][np.minimum(np.searchsorted(at, QUANTILES), len(values) - 1)]
    gap = 0.02 * (chosen[-1] - chosen[0])
    out = [chosen[0]]
    for v in chosen[1:]:
        if v > out[-1] + gap:
            out.append(v)
    return np.round(np.array(out if len(out) > 1 else [out[0], out[0] + 1.0]), 5)


def hats(values: NDArray[np.float64], knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, knot): weights that interpolate between the knots, level beyond them."""
    return np.stack([np.interp(values, knots, row) for row in np.eye(len(knots))], axis=1)


def fit_model(name: str, rows: Sequence[dict[str, Any]], features: Sequence[str], penalty: float) -> Model:
    """Multinomial additive model: a piecewise straight curve per feature and class, with an L2 penalty on
    their standardised bases; the objects of a seed share its weight, and a world with fewer seeds weighs
    more than they are (``WEIGHT_OF``)."""
    x = np.array([[r["features"][f] for f in features] for r in rows])
    y = np.array([CLASSES.index(r["class"]) for r in rows])
    seeds = np.array([f"{r['regime']}-{r['seed']}" for r in rows])
    worlds = np.array([world_of(r["regime"])[0] for r in rows])
    _, number, per_seed = np.unique(seeds, return_inverse=True, return_counts=True)
    weight = (1.0 / np.sqrt(per_seed))[number]
    for world in np.unique(worlds):
        here = worlds == world
        weight[here] *= WEIGHT_OF.get(str(world), 1.0) / np.sqrt(weight[here].sum())
    weight *= len(weight) / weight.sum()
    knots = [knots_of(column, weight) for column in x.T]
    basis = np.concatenate([hats(column, at) for column, at in zip(x.T, knots, strict=True)], axis=1)
    centre = np.average(basis, axis=0, weights=weight)
    scale = np.sqrt(np.average((basis - centre) ** 2, axis=0, weights=weight)) + 0.02
    z = (basis - centre) / scale
    k, n, d = len(CLASSES), *z.shape

    def loss(v: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w, b = v[: k * d].reshape(k, d), v[k * d :]
        s = z @ w.T + b
        s -= s.max(1, keepdims=True)
        p = np.exp(s)
        p /= p.sum(1, keepdims=True)
        value = -(weight * np.log(p[np.arange(n), y] + 1e-12)).sum() + 0.5 * penalty * (w**2).sum()
        p[np.arange(n), y] -= 1.0
        g = p * weight[:, None]
        return value, np.concatenate([(g.T @ z + penalty * w).ravel(), g.sum(0)])

    found = minimize(loss, np.zeros(k * d + k), jac=True, method="L-BFGS-B", options={"maxiter": 250})
    w, b = found.x[: k * d].reshape(k, d) / scale, found.x[k * d :]
    w -= w.mean(0)
    curves, start = [], 0
    for at in knots:
        part = slice(start, start + len(at))
        # A curve is told from its own average, which is nothing.
        curves.append(w[:, part] - (w[:, part] @ centre[part])[:, None])
        start += len(at)
    return Model(name, tuple(features), tuple(knots), tuple(curves), b - b.mean(), {})


def reliability(p: NDArray[np.float64], true: NDArray[np.bool_]) -> list[dict[str, float]]:
    """Ten classes of stated probability: mean stated, share true, number."""
    out = []
    for low in np.arange(0, 1, 0.1):
        here = (p >= low) & (p < low + 0.1 + (low > 0.85))
        if here.any():
            out.append(
                {
                    "stated": round(float(p[here].mean()), 3),
                    "true": round(float(true[here].mean()), 3),
                    "objects": int(here.sum()),
                }
            )
    return out


def ranked_right(p: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    """Area under the ROC curve."""
    order = np.argsort(p, kind="stable")
    rank = np.empty(len(p))
    rank[order] = np.arange(len(p))
    n1 = int(true.sum())
    return float((rank[true].sum() - n1 * (n1 - 1) / 2) / max(1, n1 * (len(true) - n1)))


def tried(
    train: Sequence[dict[str, Any]], test: Sequence[dict[str, Any]], features: Sequence[str], penalty: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probability of excavation of ``test`` by a fit to ``train``, and whether it is one."""
    model = fit_model("", train, features, penalty)
    p = np.array([model.probabilities(r["features"])["excavation"] for r in test])
    return p, np.array([r["class"] == "excavation" for r in test])


def held_out(rows: Sequence[dict[str, Any]], features: Sequence[str], penalty: float) -> dict[str, Any]:
    """Five-fold over seeds: how the stated probability of excavation holds on seeds that were not used; and
    how each maker's worlds fare under a fit to the others', which is what a stranger's world may expect."""
    seeds = sorted({(r["regime"], r["seed"]) for r in rows})
    fold = {s: i % 5 for i, s in enumerate(seeds)}
    parts = []
    for k in range(5):
        train = [r for r in rows if fold[r["regime"], r["seed"]] != k]
        test = [r for r in rows if fold[r["regime"], r["seed"]] == k]
        parts.append(tried(train, test, features, penalty))
    p, true = np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts])
    worlds = {}
    makers = [MAKER_OF.get(world, world) for world in (world_of(r["regime"])[0] for r in rows)]
    for world in sorted(set(makers)):
        here = [maker == world for maker in makers]
        train = [r for r, inside in zip(rows, here, strict=True) if not inside]
        test = [r for r, inside in zip(rows, here, strict=True) if inside]
        worlds[world] = round(ranked_right(*tried(train, test, features, penalty)), 4)
    return {
        "auc": round(ranked_right(p, true), 4),
        "brier": round(float(((p - true) ** 2).mean()), 4),
        "auc_of_a_world_left_out": worlds,
        "reliability": reliability(p, true),
    }


def laid_out(data: Any, depth: int = 0) -> str:
    """JSON with a line for each thing that has a name, and lists of numbers in one line."""
    if isinstance(data, dict) and depth < 4:
        inner = ",\n".join(
            f"{' ' * (depth + 1)}{json.dumps(k, ensure_ascii=False)}: {laid_out(v, depth + 1)}"
            for k, v in data.items()
        )
        return f"{{\n{inner}\n{' ' * depth}}}"
    return json.dumps(data, ensure_ascii=False)


def fit(files: Sequence[Path], only: Sequence[str] = ()) -> None:
    """``only``: the models to be fitted anew; the others stay as they are."""
    rows = [r for f in files for r in pickle.loads(f.read_bytes())]
    if any(r["seed"] >= HELD_SEEDS for r in rows):
        sys.exit("seeds from 10000 on are kept for scoring")
    every = sorted({f for r in rows for f in r["features"]} - set(LEFT_OUT))
    plain = [f for f in every if "swir" not in f]

    def once(names: Sequence[str]) -> list[str]:
        return [f for f in names if f not in ONLY_SERIES]

    def often(names: Sequence[str]) -> list[str]:
        return [f for f in names if f not in ONLY_PAIRS]

    pairs = [r for r in rows if world_of(r["regime"])[1].startswith("pair")]
    series = [r for r in rows if not world_of(r["regime"])[1].startswith("pair")]
    wanted = {
        "swir-series": ([r for r in series if "swir1_nir" in r["features"]], often(every)),
        "no-swir-series": (series, often(plain)),
        "swir-pair": (pairs, once(every)),
        "no-swir-pair": (pairs, once(plain)),
    }
    out = json.loads(OUT.read_text("utf-8")) if only else {}
    for name, (chosen, features) in wanted.items():
        if only and name not in only:
            continue
        penalty = PENALTY["pair" if name.endswith("pair") else "series"]
        model = fit_model(name, chosen, features, penalty)
        held = held_out(chosen, features, penalty)
        data = model.to_json()
        data["provenance"] = {
            "how": "benchmarks/train_triggers.py; multinomial additive regression on four makers of watches",
            "penalty": penalty,
            "seeds": {
                r: [min(s), max(s), len(s)]
                for r in sorted({r["regime"] for r in chosen})
                if (s := {x["seed"] for x in chosen if x["regime"] == r})
            },
            "objects": len(chosen),
            "of_which": {c: sum(r["class"] == c for r in chosen) for c in CLASSES},
            "left_out_seeds": held,
        }
        out[name] = data
        print(name, len(chosen), "objects; left-out AUC", held["auc"], "Brier", held["brier"])
        print("    of a world left out:", held["auc_of_a_world_left_out"])
        for line in held["reliability"]:
            print("   ", line)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(laid_out(out) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "gather":
        gather(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
    else:
        fit([Path(p) for p in sys.argv[2:]])
