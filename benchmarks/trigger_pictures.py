"""A sheet of what the triggers got wrong, from a file that score_triggers.py --out wrote.

    python benchmarks/trigger_pictures.py SCORES.jsonl REGIME SHEET.jpg [--most 12] [--missed]

Each tile shows a place before (median of the clear baseline) and after (the last clear look), with the
class of what is really there, the probability of excavation, and the number of cells. Scenes are simulated
again from their seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
from trigger_bench import simulated

REACH, SIDE = 16, 150


def failures(found: dict[str, Any], missed: bool) -> list[tuple[str, list[int], float]]:
    """(words, place, order) of each failure of a seed."""
    if missed:
        return [
            (
                f"{p['material']} {p['area_m2'] / 1e4:.2f} ha, "
                + ("not seen" if p["share_seen"] < 0.33 else f"p {p['p'] or 0:.2f}"),
                p["at"],
                -p["area_m2"],
            )
            for p in found["pits"]
            if p["asked"] and not p["found"]
        ]
    return [
        (f"{t['kind']}, {t['cells']} cells, p {t['p']:.2f}", t["at"], -t["p"])
        for t in found["triggers"]
        if not t["right"]
    ]


def tile(series: Any, place: list[int], words: str) -> Any:
    from PIL import Image, ImageDraw

    row, col = place
    size = series.plan.cells
    r0, c0 = (min(max(v - REACH, 0), size - 2 * REACH) for v in (row, col))
    cut = (slice(r0, r0 + 2 * REACH), slice(c0, c0 + 2 * REACH))
    names = series.plan.bands
    shown = [
        names.index(b) for b in (("red", "green", "blue") if "blue" in names else ("nir", "red", "green"))
    ]
    until = sum(d <= series.baseline_until for d in series.dates)
    clear = [i for i in range(len(series.dates)) if series.truly_clear[i][cut].mean() > 0.9]
    early, late = [i for i in clear if i < until] or [0], [i for i in clear if i >= until] or [-1]
    before = np.median(np.stack([series.scenes[i][shown] for i in early[-7:]]), axis=0)
    after = series.scenes[late[-1]][shown]
    low = np.quantile(before, 0.01, axis=(1, 2))[:, None, None]
    high = np.quantile(np.concatenate([before, after], 1), 0.995, axis=(1, 2))[:, None, None]
    sheet = Image.new("RGB", (2 * SIDE + 4, SIDE + 18), (255, 255, 255))
    for k, picture in enumerate((before, after)):
        part: NDArray[np.float64] = np.clip((picture - low) / np.maximum(high - low, 1e-4), 0, 1) ** 0.7
        pixels = np.moveaxis((255 * part[:, cut[0], cut[1]]).astype(np.uint8), 0, -1)
        image = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        pen = ImageDraw.Draw(image)
        x, y = ((v + 0.5) / (2 * REACH) * SIDE for v in (col - c0, row - r0))
        pen.ellipse((x - 14, y - 14, x + 14, y + 14), outline=(255, 230, 0))
        sheet.paste(image, (k * (SIDE + 4), 0))
    ImageDraw.Draw(sheet).text((2, SIDE + 3), words, fill=(0, 0, 0))
    return sheet


def main() -> None:
    from PIL import Image

    parser = argparse.ArgumentParser()
    parser.add_argument("scores", type=Path)
    parser.add_argument("regime")
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--most", type=int, default=12)
    parser.add_argument("--missed", action="store_true")
    args = parser.parse_args()
    lines = [json.loads(line) for line in args.scores.read_text(encoding="utf-8").splitlines()]
    every = [
        (order, found["seed"], words, place)
        for found in lines
        if found["regime"] == args.regime
        for words, place, order in failures(found, args.missed)
    ]
    chosen = sorted(every)[: args.most]
    tiles = []
    for seed in sorted({seed for _, seed, _, _ in chosen}):
        series = simulated(args.regime, seed)
        tiles += [tile(series, place, words) for _, of, words, place in chosen if of == seed]
    wide, high = tiles[0].size
    columns = 3
    sheet = Image.new("RGB", (columns * (wide + 8), -(-len(tiles) // columns) * (high + 6)), (255, 255, 255))
    for i, one in enumerate(tiles):
        sheet.paste(one, (i % columns * (wide + 8), i // columns * (high + 6)))
    sheet.save(args.sheet, quality=82)


if __name__ == "__main__":
    main()
