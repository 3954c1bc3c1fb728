from __future__ import annotations

import pytest
from hostile_mine import copy_of, write_base


@pytest.fixture(scope="session")
def mine_base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("hostile") / "base")


@pytest.fixture
def mine(mine_base, tmp_path, capsys):
    return copy_of(mine_base, tmp_path, capsys)


_VOLUME: dict[str, float] = {}


@pytest.fixture
def base_cut_m3(mine_base, tmp_path, capsys):
    """The volume that the untouched delivery gives; measured once."""
    if "cut" not in _VOLUME:
        whole = copy_of(mine_base, tmp_path / "untouched", capsys).run()
        assert whole.code == 0, whole.said
        _VOLUME["cut"] = whole.cut_m3
    return _VOLUME["cut"]
