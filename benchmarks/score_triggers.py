"""Precision, recall, delay and zones of the triggers on simulated watches that nothing was fitted to.

    python benchmarks/score_triggers.py [--regimes masks nomask …] [--first 10000] [--count 20] [--jobs 1] [--pictures DIR]

A confirmed trigger (of a pair: a listed one) is right if it covers a new pit. A pit is found if a confirmed trigger
covers a third of it; only pits that were shown in three clear scenes are asked for.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from trigger_bench import REGIMES, SEEN_LOOKS, Watch, make_watch, outline, replay, share_of, truth_of

from survey.imagery.triggers.classify import model_for
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.tracks import Track


@dataclass
class Score:
    right: int = 0
    wrong: int = 0
    found: int = 0
    asked: int = 0
    found_all: int = 0
    pits: int = 0
    zones_right: int = 0
    zones: int = 0
    delays: list[int] = field(default_factory=list)
    mistaken: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    by_size: dict[str, list[int]] = field(default_factory=dict)
    by_zone: dict[str, list[int]] = field(default_factory=dict)

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + self.wrong)

    @property
    def recall(self) -> float:
        return self.found / max(1, self.asked)


def counted(watch: Watch, tracks: list[Track], settings: TriggerSettings) -> list[Track]:
    """The triggers that are held against the truth."""
    if watch.short:
        return [
            t
            for t in tracks
            if t.merged_into is None and t.assessment and t.assessment.excavation >= settings.report_p
        ]
    return [
        t for t in tracks if t.merged_into is None and t.confirmed is not None and t.state != "provisional"
    ]


def add(score: Score, watch: Watch, settings: TriggerSettings) -> None:
    model = model_for(watch.bands, short_history=watch.short)
    walking = replay(watch, model, settings)
    tracks = counted(watch, walking.tracks, settings)
    cells = {t.number: watch.support.cell[t.cells] for t in tracks}
    for t in tracks:
        best = max(watch.pits, key=lambda p: share_of(p, cells[t.number]), default=None)
        if best is not None and share_of(best, cells[t.number]) >= max(0.8, 0.15 * len(t.cells)):
            score.right += 1
            score.zones += 1
            score.zones_right += watch.places.of(outline(cells[t.number], watch.grid)).zone == best.zone
        else:
            score.wrong += 1
            score.mistaken[truth_of(watch, cells[t.number], [k.t for k in t.hits])[1]] += 1
    for pit in watch.pits:
        size = float(pit.cover.sum())
        by = [t for t in tracks if share_of(pit, cells[t.number]) >= size / 3]
        looks = watch.looks_at(pit)
        score.pits += 1
        score.found_all += bool(by)
        if watch.short or len(looks) >= SEEN_LOOKS:
            score.asked += 1
            score.found += bool(by)
            area = "< 0.15 ha" if pit.area_m2 < 1500 else "< 0.5 ha" if pit.area_m2 < 5000 else "≥ 0.5 ha"
            for table, key in ((score.by_size, area), (score.by_zone, pit.zone)):
                cell = table.setdefault(key, [0, 0])
                cell[0] += bool(by)
                cell[1] += 1
            if not by:
                score.missed[str(pit.detail.get("material"))] += 1
        if by and not watch.short:
            when = min(t.confirmed for t in by if t.confirmed is not None)
            score.delays.append(sum(1 for t in looks if t <= when))


def report(regime: str, score: Score, seeds: int) -> str:
    lines = [
        f"{regime}: precision {score.precision:.3f} ({score.right}/{score.right + score.wrong}), "
        f"recall {score.recall:.3f} ({score.found}/{score.asked}; of all pits {score.found_all}/{score.pits}), "
        f"zones {score.zones_right}/{score.zones}, seeds {seeds}"
    ]
    if score.delays:
        d = np.array(score.delays)
        lines.append(
            f"  clear scenes to confirmation: median {np.median(d):.0f}, within three {np.mean(d <= 3):.2f}"
        )
    lines.append(f"  wrong: {dict(score.mistaken.most_common())}")
    lines.append(f"  missed, by material: {dict(score.missed.most_common())}")
    lines.append(
        "  recall by size: " + ", ".join(f"{k} {a}/{b}" for k, (a, b) in sorted(score.by_size.items()))
    )
    lines.append(
        "  recall by zone: " + ", ".join(f"{k} {a}/{b}" for k, (a, b) in sorted(score.by_zone.items()))
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--regimes", nargs="+", default=list(REGIMES))
    parser.add_argument("--first", type=int, default=10_000)
    parser.add_argument("--count", type=int, default=20)
    args = parser.parse_args()
    settings = TriggerSettings()
    for regime in args.regimes:
        score = Score()
        for seed in range(args.first, args.first + args.count):
            add(score, make_watch(regime, seed, settings), settings)
        print(report(regime, score, args.count), flush=True)


if __name__ == "__main__":
    main()
