"""A shaded view from above and aside of a site's ground, with the base drawn over it as a net.

Heights are projected in parallel, so that lengths along the picture can be compared; nothing is hidden but
what ground hides. The vertical is drawn larger by a round factor that stands in the picture's caption.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from survey.report.colours import CUT, FILL, OKABE_ITO, rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

FROM_DEG = 210.0  # the viewer stands in the south-south-west: the light, from the north-west, falls across
UP_DEG = 38.0
_EXAGGERATIONS = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_WANTED = 0.22  # of the ground's width: how tall the relief should look
_NET = 14  # meshes of the net across the site
_PAPER = 255
_SIDE = np.array([176, 168, 158], np.uint8)


def exaggeration_of(relief_m: float, width_m: float) -> float:
    """The round factor by which heights are drawn larger."""
    if relief_m <= 0 or width_m <= 0:
        return 1.0
    wanted = _WANTED * width_m / relief_m
    return max((f for f in _EXAGGERATIONS if f <= max(wanted, 1.0)), default=1.0)


def relief_of(surface: NDArray[np.float64], base: NDArray[np.float64]) -> float:
    """Height between the lowest and highest of surface and base, metres; 0 where nothing is known."""
    both = np.concatenate([surface[np.isfinite(surface)], base[np.isfinite(base)]])
    return float(np.ptp(both)) if both.size else 0.0


def oblique(
    surface: NDArray[np.float64],
    base: NDArray[np.float64],
    cell_east: float,
    cell_north: float,
    *,
    size: tuple[int, int],
    pit: bool,
) -> NDArray[np.uint8]:
    """The picture, (rows, cols, 3), trimmed to what is drawn.

    Parameters
    ----------
    surface, base:
        Heights, metres, (rows, cols); the base is NaN outside the site, both where unknown.
    size:
        Greatest width and height in pixels.
    """
    width, height = size
    picture = np.full((height, width, 3), _PAPER, np.uint8)
    known = np.isfinite(surface)
    if not known.any():
        return picture
    rows, cols = surface.shape
    span = math.hypot(rows * cell_north, cols * cell_east)
    factor = exaggeration_of(relief_of(surface, base), min(rows * cell_north, cols * cell_east))
    low = float(surface[known].min())
    if np.isfinite(base).any():
        low = min(low, float(np.nanmin(base)))
    top = max(float(surface[known].max()), float(np.nanmax(base)) if np.isfinite(base).any() else -np.inf)
    sin_up, cos_up = math.sin(math.radians(UP_DEG)), math.cos(math.radians(UP_DEG))
    tall = (top - low) * factor * cos_up
    scale = min(0.96 * width / span, 0.92 * height / (span * sin_up + 1.15 * tall))
    # A lattice of the picture's own columns, in rows from the front (near the viewer) to the back.
    n = round(span * scale)
    depth_steps = max(2 * n, 2)
    u = (np.arange(n) + 0.5 - n / 2) / scale
    v = (np.arange(depth_steps) + 0.5) / depth_steps * span - span / 2
    turn = math.radians(FROM_DEG)
    right = np.array([-math.cos(turn), math.sin(turn)])  # east, north of "to the right"
    away = np.array([-math.sin(turn), -math.cos(turn)])  # east, north of "away from the viewer"
    east = u[None, :] * right[0] + v[:, None] * away[0]
    north = u[None, :] * right[1] + v[:, None] * away[1]
    row = (rows - 1) / 2 - north / cell_north
    col = (cols - 1) / 2 + east / cell_east
    z = _sampled(surface, row, col)
    shade = _shaded(z, span / depth_steps, 1 / scale, turn)
    under = _sampled(base, row, col)
    colour = _coloured(z, under, shade, pit)
    screen = (
        height * 0.96 - (0.15 * tall + (v[:, None] + span / 2) * sin_up + (z - low) * factor * cos_up) * scale
    )
    left = (width - n) // 2
    _paint(picture, screen, colour, left, height * 0.96 - (v + span / 2) * sin_up * scale)
    _net(picture, under, z, v, span, low, factor, sin_up, cos_up, scale, left, tall, pit, n)
    return _trimmed(picture)


def _trimmed(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Without the empty paper around it."""
    drawn = (picture != _PAPER).any(axis=2)
    rows, cols = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    if not len(rows):
        return picture
    edge = 6
    return picture[max(rows[0] - edge, 0) : rows[-1] + edge, max(cols[0] - edge, 0) : cols[-1] + edge]


def _sampled(
    array: NDArray[np.float64], row: NDArray[np.float64], col: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Bilinear heights; NaN outside or where less than half of the weight was measured."""
    rows, cols = array.shape
    i, j = np.floor(row).astype(int), np.floor(col).astype(int)
    down, right = row - i, col - j
    value = np.zeros(row.shape)
    mass = np.zeros(row.shape)
    for di, dj, weight in (
        (0, 0, (1 - down) * (1 - right)),
        (0, 1, (1 - down) * right),
        (1, 0, down * (1 - right)),
        (1, 1, down * right),
    ):
        inside = (i + di >= 0) & (i + di < rows) & (j + dj >= 0) & (j + dj < cols)
        z = array[np.clip(i + di, 0, rows - 1), np.clip(j + dj, 0, cols - 1)]
        known = inside & np.isfinite(z)
        value += np.where(known, z, 0.0) * weight
        mass += np.where(known, weight, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(mass > 0.5, value / mass, np.nan)


def _shaded(z: NDArray[np.float64], step_away: float, step_right: float, turn: float) -> NDArray[np.float64]:
    """Lambert's law with light from the north-west at 45°, softened, 0 to 1."""
    slope_away, slope_right = np.gradient(z, step_away, step_right)
    # Light from bearing 315° in the lattice's own axes.
    bearing = math.radians(315.0) - turn
    light_right, light_away = -math.sin(bearing), -math.cos(bearing)
    up = 1 / np.sqrt(1 + slope_away**2 + slope_right**2)
    shade = up * (1 - (slope_right * light_right + slope_away * light_away)) / math.sqrt(2)
    return np.clip(np.nan_to_num(0.35 + 0.65 * shade, nan=0.8), 0.15, 1.0)


def _coloured(
    z: NDArray[np.float64], base: NDArray[np.float64], shade: NDArray[np.float64], pit: bool
) -> NDArray[np.uint8]:
    """Natural ground in paper's grey; the site tinted by its depth below (height above) the base."""
    plain = np.array([228, 222, 212], float)
    deep = np.array(rgb(CUT[2] if pit else FILL[2]), float)
    depth = np.nan_to_num(np.abs(z - base), nan=0.0)
    most = max(float(depth.max()), 1e-6)
    tint = (np.isfinite(base) * (0.25 + 0.75 * depth / most))[..., None]
    return np.clip((plain * (1 - tint) + deep * tint) * shade[..., None], 0, 255).astype(np.uint8)


def _paint(
    picture: NDArray[np.uint8],
    screen: NDArray[np.float64],
    colour: NDArray[np.uint8],
    left: int,
    floor: NDArray[np.float64],
) -> None:
    """From the front to the back: each row shows above what nearer rows have covered.

    ``floor``: where the underside of the block of ground lies on the picture, per row.
    """
    height = picture.shape[0]
    n = screen.shape[1]
    at = np.arange(n) + left
    covered = np.full(n, height, np.intp)
    started = np.zeros(n, bool)
    for k in range(screen.shape[0]):
        line = screen[k]
        known = np.isfinite(line)
        if not known.any():
            continue
        y = np.where(known, np.clip(np.nan_to_num(line), 0, height - 1), height).astype(np.intp)
        fresh = known & ~started
        if fresh.any():
            # The front side of the block of ground.
            _spans(
                picture,
                at[fresh],
                y[fresh],
                np.full(int(fresh.sum()), min(int(floor[k]), height)),
                np.tile(_SIDE, (int(fresh.sum()), 1)),
            )
            covered[fresh] = y[fresh] + 1
            started |= fresh
        show = known & (y < covered)
        if show.any():
            _spans(picture, at[show], y[show], covered[show], colour[k, show])
            covered[show] = y[show]


def _spans(
    picture: NDArray[np.uint8],
    x: NDArray[np.intp],
    top: NDArray[np.intp],
    bottom: NDArray[np.intp],
    colour: NDArray[np.uint8],
) -> None:
    length = np.maximum(bottom - top, 0)
    if not length.sum():
        return
    which = np.repeat(np.arange(len(x)), length)
    offset = np.arange(len(which)) - np.repeat(np.cumsum(length) - length, length)
    picture[top[which] + offset, x[which]] = colour[which]


def _net(
    picture: NDArray[np.uint8],
    base: NDArray[np.float64],
    z: NDArray[np.float64],
    v: NDArray[np.float64],
    span: float,
    low: float,
    factor: float,
    sin_up: float,
    cos_up: float,
    scale: float,
    left: int,
    tall: float,
    pit: bool,
    n: int,
) -> None:
    """The base as a net of lines: over a pit it is seen, under a heap only faintly."""
    inside = np.isfinite(base)
    if not inside.any():
        return
    depth_rows, columns = np.nonzero(inside)
    across = max(float(np.ptp(columns)), 1.0) / _NET
    along = max(float(np.ptp(depth_rows)), 1.0) / _NET
    on_line = (np.abs((columns - columns.min()) % across) < 1.0) | (
        np.abs((depth_rows - depth_rows.min()) % along) < 1.0
    )
    rows, cols = depth_rows[on_line], columns[on_line]
    height = picture.shape[0]
    y = (
        height * 0.96
        - (0.15 * tall + (v[rows] + span / 2) * sin_up + (base[rows, cols] - low) * factor * cos_up) * scale
    )
    y = np.clip(y, 0, height - 1).astype(np.intp)
    ink = np.array(rgb(OKABE_ITO["black"]), float)
    share = 0.55 if pit else 0.22
    old = picture[y, cols + left].astype(float)
    picture[y, cols + left] = np.clip(old * (1 - share) + ink * share, 0, 255).astype(np.uint8)
