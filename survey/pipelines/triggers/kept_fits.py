"""Fits of scenes and of a baseline, as they are kept in the state between runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.fits import BaselineFit
from survey.imagery.triggers.ground import LAND, SceneFit
from survey.imagery.triggers.normalise import Line
from survey.imagery.triggers.nulls import NullTable


def fit_json(fit: SceneFit) -> dict[str, Any]:
    return asdict(fit)


def baseline_to_json(fit: BaselineFit) -> str:
    rows, cols = np.nonzero(fit.null.counts)
    return json.dumps(
        {
            "bands": fit.bands.names,
            "scenes": [asdict(s) for s in fit.scenes],
            "reference": fit.reference,
            "matrix": [[float(v) for v in row] for row in fit.matrix],
            "null": [[int(r), int(c), int(fit.null.counts[r, c])] for r, c in zip(rows, cols, strict=True)],
            "common": fit.common,
            "worked": fit.worked,
        },
        allow_nan=True,
    )


def baseline_from_json(text: str) -> BaselineFit:
    data = json.loads(text)
    null = NullTable.empty(len(LAND))
    for r, c, n in data["null"]:
        null.counts[r, c] = n
    scenes = []
    for s in data["scenes"]:
        line: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in s["line"].items()}
        scenes.append(
            SceneFit(
                **{
                    **s,
                    "line": Line(**line),
                    "allowance": tuple(s["allowance"]),
                    "law": tuple(tuple(v) for v in s["law"]),
                    "common": tuple(tuple(v) for v in s["common"]),
                }
            )
        )

    def words(kept: list[list[int]]) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(v) for v in kept)

    return BaselineFit(
        BandSet(tuple(data["bands"])),
        tuple(scenes),
        data["reference"],
        np.array(data["matrix"], np.float32),
        null,
        words(data["common"]),
        words(data["worked"]),
    )
