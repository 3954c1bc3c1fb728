from __future__ import annotations

import pytest
from filings import copy_of, honest_scene, write_base


@pytest.fixture(scope="session")
def filing_scene():
    return honest_scene()


@pytest.fixture(scope="session")
def filing_base(tmp_path_factory, filing_scene):
    """The honest filing on disk; tests take copies of it."""
    return write_base(tmp_path_factory.mktemp("filing-base"), filing_scene).parent


@pytest.fixture
def filing(filing_base, tmp_path):
    return copy_of(filing_base, tmp_path)


@pytest.fixture(scope="session")
def honest_check(filing_base, tmp_path_factory):
    """The honest filing, checked once."""
    return copy_of(filing_base, tmp_path_factory.mktemp("honest")).run()
