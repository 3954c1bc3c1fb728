"""The deliveries that ``survey demo`` runs: small, whole, made on the spot from fixed seeds.

a  ``working-mine``  60 ha in Rajasthan, two surveys: workings, dump, one pit across the boundary, one in
   the buffer, one beyond, trees, crops, vehicles, a pool. The later survey has its own origin and flight
   errors.
b  ``clean-filing``  a 1 ha quarry whose filing has everything the rules ask for.
c  ``late-filing``   a limestone mine under MCDR that filed after 1 July and did not fly the whole buffer.

Companies, leases and places are invented; the coordinates are open country.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from .artefacts import ArtefactOptions
from .delivery import write_delivery
from .forms import DeliveryForm
from .options import SceneOptions
from .scene import make_scene
from .survey_error import ErrorModel
from .terrain import TerrainOptions


@dataclass(frozen=True)
class DemoJob:
    name: str
    seed: int
    options: SceneOptions
    form: DeliveryForm


_DECLARED = """
[material]
in_situ_density_t_m3 = 2.6
density_source = "laboratory report INV/LAB/17 (invented), mean of 12 cores"
loose_density_t_m3 = 1.7
swell = 0.35
"""


def demo_jobs() -> tuple[DemoJob, ...]:
    place = {"village": "Navagaon (invented)", "tahsil": "Invented", "state": "Rajasthan"}
    working = DemoJob(
        "working-mine",
        418,
        SceneOptions(
            size_m=(1200.0, 1196.0),
            cell_m=0.5,
            after_offset_m=(0.17, -0.21),
            centre_lon_lat=(74.62, 26.27),
            terrain=TerrainOptions(relief_m=7, longest_m=800, escarpment_m=6, valley_m=5),
            lease_radius_m=450.0,
            lease_area_m2=602_400.0,
            lease_corners=9,
            neighbours=1,
            old_pits=2,
            old_heaps=1,
            workings_growth=0.14,
            sites_lease=0,
            sites_boundary=1,
            sites_buffer=1,
            sites_beyond=1,
            site_radius_m=(11, 17),
            site_depth_m=(2.5, 5.0),
            heap_share=0.0,
            shapes=("ramped", "benched", "two lobes"),
            groves_standing=8,
            groves_grown=3,
            groves_felled=2,
            crops=2,
            vehicles=5,
            sheds=2,
            pools=1,
            gullies=1,
            before_error=ErrorModel(random_m=0.02, correlated_m=0.012, range_m=30),
            after_error=ErrorModel(
                random_m=0.022, correlated_m=0.014, range_m=35, bias_m=0.06, east_m=0.22, north_m=-0.15,
                tilt_east=4e-5, dome_m_km2=0.12,
            ),
            before_artefacts=ArtefactOptions(rim_m=160.0),
            after_artefacts=ArtefactOptions(rim_m=155.0, spikes=3),
            ortho=True,
            checkpoints=16,
        ),
        DeliveryForm(
            job_id="DEMO-RJ-0417",
            regime="rajasthan",
            ortho_quality=75,
            mine={
                "name": "Navagaon block A", "lessee": "Invented Stone Works", "lease_no": "INV-2000",
                "district": "Ajmer", **place, "mineral": "masonry stone",
            },
            extra_toml=_DECLARED,
        ),
    )  # fmt: skip
    clean = DemoJob(
        "clean-filing",
        429,
        SceneOptions(
            size_m=(320.0, 320.0),
            cell_m=0.4,
            centre_lon_lat=(75.41, 25.9),
            lease_radius_m=60.0,
            lease_area_m2=10_000.0,
            lease_corners=5,
            neighbours=0,
            old_pits=0,
            roads=1,
            workings_growth=0.3,
            sites_lease=0,
            sites_boundary=0,
            sites_buffer=0,
            groves_standing=3,
            vehicles=1,
            before_error=ErrorModel(random_m=0.015, correlated_m=0.01, range_m=20),
            after_error=ErrorModel(random_m=0.015, correlated_m=0.01, range_m=20, bias_m=-0.03, east_m=0.05),
            dtm=True,
            ortho=True,
            ortho_cell_m=0.25,
            checkpoints=36,
        ),
        DeliveryForm(
            job_id="DEMO-RJ-0088",
            regime="rajasthan",
            ortho_quality=60,
            ortho_repeat=5,
            registry=False,
            mine={
                "name": "Shiladhar quarry", "lessee": "Invented Sandstone Co-operative",
                "lease_no": "INV-0088",
                "district": "Tonk", **place, "mineral": "sandstone",
            },
            extra_toml=_DECLARED,
        ),
    )  # fmt: skip
    late = DemoJob(
        "late-filing",
        421,
        SceneOptions(
            size_m=(372.0, 388.0),
            cell_m=0.5,
            centre_lon_lat=(74.79, 24.83),
            lease_radius_m=110.0,
            lease_area_m2=24_500.0,
            neighbours=0,
            old_pits=1,
            workings_growth=0.0,
            sites_lease=0,
            sites_boundary=0,
            sites_buffer=0,
            groves_standing=4,
            before_artefacts=ArtefactOptions(cut_side="east", cut_m=38.0),
            dates=(date(2025, 5, 6), date(2026, 5, 6)),
            dtm=True,
            ortho=True,
            ortho_cell_m=0.5,
            checkpoints=12,
        ),
        DeliveryForm(
            job_id="DEMO-MC-0731",
            regime="mcdr",
            epochs=(0,),
            filed=(date(2025, 7, 22),),
            ortho_quality=50,
            ortho_repeat=10,
            registry=False,
            mine={
                "name": "Chunakhera limestone", "lessee": "Invented Cement Limited", "lease_no": "INV-0731",
                "district": "Chittorgarh", **place, "mineral": "limestone",
                "annual_excavation_plan_t": 1200000,
            },
        ),
    )  # fmt: skip
    return working, clean, late


def make_demo(folder: Path, jobs: Iterable[DemoJob] | None = None) -> list[Path]:
    """Write all deliveries under ``folder`` and their truth under ``folder/truth``; return the job files."""
    files = []
    for job in demo_jobs() if jobs is None else jobs:
        scene = make_scene(job.seed, job.options)
        files.append(
            write_delivery(scene, Path(folder) / job.name, Path(folder) / "truth" / job.name, job.form)
        )
    return files
