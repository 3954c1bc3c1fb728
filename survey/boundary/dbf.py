"""dBASE tables, as far as shapefiles use them: text, numbers, dates, logical values."""

from __future__ import annotations

import codecs
import math
import re
import struct
from typing import Any

from survey.errors import InputRefused

_PAGES = {0x01: "cp437", 0x02: "cp850", 0x03: "cp1252", 0x57: "cp1252", 0x58: "cp1252", 0x59: "cp1252"}


def read_dbf(data: bytes, encoding: str | None = None) -> list[dict[str, Any] | None]:
    """Rows by field name; None for a row marked as deleted. Empty and unreadable values are None.

    ``encoding`` is what the ``.cpg`` says; without one that is known the table's own mark counts, then UTF-8
    where the bytes are, then Windows-1252.

    Raises
    ------
    InputRefused
        Damaged or cut short.
    """
    if len(data) < 33:
        raise InputRefused("it is cut short")
    count, header, size = struct.unpack_from("<IHH", data, 4)
    fields: list[tuple[str, str, int, int]] = []
    at, offset = 32, 1
    codec = _codec(encoding, data[29])
    while at + 32 <= min(header, len(data)) and data[at] != 0x0D:
        name = _text(data[at : at + 11].split(b"\0")[0], codec)
        length = data[at + 16]
        fields.append((name, chr(data[at + 11]), offset, length))
        offset += length
        at += 32
    if not fields or size < 1 or offset > size or header + count * size > len(data):
        raise InputRefused("it is damaged or cut short")
    rows: list[dict[str, Any] | None] = []
    for i in range(count):
        row = data[header + i * size : header + (i + 1) * size]
        if row[:1] == b"*":
            rows.append(None)
            continue
        rows.append({name: _value(row[o : o + n], kind, codec) for name, kind, o, n in fields})
    return rows


def _codec(encoding: str | None, mark: int) -> str | None:
    for name in (encoding, f"cp{encoding}" if encoding else None, _PAGES.get(mark)):
        if name:
            found = re.sub(
                r"(?i)^(?:ansi|iso)\s*[-_]?\s*(?=\d)", lambda m: "cp" if m[0][0] in "aA" else "iso", name
            )
            try:
                return codecs.lookup(found).name
            except LookupError:
                continue
    return None


def _text(raw: bytes, codec: str | None) -> str:
    raw = raw.strip(b" \0")
    if codec is not None:
        return raw.decode(codec, errors="replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _value(raw: bytes, kind: str, codec: str | None) -> Any:
    text = _text(raw, codec)
    if not text or set(text) == {"*"}:
        return None
    if kind in "NF":
        try:
            number = float(text)
        except ValueError:
            return None
        if not math.isfinite(number):
            return None
        return int(number) if re.fullmatch(r"[+-]?\d+", text) else number
    if kind == "D" and re.fullmatch(r"\d{8}", text):
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    if kind == "L":
        return {"t": True, "y": True, "f": False, "n": False}.get(text.lower())
    return text
