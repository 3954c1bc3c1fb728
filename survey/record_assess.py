"""What ``record.json`` holds of each assessed pit or stock: the facts of the rule 91 sheet.

A sheet is drawn from one ``Assessment`` and the run's pictures; it computes nothing. None and NaN mean that
nobody entered or measured it: the sheet then has a blank line, never a zero.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from survey.record import Part, Zone

Kind = Literal["pit", "stock"]


class Vertex(Part):
    """A numbered corner of the outline. ``ring``: 0 the outside of the first part, others follow."""

    number: str
    ring: int
    east_m: float
    north_m: float
    lat: float
    lon: float


class Profile(Part):
    """A cross-section: surface and base along a straight line. Gaps are null."""

    name: str
    why: str  # along the longest axis | across it
    bearing_deg: float
    from_east_m: float
    from_north_m: float
    to_east_m: float
    to_north_m: float
    distance_m: list[float]
    surface_m: list[float | None]
    base_m: list[float | None]


class MethodTried(Part):
    """A way to rebuild the ground before, and its error on undisturbed ground near by."""

    method: str
    rms_m3: float | None
    bias_m3: float | None
    differs_m3: float | None  # volume under it less that under the chosen one
    why_not: str | None = None


class BaseSurface(Part):
    """The ground before: how it was found and how sure it is."""

    method: str
    asked: str
    source: str  # trials | smaller copies | spread of methods | stable ground | given | measured points
    sigma_m3: float
    trials: int = 0
    independent_trials: float = 0.0
    rim_share: float | None = None
    ring_gap_m: float | None = None
    ring_width_m: float | None = None
    working_cell_m: float | None = None
    tried: list[MethodTried] = Field(default_factory=list)


class DoubtPart(Part):
    """One independent source of error of the volume, 1 σ."""

    name: str
    sigma_m3: float
    dof: float | None


class PortionPart(Part):
    """A material's part of the volume. ``best`` is null where only bounds are known."""

    name: str
    mineral: bool
    fraction_lo: float
    fraction: float | None
    fraction_hi: float
    fraction_source: str | None
    volume_lo_m3: float
    volume_m3: float | None
    volume_hi_m3: float
    density_lo_t_m3: float | None
    density_t_m3: float | None
    density_hi_t_m3: float | None
    density_state: str
    density_source: str | None
    mass_lo_t: float | None
    mass_t: float | None
    mass_hi_t: float | None


class WorthPart(Part):
    """Tonnes and rupees. Amounts are null while anything in ``missing`` was not entered."""

    portions: list[PortionPart]
    mineral_lo_t: float | None
    mineral_t: float | None
    mineral_hi_t: float | None
    royalty_rate_inr_t: float | None
    royalty_date: str | None
    royalty_source: str | None
    multiplier: float | None
    multiplier_basis: str | None
    royalty_lo_inr: float | None
    royalty_inr: float | None
    royalty_hi_inr: float | None
    amount_lo_inr: float | None
    amount_inr: float | None
    amount_hi_inr: float | None
    missing: list[str]
    remarks: list[str]


class FeePart(Part):
    """Demarcation fee, with the clause it comes from."""

    area_ha: float
    re_verification: bool
    fee_inr: float
    citation: str


class PlaceToMeasure(Part):
    """Where a further point would help most."""

    east_m: float
    north_m: float
    lat: float
    lon: float
    why: str


class Form(Part):
    """What only the officer knows; a blank line on the sheet where it is null."""

    case_no: str | None = None
    case_date: str | None = None
    notice_no: str | None = None
    notice_date: str | None = None
    notice_served: str | None = None
    date: str | None = None
    instrument: str | None = None
    method: str | None = None
    sanctioned_map: str | None = None
    officers: list[tuple[str, str | None]] = Field(default_factory=list)
    present: list[str] = Field(default_factory=list)
    absent: list[str] = Field(default_factory=list)
    witnesses: list[str] = Field(default_factory=list)
    khasra: list[str] = Field(default_factory=list)
    dating: str | None = None
    remarks: str | None = None


class Assessment(Part):
    """One pit or stock, measured for rule 91. Volumes in m³ with 95 % intervals."""

    id: str
    kind: Kind
    target: str  # polygons | detected | points
    crs: str
    survey_date: str | None
    earlier_date: str | None
    area_m2: float
    measured_m2: float
    missing_m2: float
    perimeter_m: float
    volume_m3: float
    volume_lo_m3: float
    volume_hi_m3: float
    cut_m3: float
    cut_lo_m3: float
    cut_hi_m3: float
    fill_m3: float
    fill_lo_m3: float
    fill_hi_m3: float
    net_m3: float
    net_lo_m3: float
    net_hi_m3: float
    least_depth_m: float
    mean_depth_m: float
    greatest_depth_m: float
    deepest_east_m: float | None
    deepest_north_m: float | None
    lon: float
    lat: float
    zone: Zone | None
    lease_id: str | None
    other_lease: str | None
    lease_volume_m3: float | None
    buffer_volume_m3: float | None
    beyond_volume_m3: float | None
    unsure_volume_m3: float | None
    distance_m: float | None
    bearing_deg: float | None
    nearest_pillar: str | None
    pillar_distance_m: float | None
    pillar_bearing_deg: float | None
    base: BaseSurface
    doubts: list[DoubtPart]
    counted: list[str]  # how overlaps with other outlines were counted once
    vertices: list[Vertex]
    sections: list[Profile]
    worth: WorthPart
    fee: FeePart | None
    measure_more: list[PlaceToMeasure] = Field(default_factory=list)
    form: Form = Field(default_factory=Form)
    remarks: list[str] = Field(default_factory=list)
    working_cell_m: float | None = None
    outline_sigma_m: float | None = None
