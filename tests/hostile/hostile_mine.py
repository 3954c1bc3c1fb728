"""A tiny mine with a pit of known volume, and the real commands run on what a test does to it."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from pyproj import Transformer

from survey.pipelines.commands import guarded
from survey.pipelines.do import do_jobs
from survey.pipelines.options import Options
from survey.record import Record, from_json

CELLS = 144
WEST, NORTH = 500_000.0, 2_700_000.0
CRS = "EPSG:32643"
RADIUS, DEPTH = 14.0, 5.0
PIT_M3 = float(np.pi * DEPTH / 3 * (RADIUS**2 + RADIUS * RADIUS / 2 + RADIUS**2 / 4))
"""A frustum with a floor of half the radius."""

JOB = """[job]
id = "H-1"
regime = "rajasthan"
[lease]
boundary = "lease.geojson"
[[survey]]
date = 2024-04-20
dem = "before.tif"
height = "EGM2008"
[[survey]]
date = 2025-04-20
dem = "after.tif"
height = "EGM2008"
"""


def ring() -> list[tuple[float, float]]:
    """The lease: closed, counter-clockwise, metres."""
    return [
        (WEST + 30, NORTH - 114),
        (WEST + 110, NORTH - 114),
        (WEST + 110, NORTH - 34),
        (WEST + 30, NORTH - 34),
        (WEST + 30, NORTH - 114),
    ]


def lon_lat(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    to = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    return [tuple(round(float(v), 9) for v in to.transform(*p)) for p in points]  # type: ignore[misc]


def heights(seed: int, dug: bool) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[0:CELLS, 0:CELLS] + 0.5
    z = 300 + 3 * np.sin(rows / 19) + 4 * np.cos(cols / 23) + 0.05 * cols
    if dug:
        distance = np.hypot(rows - 74, cols - 70)
        z -= np.clip(DEPTH * (RADIUS - distance) / (RADIUS / 2), 0, DEPTH)
    return (z + 0.02 * rng.standard_normal(z.shape)).astype(np.float32)


def profile(**changes: Any) -> dict[str, Any]:
    return {
        "driver": "GTiff", "height": CELLS, "width": CELLS, "count": 1, "dtype": "float32", "crs": CRS,
        "transform": Affine(1, 0, WEST, 0, -1, NORTH), "nodata": -9999.0,
    } | changes  # fmt: skip


def write_base(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed, dug in (("before.tif", 1, False), ("after.tif", 2, True)):
        with rasterio.open(folder / name, "w", **profile()) as out:
            out.write(heights(seed, dug), 1)
    shape = {"type": "Polygon", "coordinates": [lon_lat(ring())]}
    feature = {"type": "Feature", "properties": {"name": "L"}, "geometry": shape}
    (folder / "lease.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    (folder / "job.toml").write_text(JOB)
    return folder


@dataclass
class Ended:
    """How a command ended: exit code, what it said, and its record if it wrote one."""

    code: int
    said: str
    record: Record | None

    @property
    def cut_m3(self) -> float:
        assert self.record is not None, self.said
        return next(z.cut_m3 for z in self.record.zones if z.zone == "lease")

    @property
    def remarks(self) -> str:
        """All notes of the run and of its sources."""
        assert self.record is not None, self.said
        notes = [n.message for n in self.record.notes]
        for source in self.record.sources:
            notes += [str(n) for n in source.detail.get("notes", [])]
        for survey in self.record.surveys:
            notes += [n["message"] for n in survey.get("notes", [])]
        return "\n".join(notes)


@dataclass
class Mine:
    """A copy of the mine in a folder of its own."""

    folder: Path
    out: Path
    capsys: Any = field(repr=False)

    @property
    def job(self) -> Path:
        return self.folder / "job.toml"

    def text(self, name: str, content: str | bytes) -> Mine:
        data = content if isinstance(content, bytes) else content.encode("utf-8")
        (self.folder / name).write_bytes(data)
        return self

    def edit(self, old: str, new: str) -> Mine:
        content = self.job.read_text(encoding="utf-8")
        assert old in content, old
        return self.text("job.toml", content.replace(old, new))

    def after(self, change: Callable[[np.ndarray], np.ndarray] | None = None, **header: Any) -> Mine:
        """Write the later survey anew, with changed cells or another header."""
        return self.raster("after.tif", heights(2, True), change, **header)

    def before(self, change: Callable[[np.ndarray], np.ndarray] | None = None, **header: Any) -> Mine:
        return self.raster("before.tif", heights(1, False), change, **header)

    def raster(
        self,
        name: str,
        z: np.ndarray,
        change: Callable[[np.ndarray], np.ndarray] | None = None,
        **header: Any,
    ) -> Mine:
        data = z if change is None else change(z)
        data = data if data.ndim == 3 else data[None]
        tags, scale, offset = header.pop("tags", {}), header.pop("scale", None), header.pop("offset", None)
        whole = profile(
            height=data.shape[1], width=data.shape[2], count=data.shape[0], **{"dtype": str(data.dtype)}
        )
        whole |= header
        with warnings.catch_warnings():
            # The library rightly complains of files without a place; here they are made on purpose.
            warnings.simplefilter("ignore")
            out = rasterio.open(self.folder / name, "w", **whole)
        with warnings.catch_warnings(), out:
            warnings.simplefilter("ignore")
            out.write(data.astype(whole["dtype"]))
            if tags:
                out.update_tags(**tags)
            if scale is not None:
                out.scales, out.offsets = (scale,), (offset or 0.0,)
        return self

    def lease(self, name: str, content: str | bytes) -> Mine:
        """Another boundary file."""
        return self.text(name, content).edit("lease.geojson", name)

    def run(self, command: str = "excavation", target: Path | None = None, **options: Any) -> Ended:
        """The real command, from the job file to the exit code."""
        self.capsys.readouterr()
        settings = {
            "out": self.out,
            "workers": 1,
            "change": False,
            "reports": "none",
            "verbosity": -1,
        } | options
        code = guarded(lambda: do_jobs(command, [target or self.job], Options(**settings)), 0)
        said = self.capsys.readouterr()
        kept = sorted(self.out.glob("*/record.json")) if self.out.is_dir() else []
        record = from_json(kept[0].read_text(encoding="utf-8")) if kept else None
        assert "Traceback" not in said.err
        assert "Internal fault" not in said.err, said.err
        return Ended(code, said.err + said.out, record)


def copy_of(base: Path, folder: Path, capsys: Any) -> Mine:
    shutil.copytree(base, folder / "mine")
    return Mine(folder / "mine", folder / "runs", capsys)


# -- decisions -----------------------------------------------------------------------------------------------
REFUSE, FLAG, ACCEPT = "refuse", "flag", "accept"


@dataclass(frozen=True)
class Case:
    """One line of docs/HOSTILE_INPUT.md: what arrives, what is decided, and what must be said."""

    id: str
    what: str
    decision: str
    change: Callable[[Mine], Any]
    says: str = ""
    check: int | None = None  # exit code of ``survey check`` on the same delivery; None = not tried
    within: float = 0.02  # relative, of the base's volume

    def __str__(self) -> str:
        return self.id
