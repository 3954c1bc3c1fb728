"""Asked to stop in the midst of a step that must be whole: it is, and then the asking is heard."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

import pytest

from survey import archive
from survey.archive import RECORD, RunFolder
from survey.pipelines import scratch
from survey.pipelines.commands import Terminated
from survey.undisturbed import undisturbed


@pytest.fixture
def asked():
    """SIGTERM is answered as a command answers it."""

    def stop(number, frame):
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    yield lambda: os.kill(os.getpid(), signal.SIGTERM)
    signal.signal(signal.SIGTERM, before)


def test_the_asking_is_heard_after_the_step(asked):
    done = []
    handler = signal.getsignal(signal.SIGTERM)

    def step(number):
        with undisturbed():
            os.kill(os.getpid(), number)
            done.append(number)

    with pytest.raises(Terminated):
        step(signal.SIGTERM)
    assert done == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is handler
    with pytest.raises(KeyboardInterrupt):
        step(signal.SIGINT)
    assert done == [signal.SIGTERM, signal.SIGINT]


def test_who_ignores_a_signal_goes_on_doing_so():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with undisturbed():
            os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_are_not_asked():
    seen = []

    def work():
        with undisturbed():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


def test_temporary_files_go_although_asked_while_they_go(asked, tmp_path, monkeypatch):
    real = shutil.rmtree
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(scratch.shutil, "rmtree", lambda path, **how: (asked(), real(path, **how)))

    def command():
        with scratch.scratch():
            folder = tempfile.mkdtemp()
            assert os.path.dirname(os.path.dirname(folder)) == str(tmp_path)

    with pytest.raises(Terminated):
        command()
    assert os.listdir(tmp_path) == []


def test_temporary_files_go_although_asked_when_they_come(asked, tmp_path, monkeypatch):
    real = scratch._locked
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(scratch, "_locked", lambda folder: (asked(), real(folder))[1])
    with pytest.raises(Terminated), scratch.scratch():
        raise AssertionError("nothing is begun")
    assert os.listdir(tmp_path) == []
    assert tempfile.tempdir == str(tmp_path)


@pytest.mark.parametrize("there_before", [False, True])
@pytest.mark.parametrize("swaps", [False, True])
def test_a_run_is_in_place_although_asked_while_it_is_put_there(
    there_before, swaps, asked, tmp_path, monkeypatch
):
    if there_before:
        with RunFolder(tmp_path, "S") as folder:
            folder.write_text(RECORD, '{"outputs": {}}')
    if not swaps:
        monkeypatch.setattr(archive, "_exchange", lambda a, b: False)
    real = os.rename
    monkeypatch.setattr(archive, "_sync_folder", lambda path: asked())
    monkeypatch.setattr(archive.os, "rename", lambda a, b: (asked(), real(a, b)))
    # What lies on the disk already needs no asking.
    monkeypatch.setattr(archive, "_to_disk", lambda path: None)

    def command():
        with RunFolder(tmp_path, "S", force=True) as folder:
            folder.write_text(RECORD, '{"outputs": {}, "new": 1}')

    with pytest.raises(Terminated):
        command()
    assert os.listdir(tmp_path) == ["S"]
    assert "new" in (tmp_path / "S" / RECORD).read_text()


def test_a_run_that_is_given_up_goes_although_asked_again(asked, tmp_path, monkeypatch):
    real = archive._remove
    monkeypatch.setattr(archive, "_remove", lambda path: (asked(), real(path)))

    def command():
        with RunFolder(tmp_path / "out", "S") as folder:
            folder.write_text("half", "x")
            raise ValueError

    with pytest.raises(Terminated):
        command()
    assert os.listdir(tmp_path) == []


LATE = """
import atexit, os, sys
from survey.pipelines import cli

class Late:
    def __del__(self, kill=os.kill, here=os.getpid(), number=int(sys.argv[1])):
        kill(here, number)

if sys.argv[2] == "exit":
    atexit.register(os.kill, os.getpid(), int(sys.argv[1]))
else:
    late = Late()
sys.argv = ["survey", "--version"]
cli.main()
"""


@pytest.mark.parametrize("moment", ["exit", "teardown"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_asks_after_the_work_is_over_changes_nothing(number, moment):
    ended = subprocess.run(
        [sys.executable, "-c", LATE, str(int(number)), moment], capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout
