"""The same job gives the same record, to the last digit, however the work is cut and wherever it is done."""

from __future__ import annotations

import json
from pathlib import Path

import numpy.testing as npt
import pytest
from small_mine import make_mine, without_clock

from survey.pipelines.change.run import run_comparison
from survey.pipelines.job import load_job
from survey.pipelines.options import Options
from survey.pipelines.progress import NullProgress


@pytest.fixture(scope="module")
def mine(tmp_path_factory) -> Path:
    return make_mine(tmp_path_factory.mktemp("mine"), cells=288)


def excavate(job: Path, out: Path, **options: object) -> bytes:
    chosen = Options(out=out, reports="none", **options)  # type: ignore[arg-type]
    run_comparison(load_job(job), chosen, NullProgress(), "excavation")
    return without_clock(out / "S-1" / "record.json")


@pytest.fixture(scope="module")
def plain(mine, tmp_path_factory) -> bytes:
    return excavate(mine, tmp_path_factory.mktemp("plain"), workers=1)


@pytest.mark.parametrize("options", [{"workers": 3, "tile": 50}, {"workers": 2, "memory_bytes": 4 * 10**9}])
def test_neither_pieces_nor_workers_nor_memory_change_a_byte(options, mine, plain, tmp_path):
    assert excavate(mine, tmp_path, **options) == plain


def test_a_cluster_of_processes_gives_the_same_bytes(mine, plain, cluster, tmp_path):
    assert excavate(mine, tmp_path, scheduler=cluster.address, tile=48) == plain


def test_the_clock_says_how_long_each_stage_took(mine, plain, tmp_path):
    excavate(mine, tmp_path)
    clock = json.loads((tmp_path / "S-1" / "record.json").read_text())["clock"]
    assert {"reading the job's files", "drawing maps and layers"} <= set(clock["stages"])
    # Stages follow each other without a gap, from the first step to the last; each is rounded to 1 ms. A busy
    # machine may pause between a stage's clock and the run's.
    slack = 0.2 + 0.001 * len(clock["stages"])
    npt.assert_allclose(sum(clock["stages"].values()), clock["seconds"], atol=slack)
