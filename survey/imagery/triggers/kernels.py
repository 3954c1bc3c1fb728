"""The loops over cells. Reflectance comes as counts of ``UNIT`` (uint16, 0 = nothing measured), band first.

Everything here works on any piece of the grid that begins on a block corner, cell by cell or block by
block, so that no result depends on how the area was cut.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers.sums import ranked
from survey.jit import kernel

UNIT = 1e-4
"""Reflectance of one count."""
MOST_COUNTS = 20_000
"""Reflectance 2: brighter than any ground, and where tables end."""
LIKE, DARK = 1, 2

U16 = NDArray[np.uint16]
F32 = NDArray[np.float32]


@kernel
def moved_counts(counts: U16, shift_rows: float, shift_cols: float) -> U16:
    """(band, row, col) sampled at (row + shift_rows, col + shift_cols): Catmull–Rom, rows then columns.

    0 where a cell that is needed was not measured. Beyond the edge the nearest cell is repeated for three
    quarters of a cell: honest for a fraction, not for more.
    """
    bands, height, width = counts.shape
    out = np.zeros((bands, height, width), np.uint16)
    weights = np.empty((2, 4), np.float32)
    whole = np.empty(2, np.int64)
    for axis in range(2):
        shift = shift_rows if axis == 0 else shift_cols
        whole[axis] = int(np.floor(shift))
        t = shift - whole[axis]
        weights[axis, 0] = -0.5 * t + t * t - 0.5 * t**3
        weights[axis, 1] = 1.0 - 2.5 * t * t + 1.5 * t**3
        weights[axis, 2] = 0.5 * t + 2.0 * t * t - 1.5 * t**3
        weights[axis, 3] = -0.5 * t * t + 0.5 * t**3
    a0, a1, a2, a3 = weights[0]
    b0, b1, b2, b3 = weights[1]
    unknown, least = np.float32(-1e9), np.float32(-1e8)
    # The line with what lies beyond its ends repeated: the four neighbours of a cell then lie side by side.
    line = np.empty(width + 3, np.float32)
    first = whole[1] - 1
    left, skip = min(max(-first, 0), width + 3), max(first, 0)
    inside = max(min(width - skip, width + 3 - left), 0)
    begin, end = 0, width
    while begin < width and begin + shift_cols < -0.75:
        begin += 1
    while end > begin and end - 1 + shift_cols > width - 0.25:
        end -= 1
    if inside == 0 or begin == end:
        return out
    l0, l1, l2, l3 = line[begin:], line[begin + 1 :], line[begin + 2 :], line[begin + 3 :]
    inner = line[left : left + inside]
    for b in range(bands):
        for r in range(height):
            at = r + shift_rows
            if at < -0.75 or at > height - 0.25:
                continue
            v0 = counts[b, min(max(r + whole[0] - 1, 0), height - 1), skip:]
            v1 = counts[b, min(max(r + whole[0], 0), height - 1), skip:]
            v2 = counts[b, min(max(r + whole[0] + 1, 0), height - 1), skip:]
            v3 = counts[b, min(max(r + whole[0] + 2, 0), height - 1), skip:]
            # Without branches: the loops then take several cells at a time.
            for c in range(inside):
                value = a0 * v0[c] + a1 * v1[c] + a2 * v2[c] + a3 * v3[c]
                known = (v0[c] > 0) & (v1[c] > 0) & (v2[c] > 0) & (v3[c] > 0)
                inner[c] = value if known else unknown
            line[:left] = inner[0]
            line[left + inside :] = inner[inside - 1]
            row = out[b, r, begin:end]
            for c in range(end - begin):
                value = b0 * l0[c] + b1 * l1[c] + b2 * l2[c] + b3 * l3[c]
                known = (l0[c] > least) & (l1[c] > least) & (l2[c] > least) & (l3[c] > least)
                kept = min(max(value + np.float32(0.5), np.float32(1.0)), np.float32(65535.0))
                row[c] = np.uint16(np.int32(kept) if known else np.int32(0))
    return out


@kernel
def moved_mask(
    mask: NDArray[np.bool_], shift_rows: float, shift_cols: float, least: float
) -> NDArray[np.bool_]:
    """A mask sampled at the same places, bilinear: true where at least ``least`` of the weight is."""
    height, width = mask.shape
    out = np.zeros((height, width), np.bool_)
    rows, cols = int(np.floor(shift_rows)), int(np.floor(shift_cols))
    tr, tc = shift_rows - rows, shift_cols - cols
    for r in range(height):
        ra, rb = min(max(r + rows, 0), height - 1), min(max(r + rows + 1, 0), height - 1)
        for c in range(width):
            ca, cb = min(max(c + cols, 0), width - 1), min(max(c + cols + 1, 0), width - 1)
            share = 0.0
            if mask[ra, ca]:
                share += (1 - tr) * (1 - tc)
            if mask[ra, cb]:
                share += (1 - tr) * tc
            if mask[rb, ca]:
                share += tr * (1 - tc)
            if mask[rb, cb]:
                share += tr * tc
            out[r, c] = share >= least
    return out


@kernel
def usual_counts(stack: U16, ok: NDArray[np.bool_], blue: int) -> U16:
    """(band, row, col): what each cell looks like on an ordinary clear day; 0 where it was never seen.

    The median of the observations whose shortest-wave reflectance ranks between the darkest tenth (shadows)
    and the middle (clouds are above). ``stack`` (scene, band, row, col), ``ok`` (scene, row, col).
    """
    scenes, bands, height, width = stack.shape
    out = np.zeros((bands, height, width), np.uint16)
    order = np.empty(scenes, np.int64)
    values = np.empty(scenes, np.int64)
    for r in range(height):
        for c in range(width):
            n = 0
            for s in range(scenes):
                if ok[s, r, c] and stack[s, blue, r, c] > 0:
                    v = stack[s, blue, r, c]
                    k = n
                    while k > 0 and stack[order[k - 1], blue, r, c] > v:
                        order[k] = order[k - 1]
                        k -= 1
                    order[k] = s
                    n += 1
            if n == 0:
                continue
            low = int(0.10 * n)
            high = max(low + 1, int(np.ceil(0.55 * n)))
            m = high - low
            for b in range(bands):
                for i in range(m):
                    v = np.int64(stack[order[low + i], b, r, c])
                    k = i
                    while k > 0 and values[k - 1] > v:
                        values[k] = values[k - 1]
                        k -= 1
                    values[k] = v
                out[b, r, c] = np.uint16((values[(m - 1) // 2] + values[m // 2] + 1) // 2)
    return out


@kernel
def usual_of_two(a: U16, ok_a: NDArray[np.bool_], b: U16, ok_b: NDArray[np.bool_], blue: int) -> U16:
    """``usual_counts`` of two scenes: the middle of both, or the one that saw the cell."""
    bands, height, width = a.shape
    out = np.empty((bands, height, width), np.uint16)
    for r in range(height):
        for k in range(bands):
            for c in range(width):
                x = np.int32(a[k, r, c]) if ok_a[r, c] and a[blue, r, c] > 0 else np.int32(-1)
                y = np.int32(b[k, r, c]) if ok_b[r, c] and b[blue, r, c] > 0 else np.int32(-1)
                one = max(x, y)
                both = (x + y + np.int32(1)) >> 1
                out[k, r, c] = np.uint16(max(both if x >= 0 and y >= 0 else one, np.int32(0)))
    return out


@kernel
def block_rise(now: U16, usual: U16, block: int, q: float, stride: int) -> F32:
    """(block row, block col) quantile ``q`` of now − usual of one band (row, col), reflectance; NaN where
    less than a tenth of the block is known. Every ``stride``-th cell is looked at."""
    height, width = now.shape
    rows, cols = (height + block - 1) // block, (width + block - 1) // block
    out = np.full((rows, cols), np.float32(np.nan), np.float32)
    per_side = (block + stride - 1) // stride
    values = np.empty(per_side * per_side, np.int32)
    for br in range(rows):
        for bc in range(cols):
            n = 0
            for r in range(br * block, min((br + 1) * block, height), stride):
                for c in range(bc * block, min((bc + 1) * block, width), stride):
                    if now[r, c] > 0 and usual[r, c] > 0:
                        values[n] = np.int32(now[r, c]) - np.int32(usual[r, c])
                        n += 1
            if n * 10 >= per_side * per_side and n > 0:
                out[br, bc] = np.float32(ranked(values, n, int(np.floor(q * (n - 1))))) * np.float32(1e-4)
    return out


@kernel
def tell_cells(
    now: U16,
    usual: U16,
    haze: F32,
    block: int,
    blue: int,
    red: int,
    nir: int,
    swir1: int,
    rise: float,
    white: float,
    thick: float,
) -> NDArray[np.uint8]:
    """Flags of each cell: LIKE cloud (became white beyond the haze around it) and DARK (lost a third of its
    light).

    ``haze`` is a lattice of blocks, reflectance of the shortest wave; band indices are −1 where a band is
    absent.
    """
    _, height, width = now.shape
    out = np.empty((height, width), np.uint8)
    blocks_r, blocks_c = haze.shape
    west, east = np.empty(width, np.int64), np.empty(width, np.int64)
    part = np.empty(width, np.float64)
    for c in range(width):
        at_c = min(max((c + 0.5) / block - 0.5, 0.0), blocks_c - 1.0)
        west[c] = min(int(at_c), max(blocks_c - 2, 0))
        east[c] = min(west[c] + 1, blocks_c - 1)
        part[c] = at_c - west[c]
    across, levels = np.empty(blocks_c, np.float64), np.empty(width, np.float64)
    third = max(swir1, 0)
    for r in range(height):
        at_r = min(max((r + 0.5) / block - 0.5, 0.0), blocks_r - 1.0)
        br = min(int(at_r), max(blocks_r - 2, 0))
        br1 = min(br + 1, blocks_r - 1)
        fr = at_r - br
        for k in range(blocks_c):
            across[k] = haze[br, k] * (1 - fr) + haze[br1, k] * fr
        for c in range(width):
            levels[c] = across[west[c]] * (1 - part[c]) + across[east[c]] * part[c]
        for c in range(width):
            # Without branches: the loop then takes several cells at a time.
            level = levels[c]
            now_blue, now_red, now_nir = now[blue, r, c], now[red, r, c], now[nir, r, c]
            up_blue = (np.float64(now_blue) - usual[blue, r, c]) * 1e-4 - level
            up_red = (np.float64(now_red) - usual[red, r, c]) * 1e-4 - 0.6 * level
            up_nir = (np.float64(now_nir) - usual[nir, r, c]) * 1e-4
            like = (
                (up_blue > rise)
                & (up_blue > 0.65 * up_red)
                & (now_blue > white * now_red)
                # Leaves and dry grass brighten the near infrared more than the blue; a cloud does not.
                & (up_nir < 1.6 * up_blue + 0.02)
            ) | (level > thick)
            dark = (
                (now_red < 0.85 * usual[red, r, c])
                & (now_nir < 0.68 * usual[nir, r, c])
                & ((now[third, r, c] < 0.68 * usual[third, r, c]) | (swir1 < 0))
            )
            measured = (now_blue > 0) & (usual[blue, r, c] > 0)
            out[r, c] = measured * (np.uint8(like) + np.uint8(2) * np.uint8(dark))
    return out


@kernel
def lie_of_land(
    stack: U16, ok: NDArray[np.bool_], tables: F32, red: int, nir: int, short: int, swir1: int
) -> tuple[F32, F32, F32, NDArray[np.int16]]:
    """(NDVI lower tenth, upper tenth, share of looks that were open water, number of looks), each (row, col).

    ``stack`` (scene, band, row, col), ``tables`` (scene, band, count): normalised reflectance. Water is
    dark beyond the red and darker there than in the ``short`` band (green, else blue); ``swir1`` is −1
    where absent.
    """
    scenes, _, height, width = stack.shape
    low = np.full((height, width), np.float32(np.nan), np.float32)
    high = np.full((height, width), np.float32(np.nan), np.float32)
    wet = np.zeros((height, width), np.float32)
    looks = np.zeros((height, width), np.int16)
    green = np.empty(scenes, np.float32)
    most = tables.shape[2] - 1
    for r in range(height):
        for c in range(width):
            n, water = 0, 0
            for s in range(scenes):
                if not ok[s, r, c]:
                    continue
                a = tables[s, red, min(np.int64(stack[s, red, r, c]), most)]
                b = tables[s, nir, min(np.int64(stack[s, nir, r, c]), most)]
                v = (b - a) / max(b + a, np.float32(1e-3))
                k = n
                while k > 0 and green[k - 1] > v:
                    green[k] = green[k - 1]
                    k -= 1
                green[k] = v
                n += 1
                d = tables[s, short, min(np.int64(stack[s, short, r, c]), most)]
                if swir1 >= 0:
                    e = tables[s, swir1, min(np.int64(stack[s, swir1, r, c]), most)]
                    if e < 0.07 and b < 0.14 and d > e:
                        water += 1
                elif b < 0.10 and d > b:
                    water += 1
            looks[r, c] = n
            if n > 0:
                low[r, c] = green[int(np.floor(0.1 * (n - 1) + 0.5))]
                high[r, c] = green[int(np.floor(0.9 * (n - 1) + 0.5))]
                wet[r, c] = np.float32(water / n)
    return low, high, wet, looks
