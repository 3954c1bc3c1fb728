"""Both surveys of a scene of fresh_ground.py, with what flights do wrong, and the cause of every change.

    python benchmarks/fresh_surveys.py 130 150 --out rows.pkl

writes rows as collect_telling.py does, for fit_telling.py.
"""

from __future__ import annotations

import argparse
import json
import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from fresh_confusers import confusers
from fresh_ground import World, fractal
from scipy import ndimage as nd

CAUSES = ("artefact", "digging", "vegetation", "crop", "vehicle or shed", "water", "erosion")


def rgb(w, e, rng):
    k = (w.k1, w.k2)[e]
    z = (w.z1 + w.o1, w.z2 + w.nat2 + w.o2)[e]
    n = w.n
    base = {
        0: rng.uniform([120, 95, 60], [170, 135, 100]),
        2: rng.uniform([165, 130, 95], [215, 195, 170]),
        3: rng.uniform([50, 90, 25], [95, 140, 55]),
        4: rng.uniform([120, 85, 60], [160, 120, 85]),
        5: rng.uniform([30, 55, 20], [60, 90, 40]),
        6: rng.uniform([110, 110, 120], [200, 190, 190]),
        7: rng.uniform([150, 120, 20], [230, 200, 80]),
        8: rng.uniform([30, 50, 45], [120, 125, 95]),
    }
    for kk in (0, 2, 4):  # soils are redder than green and greener than blue
        base[kk][1] = rng.uniform(0.78, 0.9) * base[kk][0]
        base[kk][2] = rng.uniform(0.72, 0.88) * base[kk][1]
    img = np.zeros((3, n, n), np.float32)
    mott = fractal(rng, n, w.f, 2.2)
    scrub = fractal(rng, n, w.f, 2.6, hi=60)
    fine = rng.standard_normal((n, n))
    for kk, c in base.items():
        m = k == kk
        if m.any():
            for b in range(3):
                img[b][m] = c[b]
    g = (k == 0) & (scrub > rng.uniform(0.0, 1.2))
    for b, c in enumerate((105, 110, 62)):
        img[b][g] = c
    gy, gx = np.gradient(nd.gaussian_filter(z, 0.7), w.f)
    az = rng.uniform(1.2, 5)
    el = np.radians(rng.uniform(35, 75))
    sh = np.clip(
        (np.sin(el) + np.cos(el) * (gx * np.sin(az) + gy * np.cos(az))) / np.sqrt(1 + gx**2 + gy**2),
        0.15,
        1.4,
    ) / np.sin(el)
    water = k == 8
    sh[water] = 1
    mott[water] *= 0.2
    fine[water] *= 0.2
    img *= (sh * (1 + 0.08 * mott + 0.04 * fine))[None]
    img *= rng.uniform(0.8, 1.15)
    return img


def fly(w, out, e, ortho, dtm, rng, crs, cell, art):
    """One epoch: DEM (and orthomosaic) files with everything that is wrong with them."""
    import rasterio
    from pyproj import Transformer
    from rasterio.transform import from_origin

    _n, f = w.n, w.f
    g = (w.z1, w.z2 + w.nat2)[e]
    o = (w.o1, w.o2)[e]
    wl = (w.w1, w.w2)[e]
    dsm = g + o
    wet = np.isfinite(wl)
    dsm = np.where(wet & (wl > dsm), wl, dsm)
    size = w.size
    x0, y1 = w.e0, w.n1
    ext = 8.0
    if crs == w.epsg1:
        b = (x0 + ext, y1 - size + ext, x0 + size - ext, y1 - ext)
        T = None
    else:
        F = Transformer.from_crs(w.epsg1, crs, always_xy=True)
        T = Transformer.from_crs(crs, w.epsg1, always_xy=True)
        xs, ys = F.transform([x0, x0 + size, x0, x0 + size], [y1, y1, y1 - size, y1 - size])
        b = (min(xs), min(ys), max(xs), max(ys))
    ox, oy = rng.uniform(0, cell, 2)

    def grid(c):
        W = int((b[2] - b[0]) / c)
        H = int((b[3] - b[1]) / c)
        tx, ty = b[0] + ox, b[3] - oy
        X, Y = np.meshgrid(tx + (np.arange(W) + 0.5) * c, ty - (np.arange(H) + 0.5) * c)
        if T is not None:
            X, Y = T.transform(X, Y)
        return W, H, from_origin(tx, ty, c, c), X, Y

    W, H, tr, X, Y = grid(cell)
    sx, sy = art["shift"]

    def samp(a, X, Y, order=1, c=cell):
        if c > 1.2 * f:
            a = nd.gaussian_filter(a, 0.38 * c / f)
        return nd.map_coordinates(
            a, [(y1 - (Y - sy)) / f - 0.5, (X - sx - x0) / f - 0.5], order=order, mode="nearest"
        )

    u, v = (X - x0) / size - 0.5, (Y - y1) / size + 0.5
    slope = np.hypot(*np.gradient(samp(nd.gaussian_filter(g, 1.5 / f), X, Y), cell))

    def corr(r, sd):
        k = max(8, int(size / r * 3))
        a = nd.gaussian_filter(rng.standard_normal((k + 20, k + 20)), 1.5)
        a /= a.std()
        return sd * nd.map_coordinates(a, [(0.5 - v) * k + 10, (u + 0.5) * k + 10], order=3, mode="nearest")

    def err():
        return (
            rng.standard_normal(X.shape) * art["white"]
            + corr(art["r1"], art["s1"])
            + corr(art["r2"], art["s2"])
        ) * (1 + 0.8 * slope)

    sys_ = art["bias"] + art["tilt"][0] * u + art["tilt"][1] * v + art["dome"] * ((u * u + v * v) * 4 - 0.6)
    valid = np.ones(X.shape, bool)
    rot = rng.uniform(-0.12, 0.12)
    uu, vv = u * np.cos(rot) + v * np.sin(rot), -u * np.sin(rot) + v * np.cos(rot)
    valid &= (
        (np.abs(uu) < 0.47)
        & (np.abs(vv) < 0.47)
        & (x0 + 2 < X)
        & (x0 + size - 2 > X)
        & (y1 - 2 > Y)
        & (y1 - size + 2 < Y)
    )
    e_ = err()
    z = samp(dsm, X, Y) + e_ + sys_
    wv = samp(wet.astype(float), X, Y) > 0.5
    if art["water"] == "noisy":
        z = np.where(wv, z + corr(6, 0.25), z)
    elif art["water"] == "hole":
        valid &= ~nd.binary_erosion(wv, iterations=2)
    if art["seam"]:
        th = rng.uniform(0, 6.28)
        z += np.where(u * np.cos(th) + v * np.sin(th) > rng.uniform(-0.2, 0.2), art["seam"], 0)
    if art["edge"]:
        de = nd.distance_transform_edt(np.pad(valid, 1))[1:-1, 1:-1] * cell
        z += np.clip(1 - de / 12, 0, 1) ** 2 * corr(10, art["edge"])
    for _ in range(art["spikes"]):
        i, j = rng.integers(0, H), rng.integers(0, W)
        r = rng.integers(1, 3)
        z[i : i + r, j : j + r] += rng.choice([-1, 1]) * rng.uniform(1, 12)
    art["holes_at"] = []
    for _ in range(art["fillholes"]):  # the software filled a hole from its rim
        for _t in range(10):
            r = rng.uniform(5, 22)
            i, j = rng.integers(40, H - 40), rng.integers(40, W - 40)
            k = int(r / cell) + 1
            sl = (slice(max(i - 2 * k, 0), i + 2 * k), slice(max(j - 2 * k, 0), j + 2 * k))
            yy, xx = np.mgrid[sl]
            hm = np.hypot((yy - i) * 1.3, xx - j) * cell < r * (
                1 + 0.2 * np.cos(3 * np.arctan2(yy - i, xx - j))
            )
            mi, mj = int((y1 - Y[i, j]) / f), int((X[i, j] - x0) / f)
            kk = int((r + 4) / f)
            loc = np.abs(w.dz[max(mi - kk, 0) : mi + kk, max(mj - kk, 0) : mj + kk])
            if loc.size and loc.max() < 0.02 and valid[sl].all():
                break
        else:
            continue
        zz = z[sl]
        ring = nd.binary_dilation(hm, iterations=2) & ~hm
        pts = np.argwhere(ring)
        from scipy.interpolate import LinearNDInterpolator

        keep = pts[rng.choice(len(pts), min(len(pts), 40), replace=False)]
        L = LinearNDInterpolator(keep, zz[keep[:, 0], keep[:, 1]])
        q = L(np.argwhere(hm))
        cur = zz[hm]
        zz[hm] = np.where(np.isfinite(q), q, cur)
        art["holes_at"].append([float(X[i, j]), float(Y[i, j]), float(r)])

    def write(path, a, tr, count=1, dtype="float32", nodata=-9999.0):
        kw = {
            "driver": "GTiff",
            "height": a.shape[-2],
            "width": a.shape[-1],
            "count": count,
            "dtype": dtype,
            "crs": f"EPSG:{crs}",
            "transform": tr,
            "nodata": nodata,
            "tiled": True,
            "compress": "deflate",
            "blockxsize": 256,
            "blockysize": 256,
        }
        with rasterio.open(path, "w", **kw) as d:
            d.write(a.astype(dtype) if a.ndim == 3 else a.astype(dtype)[None])

    if art["round"]:
        z = np.round(z / art["round"]) * art["round"]
    write(out / f"dsm{e + 1}.tif", np.where(valid, z, -9999.0), tr)
    if dtm:
        d = samp(g, X, Y)
        tree = samp(np.where((w.k1, w.k2)[e] == 5, o, 0), X, Y)
        wz = samp(np.where(wet, np.nan_to_num(wl), g), X, Y)
        d = np.where(wv, wz, d) + nd.gaussian_filter(tree, 2 / cell) * 0.05
        write(out / f"dtm{e + 1}.tif", np.where(valid, d + e_ * 0.9 + sys_, -9999.0), tr)
    if ortho:
        c = max(cell * rng.choice([0.5, 1.0]), f)
        W, H, tr2, X, Y = grid(c)
        img = rgb(w, e, rng)
        a = np.stack([samp(q.astype(float), X, Y, c=c) for q in img])
        a = np.clip(a, 1, 255)
        uu = (X - x0) / size - 0.5
        vv = (Y - y1) / size + 0.5
        r1, r2 = uu * np.cos(rot) + vv * np.sin(rot), -uu * np.sin(rot) + vv * np.cos(rot)
        a[:, (np.abs(r1) > 0.47) | (np.abs(r2) > 0.47)] = 0
        write(out / f"ortho{e + 1}.tif", a, tr2, 3, "uint8", 0)
    return rot


def lease_file(w, out, kind, rng):
    from pyproj import Transformer

    E, N = w.e0 + w.lease[:, 0], w.n1 - w.lease[:, 1]
    lon, lat = Transformer.from_crs(w.epsg1, 4326, always_xy=True).transform(E, N)
    ring = [[a, b] for a, b in zip(lon, lat, strict=False)]
    ring.append(ring[0])
    if kind == "kml":
        p = out / "lease.kml"
        c = " ".join(f"{a:.9f},{b:.9f},0" for a, b in ring)
        p.write_text(
            f'<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark><name>Lease</name><Polygon><outerBoundaryIs><LinearRing><coordinates>{c}</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></Document></kml>'
        )
    elif kind == "geojson":
        p = out / "lease.geojson"
        p.write_text(
            json.dumps(
                {
                    "type": "FeatureCollection",
                    "features": [
                        {
                            "type": "Feature",
                            "properties": {"name": "L"},
                            "geometry": {"type": "Polygon", "coordinates": [ring]},
                        }
                    ],
                }
            )
        )
    elif kind == "csv":
        p = out / "lease.csv"
        p.write_text(
            "pillar,easting,northing\n"
            + "".join(f"P{i + 1},{a:.3f},{b:.3f}\n" for i, (a, b) in enumerate(zip(E, N, strict=False)))
        )
    else:
        import pyogrio.raw
        import shapely

        p = out / "lease.shp"
        pyogrio.raw.write(
            str(p),
            geometry=np.array([shapely.to_wkb(shapely.Polygon(np.c_[E, N]))], dtype=object),
            field_data=[np.array(["L"], dtype=object)],
            fields=["name"],
            geometry_type="Polygon",
            crs=f"EPSG:{w.epsg1}",
            driver="ESRI Shapefile",
        )
    return p.name


def make(seed, root):
    out = Path(root) / f"s{seed:04d}"
    out.mkdir(parents=True, exist_ok=True)
    w = World(seed)
    confusers(w)
    rng = np.random.default_rng([77, seed])
    arts = []
    dtm = rng.random() < 0.2
    om = rng.choice(["both", "both", "first", "second", "none"])
    for e in (0, 1):
        lv = rng.uniform(0.6, 1.5)
        c = (w.c1, w.c2)[e]
        arts.append(
            {
                "white": 0.025 * lv,
                "s1": 0.02 * lv,
                "r1": rng.uniform(8, 25),
                "s2": 0.025 * lv,
                "r2": rng.uniform(40, 150),
                "bias": rng.uniform(-0.4, 0.4) * e,
                "tilt": list(rng.uniform(-0.15, 0.15, 2) * e),
                "dome": float(rng.uniform(-0.15, 0.15)) * (rng.random() < 0.6),
                "shift": list(rng.uniform(-1.2, 1.2, 2) * c) if e and rng.random() < 0.7 else [0.0, 0.0],
                "water": rng.choice(["flat", "noisy", "hole"]),
                "seam": rng.choice([0, 0, 0, 0.06, 0.1]),
                "edge": rng.choice([0, 0, 0.2, 0.6]),
                "spikes": int(rng.integers(0, 6)),
                "fillholes": int(rng.choice([0, 0, 1, 2])),
                "round": rng.choice([0, 0, 0.01]),
            }
        )
    ort = [om in ("both", "first"), om in ("both", "second")]
    for e in (0, 1):
        fly(w, out, e, ort[e], dtm, rng, (w.epsg1, w.epsg2)[e], (w.c1, w.c2)[e], arts[e])
    lk = rng.choice(["kml", "geojson", "csv", "shp"])
    lf = lease_file(w, out, lk, rng)
    crs = f'\ncrs = "EPSG:{w.epsg1}"' if lk == "csv" else ""

    def sv(e, d):
        return (
            f'[[survey]]\ndate = {d}\nheight = "EGM2008"\ndem = "dsm{e + 1}.tif"\n'
            + (f'dtm = "dtm{e + 1}.tif"\n' if dtm else "")
            + (f'ortho = "ortho{e + 1}.tif"\n' if ort[e] else "")
        )

    def head(i):
        return f'[job]\nid = "{i}"\n[lease]\nboundary = "{lf}"\nboundary_sigma_m = 0.3{crs}\n'

    (out / "two.toml").write_text(head("two") + sv(0, "2024-03-10") + sv(1, "2025-03-20"))
    (out / "one.toml").write_text(head("one") + sv(1, "2025-03-20"))
    sig = np.sqrt(sum(a["white"] ** 2 + a["s1"] ** 2 + a["s2"] ** 2 for a in arts))
    np.savez_compressed(
        out / "truth.npz",
        lab=w.lab.astype(np.int16),
        dz=w.dz.astype(np.float32),
        nat=w.nat.astype(np.float32),
        z1=w.z1.astype(np.float32),
        z2=w.z2.astype(np.float32),
        inl=w.inl,
        dist=w.dist.astype(np.float32),
        k1=w.k1,
        k2=w.k2,
        o1=w.o1.astype(np.float32),
        o2=w.o2.astype(np.float32),
        wet=np.isfinite(w.w2) | np.isfinite(w.w1),
    )
    js = {
        "seed": seed,
        "style": str(w.style),
        "c1": w.c1,
        "c2": w.c2,
        "f": w.f,
        "n": w.n,
        "e0": w.e0,
        "n1": w.n1,
        "epsg1": w.epsg1,
        "epsg2": w.epsg2,
        "dtm": bool(dtm),
        "ortho": str(om),
        "sigma": float(sig),
        "arts": arts,
        "lease": lk,
        "conf": w.conf,
        "truth": w.truth,
        "size": w.size,
        "crs": crs,
    }
    (out / "truth.json").write_text(json.dumps(js, default=lambda o: o.item()))
    return out, w


def causes(w):
    """Index into CAUSES of what changed each cell."""
    out = np.zeros((w.n, w.n), np.uint8)
    change = w.o2 - w.o1
    higher = np.where(change > 0, w.k2, w.k1)
    for cover, cause in ((3, 3), (5, 2), (6, 4), (7, 4)):
        out[(np.abs(change) > 0.05) & (higher == cover)] = cause
    out[w.nat2 < -0.05] = 6
    out[(np.isfinite(w.w1) | np.isfinite(w.w2)) & (out == 0)] = 5
    out[np.abs(w.dz) > 0.03] = 1
    return out


def cause_in(w, of_cells, outline):
    """What lies under most of an outline; None where a site is in it that makes up less than two fifths."""
    from shapely import contains_xy

    west, south, east, north = outline.bounds
    rows = slice(max(int((w.n1 - north) / w.f) - 1, 0), int((w.n1 - south) / w.f) + 2)
    cols = slice(max(int((west - w.e0) / w.f) - 1, 0), int((east - w.e0) / w.f) + 2)
    x, y = np.meshgrid(w.e0 + (np.arange(w.n)[cols] + 0.5) * w.f, w.n1 - (np.arange(w.n)[rows] + 0.5) * w.f)
    share = np.bincount(of_cells[rows, cols][contains_xy(outline, x, y)], minlength=7).astype(float)
    share /= max(share.sum(), 1.0)
    if share[1] > 0.25:
        return "digging" if share[1] > 0.4 else None
    most = int(share[2:].argmax()) + 2
    return CAUSES[most] if share[most] > 0.3 else CAUSES[0]


def rows_of(seed: int) -> list[dict[str, Any]]:
    """Evidence on each region of a scene, with what it is, as collect_telling.py has it."""
    from collect_telling import rows_of as rows

    with tempfile.TemporaryDirectory(prefix="fresh-") as name:
        folder, w = make(seed, name)
        of_cells = causes(w)
        return rows(folder / "two.toml", lambda o, _sign: cause_in(w, of_cells, o), f"fresh-{seed}", seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int, help="one past the last")
    parser.add_argument("--out", type=Path, required=True, help="what it holds of earlier runs is kept")
    given = parser.parse_args()
    kept = pickle.loads(given.out.read_bytes()) if given.out.exists() else []
    done = {row["scene"] for row in kept}
    for seed in range(given.first, given.last):
        if seed not in done:
            kept += rows_of(seed) or [{"scene": seed, "class": None}]
            given.out.write_bytes(pickle.dumps(kept))


if __name__ == "__main__":
    main()
