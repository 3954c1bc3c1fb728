"""The earlier survey's texture in the later one, weighted and under noise: a copy that was disguised.

A file that was moved by a part of a cell, smoothed, raised and then given noise is still a fixed weighting
of the earlier cells plus something that does not know them. So is a second flight of rough ground: there the
best weighting follows the ground and leaves the noise of the earlier flight aside. What tells them apart is
that a resampling has *one* weighting, whatever it is applied to. The weighting is fitted where the earlier
texture is strongest and tried where it is weaker: a copy follows it there with a slope of 1; of a second
flight, where less of the texture is ground, less comes back (Wiener: ground / (ground + noise)).

How far two flights would fall short is foretold by how well the textures agree in rough squares and in
quiet ones; where that is not far from 1, nothing can be told. And what is left must be white: errors of two
flights hang together over metres.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.forensics.flag import Flag
from survey.forensics.noise import MAD, fine_texture
from survey.forensics.resent import TEST

REACH = 3
"""Weightings of (2 · REACH + 1)² cells: every interpolation in use, smoothed by up to a cell."""
SQUARE = 32
_MOST = 60_000
"""Cells that a group is fitted or tried on."""
_MOST_READ = 130_000
"""Cells of a window that are looked at, spread over it."""
_FEWEST = 100
"""Cells of half a square."""
_INNER = 8
_OVERLAP = 2.75
"""Textures of neighbours share heights: Σρ² of the mask is 3.8, so that so many fewer tell something new
(√3.8); and the weighting, from as many cells, is known no better than what it is tried on (√2)."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Echo:
    """What the weighting that fits rough squares does in quieter ones."""

    slope: float  # of the later texture on the weighted earlier one: 1 in a copy
    slope_sigma: float
    two_flights: float  # the slope that two flights of equal noise over as much rough ground would show
    likeness: float  # correlation of the two there
    contrast: float  # variance of the earlier texture where it was fitted, over that where it was tried
    neighbours: float  # correlation of neighbouring earlier textures: −2/3 for noise drawn cell by cell
    spike: float  # share of the largest of the squared weights: 1 where nothing was moved
    spread: float  # scatter of what is left over 8 × 8 cells, against single cells: 1 for white noise
    left_m: float  # what is left, 1 σ per cell
    cells: int


@dataclass(frozen=True)
class Limits:
    """Where an echo becomes a flag."""

    slope: float = 0.02
    apart: float = 0.02  # at the least, what two flights would show from what a copy does
    slope_sigma: float = 0.15
    likeness: float = 0.1
    white: float = 0.01
    redder: float = 0.045  # half of what ground does whose steps are as large over one cell as over ten
    spike: float = 0.9
    spread: float = 1.25
    spread_doubt: float = 1.5


DEFAULTS = Limits()


def measure_echo(windows: Sequence[tuple[NDArray[np.floating], NDArray[np.floating]]]) -> Echo | None:
    """From pairs (before, after) of arrays on the same cells, metres, NaN = not measured.

    None where there is too little texture to fit by.
    """
    # Filled in place: put together from parts it would stand in memory twice.
    around = np.empty((len(windows) * _MOST_READ, (2 * REACH + 1) ** 2))
    filled = 0
    ys, squares, halves = [], [], []
    count = 0
    for before, after in windows:
        x, y, square, half = _cells(np.asarray(before, np.float64), np.asarray(after, np.float64))
        around[filled : filled + y.size] = x
        filled += y.size
        ys.append(y)
        squares.append(square + count)
        halves.append(half)
        count += int(square.max()) + 1 if square.size else 0
    if count == 0:
        return None
    x, y, square = around[:filled], np.concatenate(ys), np.concatenate(squares)
    middle = x.shape[1] // 2
    # Squares are put in order by one half of their cells and tried on the other: by chance alone the quiet
    # ones of a list are quieter than they are.
    first = np.concatenate(halves)
    size = _median_of(np.abs(x[first, middle]), square[first], count)
    many = np.bincount(square[~first], minlength=count) >= _FEWEST
    judged = np.flatnonzero(many & (size > 0))
    if judged.size < 12:
        return None
    # The roughest of all are edges, trees and faces that moved.
    order = judged[np.argsort(size[judged], kind="stable")][: max(12, int(judged.size * 0.95))]
    thirds = np.array_split(order, 3)
    calm = ~first & (np.abs(x[:, middle]) <= 4 * MAD * size[square])

    def group(of: NDArray[np.intp]) -> NDArray[np.intp]:
        chosen = np.flatnonzero(np.isin(square, of) & calm)
        return chosen[:: max(1, chosen.size // _MOST)]

    teacher = group(thirds[2])
    # Two weightings from cells of their own: the error of one is not in the other, nor in their product.
    odd = square[teacher] % 2 == 1
    pair = [_weights(x[t], y[t]) for t in (teacher[odd], teacher[~odd])]
    taught = _follows([x[teacher] @ w for w in pair], y[teacher])
    tried = []
    for third in thirds[:2]:
        pupil = group(third)
        found = _follows([x[pupil] @ w for w in pair], y[pupil])
        if found is not None:
            tried.append((found, third, pupil))
    if not tried or taught is None or taught[2] <= 0:
        return None
    # Each third as much as it can tell.
    trust = np.array([1 / sigma**2 for (_, sigma, _), _, _ in tried])
    slope = float(trust @ [found[0] for found, _, _ in tried] / trust.sum())
    foretold = float(trust @ [min(found[2] / taught[2], 1.0) for found, _, _ in tried] / trust.sum())
    (_, _, likeness), third, pupil = tried[int(np.argmax(trust))]
    contrast = float(np.median(size[thirds[2]]) / np.median(size[third])) ** 2
    neighbours = _likeness_of_neighbours(x[pupil][:, middle - 1 : middle + 2], 4 * MAD * size[square[pupil]])
    product = pair[0] * pair[1]
    spike = float(product.max() / product.sum()) if product.sum() > 0 else 1.0
    sigma = float(trust.sum() ** -0.5)
    # What is left is looked at where it decides: it costs as much as all the rest.
    follows = likeness > DEFAULTS.likeness and abs(slope - 1) < 0.1 + 3 * sigma
    spread, left = _rest(windows, (pair[0] + pair[1]) / 2) if follows else (math.nan, math.nan)
    return Echo(slope, sigma, foretold, likeness, contrast, neighbours, spike, spread, left, int(pupil.size))


def judge_echo(echo: Echo | None, limits: Limits = DEFAULTS) -> Flag | None:
    """The flag of a copy that was moved by a part of a cell, perhaps smoothed, and given noise."""
    if echo is None or not echo.slope_sigma < limits.slope_sigma or not echo.likeness > limits.likeness:
        return None
    # Two flights on one raster: whatever of the ground comes back, comes back in its own cell.
    if not echo.spike < limits.spike or abs(echo.slope - 1) > limits.slope + 2 * echo.slope_sigma:
        return None
    apart = 1 - echo.two_flights
    told = apart > max(limits.apart, 3 * echo.slope_sigma) and abs(echo.slope - 1) < apart / 2
    # White as noise is: any ground that came back in a second flight would make neighbours more alike.
    if not told and echo.neighbours + 2 / 3 > limits.white + limits.redder * echo.likeness:
        return None
    if not echo.spread < limits.spread_doubt:
        return None
    strong = echo.spread < limits.spread
    return Flag(
        TEST,
        "resampled, noise added",
        "strong" if strong else "moderate",
        f"The fine texture of this survey is a fixed weighting of the earlier one's cells with noise of "
        f"{echo.left_m:.3f} m beside it: the weighting that was fitted in some places holds in others "
        f"(slope {echo.slope:.2f} ± {echo.slope_sigma:.2f}), and what is left scatters over 8 × 8 cells as "
        f"noise drawn cell by cell does (ratio {echo.spread:.2f}). The noise of one flight does not come "
        f"back in another.",
        {
            "slope": echo.slope,
            "slope_sigma": echo.slope_sigma,
            "two_flights": echo.two_flights,
            "likeness": echo.likeness,
            "contrast": echo.contrast,
            "neighbours": echo.neighbours,
            "spread": echo.spread,
            "noise_m": echo.left_m,
            "cells": echo.cells,
        },
        (),
        ("both models were made from the same points, with other settings", "the wrong file was packed"),
    )


def _cells(before: Floats, after: Floats) -> tuple[Floats, Floats, NDArray[np.intp], NDArray[np.bool_]]:
    """(n, weights) earlier textures around each cell, (n,) the later one, (n,) the square that it is in, and
    whether in that square's first half."""
    la, lb = fine_texture(before), fine_texture(after)
    rows, cols = la.shape
    side = 2 * REACH + 1
    if rows < SQUARE or cols < SQUARE:
        return np.empty((0, side * side)), np.empty(0), np.empty(0, np.intp), np.empty(0, np.bool_)
    around = np.lib.stride_tricks.sliding_window_view(la, (side, side))
    later = lb[REACH : rows - REACH, REACH : cols - REACH]
    known = np.isfinite(around).all(axis=(2, 3)) & np.isfinite(later)
    row, col = np.nonzero(known)
    across = -(-cols // SQUARE)
    every = max(1, -(-row.size // _MOST_READ))
    row, col = row[::every], col[::every]
    square = row // SQUARE * across + col // SQUARE
    return around[row, col].reshape(-1, side * side), later[row, col], square, col % SQUARE < SQUARE // 2


def _median_of(values: Floats, group: NDArray[np.intp], groups: int) -> Floats:
    out = np.zeros(groups)
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group, minlength=groups))
    for k, end in enumerate(ends):
        start = ends[k - 1] if k else 0
        if end > start:
            out[k] = np.median(values[order[start:end]])
    return out


def _likeness_of_neighbours(three: Floats, limit: Floats) -> float:
    """Correlation of textures beside each other along a row, edges and trees left out."""
    three = three[(np.abs(three) <= limit[:, None]).all(axis=1)]
    power = float((three**2).sum()) / 3
    return float(three[:, 1] @ (three[:, 0] + three[:, 2])) / 2 / power if power > 0 else math.nan


def _usual(values: Floats) -> NDArray[np.bool_]:
    return np.abs(values) <= 4 * MAD * np.median(np.abs(values)) + 1e-12


def _weights(x: Floats, y: Floats) -> Floats:
    """Least squares with weights that add up to 1, as those of every interpolation do (textures hardly know
    their sum); twice again without what does not fit: ground that was worked, trees that grew."""
    keep = np.ones(y.size, np.bool_)
    weights = np.zeros(x.shape[1])
    for _ in range(3):
        a = x[keep]
        square = a.T @ a
        square[np.diag_indices_from(square)] *= 1 + 1e-9
        inverse = np.linalg.pinv(square, hermitian=True)
        weights = inverse @ (a.T @ y[keep])
        toward = inverse.sum(axis=1)
        weights += toward * (1 - weights.sum()) / toward.sum()
        keep = _usual(y - x @ weights)
    return weights


def _follows(fitted: Sequence[Floats], y: Floats) -> tuple[float, float, float] | None:
    """Slope of ``y`` on what two weightings make of the earlier texture, its σ, and their correlation; None
    where nothing varies."""
    keep = _usual(y - (fitted[0] + fitted[1]) / 2)
    one, other, z = fitted[0][keep], fitted[1][keep], y[keep]
    power = float(one @ other)
    if z.size < 1000 or power <= 0 or not z.any():
        return None
    mean = (one + other) / 2
    slope = float(mean @ z) / power
    rest = z - slope * mean
    sigma = _OVERLAP * math.sqrt(float(rest @ rest) / z.size / power)
    return slope, max(sigma, 1e-6), float(mean @ z) / math.sqrt(power * float(z @ z))


def _smooth_kernels() -> list[Floats]:
    """Weightings that are polynomials of up to the third degree over their cells."""
    at = np.linspace(-1, 1, 2 * REACH + 1)
    return [np.outer(at**i, at**j) / at.size**2 for i in range(4) for j in range(4 - i)]


def _rest(
    windows: Sequence[tuple[NDArray[np.floating], NDArray[np.floating]]], weights: Floats
) -> tuple[float, float]:
    """Spread of what the weighting leaves of the heights, and its σ per cell."""
    from scipy.ndimage import correlate

    side = 2 * REACH + 1
    kernel = weights.reshape(side, side)
    wide, white = [], []
    for before, after in windows:
        a, b = np.asarray(before, np.float64), np.asarray(after, np.float64)
        known = np.isfinite(a)
        if not known.any():
            continue
        level = float(np.median(a[known]))
        filled = np.where(known, a - level, 0.0)
        rest = np.where(correlate(known.astype(np.float64), np.ones((side, side))) > side**2 - 0.5, b, np.nan)
        rest = rest - level - correlate(filled, kernel)
        # Textures say little about what a weighting does to slopes and bends: weightings that alter nothing
        # else are taken out as they fit best.
        terms = [np.ones(a.shape), *(correlate(filled, k) for k in _smooth_kernels())]
        use = np.isfinite(rest)
        if use.sum() < 1000:
            continue
        keep = use.copy()
        keep[use] = _usual(rest[use] - np.median(rest[use]))
        for _ in range(2):
            basis = np.stack([t[keep] for t in terms], axis=1)
            fit = np.linalg.lstsq(basis, rest[keep], rcond=None)[0]
            left = rest - sum(f * t for f, t in zip(fit, terms, strict=True))
            keep[use] = _usual(left[use])
        left = np.where(keep, left, np.nan)
        rows, cols = (n // _INNER for n in left.shape)
        cut = left[: rows * _INNER, : cols * _INNER].reshape(rows, _INNER, cols, _INNER)
        inside = np.isfinite(cut).sum(axis=(1, 3))
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(inside > 0.75 * _INNER**2, np.nansum(cut, axis=(1, 3)) / inside, np.nan)
        steps = np.concatenate([np.diff(mean, axis=0).ravel(), np.diff(mean, axis=1).ravel()])
        steps = steps[np.isfinite(steps)]
        fine = fine_texture(left)
        fine = fine[np.isfinite(fine)]
        if steps.size >= 50 and fine.size >= 1000:
            wide.append((MAD * float(np.median(np.abs(steps))) * _INNER) ** 2 / 2)
            white.append((MAD * float(np.median(np.abs(fine))) / 6) ** 2)
    if not white:
        return math.nan, math.nan
    return math.sqrt(np.median(wide) / max(np.median(white), 1e-30)), math.sqrt(np.median(white))
