"""Styles for QGIS (QML), one a layer, as QGIS 3 writes them itself but with the defaults left out."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from survey.report.colours import CONTOUR, OKABE_ITO, SITE, ZONE, rgb


def _options(**values: str) -> str:
    inner = "".join(f'<Option name="{k}" value={quoteattr(v)} type="QString"/>' for k, v in values.items())
    return f'<Option type="Map">{inner}</Option>'


def _colour(colour: str, alpha: int = 255) -> str:
    return ",".join(str(part) for part in (*rgb(colour), alpha))


def _line(name: str, colour: str, width_mm: float, dash: str = "solid") -> str:
    options = _options(
        line_color=_colour(colour),
        line_style=dash,
        line_width=f"{width_mm}",
        line_width_unit="MM",
        joinstyle="round",
    )
    return (
        f'<symbol name="{name}" type="line" alpha="1" clip_to_extent="1" force_rhr="0">'
        f'<layer class="SimpleLine" enabled="1" locked="0" pass="0">{options}</layer></symbol>'
    )


def _fill(
    name: str, edge: str, width_mm: float, fill: str | None, alpha: int = 60, dash: str = "solid"
) -> str:
    options = _options(
        color=_colour(fill or "#ffffff", alpha if fill else 0),
        style="solid" if fill else "no",
        outline_color=_colour(edge),
        outline_style=dash,
        outline_width=f"{width_mm}",
        outline_width_unit="MM",
    )
    return (
        f'<symbol name="{name}" type="fill" alpha="1" clip_to_extent="1" force_rhr="0">'
        f'<layer class="SimpleFill" enabled="1" locked="0" pass="0">{options}</layer></symbol>'
    )


def _marker(name: str, shape: str, colour: str, size_mm: float) -> str:
    options = _options(
        name=shape, color=_colour(colour), outline_color=_colour("#ffffff"), size=f"{size_mm}", size_unit="MM"
    )
    return (
        f'<symbol name="{name}" type="marker" alpha="1" clip_to_extent="1" force_rhr="0">'
        f'<layer class="SimpleMarker" enabled="1" locked="0" pass="0">{options}</layer></symbol>'
    )


def _document(renderer: str, label: str | None = None, *, expression: bool = False) -> str:
    labels = ""
    if label:
        labels = (
            '<labeling type="simple"><settings calloutType="simple">'
            f'<text-style fieldName={quoteattr(label)} isExpression="{int(expression)}" fontSize="8" '
            'fontSizeUnit="Point" textColor="0,0,0,255">'
            '<text-buffer bufferDraw="1" bufferSize="0.8" bufferSizeUnits="MM" '
            'bufferColor="255,255,255,255" bufferOpacity="1"/></text-style><placement placement="1"/>'
            '<rendering drawLabels="1" obstacle="1"/></settings></labeling>'
        )
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        f'<qgis version="3.22.0" styleCategories="Symbology|Labeling" labelsEnabled="{int(bool(label))}">'
        f"{renderer}{labels}</qgis>\n"
    )


def _single(symbol: str) -> str:
    return (
        '<renderer-v2 type="singleSymbol" symbollevels="0" enableorderby="0" forceraster="0">'
        f"<symbols>{symbol}</symbols></renderer-v2>"
    )


def _categories(attribute: str, cases: Sequence[tuple[str, str, str]]) -> str:
    """``cases``: value, label, symbol whose name is the value's position."""
    categories = "".join(
        f'<category value={quoteattr(value)} symbol="{k}" label={quoteattr(label)} render="true"/>'
        for k, (value, label, _) in enumerate(cases)
    )
    symbols = "".join(symbol for *_, symbol in cases)
    return (
        f'<renderer-v2 type="categorizedSymbol" attr="{attribute}" symbollevels="0" enableorderby="0" '
        f'forceraster="0"><categories>{categories}</categories><symbols>{symbols}</symbols></renderer-v2>'
    )


def styles() -> dict[str, str]:
    """QML by layer name, for the layers of ``results.gpkg``."""
    kinds = ("pit", "heap", "backfill")
    return {
        "lease": _document(_single(_fill("0", ZONE["lease"], 0.7, None))),
        "zones": _document(
            _categories(
                "zone",
                [
                    ("lease", "lease", _fill("0", ZONE["lease"], 0.3, None)),
                    ("buffer", "0–100 m outside", _fill("1", ZONE["buffer"], 0.5, None, dash="dash")),
                ],
            )
        ),
        "pillars": _document(_single(_marker("0", "square", ZONE["lease"], 2.2)), "name"),
        "other_leases": _document(
            _single(_fill("0", OKABE_ITO["purple"], 0.5, None, dash="dash dot")), "name"
        ),
        "polygons": _document(_single(_fill("0", "#555555", 0.3, "#999999", 40)), "name"),
        "sites": _document(
            _categories("kind", [(k, k, _fill(str(n), SITE[k], 0.5, SITE[k])) for n, k in enumerate(kinds)]),
            "id",
        ),
        "dismissed": _document(_single(_fill("0", "#767676", 0.3, "#bbbbbb", 40, "dot")), "reason"),
        "contours": _document(
            _categories(
                "is_index",
                [
                    ("true", "index contour", _line("0", CONTOUR, 0.4)),
                    ("false", "contour", _line("1", CONTOUR, 0.15)),
                ],
            ),
            'CASE WHEN "is_index" THEN "level_m" END',
            expression=True,
        ),
        "bench_lines": _document(
            _categories(
                "kind",
                [
                    ("crest", "crest", _line("0", "#222222", 0.35)),
                    ("toe", "toe", _line("1", "#222222", 0.25, "dash")),
                ],
            )
        ),
        "sections": _document(_single(_line("0", OKABE_ITO["vermilion"], 0.3, "dash dot")), "section"),
        "profiles": _document(
            _categories(
                "epoch",
                [
                    ("before", "before", _line("0", "#767676", 0.25, "dash")),
                    ("after", "after", _line("1", "#000000", 0.25)),
                ],
            )
        ),
        "faces": _document(_single(_line("0", OKABE_ITO["orange"], 0.4))),
        "levels": _document(_single(_marker("0", "triangle", "#222222", 2.0)), "level_m"),
        "triangles": _document(_single(_fill("0", "#999999", 0.05, None))),
    }
