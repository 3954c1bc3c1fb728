"""A small honest filing, and what a test may do to a copy of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine

from survey.blocks import Engine
from survey.pipelines.check.filing import open_filing
from survey.pipelines.check.run import check, make_record, run_check
from survey.pipelines.job import load_job
from survey.pipelines.options import Options
from survey.pipelines.progress import NullProgress
from survey.record import Finding, Record
from survey.sample_data import make_scene, write_delivery
from survey.sample_data.delivery import DeliveryForm
from survey.sample_data.scene import Scene

LEAST_MARGIN_M = 12.0


def honest_scene(seed: int = 5, offset_m: tuple[float, float] = (0.3, -0.4)) -> Scene:
    """A lease of about a hectare with 100 m and a little more around it, at 1 m, with everything a filing
    needs.
    """
    return make_scene(
        seed,
        size_m=(352.0, 352.0),
        cell_m=1.0,
        lease_radius_m=60.0,
        dtm=True,
        ortho=True,
        checkpoints=16,
        sites_lease=1,
        sites_boundary=0,
        sites_buffer=0,
        neighbours=0,
        groves_standing=2,
        after_offset_m=offset_m,
    )


def write_base(folder: Path, scene: Scene) -> Path:
    """The filing under Rajasthan's rules, on time."""
    form = DeliveryForm(
        job_id="T-1",
        regime="rajasthan",
        filed=(date(2024, 6, 12), date(2025, 6, 18)),
        ortho_quality=None,
    )
    return write_delivery(scene, folder / "filing", folder / "truth", form)


@dataclass
class Filing:
    """A copy of the honest filing in a folder of its own."""

    folder: Path
    out: Path

    @property
    def job(self) -> Path:
        return self.folder / "job.toml"

    def edit(self, old: str, new: str) -> Filing:
        """Change the job file; what is replaced must stand there."""
        text = self.job.read_text(encoding="utf-8")
        assert old in text, old
        self.job.write_text(text.replace(old, new), encoding="utf-8")
        return self

    def add(self, toml: str) -> Filing:
        with open(self.job, "a", encoding="utf-8") as file:
            file.write("\n" + toml + "\n")
        return self

    def regime(self, name: str) -> Filing:
        return self.edit('regime = "rajasthan"', f'regime = "{name}"')

    def heights(self, name: str, change: Callable[[np.ndarray], np.ndarray | None]) -> Filing:
        """Rewrite a raster with changed cells and the same header."""
        path = self.folder / name
        with rasterio.open(path) as source:
            data, profile, tags = source.read(1), source.profile, source.tags()
        changed = change(data)
        data = data if changed is None else changed
        with rasterio.open(path, "w", **profile) as out:
            out.write(data, 1)
            out.update_tags(**tags)
        return self

    def read(self, name: str) -> np.ndarray:
        with rasterio.open(self.folder / name) as source:
            return source.read(1)

    def header(self, name: str, **changes: Any) -> Filing:
        """Rewrite a raster with another header and the same cells."""
        path = self.folder / name
        with rasterio.open(path) as source:
            data, profile = source.read(), source.profile
        profile.update(changes)
        with rasterio.open(path, "w", **profile) as out:
            out.write(data)
        return self

    def lone(self) -> Filing:
        """Without last year's survey: what only this year's decides is then looked at in a moment."""
        head, _, rest = self.job.read_text(encoding="utf-8").partition("[[survey]]")
        self.job.write_text(head + "[[survey]]" + rest.partition("[[survey]]")[2], encoding="utf-8")
        return self

    def move(self, name: str, east_m: float = 0.0, north_m: float = 0.0) -> Filing:
        """The same cells, said to lie elsewhere."""
        with rasterio.open(self.folder / name) as source:
            a = source.transform
        return self.header(name, transform=Affine(a.a, a.b, a.c + east_m, a.d, a.e, a.f + north_m))

    def run(self, on: date | None = None) -> Checked:
        """The whole command, with all tests and everything it writes."""
        job = load_job(self.job, check_files=False)
        job.require_check()
        record = run_check(job, Options(out=self.out, workers=1, on=on), NullProgress())
        return Checked(record, self.out / job.id)

    def check(self, on: date | None = None, *, authenticity: bool = False) -> Checked:
        """Look and judge, without writing; by default without the tests of authenticity."""
        if not authenticity and "[check]" not in self.job.read_text(encoding="utf-8"):
            self.add("[check]\nauthenticity = false")
        job = load_job(self.job, check_files=False)
        job.require_check()
        options = Options(workers=1, on=on)
        with Engine(workers=1) as engine, open_filing(job) as opened:
            found = check(opened, engine, on)
            record = make_record(found, datetime(2026, 1, 1, tzinfo=UTC), options)
        return Checked(record, self.out / job.id)


@dataclass
class Checked:
    """A record and its folder."""

    record: Record
    folder: Path

    def __getitem__(self, clause_id: str) -> Finding:
        """The finding of a row, with or without its subject."""
        found = [f for f in self.record.findings if f.id == clause_id or f.id.startswith(clause_id + ":")]
        assert found, f"{clause_id} is not among {sorted(f.id for f in self.record.findings)}"
        assert len(found) == 1, [f.id for f in found]
        return found[0]

    def verdicts(self, verdict: str) -> list[str]:
        return sorted(f.id for f in self.record.findings if f.verdict == verdict)

    @property
    def breaches(self) -> list[str]:
        return self.verdicts("breaches")

    @property
    def flags(self) -> dict[str, str]:
        """Row of the raised flags, and their strength."""
        return {
            f.id.partition(":")[0]: f.evidence["flag"]
            for f in self.record.findings
            if "flag" in f.evidence and f.verdict == "exempt, for review"
        }


def copy_of(base: Path, folder: Path) -> Filing:
    shutil.copytree(base, folder / "filing")
    return Filing(folder / "filing", folder / "runs")
