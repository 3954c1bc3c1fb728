"""Do the cells carry measurements, or was a coarser surface drawn out to finer cells?

*Rhythm.* A surface interpolated from a grid k cells wide bends at that grid's lines and not between them
(linear), or more there than between (cubic, Lanczos), so the mean bending per column and per row beats with
period k (Gallagher 2005; Mahdian & Saic 2008). Second differences show every k but 2, third differences
show 2.

*What lies between the beats* tells k from k/(k − 1), which beats alike: a file that its maker brought to
another projection (k = 1.06) beats with period 17.7 and has lost nothing. Drawn out k-fold, neighbouring
second differences are alike, or many are zero; in a measured surface they oppose each other (−2/3 for
white noise).

*Two kinds of cells.* Twofold is the shortest beat there is and often drowns in the ground; there it is asked
whether even and odd cells follow from their neighbours by rules of their own (``parity``).

*Cut-off.* The spectrum of a smoothed surface drops off a cliff. By itself this only says what the finest
detail is: a terrain model interpolated between few ground points does the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.dem.steps import step_of
from survey.forensics.flag import Flag, Outcome
from survey.forensics.noise import GAIN, MAD, fine_texture
from survey.forensics.parity import LIMIT, parity

TEST = "real.upsampled"
SQUARE = 128
LONGEST = 64
"""Longest period looked for, cells."""
TWOFOLD = 1.4
"""From here on a beat says that a surface was drawn out; a file brought to another projection has 1.1."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Beat:
    """A line in the spectrum of the bending along one axis."""

    period: float  # cells
    contrast: float  # power of the line over that of its neighbourhood
    bin: float = 0.0  # resolution of the spectrum, per cell


@dataclass(frozen=True)
class Grain:
    """What a window of a surface shows; ``None`` beats where there is too little to look at."""

    across: Beat | None
    down: Beat | None
    likeness: float  # correlation of neighbouring second differences
    straight: float  # share of second differences that are next to nothing
    repeats: float  # how often each value stands, along the axis where it stands less often
    effective: float | None  # finest detail, cells
    rounded: bool  # heights are rounded more coarsely than they are noisy
    halves: float = math.nan  # see ``parity``: 1 where even and odd cells are alike


def bending(z: NDArray[np.floating], order: int) -> tuple[Floats, Floats]:
    """Mean |difference of that order| along the rows, per column: (means, counts).

    Each value is cut at four times the usual one, so that faces and walls do not drown the rest.
    """
    bend = np.abs(np.diff(np.asarray(z, np.float64), n=order, axis=1))
    known = np.isfinite(bend)
    count = known.sum(axis=0).astype(np.float64)
    if not known.any():
        return np.zeros(bend.shape[1]), count
    values = bend[known]
    limit = 4 * max(float(np.median(values)), float(np.mean(values)))
    total = np.where(known, np.minimum(bend, limit), 0.0).sum(axis=0)
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0), count


def line_contrast(profile: Floats, count: Floats) -> tuple[Floats, Floats] | None:
    """Contrast of each line of a profile's spectrum: (frequencies per cell, contrasts), or None.

    Slow changes (the ground) are divided out; a line is held against the 11 bins on either side of it, since
    what remains of the ground falls with frequency.
    """
    from scipy import fft, ndimage

    usable = count >= 0.3 * count.max() if count.size and count.max() > 0 else np.zeros(count.size, bool)
    if usable.sum() < 3 * LONGEST:
        return None
    start, stop = np.flatnonzero(usable)[[0, -1]]
    part = np.where(usable, profile, np.nan)[start : stop + 1]
    part = np.where(np.isfinite(part), part, float(np.nanmedian(part)))
    slow = ndimage.uniform_filter1d(part, LONGEST + 33, mode="nearest")
    if not np.all(slow > 0):
        return None
    beat = part / slow - 1
    power = np.abs(fft.rfft(beat * np.hanning(beat.size))) ** 2
    freq = fft.rfftfreq(beat.size)
    around = np.array([*range(-14, -3), *range(4, 15)])
    where = np.arange(power.size)[:, None] + around
    # The spectrum is mirrored at both ends.
    where = np.abs(where)
    where = np.where(where >= power.size, 2 * power.size - 2 - where, where)
    usual = np.median(power[where], axis=1)
    floor = 1e-12 * float(power.max() or 1.0)
    return freq, power / np.maximum(usual, floor)


def beat(z: NDArray[np.floating]) -> Beat | None:
    """The fundamental beat along the rows: the lowest line that is near the tallest; None = too little to
    see.

    Third differences are asked only where second differences show nothing: their overtones are stronger.
    """
    found: Beat | None = None
    for order in (2, 3):
        lines = line_contrast(*bending(z, order))
        if lines is None:
            continue
        freq, contrast = lines
        band = freq >= 1 / LONGEST
        tallest = float(contrast[band].max())
        if found is not None and (found.contrast >= 100 or found.contrast >= tallest):
            break
        near = band & (contrast >= max(0.02 * tallest, min(100.0, tallest)))
        first = int(np.flatnonzero(near)[0])
        while first + 1 < freq.size and contrast[first + 1] > contrast[first]:
            first += 1
        found = Beat(1 / float(freq[first]), tallest, 1 / float(2 * (freq.size - 1)))
    return found


def neighbours(z: NDArray[np.floating]) -> tuple[float, float]:
    """(likeness of neighbouring second differences along the rows, share of them that are next to
    nothing).
    """
    bend = np.diff(np.asarray(z, np.float64), n=2, axis=1)
    one, other = bend[:, :-1], bend[:, 1:]
    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < 100:
        return math.nan, math.nan
    a, b = one[known], other[known]
    size = np.abs(a)
    limit = 4 * max(float(np.median(size)), float(np.mean(size)))
    if limit == 0:
        return math.nan, 1.0
    a, b = np.clip(a, -limit, limit), np.clip(b, -limit, limit)
    return float((a * b).sum() / (a * a).sum()), float((size < 0.005 * limit).mean())


def square_spectrum(z: NDArray[np.floating]) -> tuple[Floats, int]:
    """Radial power spectrum, summed over the squares of ``SQUARE`` cells without a hole: (bins, squares).

    Each square loses its plane, is tapered and weighs the same whatever its relief.
    """
    from scipy import fft

    bins = np.zeros(SQUARE // 2)
    squares = 0
    window = np.hanning(SQUARE)[:, None] * np.hanning(SQUARE)[None, :]
    fy, fx = fft.fftfreq(SQUARE)[:, None], fft.rfftfreq(SQUARE)[None, :]
    ring = np.minimum((np.hypot(fy, fx) * SQUARE + 0.5).astype(int), SQUARE)
    inside = ring < SQUARE // 2
    per_ring = np.maximum(np.bincount(ring[inside], minlength=SQUARE // 2), 1)
    y, x = np.mgrid[:SQUARE, :SQUARE] - (SQUARE - 1) / 2
    for row in range(0, z.shape[0] - SQUARE + 1, SQUARE):
        for col in range(0, z.shape[1] - SQUARE + 1, SQUARE):
            tile = np.asarray(z[row : row + SQUARE, col : col + SQUARE], np.float64)
            if not np.isfinite(tile).all():
                continue
            tile = tile - tile.mean()
            tile -= x * (tile * x).sum() / (x * x).sum() + y * (tile * y).sum() / (y * y).sum()
            power = np.abs(fft.rfft2(tile * window)) ** 2
            sums = np.bincount(ring[inside], power[inside], minlength=SQUARE // 2) / per_ring
            low = float(sums[4:12].mean())
            if low > 0:
                bins += sums / low
                squares += 1
    return bins, squares


def effective_cell(bins: Floats, squares: int) -> float | None:
    """The finest detail carried, in cells: 1 = down to the cell; None = cannot be told.

    Spectra of ground fall as a power of the frequency, at most like f⁻⁴ to f⁻⁵. A cliff falls faster than f⁻⁷
    over half an octave, and what lies beyond it is a hundredfold below the ground's own law, fitted before
    it.
    """
    if squares < 4:
        return None
    power = bins / squares
    if not np.all(power[1:] > 0):
        return None
    frequency = np.arange(2, power.size, dtype=np.float64)
    log_f, log_p = np.log(frequency), np.log(power[2:])
    last = log_f.size
    for wall in range(3, last - 4):
        upper = int(np.searchsorted(log_f, log_f[wall] + math.log(2) / 2))
        if upper >= last - 1:
            break
        if (log_p[upper] - log_p[wall]) / (log_f[upper] - log_f[wall]) > -7:
            continue
        before = slice(max(0, wall - 12), wall + 1)
        slope = min(float(np.polyfit(log_f[before], log_p[before], 1)[0]), 0.0)
        level = float(np.mean(log_p[before] - slope * log_f[before]))
        gap = log_p[upper:] - (slope * log_f[upper:] + level)
        if float(np.median(gap)) < -math.log(100):
            return float(SQUARE / 2 / frequency[wall])
    return 1.0


def repeated(z: NDArray[np.floating]) -> float:
    """How often each value stands in a row before the next begins: k = 2 for 1 1 3 3 7 7; 1.0 if it does not.

    Whole columns must repeat their neighbour, or hardly anywhere: on ground, rounded or level, some cells do.
    """
    pairs = np.isfinite(z[:, 1:]) & np.isfinite(z[:, :-1])
    count = pairs.sum(axis=0)
    with np.errstate(invalid="ignore"):
        same = ((z[:, 1:] == z[:, :-1]) & pairs).sum(axis=0)
    enough = count >= 50
    if enough.sum() < 50:
        return 1.0
    share = same[enough] / count[enough]
    all_equal, hardly = share > 0.95, share < 0.3
    part = float(all_equal.mean())
    if float((all_equal | hardly).mean()) < 0.95 or not 0.25 < part < 0.985:
        return 1.0
    return 1 / (1 - part)


def grain(z: NDArray[np.floating]) -> Grain:
    """Look at a window: (rows, cols) metres, NaN = not measured; at least 200 cells a side to say
    anything.
    """
    flipped = np.ascontiguousarray(np.asarray(z).T)
    like_a, straight_a = neighbours(z)
    like_d, straight_d = neighbours(flipped)
    step = step_of([z])
    texture = np.abs(fine_texture(z))
    texture = texture[np.isfinite(texture)]
    noise = MAD * float(np.median(texture)) / GAIN if texture.size else 0.0
    return Grain(
        across=beat(z),
        down=beat(flipped),
        likeness=min(like_a, like_d),
        straight=min(straight_a, straight_d),
        repeats=min(repeated(z), repeated(flipped)),
        effective=effective_cell(*square_spectrum(z)),
        rounded=step > 0 and step > 1.5 * noise,
        halves=parity(z),
    )


def drawn_out(g: Grain, least_contrast: float = 300.0) -> float:
    """By how much a window was drawn out: k cells per cell of the source; 1.0 = no sign of it."""
    k = _by_beat(g, least_contrast)
    return 2.0 if k < TWOFOLD and g.halves < LIMIT else k


def _by_beat(g: Grain, least_contrast: float) -> float:
    if g.repeats > 1.4:
        return g.repeats
    if g.across is None or g.down is None or g.rounded:
        return 1.0
    if min(g.across.contrast, g.down.contrast) < least_contrast:
        return 1.0
    one, other = sorted((1 / g.across.period, 1 / g.down.period))
    apart = 1.6 * max(g.across.bin, g.down.bin)
    # An overtone may be the lowest line that stands out on one of the axes.
    if min(abs(other - n * one) for n in (1, 2, 3)) > apart:
        return 1.0
    period = 1 / one
    if period <= 2.05 or g.straight > 0.15 or g.likeness > 0.25:
        return period
    return period / (period - 1)


def judge_upsampled(windows: list[Grain], cell_m: float, *, is_dtm: bool = False) -> Outcome:
    """What several windows of one file come to. ``cell_m``: side of a cell, metres."""
    seen = [g for g in windows if g.across is not None and g.down is not None]
    if not seen:
        return Outcome(TEST, no_power="there is no window of 200 × 200 cells without large holes")
    # A file drawn out by repeating has steps that look like rounding.
    sharp = [g for g in seen if not g.rounded or g.repeats > 1.4 or g.halves < LIMIT]
    if not sharp:
        return Outcome(TEST, no_power="heights are rounded more coarsely than they are noisy")
    factors = [drawn_out(g) for g in sharp]
    finest = [g.effective for g in sharp if g.effective is not None]
    effective = float(np.median(finest)) if finest else math.nan
    evidence = {
        "windows": len(sharp),
        "effective_cells": effective,
        "drawn_out": float(np.median(factors)),
        "even_and_odd": float(np.median([g.halves for g in sharp])),
        "contrast": float(
            np.median([min(g.across.contrast, g.down.contrast) for g in sharp if g.across and g.down])
        ),
    }
    beating = [k for k in factors if k >= TWOFOLD]
    if len(beating) >= max(1, math.ceil(len(sharp) / 2)):
        k = float(np.median(beating))
        how = "each value repeated" if min(g.repeats for g in sharp) > 1.4 else "interpolated between"
        flag = Flag(
            TEST,
            "drawn out from a coarser grid",
            "strong" if k >= 1.9 else "weak",
            f"The bending of the surface beats along rows and columns as if it had been drawn out "
            f"{k:.1f}-fold, "
            f"from cells of about {k * cell_m:.2g} m to cells of {cell_m:.2g} m ({how}).",
            {**evidence, "coarse_cell_m": k * cell_m},
            (),
            ("the processing software was asked for finer cells than the point cloud supports",),
        )
        return Outcome(TEST, (flag,), evidence=evidence)
    if effective >= 3:
        flag = Flag(
            TEST,
            "no fine detail",
            "weak",
            f"The surface carries no detail finer than about {effective * cell_m:.2g} m, though its "
            f"cells are "
            f"{cell_m:.2g} m.",
            {**evidence, "finest_detail_m": effective * cell_m},
            (),
            (
                "the surface was smoothed in processing",
                "a terrain model is interpolated between few ground points"
                if is_dtm
                else "ground without texture",
            ),
        )
        return Outcome(TEST, (flag,), evidence=evidence)
    return Outcome(TEST, evidence=evidence)
