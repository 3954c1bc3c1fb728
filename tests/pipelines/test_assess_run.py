"""A whole run of ``survey assess``: folder, record, layers, and a sheet that can be signed."""

from __future__ import annotations

import hashlib
import json
import math

import jsonschema
import pypdfium2
import pytest
import shapely
from assess_scene import HEAP, PIT, frustum_m3, make_job

from survey.pipelines.assess.run import run_assess
from survey.pipelines.assess.targets import Target, settle_overlaps
from survey.pipelines.job import load_job
from survey.pipelines.options import Options
from survey.pipelines.progress import NullProgress
from survey.record import json_schema
from survey.record_assess import Assessment
from survey.report.gpkg import layer_names, read_layer
from survey.report.sheet.words import table
from survey.report.words import Words

MONEY = """
royalty_rate_inr_t = 80.0
royalty_date = 2024-02-01
royalty_source = "Second Schedule, item 7"
multiplier = 10.0
multiplier_basis = "Rule 54(3)"
demarcation_area_ha = 4.2
khasra = ["210"]
[[assess.officers]]
name = "D. Singh"
designation = "Mining Engineer"
[[assess.materials]]
name = "sandstone"
fraction = 0.8
source = "Face log"
[[assess.materials]]
name = "soil"
mineral = false
fraction = 0.2
"""

POINTS = """
[assess]
points = "points.csv"
points_crs = "EPSG:32643"
points_sigma_m = 0.02
date = 2025-05-20
"""


def run(path, out):
    options = Options(out=out, force=True, workers=1)
    return run_assess(load_job(path), options, NullProgress())


def text_of(pdf):
    document = pypdfium2.PdfDocument(pdf)
    text = "\n".join(page.get_textpage().get_text_range() for page in document)
    sizes = [page.get_size() for page in document]
    document.close()
    return text, sizes


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assess")
    path = make_job(folder, assess='[assess]\ntargets = "sites.geojson"\ncase_no = "ME/118"\n' + MONEY)
    record = run(path, folder / "runs")
    return folder, path, record


def test_the_record_is_whole_and_fits_its_schema(done):
    folder, _, record = done
    raw = json.loads((folder / "runs/A-1/record.json").read_text())
    jsonschema.validate(raw, json_schema())
    pit = Assessment.model_validate(record.assessments[0])
    assert pit.volume_lo_m3 <= frustum_m3(PIT[2], PIT[3]) <= pit.volume_hi_m3
    for name, digest in raw["outputs"].items():
        assert hashlib.sha256((folder / "runs/A-1" / name).read_bytes()).hexdigest() == digest
    for name in (
        "sheet-P-1.pdf",
        "sheet-Stock.pdf",
        "sites.kml",
        "sites.geojson",
        "results.gpkg",
        "report.html",
    ):
        assert name in raw["outputs"]


def test_tonnes_and_rupees_follow_from_what_was_entered(done):
    pit = Assessment.model_validate(done[2].assessments[0])
    w = pit.worth
    assert w.mineral_t == pytest.approx(pit.volume_m3 * 0.8 * 2.4)
    assert w.amount_inr == pytest.approx(w.mineral_t * 80 * 10)
    assert w.missing == []
    assert w.portions[0].density_state == "in situ"
    assert pit.fee.fee_inr == 7500
    heap = Assessment.model_validate(done[2].assessments[1])
    assert heap.worth.portions[0].density_t_m3 == 1.6
    assert heap.worth.portions[0].density_state == "loose"


def test_layers_carry_corners_and_sections(done):
    gpkg = done[0] / "runs/A-1/results.gpkg"
    assert {"sites", "corners", "assess_sections", "lease", "pillars"} <= set(layer_names(gpkg))
    corners = read_layer(gpkg, "corners")
    assert len(corners) == 64
    first = next(corners.rows())
    assert first["number"] == "1"
    assert first["geometry"].x == pytest.approx(first["east"])


def test_the_sheet_is_a4_and_says_everything(done):
    text, sizes = text_of(done[0] / "runs/A-1/sheet-P-1.pdf")
    for width, height in sizes:
        assert (width * 25.4 / 72, height * 25.4 / 72) == pytest.approx((210, 297), abs=0.5)
    a = Assessment.model_validate(done[2].assessments[0])
    for wanted in (
        "Rule 91", "ME/118", "D. Singh, Mining Engineer", "Khasra number", "210", "sandstone", "Face log",
        "Laboratory report 311", "Second Schedule, item 7", "Rule 54(3)", "95 % interval", "Signature",
        "Witness", "Location", "Plan", "Section A–A′", "Section B–B′", "EPSG:32643", "Below the base (cut)",
        f"{a.vertices[0].east_m:.2f}", f"{a.volume_m3:,.0f}",
    ):  # fmt: skip
        assert wanted in text, wanted
    # Latitude and longitude to a hundredth of a second.
    assert "24°41′" in text
    assert "″" in text
    for source in done[2].sources:
        assert source.sha256 in text.replace("\r\n", "").replace("\n", "")


def test_nothing_is_decided_by_chance(done, tmp_path):
    """The same job again: the same bytes, but for the clock."""
    folder, path, _ = done
    again = run(path, tmp_path / "again")
    for name in again.outputs:
        one, other = (root / "A-1" / name for root in (folder / "runs", tmp_path / "again"))
        assert one.read_bytes() == other.read_bytes(), name
    records = [
        json.loads((root / "A-1/record.json").read_text()) for root in (folder / "runs", tmp_path / "again")
    ]
    for raw in records:
        del raw["clock"]
    assert records[0] == records[1]


def test_points_only_in_hindi(tmp_path):
    rows = ["id,code,easting,northing,elevation"]
    rim = [
        (500_040 + 11 * math.cos(t), 2_729_940 + 11 * math.sin(t))
        for t in [k * math.pi / 12 for k in range(24)]
    ]
    toe = [
        (500_040 + 7 * math.cos(t), 2_729_940 + 7 * math.sin(t))
        for t in [k * math.pi / 12 for k in range(24)]
    ]
    rows += [f"R{k},rim,{e:.3f},{n:.3f},410.0" for k, (e, n) in enumerate(rim)]
    rows += [f"T{k},toe,{e:.3f},{n:.3f},406.0" for k, (e, n) in enumerate(toe)]
    rows += [
        f"F{k},floor,{500_040 + x},{2_729_940 + y},406.0"
        for k, (x, y) in enumerate([(0, 0), (3, 2), (-3, 1), (1, -4), (-2, -3)])
    ]
    (tmp_path / "points.csv").write_text("\n".join(rows) + "\n")
    path = make_job(tmp_path, assess=POINTS, more='\n[report]\nlanguage = "hi"\n')
    text = path.read_text()
    path.write_text(text[: text.index("[[survey]]")] + text[text.index("[assess]") :])
    record = run(path, tmp_path / "runs")
    a = Assessment.model_validate(record.assessments[0])
    factor = 24 / (2 * math.pi) * math.sin(2 * math.pi / 24)
    assert a.volume_m3 == pytest.approx(factor * frustum_m3(PIT[2], PIT[3]), rel=1e-3)
    assert a.volume_lo_m3 <= frustum_m3(PIT[2], PIT[3]) <= a.volume_hi_m3
    # No density was sourced to a fraction, no rate entered: no amount, and it is said why.
    assert a.worth.amount_inr is None
    assert "royalty rate" in a.worth.missing
    text, _ = text_of(tmp_path / "runs/A-1/sheet-points.pdf")
    # The text of shaped Devanagari comes out of a PDF in the order of its glyphs; single letters suffice.
    assert any("\u0900" <= sign <= "\u097f" for sign in text)
    assert "EPSG:32643" in text


def test_what_measuring_says_is_on_the_list():
    """The sentences that the rooms write, from where they are written."""
    from survey.volumetrics.material import Bounds, Material, settle_fractions

    _, said = settle_fractions(
        [
            Material("ore", True, Bounds(0.5, 0.6, 0.7), None, "in situ"),
            Material("soil", False, None, None, "in situ"),
        ]
    )
    boxes = [Target(name, shapely.box(x, 0, x + 10, size), k) for k, (name, x, size) in enumerate(
        [("a", 0, 10), ("b", 2, 4), ("c", 8, 9)]
    )]  # fmt: skip
    texts = [*said, *(line for t in settle_overlaps(boxes) for line in t.counted)]
    assert len(texts) >= 2
    for text in texts:
        assert Words("hi").said(text) != text


def test_all_words_stand_in_both_languages():
    for key, both in table().items():
        assert len(both) == 2, key
        assert all(both), key
        braces = [sorted(part.split("}")[0] for part in text.split("{")[1:]) for text in both]
        assert braces[0] == braces[1], key
    assert HEAP  # the scene holds a stock too
