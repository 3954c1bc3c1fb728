"""docs/RELIABILITY.md names the test of every promise; they must exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_page_names_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "RELIABILITY.md").read_text("utf-8"))
    assert len(named) > 35
    missing = [f"{f}::{t}" for f, t in named if f"def {t}(" not in (ROOT / f).read_text("utf-8")]
    assert missing == []


def test_every_fault_that_is_caused_stands_on_the_page():
    page = (ROOT / "docs" / "RELIABILITY.md").read_text("utf-8")
    for file in ("test_killed.py", "test_cluster_faults.py"):
        for name in re.findall(r"^def (test_\w+)", (Path(__file__).parent / file).read_text("utf-8"), re.M):
            assert name in page
