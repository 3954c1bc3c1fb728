"""Random fields: the seeded stuff of which ground, noise and colour are made.

Two kinds, for two uses:

* A ``Lattice`` is a cubic B-spline surface fixed to the world. It has a value at *every* (east, north), so
  two surveys with other cells, origins or reference systems sample one and the same ground.
* ``correlated_noise`` is a Gaussian field with a stated covariance on the cells of one survey: noise
  belongs to a flight, not to the world.

Everything comes out of ``numpy.random.PCG64``: same seed, same numbers.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]
Covariance = Literal["spherical", "exponential", "gaussian"]


def rng_of(seed: int, *names: str | int) -> np.random.Generator:
    """An independent stream for each purpose, so that adding one feature does not reshuffle the others."""
    words = [seed, *(n if isinstance(n, int) else zlib.crc32(n.encode()) for n in names)]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


# -- surfaces fixed to the world -----------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Lattice:
    """The cubic B-spline surface with these coefficients, ``step`` metres apart; flat beyond its rim.

    ``coefficients[j, i]`` sits at (west + i·step, south + j·step): row 0 is the *southernmost*.
    """

    coefficients: Floats
    west: float
    south: float
    step: float

    def at(self, east: Floats, north: Floats) -> Floats:
        """Heights at broadcastable 2-D ``east`` and ``north``, metres in, the field's unit out.

        A row of eastings against a column of northings (cells parallel to the world) is evaluated as a
        product of two thin matrices, which is ten times faster than point by point and equal to 1e-12.
        """
        rows, cols = self.coefficients.shape
        u = np.clip((np.asarray(east) - self.west) / self.step, 1.0, cols - 2.000001)
        v = np.clip((np.asarray(north) - self.south) / self.step, 1.0, rows - 2.000001)
        if u.ndim == 2 and u.shape[0] == 1 and v.ndim == 2 and v.shape[1] == 1:
            j0, i0 = int(v.min()) - 1, int(u.min()) - 1
            used = self.coefficients[j0 : int(v.max()) + 3, i0 : int(u.max()) + 3]
            across = _spline_matrix(u[0] - i0, used.shape[1])
            down = _spline_matrix(v[:, 0] - j0, used.shape[0])
            return np.ascontiguousarray((across @ (down @ used).T).T)
        from scipy.ndimage import map_coordinates

        u, v = np.broadcast_arrays(u, v)
        return map_coordinates(self.coefficients, np.stack([v, u]), order=3, mode="nearest", prefilter=False)

    def slope_at(self, east: float, north: float) -> tuple[float, float]:
        """(d/d east, d/d north) at one point, by central differences over half a step."""
        d = self.step / 4
        e = np.array([east - d, east + d, east, east])
        n = np.array([north, north, north - d, north + d])
        z = self.at(e, n)
        return float(z[1] - z[0]) / (2 * d), float(z[3] - z[2]) / (2 * d)

    def scaled(self, factor: float) -> Lattice:
        return Lattice(self.coefficients * factor, self.west, self.south, self.step)


def _spline_matrix(u: Floats, n: int):  # type: ignore[no-untyped-def]
    from scipy.sparse import csr_array

    first = np.floor(u).astype(np.int64)
    f = u - first
    g = 1 - f
    weights = np.stack([g**3, 3 * f**3 - 6 * f**2 + 4, 3 * g**3 - 6 * g**2 + 4, f**3], axis=1) / 6
    columns = first[:, None] + np.arange(-1, 3)
    pointers = np.arange(0, 4 * len(u) + 1, 4)
    return csr_array((weights.ravel(), columns.ravel(), pointers), shape=(len(u), n))


def power_law(
    rng: np.random.Generator, shape: tuple[int, int], step: float, hurst: float, longest_m: float
) -> Floats:
    """A fractal field of unit standard deviation: spectrum k^(−2−2H), flat above ``longest_m``."""
    from scipy import fft

    pad = math.ceil(longest_m / step)  # so that one rim does not look like the other
    rows, cols = (fft.next_fast_len(n + min(n, pad), real=True) for n in shape)
    ky = fft.fftfreq(rows, step)[:, None]
    kx = fft.rfftfreq(cols, step)[None, :]
    k2 = kx**2 + ky**2 + longest_m**-2
    spectrum = fft.rfft2(rng.standard_normal((rows, cols))) * k2 ** (-(1 + hurst) / 2)
    spectrum[0, 0] = 0
    field = fft.irfft2(spectrum, s=(rows, cols))[: shape[0], : shape[1]]
    return (field - field.mean()) / field.std()


def lattice_over(
    rng: np.random.Generator,
    bounds: tuple[float, float, float, float],
    step: float,
    hurst: float,
    longest_m: float,
) -> Lattice:
    """A unit fractal lattice that reaches four steps beyond ``bounds`` = (west, south, east, north)."""
    west, south, east, north = bounds
    cols = math.ceil((east - west) / step) + 9
    rows = math.ceil((north - south) / step) + 9
    return Lattice(
        power_law(rng, (rows, cols), step, hurst, longest_m), west - 4 * step, south - 4 * step, step
    )


# -- noise of one survey -------------------------------------------------------------------------------
def correlation(lag_m: Floats, range_m: float, model: Covariance) -> Floats:
    """ρ(lag): one at zero, about nothing beyond ``range_m`` (the effective range a).

    spherical 1 − 1.5 h/a + 0.5 (h/a)³; exponential e^(−3h/a); Gaussian e^(−4h²/a²), which are the
    conventions of Rolstad et al. 2009 with exponential scale a/3 and Gaussian scale a/2.
    """
    h = np.asarray(lag_m, np.float64) / range_m
    if model == "spherical":
        return np.where(h < 1, 1 - 1.5 * h + 0.5 * h**3, 0.0)
    if model == "exponential":
        return np.exp(-3 * h)
    if model == "gaussian":
        return np.exp(-4 * h**2)
    raise ValueError(f"{model!r} is none of spherical, exponential, gaussian")


_REACH = {"spherical": 1.0, "exponential": 2.0, "gaussian": 1.5}  # lag/range where ρ is below 0.3 %


def correlated_noise(
    rng: np.random.Generator,
    shape: tuple[int, int],
    cell_m: tuple[float, float],
    range_m: float,
    model: Covariance = "gaussian",
) -> Floats:
    """A Gaussian field of zero mean and unit variance with ``correlation`` between cells.

    Circulant embedding (Dietrich & Newsam 1997): exact on the cells but for what the embedding's few
    negative eigenvalues hold, which are set to zero. ``cell_m`` = (east, north).
    """
    from scipy import fft, ndimage

    step = range_m / 16
    if model == "gaussian" and step > 2 * max(cell_m):
        # So smooth a field is drawn on wider nodes and interpolated (cubic spline, 1e-4 of its variance).
        nodes = tuple(math.ceil(n * c / step) + 7 for n, c in zip(shape, cell_m[::-1], strict=True))
        coarse = correlated_noise(rng, (nodes[0], nodes[1]), (step, step), range_m, model)
        lattice = Lattice(ndimage.spline_filter(coarse, mode="mirror"), -3 * step, -3 * step, step)
        return lattice.at(np.arange(shape[1])[None, :] * cell_m[0], np.arange(shape[0])[:, None] * cell_m[1])
    full = [
        fft.next_fast_len(n + math.ceil(_REACH[model] * range_m / cell), real=True)
        for n, cell in zip(shape, (cell_m[1], cell_m[0]), strict=True)
    ]
    # The torus is symmetric: one quadrant of lags, mirrored.
    half_n, half_e = full[0] // 2 + 1, full[1] // 2 + 1
    lag = np.hypot(np.arange(half_n)[:, None] * cell_m[1], np.arange(half_e)[None, :] * cell_m[0])
    rho = correlation(lag, range_m, model)
    rho = np.concatenate([rho, rho[full[0] - half_n : 0 : -1]], axis=0)
    rho = np.concatenate([rho, rho[:, full[1] - half_e : 0 : -1]], axis=1)
    power = np.maximum(fft.rfft2(rho).real, 0)
    field = fft.irfft2(fft.rfft2(rng.standard_normal(full)) * np.sqrt(power), s=full)
    return np.ascontiguousarray(field[: shape[0], : shape[1]])
