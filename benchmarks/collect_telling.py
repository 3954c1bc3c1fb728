"""Collect evidence on every region of change of simulated surveys, with what really happened there.

    python benchmarks/collect_telling.py --scenes 90 --seed 7 --out rows.pkl

The rows are what fit_telling.py learns from.
"""

from __future__ import annotations

import argparse
import math
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import shapely
from shapely.geometry.base import BaseGeometry
from telling_scenes import learning_case

from survey.sample_data import make_scene, write_delivery
from survey.sample_data.truth import Truth

CAUSES = {
    "tree growth": "vegetation", "felling": "vegetation", "crop": "crop", "water": "water",
    "erosion": "erosion", "vehicle or shed": "vehicle or shed",
}  # fmt: skip


def cause_of(
    region: BaseGeometry, sign: int, truth: Truth, stands: list[tuple[str, tuple[float, ...]]]
) -> str | None:
    """Digging where a site of its sign makes up a good part of it, else the cause that lies there.

    None where a site lies in a region that is mostly something else: there is nothing to learn from it.
    """
    own = region.area
    for site in truth.sites:
        both = site.outline.intersection(region).area
        if (-1 if site.kind == "pit" else 1) == sign and (both > 0.3 * own or both > 0.5 * site.area_m2):
            return "digging" if both > 0.4 * own else None
    for d in truth.dismissed:
        if d.reason in CAUSES and d.outline.buffer(0.7).intersection(region).area > 0.3 * own:
            return CAUSES[d.reason]
    for shape, box in stands:
        if shape == "trees" and shapely.box(*box).intersection(region).area > 0.5 * own:
            return "vegetation"
    return "artefact"


def rows_of(
    job_file: Path, cause: Callable[[BaseGeometry, int], str | None], case: str, scene: int
) -> list[dict[str, Any]]:
    """Evidence on each region of a scene; ``cause`` says of an outline and its sign what it is."""
    from survey.blocks import Engine
    from survey.pipelines.change import compare as comparing
    from survey.pipelines.change.evidence import evidence_on
    from survey.pipelines.change.sites import outline
    from survey.pipelines.inputs import open_inputs
    from survey.pipelines.job import load_job

    job = load_job(job_file)
    rows = []
    with Engine(1) as engine, open_inputs(job) as inputs:
        # Regions are judged before they are followed to their rims.
        with patch.object(comparing, "to_the_rim", lambda m, verdicts, _: (m, verdicts)):
            pair = comparing.compare(job, inputs, engine).pairs[-1]
        m = pair.measurement
        for k in m.regions:
            if m.regions.area_m2[k] < job.detect.min_area_m2:
                continue
            evidence = evidence_on(m, k, pair.before.ortho, pair.after.ortho)
            if not math.isfinite(evidence.median_m):
                continue
            shape = outline(m, k).buffer(0)
            really = cause(shape, evidence.sign)
            if really is None:
                continue
            rows.append(
                {
                    "case": case, "scene": scene, "evidence": evidence,
                    "class": really, "at": shape.centroid.coords[0],
                }
            )  # fmt: skip
    return rows


def rows_of_scene(seed: int, index: int) -> list[dict[str, Any]]:
    one = learning_case(seed, index)
    scene = make_scene(one.seed, one.options)
    stands = [(s.shape, s.box) for s in scene.world.stands]
    with tempfile.TemporaryDirectory(prefix="learn-") as folder:
        job = write_delivery(scene, Path(folder) / "in", Path(folder) / "truth", one.form)
        return rows_of(
            job, lambda outline, sign: cause_of(outline, sign, scene.truth, stands), one.form.job_id, index
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--scenes", type=int, default=90)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no scene after that")
    parser.add_argument("--out", type=Path, required=True, help="what it holds of earlier runs is kept")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = pickle.loads(given.out.read_bytes()) if given.out.exists() else []
    done = {row["scene"] for row in rows}
    began = time.monotonic()
    for scene in range(given.scenes):
        if scene in done:
            continue
        if time.monotonic() - began > 60 * given.minutes:
            break
        # A scene without any region still has to count as done.
        rows += rows_of_scene(given.seed, scene) or [{"scene": scene, "class": None}]
        given.out.write_bytes(pickle.dumps(rows))
        print(f"\r{scene + 1}/{given.scenes}", end="", file=sys.stderr)


if __name__ == "__main__":
    main()
