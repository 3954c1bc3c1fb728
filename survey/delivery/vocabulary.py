"""Words by which people name their files and columns. Data, not code: add a word where one is missing."""

from __future__ import annotations


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _phrases(words: str) -> frozenset[str]:
    return frozenset(word.strip() for word in words.split(","))


WORDS: dict[str, frozenset[str]] = {
    "dsm": _set("dsm dsms surface"),
    "dtm": _set("dtm dtms terrain bareearth bareground bare"),
    "dem": _set("dem dems elevation elev height heights heightmap cartodem srtm"),
    "ortho": _set("ortho orthos orthomosaic orthomosaics orthophoto orthoimage mosaic rgb omi"),
    "multispectral": _set(
        "multispectral mss mx liss sentinel landsat planetscope resourcesat cartosat worldview nir satellite "
        "pleiades"
    ),
    "derived": _set(
        "hillshade shade shaded relief slope aspect contour contours ndvi classified mask roughness "
        "intensity diff difference dod change preview thumbnail"
    ),
    "lease": _set("lease boundary boundry ml mla ql leasehold leasearea perimeter पट्टा सीमा लीज"),
    "pillars": _set("pillar pillars bp dgps स्तंभ पिलर"),
    "registry": _set("registry leases register"),
    "targets": _set("target targets pit pits heap heaps stock stocks"),
    "checkpoints": _set("gcp gcps checkpoint checkpoints check cp cps icp control groundcontrol"),
    "challans": _set("challan challans echallan rawanna ravanna transit dispatch चालान रवन्ना"),
    "points": _set("points gnss rover rtk topo"),
}
"""Words in the names of files and folders: the role that they speak of."""

COLUMNS: dict[str, frozenset[str]] = {
    "east": _phrases("easting, east, e, x, easting m, utm e, utme"),
    "north": _phrases("northing, north, n, y, northing m, utm n, utmn"),
    "lon": _phrases("longitude, lon, long, lng, देशांतर"),
    "lat": _phrases("latitude, lat, अक्षांश"),
    "height": _phrases("elevation, elev, height, z, h, rl, altitude, elevation m, height m"),
    "pillar": _phrases("pillar, pillar no, pillar number, pillar name, pillar id, bp, bp no"),
    "code": _phrases("code, feature, feature code"),
    "type": _phrases("type, point type"),
    "challan": _phrases(
        "challan, challan no, challan number, e challan, e challan no, echallan no, transit pass, "
        "transit pass no, tp no, rawanna no"
    ),
    "tonnes": _phrases("tonnes, tonne, t, quantity, qty, net weight, weight, mt, quantity mt, quantity t"),
}
"""Column headings, as ``survey.tables.header_key`` writes them: what they hold."""

DATE_TAGS = ("ACQUISITIONDATETIME", "ACQUISITION_DATE", "ACQUISITIONDATE", "DATE_ACQUIRED", "SENSING_TIME")
"""Tags of rasters that tell when the ground was seen, not when the file was made."""
