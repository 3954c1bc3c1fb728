"""Rasters on object storage: read when asked for, with the same figures; never from within a delivery."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from small_mine import make_mine

from survey.delivery.remote import fetch, is_remote, remote_problem, vsi_path
from survey.errors import InputRefused, JobError, SurveyError
from survey.pipelines.commands import run_one
from survey.pipelines.job import load_job
from survey.pipelines.options import Options
from survey.pipelines.progress import NullProgress


class Store(ThreadingHTTPServer):
    """A web server on this machine that serves parts of files, as stores do, and remembers who asked."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.asked = folder, []
        self.cut: dict[str, int] = {}

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class _Handler(BaseHTTPRequestHandler):
    server: Store
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._serve(body=False)

    def do_GET(self) -> None:
        self._serve(body=True)

    def _serve(self, body: bool) -> None:
        self.server.asked.append(self.path)
        path = self.server.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        last = min(int(asked[2] or len(content) - 1) if asked else len(content) - 1, len(content) - 1)
        cut = self.server.cut.get(self.path, len(content))
        if first >= cut and body:
            self.send_error(500)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.end_headers()
        if body:
            self.wfile.write(content[first : last + 1])

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[Store]:
    with Store(folder) as store:
        Thread(target=store.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield store
        finally:
            store.shutdown()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("s3://bucket/2025/dsm.tif", "/vsis3/bucket/2025/dsm.tif"),
        ("gs://bucket/dsm.TIF", "/vsigs/bucket/dsm.TIF"),
        ("az://box/dsm.jp2", "/vsiaz/box/dsm.jp2"),
        ("https://host.in/a/dsm.tiff", "/vsicurl/https://host.in/a/dsm.tiff"),
        ("/vsis3/bucket/dsm.tif", "/vsis3/bucket/dsm.tif"),
        ("/vsicurl/http://127.0.0.1:80/dsm.tif", "/vsicurl/http://127.0.0.1:80/dsm.tif"),
    ],
)
def test_names_of_stores_become_gdals(name, path):
    assert is_remote(name)
    assert vsi_path(name) == path


@pytest.mark.parametrize(
    "name",
    [
        "/vsizip/a.zip/b.tif",
        "/vsimem/a.tif",
        "/vsistdin/a.tif",
        "/vsicurl//vsizip/http://h/a.zip/b.tif",
        "/vsicurl/file:///etc/a.tif",
        "/vsicurl/ftp://h/a.tif",
        "/vsicurl?url=http://h/a.tif",
        "file:///etc/a.tif",
        "ftp://h/a.tif",
        "https://h/a.tif?X-Amz-Signature=1",
        "https://user:secret@h/a.tif",
        "https://h/a.kml",
        "https://h/a.vrt",
        "s3://bucket/../a.tif",
        "s3://bucket//a.tif",
        "s3://a.tif",
        "https://h/vsi/vsizip/a.tif#x",
    ],
)
def test_other_names_are_refused(name):
    assert is_remote(name)
    assert remote_problem(name)
    with pytest.raises(ValueError, match=r"\S"):
        vsi_path(name)


def test_what_comes_is_whole_and_hashed(tmp_path):
    content = bytes(range(256)) * 200_001  # three pieces and a part
    (tmp_path / "store").mkdir()
    (tmp_path / "store/a.tif").write_bytes(content)
    with serving(tmp_path / "store") as store:
        found = fetch(store.url("a.tif"), tmp_path)
        assert found.path.read_bytes() == content
        assert found.sha256 == hashlib.sha256(content).hexdigest()
        found.path.unlink()
        # An object that was replaced is not the one that an earlier job saw.
        (tmp_path / "store/a.tif").write_bytes(content[::-1])
        again = fetch(store.url("a.tif"), tmp_path)
        assert again.sha256 == hashlib.sha256(content[::-1]).hexdigest()


def test_a_missing_object_and_one_that_breaks_off_are_refused(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store/a.tif").write_bytes(bytes(40_000_000))
    with serving(tmp_path / "store") as store:
        with pytest.raises(InputRefused, match="cannot be opened"):
            fetch(store.url("b.tif"), tmp_path)
        store.cut["/a.tif"] = 17_000_000
        with pytest.raises(InputRefused, match="breaks off"):
            fetch(store.url("a.tif"), tmp_path)
    assert not list(tmp_path.glob("*.tif"))


def test_the_figures_are_those_of_local_files(tmp_path, monkeypatch):
    here = make_mine(tmp_path / "here", cells=200)
    far = tmp_path / "far" / "job.toml"
    (tmp_path / "store").mkdir()
    shutil.copytree(here.parent, far.parent)
    for name in ("before.tif", "after.tif"):
        (far.parent / name).replace(tmp_path / "store" / name)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    with serving(tmp_path / "store") as store:
        text = far.read_text(encoding="utf-8")
        for name in ("before.tif", "after.tif"):
            text = text.replace(f'"{name}"', f'"{store.url(name)}"')
        far.write_text(text, encoding="utf-8")
        with pytest.raises(JobError, match="only files on this machine are read"):
            load_job(far)
        assert not store.asked
        options = Options(out=tmp_path / "runs-far", remote=True, reports="none", workers=1)
        there = run_one("excavation", far, options, NullProgress())
    local = run_one(
        "excavation", here, Options(out=tmp_path / "runs-here", reports="none", workers=1), NullProgress()
    )
    assert there.zones == local.zones
    assert there.sites == local.sites
    assert there.dismissed == local.dismissed
    assert there.alignment == local.alignment
    assert [s.sha256 for s in there.sources] == [s.sha256 for s in local.sources]
    assert [s.path for s in there.sources if s.role == "dem"] == [
        store.url("before.tif"),
        store.url("after.tif"),
    ]
    # Nothing that was fetched is left.
    assert not list((tmp_path / "tmp").rglob("*.tif"))


VRT = """<VRTDataset rasterXSize="200" rasterYSize="200"><SRS>EPSG:32643</SRS>
<GeoTransform>500000, 1, 0, 2700000, 0, -1</GeoTransform>
<VRTRasterBand dataType="Float32" band="1"><SimpleSource>
<SourceFilename relativeToVRT="0">/vsicurl/{url}</SourceFilename><SourceBand>1</SourceBand>
</SimpleSource></VRTRasterBand></VRTDataset>"""


@pytest.mark.parametrize("name", ["after.tif", "after.vrt"])
def test_a_file_of_a_delivery_that_points_elsewhere_is_refused(tmp_path, name):
    job = make_mine(tmp_path / "mine", cells=200)
    delivery = tmp_path / "mine" / "delivery"
    delivery.mkdir()
    with serving(tmp_path / "mine") as store:
        for file in ("before.tif", "lease.geojson"):
            shutil.copy(job.parent / file, delivery / file)
        (delivery / name).write_text(VRT.format(url=store.url("after.tif")), encoding="utf-8")
        text = job.read_text(encoding="utf-8").replace('"after.tif"', f'"{name}"')
        job.write_text(text.replace('id = "S-1"', 'id = "S-1"\ndelivery = "delivery"'), encoding="utf-8")
        with pytest.raises(SurveyError, match="virtual raster"):
            run_one("excavation", job, Options(out=tmp_path / "runs", remote=True), NullProgress())
        assert not store.asked


def test_a_fetched_file_that_points_elsewhere_is_refused(tmp_path):
    job = make_mine(tmp_path / "mine", cells=200)
    with serving(tmp_path / "mine") as store:
        (job.parent / "far.tif").write_text(VRT.format(url=store.url("after.tif")), encoding="utf-8")
        text = job.read_text(encoding="utf-8").replace('"after.tif"', f'"{store.url("far.tif")}"')
        job.write_text(text, encoding="utf-8")
        with pytest.raises(SurveyError, match="virtual raster"):
            run_one("excavation", job, Options(out=tmp_path / "runs", remote=True), NullProgress())
        assert set(store.asked) == {"/far.tif"}


def test_a_job_on_a_delivery_names_nothing_elsewhere(tmp_path):
    job = make_mine(tmp_path / "mine", cells=200)
    (job.parent / "delivery").mkdir()
    text = job.read_text(encoding="utf-8").replace('"after.tif"', '"s3://bucket/after.tif"')
    job.write_text(text.replace('id = "S-1"', 'id = "S-1"\ndelivery = "delivery"'), encoding="utf-8")
    with pytest.raises(JobError, match="cannot point out of it"):
        load_job(job, allow_remote=True)


def test_boundaries_and_folders_lie_here(tmp_path):
    job = make_mine(tmp_path / "mine", cells=200)
    text = job.read_text(encoding="utf-8")
    job.write_text(text.replace('"lease.geojson"', '"https://h/lease.geojson"'), encoding="utf-8")
    with pytest.raises(JobError, match="only rasters are read from elsewhere"):
        load_job(job, allow_remote=True)


def test_the_record_of_a_store_holds_no_key(tmp_path):
    job = make_mine(tmp_path / "mine", cells=200)
    text = job.read_text(encoding="utf-8").replace('"after.tif"', '"https://h/after.tif?sig=secret"')
    job.write_text(text, encoding="utf-8")
    with pytest.raises(JobError, match="would stand in the record"):
        load_job(job, allow_remote=True)
    assert json.dumps(load_job(make_mine(tmp_path / "b"), allow_remote=True).public())
