"""``survey triggers`` as people use it: week by week, late and damaged scenes, checks, neighbours' files."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from defusedxml.ElementTree import fromstring
from jsonschema import Draft202012Validator

from survey.errors import InputRefused, JobError
from survey.grid import Grid
from survey.pipelines.job import load_job
from survey.pipelines.options import Options
from survey.pipelines.progress import NullProgress
from survey.pipelines.triggers.files import feed_schema
from survey.pipelines.triggers.outcomes import hit_rate, parse_outcome
from survey.pipelines.triggers.run import run_triggers
from survey.pipelines.triggers.state import grid_text, on_grid
from survey.pipelines.triggers.store import Outcome, Published, Store
from survey.record import Record
from survey.sample_data.satellite import Plan, simulate, write_delivery
from survey.sample_data.satellite.deliver import grid_of

PUBLIC = ("triggers.geojson", "triggers.csv", "triggers.kml", "feed.json", "places.geojson", "digest.html")


def _run(job: Path, out: Path, outcomes: tuple[str, ...] = (), **options) -> Record:
    return run_triggers(load_job(job), Options(out=out, **options), NullProgress(), outcomes)


def _bytes(out: Path) -> dict[str, bytes]:
    return {name: (out / "WATCH-1" / name).read_bytes() for name in (*PUBLIC, "state.sqlite")}


def _features(out: Path) -> dict[str, dict]:
    content = json.loads((out / "WATCH-1" / "triggers.geojson").read_text(encoding="utf-8"))
    return {f["id"]: f for f in content["features"]}


@pytest.fixture(scope="module")
def series():
    return simulate(Plan(5, cells=72, scenes=16, baseline_days=380, watch_days=120, pits=4, distractors=4))


@pytest.fixture(scope="module")
def whole(series, tmp_path_factory) -> tuple[Path, Path, Record]:
    """The whole series at once: (job file, out, record)."""
    folder = tmp_path_factory.mktemp("watch")
    job = write_delivery(series, folder / "in")
    return job, folder / "out", _run(job, folder / "out")


def _week(series, folder: Path, upto: int) -> Path:
    """The delivery as it stood when ``upto`` scenes had arrived."""
    return write_delivery(series, folder, only=slice(0, upto))


# -- what a run says -------------------------------------------------------------------------------------
def test_all_files_tell_of_the_same_triggers(whole):
    _, out, record = whole
    folder = out / "WATCH-1"
    features = _features(out)
    assert features
    assert {t["id"] for t in record.triggers["triggers"]} == set(features)
    rows = list(csv.DictReader(io.StringIO((folder / "triggers.csv").read_text(encoding="utf-8-sig"))))
    assert {r["id"] for r in rows} == set(features)
    pins = fromstring((folder / "triggers.kml").read_text(encoding="utf-8"))
    names = [e.text for e in pins.iter("{http://www.opengis.net/kml/2.2}Placemark") for e in e[:1]]
    assert sorted(names) == sorted(features)
    page = (folder / "digest.html").read_text(encoding="utf-8")
    since = record.triggers["as_of"]
    for name, f in features.items():
        if f["properties"]["state"] != "closed" or f["properties"]["last_look"] >= since:
            assert name in page


def test_the_feed_keeps_its_schema(whole):
    _, out, _ = whole
    schema = feed_schema()
    Draft202012Validator.check_schema(schema)
    feed = json.loads((out / "WATCH-1" / "feed.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(feed)
    assert [i["id"] for i in feed["items"]] == list(_features(out))


def test_every_field_of_the_feed_is_explained():
    page = (Path(__file__).parents[2] / "docs" / "TRIGGERS.md").read_text(encoding="utf-8")
    told = page.split("<!-- feed: begin -->")[1].split("<!-- feed: end -->")[0]
    feed, item = told.split("\n| field")[1:]
    names = [
        [line.split("`")[1] for line in part.splitlines() if line.startswith("| `")] for part in (feed, item)
    ]
    schema = feed_schema()
    assert set(names[0]) == set(schema["properties"])
    assert set(names[1]) == set(schema["$defs"]["item"]["properties"])


def test_the_evidence_of_a_trigger_adds_up(whole, series):
    for t in whole[2].triggers["triggers"]:
        looks = t["evidence"]["looks"]
        assert sum(k["detected"] for k in looks) == t["detections"]
        assert len(looks) == t["observations"]
        assert t["first_seen"] == looks[0]["date"]
        assert looks[0]["detected"]
        assert series.baseline_until.isoformat() < t["first_seen"] <= t["last_seen"]
        assert 0 <= t["certain_area_m2"] <= t["outside_m2"] + 1e-6 <= t["area_m2"] + 2e-6
        assert sum(t["evidence"]["probabilities"].values()) == pytest.approx(1, abs=1e-3)


def test_sources_are_named_as_the_job_would_name_them(whole):
    job, _, record = whole
    for source in record.sources:
        assert (job.parent / source.path).is_file()
    assert {s.role for s in record.sources} >= {"scene", "mask"}


# -- how scenes are delivered ----------------------------------------------------------------------------
def _delivered(folder: Path, how) -> None:
    """Write every scene again as ``how(cells, profile)`` says."""
    import rasterio

    for path in sorted((folder / "scenes").glob("*.tif")):
        with rasterio.open(path) as source:
            profile, cells, names = source.profile, source.read(), source.descriptions
        path.unlink()
        cells, more, names = how(cells, names)
        with rasterio.open(path, "w", **{**profile, "count": len(cells), **more}) as out:
            out.write(cells)
            for number, name in enumerate(names, start=1):
                out.set_band_description(number, name)


def test_band_order_and_digital_numbers_with_an_offset_change_nothing(series, whole, tmp_path):
    job = write_delivery(series, tmp_path / "in")
    order = [5, 0, 3, 1, 4, 2]
    names = [("blue", "green", "red", "nir", "swir1", "swir2")[i] for i in order]
    _delivered(tmp_path / "in", lambda cells, _: ((cells[order] + 1000).astype("uint16"), {}, [""] * 6))
    text = job.read_text(encoding="utf-8").replace("scale = 0.0001", "scale = 0.0001\noffset = -0.1")
    lines = [f"bands = {json.dumps(names)}" if x.startswith("bands") else x for x in text.splitlines()]
    job.write_text("\n".join(lines), encoding="utf-8")
    _run(job, tmp_path / "out")
    assert _features(tmp_path / "out") == _features(whole[1])


def test_reflectance_as_floats_with_named_bands_needs_no_words_in_the_job(series, whole, tmp_path):
    job = write_delivery(series, tmp_path / "in")
    _delivered(
        tmp_path / "in",
        lambda cells, names: ((cells / 10000).astype("float32"), {"dtype": "float32"}, names),
    )
    lines = job.read_text(encoding="utf-8").splitlines()
    kept = [x for x in lines if not x.startswith(("bands", "scale"))]
    job.write_text("\n".join(kept), encoding="utf-8")
    _run(job, tmp_path / "out")
    assert _features(tmp_path / "out") == _features(whole[1])


def test_rows_from_south_to_north_change_nothing(series, whole, tmp_path):
    from rasterio import Affine

    job = write_delivery(series, tmp_path / "in")
    cell, side = series.plan.cell_m, series.plan.cells
    north_up = grid_of(series).transform
    turned = Affine(north_up.a, 0, north_up.c, 0, cell, north_up.f - side * cell)
    _delivered(tmp_path / "in", lambda cells, names: (cells[:, ::-1], {"transform": turned}, names))
    _run(job, tmp_path / "out")
    assert _features(tmp_path / "out") == _features(whole[1])


def test_four_bands_are_enough(series, tmp_path):
    job = write_delivery(series, tmp_path / "in")
    _delivered(tmp_path / "in", lambda cells, names: (cells[:4], {}, names[:4]))
    lines = [x for x in job.read_text(encoding="utf-8").splitlines() if not x.startswith("bands")]
    job.write_text("\n".join(lines), encoding="utf-8")
    record = _run(job, tmp_path / "out")
    assert record.triggers["bands"] == ["blue", "green", "red", "nir"]
    assert record.triggers["triggers"]


# -- state between runs ----------------------------------------------------------------------------------
def test_week_by_week_says_what_all_at_once_says(series, whole, tmp_path):
    job = None
    for upto in (11, 13, 16):
        job = _week(series, tmp_path / "in", upto)
        _run(job, tmp_path / "out")
    assert job is not None
    weekly, at_once = _bytes(tmp_path / "out"), _bytes(whole[1])
    # The state also remembers each cell that a trigger was ever published with; it alone may differ.
    del weekly["state.sqlite"], at_once["state.sqlite"]
    assert weekly == at_once


def test_a_second_run_changes_nothing(series, whole, tmp_path):
    job, out, record = whole
    before = _bytes(out)
    assert _run(job, out).triggers == record.triggers
    shutil.copytree(out, tmp_path / "out")
    again = _run(job, tmp_path / "out", force=True)
    assert _bytes(tmp_path / "out") == before
    assert again.triggers == record.triggers


def test_a_late_scene_takes_its_place_in_the_order(series, whole, tmp_path):
    late = 12
    index = [i for i in range(16) if i != late]
    job = write_delivery(series, tmp_path / "in", only=index)
    _run(job, tmp_path / "out")
    published = set(_features(tmp_path / "out"))
    job = write_delivery(series, tmp_path / "in")
    _run(job, tmp_path / "out")
    now, straight = _features(tmp_path / "out"), _features(whole[1])
    # The same things at the same places; an id once published stays, though the thing is seen earlier now.
    assert [f["geometry"] for f in now.values()] == [f["geometry"] for f in straight.values()]
    assert published & set(now)
    feed = json.loads((tmp_path / "out" / "WATCH-1" / "feed.json").read_text(encoding="utf-8"))
    assert published <= {i["id"] for i in feed["items"]}


def test_killed_in_the_middle_and_run_again(series, whole, tmp_path):
    job = write_delivery(series, tmp_path / "in")
    script = f"""
import os
from pathlib import Path
from survey.pipelines.triggers import store as trigger_store
from survey.pipelines.job import load_job
from survey.pipelines.options import Options
from survey.pipelines.progress import NullProgress
from survey.pipelines.triggers.run import run_triggers
add, done = trigger_store.Store.add_product, []
def dying(self, *args):
    add(self, *args)
    done.append(1)
    if len(done) == 9:
        os.kill(os.getpid(), 9)
trigger_store.Store.add_product = dying
options = Options(out=Path({str(tmp_path / "out")!r}), tile=32)
run_triggers(load_job(Path({str(job)!r})), options, NullProgress())
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert ended.returncode == -9, ended.stderr.decode()
    assert not (tmp_path / "out" / "WATCH-1").exists()
    _run(job, tmp_path / "out", tile=32)
    found, wanted = _bytes(tmp_path / "out"), _bytes(whole[1])
    # How the area was cut is the state's own matter.
    assert {k: v for k, v in found.items() if k != "state.sqlite"} == {
        k: v for k, v in wanted.items() if k != "state.sqlite"
    }


def test_a_grid_that_grew_keeps_the_places_of_what_was_published():
    small = Grid("EPSG:32643", 400_000, 2_700_000, 10, 10, 40, 50)
    large = Grid("EPSG:32643", 399_900, 2_700_200, 10, 10, 80, 90)
    kept = [Published("T20250101-AAAAAA", "2025-01-01", np.array([0, 51, 1999]), {})]
    moved = on_grid(kept, grid_text(small), large)
    rows, cols = np.divmod(moved[0].cells, large.width)
    assert list(zip(rows, cols, strict=True)) == [(20, 10), (21, 11), (59, 59)]
    assert on_grid(kept, grid_text(small), small)[0].cells.tolist() == [0, 51, 1999]


# -- scenes that cannot be used --------------------------------------------------------------------------
def _truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:400] + b"\0" * (len(content) - 900) + content[-500:])


def test_bad_scenes_are_named_and_do_not_stop_the_others(series, whole, tmp_path):
    import rasterio

    job = write_delivery(series, tmp_path / "in")
    scenes = tmp_path / "in" / "scenes"
    (scenes / "S2_20990101.tif").write_text("no picture")
    good = sorted(scenes.glob("*.tif"))[0]
    with rasterio.open(good) as source:
        profile, cells = source.profile, source.read()
    with rasterio.open(scenes / "nowhere_20990102.tif", "w", **{**profile, "crs": None}) as out:
        out.write(cells)
    with rasterio.open(scenes / "undated.tif", "w", **profile) as out:
        out.write(cells)
    three = {**profile, "count": 3}
    with rasterio.open(scenes / "picture_20990103.tif", "w", **three) as out:
        out.write(cells[:3])
    record = _run(job, tmp_path / "out")
    told = {n.message.split(":")[0]: n for n in record.notes if n.code == "scene-refused"}
    assert set(told) == {"S2_20990101.tif", "nowhere_20990102.tif", "undated.tif", "picture_20990103.tif"}
    assert all(n.severity == "serious" for n in told.values())
    assert "reference system" in told["nowhere_20990102.tif"].message
    assert "date" in told["undated.tif"].message
    assert _features(tmp_path / "out") == _features(whole[1])


@pytest.mark.parametrize("index", [2, 14])
def test_a_scene_damaged_inside_is_left_out(series, tmp_path, index):
    """One of the baseline, one later: found out only when its cells are decoded."""
    job = write_delivery(series, tmp_path / "in")
    name = f"S2_{series.dates[index]:%Y%m%d}.tif"
    _truncate(tmp_path / "in" / "scenes" / name)
    record = _run(job, tmp_path / "out")
    assert [n.message.split(":")[0] for n in record.notes if n.code == "scene-refused"] == [name]
    (tmp_path / "in" / "scenes" / name).unlink()
    (tmp_path / "in" / "masks" / name.replace("S2_", "mask_")).unlink()
    _run(job, tmp_path / "without")
    assert _features(tmp_path / "out") == _features(tmp_path / "without")


def test_when_no_scene_can_be_used_the_first_reason_is_given(series, tmp_path):
    job = write_delivery(series, tmp_path / "in", masks=False)
    for path in (tmp_path / "in" / "scenes").glob("*.tif"):
        path.write_text("no picture")
    with pytest.raises(InputRefused):
        _run(job, tmp_path / "out")
    shutil.rmtree(tmp_path / "in" / "scenes")
    (tmp_path / "in" / "scenes").mkdir()
    with pytest.raises(InputRefused, match="holds no GeoTIFF"):
        _run(job, tmp_path / "out")
    assert not (tmp_path / "out" / "WATCH-1").exists()


def test_bands_that_say_nothing_are_named(series, tmp_path):
    job = write_delivery(series, tmp_path / "in", masks=False, only=slice(0, 2))
    text = job.read_text(encoding="utf-8").replace('"red"', '"rouge1"')
    job.write_text(text, encoding="utf-8")
    with pytest.raises(JobError, match="rouge1"):
        _run(job, tmp_path / "out")


def test_scenes_of_another_place_are_refused(series, tmp_path):
    job = write_delivery(series, tmp_path / "in", masks=False, only=slice(0, 2))
    lease = tmp_path / "in" / "lease.geojson"
    lease.write_text(lease.read_text("utf-8").replace("EPSG::32643", "EPSG::32644"), encoding="utf-8")
    with pytest.raises(InputRefused, match="km from the lease"):
        _run(job, tmp_path / "out")


# -- field checks ----------------------------------------------------------------------------------------
def test_field_checks_are_kept_and_make_the_hit_rate(whole, tmp_path):
    job, out, _ = whole
    shutil.copytree(out, tmp_path / "out")
    ids = list(_features(out))
    record = _run(job, tmp_path / "out", (f"{ids[0]}=false,2099-01-05,a house, not a pit",))
    first = record.triggers["triggers"][0]
    assert (first["state"], first["outcome"]) == ("closed", "false")
    assert record.triggers["hit_rate"]["checked"] == 1
    record = _run(job, tmp_path / "out", (f"{ids[0]}=confirmed",))
    rate = record.triggers["hit_rate"]
    assert (rate["checked"], rate["right"], rate["share"]) == (1, 1, 1.0)
    assert [o["verdict"] for o in record.triggers["outcomes"]] == ["false", "confirmed"]
    with pytest.raises(JobError, match="Did you mean"):
        _run(job, tmp_path / "out", (ids[0][:-1] + "=false",))
    # The refused entry left the run as it was.
    assert _run(job, tmp_path / "out").triggers == record.triggers


def test_outcomes_are_read_as_written():
    assert parse_outcome("T1=confirmed,2025-04-20,pit 4 m deep, digger") == (
        "T1",
        "confirmed",
        "2025-04-20",
        "pit 4 m deep, digger",
    )
    assert parse_outcome("T1=False, seen from the road")[1:] == ("false", None, "seen from the road")
    for wrong in ("T1", "T1=maybe", "=confirmed"):
        with pytest.raises(JobError, match="--outcome"):
            parse_outcome(wrong)


def test_the_hit_rate_counts_the_last_word_on_each():
    def said(name, verdict):
        return Outcome(name, "2025-01-01", verdict, "", "excavation", 0.7, "confirmed")

    rate = hit_rate([said("A", "false"), said("A", "confirmed"), said("B", "false"), said("C", "unclear")])
    assert (rate["right"], rate["wrong"], rate["unclear"], rate["share"]) == (1, 1, 1, 0.5)
    # Wilson's interval of 1 in 2 at 95 %: 0.5 ∓ 1.96·√(0.125 + 1.96²/16)/(1 + 1.96²/2)
    assert (rate["share_lo"], rate["share_hi"]) == pytest.approx((0.0945, 0.9055), abs=1e-3)
    assert hit_rate([])["share"] is None


# -- challans --------------------------------------------------------------------------------------------
def test_challans_are_joined_to_what_they_lie_near(series, whole, tmp_path):
    job = write_delivery(series, tmp_path / "in", extra='challans = "challans.csv"')
    feature = next(iter(_features(whole[1]).values()))
    ring = np.array(feature["geometry"]["coordinates"][0])
    lon, lat = ring.mean(0)
    since = feature["properties"]["first_seen"]
    rows = [
        "challan_no,date,tonnes,lon,lat,gps_lon,gps_lat,trip_status",
        f"C1,{since},12.5,{lon},{lat},{lon},{lat},completed",
        f"C2,{since},7.5,{lon},{lat},{lon + 0.02},{lat},completed",
        f"C3,2001-01-01,99,{lon},{lat},{lon},{lat},completed",
        f"C4,{since},3,{lon + 0.3},{lat},{lon + 0.3},{lat},not started",
    ]
    (tmp_path / "in" / "challans.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    record = _run(job, tmp_path / "out")
    joined = record.triggers["challans"]
    near = joined["near"][feature["id"]]
    assert (near["trips"], near["tonnes_t"]) == (2, 20.0)
    doubtful = {d["challan"]: " ".join(d["why"]) for d in joined["doubtful"]}
    assert "from the vehicle" in doubtful["C2"]
    assert "outside every permitted area" in doubtful["C4"]
    assert "never began" in doubtful["C4"]
    table = csv.DictReader(
        io.StringIO((tmp_path / "out" / "WATCH-1" / "triggers.csv").read_text(encoding="utf-8-sig"))
    )
    row = next(r for r in table if r["id"] == feature["id"])
    assert (float(row["trips"]), float(row["tonnes_t"])) == (2, 20.0)


# -- the state itself ------------------------------------------------------------------------------------
def test_a_state_of_something_else_is_refused(tmp_path):
    path = tmp_path / "state.sqlite"
    path.write_bytes(b"SQLite format 3\0" + b"nonsense" * 500)
    with pytest.raises(InputRefused, match="state of a watch"):
        Store(path)


def test_a_step_that_fails_leaves_nothing_behind(tmp_path):
    def half(store: Store) -> None:
        with store.transaction():
            store.put("half", "done")
            raise ZeroDivisionError

    with Store(tmp_path / "state.sqlite") as store:
        with pytest.raises(ZeroDivisionError):
            half(store)
        assert store.get("half") is None


def test_outlines_in_degrees_are_the_same_alone_and_together():
    """A square of 30 m on the equator and the meridian of a zone is 30 / 0.9996 m of the ellipsoid wide."""
    import math

    import shapely

    from survey.pipelines.triggers import files

    utm = "EPSG:32643"
    squares = [shapely.box(e, 0.0, e + 30.0, 30.0) for e in (500_000.0, 500_300.0, 512_000.0)]
    ring = shapely.Polygon([(0, 0), (90, 0), (90, 90), (0, 90)], [[(30, 30), (60, 30), (60, 60), (30, 60)]])
    shapes = [*squares, shapely.affinity.translate(ring, 500_600.0, 1000.0), shapely.Polygon()]
    files.forget()
    files.settle(shapes, utm)
    together = [(files.lon_lat(s, utm).wkb, files.whereabouts(s, utm)) for s in shapes]
    files.forget()
    alone = [(files.lon_lat(s, utm).wkb, files.whereabouts(s, utm)) for s in shapes]
    assert together == alone
    assert alone[-1][1] == {"lon": None, "lat": None, "geometry": None}
    west, south, east, _ = shapely.from_wkb(alone[0][0]).bounds
    assert (west, south) == (75.0, 0.0)
    # A degree of longitude on the equator is π/180 of the larger half axis; seven decimals are a centimetre.
    metres = math.radians(east - west) * 6378137.0
    assert metres == pytest.approx(30.0 / 0.9996, abs=0.02)
    for shape, (_, where) in zip(shapes[:-1], alone[:-1], strict=True):
        outline = files.lon_lat(shape, utm)
        assert shapely.geometry.shape(where["geometry"]).equals(outline)
        assert outline.contains(shapely.Point(where["lon"], where["lat"]))
    files.forget()
