"""What GDAL may do in our threads."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from survey.raster_env import SETTINGS, enter, open_dataset
from survey.rasters.handles import KEPT_PER_THREAD, Pin, close_all, dataset


def write(path: Path, value: float = 1.0) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", width=20, height=10, count=1, dtype="float32", crs="EPSG:32643",
        transform=Affine(1, 0, 5e5, 0, -1, 2.7e6),
    ) as out:  # fmt: skip
        out.write(np.full((10, 20), value, np.float32), 1)
    return path


def test_settings_hold_in_every_thread_and_over_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GTIFF_IGNORE_READ_ERRORS", "YES")
    monkeypatch.setenv("GDAL_NUM_THREADS", "ALL_CPUS")
    seen: list[dict[str, object]] = []

    def look() -> None:
        enter()
        enter()
        seen.append({key: rasterio.env.getenv().get(key) for key in SETTINGS})

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [SETTINGS] * 3


def test_settings_survive_an_environment_around_them() -> None:
    seen = []

    def look() -> None:
        with rasterio.Env(GDAL_PAM_ENABLED="YES"):
            enter()
            seen.append(rasterio.env.getenv()["GDAL_PAM_ENABLED"])
        enter()
        seen.append(rasterio.env.getenv()["GDAL_PAM_ENABLED"])
        with rasterio.Env(GDAL_PAM_ENABLED="YES"):
            pass
        seen.append(rasterio.env.getenv()["GDAL_PAM_ENABLED"])

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == ["NO", "NO", "NO"]


def test_only_regular_files_of_the_named_kind(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tif")
    (tmp_path / "vrt.tif").write_text("<VRTDataset rasterXSize='1' rasterYSize='1'></VRTDataset>")
    for bad in (tmp_path / "pipe.tif", tmp_path, tmp_path / "none.tif", "/vsicurl/http://127.0.0.1:9/a.tif"):
        with pytest.raises(OSError, match=r"regular|No such"):
            open_dataset(bad)
    with pytest.raises(rasterio.errors.RasterioIOError):
        open_dataset(tmp_path / "vrt.tif")


def test_names_that_look_like_addresses_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zip:").mkdir()
    write(tmp_path / "zip:" / "a!b.tif", 7.0)
    with open_dataset("zip:/a!b.tif") as opened:
        assert opened.read(1)[0, 0] == 7.0


def test_handles_are_kept_few_and_per_thread(tmp_path: Path) -> None:
    close_all()
    pins = [Pin.of(write(tmp_path / f"{i}.tif", i), "GTiff") for i in range(KEPT_PER_THREAD + 3)]
    opened = [dataset(pin) for pin in pins]
    assert dataset(pins[-1]) is opened[-1]
    assert [one.closed for one in opened] == [True] * 3 + [False] * KEPT_PER_THREAD
    assert dataset(pins[0]).read(1)[0, 0] == 0.0
    other: list[object] = []
    thread = threading.Thread(target=lambda: other.append(dataset(pins[-1])))
    thread.start()
    thread.join()
    assert other[0] is not opened[-1]
    close_all()
    assert all(one.closed for one in opened)
