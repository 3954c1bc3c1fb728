"""``sites.kml`` and ``sites.kmz`` for the phone: lease, pillars, 100 m line, and a card for each site.

KML is WGS 84 by definition. The KMZ also holds the sites' pictures before and after.
"""

from __future__ import annotations

import io
import re
import zipfile
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np

from survey.report import content
from survey.report.colours import OKABE_ITO, SITE, ZONE, rgb
from survey.report.numbers import Numbers
from survey.report.words import Words

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from survey.report.folder import RunFolder
    from survey.report.options import ReportOptions

NAMESPACE = "http://www.opengis.net/kml/2.2"
_CARD_DATA = ("kind", "zone", "volume_m3", "volume_lo_m3", "volume_hi_m3", "outside_volume_m3", "area_m2")
_FIXED = (1980, 1, 1, 0, 0, 0)  # the oldest date a ZIP can hold: the same run gives the same bytes


def kml_bytes(run: RunFolder, options: ReportOptions, *, pictures: bool = False) -> bytes | None:
    """The document; ``pictures``: cards show ``files/…``, which only a KMZ carries. None without a map."""
    if run.crs_wkt is None:
        return None
    words = Words(options.language)
    numbers = Numbers(words, options.indian_digits)
    root = Element("kml", xmlns=NAMESPACE)
    document = SubElement(root, "Document")
    _text(document, "name", content.title(run.record, words))
    _style(document, "lease", ZONE["lease"], 3.0, None)
    _style(document, "buffer", ZONE["buffer"], 2.0, None)
    _style(document, "other", OKABE_ITO["purple"], 2.0, None)
    for kind, colour in SITE.items():
        _style(document, kind, colour, 2.5, colour)
    degrees = _Degrees(run.crs_wkt)
    if run.lease is not None:
        folder = _folder(document, words("layer.lease"))
        _polygon(folder, words("layer.lease"), "lease", run.lease, degrees)
    for row in run.layer("zones").rows():
        if row["zone"] == "buffer":
            folder = _folder(document, words("layer.zones"))
            _polygon(folder, words("layer.zones"), "buffer", row["geometry"], degrees)
    others = list(run.layer("other_leases").rows())
    if others:
        folder = _folder(document, words("legend.other_lease"))
        for row in others:
            _polygon(folder, str(row["name"]), "other", row["geometry"], degrees)
    pillars = list(run.layer("pillars").rows())
    if pillars:
        folder = _folder(document, words("layer.pillars"))
        for row in pillars:
            mark = SubElement(folder, "Placemark")
            _text(mark, "name", str(row["name"]))
            where = f"{numbers.latitude(row['lat'])}, {numbers.longitude(row['lon'])}"
            _text(mark, "description", where)
            point = SubElement(mark, "Point")
            _text(point, "coordinates", f"{row['lon']:.9f},{row['lat']:.9f},0")
    cards = {card["id"]: card for card in content.site_cards(run.record, words, numbers)}
    sites = list(run.layer("sites").rows())
    if sites:
        folder = _folder(document, words("layer.sites"))
        for row in sites:
            card = cards.get(str(row["id"]))
            mark = _polygon(folder, str(row["id"]), str(row["kind"]), row["geometry"], degrees)
            if card is None:
                continue
            _text(mark, "description", _card(run, card, pictures=pictures), first=2)
            data = SubElement(mark, "ExtendedData")
            for name in _CARD_DATA:
                value = SubElement(data, "Data", name=name)
                _text(value, "value", str(row[name]))
            # KML's schema wants ExtendedData before the geometry.
            geometry = mark.find("MultiGeometry")
            if geometry is not None:
                mark.remove(geometry)
                mark.append(geometry)
    indent(root, " ")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="utf-8") + b"\n"


def kmz_bytes(run: RunFolder, options: ReportOptions) -> bytes | None:
    """The same with pictures, as JPEG: not every phone's viewer knows WebP."""
    from PIL import Image

    document = kml_bytes(run, options, pictures=True)
    if document is None:
        return None
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("doc.kml", _FIXED), document, zipfile.ZIP_DEFLATED)
        for picture in run.pictures:
            if picture.name != "chip":
                continue
            with Image.open(run.path / picture.file) as image:
                white = Image.new("RGB", image.size, "white")
                rgba = image.convert("RGBA")
                white.paste(rgba, mask=rgba.getchannel("A"))
            jpeg = io.BytesIO()
            white.save(jpeg, "JPEG", quality=80)
            archive.writestr(zipfile.ZipInfo(_inside(picture.file), _FIXED), jpeg.getvalue())
    return out.getvalue()


def _inside(file: str) -> str:
    return "files/" + file.rsplit("/", 1)[-1].replace(".webp", ".jpg")


def _card(run: RunFolder, card: dict[str, Any], *, pictures: bool) -> str:
    """A small HTML table, as balloons show it: its text is escaped here, its tags by the XML."""
    from html import escape

    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in card["rows"]
    )
    shown = ""
    if pictures:
        for picture in run.pictures:
            if picture.name == "chip" and picture.site == card["id"]:
                date = escape(str(picture.date or ""))
                shown += f'<img src="{_inside(picture.file)}" width="240" alt="{date}"><br>{date}<br>'
    return f"<table>{rows}</table>{shown}"


class _Degrees:
    """Longitude and latitude of coordinates, as KML writes them: a hundred-millionth of a degree is 1 mm."""

    def __init__(self, crs_wkt: str) -> None:
        from pyproj import Transformer

        self._to = Transformer.from_crs(
            crs_wkt, "EPSG:4326", always_xy=True, allow_ballpark=False, only_best=True
        )

    def __call__(self, points: np.ndarray) -> str:
        lon, lat = self._to.transform(points[:, 0], points[:, 1])
        return " ".join(f"{x:.8f},{y:.8f},0" for x, y in zip(lon.tolist(), lat.tolist(), strict=True))


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _text(parent: Element, tag: str, text: str, *, first: int | None = None) -> Element:
    # Signs that XML cannot hold at all would make the whole file unreadable.
    child = Element(tag)
    child.text = _NOT_XML.sub("", text)
    if first is None:
        parent.append(child)
    else:
        parent.insert(first, child)
    return child


def _folder(document: Element, name: str) -> Element:
    folder = SubElement(document, "Folder")
    _text(folder, "name", name)
    return folder


def _abgr(colour: str, alpha: int) -> str:
    red, green, blue = rgb(colour)
    return f"{alpha:02x}{blue:02x}{green:02x}{red:02x}"


def _style(document: Element, name: str, line: str, width: float, fill: str | None) -> None:
    style = SubElement(document, "Style", id=name)
    edge = SubElement(style, "LineStyle")
    _text(edge, "color", _abgr(line, 255))
    _text(edge, "width", f"{width:g}")
    inner = SubElement(style, "PolyStyle")
    _text(inner, "color", _abgr(fill or line, 64))
    _text(inner, "fill", "1" if fill else "0")


def _polygon(folder: Element, name: str, style: str, shape: BaseGeometry, degrees: _Degrees) -> Element:
    import shapely

    mark = SubElement(folder, "Placemark")
    _text(mark, "name", name)
    _text(mark, "styleUrl", f"#{style}")
    many = SubElement(mark, "MultiGeometry")
    for part in shapely.get_parts(shape):
        if part.geom_type != "Polygon":
            continue
        # KML wants outer rings anticlockwise.
        whole = shapely.geometry.polygon.orient(part, 1.0)
        polygon = SubElement(many, "Polygon")
        for tag, rings in (("outerBoundaryIs", [whole.exterior]), ("innerBoundaryIs", list(whole.interiors))):
            for ring in rings:
                linear = SubElement(SubElement(polygon, tag), "LinearRing")
                _text(linear, "coordinates", degrees(shapely.get_coordinates(ring)))
    return mark
