"""What the ground is made of, as the camera and the matching software see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .outlines import Outline
    from .shapes import Body

(NATURAL, ROAD, FRESH, WASTE, TREE, CROP_GREEN, CROP_DRY, TILLED, WATER, METAL, PAINTED) = range(11)

NAMES = (
    "natural", "road", "fresh rock or soil", "waste", "tree", "green crop", "dry crop", "tilled soil",
    "water", "metal roof", "painted vehicle",
)  # fmt: skip

# Surface reflectance in blue, green, red, near infrared, SWIR 1, SWIR 2. Orders of magnitude from the
# USGS Spectral Library 7 (splib07): dry soils, limestone and sandstone, conifer and dry grass, turbid water.
REFLECTANCE = (
    (0.10, 0.15, 0.21, 0.28, 0.38, 0.34),  # natural: mixed with grass and rock in ortho.py
    (0.19, 0.22, 0.25, 0.30, 0.36, 0.33),
    (0.27, 0.33, 0.39, 0.45, 0.52, 0.46),
    (0.18, 0.21, 0.23, 0.27, 0.33, 0.30),
    (0.03, 0.07, 0.04, 0.42, 0.20, 0.09),
    (0.04, 0.11, 0.06, 0.48, 0.24, 0.12),
    (0.12, 0.19, 0.25, 0.34, 0.42, 0.33),
    (0.08, 0.11, 0.15, 0.21, 0.31, 0.28),
    (0.05, 0.07, 0.05, 0.03, 0.01, 0.01),
    (0.34, 0.36, 0.38, 0.42, 0.45, 0.42),
    (0.09, 0.38, 0.48, 0.44, 0.30, 0.24),
)


@dataclass(frozen=True, eq=False)
class Thing:
    """A body with its material. ``canopy``: it stands on the ground and is absent from a terrain model.

    Painted where it moves the ground, or inside ``paint`` if given.
    """

    body: Body
    material: int
    canopy: bool = False
    paint: Outline | None = None


@dataclass(frozen=True, eq=False)
class Change:
    """Something that differs between the surveys (or stands in both: ``before`` equal to ``after``).

    ``kind`` is pit, heap or backfill for digging; otherwise the reason why it is none.
    """

    id: str
    kind: str
    shape: str
    before: tuple[Thing, ...] = ()
    after: tuple[Thing, ...] = ()

    @property
    def box(self) -> tuple[float, float, float, float]:
        boxes = [t.body.box for t in (*self.before, *self.after)]
        w, s, e, n = zip(*boxes, strict=True)
        return min(w), min(s), max(e), max(n)

    @property
    def canopy(self) -> bool:
        return all(t.canopy for t in (*self.before, *self.after))


DIGGING = ("pit", "heap", "backfill")
