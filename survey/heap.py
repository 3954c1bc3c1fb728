"""Memory that is no longer needed, given back to the system."""

from __future__ import annotations

import contextlib
import ctypes


def give_back() -> None:
    """Return what the allocator keeps for later: what follows needs the room for itself.

    Where the C library knows no such thing, it keeps it.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
