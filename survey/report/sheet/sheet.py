"""The sheet as PDF: every field of an assessment as text, drawings and pictures, set by the template."""

from __future__ import annotations

import io
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from survey.record_assess import Assessment
from survey.report import content
from survey.report.assessed import sheet_names
from survey.report.colours import VERDICT
from survey.report.numbers import Numbers
from survey.report.paper.typeset import Drawings, typeset
from survey.report.sheet import drawings as draw
from survey.report.sheet.oblique import exaggeration_of
from survey.report.sheet.words import SheetWords

if TYPE_CHECKING:
    from survey.report.folder import RunFolder
    from survey.report.options import ReportOptions
    from survey.report.pictures import Picture

_DASH = "–"
PHOTO_MM = (82.0, 56.0)
"""Two side by side, and not so high that they push what is signed onto a page of its own."""


def sheets(run: RunFolder, options: ReportOptions) -> list[tuple[str, bytes]]:
    """(file name, PDF) of every assessment of a run, in the record's order."""
    return [
        (name, sheet_pdf(run, Assessment.model_validate(data), options))
        for name, data in zip(sheet_names(run.record), run.record.assessments, strict=True)
    ]


def sheet_pdf(run: RunFolder, a: Assessment, options: ReportOptions) -> bytes:
    """One sheet."""
    words = SheetWords(options.language)
    numbers = Numbers(words.report, options.indian_digits)
    kept = Drawings()
    say = _Say(run, a, words, numbers)
    location, plan = draw.location_view(run, a), draw.plan_view(a)
    under = [p for p in (run.picture("hillshade", "after"), run.picture("ortho", "after")) if p is not None]
    relief = run.picture("plan", None, a.id)
    oblique = run.picture("oblique", None, a.id)
    sections = [
        kept.add(f"section-{p.name}.svg", draw.section_drawing(a, p, words, numbers.date(a.survey_date)))
        for p in a.sections
    ]
    photos = []
    for epoch in ("before", "after"):
        photo = run.picture("photo", epoch, a.id)
        if photo is not None:
            caption = words(f"photo.{epoch}", date=numbers.date(photo.date))
            photos.append([_png(run, photo, kept), caption, _outline_on(a, photo, kept)])
    after_caption = words("photo.after", date=numbers.date(a.survey_date))
    location_key = "map.location" if run.lease is not None else "map.location_plain"
    plan_key = "map.plan" if a.kind == "pit" else "map.plan_stock"
    regime = run.regime
    data: dict[str, Any] = {
        "title": words(f"title.{a.kind}"),
        "rule": words("title.rule") if regime == "rajasthan" else words("title.plain"),
        "author": str(run.record.mine.get("lessee") or ""),
        "language": options.language,
        "job": str(run.record.job.get("id", "")),
        "id": a.id,
        "kind": words("site"),
        "provenance": words(
            "provenance",
            version=run.record.software.get("mine-survey", ""),
            hash=content.digest(run.record)[:16],
        ),
        "headline": say.headline(),
        "case": say.case(),
        "people": say.people(),
        "place": say.place(),
        "survey": say.survey(),
        "result": say.result(),
        "volumes": say.volumes(),
        "location": {
            "width": location.size[0],
            "height": location.size[1],
            "pictures": [_laid(run, p, location, kept) for p in under[-1:]],
            "drawing": kept.add("location.svg", draw.location_drawing(run, a, location, words)),
            "caption": words(location_key, scale=f"{location.scale:.0f}"),
        },
        "plan": {
            "width": plan.size[0],
            "height": plan.size[1],
            "pictures": [_laid(run, relief, plan, kept)] if relief is not None else [],
            "drawing": kept.add("plan.svg", draw.plan_drawing(a, plan, words)),
            "caption": words(plan_key, scale=f"{plan.scale:.0f}")
            + (f" {words('map.more')}" if a.measure_more else ""),
        },
        "corners": say.corners(),
        "sections": [s for s in sections if s is not None],
        "oblique": None if oblique is None else _png(run, oblique, kept),
        "oblique_caption": _oblique_caption(oblique, words),
        "photos": photos,
        "no_photo": words("photo.none") if len(photos) == 1 and photos[0][1] == after_caption else "",
        "worth": say.worth(),
        "method": say.method(),
        "tried": say.tried(),
        "doubts": say.doubts(),
        "remarks": [
            *(numbers.said(text) for text in (*a.counted, *a.remarks)),
            *([a.form.remarks] if a.form.remarks else []),
        ],
        "more": say.more(),
        "dating": a.form.dating or "",
        "inputs": [
            [
                _role(s.role, words),
                s.path + (f" ({numbers.date(s.survey)})" if s.survey else ""),
                s.sha256,
            ]
            for s in run.record.sources
        ],
        "signers": say.signers(),
        "warn": VERDICT["too close to call"],
        "words": {
            key: words(key)
            for key in (
                "page", "of", "head.case", "head.people", "head.place", "head.survey", "head.result",
                "head.location", "head.plan", "head.corners", "head.sections", "head.worth", "head.method",
                "head.dating", "head.inputs", "head.sign", "head.remarks", "head.more", "corner", "latitude",
                "longitude", "east", "north", "measure", "value", "interval", "doubt", "doubt.sigma",
                "how.table", "how.missed", "how.bias", "how.differs", "input.role", "input.file",
                "input.hash", "sign.name", "sign.sign", "sign.date", "crs",
            )
        },
        "crs": a.crs,
    }  # fmt: skip
    return typeset(files("survey.report.sheet") / "sheet.typ", data, kept)


def _role(role: str, words: SheetWords) -> str:
    own = words.named("role", role)
    return own if own != role else words.report.named("role", role)


def _oblique_caption(picture: Picture | None, words: SheetWords) -> str:
    if picture is None:
        return ""
    times = _times(picture)
    return words("oblique_true") if times == 1 else words("oblique", times=f"{times:g}")


def _times(picture: Picture | None) -> float:
    if picture is None:
        return 1.0
    detail = picture.detail
    if "exaggeration" in detail:
        return float(detail["exaggeration"])
    b = picture.bounds
    return exaggeration_of(float(detail.get("relief_m", 0.0)), min(b.east - b.west, b.north - b.south))


def _png(run: RunFolder, picture: Picture, kept: Drawings) -> str:
    """The picture for the template: WebP with an alpha channel is flattened on white."""
    from PIL import Image

    with Image.open(run.path / picture.file) as image:
        flat = Image.new("RGB", image.size, "white")
        rgba = image.convert("RGBA")
        flat.paste(rgba, mask=rgba.getchannel("A"))
    out = io.BytesIO()
    flat.save(out, "JPEG", quality=85)
    return kept.picture(picture.file.replace("/", "-").replace(".webp", ".jpg"), out.getvalue())


def _laid(run: RunFolder, picture: Picture, view: Any, kept: Drawings) -> dict[str, Any]:
    return draw.placed_picture(view, picture.bounds, _png(run, picture, kept))


def _outline_on(a: Assessment, photo: Picture, kept: Drawings) -> dict[str, Any] | None:
    """The outline over a photo, as a drawing of the photo's own proportions, ``PHOTO_MM`` at the most."""
    from survey.report.colours import SITE
    from survey.report.draw.svg import Svg, path_of
    from survey.report.draw.view import View

    b = photo.bounds
    scale = max((b.east - b.west) / PHOTO_MM[0], (b.north - b.south) / PHOTO_MM[1]) * 1000
    view = View(b, scale)
    width, height = view.size
    svg = Svg(width, height, a.id, identity=f"o{photo.epoch}-")
    rings = [view.place(ring) for ring in draw.outline_rings(a)]
    svg.path(path_of(rings, closed=True), stroke="#ffffff", width=0.9)
    svg.path(path_of(rings, closed=True), stroke=SITE["pit"], width=0.45)
    return kept.add(f"outline-{photo.epoch}.svg", svg)


class _Say:
    """Rows and sentences of one sheet."""

    def __init__(self, run: RunFolder, a: Assessment, words: SheetWords, numbers: Numbers) -> None:
        self.run, self.a, self.w, self.n = run, a, words, numbers

    # What was not given becomes an empty string, which the template draws as a line to write on.
    def _rows(self, *pairs: tuple[str, str | None]) -> list[list[str]]:
        return [[self.w(key), value or ""] for key, value in pairs]

    def _mine(self, key: str) -> str | None:
        value = self.run.record.mine.get(key)
        return None if value in (None, "") else str(value)

    def _date(self, iso: str | None) -> str | None:
        return self.n.date(iso) if iso else None

    def case(self) -> list[list[str]]:
        f = self.a.form
        return self._rows(
            ("case_no", f.case_no),
            ("case_date", self._date(f.case_date)),
            ("notice_no", f.notice_no),
            ("notice_date", self._date(f.notice_date)),
            ("notice_served", f.notice_served),
            ("date", self._date(f.date)),
        )

    def people(self) -> list[list[str]]:
        f = self.a.form
        officers = [", ".join(part for part in pair if part) for pair in f.officers]
        return self._rows(
            ("officers", "; ".join(officers)),
            ("present", "; ".join(f.present)),
            ("absent", "; ".join(f.absent)),
            ("witnesses", "; ".join(f.witnesses)),
        )

    def place(self) -> list[list[str]]:
        a, n = self.a, self.n
        zone = self.w(f"zone.{a.zone}") if a.zone else self.w("zone.none")
        distance = pillar = None
        if a.distance_m is not None:
            distance = self.w(
                "distance.value", distance=n.plain(abs(a.distance_m), 1), bearing=n.plain(a.bearing_deg, 0)
            )
        if a.nearest_pillar and a.pillar_distance_m is not None:
            pillar = self.w(
                "pillar.value",
                name=a.nearest_pillar,
                distance=n.plain(a.pillar_distance_m, 1),
                bearing=n.plain(a.pillar_bearing_deg, 0),
            )
        rows = self._rows(
            ("village", self._mine("village")),
            ("khasra", ", ".join(a.form.khasra)),
            ("tahsil", self._mine("tahsil")),
            ("district", self._mine("district")),
            ("state", self._mine("state")),
            ("mine", self._mine("name")),
            ("holder", self._mine("lessee")),
            ("lease_no", self._mine("lease_no") or a.lease_id),
            ("mineral", self._mine("mineral")),
            ("position", f"{n.latitude(a.lat)}, {n.longitude(a.lon)}"),
            ("zone", zone),
        )
        if distance:
            rows += self._rows(("distance", distance))
        if pillar:
            rows += self._rows(("pillar", pillar))
        if a.other_lease:
            rows += self._rows(("other_lease", a.other_lease))
        return rows

    def survey(self) -> list[list[str]]:
        a = self.a
        rows = self._rows(("survey_date", self._date(a.survey_date)))
        if a.earlier_date:
            rows += self._rows(("earlier_date", self._date(a.earlier_date)))
        return rows + self._rows(
            ("instrument", a.form.instrument),
            ("method", a.form.method),
            ("sanctioned_map", a.form.sanctioned_map),
            ("crs", a.crs),
        )

    def headline(self) -> list[str]:
        a, n = self.a, self.n
        unit = self.w("m3")
        return [
            self.w(f"volume.{a.kind}"),
            f"{n.plain(a.volume_m3, 0)} {unit}",
            f"{self.w('interval')}: {n.interval(a.volume_lo_m3, a.volume_hi_m3)} {unit}",
        ]

    def result(self) -> list[list[str]]:
        a, n = self.a, self.n
        depths = " / ".join(n.plain(d, 1) for d in (a.least_depth_m, a.mean_depth_m, a.greatest_depth_m))
        rows = [
            [
                self.w("area"),
                f"{n.plain(a.area_m2, 0)} {self.w('m2')} ({n.plain(a.area_m2 / 10_000, 3)} {self.w('ha')})",
            ],
            [self.w("perimeter"), f"{n.plain(a.perimeter_m, 0)} {self.w('m')}"],
        ]
        if a.missing_m2 > 0.5:
            rows.append([self.w("missing"), f"{n.plain(a.missing_m2, 0)} {self.w('m2')}"])
        rows += [
            [self.w(f"depths.{a.kind}"), f"{depths} {self.w('m')}"],
            [self.w("base"), self.w.named("base", a.base.method)],
        ]
        if a.zone is not None:
            parts = " / ".join(
                n.plain(v, 0) for v in (a.lease_volume_m3, a.buffer_volume_m3, a.beyond_volume_m3)
            )
            rows.append([self.w("split"), f"{parts} {self.w('m3')}"])
            if a.unsure_volume_m3:
                rows.append([self.w("unsure"), f"{n.plain(a.unsure_volume_m3, 0)} {self.w('m3')}"])
        return rows

    def volumes(self) -> list[list[str]]:
        a, n = self.a, self.n
        rows = []
        for key, sign in (("cut", False), ("fill", False), ("net", True)):
            value, low, high = (getattr(a, f"{key}{end}_m3") for end in ("", "_lo", "_hi"))
            rows.append(
                [
                    self.w(key),
                    f"{n.plain(value, 0, sign=sign)} {self.w('m3')}",
                    f"{n.interval(low, high, sign=sign)} {self.w('m3')}",
                ]
            )
        return rows

    def corners(self) -> list[list[str]]:
        n = self.n
        return [
            [v.number, n.latitude(v.lat), n.longitude(v.lon), f"{v.east_m:.2f}", f"{v.north_m:.2f}"]
            for v in self.a.vertices
        ]

    # -- money -------------------------------------------------------------------------------------------
    def _three(self, low: float | None, best: float | None, high: float | None, places: int = 0) -> str:
        if low is None and high is None:
            return ""
        middle = _DASH if best is None else self.n.plain(best, places)
        return f"{self.n.plain(low, places)} / {middle} / {self.n.plain(high, places)}"

    def worth(self) -> dict[str, Any]:
        a, n, w = self.a, self.n, self.a.worth
        portions = []
        for p in w.portions:
            density = self._three(p.density_lo_t_m3, p.density_t_m3, p.density_hi_t_m3, 2)
            if density and p.density_lo_t_m3 == p.density_hi_t_m3:
                density = n.plain(p.density_lo_t_m3, 2)
            state = self.w(f"state.{p.density_state}") if density else ""
            portions.append(
                [
                    self.n.said(p.name),
                    self._three(p.fraction_lo, p.fraction, p.fraction_hi, 2)
                    if p.fraction_lo != p.fraction_hi
                    else n.plain(p.fraction_lo, 2),
                    f"{density} {state}".strip(),
                    self._three(p.mass_lo_t, p.mass_t, p.mass_hi_t),
                    "; ".join(dict.fromkeys(s for s in (p.fraction_source, p.density_source) if s)),
                ]
            )
        rate = multiplier = None
        if w.royalty_rate_inr_t is not None:
            rate = self.w(
                "royalty.value",
                rate=n.plain(w.royalty_rate_inr_t, 2),
                date=n.date(w.royalty_date) if w.royalty_date else "________",
                source=w.royalty_source or "________",
            )
        if w.multiplier is not None:
            multiplier = self.w(
                "multiplier.value", times=f"{w.multiplier:g}", basis=w.multiplier_basis or "________"
            )
        rows = [
            [self.w("tonnes.row"), self._three(w.mineral_lo_t, w.mineral_t, w.mineral_hi_t)],
            [self.w("royalty"), rate or ""],
            [self.w("multiplier"), multiplier or ""],
            [self.w("amount"), self._three(w.amount_lo_inr, w.amount_inr, w.amount_hi_inr)],
        ]
        if a.fee is not None:
            key = "fee.again" if a.fee.re_verification else "fee.value"
            fee = self.w(key, fee=n.plain(a.fee.fee_inr, 0), area=f"{a.fee.area_ha:g}")
            rows.append([self.w("fee"), f"{fee} ({self._law(a.fee.citation)})"])
        missing = ""
        if w.amount_lo_inr is None and w.missing:
            missing = self.w("no_amount", what=", ".join(self._lacking(m) for m in w.missing))
        return {
            "heads": [self.w(key) for key in ("material", "fraction", "density", "tonnes", "source")],
            "portions": portions,
            "rows": rows,
            "missing": missing,
            "remarks": [self.n.said(text) for text in w.remarks],
        }

    def _lacking(self, what: str) -> str:
        named = self.w.named("missing", what)
        return self.n.said(what) if named == what else named

    def _law(self, citation: str) -> str:
        # A clause of the rules themselves needs no grade; one that rests on less is shown with it.
        plain = citation.removesuffix(" [grade A]")
        return plain.replace("Rajasthan MMCR 2017, rule", self.w("law.rajasthan"))

    # -- method ------------------------------------------------------------------------------------------
    def method(self) -> list[str]:
        a, n = self.a, self.n
        b = a.base
        method = self.w.named("base", b.method)
        sigma = n.plain(b.sigma_m3, 0 if b.sigma_m3 >= 10 else 1)
        if a.target == "points":
            lines = [self.w("how.points", method=method), self.w("how.points_doubt")]
        elif b.method == "earlier survey":
            lines = [self.w("how.earlier", date=n.date(a.earlier_date))]
        elif b.method == "given surface":
            lines = [self.w("how.surface")]
        elif b.method == "given level":
            lines = [self.w("how.level")]
        else:
            lines = [self.w("how.rebuilt", method=method)]
            if b.source == "trials":
                lines.append(
                    self.w(
                        "how.trials",
                        trials=n.plain(b.trials, 0),
                        independent=n.plain(b.independent_trials, 0),
                        sigma=sigma,
                    )
                )
                if b.asked == "auto":
                    lines.append(self.w("how.auto"))
            else:
                lines.append(
                    self.w("how.smaller" if b.source == "smaller copies" else "how.spread", sigma=sigma)
                )
        return [*lines, self.w("how.interval"), self.w("how.both")]

    def tried(self) -> list[list[str]]:
        a, n = self.a, self.n

        def figure(value: float | None, *, sign: bool = False) -> str:
            return _DASH if value is None else n.plain(value, 0 if abs(value) >= 10 else 1, sign=sign)

        rows = []
        for t in a.base.tried:
            name = self.w.named("base", t.method)
            if t.why_not is not None:
                rows.append([name, self.w("how.not", why=self.n.said(t.why_not)), "", ""])
                continue
            chosen = f" ({self.w('how.chosen')})" if t.method == a.base.method else ""
            rows.append(
                [
                    name + chosen,
                    figure(t.rms_m3),
                    figure(t.bias_m3, sign=True),
                    figure(t.differs_m3, sign=True),
                ]
            )
        return rows

    def doubts(self) -> list[list[str]]:
        return [
            [self.w.named("doubt", d.name), self.n.plain(d.sigma_m3, 0 if d.sigma_m3 >= 10 else 1)]
            for d in self.a.doubts
        ]

    def more(self) -> list[str]:
        n = self.n
        return [
            self.w(
                "more.value",
                lat=n.latitude(p.lat),
                lon=n.longitude(p.lon),
                east=f"{p.east_m:.1f}",
                north=f"{p.north_m:.1f}",
                why=self.n.said(p.why),
            )
            for p in self.a.measure_more
        ]

    def signers(self) -> list[list[str]]:
        f = self.a.form
        officers = [", ".join(part for part in pair if part) for pair in f.officers] or [""]
        witnesses = [*f.witnesses[:4]] or ["", ""]
        return [
            *([self.w("sign.officer"), name] for name in officers[:6]),
            [self.w("sign.lessee"), ""],
            *([self.w("sign.witness"), name] for name in witnesses),
        ]
