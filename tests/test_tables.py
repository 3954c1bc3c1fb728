"""Tables as strangers write them, and tables that no spreadsheet runs."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.errors import InputRefused, OutputError
from survey.tables import (
    decode_text,
    header_key,
    parse_number,
    plain_digits,
    read_table,
    safe_cell,
    table_from_bytes,
    write_csv,
)

PLAIN = "Pillar No,Easting,Northing\nP1,500000.5,2700000\nP2,500100,2700000.25\n"


def table(text: str, encoding: str = "utf-8", **limits):
    return table_from_bytes(text.encode(encoding), "pillars.csv", **limits)


def codes(t) -> set[str]:
    return {note.code for note in t.notes}


def test_plain(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(PLAIN)
    t = read_table(path)
    assert t.columns == ("Pillar No", "Easting", "Northing")
    assert (len(t), t.lines, t.delimiter, t.decimal, t.encoding) == (2, (2, 3), ",", ".", "utf-8")
    np.testing.assert_array_equal(t.numbers(1), [500000.5, 500100])
    assert t.find("pillar_no") == 0
    assert t.find("height") is None
    assert t.notes == ()


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff"), ("utf-16-le", b""),
     ("utf-16-be", b""), ("utf-32-le", b"\xff\xfe\0\0"), ("utf-8", b"")],
)  # fmt: skip
def test_encodings(encoding, mark):
    t = table_from_bytes(mark + PLAIN.encode(encoding), "a.csv")
    assert t.columns == ("Pillar No", "Easting", "Northing")
    assert t.encoding == encoding


def test_windows_1252_is_said():
    t = table("Name;Höhe\nMüller – Süd;1,5\n", "cp1252")
    assert t.columns == ("Name", "Höhe")
    assert t.rows[0][0] == "Müller – Süd"
    assert "table-encoding" in codes(t)


@pytest.mark.parametrize("delimiter", ["\t", ";", "|", ","])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(delimiter, newline):
    t = table(PLAIN.replace(",", delimiter).replace("\n", newline))
    assert t.delimiter == delimiter
    np.testing.assert_array_equal(t.numbers(2), [2700000, 2700000.25])


def test_excel_names_its_delimiter():
    t = table("sep=;\na;b\n1;2\n")
    assert t.columns == ("a", "b")
    assert t.lines == (3,)


def test_blanks_between_cells():
    t = table("id  east   north\n1  5.5 6.5\n2 7.5    8.5\n")
    np.testing.assert_array_equal(t.numbers(1), [5.5, 7.5])


def test_decimal_commas():
    t = table("p;lat;lon\nA;24,5868;75,1234\nB;24,6;75,2\n")
    assert t.decimal == ","
    np.testing.assert_array_equal(t.numbers(1), [24.5868, 24.6])
    assert "table-decimal-comma" in codes(t)


def test_grouped_thousands():
    t = table('a;b\n"5,12,345.67";1\n"2,712,345.5";1\n')
    np.testing.assert_array_equal(t.numbers(0), [512345.67, 2712345.5])
    t = table("a;b\n2.712.345,5;1\n")
    np.testing.assert_array_equal(t.numbers(0), [2712345.5])


def test_a_number_with_two_readings_is_refused():
    t = table("a;b\n512,345;1\n512,346;1\n")
    assert t.decimal is None
    with pytest.raises(InputRefused, match=r"line 2.*512,345.*only one way"):
        t.numbers(0)


@pytest.mark.parametrize("cells", ["24,5;230.75", "24,5;24.586"])
def test_points_and_commas_mixed_are_refused(cells):
    with pytest.raises(InputRefused, match=r"decimal points.*decimal commas"):
        table(f"a;b\n{cells}\n")


def test_unquoted_decimal_commas_are_refused_with_the_reason():
    with pytest.raises(InputRefused, match=r"line 2 has 4 cells.*separate the cells by semicolons"):
        table("lat,lon\n24,5,75,1\n24,6,75,2\n")


def test_titles_above_the_header_and_blank_lines():
    t = table("Lease of M/s Example\n\nUTM zone 43N\n\nPillar,Easting,Northing\n\nP1,1,2\n,,\nP2,3,4\n")
    assert t.preamble == ("Lease of M/s Example", "UTM zone 43N")
    assert t.columns == ("Pillar", "Easting", "Northing")
    assert [row[0] for row in t.rows] == ["P1", "P2"]
    assert t.lines == (7, 9)


def test_no_header():
    t = table("1,500000.5,2700000.5\n2,500001.5,2700001.5\n")
    assert not t.has_header
    assert len(t) == 2
    np.testing.assert_array_equal(t.numbers(1), [500000.5, 500001.5])


def test_devanagari_headers_and_digits():
    t = table("स्तंभ,अक्षांश,देशांतर\n१,२४.५८,७५.१२\n")
    assert t.find("अक्षांश") == 1
    np.testing.assert_array_equal(t.numbers(1), [24.58])
    assert header_key("देशांतर (पूर्व)") == "देशांतर पूर्व"


def test_quoted_cells_may_hold_the_delimiter_and_headers_a_line_break():
    t = table('"Pillar\nno",note\n1,"a, b"\n')
    assert t.find("pillar no") == 0
    assert t.rows[0][1] == "a, b"


def test_an_open_quotation_mark_is_refused():
    with pytest.raises(InputRefused, match="quotation mark"):
        table('a,b\n1,"x\n2,y\n3,z\n')


def test_two_columns_that_fit_are_refused():
    t = table("lat,lat\n1,2\n")
    with pytest.raises(InputRefused, match="could all be"):
        t.find("lat")
    with pytest.raises(InputRefused, match=r"no column 'lon'; the columns are 'lat', 'lat'"):
        t.find("lon", required=True)


def test_missing_cells():
    t = table("a,b\n1,x\n,y\nNA,z\n-,z\n")
    np.testing.assert_array_equal(np.isnan(t.numbers(0)), [False, True, True, True])
    with pytest.raises(InputRefused, match="line 3: column 'a' is empty"):
        t.numbers(0, required=True)


@pytest.mark.parametrize("bad", ["1e999", "inf", "12 m", "0x10", "1_000", "1.2.3", "--5", "१२क"])
def test_not_numbers(bad):
    t = table(f"a;b\n{bad};1\n")
    with pytest.raises(InputRefused, match="line 2: column 'a' holds"):
        t.numbers(0)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "empty"),
        (b"\n \n\t\n", "empty"),
        (b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00" + bytes(range(256)), "not a text file"),
        (b"\xff\xfea", "announces itself"),
        (b"a,b\n1," + b"x" * 20_000, "characters|field"),
        (b"a,b\n" + b"1," * 600, "cells"),
    ],
)
def test_refused(data, what):
    with pytest.raises(InputRefused, match=what):
        table_from_bytes(data, "a.csv")


def test_limits(tmp_path):
    with pytest.raises(InputRefused, match="larger than"):
        table(PLAIN, max_bytes=10)
    with pytest.raises(InputRefused, match="more than 1 rows"):
        table(PLAIN, max_rows=1)
    with pytest.raises(InputRefused, match="cannot be read"):
        read_table(tmp_path / "missing.csv")
    with pytest.raises(InputRefused, match="cannot be read"):
        read_table(tmp_path)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_a_table_or_a_reason(data):
    try:
        t = table_from_bytes(data, "x.csv")
    except InputRefused:
        return
    assert all(len(row) == len(t.columns) for row in t.rows)
    assert len(t.lines) == len(t.rows)


@settings(max_examples=50, deadline=None)
@given(st.floats(-1e9, 1e9).map(lambda v: round(v, 4)), st.sampled_from([".", ","]), st.booleans())
def test_numbers_survive_their_spelling(value, decimal, grouped):
    text = f"{value:,.4f}" if grouped else f"{value:.4f}"
    if decimal == ",":
        text = text.translate(str.maketrans(",.", ".,"))
    assert parse_number(text, decimal) == value
    devanagari = text.translate({48 + i: 0x966 + i for i in range(10)}).replace("-", "−")
    assert parse_number(devanagari, decimal) == value


def test_text_helpers():
    assert plain_digits("२४\u00a0− 5") == "24 - 5"
    assert math.isnan(parse_number(" "))
    assert parse_number("+5") == 5
    assert parse_number(".5") == 0.5
    assert parse_number("5.") == 5
    assert parse_number(".") is None
    assert decode_text(b"abc", "f")[:2] == ("abc", "utf-8")


# -- writing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "  ="])
def test_formulas_are_disarmed(start):
    assert safe_cell(start + "cmd|' /C calc'!A0") == "'" + start + "cmd|' /C calc'!A0"


def test_numbers_and_gaps():
    assert [safe_cell(v) for v in (-5, -0.25, None, math.nan, True, np.float64(-1.5), np.int64(-3))] == [
        "-5", "-0.25", "", "", "true", "-1.5", "-3",
    ]  # fmt: skip
    assert safe_cell("a=b") == "a=b"
    assert safe_cell("") == ""


cell_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=20)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(cell_text, st.floats(-1e6, 1e6)), max_size=8))
def test_what_is_written_reads_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    write_csv(path, ["name", "value"], rows)
    with path.open(encoding="utf-8", newline="") as file:
        back = list(csv.reader(file))
    assert back[0] == ["name", "value"]
    for (name, value), (got_name, got_value) in zip(rows, back[1:], strict=True):
        assert got_name.removeprefix("'") == name.removeprefix("'")
        assert got_name.lstrip(" \u00a0")[:1] not in tuple("=+-@\t\r\n")
        assert float(got_value) == value


def test_writing_says_why_it_failed(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write_csv(tmp_path / "no" / "a.csv", ["a"], [])
    with pytest.raises(ValueError, match="a row has 2 cells"):
        write_csv(tmp_path / "a.csv", ["a"], [[1, 2]])


def test_byte_order_mark_on_request(tmp_path):
    write_csv(tmp_path / "a.csv", ["अ"], [["x"]], bom=True)
    assert (tmp_path / "a.csv").read_bytes() == b"\xef\xbb\xbf" + "अ\nx\n".encode()
