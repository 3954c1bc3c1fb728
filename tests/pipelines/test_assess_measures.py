"""``survey assess`` on ground of known volume: what is measured, split and counted once."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from assess_scene import (
    ASSESS,
    HEAP,
    NORTH,
    PIT,
    WEST,
    X,
    Y,
    body,
    circle,
    frustum_m3,
    make_job,
    relief,
)

from survey.blocks import Engine
from survey.errors import InputRefused, JobError
from survey.pipelines.assess.run import assess
from survey.pipelines.existing.find import EXISTING
from survey.pipelines.inputs import open_inputs
from survey.pipelines.job import load_job
from survey.pipelines.options import Options
from survey.pipelines.progress import NullProgress
from survey.pipelines.runs import Run

VOID = frustum_m3(PIT[2], PIT[3])
BULK = frustum_m3(HEAP[2], HEAP[3])


def measured(path):
    """Assessments by id."""
    job = load_job(path)
    job.require("assess")
    progress = NullProgress()
    with Engine(1, None, progress) as engine, open_inputs(job, threads=1) as inputs:
        drawn = assess(Run("assess", job, Options(), progress, engine, inputs, datetime.now(UTC)))
    return {a.id: a for a, _ in drawn.assessed}, drawn.record


def holds(a, truth):
    return a.volume_lo_m3 <= truth <= a.volume_hi_m3


def test_one_survey_rebuilds_the_ground_and_holds_the_truth(tmp_path):
    found, record = measured(make_job(tmp_path))
    pit, heap = found["P 1"], found["Stock"]
    assert (pit.kind, heap.kind) == ("pit", "stock")
    assert holds(pit, VOID)
    assert holds(heap, BULK)
    assert pit.volume_m3 == pytest.approx(VOID, rel=0.03)
    assert pit.base.source == "trials"
    assert pit.base.trials > 20
    assert pit.greatest_depth_m == pytest.approx(PIT[3], abs=0.25)
    assert math.hypot(pit.deepest_east_m - 500_040, pit.deepest_north_m - 2_729_940) < PIT[2] - 3
    # Zones: the parts sum to the whole, and the pit lies outside the lease.
    for a in found.values():
        assert a.lease_volume_m3 + a.buffer_volume_m3 + a.beyond_volume_m3 == pytest.approx(a.volume_m3)
    assert (pit.zone, heap.zone) == ("buffer", "lease")
    assert pit.lease_volume_m3 < 0.05 * VOID
    assert record.sites[0].volume_m3 == pit.volume_m3
    assert len(pit.sections) == 2
    assert pit.cut_m3 == pit.volume_m3
    assert pit.net_m3 == pytest.approx(pit.fill_m3 - pit.cut_m3)


def test_two_surveys_measure_against_the_earlier_one(tmp_path):
    found, record = measured(make_job(tmp_path, two=True))
    for name, truth in (("P 1", VOID), ("Stock", BULK)):
        a = found[name]
        assert a.base.method == "earlier survey"
        assert a.earlier_date == "2024-04-20"
        assert holds(a, truth)
        assert a.volume_m3 == pytest.approx(truth, rel=0.02)
        assert a.volume_hi_m3 - a.volume_lo_m3 < 0.1 * truth
    assert record.alignment.up_m == pytest.approx(-0.05, abs=0.01)
    assert record.error is not None


def test_a_stock_in_a_pit_is_counted_once(tmp_path):
    """The pit's void reaches under the stock; the stock stands on the pit's floor."""
    ground = relief()
    pit = (60.0, 60.0, 22.0, 6.0)
    stock = (62.0, 58.0, 6.0, 2.5)
    after = ground - body(*pit[:3], pit[3]) + body(*stock[:3], stock[3])
    sites = {"pit": circle(*pit[:3]), "stock": circle(*stock[:3])}
    found, _ = measured(make_job(tmp_path, sites=sites, after=after))
    void, bulk = frustum_m3(pit[2], pit[3]), frustum_m3(stock[2], stock[3])
    assert found["stock"].kind == "stock"
    assert found["stock"].volume_m3 == pytest.approx(bulk, rel=0.12)
    assert found["pit"].volume_m3 == pytest.approx(void, rel=0.04)
    assert holds(found["pit"], void)
    assert "lies within" in found["pit"].counted[0]


def test_overlapping_outlines_share_no_ground(tmp_path):
    sites = {"large": circle(*PIT[:3]), "small": circle(PIT[0] + 9, PIT[1], 5.0)}
    found, _ = measured(make_job(tmp_path, two=True, sites=sites))
    only, _ = measured(make_job(tmp_path, two=True, sites={"large": circle(*PIT[:3])}))
    import shapely

    union = shapely.union_all([shapely.Polygon(ring) for ring in sites.values()]).area
    assert found["large"].area_m2 + found["small"].area_m2 == pytest.approx(union, rel=1e-3)
    assert found["large"].volume_m3 < only["large"].volume_m3
    assert "counted there" in found["large"].counted[0]


def test_cut_and_fill_of_a_backfilled_pit_are_both_there(tmp_path):
    ground = relief()
    after = (
        ground
        - body(*PIT[:3], PIT[3])
        + np.where(PIT[0] > X, 2.5, 0) * (np.hypot(X - PIT[0], Y - PIT[1]) < 6) * 2
    )
    found, _ = measured(make_job(tmp_path, two=True, after=after, sites={"p": circle(*PIT[:3])}))
    a = found["p"]
    assert a.cut_m3 > 300
    assert a.fill_m3 > 40
    assert a.cut_lo_m3 <= a.cut_m3 <= a.cut_hi_m3
    assert a.net_m3 == pytest.approx(a.fill_m3 - a.cut_m3)


def test_given_level_and_given_surface(tmp_path):
    path = make_job(tmp_path, assess=ASSESS + 'base = "level"\nbase_level_m = 411.0\n')
    found, _ = measured(path)
    a = found["P 1"]
    assert a.base.method == "given level"
    assert any("no check points" in remark for remark in a.remarks)
    assert a.doubts[0].sigma_m3 == pytest.approx(0.05 * a.area_m2, rel=1e-6)
    path = make_job(tmp_path, assess=ASSESS + 'base = "surface"\nbase_surface = "2024.tif"\n')
    found, _ = measured(path)
    assert found["P 1"].base.method == "given surface"
    assert found["P 1"].earlier_date is None
    assert found["P 1"].volume_m3 == pytest.approx(VOID, rel=0.02)
    assert holds(found["P 1"], VOID)


@pytest.mark.parametrize("word", ["plane", "trend", "spline", "tin", "mean", "lowest"])
def test_every_base_can_be_asked_for(tmp_path, word):
    found, _ = measured(make_job(tmp_path, assess=ASSESS + f'base = "{word}"\n', lease=False))
    a = found["P 1"]
    assert a.base.asked == word
    assert a.zone is None
    assert a.distance_m is None
    if word != "lowest":
        assert holds(a, VOID)


def test_detected_sites_are_those_outside_the_lease(tmp_path):
    found, record = measured(make_job(tmp_path, two=True, assess='[assess]\ntargets = "detected"\n'))
    assert len(found) == 1
    (a,) = found.values()
    assert a.target == "detected"
    assert a.kind == "pit"
    assert holds(a, VOID)
    assert len(a.vertices) <= 120
    # What is tabled is what was measured.
    import shapely

    ring = shapely.Polygon([(v.east_m, v.north_m) for v in a.vertices])
    assert a.area_m2 == pytest.approx(ring.area, rel=1e-3)
    assert record.sites[0].status == "changed between the surveys"


def test_detected_in_one_survey(tmp_path):
    found, record = measured(make_job(tmp_path, assess='[assess]\ntargets = "detected"\n'))
    (a,) = found.values()
    assert a.kind == "pit"
    assert a.volume_m3 == pytest.approx(VOID, rel=0.1)
    assert record.sites[0].status.startswith("existing")


def test_detected_holds_what_stood_before_the_earlier_survey_if_asked(tmp_path):
    """A pit that is in both surveys did not change between them: it is measured on rebuilt ground."""
    old = relief() - body(*PIT[:3], PIT[3])
    later = old - body(28.0, 105.0, 8.0, 2.0)
    job = make_job(
        tmp_path, two=True, before=old, after=later,
        assess='[detect]\nexisting = true\n[assess]\ntargets = "detected"\n',
    )  # fmt: skip
    found, record = measured(job)
    by_status = {s.status: found[s.id] for s in record.sites}
    assert len(found) == 2
    fresh, undated = by_status["changed between the surveys"], by_status[EXISTING]
    assert fresh.base.method == "earlier survey"
    assert holds(fresh, frustum_m3(8.0, 2.0))
    assert undated.base.method != "earlier survey"
    assert undated.volume_m3 == pytest.approx(VOID, rel=0.1)
    assert not any(n.code == "undated-not-asked" for n in record.notes)


def test_what_stood_before_is_named_where_it_was_not_asked_for(tmp_path):
    _, record = measured(make_job(tmp_path, two=True, assess='[assess]\ntargets = "detected"\n'))
    (note,) = [n for n in record.notes if n.code == "undated-not-asked"]
    assert "existing = true" in note.message


def test_an_outline_given_twice_is_measured_once_and_said(tmp_path):
    ring = circle(*PIT[:3])
    found, record = measured(make_job(tmp_path, sites={"P 1": ring, "Again": [*reversed(ring)]}))
    assert list(found) == ["P 1"]
    assert found["P 1"].counted == ["Again is the same outline; it is counted here, once."]
    (note,) = [n for n in record.notes if n.code == "outline-repeated"]
    assert "'Again'" in note.message


def test_nothing_outside_is_said_and_no_error(tmp_path):
    after = relief() + body(*HEAP[:3], HEAP[3])
    found, record = measured(
        make_job(tmp_path, two=True, after=after, assess='[assess]\ntargets = "detected"\n')
    )
    assert found == {}
    assert any(note.code == "nothing-detected" for note in record.notes)


def test_an_earlier_survey_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(JobError, match="needs an earlier survey"):
        measured(make_job(tmp_path, assess=ASSESS + 'base = "earlier"\n'))


def test_an_outline_off_the_survey_is_refused(tmp_path):
    with pytest.raises(InputRefused, match="outside the measured ground"):
        measured(make_job(tmp_path, sites={"far": circle(900.0, 900.0, 10.0)}))


def test_ground_that_was_not_measured_is_missing_not_zero(tmp_path):
    ground = relief()
    after = ground - body(*PIT[:3], PIT[3])
    after[np.hypot(X - PIT[0], Y - PIT[1]) < 3.0] = np.nan
    found, _ = measured(make_job(tmp_path, two=True, after=after, sites={"p": circle(*PIT[:3])}))
    a = found["p"]
    assert a.missing_m2 == pytest.approx(math.pi * 9, rel=0.3)
    assert a.measured_m2 + a.missing_m2 == pytest.approx(a.area_m2)
    assert a.volume_m3 == pytest.approx(VOID - a.missing_m2 * PIT[3], rel=0.03)
    assert any("not measured" in remark for remark in a.remarks)


def test_what_lies_beyond_the_survey_is_missing(tmp_path):
    """An outline half off the survey: half of it was not measured, and the sheet must say so."""
    box = [[WEST + dx, NORTH - dy] for dx, dy in ((-10, 60), (10, 60), (10, 80), (-10, 80), (-10, 60))]
    found, _ = measured(make_job(tmp_path, sites={"Edge": box}))
    assert found["Edge"].area_m2 == pytest.approx(400)
    assert found["Edge"].missing_m2 == pytest.approx(200, rel=0.01)
    assert any("survey's end" in remark for remark in found["Edge"].remarks)


@pytest.mark.parametrize(("reach", "said"), [(12.0, "nothing inside"), (40.0, "cannot carry a base|around")])
def test_an_outline_without_a_single_height_is_refused(tmp_path, reach, said):
    east, north, radius, depth = PIT
    after = relief() - body(east, north, radius, depth)
    after[np.hypot(X - east, Y - north) <= reach] = np.nan
    with pytest.raises(InputRefused, match=said) as refused:
        measured(make_job(tmp_path, sites={"P 1": circle(*PIT[:3])}, after=after))
    assert "P 1" in str(refused.value)
