"""``report.pdf``: A4, numbered, complete; Devanagari is shaped; the same run gives the same bytes."""

from __future__ import annotations

import ctypes

import pypdfium2 as pdfium
import pytest

from survey.report import ReportOptions, content
from survey.report.folder import open_run
from survey.report.paper.report import report_pdf
from survey.report.paper.typeset import Drawings, typeset


def texts(data: bytes) -> list[str]:
    with pdfium.PdfDocument(data) as document:
        return [page.get_textpage().get_text_range().replace("\r\n", "\n") for page in document]


@pytest.fixture(scope="module")
def english(run) -> bytes:
    return report_pdf(run, ReportOptions())


def test_pages_are_a4_and_numbered_and_carry_the_records_hash(english, run):
    with pdfium.PdfDocument(english) as document:
        for page in document:
            width, height = (v / 72 * 25.4 for v in page.get_size())
            assert (width, height) == pytest.approx((210, 297), abs=0.1)
    pages = texts(english)
    for k, text in enumerate(pages, 1):
        assert f"page {k} of {len(pages)}" in text
        assert content.digest(run.record) in text


def test_everything_of_the_record_is_in_it(english, run):
    whole = "\n".join(texts(english))
    joined = whole.replace("\n", " ")
    for source in run.record.sources:
        assert source.sha256 in whole
    for site in run.record.sites:
        assert site.id in whole
    for finding in run.record.findings:
        assert finding.message in joined
    for version in run.record.software.values():
        assert version in whole
    assert "Chandrapura Limestone <Mine> & Co" in whole
    assert "31,816 to 33,114" in whole
    assert "detect.min_area_m2" in whole


def test_the_same_run_gives_the_same_bytes_whenever_it_was_made(run, english):
    from datetime import UTC, datetime

    clock = run.record.clock.model_copy(update={"started": datetime(2031, 1, 1, tzinfo=UTC), "seconds": 7.0})
    later = run.record.model_copy(update={"clock": clock, "outputs": {"change.tif": "00"}})
    assert report_pdf(open_run(run.path, later), ReportOptions()) == english


def test_hindi_is_set_in_the_shipped_font_and_shaped(run):
    data = report_pdf(run, ReportOptions(language="hi", indian_digits=True))
    raw = pdfium.raw
    with pdfium.PdfDocument(data) as document:
        names = set()
        for page in document:
            for item in page.get_objects(max_depth=8):
                if item.type == raw.FPDF_PAGEOBJ_TEXT:
                    font = raw.FPDFTextObj_GetFont(item)
                    name = ctypes.create_string_buffer(128)
                    raw.FPDFFont_GetBaseFontName(font, name, 128)
                    names.add(name.value.decode())
                    assert raw.FPDFFont_GetIsEmbedded(font) == 1
    assert any("SurveySansDevanagari" in name for name in names)
    # A text layer that copies as it reads: conjuncts and vowel signs come back as they were written.
    whole = "".join(texts(data))
    assert "मानचित्र" in whole
    assert "क्षेत्रवार आयतन" in whole


def test_typst_markup_in_names_is_text():
    data = {"title": "x", "author": "", "language": "en", "job": "#panic(1)", "text": "*a* $b$ #c \\ @d <e>"}
    from importlib.resources import files

    template = files("survey.report") / "templates" / "common.typ"
    pdf = typeset(_Snippet(template), data, Drawings())
    assert "*a* $b$ #c \\ @d <e>" in texts(pdf)[0]


class _Snippet:
    """A template in memory that sets one string of the data."""

    name = "snippet.typ"

    def __init__(self, common: object) -> None:
        self.common = common

    def read_bytes(self) -> bytes:
        return b'#import "common.typ": *\n#let data = json("data.json")\n#show: base.with(data)\n#data.text\n'


def test_a_record_with_nothing_but_findings_is_still_a_report(tmp_path, run):
    bare = run.record.model_copy(
        update={
            "zones": [], "sites": [], "benches": [], "polygons": [], "dismissed": [], "alignment": None,
            "error": None, "settings": {}, "surveys": [], "mine": {},
        }
    )  # fmt: skip
    pages = texts(report_pdf(open_run(tmp_path, bare), ReportOptions()))
    assert "Filed eleven days before" in "\n".join(pages)
