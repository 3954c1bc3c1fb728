"""Every sentence that can be recorded can be said in Hindi, with the values that stood in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_sentences import VALUE, sentences

import survey
from survey.law.clauses import GRADES, all_clauses
from survey.law.judge import limit_in_words
from survey.report.numbers import Numbers
from survey.report.words import Words
from survey.report.words.said import catalogue, said, unsaid

HERE = Path(survey.__file__).parent

# Rooms whose words reach a record: findings, reasons, notes, and refusals that a finding quotes.
ROOMS = (
    "boundary/*.py",
    "delivery/*.py",
    "dem/*.py",
    "forensics/*.py",
    "imagery/**/*.py",
    "law/*.py",
    "pipelines/assess/*.py",
    "pipelines/change/*.py",
    "pipelines/check/*.py",
    "pipelines/checkpoints.py",
    "pipelines/epochs.py",
    "pipelines/existing/*.py",
    "pipelines/inputs.py",
    "pipelines/record_parts.py",
    "pipelines/triggers/*.py",
    "rasters/*.py",
    "tables.py",
    "volumetrics/**/*.py",
)

# Words by which headers of tables are known, statements of SQL and XML, and why a setting has its value.
NOT_SAID = {
    "boundary/pillar_words.py",
    "delivery/vocabulary.py",
    "imagery/triggers/settings.py",
    "pipelines/change/raster.py",
    "pipelines/triggers/files.py",
    "pipelines/triggers/store.py",
}

# Single strings that look like sentences and are none: headers of tables, names of relations, SQL.
WORDS = {
    "law/clauses.py": re.compile(
        r"(at least|more than|at most|less than|one of|none of|is utm|in months|on or before|within months "
        r"before|agrees with|says if fewer|asks for|unknown (keys|sections|relation|grade) .*|missing .*|"
        r"ends on .*)"
    ),
    "law/judge.py": re.compile(rf"(at least|more than|at most|less than|{VALUE} .*)"),  # limits: tested below
    "boundary/choose.py": re.compile(r"lease no"),
    "boundary/geopackage.py": re.compile(r"SELECT .*"),
    "delivery/dates.py": re.compile(r"[a-z]{3} .*"),
    "volumetrics/challans.py": re.compile(r"[a-z() -]+"),
    "volumetrics/telling.py": re.compile(r"((fill|cut)? ?)(with colour|seen (before|after))"),
    "pipelines/assess/points.py": re.compile(r"[a-z]+( [a-z]+)"),
    "pipelines/triggers/challans.py": re.compile(r"challan number"),
    "pipelines/triggers/run.py": re.compile(f"Triggers of {VALUE}"),
}


def _modules() -> list[str]:
    found = {str(p.relative_to(HERE)).replace("\\", "/") for room in ROOMS for p in HERE.glob(room)}
    return sorted(found - NOT_SAID)


def _skeleton(text: str) -> str:
    """The fixed words of a piece: values as one sign, none at its ends."""
    marked = re.sub(rf"(?:{VALUE}|\{{\w+\}})(?:[\s]*(?:{VALUE}|\{{\w+\}}))*", "\0", text)
    return marked.strip('\0 .,;:()"')


_KNOWN = "\n".join(_skeleton(p.english) for p in catalogue())


def _is_said(text: str) -> bool:
    """Said as a whole, or, where the code puts a sentence together in steps, a part of one that is."""
    whole = re.sub(rf"^{VALUE} (?=[A-Z])", f"{VALUE}. ", text)
    if unsaid(whole) == 0:
        return True
    return all(unsaid(s) == 0 or _skeleton(s) in _KNOWN for s in re.split(r"(?<=[.?!]) ", whole.strip()))


@pytest.mark.parametrize("module", _modules())
def test_everything_that_a_module_records_has_hindi(module):
    missing = [
        f"{s.where}: {s.text}"
        for s in sentences(HERE / module, module)
        if not (module in WORDS and WORDS[module].fullmatch(s.text)) and not _is_said(s.text)
    ]
    assert not missing, "say these in survey/report/words/said/*.toml:\n" + "\n".join(missing)


def test_an_english_sentence_without_hindi_is_found(tmp_path):
    code = tmp_path / "new.py"
    code.write_text(
        "def say(c, n):\n"
        "    side = 'left' if n else 'right hand'\n"
        "    text = f'The kangaroo hops {n} m'\n"
        "    text += ' and rests'\n"
        "    c.say('x', None, f'{text} to the {side}.')\n"
    )
    told = {s.text for s in sentences(code, "new.py")}
    assert f"The kangaroo hops {VALUE} m and rests to the right hand." in told
    assert f"The kangaroo hops {VALUE} m to the left." in told
    assert not any(_is_said(t) for t in told if "kangaroo" in t)


def test_the_law_tables_are_said():
    for clause in all_clauses():
        if not clause.quoted:
            assert unsaid(clause.sentence) == 0, clause.sentence
        if clause.mend:
            assert unsaid(clause.mend) == 0, clause.mend
        if isinstance(clause.limit, str):
            assert unsaid(clause.limit) == 0, clause.limit
    assert all(unsaid(text) == 0 for text in GRADES.values())


def test_limits_and_observations_are_said():
    for clause in all_clauses():
        limit = None if isinstance(clause.limit, dict) else limit_in_words(clause)  # worked out for each case
        assert limit is None or unsaid(limit) == 0, limit
    assert said("at least 1,000,000") == "कम से कम 1,000,000"
    assert said("12.3 (95 %: 12.1 to 12.5)") == "12.3 (95 %: 12.1 से 12.5)"
    assert unsaid("on or before 2025-07-02 (moved from 2025-07-01: 2025-07-01 is a public holiday)") == 0
    assert unsaid("GeoTIFF or another standard format") == 0


def test_names_of_the_law_tables_are_said():
    for clause in all_clauses():
        assert unsaid(clause.citation) == 0, clause.citation


def test_the_hindi_has_the_names_of_the_english_and_no_english():
    for pattern in catalogue():
        names = re.findall(r"\{(\w+)\}", pattern.english)
        assert sorted(names) == sorted(re.findall(r"\{(\w+)\}", pattern.hindi)), pattern.english
        assert len(set(names)) == len(names), pattern.english
        assert re.search(r"[\u0900-\u097f]", pattern.hindi) or not re.search(
            r"[a-z]{3} [a-z]{3}", pattern.hindi
        )


def test_each_sentence_is_said_as_itself_with_its_values():
    """No other sentence of the catalogue takes its place, and every value arrives where it belongs."""
    for pattern in catalogue():
        values = {
            name: f"{k + 1}.5" if re.fullmatch(r"n\d*", name) else f"Kala{k} Pahar"
            for k, name in enumerate(pattern.names)
        }
        stop = "।" if pattern.english.endswith(".") else ""
        assert said(pattern.english.format(**values)) == pattern.hindi.format(**values) + stop


def test_values_are_carried_over_and_clauses_in_them_are_said():
    text = (
        "The DSM leaves out 1,234,567 m² of the 100 m around the lease (3.21% of 38,460,000 m²), in 2 parts, "
        "the largest in the south-west (512345 E, 2712345 N)."
    )
    assert said(text) == (
        "DSM में पट्टे के चारों ओर के 100 मी क्षेत्र का 1,234,567 वर्ग मी छूटा है "
        "(38,460,000 वर्ग मी का 3.21%), 2 भागों में, सबसे बड़ा दक्षिण-पश्चिम में (512345 पू, 2712345 उ)।"
    )


def test_sentences_one_after_the_other_are_each_said():
    text = (
        "Filed on 2025-07-03, 2 days after the due date 2025-07-01. The state is not given, so only national "
        "holidays were taken into account."
    )
    assert said(text).count("।") == 2
    assert unsaid(text) == 0


def test_a_reason_of_a_site_is_said_with_its_list():
    text = (
        "the ground is 1.39 m higher on average: 8.5 m wide, an edge along 100 % of its outline, 41 σ on "
        "average; it could also be vehicle or shed; no orthomosaic of both years shows it, so shape alone "
        "decides"
    )
    assert said(text) == (
        "भूमि औसतन 1.39 मी ऊँची है: 8.5 मी चौड़ा, रूपरेखा के 100 % पर किनारा, औसतन 41 σ; "
        "यह वाहन या शेड भी हो सकता है; "
        "दोनों वर्षों का कोई ऑर्थोमोज़ेक इसे नहीं दिखाता, अतः केवल आकार से निर्णय"
    )


def test_names_stay_and_unknown_clauses_are_marked_as_quoted():
    assert said('Orthomosaic: "Old pit of the north.tif" opens.') == (
        'ऑर्थोमोज़ेक: "Old pit of the north.tif" खुलती है।'
    )
    assert said("A sentence that nobody has put down.") == "“A sentence that nobody has put down.”"
    assert said("Chandpura") == "Chandpura"


def test_grouping_is_the_chosen_one_in_both_languages():
    text = "The boundary encloses 1,234,567 ha; the area of the lease deed is not stated."
    assert "12,34,567" in Numbers(Words("hi"), indian=True).said(text)
    assert "12,34,567" in Numbers(Words("en"), indian=True).said(text)
    assert Numbers(Words("en")).said(text) == text
    # A name keeps its commas.
    quoted = 'Orthomosaic: "map 1,234,567.tif" opens.'
    assert "1,234,567.tif" in Numbers(Words("hi"), indian=True).said(quoted)


@given(st.text(max_size=300))
@settings(max_examples=50, deadline=None)
def test_any_text_is_said_in_some_way(text):
    assert isinstance(said(text), str)


def test_a_text_made_to_be_slow_is_not():
    hostile = "Survey of " + " to of in ; : , and or " * 150
    assert said(hostile)
