"""What the reports say, in English and Hindi. Words stand in ``words.toml``; numbers in ``numbers``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

Language = Literal["en", "hi"]
LANGUAGES: tuple[Language, ...] = ("en", "hi")


@lru_cache(maxsize=1)
def _table() -> dict[str, list[str]]:
    text = (files("survey.report.words") / "words.toml").read_text(encoding="utf-8")
    # "95" and "%" stay on one line.
    text = text.replace(" %", "\u202f%")
    return {key: value for section in tomllib.loads(text).values() for key, value in section.items()}


@dataclass(frozen=True, slots=True)
class Words:
    """Calls with a key and the values that stand in its braces. An unknown key is a fault of the program."""

    language: Language = "en"

    def __call__(self, key: str, /, **values: object) -> str:
        return _table()[key][LANGUAGES.index(self.language)].format(**values)

    def named(self, prefix: str, name: str | None) -> str:
        """The word for one of a closed list of names; a name that is not on the list stands for itself."""
        entry = _table().get(f"{prefix}.{name}")
        return (name or "") if entry is None else entry[LANGUAGES.index(self.language)]

    def said(self, text: str) -> str:
        """A sentence of the record, which is English, in this language."""
        if self.language == "en":
            return text
        from survey.report.words.said import said

        return said(text)


def keys() -> list[str]:
    return list(_table())
