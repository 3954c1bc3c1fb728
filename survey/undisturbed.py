"""Steps that are done whole although somebody asks the process to stop: the asking is heard after them, or,
when nothing is left to stop, no more."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

ASKING = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ctrl-C and SIGTERM inside are answered when it is left, as they would have been.

    For short steps that must not be cut in two: to make something and to note it, to put it in place and to
    remove what it replaced. Only the main thread is asked, and only there this does anything.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def later(number: int, frame: FrameType | None) -> None:
        came.append(number)

    # Handlers that were not set from Python (None) cannot be put back; who ignores a signal goes on doing so.
    before = {n: h for n in ASKING if (h := signal.getsignal(n)) is not None and h != signal.SIG_IGN}
    for asking in before:
        signal.signal(asking, later)
    try:
        yield
    finally:
        for asking, handler in before.items():
            signal.signal(asking, handler)
        for number in came:
            signal.raise_signal(number)


def deaf() -> None:
    """From now on nobody can ask this process to stop, also not while the interpreter ends.

    For a process whose work is over: its exit code says how that went, and a request that comes too late to
    stop anything must not change it. Handlers of Python are reset when the interpreter ends, an ignored
    signal stays ignored.
    """
    for number in ASKING:
        signal.signal(number, signal.SIG_IGN)
