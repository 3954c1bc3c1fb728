"""Learn the weights of survey/volumetrics/telling_model.json from evidence on simulated changes.

    python benchmarks/fit_telling.py ROWS.pkl --out survey/volumetrics/telling_model.json

ROWS are made by collect_telling.py: per region its evidence, and what really happened there. A multinomial
logistic model with an L2 penalty is fitted for cuts and fills, with and without colours; scenes are held out
by fifths to choose nothing but to report: reliability, and how often the right class wins.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from survey.volumetrics.telling import CLASSES, DIGGING, SHAPES, numbers, which_weights

PENALTY = 3.0
"""Of the squared standardised coefficients: a prior of about one logit per standard deviation."""


def doubted(given: dict[str, float], cause: str) -> tuple[dict[str, float], float] | None:
    """The same region as another camera or another matching might have shown it, and its weight.

    Simulated crowns are rough, simulated water is dark and simulated digging always shows fresh ground. Real
    crowns come smoothed by the matching, water in any colour, and a pit may look like the field around it.
    So that none of these is taken for a law, each region is also learnt from without it.
    """
    if "ln_colour_change" not in given:
        return None
    if cause in ("vegetation", "crop"):
        return given | {"rougher_high": 0.0, "ln_rough_share": -3.5}, 0.5
    if cause == "water":
        return given | {
            "green_high": 0.0,
            "greener_than_around": 0.0,
            "wet_high": 0.9,
            "level_and_dark": 0.9,
        }, 0.5
    if cause == DIGGING:
        unseen = 0.7 * min(math.exp(given["ln_height_m"]), 1.0)
        return given | {"ln_colour_change": -0.7, "deep_but_unseen": unseen}, 0.35
    return None


def fit(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> dict[str, Any]:
    centre, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 0.05)
    z = (x - centre) / scale
    k, n = len(CLASSES), z.shape[1]
    one = np.eye(k)[y]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        b, w = flat[:k], flat[k:].reshape(k, n)
        s = z @ w.T + b
        s -= s.max(axis=1, keepdims=True)
        p = np.exp(s)
        p /= p.sum(axis=1, keepdims=True)
        g = (p - one) * weight[:, None]
        value = (
            -(weight * np.log(np.maximum(p[np.arange(len(y)), y], 1e-300))).sum()
            + 0.5 * PENALTY * (w**2).sum()
        )
        value += 0.5 * 0.05 * (b**2).sum()
        return value, np.concatenate([g.sum(axis=0) + 0.05 * b, (g.T @ z + PENALTY * w).ravel()])

    best = minimize(loss, np.zeros(k + k * n), jac=True, method="L-BFGS-B", options={"maxiter": 3000}).x
    return {
        "centre": centre, "scale": scale, "intercept": best[:k], "coefficients": best[k:].reshape(k, n)
    }  # fmt: skip


def predict(w: dict[str, Any], x: np.ndarray) -> np.ndarray:
    s = (x - w["centre"]) / w["scale"] @ w["coefficients"].T + w["intercept"]
    p = np.exp(s - s.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    rows = pickle.loads(given.rows.read_bytes())
    sets: dict[str, list[tuple[dict[str, float], str, int, float, bool]]] = {}
    for r in rows:
        full = numbers(r["evidence"])
        shape_only = {n: full[n] for n in SHAPES}
        for part in (shape_only, full) if len(full) > len(SHAPES) else (shape_only,):
            here = sets.setdefault(which_weights(r["evidence"].sign, part), [])
            here.append((part, r["class"], r["scene"], 1.0, True))
            other = doubted(part, r["class"])
            if other is not None:
                here.append((other[0], r["class"], r["scene"], other[1], False))
    weights, report = {}, {}
    for name in sorted(sets):
        names = tuple(sets[name][0][0])
        x = np.array([list(g.values()) for g, *_ in sets[name]])
        y = np.array([CLASSES.index(cause) for _, cause, *_ in sets[name]])
        scene, weight, seen = (np.array([row[k] for row in sets[name]]) for k in (2, 3, 4))
        p = np.zeros((len(y), len(CLASSES)))
        for fold in range(5):
            out = scene % 5 == fold
            p[out] = predict(fit(x[~out], y[~out], weight[~out]), x[out])
        w = fit(x, y, weight)
        p, y, scene = p[seen], y[seen], scene[seen]  # reported on regions as they were seen
        dig, is_dig = p[:, 0], y == CLASSES.index(DIGGING)
        edges = [0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0001]
        report[name] = {
            "regions": {c: int((y == k).sum()) for k, c in enumerate(CLASSES)},
            "held_out_right_class": round(float((p.argmax(axis=1) == y).mean()), 4),
            "held_out_digging_told": round(float(((dig >= 0.5) == is_dig).mean()), 4),
            "held_out_reliability": [
                {"from": a, "to": min(b, 1), "regions": int(i.sum()), "said": round(float(dig[i].mean()), 3),
                 "true": round(float(is_dig[i].mean()), 3)}
                for a, b in itertools.pairwise(edges) if (i := (dig >= a) & (dig < b)).any()
            ],
        }  # fmt: skip
        weights[name] = {"names": list(names)} | {k: np.round(v, 4).tolist() for k, v in w.items()}
        print(name, json.dumps(report[name], indent=1))
        wrong = np.flatnonzero((dig >= 0.5) != is_dig)
        for k in wrong[:40]:
            print(
                "   ",
                name,
                "scene",
                scene[k],
                "is",
                CLASSES[y[k]],
                {c: round(float(v), 2) for c, v in zip(CLASSES, p[k], strict=True) if v > 0.03},
            )
    provenance = {
        "learnt_from": "simulated surveys of survey/sample_data, scenes of benchmarks/telling_scenes.py",
        "scenes": [*sorted({r["case"] for r in rows})[:1], "…", *sorted({r["case"] for r in rows})[-1:]],
        "model": f"multinomial logistic, L2 penalty {PENALTY} on standardised coefficients",
        "held_out": report,
    }
    given.out.write_text(
        json.dumps({"provenance": provenance, "classes": list(CLASSES), "weights": weights}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
