"""Filings without a job: zips as a lessee sends them, and a folder of them."""

from __future__ import annotations

import io
import zipfile

import pytest

from survey.errors import InputRefused
from survey.pipelines.batch.run import collect
from survey.pipelines.check.bare import filings_in, job_for_bare
from survey.pipelines.check.filing import open_filing

NAMES = {
    "lease.geojson": "पट्टा सीमा.geojson",
    "2024/dsm.tif": "वर्ष २०२४ 2024-04-20/सतह DSM.tif",
    "2025/dsm.tif": "वर्ष २०२५ 2025-04-25/सतह DSM (अंतिम) v2.tif",
    "2025/ortho.tif": "वर्ष २०२५ 2025-04-25/ortho चित्र.tif",
}


@pytest.fixture
def packed(filing_base):
    """The files of an honest filing under names in Hindi, in a zip within a zip."""
    folder = filing_base
    inner = io.BytesIO()
    lease = next(p for p in folder.iterdir() if p.name.startswith("lease."))
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_STORED) as z:
        for name, called in NAMES.items():
            source = lease if name.startswith("lease.") else folder / name
            z.write(source, called.replace(".geojson", lease.suffix))
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_STORED) as z:
        z.writestr("भीतर/संग्रह.zip", inner.getvalue())
    return outer.getvalue()


def test_a_zip_in_a_zip_with_names_in_hindi(packed, tmp_path):
    path = tmp_path / "खान फाइलिंग.zip"
    path.write_bytes(packed)
    job = job_for_bare(path)
    assert [s.date.isoformat() for s in job.surveys] == ["2024-04-20", "2025-04-25"]
    assert job.surveys[1].dem.endswith("सतह DSM (अंतिम) v2.tif")
    assert job.surveys[1].ortho.endswith("ortho चित्र.tif")
    with open_filing(job) as filing:
        assert filing.lease is not None
        assert filing.latest.dsm is not None
        assert filing.earlier is not None


def test_two_names_in_hindi_are_two_jobs(packed, tmp_path):
    ids = []
    for name in ("खान एक.zip", "खान दो.zip"):
        (tmp_path / name).write_bytes(packed)
        ids.append(job_for_bare(tmp_path / name).id)
    assert len(set(ids)) == 2
    assert all(i.isascii() for i in ids)


def test_a_damaged_zip_among_filings_is_named_not_passed_over(packed, tmp_path):
    (tmp_path / "a.zip").write_bytes(packed)
    (tmp_path / "b.zip").write_bytes(packed[:-300])
    (tmp_path / "notes.zip").write_bytes(b"PK\x05\x06" + b"\0" * 18)
    assert [p.name for p in filings_in(tmp_path)] == ["a.zip", "b.zip"]
    assert [p.name for p in collect("check", [tmp_path])] == ["a.zip", "b.zip"]
    with pytest.raises(InputRefused, match="whole zip"):
        job_for_bare(tmp_path / "b.zip")
