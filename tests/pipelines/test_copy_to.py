"""Finished runs on object storage: whole, record last, only when asked for, and once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from small_mine import make_mine

from survey.delivery.store import check_store, send_run
from survey.errors import OutputError
from survey.pipelines.commands import run_one
from survey.pipelines.do import do_jobs
from survey.pipelines.options import Options
from survey.pipelines.progress import NullProgress


class Bucket(ThreadingHTTPServer):
    """As much of a store as GDAL's writer speaks to: whole objects, objects in parts, and their removal."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.written: list[str] = []
        self.refused = ""


class _Handler(BaseHTTPRequestHandler):
    server: Bucket
    protocol_version = "HTTP/1.1"

    def _asked(self) -> tuple[str, dict[str, list[str]]]:
        url = urlsplit(self.path)
        return url.path.lstrip("/"), parse_qs(url.query, keep_blank_values=True)

    def _answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            found = b""
            while size := int(self.rfile.readline(), 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_PUT(self) -> None:
        name, query = self._asked()
        body = self._body()
        if self.server.refused and self.server.refused in name:
            self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        elif "partNumber" in query:
            self.server.parts[query["uploadId"][0]][int(query["partNumber"][0])] = body
            self._answer(200, ETag='"part"')
        else:
            self.server.objects[name] = body
            self.server.written.append(name)
            self._answer(200, ETag='"whole"')

    def do_POST(self) -> None:
        name, query = self._asked()
        self._body()
        if "uploads" in query:
            self.server.parts[name] = {}
            root = "InitiateMultipartUploadResult"
            self._answer(200, f"<{root}><UploadId>{name}</UploadId></{root}>".encode())
        else:
            parts = self.server.parts.pop(query["uploadId"][0])
            self.server.objects[name] = b"".join(parts[k] for k in sorted(parts))
            self.server.written.append(name)
            self._answer(200, b"<R/>")

    def do_DELETE(self) -> None:
        self.server.objects.pop(self._asked()[0], None)
        self._answer(204)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        held = self.server.objects.get(self._asked()[0])
        if held is None:
            self._answer(404)
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self._answer(200, held, Accept_Ranges="bytes")
            return
        first, last = int(asked[1]), min(int(asked[2] or len(held) - 1), len(held) - 1)
        self._answer(206, held[first : last + 1], Content_Range=f"bytes {first}-{last}/{len(held)}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with Bucket() as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        for name, value in {
            "AWS_S3_ENDPOINT": f"127.0.0.1:{server.server_port}",
            "AWS_HTTPS": "NO",
            "AWS_VIRTUAL_HOSTING": "FALSE",
            "AWS_NO_SIGN_REQUEST": "YES",
            "GDAL_HTTP_MAX_RETRY": "0",
        }.items():
            monkeypatch.setenv(name, value)
        yield server
        server.shutdown()


def a_run(folder: Path, says: str = "{}") -> Path:
    run = folder / "RJ-1"
    (run / "layers").mkdir(parents=True, exist_ok=True)
    (run / "record.json").write_text(says)
    (run / "change.tif").write_bytes(bytes(range(256)) * 400)
    (run / "layers" / "a.geojson").write_text("{}")
    return run


def held(run: Path) -> dict[str, bytes]:
    return {f"b/runs/{p.relative_to(run.parent)}": p.read_bytes() for p in run.rglob("*") if p.is_file()}


def test_a_run_comes_whole_and_its_record_last(bucket: Bucket, tmp_path: Path) -> None:
    run = a_run(tmp_path)
    assert send_run(run, check_store("s3://b/runs/"))
    assert bucket.objects == held(run)
    assert bucket.written[-1] == "b/runs/RJ-1/record.json"


def test_a_large_file_comes_in_parts(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSIS3_CHUNK_SIZE", "5")
    run = a_run(tmp_path)
    (run / "change.tif").write_bytes(bytes(range(256)) * 50_000)
    assert send_run(run, check_store("s3://b/runs"))
    assert bucket.objects == held(run)


def test_a_run_that_is_there_is_not_sent_again_and_a_newer_one_is(bucket: Bucket, tmp_path: Path) -> None:
    run = a_run(tmp_path)
    place = check_store("/vsis3/b/runs")
    assert send_run(run, place)
    sent = len(bucket.written)
    assert not send_run(run, place)
    assert len(bucket.written) == sent
    assert send_run(a_run(tmp_path, '{"newer": 1}'), place)
    assert bucket.objects == held(run)


def test_what_a_store_refuses_leaves_no_record_there(bucket: Bucket, tmp_path: Path) -> None:
    run = a_run(tmp_path)
    place = check_store("s3://b/runs")
    send_run(run, place)
    bucket.refused = "layers"
    (run / "record.json").write_text('{"newer": 1}')
    with pytest.raises(OutputError, match=r"a\.geojson: cannot be written"):
        send_run(run, place)
    assert "b/runs/RJ-1/record.json" not in bucket.objects
    bucket.refused = ""
    assert send_run(run, place)
    assert bucket.objects == held(run)


@pytest.mark.parametrize(
    "address",
    [
        "runs",
        "https://x/y",
        "s3://",
        "s3://b//runs",
        "s3://b/../c",
        "s3://key:secret@b/runs",
        "s3://b/r?X-Amz=1",
    ],
)
def test_what_is_no_place_in_a_store_is_refused(address: str) -> None:
    with pytest.raises(OutputError, match="--copy-to"):
        check_store(address)


def test_a_job_is_copied_as_it_stands_in_its_folder(bucket: Bucket, tmp_path: Path) -> None:
    job = make_mine(tmp_path / "mine", cells=96)
    options = Options(out=tmp_path / "runs", reports="none", workers=1, copy_to=check_store("s3://b/runs"))
    record = run_one("excavation", job, options, NullProgress())
    run = tmp_path / "runs" / record.job["id"]
    assert bucket.objects == held(run)


def test_a_batch_copies_each_of_its_runs(bucket: Bucket, tmp_path: Path) -> None:
    jobs = []
    for name in ("one", "two"):
        job = make_mine(tmp_path / name, cells=96)
        text = re.sub(r'^id = ".*"', f'id = "{name}"', job.read_text(), flags=re.M)
        job.write_text(text)
        jobs.append(job)
    options = Options(
        out=tmp_path / "runs", reports="none", workers=1, verbosity=-1, copy_to=check_store("s3://b/runs")
    )
    assert do_jobs("excavation", jobs, options) == 0
    for name in ("one", "two"):
        assert held(tmp_path / "runs" / name).items() <= bucket.objects.items()
