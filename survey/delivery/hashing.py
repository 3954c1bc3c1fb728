"""SHA-256 of files, and the certainty that a file did not change under our hands."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from survey.errors import InputRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT_ONCE = 1 << 18


@contextmanager
def unchanged(path: str | os.PathLike[str], name: str | None = None) -> Iterator[None]:
    """Whatever is done inside is done to one and the same file.

    Raises
    ------
    InputRefused
        Size, time or identity of the file differ afterwards, or it is gone.
    """
    before = _identity(path, name)
    yield
    if _identity(path, name) != before:
        raise InputRefused(
            "the file changed while it was read",
            file=name or os.fspath(path),
            mend="Run again when nothing writes to it.",
        )


def sha256_of(path: str | os.PathLike[str], *, name: str | None = None) -> str:
    """The SHA-256 of a file's bytes, in lower-case hexadecimal. Memory does not grow with the file.

    Raises
    ------
    InputRefused
        Not readable, or it changed while it was read.
    """
    with unchanged(path, name):
        try:
            with open(path, "rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise InputRefused(
                f"cannot be read ({error.strerror or error})", file=name or os.fspath(path)
            ) from error


class Hashing:
    """SHA-256 of many files, worked out by threads of its own while something else is done.

    Raises
    ------
    InputRefused
        A file cannot be opened: that is known at once.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]], threads: int = 1) -> None:
        unique = list(dict.fromkeys(os.fspath(path) for path in paths))
        for path in unique:
            _need_readable(path)
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(max(1, threads), thread_name_prefix="hash")
        self._futures: dict[str, Future[str]] = {p: self._pool.submit(self._one, p) for p in unique}

    def found(self) -> dict[str, str]:
        """Path and SHA-256, in the order given; waits for what is not done yet.

        Raises
        ------
        InputRefused
            As :func:`sha256_of`, of the first file in the order given that fails.
        """
        return {path: future.result() for path, future in self._futures.items()}

    def close(self) -> None:
        """Give up whatever is not done yet."""
        self._over.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _one(self, path: str) -> str:
        state, room = hashlib.sha256(), bytearray(_AT_ONCE)
        view = memoryview(room)
        with unchanged(path), _readable(path), open(path, "rb") as stream:
            while n := stream.readinto(room):
                state.update(view[:n])
                if self._over.is_set():
                    raise CancelledError
        return state.hexdigest()


def _need_readable(path: str) -> None:
    with _readable(path), open(path, "rb"):
        pass


@contextmanager
def _readable(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputRefused(f"cannot be read ({error.strerror or error})", file=path) from error


def hash_all(paths: Sequence[str | os.PathLike[str]], threads: int = 2) -> dict[str, str]:
    """SHA-256 of many files at once, in the order given. Hashing releases the GIL, so threads do help.

    Raises
    ------
    InputRefused
        As :func:`sha256_of`, of the first file in the order given that fails.
    """
    unique = list(dict.fromkeys(os.fspath(path) for path in paths))
    if threads <= 1 or len(unique) <= 1:
        return {path: sha256_of(path) for path in unique}
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="hash") as pool:
        return dict(zip(unique, pool.map(sha256_of, unique), strict=True))


def _identity(path: str | os.PathLike[str], name: str | None) -> tuple[int, int, int, int]:
    try:
        seen = os.stat(path)
    except OSError as error:
        raise InputRefused(
            f"cannot be read ({error.strerror or error})", file=name or os.fspath(path)
        ) from error
    return seen.st_size, seen.st_mtime_ns, seen.st_ino, seen.st_dev
