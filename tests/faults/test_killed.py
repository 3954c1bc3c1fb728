"""Runs killed, stopped or doubled at moments that nobody chose: no half result, no process, no file stays."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from pathlib import Path

import pytest
from nursery import Nursery, Run, gone, of_session
from small_mine import without_clock

KILL, TERM, INT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT


@pytest.fixture(scope="module")
def truth(nursery, zipped, tmp_path_factory) -> tuple[bytes, float]:
    """The record of a run that nobody disturbs, and how long it takes."""
    out = tmp_path_factory.mktemp("truth")
    run = begin(nursery, zipped, out, out / "tmp")
    assert run.code() == 0, run.complained
    seconds = time.monotonic() - run.began
    assert names(out) == ["S-1", "tmp"]
    assert names(out / "tmp") == []
    return without_clock(out / "S-1" / "record.json"), seconds


def begin(nursery: Nursery, job: Path, out: Path, temp: Path, *args: str) -> Run:
    temp.mkdir(exist_ok=True)
    return nursery.begin(
        "excavation", job, "-o", out, "-v", "--workers", "2", "--reports", "none", *args, temp=temp
    )


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []


def moments(seed: int, count: int, seconds: float) -> list[float]:
    """Spread over the whole run, and beyond its end now and then."""
    chance = random.Random(seed)
    return [(k + chance.random()) / count * 1.1 * seconds for k in range(count)]


def test_a_run_killed_at_any_moment_is_whole_or_was_never_there(nursery, zipped, truth, tmp_path):
    out, temp = tmp_path / "runs", tmp_path / "tmp"
    for moment in moments(1, 5, truth[1]):
        run = begin(nursery, zipped, out, temp, "--force")
        time.sleep(moment)
        run.send(KILL)
        assert run.code() in (-KILL, 0)
        if (out / "S-1").exists():
            assert without_clock(out / "S-1" / "record.json") == truth[0]
    # Whoever comes next clears up behind all of them.
    again = begin(nursery, zipped, out, temp)
    assert again.code() == 0, again.complained
    assert without_clock(out / "S-1" / "record.json") == truth[0]
    assert names(out) == ["S-1"]
    assert names(temp) == []


def test_a_replacement_killed_at_any_moment_leaves_the_former_run(nursery, zipped, truth, tmp_path):
    out, temp = tmp_path / "runs", tmp_path / "tmp"
    assert begin(nursery, zipped, out, temp, "--no-change").code() == 0
    former = (out / "S-1" / "record.json").read_bytes()
    for moment in moments(2, 3, truth[1]):
        run = begin(nursery, zipped, out, temp, "--force")
        time.sleep(moment)
        run.send(KILL).code()
        record = out / "S-1" / "record.json"
        assert record.read_bytes() == former or without_clock(record) == truth[0]


@pytest.mark.parametrize(("number", "code", "says"), [(TERM, 143, "Terminated"), (INT, 130, "Interrupted")])
def test_a_run_stopped_at_any_moment_clears_up_behind_itself(
    number, code, says, nursery, zipped, truth, tmp_path
):
    out, temp = tmp_path / "runs", tmp_path / "tmp"
    for moment in moments(int(number), 3, truth[1]):
        # Before its first words a process is a Python that starts, and dies of the signal itself.
        run = begin(nursery, zipped, out, temp, "--force").when("reading the job's files")
        time.sleep(moment)
        run.send(number)
        if (ended := run.code()) == 0:
            assert without_clock(out / "S-1" / "record.json") == truth[0]
        else:
            assert ended == code, run.complained
            assert f"{says}; nothing half-written was left. Run the same command again" in run.complained
        assert names(out) in ([], ["S-1"])
        assert names(temp) == []


def test_of_two_runs_at_once_one_is_refused(nursery, zipped, truth, tmp_path):
    out, temp = tmp_path / "runs", tmp_path / "tmp"
    first = begin(nursery, zipped, out, temp).when("sampling both surveys")
    second = begin(nursery, zipped, out, temp, "--force")
    assert second.code() == 2
    assert re.search(rf'another run is writing "S-1" \(process {first.pid} on .*\)\. Wait', second.complained)
    assert first.code() == 0, first.complained
    assert without_clock(out / "S-1" / "record.json") == truth[0]
    assert names(out) == ["S-1"]
    assert names(temp) == []


# -- a night -----------------------------------------------------------------------------------------------
def test_a_night_whose_processes_are_killed_at_random_loses_no_delivery(nursery, zipped, truth, tmp_path):
    """Each job is done and right, or named with its reason; and the next night does what is left."""
    jobs, out, temp = tmp_path / "jobs", tmp_path / "runs", tmp_path / "tmp"
    for k in range(4):
        folder = jobs / f"{k}"
        folder.mkdir(parents=True)
        os.link(zipped.parent / "delivery.zip", folder / "delivery.zip")
        (folder / "job.toml").write_text(zipped.read_text().replace('"S-1"', f'"N-{k}"'))
    temp.mkdir()
    night = ("excavation", jobs, "-o", out, "--workers", "2", "--reports", "none")
    run = nursery.begin(*night, temp=temp)
    chance, killed = random.Random(6), 0
    while not gone(run.pid) and killed < 2:
        time.sleep(0.3 + chance.random())
        # What the batch started, but not the interpreter's own helper for shared things.
        hands = [p for p in of_session(run.pid) if p != run.pid and b"resource_tracker" not in command(p)]
        if "begin  N-" in run.complained and hands:
            os.kill(chance.choice(hands), KILL)
            killed += 1
    assert killed == 2
    assert run.code() in (0, 3), run.complained
    assert "Traceback" not in run.complained
    table = (out / "batch.csv").read_text("utf-8-sig")
    states = dict(re.findall(r"^(N-\d),\d/job\.toml,(\w+),", table, re.M))
    assert sorted(states) == ["N-0", "N-1", "N-2", "N-3"]
    for name, state in states.items():
        assert state in ("done", "failed")
        assert (out / name).exists() == (state == "done")
        assert state == "done" or f"{name}: the process of this job died (SIGKILL)" in run.said
    assert (run.code_seen == 3) == ("failed" in states.values())
    assert names(temp) == []
    again = nursery.begin(*night, temp=temp)
    assert again.code() == 0, again.complained
    for name, state in states.items():
        assert (f"kept   {name}" in again.complained) == (state == "done")
        record = without_clock(out / name / "record.json").replace(name.encode(), b"S-1")
        assert unsigned(record) == unsigned(truth[0])
    assert names(out) == ["N-0", "N-1", "N-2", "N-3", "batch.csv", "batch.html"]
    assert names(temp) == []


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b"resource_tracker"


def unsigned(record: bytes) -> bytes:
    """Without what hangs on the name of the job: digests, the seal, the hash of the layers that name it."""
    return re.sub(rb'"(digest|seal|job_digest|results\.gpkg)": "[0-9a-f]{64}"', b"", record)
