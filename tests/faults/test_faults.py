"""Everything that goes wrong under a run, caused: after each no half result, a clear message, exit code 2."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from small_disks import full_disk, read_only
from small_mine import without_clock

from survey.errors import EngineError, InputRefused, OutputError, SurveyError
from survey.pipelines import commands
from survey.pipelines.change.run import run_comparison
from survey.pipelines.do import do_jobs
from survey.pipelines.job import load_job
from survey.pipelines.options import Options
from survey.pipelines.progress import LogProgress, NullProgress
from survey.pipelines.sealing import sound_clock
from survey.record import Clock


class At(NullProgress):
    """Does something when a stage begins."""

    def __init__(self, stage: str, act: Callable[[], None]) -> None:
        super().__init__()
        self._at, self._act = stage, act

    def _begin(self, name: str, total: float | None) -> None:
        if name == self._at:
            self._act()


SWEEP = "measuring every cell"


def excavate(job: Path, out: Path, progress: NullProgress | None = None, **options: object) -> None:
    chosen = Options(out=out, workers=2, reports="none", **options)  # type: ignore[arg-type]
    run_comparison(load_job(job), chosen, progress or NullProgress(), "excavation")


def fails(kind: type[SurveyError], says: str, job: Path, out: Path, *args: object, **options: object) -> None:
    with pytest.raises(kind, match=says) as caught:
        excavate(job, out, *args, **options)  # type: ignore[arg-type]
    assert caught.value.exit_code == 2
    assert not out.exists() or list(out.iterdir()) == []


@pytest.fixture
def own(mine, tmp_path) -> Path:
    """A copy of the job that a test may damage."""
    return Path(shutil.copytree(mine.parent, tmp_path / "job")) / "job.toml"


# -- disks -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kilobytes", [40, 300])
def test_the_disk_of_the_results_is_full(kilobytes, mine, tmp_path):
    """40 kB end within change.tif, 300 kB within the drawings."""
    with full_disk(tmp_path / "runs", kilobytes):
        fails(OutputError, "full|room|larger", mine, tmp_path / "runs")


def test_the_folder_for_temporary_files_is_full(zipped, tmp_path, monkeypatch):
    with full_disk(tmp_path / "tmp", 40):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
        fails(SurveyError, "full|space|larger|large", zipped, tmp_path / "runs")
        assert list((tmp_path / "tmp").iterdir()) == []


def test_a_night_on_a_full_disk_names_every_job(nursery, mine, tmp_path):
    for name in ("A", "B"):
        folder = Path(shutil.copytree(mine.parent, tmp_path / "jobs" / name))
        (folder / "job.toml").write_text(mine.read_text().replace('"S-1"', f'"{name}"'))
    with full_disk(tmp_path / "runs", 300) as limits:
        run = nursery.begin(
            "excavation", tmp_path / "jobs", "-o", tmp_path / "runs", "--workers", "1", "--reports", "none",
            limits=limits,
        )  # fmt: skip
        assert run.code() == 3, run.complained
        for name in ("A", "B"):
            assert f"{name}: results cannot be written to runs: the disk is full" in run.said or limits
        assert "2 jobs: 0 done, 2 failed" in run.said
        # There is room for the table once the halves are gone.
        assert sorted(os.listdir(tmp_path / "runs")) == ["batch.csv", "batch.html"]


def test_a_log_on_a_full_disk_does_not_end_a_run(mine, tmp_path):
    with contextlib.suppress(OSError), open("/dev/full", "w") as full:
        log = LogProgress(full)
        excavate(mine, tmp_path / "runs", log)
    assert (tmp_path / "runs" / "S-1" / "record.json").exists()
    assert {SWEEP, "writing change.tif"} <= set(log.took())


def test_what_is_printed_to_a_full_disk_is_missed_aloud(mine, tmp_path, capfd, monkeypatch):
    """The run is whole; that nobody could be told how it went is an error all the same."""
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stdout", full)
        options = Options(out=tmp_path / "runs", workers=2, reports="none", json=True, verbosity=-1)
        code = commands.guarded(lambda: do_jobs("excavation", [mine], options), -1)
        monkeypatch.undo()
    assert code == 2
    assert "what the command says cannot be written (No space left on device)" in capfd.readouterr().err
    assert (tmp_path / "runs" / "S-1" / "record.json").exists()


def test_the_output_cannot_be_written(mine, tmp_path):
    with read_only(tmp_path / "ro"):
        fails(OutputError, r"read-only|permission.*--out", mine, tmp_path / "ro" / "runs")


# -- memory --------------------------------------------------------------------------------------------------
def test_too_little_memory_is_refused_before_the_work(mine, tmp_path):
    begun: list[str] = []
    with pytest.raises(EngineError, match=r"not enough.*at least .* MB\. Give more with --memory"):
        excavate(mine, tmp_path / "runs", At(SWEEP, lambda: begun.append("")), memory_bytes=256 * 2**20)
    assert not begun
    assert not (tmp_path / "runs").exists()


def test_memory_that_ends_in_the_midst(mine, tmp_path, monkeypatch):
    """The kernel refuses an allocation that a band makes in its thread."""
    from survey.pipelines.change import pair

    real = pair.sweep_band

    def greedy(*args, **kwargs):
        np.empty(2**46, np.uint8)
        return real(*args, **kwargs)

    monkeypatch.setattr(pair, "sweep_band", greedy)
    with pytest.raises(MemoryError) as caught:
        excavate(mine, tmp_path / "runs")
    assert "there is not enough memory" in commands.explained(caught.value)
    assert not (tmp_path / "runs").exists()


def test_memory_that_the_kernel_refuses(nursery, zipped, tmp_path):
    """A limit of the process a little above what it has: whoever asks for more is told no."""
    codes = []
    for megabytes in (1, 40, 120):
        out = tmp_path / "runs"
        run = nursery.begin(
            "excavation", zipped, "-o", out, "--workers", "1", "--reports", "none", "--force",
            temp=tmp_path, limits={"RLIMIT_AS": megabytes * 10**6},
        )  # fmt: skip
        codes.append(run.code())
        if codes[-1] == 0:
            continue
        assert codes[-1] == 2, run.complained
        assert "not enough memory" in run.complained
        assert not out.exists() or os.listdir(out) in ([], ["S-1"])
        assert [n for n in os.listdir(tmp_path) if n.startswith("survey-")] == []
    assert codes[0] == 2


# -- inputs --------------------------------------------------------------------------------------------------
def test_an_input_that_disappears_while_it_is_read(own, tmp_path):
    def vanish() -> None:
        (own.parent / "after.tif").unlink()

    fails(InputRefused, "after.tif: .*(changed|vanished|removed)", own, tmp_path / "runs", At(SWEEP, vanish))


@pytest.mark.parametrize("how", ["written into", "replaced"])
def test_an_input_that_changes_while_it_is_read(how, own, tmp_path):
    """Also where every read succeeds: the record must not name a hash of something else."""
    file = own.parent / "after.tif"
    before = file.read_bytes()

    def change() -> None:
        if how == "replaced":
            (own.parent / "new.tif").write_bytes(before)
            os.replace(own.parent / "new.tif", file)
        else:
            with open(file, "r+b") as stream:
                stream.seek(-1, os.SEEK_END)
                stream.write(b"\0")
            os.utime(file, ns=(1, 1))

    stage = "writing change.tif"
    fails(InputRefused, "after.tif: .*changed", own, tmp_path / "runs", At(stage, change))


def test_a_disk_that_fails_to_read(mine, tmp_path, monkeypatch):
    """The hundredth read of a block reports an error of the disk."""
    from survey.dem import decode

    reads, lock, real = [0], threading.Lock(), decode.dataset

    class Failing:
        def __init__(self, opened) -> None:
            self._opened = opened

        def __getattr__(self, name):
            return getattr(self._opened, name)

        def read(self, *args, **kwargs):
            with lock:
                reads[0] += 1
                failing = reads[0] > 20
            if failing:
                raise OSError(5, "Input/output error")
            return self._opened.read(*args, **kwargs)

    monkeypatch.setattr(decode, "dataset", lambda pin: Failing(real(pin)))
    fails(
        InputRefused,
        r"(before|after)\.tif: .*cannot be decoded \(.*Input/output error",
        mine,
        tmp_path / "runs",
    )
    assert reads[0] > 20


def test_a_disk_that_fails_while_files_are_hashed(mine, tmp_path, monkeypatch):
    """The fourth megabyte, so to say, of the second file."""
    from survey.delivery import hashing

    class Failing(io.FileIO):
        def readinto(self, buffer):
            if self.tell() > 0:
                raise OSError(5, "Input/output error")
            return super().readinto(memoryview(buffer)[:4096])

    def opened(path, mode):
        return Failing(path) if str(path).endswith("after.tif") else open(path, mode)

    monkeypatch.setattr(hashing, "open", opened, raising=False)
    fails(InputRefused, r"after\.tif: cannot be read \(Input/output error\)", mine, tmp_path / "runs")


def test_a_disk_that_fails_while_the_lease_is_read(mine, tmp_path, monkeypatch):
    """Not while it is hashed: when its text is wanted."""
    real, failed = Path.read_bytes, []

    def read_bytes(self):
        if self.name == "lease.geojson":
            failed.append(self)
            raise OSError(5, "Input/output error")
        return real(self)

    class Failing(io.BytesIO):
        def read(self, *args):
            failed.append(self)
            raise OSError(5, "Input/output error")

    def opened(path, *args, **kwargs):
        if str(path).endswith("lease.geojson"):
            return Failing()
        return open(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    for module in lease_readers():
        monkeypatch.setattr(module, "open", opened, raising=False)
    fails(InputRefused, r"lease\.geojson: .*(Input/output error|cannot be read)", mine, tmp_path / "runs")
    assert failed


def lease_readers() -> list[object]:
    import survey.boundary.lease  # noqa: F401

    return [m for name, m in sys.modules.items() if name.startswith("survey.boundary")]


def test_a_slow_disk_changes_nothing_but_the_time(mine, tmp_path, monkeypatch):
    """And Ctrl-C does not wait for the rest of it."""
    from survey.dem import decode

    excavate(mine, tmp_path / "quick")
    real, reads = decode.dataset, []

    class Slow:
        def __init__(self, opened) -> None:
            self._opened = opened

        def __getattr__(self, name):
            return getattr(self._opened, name)

        def read(self, *args, **kwargs):
            reads.append(time.monotonic())
            time.sleep(0.01)
            return self._opened.read(*args, **kwargs)

    monkeypatch.setattr(decode, "dataset", lambda pin: Slow(real(pin)))
    excavate(mine, tmp_path / "slow")
    assert len(reads) > 10
    records = [without_clock(tmp_path / n / "S-1" / "record.json") for n in ("quick", "slow")]
    assert records[0] == records[1]


# -- the clock -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(hours=9), timedelta(0)])
def test_a_clock_that_jumps_is_not_believed(jump):
    started = datetime(2026, 1, 1, tzinfo=UTC)
    finished = started + timedelta(seconds=30) + jump
    clock = Clock(started=started, finished=finished, seconds=(finished - started).total_seconds())
    sound = sound_clock(clock, 30.0)
    assert sound.seconds == 30.0
    assert sound.finished == started + timedelta(seconds=30)


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(days=3650)])
def test_a_clock_that_jumps_while_a_job_runs_alters_no_figure(jump, mine, tmp_path, monkeypatch):
    excavate(mine, tmp_path / "steady")
    jumped = [timedelta(0)]

    class Jumping(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + jumped[0]

    def leap() -> None:
        jumped[0] = jump
        os.utime(tmp_path, (1, 1))

    for module in [m for name, m in sys.modules.items() if name.startswith("survey.pipelines")]:
        if getattr(module, "datetime", None) is datetime:
            monkeypatch.setattr(module, "datetime", Jumping)
    excavate(mine, tmp_path / "jumped", At(SWEEP, leap))
    assert jumped[0] == jump
    records = [tmp_path / n / "S-1" / "record.json" for n in ("steady", "jumped")]
    assert without_clock(records[0]) == without_clock(records[1])
    clock = json.loads(records[1].read_text())["clock"]
    assert 0 < clock["seconds"] < 60
    # What is there is known again, whatever the clock says.
    inode = records[1].parent.stat().st_ino
    excavate(mine, tmp_path / "jumped")
    assert records[1].parent.stat().st_ino == inode
