"""A run folder as reports see it: the record, the layers, the pictures. Opened to be drawn, never changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from survey.errors import InputRefused
from survey.grid import Bounds
from survey.record import Record, from_json
from survey.report.gpkg import Layer, crs_of, layer_names, read_layer
from survey.report.pictures import Picture, read_index

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


@dataclass
class RunFolder:
    """What the reports of one run are drawn from. Layers are read when first asked for."""

    path: Path
    record: Record
    _layers: dict[str, Layer] = field(default_factory=dict, repr=False)

    @cached_property
    def gpkg(self) -> Path:
        return self.path / "results.gpkg"

    @cached_property
    def names(self) -> list[str]:
        return layer_names(self.gpkg)

    @cached_property
    def crs_wkt(self) -> str | None:
        """The survey's reference system; None if the run drew nothing on a map."""
        return crs_of(self.gpkg)

    @cached_property
    def pictures(self) -> list[Picture]:
        return read_index(self.path)

    def layer(self, name: str) -> Layer:
        if name not in self._layers:
            self._layers[name] = read_layer(self.gpkg, name) if name in self.names else Layer(name, None, [])
        return self._layers[name]

    def picture(self, name: str, epoch: str | None = None, site: str | None = None) -> Picture | None:
        return next((p for p in self.pictures if (p.name, p.epoch, p.site) == (name, epoch, site)), None)

    @cached_property
    def lease(self) -> BaseGeometry | None:
        shapes = [shape for shape in self.layer("lease").geometry if shape is not None]
        return shapes[0] if shapes else None

    @cached_property
    def extent(self) -> Bounds | None:
        """All that is drawn: pictures, else outlines."""
        boxes = [p.bounds for p in self.pictures if p.site is None]
        if not boxes:
            shapes = [
                shape
                for name in ("lease", "zones", "sites", "polygons")
                for shape in self.layer(name).geometry
                if shape is not None and not shape.is_empty
            ]
            boxes = [Bounds(*shape.bounds) for shape in shapes]
        if not boxes:
            return None
        return Bounds(
            min(b.west for b in boxes),
            min(b.south for b in boxes),
            max(b.east for b in boxes),
            max(b.north for b in boxes),
        )

    @property
    def regime(self) -> str | None:
        """The law that the job names; in Rajasthan, where it names none, that of minor minerals."""
        head = self.record.job.get("job")
        asked = head.get("regime") if isinstance(head, dict) else None
        if asked is None and str(self.record.mine.get("state") or "").casefold() == "rajasthan":
            return "rajasthan"
        return asked

    @property
    def observed(self) -> str | None:
        """ISO date of the survey that plans show: the latest."""
        dates = [str(s["date"]) for s in self.record.surveys if s.get("date")]
        return max(dates) if dates else None


def open_run(path: Path, record: Record | None = None) -> RunFolder:
    """Open a run folder; ``record`` may be given by the run that has just made it.

    Raises
    ------
    InputRefused
        There is no ``record.json``, or it is damaged.
    """
    if record is not None:
        return RunFolder(path, record)
    file = path / "record.json"
    if not file.is_file():
        raise InputRefused(
            f"{path.name} holds no record.json",
            expected="the folder of a finished run",
            mend="Give the folder that `survey run` made, such as runs/<job id>.",
        )
    try:
        return RunFolder(path, from_json(file.read_text(encoding="utf-8")))
    except (ValueError, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0]
        raise InputRefused(
            f"the record cannot be read ({first})",
            file=file,
            mend="It was changed by hand or cut short; run the job again.",
        ) from error
