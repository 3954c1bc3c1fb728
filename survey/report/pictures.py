"""The small pictures of a run: encoded within a budget, and listed in ``pictures/index.json``.

Reports are drawn years later, without the surveys: what they show of the rasters is kept here. A picture is
made smaller until it fits its share, so that the report of a large lease still opens on a phone.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survey.errors import OutputError
from survey.grid import Bounds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INDEX = "pictures/index.json"

_QUALITIES = (82, 72, 60, 48)
_SHRINKS = (1.0, 0.8, 0.64, 0.5, 0.4, 0.3, 0.2)


@dataclass(frozen=True)
class Picture:
    """One picture and the ground it shows, in metres of the run's reference system."""

    name: str  # hillshade | ortho | change | chip
    epoch: str | None  # before | after
    file: str  # relative to the run folder
    bounds: Bounds
    width: int
    height: int
    sha256: str = ""
    date: str | None = None
    site: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def encoded(
    pixels: NDArray[np.uint8], budget_bytes: int, *, flat_colours: bool = False
) -> tuple[bytes, int, int]:
    """(WebP bytes, width, height) of at most ``budget_bytes``: lower quality first, then fewer pixels.

    ``flat_colours`` keeps exact colours (a legend explains them) and only gives up pixels.
    """
    from PIL import Image

    picture = Image.fromarray(pixels)
    data = b""
    size = picture.size
    for shrink in _SHRINKS:
        size = max(1, round(picture.width * shrink)), max(1, round(picture.height * shrink))
        smaller = picture
        if size != picture.size:
            smaller = picture.resize(
                size, Image.Resampling.NEAREST if flat_colours else Image.Resampling.LANCZOS
            )
        for quality in (None,) if flat_colours else _QUALITIES:
            out = io.BytesIO()
            if quality is None:
                smaller.save(out, "WEBP", lossless=True, quality=70, method=4, exact=False)
            else:
                # Method 4 takes twice the time of method 2 and saves a twentieth of the bytes.
                smaller.save(out, "WEBP", quality=quality, method=2, alpha_quality=80)
            data = out.getvalue()
            if len(data) <= budget_bytes:
                return data, *size
    return data, *size


def save(
    run_dir: Path,
    file: str,
    pixels: NDArray[np.uint8],
    bounds: Bounds,
    *,
    budget_bytes: int,
    name: str,
    epoch: str | None = None,
    date: str | None = None,
    site: str | None = None,
    flat_colours: bool = False,
    detail: dict[str, Any] | None = None,
) -> Picture:
    """Encode ``pixels`` into ``run_dir/file`` and describe it."""
    data, width, height = encoded(pixels, budget_bytes, flat_colours=flat_colours)
    target = run_dir / file
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    return Picture(name, epoch, file, bounds, width, height, digest, date, site, detail or {})


def write_index(run_dir: Path, pictures: list[Picture]) -> None:
    rows = [
        {
            "name": p.name,
            "epoch": p.epoch,
            "date": p.date,
            "site": p.site,
            "file": p.file,
            "west": p.bounds.west,
            "south": p.bounds.south,
            "east": p.bounds.east,
            "north": p.bounds.north,
            "width": p.width,
            "height": p.height,
            "sha256": p.sha256,
            "detail": p.detail,
        }
        for p in pictures
    ]
    target = run_dir / INDEX
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps({"pictures": rows}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_index(run_dir: Path) -> list[Picture]:
    """Pictures of a run; empty if it kept none.

    Raises
    ------
    OutputError
        The index is damaged or names a file outside ``pictures/``.
    """
    index = run_dir / INDEX
    if not index.exists():
        return []
    try:
        rows = json.loads(index.read_text(encoding="utf-8"))["pictures"]
        found = [
            Picture(
                row["name"],
                row["epoch"],
                row["file"],
                Bounds(row["west"], row["south"], row["east"], row["north"]),
                row["width"],
                row["height"],
                row["sha256"],
                row["date"],
                row["site"],
                row["detail"],
            )
            for row in rows
        ]
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise OutputError(
            "the list of pictures is damaged", file=index, mend="Run the job again to draw it anew."
        ) from error
    root = (run_dir / "pictures").resolve()
    for picture in found:
        if root not in (run_dir / picture.file).resolve().parents:
            raise OutputError(
                f"the list of pictures names a file outside its folder: {picture.file}",
                file=index,
                mend="This run folder was changed by hand; run the job again.",
            )
    return [picture for picture in found if (run_dir / picture.file).exists()]


def data_uri(run_dir: Path, picture: Picture) -> str:
    data = (run_dir / picture.file).read_bytes()
    return "data:image/webp;base64," + base64.b64encode(data).decode("ascii")
