"""Truth as plain data, for ``truth.json`` and ``truth.geojson``."""

from __future__ import annotations

import math
from typing import Any

from .truth import ZONES, SiteTruth, Truth


def site_properties(site: SiteTruth) -> dict[str, Any]:
    return {
        "id": site.id,
        "kind": site.kind,
        "shape": site.shape,
        "zone": site.zone,
        "area_m2": round(site.area_m2, 3),
        "volume_m3": round(site.volume_m3, 4),
        "quadrature_m3": None if math.isnan(site.quadrature_m3) else round(site.quadrature_m3, 4),
        "max_depth_m": round(site.max_depth_m, 4),
        "mean_depth_m": round(site.mean_depth_m, 4),
        **{f"{z}_m3": round(site.zone_m3[z], 4) for z in ZONES},
        "neighbour": site.neighbour,
        "neighbour_m3": round(site.neighbour_m3, 4),
        "distance_m": round(site.distance_m, 3),
        "measured_share": round(site.measured_share, 5),
    }


def as_dict(truth: Truth) -> dict[str, Any]:
    return {
        "sigma_m": round(truth.sigma_m, 6),
        "alignment": {k: round(v, 9) for k, v in truth.alignment.items()},
        "centre": list(truth.centre),
        "errors": [e.as_dict() for e in truth.errors],
        "zones": [
            {
                "zone": z.zone,
                "area_m2": round(z.area_m2, 3),
                "cut_m3": round(z.cut_m3, 4),
                "fill_m3": round(z.fill_m3, 4),
                "net_m3": round(z.net_m3, 4),
                "dismissed_cut_m3": round(z.dismissed_cut_m3, 4),
                "dismissed_fill_m3": round(z.dismissed_fill_m3, 4),
            }
            for z in truth.zones.values()
        ],
        "sites": [site_properties(s) for s in truth.sites],
        "dismissed": [
            {
                "id": d.id,
                "reason": d.reason,
                "zone": d.zone,
                "area_m2": round(d.area_m2, 3),
                "cut_m3": round(d.cut_m3, 4),
                "fill_m3": round(d.fill_m3, 4),
            }
            for d in truth.dismissed
        ],
        "existing": [site_properties(s) for s in truth.existing],
        "artefacts": [
            [
                {
                    "kind": p.kind,
                    "east": round(p.east, 3),
                    "north": round(p.north, 3),
                    "radius_m": None if math.isnan(p.radius_m) else round(p.radius_m, 3),
                    "size_m": None if math.isnan(p.size_m) else round(p.size_m, 4),
                }
                for p in patches
            ]
            for patches in truth.patches
        ],
    }
