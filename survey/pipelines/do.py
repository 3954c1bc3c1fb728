"""One job or a batch, from the command line's arguments to what it prints and its exit code."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from pathlib import Path

from survey.errors import OutputError
from survey.pipelines.batch.run import collect, run_batch
from survey.pipelines.commands import BREACHES, DONE, SOME_FAILED, breaches, run_one
from survey.pipelines.options import Options
from survey.pipelines.progress import progress_for
from survey.pipelines.scratch import scratch
from survey.pipelines.summary import summary


def do_jobs(command: str, targets: list[Path], options: Options) -> int:
    """Run ``command`` on every target; the exit code."""
    _refuse_far(options.out)
    paths = collect(command, targets)
    with scratch():
        if paths == targets and len(paths) == 1:
            return _do_one(command, paths[0], options)
        return _do_batch(command, paths, options)


def _refuse_far(out: Path) -> None:
    """A run is put in place by one rename and kept by a lock: object stores know neither.

    Raises
    ------
    OutputError
    """
    if re.match(r"/vsi|[A-Za-z][A-Za-z0-9+.-]+:/", str(out)):
        raise OutputError(
            f'--out: found "{out}", which is not a folder of this machine',
            mend="Write to a folder, and copy the finished runs to the store.",
        )


def _do_one(command: str, path: Path, options: Options) -> int:
    with progress_for(options.verbosity) as progress:
        record = run_one(command, path, options, progress)
    if options.json:
        from survey.record import to_json

        _print(to_json(record))
    elif options.verbosity >= 0:
        _print(summary(record, options.out) + "\n")
    return BREACHES if breaches(command, record) else DONE


def _do_batch(command: str, paths: list[Path], options: Options) -> int:
    batch = run_batch(paths, command, options)
    if options.json:
        _print(json.dumps([row.public() for row in batch.rows], ensure_ascii=False, indent=1) + "\n")
    elif options.verbosity >= 0:
        _print(batch.told() + "\n")
    if batch.failed:
        return SOME_FAILED
    return BREACHES if any(row.breaches for row in batch.rows) else DONE


def _print(text: str) -> None:
    """Say how it went; a reader who has gone away does not change how it went, and so not the exit code.

    Raises
    ------
    OutputError
        Standard output is a file that cannot be written.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go_of_stdout()
    except OSError as error:
        _let_go_of_stdout()
        raise OutputError(
            f"what the command says cannot be written ({error.strerror})",
            mend="The results themselves are in place; see the folder of results.",
        ) from error


def _let_go_of_stdout() -> None:
    """What is still in the buffer must not be tried again when the interpreter ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
