"""A pipeline that goes wrong in the ways that a batch must survive; what to do stands in the mine's name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from fake_pipeline import NOW, finding

from survey.blocks import resident_bytes
from survey.errors import InputRefused
from survey.pipelines.job import Job
from survey.pipelines.options import Options
from survey.pipelines.progress import Progress
from survey.pipelines.runs import run_folder
from survey.pipelines.sealing import write_record
from survey.record import Clock, Record, from_json

KEPT: list[bytearray] = []


def run_run(job: Job, options: Options, progress: Progress) -> Record:
    what, _, where = (job.mine.name or "").partition(" ")
    mark = job.folder / where if where else None
    with run_folder(job, options, "run", {"survey[1].dem": "00"}) as folder:
        if folder.up_to_date is not None:
            return from_json(folder.up_to_date)
        progress.stage("looking", 2)
        progress.advance(1)
        folder.write_text("findings.csv", "id\n")
        if what == "die" or (what == "die-once" and _first(mark)):
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "swell":
            KEPT.append(bytearray(400_000_000))
        if what == "slim" and resident_bytes() > 300_000_000:
            raise InputRefused("the process still holds what another job left")
        if what == "wait" and mark is not None and not (job.folder / "go").exists():
            mark.write_text(str(os.getpid()))
            time.sleep(120)
        record = Record(
            command="run",
            job=job.public() | {"id": job.id},
            clock=Clock(started=NOW, finished=NOW, seconds=0.0),
            software={"mine-survey": "0"},
            sources=[],
            findings=[finding("breaches")] if what == "breach" else [],
            settings={"threads": options.workers},
        )
        return write_record(folder, record)


def _first(mark: Path | None) -> bool:
    assert mark is not None
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
