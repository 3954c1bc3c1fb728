"""Unpacking zip archives of strangers.

Python's zipfile reads the format; everything it would believe is checked here: the length of the list of
contents before it is read, overlapping members (one kilobyte of data listed a million times), locked
members, links, methods that cannot be read, and every byte that comes out.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, BinaryIO

from survey.delivery.limits import Meter
from survey.delivery.names import is_rubbish, shown_name
from survey.errors import InputRefused, OutputError, SurveyError

CHUNK = 1 << 20
_READABLE = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_METHODS = {
    1: "Shrink",
    6: "Implode",
    9: "Deflate64",
    93: "Zstandard",
    95: "XZ",
    98: "PPMd",
    99: "AES encryption",
}
_MEND = "Pack it again as a plain zip (Deflate, no password), or deliver the folder."


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an archive, as it may be shown. ``problem``: why it is left out, if it is."""

    info: zipfile.ZipInfo
    shown: str
    harmless_name: bool
    problem: str | None


def members(archive: zipfile.ZipFile, name: str, meter: Meter) -> list[Member]:
    """All files of an archive, in its own order.

    Raises
    ------
    InputRefused
        Too many, locked, overlapping, or packed in a way that cannot be read.
    """
    listed: list[Member] = []
    for info in archive.infolist():
        given = true_name(info)
        shown, harmless = shown_name(given)
        if given.endswith(("/", "\\")) or (is_rubbish(shown) and harmless):
            continue
        meter.file()
        mode = info.external_attr >> 16
        problem = None
        if info.create_system == 3 and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            kind = "a link" if stat.S_ISLNK(mode) else "not a regular file"
            problem = f"it is {kind}"
        if info.flag_bits & 0x1:
            raise InputRefused(f'"{shown}" in it is locked with a password', file=name, mend=_MEND)
        if info.compress_type not in _READABLE and problem is None:
            method = _METHODS.get(info.compress_type, f"method {info.compress_type}")
            why = " (Windows Explorer does this to large files)" if info.compress_type == 9 else ""
            raise InputRefused(f'"{shown}" in it is packed with {method}{why}', file=name, mend=_MEND)
        listed.append(Member(info, shown, harmless, problem))
    _refuse_overlap(archive, name)
    return listed


def true_name(info: zipfile.ZipInfo) -> str:
    """A member's name in the encoding its packer used.

    The UTF-8 flag is often missing where the bytes are UTF-8, and zipfile then reads them as CP437.
    Info-ZIP's extra field 0x7075 holds the true name with a checksum of the raw one.
    """
    name = info.orig_filename
    if info.flag_bits & 0x800:
        return name
    try:
        raw = name.encode("cp437")
    except UnicodeEncodeError:
        return name
    extra = info.extra
    while len(extra) >= 4:
        tag, size = struct.unpack("<HH", extra[:4])
        body = extra[4 : 4 + size]
        if (
            tag == 0x7075
            and len(body) > 5
            and body[0] == 1
            and struct.unpack("<I", body[1:5])[0] == zlib.crc32(raw)
        ):
            try:
                return body[5:].decode("utf-8")
            except UnicodeDecodeError:
                break
        extra = extra[4 + size :]
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return name


def open_zip(stream: BinaryIO, name: str, meter: Meter) -> zipfile.ZipFile:
    """Open an archive whose list of contents is of a sane length.

    Raises
    ------
    InputRefused
    """
    size = _list_bytes(stream)
    if size is None:
        raise InputRefused(
            "is not a whole zip archive: its end is missing",
            file=name,
            mend="It was not copied whole, or is a part of several: send it again in one piece.",
        )
    if size > meter.limits.directory_bytes:
        raise InputRefused(f"lists its contents in {size:,} bytes", file=name, mend=_MEND)
    try:
        return zipfile.ZipFile(stream)
    except Exception as error:
        raise InputRefused(
            f"cannot be read as a zip archive ({_short(error)})", file=name, mend=_MEND
        ) from error


def unpack(archive: zipfile.ZipFile, member: Member, target: str, name: str, meter: Meter) -> int:
    """Write a member to ``target``, a new file of ours; return its length.

    Raises
    ------
    InputRefused
        Damaged, longer than declared, or beyond the limits.
    OutputError
        The disk is full.
    """
    info = member.info
    packed = max(info.compress_size, 1)
    try:
        with archive.open(info) as source, _new_file(target, name) as out:
            length = 0
            for chunk in _chunks(source):
                length += len(chunk)
                meter.inflated(len(chunk), length, packed, member.shown)
                _write(out, chunk, name)
    except SurveyError:
        raise
    except Exception as error:
        # A damaged archive makes zipfile and its four decompressors fail in more ways than can be listed.
        raise InputRefused(
            f'"{member.shown}" in it is damaged ({_short(error)})', file=name, mend="Send the archive again."
        ) from error
    if length != info.file_size:
        raise InputRefused(
            f'"{member.shown}" in it has another length than the archive says',
            file=name,
            mend="Send it again.",
        )
    return length


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    while chunk := source.read(CHUNK):
        yield chunk


def _new_file(target: str, name: str) -> BinaryIO:
    # Never through a link, never over something: the folder is ours, but it costs nothing to be sure.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        return os.fdopen(os.open(target, flags, 0o600), "wb")
    except OSError as error:
        raise _no_room(name, error) from error


def _write(out: BinaryIO, chunk: bytes, name: str) -> None:
    try:
        out.write(chunk)
        out.flush()
    except OSError as error:
        raise _no_room(name, error) from error


def _no_room(name: str, error: OSError) -> OutputError:
    return OutputError(
        f"there is no room to unpack it ({error.strerror})",
        file=name,
        mend="Free disk space, or set TMPDIR to a disk with more.",
    )


def _refuse_overlap(archive: zipfile.ZipFile, name: str) -> None:
    """Members must lie one after another. Fifield (2019) packs 281 TB into 10 MB by letting them overlap."""
    spans = sorted(
        (info.header_offset, info.header_offset + 30 + info.compress_size, info.file_size)
        for info in archive.infolist()
    )
    for (_, end, _), (start, _, _) in pairwise(spans):
        if start < end:
            raise InputRefused("lists members that share the same bytes", file=name, mend=_MEND)


def _list_bytes(stream: BinaryIO) -> int | None:
    """Length of the list of contents, from the end record (and its 64-bit form); None if there is none."""
    size = stream.seek(0, os.SEEK_END)
    tail_at = max(0, size - 65_557)
    stream.seek(tail_at)
    tail = stream.read(size - tail_at)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:
        return None
    listed = struct.unpack("<I", tail[at + 12 : at + 16])[0]
    if listed == 0xFFFFFFFF and at >= 20 and tail[at - 20 : at - 16] == b"PK\x06\x07":
        (offset,) = struct.unpack("<Q", tail[at - 12 : at - 4])
        if offset + 56 <= size:
            stream.seek(offset)
            record = stream.read(56)
            if record[:4] == b"PK\x06\x06":
                (listed,) = struct.unpack("<Q", record[40:48])
    stream.seek(0)
    return int(listed)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:160].rstrip(".") or type(error).__name__
