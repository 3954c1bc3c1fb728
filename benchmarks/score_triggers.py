"""Precision, recall, delay and zones of the triggers on simulated watches that nothing was fitted to.

    python benchmarks/score_triggers.py [--regimes masks nomask …] [--first 10000] [--count 20] [--out FILE]

A confirmed trigger (of a pair: a listed one) is right if it covers a new pit. A pit is found if a confirmed
trigger covers a third of it; only pits that were shown in three clear scenes are asked for. ``--out`` keeps
what each seed gave as a line of JSON, and goes on where it stopped; ``--seconds`` stops after a while.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from trigger_bench import REGIMES, SEEN_LOOKS, Watch, make_watch, outline, replay, share_of, truth_of

from survey.imagery.triggers.classify import Model, model_for
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.tracks import Track

SIZES = ((1500, "< 0.15 ha"), (5000, "< 0.5 ha"), (10**9, "≥ 0.5 ha"))


def counted(watch: Watch, tracks: list[Track], settings: TriggerSettings) -> list[Track]:
    """The triggers that are held against the truth."""
    alive = [t for t in tracks if t.merged_into is None]
    if watch.short:
        least = settings.report_p_short
        return [t for t in alive if t.assessment and t.assessment.excavation >= least]
    return [t for t in alive if t.confirmed is not None and t.state != "provisional"]


def seed_of(watch: Watch, settings: TriggerSettings, model: Model | None = None) -> dict[str, Any]:
    """What one watch gives: its triggers and its pits, each with what became of it."""
    walking = replay(watch, model or model_for(watch.bands, short_history=watch.short), settings)
    tracks = counted(watch, walking.tracks, settings)
    cells = {t.number: watch.support.cell[t.cells] for t in tracks}
    triggers, pits = [], []
    for t in tracks:
        best = max(watch.pits, key=lambda p: share_of(p, cells[t.number]), default=None)
        right = best is not None and share_of(best, cells[t.number]) >= max(0.8, 0.15 * len(t.cells))
        kind = "pit" if right else truth_of(watch, cells[t.number], [k.t for k in t.hits])[1]
        zone = watch.places.of(outline(cells[t.number], watch.grid)).zone
        assert t.assessment is not None
        triggers.append(
            {
                "right": right,
                "kind": kind,
                "zone": zone,
                "true_zone": best.zone if right and best is not None else None,
                "cells": len(t.cells),
                "p": round(t.assessment.excavation, 3),
                "hits": len(t.hits),
                "at": [int(np.median(v[t.cells])) for v in (watch.support.rows, watch.support.cols)],
            }
        )
    every = [t for t in walking.tracks if t.merged_into is None]
    held = {t.number: watch.support.cell[t.cells] for t in every}
    for pit in watch.pits:
        size = float(pit.cover.sum())
        by = [t for t in tracks if share_of(pit, cells[t.number]) >= size / 3]
        near = max(every, key=lambda t: share_of(pit, held[t.number]), default=None)
        looks = watch.looks_at(pit)
        delay = None
        if by and not watch.short:
            when = min(t.confirmed for t in by if t.confirmed is not None)
            delay = sum(1 for t in looks if t <= when)
        row, col = (np.average(i, weights=pit.cover) for i in np.indices(pit.cover.shape))
        pits.append(
            {
                "found": bool(by),
                "asked": watch.short or len(looks) >= SEEN_LOOKS,
                "area_m2": round(pit.area_m2),
                "zone": pit.zone,
                "material": str(pit.detail.get("material")),
                "looks": len(looks),
                "delay": delay,
                "share_seen": 0.0 if near is None else round(share_of(pit, held[near.number]) / size, 2),
                "p": None
                if near is None or near.assessment is None
                else round(near.assessment.excavation, 3),
                "state": None if near is None else near.state,
                "at": [round(float(row)), round(float(col))],
            }
        )
    return {"regime": watch.regime, "seed": watch.plan.seed, "triggers": triggers, "pits": pits}


def report(regime: str, seeds: Sequence[dict[str, Any]]) -> str:
    triggers = [t for s in seeds for t in s["triggers"]]
    pits = [p for s in seeds for p in s["pits"]]
    asked = [p for p in pits if p["asked"]]
    right = [t for t in triggers if t["right"]]
    found = [p for p in asked if p["found"]]
    zones = sum(t["zone"] == t["true_zone"] for t in right)
    delays = np.array([p["delay"] for p in pits if p["delay"] is not None])
    lines = [
        f"{regime}: precision {len(right) / max(1, len(triggers)):.3f} ({len(right)}/{len(triggers)}), "
        f"recall {len(found) / max(1, len(asked)):.3f} ({len(found)}/{len(asked)}; "
        f"of all pits {sum(p['found'] for p in pits)}/{len(pits)}), "
        f"zones {zones}/{len(right)}, seeds {len(seeds)}"
    ]
    if len(delays):
        lines.append(
            f"  clear scenes to confirmation: median {np.median(delays):.0f}, "
            f"within three {np.mean(delays <= 3):.2f}"
        )

    def shares(key: Any) -> str:
        names = sorted({key(p) for p in asked})
        return ", ".join(
            f"{n} {sum(p['found'] for p in asked if key(p) == n)}/{sum(key(p) == n for p in asked)}"
            for n in names
        )

    def size(p: dict[str, Any]) -> str:
        return next(name for most, name in SIZES if p["area_m2"] < most)

    wrong = Counter(t["kind"] for t in triggers if not t["right"])
    lines.append(f"  wrong: {dict(wrong.most_common())}")
    lines.append(f"  recall by size: {shares(size)}")
    lines.append(f"  recall by zone: {shares(lambda p: p['zone'])}")
    lines.append(f"  recall by material: {shares(lambda p: p['material'])}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--regimes", nargs="+", default=list(REGIMES))
    parser.add_argument("--first", type=int, default=10_000)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float, default=1e9)
    args = parser.parse_args()
    settings, start = TriggerSettings(), time.perf_counter()
    done: dict[tuple[str, int], dict[str, Any]] = {}
    if args.out and args.out.exists():
        for line in args.out.read_text(encoding="utf-8").splitlines():
            kept = json.loads(line)
            done[kept["regime"], kept["seed"]] = kept
    for seed in range(args.first, args.first + args.count):
        for regime in args.regimes:
            if (regime, seed) in done or time.perf_counter() - start > args.seconds:
                continue
            found = done[regime, seed] = seed_of(make_watch(regime, seed, settings), settings)
            if args.out:
                with args.out.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(found) + "\n")
    for regime in args.regimes:
        of = [d for (r, _), d in sorted(done.items()) if r == regime]
        if of:
            print(report(regime, of), flush=True)


if __name__ == "__main__":
    main()
