"""The record of a run: what was put in, what was done, what came out, and how sure it is.

``record.json`` is the one truth; reports, plans and tables are drawn from it and compute nothing. The same
job gives the same bytes, but for the fields under ``clock``: numbers are rounded by the unit in their name
(far below their uncertainty, far above the last bit of a float), NaN is written as null, keys stand in the
order of the models.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from json.encoder import encode_basestring as _quoted
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = "mine-survey-record/1"

Zone = Literal["lease", "buffer", "beyond"]
Verdict = Literal[
    "complies", "breaches", "too close to call", "not measured", "not specified", "exempt, for review"
]
SiteKind = Literal["pit", "heap", "backfill"]
SiteStatus = Literal["changed between the surveys", "existing: seen in one survey, undated"]

# Decimals by the ending of a name. The longest ending that fits wins.
_DECIMALS = {
    "_m3": 3,
    "_m2": 3,
    "_ha": 6,
    "_t": 3,
    "_m": 6,
    "_deg": 6,
    "_pct": 4,
    "_inr": 2,
    "_s": 3,
    "lat": 9,
    "lon": 9,
    "": 9,
}


class Part(BaseModel):
    """A part of the record: frozen, and closed against misspelt names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True)


class Source(Part):
    """One input file as it was received."""

    role: str
    survey: str | None = None  # ISO date of the survey it belongs to
    path: str  # as the job names it; never a path of the machine
    sha256: str
    bytes: int
    crs: str | None = None
    cell_m: float | None = None
    height: str | None = None
    detail: dict[str, Any] = Field(default_factory=dict)


class Note(Part):
    """Something a reader must know to weigh the figures."""

    code: str
    message: str
    severity: Literal["info", "caution", "serious"] = "caution"


class Term(Part):
    """One alignment term: its estimate, what it is worth, and whether the data supported it."""

    name: str  # east | north | up | tilt_east | tilt_north | dome
    value: float
    sigma: float
    unit: str
    applied: bool
    why: str


class AlignmentPart(Part):
    """What was added to the later survey to lay it on the earlier one, from ground that did not change.

    ``east_m, north_m``: the later surface was moved by this much. ``up_m``: then raised by this much at
    ``centre_east_m, centre_north_m``; ``tilt_*`` in metres per metre; ``dome_m_km2`` in metres per km².
    """

    east_m: float
    north_m: float
    up_m: float
    tilt_east: float
    tilt_north: float
    dome_m_km2: float
    centre_east_m: float
    centre_north_m: float
    east_sigma_m: float
    north_sigma_m: float
    up_sigma_m: float
    terms: list[Term]
    stable_area_m2: float
    nmad_before_m: float
    nmad_after_m: float
    tied_to_checkpoints: bool = False
    notes: list[Note] = Field(default_factory=list)


class SlopeNoise(Part):
    slope_deg: float
    sigma_m: float
    cells: int


class Lag(Part):
    """One point of the empirical variogram of the standardised residual, and the model there."""

    lag_m: float
    semivariance: float
    model: float
    pairs: int


class ErrorPart(Part):
    """The noise of this pair, from stable ground. 1 σ, metres."""

    random_m: float
    correlated_m: float
    range_m: float
    systematic_m: float
    level_m: float  # level of detection: 95 %, flat ground, one cell
    by_slope: list[SlopeNoise] = Field(default_factory=list)
    variogram: list[Lag] = Field(default_factory=list)
    source: str = "stable ground"


class ZoneVolumes(Part):
    """Cut and fill of one zone: worked ground, what was dismissed, and the rest, which should hold zero."""

    zone: str
    name: str | None = None
    area_m2: float
    measured_m2: float
    missing_m2: float
    cut_m3: float
    cut_lo_m3: float
    cut_hi_m3: float
    fill_m3: float
    fill_lo_m3: float
    fill_hi_m3: float
    net_m3: float
    net_lo_m3: float
    net_hi_m3: float
    dismissed_cut_m3: float
    dismissed_fill_m3: float
    rest_net_m3: float
    rest_net_lo_m3: float
    rest_net_hi_m3: float
    worked_m2: float = 0.0
    lowest_m: float | None = None
    highest_m: float | None = None
    mean_slope_deg: float | None = None


class BenchVolumes(Part):
    """Cut and fill of the lease between two levels."""

    floor_m: float
    crest_m: float
    cut_m3: float
    cut_lo_m3: float
    cut_hi_m3: float
    fill_m3: float
    fill_lo_m3: float
    fill_hi_m3: float


class Site(Part):
    """A pit, heap or backfill. The properties of ``sites.geojson``; more may follow, none is taken away."""

    id: str
    kind: SiteKind
    status: SiteStatus
    zone: Zone
    lease_id: str | None
    area_m2: float
    volume_m3: float
    volume_lo_m3: float
    volume_hi_m3: float
    min_depth_m: float
    mean_depth_m: float
    max_depth_m: float
    outside_volume_m3: float
    unsure_volume_m3: float
    distance_m: float
    bearing_deg: float
    base: str
    confidence: float
    why: str
    lease_volume_m3: float = 0.0
    buffer_volume_m3: float = 0.0
    beyond_volume_m3: float = 0.0
    other_lease_volume_m3: float = 0.0
    nearest_pillar: str | None = None
    lon: float | None = None
    lat: float | None = None
    deepest_east_m: float | None = None
    deepest_north_m: float | None = None
    parts: list[str] = Field(default_factory=list)
    evidence: dict[str, Any] = Field(default_factory=dict)


class Dismissed(Part):
    """A change that was seen and not called a site."""

    id: str
    reason: str  # tree growth | felling | crop | vehicle or shed | water | erosion | artefact | too small …
    why: str
    zone: Zone
    area_m2: float
    cut_m3: float
    fill_m3: float
    confidence: float
    lon: float | None = None
    lat: float | None = None
    evidence: dict[str, Any] = Field(default_factory=dict)


class Finding(Part):
    """What a clause asks, what was observed, and the verdict."""

    id: str
    rule: str
    citation: str
    verdict: Verdict
    observed: str | None
    limit: str | None
    unit: str | None
    message: str
    mend: str | None = None
    grade: str | None = None
    sentence: str | None = None
    subject: str | None = None
    evidence: dict[str, Any] = Field(default_factory=dict)


class PairPart(Part):
    """One pair of surveys of a series."""

    before: str
    after: str
    bare_ground: str  # which surface was compared: dtm | dsm
    alignment: AlignmentPart
    error: ErrorPart
    zones: list[ZoneVolumes]
    closes_by_m3: float | None = None


class Clock(Part):
    """When a run began and ended, and the seconds of each stage. Equal runs differ in nothing else."""

    started: datetime
    finished: datetime
    seconds: float
    stages: dict[str, float] = Field(default_factory=dict)


class Record(Part):
    """A whole run. Sections that a command did not make are null or empty."""

    schema_: str = Field(default=SCHEMA, alias="schema")
    command: str
    job: dict[str, Any]
    mine: dict[str, Any] = Field(default_factory=dict)
    clock: Clock
    software: dict[str, str]
    sources: list[Source]
    surveys: list[dict[str, Any]] = Field(default_factory=list)
    grid: dict[str, Any] | None = None
    lease: dict[str, Any] | None = None
    alignment: AlignmentPart | None = None
    error: ErrorPart | None = None
    zones: list[ZoneVolumes] = Field(default_factory=list)
    benches: list[BenchVolumes] = Field(default_factory=list)
    polygons: list[ZoneVolumes] = Field(default_factory=list)
    river_bed: ZoneVolumes | None = None
    pairs: list[PairPart] = Field(default_factory=list)
    total: dict[str, Any] | None = None
    checkpoints: list[dict[str, Any]] = Field(default_factory=list)
    sites: list[Site] = Field(default_factory=list)
    dismissed: list[Dismissed] = Field(default_factory=list)
    assessments: list[dict[str, Any]] = Field(default_factory=list)
    checks: dict[str, Any] | None = None
    triggers: dict[str, Any] | None = None
    findings: list[Finding] = Field(default_factory=list)
    notes: list[Note] = Field(default_factory=list)
    settings: dict[str, Any] = Field(default_factory=dict)
    outputs: dict[str, str] = Field(default_factory=dict)  # file name: SHA-256

    # Every record holds every section, so the schema may ask for them all.
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        json_schema_serialization_defaults_required=True,
    )


@cache
def _decimals(name: str) -> int:
    fits = [ending for ending in _DECIMALS if name.endswith(ending)]
    return _DECIMALS[max(fits, key=len)]


def canonical(value: Any, name: str = "") -> Any:
    """``value`` as plain JSON types: dates in ISO form, floats rounded by their name, NaN as null."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float and math.isfinite(value):
        return round(value, _decimals(name)) + 0.0
    if isinstance(value, BaseModel):
        return canonical(value.model_dump(by_alias=True), name)
    if isinstance(value, dict):
        return {str(key): canonical(item, str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(item, name) for item in value]
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, bool) or value is None or isinstance(value, (str, int)):
        return value
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:  # a NumPy scalar
        return canonical(value.item(), name)
    if isinstance(value, float):
        if math.isinf(value):
            raise ValueError(f"{name} is infinite: a record holds finite numbers or null")
        # Adding zero turns -0.0, which some machines print and others do not, into 0.0.
        return None if math.isnan(value) else round(value, _decimals(name)) + 0.0
    raise TypeError(f"{name}: {type(value).__name__} has no place in a record")


def to_json(record: Record) -> str:
    """Canonical JSON, UTF-8, a newline at the end."""
    return indented(canonical(record)) + "\n"


def indented(plain: Any) -> str:
    """``json.dumps(plain, ensure_ascii=False, indent=1, allow_nan=False)`` in two thirds of its time: with an
    indent the library goes through generators. ``plain`` holds plain types only, as ``canonical`` makes them.

    Raises
    ------
    ValueError
        A number is not finite.
    """
    out: list[str] = []
    _indent(plain, "\n", out.append)
    return "".join(out)


def _indent(value: Any, line: str, put: Callable[[str], None]) -> None:
    kind = type(value)
    if kind is str:
        put(_quoted(value))
    elif kind is dict and value:
        inner = line + " "
        lead = "{" + inner
        for key, item in value.items():
            if type(item) is str:
                put(f"{lead}{_quoted(key)}: {_quoted(item)}")
            else:
                put(f"{lead}{_quoted(key)}: ")
                _indent(item, inner, put)
            lead = "," + inner
        put(line + "}")
    elif (kind is list or kind is tuple) and value:
        inner = line + " "
        if all(type(item) is float and math.isfinite(item) for item in value):
            put("[" + inner + ("," + inner).join(map(repr, value)))
        else:
            lead = "[" + inner
            for item in value:
                put(lead)
                _indent(item, inner, put)
                lead = "," + inner
        put(line + "]")
    elif kind is float and math.isfinite(value):
        put(repr(value))
    elif kind is int:
        put(str(value))
    else:
        put(json.dumps(value, ensure_ascii=False, allow_nan=False))


def from_json(text: str) -> Record:
    """Read a record back. Null numbers become NaN only where the model asks for a number."""
    return from_plain(json.loads(text))


def from_plain(raw: dict[str, Any]) -> Record:
    """The record that ``canonical`` made ``raw`` of, with its numbers rounded."""
    return Record.model_validate(_nan_for_null(raw))


def _nan_for_null(raw: dict[str, Any]) -> dict[str, Any]:
    """Put NaN back where a required number was not measured: JSON has no other word for it than null."""

    def mend(model: type[BaseModel], data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        mended = dict(data)
        for key, field in model.model_fields.items():
            name = field.alias or key
            if name not in mended:
                continue
            kind = field.annotation
            inner = next(
                (
                    t
                    for t in (kind, *getattr(kind, "__args__", ()))
                    if isinstance(t, type) and issubclass(t, Part)
                ),
                None,
            )
            if mended[name] is None and kind is float:
                mended[name] = math.nan
            elif inner and isinstance(mended[name], list):
                mended[name] = [mend(inner, item) for item in mended[name]]
            elif inner and isinstance(mended[name], dict):
                mended[name] = mend(inner, mended[name])
        return mended

    return mend(Record, raw)


def json_schema() -> dict[str, Any]:
    """The JSON schema of ``record.json``. Numbers may be null: not measured."""
    schema = Record.model_json_schema(by_alias=True, mode="serialization")

    def widen(node: Any) -> Any:
        if isinstance(node, dict):
            node = {key: widen(item) for key, item in node.items()}
            if node.get("type") == "number":
                node["type"] = ["number", "null"]
            return node
        return [widen(item) for item in node] if isinstance(node, list) else node

    schema = widen(schema)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = SCHEMA
    return schema
