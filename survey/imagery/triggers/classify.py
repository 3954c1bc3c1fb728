"""What an object is, with a probability: a linear score per class over the features, turned by softmax.

The coefficients are data with provenance (``data/classes.json``): which simulator, seeds and objects they
were fitted to, and how well the probabilities held on seeds that were left out. A linear score can be read
aloud: each feature adds so much to "excavation" and so much to "clearing".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers.bands import BandSet

CLASSES = ("excavation", "clearing", "water", "built-up", "crop", "cloud remnant")


@dataclass(frozen=True)
class Model:
    """``weights`` (class, feature) for standardised features, ``bias`` (class,)."""

    name: str
    features: tuple[str, ...]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    provenance: dict[str, Any]

    def standard(self, features: dict[str, float]) -> NDArray[np.float64]:
        raw = np.array([features[name] for name in self.features])
        # Beyond four standard deviations a straight line is no longer a description of anything that was
        # seen.
        return np.clip((raw - self.centre) / self.scale, -4.0, 4.0)

    def probabilities(self, features: dict[str, float]) -> dict[str, float]:
        score = self.weights @ self.standard(features) + self.bias
        share = np.exp(score - score.max())
        share /= share.sum()
        return {name: float(p) for name, p in zip(CLASSES, share, strict=True)}

    def why(self, features: dict[str, float], most: int = 3) -> list[tuple[str, float]]:
        """The features that speak loudest for or against excavation: (name, part of the log odds).

        Against the class that is likeliest besides excavation.
        """
        z = self.standard(features)
        score = self.weights @ z + self.bias
        other = 1 + int(np.argmax(score[1:]))
        part = (self.weights[0] - self.weights[other]) * z
        order = np.argsort(-np.abs(part), kind="stable")[:most]
        return [(self.features[i], float(part[i])) for i in order]

    def to_json(self) -> dict[str, Any]:
        return {
            "features": list(self.features),
            "centre": [round(float(v), 6) for v in self.centre],
            "scale": [round(float(v), 6) for v in self.scale],
            "weights": {
                c: [round(float(v), 5) for v in row] for c, row in zip(CLASSES, self.weights, strict=True)
            },
            "bias": {c: round(float(v), 5) for c, v in zip(CLASSES, self.bias, strict=True)},
            "provenance": self.provenance,
        }

    @classmethod
    def from_json(cls, name: str, data: dict[str, Any]) -> Model:
        return cls(
            name,
            tuple(data["features"]),
            np.array(data["centre"]),
            np.array(data["scale"]),
            np.array([data["weights"][c] for c in CLASSES]),
            np.array([data["bias"][c] for c in CLASSES]),
            data["provenance"],
        )


@lru_cache(maxsize=1)
def _shipped() -> dict[str, Any]:
    text = (resources.files("survey.imagery.triggers") / "data" / "classes.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def model_for(bands: BandSet, *, short_history: bool) -> Model:
    """The model for what this sensor sees and how much history there is."""
    sight = "swir" if bands.has("swir1") and bands.has("swir2") else "no-swir"
    name = f"{sight}-{'pair' if short_history else 'series'}"
    return Model.from_json(name, _shipped()[name])
