"""Families of scenes on which the program is scored. Nothing in the program may be fitted to them.

Scene ``i`` of a seed belongs to family ``i mod len(FAMILIES)``; all its numbers (relief, cell, noise,
shift, number and form of sites …) are drawn from that family's ranges by its own random stream, so that a
run of N scenes covers every family and no two scenes are alike:

plain       gentle ground, equal grids, ordinary noise, an orthomosaic
hilly       relief of 10 to 25 m, valleys, an escarpment, a shift of a fraction of a cell
regridded   the later survey has other cells (0.6 to 1.6 times) and another origin
other-zone  the later survey is in the neighbouring UTM zone (its grid is turned by a degree or two)
warped      bias, tilt and dome in both surveys
busy        a third to four fifths of the lease worked, few stable cells inside
green       groves grown and felled, crops, standing trees
wet         pools that rose or fell, gullies along flow lines
rough       strong correlated noise, seams, curled rims, spikes, guessed holes, gaps
crowded     neighbours with a common boundary, old pits, backfill, stock against walls and in pits
no-ortho    no orthomosaic: shape is the only witness
coarse      1 m cells, small sites
shallow     wide scrapings and spreads of 15 to 60 cm, near the limit of detection
shifted     one to three cells of horizontal shift on varied ground
quiet       no digging at all, everything else in plenty: counts false sites
terrain     DSM and DTM delivered, canopy only in the DSM

A quarter of all scenes, across families, are low-passed by half a cell as dense matching does; strips,
compression, nodata and data type of the files vary too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from survey.sample_data.artefacts import ArtefactOptions
from survey.sample_data.delivery import DeliveryForm
from survey.sample_data.fields import rng_of
from survey.sample_data.options import SceneOptions
from survey.sample_data.survey_error import ErrorModel
from survey.sample_data.terrain import TerrainOptions


@dataclass(frozen=True)
class Case:
    """A scene to be made: ``make_scene(case.seed, case.options)``."""

    index: int
    family: str
    seed: int
    options: SceneOptions
    form: DeliveryForm


class Draw:
    """Numbers of one scene."""

    def __init__(self, seed: int, index: int) -> None:
        self.rng = rng_of(seed, "case", index)

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def spread(self, low: float, high: float) -> float:
        """Evenly over the logarithm."""
        return float(math.exp(self.rng.uniform(math.log(low), math.log(high))))

    def count(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def one(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def either(self, size: float) -> float:
        """±size."""
        return float(size * self.rng.choice([-1.0, 1.0]))

    def error(self, **given: Any) -> ErrorModel:
        """An ordinary drone survey."""
        plain: dict[str, Any] = {
            "random_m": self.spread(0.01, 0.04),
            "slope_factor": self.between(0.3, 1.5),
            "correlated_m": self.spread(0.006, 0.03),
            "range_m": self.spread(8, 60),
            "covariance": self.one("gaussian", "exponential", "spherical"),
            "bias_m": self.either(self.between(0, 0.08)),
            "east_m": self.either(self.between(0, 0.1)),
            "north_m": self.either(self.between(0, 0.1)),
        }
        return ErrorModel(**(plain | given))


def _base(d: Draw) -> dict[str, Any]:
    cell = d.one(0.25, 0.4, 0.5, 0.5, 0.75, 1.0)
    side = {0.25: (320, 420), 0.4: (360, 560), 0.5: (400, 640), 0.75: (450, 700), 1.0: (480, 800)}[cell]
    greenness = d.between(0.1, 0.5)
    return {
        "size_m": (round(d.between(*side), 0), round(d.between(*side), 0)),
        "cell_m": cell,
        "after_offset_m": (0.0, 0.0),
        "centre_lon_lat": (d.between(73.0, 77.0), d.between(24.2, 27.8)),
        "terrain": TerrainOptions(
            level_m=d.between(80, 600),
            relief_m=d.spread(1.0, 6.0),
            hurst=d.between(0.7, 1.0),
            longest_m=d.spread(200, 900),
            plain_slope=d.between(0, 0.04),
            valley_m=d.between(0, 4),
            rough_m=d.spread(0.01, 0.06),
            rough_longest_m=d.between(4, 9),
        ),
        "lease_corners": d.count(4, 11),
        "neighbours": d.count(0, 1),
        "neighbour_gap_m": d.between(10, 60),
        "old_pits": d.count(0, 2),
        "old_heaps": d.count(0, 1),
        "roads": d.count(0, 2),
        "workings_growth": d.one(0.0, d.between(0.05, 0.3)),
        "sites_lease": d.count(0, 1),
        "sites_boundary": d.count(0, 2),
        "sites_buffer": d.count(1, 3),
        "sites_line": d.count(0, 1),
        "sites_beyond": d.count(0, 2),
        "site_radius_m": (4.5, 16.0),
        "site_depth_m": (0.5, 6.0),
        "heap_share": d.between(0.15, 0.5),
        "spoil_share": 0.2,
        "groves_standing": d.count(1, 5),
        "groves_grown": d.count(0, 1),
        "groves_felled": d.count(0, 1),
        "vehicles": d.count(0, 3),
        "sheds": d.count(0, 1),
        "before_error": d.error(),
        "after_error": d.error(),
        "smoothing_cells": d.one(0.0, 0.0, 0.0, 0.5),
        "ortho": True,
        "greenness": (greenness, float(np.clip(greenness + d.between(-0.15, 0.15), 0, 1))),
        "quad_points": 60_000,
    }


def _hilly(d: Draw, o: dict[str, Any]) -> dict[str, Any]:
    terrain = replace(
        o["terrain"], relief_m=d.between(10, 25), valley_m=d.between(3, 9),
        escarpment_m=d.one(0.0, d.between(4, 15)), longest_m=d.between(500, 1000), hurst=d.between(0.85, 1.0),
    )  # fmt: skip
    cell = o["cell_m"]
    shift = {"east_m": d.either(d.between(0, 0.9) * cell), "north_m": d.either(d.between(0, 0.9) * cell)}
    return {"terrain": terrain, "after_error": d.error(**shift)}


def _regridded(d: Draw, o: dict[str, Any]) -> dict[str, Any]:
    cell = round(o["cell_m"] * d.spread(0.6, 1.6), 3)
    return {"after_cell_m": cell, "after_offset_m": (d.between(0, 1) * cell, -d.between(0, 1) * cell)}


def _other_zone(d: Draw, o: dict[str, Any]) -> dict[str, Any]:
    east = d.one(True, False)  # the zones 42|43 meet at 72° E, 43|44 at 78° E
    meridian, first, second = (78.0, 32643, 32644) if east else (72.0, 32643, 32642)
    return {
        "centre_lon_lat": (meridian + d.between(-0.02, 0.02), d.between(24.5, 26.8)),
        "epsg": first,
        "after_epsg": second,
        "size_m": (min(o["size_m"][0], 520.0), min(o["size_m"][1], 520.0)),
    }


def _warped(d: Draw, o: dict[str, Any]) -> dict[str, Any]:
    def warp() -> ErrorModel:
        return d.error(
            bias_m=d.either(d.between(0, 0.6)),
            tilt_east=d.either(d.between(0, 4e-4)),
            tilt_north=d.either(d.between(0, 4e-4)),
            dome_m_km2=d.either(d.between(0, 4.0)),
            z_scale=d.either(d.between(0, 2e-4)),
        )

    return {"before_error": d.one(d.error(), warp()), "after_error": warp()}


def _busy(d: Draw, o: dict[str, Any]) -> dict[str, Any]:
    half = min(o["size_m"]) / 2
    return {
        "workings_growth": d.between(0.5, 1.0),
        "lease_radius_m": max(half - 100, 0.62 * half),
        "sites_lease": 0,
        "vehicles": d.count(2, 6),
    }


def _green(d: Draw, o: dict[str, Any]) -> dict[str, Any]:
    return {
        "groves_standing": d.count(4, 12), "groves_grown": d.count(2, 5), "groves_felled": d.count(2, 4),
        "crops": d.count(2, 5),
    }  # fmt: skip


def _wet(d: Draw, o: dict[str, Any]) -> dict[str, Any]:
    terrain = replace(o["terrain"], relief_m=d.between(4, 12), valley_m=d.between(3, 8))
    return {"pools": d.count(1, 3), "gullies": d.count(2, 5), "terrain": terrain}


def _rough(d: Draw, o: dict[str, Any]) -> dict[str, Any]:
    def spoilt() -> ArtefactOptions:
        return ArtefactOptions(
            spikes=d.count(0, 8), smooth_holes=d.count(0, 5),
            seam_m=d.one(0.0, d.either(d.between(0.04, 0.15))), seam_fade_m=d.between(20, 80),
            curl_m=d.one(0.0, d.either(d.between(0.1, 0.6))), gaps=d.count(0, 4),
            rim_m=d.one(None, d.between(120, 160)),
        )  # fmt: skip

    noisy = [d.error(correlated_m=d.between(0.03, 0.07), random_m=d.between(0.02, 0.06)) for _ in range(2)]
    return {
        "before_artefacts": spoilt(), "after_artefacts": spoilt(),
        "before_error": noisy[0], "after_error": noisy[1],
    }  # fmt: skip


def _crowded(d: Draw, o: dict[str, Any]) -> dict[str, Any]:
    return {
        "neighbours": d.count(1, 2), "neighbour_gap_m": d.one(0.0, d.between(5, 20)),
        "sites_neighbour": d.count(1, 2), "sites_buffer": d.count(2, 4), "sites_lease": d.count(1, 2),
        "old_pits": d.count(2, 4), "old_heaps": d.count(1, 2), "heap_share": 0.6,
        "sheds": d.count(1, 2), "vehicles": d.count(2, 5),
    }  # fmt: skip


def _no_ortho(d: Draw, o: dict[str, Any]) -> dict[str, Any]:
    return {"ortho": False, "crops": d.count(0, 1), "pools": d.count(0, 1)}


def _coarse(d: Draw, o: dict[str, Any]) -> dict[str, Any]:
    return {
        "cell_m": 1.0, "after_cell_m": None, "size_m": (d.count(500, 800) * 1.0, d.count(500, 800) * 1.0),
        "site_radius_m": (4.0, 9.0), "site_depth_m": (0.3, 2.0),
    }  # fmt: skip


def _shallow(d: Draw, o: dict[str, Any]) -> dict[str, Any]:
    return {"site_radius_m": (6.0, 16.0), "site_depth_m": (0.15, 0.6), "heap_share": 0.2}


def _shifted(d: Draw, o: dict[str, Any]) -> dict[str, Any]:
    far, way = o["cell_m"] * d.between(1, 3), d.between(0, 2 * math.pi)
    terrain = replace(o["terrain"], relief_m=d.between(3, 15))
    return {
        "terrain": terrain,
        "after_error": d.error(east_m=far * math.cos(way), north_m=far * math.sin(way)),
    }


def _quiet(d: Draw, o: dict[str, Any]) -> dict[str, Any]:
    none = dict.fromkeys(("sites_lease", "sites_boundary", "sites_buffer", "sites_line", "sites_beyond"), 0)
    return none | {
        "workings_growth": 0.0, "old_pits": 1, "groves_grown": d.count(1, 4), "groves_felled": d.count(1, 3),
        "crops": d.count(1, 3), "vehicles": d.count(2, 6), "sheds": d.count(1, 2), "pools": d.count(0, 2),
        "gullies": d.count(0, 2),
        "after_artefacts": ArtefactOptions(
            spikes=d.count(0, 4), smooth_holes=d.count(0, 3), curl_m=d.one(0.0, 0.3)
        ),
    }  # fmt: skip


def _terrain(d: Draw, o: dict[str, Any]) -> dict[str, Any]:
    return {"dtm": True, "groves_standing": d.count(4, 10), "groves_grown": d.count(1, 3), "crops": 1}


FAMILIES: dict[str, Callable[[Draw, dict[str, Any]], dict[str, Any]]] = {
    "plain": lambda d, o: {},
    "hilly": _hilly,
    "regridded": _regridded,
    "other-zone": _other_zone,
    "warped": _warped,
    "busy": _busy,
    "green": _green,
    "wet": _wet,
    "rough": _rough,
    "crowded": _crowded,
    "no-ortho": _no_ortho,
    "coarse": _coarse,
    "shallow": _shallow,
    "shifted": _shifted,
    "quiet": _quiet,
    "terrain": _terrain,
}


def case(seed: int, index: int, families: tuple[str, ...] = tuple(FAMILIES)) -> Case:
    """Scene ``index`` of a run. The same seed and index give the same scene whatever else runs."""
    family = families[index % len(families)]
    d = Draw(seed, index)
    options = _base(d)
    options |= FAMILIES[family](d, options)
    form = DeliveryForm(
        job_id=f"score-{seed}-{index:04d}",
        regime=d.one("rajasthan", "mcdr"),
        compress=d.one("zstd", "deflate", "lzw"),
        tiled=d.one(True, True, False),
        nodata=d.one(float("nan"), -9999.0, -32767.0),
        ortho_quality=d.one(85, 92, None),
        boundary_sigma_m=d.one(0.1, 0.3, 0.5),
    )
    return Case(index, family, int(d.rng.integers(1, 2**31)), SceneOptions(**options), form)
