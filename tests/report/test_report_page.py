"""``report.html`` as text: one file, no address outside it, nothing from the record becomes markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import closed_form_run as mine
import numpy as np
import pytest
import shapely

from survey.grid import Bounds
from survey.pipelines.drawing.pictures import _BUDGET
from survey.report.folder import RunFolder, open_run
from survey.report.gpkg import Layer, write_layers
from survey.report.html import json_for_script, render_html
from survey.report.options import ReportOptions
from survey.report.pictures import Picture, write_index


class Elements(HTMLParser):
    """All start tags with their attributes, and the text of scripts by type."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[str | None, str]] = []
        self._script: str | None = None
        self._inside = False
        self.ids: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if attributes.get("id"):
            self.ids.append(str(attributes["id"]))
        if tag == "script":
            self._inside, self._script = True, attributes.get("type")
            self.scripts.append((self._script, ""))

    def handle_endtag(self, tag):
        if tag == "script":
            self._inside = False

    def handle_data(self, data):
        if self._inside:
            kind, text = self.scripts[-1]
            self.scripts[-1] = kind, text + data
        else:
            self.text.append(data)


@pytest.fixture(scope="module")
def page(run: RunFolder) -> str:
    return render_html(run, ReportOptions())


@pytest.fixture(scope="module")
def elements(page: str) -> Elements:
    parser = Elements()
    parser.feed(page)
    return parser


def test_no_address_leads_outside(elements):
    for tag, attributes in elements.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset", "formaction"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, name, value)
    policy = next(a["content"] for t, a in elements.tags if t == "meta" and a.get("http-equiv"))
    assert "default-src 'none'" in policy


def test_styles_and_scripts_fetch_nothing(page):
    styles = "".join(re.findall(r"<style>(.*?)</style>", page, re.S))
    assert "@import" not in styles
    # Leaflet's own sheet names three pictures of controls that are not used; the policy above forbids them.
    assert set(re.findall(r"url\(([^)]+)\)", styles)) <= {
        "images/layers.png",
        "images/layers-2x.png",
        "images/marker-icon.png",
        "#default#VML",
    }
    assert "sourceMappingURL" not in page


def test_what_the_record_says_never_becomes_markup(page, elements):
    assert "<Mine>" not in page
    assert "</script><b>" not in page
    assert len(elements.scripts) == 3
    assert not any(tag == "mine" for tag, _ in elements.tags)
    assert "Chandrapura Limestone <Mine> & Co" in "".join(elements.text)
    assert any("</script><b>bare</b>" in text for text in elements.text)


@pytest.mark.parametrize(
    "evil", ["</script><script>alert(1)</script>", "<!--", "]]>", "\u2028\u2029", "&lt;", '"\\', "\x00"]
)
def test_json_in_a_script_cannot_end_it_and_comes_back(evil):
    text = json_for_script({"a": evil})
    assert not re.search(r"[<>&\u2028\u2029]", text)
    assert json.loads(text) == {"a": evil}


def test_hostile_names_everywhere_stay_text(run):
    evil = '"><img src=x onerror=alert(1)><script>alert(2)</script>\u2028'
    record = run.record
    sites = [s.model_copy(update={"why": evil, "nearest_pillar": evil}) for s in record.sites]
    findings = [f.model_copy(update={"message": evil, "citation": evil}) for f in record.findings]
    sources = [s.model_copy(update={"path": evil}) for s in record.sources]
    made = record.model_copy(
        update={
            "mine": dict.fromkeys(record.mine, evil),
            "job": {"id": evil},
            "sites": sites,
            "findings": findings,
            "sources": sources,
            "software": {evil: evil},
        }
    )
    text = render_html(open_run(run.path, made), ReportOptions())
    parser = Elements()
    parser.feed(text)
    assert len(parser.scripts) == 3
    assert not any("onerror" in attributes for _, attributes in parser.tags)


def test_every_site_zone_finding_and_source_is_in_the_tables(page, run):
    for site in run.record.sites:
        assert page.count(f'data-site="{site.id}"') == 2  # its row's button and its card
    for source in run.record.sources:
        assert source.sha256 in page
    assert page.count('class="finding"') == len(run.record.findings)


def test_ids_are_unique_and_labels_point_at_something(elements):
    assert len(elements.ids) == len(set(elements.ids))
    for tag, attributes in elements.tags:
        if tag == "a" and attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in elements.ids
        for name in ("aria-describedby", "aria-labelledby"):
            if attributes.get(name):
                assert attributes[name] in elements.ids
        if tag == "img":
            assert attributes.get("alt")


def test_the_data_place_the_lease_where_it_lies(elements):
    data = json.loads(next(text for kind, text in elements.scripts if kind == "application/json"))
    east, north = data["map"]["origin"]
    ring = np.array(data["map"]["lease"][0][0])
    np.testing.assert_allclose(ring[:-1, 1] + east, [p[0] for p in mine.LEASE], atol=0.006)
    np.testing.assert_allclose(ring[:-1, 0] + north, [p[1] for p in mine.LEASE], atol=0.006)
    assert len(data["map"]["pictures"]) == 5
    assert {s["name"] for s in data["sections"]} >= {"A", "S-0412-0388"}


def test_hindi_and_indian_grouping(run):
    page = render_html(run, ReportOptions(language="hi", indian_digits=True))
    assert '<html lang="hi">' in page
    assert "क्षेत्रवार आयतन" in page
    assert "@font-face" in page
    assert "पट्टे के भीतर खनन" in page


def test_a_record_without_map_and_without_volumes_is_still_a_page(tmp_path, run):
    bare = run.record.model_copy(
        update={
            "zones": [],
            "sites": [],
            "benches": [],
            "polygons": [],
            "dismissed": [],
            "alignment": None,
            "error": None,
        }
    )
    page = render_html(open_run(tmp_path, bare), ReportOptions())
    assert 'id="map"' not in page
    assert "Filed eleven days before" in page


def test_unmeasured_figures_are_said_in_words(run):
    nan = float("nan")
    gap = run.record.zones[0].model_copy(
        update=dict.fromkeys(("cut_m3", "cut_lo_m3", "cut_hi_m3", "net_m3", "net_lo_m3", "net_hi_m3"), nan)
    )
    page = render_html(open_run(run.path, run.record.model_copy(update={"zones": [gap]})), ReportOptions())
    assert "not measured" in page
    assert ">nan<" not in page.lower()


def test_the_page_of_a_large_lease_stays_below_fifteen_megabytes(tmp_path, run):
    """Pictures that fill their budgets, forty sites, lines and sections at the limit: 200 ha and more."""
    rng = np.random.default_rng(0)
    pictures: list[Picture] = []
    (tmp_path / "pictures").mkdir()

    def add(name: str, epoch: str | None, size: int, site: str | None = None) -> None:
        file = f"pictures/{len(pictures)}.webp"
        (tmp_path / file).write_bytes(rng.bytes(size))
        bounds = Bounds(500_000, 2_800_000, 501_600, 2_801_600)
        pictures.append(Picture(name, epoch, file, bounds, 10, 10, "", "2025-04-25", site, {}))

    sites = [run.record.sites[0].model_copy(update={"id": f"S-{k:04d}"}) for k in range(40)]
    for epoch in ("before", "after"):
        add("hillshade", epoch, _BUDGET["hillshade"])
        add("ortho", epoch, _BUDGET["ortho"])
        for site in sites:
            add("chip", epoch, _BUDGET["chips"] // (2 * len(sites)), site.id)
    add("change", None, _BUDGET["change"])
    write_index(tmp_path, pictures)

    def walk(k: int, vertices: int) -> shapely.LineString:
        steps = np.cumsum(rng.normal(0, 2, (vertices, 2)), axis=0) + np.array([500_800, 2_800_800])
        return shapely.linestrings(np.column_stack([steps, np.full(vertices, 300.0 + k)]))

    contours = [
        {"level_m": float(k), "is_index": True, "interval_m": 1.0, "geometry": walk(k, 900)}
        for k in range(88)
    ]
    sections, profiles = [], []
    for k in range(85):
        north = 2_800_000.0 + 19 * k
        east = 500_000 + np.arange(4000) * 0.4
        ends = shapely.linestrings([[500_000.0, north], [501_600.0, north]])
        sections.append(
            {
                "section": f"S{k}",
                "kind": "regular",
                "site": None,
                "length_m": 1600.0,
                "bearing_deg": 90.0,
                "geometry": ends,
            }
        )
        for epoch in ("before", "after"):
            ground = np.cumsum(rng.normal(0, 0.08, len(east))) + 300
            line = shapely.linestrings(np.column_stack([east, np.full(len(east), north), ground]))
            profiles.append(
                {
                    "section": f"S{k}",
                    "epoch": epoch,
                    "survey": "2025-04-25",
                    "geometry": shapely.multilinestrings([line]),
                }
            )
    names = ("section", "kind", "site", "length_m", "bearing_deg")
    layers = [
        Layer.of_rows("contours", "LineString Z", ("level_m", "is_index", "interval_m"), contours),
        Layer.of_rows("sections", "LineString", names, sections),
        Layer.of_rows("profiles", "MultiLineString Z", ("section", "epoch", "survey"), profiles),
    ]
    write_layers(tmp_path / "results.gpkg", layers, mine.grid().crs_wkt)
    large = open_run(tmp_path, run.record.model_copy(update={"sites": sites}))
    page = render_html(large, ReportOptions(language="hi")).encode()
    assert 11_000_000 < len(page) < 15_000_000
