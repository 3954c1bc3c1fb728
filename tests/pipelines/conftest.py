from __future__ import annotations

import pytest
from cluster import Cluster
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


@pytest.fixture
def lone(filing):
    return filing.lone()


@pytest.fixture(scope="session")
def honest_check(filing_base, tmp_path_factory):
    """The honest filing, checked once."""
    return copy_of(filing_base, tmp_path_factory.mktemp("honest")).run()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A scheduler and two workers, each a process; tests leave it as they found it."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as made:
        made.wait_for(2)
        yield made
