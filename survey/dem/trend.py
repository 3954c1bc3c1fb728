"""Height terms fitted to stable ground, and what is left of the error wherever a volume is measured.

Noise of a drone survey is correlated over tens of metres, so a fit that takes its cells as independent
believes itself a thousand times too sure. Here

* block means of stable cells are fitted by generalised least squares under a covariance *estimated from the
  same blocks by restricted likelihood* (Patterson & Thompson 1971), which does not lose the part of the
  correlated noise that the fitted terms swallowed;
* what the blocks cannot tell about the covariance (its range, its share) is not decided but averaged over,
  each possibility with the weight that the likelihood gives it;
* the error of a mean over any area is the *contrast* between the noise there and what the fit took from the
  stable blocks: σ² = c₀₀ - 2·gᵀΒc₀ + gᵀΣg, with g the terms averaged over the area.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.dem.covariance import Model, correlation, disc_mean
from survey.dem.stable import Blocks

MODELS: tuple[Model, ...] = ("exponential", "gaussian")
SHARES = (0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 0.95, 0.98)
RANGES = 7
LEAST_BLOCKS = 8


@dataclass(frozen=True)
class Hypothesis:
    """One possible covariance of the block noise, its weight, and the fit under it."""

    weight: float
    model: Model
    range_m: float
    sill: float  # m², correlated
    fine: float  # m²·m²: variance of a mean over a large area times that area, from noise finer than blocks
    beta: NDArray[np.float64]
    sigma: NDArray[np.float64]  # covariance of beta
    hat: NDArray[np.float64]  # beta = hat @ values


@dataclass(frozen=True)
class Trend:
    """Height terms of the chosen columns, averaged over the hypotheses."""

    terms: tuple[int, ...]
    beta: NDArray[np.float64]
    covariance: NDArray[np.float64]
    hypotheses: tuple[Hypothesis, ...]
    blocks: Blocks
    dof: float

    @property
    def correlated_m(self) -> float:
        return float(np.sqrt(sum(h.weight * h.sill for h in self.hypotheses)))

    @property
    def range_m(self) -> float:
        """Practical range, averaged with the variance each hypothesis gives it."""
        total = sum(h.weight * h.sill for h in self.hypotheses)
        if total <= 0:
            return 0.0
        return float(sum(h.weight * h.sill * h.range_m for h in self.hypotheses) / total)

    @property
    def fine(self) -> float:
        return float(sum(h.weight * h.fine for h in self.hypotheses))


def distances(
    a_east: NDArray[np.float64],
    a_north: NDArray[np.float64],
    b_east: NDArray[np.float64],
    b_north: NDArray[np.float64],
) -> NDArray[np.float64]:
    return np.hypot(a_east[:, None] - b_east[None, :], a_north[:, None] - b_north[None, :])


def fit_trend(blocks: Blocks, terms: tuple[int, ...]) -> Trend:
    """Generalised least squares of ``-value`` on the chosen basis columns, over a grid of covariances.

    Raises
    ------
    ValueError
        Fewer than ``LEAST_BLOCKS`` blocks: the caller decides what to do without stable ground.
    """
    m = blocks.count
    if m < LEAST_BLOCKS:
        raise ValueError(f"{m} stable blocks are too few to fit height terms")
    x = blocks.columns[:, terms]
    y = -blocks.value
    p = x.shape[1]
    lag = distances(blocks.east, blocks.north, blocks.east, blocks.north)
    # A block that is stable only in part is noisier: its fine noise is averaged over less ground.
    fine = 1.0 / np.maximum(blocks.share, 0.05)
    fine = fine / np.median(fine)
    white = 1 / np.sqrt(fine)
    extent = float(lag.max())
    ranges = np.geomspace(0.7 * blocks.side_m, max(2.0 * extent, 2.0 * blocks.side_m), RANGES)
    found: list[tuple[float, Hypothesis]] = []
    area = blocks.side_m**2 * float(np.median(blocks.share))
    for model in MODELS:
        for range_m in ranges:
            rho = correlation(lag, float(range_m), model)
            # Correlation between two blocks is averaged over both; on the diagonal that matters.
            np.fill_diagonal(rho, disc_mean(blocks.side_m**2, float(range_m), model))
            values, vectors = np.linalg.eigh(rho * white[:, None] * white[None, :])
            values = np.maximum(values, 0.0)
            xt = vectors.T @ (x * white[:, None])
            yt = vectors.T @ (y * white)
            for share in SHARES:
                if share == 0.0 and (model != MODELS[0] or range_m != ranges[0]):
                    continue
                d = (1 - share) + share * values
                xd = xt / d[:, None]
                information = xt.T @ xd
                inverse = np.linalg.inv(information)
                beta = inverse @ (xd.T @ yt)
                r = yt - xt @ beta
                quadratic = max(float(r @ (r / d)), 1e-18)
                s2 = quadratic / (m - p)
                likelihood = -0.5 * (
                    (m - p) * np.log(s2) + float(np.log(d).sum()) + float(np.linalg.slogdet(information)[1])
                )
                # Measured nothing finer than a block's side: long ranges are as likely as short ones,
                # on a scale of their logarithm, and so is every share.
                hat = inverse @ (xd.T @ (vectors.T * white[None, :]))
                found.append(
                    (
                        likelihood,
                        Hypothesis(
                            0.0,
                            model,
                            float(range_m),
                            s2 * share,
                            s2 * (1 - share) * area,
                            beta,
                            s2 * inverse,
                            hat,
                        ),
                    )
                )
    best = max(value for value, _ in found)
    weights = np.array([np.exp(value - best) for value, _ in found])
    weights /= weights.sum()
    order = np.argsort(-weights, kind="stable")
    cumulative = np.cumsum(weights[order])
    kept = sorted(order[: int(np.searchsorted(cumulative, 0.995)) + 1])
    total = float(weights[kept].sum())
    chosen = tuple(
        Hypothesis(float(weights[k]) / total, h.model, h.range_m, h.sill, h.fine, h.beta, h.sigma, h.hat)
        for k in kept
        for h in [found[k][1]]
    )
    beta = sum((h.weight * h.beta for h in chosen), np.zeros(p))
    covariance = sum(
        (h.weight * (h.sigma + np.outer(h.beta - beta, h.beta - beta)) for h in chosen), np.zeros((p, p))
    )
    return Trend(terms, beta, covariance, chosen, blocks, float(m - p))


def blocked_score(blocks: Blocks, terms: tuple[int, ...], folds: int = 3) -> NDArray[np.float64]:
    """Mean squared residual of blocks left out, one number per compartment of a ``folds`` × ``folds`` cut.

    Neighbouring blocks share their noise, so whole compartments are left out at a time. Large residuals
    count linearly (Huber), so that one odd block does not decide.
    """
    u = _rank(blocks.east, folds)
    v = _rank(blocks.north, folds)
    compartment = u * folds + v
    scores = []
    x = blocks.columns[:, terms]
    y = -blocks.value
    scale = 1.4826 * float(np.median(np.abs(y - np.median(y)))) + 1e-9
    for k in range(folds * folds):
        out = compartment == k
        if out.sum() < 2 or (~out).sum() <= len(terms) + 2:
            continue
        beta, *_ = np.linalg.lstsq(x[~out], y[~out], rcond=None)
        r = np.abs(y[out] - x[out] @ beta) / scale
        loss = np.where(r < 3, r * r, 6 * r - 9)
        scores.append(float(loss.mean()))
    return np.array(scores)


def _rank(values: NDArray[np.float64], folds: int) -> NDArray[np.int64]:
    """Compartment along one axis, holding about equally many blocks each."""
    edges = np.quantile(values, np.linspace(0, 1, folds + 1)[1:-1])
    return np.searchsorted(edges, values, side="right")


def choose_terms(
    blocks: Blocks, supported: NDArray[np.bool_], wanted: dict[str, bool | None]
) -> tuple[tuple[int, ...], dict[str, str]]:
    """Which of tilt (columns 1, 2) and dome (column 3) the stable ground supports.

    Parameters
    ----------
    supported : whether the area of interest lies inside the stable blocks' hull: (tilt, dome).
    wanted : "tilt", "dome" → True or False as the job says, None to decide by the data.

    Returns
    -------
    terms, and for each of "tilt" and "dome" the reason in words.
    """
    why: dict[str, str] = {}
    terms: tuple[int, ...] = (0,)
    base = blocked_score(blocks, terms)
    for name, columns, inside in (("tilt", (1, 2), supported[0]), ("dome", (3,), supported[1])):
        asked = wanted.get(name)
        trial = tuple(sorted((*terms, *columns)))
        if asked is False:
            why[name] = "switched off in the job"
            continue
        if blocks.count < 3 * len(trial) + LEAST_BLOCKS:
            why[name] = f"only {blocks.count} stable blocks"
            continue
        score = blocked_score(blocks, trial)
        if score.size != base.size or score.size < 4:
            why[name] = "stable ground lies in too few compartments to test it"
            continue
        gain = 1 - float(score.mean()) / max(float(base.mean()), 1e-12)
        better = int((score < base).sum())
        said = f"left-out blocks fit {'better' if gain > 0 else 'worse'} by {abs(gain):.0%}"
        said += f", in {better} of {score.size} compartments"
        if asked is True:
            why[name] = f"asked for in the job; {said}"
        elif not inside:
            why[name] = f"the area of interest reaches beyond the stable ground; {said}"
            continue
        elif gain > 0.02 and better * 2 > score.size:
            why[name] = said
        else:
            why[name] = said
            continue
        terms, base = trial, score
    return terms, why
