"""Hashes of what was really read."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from survey.delivery import Hashing, hash_all, sha256_of
from survey.delivery.hashing import unchanged
from survey.errors import InputRefused


def test_published_values(tmp_path: Path) -> None:
    """FIPS 180-4's own examples: the empty message, "abc", and a million "a"."""
    for content, digest in (
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (b"a" * 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ):
        (tmp_path / "x").write_bytes(content)
        assert sha256_of(tmp_path / "x") == digest


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_many_at_once(tmp_path: Path, threads: int) -> None:
    paths = [tmp_path / f"{i}" for i in range(9)]
    for i, path in enumerate(paths):
        path.write_bytes(os.urandom(1000 * i))
    found = hash_all([*paths, paths[3]], threads)
    assert list(found) == [str(path) for path in paths]
    assert all(found[str(path)] == hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="cannot be read"):
        sha256_of(tmp_path / "none")
    with pytest.raises(InputRefused, match="cannot be read"):
        sha256_of(tmp_path)
    with pytest.raises(InputRefused, match="cannot be read"):
        hash_all([tmp_path / "none", tmp_path / "none2"])


@pytest.mark.parametrize("change", ["length", "content", "other file", "gone"])
def test_a_file_that_changes_meanwhile(tmp_path: Path, change: str) -> None:
    path = tmp_path / "dsm.tif"
    path.write_bytes(b"one")

    def work() -> None:
        with unchanged(path):
            if change == "length":
                path.write_bytes(b"three")
            elif change == "content":
                path.write_bytes(b"two")
                os.utime(path, ns=(1, 1))
            elif change == "other file":
                seen = os.stat(path)
                (tmp_path / "new").write_bytes(b"two")
                os.utime(tmp_path / "new", ns=(seen.st_atime_ns, seen.st_mtime_ns))
                os.replace(tmp_path / "new", path)
            else:
                path.unlink()

    with pytest.raises(InputRefused, match=r"changed|cannot be read"):
        work()


def test_an_untouched_file_passes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    with unchanged(tmp_path / "a"):
        (tmp_path / "a").read_bytes()


@pytest.mark.parametrize("threads", [1, 3])
def test_beside_other_work(tmp_path: Path, threads: int) -> None:
    paths = [tmp_path / f"{i}" for i in range(5)]
    for i, path in enumerate(paths):
        path.write_bytes(os.urandom(300_000 * i + i))
    hashing = Hashing([*paths, paths[3]], threads)
    try:
        assert hashing.found() == hash_all(paths, 1)
        assert hashing.found() == hash_all(paths, 1)
    finally:
        hashing.close()


def test_beside_other_work_a_file_that_cannot_be_opened_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    with pytest.raises(InputRefused, match="cannot be read"):
        Hashing([tmp_path / "a", tmp_path / "none"])


def test_hashing_that_nobody_waits_for_ends_soon(tmp_path: Path) -> None:
    """Four gigabytes of nothing take seconds; given up, they take none."""
    with open(tmp_path / "large", "wb") as file:
        file.truncate(1 << 32)
    began = time.perf_counter()
    Hashing([tmp_path / "large"] * 2).close()
    assert time.perf_counter() - began < 1.0
