"""Job files, dates, densities, check points, orthomosaics and places for results, as strangers give them."""

# ruff: noqa: E501  (a case is a line)

from __future__ import annotations

import os

import numpy as np
from affine import Affine
from hostile_mine import ACCEPT, CRS, FLAG, NORTH, REFUSE, WEST, Case, Mine, heights

MATERIAL = "\n[material]\nin_situ_density_t_m3 = {}\n"


def job(old: str, new: str):
    return lambda m: m.edit(old, new)


def add(text: str):
    return lambda m: m.text("job.toml", m.job.read_text(encoding="utf-8") + text)


def whole(content: str | bytes):
    return lambda m: m.text("job.toml", content)


def density(value: str):
    return add(MATERIAL.format(value))


def later(value: str):
    return job("date = 2025-04-20", f"date = {value}")


def link(m: Mine):
    (m.folder / "after.tif").unlink()
    os.symlink("/etc/hostname", m.folder / "after.tif")


# -- orthomosaics ----------------------------------------------------------------------------------------
def photograph(m: Mine, name: str = "ortho.tif", bands: int = 3, **header):
    z = heights(2, True)
    down, east = np.gradient(z)
    light = np.clip(150 + 60 * (east - down), 1, 255)
    rng = np.random.default_rng(9)
    data = np.stack([light + rng.normal(0, 4, z.shape) for _ in range(bands)]).clip(1, 255)
    kind = header.pop("dtype", "uint8")
    m.raster(name, data.astype(kind), nodata=header.pop("nodata", None), **header)
    if bands == 3:
        import rasterio
        from rasterio.enums import ColorInterp

        if header.get("photometric") is None and header.get("compress") != "jpeg":
            with rasterio.open(m.folder / name, "r+") as out:
                out.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    return m.edit('dem = "after.tif"', f'dem = "after.tif"\northo = "{name}"')


def ortho(**header):
    return lambda m: photograph(m, **header)


def ortho_beside(m: Mine):
    from pyproj import CRS as PROJ

    photograph(m, crs=None, transform=Affine.identity())
    m.text("ortho.tfw", f"1.0\n0.0\n0.0\n-1.0\n{WEST + 0.5}\n{NORTH - 0.5}\n")
    m.text("ortho.prj", PROJ.from_user_input(CRS).to_wkt("WKT1_ESRI"))


def broken_ortho(m: Mine):
    photograph(m)
    data = (m.folder / "ortho.tif").read_bytes()
    m.text("ortho.tif", data[: len(data) // 2])


def ortho_is_dem(m: Mine):
    m.edit('dem = "after.tif"', 'dem = "after.tif"\northo = "after.tif"')


# -- check points ----------------------------------------------------------------------------------------
def points(lines: str | bytes, where: str = "after"):
    def change(m: Mine):
        m.text("gcp.csv", lines)
        m.edit(f'dem = "{where}.tif"', f'dem = "{where}.tif"\ncheckpoints = "gcp.csv"')

    return change


def measured(
    header: str = "id,easting,northing,elevation", sep: str = ",", comma: bool = False, **off: float
) -> str:
    z = heights(2, True) if off.get("dug", 1) else heights(1, False)
    out = [header.replace(",", sep)]
    for k, (row, col) in enumerate(((12, 15), (20, 120), (130, 20), (125, 130), (60, 12), (15, 70)), 1):
        cells = [
            f"C{k}",
            f"{WEST + col + 0.5 + off.get('east', 0):.3f}",
            f"{NORTH - row - 0.5:.3f}",
            f"{(z[row, col] + off.get('up', 0)) * off.get('unit', 1):.3f}",
        ]
        if comma:
            cells = [c.replace(".", ",") for c in cells]
        out.append(sep.join(cells))
    return "\n".join(out) + "\n"


# -- results ---------------------------------------------------------------------------------------------
def out_is_file(m: Mine):
    m.out.write_text("kept")


def out_in_file(m: Mine):
    m.out.write_text("kept")
    m.out = m.out / "deeper"


def out_in_proc(m: Mine):
    from pathlib import Path

    m.out = Path("/proc/survey")


def other_run(m: Mine):
    folder = m.out / "H-1"
    folder.mkdir(parents=True)
    (folder / "thesis.doc").write_text("years of work")


CASES = [
    # the job file
    Case("job-empty", "an empty job file", REFUSE, whole("")),
    Case("job-not-toml", "JSON as job file", REFUSE, whole('{"job": {"id": "x"}}'), "toml"),
    Case("job-utf16", "UTF-16", REFUSE, lambda m: m.text("job.toml", m.job.read_text(encoding="utf-8").encode("utf-16")), "UTF-16"),
    Case("job-bom", "a byte order mark", ACCEPT, lambda m: m.text("job.toml", b"\xef\xbb\xbf" + m.job.read_bytes())),
    Case("job-crlf", "line ends of Windows", ACCEPT, lambda m: m.text("job.toml", m.job.read_bytes().replace(b"\n", b"\r\n"))),
    Case("job-1252", "Windows-1252", REFUSE, lambda m: m.text("job.toml", m.job.read_bytes() + b'[mine]\nname = "Gr\xfcn"\n'), "UTF-8"),
    Case("job-zeros", "null bytes", REFUSE, whole(b"\0" * 100), "job.toml"),
    Case("job-large", "300 kB", REFUSE, add("\n# " + "x" * 300_000), "KiB"),
    Case("job-dots", "a key of 100,000 dots", REFUSE, add("\n" + "a." * 100_000 + "a = 1\n"), "dots"),
    Case("job-deep", "brackets 10,000 deep", REFUSE, add("\nx = " + "[" * 10_000), "job.toml"),
    Case("job-key", "a misspelt key", REFUSE, job('dem = "after.tif"', 'dmm = "after.tif"'), "nearest"),
    Case("job-twice", "a key twice", REFUSE, add('height = "EGM96"\n'), "job.toml"),
    Case("job-type", "a number for a file", REFUSE, job('dem = "after.tif"', "dem = 7"), "dem"),
    Case("job-unfilled", 'a "?" left', REFUSE, job('"EGM2008"', '"?"'), "filled in"),
    Case("job-no-lease", "no lease", REFUSE, job('[lease]\nboundary = "lease.geojson"\n', ""), "lease"),
    Case("job-one-survey", "one survey for a comparison", REFUSE, lambda m: m.text("job.toml", m.job.read_text().rpartition("[[survey]]")[0]), "two surveys"),
    Case("job-no-survey", "no survey", REFUSE, lambda m: m.text("job.toml", m.job.read_text().partition("[[survey]]")[0]), "survey"),
    Case("job-id-path", "an id that is a path", REFUSE, job('"H-1"', '"../../H-1"'), "id"),
    Case("job-id-empty", "no id", REFUSE, job('id = "H-1"\n', ""), "id"),
    Case("job-id-hindi", "an id in Hindi", REFUSE, job('"H-1"', '"खान-१"'), "id"),
    Case("job-id-long", "an id of 500 letters", REFUSE, job('"H-1"', '"' + "a" * 500 + '"'), "id"),
    Case("job-regime", "an unknown law", REFUSE, job('"rajasthan"', '"goa"'), "regime"),
    Case("job-outside", "a path out of the job's folder", REFUSE, job('"after.tif"', '"../../../etc/passwd"'), "folder"),
    Case("job-absolute", "an absolute path", REFUSE, job('"after.tif"', '"/etc/passwd"'), "folder"),
    Case("job-link", "a link out of the job's folder", REFUSE, link, "outside the folder"),
    Case("job-url", "a network address as file", REFUSE, job('"after.tif"', '"https://example.org/a.tif"'), ""),
    Case("job-vsi", "a virtual file system of GDAL as file", REFUSE, job('"after.tif"', '"/vsicurl/https://example.org/a.tif"'), ""),
    Case("job-crs", "a reference system that does not exist", REFUSE, job('dem = "after.tif"', 'dem = "after.tif"\ncrs = "EPSG:999999"'), "EPSG:999999"),
    Case("job-crs-number", "a reference system as number", REFUSE, job('dem = "after.tif"', 'dem = "after.tif"\ncrs = 32643'), "EPSG:32643"),
    Case("job-crs-proj", "a reference system as PROJ text that names a file", REFUSE, job('dem = "after.tif"', 'dem = "after.tif"\ncrs = "+proj=longlat +nadgrids=/etc/passwd"'), "crs"),
    Case("job-crs-other", "the job and the file name different systems", FLAG, job('dem = "after.tif"', 'dem = "after.tif"\ncrs = "EPSG:32644"'), "another reference system"),
    Case("job-height", "an unknown height system", REFUSE, job('"EGM2008"', '"sea"'), "height"),
    Case("job-sigma", "a negative uncertainty", REFUSE, job("[lease]", "[lease]\nboundary_sigma_m = -1"), "boundary_sigma_m"),
    Case("job-nan", "not a number", REFUSE, job("[lease]", "[lease]\nboundary_sigma_m = nan"), "boundary_sigma_m"),
    Case("job-area", "a smallest site of less than nothing", REFUSE, add("[detect]\nmin_area_m2 = -4\n"), "min_area_m2"),
    Case("job-missing", "no such job file", REFUSE, lambda m: m.job.unlink(), "job.toml"),
    Case("job-folder", "a folder as job file", REFUSE, lambda m: (m.job.unlink(), m.job.mkdir()), ""),
    Case("job-raster", "a raster as job file", REFUSE, lambda m: m.text("job.toml", (m.folder / "before.tif").read_bytes()), "is a raster"),
    # dates
    Case("date-swapped", "the later survey first", REFUSE, lambda m: m.edit("2024-04-20", "2026-04-20"), "order"),
    Case("date-same", "both surveys on one day", REFUSE, later("2024-04-20"), "same date"),
    Case("date-indian", "day/month/year", REFUSE, later('"20/04/2025"'), "year-month-day"),
    Case("date-none", "a day that does not exist", REFUSE, later('"2025-02-30"'), "date"),
    Case("date-word", "a word", REFUSE, later('"last April"'), "date"),
    Case("date-number", "a number", REFUSE, later("20250420"), "date"),
    Case("date-bool", "true", REFUSE, later("true"), "date"),
    Case("date-time", "a date with an hour", REFUSE, later("2025-04-20T10:00:00"), "time of day"),
    Case("date-text", "a date as text", ACCEPT, later('"2025-04-20"')),
    Case("date-future", "a day to come", REFUSE, later("2098-04-20"), "still to come"),
    Case("date-ancient", "the year 25", REFUSE, later("0025-04-20"), "1950"),
    Case("date-left-out", "no date", REFUSE, job("date = 2025-04-20\n", ""), "date"),
    Case("date-filed-before", "filed before it was flown", REFUSE, later("2025-04-20\nfiled = 2025-04-01"), "filed"),
    Case("date-file-older", "a file that was written before its flight", FLAG, lambda m: m.after(tags={"TIFFTAG_DATETIME": "2024:05:02 10:00:00"}), "before the survey"),
    # densities
    Case("density-negative", "less than nothing", REFUSE, density("-2.6"), "in_situ_density_t_m3"),
    Case("density-zero", "zero", REFUSE, density("0"), "in_situ_density_t_m3"),
    Case("density-kg", "2600, in kg/m³", REFUSE, density("2600"), "in_situ_density_t_m3"),
    Case("density-inf", "infinite", REFUSE, density("inf"), "in_situ_density_t_m3"),
    Case("density-text", '"2.6"', REFUSE, density('"2.6"'), "in_situ_density_t_m3"),
    Case("density-comma", "a decimal comma", REFUSE, density("2,6"), "job.toml"),
    Case("density-plain", "2.6", ACCEPT, density("2.6")),
    Case("swell-negative", "a swell below zero", REFUSE, add("\n[material]\nswell = -0.5\n"), "swell"),
    # check points
    Case("points-good", "check points of the later survey", ACCEPT, points(measured())),
    Case("points-semicolon", "check points with semicolons, decimal commas and a mark", ACCEPT, points(("\ufeff" + measured(sep=";", comma=True)).encode())),
    Case("points-empty", "an empty file", REFUSE, points(b""), "gcp.csv"),
    Case("points-header", "nothing but names of columns", REFUSE, points("id,easting,northing,elevation\n"), "gcp.csv"),
    Case("points-no-height", "no elevations", REFUSE, points("id,easting,northing\nC1,500010,2699990\n"), "gcp.csv"),
    Case("points-words", "an elevation that is no number", REFUSE, points(measured().replace("C3,", "C3,x")), "gcp.csv"),
    Case("points-elsewhere", "check points of another place", FLAG, points(measured(east=5000.0)), "gcp.csv"),
    Case("points-47-off", "check points 47 m above the surface", FLAG, points(measured(up=47.0)), "gcp.csv"),
    Case("points-feet", "elevations in feet", FLAG, points(measured(unit=1 / 0.3048)), "gcp.csv"),
    Case("points-tie-2", "the later survey's check points 2 m too high", FLAG, lambda m: (points(measured(up=2.0))(m), m.text("gcp0.csv", measured(dug=0)), m.edit('dem = "before.tif"', 'dem = "before.tif"\ncheckpoints = "gcp0.csv"')), "check points ask"),
    Case("points-binary", "a raster as check points", REFUSE, lambda m: points((m.folder / "after.tif").read_bytes())(m), "gcp.csv"),
    Case("points-missing", "no such file", REFUSE, job('dem = "after.tif"', 'dem = "after.tif"\ncheckpoints = "gcp.csv"'), "gcp.csv"),
    # orthomosaics
    Case("ortho-rgb", "an orthomosaic", ACCEPT, ortho()),
    Case("ortho-alpha", "with a fourth band that says where it was seen", ACCEPT, ortho(bands=4)),
    Case("ortho-jpeg", "as JPEG", ACCEPT, ortho(compress="jpeg", tiled=True, blockxsize=64, blockysize=64, photometric="ycbcr")),
    Case("ortho-16", "16 bits", ACCEPT, ortho(dtype="uint16")),
    Case("ortho-zone", "in the neighbouring zone", ACCEPT, ortho(crs="EPSG:32644", transform=Affine(1, 0, -108_000, 0, -1, NORTH + 18_000))),
    Case("ortho-grey", "one grey band", FLAG, ortho(bands=1), "ortho"),
    Case("ortho-no-crs", "without a system: the elevation model's is taken", ACCEPT, ortho(crs=None)),
    Case("ortho-world", "placed by a world file and a .prj beside it", ACCEPT, ortho_beside),
    Case("ortho-local", "in a system not tied to the Earth", FLAG, ortho(crs='LOCAL_CS["mine grid",UNIT["metre",1]]'), "ortho.tif"),
    Case("ortho-elsewhere", "of another place", FLAG, ortho(transform=Affine(1, 0, WEST + 9000, 0, -1, NORTH)), "ortho"),
    Case("ortho-broken", "cut off", FLAG, broken_ortho, "ortho.tif"),
    Case("ortho-text", "a text", FLAG, lambda m: (photograph(m), m.text("ortho.tif", "hello\n" * 50)), "ortho.tif"),
    Case("ortho-is-dem", "the elevation model sent as orthomosaic", FLAG, ortho_is_dem, "after.tif"),
    Case("ortho-missing", "no such file", REFUSE, job('dem = "after.tif"', 'dem = "after.tif"\northo = "ortho.tif"'), "ortho.tif"),
    # the place for results
    Case("out-file", "results into a file", REFUSE, out_is_file, "runs"),
    Case("out-under-file", "results into a folder under a file", REFUSE, out_in_file, "deeper"),
    Case("out-forbidden", "results where nothing can be written", REFUSE, out_in_proc, "cannot"),
    Case("out-other", "a folder of somebody else's work in the run's place", REFUSE, other_run, "H-1"),
]  # fmt: skip
