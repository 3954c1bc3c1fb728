"""An honest filing complies, and each thing that is wrong with it breaches its own row and no other."""

from __future__ import annotations

import csv
import json
from datetime import date

import numpy as np
import pytest

from survey.record import from_json

AREA = "lease_area_ha = "


def test_an_honest_filing_breaches_nothing_and_raises_no_flag(honest_check):
    assert honest_check.breaches == []
    assert honest_check.flags == {}
    assert honest_check.verdicts("too close to call") == []


def test_every_finding_prints_clause_and_grade(honest_check):
    for f in honest_check.record.findings:
        assert f.grade in ("A", "B", "C", "P")
        assert f"grade {f.grade}" in f.citation
        assert f.sentence
        assert f.message
        assert f.mend is None or f.verdict not in ("complies", "not specified")


def test_ids_of_findings_are_unique(honest_check):
    ids = [f.id for f in honest_check.record.findings]
    assert len(ids) == len(set(ids))


def test_the_run_folder_is_whole(honest_check):
    names = {p.relative_to(honest_check.folder).as_posix() for p in honest_check.folder.rglob("*")}
    assert {"record.json", "findings.csv", "report.html", "report.pdf", "missing.geojson"} <= names
    with open(honest_check.folder / "findings.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["id"] for r in rows] == [f.id for f in honest_check.record.findings]
    order = [int(r["severity"]) for r in rows]
    assert order == sorted(order)
    kept = from_json((honest_check.folder / "record.json").read_text(encoding="utf-8"))
    assert [f.id for f in kept.findings] == [f.id for f in honest_check.record.findings]


def test_the_same_filing_gives_the_same_record(filing_base, tmp_path, honest_check):
    from filings import copy_of

    again = copy_of(filing_base, tmp_path).run().record
    first = honest_check.record

    def plain(record):
        return record.model_copy(update={"clock": first.clock, "settings": {}})

    assert plain(again).findings == plain(first).findings
    assert again.outputs == first.outputs


# -- products ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("2025/dsm.tif", {"files.readable"}),
        ("2025/ortho.tif", {"rajasthan.28.dd.ortho"}),
    ],
)
def test_a_missing_file_is_a_finding(lone, name, broken):
    (lone.folder / name).unlink()
    checked = lone.check()
    if name.endswith("ortho.tif"):
        assert checked.breaches == ["rajasthan.28.dd.ortho"]
        assert checked["rajasthan.28.dd.ortho"].observed == "missing"
    else:
        # The terrain model is an elevation model too.
        assert checked["rajasthan.28.dd.dem"].verdict == "complies"
        # It was named all the same, and what is named and missing never passes in silence.
        assert checked.flags == {"files.readable": "moderate"}
        assert checked["files.readable"].observed == "missing"


def test_no_elevation_model_at_all(lone):
    for name in ("dsm", "dtm"):
        (lone.folder / f"2025/{name}.tif").unlink()
    checked = lone.check()
    assert checked.breaches == ["rajasthan.28.dd.dem"]
    assert checked["rajasthan.28.dd.lease:DSM"].verdict == "not measured"


def test_a_truncated_file_is_not_readable(lone):
    path = lone.folder / "2025/ortho.tif"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    checked = lone.check()
    found = checked["rajasthan.28.dd.ortho"]
    assert found.verdict == "breaches"
    assert found.observed == "not readable"
    assert checked["rajasthan.28.dd.lease:orthomosaic"].verdict == "not measured"


def test_the_procedure_is_judged_under_mcdr_and_not_in_rajasthan(lone, honest_check):
    assert not [f for f in honest_check.record.findings if f.id.startswith("ibm.")]
    checked = lone.regime("mcdr").edit(AREA, "annual_excavation_plan_t = 2000000\n" + AREA).check()
    # Cells of a metre, where the procedure asks for 5 cm.
    assert checked.breaches == ["ibm.ortho.cell"]
    assert checked["ibm.ortho.cell"].grade == "C"
    assert checked["ibm.dem.cell:DSM"].verdict == "not specified"
    assert checked["ibm.ortho.crs"].verdict == "complies"
    assert checked["ibm.control.number"].verdict == "complies"


def test_a_dtm_left_out_breaches_the_procedure(lone):
    lone.regime("mcdr").edit('dtm = "2025/dtm.tif"\n', "").edit(
        AREA, "annual_excavation_plan_t = 2000000\n" + AREA
    )
    assert "ibm.dem.dtm" in lone.check().breaches


# -- dates ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("day", "verdict"), [("2025-04-01", "complies"), ("2025-05-31", "complies"), ("2025-06-01", "breaches")]
)
def test_the_month_of_the_survey(lone, day, verdict):
    checked = lone.edit("date = 2025-04-25", f"date = {day}").check()
    assert checked["rajasthan.28.dd.month"].verdict == verdict


@pytest.mark.parametrize(
    ("filed", "verdict"),
    [("2025-07-01", "complies"), ("2025-07-02", "breaches"), (None, "not measured")],
)
def test_the_day_of_filing_under_mcdr(lone, filed, verdict):
    lone.regime("mcdr").edit(AREA, "annual_excavation_plan_t = 2000000\n" + AREA)
    lone.edit("filed = 2025-06-18\n", f"filed = {filed}\n" if filed else "")
    assert lone.check()["mcdr.34A.1.filed"].verdict == verdict


def test_judged_as_of_another_day(lone):
    lone.regime("mcdr").edit(AREA, "annual_excavation_plan_t = 2000000\n" + AREA)
    checked = lone.check(on=date(2023, 1, 1))
    assert checked.record.checks["judged_on"] == "2023-01-01"
    # The procedure of March 2023 was not there yet, and the rules are given as read later.
    assert not [f for f in checked.record.findings if f.id.startswith("ibm.")]
    assert "was not looked up" in checked["mcdr.34A.1.month"].message


# -- coverage ------------------------------------------------------------------------------------------------
def cut_east(columns):
    def change(z):
        z = z.copy()
        z[:, -columns:] = np.nan if z.dtype.kind == "f" else 0
        return z

    return change


def test_an_uncovered_strip_is_measured_exactly(lone, filing_scene):
    import shapely

    from survey.boundary.bands import grown

    lone.heights("2025/dsm.tif", cut_east(60))
    checked = lone.check()
    assert checked.breaches == ["rajasthan.28.dd.buffer:DSM"]
    grid = filing_scene.after_grid
    edge = grid.bounds.east - 60 * grid.cell_east
    reach = grown(filing_scene.lease, 100.0)
    expected = shapely.intersection(reach, shapely.box(edge, 0, edge + 1e5, 1e8)).area
    assert checked["rajasthan.28.dd.buffer:DSM"].evidence["missing_m2"] == pytest.approx(expected, rel=1e-3)


def test_the_lease_itself_uncovered(lone):
    lone.heights("2025/dsm.tif", cut_east(190))
    assert {"rajasthan.28.dd.buffer:DSM", "rajasthan.28.dd.lease:DSM"} <= set(lone.check().breaches)


def hole(rows, cols):
    def change(z):
        z = z.copy()
        z[170 : 170 + rows, 170 : 170 + cols] = np.nan
        return z

    return change


@pytest.mark.parametrize(
    ("size", "breach", "flag"), [((3, 3), False, None), ((12, 12), False, "weak"), ((25, 25), True, None)]
)
def test_holes_by_their_size(lone, size, breach, flag):
    checked = lone.heights("2025/dsm.tif", hole(*size)).check()
    assert ("rajasthan.28.dd.lease:DSM" in checked.breaches) is breach
    assert checked.flags.get("files.holes") == flag
    if not breach and flag is None:
        assert "1 smaller" in checked["files.holes"].message


def test_a_common_side_is_for_review_in_rajasthan_and_owed_under_mcdr(lone):
    """The side that looks east is declared common; the strip in front of it was not flown."""
    lone.heights("2025/dsm.tif", cut_east(60)).heights("2025/dtm.tif", cut_east(60))
    plain = lone.check()
    owed = plain["rajasthan.28.dd.buffer:DSM"].evidence["missing_m2"]
    names = [p["name"] for p in plain.record.lease["pillars"]]
    sides = ", ".join(f'"{a}-{b}"' for a, b in zip(names, [*names[1:], names[0]], strict=True))
    lone.edit("boundary_sigma_m = 0.3", f"boundary_sigma_m = 0.3\ncommon_sides = [{sides}]")
    lifted = lone.check()
    assert "rajasthan.28.dd.buffer:DSM" not in lifted.breaches
    found = lifted["rajasthan.28.dd.common_sides:DSM"]
    assert found.verdict == "exempt, for review"
    assert "shall be limited to the concerned sides" in found.sentence
    exempt = lifted.record.checks["coverage"]["DSM"]["exempt_missing_m2"]
    assert exempt == pytest.approx(owed, rel=0.01)
    lone.regime("mcdr").edit(AREA, "annual_excavation_plan_t = 2000000\n" + AREA)
    assert "mcdr.34A.1.buffer:DSM" in lone.check().breaches, "MCDR 34A has no such proviso"


def test_a_file_of_common_sides_is_an_input_that_lies_where_the_job_may_look(lone):
    plain = lone.check()
    corners = [(p["lon"], p["lat"]) for p in plain.record.lease["pillars"]]
    lines = {"type": "LineString", "coordinates": corners[:2]}
    for place in (lone.folder, lone.folder.parent):
        (place / "sides.geojson").write_text(json.dumps(lines))
    key = "boundary_sigma_m = 0.3"
    lone.edit(key, key + '\ncommon_sides = ["sides.geojson"]')
    assert "rajasthan.28.dd.common_sides:DSM" in [f.id for f in lone.check().record.findings]
    lone.edit('"sides.geojson"', '"../sides.geojson"')
    outside = lone.check().record
    assert "rajasthan.28.dd.common_sides:DSM" not in [f.id for f in outside.findings]
    assert any("outside the folder" in n.message for n in outside.notes if n.severity == "serious")


def test_a_survey_of_another_place(lone):
    for name in ("dsm", "dtm", "ortho"):
        lone.move(f"2025/{name}.tif", east_m=5000.0)
    checked = lone.check()
    assert "rajasthan.28.dd.lease:DSM" in checked.breaches
    assert "does not show any of the lease" in checked["rajasthan.28.dd.lease:DSM"].message


# -- boundary ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, "complies"), (1.005, "too close to call"), (1.3, "breaches")]
)
def test_the_area_of_the_deed(lone, filing_scene, factor, verdict):
    area = filing_scene.lease.area / 1e4
    text = lone.job.read_text()
    line = next(row for row in text.splitlines() if row.startswith(AREA))
    lone.edit(line, f"{AREA}{area * factor:.4f}").edit("boundary_sigma_m = 0.3", "boundary_sigma_m = 0.01")
    assert lone.check()["rajasthan.91.1.boundary"].verdict == verdict


def test_a_boundary_that_cannot_be_read(lone):
    (lone.folder / "lease.kml").write_text("<kml>")
    checked = lone.check()
    found = checked["rajasthan.91.1.boundary"]
    assert (found.verdict, found.observed) == ("breaches", "not readable")
    assert checked["rajasthan.28.dd.lease:DSM"].verdict == "not measured"


def test_pillars_that_stand_elsewhere(lone, honest_check):
    pillars = honest_check.record.lease["pillars"]
    rows = ["pillar,latitude,longitude"]
    for k, p in enumerate(pillars):
        rows.append(f"{p['name']},{p['lat'] + (4e-5 if k == 2 else 0):.9f},{p['lon']:.9f}")
    (lone.folder / "pillars.csv").write_text("\n".join(rows) + "\n")
    lone.edit("boundary_sigma_m = 0.3", 'boundary_sigma_m = 0.3\npillars = "pillars.csv"')
    checked = lone.check()
    assert checked.flags == {"files.pillars": "moderate"}
    # 4e-5 degrees of latitude are 4.4 m.
    worst = max(checked["files.pillars"].evidence["distances_m"].values())
    assert worst == pytest.approx(4.43, abs=0.05)


# -- duties and waivers --------------------------------------------------------------------------------------
def test_a_small_lessee_who_flew_owes_satellite_images(lone):
    lone.regime("mcdr").edit(AREA, "annual_excavation_plan_t = 20000\n" + AREA)
    checked = lone.check()
    assert checked.record.checks["duty"] == "mcdr.34A.2"
    assert checked["mcdr.34A.2.image"].verdict == "exempt, for review"


def test_a_satellite_image_is_judged_as_one(lone):
    lone.regime("mcdr").edit(AREA, "annual_excavation_plan_t = 20000\n" + AREA)
    text = lone.job.read_text()
    head, tail = text.rsplit("[[survey]]", 1)
    tail = "\n".join(
        row for row in tail.splitlines() if not row.startswith(("dem", "dtm", "checkpoints", "height"))
    )
    lone.job.write_text(head + "[[survey]]" + tail.replace('"drone"', '"satellite"'))
    checked = lone.check()
    assert checked["mcdr.34A.2.month"].verdict == "complies"
    assert checked["mcdr.34A.2.georeferenced"].verdict == "complies"
    # Red, green and blue: more than one band, but not what is usually called multispectral.
    assert checked["mcdr.34A.2.multispectral"].verdict == "exempt, for review"
    assert checked["mcdr.34A.2.bands"].verdict == "not specified"
    assert checked["mcdr.34A.2.lease:satellite-image"].verdict == "complies"
    assert checked.breaches == []


def test_a_requirement_that_was_lifted(lone):
    lone.edit("date = 2025-04-25", "date = 2025-06-10")
    lone.add('[[check.waiver]]\nrule = "28(2)(iv)(dd)"\nreason = "Floods in April and May"\norder = "DMG/77"')
    checked = lone.check()
    found = checked["rajasthan.28.dd.month"]
    assert found.verdict == "exempt, for review"
    assert "DMG/77" in found.message
    assert checked.breaches == []


def test_coal_is_judged_with_a_word_of_warning(lone):
    lone.regime("mcdr").edit('mineral = "masonry stone"', 'mineral = "Coal"')
    assert lone.check()["mcdr.2.minerals"].verdict == "exempt, for review"
