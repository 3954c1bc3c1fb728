"""KML and KMZ. Read as XML without entities; links to other files are named in a note and never followed."""

from __future__ import annotations

import contextlib
import io
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.boundary.features import MAX_BYTES, MAX_DEPTH, Budget, Drawing, Feature, Ring
from survey.errors import InputRefused
from survey.remark import Remark

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_MAX_ELEMENTS = 2_000_000
_MAX_ENTRIES = 10_000
_MAX_DIRECTORY = 4 * 2**20
_MAX_RATIO = 1000  # coordinates written by machines compress 50-fold; zeros 1000-fold


def read_kmz(data: bytes, file: str) -> Drawing:
    """The main KML of a KMZ; nothing else in the archive is unpacked.

    Raises
    ------
    InputRefused
        Damaged, encrypted, larger than the limits, or without one main KML.
    """
    end = data.rfind(b"PK\x05\x06")
    if end < 0 or end + 20 > len(data):
        raise InputRefused("is a damaged KMZ (it does not end as one)", file=file)
    # The directory is read whole before anything can be counted in it.
    if struct.unpack_from("<I", data, end + 12)[0] > _MAX_DIRECTORY:
        raise InputRefused(f"holds more than {_MAX_ENTRIES:,} files", file=file)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > _MAX_ENTRIES:
                raise InputRefused(f"holds more than {_MAX_ENTRIES:,} files", file=file)
            kmls = [
                entry
                for entry in entries
                if entry.filename.lower().endswith(".kml")
                # What a Mac puts beside every file is no KML, whatever its name.
                and not entry.filename.rpartition("/")[2].startswith("._")
            ]
            mains = [entry for entry in kmls if entry.filename.lower() == "doc.kml"] or kmls
            if not mains:
                raise InputRefused("holds no KML", expected="a KMZ with doc.kml", file=file)
            if len(mains) > 1:
                names = ", ".join(repr(entry.filename[:80]) for entry in mains[:10])
                raise InputRefused(
                    f"holds several KML files: {names}", file=file, mend="Deliver the one with the lease."
                )
            main = mains[0]
            if main.flag_bits & 1:
                raise InputRefused("is encrypted", file=file)
            if main.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise InputRefused("is packed in a way that no KMZ is", expected="deflate", file=file)
            # The sizes in the directory are the sender's word; what is unpacked is counted too.
            if main.file_size > MAX_BYTES or main.file_size > _MAX_RATIO * max(main.compress_size, 1):
                raise InputRefused(f"unpacks to {main.file_size:,} bytes, too much for a boundary", file=file)
            with archive.open(main) as stream:
                text = stream.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise InputRefused(f"is a damaged KMZ ({error})", file=file) from None
    except (struct.error, ValueError, KeyError, IndexError, OverflowError) as error:
        raise InputRefused(f"is a damaged KMZ ({error})", file=file) from None
    if len(text) > MAX_BYTES:
        raise InputRefused(f"unpacks to more than {MAX_BYTES / 2**20:.0f} MB", file=file)
    drawing = read_kml(text, file)
    left_out = len(kmls) - 1
    notes = drawing.notes
    if left_out:
        notes += (Remark("kmz-other-files", f"{left_out} other KML file(s) in the KMZ were not read."),)
    return Drawing(file, "KMZ", drawing.features, drawing.crs, drawing.crs_said_by, notes)


def read_kml(data: bytes, file: str) -> Drawing:
    """Placemarks with polygons, lines and points. Heights, styles, schemas and tracks are left aside.

    Raises
    ------
    InputRefused
        Not well formed, with a document type or entities, or coordinates that are not numbers.
    """
    from defusedxml.common import DefusedXmlException

    try:
        root = _parse(data, file)
    except DefusedXmlException:
        raise InputRefused(
            "declares a document type or entities, which no KML needs", file=file, mend="Export it again."
        ) from None
    if _tag(root) != "kml" and _tag(root) not in ("Document", "Folder", "Placemark"):
        raise InputRefused(f"is XML, but its root is <{_tag(root)[:60]}>, not <kml>", file=file)
    reader = _Reader(file)
    reader.walk(root)
    from survey.boundary.crs import LON_LAT, crs_from

    notes: list[Remark] = []
    if reader.links:
        notes.append(
            Remark(
                "kml-network-link",
                f"{reader.links} network link(s) were not followed: only the file itself was read.",
            )
        )
    if reader.ignored:
        kinds = ", ".join(sorted(reader.ignored))
        notes.append(Remark("kml-ignored", f"Not read: {kinds}.", "info"))
    if not reader.features and reader.links:
        raise InputRefused(
            "holds nothing but a link to another file, which is not followed",
            file=file,
            mend="Save the linked place itself as KML.",
        )
    return Drawing(file, "KML", tuple(reader.features), crs_from(LON_LAT), "the KML standard", tuple(notes))


def _parse(data: bytes, file: str) -> Element:
    """The XML tree, refused when it is huge, or too deep for those who walk it.

    The text is handed over in one piece: given in many, some versions of the parser read a long tag again
    and again.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml.ElementTree import fromstring

    if data.count(b"<") > 2 * _MAX_ELEMENTS:
        raise InputRefused(f"holds more than {_MAX_ELEMENTS:,} elements", file=file)
    _refuse_monstrous_tags(data, file)
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except (ParseError, LookupError, UnicodeError) as error:
        raise InputRefused(f"is not well-formed XML ({error})", file=file) from None
    except ValueError as error:
        if type(error).__module__.startswith("defusedxml"):
            raise
        raise InputRefused(f"is not readable XML ({error})", file=file) from None
    level = [root]
    for _ in range(MAX_DEPTH):
        level = [child for element in level for child in element]
        if not level:
            return root
    raise InputRefused(f"is nested more than {MAX_DEPTH} deep", file=file)


def _refuse_monstrous_tags(data: bytes, file: str) -> None:
    """One tag with a million attributes keeps the parser busy for minutes."""
    text = np.frombuffer(data, np.uint8)
    opened, closed = np.flatnonzero(text == ord("<")), np.flatnonzero(text == ord(">"))
    ends = np.append(closed, len(data))[np.searchsorted(closed, opened)]
    for k in np.flatnonzero(ends - opened > 2**20):
        if data.count(b"=", int(opened[k]), int(ends[k])) > 100_000:
            raise InputRefused("holds a tag with more than 100,000 attributes", file=file)


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _child_text(element: Element, name: str) -> str:
    for child in element:
        if _tag(child) == name:
            return (child.text or "").strip()
    return ""


class _Reader:
    """Walks a KML tree; depth is bounded by the parser."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.budget = Budget(file)
        self.features: list[Feature] = []
        self.links = 0
        self.ignored: set[str] = set()

    def walk(self, element: Element, layer: str = "") -> None:
        for child in [element] if _tag(element) == "Placemark" else element:
            tag = _tag(child)
            if tag == "Placemark":
                self._placemark(child, layer)
            elif tag in ("Document", "Folder"):
                self.walk(child, _child_text(child, "name") if tag == "Folder" else layer)
            elif tag == "kml":
                self.walk(child, layer)
            elif tag == "NetworkLink":
                self.links += 1
            elif tag in ("GroundOverlay", "ScreenOverlay", "PhotoOverlay", "Tour"):
                self.ignored.add(tag)

    def _placemark(self, element: Element, layer: str) -> None:
        self.budget.feature()
        polygons: list[tuple[Ring, ...]] = []
        lines: list[Ring] = []
        points: list[Ring] = []
        heights = [False]
        for child in element:
            self._geometry(child, polygons, lines, points, heights)
        if not (polygons or lines or points):
            return
        self.features.append(
            Feature(
                _child_text(element, "name")[:200],
                layer[:200],
                tuple(polygons),
                tuple(lines),
                tuple(points),
                _extended(element),
                heights[0],
            )
        )

    def _geometry(
        self,
        element: Element,
        polygons: list[tuple[Ring, ...]],
        lines: list[Ring],
        points: list[Ring],
        heights: list[bool],
    ) -> None:
        tag = _tag(element)
        if tag == "MultiGeometry":
            for child in element:
                self._geometry(child, polygons, lines, points, heights)
        elif tag == "Polygon":
            outer: list[Ring] = []
            inner: list[Ring] = []
            for side in element:
                if _tag(side) in ("outerBoundaryIs", "innerBoundaryIs"):
                    for ring in side:
                        if _tag(ring) == "LinearRing":
                            into = outer if _tag(side) == "outerBoundaryIs" else inner
                            into.append(self._coordinates(ring, heights))
            if len(outer) != 1:
                raise InputRefused(f"a polygon has {len(outer)} outer boundaries, not one", file=self.file)
            polygons.append((outer[0], *inner))
        elif tag in ("LineString", "LinearRing"):
            lines.append(self._coordinates(element, heights))
        elif tag == "Point":
            points.append(self._coordinates(element, heights))
        elif tag in ("Track", "MultiTrack", "Model"):
            self.ignored.add(tag)

    def _coordinates(self, element: Element, heights: list[bool]) -> Ring:
        text = _child_text(element, "coordinates")
        # "75.1, 24.5, 0" is not KML, but people write it and it can mean only one thing.
        tuples = " ".join(text.split()).replace(" ,", ",").replace(", ", ",").split()
        self.budget.vertices(len(tuples))
        commas = tuples[0].count(",") if tuples else 0
        if commas in (1, 2) and all(item.count(",") == commas for item in tuples):
            with contextlib.suppress(ValueError):
                # The quick way for tuples of equal length.
                flat = np.array(",".join(tuples).split(","), np.float64)
                array = flat.reshape(len(tuples), commas + 1)
                heights[0] |= bool(commas == 2 and np.any(array[:, 2] != 0))
                return array[:, :2].copy()
        values = np.empty((len(tuples), 2))
        for i, item in enumerate(tuples):
            parts = item.split(",")
            try:
                if not 2 <= len(parts) <= 3:
                    raise ValueError
                values[i] = float(parts[0]), float(parts[1])
                if len(parts) == 3 and parts[2] and float(parts[2]) != 0:
                    heights[0] = True
            except ValueError:
                raise InputRefused(
                    f"{item[:60]!r} is not a coordinate",
                    expected="longitude,latitude[,height]",
                    file=self.file,
                ) from None
        return values


def _extended(element: Element) -> dict[str, Any]:
    """Attributes of a placemark: ``<Data name=…><value>`` and ``<SimpleData name=…>``."""
    found: dict[str, Any] = {}
    for node in element.iter():
        name = node.get("name")
        if name and len(found) < 200:
            if _tag(node) == "SimpleData":
                found[name] = (node.text or "").strip()
            elif _tag(node) == "Data":
                found[name] = _child_text(node, "value")
    return found
