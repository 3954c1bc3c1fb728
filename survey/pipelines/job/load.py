"""From a TOML file to a checked ``Job``, or to one message that names every mistake in it."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from survey.errors import JobError
from survey.pipelines.job.messages import dotted, problems
from survey.pipelines.job.model import Job
from survey.pipelines.job.words import plain

MAX_BYTES = 256 * 1024
_MOST_SHOWN = 20
_MOST_DOTS_IN_A_LINE = 300
_MOST_DOTS = 10_000

UNFILLED = "?"
"""Stands in a job that ``survey init`` wrote, where somebody must say what the files do not."""

# A clock that is older than this program is wrong; it then cannot say what lies in the future.
_BUILT = date(2026, 11, 1)


def load_job(
    path: str | os.PathLike[str],
    *,
    allow_outside: bool = False,
    allow_remote: bool = False,
    check_files: bool = True,
) -> Job:
    """Read and check a job file.

    Parameters
    ----------
    allow_outside:
        Paths may leave the folder of the job file.
    allow_remote:
        Rasters may lie on object storage or a web server.
    check_files:
        Files that the job names must be there. Off, for commands to which a missing file is a finding.

    Raises
    ------
    JobError
        Everything that is wrong with the file, key by key.
    """
    path = Path(path)
    return job_from_toml(
        _read(path),
        path,
        allow_outside=allow_outside,
        allow_remote=allow_remote,
        check_files=check_files,
        today=_today(),
    )


def job_from_toml(
    text: str,
    path: Path,
    *,
    allow_outside: bool = False,
    allow_remote: bool = False,
    check_files: bool = True,
    today: date | None = None,
) -> Job:
    """``load_job`` for a text that would stand in ``path``."""
    _refuse_deep_keys(text, path)
    try:
        raw = tomllib.loads(text)
    except RecursionError:
        raise JobError("brackets are nested too deeply for a job file", file=path) from None
    except ValueError as error:  # TOMLDecodeError, and numbers too long to be read
        raise JobError(
            f"this is not TOML: {plain(str(error), 200)}",
            file=path,
            mend="Text stands in double quotes, a date as 2025-04-20; survey template prints a correct file.",
        ) from None
    unfilled = [f'{where} is still to be filled in (found "{UNFILLED}")' for where in _unfilled(raw, "")]
    if unfilled:
        raise _job_error(unfilled, path)
    folder = Path(os.path.abspath(path)).parent
    context = {
        "folder": folder,
        "allow_outside": allow_outside,
        "allow_remote": allow_remote,
        "check_files": check_files,
        "delivery": _delivery(raw),
        "today": today,
    }
    try:
        job = Job.model_validate(raw, context=context)
    except ValidationError as error:
        raise _job_error(problems(error, raw), path) from None
    job._folder = folder
    job._source = path
    job._allow_outside = allow_outside
    job._allow_remote = allow_remote
    return job


def _refuse_deep_keys(text: str, path: Path) -> None:
    """The parser's memory grows with the square of the dots in a key: a key of 100 kB would take 20 GB."""
    per_line = [line.count(".") for line in text.split("\n")]
    if max(per_line) > _MOST_DOTS_IN_A_LINE or sum(per_line) > _MOST_DOTS:
        line = per_line.index(max(per_line)) + 1
        raise JobError(f"line {line} holds more dots than a job file can need", file=path)


def _unfilled(value: Any, where: str) -> Iterator[str]:
    if value == UNFILLED:
        yield where
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _unfilled(item, dotted((name,)) if not where else f"{where}.{dotted((name,))}")
    elif isinstance(value, list):
        for number, item in enumerate(value, start=1):
            yield from _unfilled(item, f"{where}[{number}]")


def _delivery(raw: dict[str, Any]) -> bool:
    head = raw.get("job")
    return isinstance(head, dict) and isinstance(head.get("delivery"), str) and head["delivery"].strip() != ""


def _today() -> date | None:
    """Today anywhere on earth, or None when the clock cannot be trusted."""
    now = datetime.now(UTC).date() + timedelta(days=1)
    return now if now >= _BUILT else None


def _read(path: Path) -> str:
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise JobError(
                "this is a folder; a job file is expected", file=path, mend="survey init FOLDER writes one."
            )
        if not stat.S_ISREG(mode):
            raise JobError("this is not a regular file; a job file is expected", file=path)
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise JobError(
            "there is no such job file", file=path, mend="survey template prints one, survey init writes one."
        ) from None
    except OSError as error:
        raise JobError(f"the job file cannot be read ({error.strerror})", file=path) from None
    if len(raw) > MAX_BYTES:
        raise JobError(f"is larger than the {MAX_BYTES // 1024} KiB that a job file may have", file=path)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise JobError("is saved as UTF-16; a job file is UTF-8 text", file=path, mend="Save it as UTF-8.")
    if raw.startswith(b"PK\x03\x04"):
        raise JobError(
            "is a zip file; a job file is expected", file=path, mend="survey init ZIP writes a job for it."
        )
    if raw[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        raise JobError(
            "is a raster; a job file is expected", file=path, mend="survey init FOLDER_OR_ZIP writes one."
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise JobError(f"line {line} is not UTF-8 text", file=path, mend="Save the file as UTF-8.") from None


def _job_error(found: list[str], path: Path) -> JobError:
    if len(found) == 1:
        return JobError(found[0], file=path)
    lines = found[:_MOST_SHOWN]
    if len(found) > _MOST_SHOWN:
        lines.append(f"and {len(found) - _MOST_SHOWN} more")
    return JobError(f"{len(found)} things are wrong in the job file:\n  " + "\n  ".join(lines), file=path)
