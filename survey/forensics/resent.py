"""Is this year's elevation model last year's, sent again? Whole or in part, shifted, raised or with noise.

Three signs, none of which needs to know the ground:

*Equal texture.* Where this year's surface is last year's plus any smooth surface (a constant, a tilt), the
fine textures are equal to the last digit. In two flights they never are. How often textures agree by
accident (rounded heights, filled holes) is measured on the same pair, moved against each other by a few
cells.

*The earlier noise is missing from the difference.* Two flights: before = t + n₁, after = t + n₂, so the
difference holds −n₁, and its covariance with the earlier texture is −σ₁². If after = before + e, the
difference is e alone and the covariance is nil, however rough the ground. The *share* −cov(L before, L d) /
var(L d) is σ₁²/(σ₁² + σ₂²) for two flights, about a half, and zero for last year's surface with noise added.

*The difference is white.* Two flights differ by errors that hang together over metres. Numbers drawn cell by
cell do not. The *spread* compares the scatter of means over 8 × 8 cells with that of single cells: 1 for
white noise; 3 to 100 for the real pairs that were tried (docs/LAW.md).

Every sum here belongs to a square of ``WINDOW`` cells and squares are only put together at the end, so a
large raster can be looked at tile by tile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.forensics.flag import Flag, Outcome, Strength, boxes_of
from survey.forensics.noise import GAIN, MAD, blocks, fine_texture, last_digit

WINDOW = 32
_INNER = 8
_DECOYS = ((5, 3), (-3, 7), (7, -5), (-6, -4))

Floats = NDArray[np.float64]

TEST = "real.resent"


@dataclass(frozen=True)
class PairWindows:
    """Sums per square of ``WINDOW`` cells; every array is (rows, cols) of squares. Heights in metres."""

    informative: Floats  # cells with a texture of their own
    equal: Floats  # of these, how many have the same texture in both
    decoy: Floats  # the same for the pair moved by a few cells: accidents (mean over the moves)
    rise: Floats  # median of after − before
    white: Floats  # variance of the difference per cell, from its fine texture, m²
    wide: Floats  # variance of the difference per cell, from neighbouring means over 8 × 8 cells, m²
    var_before: Floats  # variance of the earlier noise, if all its texture were noise, m²
    cov: Floats  # covariance of earlier noise and difference, m²
    rough: Floats  # 1 if there is texture to judge by
    beside: Floats  # covariance of earlier textures beside each other, m²: −2/3 of their variance if white

    @staticmethod
    def joined(parts: list[list[PairWindows]]) -> PairWindows:
        """Tiles put together: a list of rows of tiles."""
        names = PairWindows.__dataclass_fields__
        return PairWindows(**{n: np.block([[getattr(p, n) for p in row] for row in parts]) for n in names})


def pair_windows(before: NDArray[np.floating], after: NDArray[np.floating]) -> PairWindows:
    """The sums of one tile. Both arrays on the same cells, (rows, cols) metres, NaN = not measured.

    Rows and columns beyond the last whole square are left out.
    """
    a, b = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"the surfaces have different shapes: {a.shape} and {b.shape}")
    la, lb = fine_texture(a), fine_texture(b)
    d = b - a
    ld = lb - la
    # Rounding to 32-bit floats moves each of the nine heights by half a last digit at most; 16 weights.
    slack = 8 * max(last_digit(a), last_digit(b))
    known = np.isfinite(ld)
    informative = known & ((np.abs(la) > 3 * slack) | (np.abs(lb) > 3 * slack))
    equal = informative & (np.abs(ld) <= slack)
    decoy = np.zeros(a.shape)
    for dr, dc in _DECOYS:
        moved = np.roll(la, (dr, dc), axis=(0, 1))
        accident = informative & (np.abs(lb - moved) <= slack)
        decoy += accident
    decoy /= len(_DECOYS)

    def total(mask: NDArray[np.generic]) -> Floats:
        return blocks(mask.astype(np.float64), WINDOW).sum(axis=-1)

    count = total(informative)
    white, var_before, cov, beside = _moments(la, ld)
    return PairWindows(
        informative=count,
        equal=total(equal),
        decoy=total(decoy),
        rise=_median(blocks(d, WINDOW)),
        white=white,
        wide=_wide(d),
        var_before=var_before,
        cov=cov,
        rough=(count >= WINDOW * WINDOW / 2).astype(np.float64),
        beside=beside,
    )


def _median(cut: Floats) -> Floats:
    out = np.full(cut.shape[:2], np.nan)
    enough = np.isfinite(cut).sum(axis=-1) >= cut.shape[-1] / 2
    if enough.any():
        out[enough] = np.nanmedian(cut[enough], axis=-1)
    return out


def _moments(la: Floats, ld: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Variance of the difference, of the earlier texture, their covariance, and that of earlier textures
    beside each other, per square, per cell of noise.

    Cells where either is beyond four robust standard deviations of its square (an edge, a tree, a face that
    moved) are left out.
    """
    ca, cd = blocks(la, WINDOW), blocks(ld, WINDOW)
    shape = ca.shape[:2]
    white, var_before, cov, beside = (np.full(shape, np.nan) for _ in range(4))
    known = np.isfinite(cd)
    enough = known.sum(axis=-1) >= WINDOW * WINDOW / 2
    if not enough.any():
        return white, var_before, cov, beside
    x, y = ca[enough], cd[enough]
    keep = np.isfinite(y)
    for values in (x, y):
        limit = 4 * MAD * np.nanmedian(np.abs(values), axis=-1, keepdims=True)
        keep &= np.abs(values) <= np.where(limit > 0, limit, np.inf)
    n = np.maximum(keep.sum(axis=-1), 1)
    x, y = np.where(keep, x, 0.0), np.where(keep, y, 0.0)
    scale = GAIN * GAIN * n
    white[enough] = (y * y).sum(axis=-1) / scale
    var_before[enough] = (x * x).sum(axis=-1) / scale
    cov[enough] = (x * y).sum(axis=-1) / scale
    square, kept = x.reshape(-1, WINDOW, WINDOW), keep.reshape(-1, WINDOW, WINDOW)
    pairs = np.maximum((kept[:, :, 1:] & kept[:, :, :-1]).sum(axis=(1, 2)), 1)
    beside[enough] = (square[:, :, 1:] * square[:, :, :-1]).sum(axis=(1, 2)) / (GAIN * GAIN * pairs)
    return white, var_before, cov, beside


def _wide(d: Floats) -> Floats:
    """Variance per cell as means over 8 × 8 cells show it: 64 · half the mean squared step between
    neighbours.
    """
    inner = blocks(d, _INNER)
    means = np.where(np.isfinite(inner).all(axis=-1), inner.mean(axis=-1), np.nan)
    per = WINDOW // _INNER
    rows, cols = d.shape[0] // WINDOW, d.shape[1] // WINDOW
    means = means[: rows * per, : cols * per].reshape(rows, per, cols, per).swapaxes(1, 2)
    across = (means[..., 1:] - means[..., :-1]).reshape(rows, cols, -1)
    down = (means[:, :, 1:] - means[:, :, :-1]).reshape(rows, cols, -1)
    steps = np.concatenate([across, down], axis=-1) ** 2
    out = np.full((rows, cols), np.nan)
    enough = np.isfinite(steps).sum(axis=-1) >= steps.shape[-1] / 2
    if enough.any():
        out[enough] = np.nanmean(steps[enough], axis=-1) / 2 * _INNER * _INNER
    return out


@dataclass(frozen=True)
class Settings:
    """Where a sign becomes a flag. Printed with the flag."""

    equal_share: float = 0.8  # of the informative cells of a square, to call it a copy
    accident_share: float = 0.3  # if the moved pair agrees this often, agreement says nothing
    least_area_m2: float = 40.0  # a copied part smaller than the least site is not reported
    share_limit: float = 0.08  # of the earlier noise in the difference: below this it is missing
    share_doubt: float = 0.18
    share_of_capacity: float = 0.15  # the same where the earlier texture is finer than the difference
    spread_limit: float = 1.25  # white to this
    spread_doubt: float = 2.0
    redder: float = 0.045  # neighbours of the earlier texture in quiet squares above −2/3: mostly noise
    share_doubt_of_rough: float = 0.15  # where the earlier texture exceeds the difference
    least_capacity: float = 0.05  # of the earlier noise in the difference, if two flights made the pair


DEFAULTS = Settings()


def judge_pair(
    w: PairWindows,
    cell_m: float,
    settings: Settings = DEFAULTS,
    moved: tuple[int, int] = (0, 0),
    cells_on_cells: bool = True,
) -> Outcome:
    """Flags for a pair of elevation models.

    Parameters
    ----------
    w:
        The sums of all squares.
    cell_m:
        Side of a cell, metres.
    moved:
        Rows and columns by which the earlier file had to be moved to fit (a shift that the files' own
        placement does not know of), for the message.
    cells_on_cells:
        False where the earlier survey had to be interpolated: a mean of its cells has less noise than a cell,
        as little as none beside coarser or finer ones, so that noise of its which is missing says nothing.
    """
    judged = w.rough > 0
    squares = int(judged.sum())
    if squares == 0:
        return Outcome(TEST, no_power="the surfaces have no fine texture in common ground to judge by")
    share = np.divide(w.equal, w.informative, out=np.zeros_like(w.equal), where=w.informative > 0)
    accident = np.divide(w.decoy, w.informative, out=np.zeros_like(w.equal), where=w.informative > 0)
    powerless = judged & (accident > settings.accident_share)
    usable = judged & ~powerless
    if usable.sum() < 0.2 * squares:
        return Outcome(
            TEST,
            no_power="heights are rounded so coarsely that textures agree by accident",
            evidence={"agreement_by_accident": float(np.median(accident[judged]))},
        )
    copied = usable & (share >= settings.equal_share) & (accident < 0.5 * share)
    flags: list[Flag] = []
    area = float(copied.sum()) * (WINDOW * cell_m) ** 2
    part = float(copied.sum() / usable.sum())
    if area >= settings.least_area_m2 and copied.any():
        flags.append(_copy(w, copied, share, part, area, moved))
    figures = _figures(w, usable & ~copied)
    whole = part >= 0.5
    if not whole and figures is not None and cells_on_cells:
        noisy = _noise_added(figures, settings, moved)
        if noisy is None:
            noisy = _hanging_noise_added(w, usable & ~copied, settings, moved)
        if noisy is not None:
            flags.append(noisy)
        elif (local := _noise_added_in_part(w, usable & ~copied, figures, cell_m, settings)) is not None:
            flags.append(local)
    evidence = {"squares": squares, "copied_part": part, "accident": float(np.median(accident[usable]))}
    if figures is not None:
        evidence |= {"earlier_noise_share": figures.share, "spread": figures.spread}
    return Outcome(TEST, tuple(flags), evidence=evidence)


def _copy(
    w: PairWindows,
    copied: NDArray[np.bool_],
    share: Floats,
    part: float,
    area: float,
    moved: tuple[int, int],
) -> Flag:
    rises = w.rise[copied & np.isfinite(w.rise)]
    middle = float(np.median(rises)) if rises.size else 0.0
    # A pit dug into a copy moves some squares; a smooth surface moves them all.
    scatter = float(np.percentile(rises, 75) - np.percentile(rises, 25)) if rises.size else 0.0
    if scatter > 1e-3:
        name = "smooth surface added"
        what = f"apart from a smooth surface between {rises.min():+.3f} and {rises.max():+.3f} m"
    elif abs(middle) > 1e-3:
        name, what = "constant added", f"apart from a constant of {middle:+.3f} m"
    else:
        name, what = "identical", "to the last digit"
    if moved != (0, 0):
        name = f"shifted, {name}"
        what += f", after moving it by {moved[0]} rows and {moved[1]} columns"
    extent = "everywhere" if part > 0.995 else f"on {part:.0%} of the ground that can be compared"
    return Flag(
        TEST,
        name if part > 0.5 else f"in part: {name}",
        "strong",
        f"The fine texture of this survey is that of the earlier one {extent} ({area:,.0f} m²), {what}.",
        {
            "copied_part": part,
            "copied_m2": area,
            "rise_m": middle,
            "rise_range_m": scatter,
            "moved_rows": moved[0],
            "moved_cols": moved[1],
            "median_agreement": float(np.median(share[copied])),
        },
        () if part > 0.995 else boxes_of(copied, WINDOW),
        ("the wrong file was packed", "this year's survey was completed with last year's at its rim"),
        np.where(w.rough > 0, share, np.nan).astype(np.float32),
        WINDOW,
        "share of cells whose fine texture is last year's (1 = all)",
    )


@dataclass(frozen=True)
class _Figures:
    share: float  # of the earlier noise in the difference
    share_sigma: float
    capacity: float  # variance of the earlier texture per variance of the difference
    spread: float
    sigma_m: float
    squares: int


def _figures(w: PairWindows, use: NDArray[np.bool_]) -> _Figures | None:
    """Share and spread over the ground that did not change: squares not far above the usual difference."""
    use = use & np.isfinite(w.white) & np.isfinite(w.wide) & np.isfinite(w.cov) & (w.white > 0)
    if use.sum() < 9:
        return None
    usual = float(np.median(w.white[use]))
    use &= (w.white < 4 * usual) & (w.wide < 4 * np.median(w.wide[use]))
    if use.sum() < 9:
        return None
    cov, white = w.cov[use], w.white[use]
    share = float(-cov.sum() / white.sum())
    rest = -cov - share * white
    sigma = float(np.sqrt((rest**2).sum()) / white.sum())
    return _Figures(
        share=share,
        share_sigma=sigma,
        capacity=float(w.var_before[use].sum() / white.sum()),
        spread=float(np.sqrt(np.median(w.wide[use]) / np.median(white))),
        sigma_m=float(np.sqrt(np.median(white))),
        squares=int(use.sum()),
    )


def _noise_added(f: _Figures, settings: Settings, moved: tuple[int, int]) -> Flag | None:
    white = f.spread < settings.spread_limit
    # If all of the earlier texture were noise and two flights made the pair, the share would be the capacity.
    most = min(settings.share_limit, settings.share_of_capacity * f.capacity)
    upper = f.share + 2 * f.share_sigma
    strength: Strength
    if upper < most and f.share > -settings.share_limit and f.spread < settings.spread_doubt:
        strength = "strong" if white else "moderate"
    elif white and f.capacity > 1 and upper < settings.share_doubt:
        strength = "moderate"
    elif white and f.capacity < 1e-3 and f.squares >= 25:
        # The earlier surface is so smooth that its noise could not show; whiteness alone remains.
        strength = "moderate"
    else:
        return None
    return Flag(
        TEST,
        "noise added" if moved == (0, 0) else "shifted, noise added",
        strength,
        f"This survey differs from the earlier one by noise of {f.sigma_m:.3f} m drawn cell by cell: the "
        f"earlier survey's own noise is not in the difference (share {f.share:.2f}, two flights of equal "
        f"quality give 0.5), and means over 8 × 8 cells scatter no more than single cells make them "
        f"(ratio {f.spread:.2f}, two flights give 2 and more).",
        {
            "noise_m": f.sigma_m,
            "earlier_noise_share": f.share,
            "share_sigma": f.share_sigma,
            "spread": f.spread,
            "squares": f.squares,
            "moved_rows": moved[0],
            "moved_cols": moved[1],
        },
        (),
        ("the later survey is far noisier than the earlier one, and its noise is white",),
    )


def _hanging_noise_added(
    w: PairWindows, use: NDArray[np.bool_], settings: Settings, moved: tuple[int, int]
) -> Flag | None:
    """A copy under noise that hangs together, as the errors of a flight do: whiteness of the difference says
    nothing then, but the earlier flight's own noise is missing from it all the same.

    What the earlier noise is can be told where the earlier texture is white: ground, which is rougher over
    two cells than over one, is not. The quieter half of the squares is looked at.
    """
    use = use & np.isfinite(w.white) & np.isfinite(w.cov) & np.isfinite(w.beside) & (w.white > 0)
    if use.sum() < 25:
        return None
    use &= w.var_before <= np.median(w.var_before[use])
    use &= w.white < 4 * np.median(w.white[use])
    if use.sum() < 16:
        return None
    white, before, cov = w.white[use], w.var_before[use], w.cov[use]
    neighbours = float(w.beside[use].sum() / before.sum())
    capacity = float(before.sum() / white.sum())
    if abs(neighbours + 2 / 3) > settings.redder or capacity < settings.least_capacity:
        return None
    share = float(-cov.sum() / white.sum())
    sigma = float(np.sqrt(((-cov - share * white) ** 2).sum()) / white.sum())
    # Two flights differ by no less than the noise of one of them. White ground could exceed the
    # difference, but then the share of the earlier noise is that of two flights, not nil.
    impossible = capacity > 1.5 and share + 2 * sigma < settings.share_doubt_of_rough
    most = min(settings.share_limit, settings.share_of_capacity * capacity)
    if not impossible and abs(share) + 2 * sigma > most:
        return None
    noise, own = float(np.sqrt(np.median(white))), float(np.sqrt(np.median(before)))
    return Flag(
        TEST,
        "noise added" if moved == (0, 0) else "shifted, noise added",
        "moderate",
        f"This survey differs from the earlier one by noise ({noise:.3f} m in its finest texture) in which "
        f"the earlier survey's own noise of {own:.3f} m is missing: share {share:.3f} ± {sigma:.3f}, and two "
        f"flights give {min(capacity, 1.0):.2f}.",
        {
            "noise_m": noise,
            "earlier_noise_m": own,
            "earlier_noise_share": share,
            "share_sigma": sigma,
            "two_flights": min(capacity, 1.0),
            "neighbours": neighbours,
            "squares": int(use.sum()),
            "moved_rows": moved[0],
            "moved_cols": moved[1],
        },
        (),
        ("the later survey is far noisier than the earlier one, and the ground is rough from cell to cell",),
    )


def _noise_added_in_part(
    w: PairWindows, use: NDArray[np.bool_], whole: _Figures, cell_m: float, settings: Settings
) -> Flag | None:
    """Patches of 3 × 3 squares where the difference is white and lacks the earlier noise, in a pair where
    elsewhere it does not."""
    from scipy import ndimage

    if whole.spread < settings.spread_doubt or whole.share < settings.share_doubt:
        return None  # no contrast with the rest
    ok = use & np.isfinite(w.white) & np.isfinite(w.wide) & np.isfinite(w.cov)

    def mean(values: Floats) -> Floats:
        weight = ndimage.uniform_filter(ok.astype(np.float64), 3, mode="constant")
        filled = ndimage.uniform_filter(np.where(ok, values, 0.0), 3, mode="constant")
        return np.where(weight > 0.99, filled / np.maximum(weight, 1e-9), np.nan)

    white, wide, cov, before = (mean(v) for v in (w.white, w.wide, w.cov, w.var_before))
    with np.errstate(invalid="ignore", divide="ignore"):
        spread, share = np.sqrt(wide / white), -cov / white
        # 9 squares: 216 steps of means, 9216 textures; two flights come nowhere near both limits.
        seen = (
            (spread < settings.spread_limit)
            & (np.abs(share) < settings.share_limit)
            & (before > 0.5 * white)
            & (white < 25 * whole.sigma_m**2)
        )
    if not seen.any():
        return None
    patch = ndimage.binary_dilation(seen, np.ones((3, 3)))
    area = float(patch.sum()) * (WINDOW * cell_m) ** 2
    # Among thousands of places a few fall below both limits by chance, alone.
    labels, count = ndimage.label(seen)
    largest = int(np.bincount(labels.ravel())[1:].max()) if count else 0
    if largest < 4:
        return None
    return Flag(
        TEST,
        "in part: noise added",
        "moderate",
        f"On {area:,.0f} m² this survey differs from the earlier one only by noise drawn cell by cell; "
        f"elsewhere "
        f"the two differ as two flights do.",
        {
            "patch_m2": area,
            "spread": float(np.nanmedian(spread[seen])),
            "earlier_noise_share": float(np.nanmedian(share[seen])),
            "spread_elsewhere": whole.spread,
            "share_elsewhere": whole.share,
        },
        boxes_of(patch, WINDOW),
        ("both surveys were completed from a third source there",),
        np.where(np.isfinite(spread), np.minimum(spread, 5), np.nan).astype(np.float32),
        WINDOW,
        "scatter of 8 × 8 means against single cells (1 = drawn cell by cell)",
    )


def find_move(
    before: NDArray[np.floating], after: NDArray[np.floating], reach: int
) -> tuple[int, int, float]:
    """By how many whole cells the earlier texture must be moved to fit the later one.

    Parameters
    ----------
    before:
        (rows + 2·reach, cols + 2·reach): the ground of ``after`` and ``reach`` cells more on each side.
    after:
        (rows, cols).

    Returns
    -------
    rows, cols, z
        ``after[i, j]`` fits ``before[i + reach − rows, j + reach − cols]``; z is the height of the peak of
        the correlation in standard deviations of its surroundings. Below about 8 it may be chance.
    """
    from scipy import fft

    def prepared(z: NDArray[np.floating]) -> Floats:
        texture = fine_texture(z)
        known = np.isfinite(texture)
        if not known.any():
            return np.zeros(z.shape)
        limit = 3 * MAD * float(np.median(np.abs(texture[known])))
        out: Floats = np.where(known, np.clip(texture, -limit, limit), 0.0)
        return out

    a, b = prepared(before), prepared(after)
    shape = [fft.next_fast_len(n, real=True) for n in a.shape]
    product = fft.rfft2(a, s=shape) * np.conj(fft.rfft2(b, s=shape))
    surface = fft.irfft2(product, s=shape)[: 2 * reach + 1, : 2 * reach + 1]
    spread = float(np.std(surface))
    if spread == 0:
        return 0, 0, 0.0
    row, col = np.unravel_index(int(np.argmax(surface)), surface.shape)
    # Without the peak itself, which would hide in its own spread.
    rest = np.delete(surface.ravel(), np.argmax(surface))
    z = (float(surface[row, col]) - float(np.mean(rest))) / float(np.std(rest))
    return reach - int(row), reach - int(col), z


def resampled_copy(before: NDArray[np.floating], after: NDArray[np.floating]) -> tuple[float, float] | None:
    """How well the later surface is a fixed weighting of 7 × 7 earlier cells: (residual, noise), metres.

    A copy moved by a part of a cell is such a weighting (bilinear, cubic, Lanczos, spline), exact to
    rounding; a second flight adds centimetres that no weighting knows. Both arrays on the same cells; None
    where there is too little to fit.
    """
    la, lb = fine_texture(before), fine_texture(after)
    reach = 3
    rows, cols = la.shape
    if min(rows, cols) < 40:
        return None
    inner = np.zeros(la.shape, bool)
    inner[reach + 1 : rows - reach - 1, reach + 1 : cols - reach - 1] = True
    row, col = np.nonzero(inner & np.isfinite(lb))
    every = max(1, row.size // 8000)
    row, col = row[::every], col[::every]
    offsets = range(-reach, reach + 1)
    x = np.stack([la[row + dr, col + dc] for dr in offsets for dc in offsets], axis=1)
    y = lb[row, col]
    known = np.isfinite(x).all(axis=1)
    if known.sum() < 1200:
        return None
    x, y = x[known], y[known]
    weights, *_ = np.linalg.lstsq(x, y, rcond=None)
    residual = y - x @ weights
    # Where the ground was worked, the copy is not one; fit again without it.
    keep = np.abs(residual) <= 4 * MAD * np.median(np.abs(residual)) + 1e-12
    weights, *_ = np.linalg.lstsq(x[keep], y[keep], rcond=None)
    residual = y[keep] - x[keep] @ weights
    return (
        float(MAD * np.median(np.abs(residual)) / GAIN),
        float(MAD * np.median(np.abs(y)) / GAIN),
    )


def judge_resampled(
    fits: list[tuple[float, float] | None], last_digit_m: float, rounded_to_m: float = 0.0
) -> Flag | None:
    """The flag of a copy that was moved by a part of a cell, from fits of several places.

    ``last_digit_m``: spacing of the file's numbers at its own heights. ``rounded_to_m``: step that the later
    file's heights were rounded to, 0.0 if they were not. What a copy may leave is its rounding (a step has
    step/√12 as 1 σ) and the digits; what a second flight leaves is its own noise, more than half of the
    texture where noise makes it. Where the rounding is no smaller than the texture, nothing can be told.
    """
    known = [fit for fit in fits if fit is not None]
    if not known:
        return None
    rounding = 1.3 * rounded_to_m / math.sqrt(12)
    most = 0.25 if rounded_to_m > 0 else 0.05
    exact = [
        r < rounding + max(3 * last_digit_m, 2e-4 + 0.005 * n) and n > 10 * last_digit_m and r < most * n
        for r, n in known
    ]
    part = sum(exact) / len(known)
    if part < 0.3:
        return None
    residual = float(np.median([r for (r, _), e in zip(known, exact, strict=True) if e]))
    return Flag(
        TEST,
        "resampled",
        "strong",
        f"At {sum(exact)} of {len(known)} places tried, the fine texture of this survey is a fixed "
        f"weighting of the "
        f"earlier one's cells, to {residual * 1000:.1f} mm: what moving a file by a part of a cell does, and "
        f"a second flight does not.",
        {"places": len(known), "exact_places": sum(exact), "residual_m": residual},
        (),
        ("the wrong file was packed",),
    )
