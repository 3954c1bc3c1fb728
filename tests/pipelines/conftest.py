from __future__ import annotations

import pytest
from cluster import Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A scheduler and two workers, each a process; tests leave it as they found it."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as made:
        made.wait_for(2)
        yield made
