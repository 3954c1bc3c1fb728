"""The words of the sheet, in English and Hindi; what they lack is looked up among the reports' words."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from survey.report.words import LANGUAGES, Language, Words


@lru_cache(maxsize=1)
def table() -> dict[str, list[str]]:
    text = (files("survey.report.sheet") / "words.toml").read_text(encoding="utf-8")
    out: dict[str, list[str]] = tomllib.loads(text)
    return out


@dataclass(frozen=True, slots=True)
class SheetWords:
    """Calls with a key and the values that stand in its braces. An unknown key is a fault of the program."""

    language: Language = "en"

    def __call__(self, key: str, /, **values: object) -> str:
        return table()[key][LANGUAGES.index(self.language)].format(**values)

    def named(self, prefix: str, name: str) -> str:
        """The word for one of a closed list of names; a name that is not on the list stands for itself."""
        entry = table().get(f"{prefix}.{name}")
        return name if entry is None else entry[LANGUAGES.index(self.language)]

    @property
    def report(self) -> Words:
        return Words(self.language)
