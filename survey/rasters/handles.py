"""Open datasets, kept per thread.

A GDAL dataset must not be used by two threads, and opening one costs as much as decoding a tile. Each
thread therefore keeps the few it used last. Whoever reads passes a ``Pin``; nothing open is ever pickled.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from survey.errors import InputRefused
from survey.raster_env import enter, open_dataset

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

KEPT_PER_THREAD = 8

_thread = threading.local()


@dataclass(frozen=True, slots=True)
class Pin:
    """A file as it was when it was looked at: reading it after it changed would mix two files."""

    path: str
    name: str
    driver: str
    bytes: int
    mtime_ns: int
    overview: int | None = None  # one of the file's overviews, for pictures only

    @classmethod
    def of(cls, path: str | os.PathLike[str], driver: str, name: str | None = None) -> Pin:
        absolute = os.path.abspath(os.fspath(path))
        seen = os.stat(absolute)
        return cls(absolute, name or os.path.basename(absolute), driver, seen.st_size, seen.st_mtime_ns)

    def changed(self) -> bool:
        try:
            seen = os.stat(self.path)
        except OSError:
            return True
        return (seen.st_size, seen.st_mtime_ns) != (self.bytes, self.mtime_ns)


def dataset(pin: Pin) -> DatasetReader:
    """This thread's open dataset of ``pin``.

    Raises
    ------
    InputRefused
        The file vanished, changed since it was pinned, or cannot be opened any more.
    """
    from rasterio.errors import RasterioError

    kept: OrderedDict[Pin, DatasetReader] | None = getattr(_thread, "kept", None)
    if kept is None:
        kept = _thread.kept = OrderedDict()
    found = kept.get(pin)
    if found is not None:
        kept.move_to_end(pin)
        return found
    enter()
    if pin.changed():
        raise InputRefused(
            "the file changed or vanished while the job was running",
            file=pin.name,
            mend="Run again when nothing writes to it.",
        )
    try:
        opened = open_dataset(pin.path, pin.driver, pin.overview)
    except (OSError, RasterioError) as error:
        raise InputRefused(f"cannot be opened any more ({error})", file=pin.name) from error
    kept[pin] = opened
    if len(kept) > KEPT_PER_THREAD:
        kept.popitem(last=False)[1].close()
    return opened


def close_all() -> None:
    """Close what the calling thread holds open, so that a folder can be removed."""
    kept: OrderedDict[Pin, DatasetReader] = getattr(_thread, "kept", None) or OrderedDict()
    while kept:
        kept.popitem()[1].close()
