"""A pipeline that does no work, to try the command line with."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

from survey.errors import InputRefused
from survey.pipelines.job import Job
from survey.pipelines.options import Options
from survey.pipelines.progress import Progress
from survey.pipelines.runs import run_folder
from survey.pipelines.sealing import write_record
from survey.record import Clock, Finding, Note, Record, ZoneVolumes, from_json

NOW = datetime(2025, 7, 1, tzinfo=UTC)


def finding(verdict: str) -> Finding:
    return Finding(
        id="f1",
        rule="34A(1)",
        citation="MCDR 2017, rule 34A(1)",
        verdict=verdict,  # type: ignore[arg-type]
        observed="June",
        limit="April, May",
        unit=None,
        message="The survey was flown in June.",
    )


def zone() -> ZoneVolumes:
    numbers = {name: 0.0 for name, field in ZoneVolumes.model_fields.items() if field.annotation is float}
    return ZoneVolumes(**{**numbers, "zone": "lease", "cut_m3": 1234567.0, "net_m3": float("nan")})


def run_excavation(job: Job, options: Options, progress: Progress) -> Record:
    with run_folder(job, options, "excavation", {"survey[1].dem": "00"}) as folder:
        if folder.up_to_date is not None:
            return from_json(folder.up_to_date)
        progress.stage("looking", 2)
        progress.advance(2)
        what = job.mine.name or ""
        if what == "refuse":
            raise InputRefused("the DEM is a hillshade", file="/somewhere/dsm.tif", mend="Send the DEM.")
        if what == "fault":
            raise ZeroDivisionError("division by zero")
        if what == "memory":
            raise MemoryError
        if what == "wait":
            folder.write_text("half.txt", "half")
            print("ready", flush=True)
            time.sleep(60)
        if what == "interrupt":
            raise KeyboardInterrupt
        folder.write_text("findings.csv", "id\n")
        record = Record(
            command="excavation",
            job=job.public(),
            clock=Clock(started=NOW, finished=NOW, seconds=0.0),
            software={"mine-survey": "0"},
            sources=[],
            zones=[zone()],
            findings=[finding("breaches")] if what == "breach" else [],
            notes=[Note(code="x", message="Tilt was not tested.", severity="serious")],
            settings={"process": os.getpid() * 0},
        )
        return write_record(folder, record)


run_check = run_run = run_excavation


def not_a_command(*_: object) -> None:
    raise AssertionError("never called")
