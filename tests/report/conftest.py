"""A finished run of the closed-form mine, made once for all tests of the reports, and what it draws."""

from __future__ import annotations

from pathlib import Path

import closed_form_run
import pytest

from survey.report import write_all
from survey.report.folder import RunFolder, open_run


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder before any report is drawn: tests must not write into it."""
    return closed_form_run.make_run(tmp_path_factory.mktemp("closed-form") / "DEMO-0417-2025")


@pytest.fixture(scope="session")
def run(run_dir: Path) -> RunFolder:
    return open_run(run_dir)


@pytest.fixture(scope="session")
def drawn(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the run with all reports in it."""
    import shutil

    folder = tmp_path_factory.mktemp("drawn") / "DEMO-0417-2025"
    shutil.copytree(run_dir, folder)
    write_all(folder)
    return folder
