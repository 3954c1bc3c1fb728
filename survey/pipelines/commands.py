"""Which function does the work of which command, and how any of them ends.

The table is the only place that names pipelines; they are imported when they are called, so that a help
page costs nothing.
"""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from survey.errors import EngineError, SurveyError

if TYPE_CHECKING:
    from survey.pipelines.job import Job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress
    from survey.record import Record

DONE, BREACHES, REFUSED, SOME_FAILED, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143

JOB_COMMANDS = ("run", "check", "excavation", "outside", "assess", "triggers")

PIPELINES: dict[str, tuple[str, str]] = {
    # (job, options, progress) -> Record
    "run": ("survey.pipelines.run", "run_run"),
    "check": ("survey.pipelines.check.run", "run_check"),
    "excavation": ("survey.pipelines.excavation", "run_excavation"),
    "outside": ("survey.pipelines.outside", "run_outside"),
    "assess": ("survey.pipelines.assess.run", "run_assess"),
    "triggers": ("survey.pipelines.triggers.run", "run_triggers"),
    # (run folder, options, progress) -> files that were drawn
    "report": ("survey.pipelines.report", "run_report"),
    # (folder, options, progress) -> what to print
    "demo": ("survey.pipelines.demo", "run_demo"),
    # (on, as JSON) -> what to print
    "law": ("survey.pipelines.law", "run_law"),
    # (run folder, options, progress) -> (stands, what to print)
    "verify": ("survey.pipelines.verify", "run_verify"),
    # (files or folders, command, options, progress) -> Batch
    "batch": ("survey.pipelines.batch.run", "run_batch"),
}

# A missing file is what these commands are there to find, not a reason to refuse the job.
_MISSING_FILES_ARE_FINDINGS = ("check",)


class Terminated(BaseException):
    """SIGTERM: the run cleans up behind itself and ends with 143."""


def pipeline(name: str) -> Callable[..., Any]:
    """The function behind a command.

    Raises
    ------
    SurveyError
        This installation does not have it.
    """
    module, function = PIPELINES[name]
    try:
        found: Callable[..., Any] = getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise SurveyError(f'this installation has no command "{name}"') from None
    return found


def load_for(command: str, path: Path, options: Options) -> Job:
    """The job of ``path``, a job file; ``check`` also takes a delivery as it was received."""
    if command == "check" and (path.is_dir() or path.suffix.casefold() == ".zip"):
        from survey.pipelines.check.bare import job_for_bare

        return job_for_bare(path)
    from survey.pipelines.job import load_job

    missing_refused = command not in _MISSING_FILES_ARE_FINDINGS
    job = load_job(
        path,
        allow_outside=options.allow_outside,
        allow_remote=options.remote,
        check_files=missing_refused,
    )
    job.require(command)
    return job


def run_one(command: str, path: Path, options: Options, progress: Progress) -> Record:
    """One job from its file to its record.

    Raises
    ------
    SurveyError
    """
    job = load_for(command, path, options)
    record: Record = pipeline(command)(job, options, progress)
    copy_away(job.id, options, progress)
    return record


def copy_away(job_id: str, options: Options, progress: Progress) -> None:
    """Copy a finished run to object storage, if that was asked for.

    Raises
    ------
    OutputError
    """
    if options.copy_to is None:
        return
    from survey.delivery.store import send_run

    progress.stage("copying the run to the store")
    send_run(options.out / job_id, options.copy_to)


def breaches(command: str, record: Record) -> int:
    """How many rules the filing breaches; other commands than ``check`` and ``run`` do not judge."""
    if command not in ("check", "run"):
        return 0
    return sum(finding.verdict == "breaches" for finding in record.findings)


def explained(error: BaseException) -> str:
    """What is printed when a run ends early."""
    if isinstance(error, SurveyError):
        return str(error)
    if isinstance(error, MemoryError):
        return str(
            EngineError(
                "there is not enough memory", mend="Give the run fewer workers, or more with --memory."
            )
        )
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted; nothing half-written was left. Run the same command again to go on."
    if isinstance(error, Terminated):
        return "Terminated; nothing half-written was left. Run the same command again to go on."
    return (
        f"Internal fault ({type(error).__name__}); nothing was presented as a result. "
        "Please report it with the output of the same command with -v."
    )


def guarded(work: Callable[[], int], verbosity: int) -> int:
    """Run ``work`` and turn however it ends into an exit code and, if need be, one message."""
    with _terminable(), _quiet_libraries(verbosity):
        try:
            return work()
        except BrokenPipeError:
            # Whoever read our output has closed it; say nothing more, also not at interpreter exit.
            sys.stdout = open("/dev/null", "w")  # noqa: SIM115
            return DONE
        except (Exception, KeyboardInterrupt, Terminated) as error:
            print(explained(error), file=sys.stderr)
            if verbosity > 0 and not isinstance(error, SurveyError):
                traceback.print_exception(error)
            return {KeyboardInterrupt: INTERRUPTED, Terminated: TERMINATED}.get(type(error), REFUSED)


@contextmanager
def _terminable() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _quiet_libraries(verbosity: int) -> Iterator[None]:
    """Warnings and logs of libraries are for developers: they are shown with ``-v`` only."""
    import logging
    import warnings

    if verbosity > 0:
        yield
        return
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
