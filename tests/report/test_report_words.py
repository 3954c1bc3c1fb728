"""Both languages say everything, with the same figures in it, and nothing is said that nobody reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import survey.report
from survey.report.words import LANGUAGES, Words, _table, keys

ROOM = Path(survey.report.__file__).parent


@pytest.mark.parametrize("key", keys())
def test_both_languages_have_the_same_figures_in_a_sentence(key):
    english, hindi = _table()[key]
    assert english.strip()
    assert hindi.strip()
    assert sorted(re.findall(r"\{+(\w+)\}+", english)) == sorted(re.findall(r"\{+(\w+)\}+", hindi))


def test_hindi_is_written_in_devanagari():
    latin_only = [k for k, (_, hindi) in _table().items() if not re.search("[\u0900-\u097f]", hindi)]
    # Codes, signs and names that are the same in both.
    assert set(latin_only) <= {
        "zones.dismissed_cell",
        "sources.sha256",
        "g1.overburden_opening_item",
        "g1.sub_grade_item",
        "g1.rom_item",
        "plan.of",
        "site.title",
        "sites.chip",
        "apparent",
    }


def test_every_key_that_the_code_names_exists():
    named = set()
    for file in [*ROOM.rglob("*.py"), *ROOM.rglob("*.html")]:
        if file.name.startswith("digest") or {"submission", "sheet"} & set(file.parts):
            continue
        named |= set(
            re.findall(
                r"""\b(?:words|t)\(\s*["']([a-z_0-9]+(?:\.[a-z_0-9]+)?)["']\s*[,)]""", file.read_text()
            )
        )
    unknown = {key for key in named if key not in keys()}
    assert not unknown


def test_a_name_that_is_not_on_a_list_stands_for_itself():
    for language in LANGUAGES:
        assert Words(language).named("reason", "meteorite") == "meteorite"
        assert Words(language).named("zone", None) == ""
    assert Words("hi").named("kind", "pit") == "गड्ढा"


def test_an_unknown_key_is_a_fault():
    with pytest.raises(KeyError):
        Words("en")("no.such_key")
