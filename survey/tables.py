"""Tables of text (CSV) as people send them, read without guessing at their numbers; and written safely.

Encoding, delimiter, header row and decimal sign are found from the whole file and said in ``notes``. Where
two readings fit (is ``512,345`` half a thousand or half a million?) the table is refused.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from survey.errors import InputRefused, OutputError
from survey.remark import Remark

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_BYTES = 64 * 2**20
MAX_ROWS = 1_000_000
MAX_COLUMNS = 500
MAX_CELL = 10_000
MAX_CELLS = 8_000_000

_DELIMITERS = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas"}  # in order of preference
_MISSING = {"", "-", "--", "–", "—", "na", "n/a", "n.a.", "nan", "null", "none", "nil", "#n/a"}
_MINUS = str.maketrans(
    dict.fromkeys("\u2212\u2013\u2010\u2011\ufe63\uff0d", "-") | {"\uff0b": "+", "\uff0e": ".", "\uff0c": ","}
)
_NUMERIC = re.compile(r"[+-]?[\d., ]*\d[\d., ]*(?:[eE][+-]?\d+)?")
_LONGEST_NUMBER = 60
_GROUPS = r"\d{1,3}(?:G\d{2,3})*G\d{3}"


@dataclass(frozen=True)
class Table:
    """The cells of a file, trimmed, as text.

    ``lines[i]`` is the line of the file on which row ``i`` ends; ``preamble`` holds titles that stood above
    the header. Without a header row ``columns`` are empty strings.
    """

    file: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    preamble: tuple[str, ...]
    encoding: str
    delimiter: str
    decimal: str | None  # "." or ","; None where no number of the file tells
    has_header: bool
    notes: tuple[Remark, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def find(self, *names: str, required: bool = False) -> int | None:
        """The column whose header is one of ``names`` (see :func:`header_key`).

        Raises
        ------
        InputRefused
            Two columns fit, or none does and it is required.
        """
        wanted = {header_key(name) for name in names}
        found = [i for i, column in enumerate(self.columns) if header_key(column) in wanted]
        if len(found) > 1:
            raise InputRefused(
                f"the columns {_listed(self.columns[i] for i in found)} could all be {names[0]!r}",
                file=self.file,
                mend="Keep one of them.",
            )
        if not found and required:
            raise InputRefused(
                f"there is no column {names[0]!r}; the columns are {_listed(self.columns)}",
                expected=f"one of {_listed(names)}",
                file=self.file,
            )
        return found[0] if found else None

    def text(self, column: int) -> list[str]:
        return [row[column] for row in self.rows]

    def numbers(self, column: int, *, required: bool = False) -> NDArray[np.float64]:
        """A column as numbers; empty cells are NaN.

        Raises
        ------
        InputRefused
            A cell is not a number, or is empty though ``required``; the line is named.
        """
        import numpy as np

        values = np.empty(len(self.rows), np.float64)
        for i, row in enumerate(self.rows):
            value = parse_number(row[column], self.decimal)
            if value is None or (required and math.isnan(value)):
                what = "is empty" if is_missing(row[column]) else f"holds {_short(row[column])}, not a number"
                raise InputRefused(
                    f"line {self.lines[i]}: column {self.name(column)} {what}"
                    + ("" if self.decimal or "," not in row[column] else " that can be read in only one way"),
                    file=self.file,
                )
            values[i] = value
        return values

    def name(self, column: int) -> str:
        return repr(self.columns[column]) if self.columns[column] else str(column + 1)


def read_table(
    path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES, max_rows: int = MAX_ROWS
) -> Table:
    """Read a delimited text file.

    Raises
    ------
    InputRefused
        Unreadable, too large, binary, empty, ragged, or with numbers that can be read in two ways.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise InputRefused(f"cannot be read ({error.strerror or error})", file=os.fspath(path)) from None
    return table_from_bytes(data, os.fspath(path), max_bytes=max_bytes, max_rows=max_rows)


def table_from_bytes(
    data: bytes, file: str, *, max_bytes: int = MAX_BYTES, max_rows: int = MAX_ROWS
) -> Table:
    """As :func:`read_table`, from bytes that were already read."""
    if len(data) > max_bytes:
        raise InputRefused(f"the table is larger than {max_bytes / 2**20:.0f} MB", file=file)
    text, encoding, notes = decode_text(data, file)
    first, _, rest = text.partition("\n")
    named = re.fullmatch(r"\s*sep=(.)\s*", first)  # Excel's own way to name the delimiter
    delimiter = named[1] if named else _delimiter_of(text)
    cells = _parse(rest if named else text, delimiter, file, max_rows, first_line=2 if named else 1)
    if delimiter == "," and cells and all(len(row) == 1 for _, row in cells):
        cells = _split_at_blanks(cells)
    if not cells:
        raise InputRefused("the table is empty", file=file)
    if delimiter in _DELIMITERS and delimiter != ",":
        notes.append(
            Remark("table-delimiter", f"The cells are separated by {_DELIMITERS[delimiter]}.", "info")
        )

    at = _header_row(cells)
    preamble = tuple(" ".join(filter(None, row)) for _, row in cells[: at or 0])
    if preamble:
        notes.append(
            Remark("table-preamble", f"{len(preamble)} line(s) above the header were left out.", "info")
        )
    header = cells[at][1] if at is not None else []
    body = cells[at + 1 :] if at is not None else cells
    width = len(header) if at is not None else max(len(row) for _, row in body)
    rows = []
    for line, row in body:
        if len(row) > width:
            raise InputRefused(
                f"line {line} has {len(row)} cells, the header has {width}",
                file=file,
                mend="Decimal commas between commas do this: separate the cells by semicolons.",
            )
        if any("\n" in cell or "\r" in cell for cell in row):
            raise InputRefused(f"line {line}: a quotation mark is opened and not closed", file=file)
        rows.append(tuple(row) + ("",) * (width - len(row)))
    decimal = _decimal_of(rows, file)
    if decimal == ",":
        notes.append(Remark("table-decimal-comma", "Numbers are written with decimal commas.", "info"))
    return Table(
        file,
        tuple(header) if at is not None else ("",) * width,
        tuple(rows),
        tuple(line for line, _ in body),
        preamble,
        encoding,
        delimiter,
        decimal,
        at is not None,
        tuple(notes),
    )


# -- text -----------------------------------------------------------------------------------------------


def decode_text(data: bytes, file: str) -> tuple[str, str, list[Remark]]:
    """Bytes as text: by byte-order mark, else UTF-8, else UTF-16 by its zero bytes, else Windows-1252.

    Returns
    -------
    The text without mark, the name of the encoding, and what is to be said about it.
    """
    notes: list[Remark] = []
    marks = [
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe\x00\x00", "utf-32-le"),
        (b"\x00\x00\xfe\xff", "utf-32-be"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
    ]
    encoding = next((name for mark, name in marks if data.startswith(mark)), None)
    if encoding is None:
        head = data[:4096]
        if head.count(0) > len(head) // 4:
            encoding = "utf-16-le" if head[1::2].count(0) > head[0::2].count(0) else "utf-16-be"
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding is not None:
            raise InputRefused(
                f"announces itself as {encoding} but is not, at byte {error.start}", file=file
            ) from None
        encoding = "windows-1252"
        # Five bytes have no meaning in Windows-1252; they must not stop the reading of the others.
        text = data.decode("cp1252", errors="replace")
        notes.append(Remark("table-encoding", "The text is not UTF-8 and was read as Windows-1252.", "info"))
    encoding = encoding or "utf-8"
    if encoding.startswith("utf-16") or encoding.startswith("utf-32"):
        notes.append(Remark("table-encoding", f"The text is {encoding.upper()}.", "info"))
    text = text.removeprefix("\ufeff")
    controls = sum(1 for c in text[:65536] if ord(c) < 32 and c not in "\t\r\n\f\x1a")
    if "\0" in text or controls > len(text[:65536]) // 100:
        raise InputRefused(
            "is not a text file",
            expected="a table as text (CSV)",
            file=file,
            mend="Save a spreadsheet as CSV.",
        )
    return text.rstrip("\x1a"), encoding, notes


def plain_digits(text: str) -> str:
    """Digits of any script (Devanagari …) as 0–9; typographic minus signs and blanks made plain."""
    if text.isascii():
        return text
    text = text.translate(_MINUS)
    return "".join(
        str(unicodedata.decimal(c)) if c.isdecimal() else " " if unicodedata.category(c) == "Zs" else c
        for c in text
        if c not in "\u200b\u200c\u200d\u200e\u200f\ufeff"
    )


@lru_cache(maxsize=4096)
def header_key(text: str) -> str:
    """A header reduced to what matters: ``" Pillar_No. "`` and ``"pillar no"`` are the same."""
    folded = unicodedata.normalize("NFKC", plain_digits(text)).casefold()
    # Vowel signs of Indian scripts are marks, not letters, and belong to the word.
    return " ".join(
        "".join(c if c.isalnum() or unicodedata.category(c) in ("Mn", "Mc") else " " for c in folded).split()
    )


def is_missing(cell: str) -> bool:
    """Whether a cell says that there is no value."""
    return cell.strip().casefold() in _MISSING


def parse_number(cell: str, decimal: str | None = ".") -> float | None:
    """A number as it stands in a table; NaN for an empty cell, None if it is not a number.

    Thousands may be grouped in the Western or the Indian way by the sign that is not the decimal one, or by
    blanks. With ``decimal`` None only numbers without commas are read.
    """
    if is_missing(cell):
        return math.nan
    if len(cell) > _LONGEST_NUMBER:
        return None
    text = plain_digits(cell).strip()
    if decimal == ",":
        group, point = r"[. ]", ","
    else:
        group, point = ("[, ]" if decimal == "." else "[ ]"), r"\."
    whole = rf"(?:\d+|{_GROUPS.replace('G', group)})"
    match = re.fullmatch(rf"([+-]?)\s?({whole}?)(?:{point}(\d*))?([eE][+-]?\d{{1,3}})?", text)
    if match is None or not (match[2] or match[3]):
        return None
    sign, digits, fraction, power = match.groups(default="")
    value = float(f"{sign}{re.sub(group, '', digits)}.{fraction}0{power}")
    return value if math.isfinite(value) else None


# -- layout ---------------------------------------------------------------------------------------------


def _delimiter_of(text: str) -> str:
    """The sign that cuts most lines into the same number of cells."""
    sample = "\n".join(line for line in text[: 2**18].splitlines()[:200] if line.strip())
    best, best_share = ",", 0.0
    for delimiter in _DELIMITERS:
        try:
            counts = [len(row) for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)]
        except csv.Error:
            continue
        wide = [n for n in counts if n > 1]
        if not wide:
            continue
        usual = max(sorted(set(wide)), key=wide.count)
        share = wide.count(usual) / len(counts)
        if share > best_share + 0.05:
            best, best_share = delimiter, share
    return best


def _parse(
    text: str, delimiter: str, file: str, max_rows: int, *, first_line: int
) -> list[tuple[int, list[str]]]:
    """Rows that hold anything, with the line on which they end, trimmed of empty cells at their end."""
    rows: list[tuple[int, list[str]]] = []
    cells = 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for raw in reader:
            line = reader.line_num + first_line - 1
            row = [cell.strip(" \t\u00a0\ufeff") for cell in raw]
            while row and not row[-1]:
                row.pop()
            if not row:
                continue
            if len(rows) >= max_rows:
                raise InputRefused(f"the table has more than {max_rows:,} rows", file=file)
            if len(row) > MAX_COLUMNS:
                raise InputRefused(f"line {line} has more than {MAX_COLUMNS} cells", file=file)
            cells += len(row)
            if cells > MAX_CELLS:
                raise InputRefused(f"the table has more than {MAX_CELLS:,} cells", file=file)
            if max(map(len, row)) > MAX_CELL:
                raise InputRefused(
                    f"line {line} holds a cell of more than {MAX_CELL:,} characters", file=file
                )
            rows.append((line, row))
    except csv.Error as error:
        raise InputRefused(f"line {reader.line_num + first_line - 1}: {error}", file=file) from None
    return rows


def _split_at_blanks(cells: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Cells separated by blanks, if every line then has the same number, three at least."""
    split = [(line, row[0].split()) for line, row in cells]
    if len(split) > 1 and len({len(row) for _, row in split}) == 1 and len(split[0][1]) >= 3:
        return split
    return cells


def _numeric_like(cell: str) -> bool:
    return len(cell) <= _LONGEST_NUMBER and _NUMERIC.fullmatch(plain_digits(cell).strip()) is not None


def _header_row(cells: list[tuple[int, list[str]]]) -> int | None:
    """The index of the header: the first full row, if it is mostly words."""
    widths = sorted(sum(map(bool, row)) for _, row in cells)
    usual = widths[len(widths) // 2]
    narrow = None
    for index, (_, row) in enumerate(cells[:50]):
        filled = [cell for cell in row if cell]
        words = 2 * sum(not _numeric_like(cell) for cell in filled) > len(filled) >= min(2, usual)
        if words and len(filled) < 0.6 * usual:
            narrow = index  # a title of several cells, or the header if no better one stands below it
        elif words:
            return index
        elif len(filled) >= max(2, 0.6 * usual):
            return narrow
    return narrow


def _decimal_of(rows: Sequence[tuple[str, ...]], file: str) -> str | None:
    """The decimal sign that all numbers of the table agree on; None where nothing tells."""
    point = comma = either = grouped = None
    for row in rows:
        for cell in row:
            if ("," not in cell and "." not in cell) or not _numeric_like(cell):
                continue
            text = plain_digits(cell).strip()
            as_point, as_comma = parse_number(text, "."), parse_number(text, ",")
            if as_point is not None and as_comma is None:
                point = point or cell
            elif as_comma is not None and as_point is None:
                comma = comma or cell
            elif as_point is not None and "," in text:
                either = either or cell  # 512,345
            elif as_point is not None:
                grouped = grouped or cell  # 512.345: nobody groups by points unless commas are decimal
    clash = (comma and (point or grouped)) or None
    if clash:
        raise InputRefused(
            f"numbers are written with decimal points ({clash}) and with decimal commas ({comma})",
            file=file,
            mend="Use one of them throughout.",
        )
    if comma:
        return ","
    return "." if point or grouped or not either else None


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(_short(name) for name in names)


# -- writing --------------------------------------------------------------------------------------------


# The full-width forms count too: some spreadsheets take them for the plain ones.
_FORMULA_STARTS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"


def safe_cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula.

    Text that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break (blanks before it or not) gets
    an apostrophe in front. Numbers stay as they are; None and NaN become empty: not measured.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if hasattr(value, "item") and not isinstance(value, str):  # a NumPy scalar
        value = value.item()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    text = str(value)
    start = text.lstrip(" \u00a0")[:1]
    if start and start in _FORMULA_STARTS:
        return "'" + text
    return text


def write_csv(
    path: str | os.PathLike[str],
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    bom: bool = False,
) -> None:
    """Write a table as UTF-8 CSV with formula-proof cells; the same rows give the same bytes.

    ``bom`` puts a byte-order mark in front, without which Excel misreads Devanagari.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    try:
        with open(path, "w", encoding="utf-8-sig" if bom else "utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([safe_cell(column) for column in columns])
            for row in rows:
                if len(row) != len(columns):
                    raise ValueError(f"a row has {len(row)} cells, the header has {len(columns)}")
                writer.writerow([safe_cell(value) for value in row])
    except OSError as error:
        raise OutputError(f"cannot be written ({error.strerror or error})", file=os.fspath(path)) from None
