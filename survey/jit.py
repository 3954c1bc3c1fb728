"""How compiled kernels are made: without the GIL, kept on disk, and never with reordered arithmetic.

``fastmath`` stays off everywhere: the same job must give the same digits on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile ``function`` at first call; the machine code is kept beside the package if that is writable."""
    import numba

    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:
        # numba found no folder where it may keep the code: a read-only installation without a home.
        return numba.njit(nogil=True)(function)


def inlined(function: F) -> F:
    """A small helper that is pasted into the kernels which call it."""
    import numba

    return numba.njit(nogil=True, inline="always")(function)
