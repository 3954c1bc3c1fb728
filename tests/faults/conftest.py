from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "pipelines"))


@pytest.fixture(scope="session")
def mine(tmp_path_factory) -> Path:
    """A job that takes a second; tests copy what they damage."""
    from small_mine import make_mine

    return make_mine(tmp_path_factory.mktemp("mine"), cells=192)
