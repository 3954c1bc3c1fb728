"""Does a record still stand? Files touched after the run, inputs that changed, and signatures."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from small_mine import make_mine

from survey.errors import InputRefused, OutputError
from survey.pipelines.change.run import run_comparison
from survey.pipelines.job import load_job
from survey.pipelines.options import Options
from survey.pipelines.progress import NullProgress
from survey.pipelines.report import run_report
from survey.pipelines.sealing import seal_of
from survey.pipelines.verify import run_verify


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("verified")
    job = make_mine(folder / "job", cells=160)
    options = Options(out=folder / "job" / "runs", reports="html", workers=2)
    run_comparison(load_job(job), options, NullProgress(), "excavation")
    return folder / "job"


@pytest.fixture
def job(made, tmp_path) -> Path:
    """A copy of the job's folder; its run lies in ``runs/S-1``."""
    return Path(shutil.copytree(made, tmp_path / "job"))


def verify(job: Path, **asked: Path) -> tuple[bool, dict]:
    stands, told = run_verify(job / "runs" / "S-1", Options(json=True), NullProgress(), **asked)
    return stands, json.loads(told)


def test_an_untouched_run_stands_wherever_it_lies(job):
    stands, said = verify(job)
    assert stands
    assert said["stands"] is True
    assert set(said["outputs"].values()) == {"same"}
    assert {"change.tif", "results.gpkg", "sites.geojson", "findings.csv"} <= set(said["outputs"])
    assert set(said["inputs"].values()) == {"same"}
    assert len(said["inputs"]) == 3
    assert said["unnamed"] == []
    assert said["signature"] == "none"
    assert said["differs"] == {}
    shutil.move(job / "runs" / "S-1", job.parent / "S-1")
    stands, told = run_verify(job.parent / "S-1", Options(), NullProgress(), inputs=job)
    assert stands
    assert told.startswith("The record stands.\nOutputs: ")
    assert "Inputs: 3 same" in told
    stands, told = run_verify(job.parent / "S-1" / "record.json", Options(), NullProgress())
    assert stands
    assert "Inputs: 3 not found" in told


@pytest.mark.parametrize("how", ["changed", "missing"])
def test_a_result_that_was_touched_does_not_stand(how, job):
    file = job / "runs" / "S-1" / "change.tif"
    if how == "changed":
        with open(file, "ab") as stream:
            stream.write(b"\0")
    else:
        file.unlink()
    stands, said = verify(job)
    assert not stands
    assert said["outputs"]["change.tif"] == how


def test_a_drawing_may_be_drawn_again_and_files_may_lie_beside(job):
    (job / "runs" / "S-1" / "report.html").write_text("drawn by a later version")
    (job / "runs" / "S-1" / "note.txt").write_text("seen by R. K.")
    stands, said = verify(job)
    assert stands
    assert said["outputs"]["report.html"] == "changed"
    assert said["unnamed"] == ["note.txt"]


def test_an_input_that_is_no_longer_what_was_measured(job):
    with open(job / "after.tif", "r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\1")
    stands, said = verify(job)
    assert not stands
    assert said["inputs"]["after.tif (dem of 2025-04-20)"] == "changed"


def edit(job: Path, change: Callable[[dict], None], *, seal: bool = False) -> None:
    """Edit the record; with ``seal`` as somebody does who knows how it is sealed."""
    file = job / "runs" / "S-1" / "record.json"
    content = json.loads(file.read_text())
    change(content)
    if seal:
        content["settings"]["seal"] = seal_of(content)
    file.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def test_a_figure_of_the_record_that_was_edited(job):
    edit(job, lambda record: None)
    assert verify(job)[0]
    edit(job, lambda record: record["zones"][0].update(cut_m3=1.0))
    stands, said = verify(job)
    assert not stands
    assert said["problems"] == ["The record was edited or damaged after it was written."]
    edit(job, lambda record: record["settings"].pop("seal"))
    assert verify(job)[0], "a record of before there were seals"


def test_a_drawing_that_was_edited_can_be_drawn_again(job):
    """It is told apart from what was measured, and is the same again to the last byte."""
    run = job / "runs" / "S-1"
    before = (run / "report.html").read_bytes()
    (run / "report.html").write_bytes(before.replace(b"10,", b"11,"))
    stands, said = verify(job)
    assert stands
    assert said["outputs"]["report.html"] == "changed"
    run_report(run, Options(out=run.parent), NullProgress())
    assert (run / "report.html").read_bytes() == before
    assert verify(job)[1]["outputs"]["report.html"] == "same"


def test_software_that_differs_is_told_and_is_no_fault(job):
    edit(job, lambda record: record["software"].update({"mine-survey": "0.0.1"}), seal=True)
    stands, said = verify(job)
    assert stands
    assert list(said["differs"]) == ["mine-survey"]


def test_what_is_no_run_is_refused_and_names_cannot_lead_outside(job, tmp_path):
    with pytest.raises(InputRefused, match="holds no whole run"):
        run_verify(tmp_path, Options(), NullProgress())
    edit(job, lambda r: r["outputs"].update({"../../after.tif": "0", "/etc/hostname": "0"}), seal=True)
    stands, said = verify(job)
    assert not stands
    assert said["outputs"]["/etc/hostname"] == said["outputs"]["../../after.tif"] == "outside the run"


def test_signatures(job, tmp_path):
    """The format is that of ``ssh-keygen -Y``; whoever has it can check a record without this program."""
    if shutil.which("ssh-keygen") is None:
        with pytest.raises(Exception, match="ssh-keygen"):
            verify(job, sign=tmp_path / "key")
        return
    for name in ("key", "other"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", tmp_path / name], check=True
        )
    signers, strangers = tmp_path / "signers", tmp_path / "strangers"
    signers.write_text(f"office@mines.example {(tmp_path / 'key.pub').read_text()}")
    strangers.write_text(f"other@mines.example {(tmp_path / 'other.pub').read_text()}")
    stands, said = verify(job, signers=signers)
    assert not stands
    assert said["problems"] == ["A signature is asked for and there is none."]
    stands, said = verify(job, sign=tmp_path / "key")
    assert stands
    assert said["signature"].startswith("whole, by the key SHA256:")
    assert said["unnamed"] == []
    assert verify(job, signers=signers)[1]["signature"] == "by office@mines.example"
    stands, said = verify(job, signers=strangers)
    assert (stands, said["signature"]) == (False, "bad")
    record = job / "runs" / "S-1" / "record.json"
    plain = subprocess.run(
        ["ssh-keygen", "-Y", "verify", "-f", signers, "-I", "office@mines.example",
         "-n", "mine-survey-record", "-s", f"{record}.sig"],
        input=record.read_bytes(), capture_output=True, check=False,
    )  # fmt: skip
    assert plain.returncode == 0, plain.stderr
    record.write_text(record.read_text() + " ")
    stands, said = verify(job)
    assert (stands, said["signature"]) == (False, "bad")
    Path(f"{record}.sig").unlink()
    with pytest.raises(OutputError, match="cannot be signed"):
        verify(job, sign=tmp_path / "no-such-key")
