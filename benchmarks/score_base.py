"""How often the interval of a rebuilt base holds the error, with walls and open sides that it is not told of.

    python -m benchmarks.score_base [--first 5000] [--count 392] [--seconds 230]

One outline a seed, on seven kinds of ground in turn, over seven kinds of body. What is judged is the base
alone: the volume between the rebuilt ground and the ground that was there. Trials may use ground that nobody
touched.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import defaultdict

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.stats import t as student

from survey.errors import InputRefused
from survey.volumetrics.base.choose import rebuild

GROUNDS = ("relief", "plain", "hills", "gullies", "dunes", "terraces", "patchy")
BODIES = ("none", "pit", "stock", "shallow pit", "open pit", "pit wall", "stock wall")


def field(rng: np.random.Generator, n: int, slope: float, longest: float) -> np.ndarray:
    """Relief whose amplitude falls with frequency as k^-slope, level beyond ``longest`` cells; n × n, not
    periodic, unit variance over half as much more."""
    m = int(n * 1.5)
    k = np.hypot(np.fft.fftfreq(m)[:, None], np.fft.fftfreq(m)[None])
    z = np.fft.ifft2(np.fft.fft2(rng.standard_normal((m, m))) * (k**2 + longest**-2) ** (-slope / 2)).real
    return (z / z.std())[:n, :n]


def ground_of(rng: np.random.Generator, kind: str, n: int) -> np.ndarray:
    row, col = np.mgrid[0:n, 0:n]
    if kind == "relief":
        slope = 2 * rng.uniform(0.9, 1.3)
        return field(rng, n, slope, 100) * rng.uniform(0.3, 3) + 0.02 * rng.standard_normal((n, n))
    if kind == "plain":
        z = field(rng, n, rng.uniform(1.5, 3), rng.uniform(30, 150)) * rng.uniform(0.02, 0.3)
    elif kind == "hills":
        z = field(rng, n, rng.uniform(2.4, 4), rng.uniform(60, 300)) * rng.uniform(1, 12)
    elif kind == "gullies":
        cut = np.abs(gaussian_filter(field(rng, n, 2.4, 120), 1.5))
        z = field(rng, n, 2.5, 150) + rng.uniform(0.5, 3) * cut
    elif kind == "dunes":
        wave, way = rng.uniform(20, 60), rng.uniform(0, math.pi)
        phase = 2 * math.pi * (col * math.cos(way) + row * math.sin(way)) / wave + 1.2 * field(rng, n, 3, 80)
        z = rng.uniform(0.3, 1.5) * np.sin(phase) * (1 + 0.4 * field(rng, n, 3, 100))
    elif kind == "terraces":
        height = rng.uniform(0.8, 2)
        u = 5 * field(rng, n, 3, 200) / height
        z = gaussian_filter(height * (np.floor(u) + np.clip((u - np.floor(u) - 0.8) * 5, 0, 1)), 1.0)
    else:
        rough = np.exp(0.8 * field(rng, n, 3, 80)) * field(rng, n, 2.2, 40)
        z = rough * rng.uniform(0.1, 1) + 2 * field(rng, n, 3, 200)
    z = z + rng.uniform(-0.3, 0.3) * col + rng.uniform(-0.3, 0.3) * row
    noise = rng.uniform(0.01, 0.04) * rng.standard_normal((n, n))
    return (
        z + noise + rng.uniform(0, 0.02) * field(rng, n, 2, 6) + rng.uniform(0, 0.03) * field(rng, n, 2.5, 80)
    )


def outline_of(rng: np.random.Generator, n: int) -> np.ndarray:
    """Share of each cell inside an irregular outline."""
    row, col = np.mgrid[0:n, 0:n]
    middle = n / 2 + rng.uniform(-0.12, 0.12, 2) * n
    radius = math.exp(rng.uniform(math.log(4), math.log(n / 11)))
    ratio = math.sqrt(rng.choice([1, 1, 1.8, 2.6]))
    x, y, turn = col - middle[1], row - middle[0], rng.uniform(0, math.pi)
    bearing = np.arctan2(y, x)
    u = (x * math.cos(turn) + y * math.sin(turn)) / ratio
    v = (-x * math.sin(turn) + y * math.cos(turn)) * ratio
    edge = 1 + rng.uniform(0, 0.2) * np.cos(2 * bearing + rng.uniform(0, 6))
    edge += rng.uniform(0, 0.12) * np.cos(3 * bearing + rng.uniform(0, 6)) + 0.05 * np.cos(5 * bearing)
    return np.clip(radius * edge - np.hypot(u, v) + 0.5, 0, 1)


def site(rng: np.random.Generator, kind: str, body: str) -> tuple[np.ndarray, ...]:
    """(ground before, surface, outline, ground that nobody touched), cells of one metre."""
    n = 128 if kind == "relief" else int(rng.choice([128, 192, 256]))
    before, weight = ground_of(rng, kind, n), outline_of(rng, n)
    inside = weight > 0
    deep = distance_transform_edt(weight >= 1)
    row, col = np.mgrid[0:n, 0:n]
    way = rng.uniform(0, 2 * math.pi)
    y, x = row - np.nonzero(inside)[0].mean(), col - np.nonzero(inside)[1].mean()
    along = x * math.cos(way) + y * math.sin(way)
    across = np.abs(y * math.cos(way) - x * math.sin(way))
    span = np.abs(along[inside]).max()
    depth, touched = rng.uniform(0.15, 0.6) * deep.max(), inside.copy()
    if body in ("pit", "open pit", "pit wall"):
        off = np.minimum(deep * rng.uniform(1, 3), depth)
    elif body == "shallow pit":
        off = np.minimum(deep, rng.uniform(0.3, 1.0))
    elif body in ("stock", "stock wall"):
        off = -np.minimum(deep * 0.7, depth)
    else:
        off = np.zeros((n, n))
    if body == "open pit":
        beyond = (along > rng.uniform(0.4, 0.8) * span) & (along < 2.2 * span) & (across < 0.8 * span)
        off, touched = np.where(beyond, np.maximum(off, depth), off), touched | beyond
    after = before - off
    if body.endswith("wall"):
        wall = (along > rng.uniform(0.3, 0.7) * span) & (along < 2.5 * span) & ~inside
        after, touched = np.where(wall, after + rng.uniform(1, 4), after), touched | wall
    free = np.ones((n, n), bool) if body == "none" else distance_transform_edt(~touched) >= 2.5
    return before, after, weight, free


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=5000)
    parser.add_argument("--count", type=int, default=392)
    parser.add_argument("--seconds", type=float, default=math.inf)
    asked = parser.parse_args()
    rows: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    began, seed = time.monotonic(), asked.first
    while seed < asked.first + asked.count and time.monotonic() - began < asked.seconds:
        rng = np.random.default_rng((78, seed))
        kind, body = GROUNDS[seed % 7], BODIES[(seed // 7) % 7]
        seed += 1
        before, after, weight, free = site(rng, kind, body)
        try:
            base = rebuild(after, weight, np.ones(free.shape, bool), 1.0, 1.0, ground=free)
        except InputRefused:
            rows["refused"].append((True, 0.0))
            continue
        error = float(np.sum(((base.heights - before) * weight)[weight > 0]))
        sigmas = abs(error) / base.sigma_m3
        for name in ("all", f"ground: {kind}", f"body: {body}"):
            rows[name].append((sigmas <= student.ppf(0.975, base.dof), min(sigmas, 8.0)))
    print("| | sites | held | σ of error / σ said |\n|---|---|---|---|")
    for name in sorted(rows):
        held, sigmas = np.array(rows[name]).T
        print(f"| {name} | {len(held)} | {100 * held.mean():.1f} % | {np.sqrt(np.mean(sigmas**2)):.2f} |")
    print(f"\nseeds {asked.first} to {seed - 1}")


if __name__ == "__main__":
    main()
