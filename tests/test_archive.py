from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from survey import archive
from survey.archive import RunFolder, changed_outputs, complete_record, sha256_of_file
from survey.errors import InputRefused, OutputError


def make_run(out: Path, text: str = "1", *, digest: str = "d1", force: bool = False) -> None:
    with RunFolder(out, "A-1", digest=digest, force=force) as folder:
        if folder.up_to_date is not None:
            return
        folder.write_text("findings.csv", text)
        folder.write_bytes("chips/1.png", b"\x89PNG")
        record = {"command": "check", "settings": {"digest": digest}, "outputs": folder.outputs()}
        folder.write_text("record.json", json.dumps(record))


def everything(out: Path) -> list[str]:
    return sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())


WHOLE = ["A-1/chips/1.png", "A-1/findings.csv", "A-1/record.json"]


def test_a_run_is_there_whole_with_hashes_of_every_other_file(tmp_path):
    make_run(tmp_path / "new" / "runs")
    assert everything(tmp_path / "new" / "runs") == WHOLE
    record = complete_record(tmp_path / "new" / "runs" / "A-1")
    assert record is not None
    assert record["outputs"] == {
        # printf 1 | sha256sum; printf '\x89PNG' | sha256sum
        "findings.csv": "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
        "chips/1.png": sha256_of_file(tmp_path / "new" / "runs" / "A-1" / "chips" / "1.png"),
    }


def test_nothing_shows_before_it_is_whole(tmp_path):
    with RunFolder(tmp_path, "A-1") as folder:
        folder.write_text("record.json", "{}")
        assert not (tmp_path / "A-1").exists()
    assert (tmp_path / "A-1" / "record.json").read_text() == "{}"


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), InputRefused("bad input"), KeyboardInterrupt(), SystemExit(143)]
)
def test_whatever_ends_a_run_leaves_nothing(error, tmp_path):
    def run() -> None:
        with RunFolder(tmp_path / "runs", "A-1") as folder:
            folder.write_text("record.json", "{}")
            raise error

    with pytest.raises(type(error)):
        run()
    assert not (tmp_path / "runs").exists()


def test_a_run_without_a_record_is_no_run(tmp_path):
    with pytest.raises(ValueError, match=r"without record\.json"), RunFolder(tmp_path, "A-1") as folder:
        folder.write_text("findings.csv", "")
    assert everything(tmp_path) == []


def test_the_same_run_is_kept(tmp_path):
    make_run(tmp_path, "1")
    before = (tmp_path / "A-1").stat().st_ino
    make_run(tmp_path, "2")
    assert (tmp_path / "A-1").stat().st_ino == before
    with RunFolder(tmp_path, "A-1", digest="d1") as folder:
        assert folder.up_to_date is not None
        assert json.loads(folder.up_to_date)["settings"]["digest"] == "d1"
        with pytest.raises(ValueError, match="nothing to write"):
            folder.path("x")
    assert everything(tmp_path) == WHOLE


def test_a_run_of_something_else_is_replaced(tmp_path):
    make_run(tmp_path, "1")
    make_run(tmp_path, "2", digest="d2")
    assert (tmp_path / "A-1" / "findings.csv").read_text() == "2"
    assert everything(tmp_path) == WHOLE


@pytest.mark.parametrize("change", ["edit", "remove", "link"])
def test_a_run_that_was_touched_is_not_up_to_date(change, tmp_path):
    make_run(tmp_path)
    file = tmp_path / "A-1" / "findings.csv"
    if change == "edit":
        file.write_text("0")
    else:
        file.unlink()
    if change == "link":
        other = tmp_path / "same.csv"
        other.write_text("1")
        file.symlink_to(other)
    record = complete_record(tmp_path / "A-1")
    assert record is not None
    assert changed_outputs(tmp_path / "A-1", record) == ["findings.csv"]
    make_run(tmp_path)
    assert file.read_text() == "1"
    assert not file.is_symlink()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"outputs": 3}', "[" * 100_000])
def test_what_is_no_run_is_not_overwritten(text, tmp_path):
    (tmp_path / "A-1").mkdir()
    (tmp_path / "A-1" / "record.json").write_text(text)
    with pytest.raises(OutputError, match="is not a whole run"):
        make_run(tmp_path)


def test_a_replacement_without_exchange_is_whole_too(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_exchange", lambda a, b: False)
    make_run(tmp_path, "1")
    make_run(tmp_path, "2", digest="d2", force=True)
    assert (tmp_path / "A-1" / "findings.csv").read_text() == "2"
    assert everything(tmp_path) == WHOLE


def test_a_run_killed_between_the_renames_gives_the_former_back(tmp_path):
    make_run(tmp_path, "1")
    os.rename(tmp_path / "A-1", tmp_path / ".A-1~former-00")
    (tmp_path / ".A-1~partial-01").mkdir()
    (tmp_path / ".A-1~partial-01" / "x").touch()
    (tmp_path / ".A-1.b~partial-02").mkdir()  # another job's, perhaps at work
    make_run(tmp_path, "never written")
    assert (tmp_path / "A-1" / "findings.csv").read_text() == "1"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".A-1.b~partial-02", "A-1"]


def test_two_runs_of_one_job_are_kept_apart(tmp_path):
    with RunFolder(tmp_path, "A-1") as folder:
        with (
            pytest.raises(OutputError, match=rf'another run is writing "A-1" \(process {os.getpid()} on '),
            RunFolder(tmp_path, "A-1"),
        ):
            pytest.fail("two runs hold one folder")
        with RunFolder(tmp_path, "B-1") as other:
            other.write_text("record.json", "{}")
        folder.write_text("record.json", "{}")
    assert everything(tmp_path) == ["A-1/record.json", "B-1/record.json"]


HOLD = """
import sys, time
from pathlib import Path
from survey.archive import RunFolder
with RunFolder(Path(sys.argv[1]), "A-1") as folder:
    folder.write_text("big.bin", "x" * 100)
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_run_blocks_nobody_and_leaves_nothing_for_long(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(OutputError, match=f"process {process.pid}"):
        make_run(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            make_run(tmp_path)
            break
        except OutputError:
            time.sleep(0.05)
    assert everything(tmp_path) == WHOLE


def refused(work, out: Path) -> str:
    with pytest.raises(OutputError) as caught, RunFolder(out, "A-1") as folder:
        work(folder)
    assert caught.value.exit_code == 2
    return str(caught.value)


def fail_with(number: int):
    def work(folder: RunFolder) -> None:
        folder.write_text("record.json", "{}")
        raise OSError(number, os.strerror(number))

    return work


@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "quota"), (errno.EROFS, "read-only")],
)
def test_a_full_or_read_only_disk_is_said_and_cleared(number, says, tmp_path):
    message = refused(fail_with(number), tmp_path)
    assert says in message
    assert "--out" in message
    assert everything(tmp_path) == []


def test_a_library_that_wraps_a_full_disk_is_seen_through(tmp_path):
    def work(folder: RunFolder) -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise RuntimeError("write failed") from error

    assert "the disk is full" in refused(work, tmp_path)


def test_a_library_that_loses_the_reason_is_seen_through(tmp_path, monkeypatch):
    class Usage:
        free = 0

    monkeypatch.setattr(archive.shutil, "disk_usage", lambda path: Usage)

    def work(folder: RunFolder) -> None:
        raise RuntimeError("write failed")

    assert "the disk is full" in refused(work, tmp_path)


def test_an_error_among_its_own_causes_ends_a_run(tmp_path):
    """asyncio hands one exception from thread to thread, and each adds the one before it."""
    first, second = RuntimeError("first"), RuntimeError("second")
    first.__context__, second.__context__ = second, first
    with pytest.raises(RuntimeError, match="second"), RunFolder(tmp_path / "runs", "A-1"):
        raise second
    assert not (tmp_path / "runs").exists()


def test_a_real_full_disk(tmp_path):
    """/dev/full answers every write as a full disk does."""

    def work(folder: RunFolder) -> None:
        with open("/dev/full", "w") as file:
            file.write("x" * 10)

    assert "the disk is full" in refused(work, tmp_path)


def test_an_input_that_cannot_be_read_is_not_blamed_on_the_output(tmp_path):
    with pytest.raises(FileNotFoundError), RunFolder(tmp_path, "A-1"):
        open(tmp_path / "missing.tif")  # noqa: SIM115
    assert everything(tmp_path) == []


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "runs").touch()
    with (
        pytest.raises(OutputError, match="a file stands where a folder is needed"),
        RunFolder(tmp_path / "runs", "A-1"),
    ):
        pytest.fail("a file was taken for a folder")


def test_no_permission(tmp_path, monkeypatch):
    def deny(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(archive.os, "open", deny)
    with pytest.raises(OutputError, match="permission is denied"), RunFolder(tmp_path, "A-1"):
        pytest.fail("wrote without permission")


@pytest.mark.parametrize("name", ["../x", "/x", "", ".", "a/../../x", ".hidden", "a/.b"])
def test_names_cannot_leave_the_run(name, tmp_path):
    with pytest.raises(ValueError, match="cannot name a file"), RunFolder(tmp_path, "A-1") as folder:
        folder.write_text(name, "x")


@pytest.mark.parametrize("job_id", ["", ".", "..", ".x", "a/b", "a~b"])
def test_ids_cannot_leave_the_folder_of_runs(job_id, tmp_path):
    with pytest.raises(ValueError, match="cannot name a folder"):
        RunFolder(tmp_path, job_id)


def test_folders_have_the_usual_permissions(tmp_path):
    make_run(tmp_path)
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "A-1").stat().st_mode == (tmp_path / "plain").stat().st_mode
