"""Learn the weights of survey/volumetrics/telling_model.json from evidence on simulated changes.

    python benchmarks/fit_telling.py ROWS.pkl --out survey/volumetrics/telling_model.json

ROWS are made by collect_telling.py: per region its evidence, and what really happened there. A multinomial
logistic model with an L2 penalty is fitted for cuts and fills, with and without colours; scenes are held out
by fifths to choose nothing but to report: reliability, and how often the right class wins.
"""

from __future__ import annotations

import argparse
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from survey.volumetrics.telling import CLASSES, DIGGING, SHAPES, numbers, which_weights

PENALTY = 3.0
"""Of the squared standardised coefficients: a prior of about one logit per standard deviation."""


def fit(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
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
        g = p - one
        value = -np.log(np.maximum(p[np.arange(len(y)), y], 1e-300)).sum() + 0.5 * PENALTY * (w**2).sum()
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
    sets: dict[str, tuple[list[list[float]], list[int], list[int], tuple[str, ...]]] = {}
    for r in rows:
        full = numbers(r["evidence"])
        for part in ({n: full[n] for n in SHAPES}, full):
            name = which_weights(r["evidence"].sign, part)
            xs, ys, scenes, _ = sets.setdefault(name, ([], [], [], tuple(part)))
            if len(part) == len(SHAPES) and name.endswith("colour"):
                continue
            xs.append(list(part.values()))
            ys.append(CLASSES.index(r["class"]))
            scenes.append(r["scene"])
            if len(full) == len(SHAPES):
                break
    weights, report = {}, {}
    for name in sorted(sets):
        xs, ys, scenes, names = sets[name]
        x, y, scene = np.array(xs), np.array(ys), np.array(scenes)
        p = np.zeros((len(y), len(CLASSES)))
        for fold in range(5):
            out = scene % 5 == fold
            p[out] = predict(fit(x[~out], y[~out]), x[out])
        dig, is_dig = p[:, 0], y == CLASSES.index(DIGGING)
        edges = [0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0001]
        report[name] = {
            "regions": {c: int((y == k).sum()) for k, c in enumerate(CLASSES)},
            "held_out_right_class": round(float((p.argmax(axis=1) == y).mean()), 4),
            "held_out_digging_told": round(float(((dig >= 0.5) == is_dig).mean()), 4),
            "held_out_reliability": [
                {"from": a, "to": min(b, 1), "regions": int(i.sum()), "said": round(float(dig[i].mean()), 3),
                 "true": round(float(is_dig[i].mean()), 3)}
                for a, b in zip(edges, edges[1:], strict=False) if (i := (dig >= a) & (dig < b)).any()
            ],
        }  # fmt: skip
        w = fit(x, y)
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
        "scenes": sorted({r["case"] for r in rows})[:1] + ["…"] + sorted({r["case"] for r in rows})[-1:],
        "model": f"multinomial logistic, L2 penalty {PENALTY} on standardised coefficients",
        "held_out": report,
    }
    given.out.write_text(
        json.dumps({"provenance": provenance, "classes": list(CLASSES), "weights": weights}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
