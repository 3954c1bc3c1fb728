"""Bands by name: which reflectance is which, whatever the file calls it. A missing band is never invented."""

from __future__ import annotations

import re
from dataclasses import dataclass

from survey.errors import JobError

NAMES = ("blue", "green", "red", "nir", "swir1", "swir2")
CENTRE_UM = {"blue": 0.49, "green": 0.56, "red": 0.665, "nir": 0.842, "swir1": 1.61, "swir2": 2.19}

_ALIASES = {
    "blue": ("blue", "b02", "b2", "band2", "b", "bleu"),
    "green": ("green", "b03", "b3", "band3", "g", "vert"),
    "red": ("red", "b04", "b4", "band4", "r", "rouge"),
    "nir": ("nir", "nir1", "nir08", "b08", "b8", "b8a", "band8", "nearinfrared", "n"),
    "swir1": ("swir1", "swir16", "swir", "b11", "band11", "shortwaveinfrared1", "s1"),
    "swir2": ("swir2", "swir22", "b12", "band12", "shortwaveinfrared2", "s2"),
}
_BY_ALIAS = {alias: name for name, aliases in _ALIASES.items() for alias in aliases}

_NUMBERS = {
    "oli": {2: "blue", 3: "green", 4: "red", 5: "nir", 6: "swir1", 7: "swir2"},
    "tm": {1: "blue", 2: "green", 3: "red", 4: "nir", 5: "swir1", 7: "swir2"},
}
"""Of Landsat 8 and 9, and of Landsat 4 to 7; all others count as Sentinel-2 does."""


@dataclass(frozen=True)
class BandSet:
    """The bands of a scene, in the order of its arrays. Red and near infrared must be among them."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        wrong = [n for n in self.names if n not in NAMES]
        if wrong or len(set(self.names)) != len(self.names):
            raise JobError(
                f"bands {list(self.names)} cannot be used",
                expected=f"each of {', '.join(NAMES)} at most once",
                mend='Name the bands in [watch] bands, in the order of the file; write "" for one to skip.',
            )
        if not {"red", "nir"} <= set(self.names) or len(self.names) < 3:
            raise JobError(
                f"bands {list(self.names)} are too few to tell digging from growing",
                expected="red, nir and at least one more",
            )

    def __len__(self) -> int:
        return len(self.names)

    def has(self, name: str) -> bool:
        return name in self.names

    def index(self, name: str) -> int:
        return self.names.index(name)

    @property
    def bluest(self) -> int:
        """Index of the shortest wave: it sees haze first."""
        return min(range(len(self.names)), key=lambda i: CENTRE_UM[self.names[i]])


def canonical_band(text: str | None, family: str | None = None) -> str | None:
    """``"B8A"``, ``"Band 4 - Red"``, ``"SWIR-1"`` → ``nir``, ``red``, ``swir1``; None if it says nothing
    known. ``family``: of which Landsat its numbers are, ``oli`` or ``tm``."""
    if not text:
        return None
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    tokens = [plain, *(t for t in re.split(r"[^a-z0-9]+", text.lower()) if len(t) > 1)]
    for token in tokens:
        number = re.fullmatch(r"(?:b|band|srb)0?(\d{1,2})", token)
        if family is not None and number:
            return _NUMBERS[family].get(int(number[1]))
        if token in _BY_ALIAS:
            return _BY_ALIAS[token]
    return None
