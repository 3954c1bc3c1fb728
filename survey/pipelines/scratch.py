"""Temporary files of a command: one folder, gone when the command ends, however it ends.

Deliveries are unpacked into it; they can be many gigabytes. A process that is killed cannot clear up behind
itself, so the folder is locked while somebody uses it, and whoever comes next removes those that nobody
holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from survey.undisturbed import undisturbed

PREFIX = "survey-scratch-"


@contextlib.contextmanager
def scratch() -> Iterator[None]:
    """Temporary files of this process, and of those it starts, go into a folder of their own.

    A machine that has no room for it is no reason to stop: not every job needs temporary files.
    """
    held: tuple[Path, int] | None = None
    before = tempfile.tempdir, os.environ.get("TMPDIR")
    try:
        with contextlib.suppress(OSError):
            base = Path(tempfile.gettempdir())
            _clear(base)
            with undisturbed():
                held = _held(base)
        if held is not None:
            tempfile.tempdir = os.environ["TMPDIR"] = str(held[0])
        yield
    finally:
        if held is not None:
            with undisturbed():
                tempfile.tempdir = before[0]
                os.environ.pop("TMPDIR", None)
                if before[1] is not None:
                    os.environ["TMPDIR"] = before[1]
                shutil.rmtree(held[0], ignore_errors=True)
                os.close(held[1])


def own_part() -> None:
    """In a process that a command started: its temporary files go into a part of the command's folder."""
    base = Path(tempfile.gettempdir())
    if base.name.startswith(PREFIX):
        part = base / str(os.getpid())
        with contextlib.suppress(OSError):
            part.mkdir(parents=True, exist_ok=True)
            tempfile.tempdir = os.environ["TMPDIR"] = str(part)


def remove_own_part(last: bool) -> None:
    """``last``: whoever held the folder is gone, so it goes with the last part in it."""
    base = Path(tempfile.gettempdir())
    if base.parent.name.startswith(PREFIX):
        shutil.rmtree(base, ignore_errors=True)
        if last:
            with contextlib.suppress(OSError):
                base.parent.rmdir()


def remove_part(process: int) -> None:
    """Remove what a process left that we started and that was killed."""
    base = Path(tempfile.gettempdir())
    if base.name.startswith(PREFIX):
        shutil.rmtree(base / str(process), ignore_errors=True)


def _held(base: Path) -> tuple[Path, int]:
    """A new folder, and the handle that holds it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        try:
            handle = _locked(folder)
        except OSError:
            folder.rmdir()
            raise
        # Another process may have taken it for one that nobody holds, before we held it.
        if handle is not None and folder.exists():
            return folder, handle
        if handle is not None:
            os.close(handle)


def _clear(base: Path) -> None:
    for folder in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            seen = folder.lstat()
            if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.geteuid():
                continue
            handle = _locked(folder)
            if handle is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(handle)


def _locked(folder: Path) -> int | None:
    """A handle on the folder that nobody else has while we do; None if somebody has."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:
        os.close(handle)
        raise
    return handle
