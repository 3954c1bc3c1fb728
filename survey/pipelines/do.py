"""One job or a batch, from the command line's arguments to what it prints and its exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from survey.pipelines.batch import collect, run_batch
from survey.pipelines.commands import BREACHES, DONE, SOME_FAILED, breaches, run_one
from survey.pipelines.options import Options
from survey.pipelines.progress import progress_for
from survey.pipelines.summary import summary


def do_jobs(command: str, targets: list[Path], options: Options) -> int:
    """Run ``command`` on every target; the exit code."""
    paths = collect(command, targets)
    if paths == targets and len(paths) == 1:
        return _do_one(command, paths[0], options)
    return _do_batch(command, paths, options)


def _do_one(command: str, path: Path, options: Options) -> int:
    with progress_for(options.verbosity) as progress:
        record = run_one(command, path, options, progress)
    if options.json:
        from survey.record import to_json

        sys.stdout.write(to_json(record))
        sys.stdout.flush()
    elif options.verbosity >= 0:
        print(summary(record, options.out))
    return BREACHES if breaches(command, record) else DONE


def _do_batch(command: str, paths: list[Path], options: Options) -> int:
    batch = run_batch(paths, command, options)
    if options.json:
        print(json.dumps([row.public() for row in batch.rows], ensure_ascii=False, indent=1))
    elif options.verbosity >= 0:
        print(batch.told())
    if batch.failed:
        return SOME_FAILED
    return BREACHES if any(row.breaches for row in batch.rows) else DONE
