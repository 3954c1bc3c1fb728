"""Slope, aspect and hillshade of a height field.

Gradients follow Horn (1981), "Hill shading and the reflectance map", Proc. IEEE 69(1): a 3 × 3 window with
weights 1-2-1, exact on planes and on quadratic surfaces. A neighbour that was not measured is mirrored
through the centre (twice the centre minus the opposite neighbour), a corner whose opposite is missing too is
completed to a plane, so that a plane stays a plane up to the edge of the data. Where both of a pair beside
the centre are missing the pair says nothing and counts as level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Heights = NDArray[np.float32] | NDArray[np.float64]


def gradient(heights: Heights, cell_east: float, cell_north: float) -> tuple[Heights, Heights]:
    """(∂z/∂east, ∂z/∂north), metres per metre; rows run south. NaN where the centre was not measured.

    The outermost cells are mirrored as described above; give a halo of one cell where the neighbours are
    known, and cut it off again.
    """
    z = np.asarray(heights)
    if z.dtype not in (np.float32, np.float64):
        z = z.astype(np.float64)
    padded = np.full((z.shape[0] + 2, z.shape[1] + 2), np.nan, z.dtype)
    padded[1:-1, 1:-1] = z

    def at(down: int, right: int) -> Heights:
        return padded[1 + down : z.shape[0] + 1 + down, 1 + right : z.shape[1] + 1 + right]

    def mended(down: int, right: int, otherwise: Heights) -> Heights:
        here = at(down, right)
        here = np.where(np.isnan(here), 2 * z - at(-down, -right), here)
        return np.where(np.isnan(here), otherwise, here)

    n, s, e, w = mended(-1, 0, z), mended(1, 0, z), mended(0, 1, z), mended(0, -1, z)
    ne, nw = mended(-1, 1, n + e - z), mended(-1, -1, n + w - z)
    se, sw = mended(1, 1, s + e - z), mended(1, -1, s + w - z)
    east = (ne + 2 * e + se - nw - 2 * w - sw) / (8 * cell_east)
    north = (nw + 2 * n + ne - sw - 2 * s - se) / (8 * cell_north)
    known = ~np.isnan(z)
    east, north = np.where(known, east, np.nan), np.where(known, north, np.nan)
    return east.astype(z.dtype, copy=False), north.astype(z.dtype, copy=False)


def slope_deg(heights: Heights, cell_east: float, cell_north: float) -> Heights:
    """Steepest slope, degrees from the horizontal; NaN where not measured."""
    east, north = gradient(heights, cell_east, cell_north)
    return np.degrees(np.arctan(np.hypot(east, north)))


def aspect_deg(heights: Heights, cell_east: float, cell_north: float) -> Heights:
    """The way water runs: degrees clockwise from grid north, in [0, 360); NaN on level ground."""
    east, north = gradient(heights, cell_east, cell_north)
    aspect = np.degrees(np.arctan2(-east, -north)) % 360.0
    aspect = np.where(aspect >= 360.0, 0.0, aspect)  # the remainder of a tiny negative number rounds up
    return np.where((east == 0) & (north == 0), np.nan, aspect).astype(east.dtype, copy=False)


def hillshade(
    heights: Heights,
    cell_east: float,
    cell_north: float,
    *,
    azimuth_deg: float = 315.0,
    altitude_deg: float = 45.0,
    exaggeration: float = 1.0,
) -> Heights:
    """Brightness under a far lamp, Lambert's law: cos of the angle between lamp and surface normal.

    In [0, 1]: 0 faces away from the lamp, 1 faces it. NaN where not measured. No cast shadows.
    """
    east, north = gradient(heights, cell_east, cell_north)
    return _lambert(east * exaggeration, north * exaggeration, azimuth_deg, altitude_deg)


def _lambert(east: Heights, north: Heights, azimuth_deg: float, altitude_deg: float) -> Heights:
    azimuth, altitude = np.radians(azimuth_deg), np.radians(altitude_deg)
    lamp_east, lamp_north = np.sin(azimuth) * np.cos(altitude), np.cos(azimuth) * np.cos(altitude)
    # The upward normal is (−east, −north, 1), to be scaled to unit length.
    shade = (np.sin(altitude) - east * lamp_east - north * lamp_north) / np.sqrt(1 + east**2 + north**2)
    return np.clip(shade, 0.0, 1.0).astype(east.dtype, copy=False)


def relief_shade(heights: Heights, cell_east: float, cell_north: float) -> Heights:
    """A hillshade for reading the ground: the north-west lamp, softened by three others.

    One lamp leaves faces that run along its beam flat and those behind it black. In [0, 1].
    """
    east, north = gradient(heights, cell_east, cell_north)
    lamps = ((315.0, 0.55), (255.0, 0.15), (15.0, 0.15), (165.0, 0.15))
    shade = sum(weight * _lambert(east, north, azimuth, 45.0) for azimuth, weight in lamps)
    return np.asarray(shade, east.dtype)
