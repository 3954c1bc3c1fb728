"""Names that strangers gave: how they are shown, and what they are called on our disk.

A name inside an archive is only ever *shown*. On disk a file gets a number and an ending that we chose. Files
that belong together by name (``lease.shp``, ``lease.dbf``; ``dem.tif``, ``dem.tfw``) get the same number.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass, field

LONGEST_SHOWN = 400
_BASE_ENDINGS = (
    ".tif", ".tiff", ".jp2", ".img", ".shp", ".dbf", ".gpkg", ".kml", ".csv", ".asc", ".png", ".jpg",
)  # fmt: skip
_SECOND_ENDINGS = (".aux.xml", ".msk", ".ovr", ".xml")
SIDECAR_ENDINGS = (
    ".tfw", ".tifw", ".tiffw", ".tfwx", ".j2w", ".jgw", ".pgw", ".wld", ".prj", ".qpj", ".shx", ".dbf",
    ".cpg", ".sbn", ".sbx", ".aux.xml", ".aux", ".msk", ".ovr", ".tif.xml", ".tiff.xml", ".shp.xml", ".rrd",
)  # fmt: skip
"""Files that say something about a file of the same stem and mean nothing alone."""

_RUBBISH = re.compile(
    r"(^|/)(__MACOSX(/|$)|\.[^/]|Thumbs\.db$|desktop\.ini$|~\$[^/]*$|[^/]*\.tmp$|\$RECYCLE\.BIN(/|$)|"
    r"System Volume Information(/|$)|@eaDir(/|$))",
    re.IGNORECASE,
)


def is_rubbish(shown: str) -> bool:
    """What operating systems leave behind in folders and archives, and hidden files."""
    return bool(_RUBBISH.search(shown))


def shown_name(raw: str) -> tuple[str, bool]:
    """A name from an archive as it may be shown, with ``/`` between folders; and whether it was harmless.

    Composed to NFC, so that two spellings of the same name are one. Parts that would lead elsewhere
    (drives, roots, ``..``) are taken away; characters that steer a terminal or turn text around become
    ``\\ufffd``. The result is never empty.
    """
    text = unicodedata.normalize("NFC", raw.replace("\\", "/"))
    clean = "".join("\ufffd" if _steers(char) else char for char in text)
    parts = [part for part in clean.split("/") if part not in ("", ".")]
    kept = [part for part in parts if part != ".." and not re.fullmatch(r"[A-Za-z]:", part)]
    harmless = clean == text and kept == parts and not text.startswith("/")
    shown = "/".join(kept) or "unnamed"
    if len(shown) > LONGEST_SHOWN:
        # The beginning tells the folder, the end the kind of file.
        shown = f"{shown[: LONGEST_SHOWN // 2]}…{shown[-LONGEST_SHOWN // 2 + 1 :]}"
    return shown, harmless


def _steers(char: str) -> bool:
    # Joiners (Cf) are part of Indian scripts; overrides and isolates of direction are not part of names.
    category = unicodedata.category(char)
    if category in ("Cc", "Cs", "Zl", "Zp"):
        return True
    return category == "Cf" and char not in ("\u200c", "\u200d", "\u00ad")


def split_stem(shown: str) -> tuple[str, str]:
    """(what a file shares with its sidecars, its own ending in lower case ASCII).

    ``a/DEM.tif.aux.xml`` → ``("a/DEM", ".tif.aux.xml")``; endings that are not plain become empty.
    """
    stem, ending = os.path.splitext(shown)
    lower = shown.lower()
    for second in _SECOND_ENDINGS:
        if lower.endswith(second):
            inner = shown[: -len(second)]
            inner_stem, inner_ending = os.path.splitext(inner)
            if inner_ending.lower() in _BASE_ENDINGS:
                stem, ending = inner_stem, inner_ending + second
            elif second == ".aux.xml":
                stem, ending = inner, second
            break
    ending = ending.lower()
    return (stem, ending) if re.fullmatch(r"(\.[a-z0-9_]{1,10}){1,3}", ending) else (shown, "")


def is_sidecar(shown: str) -> bool:
    lower = shown.lower()
    return lower.endswith(SIDECAR_ENDINGS)


@dataclass
class Numbering:
    """Hands out names on our disk: ``00042.tif``. Files of one stem share a number."""

    next: int = 0
    groups: dict[str, int] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def name_for(self, shown: str) -> str:
        stem, ending = split_stem(shown)
        key = stem.casefold()
        number = self.groups.get(key)
        if number is None or f"{number:05d}{ending}" in self.taken:
            self.next += 1
            number = self.next
            self.groups[key] = number
        name = f"{number:05d}{ending}"
        self.taken.add(name)
        return name
