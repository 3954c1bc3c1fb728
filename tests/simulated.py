"""Small surveys made in memory, whose truth is known by construction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid

CRS = "EPSG:32643"


def grid(
    rows: int, cols: int, cell: float = 0.5, west: float = 500_000.0, north: float = 2_700_000.0
) -> Grid:
    return Grid(CRS, west, north, cell, cell, rows, cols)


@dataclass(frozen=True)
class Held:
    """A surface held in memory, with the face of a surface on disk."""

    grid: Grid
    heights: NDArray[np.float32]
    block: tuple[int, int] = (64, 64)
    name: str = "held"

    def read(self, piece: Grid) -> NDArray[np.float32]:
        out = np.full(piece.shape, np.nan, np.float32)
        r0, r1 = max(piece.row0, 0), min(piece.row0 + piece.height, self.grid.height)
        c0, c1 = max(piece.col0, 0), min(piece.col0 + piece.width, self.grid.width)
        if r0 < r1 and c0 < c1:
            out[r0 - piece.row0 : r1 - piece.row0, c0 - piece.col0 : c1 - piece.col0] = self.heights[
                r0:r1, c0:c1
            ]
        return out

    def read_into(self, piece: Grid, out: NDArray[np.float32]) -> None:
        out[...] = self.read(piece)


def held(g: Grid, function) -> Held:  # type: ignore[no-untyped-def]
    """A surface whose cells hold ``function(east, north)`` at their centres."""
    east, north = g.east_north(*np.mgrid[0 : g.height, 0 : g.width])
    return Held(g, np.asarray(function(east, north), np.float32))


def correlated(rng: np.random.Generator, n: int, range_cells: float) -> NDArray[np.float64]:
    """(n, n) Gaussian field of unit variance, exponential correlation, 5 % of it left at ``range_cells``.

    Circulant embedding on twice the size.
    """
    step = np.minimum(np.arange(2 * n), 2 * n - np.arange(2 * n))
    rho = np.exp(-3 * np.hypot(*np.meshgrid(step, step)) / range_cells)
    spectrum = np.sqrt(np.maximum(np.fft.fft2(rho).real, 0))
    return np.fft.ifft2(spectrum * np.fft.fft2(rng.normal(size=(2 * n, 2 * n)))).real[:n, :n]


def hills(east: NDArray[np.float64], north: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smooth relief of a few metres with slopes in all directions, defined everywhere."""
    x, y = east - 500_000.0, north - 2_700_000.0
    return (
        300
        + 3.0 * np.sin(x / 23.0) * np.cos(y / 31.0)
        + 1.5 * np.sin(x / 11.0 + 1.0)
        + 1.2 * np.cos(y / 13.0 + 0.4)
    )
