"""Files out: one folder per run, written whole or not at all.

A run is built in a hidden folder beside its place, brought to the disk, and put in place by one rename.
Whoever looks at ``<out>/<id>`` sees the former run, or the new one, or nothing: never a half. A lock of the
kernel keeps two runs of one job apart; it goes away with its process, however that ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

from survey.errors import OutputError
from survey.undisturbed import undisturbed

RECORD = "record.json"

# "~" cannot stand in a job id, so that no id can be mistaken for another's hidden files.
_PARTIAL, _LOCK, _FORMER = "~partial-", "~lock", "~former-"

_REASONS = {
    errno.ENOSPC: ("the disk is full", "Free some space, or choose another folder with --out."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space, or choose another folder with --out."),
    errno.EROFS: ("the disk is read-only", "Choose a folder that can be written, with --out."),
    errno.EACCES: ("permission is denied", "Choose a folder that can be written, with --out."),
    errno.EPERM: ("permission is denied", "Choose a folder that can be written, with --out."),
    errno.ENOTDIR: ("a file stands where a folder is needed", "Choose another folder with --out."),
    errno.EEXIST: ("a file stands where a folder is needed", "Choose another folder with --out."),
    errno.ENAMETOOLONG: ("the path is too long", "Choose a shorter one with --out."),
    errno.EFBIG: ("a file became larger than the file system allows", "Choose another folder with --out."),
    errno.EIO: ("the disk reports an error", "Have the disk looked at, and choose another with --out."),
}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
_NEARLY_NOTHING = 2**20


def sha256_of_file(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Lock:
    """A lock file that one process holds; the kernel drops it with the process, however that ends.

    Raises
    ------
    OutputError
        Another process holds it: "another ``what``".
    OSError
        The file cannot be made.
    """

    def __init__(self, path: Path, what: str) -> None:
        self._path = path
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(handle, 200).decode("utf-8", "replace").strip()
                os.close(handle)
                raise OutputError(
                    f"another {what}" + (f" ({holder})" if holder.isprintable() and holder else ""),
                    mend="Wait until it has ended, or choose another folder with --out.",
                ) from None
            except OSError:
                os.close(handle)
                raise
            # The former holder may have removed the file between our open and our lock.
            try:
                same = os.path.samestat(os.fstat(handle), os.stat(path))
            except FileNotFoundError:
                same = False
            if same:
                break
            os.close(handle)
        os.ftruncate(handle, 0)
        # Without room on the disk even this note may fail; the lock holds all the same.
        with contextlib.suppress(OSError):
            os.write(handle, f"process {os.getpid()} on {socket.gethostname()}".encode())
        self._handle: int | None = handle

    def release(self) -> None:
        if self._handle is not None:
            # Removed while still held, so that nobody can lock a file that is no longer there.
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            os.close(self._handle)
            self._handle = None


@contextlib.contextmanager
def writable(out: Path) -> Iterator[None]:
    """Failures of the disk inside are told as those of the folder of results.

    Raises
    ------
    OutputError
    """
    try:
        yield
    except OSError as error:
        raise refusal(out, error) from error


class RunFolder:
    """The folder of one run, as a context: left without an error it is in place, otherwise it never was.

    Parameters
    ----------
    digest:
        Of everything that decides the result, or what works it out, asked only when it is needed. A complete
        run with the same digest is kept: then ``up_to_date`` is its record, and nothing is to be written.
    force:
        Run again even if the same run is there.
    certain:
        Called before the run is put in place; what it raises keeps the run from being there.

    Raises
    ------
    OutputError
        The place cannot be written, another run holds it, or it holds a run of something else.
    """

    def __init__(
        self,
        out: Path,
        job_id: str,
        *,
        digest: str | Callable[[], str] | None = None,
        force: bool = False,
        certain: Callable[[], None] | None = None,
    ) -> None:
        if not job_id or job_id in (".", "..") or "/" in job_id or "~" in job_id or job_id.startswith("."):
            raise ValueError(f"{job_id!r} cannot name a folder of results")
        self.out = Path(os.path.abspath(out))
        self.job_id = job_id
        self.target = self.out / job_id
        self.up_to_date: str | None = None
        self._digest = digest
        self.began = time.monotonic()
        self._force = force
        self._certain = certain
        self._partial: Path | None = None
        self._lock: Lock | None = None
        self._made: list[Path] = []

    @property
    def digest(self) -> str | None:
        if callable(self._digest):
            self._digest = self._digest()
        return self._digest

    # -- life ------------------------------------------------------------------------------------------
    def __enter__(self) -> Self:
        try:
            with undisturbed():
                self._made = _make_folders(self.out)
                self._lock = Lock(self.out / f".{self.job_id}{_LOCK}", f'run is writing "{self.job_id}"')
            self._recover()
            self._look_at_former()
            if self.up_to_date is None:
                with undisturbed():
                    partial = self.out / f".{self.job_id}{_PARTIAL}{secrets.token_hex(6)}"
                    partial.mkdir()
                    self._partial = partial
        except BaseException as error:
            self._give_up()
            if isinstance(error, OSError):
                raise self._refusal(error) from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._partial is not None:
            try:
                self._put_in_place()
            except BaseException as failure:
                self._give_up()
                if isinstance(failure, OSError):
                    raise self._refusal(failure) from failure
                raise
            self._release()
            return
        full = error is not None and self._ran_out_of_space(error)
        self._give_up()
        if full:
            if isinstance(error, OSError) and error.errno in _REASONS:
                raise self._refusal(error) from error
            raise self._refusal(OSError(errno.ENOSPC, "")) from error

    # -- writing -----------------------------------------------------------------------------------------
    def path(self, name: str) -> Path:
        """Where a file of this run is to be written, for libraries that write by themselves."""
        if self._partial is None:
            raise ValueError("this run is up to date: there is nothing to write")
        parts = PurePosixPath(name).parts
        if not parts or any(part in ("..", "/") or part.startswith(".") for part in parts):
            raise ValueError(f"{name!r} cannot name a file of a run")
        path = self._partial.joinpath(*parts)
        if len(parts) > 1:
            path.parent.mkdir(parents=True, exist_ok=True)
        # An adopted file shares its bytes with the former run; it is replaced, never written into.
        path.unlink(missing_ok=True)
        return path

    def write_bytes(self, name: str, content: bytes) -> Path:
        path = self.path(name)
        path.write_bytes(content)
        return path

    def write_text(self, name: str, text: str) -> Path:
        """UTF-8, with the line ends as they are in ``text``."""
        return self.write_bytes(name, text.encode("utf-8"))

    def outputs(self) -> dict[str, str]:
        """Name and SHA-256 of every file written so far, but for the record itself."""
        if self._partial is None:
            raise ValueError("this run is up to date: it wrote nothing")
        return {
            name: sha256_of_file(self._partial / name) for name in _names(self._partial) if name != RECORD
        }

    # -- place -------------------------------------------------------------------------------------------
    def _put_in_place(self) -> None:
        assert self._partial is not None
        if not (self._partial / RECORD).is_file():
            raise ValueError(f"a run without {RECORD} is not whole")
        if self._certain is not None:
            self._certain()
        _to_disk(self._partial)
        with undisturbed():
            self._replace_former(self._partial)

    def _replace_former(self, partial: Path) -> None:
        if not os.path.lexists(self.target):
            os.rename(partial, self.target)
            self._partial = None
            _sync_folder(self.out)
            return
        former = partial
        if not _exchange(partial, self.target):
            former = self.out / f".{self.job_id}{_FORMER}{secrets.token_hex(6)}"
            os.rename(self.target, former)
            os.rename(partial, self.target)
        self._partial = None
        _sync_folder(self.out)
        _remove(former)

    def _look_at_former(self) -> None:
        if not os.path.lexists(self.target) or self._force:
            return
        record = complete_record(self.target)
        if record is None:
            raise OutputError(
                f'"{self.job_id}" is there already and is not a whole run',
                mend="Move it away, choose another folder with --out, or replace it with --force.",
            )
        settings = record.get("settings")
        if self.digest is None or not isinstance(settings, dict) or settings.get("digest") != self.digest:
            # Another command, changed inputs, another version: what is there answers another question.
            return
        if changed_outputs(self.target, record):
            return
        self.up_to_date = (self.target / RECORD).read_text(encoding="utf-8")

    # -- locks and left-overs ------------------------------------------------------------------------------
    def _recover(self) -> None:
        """Clear what a run that was killed left behind; the lock says that nobody is at work."""
        for former in self._hidden(_FORMER):
            # Killed between the two renames of a replacement: the former run is still the result.
            if not os.path.lexists(self.target) and complete_record(former) is not None:
                os.rename(former, self.target)
            else:
                _remove(former)
        for partial in self._hidden(_PARTIAL):
            # An exchange that was not finished leaves the former run under the name of the partial one.
            _remove(partial)

    def _hidden(self, mark: str) -> list[Path]:
        start = f".{self.job_id}{mark}"
        return sorted(entry for entry in self.out.iterdir() if entry.name.startswith(start))

    def _give_up(self) -> None:
        with undisturbed():
            if self._partial is not None:
                _remove(self._partial)
                self._partial = None
            self._release()
            for folder in reversed(self._made):
                with contextlib.suppress(OSError):
                    folder.rmdir()

    def _release(self) -> None:
        with undisturbed():
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    # -- faults --------------------------------------------------------------------------------------------
    def _ran_out_of_space(self, error: BaseException) -> bool:
        """Whether the failure is the disk's: libraries wrap, or lose, what the system told them."""
        cause: BaseException | None = error
        seen: set[int] = set()
        # An error that is raised again in another thread can stand among its own causes.
        while cause is not None and id(cause) not in seen:
            seen.add(id(cause))
            if isinstance(cause, OSError) and (
                cause.errno in _FULL or (cause.filename is not None and self._is_ours(cause.filename))
            ):
                return True
            cause = cause.__cause__ or cause.__context__
        if not isinstance(error, Exception):
            return False
        try:
            return shutil.disk_usage(self.out).free < _NEARLY_NOTHING
        except OSError:
            return False

    def _is_ours(self, name: Any) -> bool:
        return self._partial is not None and str(name).startswith(str(self._partial))

    def _refusal(self, error: OSError) -> OutputError:
        return refusal(self.out, error)


def refusal(out: Path, error: OSError) -> OutputError:
    """Why nothing can be written into the folder of results, and what to do."""
    why, mend = _REASONS.get(
        error.errno or 0, (error.strerror or str(error), "Choose another folder with --out.")
    )
    return OutputError(f"results cannot be written to {out.name or out}: {why}", mend=mend)


# -- reading runs --------------------------------------------------------------------------------------------
def complete_record(folder: Path) -> dict[str, Any] | None:
    """The record of a run folder as plain JSON, or None if there is no whole run."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("outputs"), dict) else None


def changed_outputs(folder: Path, record: dict[str, Any]) -> list[str]:
    """Files that the record names and that are no longer what they were."""
    changed = []
    for name, sha256 in sorted(record["outputs"].items()):
        path = folder / name
        try:
            if path.is_symlink() or not path.is_file() or sha256_of_file(path) != sha256:
                changed.append(name)
        except OSError:
            changed.append(name)
    return changed


def _named(record: dict[str, Any]) -> str:
    command = record.get("command")
    return f'"survey {command}"' if isinstance(command, str) and command.isalpha() else "a run"


# -- the disk --------------------------------------------------------------------------------------------
def _make_folders(path: Path) -> list[Path]:
    """Make ``path`` with its parents; those that were made, outermost first."""
    missing = []
    here = path
    while not here.exists():
        missing.append(here)
        here = here.parent
    path.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _names(folder: Path) -> Iterator[str]:
    yield from sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )


def _to_disk(folder: Path) -> None:
    """Everything below ``folder`` is on the disk when this returns, before the rename that makes it count."""
    for name in _names(folder):
        handle = os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    for inner in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
        _sync_folder(inner)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot sync a folder; they then keep renames in order themselves.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def _exchange(a: Path, b: Path) -> bool:
    """Swap two folders in one step, where kernel and file system can."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(renameat2(here, os.fsencode(a), here, os.fsencode(b), swap) == 0)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
