"""From a track to a judgement: measured, classed, held against the threshold of its place, and said in
words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.classify import Model
from survey.imagery.triggers.features import measure
from survey.imagery.triggers.product import plain
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.support import Support
from survey.imagery.triggers.tracks import Assessment, Replay, Track

SPOKEN = {
    "novelty": "how far its spectrum is from everything seen here",
    "contrast": "contrast with what was there",
    "ndvi_now": "greenness now",
    "green_high": "how green the place used to get",
    "green_low": "how green the place stayed when dry",
    "brighter": "brighter or darker than usual",
    "brighter_abs": "size of the change in brightness",
    "bright": "brightness",
    "blue_red": "colour, blue against red",
    "bluer": "turn towards blue",
    "nir_red": "near infrared against red",
    "rare": "unlike the exposed ground common around here",
    "unlike_worked": "unlike the ground worked inside leases",
    "no_lease_known": "no worked ground to compare with",
    "ln_area_ha": "size",
    "elongation": "long or round",
    "fill": "compact or ragged",
    "box": "shaped like a building plot",
    "uneven": "uneven inside, as faces, floor and spoil are",
    "drift": "its look changes from date to date",
    "fade": "grows fainter or stronger",
    "one_hit": "seen once only",
    "ln_hits": "number of detections",
    "hit_share": "share of clear looks that show it",
    "ln_days": "how long it has been seen",
    "growth": "it grows",
    "wet": "open water",
    "shore": "land that was water at times",
    "woody": "wooded before",
    "seasonal": "cropped or seasonally green before",
    "bare": "bare before",
    "doubtful": "cloud-like",
    "swir1_nir": "short-wave infrared against near infrared",
    "swir1_nir_more": "change of short-wave against near infrared",
    "swir2_swir1": "the two short-wave bands against each other",
    "swir2_swir1_more": "change between the two short-wave bands",
    "green_red": "colour, green against red",
}


@dataclass(frozen=True)
class Judge:
    """Assesses tracks of one watch. ``near``: does this set of support cells touch lease + 100 m?"""

    bands: BandSet
    model: Model
    settings: TriggerSettings
    days: NDArray[np.float64]
    common: NDArray[np.float32]
    worked: NDArray[np.float32]
    cell_area_m2: float
    near: Callable[[Support, NDArray[np.intp]], bool]

    def __call__(self, track: Track, t: int, replay: Replay) -> Assessment:
        features = self.features(track, t, replay)
        near = self.near(replay.support, track.cells)
        threshold = self.settings.confirm_p_near if near else self.settings.confirm_p
        return Assessment(self.model.probabilities(features), features, threshold, near)

    def features(self, track: Track, t: int, replay: Replay) -> dict[str, float]:
        hits = [look.t for look in track.looks if look.hit and look.t <= t]
        looks = sum(look.t <= t for look in track.looks)
        born = track.areas[0][1] if track.areas else len(track.cells)
        return measure(
            replay.support,
            track.cells,
            replay.accumulator.total[track.cells],
            hits,
            looks,
            self.days,
            born,
            replay.novel,
            self.bands,
            self.common,
            self.worked,
            self.cell_area_m2,
        )


def words_of(words: Sequence[Sequence[int]], bands: int) -> NDArray[np.float32]:
    """Kept words as reflectances (n, band)."""
    return plain(np.array(words, np.uint16).reshape(-1, bands))


def speak(model: Model, features: dict[str, float]) -> list[str]:
    """What spoke loudest for and against excavation, in words with the share of the log odds."""
    return [
        f"{'for' if part > 0 else 'against'} excavation: {SPOKEN.get(name, name)} ({part:+.1f})"
        for name, part in model.why(features)
        if abs(part) >= 0.2
    ]
