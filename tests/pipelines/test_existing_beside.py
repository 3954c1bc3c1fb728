"""Old sites beside changes: each place is listed once, on the job grid, and enters no sum."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import shapely

from survey.blocks import Engine
from survey.pipelines.change.compare import Comparison, compare
from survey.pipelines.change.sites import CHANGED
from survey.pipelines.existing.beside import apart_from
from survey.pipelines.existing.find import EXISTING
from survey.pipelines.inputs import open_inputs
from survey.pipelines.job import load_job
from survey.sample_data import make_scene, write_delivery
from survey.sample_data.forms import DeliveryForm

WISHES = {
    "size_m": (260.0, 260.0),
    "cell_m": 0.5,
    "lease_radius_m": 45.0,
    "sites_buffer": 2,
    "sites_lease": 0,
    "sites_boundary": 0,
    "shapes": ("faces", "flat top"),
    "site_radius_m": (7.0, 10.0),
    "site_depth_m": (1.5, 2.5),
    "old_pits": 2,
    "ortho": True,
    "quad_points": 20_000,
}


def test_an_old_site_that_is_the_change_is_left_to_the_change() -> None:
    old: list[Any] = [
        (SimpleNamespace(id="same"), shapely.box(0, 0, 10, 10)),
        (SimpleNamespace(id="far"), shapely.box(100, 0, 110, 10)),
        (SimpleNamespace(id="touching"), shapely.box(10, 0, 20, 10)),
        (SimpleNamespace(id="within"), shapely.box(202, 2, 204, 4)),
    ]
    changed = [shapely.box(1, 1, 12, 9), shapely.box(200, 0, 210, 10)]
    # The third shares 16 of 88 m² with a change, the fourth lies wholly in one.
    assert [s.id for s, _ in apart_from(changed, old)] == ["far"]
    assert [s.id for s, _ in apart_from([], old)] == ["same", "far", "touching", "within"]


def run(job_file: Path) -> Comparison:
    job = load_job(job_file)
    with Engine(1) as engine, open_inputs(job) as inputs:
        return compare(job, inputs, engine)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Comparison, Comparison]:
    scene = make_scene(29, **WISHES)
    folder = tmp_path_factory.mktemp("beside")
    path = write_delivery(scene, folder / "in", folder / "truth", DeliveryForm(job_id="BESIDE"))
    plain = run(path)
    path.write_text(path.read_text() + "\n[detect]\nexisting = true\n")
    return scene, plain, run(path)


def test_old_pits_are_listed_beside_the_changes(both: tuple[Any, Comparison, Comparison]) -> None:
    scene, plain, full = both
    assert {s.status for s, _ in plain.found.sites} == {CHANGED}
    old = [(s, o) for s, o in full.found.sites if s.status == EXISTING]
    # An old pit that somebody has begun to fill is a change now.
    changes = shapely.union_all([t.outline for t in scene.truth.sites])
    true = [t for t in scene.truth.existing if not t.outline.intersects(changes)]
    assert {t.shape for t in true} >= {"old pit", "benched pit"}
    for t in true:
        hit = [s for s, o in old if o.intersection(t.outline).area > 0.5 * t.area_m2]
        assert len(hit) == 1
        assert hit[0].volume_lo_m3 < t.volume_m3 < hit[0].volume_hi_m3
        assert hit[0].base != "earlier survey"


def test_no_sum_knows_of_them(both: tuple[Any, Comparison, Comparison]) -> None:
    _, plain, full = both
    assert plain.pairs[-1].zones == full.pairs[-1].zones
    changed = [s for s, _ in full.found.sites if s.status == CHANGED]
    assert changed == [s for s, _ in plain.found.sites]
    assert any(n.code == "existing" for n in full.notes)
    assert full.undated.settings["apart_from_changes_by_share"] > 0
