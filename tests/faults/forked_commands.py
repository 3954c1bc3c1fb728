"""The inside of the nursery: a loop that forks a child per command. Started as a program of its own."""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any


def run(args: list[str]) -> int:
    """``survey ARGS`` in this process, to its exit code."""
    from survey.pipelines.cli import main

    sys.argv = ["survey", *args]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def child(order: dict[str, Any]) -> None:
    os.setsid()
    for name, number in (("stdout", 1), ("stderr", 2)):
        handle = os.open(Path(order["folder"]) / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdin = open(os.devnull)  # noqa: SIM115
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(n, "w"), write_through=True) for n in (1, 2))
    # As a new process finds them; a command that ran here to warm up has left them ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.update(order["environment"])
    tempfile.tempdir = None
    for name, limit in order["limits"].items():
        if name == "RLIMIT_AS":  # counted from what this process has
            limit += int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(getattr(resource, name), (limit, limit))
    code = run(order["args"])
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        order = json.loads(line)
        answer: Any
        if "warm" in order:
            with contextlib.redirect_stdout(io.StringIO()):
                answer = run(order["warm"]) if order["warm"] else 0
        elif "wait" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                child(order)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
