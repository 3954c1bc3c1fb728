"""Where a raster lies: by its own word, else by files beside it, else by the job, and always said which.

GDAL is kept from looking at sidecars (``survey.raster_env``), because a sidecar silently overrules the
file. Here they are used only where the file itself is silent, and a contradiction is a refusal.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field

from survey.errors import InputRefused
from survey.rasters.crs import Frame, frame_of, parse_crs
from survey.rasters.describe import RasterDescription
from survey.remark import Remark

WORLD_ENDINGS = (".tfw", ".tifw", ".tiffw", ".wld", ".j2w", ".jp2w", ".tfwx")
MAX_SIDECAR_BYTES = 65_536
_WKT_WORDS = (
    "PROJCS",
    "GEOGCS",
    "COMPD_CS",
    "PROJCRS",
    "GEOGCRS",
    "GEODCRS",
    "COMPOUNDCRS",
    "BOUNDCRS",
    "PROJECTEDCRS",
    "GEODETICCRS",
    "GEOGRAPHICCRS",
    "LOCAL_CS",
    "ENGCRS",
)

Affine6 = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the cells lie. ``sidecars``: paths of the files beside it that were believed."""

    transform: Affine6
    frame: Frame
    crs_text: str
    crs_source: str  # "file" | "sidecar" | "job"
    sidecars: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = field(default_factory=tuple)


def place(raster: RasterDescription, *, crs: str | None = None) -> Placement:
    """Find the transform and the reference system of a raster.

    ``crs`` is the job's word, used for a file that carries none.

    Raises
    ------
    InputRefused
        No position, no reference system, or two that contradict each other.
    """
    remarks: list[Remark] = []
    used: list[str] = []
    pam_crs, pam_transform, pam_path = _pam(raster)
    world, world_path = _world(raster)
    prj, prj_path = _prj(raster)

    transform = raster.transform
    if transform is None:
        for found, where, what in ((world, world_path, "world file"), (pam_transform, pam_path, ".aux.xml")):
            if found is not None and where is not None:
                transform = found
                used.append(where)
                remarks.append(
                    Remark(
                        "sidecar-position",
                        f"its position is not in the file; it was read from the {what} beside it",
                    )
                )
                break
    elif world is not None and not _near(world, transform, raster):
        remarks.append(
            Remark(
                "sidecar-ignored",
                "the world file beside it gives another position; the file's own was used",
                "caution",
            )
        )
    if transform is None:
        raise InputRefused(
            "has no georeference: nothing says where its cells lie",
            file=raster.name,
            mend="Export it as a GeoTIFF, or deliver the world file (.tfw) and .prj with it.",
        )
    if not all(math.isfinite(v) for v in transform):
        raise InputRefused("has a georeference that is not a number", file=raster.name)

    text, source = raster.crs_wkt, "file"
    if text is None and crs is not None:
        text, source = crs, "job"
        remarks.append(Remark("crs-from-job", f"carries no reference system; the job says {crs}", "info"))
        beside = prj or pam_crs
        if beside is not None and not _same(beside, crs, raster.name):
            raise InputRefused(
                "the job and the .prj beside the file name different reference systems",
                file=raster.name,
                mend="Find out in which system the file was made, and take the other word away.",
            )
    if text is None:
        for beside, where, what in ((prj, prj_path, ".prj"), (pam_crs, pam_path, ".aux.xml")):
            if beside is not None and where is not None:
                text, source = beside, "sidecar"
                used.append(where)
                remarks.append(
                    Remark(
                        "sidecar-crs",
                        f"its reference system is not in the file; it was read from the {what} beside it",
                    )
                )
                break
    if text is None:
        raise InputRefused(
            "has no coordinate reference system",
            file=raster.name,
            mend='Export it with one, or name it in the job: crs = "EPSG:…".',
        )
    frame = frame_of(text, file=raster.name)
    if source == "file":
        for other, who in ((prj, "the .prj beside it"), (crs, "the job")):
            if other is not None and not _same(other, text, raster.name):
                remarks.append(
                    Remark(
                        "crs-differs",
                        f"{who} names another reference system; the file's own was used",
                        "caution",
                    )
                )
    return Placement(transform, frame, text, source, tuple(dict.fromkeys(used)), tuple(remarks))


def _beside(raster: RasterDescription, *endings: str) -> str | None:
    """A file with the same stem and one of these endings, whatever the case of the ending."""
    stem = os.path.splitext(raster.path)[0]
    for ending in endings:
        for spelt in (ending, ending.upper(), ending.capitalize()):
            candidate = stem + spelt
            if os.path.isfile(candidate) and not os.path.islink(candidate):
                return candidate
    return None


def _text(path: str) -> str | None:
    if os.path.getsize(path) > MAX_SIDECAR_BYTES:
        return None
    with open(path, "rb") as stream:
        return stream.read().decode("utf-8-sig", "replace")


def _world(raster: RasterDescription) -> tuple[Affine6 | None, str | None]:
    """The six numbers of a world file, turned from the centre of the first cell to its corner."""
    path = _beside(raster, *WORLD_ENDINGS)
    text = _text(path) if path else None
    if text is None:
        return None, None
    try:
        a, d, b, e, x, y = (float(word.replace(",", ".")) for word in text.split()[:6])
    except ValueError:
        return None, None
    return (a, b, x - a / 2 - b / 2, d, e, y - d / 2 - e / 2), path


def _prj(raster: RasterDescription) -> tuple[str | None, str | None]:
    path = _beside(raster, ".prj")
    text = (_text(path) or "").strip() if path else ""
    # Only WKT: other texts that a projection library understands may name files or grids.
    if not text.upper().startswith(_WKT_WORDS):
        return None, None
    return text, path


def _pam(raster: RasterDescription) -> tuple[str | None, Affine6 | None, str | None]:
    """Reference system and transform of a GDAL or ArcGIS ``.aux.xml``."""
    ending = os.path.splitext(raster.path)[1]
    path = _beside(raster, f"{ending}.aux.xml", ".aux.xml")
    crs, transform = (None, None) if path is None else _read_pam(path)
    return (crs, transform, path) if crs is not None or transform is not None else (None, None, None)


def pam_says_where(path: str | os.PathLike[str]) -> bool:
    """Whether an ``.aux.xml`` says where a raster lies: nothing else of it is ever believed.

    GDAL and QGIS write one to keep the statistics of a raster that somebody has looked at.
    """
    return any(word is not None for word in _read_pam(path))


def _read_pam(path: str | os.PathLike[str]) -> tuple[str | None, Affine6 | None]:
    if os.path.getsize(path) > 16 * MAX_SIDECAR_BYTES:
        return None, None
    from xml.etree.ElementTree import ParseError

    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    try:
        root = ElementTree.parse(path).getroot()
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None, None
    wkt = (root.findtext("SRS") or "").strip()
    crs = wkt if wkt.upper().startswith(_WKT_WORDS) else None
    transform = None
    try:
        numbers = [float(word) for word in (root.findtext("GeoTransform") or "").split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 6:
        c, a, b, f, d, e = numbers
        transform = (a, b, c, d, e, f)
    return crs, transform


def _near(one: Affine6, other: Affine6, raster: RasterDescription) -> bool:
    """Do two transforms put all four corners within half a cell of each other?"""
    cell = max(abs(other[0]), abs(other[4]), abs(other[1]), abs(other[3]))
    for col, row in ((0, 0), (raster.width, 0), (0, raster.height), (raster.width, raster.height)):
        for k in (0, 3):
            first = one[k] * col + one[k + 1] * row + one[k + 2]
            second = other[k] * col + other[k + 1] * row + other[k + 2]
            if not abs(first - second) <= 0.51 * cell:
                return False
    return True


def _same(one: str, other: str, name: str) -> bool:
    try:
        first, second = parse_crs(one, file=name), parse_crs(other, file=name)
    except InputRefused:
        return False
    if first.is_compound != second.is_compound:
        first = first.sub_crs_list[0] if first.is_compound else first
        second = second.sub_crs_list[0] if second.is_compound else second
    return bool(first.equals(second, ignore_axis_order=True)) or (
        # ESRI names the same systems differently; the registry code tells.
        first.to_epsg(min_confidence=60) is not None
        and first.to_epsg(min_confidence=60) == second.to_epsg(min_confidence=60)
    )
