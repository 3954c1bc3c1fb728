"""Job files for the tests, with the files that they name."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

PLAIN = """
[job]
id = "A-1"
[lease]
boundary = "lease.kml"
[[survey]]
date = 2024-04-20
dem = "2024.tif"
[[survey]]
date = 2025-04-25
dem = "2025.tif"
"""


def write_job(folder: Path, text: str = PLAIN, name: str = "job.toml") -> Path:
    """A job file in ``folder`` with an empty placeholder for every path that it names."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError):
        return path
    for value in _texts(raw):
        if (
            re.fullmatch(r"[\w./-]{1,200}\.\w{2,7}", value)
            and not value.startswith("/")
            and ".." not in value
        ):
            file = folder / value
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        elif value.endswith("/"):
            (folder / value).mkdir(parents=True, exist_ok=True)
    return path


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) and " " not in value else []
