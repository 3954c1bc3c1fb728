"""The record as it is written: settled, with the hashes of all files, a sound clock and a seal."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import TYPE_CHECKING, Any

from survey.archive import RECORD, RunFolder

if TYPE_CHECKING:
    from survey.record import Clock, Record

CLOCK_SLACK_S = 120.0
"""What is done before a run has a folder (hashing, reading scenes) may take so long."""


def law_digest() -> str:
    """SHA-256 over the tables of law that this installation holds."""
    tables = resources.files("survey") / "law"
    state = hashlib.sha256()
    if tables.is_dir():
        for table in sorted(tables.iterdir(), key=lambda entry: entry.name):
            if table.name.endswith(".toml"):
                state.update(table.name.encode() + b"\0" + table.read_bytes() + b"\0")
    return state.hexdigest()


def settled(folder: RunFolder, record: Record) -> Record:
    """The record with its numbers rounded as they will be written, for whatever is drawn from it.

    What is drawn now and what is drawn later from ``record.json`` are then the same to the last byte and name
    one record.
    """
    from survey.record import canonical, from_plain

    settings = dict(record.settings) | {"law_digest": law_digest()}
    if folder.digest is not None:
        settings["digest"] = folder.digest
    return from_plain(canonical(record.model_copy(update={"settings": settings})))


def write_record(folder: RunFolder, record: Record, took: Mapping[str, float] | None = None) -> Record:
    """Write ``record.json`` as the last file, with the hashes of all others; the record as written.

    ``took``: seconds of each stage of the run, for its clock.
    """
    from survey.record import canonical, indented

    clock = ended(record.clock, datetime.now(UTC), took or {})
    whole = settled(folder, record)
    whole = whole.model_copy(
        update={
            "outputs": folder.outputs(),
            "clock": sound_clock(clock, time.monotonic() - folder.began),
        }
    )
    said = canonical(whole)
    seal = seal_of(said)
    said["settings"]["seal"] = seal
    folder.write_text(RECORD, indented(said) + "\n")
    return whole.model_copy(update={"settings": whole.settings | {"seal": seal}})


def seal_of(raw: Mapping[str, Any]) -> str:
    """SHA-256 of all that a record says, but for its clock and the seal itself.

    It tells a file that was damaged or edited by hand. Whoever forges one can compute it too: against that
    stands the signature.
    """
    settings = {name: value for name, value in raw.get("settings", {}).items() if name != "seal"}
    said = {name: value for name, value in raw.items() if name != "clock"} | {"settings": settings}
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def ended(clock: Clock, now: datetime, took: Mapping[str, float]) -> Clock:
    """The clock of a run that ends now: drawing took its time too."""
    stages = {name: round(seconds, 3) for name, seconds in took.items()}
    seconds = (now - clock.started).total_seconds()
    return clock.model_copy(update={"finished": now, "seconds": seconds, "stages": stages})


def sound_clock(clock: Clock, seconds: float) -> Clock:
    """The clock of a run that took so many seconds: one that jumped meanwhile is not believed."""
    if abs(clock.seconds - seconds) <= max(CLOCK_SLACK_S, 0.5 * seconds):
        return clock
    finished = clock.started + timedelta(seconds=seconds)
    return clock.model_copy(update={"finished": finished, "seconds": seconds})
