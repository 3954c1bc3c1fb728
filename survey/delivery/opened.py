"""A delivery, opened: the list of its files, each with the name the sender gave and a path that is safe."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import unicodedata
import weakref
from dataclasses import dataclass, field
from types import TracebackType

from survey.delivery.hashing import hash_all, unchanged
from survey.delivery.limits import DeliveryLimits, Meter
from survey.delivery.names import Numbering, is_rubbish, shown_name
from survey.delivery.unzip import Member, members, open_zip, unpack
from survey.errors import InputRefused
from survey.remark import Remark

_OTHER_ARCHIVES = (
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
)


@dataclass(frozen=True, slots=True)
class DeliveredFile:
    """``display_name``: as sent, folders before it, ``/`` between; unique unless the sender repeated it.

    ``path``: where it lies on this machine; in an unpacked archive its name there is ours.
    """

    display_name: str
    path: str
    bytes: int

    @property
    def name(self) -> str:
        """The last part of its name."""
        return self.display_name.rpartition("/")[2]

    @property
    def folder(self) -> str:
        return self.display_name.rpartition("/")[0]


@dataclass
class Delivery:
    """Files of a folder or archive. Use it in a ``with`` block; whatever it unpacked is removed at its end.

    Removal is also bound to the life of the object and of the interpreter, so an exception or Ctrl-C leaves
    nothing behind.
    """

    name: str
    path: str
    kind: str  # "folder" | "zip"
    files: tuple[DeliveredFile, ...]
    remarks: tuple[Remark, ...]
    unpacked_in: str | None = None
    _cleanup: weakref.finalize | None = field(default=None, repr=False)  # type: ignore[type-arg]

    def __enter__(self) -> Delivery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was unpacked. The paths of ``files`` are dead afterwards."""
        if self._cleanup is not None:
            self._cleanup()

    def find(self, relative_name: str) -> DeliveredFile:
        """The file of that name.

        Spellings of the same letters (NFC, NFD), ``\\`` for ``/``, a leading ``./`` and, if that leaves only
        one, upper and lower case make no difference.

        Raises
        ------
        InputRefused
            There is none, or the sender sent several of that name.
        """
        wanted = _spelt(relative_name)
        found = [file for file in self.files if _spelt(file.display_name) == wanted]
        if not found:
            found = [file for file in self.files if _spelt(file.display_name).casefold() == wanted.casefold()]
        if len(found) == 1:
            return found[0]
        if found:
            raise InputRefused(
                f'holds {len(found)} files called "{relative_name}"', file=self.name, mend="Send one."
            )
        last = wanted.rpartition("/")[2].casefold()
        alike = [file.display_name for file in self.files if file.name.casefold() == last]
        raise InputRefused(
            f'holds no file called "{relative_name}"',
            file=self.name,
            mend=f'Did you mean "{alike[0]}"?' if len(alike) == 1 else None,
        )

    def hashes(self, threads: int = 2) -> dict[str, str]:
        """SHA-256 by display name. Raises InputRefused if a file cannot be read or changes meanwhile."""
        by_path = hash_all([file.path for file in self.files], threads)
        return {file.display_name: by_path[file.path] for file in self.files}


def open_delivery(
    path: str | os.PathLike[str], limits: DeliveryLimits | None = None, *, temp: str | None = None
) -> Delivery:
    """Open a folder or a zip. Zips inside are opened too, as folders of their name.

    Parameters
    ----------
    temp:
        Where to make the private folder for unpacking; the system's place by default.

    Raises
    ------
    InputRefused
        Not a folder or zip, damaged, locked, or beyond the limits. Nothing unpacked is left behind.
    OutputError
        No room to unpack.
    """
    limits = limits or DeliveryLimits()
    absolute = os.path.abspath(os.fspath(path))
    name = os.path.basename(absolute)
    try:
        mode = os.stat(absolute).st_mode
    except OSError as error:
        raise InputRefused(f"cannot be opened ({error.strerror or error})", file=name) from error
    opener = _Opener(name, limits, temp)
    try:
        if stat.S_ISDIR(mode):
            opener.folder(absolute, "", 0)
            kind = "folder"
        elif stat.S_ISREG(mode):
            _refuse_other_kinds(absolute, name)
            with unchanged(absolute, name):
                opener.zip(absolute, name, "", 1)
            kind = "zip"
        else:
            raise InputRefused("is neither a folder nor a file", file=name)
        return opener.delivery(absolute, kind)
    except BaseException:
        opener.discard()
        raise


def _refuse_other_kinds(path: str, name: str) -> None:
    with open(path, "rb") as stream:
        head = stream.read(16)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return
    kind = next((words for magic, words in _OTHER_ARCHIVES if head.startswith(magic)), None)
    raise InputRefused(
        f"is {kind}" if kind else "is not an archive",
        expected="a folder or a zip",
        file=name,
        mend="Pack the files as a plain zip, or deliver the folder.",
    )


class _Opener:
    """Collects files while walking folders and archives."""

    def __init__(self, name: str, limits: DeliveryLimits, temp: str | None) -> None:
        self.name = name
        self.limits = limits
        self.meter = Meter(limits, name)
        self.temp = temp
        self.unpacked_in: str | None = None
        self.cleanup: weakref.finalize | None = None  # type: ignore[type-arg]
        self.numbers = Numbering()
        self.files: list[DeliveredFile] = []
        self.left_out: list[str] = []
        self.renamed: list[str] = []

    # -- folders ---------------------------------------------------------------------------------------
    def folder(self, path: str, shown: str, depth: int) -> None:
        if depth > self.limits.folders_deep:
            raise InputRefused(f"nests folders more than {self.limits.folders_deep} deep", file=self.name)
        try:
            with os.scandir(path) as entries:
                listed = sorted(entries, key=lambda entry: unicodedata.normalize("NFC", entry.name))
        except OSError as error:
            raise InputRefused(
                f'its folder "{shown or self.name}" cannot be read ({error.strerror})', file=self.name
            ) from error
        for entry in listed:
            # A name that is not text on this system must not break messages or records.
            text = os.fsencode(entry.name).decode("utf-8", "replace")
            called, harmless = shown_name(f"{shown}/{text}" if shown else text)
            if is_rubbish(called):
                continue
            if not harmless:
                self.renamed.append(called)
            if entry.is_symlink():
                self.left_out.append(f'"{called}": it is a link')
            elif entry.is_dir(follow_symlinks=False):
                self.folder(entry.path, called, depth + 1)
            elif entry.is_file(follow_symlinks=False):
                self.meter.file()
                if _is_zip(entry.path, called):
                    self.zip(entry.path, called, called, 1)
                else:
                    size = entry.stat(follow_symlinks=False).st_size
                    self.files.append(DeliveredFile(called, entry.path, size))
            else:
                self.left_out.append(f'"{called}": it is not a regular file')

    # -- archives --------------------------------------------------------------------------------------
    def zip(self, path: str, name: str, shown: str, depth: int) -> None:
        if depth > self.limits.depth:
            raise InputRefused(
                f'"{name}" is an archive inside {depth - 1} others',
                expected=f"at most {self.limits.depth} archives inside each other",
                file=self.name,
            )
        with open(path, "rb") as stream, open_zip(stream, name, self.meter) as archive:
            listed = members(archive, name, self.meter)
            self._room(sum(member.info.file_size for member in listed), name)
            keep = self._without_copies(listed)
            for member in keep:
                called = f"{shown}/{member.shown}" if shown else member.shown
                if not member.harmless_name:
                    self.renamed.append(called)
                if member.problem is not None:
                    self.left_out.append(f'"{called}": {member.problem}')
                    continue
                target = os.path.join(self._folder(), self.numbers.name_for(called))
                length = unpack(archive, member, target, name, self.meter)
                if _is_zip(target, member.shown):
                    self.zip(target, called, called, depth + 1)
                    os.unlink(target)
                else:
                    self.files.append(DeliveredFile(called, target, length))

    def _without_copies(self, listed: list[Member]) -> list[Member]:
        """Drop members that repeat an earlier one of the same name, length and checksum."""
        seen: set[tuple[str, int, int]] = set()
        kept = []
        for member in listed:
            key = (member.shown, member.info.file_size, member.info.CRC)
            if key not in seen:
                kept.append(member)
            seen.add(key)
        return kept

    def _folder(self) -> str:
        if self.unpacked_in is None:
            # mkdtemp makes it readable for us alone.
            self.unpacked_in = tempfile.mkdtemp(prefix="survey-delivery-", dir=self.temp)
            self.cleanup = weakref.finalize(self, shutil.rmtree, self.unpacked_in, ignore_errors=True)
        return self.unpacked_in

    def _room(self, declared: int, name: str) -> None:
        """Refuse early what would not fit; the meter still counts what really comes out."""
        free = shutil.disk_usage(self._folder()).free
        if declared > free * self.limits.free_share:
            raise InputRefused(
                f"needs {declared / 1e9:,.1f} GB to unpack, and {free / 1e9:,.1f} GB are free",
                file=name,
                mend="Free disk space, or set TMPDIR to a disk with more.",
            )

    # -- end -------------------------------------------------------------------------------------------
    def delivery(self, path: str, kind: str) -> Delivery:
        if not self.files:
            raise InputRefused("holds no files", file=self.name, mend="Send the survey's files.")
        remarks = []
        if self.left_out:
            remarks.append(Remark("left-out", f"left out: {_listed(self.left_out)}", "serious"))
        if self.renamed:
            remarks.append(
                Remark(
                    "unsafe-names",
                    "names that lead outside the delivery or hide characters are shown otherwise: "
                    + _listed(_quoted(self.renamed)),
                    "serious",
                )
            )
        counts: dict[str, int] = {}
        for file in self.files:
            counts[_spelt(file.display_name)] = counts.get(_spelt(file.display_name), 0) + 1
        twice = sorted(name for name, count in counts.items() if count > 1)
        if twice:
            remarks.append(
                Remark(
                    "repeated-names",
                    f"sent more than once with different contents: {_listed(_quoted(twice))}",
                    "serious",
                )
            )
        ordered = tuple(sorted(self.files, key=lambda file: (file.display_name, file.path)))
        made = Delivery(self.name, path, kind, ordered, tuple(remarks), self.unpacked_in)
        if self.cleanup is not None and self.unpacked_in is not None:
            # From now on the folder lives as long as the delivery does.
            made._cleanup = weakref.finalize(made, shutil.rmtree, self.unpacked_in, ignore_errors=True)
            self.cleanup.detach()
        return made

    def discard(self) -> None:
        if self.cleanup is not None:
            self.cleanup()


def _is_zip(path: str, shown: str) -> bool:
    """An archive to be opened. KMZ, workbooks and the like are zips too, and files in their own right."""
    if not shown.lower().endswith(".zip"):
        return False
    try:
        with open(path, "rb") as stream:
            return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    except OSError:
        return False


def _spelt(name: str) -> str:
    parts = unicodedata.normalize("NFC", name.replace("\\", "/")).split("/")
    return "/".join(part for part in parts if part not in ("", "."))


def _quoted(names: list[str]) -> list[str]:
    return [f'"{name}"' for name in names]


def _listed(names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
