"""A cluster of real processes, and what happens to it: workers killed, a scheduler lost, files unseen."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from cluster import Cluster

from survey import blocks
from survey.blocks import Engine
from survey.errors import EngineError, InputRefused


def square_or_die(item: tuple[int, str]) -> int:
    """Whoever is first to do number 3 dies of it, once."""
    number, mark = item
    if number == 3:
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return number**2
        os.kill(os.getpid(), signal.SIGKILL)
    return number**2


def refuse_three(number: int) -> int:
    if number == 3:
        raise InputRefused("the third is bad", file="three.tif", mend="Mend it.")
    return number


def long(number: int) -> int:
    time.sleep(60)
    return number


def test_results_come_in_the_order_of_the_items(cluster):
    with Engine(scheduler=cluster.address) as engine:
        assert engine.width == 2
        assert engine.map(refuse_three, [2, 1, 0, 5, 9]) == [2, 1, 0, 5, 9]


def test_a_refusal_crosses_the_network_with_its_words(cluster):
    with Engine(scheduler=cluster.address) as engine, pytest.raises(InputRefused) as caught:
        engine.map(refuse_three, list(range(6)))
    assert str(caught.value) == "three.tif: the third is bad. Mend it."
    assert caught.value.mend == "Mend it."


def test_what_workers_cannot_see_is_said_before_anything_runs(cluster, tmp_path):
    file = tmp_path / "dsm.tif"
    file.write_text("heights")
    with Engine(scheduler=cluster.address) as engine:
        engine.see([file], tmp_path)
        assert sorted(tmp_path.iterdir()) == [file]
        # An open file of this process: other processes have another, or none, under that name.
        with open(file) as held:
            name = f"/proc/self/fd/{held.fileno()}"
            with pytest.raises(EngineError, match=r"from the worker at tcp://.*TMPDIR"):
                engine.see([name])


def test_a_worker_killed_in_the_midst_costs_time_and_nothing_else(tmp_path):
    with Cluster(tmp_path, workers=2) as own:
        own.wait_for(2)
        with Engine(scheduler=own.address) as engine:
            items = [(k, str(tmp_path / "died")) for k in range(8)]
            assert engine.map(square_or_die, items) == [k**2 for k in range(8)]
            assert (tmp_path / "died").exists()
            assert engine.width == 1
            # And a scheduler that is lost ends the run with a reason, soon.
            threading.Timer(1.0, own.scheduler.kill).start()
            began = time.monotonic()
            with pytest.raises(EngineError, match="lost the work"):
                engine.map(long, [1, 2, 3])
            assert time.monotonic() - began < 45


def test_nobody_answers(monkeypatch):
    monkeypatch.setattr(blocks, "CONNECT_SECONDS", 0.5)
    with pytest.raises(EngineError, match=r"no dask scheduler answers at tcp://127\.0\.0\.1:9") as caught:
        Engine(scheduler="tcp://127.0.0.1:9").map(refuse_three, [1])
    assert caught.value.exit_code == 2


def test_a_file_that_differs_is_told_from_one_that_is_missing(tmp_path: Path):
    file = tmp_path / "a.tif"
    file.write_text("1")
    known = {str(file): (1, file.stat().st_mtime_ns)}
    assert blocks._look(known, None) is None
    assert blocks._look({str(file): (2, 0)}, None) == (str(file), "another file is seen under this path")
    file.unlink()
    assert blocks._look(known, None) == (str(file), "the file cannot be seen")
    assert blocks._look({}, str(tmp_path / "token")) == (
        str(tmp_path),
        "the folder of results cannot be seen",
    )
