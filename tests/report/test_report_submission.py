"""The submission report in English and in Hindi, and drawn again from the run folder alone."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

from typer.testing import CliRunner

from survey.pipelines.cli import app
from survey.pipelines.options import Options
from survey.pipelines.progress import NullProgress
from survey.pipelines.report import run_report
from survey.record import Clock, Finding, Note, Record, to_json
from survey.report.digest import digest_html
from survey.report.options import ReportOptions
from survey.report.submission import render_html, render_pdf

PDF_LETTERS = re.compile("[\u0900-\u097f]")


def _record(language: str = "en") -> Record:
    now = datetime(2025, 7, 3, tzinfo=UTC)
    common = {"rule": "34A(1)", "citation": "MCDR 2017, rule 34A(1) [grade A]", "grade": "A"}
    return Record(
        command="check",
        job={"id": "F-1", "report": {"language": language, "indian_grouping": True}},
        mine={"name": "Chandpura <block>", "mineral": "limestone"},
        clock=Clock(started=now, finished=now, seconds=0.0),
        software={"mine-survey": "0"},
        sources=[],
        surveys=[{"date": "2025-04-20"}],
        findings=[
            Finding(
                id="mcdr.34A.1.buffer:DSM",
                verdict="breaches",
                observed="1,234,567 (95 %: 1,230,000 to 1,240,000)",
                limit="at most 0",
                unit="m²",
                message=(
                    "The DSM leaves out 1,234,567 m² of the 100 m around the lease (3.21% of 38,460,000 m²), "
                    "in the south-west (512345 E, 2712345 N)."
                ),
                mend="Fly and send the missing part of the 100 m around the lease.",
                sentence="The drone survey reaches up to 100 metres outside the lease boundary.",
                **common,
            ),
            Finding(
                id="files.datum",
                verdict="exempt, for review",
                observed="contradiction",
                limit=None,
                unit=None,
                message=(
                    "Flag (strong), survey of 2025-04-20: the job says heights are MSL, the file says EGM96."
                ),
                evidence={"flag": "strong"},
                **common,
            ),
        ],
        notes=[Note(code="x", message='Orthomosaic: "old <pit>.tif" opens.')],
        checks={"regime": "mcdr", "duties": [], "pictures": [], "law_tables": {}},
    )


def test_the_page_speaks_the_language_of_the_job(tmp_path):
    page = render_html(tmp_path, _record("hi"))
    assert '<html lang="hi">' in page
    assert "1 उल्लंघन मिला; विचार हेतु 1 संकेत; 0 बिंदुओं का निर्णय नहीं हो सका।" in page
    assert "DSM में पट्टे के चारों ओर के 100 मी क्षेत्र का 12,34,567 वर्ग मी छूटा है" in page
    assert "12,34,567 (95 %: 12,30,000 से 12,40,000)\u202fवर्ग मी" in page
    assert "अधिकतम 0\u202fवर्ग मी" in page
    assert "संकेत, प्रबल" in page
    assert "संकेत (प्रबल), 2025-04-20 का सर्वेक्षण: कार्य फ़ाइल के अनुसार ऊँचाइयाँ MSL हैं" in page
    assert "Survey Sans Devanagari" in page
    # Names stay, as text and never as markup.
    assert "Chandpura &lt;block&gt;" in page
    assert "old &lt;pit&gt;.tif" in page


def test_the_page_is_english_unless_asked(tmp_path):
    page = render_html(tmp_path, _record())
    assert '<html lang="en">' in page
    assert "1 breach found; 1 flag for a person to weigh; 0 points could not be settled." in page
    assert "12,34,567\u202f" not in page
    assert "12,34,567 m²" in page
    assert not PDF_LETTERS.search(page)


def test_options_come_before_the_job(tmp_path):
    assert "उल्लंघन" in render_html(tmp_path, _record(), ReportOptions(language="hi"))


def test_the_paper_is_set_in_hindi(tmp_path):
    assert render_pdf(tmp_path, _record("hi")).startswith(b"%PDF")


def test_a_check_is_drawn_again_from_its_folder(tmp_path):
    folder = tmp_path / "F-1"
    folder.mkdir()
    (folder / "record.json").write_text(to_json(_record("hi")), encoding="utf-8")
    before = (folder / "record.json").read_bytes()
    written = run_report(folder, Options(), NullProgress())
    assert [path.name for path in written] == ["report.html", "report.pdf"]
    assert "12,34,567 वर्ग मी छूटा है" in (folder / "report.html").read_text(encoding="utf-8")
    assert (folder / "record.json").read_bytes() == before
    assert json.loads(before)["findings"][0]["message"].startswith("The DSM leaves out 1,234,567 m²")


def test_a_run_of_an_english_job_is_drawn_in_hindi_when_asked(tmp_path):
    folder = tmp_path / "F-1"
    folder.mkdir()
    (folder / "record.json").write_text(to_json(_record()), encoding="utf-8")
    run_report(folder, Options(), NullProgress(), "hi")
    assert "12,34,567 वर्ग मी छूटा है" in (folder / "report.html").read_text(encoding="utf-8")
    cli = CliRunner()
    assert cli.invoke(app, ["report", str(folder), "--language", "en", "-q"]).exit_code == 0
    assert "leaves out 12,34,567 m²" in (folder / "report.html").read_text(encoding="utf-8")
    assert cli.invoke(app, ["report", str(folder), "--language", "fr", "-q"]).exit_code == 2


def test_pages_in_hindi_bring_their_letters(tmp_path):
    """Not every machine has Devanagari: without its own font a page would show empty boxes."""
    pages = [
        render_html(tmp_path, _record("hi")),
        digest_html(tmp_path, _record("hi").model_copy(update={"triggers": {}}), "hi"),
    ]
    for page in pages:
        assert "@font-face{font-family:'Survey Sans Devanagari'" in page
        assert "font-src data:" in page
    assert "@font-face" not in render_html(tmp_path, _record("en"))
