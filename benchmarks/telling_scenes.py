"""Scenes from which the telling apart of changes is learnt: every cause in plenty, in each scene.

Drawn from ranges of their own, with their own random streams: nothing of them is used for scoring, and the
scenes on which the program is scored (scenes.py) are never learnt from. Light, season, noise, cells, relief
and artefacts differ from scene to scene; a third of the scenes have no orthomosaic.
"""

from __future__ import annotations

from scenes import Case, Draw

from survey.sample_data.artefacts import ArtefactOptions
from survey.sample_data.delivery import DeliveryForm
from survey.sample_data.options import SceneOptions
from survey.sample_data.terrain import TerrainOptions

STREAM = 7_000_000
"""Added to a scene's number, so that no stream is shared with the scenes of the score."""
BENCHED_FROM = 22
"""From this scene on every second one is small, and shows workings whose faces went back a little."""


def learning_case(seed: int, index: int) -> Case:
    """Scene ``index`` of a seed."""
    d = Draw(seed, STREAM + index)
    cell = d.one(0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
    side = {0.2: 300, 0.3: 360, 0.4: 420, 0.5: 460, 0.6: 500, 0.8: 560, 1.0: 600}[cell]
    spoilt = d.one(False, True)

    def artefacts() -> ArtefactOptions:
        if not spoilt:
            return ArtefactOptions()
        return ArtefactOptions(
            spikes=d.count(0, 6), smooth_holes=d.count(1, 6), hole_radius_m=(4.0, 14.0),
            seam_m=d.one(0.0, d.either(d.between(0.04, 0.2))), seam_fade_m=d.between(15, 90),
            curl_m=d.one(0.0, d.either(d.between(0.1, 0.6))), curl_width_m=d.between(10, 30),
            gaps=d.count(0, 3),
        )  # fmt: skip

    green = d.between(0.1, 0.7)
    options = {
        "size_m": (side * d.between(0.9, 1.2) // 1, side * d.between(0.9, 1.2) // 1),
        "cell_m": cell,
        "after_cell_m": d.one(None, None, round(cell * d.spread(0.6, 1.6), 3)),
        "after_offset_m": d.one((0.0, 0.0), (d.between(0, cell), -d.between(0, cell))),
        "terrain": TerrainOptions(
            level_m=d.between(50, 700), relief_m=d.spread(0.8, 20.0), hurst=d.between(0.7, 1.0),
            longest_m=d.spread(200, 900), plain_slope=d.between(0, 0.06), valley_m=d.between(0, 7),
            rough_m=d.spread(0.005, 0.08), rough_longest_m=d.between(3, 10),
        ),
        "workings_growth": d.one(0.0, d.between(0.05, 0.9)),
        "sites_lease": d.count(0, 2), "sites_boundary": d.count(0, 2), "sites_buffer": d.count(1, 4),
        "sites_line": d.count(0, 1), "sites_beyond": d.count(0, 3),
        "site_radius_m": (4.0, 18.0),
        "site_depth_m": d.one((0.5, 6.0), (0.15, 0.8), (0.3, 2.0)),
        "heap_share": d.between(0.2, 0.6), "spoil_share": 0.4,
        "old_pits": d.count(0, 4), "old_heaps": d.count(0, 2), "roads": d.count(0, 2),
        "groves_standing": d.count(1, 8), "groves_grown": d.count(1, 4), "groves_felled": d.count(1, 4),
        "crops": d.count(0, 4), "vehicles": d.count(2, 7), "sheds": d.count(0, 3),
        "pools": d.count(0, 3), "gullies": d.count(0, 4),
        "before_error": d.error(correlated_m=d.spread(0.006, 0.07), random_m=d.spread(0.008, 0.06)),
        "after_error": d.error(correlated_m=d.spread(0.006, 0.07), random_m=d.spread(0.008, 0.06)),
        "before_artefacts": artefacts(), "after_artefacts": artefacts(),
        "smoothing_cells": d.one(0.0, 0.0, 0.5, 1.0),
        "ortho": True,
        "bands": d.one(3, 3, 3, 4),
        "greenness": (green, min(1.0, max(0.0, green + d.between(-0.3, 0.3)))),
        "quad_points": 20_000,
    }  # fmt: skip
    if index >= BENCHED_FROM and index % 2 == 0:
        # Rings of benches, joined or not, are regions of a kind of their own.
        options |= {
            "size_m": (d.between(240, 320) // 1, d.between(240, 320) // 1),
            "lease_radius_m": d.between(60, 100),
            "workings_growth": d.between(0.03, 0.25),
            "sites_beyond": 0, "groves_standing": 1, "crops": d.count(0, 1), "pools": 0,
            "gullies": d.count(0, 1),
        }  # fmt: skip
    form = DeliveryForm(job_id=f"learn-{seed}-{index:04d}", ortho_quality=d.one(75, 85, 92, None))
    return Case(index, "learning", int(d.rng.integers(1, 2**31)), SceneOptions(**options), form)
