"""A cluster that loses its workers or its scheduler under a job: the same bytes, or a clear end."""

from __future__ import annotations

import signal
import time

import pytest
from cluster import Cluster
from nursery import gone
from small_mine import without_clock

KILL, STOP, CONT = signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster"), workers=2) as made:
        made.wait_for(2)
        yield made


def test_what_a_cluster_loses_costs_time_and_never_a_figure(nursery, mine, cluster, tmp_path):
    common = ("excavation", mine, "--reports", "none", "-v", "--tile", "64")
    local = nursery.begin(*common, "-o", tmp_path / "local", "--workers", "1")
    assert local.code() == 0, local.complained

    # One worker is held before it is given anything, and never wakes.
    run = nursery.begin(*common, "-o", tmp_path / "far", "--scheduler", cluster.address)
    first, second = cluster.processes[1:]
    run.when("aligning")
    first.send_signal(STOP)
    run.when("measuring every cell")
    time.sleep(0.3)
    first.send_signal(KILL)
    assert run.code() == 0, run.complained
    assert gone(first.pid)
    records = [without_clock(tmp_path / name / "S-1" / "record.json") for name in ("local", "far")]
    assert records[0] == records[1]

    # The last worker sleeps on its task, and the scheduler is lost meanwhile.
    run = nursery.begin(*common, "-o", tmp_path / "lost", "--scheduler", cluster.address)
    run.when("aligning")
    second.send_signal(STOP)
    run.when("measuring every cell")
    time.sleep(0.3)
    cluster.scheduler.kill()
    assert run.code() == 2, run.complained
    second.send_signal(CONT)
    assert f"the cluster at {cluster.address} lost the work" in run.complained
    assert "run the same command again" in run.complained
    assert "Internal fault" not in run.complained
    assert not (tmp_path / "lost").exists()

    # Nobody answers any more.
    run = nursery.begin(*common, "-o", tmp_path / "late", "--scheduler", cluster.address, "-q")
    assert run.code() == 2
    assert not (tmp_path / "late").exists()
