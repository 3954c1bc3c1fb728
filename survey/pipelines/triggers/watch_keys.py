"""What the readers of scenes ask of a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class WatchLike(Protocol):
    """The keys of [watch] that concern scenes."""

    @property
    def bands(self) -> Sequence[str]: ...
    @property
    def scale(self) -> float | None: ...
    @property
    def offset(self) -> float | None: ...
    @property
    def nodata(self) -> float | None: ...
    @property
    def sensor(self) -> str: ...
    @property
    def crs(self) -> Any: ...
    @property
    def mask_clear(self) -> Sequence[int]: ...
