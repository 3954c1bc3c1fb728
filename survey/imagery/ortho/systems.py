"""Reference systems of pictures: their horizontal part, compared and transformed."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyproj import CRS


@lru_cache(maxsize=64)
def same(one: str, other: str) -> bool:
    """Whether two systems place a picture alike."""
    if one == other:
        return True
    from pyproj import CRS

    return bool(flat(CRS.from_user_input(one)) == flat(CRS.from_user_input(other)))


def flat(crs: CRS) -> CRS:
    """The horizontal part: a picture has no heights."""
    return crs.sub_crs_list[0] if crs.is_compound else crs


@lru_cache(maxsize=16)
def transformer(source: str, target: str) -> Any:
    """From the horizontal part of one system to that of another, east or longitude first."""
    from pyproj import CRS, Transformer

    return Transformer.from_crs(
        flat(CRS.from_user_input(source)), flat(CRS.from_user_input(target)), always_xy=True
    )
