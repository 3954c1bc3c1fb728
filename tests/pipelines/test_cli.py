from __future__ import annotations

import csv
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from job_files import PLAIN, write_job

from survey.pipelines import cli, commands
from survey.record import from_json

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
JOB_COMMANDS = ["run", "check", "excavation", "outside", "assess", "triggers"]
COMMANDS = [*JOB_COMMANDS, "init", "template", "report", "demo", "law", "verify", "schema"]


@pytest.fixture
def fakes(monkeypatch):
    for name in ("run", "check", "excavation"):
        monkeypatch.setitem(commands.PIPELINES, name, ("fake_pipeline", f"run_{name}"))


def survey(*args: object) -> int:
    """The exit code of a command run in this process."""
    with pytest.raises(SystemExit) as end:
        cli.app([str(arg) for arg in args], prog_name="survey")
    code = end.value.code
    assert isinstance(code, int)
    return code


def job_of(folder: Path, what: str = "", name: str = "job.toml", job_id: str = "A-1") -> Path:
    text = PLAIN.replace('"A-1"', f'"{job_id}"\nregime = "mcdr"')
    return write_job(folder, text + (f'[mine]\nname = "{what}"\n' if what else ""), name)


def test_every_command_of_the_contract_has_a_help_page(capsys):
    assert survey("--help") == 0
    page = capsys.readouterr().out
    for name in COMMANDS:
        assert re.search(rf"^  {name}  ", page, re.MULTILINE), name
        assert survey(name, "--help") == 0
        capsys.readouterr()


@pytest.mark.parametrize("name", JOB_COMMANDS)
def test_every_job_command_has_the_common_options(name, capsys):
    assert survey(name, "--help") == 0
    page = capsys.readouterr().out
    for option in (
        "-o, --out DIR", "--no-change", "--workers N", "--memory SIZE", "--scheduler tcp://", "--tile CELLS",
        "--force", "--json", "-q, --quiet", "-v, --verbose", "--allow-outside",
    ):  # fmt: skip
        assert option in page


def test_the_help_page_imports_nothing_heavy():
    code = (
        "import sys\nfrom survey.pipelines import cli\ntry:\n cli.app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = 'numpy pydantic rich rasterio pyproj shapely scipy numba dask'.split()\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_command_has_a_pipeline_of_the_right_name():
    for name, (module, function) in commands.PIPELINES.items():
        assert module in (f"survey.pipelines.{name}", f"survey.pipelines.{name}.run")
        assert function == f"run_{name}"
        assert callable(getattr(importlib.import_module(module), function))


def test_a_command_that_is_not_installed_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(commands.PIPELINES, "excavation", ("survey.pipelines.nowhere", "run"))
    assert survey("excavation", job_of(tmp_path), "-o", tmp_path / "runs") == 2
    assert capsys.readouterr().err == 'this installation has no command "excavation".\n'


def test_a_job_that_is_done(fakes, tmp_path, capsys):
    assert survey("excavation", job_of(tmp_path), "-o", tmp_path / "runs") == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert "1,234,567" in told.out
    assert "not measured" in told.out
    assert "Note: Tilt was not tested." in told.out
    assert f"Results: {tmp_path / 'runs' / 'A-1'}" in told.out
    assert sorted(p.name for p in (tmp_path / "runs" / "A-1").iterdir()) == ["findings.csv", "record.json"]


def test_json_prints_the_record_and_nothing_else(fakes, tmp_path, capsys):
    assert survey("excavation", job_of(tmp_path), "-o", tmp_path / "runs", "--json") == 0
    out = capsys.readouterr().out
    assert out == (tmp_path / "runs" / "A-1" / "record.json").read_text()
    record = from_json(out)
    assert record.outputs.keys() == {"findings.csv"}
    assert record.settings["digest"]


def test_quiet_prints_nothing(fakes, tmp_path, capsys):
    assert survey("excavation", job_of(tmp_path), "-o", tmp_path / "runs", "-q") == 0
    assert capsys.readouterr() == ("", "")


def test_verbose_names_the_stages(fakes, tmp_path, capsys):
    assert survey("excavation", job_of(tmp_path), "-o", tmp_path / "runs", "-v") == 0
    assert re.search(r"^ +\d+\.\d s  looking$", capsys.readouterr().err, re.MULTILINE)


def test_the_same_job_again_is_up_to_date_and_another_replaces_it(fakes, tmp_path):
    job = job_of(tmp_path)
    assert survey("excavation", job, "-o", tmp_path / "runs") == 0
    before = (tmp_path / "runs" / "A-1").stat().st_ino
    assert survey("excavation", job, "-o", tmp_path / "runs") == 0
    assert (tmp_path / "runs" / "A-1").stat().st_ino == before
    assert survey("excavation", job, "-o", tmp_path / "runs", "--no-change") == 0
    assert (tmp_path / "runs" / "A-1").stat().st_ino != before


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_breach_ends_with_1_where_law_is_judged(command, fakes, tmp_path):
    assert survey(command, job_of(tmp_path, "breach"), "-o", tmp_path / "runs") == 1


def test_excavation_does_not_judge(fakes, tmp_path):
    assert survey("excavation", job_of(tmp_path, "breach"), "-o", tmp_path / "runs") == 0


@pytest.mark.parametrize(
    ("what", "code", "says"),
    [
        ("refuse", 2, "dsm.tif: the DEM is a hillshade. Send the DEM.\n"),
        ("fault", 2, "Internal fault (ZeroDivisionError); nothing was presented as a result."),
        ("memory", 2, "there is not enough memory"),
        ("interrupt", 130, "Interrupted"),
    ],
)
def test_how_a_run_ends_early(what, code, says, fakes, tmp_path, capsys):
    assert survey("excavation", job_of(tmp_path, what), "-o", tmp_path / "runs") == code
    told = capsys.readouterr()
    assert says in told.err
    assert told.out == ""
    assert "Traceback" not in told.err
    assert not (tmp_path / "runs").exists()


def test_a_fault_shows_where_with_v(fakes, tmp_path, capsys):
    assert survey("excavation", job_of(tmp_path, "fault"), "-o", tmp_path / "runs", "-v") == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_a_run_cleanly(number, code, tmp_path):
    start = (
        "from survey.pipelines import cli, commands\n"
        "commands.PIPELINES['excavation'] = ('fake_pipeline', 'run_excavation')\ncli.main()"
    )
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            start,
            "excavation",
            str(job_of(tmp_path, "wait")),
            "-o",
            str(tmp_path / "runs"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{HERE}"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert "nothing half-written was left" in err
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()


def test_a_reader_that_goes_away_is_no_fault():
    command = f'"{sys.executable}" -m survey.pipelines.cli template | head -n 1'
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--memory", "lots"], '--memory: found "lots"; expected a size such as "2GB"'),
        (["--memory", "1MB"], "at least 256MiB"),
        (["--scheduler", "10.0.0.5"], 'expected an address such as "tcp://10.0.0.5:8786"'),
        (["--on", "1.7.2025"], "expected a date such as 2025-07-01"),
        (["--workers", "0"], "workers"),
        (["--tile", "1"], "tile"),
        (["--force", "--froce"], "--froce"),
    ],
)
def test_wrong_options_are_refused(args, says, fakes, tmp_path, capsys):
    assert survey("excavation", job_of(tmp_path), "-o", tmp_path / "runs", *args) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GB", 2 * 10**9),
        ("1.5 GiB", 3 * 2**29),
        ("800m", 8 * 10**8),
        ("512MiB", 2**29),
        ("2000000000", 2 * 10**9),
    ],
)
def test_sizes_of_memory(text, size):
    from survey.pipelines.options import parse_memory

    assert parse_memory(text) == size


# -- batches -------------------------------------------------------------------------------------------------
def table(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_one_bad_job_stops_no_other(fakes, tmp_path, capsys):
    jobs = [
        job_of(tmp_path, what, f"{i}.toml", f"J-{i}")
        for i, what in enumerate(["", "refuse", "fault", "breach"])
    ]
    broken = tmp_path / "broken.toml"
    broken.write_text("[job\n")
    assert survey("run", *jobs, broken, tmp_path / "none.toml", "-o", tmp_path / "runs") == 3
    rows = table(tmp_path / "runs" / "batch.csv")
    assert [(row["job"], row["state"], row["breaches"]) for row in rows] == [
        ("J-1", "failed", ""),
        ("J-2", "failed", ""),
        ("broken", "failed", ""),
        ("none", "failed", ""),
        ("J-3", "done", "1"),
        ("J-0", "done", "0"),
    ]
    assert rows[0]["message"] == "dsm.tif: the DEM is a hillshade. Send the DEM."
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == [
        "J-0", "J-3", "batch.csv", "batch.html",
    ]  # fmt: skip
    assert "6 jobs: 2 done, 4 failed; 1 with breaches." in capsys.readouterr().out


def test_a_fault_while_a_job_is_read_stops_no_other(fakes, monkeypatch, tmp_path):
    from survey.pipelines.batch import run as batch

    load = batch.load_for

    def faulty(command, path, options):
        if path.name == "0.toml":
            raise ZeroDivisionError
        return load(command, path, options)

    monkeypatch.setattr(batch, "load_for", faulty)
    jobs = [job_of(tmp_path, "", f"{i}.toml", f"J-{i}") for i in range(2)]
    assert survey("run", *jobs, "-o", tmp_path / "runs") == 3
    rows = table(tmp_path / "runs" / "batch.csv")
    assert [(row["job"], row["state"]) for row in rows] == [("J-0", "failed"), ("J-1", "done")]
    assert "Internal fault (ZeroDivisionError)" in rows[0]["message"]


def test_a_batch_without_failures_ends_with_0_or_with_its_breaches(fakes, tmp_path):
    fine = [job_of(tmp_path, "", f"{i}.toml", f"J-{i}") for i in range(2)]
    assert survey("run", *fine, "-o", tmp_path / "a") == 0
    assert survey("run", *fine, job_of(tmp_path, "breach", "b.toml", "B"), "-o", tmp_path / "b") == 1


def test_twins_are_refused_before_anything_runs(fakes, tmp_path, capsys):
    a, b = job_of(tmp_path, "", "a.toml", "J-1"), job_of(tmp_path, "", "b.toml", "j-1")
    assert survey("run", a, b, "-o", tmp_path / "runs") == 2
    assert 'two jobs have the same id: "j-1" (a.toml and b.toml)' in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
    assert survey("run", a, a, "-o", tmp_path / "runs") == 2
    assert "given twice" in capsys.readouterr().err


def test_a_folder_and_a_list_stand_for_their_jobs(fakes, tmp_path):
    for i in range(2):
        job_of(tmp_path / "jobs", "", f"{i}.toml", f"J-{i}")
    job_of(tmp_path / "jobs" / "sub", "", "job.toml", "J-sub")
    (tmp_path / "list.txt").write_text("# jobs\njobs/0.toml\n\njobs/sub/job.toml\n")
    assert survey("run", tmp_path / "jobs", "-o", tmp_path / "a") == 0
    assert [row["job"] for row in table(tmp_path / "a" / "batch.csv")] == ["J-0", "J-1", "J-sub"]
    assert survey("run", tmp_path / "list.txt", "-o", tmp_path / "b") == 0
    assert [row["job"] for row in table(tmp_path / "b" / "batch.csv")] == ["J-0", "J-sub"]
    (tmp_path / "empty").mkdir()
    assert survey("run", tmp_path / "empty") == 2


def test_json_of_a_batch_is_its_table(fakes, tmp_path, capsys):
    jobs = [job_of(tmp_path, "", f"{i}.toml", f"J-{i}") for i in range(2)]
    assert survey("run", *jobs, "-o", tmp_path / "runs", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["job"] for row in rows] == ["J-0", "J-1"]


def test_no_cell_of_the_table_is_a_formula(fakes, tmp_path):
    (tmp_path / "=cmd.toml").write_text("[job\n")
    assert survey("run", tmp_path / "=cmd.toml", job_of(tmp_path), "-o", tmp_path / "runs") == 3
    assert table(tmp_path / "runs" / "batch.csv")[0]["file"] == "'=cmd.toml"


# -- what prints ---------------------------------------------------------------------------------------------
def test_schema_and_template_print_what_they_say(capsys):
    assert survey("schema") == 0
    assert json.loads(capsys.readouterr().out)["title"] == "mine-survey-record/1"
    assert survey("schema", "--job") == 0
    assert "survey" in json.loads(capsys.readouterr().out)["properties"]
    assert survey("template", "assess") == 0
    assert "[assess]" in capsys.readouterr().out
    assert survey("template", "pit") == 2
    assert survey("--version") == 0


def test_bars_show_on_a_terminal_and_keep_names_plain(monkeypatch):
    from survey.pipelines.progress import BarProgress, progress_for

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress_for(0, "[red]A-1[/red]") as progress:
        assert isinstance(progress, BarProgress)
        progress.stage("aligning [bold]", 10)
        progress.advance(3)
        progress.stage("measuring")
        progress.advance()
        progress.say("[blink]said")
    assert list(progress.took()) == ["aligning [bold]", "measuring"]


def test_stages_add_up_when_they_come_again():
    from survey.pipelines.progress import NullProgress

    with NullProgress() as progress:
        for _ in range(2):
            progress.stage("a")
            time.sleep(0.01)
            progress.stage("b")
    assert progress.took()["a"] >= 0.02
