"""A raster file, described and found safe to read. The one way in for elevation models and images alike."""

from __future__ import annotations

import os
from dataclasses import dataclass

from survey.errors import InputRefused
from survey.rasters.handles import Pin, close_all, dataset
from survey.rasters.limits import DEFAULT_LIMITS, RasterLimits, check_limits
from survey.rasters.sniff import WORDS, sniff
from survey.rasters.tiff import BadTiff, Tiff, read_tiff
from survey.remark import Remark

DAMAGED = "The file is damaged or was not copied whole: send it again."
_DRIVERS = {"tiff": "GTiff", "jp2": "JP2OpenJPEG"}


@dataclass(frozen=True, slots=True)
class Band:
    dtype: str
    color: str  # gray, red, green, blue, alpha, palette, nir, undefined …
    nodata: float | None
    scale: float
    offset: float
    unit: str | None
    description: str | None


@dataclass(frozen=True, slots=True)
class RasterDescription:
    """What the file says. Nothing here is checked against its purpose yet.

    ``transform`` holds GDAL's affine terms (a, b, c, d, e, f): x = a·col + b·row + c, y = d·col + e·row + f,
    of cell corners (a file that means points has been shifted by half a cell already), or None.
    """

    pin: Pin
    driver: str
    width: int
    height: int
    bands: tuple[Band, ...]
    block: tuple[int, int]
    compression: str
    photometric: str
    tiled: bool
    has_mask: bool
    alpha_band: int | None
    sparse_blocks: int
    written: tuple[int, int] | None
    first_sparse: int | None
    crs_wkt: str | None
    transform: tuple[float, float, float, float, float, float] | None
    area_or_point: str
    datetime: str | None
    software: str | None
    bits: int
    tags: tuple[tuple[str, str], ...]
    remarks: tuple[Remark, ...]
    tiff: Tiff | None

    @property
    def name(self) -> str:
        return self.pin.name

    @property
    def path(self) -> str:
        return self.pin.path


def open_raster(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    limits: RasterLimits = DEFAULT_LIMITS,
    kinds: tuple[str, ...] = ("tiff", "jp2"),
    what: str = "a GeoTIFF",
) -> RasterDescription:
    """Look at a raster file without decoding it.

    Parameters
    ----------
    name:
        What to call the file in messages.
    kinds:
        Kinds accepted, by first bytes: "tiff" (GeoTIFF, BigTIFF, COG), "jp2".
    what:
        How messages call what is expected.

    Raises
    ------
    InputRefused
        Missing, of another kind, broken off, beyond the limits, or not understood by the driver.
    """
    shown = name or os.path.basename(os.fspath(path))
    pin, driver = _door(path, shown, kinds, what)
    tiff = _structure(pin, limits) if driver == "GTiff" else None
    try:
        return _describe(pin, tiff, limits)
    except InputRefused:
        raise
    except Exception as error:
        # A damaged file makes the library fail in more ways than can be listed; each means the same here.
        close_all()
        raise InputRefused(f"cannot be understood ({_clause(error)})", file=shown, mend=DAMAGED) from error


def _door(path: str | os.PathLike[str], shown: str, kinds: tuple[str, ...], what: str) -> tuple[Pin, str]:
    try:
        kind = sniff(path)
    except FileNotFoundError as error:
        raise InputRefused("there is no such file", file=shown) from error
    except IsADirectoryError as error:
        raise InputRefused("is a folder", expected=what, file=shown) from error
    except OSError as error:
        raise InputRefused(f"cannot be read ({error.strerror or error})", file=shown) from error
    if kind not in kinds or kind not in _DRIVERS:
        mend = None
        if kind in ("img", "ascii grid", "hdf5", "jp2", "png", "jpeg", "vrt", "sqlite"):
            mend = "Export it as GeoTIFF: gdal_translate -of COG IN OUT.tif"
        raise InputRefused(f"is {WORDS.get(kind, kind)}", expected=what, file=shown, mend=mend)
    return Pin.of(path, _DRIVERS[kind], shown), _DRIVERS[kind]


def _structure(pin: Pin, limits: RasterLimits) -> Tiff:
    try:
        tiff = read_tiff(pin.path)
    except BadTiff as error:
        raise InputRefused(str(error), file=pin.name, mend=DAMAGED) from error
    except OSError as error:
        raise InputRefused(f"cannot be read ({error.strerror or error})", file=pin.name) from error
    main = tiff.main
    if main.overview or main.mask:
        raise InputRefused(
            "begins with an overview or a mask, not with its cells", file=pin.name, mend=DAMAGED
        )
    check_limits(tiff, pin.name, limits)
    if main.written is None:
        raise InputRefused(
            "holds no cells: none of its blocks was ever written",
            file=pin.name,
            mend="Send the survey itself.",
        )
    return tiff


def _describe(pin: Pin, tiff: Tiff | None, limits: RasterLimits) -> RasterDescription:
    opened = dataset(pin)
    width, height, count = opened.width, opened.height, opened.count
    if width * height > limits.cells or count > limits.bands:
        raise InputRefused(f"announces {width:,} × {height:,} cells in {count} bands", file=pin.name)
    if tiff is not None and (width, height) != (tiff.main.width, tiff.main.height):
        raise InputRefused("describes itself in two ways", file=pin.name, mend=DAMAGED)
    colors = _colors(opened)
    flags = opened.mask_flag_enums[0]
    names = {flag.name for flag in flags}
    bands = tuple(
        Band(
            dtype=str(opened.dtypes[i]),
            color=colors[i],
            nodata=None if opened.nodatavals[i] is None else float(opened.nodatavals[i]),
            scale=float(opened.scales[i]),
            offset=float(opened.offsets[i]),
            unit=(opened.units[i] or "").strip() or None,
            description=(opened.descriptions[i] or "").strip() or None,
        )
        for i in range(count)
    )
    a = opened.transform
    placed = tiff.main.placed if tiff is not None else not a.is_identity
    # The identity, spelt out or by control points alone: cells counted from the corner, which is no place.
    placed = placed and not a.is_identity
    tags = _tags(opened)
    lookup = dict(tags)
    remarks = []
    if tiff is not None:
        images = [d for d in tiff.directories if not d.overview and not d.mask]
        if len(images) > 1:
            remarks.append(
                Remark("several-images", f"holds {len(images)} images; the first one is used", "caution")
            )
        if tiff.main.orientation != 1:
            remarks.append(
                Remark(
                    "orientation-tag",
                    "carries a camera orientation tag; it is ignored, as the georeference decides",
                    "caution",
                )
            )
    # What GDAL reads at a time: it cuts up a single strip that is not compressed.
    block = tuple(int(v) for v in opened.block_shapes[0])
    if tiff is not None and not tiff.main.one_plain_strip:
        block = tiff.main.block
    return RasterDescription(
        pin=pin,
        driver=pin.driver,
        width=width,
        height=height,
        bands=bands,
        block=(min(block[0], height), min(block[1], width)),
        compression=tiff.main.compression if tiff is not None else "JPEG 2000",
        photometric=tiff.main.photometric if tiff is not None else "unknown",
        tiled=tiff.main.tiled if tiff is not None else True,
        has_mask="per_dataset" in names and not names & {"alpha", "nodata"},
        alpha_band=colors.index("alpha") + 1 if "alpha" in colors else None,
        sparse_blocks=tiff.main.sparse_blocks if tiff is not None else 0,
        written=tiff.main.written if tiff is not None else None,
        first_sparse=tiff.main.first_sparse if tiff is not None else None,
        crs_wkt=opened.crs.to_wkt(version="WKT2_2019") if opened.crs else None,
        transform=(a.a, a.b, a.c, a.d, a.e, a.f) if placed else None,
        area_or_point=lookup.get("AREA_OR_POINT", "Area"),
        datetime=lookup.get("TIFFTAG_DATETIME"),
        software=lookup.get("TIFFTAG_SOFTWARE"),
        bits=tiff.main.bits if tiff is not None else 8,
        tags=tags,
        remarks=tuple(remarks),
        tiff=tiff,
    )


def _colors(opened: object) -> list[str]:
    try:
        return [color.name for color in opened.colorinterp]  # type: ignore[attr-defined]
    except (ValueError, KeyError):
        # A meaning that the library has no name for yet.
        return ["undefined"] * opened.count  # type: ignore[attr-defined]


def _tags(opened: object) -> tuple[tuple[str, str], ...]:
    """Short text tags of the file and its imagery domain, sorted; long ones are none of our business."""
    found: dict[str, str] = {}
    for domain in (None, "IMAGERY", "IMAGE_STRUCTURE"):
        try:
            pairs = opened.tags(ns=domain) if domain else opened.tags()  # type: ignore[attr-defined]
        except UnicodeDecodeError:
            continue
        found.update({k: v for k, v in pairs.items() if len(k) <= 80 and len(v) <= 500})
    return tuple(sorted(found.items())[:200])


def _clause(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return (text or type(error).__name__)[:200].rstrip(".")
