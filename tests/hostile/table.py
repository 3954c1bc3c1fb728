"""docs/HOSTILE_INPUT.md, made from the cases that the tests run: ``python tests/hostile/table.py``."""

# ruff: noqa: E501, E402  (imports follow the path that the command line needs)

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from boundary_cases import CASES as BOUNDARIES
from delivery_cases import CASES as DELIVERIES
from hostile_mine import ACCEPT, FLAG, REFUSE, Case
from job_cases import CASES as JOBS
from raster_cases import CASES as RASTERS
from reasons import why

PAGE = HERE.parents[1] / "docs" / "HOSTILE_INPUT.md"

HEAD = """# Hostile input

What arrives is not what was asked for. For each kind of it one decision is taken here, and a test runs the real
command on a delivery of that kind (`tests/hostile/`; this page is made from those cases by
`python tests/hostile/table.py`, and a test fails where the two differ).

* **refuse**: exit code 2, one plain message that names the file, what was found and what to do, and no result.
  Where a number would be wrong.
* **flag**: exit code 0, a result, and a note in the record and in every report that says what is doubtful.
* **accept**: exit code 0 and the same volume as the untouched delivery. Where it is harmless. What had to be
  decided on the way is said in the notes.

The decision is that of `survey excavation`. To `survey check` a file that cannot be used is a finding: where the
last column says so, it ends with exit code 1 and a breach that carries the same message; archives that cannot be
opened at all end with 2 there too.

Every reader is also fed with damaged files by chance, in the tests (a few hundred from fixed seeds) and for longer
by `benchmarks/fuzz_readers.py`: whatever a stranger's bytes are, they end in a result, a note or a refusal, within
limits of time and memory.
"""

SECTIONS = (
    ("Elevation models", RASTERS),
    ("Boundaries and pillars", BOUNDARIES),
    ("Job files, dates, densities, check points, orthomosaics, places for results", JOBS),
    ("Archives and folders", DELIVERIES),
)


def page() -> str:
    lines = [HEAD]
    everything = [case for _, cases in SECTIONS for case in cases]
    counts = ", ".join(
        f"{sum(c.decision == word for c in everything)} {past}"
        for word, past in ((REFUSE, "refused"), (FLAG, "flagged"), (ACCEPT, "accepted"))
    )
    lines.append(f"{len(everything)} cases: {counts}.\n")
    for title, cases in SECTIONS:
        lines += [f"## {title}\n", "| what arrives | decision | why | check |", "|---|---|---|---|"]
        lines += [_row(case) for case in cases]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _row(case: Case) -> str:
    check = {None: "", 0: "0", 1: "1, a breach", 2: "2"}[case.check]
    return f"| {_cell(case.what)} | {case.decision} | {_cell(why(case.id))} | {check} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
