"""Map a function over pieces, here or on a cluster; the one module that imports dask.

Dask only maps and the caller only adds: an algorithm never sees Dask, and Dask never sees an algorithm. What
goes to a worker is a plain function, a piece of a grid and names of files, never an array of pixels; results
come back in the order of the items, so nothing can depend on who finished first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from survey.errors import EngineError, SurveyError

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")
R = TypeVar("R")

CONNECT_SECONDS = 20
RETRIES = 3
"""A task whose worker died is tried again this often, elsewhere; a task that refuses its input is not."""


class Progress(Protocol):
    def stage(self, name: str, total: float | None = None) -> None: ...
    def advance(self, amount: float = 1.0) -> None: ...


@dataclass
class Engine:
    """Where tasks run: threads of this process, or an existing dask cluster.

    Threads, because every kernel here releases the GIL: they share decoded memory and start at once.
    """

    workers: int | None = None
    scheduler: str | None = None
    progress: Progress | None = None
    _client: Client | None = field(default=None, init=False, repr=False)

    @property
    def local(self) -> bool:
        return self.scheduler is None

    @property
    def width(self) -> int:
        """How many tasks run at once."""
        if self.local:
            return self.workers or available_cores()
        return max(1, sum(self._connected().nthreads().values()))

    def map(
        self, function: Callable[[T], R], items: Sequence[T], *, stage: str | None = None, total: float | None = None
    ) -> list[R]:
        """``[function(item) for item in items]``, in parallel; results in the order of the items.

        Parameters
        ----------
        function : a plain function; on a cluster it and the items are pickled.
        stage : shown while it runs. With ``total``, the function reports its own progress through
            :meth:`advance` (possible with threads only); otherwise each finished item counts one.

        Raises
        ------
        SurveyError
            As raised by the function; whatever else was queued is given up.
        EngineError
            The cluster or its workers were lost.
        """
        if stage is not None and self.progress is not None:
            self.progress.stage(stage, total if total is not None and self.local else len(items))
        counted = total is None or not self.local
        if not items:
            return []
        if self.local:
            return self._threads(function, items, counted)
        return self._cluster(function, items)

    def advance(self, amount: float) -> None:
        """Progress from inside a task of this process."""
        if self.progress is not None:
            self.progress.advance(amount)

    def _threads(self, function: Callable[[T], R], items: Sequence[T], counted: bool) -> list[R]:
        from dask.threaded import get

        stop: list[BaseException] = []

        def task(item: T) -> R | None:
            if stop:
                return None
            try:
                result = function(item)
            except BaseException as error:
                stop.append(error)
                raise
            if counted:
                self.advance(1)
            return result

        graph = {("piece", k): (task, _Held(item)) for k, item in enumerate(items)}
        unwrapped = {key: (_call, run, held) for key, (run, held) in graph.items()}
        return list(get(unwrapped, list(unwrapped), num_workers=self.width))

    def _cluster(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        from distributed import as_completed
        from distributed.client import FutureCancelledError
        from distributed.comm.core import CommClosedError
        from distributed.scheduler import KilledWorker

        client = self._connected()
        futures = client.map(function, list(items), pure=False, retries=0)
        order = {future.key: k for k, future in enumerate(futures)}
        results: list[Any] = [None] * len(futures)
        try:
            for future, result in as_completed(futures, with_results=True):
                results[order[future.key]] = result
                self.advance(1)
        except SurveyError:
            client.cancel(futures)
            raise
        except (KilledWorker, CommClosedError, FutureCancelledError, TimeoutError, OSError) as error:
            raise EngineError(
                f"the cluster at {self.scheduler} lost the work ({type(error).__name__})",
                mend="See the workers' logs: a worker that dies again and again mostly lacks memory.",
            ) from error
        return results

    def _connected(self) -> Client:
        if self._client is None:
            from distributed import Client

            try:
                self._client = Client(self.scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
            except (OSError, TimeoutError, ValueError) as error:
                raise EngineError(
                    f"no dask scheduler answers at {self.scheduler}",
                    mend="Start one with `dask scheduler`, and workers with `dask worker`.",
                ) from error
            if not self._client.nthreads():
                raise EngineError(
                    f"the scheduler at {self.scheduler} has no workers",
                    mend="Start some with `dask worker ADDRESS`, with this program installed.",
                )
        return self._client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class _Held:
    """Keeps dask from looking into an item for tasks of its own."""

    item: Any


def _call(run: Callable[[Any], Any], held: _Held) -> Any:
    return run(held.item)


def available_cores() -> int:
    """Cores this process may use."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:
        return max(1, os.cpu_count() or 1)
