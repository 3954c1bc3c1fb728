"""Slope, aspect and hillshade of a height field.

Gradients follow Horn (1981), "Hill shading and the reflectance map", Proc. IEEE 69(1): a 3 × 3 window with
weights 1-2-1, exact on planes and on quadratic surfaces. A neighbour that was not measured is mirrored
through the centre (twice the centre minus the opposite neighbour), a corner whose opposite is missing too is
completed to a plane, so that a plane stays a plane up to the edge of the data. Where both of a pair beside
the centre are missing the pair says nothing and counts as level.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Heights = NDArray[np.float32] | NDArray[np.float64]


_STRIP = 128  # rows at a time: temporaries over a whole array would go through memory ten times over


def gradient(heights: Heights, cell_east: float, cell_north: float) -> tuple[Heights, Heights]:
    """(∂z/∂east, ∂z/∂north), metres per metre; rows run south. NaN where the centre was not measured.

    The outermost cells are mirrored as described above; give a halo of one cell where the neighbours are
    known, and cut it off again.
    """
    z = _floats(heights)
    east, north = np.empty_like(z), np.empty_like(z)
    for r in range(0, z.shape[0], _STRIP):
        here = slice(r, r + _STRIP)
        east[here], north[here] = _gradient(_padded(z, r), cell_east, cell_north)
    return east, north


def _floats(heights: Heights) -> Heights:
    if heights.dtype == np.float32:
        return np.asarray(heights, np.float32)
    return np.asarray(heights, np.float64)


def _padded(z: Heights, row: int) -> Heights:
    """The strip that begins at ``row`` with a border of one cell, NaN where the array ends."""
    end = min(row + _STRIP, z.shape[0])
    strip = np.full((end - row + 2, z.shape[1] + 2), np.nan, z.dtype)
    first, last = max(row - 1, 0), min(end + 1, z.shape[0])
    strip[first - row + 1 : last - row + 1, 1:-1] = z[first:last]
    return strip


def _gradient(padded: Heights, cell_east: float, cell_north: float) -> tuple[Heights, Heights]:
    if not np.isnan(padded[:, 1:-1].sum()) and padded.shape[1] > 4:
        # All known but for the border columns: only the cells beside those need mending.
        n, s, e, w, ne, nw, se, sw = _neighbours(padded)
        inner = _horn(n, s, e, w, ne, nw, se, sw, cell_east, cell_north)
        for edge, part in ((0, padded[:, :4]), (-1, padded[:, -4:])):
            mended = _gradient_mended(part, cell_east, cell_north)
            for whole, ends in zip(inner, mended, strict=True):
                whole[:, edge] = ends[:, edge]
        return inner
    return _gradient_mended(padded, cell_east, cell_north)


def _neighbours(padded: Heights) -> tuple[Heights, ...]:
    """n, s, e, w, ne, nw, se, sw of every cell within the border."""
    rows, cols = padded.shape[0] - 2, padded.shape[1] - 2
    ways = ((-1, 0), (1, 0), (0, 1), (0, -1), (-1, 1), (-1, -1), (1, 1), (1, -1))
    return tuple(padded[1 + i : rows + 1 + i, 1 + j : cols + 1 + j] for i, j in ways)


def _gradient_mended(padded: Heights, cell_east: float, cell_north: float) -> tuple[Heights, Heights]:
    z = padded[1:-1, 1:-1]
    n0, s0, e0, w0, ne0, nw0, se0, sw0 = _neighbours(padded)

    def mended(here: Heights, opposite: Heights, otherwise: Heights) -> Heights:
        here = np.where(np.isnan(here), 2 * z - opposite, here)
        return np.where(np.isnan(here), otherwise, here)

    n, s, e, w = mended(n0, s0, z), mended(s0, n0, z), mended(e0, w0, z), mended(w0, e0, z)
    ne, nw = mended(ne0, sw0, n + e - z), mended(nw0, se0, n + w - z)
    se, sw = mended(se0, nw0, s + e - z), mended(sw0, ne0, s + w - z)
    east, north = _horn(n, s, e, w, ne, nw, se, sw, cell_east, cell_north)
    unknown = np.isnan(z)
    east[unknown] = north[unknown] = np.nan
    return east, north


def _horn(
    n: Heights, s: Heights, e: Heights, w: Heights, ne: Heights, nw: Heights, se: Heights, sw: Heights,
    cell_east: float, cell_north: float,
) -> tuple[Heights, Heights]:  # fmt: skip
    east = (ne + 2 * e + se - nw - 2 * w - sw) / (8 * cell_east)
    north = (nw + 2 * n + ne - sw - 2 * s - se) / (8 * cell_north)
    return east, north


def slope_deg(heights: Heights, cell_east: float, cell_north: float) -> Heights:
    """Steepest slope, degrees from the horizontal; NaN where not measured."""
    east, north = gradient(heights, cell_east, cell_north)
    return np.degrees(np.arctan(np.hypot(east, north)))


def aspect_deg(heights: Heights, cell_east: float, cell_north: float) -> Heights:
    """The way water runs: degrees clockwise from grid north, in [0, 360); NaN on level ground."""
    east, north = gradient(heights, cell_east, cell_north)
    aspect = np.degrees(np.arctan2(-east, -north)) % 360.0
    aspect = np.where(aspect >= 360.0, 0.0, aspect)  # the remainder of a tiny negative number rounds up
    aspect[(east == 0) & (north == 0)] = np.nan
    return aspect


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
    upward = 1 / np.sqrt(1 + east * east + north * north)
    return _lit(east, north, upward, azimuth_deg, altitude_deg)


def _lit(east: Heights, north: Heights, upward: Heights, azimuth_deg: float, altitude_deg: float) -> Heights:
    """Cosine between a lamp and the normal (−east, −north, 1) · ``upward``, not below zero."""
    azimuth, altitude = math.radians(azimuth_deg), math.radians(altitude_deg)
    lamp_east = math.sin(azimuth) * math.cos(altitude)
    lamp_north = math.cos(azimuth) * math.cos(altitude)
    shade = (math.sin(altitude) - east * lamp_east - north * lamp_north) * upward
    return np.clip(shade, 0.0, 1.0, out=shade)


def relief_shade(heights: Heights, cell_east: float, cell_north: float) -> Heights:
    """A hillshade for reading the ground: the north-west lamp, softened by three others.

    One lamp leaves faces that run along its beam flat and those behind it black. In [0, 1].
    """
    z = _floats(heights)
    out = np.zeros_like(z)
    for r in range(0, z.shape[0], _STRIP):
        east, north = _gradient(_padded(z, r), cell_east, cell_north)
        upward = 1 / np.sqrt(1 + east * east + north * north)
        for azimuth, weight in ((315.0, 0.55), (255.0, 0.15), (15.0, 0.15), (165.0, 0.15)):
            out[r : r + _STRIP] += weight * _lit(east, north, upward, azimuth, 45.0)
    return out
