"""Papers of dispatch: what counts, what cannot be right."""

from __future__ import annotations

from datetime import date

import pytest

from survey.errors import InputRefused
from survey.volumetrics.challans import read_challans, sum_up

TABLE = """challan no,date,tonnes,lease,longitude,latitude,trip status
A1,2024-05-01,20,ML 1,74.001,26.001,completed
A2,2024-06-01,30,ML 1,74.001,26.001,not started
A3,2024-07-01,25,ML 1,75.500,26.001,completed
A4,2024-08-01,40,ML 1,74.001,26.001,cancelled
A1,2024-05-01,20,ML 1,74.001,26.001,completed
A5,2025-09-01,10,ML 2,74.001,26.001,completed
"""


def written(tmp_path, text, name="c.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_sums_by_hand(tmp_path):
    papers = read_challans(written(tmp_path, TABLE))
    assert papers.has_places
    assert papers.has_trips
    rows = papers.in_period(date(2024, 4, 1), date(2025, 3, 31))
    sums = sum_up(rows, lambda row: row.east < 75, "ml-1")
    assert sums.tonnes == 45  # A1 and A3; A2 never left, A4 was cancelled
    assert [r.number for r in sums.never_left] == ["A2"]
    assert [r.number for r in sums.elsewhere] == ["A3"]
    assert sums.twice == ("A1",)
    assert sums.cancelled == 1


def test_tonnes_per_lease(tmp_path):
    sums = sum_up(read_challans(written(tmp_path, TABLE)).rows, None)
    assert dict(sums.by_lease) == {"ML 1": 45.0, "ML 2": 10.0}


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("no,date,tonnes\n1,05/04/2024,1\n2,25/04/2024,1\n", date(2024, 4, 5)),
        ("no,date,tonnes\n1,04/05/2024,1\n2,04/25/2024,1\n", date(2024, 4, 5)),
        ("no,date,tonnes\n1,2024-04-05 10:11,1\n", date(2024, 4, 5)),
        ("no;date;tonnes\n1;05.04.2024;1,5\n2;06.04.2024;2,25\n", date(2024, 4, 5)),
    ],
)
def test_days_as_people_write_them(tmp_path, text, day):
    assert read_challans(written(tmp_path, text)).rows[0].day == day


def test_cells_that_cannot_be_read_are_listed_and_count_nothing(tmp_path):
    text = "no,date,tonnes\n1,2024-04-05,ten\n2,soon,5\n3,2024-04-06,-4\n4,2024-04-06,nan\n"
    papers = read_challans(written(tmp_path, text))
    assert len(papers.unread) >= 3
    assert sum_up(papers.rows, None).tonnes == 5


def test_a_table_without_tonnes_is_refused(tmp_path):
    with pytest.raises(InputRefused, match="tonnes"):
        read_challans(written(tmp_path, "a,b\n1,2\n"))
