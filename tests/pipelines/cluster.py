"""A dask cluster of real processes on this machine: one scheduler, and workers that can be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@dataclass
class Cluster:
    """Scheduler and workers as a context; ``address`` is what ``--scheduler`` takes."""

    folder: Path
    workers: int = 2
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def _file(self) -> Path:
        return self.folder / "scheduler.json"

    @property
    def address(self) -> str:
        return str(json.loads(self._file.read_text())["address"])

    def _start(self, module: str, *args: str) -> subprocess.Popen[bytes]:
        with open(self.folder / f"{module}-{len(self.processes)}.log", "wb") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    f"distributed.cli.{module}",
                    "--scheduler-file",
                    str(self._file),
                    *args,
                ],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)])},
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def __enter__(self) -> Self:
        self.scheduler = self._start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        self.add_workers(self.workers)
        return self

    def add_workers(self, count: int) -> list[subprocess.Popen[bytes]]:
        deadline = time.monotonic() + 90
        while not self._file.exists() or not self._file.read_text().endswith("}"):
            assert time.monotonic() < deadline, "the scheduler did not start"
            time.sleep(0.05)
        return [
            self._start(
                "dask_worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0"
            )
            for _ in range(count)
        ]

    def wait_for(self, count: int) -> None:
        """Until so many workers are there."""
        from distributed import Client

        with Client(self.address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=120)

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait(30)
