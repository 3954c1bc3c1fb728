from __future__ import annotations

import sys
import types
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from survey.errors import JobError, OutputError
from survey.pipelines import init
from survey.pipelines.job import load_job


@dataclass
class File:
    display_name: str
    path: str = "/nowhere"
    bytes: int = 1


@dataclass
class Guess:
    file: Any
    role: str | None
    date: date | None = None
    date_source: str = ""
    why: str = "its name"
    doubts: tuple[str, ...] = ()


A, B = date(2024, 4, 20), date(2025, 4, 25)


@pytest.fixture
def delivered(monkeypatch, tmp_path):
    """A delivery whose guesses the test sets."""
    guesses: list[Guess] = []

    @contextmanager
    def open_delivery(path: Path):
        yield types.SimpleNamespace(files=[guess.file for guess in guesses])

    module = types.ModuleType("survey.delivery")
    module.open_delivery = open_delivery  # type: ignore[attr-defined]
    module.guess_roles = lambda delivery: guesses  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "survey.delivery", module)
    (tmp_path / "Filing 2025 (खान).zip").touch()
    return tmp_path / "Filing 2025 (खान).zip", guesses


def plain_guesses() -> list[Guess]:
    return [
        Guess(File("2024/dsm.tif"), "dem", A, "the file's tags"),
        Guess(File("2024/ortho.tif"), "ortho", None),
        Guess(File("2025/dsm.tif"), "dem", B, "its name", doubts=("its tags say 2025-04-26",)),
        Guess(File("2025/gcp.csv"), "checkpoints", None),
        Guess(File("lease.kml"), "boundary"),
        Guess(File("readme.txt"), None, why="not a file that is used"),
    ]


def test_what_is_known_stands_and_what_is_not_is_a_question(delivered):
    path, guesses = delivered
    guesses += plain_guesses()
    told = init.run_init(path)
    job = path.parent / "job.toml"
    text = job.read_text(encoding="utf-8")
    assert 'id = "Filing-2025"' in text
    assert "date = 2024-04-20  # from the file's tags; check it" in text
    assert 'ortho = "2024/ortho.tif"' in text
    assert 'checkpoints = "2025/gcp.csv"' in text
    assert 'boundary = "lease.kml"' in text
    assert "readme.txt: not a file that is used" in told
    assert "2025/dsm.tif: its tags say 2025-04-26" in told
    assert f"Written: {job}" in told
    with pytest.raises(JobError) as caught:
        load_job(job)
    assert 'survey[1].height is still to be filled in (found "?")' in str(caught.value)
    assert 'survey[2].height is still to be filled in (found "?")' in str(caught.value)
    job.write_text(text.replace('"?"', '"EGM2008"'), encoding="utf-8")
    filled = load_job(job)
    assert [survey.date for survey in filled.surveys] == [A, B]
    filled.require_excavation()


def test_a_day_that_nobody_knows_is_not_guessed(delivered):
    path, guesses = delivered
    guesses += [Guess(File("dsm.tif"), "dem"), Guess(File("lease.kml"), "boundary")]
    assert "day unknown" in init.run_init(path)
    with pytest.raises(JobError, match=r"survey\[1\]\.date is still to be filled in"):
        load_job(path.parent / "job.toml")


def test_of_several_files_none_is_chosen(delivered):
    path, guesses = delivered
    guesses += [Guess(File(f"{name}.tif"), "dem", A, "its name") for name in ("a", "b")]
    guesses += [Guess(File("lease.kml"), "boundary")]
    init.run_init(path)
    text = (path.parent / "job.toml").read_text(encoding="utf-8")
    assert 'dem = "?"  # 2 files could be it:\n#dem = "a.tif"' in text
    with pytest.raises(JobError, match=r"survey\[1\]\.dem is still to be filled in"):
        load_job(path.parent / "job.toml")


def test_no_boundary_is_a_question(delivered):
    path, guesses = delivered
    guesses += [Guess(File("dsm.tif"), "dem", A, "its name")]
    assert "boundary: none was found in the delivery" in init.run_init(path)


def test_files_without_a_day_go_with_their_folder(delivered):
    _, guesses = delivered
    guesses += [
        Guess(File("a/dsm.tif"), "dem", A, "its name"),
        Guess(File("b/dsm.tif"), "dem"),
        Guess(File("b/ortho.tif"), "ortho"),
        Guess(File("a/ortho.tif"), "ortho"),
    ]
    draft = init.draft_from(guesses, "x", "x.zip")
    assert [(s.day, sorted(f.name for files in s.files.values() for f in files)) for s in draft.surveys] == [
        (A, ["a/dsm.tif", "a/ortho.tif"]),
        (None, ["b/dsm.tif", "b/ortho.tif"]),
    ]


def test_a_single_day_takes_what_has_none(delivered):
    _, guesses = delivered
    guesses += [Guess(File("dem/dsm.tif"), "dem", A, "its name"), Guess(File("image/ortho.tif"), "ortho")]
    draft = init.draft_from(guesses, "x", "x.zip")
    assert len(draft.surveys) == 1


def test_a_job_that_is_there_is_kept_unless_forced(delivered):
    path, guesses = delivered
    guesses += plain_guesses()
    (path.parent / "job.toml").write_text("mine")
    with pytest.raises(OutputError, match=r"job\.toml: is there already.*--force"):
        init.run_init(path)
    assert (path.parent / "job.toml").read_text() == "mine"
    init.run_init(path, force=True)
    assert "[job]" in (path.parent / "job.toml").read_text(encoding="utf-8")


def test_names_cannot_write_into_the_job(delivered):
    path, guesses = delivered
    evil = 'x"\nheight = "EGM96"\n#\u202e.tif'
    guesses += [
        Guess(File(evil), "dem", A, "named\nid = 'stolen'", doubts=("a\nb",)),
        Guess(File("l.kml"), "boundary"),
    ]
    init.run_init(path)
    text = (path.parent / "job.toml").read_text(encoding="utf-8")
    assert not [line for line in text.splitlines() if line.startswith(('height = "EGM96', "id = 'stolen"))]
    assert text.count("\nid = ") == 1


def test_nothing_that_could_be_a_survey_is_refused(delivered):
    path, guesses = delivered
    guesses += [Guess(File("lease.kml"), "boundary"), Guess(File("x.txt"), None)]
    with pytest.raises(JobError, match="no file that could be a DEM or an image"):
        init.run_init(path)


def test_check_takes_a_delivery_without_a_job(delivered):
    path, guesses = delivered
    guesses += plain_guesses()
    job = init.job_for_delivery(path)
    assert job.head.delivery == path.name
    assert [survey.height for survey in job.surveys] == [None, None]
    assert not (path.parent / "job.toml").exists()
    guesses.append(Guess(File("other.kml"), "boundary"))
    with pytest.raises(
        JobError, match=r"(?s)does not tell enough.*lease\.boundary is still to be filled in.*survey init"
    ):
        init.job_for_delivery(path)


def test_both_surveys_stand_in_order_of_date(delivered):
    _, guesses = delivered
    guesses += [Guess(File("b.tif"), "dem", A, "n"), Guess(File("a.tif"), "dem", B, "n")]
    assert [survey.day for survey in init.draft_from(guesses, "x", "x").surveys] == [A, B]
