"""Everything that can be asked of a scene, with defaults for a small cheap one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from .artefacts import ArtefactOptions
from .survey_error import ErrorModel
from .terrain import TerrainOptions


@dataclass(frozen=True)
class SceneOptions:
    # Where and how fine
    size_m: tuple[float, float] = (240.0, 240.0)
    cell_m: float = 1.0
    after_cell_m: float | None = None  # None: as before
    after_offset_m: tuple[float, float] = (0.0, 0.0)  # of the later grid's origin
    epsg: int = 32643
    after_epsg: int | None = None  # None: as before
    centre_lon_lat: tuple[float, float] = (74.62, 26.27)
    terrain: TerrainOptions = field(default_factory=TerrainOptions)

    # The lease
    lease_radius_m: float | None = None  # None: what leaves room for the buffer
    lease_area_m2: float | None = None  # None: whatever the radius gives
    lease_corners: int = 7
    neighbours: int = 1  # other valid leases in the registry
    neighbour_gap_m: float = 25.0  # 0: a common boundary

    # Ground that stands in both surveys
    old_workings: bool = True  # a benched pit and a dump in the lease
    old_pits: int = 1  # outside, undated
    old_heaps: int = 0
    roads: int = 1

    # Digging between the surveys; sites that find no room are left out
    workings_growth: float = 0.0  # 0: untouched … 1: most of the lease changed
    sites_lease: int = 1
    sites_boundary: int = 1
    sites_buffer: int = 1
    sites_line: int = 0  # across the line 100 m outside the lease
    sites_beyond: int = 0
    sites_neighbour: int = 0
    site_radius_m: tuple[float, float] = (4.5, 16.0)
    site_depth_m: tuple[float, float] = (0.7, 6.0)
    heap_share: float = 0.3
    spoil_share: float = 0.0  # of the pits outside the lease, with a spoil heap beside them
    shapes: tuple[str, ...] = ()  # of the first sites, in order; then drawn by lot

    # What is no digging
    groves_standing: int = 1
    groves_grown: int = 0
    groves_felled: int = 0
    crops: int = 0
    vehicles: int = 0
    sheds: int = 0
    pools: int = 0
    gullies: int = 0

    # The two surveys
    before_error: ErrorModel = field(default_factory=ErrorModel)
    after_error: ErrorModel = field(default_factory=ErrorModel)
    before_artefacts: ArtefactOptions = field(default_factory=ArtefactOptions)
    after_artefacts: ArtefactOptions = field(default_factory=ArtefactOptions)
    smoothing_cells: float = 0.0  # the low pass of dense matching
    dates: tuple[date, date] = (date(2024, 4, 20), date(2025, 4, 25))
    dtm: bool = False
    ortho: bool = False
    ortho_cell_m: float | None = None  # None: the DEM's own cells
    bands: int = 3  # 3 (red, green, blue) to 6 (blue, green, red, nir, swir1, swir2)
    greenness: tuple[float, float] = (0.25, 0.25)  # of the season, 0 … 1
    checkpoints: int = 0

    # How finely truth is integrated
    quad_points: int = 40_000

    def __post_init__(self) -> None:
        if min(self.size_m) < 20 * self.cell_m:
            raise ValueError(f"a scene of {self.size_m} m has too few cells of {self.cell_m} m")
        if not 3 <= self.bands <= 6:
            raise ValueError(f"an orthomosaic has 3 to 6 bands, not {self.bands}")
