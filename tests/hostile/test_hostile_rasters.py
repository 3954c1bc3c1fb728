"""Every raster case through the real commands."""

from __future__ import annotations

import pytest
from hostile_mine import ACCEPT, FLAG, REFUSE
from raster_cases import CASES


@pytest.mark.parametrize("case", CASES, ids=str)
def test_excavation(case, mine, base_cut_m3):
    case.change(mine)
    ended = mine.run()
    if case.decision == REFUSE:
        assert ended.code == 2, (ended.code, ended.record and ended.cut_m3)
        assert ended.record is None
        assert ended.said.strip()
        assert case.says.casefold() in ended.said.casefold()
        return
    assert ended.code == 0, ended.said
    assert case.says.casefold() in ended.remarks.casefold()
    if case.decision == ACCEPT:
        assert ended.cut_m3 == pytest.approx(base_cut_m3, rel=case.within)
    else:
        assert case.decision == FLAG


@pytest.mark.parametrize("case", [c for c in CASES if c.check is not None], ids=str)
def test_check(case, mine):
    """What excavation refuses, a check reports: the exit code says that the filing breaches."""
    case.change(mine)
    ended = mine.run("check")
    assert ended.code == case.check, ended.said
    assert ended.record is not None
    assert any(f.verdict == "breaches" for f in ended.record.findings)
