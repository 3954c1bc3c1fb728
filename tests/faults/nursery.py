"""``survey`` commands in processes of their own, to be killed at any moment.

Every command is a child forked from one process that has imported everything and done one job: it costs what
its work costs, and not the four seconds of imports that a fresh interpreter takes. The child leads a session
of its own, so that whatever it starts can be found by that.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@dataclass
class Run:
    """A command that was begun; its log lines are read from a file while it works."""

    nursery: Nursery
    pid: int
    folder: Path
    began: float
    code_seen: int | None = None

    @property
    def said(self) -> str:
        return (self.folder / "stdout").read_text(encoding="utf-8", errors="replace")

    @property
    def complained(self) -> str:
        return (self.folder / "stderr").read_text(encoding="utf-8", errors="replace")

    def when(self, words: str, seconds: float = 60) -> Run:
        """Wait until the log says so."""
        deadline = time.monotonic() + seconds
        while words not in self.complained:
            assert time.monotonic() < deadline, f"never said {words!r}: {self.complained}"
            assert not gone(self.pid), f"ended before {words!r}: {self.complained}"
            time.sleep(0.005)
        return self

    def send(self, number: signal.Signals) -> Run:
        os.kill(self.pid, number)
        return self

    def code(self) -> int:
        """Wait for its end; the exit code, negative if a signal ended it. Nothing that it started is left."""
        self.code_seen = code = int(self.nursery.ask({"wait": self.pid}))
        deadline = time.monotonic() + 30
        while left := of_session(self.pid):
            assert time.monotonic() < deadline, f"orphans: {left}"
            time.sleep(0.02)
        return code


@dataclass
class Nursery:
    """The process that forks; a context."""

    folder: Path
    warm_up: Sequence[str] = ()
    count: int = 0
    process: subprocess.Popen[str] = field(init=False, repr=False)

    def __enter__(self) -> Nursery:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "forked_commands.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.ask({"warm": list(self.warm_up)})
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask(self, order: dict[str, Any]) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def begin(self, *args: object, temp: Path | None = None, limits: dict[str, int] | None = None) -> Run:
        """``survey ARGS``; ``limits`` are names of the module ``resource``, as RLIMIT_FSIZE."""
        self.count += 1
        folder = self.folder / str(self.count)
        folder.mkdir()
        for name in ("stdout", "stderr"):
            (folder / name).touch()
        environment = {} if temp is None else {"TMPDIR": str(temp)}
        began = time.monotonic()
        pid = self.ask(
            {
                "args": [str(a) for a in args],
                "environment": environment,
                "folder": str(folder),
                "limits": limits or {},
            }
        )
        return Run(self, pid, folder, began)


def of_session(leader: int) -> list[int]:
    """Processes of that session that are at work."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except (OSError, ValueError):
                continue
            if int(session) == leader and state not in "ZX":
                found.append(int(entry.name))
    return found


def gone(pid: int) -> bool:
    """No such process, or one that has ended and is only to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
