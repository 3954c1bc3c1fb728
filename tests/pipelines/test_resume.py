"""What is recognised as done: the same job, inputs, law, options and version, untouched; and nothing else."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from small_mine import make_mine, without_clock

from survey.pipelines import runs, sealing
from survey.pipelines.change.run import run_comparison
from survey.pipelines.inputs import open_inputs
from survey.pipelines.job import load_job
from survey.pipelines.options import Options
from survey.pipelines.progress import NullProgress
from survey.pipelines.runs import run_digest
from survey.pipelines.sealing import law_digest

INPUTS = {"before.tif": "aa", "after.tif": "bb"}


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return make_mine(tmp_path_factory.mktemp("resumed"), cells=128)


def digest(file: Path, options: Options | None = None, command: str = "run", **inputs: str) -> str:
    return run_digest(load_job(file), options or Options(), command, INPUTS | inputs)


def test_whatever_can_alter_a_figure_alters_the_digest(file, tmp_path, monkeypatch):
    said = [digest(file), digest(file, command="outside"), digest(file, **{"after.tif": "cc"})]
    said += [digest(file, Options(change=False)), digest(file, Options(reports="none"))]
    said.append(digest(file, Options(on=date(2024, 1, 1))))
    for more in ("[detect]\nmin_area_m2 = 41\n", '[mine]\nlessee = "R. K."\n'):
        other = file.with_name("other.toml")
        other.write_text(file.read_text() + more)
        said.append(digest(other))
    with monkeypatch.context() as patch:
        patch.setattr(runs, "__version__", "99.0")
        said.append(digest(file))
    (tmp_path / "law").mkdir()
    (tmp_path / "law" / "mcdr.toml").write_text("rule = 1\n")
    with monkeypatch.context() as patch:
        patch.setattr(sealing.resources, "files", lambda package: tmp_path)
        said.append(digest(file))
        (tmp_path / "law" / "mcdr.toml").write_text("rule = 2\n")
        said.append(digest(file))
    assert len(set(said)) == len(said)


def test_how_the_work_is_done_does_not(file):
    how = Options(
        workers=7, memory_bytes=10**9, scheduler="tcp://x:1", tile=64, force=True, json=True, verbosity=1
    )
    assert digest(file, how) == digest(file)
    assert digest(file, replace(how, out=Path("elsewhere"))) == digest(file)
    file.with_name("spaced.toml").write_text("# a comment\n" + file.read_text().replace(" = ", "   =  "))
    assert digest(file.with_name("spaced.toml")) == digest(file)


def test_the_law_that_a_run_was_judged_by_stands_in_its_record(file, tmp_path):
    record = excavate(file, tmp_path)
    settings = json.loads(record.read_text())["settings"]
    assert settings["law_digest"] == law_digest()
    assert len(settings["digest"]) == len(settings["seal"]) == 64


def excavate(file: Path, out: Path, **options: object) -> Path:
    chosen = Options(out=out, workers=1, reports="none", **options)  # type: ignore[arg-type]
    run_comparison(load_job(file), chosen, NullProgress(), "excavation")
    return out / "S-1" / "record.json"


def test_a_finished_job_is_not_run_again_until_something_differs(file, tmp_path, monkeypatch):
    def inode() -> int:
        return record.parent.stat().st_ino

    record = excavate(file, tmp_path)
    first, before = inode(), without_clock(record)
    excavate(file, tmp_path)
    assert inode() == first, "the same run is kept"
    excavate(file, tmp_path, force=True)
    forced = inode()
    assert forced != first
    assert without_clock(record) == before
    # Only its time differs: the same bytes are the same input.
    os.utime(file.with_name("after.tif"))
    excavate(file, tmp_path)
    assert inode() == forced
    # An input that somebody changed since.
    after = file.with_name("after.tif")
    after.write_bytes(after.read_bytes() + b"\0")
    excavate(file, tmp_path)
    changed = inode()
    assert changed != forced
    assert without_clock(record) != before
    # A newer version asks the question anew.
    monkeypatch.setattr(runs, "__version__", "99.0")
    excavate(file, tmp_path)
    assert inode() != changed


STATISTICS = """<PAMDataset><PAMRasterBand band="1"><Metadata>
<MDI key="STATISTICS_MAXIMUM">311.2</MDI><MDI key="STATISTICS_MEAN">303.7</MDI></Metadata></PAMRasterBand>
</PAMDataset>"""
PLACE = "<PAMDataset><GeoTransform>500000, 1, 0, 2700000, 0, -1</GeoTransform></PAMDataset>"


def test_statistics_that_a_gis_leaves_beside_an_input_do_not_make_a_run_stale(tmp_path):
    job = load_job(make_mine(tmp_path, cells=128))

    def inputs() -> dict[str, str]:
        with open_inputs(job) as found:
            return found.digest_inputs()

    bare = inputs()
    beside = tmp_path / "after.tif.aux.xml"
    beside.write_text(STATISTICS)
    assert inputs() == bare
    # One that says where the cells lie may be believed, and counts.
    beside.write_text(PLACE)
    assert set(inputs()) - set(bare) == {"after.tif.aux.xml"}
    # One that cannot be read says nothing, to the reader of rasters as here.
    beside.write_text("<PAMDataset>")
    assert inputs() == bare
