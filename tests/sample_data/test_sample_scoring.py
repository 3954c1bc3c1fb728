"""The scorers give full marks to a perfect witness, and the right ones to witnesses with known faults."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
import shapely
from shapely.geometry import mapping

from survey.sample_data import make_scene
from survey.sample_data.delivery import to_lon_lat

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def bench():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield {name: importlib.import_module(name) for name in ("scenes", "score_sites", "score_coverage")}
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def one(bench):
    case = bench["scenes"].case(3, 9)  # crowded
    return case, make_scene(case.seed, case.options)


def feature(site, epsg, **changed):
    half = 0.05 * site.volume_m3
    properties = {
        "id": site.id,
        "kind": site.kind,
        "status": "changed between the surveys",
        "zone": site.zone,
        "lease_id": site.neighbour,
        "area_m2": site.area_m2,
        "volume_m3": site.volume_m3,
        "volume_lo_m3": site.volume_m3 - half,
        "volume_hi_m3": site.volume_m3 + half,
        "outside_volume_m3": site.outside_m3,
        "confidence": 0.9,
    }
    outline = changed.pop("outline", site.outline)
    return {
        "type": "Feature",
        "properties": properties | changed,
        "geometry": mapping(to_lon_lat(outline, epsg)),
    }


def scored(bench, one, tmp_path, features, dismissed=()):
    case, scene = one
    tmp_path.joinpath("sites.geojson").write_text(json.dumps({"features": features}))
    record = {"dismissed": list(dismissed), "alignment": None, "error": None}
    tmp_path.joinpath("record.json").write_text(json.dumps(record))
    return bench["score_sites"].row_of(case, scene, tmp_path, 1.0)


def test_a_perfect_witness_gets_full_marks(bench, one, tmp_path):
    scene = one[1]
    row = scored(bench, one, tmp_path, [feature(s, scene.world.epsg) for s in scene.truth.sites])
    marks = bench["score_sites"].summary([row])
    assert marks["true_sites"] >= 5
    assert marks["f1"] == marks["precision"] == marks["recall"] == 1
    assert marks["intervals_hold"] == marks["zone_right"] == marks["kind_right"] == 1
    assert marks["median_volume_error"] == 0
    assert marks["median_iou"] == pytest.approx(1, abs=1e-3)
    assert marks["false_per_50_ha"] == 0


def test_faults_are_counted_as_what_they_are(bench, one, tmp_path):
    scene = one[1]
    epsg = scene.world.epsg
    true = [s for s in scene.truth.sites if bench["score_sites"].counts(s, scene.truth.sigma_m)]
    wrong_size, wrong_zone, missed, split, *right = true
    features = [feature(s, epsg) for s in right]
    features.append(
        feature(
            wrong_size,
            epsg,
            volume_m3=1.2 * wrong_size.volume_m3,
            volume_lo_m3=1.1 * wrong_size.volume_m3,
            volume_hi_m3=1.3 * wrong_size.volume_m3,
        )
    )
    features.append(feature(wrong_zone, epsg, zone="beyond" if wrong_zone.zone != "beyond" else "lease"))
    w, s, e, n = split.outline.bounds
    middle = w + 0.7 * (e - w)
    for part in (shapely.box(w, s, middle, n), shapely.box(middle, s, e, n)):
        features.append(feature(split, epsg, outline=split.outline.intersection(part)))
    tree = next(d for d in scene.truth.dismissed)
    features.append(
        feature(right[0], epsg, outline=tree.outline, kind="heap" if tree.fill_m3 > tree.cut_m3 else "pit")
    )
    lon, lat = to_lon_lat(missed.outline.representative_point(), epsg).coords[0]
    row = scored(bench, one, tmp_path, features, [{"reason": "crop", "lon": lon, "lat": lat}])
    marks = bench["score_sites"].summary([row])
    assert marks["found"] == len(true) - 1
    assert marks["missed_why"] == {"dismissed: crop": 1}
    assert marks["false_really"] == {"piece of a true site": 1, tree.reason: 1}
    assert marks["intervals_hold"] == pytest.approx(1 - 1 / (len(true) - 1))
    assert marks["zone_right"] == pytest.approx(1 - 1 / (len(true) - 1))


def test_a_heap_is_no_pit(bench, one, tmp_path):
    scene = one[1]
    pit = next(s for s in scene.truth.sites if s.kind == "pit" and s.area_m2 > 40)
    row = scored(bench, one, tmp_path, [feature(pit, scene.world.epsg, kind="heap")])
    entry = next(s for s in row["sites"] if s["id"] == pit.id)
    assert not entry["found"]
    assert entry["why"] == "found with the wrong sign"
    assert [f["really"] for f in row["false"]] == ["true site, other sign"]


def test_every_family_makes_scenes_of_its_own(bench):
    scenes = bench["scenes"]
    cases = [scenes.case(2, i) for i in range(2 * len(scenes.FAMILIES))]
    assert [c.family for c in cases[: len(scenes.FAMILIES)]] == list(scenes.FAMILIES)
    assert len({c.seed for c in cases}) == len(cases)
    assert len({repr(c.options) for c in cases}) == len(cases)
    assert scenes.case(2, 5) == scenes.case(2, 5)
    quiet = [c for c in cases if c.family == "quiet"]
    assert all(
        sum(getattr(c.options, f"sites_{z}") for z in ("lease", "buffer", "beyond")) == 0 for c in quiet
    )


def test_ideal_sigma_has_its_closed_forms(bench):
    import numpy as np

    from survey.sample_data.survey_error import ErrorModel

    mask = np.zeros((240, 240), bool)
    mask[60:160, 70:190] = True
    white = make_scene(
        1,
        before_error=ErrorModel(random_m=0.03, correlated_m=0),
        after_error=ErrorModel(random_m=0.04, correlated_m=0),
    )
    assert bench["score_coverage"].ideal_sigma_m3(white, mask) == pytest.approx(0.05 * np.sqrt(12000))
    # Fully correlated over the mask: n · σ.
    wide = ErrorModel(random_m=0, correlated_m=0.03, range_m=1e6)
    none = ErrorModel(random_m=0, correlated_m=0)
    slow = make_scene(1, before_error=none, after_error=none)
    from dataclasses import replace

    slow = replace(slow, options=replace(slow.options, before_error=wide))
    assert bench["score_coverage"].ideal_sigma_m3(slow, mask) == pytest.approx(0.03 * 12000, rel=1e-6)


def test_zone_rows_hold_truth_for_a_perfect_record(bench):
    cover = bench["score_coverage"]
    scene = make_scene(5, cover.options_of("bias", bench["scenes"].Draw(1, 3)))
    zones = []
    for z in scene.truth.zones.values():
        row = {"zone": z.zone}
        for q in cover.QUANTITIES:
            value = getattr(z, f"{q}_m3")
            row |= {f"{q}_m3": value, f"{q}_lo_m3": value - 1, f"{q}_hi_m3": value + 1}
        zones.append(row)
    rows = cover.zone_rows(scene, {"zones": zones})
    assert len(rows) >= 6
    assert all(0 < r["ideal_m3"] < 0.2 * max(abs(r["true_m3"]), 500) for r in rows)
    figures = cover.figures(rows)
    assert (figures["cover"], figures["z_spread"]) == (1.0, 0.0)


def test_a_run_goes_on_where_it_stopped(bench, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"index": i, "ok": True}) + "\n" for i in (0, 1, 2)))

    def never(index):
        raise AssertionError(f"row {index} was made again")

    assert [r["index"] for r in bench["score_sites"].resumable(path, range(3), never, 1)] == [0, 1, 2]


def test_a_missing_command_is_said(bench):
    assert "does not exist" in bench["score_sites"].command_missing("no_such_command")
