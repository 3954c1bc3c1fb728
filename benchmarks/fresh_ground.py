"""A fourth maker of mines and of what is none, by another hand: ground that water carved, fields with bunds.

Shares no code with the others. Ground is a fractal field carved along its own flow lines; the lease holds a
benched pit with a ramp and dumps; sites lie across its line, near the 100 m line and beyond. What changes and
is no digging is in fresh_confusers.py, how both surveys see it in fresh_surveys.py. Seeds 100 to 199 are for
learning.
"""

from __future__ import annotations

import heapq

import numpy as np
from scipy import ndimage as nd


def fractal(rng, n, f, beta, lo=None, hi=None):
    """Unit-sd field of n x n cells of f metres with power ~ k^-beta, wavelengths lo..hi metres."""
    k = np.fft.fftfreq(n, f)[:, None]
    l = np.fft.rfftfreq(n, f)[None, :]
    q = np.hypot(k, l)
    q[0, 0] = 1
    a = q ** (-beta / 2)
    a[0, 0] = 0
    if hi:
        a[q < 1 / hi] = 0
    if lo:
        a[q > 1 / lo] = 0
    g = np.fft.irfft2(a * np.fft.rfft2(rng.standard_normal((n, n))), s=(n, n))
    return (g / g.std()).astype(np.float64)


def drain(z):
    """Priority flood; parents give flow; accumulated cells."""
    n, m = z.shape
    seen = np.zeros((n, m), bool)
    par = np.full(n * m, -1)
    order = []
    h = []
    for i in range(n):
        for j in range(m):
            if i in (0, n - 1) or j in (0, m - 1):
                h.append((z[i, j], i * m + j))
                seen[i, j] = True
    heapq.heapify(h)
    zf = z.ravel()
    while h:
        lev, c = heapq.heappop(h)
        order.append(c)
        i, j = divmod(c, m)
        for a in (-1, 0, 1):
            for b in (-1, 0, 1):
                y, x = i + a, j + b
                if 0 <= y < n and 0 <= x < m and not seen[y, x]:
                    seen[y, x] = True
                    k = y * m + x
                    par[k] = c
                    heapq.heappush(h, (max(lev, zf[k]), k))
    acc = np.ones(n * m)
    for c in reversed(order):
        if par[c] >= 0:
            acc[par[c]] += acc[c]
    return acc.reshape(n, m), par


def up(a, n):
    return nd.zoom(a, n / a.shape[0], order=1, mode="nearest", grid_mode=True)[:n, :n]


class World:
    def __init__(s, seed, size=None, style=None, c1=None, c2=None, quiet=False):
        s.seed = seed
        rng = s.rng = np.random.default_rng([31, seed])
        s.style = style or rng.choice(["plain", "hills", "ravine", "plateau"])
        s.c1 = c1 or float(rng.choice([0.3, 0.5, 0.6, 0.8, 1.0, 1.0]))
        s.c2 = c2 or float(np.clip(s.c1 * rng.choice([1, 1, 0.8, 1.3, 2.0, 0.5]), 0.2, 2.0))
        s.f = max(0.25, min(s.c1, s.c2) / 1.7)
        s.size = size or int({0.3: 450, 0.5: 600, 0.6: 700, 0.8: 800, 1.0: 900}.get(s.c1, 600))
        s.n = int(s.size / s.f) // 8 * 8
        s.size = s.n * s.f
        lon = rng.choice([72.3, 74.6, 76.5, 77.99, 79.2, 83.98, 85.7])
        lat = rng.uniform(14, 27.5)
        s.zone = int((lon + 180) // 6) + 1
        s.epsg1 = 32600 + s.zone
        s.epsg2 = s.epsg1
        if abs((lon + 180) % 6) > 5.9 or rng.random() < 0.15:
            s.epsg2 = s.epsg1 + (1 if (lon % 6) > 3 else -1)
        from pyproj import Transformer

        e, nn = Transformer.from_crs(4326, s.epsg1, always_xy=True).transform(lon, lat)
        s.e0 = float(np.round(e))
        s.n1 = float(np.round(nn)) + s.size  # top left of master
        s.X = s.e0 + (np.arange(s.n) + 0.5) * s.f
        s.Y = s.n1 - (np.arange(s.n) + 0.5) * s.f
        s.gx, s.gy = np.meshgrid(
            (np.arange(s.n) + 0.5) * s.f, (np.arange(s.n) + 0.5) * s.f
        )  # metres right, down
        s.terrain()
        s.mine()
        s.illegal()

    # ---------- ground
    def terrain(s):
        rng, n, f = s.rng, s.n, s.f
        st = s.style
        z = nd.gaussian_filter(fractal(rng, n, f, rng.uniform(3.8, 4.6)), rng.uniform(2, 8) / f)
        z /= z.std()
        amp = {
            "plain": rng.uniform(0.8, 3),
            "hills": rng.uniform(12, 35),
            "ravine": rng.uniform(3, 8),
            "plateau": rng.uniform(5, 12),
        }[st]
        z = z * amp
        sl = {"plain": 0.005, "hills": 0.12, "ravine": 0.02, "plateau": 0.04}[st]
        th = rng.uniform(0, 2 * np.pi)
        z += sl * (np.cos(th) * s.gx + np.sin(th) * s.gy)
        if st == "plateau":  # mesa edge: cliff of laterite
            q = fractal(rng, n, f, 3.6)
            z += rng.uniform(6, 15) / (1 + np.exp(-q * 12))
        nc = max(80, int(s.size / (3 if st == "ravine" else 5)))
        zc = (
            nd.zoom(z, nc / n, order=1, mode="nearest", grid_mode=True) + rng.standard_normal((nc, nc)) * 0.02
        )
        cc = s.size / nc
        acc, par = drain(zc)
        s.acc, s.par, s.ncoarse, s.ccell = acc, par, nc, cc
        area = acc * cc * cc
        thr = {"plain": 25000, "hills": 4000, "ravine": 800, "plateau": 6000}[st]
        kd = {"plain": 0.5, "hills": 1.5, "ravine": 2.0, "plateau": 1.0}[st]
        side = {"plain": 0.25, "hills": 0.5, "ravine": 0.8, "plateau": 0.5}[st]
        dep = np.where(area > thr, kd * (area / thr) ** 0.35, 0)
        dep = np.minimum(dep, 9)
        carve = np.zeros_like(zc)
        for d in np.unique(np.round(dep[dep > 0], 0)):
            dist = nd.distance_transform_edt(dep < max(d - 0.5, 0.01)) * cc
            carve = np.maximum(carve, max(d, 0.3) - dist * side)
        z -= nd.gaussian_filter(up(carve, n), 2.0 / f)
        z += fractal(rng, n, f, 2.2, hi=12) * rng.uniform(0.01, 0.05)  # clods, stones
        s.fields = np.zeros((n, n), int)
        if (
            st in ("plain", "plateau") or rng.random() < 0.4
        ):  # fields: Voronoi on warped space, bunds and steps
            k = int((s.size / rng.uniform(35, 90)) ** 2)
            px = rng.uniform(0, s.size, (k, 2))
            from scipy.spatial import cKDTree

            wa = fractal(rng, n, f, 4) * 4
            pts = np.c_[(s.gx + wa).ravel(), (s.gy - wa).ravel()]
            dd, ii = cKDTree(px).query(pts, k=2)
            lab = ii[:, 0].reshape(n, n)
            edge = (dd[:, 1] - dd[:, 0]).reshape(n, n)
            gy_, gx_ = np.gradient(nd.gaussian_filter(z, 10 / f), f)
            ok = np.hypot(gx_, gy_) < 0.06
            if st in ("hills", "ravine"):
                ok &= fractal(rng, n, f, 3.5) > 0
            s.fields = np.where(ok, lab + 1, 0)
            mean = nd.mean(z, lab, np.arange(k))
            mean = np.nan_to_num(mean)
            lev = rng.uniform(0.3, 0.9)
            bund = rng.uniform(0.2, 0.5) * np.clip(1 - edge / 1.4, 0, 1)
            z = np.where(ok, z * (1 - lev) + mean[lab] * lev + bund, z)
        s.nat = z + rng.uniform(80, 600)
        gy_, gx_ = np.gradient(nd.gaussian_filter(s.nat, 3 / f), f)
        s.slope = np.hypot(gx_, gy_)

    def blob(s, cx, cy, r, aspect=None, wob=0.25):
        rng = s.rng
        a = aspect or rng.uniform(1, 2.2)
        th = rng.uniform(0, np.pi)
        R = int(r * 2.2 * np.sqrt(a) / s.f) + 6
        i, j = int(cy / s.f), int(cx / s.f)
        sl = (slice(max(i - R, 0), min(i + R, s.n)), slice(max(j - R, 0), min(j + R, s.n)))
        x, y = s.gx[sl] - cx, s.gy[sl] - cy
        u = (x * np.cos(th) + y * np.sin(th)) / np.sqrt(a)
        v = (-x * np.sin(th) + y * np.cos(th)) * np.sqrt(a)
        ph = np.arctan2(v, u)
        rr = np.ones_like(ph)
        for k in range(2, 6):
            rr += wob / k * rng.standard_normal() * np.cos(k * ph + rng.uniform(0, 6.28))
        m = np.hypot(u, v) < r * np.clip(rr, 0.3, 2)
        m = nd.binary_opening(m, iterations=1)
        return sl, m

    def inner(s, m):
        return nd.distance_transform_edt(np.pad(m, 1))[1:-1, 1:-1] * s.f

    # ---------- mine
    def mine(s):
        rng = s.rng
        S = s.size
        s.z1 = s.nat.copy()
        s.busy = np.zeros((s.n, s.n), bool)
        s.cover = np.zeros((s.n, s.n), np.uint8)
        cx, cy = S * rng.uniform(0.35, 0.65, 2)
        s.mc = (cx, cy)
        R = S * rng.uniform(0.16, 0.26)
        k = rng.integers(4, 9)
        th = np.sort(rng.uniform(0, 2 * np.pi, 60))[:: max(1, 60 // k)][:k]
        th = np.linspace(0, 2 * np.pi, k, endpoint=False) + rng.uniform(-0.3, 0.3, k)
        rad = R * rng.uniform(0.8, 1.25, k)
        s.lease = np.c_[cx + rad * np.cos(th), cy + rad * np.sin(th)]
        from shapely import Polygon, contains_xy, distance, points

        s.lpoly = Polygon(s.lease)
        step = 4
        xx, yy = s.gx[::step, ::step], s.gy[::step, ::step]
        d = np.asarray(distance(points(xx.ravel(), yy.ravel()), s.lpoly)).reshape(xx.shape)
        s.inl = contains_xy(s.lpoly, s.gx.ravel(), s.gy.ravel()).reshape(s.n, s.n)
        s.dist = np.where(s.inl, 0, up(d, s.n))
        # pit in epoch 1
        pr = R * rng.uniform(0.35, 0.5)
        px, py = cx + rng.uniform(-0.2, 0.2) * R, cy + rng.uniform(-0.2, 0.2) * R
        bh, face, berm, nb = (
            rng.uniform(3, 6),
            np.tan(np.radians(rng.uniform(60, 78))),
            rng.uniform(4, 8),
            rng.integers(1, 4),
        )

        def stair(d, nb):
            w = bh / face
            per = w + berm
            q = np.floor(d / per)
            r = d - q * per
            return np.minimum(nb * bh, q * bh + np.minimum(r * face, bh))

        sl, m = s.blob(px, py, pr)
        m &= s.inl[sl]
        d = s.inner(m)
        rim = np.median(s.nat[sl][m]) if m.any() else 0
        z = s.nat[sl] - stair(d, nb)
        fl = nd.gaussian_filter(rng.standard_normal(m.shape), 6 / s.f) * 0.3
        z = np.where(m, np.maximum(z, rim - nb * bh + fl), s.nat[sl])
        z = np.minimum(z, s.nat[sl])
        # ramp
        a = rng.uniform(0, 6.28)
        x, y = s.gx[sl] - px, s.gy[sl] - py
        u = x * np.cos(a) + y * np.sin(a)
        v = -x * np.sin(a) + y * np.cos(a)
        ramp = rim - (pr * 0.95 - u) * 0.1
        ramp = np.where(u > -pr * 0.5, ramp - np.maximum(np.abs(v) - 4, 0) * 1.2, -1e9)
        z = np.where(m, np.minimum(s.nat[sl], np.maximum(z, ramp)), z)
        s.z1[sl] = z
        s.cover[sl][m] = 2
        s.busy[sl] |= m
        # dumps in epoch 1, haul road cover
        s.dumps = []
        for _ in range(rng.integers(1, 4)):
            for _t in range(20):
                a = rng.uniform(0, 6.28)
                q = R * rng.uniform(0.5, 0.95)
                r = R * rng.uniform(0.12, 0.22)
                sl2, m2 = s.blob(cx + q * np.cos(a), cy + q * np.sin(a), r)
                m2 &= s.inl[sl2]
                if m2.sum() * s.f**2 > 200 and not (s.busy[sl2] & m2).any():
                    break
            else:
                continue
            s.z1[sl2] = s.heap(s.z1[sl2], m2, rng.uniform(3, 12), tier=True)
            s.cover[sl2][m2] = 2
            s.busy[sl2] |= m2
            s.dumps.append((sl2, m2, cx + q * np.cos(a), cy + q * np.sin(a), r))
        # old bodies outside, unchanged (truth for one survey alone) and old pits for backfill
        s.old = []
        for _ in range(rng.integers(1, 6)):
            got = s.place(rng.uniform(6, 35))
            if not got:
                continue
            sl3, m3 = got
            if rng.random() < 0.6:
                s.z1[sl3] = s.pit(s.z1[sl3], m3, rng.uniform(1.2, 6))
                k3 = "pit"
            else:
                s.z1[sl3] = s.heap(s.z1[sl3], m3, rng.uniform(1.2, 5))
                k3 = "heap"
            s.busy[sl3] |= nd.binary_dilation(m3, iterations=int(6 / s.f))
            s.cover[sl3][m3] = 2
            s.old.append((sl3, m3, k3))
        s.z2 = s.z1.copy()
        s.cover2 = s.cover.copy()
        # epoch 2 in lease: pit advances
        ang = rng.uniform(0, 6.28)
        adv = rng.uniform(5, 30)
        sh = (round(adv * np.sin(ang) / s.f), round(adv * np.cos(ang) / s.f))
        big = np.zeros((s.n, s.n), bool)
        big[sl] = m
        b2 = big | np.roll(big, sh, (0, 1))
        b2 = nd.binary_closing(b2, iterations=int(2 / s.f))
        if rng.random() < 0.75:
            b2 &= s.inl  # else the advance crosses the lease edge
        b2 &= ~s.busy | big
        d2 = s.inner(b2)
        deeper = nb + (rng.random() < 0.5)
        zz = np.where(b2, np.maximum(s.nat - stair(d2, deeper), rim - deeper * bh), s.nat)
        rampf = np.full((s.n, s.n), -1e9)
        rampf[sl] = ramp
        zz = np.where(rampf > -1e8, np.maximum(zz, np.where(big, np.minimum(rampf, s.nat), -1e9)), zz)
        if deeper > nb:  # deepen only part
            part = fractal(rng, s.n, s.f, 3.5) > -0.2
            part = nd.gaussian_filter(part.astype(float), 2 / s.f)
            zz = np.where(part > 0.5, zz, np.maximum(zz, np.minimum(s.z1, rim - nb * bh)))
        s.z2 = np.minimum(s.z1, np.where(b2, zz, s.z1))
        s.cover2[b2] = 2
        s.busy |= b2
        # dumps grow / stocks come and go
        for sl2, m2, x, y, r in s.dumps:
            q = rng.random()
            if q < 0.6:
                sl4, m4 = s.blob(x + rng.uniform(-0.5, 0.5) * r, y + rng.uniform(-0.5, 0.5) * r, r * 1.1)
                own = np.zeros((s.n, s.n), bool)
                own[sl2] = m2
                ok = s.inl[sl4] & (~s.busy[sl4] | own[sl4])
                m4 &= ok
                if m4.sum() < 50:
                    continue
                t = s.heap(s.nat[sl4], m4, rng.uniform(4, 14))
                s.z2[sl4] = np.where(m4, np.maximum(s.z2[sl4], t), s.z2[sl4])
                s.cover2[sl4][m4] = 2
                s.busy[sl4] |= m4
            elif q < 0.75:  # part of the dump taken away
                h = s.gx[sl2] - x > rng.uniform(-0.3, 0.3) * r
                d = s.inner(m2 & h)
                s.z2[sl2] = np.where(m2 & h, np.maximum(s.nat[sl2], s.z2[sl2] - d * 1.0), s.z2[sl2])
        for _ in range(rng.integers(0, 4)):
            got = s.place(rng.uniform(4, 9), where=s.inl)
            if got:
                sl5, m5 = got
                s.z2[sl5] = s.heap(s.z2[sl5], m5, rng.uniform(1.5, 4))
                s.cover2[sl5][m5] = 2
                s.busy[sl5] |= nd.binary_dilation(m5, iterations=int(3 / s.f))

    def place(s, r, where=None, gap=4, tries=40, slope=0.5, wob=0.25, aspect=None, edge=22):
        rng = s.rng
        for _ in range(tries):
            m0 = edge + r
            if where is not None:
                k = rng.integers(0, s.n, (400, 2))
                k = k[where[k[:, 0], k[:, 1]]]
                if not len(k):
                    return None
                cy, cx = (k[0] + 0.5) * s.f
            else:
                cx, cy = rng.uniform(m0, s.size - m0, 2)
            if not (m0 < cx < s.size - m0 and m0 < cy < s.size - m0):
                continue
            sl, m = s.blob(cx, cy, r, wob=wob, aspect=aspect)
            if m.sum() * s.f**2 < 4:
                continue
            mm = nd.binary_dilation(m, iterations=max(1, int(gap / s.f)))
            if (s.busy[sl] & mm).any() or s.slope[sl][m].mean() > slope:
                continue
            if where is not None and not where[sl][m].mean() > 0.3:
                continue
            return sl, m
        return None

    def pit(s, z, m, D):
        rng = s.rng
        d = s.inner(m)
        face = np.tan(np.radians(rng.choice([35, 50, 65, 80])))
        q = rng.random()
        ring = nd.binary_dilation(m, iterations=2) & ~m
        lev = z[ring] if ring.any() else z[m]
        rough = nd.gaussian_filter(rng.standard_normal(m.shape), 1.5 / s.f)
        rough *= rng.uniform(0.03, 0.2) * min(D / 2, 1) / max(rough.std(), 1e-9)
        if q < 0.45:
            floor = np.median(lev) - D + rough
        elif q < 0.65:
            floor = z - D + rough  # follows the ground
        elif q < 0.85:  # two floors
            th = rng.uniform(0, 6.28)
            yy, xx = np.mgrid[: m.shape[0], : m.shape[1]]
            t = (xx - m.shape[1] / 2) * np.cos(th) + (yy - m.shape[0] / 2) * np.sin(th)
            floor = np.median(lev) - D * np.where(t > 0, 1, 0.55) + rough
        else:
            floor = np.quantile(lev, 0.08) - 0.3 * D + rough  # cut into the hillside, open below
        return np.where(m, np.minimum(z, np.maximum(floor, z - d * face)), z)

    def heap(s, z, m, H, tier=False):
        rng = s.rng
        d = s.inner(m)
        rep = np.tan(np.radians(rng.uniform(32, 38)))
        q = rng.random()
        if tier or q < 0.45:
            h = np.minimum(H, d * rep)
            if tier and H > 7:
                h = np.minimum(np.minimum(d * rep, H / 2) + np.clip(d - H / 2 / rep - 4, 0, None) * rep, H)
            rough = nd.gaussian_filter(rng.standard_normal(m.shape), 2 / s.f)
            rough *= rng.uniform(0.03, 0.15) / max(rough.std(), 1e-9)
            top = np.median(z[m]) + H + 0 * z
            return np.where(
                m,
                z + np.maximum(np.minimum(h, np.maximum(top - z, 0.3 * h)) + rough * np.clip(d, 0, 1), 0),
                z,
            )
        # truck-tipped cones
        ii = np.argwhere(d > max(0.5, 0.3 * d.max()))
        out = z.copy()
        yy, xx = np.mgrid[: m.shape[0], : m.shape[1]]
        area = m.sum() * s.f**2
        hk = min(H, 2.2)
        for _ in range(int(np.clip(area / 18, 1, 120))):
            c = ii[rng.integers(len(ii))]
            h = min(hk * rng.uniform(0.7, 1.2), 0.8 * (d[c[0], c[1]] + 1))
            out = np.maximum(out, z[c[0], c[1]] + h - np.hypot(yy - c[0], xx - c[1]) * s.f * rep)
        return np.where(m, out, z)

    # ---------- illegal sites
    def illegal(s):
        rng = s.rng
        s.treed = []

        def near(a, b):
            return (s.dist > a) & (s.dist < b)

        want = rng.integers(6, 13)
        edgeband = (s.dist < 8) & (nd.distance_transform_edt(s.inl) * s.f < 8)
        line100 = near(92, 108)
        for _ in range(want):
            A = np.exp(rng.uniform(np.log(42), np.log(20000) if rng.random() < 0.25 else np.log(2500)))
            r = np.sqrt(A / np.pi)
            q = rng.random()
            where = (
                edgeband if q < 0.25 else line100 if q < 0.4 else near(5, 100) if q < 0.7 else s.dist > 100
            )
            kind = rng.choice(
                ["pit", "heap", "backfill", "trench", "windrow", "scrape"],
                p=[0.45, 0.22, 0.1, 0.08, 0.05, 0.1],
            )
            if kind == "backfill":
                pits = [o for o in s.old if o[2] == "pit"]
                if not pits:
                    kind = "pit"
                else:
                    o = pits[rng.integers(len(pits))]
                    s.old = [x for x in s.old if x is not o]
                    sl, m, _ = o
                    # remove from unchanged list but keep the body in z1
                    d = s.nat[sl] - s.z1[sl]
                    part = rng.uniform(0.5, 1.0)
                    fillv = nd.gaussian_filter(d * part, 1.0 / s.f)
                    new = s.z1[sl] + np.clip(np.minimum(fillv, d), 0, None) * m
                    s.z2[sl] = new
                    s.cover2[sl][m] = 2
                    continue
            asp = rng.uniform(5, 10) if kind in ("trench", "windrow") else None
            got = s.place(r, where=where, aspect=asp, wob=0.08 if asp else 0.25)
            if not got:
                continue
            sl, m = got
            if kind in ("pit", "trench"):
                s.z2[sl] = s.pit(s.z2[sl], m, min(rng.uniform(0.6, 8), 1 + 0.5 * r))
            elif kind == "scrape":
                d = s.inner(m)
                s.z2[sl] = s.z2[sl] - np.where(m, np.minimum(d * 0.7, rng.uniform(0.4, 0.9)), 0)
            else:
                s.z2[sl] = s.heap(s.z2[sl], m, min(rng.uniform(0.8, 6), 0.8 + 0.35 * r))
            s.cover2[sl][m] = 2
            s.busy[sl] |= nd.binary_dilation(m, iterations=int(4 / s.f))
            if rng.random() < 0.12:
                s.treed.append((sl, m))
        dz = s.z2 - s.z1
        s.dz = dz
        lab = np.zeros((s.n, s.n), int)
        s.truth = []
        for sg in (-1, 1):
            it = max(1, round(1.2 / s.f))
            l, k = nd.label(nd.binary_dilation(dz * sg > 0.03, iterations=it), np.ones((3, 3)))
            l = np.where(dz * sg > 0.03, l, 0)
            if not k:
                continue
            ar = nd.sum(np.ones_like(dz), l, np.arange(1, k + 1)) * s.f**2
            vo = nd.sum(dz, l, np.arange(1, k + 1)) * s.f**2
            mx = nd.maximum(np.abs(dz), l, np.arange(1, k + 1))
            for i in range(k):
                if ar[i] < 8:
                    continue
                m = l == i + 1
                w = np.abs(dz[m])
                fr = [
                    float(w[s.inl[m]].sum()),
                    float(w[(~s.inl & (s.dist <= 100))[m]].sum()),
                    float(w[(s.dist > 100)[m]].sum()),
                ]
                inpit = float((s.nat[m] - s.z1[m] > 0.3).mean())
                s.truth.append(
                    {
                        "kind": "pit" if sg < 0 else ("backfill" if inpit > 0.5 else "heap"),
                        "area": float(ar[i]),
                        "vol": float(abs(vo[i])),
                        "mean": float(abs(vo[i]) / ar[i]),
                        "max": float(mx[i]),
                        "zone": ["lease", "buffer", "beyond"][int(np.argmax(fr))],
                        "parts": [q / max(sum(fr), 1e-9) for q in fr],
                        "treed": bool(any((m[a] & b).any() for a, b in s.treed)),
                    }
                )
                lab[m] = len(s.truth)
        s.lab = lab
