from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from survey.record import (
    AlignmentPart,
    Clock,
    ErrorPart,
    Finding,
    Note,
    PairPart,
    Part,
    Record,
    Site,
    Source,
    Term,
    ZoneVolumes,
    canonical,
    from_json,
    json_schema,
    to_json,
)

START = datetime(2025, 7, 1, 10, 0, tzinfo=UTC)


def record(**parts) -> Record:
    return Record(
        command="excavation",
        job={"job": {"id": "A-1"}},
        clock=Clock(started=START, finished=START, seconds=1.23456),
        software={"mine-survey": "0.1.0"},
        sources=[
            Source(
                role="dem", path="2024/dsm.tif", sha256="0" * 64, bytes=1, detail={"when": date(2024, 4, 20)}
            )
        ],
        **parts,
    )


def filled(model: type[Part], **known):
    """A part with every required number set to 1."""
    values = {}
    for name, field in model.model_fields.items():
        if field.is_required() and field.annotation is float:
            values[name] = 1.0
        elif field.is_required() and field.annotation is str:
            values[name] = "x"
    return model(**{**values, **known})


def zone(**known) -> ZoneVolumes:
    return filled(ZoneVolumes, zone="lease", **known)


def whole() -> Record:
    alignment = filled(
        AlignmentPart, terms=[Term(name="up", value=0.1, sigma=0.01, unit="m", applied=True, why="x")]
    )
    error = filled(ErrorPart)
    site = filled(
        Site,
        kind="pit",
        status="changed between the surveys",
        zone="buffer",
        lease_id=None,
        evidence={"a": [1.5, None]},
    )
    pair = PairPart(
        before="2024-04-20",
        after="2025-04-25",
        bare_ground="dtm",
        alignment=alignment,
        error=error,
        zones=[zone()],
    )
    finding = Finding(
        id="f",
        rule="34A(1)",
        citation="MCDR",
        verdict="not measured",
        observed=None,
        limit=None,
        unit=None,
        message="x",
    )
    return record(
        alignment=alignment, error=error, zones=[zone(net_m3=math.nan)], sites=[site], pairs=[pair],
        findings=[finding], notes=[Note(code="n", message="m")], river_bed=zone(cut_m3=math.nan),
    )  # fmt: skip


def test_a_record_comes_back_as_it_was_written():
    text = to_json(whole())
    again = from_json(text)
    assert to_json(again) == text
    assert math.isnan(again.zones[0].net_m3)
    assert again.river_bed is not None
    assert math.isnan(again.river_bed.cut_m3)
    assert again.pairs[0].zones[0].cut_m3 == 1.0


def test_a_record_keeps_its_own_schema():
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(json.loads(to_json(whole())))
    Draft202012Validator(schema).validate(json.loads(to_json(record())))


def test_the_schema_refuses_what_is_no_record():
    validator = Draft202012Validator(json_schema())
    good = json.loads(to_json(whole()))
    for spoil in (
        lambda r: r.pop("zones"),
        lambda r: r.update(extra=1),
        lambda r: r["zones"][0].update(cut_m3="many"),
        lambda r: r["sites"][0].update(kind="hole"),
        lambda r: r["findings"][0].update(verdict="guilty"),
    ):
        bad = json.loads(json.dumps(good))
        spoil(bad)
        assert not validator.is_valid(bad)


def test_the_schema_says_which_record_it_is():
    schema = json_schema()
    assert schema["title"] == "mine-survey-record/1"
    good = json.loads(to_json(record()))
    assert good["schema"] == "mine-survey-record/1"


def test_numbers_are_rounded_by_their_unit():
    assert canonical({"cut_m3": 1.23456, "lon": 75.12345678912, "tilt": 1e-12, "royalty_inr": 1.005}) == {
        "cut_m3": 1.235,
        "lon": 75.123456789,
        "tilt": 0.0,
        "royalty_inr": 1.0,
    }
    assert canonical({"bounds_m": [1.12345678]}) == {"bounds_m": [1.123457]}


@given(
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.sampled_from(["cut_m3", "up_m", "x", "area_ha"]),
)
@settings(deadline=None, max_examples=50)
def test_writing_twice_changes_nothing(value, name):
    once = canonical({name: value})
    assert canonical(once) == once
    assert abs(once[name] - value) <= 0.5e-3 * (1 + 1e-9) + abs(value) * 1e-15


def test_minus_zero_nan_and_numpy_have_one_spelling():
    assert json.dumps(canonical({"net_m3": -0.0})) == '{"net_m3": 0.0}'
    assert json.dumps(canonical({"net_m3": -1e-9})) == '{"net_m3": 0.0}'
    assert canonical({"a": math.nan, "b": np.float32(0.5), "c": np.int64(3), "d": np.bool_(True)}) == {
        "a": None,
        "b": 0.5,
        "c": 3,
        "d": True,
    }
    assert canonical(np.float64(np.nan)) is None


def test_what_has_no_place_in_a_record_is_refused():
    with pytest.raises(ValueError, match="up_m is infinite"):
        canonical({"up_m": math.inf})
    with pytest.raises(TypeError, match="set has no place"):
        canonical({"a": {1, 2}})
    with pytest.raises(TypeError, match="ndarray has no place"):
        canonical({"a": np.zeros(3)})


def test_misspelt_names_are_refused():
    with pytest.raises(ValueError, match="Extra inputs"):
        zone(cutt_m3=1.0)


def test_the_same_record_gives_the_same_bytes():
    assert to_json(whole()) == to_json(whole())
    assert to_json(whole()).endswith("}\n")
