"""What did the work: versions that decide figures."""

from __future__ import annotations

import platform
from importlib.metadata import version

from survey import __version__

_DECIDE = ("numpy", "scipy", "numba", "rasterio", "pyproj", "shapely", "pyogrio")


def software() -> dict[str, str]:
    """Name and version of this program and of the libraries whose results enter the figures."""
    import pyproj
    import rasterio

    out = {"mine-survey": __version__, "python": platform.python_version()}
    out |= {name: version(name) for name in _DECIDE}
    return out | {"gdal": rasterio.__gdal_version__, "proj": pyproj.proj_version_str}
