"""From a track to a judgement: measured, classed, held against the threshold of its place, and said in
words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.beginning import since_first
from survey.imagery.triggers.classify import CLASSES, Model
from survey.imagery.triggers.features import Objects, measure
from survey.imagery.triggers.product import plain
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.support import Support
from survey.imagery.triggers.tracks import Assessment, Figures, Replay, Track

TOGETHER = 2048
"""Objects that are measured in one go, on one thread: what is held of each meanwhile is a kilobyte."""

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
    "uneven_more": "more uneven inside than it used to be",
    "uneven_in": "uneven inside on all dates together",
    "patchy": "of several colours",
    "patchy_in": "of several colours on all dates together",
    "relief": "uneven in light rather than in colour, as faces and shade are",
    "relief_large": "uneven in light rather than in colour, for its size",
    "company": "how much around it turned into the same at the same time",
    "surprise": "how rare such novelty is on ordinary ground",
    "flicker": "its cells change each by itself",
    "flat": "grey or coloured",
    "foreign": "not on the way to any soil that lies bare around here",
    "foreign_share": "how much of the change a soil from around here would explain",
    "toward_soil": "how far it turned into a soil from around here",
    "over_ground": "brighter or darker than the bare ground around here",
    "nir_red_ground": "near infrared against red, beside the bare ground around here",
    "blue_red_ground": "colour, beside the bare ground around here",
    "swir1_nir_ground": "short-wave against near infrared, beside the bare ground around here",
    "swir2_swir1_ground": "the two short-wave bands, beside the bare ground around here",
    "watery": "green against near infrared, as water has it",
    "watery_swir": "green against all infrared, as water has it",
    "barer": "barer than it ever lay in its past",
    "veiled": "could be a veil of cloud",
    "drift": "its look changes from date to date",
    "fade": "grows fainter or stronger",
    "since_brighter": "brighter or darker than when first seen",
    "since_bluer": "colour against when first seen",
    "since_nir": "near infrared against when first seen",
    "since_swir": "short-wave infrared against when first seen",
    "since_grey": "greyer or more coloured than when first seen",
    "since_wet": "fills with water or dries since first seen",
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
    """Assesses tracks of one watch. ``inside``: does this set of support cells lie in a permitted area?"""

    bands: BandSet
    model: Model
    settings: TriggerSettings
    days: NDArray[np.float64]
    common: NDArray[np.float32]
    worked: NDArray[np.float32]
    cell_area_m2: float
    inside: Callable[[Support, NDArray[np.intp]], bool]
    threads: int = 1

    def __call__(self, track: Track, t: int, replay: Replay) -> Assessment:
        return self.many([track], t, replay)[0]

    def many(self, tracks: Sequence[Track], t: int, replay: Replay) -> list[Assessment]:
        """The same of each of several tracks: a call costs more than what is done in it for one."""
        parts = [tracks[k : k + TOGETHER] for k in range(0, len(tracks), TOGETHER)]

        def look_at(some: Sequence[Track]) -> list[Assessment]:
            return self._assessed(some, t, replay)

        if self.threads < 2 or len(parts) < 2:
            return [one for some in parts for one in look_at(some)]
        with ThreadPoolExecutor(self.threads) as pool:
            return [one for some in pool.map(look_at, parts) for one in some]

    def _assessed(self, tracks: Sequence[Track], t: int, replay: Replay) -> list[Assessment]:
        out = []
        features = self.features(tracks, t, replay)
        names, table = tuple(features), np.column_stack(list(features.values()))
        sure = self.model.shares(features)
        for track, row, shares in zip(tracks, table, sure, strict=True):
            inside = self.inside(replay.support, track.cells)
            threshold = self.settings.confirm_p_inside if inside else self.settings.confirm_p
            said = Figures.of(names, row)
            out.append(Assessment(Figures.of(CLASSES, shares), said, threshold, inside))
        return out

    def features(self, tracks: Sequence[Track], t: int, replay: Replay) -> dict[str, NDArray[np.float64]]:
        """By name, each (track,)."""
        objects = Objects.of(
            [track.cells for track in tracks],
            [[look.t for look in track.looks if look.hit and look.t <= t] for track in tracks],
            [sum(look.t <= t for look in track.looks) for track in tracks],
            [track.areas[0][1] if track.areas else len(track.cells) for track in tracks],
        )
        found = measure(
            replay.support,
            objects,
            replay.accumulator.total,
            self.days,
            replay.novel,
            self.bands,
            self.common,
            self.worked,
            self.cell_area_m2,
        )
        return found | since_first(replay.support, objects, replay.novel, self.bands)


def words_of(words: Sequence[Sequence[int]], bands: int) -> NDArray[np.float32]:
    """Kept words as reflectances (n, band)."""
    return plain(np.array(words, np.uint16).reshape(-1, bands))


def speak(model: Model, objects: Sequence[Mapping[str, float]]) -> list[list[str]]:
    """What spoke loudest for and against excavation, for each object, in words with the share of the log
    odds."""
    return [
        [
            f"{'for' if part > 0 else 'against'} excavation: {SPOKEN.get(name, name)} ({part:+.1f})"
            for name, part in why
            if abs(part) >= 0.2
        ]
        for why in model.whys(objects)
    ]
