"""Learn the weights of survey/volumetrics/telling_model.json from evidence on simulated changes.

    python benchmarks/fit_telling.py ROWS.pkl … --out survey/volumetrics/telling_model.json
    python benchmarks/fit_telling.py MORE.pkl --start survey/volumetrics/telling_model.json --out …

ROWS are made by collect_telling.py: per region its evidence, and what really happened there. A multinomial
logistic model with an L2 penalty is fitted for cuts and fills, with and without colours; scenes are held out
by fifths to choose nothing but to report: reliability, and how often the right class wins. How far odds are
stretched is fitted on those fifths, and on whole makers left out.

With ``--start`` the weights of an earlier fit are the prior instead of zero: rows of few scenes, collected
after a number was added or regions were cut in another way, mend what they speak of and leave the rest.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import pickle
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from survey.volumetrics.telling import (
    CLASSES,
    DIGGING,
    SEEN,
    SHAPES,
    numbers,
    places,
    seen_alone,
    which_weights,
    with_pairs,
)

PENALTY = 3.0
"""Of the squared standardised coefficients: a prior of about one logit per standard deviation."""
START_PENALTY = 10.0
"""Of their squared distance from an earlier fit; of 3, 10, 30, 100 and none the best on scenes left out, but
for 3, which says as much and forgets more of what earlier scenes taught."""
PAIR_PENALTY = 30.0
"""Of the squared weights of products of two numbers; of 10, 30 and 100 the best on scenes left out."""
PAIRED = (
    "standing", "odd_when_high", "foretold", "ln_cells_moved", "coherent", "at_repose", "ln_height_m",
    "ln_area_m2", "ln_steep", "wall", "rougher_when_high", "ln_level_sigmas", "ln_uneven", "slope",
    "ln_width_m", "crest_before",
)  # fmt: skip
"""What says different things by what another says: each with each, and with itself."""
PAIRS = tuple(itertools.combinations_with_replacement(PAIRED, 2))
MOST_OF_A_CLASS = 12.0
"""Weight of all regions of one class in one scene: a hundred trees say little more than a dozen."""


def parts_of(e: Any) -> list[dict[str, float]]:
    """A region's numbers as they would be with the orthomosaics that it has, with one of them, with none."""
    full = numbers(e)
    out = [{n: full[n] for n in SHAPES}]
    if len(full) > len(SHAPES):
        out.append(full)
    if seen_alone(full) is None and len(full) > len(SHAPES):
        for hidden in SEEN:
            gone = {hidden: None, f"around_{hidden}": None, "change": None}
            out.append(numbers(replace(e, colour=replace(e.colour, **gone))))
    return out


def doubted(given: dict[str, float], cause: str, sign: int) -> tuple[dict[str, float], float] | None:
    """The same region as another camera or another matching might have shown it, and its weight.

    Simulated crowns are rough, simulated water is dark and simulated digging always shows fresh ground. Real
    crowns come smoothed by the matching, water in any colour, and a pit may look like the field around it.
    So that none of these is taken for a law, each region is also learnt from without it.
    """
    alone = seen_alone(given)
    if alone is not None and cause in ("vegetation", "crop") and (alone == "after") == (sign > 0):
        return given | {"rougher_high": 0.0, "ln_rough_share": -3.5}, 0.5
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


@dataclass(frozen=True)
class Prior:
    """What weights are drawn to, and how strongly."""

    centre: np.ndarray
    scale: np.ndarray
    intercept: np.ndarray
    coefficients: np.ndarray
    pairs: np.ndarray
    penalty: np.ndarray  # of each number and pair
    penalty_intercept: float


def nothing_known(x: np.ndarray, names: tuple[str, ...]) -> Prior:
    k, n, p = len(CLASSES), x.shape[1], len(PAIRS)
    scale = np.maximum(x.std(axis=0), 0.05)
    penalty = np.concatenate([np.full(n, PENALTY), np.full(p, PAIR_PENALTY)])
    return Prior(
        x.mean(axis=0), scale, np.zeros(k), np.zeros((k, n + p)), places(names, PAIRS), penalty, 0.05
    )


def earlier(fitted: dict[str, Any], names: tuple[str, ...], penalty: float, x: np.ndarray) -> Prior:
    """The earlier fit; what it did not know is centred and scaled as it comes here, and weighs nothing, with
    the penalty of a first fit: there is nothing to forget."""
    at = {name: i for i, name in enumerate([*fitted["names"], *map(tuple, fitted.get("pairs", ()))])}
    terms = (*names, *PAIRS)
    coefficients = np.array(fitted["coefficients"])
    none = np.zeros(len(CLASSES))
    spread = np.maximum(x.std(axis=0), 0.05)
    first = [PENALTY] * len(names) + [PAIR_PENALTY] * len(PAIRS)
    return Prior(
        np.array(
            [fitted["centre"][at[n]] if n in at else m for n, m in zip(names, x.mean(axis=0), strict=True)]
        ),
        np.array([fitted["scale"][at[n]] if n in at else s for n, s in zip(names, spread, strict=True)]),
        np.array(fitted["intercept"]),
        np.stack([coefficients[:, at[n]] if n in at else none for n in terms], axis=1),
        places(names, PAIRS),
        np.array([penalty if n in at else own for n, own in zip(terms, first, strict=True)]),
        penalty,
    )


def fit(x: np.ndarray, y: np.ndarray, weight: np.ndarray, prior: Prior) -> dict[str, Any]:
    z = with_pairs((x - prior.centre) / prior.scale, prior.pairs)
    k, n = prior.coefficients.shape
    one = np.eye(k)[y]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        b, w = flat[:k], flat[k:].reshape(k, n)
        s = z @ w.T + b
        s -= s.max(axis=1, keepdims=True)
        p = np.exp(s)
        p /= p.sum(axis=1, keepdims=True)
        g = (p - one) * weight[:, None]
        db, dw = b - prior.intercept, w - prior.coefficients
        value = -(weight * np.log(np.maximum(p[np.arange(len(y)), y], 1e-300))).sum()
        value += 0.5 * (prior.penalty * dw**2).sum() + 0.5 * prior.penalty_intercept * (db**2).sum()
        return value, np.concatenate(
            [g.sum(axis=0) + prior.penalty_intercept * db, (g.T @ z + prior.penalty * dw).ravel()]
        )

    start = np.concatenate([prior.intercept, prior.coefficients.ravel()])
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 3000}).x
    return {
        "centre": prior.centre, "scale": prior.scale,
        "intercept": best[:k], "coefficients": best[k:].reshape(k, n), "pairs": prior.pairs,
    }  # fmt: skip


def predict(w: dict[str, Any], x: np.ndarray) -> np.ndarray:
    s = with_pairs((x - w["centre"]) / w["scale"], w["pairs"]) @ w["coefficients"].T + w["intercept"]
    p = np.exp(s - s.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("rows", type=Path, nargs="+")
    parser.add_argument("--start", type=Path, help="an earlier fit to go on from")
    parser.add_argument("--penalty", type=float, default=START_PENALTY, help="on the distance from --start")
    parser.add_argument("--way", type=float, default=1.0, help="part of the way from --start that is gone")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    start = json.loads(given.start.read_text()) if given.start else None
    rows = [row for path in given.rows for row in pickle.loads(path.read_bytes()) if row["class"]]
    many = Counter((r["case"], r["class"]) for r in rows)
    sets: dict[str, list[tuple[dict[str, float], str, int, float, bool, str]]] = {}
    for r in rows:
        own = min(1.0, MOST_OF_A_CLASS / many[r["case"], r["class"]])
        for part in parts_of(r["evidence"]):
            here = sets.setdefault(which_weights(r["evidence"].sign, part), [])
            maker = r["case"].split("-")[0]
            here.append((part, r["class"], r["scene"], own, True, maker))
            other = doubted(part, r["class"], r["evidence"].sign)
            if other is not None:
                here.append((other[0], r["class"], r["scene"], own * other[1], False, maker))
    weights, report = {}, {}
    odds: list[np.ndarray] = []
    true: list[np.ndarray] = []
    weights_of: list[np.ndarray] = []
    for name in sorted(sets):
        names = tuple(sets[name][0][0])
        x = np.array([list(g.values()) for g, *_ in sets[name]])
        y = np.array([CLASSES.index(cause) for _, cause, *_ in sets[name]])
        scene, weight, seen, maker_of = (np.array([row[k] for row in sets[name]]) for k in (2, 3, 4, 5))
        p, strange = np.zeros((2, len(y), len(CLASSES)))

        def prior(x: np.ndarray, name: str = name, names: tuple[str, ...] = names) -> Prior:
            if start is None:
                return nothing_known(x, names)
            known = start["weights"].get(name, start["weights"][name.split()[0]])
            return earlier(known, names, given.penalty, x)

        for fold in range(5):
            out = scene % 5 == fold
            p[out] = predict(fit(x[~out], y[~out], weight[~out], prior(x[~out])), x[out])
        makers = sorted(set(maker_of.tolist()))
        for maker in makers if len(makers) > 1 else ():
            out = maker_of == maker
            strange[out] = predict(fit(x[~out], y[~out], weight[~out], prior(x[~out])), x[out])
        w = fit(x, y, weight, prior(x))
        # Reported on regions as they were seen.
        p, strange, y, scene, weight = p[seen], strange[seen], y[seen], scene[seen], weight[seen]
        dig, is_dig = p[:, 0], y == CLASSES.index(DIGGING)
        # How far odds can be believed shows on scenes left out, and on makers left out: both count alike.
        for held in (p, strange) if len(makers) > 1 else (p,):
            said = np.clip(held[:, 0], 1e-9, 1 - 1e-9)
            odds.append(np.log(said / (1 - said)))
            true.append(is_dig)
            weights_of.append(weight)
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
        if start and name in start["weights"]:
            # Where the two fits disagree the odds come near even, and sums say that they doubt.
            known = prior(x)
            for part in ("intercept", "coefficients"):
                w[part] = (1 - given.way) * getattr(known, part) + given.way * w[part]
        del w["pairs"]
        weights[name] = {"names": list(names), "pairs": [list(pair) for pair in PAIRS]} | {
            k: np.round(v, 4).tolist() for k, v in w.items()
        }
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
        "learnt_from": "simulated surveys of telling_scenes.py, other_ground.py, hard_ground.py and "
        "fresh_ground.py in benchmarks",
        "scenes": scenes_of(rows),
        "model": f"multinomial logistic, L2 penalty {PENALTY} on standardised coefficients, {PAIR_PENALTY} "
        "on those of products of two",
        "held_out": report,
    }
    if start:
        provenance["started_from"] = start["provenance"]
        provenance["model"] += f"; then again with penalty {given.penalty} on the distance from that"
        if given.way < 1:
            provenance["model"] += f", and {given.way:g} of the way there, but for sets that it did not have"
    slope, shift = stretched(*(np.concatenate(a) for a in (odds, true, weights_of)))
    calibration = {
        "slope": round(slope, 3), "shift": round(shift, 3),
        "from": "logistic fit of what was digging on its log odds, in folds that were held out and in makers "
        "that were",
    }  # fmt: skip
    print("calibration", calibration, "log loss", round(log_loss(odds, true, weights_of), 4))
    given.out.write_text(
        json.dumps(
            {
                "provenance": provenance,
                "calibration": calibration,
                "classes": list(CLASSES),
                "weights": weights,
            },
            indent=1,
        )
        + "\n"
    )


def scenes_of(rows: list[dict[str, Any]]) -> list[str]:
    """The first and the last scene of each world."""
    worlds: dict[str, list[int]] = {}
    for r in rows:
        worlds.setdefault(r["case"].split("-")[0], []).append(r["scene"])
    return [f"{world} {min(n)} to {max(n)} ({len(set(n))})" for world, n in sorted(worlds.items())]


def log_loss(odds: list[np.ndarray], true: list[np.ndarray], weight: list[np.ndarray]) -> float:
    """Mean surprise at whether held-out regions were digging, before any stretching."""
    s, t, w = (np.concatenate(a) for a in (odds, true, weight))
    return float((w * (np.logaddexp(0, s) - t * s)).sum() / w.sum())


def stretched(odds: np.ndarray, true: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Slope and shift of the log odds that make held-out regions most likely (Platt 1999)."""

    def loss(ab: np.ndarray) -> float:
        s = ab[0] * odds + ab[1]
        return float((weight * (np.logaddexp(0, s) - true * s)).sum())

    a, b = minimize(loss, np.array([1.0, 0.0])).x
    return float(a), float(b)


if __name__ == "__main__":
    main()
