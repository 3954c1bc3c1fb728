"""How well a base rebuilds ground that nobody touched: the same outline laid on undisturbed ground near by.

For a linear base the error of the volume on other ground is Σ k · z with the outline's *kernel*
k = area · (λ on the ring − weight inside): no rebuilding is needed. The outline is laid on a lattice around
its own place, turned and mirrored in the eight ways that keep the cells, with the same gaps in its ring.
What comes out should be zero; how it scatters is the base's own error. It includes the noise of the survey
under the outline and in the ring, because the ground it is tried on was measured by the same survey.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from survey.volumetrics.base.frame import Frame
from survey.volumetrics.base.operators import Operator

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_USABLE = 0.99  # share of the ground under the outline and its ring that must be undisturbed
_POSITIONS_A_SIDE = 4  # lattice steps over the outline's own length
_MOST_PLACES = 400


@dataclass(frozen=True, slots=True)
class Places:
    """Where the outline is tried: an orientation (0 to 7) and the block of the template's corner, each."""

    box: tuple[slice, slice]  # the template: the frame's blocks that the outline and its rings need
    turn: NDArray[np.intp]
    row: NDArray[np.intp]
    col: NDArray[np.intp]
    effective: float  # how many of them are independent: ground covered by all over ground covered by one

    def __len__(self) -> int:
        return len(self.turn)


def turned(array: NDArray, turn: int) -> NDArray:  # type: ignore[type-arg]
    """One of the eight ways to lay a square-celled array: four quarter turns, each also mirrored."""
    return np.rot90(array[:, ::-1] if turn >= 4 else array, turn % 4)


def kernel(frame: Frame, operator: Operator) -> NDArray[np.float64]:
    """k with Σ k · z = volume of the rebuilt base less volume of the ground itself, m² per block."""
    weights = frame.weight[frame.inside]
    out = np.zeros(frame.z.shape)
    out[operator.ring] = operator.adjoint(weights)
    out[frame.inside] -= weights
    return out * (frame.cell_east * frame.cell_north)


def footprint(used: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The box of the blocks that are used."""
    rows, cols = np.flatnonzero(used.any(axis=1)), np.flatnonzero(used.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)


def find_places(frame: Frame, used: NDArray[np.bool_], ground: NDArray[np.bool_]) -> Places:
    """The places on the lattice where nearly all the ground that is needed is undisturbed.

    ``used``: blocks of the frame that the outline and its rings need. ``ground``: undisturbed blocks.
    Nearest places come first; at most 400 are kept.
    """
    from scipy.signal import fftconvolve

    box = footprint(used)
    square = abs(frame.cell_east / frame.cell_north - 1) < 0.01
    template = used[box]
    good = ground.astype(np.float64)
    inside_rows, inside_cols = np.nonzero(frame.inside)
    span = max(np.ptp(inside_rows) + 1, np.ptp(inside_cols) + 1)
    step = max(1, int(span) // _POSITIONS_A_SIDE)
    found: list[tuple[float, int, int, int]] = []
    # Turns that leave the template as it is would count one trial twice.
    seen: set[bytes] = set()
    for turn in range(8) if square else (0, 2, 4, 6):
        shape = turned(template, turn)
        mark = bytes(str(shape.shape), "ascii") + np.packbits(shape).tobytes()
        if mark in seen or shape.shape[0] > good.shape[0] or shape.shape[1] > good.shape[1]:
            continue
        seen.add(mark)
        share = fftconvolve(good, shape[::-1, ::-1].astype(np.float64), mode="valid") / shape.sum()
        rows, cols = np.mgrid[0 : share.shape[0] : step, 0 : share.shape[1] : step]
        fits = share[rows, cols] >= _LEAST_USABLE
        for r, c in zip(rows[fits].tolist(), cols[fits].tolist(), strict=True):
            middle = (r + shape.shape[0] / 2, c + shape.shape[1] / 2)
            away = np.hypot(middle[0] - inside_rows.mean(), middle[1] - inside_cols.mean())
            found.append((round(float(away), 3), turn, r, c))
    found.sort()
    kept = found[:_MOST_PLACES]
    covered = np.zeros(ground.shape, bool)
    # Independent trials are counted by ground: two that share their ground say one thing.
    inner = frame.inside[box]
    for _, turn, r, c in kept:
        shape = turned(inner, turn)
        covered[r : r + shape.shape[0], c : c + shape.shape[1]] |= shape
    effective = min(float(len(kept)), float(covered.sum() / inner.sum())) if kept else 0.0
    columns = np.array([(turn, r, c) for _, turn, r, c in kept], np.intp).reshape(-1, 3)
    return Places(box, columns[:, 0], columns[:, 1], columns[:, 2], effective)


def errors(
    places: Places, kernels: list[NDArray[np.float64]], ground: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Volume errors, m³, (places, kernels). ``ground``: heights without gaps (see ``filled``)."""
    out = np.empty((len(places), len(kernels)))
    stacks = {
        turn: np.stack([turned(one[places.box], turn) for one in kernels])
        for turn in set(places.turn.tolist())
    }
    for i, (turn, r, c) in enumerate(zip(places.turn, places.row, places.col, strict=True)):
        stack = stacks[int(turn)]
        piece = ground[r : r + stack.shape[1], c : c + stack.shape[2]]
        # Each kernel sums to zero, so a level taken off changes nothing but the rounding.
        out[i] = np.einsum("kij,ij->k", stack, piece - piece[0, 0])
    return out


def filled(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights with small gaps closed from their nearest neighbours, so that a trial can cross them."""
    from scipy.ndimage import distance_transform_edt

    missing = ~np.isfinite(z)
    if not missing.any() or missing.all():
        return np.nan_to_num(z)
    nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
    return z[tuple(nearest)]


def lowest_errors(
    frame: Frame, rim: NDArray[np.bool_], places: Places, ground: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Volume errors, m³, of a level base at the lowest rim height: not linear, so done place by place."""
    out = np.empty(len(places))
    rims = {turn: turned(rim[places.box], turn) for turn in set(places.turn.tolist())}
    weights = {turn: turned(frame.weight[places.box], turn) for turn in set(places.turn.tolist())}
    for i, (turn, r, c) in enumerate(zip(places.turn.tolist(), places.row, places.col, strict=True)):
        shape = rims[turn].shape
        piece = ground[r : r + shape[0], c : c + shape[1]]
        out[i] = np.sum(weights[turn] * (piece[rims[turn]].min() - piece))
    return out * frame.cell_east * frame.cell_north


def roughness(
    frame: Frame,
    ring: NDArray[np.bool_],
    places: Places | None,
    ground: NDArray[np.float64],
    order: int = 2,
) -> NDArray[np.float64]:
    """Root mean square of the ring's heights about their trend, metres: here, or at each place."""
    from survey.volumetrics.base.operators import _terms

    box = footprint(ring | frame.inside) if places is None else places.box
    template = ring[box]
    basis = {}

    def left(piece: NDArray[np.float64], turn: int) -> float:
        if turn not in basis:
            mask = turned(template, turn)
            row, col = np.nonzero(mask)
            step_north, step_east = (
                (frame.cell_north, frame.cell_east) if turn % 2 == 0 else (frame.cell_east, frame.cell_north)
            )
            x = (col - col.mean()) * step_east / frame.span_m
            y = (row.mean() - row) * step_north / frame.span_m
            basis[turn] = mask, np.linalg.qr(_terms(x, y, order))[0]
        mask, q = basis[turn]
        v = piece[mask] - piece[mask].mean()
        v = v - q @ (q.T @ v)
        return float(np.sqrt(np.mean(v * v)))

    if places is None:
        return np.array([left(ground[box], 0)])
    out = np.empty(len(places))
    for i, (turn, r, c) in enumerate(zip(places.turn.tolist(), places.row, places.col, strict=True)):
        shape = turned(template, turn).shape
        out[i] = left(ground[r : r + shape[0], c : c + shape[1]], turn)
    return out
