"""Which cells of a scene show the ground: cloud, its shadow, and the veil that is only cloud-like.

A quarry floor can be whiter than a cloud, so brightness alone decides nothing. Three questions are asked:

* Is the cell far brighter *than itself*, most of all in the blue, with a white spectrum? (``cloud``)
* Is it far darker than itself at the very place where a cloud of this scene throws its shadow? (``shadow``)
* Is it just a veil over a spectrum that was seen here before? (``veil_share``; asked of novel cells only)

Cloud-like cells that lie alone are *suspect*: not observed, unless the next scene shows the same spectrum at
the same place. A cloud does not stand still.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.lattice import block_quantile, fill_gaps, smooth3, spread


@dataclass(frozen=True)
class Clear:
    """What a scene shows. ``observed`` excludes everything else; all arrays (row, col)."""

    observed: NDArray[np.bool_]
    suspect: NDArray[np.bool_]
    cloud: NDArray[np.bool_]
    shadow: NDArray[np.bool_]


def usual_levels(stack: NDArray[np.float32], ok: NDArray[np.bool_], bands: BandSet) -> NDArray[np.float32]:
    """(band, row, col): what each cell looks like on an ordinary clear day.

    The median of the observations whose shortest-wave reflectance ranks between the darkest tenth (shadows)
    and the middle (clouds are above). ``stack`` (scene, band, row, col); NaN where a cell was never observed.
    """
    blue = np.where(ok, stack[:, bands.bluest], np.inf)
    order = np.argsort(blue, axis=0, kind="stable")
    count = ok.sum(0)
    lo = (0.10 * count).astype(np.intp)
    hi = np.maximum(lo + 1, np.ceil(0.55 * count).astype(np.intp))
    out = np.full(stack.shape[1:], np.nan, np.float32)
    rank = np.arange(stack.shape[0])[:, None, None]
    chosen = (rank >= lo) & (rank < hi) & (count > 0)
    for band in range(stack.shape[1]):
        ranked = np.take_along_axis(stack[:, band], order, axis=0)
        ranked = np.where(chosen, ranked, np.inf)
        ranked.sort(axis=0)
        n = chosen.sum(0)
        low = np.take_along_axis(ranked, np.maximum((n - 1) // 2, 0)[None], 0)[0]
        high = np.take_along_axis(ranked, np.maximum(n // 2, 0)[None], 0)[0]
        out[band] = np.where(n > 0, (low + high) / 2, np.nan)
    return out


HAZE_BLOCK = 16
THICK = 0.12
"""Where even the least hazy tenth of a block rose by more, there is no ground to see."""


def haze_field(
    now: NDArray[np.float32], valid: NDArray[np.bool_], usual: NDArray[np.float32], bands: BandSet
) -> NDArray[np.float32]:
    """(row, col): smooth rise of the shortest wave over a whole neighbourhood, reflectance, never negative."""
    rise = now[bands.bluest] - usual[bands.bluest]
    low = block_quantile(rise, valid & np.isfinite(rise), HAZE_BLOCK, 0.2)
    return spread(smooth3(np.maximum(fill_gaps(low, 2, 0.0), 0.0)), HAZE_BLOCK, rise.shape)


def cloud_like(
    now: NDArray[np.float32],
    usual: NDArray[np.float32],
    haze: NDArray[np.float32],
    bands: BandSet,
    rise: float,
) -> NDArray[np.bool_]:
    """Cells that became white beyond the haze around them: brighter in the shortest wave, and in the red."""
    blue, red = bands.bluest, bands.index("red")
    thick = haze > THICK
    haze = np.minimum(haze, THICK)
    up_blue = now[blue] - usual[blue] - haze
    up_red = now[red] - usual[red] - 0.6 * haze
    # Without a blue band green is the shortest wave; soil's green-to-red ratio is nearer to one, so ask for more.
    white = now[blue] > (0.72 if bands.has("blue") else 0.86) * now[red]
    with np.errstate(invalid="ignore"):
        out = (up_blue > rise) & (up_blue > 0.65 * up_red) & white
        if bands.has("nir"):
            # Leaves and dry grass brighten the near infrared more than the blue; a cloud does not.
            out &= (now[bands.index("nir")] - usual[bands.index("nir")]) < 1.6 * up_blue + 0.02
    return out | thick


def _correlation_peak(
    cloud: NDArray[np.bool_], dark: NDArray[np.bool_], reach: int
) -> tuple[int, int] | None:
    """The displacement (rows, cols) at which the cloud mask best covers dark cells, if any stands out."""
    shape = (cloud.shape[0] + reach, cloud.shape[1] + reach)
    fc = np.fft.rfft2(cloud.astype(np.float64) - cloud.mean(), shape)
    fd = np.fft.rfft2(dark.astype(np.float64) - dark.mean(), shape)
    cross = np.fft.irfft2(fd * np.conj(fc), shape)
    lags = np.r_[0 : reach + 1, -reach:0]
    near = cross[np.ix_(lags, lags)]
    away = np.hypot(lags[:, None], lags[None, :])
    near = np.where((away >= 2) & (away <= reach), near, -np.inf)
    at = int(near.argmax())
    r, c = int(lags[at // len(lags)]), int(lags[at % len(lags)])
    finite = near[np.isfinite(near)]
    stands_out = (near.max() - finite.mean()) / max(float(finite.std()), 1e-12)
    return (r, c) if stands_out > 4.0 and near.max() > 3.0 else None


def dark_now(now: NDArray[np.float32], usual: NDArray[np.float32], bands: BandSet) -> NDArray[np.bool_]:
    """Cells that lost a third of their light in every band from the red on."""
    with np.errstate(invalid="ignore", divide="ignore"):
        out = np.ones(now.shape[1:], bool)
        for name, part in (("red", 0.85), ("nir", 0.68), ("swir1", 0.68)):
            if bands.has(name):
                out &= now[bands.index(name)] < part * usual[bands.index(name)]
    return out


def shadow_displacement(
    cloud: NDArray[np.bool_], dark: NDArray[np.bool_], cell_m: float
) -> tuple[int, int] | None:
    """Where this scene's clouds throw their shadows, in cells; None where none can be seen.

    Clouds rise to a few kilometres; with the sun as low as 35° their shadow falls within ``reach``.
    """
    if cloud.sum() < 5 or dark.sum() < 5:
        return None
    reach = int(min(4000.0 / cell_m, 0.5 * min(cloud.shape)))
    return _correlation_peak(cloud, dark, max(3, reach))


def shifted(mask: NDArray[np.bool_], rows: int, cols: int) -> NDArray[np.bool_]:
    out = np.zeros_like(mask)
    height, width = mask.shape
    r0, r1 = max(0, rows), min(height, height + rows)
    c0, c1 = max(0, cols), min(width, width + cols)
    if r0 < r1 and c0 < c1:
        out[r0:r1, c0:c1] = mask[r0 - rows : r1 - rows, c0 - cols : c1 - cols]
    return out


def disc(radius: int) -> NDArray[np.bool_]:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return x * x + y * y <= radius * radius + 0.5


def judge(
    now: NDArray[np.float32],
    valid: NDArray[np.bool_],
    usual: NDArray[np.float32],
    bands: BandSet,
    *,
    cell_m: float,
    given_clear: NDArray[np.bool_] | None,
    displacement: tuple[int, int] | None,
    haze: NDArray[np.float32],
    rise: float,
    widen_m: float,
) -> Clear:
    """``given_clear``: the delivered mask, True = clear, or None. Everything (row, col) of one grid."""
    like = cloud_like(now, usual, haze, bands, rise) & valid
    # A lone speck is a roof, a lorry, a glint; the middle of a cloud has cloud around it.
    like_share = box_share(like, round(200.0 / cell_m))
    ground = max(1, round(widen_m / cell_m))
    core = like & (box_share(like, 1) > 0.3)
    crowded = like_share > 0.12
    cloud = core & crowded
    suspect = like & ~cloud
    hidden = ndimage.binary_dilation(cloud, disc(ground))
    shadow = np.zeros_like(like)
    if displacement is not None:
        cast = shifted(ndimage.binary_dilation(like, disc(ground)), *displacement)
        shadow = cast & dark_now(now, usual, bands)
        shadow = ndimage.binary_dilation(shadow, disc(1)) & cast
    observed = valid & ~hidden & ~suspect & ~shadow
    if given_clear is not None:
        blocked = ndimage.binary_dilation(~given_clear & valid, disc(ground))
        # A provider's mask often takes a white quarry floor for cloud: single flagged patches stay suspect.
        share = box_share(~given_clear & valid, round(200.0 / cell_m))
        suspect = (suspect | (blocked & (share < 0.08))) & valid & ~hidden
        observed &= ~blocked
    return Clear(observed, suspect & ~hidden & ~observed, cloud, shadow)


def box_share(mask: NDArray[np.bool_], reach: int) -> NDArray[np.float64]:
    """Share of ``mask`` in the square of 2·reach + 1 cells around each cell, as far as the array goes.

    Counted in integers, so that it does not depend on where the array begins.
    """
    height, width = mask.shape
    total = np.zeros((height + 1, width + 1), np.int64)
    np.cumsum(np.cumsum(mask, 0, dtype=np.int64), 1, out=total[1:, 1:])
    r0, r1 = np.clip(np.arange(height) - reach, 0, None), np.clip(np.arange(height) + reach + 1, None, height)
    c0, c1 = np.clip(np.arange(width) - reach, 0, None), np.clip(np.arange(width) + reach + 1, None, width)
    count = total[r1][:, c1] - total[r0][:, c1] - total[r1][:, c0] + total[r0][:, c0]
    return count / ((r1 - r0)[:, None] * (c1 - c0)[None, :])


_VEIL = {"blue": 1.0, "green": 0.82, "red": 0.63, "nir": 0.44, "swir1": 0.15, "swir2": 0.09}
_CLOUD = {"blue": 0.62, "green": 0.62, "red": 0.62, "nir": 0.64, "swir1": 0.48, "swir2": 0.38}


def veil_share(
    now: NDArray[np.float32], before: NDArray[np.float32], bands: BandSet, weight: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How much of the change from ``before`` to ``now`` is a veil of cloud or haze, both (n, band).

    Fits now = before + a·(cloud − before) + h·haze·(1 − before), a, h ≥ 0, by weighted least squares
    (``weight`` per band, 1/σ²). Returns (share of the squared change explained, strength a + h).
    """
    cloud = np.array([_CLOUD[b] for b in bands.names], np.float32) - before
    haze = np.array([_VEIL[b] for b in bands.names], np.float32) * (1.0 - before)
    rise = now - before
    w = weight
    cc, hh, ch = (cloud * cloud * w).sum(-1), (haze * haze * w).sum(-1), (cloud * haze * w).sum(-1)
    rc, rh, rr = (rise * cloud * w).sum(-1), (rise * haze * w).sum(-1), (rise * rise * w).sum(-1)
    det = np.maximum(cc * hh - ch * ch, 1e-12)
    a, h = (rc * hh - rh * ch) / det, (rh * cc - rc * ch) / det
    only_a, only_h = np.maximum(rc / np.maximum(cc, 1e-12), 0), np.maximum(rh / np.maximum(hh, 1e-12), 0)
    a_wins = only_a * rc >= only_h * rh
    inside = (a >= 0) & (h >= 0)
    a = np.where(inside, a, np.where(a_wins, only_a, 0.0))
    h = np.where(inside, h, np.where(a_wins, 0.0, only_h))
    explained = (a * rc + h * rh) / np.maximum(rr, 1e-12)
    return explained.astype(np.float32), (a + h).astype(np.float32)
