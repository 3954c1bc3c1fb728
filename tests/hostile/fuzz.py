"""Damaged files for every reader, from a seed: each must end in a result or a refusal, in little time and memory.

``python tests/hostile/fuzz.py FAMILY --cases 300 --seed 1`` feeds one family of readers in this process, under
limits that the kernel keeps: a hang ends it by an alarm, a flood of memory by ``MemoryError``, a crash by its
signal. The last line it prints is a summary as JSON; whoever started it sees by its absence that it died, and by
the file ``last`` in the work folder on what.
"""

# ruff: noqa: E501  (imports follow the path that the command line needs; a list is a line)

from __future__ import annotations

import argparse
import io
import json
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

import numpy as np

from survey.errors import SurveyError

HANG_S = 20
ROOM_BYTES = 2 * 2**30
GROWTH_BYTES = 700 * 2**20

Reader = Callable[[Path], Any]
Seed = tuple[str, bytes, Reader]  # file name, sound content, what reads it

WORDS = [
    b"NaN", b"1e999", b"-1e308", b"0", b"-0.0", b"99999999999999999999", b"=cmd|'/C calc'!A0", b"\xef\xbb\xbf",
    b"\x00", b"\xff\xfe", b"\xe2\x80\xae", "१२३".encode(), b"'" * 40, b'"', b"<", b"&lt;&a;", b"]]>", b"{", b"[" * 60,
    b"../../x", b"/vsicurl/http://x/", b"inf", b"\r", b"\n\n\n", b",,,,", b";", b"1,5", b"A" * 5000, b"%s%n", b"\\",
]  # fmt: skip
INTS = [0, 1, 2, 3, 7, 8, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1]


# -- damage ----------------------------------------------------------------------------------------------
def damaged(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """One to four kinds of damage, one after another."""
    out = bytearray(data)
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        if not out:
            break
        HARM[int(rng.integers(len(HARM)))](out, other, rng)
    return bytes(out)


def _at(out: bytearray, rng: np.random.Generator) -> int:
    # Headers decide most: half of the damage is done near the beginning or the end.
    n = len(out)
    near = min(n, 600)
    return int(rng.choice([rng.integers(n), rng.integers(near), n - 1 - rng.integers(near)]))


def _flip(out: bytearray, other: bytes, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 12))):
        out[_at(out, rng)] ^= 1 << int(rng.integers(8))


def _write(out: bytearray, other: bytes, rng: np.random.Generator) -> None:
    at, size = _at(out, rng), int(rng.choice([1, 2, 4, 8]))
    value = int(INTS[int(rng.integers(len(INTS)))]) & (256**size - 1)
    out[at : at + size] = value.to_bytes(size, "little" if rng.random() < 0.7 else "big")


def _cut(out: bytearray, other: bytes, rng: np.random.Generator) -> None:
    del out[int(rng.integers(len(out))) :]


def _delete(out: bytearray, other: bytes, rng: np.random.Generator) -> None:
    at = _at(out, rng)
    del out[at : at + int(rng.integers(1, 64))]


def _double(out: bytearray, other: bytes, rng: np.random.Generator) -> None:
    at = _at(out, rng)
    piece = bytes(out[at : at + int(rng.integers(1, 400))])
    out[at:at] = piece * int(rng.choice([1, 2, 50]))


def _word(out: bytearray, other: bytes, rng: np.random.Generator) -> None:
    at = _at(out, rng)
    word = WORDS[int(rng.integers(len(WORDS)))]
    out[at : at + (len(word) if rng.random() < 0.5 else 0)] = word


def _number(out: bytearray, other: bytes, rng: np.random.Generator) -> None:
    """A number that stands in the text becomes another."""
    digits = [k for k in range(1, len(out)) if 48 <= out[k] < 58 and not 48 <= out[k - 1] < 58]
    if not digits:
        return
    at = digits[int(rng.integers(len(digits)))]
    end = at
    while end < len(out) and (48 <= out[end] < 58 or out[end] in b".e"):
        end += 1
    out[at:end] = WORDS[int(rng.integers(6))]


def _splice(out: bytearray, other: bytes, rng: np.random.Generator) -> None:
    if other:
        out[int(rng.integers(len(out))) :] = other[int(rng.integers(len(other))) :]


def _zeros(out: bytearray, other: bytes, rng: np.random.Generator) -> None:
    at, size = _at(out, rng), int(rng.integers(1, 200))
    out[at : at + size] = bytes(len(out[at : at + size]))


def _entry(out: bytearray, other: bytes, rng: np.random.Generator) -> None:
    """Type, count or value of an entry of a TIFF directory."""
    if bytes(out[:4]) not in (b"II*\0", b"II+\0") or len(out) < 64:
        return _write(out, other, rng)
    big = out[2] == 43
    first = int.from_bytes(out[8:16] if big else out[4:8], "little")
    head, size = (8, 20) if big else (2, 12)
    count = int.from_bytes(out[first : first + head], "little")
    if not 0 < count < 100 or first + head + count * size > len(out):
        return _write(out, other, rng)
    at = first + head + int(rng.integers(count)) * size
    start, width = ((0, 2), (2, 2), (4, 8 if big else 4), (12 if big else 8, 8 if big else 4))[
        int(rng.integers(4))
    ]
    value = int(INTS[int(rng.integers(len(INTS)))]) & (256**width - 1)
    out[at + start : at + start + width] = value.to_bytes(width, "little")
    return None


HARM = (_flip, _write, _cut, _delete, _double, _word, _number, _splice, _zeros, _entry, _entry)


# -- sound files -----------------------------------------------------------------------------------------
def rasters(folder: Path) -> Iterator[Seed]:
    import rasterio
    from affine import Affine

    place = {"crs": "EPSG:32643", "transform": Affine(1, 0, 500_000, 0, -1, 2_700_000)}
    rows, cols = np.mgrid[0:80, 0:96]
    z = (300 + 3 * np.sin(rows / 9) + 4 * np.cos(cols / 11)).astype(np.float32)
    tile = {"tiled": True, "blockxsize": 32, "blockysize": 32}
    kinds: dict[str, dict[str, Any]] = {
        "strips": {},
        "deflate": {"compress": "deflate", "predictor": 3, **tile},
        "lzw": {"compress": "lzw", **tile},
        "big": {"BIGTIFF": "YES", "compress": "zstd", **tile},
        "short": {"dtype": "int16"},
        "lerc": {"compress": "lerc", **tile},
    }
    for name, how in kinds.items():
        path = folder / f"{name}.tif"
        profile = {
            "driver": "GTiff",
            "height": 80,
            "width": 96,
            "count": 1,
            "dtype": "float32",
            "nodata": -9999.0,
        }
        with rasterio.open(path, "w", **(profile | place | how)) as out:
            out.write(((z - 300) * 1000).astype(np.int16) if name == "short" else z, 1)
            if name == "short":
                out.scales, out.offsets = (0.001,), (300.0,)
        yield path.name, path.read_bytes(), _heights
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(folder / "strips.tif", "r+") as out:
        out.write_mask(rows > 10)
    yield "mask.tif", (folder / "strips.tif").read_bytes(), _heights
    rng = np.random.default_rng(1)
    light = rng.integers(1, 255, (3, 80, 96)).astype(np.uint8)
    for name, more in (
        ("jpeg", {"compress": "jpeg", "photometric": "ycbcr", **tile}),
        ("rgb", {"photometric": "rgb"}),
    ):
        path = folder / f"{name}.tif"
        profile = {"driver": "GTiff", "height": 80, "width": 96, "count": 3, "dtype": "uint8"}
        with rasterio.open(path, "w", **(profile | place | more)) as out:
            out.write(light)
        yield path.name, path.read_bytes(), _picture


def _heights(path: Path) -> None:
    from survey.dem.opening import open_surface

    surface = open_surface(path)
    g = surface.grid
    z = surface.read(g[: min(g.height, 512), : min(g.width, 512)])
    known = z[np.isfinite(z)]
    assert known.size == 0 or (known.min() >= -600 and known.max() <= 9000)


def _picture(path: Path) -> None:
    from survey.grid import Grid
    from survey.imagery.ortho import open_ortho

    ortho = open_ortho(path)
    piece = Grid("EPSG:32643", 500_000.0, 2_700_000.0, 1.0, 1.0, 80, 96)
    ortho.read(piece, ortho.colours[:3])


def boundaries(folder: Path) -> Iterator[Seed]:
    import shapely
    from boundary_cases import DEGREES, DMS_ROWS, RING, geojson, kml, kmz, pairs, pillars, polygon
    from pyogrio.raw import write

    yield "a.kml", kml(pairs(DEGREES, ",3")).encode(), _lease
    yield "a.kmz", kmz(("doc.kml", kml(pairs(DEGREES)))), _lease
    yield "a.geojson", geojson(polygon(DEGREES)).encode(), _lease
    yield "a.csv", pillars().encode(), _lease
    yield "b.csv", ("\ufeff" + pillars(sep=";", comma=True)).encode(), _lease
    yield "c.csv", DMS_ROWS.encode(), _lease
    yield "d.csv", pillars("pillar,easting,northing", RING[:4]).encode("utf-16"), _lease
    geometry = np.array([shapely.to_wkb(shapely.Polygon(RING))], object)
    for name, driver in (("a.gpkg", "GPKG"), ("a.dxf", "DXF")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            columns = ([], []) if driver == "DXF" else ([np.array(["L"], object)], ["name"])
            crs = None if driver == "DXF" else "EPSG:32643"
            write(folder / name, geometry, *columns, driver=driver, crs=crs, geometry_type="Polygon")
        yield name, (folder / name).read_bytes(), _lease
    write(
        folder / "a.shp", geometry, [np.array(["L"], object)], ["name"], driver="ESRI Shapefile",
        crs="EPSG:32643", geometry_type="Polygon",
    )  # fmt: skip
    for ending in ("shp", "dbf", "shx", "prj"):
        yield f"a.{ending}", (folder / f"a.{ending}").read_bytes(), _shape


def _lease(path: Path) -> None:
    from survey.boundary.lease import read_lease

    lease = read_lease(path, crs="EPSG:32643" if path.suffix == ".dxf" or path.name == "d.csv" else None)
    assert lease.polygon.is_valid
    assert 0 < lease.area_ha < 1e7


def _shape(path: Path) -> None:
    _lease(path.with_suffix(".shp"))


def tables(folder: Path) -> Iterator[Seed]:
    from hostile_mine import JOB
    from job_cases import MATERIAL, measured

    from survey.pipelines.template import template

    yield "job.toml", (JOB + MATERIAL.format(2.6)).encode(), _job
    yield "full.toml", template("full").encode(), _job
    yield "gcp.csv", measured().encode(), _points
    yield "gcp2.csv", measured(sep=";", comma=True).encode("cp1252"), _points
    yield "table.csv", ("\ufeffखान,टन\n" + "क,१२.५\n" * 5).encode(), _table
    challans = "challan_no,date,tonnes,lon,lat\n" + "".join(
        f"C{k},2025-01-{k + 1:02d},10.5,75.0,24.4\n" for k in range(9)
    )
    yield "challans.csv", challans.encode(), _challans


def _job(path: Path) -> None:
    from survey.pipelines.job import load_job

    job = load_job(path, check_files=False)
    job.public()
    job.digest()


def _points(path: Path) -> None:
    from survey.dem.opening import open_surface
    from survey.pipelines.checkpoints import heights_at, read_checkpoints

    surface = open_surface(path.parent / "before.tif")
    points = read_checkpoints(str(path), None, surface)
    heights_at(surface, points.east[:50], points.north[:50])


def _table(path: Path) -> None:
    from survey.tables import read_table

    table = read_table(path)
    for column in range(len(table.columns)):
        try:
            table.numbers(column)
        except SurveyError:
            table.text(column)


def _challans(path: Path) -> None:
    from survey.volumetrics.challans import read_challans

    read_challans(path)


def archives(folder: Path) -> Iterator[Seed]:
    from hostile_mine import write_base

    base = write_base(folder / "packed")
    for name, method in (("stored.zip", zipfile.ZIP_STORED), ("deflate.zip", zipfile.ZIP_DEFLATED)):
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", method) as z:
            z.writestr("खान/lease.geojson", (base / "lease.geojson").read_bytes())
            z.writestr("job.toml", (base / "job.toml").read_bytes())
            z.writestr("2025/gcp.csv", "id,easting,northing,elevation\nA,1,2,3\n")
        yield name, held.getvalue(), _delivery
        nested = io.BytesIO()
        with zipfile.ZipFile(nested, "w", zipfile.ZIP_STORED) as z:
            z.writestr("inner.zip", held.getvalue())
        yield f"nested-{name}", nested.getvalue(), _delivery


def _delivery(path: Path) -> None:
    from survey.delivery import guess_roles, open_delivery

    with open_delivery(path) as delivery:
        guess_roles(delivery)
        delivery.hashes(1)


FAMILIES: dict[str, Callable[[Path], Iterator[Seed]]] = {
    "rasters": rasters,
    "boundaries": boundaries,
    "tables": tables,
    "archives": archives,
}


# -- the run ---------------------------------------------------------------------------------------------
def run(family: str, cases: int, seed: int, work: Path, keep: Path | None = None) -> dict[str, Any]:
    """Feed ``cases`` damaged files to the readers of a family; what happened."""
    from hostile_mine import write_base

    warnings.simplefilter("ignore")
    write_base(work)
    seeds = list(FAMILIES[family](work))
    for name, data, _ in seeds:
        (work / name).write_bytes(data)
    for name, _, read in seeds:
        read(work / name)  # sound, and every kernel compiled
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    ended = {"read": 0, "refused": 0}
    faults: list[str] = []
    slowest, which = 0.0, ""
    for case in range(cases):
        rng = np.random.default_rng([seed, len(family), case])
        name, data, read = seeds[int(rng.integers(len(seeds)))]
        other = seeds[int(rng.integers(len(seeds)))][1]
        path = work / name
        bad = damaged(data, other, rng)
        path.write_bytes(bad)
        (work / "last").write_text(f"{family} seed {seed} case {case}: {name}")
        began = time.process_time()
        signal.alarm(HANG_S)
        try:
            read(path)
            ended["read"] += 1
        except SurveyError as error:
            ended["refused"] += 1
            if not str(error).strip() or len(str(error)) > 5000:
                faults.append(f"case {case} {name}: a message of {len(str(error))} characters")
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            faults.append(
                f"case {case} {name}: {type(error).__name__}: {error} ({where.filename}:{where.lineno})"[:400]
            )
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{seed}-{case}-{name}").write_bytes(bad)
        finally:
            signal.alarm(0)
        took = time.process_time() - began
        if took > slowest:
            slowest, which = took, f"case {case} {name}"
        path.write_bytes(data)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "family": family, "cases": cases, "seed": seed, **ended, "faults": faults,
        "slowest_s": round(slowest, 2), "slowest": which, "growth_mb": round((after - before) / 2**20),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=sorted(FAMILIES))
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for files that caused a fault")
    asked = parser.parse_args()
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + ROOM_BYTES, resource.RLIM_INFINITY))
    with tempfile.TemporaryDirectory(prefix="survey-fuzz-") as work:
        print(json.dumps(run(asked.family, asked.cases, asked.seed, Path(work), asked.keep)), flush=True)


if __name__ == "__main__":
    main()
