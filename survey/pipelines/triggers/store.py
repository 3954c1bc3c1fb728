"""What a watch remembers between runs: products of scenes, triggers as published, field outcomes.

One SQLite file. Every step that must not be half done is one transaction; a product is keyed by the SHA-256
of its scene, so nothing can be counted twice; what hangs on the baseline is dropped when that changes.
The journal is a rollback journal, not a write-ahead log: it needs no shared memory, so that network disks do.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.errors import InputRefused, OutputError

SCHEMA = "mine-survey-watch/1"

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE scene (
  key TEXT PRIMARY KEY,             -- SHA-256 of what was delivered and of how it is read
  day TEXT NOT NULL,                -- ISO date
  name TEXT NOT NULL,
  fit TEXT NOT NULL,                -- JSON: place, light, haze, allowance
  usable INTEGER NOT NULL,
  complete INTEGER NOT NULL DEFAULT 0,
  sources TEXT NOT NULL             -- JSON: files with their hashes
) WITHOUT ROWID;
CREATE TABLE product (
  scene TEXT NOT NULL REFERENCES scene(key) ON DELETE CASCADE,
  row0 INTEGER NOT NULL, col0 INTEGER NOT NULL,
  content BLOB NOT NULL, crc INTEGER NOT NULL,
  PRIMARY KEY (scene, row0, col0)
) WITHOUT ROWID;
CREATE TABLE published (
  id TEXT PRIMARY KEY,
  first_seen TEXT NOT NULL,
  cells BLOB NOT NULL,              -- cells it ever held: zlib of int64, flat index in the watch grid
  properties TEXT NOT NULL          -- JSON: as last published
) WITHOUT ROWID;
CREATE TABLE outcome (
  id TEXT NOT NULL, day TEXT NOT NULL, verdict TEXT NOT NULL, note TEXT NOT NULL,
  class TEXT NOT NULL, probability REAL, state TEXT NOT NULL, number INTEGER NOT NULL,
  PRIMARY KEY (id, number)
) WITHOUT ROWID;
"""

VERDICTS = ("confirmed", "false", "unclear")


@dataclass(frozen=True)
class KeptScene:
    key: str
    day: str
    name: str
    fit: dict[str, Any]
    usable: bool
    complete: bool
    sources: list[dict[str, Any]]


@dataclass(frozen=True)
class Published:
    id: str
    first_seen: str
    cells: NDArray[np.int64]
    properties: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What was found in the field. The last one entered for a trigger counts; all are kept."""

    id: str
    day: str
    verdict: str
    note: str
    kind: str
    probability: float | None
    state: str


class Store:
    """The state of one watch, open for a run."""

    def __init__(self, path: Path) -> None:
        """Open, or make.

        Raises
        ------
        InputRefused
            The file is not a state of this program, or damaged.
        """
        self.path = path
        fresh = not path.exists() or path.stat().st_size == 0
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=20.0)
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.execute("PRAGMA trusted_schema = OFF")
            self._db.execute("PRAGMA journal_mode = DELETE")
            self._db.execute("PRAGMA synchronous = FULL")
            if fresh:
                with self.transaction():
                    for statement in _TABLES.split(";\n"):
                        if statement.strip():
                            self._db.execute(statement)
                    self.put("schema", SCHEMA)
            elif self.get("schema") != SCHEMA:
                raise InputRefused(
                    "is no state of a watch of this version",
                    expected=SCHEMA,
                    file=path,
                    mend="Move it away: the next run builds it anew from the scenes.",
                )
        except sqlite3.DatabaseError as error:
            raise InputRefused(
                f"cannot be read as the state of a watch ({error})",
                file=path,
                mend="Move it away: the next run builds it anew from the scenes.",
            ) from error

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing.

        Raises
        ------
        OutputError
            The disk would not take it.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise OutputError(
                    f"the state of the watch cannot be written ({error})",
                    file=self.path,
                    mend="Free some space, or wait until the other run has ended.",
                ) from error
            raise

    # -- single values -----------------------------------------------------------------------------------
    def get(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    # -- scenes ------------------------------------------------------------------------------------------
    def settle_baseline(self, signature: str) -> bool:
        """Make sure that what is kept belongs to this baseline; True if older products had to be dropped."""
        if self.get("baseline") == signature:
            return False
        with self.transaction():
            had = self._db.execute("SELECT COUNT(*) FROM scene").fetchone()[0]
            self._db.execute("DELETE FROM product")
            self._db.execute("DELETE FROM scene")
            self.put("baseline", signature)
        return bool(had)

    def scenes(self) -> list[KeptScene]:
        """In order of date."""
        rows = self._db.execute(
            "SELECT key, day, name, fit, usable, complete, sources FROM scene ORDER BY day, key"
        )
        return [
            KeptScene(k, d, n, json.loads(f), bool(u), bool(c), json.loads(s)) for k, d, n, f, u, c, s in rows
        ]

    def add_scene(
        self,
        key: str,
        day: str,
        name: str,
        fit: dict[str, Any],
        usable: bool,
        sources: Sequence[dict[str, Any]],
    ) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO scene VALUES (?, ?, ?, ?, ?, 0, ?)",
            (key, day, name, _json(fit), int(usable), _json(list(sources))),
        )

    def drop_scene(self, key: str) -> None:
        self._db.execute("DELETE FROM product WHERE scene = ?", (key,))
        self._db.execute("DELETE FROM scene WHERE key = ?", (key,))

    def complete_scene(self, key: str) -> None:
        self._db.execute("UPDATE scene SET complete = 1 WHERE key = ?", (key,))

    def add_product(self, key: str, row0: int, col0: int, content: bytes) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO product VALUES (?, ?, ?, ?, ?)",
            (key, row0, col0, content, zlib.crc32(content)),
        )

    def tiles_of(self, key: str) -> set[tuple[int, int]]:
        return {(r, c) for r, c in self._db.execute("SELECT row0, col0 FROM product WHERE scene = ?", (key,))}

    def products(self, key: str) -> Iterator[bytes]:
        """In reading order of the tiles, one at a time.

        Raises
        ------
        InputRefused
            The file was damaged since it was written.
        """
        for content, crc in self._db.execute(
            "SELECT content, crc FROM product WHERE scene = ? ORDER BY row0, col0", (key,)
        ):
            if zlib.crc32(content) != crc:
                raise InputRefused(
                    "a product kept in the state is damaged",
                    file=self.path,
                    mend="Move the state away: the next run builds it anew from the scenes.",
                )
            yield content

    # -- what was published ------------------------------------------------------------------------------
    def published(self) -> list[Published]:
        out = []
        for key, first, cells, properties in self._db.execute(
            "SELECT id, first_seen, cells, properties FROM published ORDER BY first_seen, id"
        ):
            out.append(
                Published(key, first, np.frombuffer(zlib.decompress(cells), "<i8"), json.loads(properties))
            )
        return out

    def publish(self, triggers: Iterable[Published]) -> None:
        for t in triggers:
            cells = zlib.compress(np.sort(t.cells).astype("<i8").tobytes(), 6)
            self._db.execute(
                "INSERT OR REPLACE INTO published VALUES (?, ?, ?, ?)",
                (t.id, t.first_seen, cells, _json(t.properties)),
            )

    # -- outcomes ----------------------------------------------------------------------------------------
    def add_outcome(self, outcome: Outcome) -> None:
        number = self._db.execute("SELECT COUNT(*) FROM outcome WHERE id = ?", (outcome.id,)).fetchone()[0]
        self._db.execute(
            "INSERT INTO outcome VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                outcome.id,
                outcome.day,
                outcome.verdict,
                outcome.note,
                outcome.kind,
                outcome.probability,
                outcome.state,
                number,
            ),
        )

    def outcomes(self) -> list[Outcome]:
        """All that were entered, in order of trigger and entry."""
        rows = self._db.execute(
            "SELECT id, day, verdict, note, class, probability, state FROM outcome ORDER BY id, number"
        )
        return [Outcome(*row) for row in rows]

    def copy_to(self, path: Path) -> None:
        """A compact, consistent copy with nothing of its history in it: equal states give equal files."""
        if path.exists():
            path.unlink()
        try:
            self._db.execute("VACUUM INTO ?", (os.fspath(path),))
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as copy:
                # The copy counts how often its forebears were copied; that is no part of the state.
                copy.execute("PRAGMA schema_version = 1")
        except sqlite3.OperationalError as error:
            raise OutputError(
                f"the state of the watch cannot be written ({error})", file=path, mend="Free some space."
            ) from error


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def latest(outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    """The outcome that counts for each trigger."""
    return {o.id: o for o in outcomes}


def wilson(hits: int, of: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927); (0, 1) when nothing was checked."""
    if of == 0:
        return 0.0, 1.0
    p = hits / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * np.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
