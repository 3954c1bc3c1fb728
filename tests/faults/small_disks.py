"""File systems that are full, or that nobody can write."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(at: Path, options: str) -> Iterator[bool]:
    """A file system of its own at ``at``, where the machine lets us mount one."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(at)], capture_output=True, check=False
    )
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", str(at)], check=True)


@contextmanager
def full_disk(at: Path, kilobytes: int) -> Iterator[dict[str, int]]:
    """Writing more than so much at ``at`` fails, as on a full disk (or, without rights, as with a quota).

    Yields the limits that a command begun elsewhere needs for that.
    """
    at.mkdir(exist_ok=True)
    with small_disk(at, f"size={kilobytes}k") as mounted:
        if mounted:
            yield {}
            return
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, hard))
        try:
            yield {"RLIMIT_FSIZE": kilobytes * 1024}
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def read_only(at: Path) -> Iterator[None]:
    """Nobody can write at ``at``, not even root."""
    at.mkdir(exist_ok=True)
    with small_disk(at, "ro,size=64k") as mounted:
        if not mounted:
            at.chmod(0o555)
        try:
            yield
        finally:
            if not mounted:
                at.chmod(0o755)
