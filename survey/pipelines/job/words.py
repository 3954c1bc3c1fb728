"""Foreign words and values made fit for a message."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

_JOINERS = "\u200c\u200d"  # Devanagari needs them


def plain(text: str, longest: int = 80) -> str:
    """Foreign text made harmless for a terminal: no control or direction characters, and not too long."""
    safe = "".join(c if c.isprintable() or c in _JOINERS else f"\\u{ord(c):04x}" for c in text)
    return safe if len(safe) <= longest else safe[: longest - 1] + "…"


def shown(value: Any) -> str:
    """A value as the job file would write it, short enough for a message."""
    if isinstance(value, str):
        return f'"{plain(value)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, int) and value.bit_length() > 256:
        return "a number of more than 77 digits"
    return plain(str(value))
