"""The layers of ``results.gpkg``: outlines as given, and lines traced on the drawing cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.dem.coarse import around, block_mean, block_size, coarsened
from survey.grid import Bounds, Grid
from survey.pipelines.drawing.inputs import DrawingOptions, Epoch, Shapes
from survey.record import Dismissed, Finding, Site
from survey.report.gpkg import Layer

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from survey.dem.benchlines import BenchLine
    from survey.volumetrics.sections import Profile, SectionLine

    Surface = NDArray[np.float32]


def piece_of(surface: Surface) -> Callable[[Grid], Surface]:
    """A reader of pieces of a surface that is held whole."""

    def read(piece: Grid) -> Surface:
        return surface[piece.row0 : piece.row0 + piece.height, piece.col0 : piece.col0 + piece.width]

    return read


# -- outlines --------------------------------------------------------------------------------------------
def _multi(shape: BaseGeometry) -> BaseGeometry:
    import shapely

    if shape.geom_type == "Polygon":
        return shapely.multipolygons([shape])
    if shape.geom_type == "MultiPolygon":
        return shape
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    return shapely.multipolygons(parts)


def outline_layers(shapes: Shapes) -> list[Layer]:
    import shapely

    lease = shapes.lease
    layers = []
    if lease is not None:
        layers.append(
            Layer(
                "lease",
                "MultiPolygon",
                [_multi(lease.polygon)],
                {"lease_id": [lease.lease_id], "sigma_m": [lease.sigma_m], "area_m2": [lease.polygon.area]},
            )
        )
        names = ("name", "lon", "lat", "east", "north")
        rows = [
            {**{n: p.get(n) for n in names}, "geometry": shapely.points(p["east"], p["north"])}
            for p in lease.pillars
        ]
        layers.append(Layer.of_rows("pillars", "Point", names, rows))
    layers.append(
        Layer(
            "zones",
            "MultiPolygon",
            [_multi(p) for p in shapes.zones.values()],
            {"zone": list(shapes.zones), "area_m2": [p.area for p in shapes.zones.values()]},
        )
    )
    for name, named in (("other_leases", shapes.other_leases), ("polygons", shapes.polygons)):
        layers.append(
            Layer(
                name,
                "MultiPolygon",
                [_multi(n.polygon) for n in named],
                {
                    "name": [n.name for n in named],
                    "kind": [n.kind for n in named],
                    "area_m2": [n.polygon.area for n in named],
                },
            )
        )
    plain = [f for f in Site.model_fields if f not in ("parts", "evidence")]
    layers.append(
        Layer(
            "sites",
            "MultiPolygon",
            [_multi(p) for _, p in shapes.sites],
            {f: [getattr(s, f) for s, _ in shapes.sites] for f in plain},
        )
    )
    plain = [f for f in Dismissed.model_fields if f != "evidence"]
    layers.append(
        Layer(
            "dismissed",
            "MultiPolygon",
            [_multi(p) for _, p in shapes.dismissed],
            {f: [getattr(s, f) for s, _ in shapes.dismissed] for f in plain},
        )
    )
    return layers


def findings_layer(findings: Sequence[Finding]) -> Layer:
    """Findings as a table without geometry."""
    plain = [f for f in Finding.model_fields if f != "evidence"]
    return Layer(
        "findings",
        None,
        [None] * len(findings),
        {f: [getattr(finding, f) for finding in findings] for f in plain},
    )


# -- lines of the ground ---------------------------------------------------------------------------------
def contour_layer(
    heights: Surface,
    canvas: Grid,
    relief: tuple[float, float] | None,
    date: str,
    level_m: float,
    options: DrawingOptions,
) -> tuple[Layer, float]:
    """Contours of the later survey, every fifth an index contour, and their interval.

    They are traced on somewhat larger means than the rest: a centimetre of noise on ground that falls by one
    in fifty moves a contour by half a metre. Vertices are thinned to a fifth of a cell; rings shorter than
    twelve cells are noise.
    """
    import shapely

    from survey.dem.contours import contours, fitting_interval, levels_between, thinned_all

    low, high = relief or (0.0, 0.0)
    interval = options.contour_interval_m or fitting_interval(high - low, level_m)
    # The environment plan's 5 m lines are traced beside an interval that does not divide them.
    levels = sorted({*levels_between(low, high, interval), *levels_between(low, high, max(interval, 5.0))})
    block = block_size(canvas, finest_m=options.contour_cell_m, most_cells=options.most_cells)
    heights, canvas = block_mean(heights, block), coarsened(canvas, block)
    lines = contours(piece_of(heights), canvas, levels, least_length_m=12 * canvas.cell_m)
    shapes = [
        shapely.linestrings(np.column_stack([line, np.full(len(line), contour.level_m)]))
        for contour, line in zip(
            lines, thinned_all([contour.line for contour in lines], 0.2 * canvas.cell_m), strict=True
        )
    ]
    fifth = [contour.level_m / interval / 5 for contour in lines]
    return Layer(
        "contours",
        "LineString Z",
        shapes,
        {
            "level_m": [contour.level_m for contour in lines],
            "is_index": [abs(part - round(part)) < 1e-6 for part in fifth],
            "interval_m": [interval] * len(lines),
            "survey": [date] * len(lines),
        },
    ), interval


def bench_lines_of(heights: Surface, canvas: Grid, options: DrawingOptions) -> list[BenchLine]:
    from survey.dem.benchlines import bench_lines

    return bench_lines(
        heights, canvas, least_slope_deg=options.face_slope_deg, least_height_m=options.face_height_m
    )


def bench_layer(benches: list[BenchLine], date: str) -> Layer:
    import shapely

    from survey.dem.contours import thinned

    shapes = []
    for bench in benches:
        line = bench.line
        flat = thinned(line[:, :2], 0.05)
        gap = np.concatenate([[0.0], np.hypot(*np.diff(line[:, :2], axis=0).T).cumsum()])
        # Thinning keeps vertices: each is found again by its place, in order.
        at = _positions(line[:, :2], flat)
        shapes.append(shapely.linestrings(np.column_stack([flat, np.interp(gap[at], gap, line[:, 2])])))
    return Layer(
        "bench_lines",
        "LineString Z",
        shapes,
        {
            "kind": [b.kind for b in benches],
            "height_m": [b.height_m for b in benches],
            "face_angle_deg": [b.face_angle_deg for b in benches],
            "berm_width_m": [b.berm_width_m for b in benches],
            "mean_level_m": [float(b.line[:, 2].mean()) for b in benches],
            "length_m": [b.length_m for b in benches],
            "survey": [date] * len(benches),
        },
    )


def _positions(line: NDArray[np.float64], kept: NDArray[np.float64]) -> list[int]:
    at, k = [], 0
    for point in kept:
        while not np.array_equal(line[k], point):
            k += 1
        at.append(k)
        k += k + 1 < len(line)
    return at


# -- sections --------------------------------------------------------------------------------------------
def section_lines(shapes: Shapes, options: DrawingOptions) -> list[SectionLine]:
    from survey.volumetrics.sections import regular_sections, section_through

    lines: list[SectionLine] = []
    if shapes.lease is not None:
        lines += regular_sections(
            shapes.lease.polygon, options.section_spacing_m, bearing_deg=options.section_bearing_deg
        )
    largest = sorted(shapes.sites, key=lambda s: (-s[0].volume_m3, s[0].id))[: options.most_site_sections]
    for site, polygon in largest:
        if site.deepest_east_m is not None and site.deepest_north_m is not None:
            point = site.deepest_east_m, site.deepest_north_m
        else:
            inner = polygon.representative_point()
            point = inner.x, inner.y
        lines.append(section_through(polygon, point, name=site.id, site=site.id))
    return lines


def section_layers(
    lines: list[SectionLine],
    canvas: Grid,
    earlier: Surface | None,
    later: Surface,
    before: Epoch | None,
    after: Epoch,
    benches: list[BenchLine],
    options: DrawingOptions,
) -> list[Layer]:
    """``sections`` (lines), ``profiles`` (3D, one a section and survey), ``faces`` (on the later)."""
    import shapely

    from survey.volumetrics.sections import faces, profile, thinned

    sections, profiles, marks = [], [], []
    crests = [b for b in benches if b.kind == "crest"]
    tree = shapely.STRtree([shapely.linestrings(b.line[:, :2]) for b in crests])
    surfaces = [("after", after.date, later)]
    if before is not None and earlier is not None:
        surfaces.insert(0, ("before", before.date, earlier))
    for line in lines:
        sections.append(
            {
                "section": line.name,
                "kind": line.kind,
                "site": line.site,
                "length_m": line.length_m,
                "bearing_deg": line.bearing_deg,
                "geometry": shapely.linestrings(line.line),
            }
        )
        for epoch, date, surface in surfaces:
            full = profile(piece_of(surface), canvas, line.line)
            if not full.measured:
                continue
            profiles.append(
                {
                    "section": line.name,
                    "epoch": epoch,
                    "survey": date,
                    "geometry": _profile_line(thinned(full, 0.05), line),
                }
            )
            if epoch != "after":
                continue
            for face in faces(full, options.face_slope_deg, options.face_height_m):
                ends = [_on_line(line, d) for d in (face.from_m, face.to_m)]
                points = shapely.linestrings([(*ends[0], face.from_height_m), (*ends[1], face.to_height_m)])
                top = ends[0] if face.from_height_m > face.to_height_m else ends[1]
                near = tree.query(shapely.points(*top), predicate="dwithin", distance=4 * canvas.cell_m)
                # The bench line measured straight down the face; along the section a face looks flatter.
                true = crests[int(min(near))] if len(near) else None
                marks.append(
                    {
                        "section": line.name,
                        "height_m": abs(face.to_height_m - face.from_height_m),
                        "face_angle_deg": true.face_angle_deg if true else face.angle_deg,
                        "apparent": true is None,
                        "from_m": face.from_m,
                        "to_m": face.to_m,
                        "geometry": points,
                    }
                )
    return [
        Layer.of_rows(
            "sections",
            "LineString",
            ("section", "kind", "site", "length_m", "bearing_deg"),
            sections,
        ),
        Layer.of_rows("profiles", "MultiLineString Z", ("section", "epoch", "survey"), profiles),
        Layer.of_rows(
            "faces",
            "LineString Z",
            ("section", "height_m", "face_angle_deg", "apparent", "from_m", "to_m"),
            marks,
        ),
    ]


def _on_line(line: SectionLine, distance: float) -> tuple[float, float]:
    part = distance / max(line.length_m, 1e-12)
    east, north = line.line[0] + part * (line.line[1] - line.line[0])
    return float(east), float(north)


def _profile_line(profile: Profile, line: SectionLine) -> BaseGeometry:
    """A profile as a line in space; gaps in the measurement part it."""
    import shapely

    part = profile.distance_m / max(line.length_m, 1e-12)
    ground = line.line[0] + part[:, None] * (line.line[1] - line.line[0])
    known = np.isfinite(profile.height_m)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    stretches = []
    for first, end in zip(edges[0::2], edges[1::2], strict=True):
        points = np.column_stack([ground[first:end], profile.height_m[first:end]])
        if len(points) > 1:
            stretches.append(shapely.linestrings(points))
    return shapely.multilinestrings(stretches)


# -- levels ----------------------------------------------------------------------------------------------
def level_layer(shapes: Shapes, heights: Surface, canvas: Grid) -> Layer:
    """Highest and lowest points: of the lease, of each site and of each named polygon, against its rim."""
    import shapely

    rows: list[dict[str, Any]] = []

    def add(subject: str, kind: str, point: tuple[float, float, float], rim: float | None) -> None:
        rows.append(
            {
                "subject": subject,
                "kind": kind,
                "level_m": point[2],
                "above_rim_m": None if rim is None else point[2] - rim,
                "geometry": shapely.points(*point),
            }
        )

    if shapes.lease is not None:
        low, high, _ = _lowest_highest(shapes.lease.polygon, heights, canvas)
        if low and high:
            add("lease", "lowest", low, None)
            add("lease", "highest", high, None)
    for site, polygon in shapes.sites:
        low, high, rim = _lowest_highest(polygon, heights, canvas)
        point = low if site.kind == "pit" else high
        if point:
            add(site.id, "floor" if site.kind == "pit" else "top", point, rim)
    for named in shapes.polygons:
        low, high, rim = _lowest_highest(named.polygon, heights, canvas)
        if low and high:
            add(named.name, "lowest", low, rim)
            add(named.name, "highest", high, rim)
    return Layer.of_rows("levels", "Point Z", ("subject", "kind", "level_m", "above_rim_m"), rows)


def _lowest_highest(
    polygon: BaseGeometry, heights: Surface, canvas: Grid
) -> tuple[tuple[float, float, float] | None, tuple[float, float, float] | None, float | None]:
    """Lowest and highest cell whose centre lies within, and the mean height along the largest outline.

    An outline's islands lie on the floor of a pit or beside it; their edges are no rim.
    """
    import shapely

    from survey.volumetrics.sections import profile

    if polygon.is_empty:
        return None, None, None
    piece = canvas.covering(Bounds(*polygon.bounds))
    part = heights[piece.row0 : piece.row0 + piece.height, piece.col0 : piece.col0 + piece.width]
    if not part.size:
        return None, None, None
    rows, cols = np.mgrid[0 : piece.height, 0 : piece.width]
    east, north = piece.east_north(rows, cols)
    shapely.prepare(polygon)
    z = np.where(shapely.contains_xy(polygon, east, north), part, np.nan)
    if not np.isfinite(z).any():
        return None, None, None
    ends = []
    for k in (int(np.nanargmin(z)), int(np.nanargmax(z))):
        ends.append((float(east.flat[k]), float(north.flat[k]), float(z.flat[k])))

    read = piece_of(heights)
    parts = [p for p in shapely.get_parts(polygon) if p.geom_type == "Polygon"]
    if not parts:
        return ends[0], ends[1], None
    largest = max(parts, key=lambda p: shapely.Polygon(p.exterior).area)
    rim = profile(read, canvas, shapely.get_coordinates(largest.exterior)).height_m
    return ends[0], ends[1], float(np.nanmean(rim)) if np.isfinite(rim).any() else None


# -- triangles -------------------------------------------------------------------------------------------
def triangle_layer(
    earlier: Surface | None,
    later: Surface,
    before: Epoch | None,
    after: Epoch,
    canvas: Grid,
    shapes: Shapes,
    options: DrawingOptions,
) -> tuple[Layer, dict[str, Any]]:
    """One feature a survey: all its triangles. Of the lease and 100 m round it, where there is a lease."""
    import shapely

    from survey.dem.thin import thin

    bounds = None if shapes.lease is None else Bounds(*shapes.lease.polygon.bounds).grown(100.0)
    piece = around(canvas, bounds)
    coarse = block_size(piece, finest_m=0.0, most_cells=2_000_000)
    rows, settings = [], {}
    surfaces = [("after", after, later)]
    if before is not None and earlier is not None:
        surfaces.insert(0, ("before", before, earlier))
    for epoch, survey, surface in surfaces if options.detail else ():
        part = surface[piece.row0 : piece.row0 + piece.height, piece.col0 : piece.col0 + piece.width]
        tin = thin(
            block_mean(part, coarse),
            coarsened(piece, coarse),
            tolerance_m=options.tin_tolerance_m,
            most_points=options.tin_points,
        )
        settings[f"tin_{epoch}_tolerance_m"] = tin.tolerance_m
        if not len(tin.triangles):
            continue
        rings = tin.points[tin.triangles[:, [0, 1, 2, 0]]]
        rows.append(
            {
                "epoch": epoch,
                "survey": survey.date,
                "tolerance_m": tin.tolerance_m,
                "worst_m": tin.worst_m,
                "triangles": len(tin.triangles),
                "geometry": shapely.multipolygons(shapely.polygons(rings)),
            }
        )
    settings["tin_cell_m"] = canvas.cell_m * coarse
    names = ("epoch", "survey", "tolerance_m", "worst_m", "triangles")
    return Layer.of_rows("triangles", "MultiPolygon Z", names, rows), settings
