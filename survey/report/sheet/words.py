"""The words of the sheet, in English and Hindi; what they lack is looked up among the reports' words."""

from __future__ import annotations

import re
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


@lru_cache(maxsize=1)
def sentences() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Sentences of the record: a pattern of the English, and the Hindi with the same names in braces."""
    text = (files("survey.report.sheet") / "remarks.toml").read_text(encoding="utf-8")
    out = []
    for row in tomllib.loads(text)["remark"]:
        parts = re.split(r"\{(\w+)\}", row["en"])
        pattern = "".join(f"(?P<{part}>.+?)" if k % 2 else re.escape(part) for k, part in enumerate(parts))
        out.append((re.compile(pattern), row["hi"]))
    return tuple(out)


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

    def said(self, text: str) -> str:
        """A sentence of the record in this language; one that is not on the list stands as it is."""
        if self.language == "en":
            return text
        for pattern, other in sentences():
            found = pattern.fullmatch(text)
            if found is not None:
                return other.format(**found.groupdict())
        return text

    @property
    def report(self) -> Words:
        return Words(self.language)
