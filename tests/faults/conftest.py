from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "pipelines"))


@pytest.fixture(scope="session")
def mine(tmp_path_factory) -> Path:
    """A job that takes a second; tests copy what they damage."""
    from small_mine import make_mine

    return make_mine(tmp_path_factory.mktemp("mine"), cells=192)


@pytest.fixture(scope="session")
def zipped(mine, tmp_path_factory) -> Path:
    """The same job with its files in a zip, so that a run needs temporary files."""
    folder = tmp_path_factory.mktemp("zipped")
    zip_up(mine.parent, folder / "delivery.zip")
    text = mine.read_text().replace('id = "S-1"', 'id = "S-1"\ndelivery = "delivery.zip"')
    (folder / "job.toml").write_text(text)
    return folder / "job.toml"


def zip_up(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("before.tif", "after.tif", "lease.geojson"):
            file.write(folder / name, name)


@pytest.fixture(scope="session")
def nursery(zipped, tmp_path_factory):
    """Where commands are begun that tests kill."""
    from nursery import Nursery

    folder = tmp_path_factory.mktemp("nursery")
    warm_up = ["excavation", str(zipped), "-o", str(folder / "warm"), "-q", "--workers", "1"]
    with Nursery(folder, [*warm_up, "--reports", "none"]) as made:
        yield made
    shutil.rmtree(folder / "warm")
