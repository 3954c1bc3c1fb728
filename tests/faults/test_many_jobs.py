"""One process, many jobs, as in a night's batch: nothing that a job made stays behind it."""

from __future__ import annotations

import gc
import os
import tempfile
import threading
import urllib.parse

from survey.pipelines.job import load_job
from survey.pipelines.options import Options
from survey.pipelines.progress import NullProgress
from survey.pipelines.run import run_run

WARM, MORE = 2, 8


def held() -> tuple[int, int, int, int]:
    """Objects that the collector knows, open handles, threads, temporary files."""
    # The standard library keeps the last addresses that it took apart, a bounded number.
    urllib.parse.clear_cache()
    gc.collect()
    temporary = sum(len(files) + len(folders) for _, folders, files in os.walk(tempfile.gettempdir()))
    return len(gc.get_objects()), len(os.listdir("/proc/self/fd")), threading.active_count(), temporary


def test_jobs_leave_nothing_behind_in_their_process(mine, tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    options = Options(out=tmp_path / "runs", workers=1, reports="none", force=True)
    job = load_job(mine)
    # What is compiled, read or looked up once stays for all jobs.
    for _ in range(WARM):
        run_run(job, options, NullProgress())
    before = held()
    for _ in range(MORE):
        run_run(job, options, NullProgress())
    after = held()
    # A job makes tens of thousands of objects. Each that it left behind once would be eight here.
    assert after[0] - before[0] < MORE
    assert after[1:] == before[1:]
    assert after[3] == 0
    assert os.listdir(tmp_path / "runs") == [job.id]
