"""Threads that stop at once, errors that come out as they went in, and memory that is shared out."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from survey.blocks import Engine, Stopped, available_bytes, available_cores, resident_bytes
from survey.errors import EngineError, InputRefused


def test_results_come_in_the_order_of_the_items():
    def slow_first(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0)
        return item**2

    with Engine(workers=4) as engine:
        assert engine.map(slow_first, list(range(20))) == [n**2 for n in range(20)]
        assert engine.map(slow_first, []) == []


def working() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("survey")]


def endless(engine: Engine, begun: threading.Event):
    def task(item: int) -> int:
        if item == 3:
            begun.wait(10)
            raise InputRefused("the third is bad")
        begun.set()
        for _ in range(10_000):
            time.sleep(0.005)
            engine.advance(0)
        return item

    return task


def test_an_error_ends_the_others_at_their_next_step():
    engine = Engine(workers=4)
    began = time.monotonic()
    with pytest.raises(InputRefused, match="the third is bad"):
        engine.map(endless(engine, threading.Event()), [0, 1, 2, 3, 4, 5])
    assert time.monotonic() - began < 10
    assert working() == []
    # And the engine can be used again.
    assert engine.map(lambda n: n, [1, 2]) == [1, 2]


def test_ctrl_c_ends_all_threads_at_their_next_step():
    engine, begun = Engine(workers=2), threading.Event()
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.3, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        engine.map(endless(engine, begun), [0, 1, 2])
    timer.join()
    assert time.monotonic() - began < 10
    assert working() == []
    with pytest.raises(Stopped):
        engine.advance(1)


def test_progress_counts_items_or_what_tasks_say():
    class Heard:
        def __init__(self) -> None:
            self.told: list[object] = []

        def stage(self, name: str, total: float | None = None) -> None:
            self.told.append((name, total))

        def advance(self, amount: float = 1.0) -> None:
            self.told.append(amount)

    heard = Heard()
    engine = Engine(workers=1, progress=heard)
    engine.map(lambda n: n, [1, 2], stage="plain")
    engine.map(lambda n: engine.advance(n), [5, 7], stage="own", total=12)
    assert heard.told == [("plain", 2), 1, 1, ("own", 12), 5, 7]


def test_memory_is_shared_among_the_tasks():
    assert Engine(workers=2).room_bytes() is None
    room = Engine(workers=4, memory_bytes=resident_bytes() + 8 * 10**9).room_bytes()
    assert room == pytest.approx(2 * 10**9, rel=0.05)
    with pytest.raises(EngineError, match="the program by itself takes"):
        Engine(workers=1, memory_bytes=1000).room_bytes()


def test_the_machine_is_asked():
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
    assert 10**6 < resident_bytes() < 10**12
    assert 0 <= available_bytes() < 10**15
    assert Engine().width == available_cores()
    assert Engine(workers=3).threads == 3
