"""Many years and many sites in one report: every year is named, two hundred sites open at once."""

from __future__ import annotations

import csv
import re
import time
from pathlib import Path

import pytest
import shapely
from shapely.affinity import translate

from survey.grid import Bounds
from survey.record import PairPart, Record
from survey.report import ReportOptions, write_all
from survey.report.draw.outlines import without_specks
from survey.report.folder import RunFolder, open_run
from survey.report.gpkg import Layer
from survey.report.html import render_html
from survey.report.years import last_period

SITES = 200


def several_years(record: Record) -> Record:
    """The run's record as the second of two pairs; the first dug a tenth of it."""

    def tenth(zone):
        names = [
            n for n in type(zone).model_fields if n.startswith(("cut", "fill", "net")) and n.endswith("_m3")
        ]
        return zone.model_copy(update={n: getattr(zone, n) / 10 for n in names})

    assert record.alignment is not None
    assert record.error is not None
    parts = {"bare_ground": "dsm", "alignment": record.alignment, "error": record.error}
    pairs = [
        PairPart(before="2023-04-18", after="2024-04-20", zones=[tenth(z) for z in record.zones], **parts),
        PairPart(before="2024-04-20", after="2025-04-25", zones=record.zones, **parts),
    ]
    lease = record.zones[0]
    total = {
        "from": "2023-04-18",
        "to": "2025-04-25",
        "zones": [
            {
                "zone": lease.zone,
                **{
                    f"{n}{end}_m3": 1.1 * getattr(lease, f"{n}{end}_m3")
                    for n in ("cut", "fill", "net")
                    for end in ("", "_lo", "_hi")
                },
                "closes_by_m3": 12.0,
            }
        ],
    }
    surveys = [{**record.surveys[0], "date": "2023-04-18"}, *record.surveys]
    return record.model_copy(update={"pairs": pairs, "total": total, "surveys": surveys})


def test_every_pair_and_the_whole_time_are_in_the_page_and_in_the_table(
    run: RunFolder, tmp_path: Path
) -> None:
    many = several_years(run.record)
    page = render_html(open_run(run.path, many), ReportOptions())
    rows = re.findall(r"<tr>(.*?)</tr>", page[page.index('id="year-table"') :].split("</table>")[0], re.S)[1:]
    assert len(rows) == 2 * len(run.record.zones) + 1
    assert "18 April 2023 to 20 April 2024" in rows[0].replace("\u202f", " ").replace("\u00a0", " ")
    assert "18 April 2023 to 25 April 2025" in rows[-1].replace("\u202f", " ").replace("\u00a0", " ")
    (tmp_path / "results.gpkg").write_bytes((run.path / "results.gpkg").read_bytes())
    write_all(tmp_path, many, ReportOptions(formats=("tables",)))
    with open(tmp_path / "tables" / "years.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    lease = [float(row["cut_m3"]) for row in table if row["zone"] == "lease"]
    assert lease[0] + lease[1] == pytest.approx(lease[2], rel=1e-9)


def test_the_headline_says_which_years_it_is_of(run: RunFolder) -> None:
    from survey.report.content import headline
    from survey.report.numbers import Numbers
    from survey.report.words import Words

    words = Words()
    numbers = Numbers(words)
    assert last_period(run.record, words, numbers) is None
    under = headline(open_run(run.path, several_years(run.record)), words, numbers)[0][2]
    assert "2024" in under
    assert "2025" in under
    assert "2023" not in under


def crowded(run: RunFolder) -> RunFolder:
    """The first site two hundred times, in rows of twenty."""
    row = next(iter(run.layer("sites").rows()))
    site = next(s for s in run.record.sites if s.id == row["id"])
    ids = [f"C{k:06d}-000001" for k in range(SITES)]
    sites = [site.model_copy(update={"id": name}) for name in ids]
    rows = [
        {**row, "id": name, "geometry": translate(row["geometry"], 12.0 * (k % 20), -12.0 * (k // 20))}
        for k, name in enumerate(ids)
    ]
    columns = [c for c in row if c != "geometry"]
    many = open_run(run.path, run.record.model_copy(update={"sites": sites}))
    many._layers["sites"] = Layer.of_rows("sites", "MultiPolygon", columns, rows)
    return many


def test_two_hundred_sites_are_all_in_the_page_and_on_the_plan(run: RunFolder) -> None:
    from survey.report.paper.plans import plan_pdf, surface_plan
    from survey.report.words import Words

    many = crowded(run)
    start = time.process_time()
    page = render_html(many, ReportOptions())
    assert page.count("data-site=") >= SITES
    assert page.count('<article class="card"') == SITES
    plan = surface_plan(many, ReportOptions(), Words())
    assert plan is not None
    assert plan_pdf(many, plan, ReportOptions())[:5] == b"%PDF-"
    assert time.process_time() - start < 20.0


def test_specks_go_and_the_body_stays() -> None:
    body = (
        shapely.box(0, 0, 100, 100)
        .difference(shapely.box(40, 40, 43, 43))
        .difference(shapely.box(10, 10, 40, 30))
    )
    speck = shapely.box(200, 200, 203, 203)
    shown = without_specks(shapely.union_all([body, speck]), 25.0)
    assert shown.area == 100 * 100 - 30 * 20
    # What is smaller than a speck as a whole is drawn all the same: it is a site.
    assert without_specks(speck, 25.0).area == speck.area
    assert Bounds(*shown.bounds) == Bounds(0, 0, 100, 100)


def test_a_rim_is_the_outer_outline_and_not_that_of_islands_on_the_floor() -> None:
    """A pit with a level rim at 100 m and a floor at 80 m; part of its outline is an island on the floor."""
    import numpy as np

    from survey.grid import Grid
    from survey.pipelines.drawing.layers import _lowest_highest

    grid = Grid("EPSG:32643", 0.0, 100.0, 1.0, 1.0, 100, 100)
    heights = np.full(grid.shape, 100.0, np.float32)
    heights[30:70, 30:70] = 80.0
    ring = shapely.box(20, 20, 80, 80).difference(shapely.box(35, 35, 65, 65))
    shape = shapely.MultiPolygon([ring, shapely.box(45, 45, 55, 55)])
    low, high, rim = _lowest_highest(shape, heights, grid)
    assert low is not None
    assert high is not None
    assert (low[2], high[2], rim) == (80.0, 100.0, 100.0)
