"""Which cells of a scene show the ground: cloud, shadow, and the veil that is only cloud-like.

A quarry floor can be whiter than a cloud, and coal is darker than any shadow, so brightness alone decides
nothing. Three questions are asked:

* Is the cell far brighter *than itself* and than the haze around it, most of all in the blue, with a white
  spectrum? Many such cells together are cloud. A few alone are *suspect*.
* In a scene with clouds, did the cell lose a third of its light in every band? That may be shadow: *suspect*.
* Is it just a veil over a spectrum that was seen here before? (``veil_share``; asked of novel cells only)

A suspect cell is not observed, unless the next look shows the same spectrum at the same place: neither a
cloud nor its shadow stands still.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.cells import veils
from survey.imagery.triggers.kernels import DARK, LIKE, block_rise, tell_cells
from survey.imagery.triggers.lattice import smooth_known
from survey.imagery.triggers.masks import box_shares, counted_from_corner, crowded, widened

HAZE_BLOCK = 16
THICK = 0.12
"""Where even the least hazy fifth of a neighbourhood rose by more, reflectance, there is no ground to see."""
CROWD_M = 200.0
CROWDED = 0.12
"""Share of cloud-like cells within ``CROWD_M`` that makes a cloud of them."""


@dataclass(frozen=True)
class Clear:
    """What a scene shows, (row, col). Suspect cells are not observed."""

    observed: NDArray[np.bool_]
    suspect: NDArray[np.bool_]


def told(
    now: NDArray[np.uint16], usual: NDArray[np.uint16], bands: BandSet, rise: float
) -> NDArray[np.uint8]:
    """Flags LIKE and DARK of each cell; both (band, row, col) in counts, beginning on a block corner."""
    blue = bands.bluest
    low = block_rise(now[blue], usual[blue], HAZE_BLOCK, 0.2, 2)
    haze = smooth_known(np.where(np.isnan(low), np.float32(np.nan), np.maximum(low, 0.0)), 0.0)
    # Without a blue band green is the shortest wave; soil's green-to-red ratio is nearer to one, so ask for
    # more.
    white = 0.72 if bands.has("blue") else 0.86
    swir1 = bands.index("swir1") if bands.has("swir1") else -1
    return tell_cells(
        now, usual, haze, HAZE_BLOCK, blue, bands.index("red"), bands.index("nir"), swir1, rise, white, THICK
    )


def judge(
    valid: NDArray[np.bool_],
    given_clear: NDArray[np.bool_] | None,
    flags: NDArray[np.uint8],
    *,
    cell_m: float,
    cloudy: bool,
    widen_m: float,
) -> Clear:
    """``given_clear``: the delivered mask, True = clear, or None. ``cloudy``: the scene has clouds
    somewhere."""
    like = (flags & LIKE) > 0
    dark = ((flags & DARK) > 0) & valid if cloudy else np.zeros_like(valid)
    crowd, ground = max(1, round(CROWD_M / cell_m)), max(1, round(widen_m / cell_m))
    hidden = np.zeros_like(valid)
    suspect = dark
    if like.any():
        like &= valid
        # A lone speck is a roof, a lorry, a glint; the middle of a cloud has cloud around it.
        cloud = crowded(like, 1, 0.3, crowd, CROWDED)
        hidden = widened(cloud, ground)
        suspect = (like | dark) & ~hidden
    observed = valid & ~hidden & ~suspect
    if given_clear is not None:
        marked = valid & ~given_clear
        if marked.any():
            blocked = widened(marked, ground)
            # A provider's mask often takes a white quarry floor for cloud: small marked patches stay suspect.
            suspect = (suspect | (blocked & (box_share(marked, crowd) < 0.08))) & valid & ~hidden
            observed &= ~blocked
    return Clear(observed, suspect & ~observed)


def box_share(mask: NDArray[np.bool_], reach: int) -> NDArray[np.float32]:
    """Share of ``mask`` in the square of 2·reach + 1 cells around each cell, as far as the array goes.

    Counted in integers, so that it does not depend on where the array begins.
    """
    return box_shares(counted_from_corner(mask), reach)


_VEIL = {"blue": 1.0, "green": 0.82, "red": 0.63, "nir": 0.44, "swir1": 0.15, "swir2": 0.09}
_CLOUD = {"blue": 0.62, "green": 0.62, "red": 0.62, "nir": 0.64, "swir1": 0.48, "swir2": 0.38}


def veil_share(
    now: NDArray[np.float32], before: NDArray[np.float32], bands: BandSet, weight: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How much of the change from ``before`` to ``now`` is a veil of cloud or haze, both (n, band).

    Fits now = before + a·(cloud − before) + h·haze·(1 − before), a, h ≥ 0, by weighted least squares
    (``weight`` per band, 1/σ²). Returns (share of the squared change explained, strength a + h).
    """
    cloud = np.array([_CLOUD[b] for b in bands.names], np.float32)
    haze = np.array([_VEIL[b] for b in bands.names], np.float32)
    every = np.broadcast_to(weight.astype(np.float32), now.shape)
    return veils(now, before, cloud, haze, np.ascontiguousarray(every))
