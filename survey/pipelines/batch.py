"""Many jobs, one after another: one bad delivery never stops the others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from survey.errors import JobError, OutputError, SurveyError
from survey.pipelines.commands import breaches, explained, load_for, pipeline
from survey.pipelines.job import Job
from survey.pipelines.options import Options
from survey.pipelines.progress import Progress

COLUMNS = ("job", "file", "state", "breaches", "serious_notes", "message", "folder")


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one job."""

    job: str
    file: str
    state: str  # failed | done
    breaches: int = 0
    serious_notes: int = 0
    message: str = ""
    folder: str = ""

    def public(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in COLUMNS}

    @property
    def urgency(self) -> tuple[int, int, int, str]:
        """What needs a person stands first."""
        return (self.state != "failed", -self.breaches, -self.serious_notes, self.job)


@dataclass(frozen=True, slots=True)
class Batch:
    """All jobs, what needs a person first."""

    rows: tuple[Row, ...]
    table: Path

    @property
    def failed(self) -> int:
        return sum(row.state == "failed" for row in self.rows)

    def told(self) -> str:
        lines = [f"{row.job}: {row.message}" for row in self.rows if row.state == "failed"]
        breached = sum(row.breaches > 0 for row in self.rows)
        done = len(self.rows) - self.failed
        lines.append(f"{len(self.rows)} jobs: {done} done, {self.failed} failed; {breached} with breaches.")
        lines.append(f"Summary: {self.table}")
        return "\n".join(lines)


def collect(command: str, targets: Sequence[Path]) -> list[Path]:
    """The job files that the targets stand for: files themselves, job files of a folder, lines of a list.

    For ``check`` a folder without job files is a delivery.

    Raises
    ------
    JobError
        A folder or list names no job, or a file is named twice.
    """
    paths: list[Path] = []
    for target in targets:
        if target.is_dir():
            found = sorted({*target.glob("*.toml"), *target.glob("*/job.toml")})
            if found:
                paths += found
            elif command == "check":
                paths.append(target)
            else:
                raise JobError("the folder holds no job files (*.toml)", file=target)
        elif target.suffix.casefold() in (".txt", ".list", ".lst") and target.is_file():
            paths += _listed(target)
        else:
            paths.append(target)
    real = [os.path.realpath(path) for path in paths]
    for path, where in zip(paths, real, strict=True):
        if real.count(where) > 1:
            raise JobError("the same job file is given twice", file=path)
    return paths


def _listed(file: Path) -> list[Path]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise JobError(f"the list cannot be read ({error})", file=file) from None
    found = [
        file.parent / line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")
    ]
    if not found:
        raise JobError("the list names no job files", file=file)
    return found


def run_batch(paths: Sequence[Path], command: str, options: Options, progress: Progress) -> Batch:
    """Run every job; write ``batch.csv`` into the folder of results.

    Raises
    ------
    JobError
        Two jobs have one id: refused before anything runs.
    OutputError
        The summary cannot be written.
    """
    jobs: list[tuple[Path, Job | SurveyError]] = [(path, _loaded(command, path, options)) for path in paths]
    _refuse_twins(jobs)
    rows = []
    for number, (path, job) in enumerate(jobs, start=1):
        if isinstance(job, Job):
            progress.say(f"{number} of {len(jobs)}: {job.id}")
            rows.append(_run(path, job, command, options, progress))
        else:
            rows.append(Row(path.stem, path.name, "failed", message=str(job)))
    rows.sort(key=lambda row: row.urgency)
    return Batch(tuple(rows), _write(rows, options.out))


def _loaded(command: str, path: Path, options: Options) -> Job | SurveyError:
    try:
        return load_for(command, path, options)
    except SurveyError as error:
        return error
    except Exception as error:
        return SurveyError(explained(error))


def _refuse_twins(jobs: Sequence[tuple[Path, Job | SurveyError]]) -> None:
    seen: dict[str, Path] = {}
    twins = []
    for path, job in jobs:
        if isinstance(job, Job):
            # Some file systems do not tell capitals apart.
            first = seen.setdefault(job.id.casefold(), path)
            if first is not path:
                twins.append(f'"{job.id}" ({first.name} and {path.name})')
    if twins:
        raise JobError(
            f"two jobs have the same id: {', '.join(twins)}",
            mend="Every id names a folder of results; give each job its own.",
        )


def _run(path: Path, job: Job, command: str, options: Options, progress: Progress) -> Row:
    try:
        record = pipeline(command)(job, replace(options, json=False), progress)
    except Exception as error:
        # A fault of the program in one job is that job's; the others must not pay for it.
        return Row(job.id, path.name, "failed", message=explained(error))
    serious = sum(note.severity == "serious" for note in record.notes)
    found = breaches(command, record)
    return Row(job.id, path.name, "done", found, serious, folder=job.id)


def _write(rows: Sequence[Row], out: Path) -> Path:
    """Whole or not at all, as everything that is written."""
    from survey.tables import write_csv

    table = out / "batch.csv"
    partial = out / f".batch~partial-{os.getpid()}.csv"
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_csv(partial, COLUMNS, [tuple(row.public().values()) for row in rows])
        os.replace(partial, table)
    except OSError as error:
        raise OutputError(f"the summary cannot be written ({error.strerror})", file=table) from None
    finally:
        partial.unlink(missing_ok=True)
    return table
