"""Evidence that adds up over dates, cell by cell.

Each clear look gives an e-value: the p-value of its novelty, calibrated by e = κ·p^(κ−1), whose mean is at
most one on ordinary ground. Multiplied over dates and never allowed below one, they form an e-detector
(Shin, Ramdas & Rinaldo 2024): on ordinary ground the mean number of looks between two crossings of 10^h is
at least 10^h, whatever the distribution, as long as ordinary looks are exchangeable with the baseline.
Several novel looks in a row are thus needed where the ground is restless, and few where it is calm.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers.product import SUSPECT, VEIL, plain
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.support import Support


def log10_e(log10_p: NDArray[np.float32], kappa: float) -> NDArray[np.float32]:
    """log10 of κ·p^(κ−1) (Vovk & Wang 2021, eq. 2)."""
    return (np.log10(kappa) + (kappa - 1.0) * log10_p).astype(np.float32)


def _differ(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean absolute ln ratio of two sets of spectra (n, band)."""
    return np.abs(np.log((a + 0.03) / (b + 0.03))).mean(-1)


PART = 2**19
"""Cells whose evidence is brought up to date at once."""


class Accumulator:
    """Walks over the dates in order. ``step`` returns what is novel on that date; ``total`` holds the
    evidence."""

    def __init__(self, support: Support, settings: TriggerSettings, *, alone: bool = False) -> None:
        """``alone``: no later look will tell a white floor from a cloud; the classes must."""
        self.alone = alone
        n = len(support.cell)
        self.support, self.settings = support, settings
        self.total = np.zeros(n, np.float32)
        self.since = np.full(n, -1, np.int16)  # date of the first look of the present run
        self._doubtful = np.full(n, -1, np.int32)  # last cloud-like candidate of each cell
        self._doubtful_date = np.full(n, -1, np.int16)

    def step(self, t: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(looked, novel) per cell on date ``t``; evidence is brought up to date."""
        n = len(self.total)
        looked, novel = np.empty(n, bool), np.empty(n, bool)
        # No cell asks for another: a part at a time needs little room.
        for start in range(0, n, PART):
            part = slice(start, min(start + PART, n))
            looked[part], novel[part] = self._step(t, part)
        return looked, novel

    def _step(self, t: int, part: slice) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        s, settings = self.support, self.settings
        total, since = self.total[part], self.since[part]
        last_doubt, doubt_date = self._doubtful[part], self._doubtful_date[part]
        at = s.at[t][part]
        there = at >= 0
        index = np.where(there, at, 0)
        flags = np.where(there, s.flags[index] if len(s.flags) else 0, 0)
        doubtful = there & ((flags & (SUSPECT | VEIL)) > 0) & (not self.alone)
        # A cloud does not stand still: what looks like cloud counts from the second time it looks the same.
        accepted = np.zeros_like(doubtful)
        earlier = np.zeros_like(total)
        which = np.nonzero(doubtful & (last_doubt >= 0))[0]
        if len(which):
            a, b = plain(s.now[at[which]]), plain(s.now[last_doubt[which]])
            change = _differ(a, plain(s.match[at[which]]))
            same = _differ(a, b) <= settings.steady * change
            accepted[which] = same
            first_time = same & (doubt_date[which] >= 0)
            earlier[which[first_time]] = log10_e(s.log10_p[last_doubt[which[first_time]]], settings.kappa)
            # The earlier look is paid out once.
            doubt_date[which[same]] = -1
        keep = np.nonzero(doubtful)[0]
        last_doubt[keep] = at[keep]
        doubt_date[keep] = np.where(accepted[keep], -1, t)
        looked = (s.seen[t][part] & ~doubtful) | accepted
        if self.alone:
            looked |= there & ~doubtful
        novel = there & looked
        e = np.full(len(at), settings.miss, np.float32)
        e[novel] = np.maximum(log10_e(s.log10_p[at[novel]], settings.kappa), settings.miss)
        step = np.where(looked, e, 0.0) + np.where(accepted, np.maximum(earlier, 0.0), 0.0)
        fresh = total <= 0
        total[:] = np.clip(total + step, 0.0, settings.cap)
        since[:] = np.where((total > 0) & fresh, t, np.where(total > 0, since, -1))
        return looked, novel
