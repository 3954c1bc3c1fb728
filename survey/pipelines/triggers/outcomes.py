"""Field checks: entered by hand, kept for ever, and the hit rate that they give."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from difflib import get_close_matches
from typing import Any

from survey.errors import JobError
from survey.pipelines.triggers.store import VERDICTS, Outcome, Store, latest, wilson


def parse_outcome(text: str) -> tuple[str, str, str | None, str]:
    """(id, verdict, day or None, note) of ``ID=verdict[,YYYY-MM-DD][,note]``.

    Raises
    ------
    JobError
    """
    name, equals, rest = text.partition("=")
    parts = [part.strip() for part in rest.split(",", 2)]
    verdict = parts[0].casefold()
    if not equals or not name.strip() or verdict not in VERDICTS:
        raise JobError(
            f'--outcome: found "{text}"',
            expected=f"ID={'|'.join(VERDICTS)}[,YYYY-MM-DD][,note]",
            mend='Example: --outcome T20250407-3F9A21=confirmed,2025-04-20,"pit 4 m deep, excavator on site"',
        )
    day, note = None, ""
    if len(parts) > 1:
        try:
            day = date.fromisoformat(parts[1]).isoformat()
            note = parts[2] if len(parts) > 2 else ""
        except ValueError:
            note = ", ".join(parts[1:])
    return name.strip(), verdict, day, "".join(c for c in note if c.isprintable())[:500]


def enter_outcomes(store: Store, outcomes: Sequence[str], as_of: str | None) -> None:
    """Keep field checks. Without a day, that of the latest scene stands for it."""
    known = {p.id: p for p in store.published()}
    with store.transaction():
        for text in outcomes:
            name, verdict, day, note = parse_outcome(text)
            if name not in known:
                close = get_close_matches(name, sorted(known), n=1)
                raise JobError(
                    f'--outcome: there is no trigger "{name}" in this watch',
                    mend=f'Did you mean "{close[0]}"?' if close else "See triggers.geojson for the ids.",
                )
            p = known[name].properties
            store.add_outcome(
                Outcome(name, day or as_of or "", verdict, note, p["class"], p["probability"], p["state"])
            )


def hit_rate(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Of the triggers that were checked, how many were right; unclear ones count as neither."""
    last = latest(outcomes)
    right = sum(o.verdict == "confirmed" for o in last.values())
    wrong = sum(o.verdict == "false" for o in last.values())
    lo, hi = wilson(right, right + wrong)
    by_state: dict[str, list[int]] = {}
    for o in last.values():
        if o.verdict != "unclear":
            cell = by_state.setdefault(o.state, [0, 0])
            cell[0] += o.verdict == "confirmed"
            cell[1] += 1
    return {
        "checked": right + wrong,
        "right": right,
        "wrong": wrong,
        "unclear": sum(o.verdict == "unclear" for o in last.values()),
        "share": None if right + wrong == 0 else right / (right + wrong),
        "share_lo": lo,
        "share_hi": hi,
        "by_state": {k: {"right": v[0], "checked": v[1]} for k, v in sorted(by_state.items())},
    }
