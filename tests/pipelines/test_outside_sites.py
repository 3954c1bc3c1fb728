"""Sites of a small delivery, from files to verdicts: found, measured, told apart, however cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from survey.blocks import Engine
from survey.pipelines.change.compare import Compared, compare
from survey.pipelines.inputs import open_inputs
from survey.pipelines.job import load_job
from survey.sample_data import make_scene, write_delivery
from survey.sample_data.forms import DeliveryForm

WISHES = {
    "size_m": (260.0, 260.0),
    "cell_m": 0.5,
    "after_cell_m": 0.4,
    "after_offset_m": (0.13, -0.21),
    "lease_radius_m": 50.0,
    "sites_lease": 1,
    "sites_boundary": 1,
    "sites_buffer": 2,
    "shapes": ("faces", "bowl", "flat top", "faces"),
    "site_radius_m": (7.0, 11.0),
    "site_depth_m": (1.0, 2.5),
    "groves_felled": 1,
    "vehicles": 2,
    "ortho": True,
    "quad_points": 20_000,
}


@pytest.fixture(scope="module")
def scene():  # type: ignore[no-untyped-def]
    return make_scene(11, **WISHES)


@pytest.fixture(scope="module")
def job_file(scene, tmp_path_factory: pytest.TempPathFactory) -> Path:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("outside")
    return write_delivery(scene, folder / "in", folder / "truth", DeliveryForm(job_id="OUTSIDE-TEST"))


def run(job_file: Path, tile: int | None = None, workers: int = 1) -> Compared:
    job = load_job(job_file)
    with Engine(workers) as engine, open_inputs(job) as inputs:
        return compare(job, inputs, engine, None, tile).pairs[-1]


@pytest.fixture(scope="module")
def whole(job_file: Path) -> Compared:
    return run(job_file)


def test_every_true_site_is_found_once_with_its_volume(scene, whole: Compared) -> None:  # type: ignore[no-untyped-def]
    true = [s for s in scene.truth.sites if s.area_m2 >= 40]
    assert len(true) >= 3
    for site in true:
        own = [
            s for s, shape in whole.found.sites if shape.intersection(site.outline).area > 0.5 * site.area_m2
        ]
        assert len(own) == 1, site.id
        assert own[0].volume_m3 == pytest.approx(site.volume_m3, rel=0.05)
        assert own[0].zone == site.zone
        assert own[0].volume_lo_m3 < own[0].volume_m3 < own[0].volume_hi_m3


def test_zones_count_what_is_too_small_for_a_site(whole: Compared, job_file: Path) -> None:
    least = 1.5 * max(s.area_m2 for s, _ in whole.found.sites)
    text = job_file.read_text()
    other = job_file.with_name("large-sites.toml")
    other.write_text(f"{text}\n[detect]\nmin_area_m2 = {least:.0f}\n")
    large = run(other)
    assert not large.found.sites
    for ours, theirs in zip(whole.zones, large.zones, strict=True):
        assert theirs.cut_m3 == pytest.approx(ours.cut_m3, abs=1e-6)
        assert theirs.fill_m3 == pytest.approx(ours.fill_m3, abs=1e-6)


def test_nothing_but_digging_is_called_a_site(scene, whole: Compared) -> None:  # type: ignore[no-untyped-def]
    digging = shapely.union_all([s.outline for s in scene.truth.sites])
    for site, shape in whole.found.sites:
        assert shape.intersection(digging).area > 0.5 * shape.area, site.why


def test_each_dismissal_has_its_reason(whole: Compared) -> None:
    for d, _ in whole.found.dismissed:
        assert d.reason
        assert d.why
        assert 0 <= d.confidence <= 1


def test_parts_of_a_site_sum_to_the_site(whole: Compared) -> None:
    for s, _ in whole.found.sites:
        parts = s.lease_volume_m3 + s.buffer_volume_m3 + s.beyond_volume_m3 + s.unsure_volume_m3
        assert parts == pytest.approx(s.volume_m3, rel=1e-9)
        assert s.outside_volume_m3 == pytest.approx(
            s.buffer_volume_m3 + s.beyond_volume_m3, rel=1e-9, abs=1e-9
        )


@pytest.mark.parametrize(("tile", "workers"), [(64, 1), (150, 2)])
def test_tiles_and_threads_change_nothing(job_file: Path, whole: Compared, tile: int, workers: int) -> None:
    cut = run(job_file, tile, workers)
    assert [s for s, _ in cut.found.sites] == [s for s, _ in whole.found.sites]
    assert [d for d, _ in cut.found.dismissed] == [d for d, _ in whole.found.dismissed]
    assert cut.zones == whole.zones


def test_what_was_used_is_said(whole: Compared) -> None:
    used = whole.measurement.settings
    for name in ("low_m", "seed_m", "certain_m", "cell_m", "probability", "min_area_m2", "telling"):
        assert name in used
    assert used["low_m"] == pytest.approx(used["low_sigmas"] * used["smooth_sigma_m"], abs=1e-6)
    assert np.isfinite(used["certain_sigmas"])
