"""What changes between two surveys and is no digging, in the scenes of fresh_ground.py."""

from __future__ import annotations

import numpy as np
from fresh_ground import World, fractal
from scipy import ndimage as nd


def confusers(s: World) -> None:
    rng = s.rng
    n, f = s.n, s.f
    s.o1 = np.zeros((n, n))
    s.o2 = np.zeros((n, n))
    s.k1 = s.cover.copy()
    s.k2 = s.cover2.copy()
    s.w1 = np.full((n, n), np.nan)
    s.w2 = np.full((n, n), np.nan)
    s.nat2 = np.zeros((n, n))
    s.conf = []
    active = nd.binary_dilation(np.abs(s.dz) > 0.02, iterations=int(2 / f)) | (s.cover == 2)
    # crops
    if s.fields.max():
        ids = np.unique(s.fields)[1:]
        season = rng.random() < 0.5
        for i in ids:
            q = rng.random()
            h1 = h2 = 0.0
            if q < 0.5:
                h1 = h2 = 0
            elif q < 0.7:
                h1, h2 = rng.uniform(0.1, 0.9), 0
            elif q < 0.9:
                h1, h2 = 0, rng.uniform(0.1, 0.9)
            elif q < 0.93:
                h1, h2 = (rng.uniform(1, 2.5), 0) if rng.random() < 0.5 else (0, rng.uniform(1, 2.5))
            if season and q > 0.7:
                h2 = 0
            m = (s.fields == i) & ~active
            if h1:
                s.o1[m] = h1
                s.k1[m] = 3
            if h2:
                s.o2[m] = h2
                s.k2[m] = 3
            if q < 0.5 and rng.random() < 0.5:
                s.k1[m] = 4
            if q < 0.5 and rng.random() < 0.5:
                s.k2[m] = 4
        rough = fractal(rng, n, f, 1.5, hi=4)
        s.o1 *= 1 + 0.12 * rough
        s.o2 *= 1 + 0.12 * fractal(rng, n, f, 1.5, hi=4)
    # trees
    dens = fractal(rng, n, f, 3.2)
    nt = int((s.size / 100) ** 2 * rng.uniform(3, 25))
    fell = rng.random() < 0.4
    fx, fy, fr = *rng.uniform(50, s.size - 50, 2), rng.uniform(15, 45)
    treedmask = np.zeros((n, n), bool)
    for a, b in s.treed:
        treedmask[a] |= b
    for _ in range(nt):
        x, y = rng.uniform(3, s.size - 3, 2)
        i, j = int(y / f), int(x / f)
        if dens[i, j] < rng.uniform(-1.5, 1):
            continue
        if active[i, j] and not treedmask[i, j]:
            continue
        r = np.exp(rng.uniform(np.log(0.8), np.log(4.5)))
        h = r * rng.uniform(1.3, 2.6)
        R = int(r / f) + 2
        sl = (slice(max(i - R, 0), i + R + 1), slice(max(j - R, 0), j + R + 1))
        yy, xx = s.gy[sl] - y, s.gx[sl] - x
        d = np.hypot(xx, yy) / (r * (1 + 0.15 * np.cos(3 * np.arctan2(yy, xx) + rng.uniform(0, 6))))
        crown = np.where(d < 1, h * (0.35 + 0.65 * np.sqrt(np.clip(1 - d * d, 0, 1))), 0)
        crown = crown * (1 + 0.08 * rng.standard_normal(crown.shape))
        if active[sl][d < 1].any() and not treedmask[i, j]:
            continue
        infell = fell and np.hypot(x - fx, y - fy) < fr
        q = rng.random()
        e1 = e2 = 1.0
        if treedmask[i, j] or infell or q < 0.08:
            e2 = 0
        elif q < 0.16:
            e1 = 0
        else:
            e2 = rng.uniform(0.95, 1.15)
        if e1:
            s.o1[sl] = np.maximum(s.o1[sl], crown * e1)
            s.k1[sl][d < 1] = 5
        if e2:
            s.o2[sl] = np.maximum(s.o2[sl], crown * e2)
            s.k2[sl][d < 1] = 5
        if e1 != e2 and (e1 == 0 or e2 == 0):
            s.conf.append(("tree", x, y))
    # sheds, houses
    for _ in range(rng.integers(2, 14)):
        w, l, h = rng.uniform(4, 12), rng.uniform(6, 26), rng.uniform(2.6, 6)
        e = rng.choice([0, 0, 0, 1, 2])  # 1 gone, 2 new
        got = s.place(max(w, l) * 0.7, gap=2, slope=0.15)
        if not got:
            continue
        sl, m = got
        x, y = s.gx[sl][m].mean(), s.gy[sl][m].mean()
        th = rng.uniform(0, 3.14)
        u = (s.gx[sl] - x) * np.cos(th) + (s.gy[sl] - y) * np.sin(th)
        v = -(s.gx[sl] - x) * np.sin(th) + (s.gy[sl] - y) * np.cos(th)
        b = (np.abs(u) < l / 2) & (np.abs(v) < w / 2)
        base = s.z2[sl][b].max() if b.any() else 0
        roof = base + h - (np.abs(v) * rng.choice([0, 0.25, 0.4]))
        if e != 2:
            s.o1[sl] = np.where(b, roof - s.z1[sl], s.o1[sl])
            s.k1[sl][b] = 6
        if e != 1:
            s.o2[sl] = np.where(b, roof - s.z2[sl], s.o2[sl])
            s.k2[sl][b] = 6
        s.busy[sl] |= nd.binary_dilation(b, iterations=int(2 / f))
        if e:
            s.conf.append(("shed", x, y))
    # vehicles: trucks, excavators, in either epoch, mostly in and near the mine
    for _ in range(rng.integers(3, 25)):
        w, l, h = rng.uniform(1.8, 3.4), rng.uniform(4, 10), rng.uniform(1.5, 3.6)
        x, y = np.array(s.mc) + rng.standard_normal(2) * s.size * 0.15
        e = rng.integers(1, 3)
        i, j = int(y / f), int(x / f)
        R = int(l / f) + 1
        if not (R < i < n - R and R < j < n - R):
            continue
        sl = (slice(i - R, i + R), slice(j - R, j + R))
        th = rng.uniform(0, 3.14)
        u = (s.gx[sl] - x) * np.cos(th) + (s.gy[sl] - y) * np.sin(th)
        v = -(s.gx[sl] - x) * np.sin(th) + (s.gy[sl] - y) * np.cos(th)
        b = (np.abs(u) < l / 2) & (np.abs(v) < w / 2)
        hh = np.where(u > l * 0.2, h, h * 0.75)
        if (np.abs(s.dz[sl][b]) > 0.02).any():
            continue
        o = (s.o1, s.o2)[e - 1]
        o[sl] = np.where(b, hh, o[sl])
        (s.k1, s.k2)[e - 1][sl][b] = 7
        s.conf.append(("vehicle", x, y))
    # tanks (dug in nature) with water level changing; flooded pit of the mine
    for _ in range(rng.integers(0, 3)):
        got = s.place(rng.uniform(10, 35), slope=0.1)
        if not got:
            continue
        sl, m = got
        d = s.inner(m)
        lev = np.quantile(s.nat[sl][m], 0.2)
        bowl = np.where(m, np.minimum(d * 0.35, rng.uniform(1.5, 4)), 0)
        for z in (s.nat, s.z1, s.z2):
            z[sl] -= bowl
        lo = s.z1[sl][m].min()
        l1, l2 = lo + rng.uniform(0, 0.95, 2) * (lev - lo)
        for w, k, l in ((s.w1, s.k1, l1), (s.w2, s.k2, l2)):
            wet = m & (s.z1[sl] < l)
            w[sl] = np.where(wet, l, w[sl])
            k[sl][wet] = 8
        s.busy[sl] |= m
        s.conf.append(("water", s.gx[sl][m].mean(), s.gy[sl][m].mean()))
    for sl, m, k in s.old:
        if k == "pit" and rng.random() < 0.5:
            lo = s.z1[sl][m].min()
            hi = np.quantile(s.nat[sl][m], 0.1)
            for w, kk in ((s.w1, s.k1), (s.w2, s.k2)):
                if rng.random() < 0.7:
                    l = lo + rng.uniform(0.1, 0.8) * max(hi - lo, 0)
                    wet = m & (s.z1[sl] < l)
                    w[sl] = np.where(wet, l, w[sl])
                    kk[sl][wet] = 8
            s.conf.append(("oldpit water", s.gx[sl][m].mean(), s.gy[sl][m].mean()))
    # gullies: along flow lines
    cc, nc = s.ccell, s.ncoarse
    for _ in range(rng.integers(0, 4) if s.style != "plain" else rng.integers(0, 2)):
        c = int(rng.integers(nc * nc))
        path = []
        for _k in range(int(rng.uniform(20, 70) / cc)):
            path.append(divmod(c, nc))
            c = s.par[c]
            if c < 0:
                break
        p = np.array(path, float)
        if len(p) < 5:
            continue
        p = nd.gaussian_filter1d(p, 1.2, axis=0) * cc + cc / 2
        t = np.linspace(0, 1, len(p))
        tt = np.linspace(0, 1, 400)
        py, px = np.interp(tt, t, p[:, 0]), np.interp(tt, t, p[:, 1])
        line = np.ones((n, n), bool)
        ii = np.clip((py / f).astype(int), 0, n - 1)
        jj = np.clip((px / f).astype(int), 0, n - 1)
        if s.busy[ii, jj].any():
            continue
        line[ii, jj] = False
        d, (_iy, _ix) = nd.distance_transform_edt(line, return_indices=True)
        D = rng.uniform(0.4, 1.5)
        w = rng.uniform(0.6, 2)
        s.nat2 -= np.where(d * f < w, D * (1 - (d * f / w) ** 2), 0)
        s.conf.append(("gully", px.mean(), py.mean()))
