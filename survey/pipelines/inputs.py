"""The files of a job, found, hashed and described: what the record calls its sources."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survey.errors import InputRefused
from survey.pipelines.job import Job
from survey.record import Source

if TYPE_CHECKING:
    from survey.delivery import Delivery, Hashing
    from survey.dem.surface import Surface


_HAVE_SIDECARS = (".tif", ".jp2", ".shp", ".dat", ".img")
_NEVER_READ = (".ovr", ".rrd", ".sbn", ".sbx", ".shp.xml")


@dataclass
class Inputs:
    """Where the job's files lie on this machine, and what is known of each.

    ``described`` collects, per name in the job, what opening a file told of it.
    """

    job: Job
    delivery: Delivery | None
    described: dict[str, dict[str, object]] = field(default_factory=dict)
    comparison: Any = field(default=None, repr=False)
    """What comparing the surveys gave, once somebody did: several tasks of a run want it."""
    seen: dict[str, tuple[int, int, int] | None] = field(default_factory=dict, repr=False)
    """Size, time and inode of each file when it was hashed."""
    sidecars: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    """Files beside each file that say something of it, by the names under which they were hashed."""
    _paths: dict[str, Path] = field(default_factory=dict)
    _folders: list[Path] = field(default_factory=list)
    _scratch: Path | None = field(default=None, repr=False)
    _hashes: dict[str, str] = field(default_factory=dict)
    _hashing: Hashing | None = field(default=None, repr=False)
    _ours: dict[str, Path] = field(default_factory=dict, repr=False)

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file, by its name in the job; waits until the last is known.

        Raises
        ------
        InputRefused
            A file cannot be read to its end, or changed meanwhile.
        """
        hashing = self._hashing
        if hashing is not None:
            try:
                found = hashing.found()
                self._hashes |= {name: found[str(path)] for name, path in self._ours.items()}
            finally:
                hashing.close()
                self._hashing = None
        return self._hashes

    def same_bytes(self, one: str, other: str) -> bool:
        """Whether two files of the job are known to be the same, byte by byte."""
        a, b = self.seen.get(one), self.seen.get(other)
        if a is not None and b is not None and a[0] != b[0]:
            return False
        found = self.hashes.get(one)
        return found is not None and found == self.hashes.get(other)

    def path(self, name: str) -> Path:
        """The file of that name.

        Raises
        ------
        InputRefused
            There is none.
        """
        if name not in self._paths:
            if self.job.is_remote(name):
                self._paths[name] = self._fetched(name)
            else:
                self._paths[name] = self.job.resolve(name, self.delivery)
        return self._paths[name]

    def _fetched(self, name: str) -> Path:
        """A copy of a raster that lies elsewhere; it is hashed as it comes, and goes with :meth:`close`."""
        from survey.delivery.remote import fetch

        folder = Path(tempfile.mkdtemp(prefix="survey-remote-"))
        self._folders.append(folder)
        found = fetch(name, folder)
        self._hashes[name] = found.sha256
        return found.path

    def scratch(self) -> Path | None:
        """A folder of this machine for what is worked out of the inputs; it goes with :meth:`close`.

        None where there is no room for one: nothing depends on it but speed.
        """
        if self._scratch is None:
            try:
                self._scratch = Path(tempfile.mkdtemp(prefix="survey-unpacked-"))
            except OSError:
                return None
            self._folders.append(self._scratch)
        return self._scratch

    def close(self) -> None:
        """Remove what was fetched or unpacked, and stop hashing."""
        hashing, self._hashing = self._hashing, None
        if hashing is not None:
            hashing.close()
        while self._folders:
            shutil.rmtree(self._folders.pop(), ignore_errors=True)

    def describe_surface(self, name: str, surface: Surface) -> None:
        self.described[name] = {
            "crs": surface.crs_name or surface.grid.crs.name,
            "cell_m": surface.grid.cell_m,
            "height": None if surface.heights is None else surface.heights.name,
            "detail": {
                "dtype": surface.dtype,
                "compression": surface.compression,
                "rows": surface.grid.height,
                "cols": surface.grid.width,
                "height_unit": surface.height_unit,
                "notes": [str(note) for note in surface.notes],
            },
        }

    def unchanged(self) -> None:
        """What was hashed is still what lies there, so that the record names what was read.

        Raises
        ------
        InputRefused
            A file was changed, replaced or removed while the job ran.
        """
        for name, before in self.seen.items():
            if _identity(self._paths[name]) != before:
                raise InputRefused(
                    "the file was changed or removed while the job ran",
                    file=name,
                    mend="Run again when nothing writes to it.",
                )

    def hash_files(self, names: Iterable[str], threads: int) -> None:
        """Hash these files and remember what they were.

        Raises
        ------
        InputRefused
            One cannot be read, or changed meanwhile.
        """
        self.begin_hashing(names, threads)
        _ = self.hashes

    def begin_hashing(self, names: Iterable[str], threads: int) -> None:
        """As :meth:`hash_files`, but hashing goes on beside what is done next; ``hashes`` waits for it.

        Raises
        ------
        InputRefused
            One cannot be opened.
        """
        from survey.delivery import Hashing

        known = self.hashes
        plain = {name: path for name in dict.fromkeys(names) if (path := self.path(name)).is_file()}
        for name, path in list(plain.items()):
            beside = self._beside(name, path)
            self.sidecars[name] = tuple(beside)
            plain |= beside
        self.seen |= {name: _identity(path) for name, path in plain.items()}
        # What was fetched was hashed on its way here.
        self._ours = {
            name: path for name, path in plain.items() if name not in known or not self.job.is_remote(name)
        }
        self._hashing = Hashing([str(p) for p in self._ours.values()], threads)

    def _beside(self, name: str, path: Path) -> dict[str, Path]:
        """Files that say something of this one (world files, .prj, .dbf …), by the name to call them.

        Whether they will be believed is known only when the file is opened; a result must not outlive them.
        """
        from survey.delivery.names import is_sidecar, split_stem

        if not path.suffix.casefold().startswith(_HAVE_SIDECARS):
            return {}
        stem = split_stem(path.name)[0].casefold()
        shown = {f.path: f.display_name for f in self.delivery.files} if self.delivery is not None else {}
        found = {}
        try:
            entries = sorted(os.listdir(path.parent))
        except OSError:
            return {}
        for entry in entries:
            other = path.parent / entry
            if (
                entry != path.name
                and is_sidecar(entry)
                and not entry.casefold().endswith(_NEVER_READ)
                and split_stem(entry)[0].casefold() == stem
                and not other.is_symlink()
                and other.is_file()
                and _tells(other)
            ):
                called = shown.get(str(other)) or f"{name[: len(name) - len(path.name)]}{entry}"
                self._paths.setdefault(called, other)
                found[called] = other
        return found

    def digest_inputs(self) -> dict[str, str]:
        """Name and SHA-256 of every file, for the digest of the run."""
        return dict(sorted(self.hashes.items()))

    def sources(self) -> list[Source]:
        """Every input in the order of the job file, each followed by the files beside it that tell of it."""
        out = []
        named = {entry.name for entry in self.job.files()}
        for entry in self.job.files():
            if entry.name not in self.hashes:
                continue
            known = dict(self.described.get(entry.name, {}))
            out.append(
                Source(
                    role=entry.role,
                    survey=None if entry.survey is None else entry.survey.isoformat(),
                    path=Path(entry.name).name if Path(entry.name).is_absolute() else entry.name,
                    sha256=self.hashes[entry.name],
                    bytes=self.path(entry.name).stat().st_size,
                    **known,  # type: ignore[arg-type]
                )
            )
            out += [
                Source(
                    role="sidecar",
                    survey=None if entry.survey is None else entry.survey.isoformat(),
                    path=Path(called).name if Path(called).is_absolute() else called,
                    sha256=self.hashes[called],
                    bytes=self.path(called).stat().st_size,
                )
                for called in self.sidecars.get(entry.name, ())
                if called in self.hashes and called not in named
            ]
        return out


@contextmanager
def open_inputs(job: Job, roles: frozenset[str] | None = None, threads: int = 2) -> Iterator[Inputs]:
    """Unpack the delivery if there is one, and begin to hash every file that the job names.

    ``roles`` limits this to files of those roles. One of ``threads`` is left to what is done meanwhile.
    """
    from survey.delivery import open_delivery

    delivery = inputs = None
    try:
        if job.head.delivery is not None:
            delivery = open_delivery(job.resolve(job.head.delivery))
        inputs = Inputs(job, delivery)
        wanted = (f.name for f in job.files() if roles is None or f.role in roles)
        inputs.begin_hashing(wanted, max(1, threads - 1))
        yield inputs
    finally:
        if inputs is not None:
            inputs.close()
        if delivery is not None:
            delivery.close()


def _tells(sidecar: Path) -> bool:
    """Whether a file beside an input can alter what is read of it: one with statistics alone cannot.

    A GIS writes such a file when somebody looks at a raster; a finished run must not look stale for that.
    """
    from survey.rasters.georef import pam_says_where

    if not sidecar.name.casefold().endswith(".aux.xml"):
        return True
    try:
        return pam_says_where(sidecar)
    except OSError:
        return True


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
