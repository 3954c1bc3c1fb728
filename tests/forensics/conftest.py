from __future__ import annotations

import numpy as np
import pytest

from survey.sample_data import make_scene


@pytest.fixture(scope="session")
def honest():
    """Two honest flights over one mine, 300 × 300 cells, with a terrain model and pictures."""
    return make_scene(
        31,
        size_m=(300.0, 300.0),
        cell_m=1.0,
        dtm=True,
        ortho=True,
        ortho_cell_m=0.25,
        sites_lease=2,
        groves_standing=2,
    )


@pytest.fixture
def rng():
    return np.random.default_rng(12345)
