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
white noise; 3 to 100 for the real pairs that were tried (docs/accuracy/forensics.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.forensics.flag import Flag, Outcome, Strength, boxes_of
from survey.forensics.pair_windows import WINDOW, Floats, PairWindows

TEST = "real.resent"


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
