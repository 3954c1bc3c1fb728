"""``survey run``: one folder and one record for all that a job describes."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from small_mine import make_mine

from survey.archive import changed_outputs, complete_record
from survey.errors import InputRefused
from survey.pipelines.change import compare
from survey.pipelines.job import load_job
from survey.pipelines.options import Options
from survey.pipelines.progress import NullProgress
from survey.pipelines.run import merged, run_run
from survey.record import Clock, Finding, Note, Record, Source, from_json

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALL = '[assess]\ntargets = "detected"\n'


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> tuple[Path, Record, list[object]]:
    """A job of four tasks, and how often the surveys were measured against each other."""
    folder = tmp_path_factory.mktemp("all")
    job = make_mine(folder, cells=288, head='regime = "mcdr"', more=ALL)
    calls: list[object] = []
    measure = compare.measure_pair

    def counted(*args, **kwargs):
        calls.append(args)
        return measure(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "measure_pair", counted)
        record = run_run(load_job(job), Options(out=folder / "runs", reports="html"), NullProgress())
    return folder / "runs" / "S-1", record, calls


def test_one_record_holds_the_parts_of_every_task(done):
    folder, record, _ = done
    assert load_job(folder.parents[1] / "job.toml").tasks == ("check", "excavation", "outside", "assess")
    assert record.command == "run"
    assert record.checks is not None
    assert {f.verdict for f in record.findings} >= {"breaches"}  # neither orthomosaic nor check points
    assert [z.zone for z in record.zones] == ["lease", "buffer", "beyond"]
    # Cylinders of radius 0.12 and 0.05 of 288 m, 6 m and 3 m deep: 22,517 m³ and 1,954 m³.
    assert record.zones[0].cut_m3 == pytest.approx(22_517, rel=0.01)
    outside = [s for s in record.sites if s.zone != "lease"]
    assert [s.volume_m3 for s in outside] == [pytest.approx(1_954, rel=0.03)]
    assert [a["id"] for a in record.assessments] == [outside[0].id]
    written = from_json((folder / "record.json").read_text())
    assert [s.id for s in written.sites] == [s.id for s in record.sites]


def test_nothing_is_measured_twice(done):
    assert len(done[2]) == 1


def test_every_file_is_there_and_named_with_its_hash(done):
    folder, record, _ = done
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert files >= {
        "record.json", "change.tif", "sites.geojson", "results.gpkg", "findings.csv", "report.html",
        "submission.html", "sites.kml", "missing.geojson",
    }  # fmt: skip
    assert set(record.outputs) == files - {"record.json"}
    raw = complete_record(folder)
    assert raw is not None
    assert changed_outputs(folder, raw) == []
    with open(folder / "findings.csv", encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.reader(file))) == len(record.findings) + 1


def test_sources_are_listed_once(done):
    names = [(s.role, s.path) for s in done[1].sources]
    assert len(names) == len(set(names)) == 3
    assert all(s.crs for s in done[1].sources)


def test_what_cannot_be_measured_refuses_the_run_and_names_the_check(tmp_path):
    job = make_mine(tmp_path, cells=64, head='regime = "mcdr"')
    (tmp_path / "after.tif").write_bytes(b"II*\0 but no more")
    with pytest.raises(InputRefused, match=r"after\.tif: .*survey check"):
        run_run(load_job(job), Options(out=tmp_path / "runs"), NullProgress())
    assert not (tmp_path / "runs").exists()


# -- merging -------------------------------------------------------------------------------------------------
def part(command: str, **parts: object) -> Record:
    clock = Clock(started=NOW, finished=NOW, seconds=0.0)
    values = {"command": command, "job": {"id": "A"}, "clock": clock, "software": {}, "sources": [], **parts}
    return Record(**values)  # type: ignore[arg-type]


def finding(name: str) -> Finding:
    return Finding(
        id=name, rule="", citation="", verdict="complies", observed=None, limit=None, unit=None, message=""
    )


def test_the_first_leads_and_the_others_add():
    def source(crs: str | None) -> Source:
        return Source(role="dem", path="a.tif", sha256="0", bytes=1, crs=crs)

    note = Note(code="n", message="said twice")
    a = part("excavation", sources=[source(None)], notes=[note], grid={"rows": 1}, settings={"x": 1})
    b = part(
        "check", sources=[source("EPSG:32643")], notes=[note], findings=[finding("f")], checks={"k": 1},
        grid={"rows": 2}, settings={"x": 2, "y": 2},
    )  # fmt: skip
    both = merged([a, b], NOW)
    assert both.command == "run"
    assert both.grid == {"rows": 1}
    assert both.checks == {"k": 1}
    assert [f.id for f in both.findings] == ["f"]
    assert both.notes == [note]
    assert [s.crs for s in both.sources] == ["EPSG:32643"]
    assert both.settings == {"x": 1, "y": 2}
    assert json.dumps(both.clock.seconds) != "null"
    with pytest.raises(ValueError, match="nothing"):
        merged([], NOW)
