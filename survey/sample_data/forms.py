"""How a delivery is written: the same ground in the many forms that lessees send."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

Boundary = Literal["kml", "kmz", "geojson", "gpkg", "csv"]


@dataclass(frozen=True)
class DeliveryForm:
    """How the files are written; the ground in them is the same."""

    job_id: str = "INVENTED-0001"
    regime: Literal["mcdr", "rajasthan"] = "rajasthan"
    compress: str = "zstd"  # zstd | deflate | lzw | packbits | none
    tiled: bool = True
    nodata: float | None = float("nan")  # None: gaps stand as an internal mask
    dtype: Literal["float32", "float64", "int16"] = "float32"  # int16: centimetres, by scale and offset tags
    ortho_quality: int | None = 85  # JPEG; None: lossless
    ortho_repeat: int = 1  # write the orthomosaic with cells this many times finer, smoothly enlarged
    boundary: Boundary = "kml"
    boundary_sigma_m: float = 0.3
    registry: bool = True
    height: str = "EGM2008"
    filed: tuple[date | None, ...] = (date(2024, 6, 12), date(2025, 6, 18))
    epochs: tuple[int, ...] = (0, 1)  # which surveys are delivered
    mine: dict[str, Any] = field(default_factory=dict)
    extra_toml: str = ""
    zipped: bool = False
