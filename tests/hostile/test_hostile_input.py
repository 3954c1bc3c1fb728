"""Every case of docs/HOSTILE_INPUT.md through the real commands."""

from __future__ import annotations

import csv

import pytest
from hostile_mine import ACCEPT, FLAG, REFUSE
from table import SECTIONS

CASES = [case for _, cases in SECTIONS for case in cases]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_excavation(case, mine, base_cut_m3):
    case.change(mine)
    ended = mine.run()
    if case.decision == REFUSE:
        assert ended.code == 2, (ended.code, ended.record and ended.cut_m3)
        assert ended.record is None
        assert case.says.casefold() in ended.said.casefold()
        # One message, and nothing of the machine in it.
        assert 0 < len(ended.said) < 4000
        return
    assert ended.code == 0, ended.said
    assert case.says.casefold() in ended.remarks.casefold()
    if case.decision == ACCEPT:
        assert ended.cut_m3 == pytest.approx(base_cut_m3, rel=case.within)
    else:
        assert case.decision == FLAG
        # Doubtful is said or shown: a note beyond those of the untouched mine, or ground that is missing.
        assert case.says or any(z.missing_m2 > 1 for z in ended.record.zones if z.zone == "lease")


@pytest.mark.parametrize("case", [c for c in CASES if c.check is not None], ids=str)
def test_check(case, mine):
    """What excavation refuses, a check reports: the exit code says that the filing breaches."""
    case.change(mine)
    ended = mine.run("check")
    assert ended.code == case.check, ended.said
    if case.check == 2:
        assert ended.record is None
        return
    assert ended.record is not None
    assert any(f.verdict == "breaches" for f in ended.record.findings)


def test_a_formula_stays_text_in_every_table(mine):
    """Names of pillars and of the mine reach spreadsheets as text."""
    next(c for c in CASES if c.id == "pillars-formula").change(mine)
    mine.text(
        "job.toml", mine.job.read_text(encoding="utf-8") + '[mine]\nname = "=1+1"\nlessee = "@SUM(A1)"\n'
    )
    ended = mine.run("check")
    assert ended.record is not None
    tables = list((mine.out / "H-1").glob("*.csv"))
    assert tables
    for table in tables:
        for row in csv.reader(table.read_text(encoding="utf-8-sig").splitlines()):
            assert not any(
                cell.startswith(("=", "+", "-", "@", "\t")) for cell in row if not _number(cell)
            ), row


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_two_jobs_of_one_id_are_refused_before_anything_runs(mine):
    mine.text("other.toml", mine.job.read_text(encoding="utf-8"))
    from survey.pipelines.commands import guarded
    from survey.pipelines.do import do_jobs
    from survey.pipelines.options import Options

    options = Options(out=mine.out, workers=1, change=False, reports="none", verbosity=-1)
    code = guarded(lambda: do_jobs("excavation", [mine.job, mine.folder / "other.toml"], options), 0)
    assert code == 2
    assert "H-1" in mine.capsys.readouterr().err
    assert not list(mine.out.glob("*/record.json"))


def test_a_world_file_that_changes_is_another_input(mine):
    """What lies beside a file decides where it lies: a kept result must not outlive it."""
    next(c for c in CASES if c.id == "place-world-file").change(mine)
    first = mine.run()
    assert {"after.tfw", "after.prj"} <= {s.path for s in first.record.sources}
    mine.text("after.tfw", (mine.folder / "after.tfw").read_text().replace("500000.5", "500004.5"))
    again = mine.run(force=True)
    assert again.code == 0, again.said
    assert again.record.alignment.east_m == pytest.approx(first.record.alignment.east_m - 4, abs=0.1)
    digests = {first.record.settings["digest"], again.record.settings["digest"]}
    assert len(digests) == 2
