"""How compiled kernels are made: without the GIL, kept on disk, and never with reordered arithmetic.

``fastmath`` stays off everywhere: the same job must give the same digits on every machine.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile ``function`` at first call; the machine code is kept beside the package if that is writable."""
    import numba

    _finish_importing()
    try:
        return cast(F, numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:
        # numba found no folder where it may keep the code: a read-only installation without a home.
        return cast(F, numba.njit(nogil=True)(function))


@cache
def _finish_importing() -> None:
    """Numba imports half of itself at the first call of any kernel: better here than amid a run."""
    with contextlib.suppress(Exception):
        from numba.core.registry import cpu_target

        cpu_target.target_context.refresh()


def inlined(function: F) -> F:
    """A small helper that is pasted into the kernels which call it."""
    import numba

    return cast(F, numba.njit(nogil=True, inline="always")(function))
