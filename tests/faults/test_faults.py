"""Everything that goes wrong under a run, caused: after each no half result, a clear message, exit code 2."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from small_disks import full_disk, read_only

from survey.errors import EngineError, InputRefused, OutputError, SurveyError
from survey.pipelines import commands
from survey.pipelines.compare import run_comparison
from survey.pipelines.job import load_job
from survey.pipelines.options import Options
from survey.pipelines.progress import NullProgress
from survey.pipelines.runs import sound_clock
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


def test_the_folder_for_temporary_files_is_full(own, tmp_path, monkeypatch):
    with zipfile.ZipFile(own.parent / "delivery.zip", "w") as archive:
        for name in ("before.tif", "after.tif", "lease.geojson"):
            archive.write(own.parent / name, name)
    own.write_text(own.read_text().replace('id = "S-1"', 'id = "S-1"\ndelivery = "delivery.zip"'))
    with full_disk(tmp_path / "tmp", 40):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
        fails(SurveyError, "full|space|larger|large", own, tmp_path / "runs")
        assert list((tmp_path / "tmp").iterdir()) == []


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
    from survey.pipelines import pair

    real = pair.sweep_band

    def greedy(*args, **kwargs):
        np.empty(2**46, np.uint8)
        return real(*args, **kwargs)

    monkeypatch.setattr(pair, "sweep_band", greedy)
    with pytest.raises(MemoryError) as caught:
        excavate(mine, tmp_path / "runs")
    assert "there is not enough memory" in commands.explained(caught.value)
    assert not (tmp_path / "runs").exists()


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


# -- the clock -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(hours=9), timedelta(0)])
def test_a_clock_that_jumps_is_not_believed(jump):
    started = datetime(2026, 1, 1, tzinfo=UTC)
    finished = started + timedelta(seconds=30) + jump
    clock = Clock(started=started, finished=finished, seconds=(finished - started).total_seconds())
    sound = sound_clock(clock, 30.0)
    assert sound.seconds == 30.0
    assert sound.finished == started + timedelta(seconds=30)
