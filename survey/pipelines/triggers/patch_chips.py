"""Small pictures of new bare ground, before and after."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from survey.grid import Bounds, Grid
from survey.pipelines.triggers.pictures import Picture
from survey.pipelines.triggers.two_pictures import Patch

if TYPE_CHECKING:
    from survey.archive import RunFolder

PIXELS = 160
MOST_CHIPS = 100


def draw_chips(
    folder: RunFolder,
    patches: Sequence[Patch],
    before: Picture,
    after: Picture,
    move: tuple[float, float],
    grid: Grid,
) -> dict[str, str]:
    """Before and after of the likeliest patches, with their outline."""
    import shapely
    from PIL import Image, ImageDraw

    out = {}
    for patch in patches[:MOST_CHIPS]:
        west, south, east, north = patch.shape.bounds
        half = max(15.0, 0.75 * max(east - west, north - south))
        x, y = (west + east) / 2, (south + north) / 2
        piece = grid.covering(Bounds(x - half, y - half, x + half, y + half))
        if not piece.height or not piece.width:
            continue
        both = Image.new("RGB", (2 * PIXELS + 4, PIXELS), (255, 255, 255))
        b = piece.bounds
        for k, (picture, shift) in enumerate(((before, (0.0, 0.0)), (after, move))):
            chip = Image.fromarray(picture.ortho.chip(piece, shift_m=shift)[..., :3])
            chip = chip.resize((PIXELS, PIXELS), Image.Resampling.BILINEAR)
            pen = ImageDraw.Draw(chip)
            for part in shapely.get_parts(patch.shape):
                xy = shapely.get_coordinates(part.exterior)
                u = (xy[:, 0] - b.west) / (b.east - b.west) * PIXELS
                v = (b.north - xy[:, 1]) / (b.north - b.south) * PIXELS
                pen.line([(float(p), float(q)) for p, q in zip(u, v, strict=True)], fill=(255, 230, 0))
            both.paste(chip, (k * (PIXELS + 4), 0))
        content = io.BytesIO()
        both.save(content, "PNG", compress_level=6)
        name = f"chips/{patch.id}.png"
        folder.write_bytes(name, content.getvalue())
        out[patch.id] = name
    return out
