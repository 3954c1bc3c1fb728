"""What an object is, with a probability: for each class a sum of one curve per feature, turned by softmax.

The curves are data with provenance (``data/classes.json``): which simulators, seeds and objects they were
fitted to, and how well the probabilities held on seeds that were left out. A sum of curves can be read aloud:
each feature adds so much to "excavation" and so much to "clearing". Outside the range in which anything was
seen a curve stays level: there it is no description of anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers.bands import BandSet
from survey.jit import kernel

TOGETHER = 1024
"""Objects whose parts are held at once: three megabytes."""

CLASSES = ("excavation", "clearing", "water", "built-up", "crop", "cloud remnant")


@kernel
def _scores(
    knots: NDArray[np.float64], curves: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(object, class): the sum of ``Model.parts`` over the features, term by term in the same order; ``x``
    (object, feature)."""
    last = knots.shape[1] - 1
    total = np.zeros((len(x), curves.shape[2]))
    for i in range(len(x)):
        for j in range(x.shape[1]):
            right = 0
            for k in range(last + 1):
                right += knots[j, k] < x[i, j]
            right = min(max(right, 1), last)
            low, high = knots[j, right - 1], knots[j, right]
            along = min(max((x[i, j] - low) / max(high - low, 1e-12), 0.0), 1.0)
            for c in range(total.shape[1]):
                left = curves[j, right - 1, c]
                total[i, c] += left + along * (curves[j, right, c] - left)
    return total


@dataclass(frozen=True)
class Model:
    """``curves[j]`` (class, knot): what feature ``j`` adds to the score of each class at ``knots[j]``
    (knot,), straight between; zero on the average of what it was fitted to. ``bias`` (class,)."""

    name: str
    features: tuple[str, ...]
    knots: tuple[NDArray[np.float64], ...]
    curves: tuple[NDArray[np.float64], ...]
    bias: NDArray[np.float64]
    provenance: dict[str, Any]

    def parts(self, features: Mapping[str, float]) -> NDArray[np.float64]:
        """(feature, class): what each feature adds."""
        return self._parts(np.array([[features[name] for name in self.features]]))[0]

    def _parts(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(object, feature, class) of features (object, feature)."""
        knots, curves = self._padded
        last = knots.shape[1] - 1
        right = np.clip((knots < x[:, :, None]).sum(2), 1, last)
        row = np.arange(len(knots))
        low, high = knots[row, right - 1], knots[row, right]
        along = np.clip((x - low) / np.maximum(high - low, 1e-12), 0.0, 1.0)[:, :, None]
        return curves[row, right - 1] + along * (curves[row, right] - curves[row, right - 1])

    @cached_property
    def _padded(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Knots (feature, knot) and curves (feature, knot, class), the last repeated to one length."""
        most = max(len(k) for k in self.knots)
        knots = np.array([np.r_[k, np.full(most - len(k), k[-1])] for k in self.knots])
        curves = np.array(
            [np.concatenate([c, np.repeat(c[:, -1:], most - c.shape[1], 1)], 1).T for c in self.curves]
        )
        return knots, curves

    def probabilities(self, features: Mapping[str, float]) -> dict[str, float]:
        """Of each class, for one object."""
        share = self.shares({name: np.array([features[name]]) for name in self.features})[0]
        return dict(zip(CLASSES, share.tolist(), strict=True))

    def shares(self, features: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """(object, class): probabilities of objects, each of whose features is given as (object,)."""
        knots, curves = self._padded
        score = _scores(knots, curves, np.column_stack([features[name] for name in self.features]))
        score += self.bias
        share: NDArray[np.float64] = np.exp(score - score.max(1, keepdims=True))
        return share / share.sum(1, keepdims=True)

    def why(self, features: Mapping[str, float], most: int = 3) -> list[tuple[str, float]]:
        """The features that speak loudest for or against excavation: (name, part of the log odds).

        Against the class that is likeliest besides excavation.
        """
        return self.whys([features], most)[0]

    def whys(self, objects: Sequence[Mapping[str, float]], most: int = 3) -> list[list[tuple[str, float]]]:
        """The same of each of several objects."""
        out = []
        for start in range(0, len(objects), TOGETHER):
            some = objects[start : start + TOGETHER]
            parts = self._parts(np.array([[one[name] for name in self.features] for one in some]))
            other = 1 + np.argmax((parts.sum(1) + self.bias)[:, 1:], axis=1)
            part = parts[:, :, 0] - np.take_along_axis(parts, other[:, None, None], 2)[:, :, 0]
            order = np.argsort(-np.abs(part), axis=1, kind="stable")[:, :most]
            loudest = np.take_along_axis(part, order, 1)
            out += [
                [(self.features[i], v) for i, v in zip(names, values, strict=True)]
                for names, values in zip(order.tolist(), loudest.tolist(), strict=True)
            ]
        return out

    def to_json(self) -> dict[str, Any]:
        return {
            "bias": {c: round(float(v), 4) for c, v in zip(CLASSES, self.bias, strict=True)},
            "features": {
                name: {
                    "at": [round(float(v), 5) for v in knots],
                    **{c: [round(float(v), 4) for v in row] for c, row in zip(CLASSES, curve, strict=True)},
                }
                for name, knots, curve in zip(self.features, self.knots, self.curves, strict=True)
            },
            "provenance": self.provenance,
        }

    @classmethod
    def from_json(cls, name: str, data: dict[str, Any]) -> Model:
        kept = data["features"]
        return cls(
            name,
            tuple(kept),
            tuple(np.array(one["at"]) for one in kept.values()),
            tuple(np.array([one[c] for c in CLASSES]) for one in kept.values()),
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
