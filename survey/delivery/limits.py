"""How much a delivery may hold, and a meter that counts what really comes out of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from survey.errors import InputRefused

GB = 1_000_000_000


@dataclass(frozen=True, slots=True)
class DeliveryLimits:
    """Limits of one delivery, all archives in it together."""

    files: int = 20_000
    total_bytes: int = 200 * GB
    file_bytes: int = 100 * GB
    ratio: float = 400.0
    """Inflated per packed bytes of a member, once ``ratio_from_bytes`` have come out of it."""
    ratio_from_bytes: int = 100_000_000
    depth: int = 3
    """Archives within archives; 1 is a plain zip."""
    folders_deep: int = 64
    directory_bytes: int = 16_000_000
    """Size of an archive's list of contents."""
    seconds: float = 3600.0
    free_share: float = 0.9
    """Share of the free disk that unpacking may fill."""


@dataclass(slots=True)
class Meter:
    """What was unpacked so far. Sizes that archives declare do not count here."""

    limits: DeliveryLimits
    name: str
    files: int = 0
    bytes: int = 0
    began: float = field(default_factory=time.monotonic)

    def file(self) -> None:
        self.files += 1
        self.clock()
        if self.files > self.limits.files:
            self._refuse(f"holds more than {self.limits.files:,} files")

    def inflated(self, count: int, so_far: int, packed: int, member: str) -> None:
        """``count`` more bytes came out of a member that has given ``so_far`` from ``packed`` bytes."""
        self.bytes += count
        limits = self.limits
        if self.bytes > limits.total_bytes:
            self._refuse(f"unpacks to more than {limits.total_bytes / GB:,.0f} GB")
        if so_far > limits.file_bytes:
            self._refuse(f'holds "{member}", which unpacks to more than {limits.file_bytes / GB:,.0f} GB')
        if so_far > limits.ratio_from_bytes and so_far > limits.ratio * max(packed, 1):
            self._refuse(f'holds "{member}", which swells more than {limits.ratio:,.0f}-fold when unpacked')
        self.clock()

    def clock(self) -> None:
        if time.monotonic() - self.began > self.limits.seconds:
            self._refuse(f"takes longer than {self.limits.seconds:,.0f} s to unpack")

    def _refuse(self, found: str) -> None:
        raise InputRefused(
            found,
            file=self.name,
            mend="Unpack it, look at what it holds, and deliver a folder of the files that are needed.",
        )
