"""How deep a cut is, or how high a heap, so many metres inside its outline; and what that adds up to."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .fields import Floats


@dataclass(frozen=True)
class Faces:
    """One face at ``slope_deg`` down to ``depth_m`` (infinite depth: a cone). 90° is a wall."""

    depth_m: float
    slope_deg: float = 90.0

    def depth(self, inset: Floats) -> Floats:
        if self.slope_deg >= 90:
            return np.where(inset > 0, self.depth_m, np.where(inset < 0, -math.inf, 0.0))
        return np.minimum(self.depth_m, inset * math.tan(math.radians(self.slope_deg)))

    @property
    def run_m(self) -> float:
        """How far inside the outline the face ends."""
        return 0.0 if self.slope_deg >= 90 else self.depth_m / math.tan(math.radians(self.slope_deg))


@dataclass(frozen=True)
class Benches:
    """``count`` lifts of ``lift_m`` with faces at ``slope_deg`` and berms ``berm_m`` wide between them."""

    count: int
    lift_m: float
    slope_deg: float
    berm_m: float

    @property
    def depth_m(self) -> float:
        return self.count * self.lift_m

    def depth(self, inset: Floats) -> Floats:
        tan = math.tan(math.radians(self.slope_deg))
        run = self.lift_m / tan
        k = np.clip(np.floor(inset / (run + self.berm_m)), 0, self.count - 1)
        return self.lift_m * k + np.minimum(self.lift_m, (inset - k * (run + self.berm_m)) * tan)


@dataclass(frozen=True)
class Bowl:
    """A paraboloid over an outline whose greatest inset is ``reach_m``: depth·(1 − (1 − inset/reach)²)."""

    depth_m: float
    reach_m: float

    def depth(self, inset: Floats) -> Floats:
        t = np.minimum(inset / self.reach_m, 1.0)
        return self.depth_m * t * (2 - t)


@dataclass(frozen=True)
class Cap:
    """A spherical cap over a circle of radius ``reach_m``; ``depth_m`` = ``reach_m`` is a half sphere."""

    depth_m: float
    reach_m: float

    def depth(self, inset: Floats) -> Floats:
        sphere = (self.reach_m**2 + self.depth_m**2) / (2 * self.depth_m)
        r = self.reach_m - inset
        inside = np.sqrt(np.maximum(sphere**2 - r**2, 0)) - (sphere - self.depth_m)
        return np.where(inset > 0, np.maximum(inside, 0), np.minimum(inset, 0.0))


Profile = Faces | Benches | Bowl | Cap


# -- closed forms --------------------------------------------------------------------------------------
def frustum_m3(rim_m: float, floor_m: float, depth_m: float) -> float:
    return math.pi * depth_m / 3 * (rim_m**2 + rim_m * floor_m + floor_m**2)


def circle_profile_m3(radius_m: float, profile: Profile) -> float:
    """Volume of a profile dug inside a circle: ∫ depth(R − r)·2πr dr, in closed form."""
    if isinstance(profile, Bowl):
        if profile.reach_m != radius_m:
            raise ValueError("the closed form needs a bowl that reaches the centre")
        return math.pi * radius_m**2 * profile.depth_m / 2
    if isinstance(profile, Cap):
        return math.pi * profile.depth_m / 6 * (3 * profile.reach_m**2 + profile.depth_m**2)
    if isinstance(profile, Faces):
        lifts = [(profile.depth_m, profile.run_m, 0.0)]
        tan = math.inf if profile.slope_deg >= 90 else math.tan(math.radians(profile.slope_deg))
    else:
        tan = math.tan(math.radians(profile.slope_deg))
        lifts = [(profile.lift_m, profile.lift_m / tan, profile.berm_m)] * profile.count
    total, rim = 0.0, radius_m
    for lift, run, berm in lifts:  # each lift is a frustum; a face that meets itself at the centre a cone
        if rim <= 0:
            break
        if run >= rim:
            total += frustum_m3(rim, 0.0, rim * tan)
            break
        total += frustum_m3(rim, rim - run, lift)
        rim -= run + berm
    return total


def rectangle_faces_m3(length_m: float, width_m: float, profile: Faces) -> float:
    """Prismoid: ∫₀ᴴ (a − 2t)(b − 2t) dz with t = z / tan(slope)."""
    h = profile.depth_m
    if 2 * profile.run_m > min(length_m, width_m):
        raise ValueError("the faces meet before the floor is reached")
    t = profile.run_m
    return h * (length_m * width_m - t * (length_m + width_m) + 4 * t * t / 3)
