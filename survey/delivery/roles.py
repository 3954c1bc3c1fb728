"""What each file of a delivery seems to be, with the reason, the doubts, and what nobody can know from it.

Content first: bands and number types tell heights from pictures. Names second: they tell a DSM from a DTM and
often the date. A guess is a proposal to a person, never a fact; the job file that is made of it says so.
"""

from __future__ import annotations

import datetime
import os
import re
import unicodedata
from dataclasses import dataclass, replace

from survey.delivery.dates import date_in
from survey.delivery.names import is_sidecar, split_stem
from survey.delivery.opened import DeliveredFile, Delivery
from survey.delivery.vocabulary import COLUMNS, DATE_TAGS
from survey.delivery.vocabulary import WORDS as ROLE_WORDS
from survey.errors import InputRefused

_TEXT_BYTES = 2_000_000
_OUTLINES = {
    "kml": "KML",
    "shp": "a shapefile",
    "dxf": "a DXF drawing",
    "sqlite": "a GeoPackage",
    "zip": "KMZ",
    "json": "GeoJSON",
}


@dataclass(frozen=True, slots=True)
class Guess:
    """What a file seems to be.

    ``role``: dem, dsm, dtm, ortho, multispectral, lease, pillars, registry, targets, checkpoints, challans,
    points; or a word that no job uses: sidecar, derived, document, unreadable, unknown.

    ``date`` only where a full day was read, ``date_source`` from where. ``doubts``: why the guess may be
    wrong. ``unknown``: what a job must say and this file does not. ``facts``: what was seen, for a listing.
    """

    file: DeliveredFile
    role: str
    why: str
    date: datetime.date | None = None
    date_source: str = ""
    doubts: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


def guess_roles(delivery: Delivery) -> list[Guess]:
    """A guess for every file, in the order of their names."""
    stems = {
        split_stem(file.display_name)[0].casefold() for file in delivery.files if not is_sidecar(file.name)
    }
    guesses = [_guess(file, stems) for file in delivery.files]
    return _settle_outlines(guesses)


def _guess(file: DeliveredFile, stems: set[str]) -> Guess:
    from survey.rasters.sniff import WORDS, sniff

    if is_sidecar(file.name) and split_stem(file.display_name)[0].casefold() in stems:
        return Guess(file, "sidecar", "it belongs to the file of the same name")
    try:
        kind = sniff(file.path)
    except OSError as error:
        return Guess(file, "unreadable", f"it cannot be read ({error.strerror})")
    ending = os.path.splitext(file.name)[1].lower()
    if kind in ("tiff", "jp2"):
        guess = _raster(file)
    elif kind in ("kml", "shp", "dxf", "sqlite") or (kind == "zip" and ending == ".kmz"):
        guess = _outline(file, kind)
    elif kind == "json":
        guess = (
            _outline(file, "json")
            if _looks_like_geojson(file)
            else Guess(file, "unknown", "it is a JSON text")
        )
    elif kind == "text":
        guess = _table(file)
    elif kind in ("pdf", "png", "jpeg", "webp", "zip"):
        guess = Guess(
            file,
            "document",
            f"it is {WORDS.get(kind, kind) if kind != 'zip' else 'an office file or an archive'}",
        )
    else:
        guess = Guess(file, "unknown", f"it is {WORDS.get(kind, kind)}")
    if guess.role in ("tiff", "unreadable", "sidecar", "document", "derived", "unknown"):
        return guess
    return _dated(guess)


# -- rasters --------------------------------------------------------------------------------------------


def _raster(file: DeliveredFile) -> Guess:
    from survey.rasters.describe import open_raster

    try:
        raster = open_raster(file.path, name=file.display_name)
    except InputRefused as refusal:
        return Guess(file, "unreadable", str(refusal.found))
    bands = [band for i, band in enumerate(raster.bands, 1) if i != raster.alpha_band]
    types = {band.dtype for band in bands}
    wide = (
        len(types) == 1 and not types & {"uint8", "int8"} and not any(t.startswith("complex") for t in types)
    )
    said = _said(file)
    facts = [
        ("cells", f"{raster.width} × {raster.height}"),
        ("bands", f"{len(bands)} {'/'.join(sorted(types))}"),
    ]
    unknown = [] if raster.crs_wkt else ["coordinate reference system"]
    if raster.transform is None:
        unknown.append("position")
    if raster.crs_wkt:
        facts.append(("crs", _crs_name(raster.crs_wkt)))
    content = f"it holds {len(bands)} band{'s' if len(bands) > 1 else ''} of {'/'.join(sorted(types))}"
    guess = Guess(file, "unknown", content, unknown=tuple(unknown), facts=tuple(facts))
    acquired = next((value for key in DATE_TAGS for tag, value in raster.tags if tag.upper() == key), None)
    guess = _with_tag_dates(guess, acquired, raster.datetime)
    if len(bands) == 1 and raster.photometric != "palette":
        return _single_band(guess, wide, said, content, raster.crs_wkt)
    if len(bands) >= 3 and (len(bands) > 4 or wide or ("multispectral" in said and len(bands) != 3)):
        doubts = (
            () if len(bands) >= 4 else ("three bands of a wide type: a picture or a multispectral image?",)
        )
        return replace(guess, role="multispectral", why=content, doubts=guess.doubts + doubts)
    if len(bands) >= 3:
        doubts = () if len(bands) == 3 else ("the fourth band may be near infrared",)
        return replace(guess, role="ortho", why=f"{content}: a picture", doubts=guess.doubts + doubts)
    return replace(guess, role="derived", why=f"{content}: a map or mask, not heights")


def _single_band(guess: Guess, wide: bool, said: set[str], content: str, crs_wkt: str | None) -> Guess:
    heights = said & {"dem", "dsm", "dtm"}
    if not wide:
        doubts = ("its name says heights, but 8-bit numbers cannot hold them",) if heights else ()
        return replace(guess, role="derived", why=f"{content}: a picture or mask, not heights", doubts=doubts)
    if "derived" in said:
        return replace(guess, role="derived", why=f"{content}, and its name says it was made from heights")
    unknown = guess.unknown if _has_heights(crs_wkt) else (*guess.unknown, "height reference")
    kinds = heights - {"dem"}
    if len(kinds) == 1:
        role = kinds.pop()
        return replace(guess, role=role, why=f"{content}, and its name says {role.upper()}", unknown=unknown)
    doubt = (
        "its name says both DSM and DTM"
        if kinds
        else "nothing says whether it is the surface (DSM) or bare ground (DTM)"
    )
    why = f"{content}, and its name says elevation" if heights else f"{content}, as elevation models do"
    return replace(guess, role="dem", why=why, doubts=(*guess.doubts, doubt), unknown=unknown)


def _has_heights(crs_wkt: str | None) -> bool:
    from survey.rasters.crs import frame_of

    if crs_wkt is None:
        return False
    try:
        return frame_of(crs_wkt).heights is not None
    except InputRefused:
        return False


def _crs_name(crs_wkt: str) -> str:
    from survey.rasters.crs import parse_crs

    try:
        return str(parse_crs(crs_wkt).name)
    except InputRefused:
        return "not understood"


# -- outlines and tables --------------------------------------------------------------------------------


def _outline(file: DeliveredFile, kind: str) -> Guess:
    if kind == "sqlite" and _sqlite_is_not_vector(file):
        return Guess(file, "unknown", "it is a database, not a GeoPackage")
    said = _said(file)
    words = _OUTLINES[kind]
    for role in ("registry", "lease", "pillars", "targets", "checkpoints"):
        if role in said:
            return Guess(file, role, f"it is {words}, and its name says so")
    return Guess(file, "outline", f"it is {words}; its name does not say of what")


def _settle_outlines(guesses: list[Guess]) -> list[Guess]:
    """A lone outline without a telling name is most likely the lease; one of several is anybody's guess."""
    nameless = [guess for guess in guesses if guess.role == "outline"]
    named = any(guess.role == "lease" for guess in guesses)
    settled = []
    for guess in guesses:
        if guess.role == "outline":
            if len(nameless) == 1 and not named:
                doubt = "it is taken for the lease only because no other outline came with it"
                guess = replace(guess, role="lease", doubts=(*guess.doubts, doubt))
            else:
                guess = replace(guess, role="unknown")
        settled.append(guess)
    return settled


def _sqlite_is_not_vector(file: DeliveredFile) -> bool:
    with open(file.path, "rb") as stream:
        head = stream.read(72)
    return head[68:72] not in (b"GPKG", b"GP10", b"GP11")


def _looks_like_geojson(file: DeliveredFile) -> bool:
    with open(file.path, "rb") as stream:
        head = stream.read(200_000)
    return bool(
        re.search(
            rb'"type"\s*:\s*"(FeatureCollection|Feature|(Multi)?Polygon|(Multi)?Point|GeometryCollection)"',
            head,
        )
    )


def _table(file: DeliveredFile) -> Guess:
    """A table by its column names, then by its own name."""
    from survey.tables import header_key, read_table

    said = _said(file)
    ending = os.path.splitext(file.name)[1].lower()
    if ending not in (".csv", ".tsv", ".txt", ".dat", ".xyz", ""):
        return Guess(file, "document", "it is a text")
    if file.bytes > _TEXT_BYTES and "challans" not in said:
        return Guess(file, "unknown", "it is a long text")
    try:
        table = read_table(file.path, max_bytes=max(_TEXT_BYTES, 64 * 2**20))
        keys = {header_key(column) for column in table.columns}
    except InputRefused as refusal:
        if ending == ".txt":
            return Guess(file, "document", "it is a text")
        role = next((r for r in ("challans", "checkpoints", "pillars", "points") if r in said), None)
        if role is None:
            return Guess(file, "document", "it is a text")
        return Guess(file, role, "its name says so", doubts=(f"it is not read as a table: {refusal.found}",))
    has = {word for word, names in COLUMNS.items() if keys & names}
    placed = {"east", "north"} <= has or {"lon", "lat"} <= has
    if "challan" in has or ("challans" in said and "tonnes" in has):
        return Guess(file, "challans", "its columns are those of e-challans")
    if "pillar" in has or ("pillars" in said and placed) or ("lease" in said and placed):
        return Guess(file, "pillars", "it lists places, and a column or its name says pillars or lease")
    if placed and "height" in has:
        if "type" in has or "checkpoints" in said:
            return Guess(
                file,
                "checkpoints",
                "it lists places with heights, and a column or its name says check points",
            )
        if "code" in has or "points" in said:
            return Guess(file, "points", "it lists places with heights and codes, as a rover writes them")
        doubt = "places with heights: check points of the survey, or points of a rover?"
        return Guess(file, "checkpoints", "it lists places with heights", doubts=(doubt,))
    for role in ("challans", "checkpoints", "pillars", "points"):
        if role in said and table.rows:
            return Guess(file, role, "its name says so", doubts=("its columns do not tell",))
    return Guess(file, "document" if ending == ".txt" else "unknown", "it is a text")


# -- names and dates ------------------------------------------------------------------------------------


def _said(file: DeliveredFile) -> set[str]:
    """Which roles the file's name speaks of; folders only where the file itself says nothing."""
    own = _roles_in(split_stem(file.name)[0])
    if own:
        return own
    for part in reversed(file.folder.split("/")):
        if found := _roles_in(part):
            return found
    return set()


def _roles_in(text: str) -> set[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFC", text))
    # Vowel signs of Indian scripts are marks; a word must not end at one.
    letters = "".join(
        c if c.isalpha() or unicodedata.category(c) in ("Mn", "Mc") else " " for c in spaced.lower()
    )
    words = set(letters.split())
    return {role for role, names in ROLE_WORDS.items() if words & names}


def _with_tag_dates(guess: Guess, acquired: str | None, written: str | None) -> Guess:
    day = _tag_day(acquired)
    if day is not None:
        guess = replace(guess, date=day, date_source="the file's acquisition tag")
    if (day := _tag_day(written)) is not None:
        guess = replace(guess, facts=(*guess.facts, ("written", day.isoformat())))
    return guess


def _dated(guess: Guess) -> Guess:
    """Add the date that the name tells, else its folders; say where they disagree."""
    written = next((datetime.date.fromisoformat(v) for k, v in guess.facts if k == "written"), None)
    named, source = None, ""
    for part, where in (
        (split_stem(guess.file.name)[0], "its name"),
        *((folder, f'its folder "{folder}"') for folder in reversed(guess.file.folder.split("/")) if folder),
    ):
        named = date_in(part)
        if named is not None:
            source = where
            break
    doubts = list(guess.doubts)
    if named is not None and named.day is not None:
        if guess.date is None:
            guess = replace(guess, date=named.day, date_source=source)
        elif guess.date != named.day:
            doubts.append(
                f"{source} says {named.day.isoformat()}, {guess.date_source} {guess.date.isoformat()}"
            )
    elif named is not None:
        doubts.append(f"{source}: {named.said}")
    if guess.date is not None and written is not None and written < guess.date:
        doubts.append(f"the file was written on {written.isoformat()}, before that day")
    if guess.date is None and written is not None:
        doubts.append(
            f"the file was written on {written.isoformat()}, which is perhaps not the day of the survey"
        )
    unknown = guess.unknown
    if guess.date is None and guess.role in ("dem", "dsm", "dtm", "ortho", "multispectral"):
        unknown = ("date", *unknown)
    return replace(guess, doubts=tuple(doubts), unknown=unknown)


def _tag_day(text: str | None) -> datetime.date | None:
    """The day of a TIFF or metadata date: ``2024:04:20 10:11:12``, ``2024-04-20T10:11:12Z`` …"""
    match = re.match(r"\s*(\d{4})[:/-](\d{2})[:/-](\d{2})", text or "")
    if match is None:
        return None
    try:
        return datetime.date(*(int(g) for g in match.groups()))
    except ValueError:
        return None
