"""A batch: who may begin when, what becomes of jobs whose process dies, and going on where it stopped."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from job_files import PLAIN, write_job

from survey.errors import JobError, OutputError
from survey.pipelines import commands
from survey.pipelines.batch import crew
from survey.pipelines.batch.plan import Grant, Need, grant, may_hold, need_of
from survey.pipelines.batch.report import Row, render
from survey.pipelines.batch.run import collect, run_batch
from survey.pipelines.batch.view import Lines
from survey.pipelines.do import do_jobs
from survey.pipelines.job import load_job
from survey.pipelines.memory import PROGRAM_BYTES
from survey.pipelines.options import Options

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
GB = 10**9


# -- who may begin ---------------------------------------------------------------------------------------
def test_many_small_jobs_take_one_thread_each():
    small = [Need(4e6)] * 8
    given = grant(small[0], [], small, 4, 16 * GB)
    assert given is not None
    assert given.threads == 1
    assert grant(small[0], [given] * 4, small, 4, 64 * GB) is None


def test_a_job_that_is_most_of_what_is_left_has_most_of_the_cores():
    large, small = Need(1.6e9), Need(4e6)
    alone = grant(large, [], [large], 16, 64 * GB)
    assert alone is not None
    assert alone.threads == 16
    first = grant(large, [], [large, *[small] * 5], 16, 64 * GB)
    assert first is not None
    # Its effort is 2.0 of 4.02 (thousand million cells), so nearly half of the cores.
    assert first.threads == 7
    assert grant(large, [], [large] * 20, 16, 64 * GB).threads == 1  # type: ignore[union-attr]


def test_memory_is_never_promised_twice():
    needs = [Need(3e8)] * 6
    running: list[Grant] = []
    while (given := grant(needs[0], running, needs, 64, 4 * GB)) is not None:
        running.append(given)
    assert 2 <= len(running) < 6
    assert {g.threads for g in running} == {1}
    assert sum(g.bytes for g in running) <= 4 * GB
    # Too large even for all there is: it begins alone, with all there is.
    assert grant(Need(1e12), [], [Need(1e12)], 2, GB) == Grant(2, GB)
    assert grant(Need(1e12), running[:1], [Need(1e12)], 64, running[0].bytes + 10) is None


def test_where_equal_shares_are_enough_nobody_gets_less():
    small = [Need(4e6)] * 8
    first = grant(small[0], [], small, 4, 8 * GB)
    assert first == Grant(1, 2 * GB)
    assert grant(small[0], [Grant(1, 2 * GB)] * 3, small, 4, 8 * GB) == Grant(1, 2 * GB)
    # A large one that waits is not kept waiting by shares that nobody needs.
    mixed = grant(small[0], [], [*small, Need(1.6e9)], 4, 4 * GB)
    assert mixed is not None
    assert mixed.bytes < GB


def test_what_a_job_needs_is_read_from_its_files(tmp_path):
    from small_mine import make_mine

    assert need_of(load_job(make_mine(tmp_path, cells=64))).cells == 2 * 64 * 64
    (tmp_path / "after.tif").write_bytes(b"not a raster")
    assert need_of(load_job(tmp_path / "job.toml")).cells == 64 * 64 + 12


# -- processes ---------------------------------------------------------------------------------------------
def job_of(folder: Path, job_id: str, what: str = "") -> Path:
    text = PLAIN.replace('"A-1"', f'"{job_id}"\nregime = "mcdr"')
    return write_job(folder, text + (f'[mine]\nname = "{what}"\n' if what else ""), f"{job_id}.toml")


@pytest.fixture
def fakes(monkeypatch):
    monkeypatch.setitem(commands.PIPELINES, "run", ("fake_batch", "run_run"))


def table(out: Path) -> dict[str, dict[str, str]]:
    with open(out / "batch.csv", encoding="utf-8-sig", newline="") as file:
        return {row["job"]: row for row in csv.DictReader(file)}


def everything(out: Path) -> list[str]:
    return sorted(p.name for p in out.iterdir())


def test_a_process_that_dies_costs_one_job_a_second_try(fakes, tmp_path):
    jobs = [
        job_of(tmp_path, "a", "die"),
        job_of(tmp_path, "b", "die-once died"),
        *(job_of(tmp_path, f"c{k}") for k in range(3)),
    ]
    out = tmp_path / "runs"
    batch = run_batch(jobs, "run", Options(out=out, workers=2, verbosity=-1))
    assert [(row.job, row.state) for row in batch.rows] == [
        ("a", "failed"), ("b", "done"), ("c0", "done"), ("c1", "done"), ("c2", "done"),
    ]  # fmt: skip
    assert "died (SIGKILL)" in batch.rows[0].message
    # What the dead left behind goes with the next run of that job; no result is half there.
    assert [n for n in everything(out) if not n.startswith(".")] == [
        "b", "batch.csv", "batch.html", "c0", "c1", "c2",
    ]  # fmt: skip
    again = run_batch(jobs[1:], "run", Options(out=out, workers=2, verbosity=-1))
    assert [row.state for row in again.rows] == ["kept"] * 4
    assert json.loads((out / "b" / "record.json").read_text())["settings"]["threads"] == 1


def test_a_large_job_leaves_small_ones_beside_it_what_a_used_process_needs():
    """Else each small one begins with a process of its own, which takes longer than the job."""
    large, small = Need(2 * 40000.0**2), Need(2 * 512.0**2)
    waiting = [large] + [small] * 49
    first = grant(large, [], waiting, 2, 2_000_000_000)
    assert first is not None
    second = grant(small, [first], waiting[1:], 2, 2_000_000_000)
    assert second is not None
    assert first.bytes >= large.least
    assert may_hold(second.bytes) >= PROGRAM_BYTES
    assert first.bytes + second.bytes <= 2_000_000_000
    # Alone, or with more than enough, it is given what it usually takes.
    assert grant(large, [], [large], 2, 2_000_000_000).bytes == 2_000_000_000
    assert grant(large, [], waiting, 2, 8_000_000_000).bytes >= large.bytes(1, 8_000_000_000)


def test_a_process_that_a_large_job_has_swollen_is_not_given_the_next(fakes, tmp_path):
    jobs = [job_of(tmp_path, "a", "swell"), job_of(tmp_path, "b", "slim"), job_of(tmp_path, "c", "slim")]
    options = Options(out=tmp_path / "runs", workers=1, verbosity=-1, memory_bytes=650_000_000)
    assert [row.state for row in run_batch(jobs, "run", options).rows] == ["done"] * 3


START = (
    "from survey.pipelines import cli, commands\n"
    "commands.PIPELINES['run'] = ('fake_batch', 'run_run')\ncli.main()"
)


def begin(folder: Path, *args: str, before: str = "") -> subprocess.Popen[str]:
    """A batch in a process of its own: one job that waits, others beside and behind it."""
    for job_id, what in (("a", "wait a.pid"), ("b", "breach"), ("c", ""), ("d", "wait d.pid"), ("e", "")):
        job_of(folder, job_id, what)
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"{before}\n{START}",
            "run",
            str(folder),
            "-o",
            str(folder / "runs"),
            "--workers",
            "2",
            *args,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{HERE}"},
    )


def wait_for(*files: Path, read: bool = True) -> list[int]:
    deadline = time.monotonic() + 90
    while not all(f.exists() and f.read_text() for f in files):
        assert time.monotonic() < deadline, "the batch did not begin"
        time.sleep(0.02)
    return [int(f.read_text()) for f in files] if read else []


def gone(pid: int) -> bool:
    """No such process, or one that has ended and is only to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_batch_that_is_stopped_says_what_is_done_and_goes_on_later(number, code, tmp_path):
    process = begin(tmp_path)
    pids = wait_for(tmp_path / "a.pid", tmp_path / "d.pid")
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert all(gone(pid) for pid in pids)
    rows = table(tmp_path / "runs")
    assert {k: v["state"] for k, v in rows.items()} == {
        "a": "interrupted", "b": "done", "c": "done", "d": "interrupted", "e": "not started",
    }  # fmt: skip
    assert everything(tmp_path / "runs") == ["b", "batch.csv", "batch.html", "c"]
    if number == signal.SIGINT:
        return
    (tmp_path / "go").touch()
    process = begin(tmp_path)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "5 jobs: 5 done (2 of them before), 0 failed; 1 with breaches." in out
    assert [row["state"] for row in table(tmp_path / "runs").values()] == [
        "kept",
        "done",
        "kept",
        "done",
        "done",
    ]


def test_a_batch_whose_parent_is_killed_leaves_no_process_and_no_half(tmp_path):
    process = begin(tmp_path)
    pids = wait_for(tmp_path / "a.pid", tmp_path / "d.pid")
    process.kill()
    process.communicate(timeout=30)
    deadline = time.monotonic() + 60
    while not all(gone(pid) for pid in pids):
        assert time.monotonic() < deadline, "a process outlived its batch"
        time.sleep(0.05)
    # The lock's file stays; nobody holds it, so the next batch takes it and removes it.
    assert everything(tmp_path / "runs") == [".~batch~lock", "b", "c"]
    (tmp_path / "go").touch()
    process = begin(tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert everything(tmp_path / "runs") == ["a", "b", "batch.csv", "batch.html", "c", "d", "e"]


def test_two_batches_in_one_folder_are_kept_apart(fakes, tmp_path):
    process = begin(tmp_path)
    wait_for(tmp_path / "a.pid", tmp_path / "d.pid")
    other = [job_of(tmp_path / "other", "z")]
    with pytest.raises(OutputError, match=rf'another batch is writing into "runs" \(process {process.pid} '):
        run_batch(other, "run", Options(out=tmp_path / "runs", workers=1, verbosity=-1))
    assert not (tmp_path / "runs" / "z").exists()
    process.terminate()
    process.communicate(timeout=60)
    assert len(table(tmp_path / "runs")) == 5
    run_batch(other, "run", Options(out=tmp_path / "runs", workers=1, verbosity=-1))
    assert list(table(tmp_path / "runs")) == ["z"]


def test_a_long_batch_leaves_a_table_behind_while_it_runs(monkeypatch, tmp_path):
    """For the machine that loses its power at three in the morning."""
    process = begin(tmp_path, before="from survey.pipelines.batch import crew\ncrew.LEDGER_SECONDS = 0.1")
    wait_for(tmp_path / "a.pid", tmp_path / "d.pid", tmp_path / "runs" / "batch.html", read=False)
    deadline = time.monotonic() + 30
    while (states := {k: v["state"] for k, v in table(tmp_path / "runs").items()})["d"] != "running":
        assert time.monotonic() < deadline, states
        time.sleep(0.05)
    process.kill()
    process.communicate(timeout=30)
    assert states == {"a": "running", "b": "done", "c": "done", "d": "running", "e": "not started"}


def test_a_table_that_cannot_be_written_is_told_in_words(fakes, tmp_path):
    (tmp_path / "runs" / "batch.csv").mkdir(parents=True)
    (tmp_path / "runs" / "batch.csv" / "x").touch()
    jobs = [job_of(tmp_path, "a", "die"), job_of(tmp_path, "b", "breach")]
    with pytest.raises(OutputError, match=r"batch\.csv: the summary cannot be written") as caught:
        run_batch(jobs, "run", Options(out=tmp_path / "runs", workers=1, verbosity=-1))
    assert "a: the process of this job died (SIGKILL)" in str(caught.value)
    assert "2 jobs: 1 done, 1 failed; 1 with breaches." in str(caught.value)
    assert (tmp_path / "runs" / "b" / "record.json").exists()


# -- what it says --------------------------------------------------------------------------------------------
def test_what_needs_a_person_stands_first_and_names_are_text(tmp_path):
    rows = sorted(
        [
            Row("fine", "fine.toml", "done", folder="fine"),
            Row("dug", "d.toml", "done", sites_outside=2, outside_volume_m3=12_345.6, folder="dug"),
            Row("breach", "b.toml", "done", breaches=1, sites_outside=1, folder="breach"),
            Row("<script>alert(1)</script>", "x.toml", "failed", message="the <b>DEM</b> is bad"),
            Row("later", "l.toml", "not started"),
        ],
        key=lambda row: row.urgency,
    )
    assert [row.job for row in rows][1:] == ["later", "breach", "dug", "fine"]
    (tmp_path / "dug").mkdir()
    (tmp_path / "dug" / "report.html").touch()
    page = render(rows, tmp_path, "5 jobs")
    assert "<script" not in page
    assert "&lt;b&gt;DEM&lt;/b&gt;" in page
    assert 'href="dug/report.html"' in page
    assert "12,346" in page
    assert rows[3].words() == "2 sites outside the lease"
    assert rows[2].words() == "1 breach, 1 site outside the lease"
    assert rows[4].words() == "nothing to weigh"
    assert Row("x", "x.toml", "done", too_close=1, not_measured=2).words() == "3 not settled"


def test_what_was_not_measured_is_empty_in_the_table_and_never_zero():
    said = Row("x", "x.toml", "failed", message="the DEM is bad").public()
    assert said["breaches"] is said["outside_volume_m3"] is said["cut_m3"] is None
    assert Row("x", "x.toml", "done").public()["breaches"] == 0


def test_job_files_of_one_name_are_told_apart(fakes, tmp_path):
    """Most offices have a folder per mine with a job.toml in it; one that cannot be read is still named."""
    for name in ("b", "c"):
        job_of(tmp_path / name, f"RJ-{name}").rename(tmp_path / name / "job.toml")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "job.toml").write_text('[job]\nid = "RJ-a"\nthis is not TOML\n')
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "job.toml").write_bytes(b"\xff\xfe")
    jobs = collect("run", [tmp_path])
    done = run_batch(jobs, "run", Options(out=tmp_path / "runs", workers=1, verbosity=-1))
    assert [(row.job, row.file, row.state) for row in done.rows] == [
        ("RJ-a", "a/job.toml", "failed"),
        ("d", "d/job.toml", "failed"),
        ("RJ-b", "b/job.toml", "done"),
        ("RJ-c", "c/job.toml", "done"),
    ]
    (tmp_path / "b" / "2024.tif").unlink()
    again = run_batch(jobs, "run", Options(out=tmp_path / "runs", workers=1, verbosity=-1))
    assert [row.job for row in again.rows] == ["RJ-a", "RJ-b", "d", "RJ-c"]
    assert again.rows[1].message.endswith(". Its folder holds the result of a former run.")
    assert "former" not in again.rows[0].message


def test_how_long_the_rest_will_take_is_said_by_what_was_done(capsys):
    view = Lines()
    row = Row("a", "a.toml", "done", seconds=3.0)
    view.end(0, row, 1, 3, 65.0)
    assert "done   a: nothing to weigh  (1 of 3, about 1 min 05 s left)" in capsys.readouterr().err


def test_a_list_may_name_folders_of_its_own(tmp_path):
    a = job_of(tmp_path / "x", "a")
    (tmp_path / "night.list").write_text("x/a.toml\n")
    assert collect("run", [tmp_path / "night.list"]) == [a]


# -- fifty ---------------------------------------------------------------------------------------------------
def test_one_rotten_delivery_of_fifty_is_named_and_the_others_are_done(fakes, monkeypatch, tmp_path):
    """Also across processes that are let go after some jobs, so that nothing adds up in them."""
    monkeypatch.setattr(crew, "JOBS_PER_PROCESS", 15)
    jobs = [job_of(tmp_path / "jobs", f"M-{k:02}", "breach" if k == 40 else "") for k in range(49)]
    rotten = tmp_path / "jobs" / "M-49.toml"
    rotten.write_text(jobs[0].read_text().replace("M-00", "M-49").replace("2024.tif", "2042.tif"))
    out = tmp_path / "runs"
    done = run_batch([rotten, *jobs], "run", Options(out=out, workers=2, verbosity=-1))
    assert [row.state for row in done.rows] == ["failed"] + ["done"] * 49
    assert [row.job for row in done.rows[:2]] == ["M-49", "M-40"]
    assert done.rows[0].file == "M-49.toml"
    assert 'survey[1].dem: found "2042.tif", but there is no such file' in done.rows[0].message
    rows = table(out)
    assert list(rows)[:3] == ["M-49", "M-40", "M-00"]
    assert rows["M-49"]["message"] == done.rows[0].message
    assert everything(out) == sorted([f"M-{k:02}" for k in range(49)] + ["batch.csv", "batch.html"])


# -- the network ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("out", ["/vsis3/bucket/runs", "s3://bucket/runs", "/vsimem/runs", "https://x/runs"])
def test_results_are_never_written_over_the_network(out, fakes, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = Options(out=Path(out), verbosity=-1)
    assert commands.guarded(lambda: do_jobs("run", [job_of(tmp_path, "a")], options), -1) == 2
    assert "not a folder of this machine. Write to a folder" in capsys.readouterr().err
    assert not (tmp_path / "s3:").exists()


@pytest.mark.parametrize("name", ["/vsicurl/http://127.0.0.1:9/a.tif", "/vsis3/bucket/a.tif", "s3://b/a.tif"])
def test_inputs_are_never_read_over_the_network(name, tmp_path):
    """Nor with ``--allow-outside``: a delivery must not send us anywhere."""
    job = job_of(tmp_path, "a")
    job.write_text(job.read_text().replace("2024.tif", name))
    with pytest.raises(JobError, match="only files on this machine are read"):
        load_job(job, allow_outside=True)
