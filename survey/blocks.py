"""Map a function over pieces, here or on a cluster; the one module that imports dask.

Dask only maps and the caller only adds: an algorithm never sees Dask, and Dask never sees an algorithm. What
goes to a worker is a plain function, a piece of a grid and names of files, never an array of pixels; results
come back in the order of the items, so nothing can depend on who finished first.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from survey.errors import EngineError, SurveyError

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")
R = TypeVar("R")

CONNECT_SECONDS = 20
LOST_SECONDS = 10
"""A scheduler that has been silent for so long, while nothing came back, is asked whether it is there."""


class Progress(Protocol):
    def stage(self, name: str, total: float | None = None) -> None: ...
    def advance(self, amount: float = 1.0) -> None: ...


class Stopped(BaseException):
    """Raised inside a task whose results nobody waits for any more."""


@dataclass
class Engine:
    """Where tasks run: threads of this process, or an existing dask cluster.

    Threads, because every kernel here releases the GIL: they share decoded memory and start at once.

    Parameters
    ----------
    workers : threads of this process; as many as there are cores if not given.
    scheduler : address of a dask scheduler; its workers then do the work.
    memory_bytes : what this process may take as a whole.
    """

    workers: int | None = None
    scheduler: str | None = None
    progress: Progress | None = None
    memory_bytes: int | None = None
    _client: Client | None = field(default=None, init=False, repr=False)
    _stop: threading.Event = field(default_factory=threading.Event, init=False, repr=False)

    @property
    def local(self) -> bool:
        return self.scheduler is None

    @property
    def width(self) -> int:
        """How many tasks run at once."""
        if self.local:
            return self.workers or available_cores()
        return max(1, sum(self._connected().nthreads().values()))

    @property
    def threads(self) -> int:
        """Threads of this very process, for work that never leaves it."""
        return self.workers or available_cores()

    def room_bytes(self) -> int | None:
        """Memory that one task may take beside all others; None if nobody set a limit.

        Raises
        ------
        EngineError
            The program itself already needs all of it.
        """
        if self.local:
            if self.memory_bytes is None:
                return None
            free = self.memory_bytes - resident_bytes()
            if free <= 0:
                raise EngineError(
                    f"{self.memory_bytes / 1e6:,.0f} MB are not enough: the program by itself takes "
                    f"{resident_bytes() / 1e6:,.0f} MB",
                    mend="Give more with --memory.",
                )
            return free // self.width
        workers = self._connected().scheduler_info(n_workers=-1)["workers"].values()
        rooms = [int(w["memory_limit"] * 0.6) // max(1, w["nthreads"]) for w in workers if w["memory_limit"]]
        return min(rooms, default=None)

    def map(
        self,
        function: Callable[[T], R],
        items: Sequence[T],
        *,
        stage: str | None = None,
        total: float | None = None,
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
        """Progress from inside a task of this process, and the place where a task notices that it is over."""
        if self._stop.is_set():
            raise Stopped
        if self.progress is not None:
            self.progress.advance(amount)

    def see(self, files: Iterable[str | os.PathLike[str]], folder: Path | None = None) -> None:
        """Make sure that all workers of a cluster see these files as they are here, and can write ``folder``.

        Raises
        ------
        EngineError
            One does not, or cannot.
        """
        if self.local:
            return
        paths = list(dict.fromkeys(os.path.abspath(os.fspath(f)) for f in files))
        known = {path: _identity(path) for path in paths if os.path.isfile(path)}
        token = None
        if folder is not None:
            token = os.path.join(os.path.abspath(folder), f"seen-{secrets.token_hex(6)}")
            Path(token).touch()
        try:
            answers = self._connected().run(_look, known, token)
        except Exception as error:
            raise self._lost(error) from error
        finally:
            if token is not None:
                Path(token).unlink(missing_ok=True)
        for worker, problem in sorted(answers.items()):
            if problem is not None:
                path, what = problem
                raise EngineError(
                    f"{what} from the worker at {worker}",
                    file=path,
                    expected="inputs, results and unpacked deliveries on storage that all workers share",
                    mend="Mount it at the same place on every host; set TMPDIR to a shared folder if the "
                    "delivery is an archive.",
                )

    # -- here ------------------------------------------------------------------------------------------
    def _threads(self, function: Callable[[T], R], items: Sequence[T], counted: bool) -> list[R]:
        self._stop.clear()

        def task(item: T) -> R:
            if self._stop.is_set():
                raise Stopped
            result = function(item)
            if counted:
                self.advance(1)
            return result

        pool = ThreadPoolExecutor(min(self.width, len(items)), thread_name_prefix="survey")
        try:
            futures = [pool.submit(task, item) for item in items]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            if len(done) < len(futures) or any(f.exception() for f in futures):
                raise next(error for f in futures if f in done and (error := f.exception()) is not None)
            return [f.result() for f in futures]
        except RuntimeError as error:
            self._stop.set()
            if "can't start new thread" in str(error):
                raise MemoryError from error
            raise
        except BaseException:
            # Whoever is at work notices at its next step; nothing more is begun.
            self._stop.set()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    # -- on a cluster ----------------------------------------------------------------------------------
    def _cluster(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        client = self._connected()
        # A task whose worker died is begun again elsewhere by the scheduler; one that raised is not.
        futures = client.map(_Named(function), list(items), pure=False, retries=0)
        order = {future.key: k for k, future in enumerate(futures)}
        results: list[Any] = [None] * len(futures)
        try:
            for key, result in self._as_done(client, futures):
                results[order[key]] = result
                if self.progress is not None:
                    self.progress.advance(1)
        except SurveyError:
            raise
        except Exception as error:
            raise self._lost(error) from error
        finally:
            with contextlib.suppress(Exception):
                client.cancel([f for f in futures if not f.done()], force=True)
        return results

    def _as_done(self, client: Client, futures: Sequence[Any]) -> Iterable[tuple[str, Any]]:
        """Keys and results as they come; a scheduler that stays silent is asked now and then."""
        from distributed import wait as wait_for
        from distributed.utils import TimeoutError as Late

        open_ = list(futures)
        while open_:
            try:
                with client.as_current():
                    wait_for(open_, timeout=LOST_SECONDS, return_when="FIRST_COMPLETED")
            except (TimeoutError, Late):
                if client.status != "running":
                    raise ConnectionError("the scheduler is gone") from None
                if not client.nthreads():
                    raise ConnectionError("all workers are gone") from None
                continue
            done = [f for f in open_ if f.done()]
            open_ = [f for f in open_ if not f.done()]
            failed = [f for f in done if f.status != "finished"]
            if failed:
                failed[0].result(timeout=LOST_SECONDS)
            for future, result in zip(done, client.gather(done), strict=True):
                yield future.key, result

    def _connected(self) -> Client:
        assert self.scheduler is not None
        if self._client is None:
            from distributed import Client

            try:
                # A client that did not reach its scheduler would hold up the end of the process.
                _knock(self.scheduler)
                self._client = Client(self.scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
            except (OSError, TimeoutError, ValueError, TypeError) as error:
                raise EngineError(
                    f"no dask scheduler answers at {self.scheduler}",
                    mend="Start one with `dask scheduler`, and workers with `dask worker`. With certificates "
                    "the address begins with tls://, and distributed.comm.tls of dask's configuration names "
                    "them, here as there.",
                ) from error
            try:
                self._meet_workers(self._client)
            except BaseException:
                self.close()
                raise
        return self._client

    def _meet_workers(self, client: Client) -> None:
        if not client.nthreads():
            raise EngineError(
                f"the scheduler at {self.scheduler} has no workers",
                mend="Start some with `dask worker ADDRESS`, with this program installed.",
            )
        mine = _versions()
        try:
            others = client.run(_versions)
        except Exception as error:
            raise EngineError(
                f"the workers at {self.scheduler} cannot run this program ({type(error).__name__}: "
                f"{' '.join(str(error).split())[:160]})",
                mend="Install the same version of mine-survey for the workers.",
            ) from error
        for worker, theirs in sorted(others.items()):
            if theirs != mine:
                odd = next(k for k in mine if theirs.get(k) != mine[k])
                raise EngineError(
                    f"the worker at {worker} has {odd} {theirs.get(odd)}, and here it is {mine[odd]}",
                    mend="Install the same versions everywhere: results must not depend on who works.",
                )

    def _lost(self, error: Exception) -> SurveyError:
        if isinstance(error, SurveyError):
            return error
        from distributed.scheduler import KilledWorker

        if isinstance(error, KilledWorker):
            return EngineError(
                f"workers of the cluster at {self.scheduler} died again and again on one piece of the work",
                mend="Mostly they lack memory: give `dask worker` a higher --memory-limit or fewer threads.",
            )
        return EngineError(
            f"the cluster at {self.scheduler} lost the work ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:120]})",
            mend="See the logs of scheduler and workers, and run the same command again.",
        )

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close(timeout=3)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _knock(address: str) -> None:
    """Make a connection and drop it.

    Raises
    ------
    OSError, TimeoutError, TypeError
        Nobody answers, not in that protocol, or a certificate is missing.
    """
    import asyncio

    from distributed.comm import connect
    from distributed.security import Security

    async def knock() -> None:
        trust = Security().get_connection_args("client")
        (await connect(address, timeout=CONNECT_SECONDS, **trust)).abort()

    asyncio.run(knock())


@dataclass(frozen=True)
class _Named:
    """A function without a name of its own: dask names tasks after what it is given."""

    function: Callable[[Any], Any]

    def __call__(self, item: Any) -> Any:
        return self.function(item)


# -- what runs on a worker -------------------------------------------------------------------------------
def _versions() -> dict[str, str]:
    import sys

    import numpy

    from survey import __version__

    return {
        "mine-survey": __version__,
        "Python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "NumPy": numpy.__version__,
    }


def _identity(path: str) -> tuple[int, int]:
    seen = os.stat(path)
    return seen.st_size, seen.st_mtime_ns


def _look(known: dict[str, tuple[int, int]], token: str | None) -> tuple[str, str] | None:
    """The first path that is not seen as it should be, and what is wrong with it."""
    for path, identity in known.items():
        try:
            if _identity(path) != identity:
                return path, "another file is seen under this path"
        except OSError:
            return path, "the file cannot be seen"
    if token is not None:
        folder = os.path.dirname(token)
        if not os.path.exists(token):
            return folder, "the folder of results cannot be seen"
        mine = f"{token}-{os.getpid()}"
        try:
            Path(mine).touch()
            Path(mine).unlink()
        except OSError:
            return folder, "the folder of results cannot be written"
    return None


# -- this machine ------------------------------------------------------------------------------------------
def available_cores() -> int:
    """Cores this process may use."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:
        return max(1, os.cpu_count() or 1)


def resident_bytes() -> int:
    """Memory that this process holds now."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def available_bytes() -> int:
    """Memory that can be had now: what the machine has free, or what its control group has left."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with contextlib.suppress(OSError, ValueError):
            root = Path("/sys/fs/cgroup")
            free = min(free, int((root / limit).read_text()) - int((root / used).read_text()))
    return max(0, free)
