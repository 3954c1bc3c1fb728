"""A few hundred damaged files for every reader, under limits of time and memory that the kernel keeps."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import fuzz
import numpy as np
import pytest

CASES = 300


@pytest.mark.parametrize("family", sorted(fuzz.FAMILIES))
def test_no_damage_breaks_a_reader(family):
    """A result or a refusal: no other error, no crash, no hang, no flood."""
    script = Path(fuzz.__file__)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), family, "--cases", str(CASES), "--seed", "7"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["faults"] == []
    assert said["read"] + said["refused"] == CASES
    assert said["slowest_s"] < fuzz.HANG_S / 2
    assert said["growth_mb"] < fuzz.GROWTH_BYTES / 2**20


def test_the_same_seed_does_the_same_harm():
    data = bytes(range(256)) * 20
    one, other = (
        [fuzz.damaged(data, data[::-1], np.random.default_rng([3, k])) for k in range(60)] for _ in range(2)
    )
    assert one == other
    assert sum(bad != data for bad in one) > 55
