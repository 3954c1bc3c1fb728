"""``survey check``: does a filing comply, and are its files what they claim to be?"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from survey.boundary.bands import grown
from survey.errors import SurveyError
from survey.grid import Bounds
from survey.law.clauses import Law, tables_digest
from survey.law.finding import Finding as LawFinding
from survey.law.finding import severity
from survey.pipelines.check.context import Context, plain
from survey.pipelines.check.filing import Filing, open_filing
from survey.pipelines.check.footprint import BUFFER_M, Coverage, measure_cover
from survey.pipelines.check.ground import Seen, look_over
from survey.pipelines.check.photographed import ortho_covers
from survey.pipelines.check.say_agree import say_datum, say_file_dates, say_last_year, say_registration
from survey.pipelines.check.say_declared import Volumes, say_declared, volumes_of, wants_volumes
from survey.pipelines.check.say_duty import decide_duties, say_dates
from survey.pipelines.check.say_files import say_other_files, say_products
from survey.pipelines.check.say_ground import say_boundary, say_cover, say_pillars
from survey.pipelines.check.say_points import read_points, say_points
from survey.pipelines.check.say_real import say_real, say_unit
from survey.pipelines.record_head import lease_part, record_head
from survey.pipelines.runs import engine_for, run_folder
from survey.pipelines.sealing import write_record
from survey.record import Finding, Note, Record, from_json

if TYPE_CHECKING:
    from survey.blocks import Engine
    from survey.pipelines.check.submission import Submission
    from survey.pipelines.job import Job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress

SURROUNDINGS_M = 60.0
"""Beyond the 100 m, so much more ground is read: tests of texture want to see past the edge."""


def run_check(job: Job, options: Options, progress: Progress) -> Record:
    """Check the job's latest survey against the law, against last year's, and for what it claims to be.

    Raises
    ------
    SurveyError
        The check itself cannot be done (the archive is damaged, the output cannot be written). A file that
        cannot be read is no reason: it is a finding.
    """
    started = datetime.now(UTC)
    progress.stage("opening the filing")
    with (
        engine_for(options, progress) as engine,
        open_filing(job, threads=engine.threads) as filing,
        run_folder(job, options, "check", filing.inputs.digest_inputs(), filing.inputs.unchanged) as folder,
    ):
        if folder.up_to_date is not None:
            return from_json(folder.up_to_date)
        submission = check(filing, engine, options.on)
        progress.stage("writing the findings")
        record = make_record(submission, started, options)
        from survey.pipelines.check.submission import publish

        record = publish(folder, record, submission, options.reports)
        return write_record(folder, record, progress.took())


def check(filing: Filing, engine: Engine, on: date | None = None) -> Submission:
    """Look at everything and judge it; nothing is written."""
    from survey.pipelines.check.submission import Submission

    day = filing.judged_on(on)
    c = Context(filing, Law.of(day, filing.regime), day)
    if filing.job.regime is None:
        _say_no_regime(c)
    decide_duties(c)
    say_dates(c)
    read_points(c)
    look = _Look(c, engine)
    look.surfaces()
    look.image()
    say_products(c)
    say_boundary(c)
    say_pillars(c)
    look.say_coverage()
    noise = look.seen.sample_noise_m if look.seen is not None else float("nan")
    if not c.satellite:
        say_points(c, noise)
        say_datum(c)
        alignment = say_last_year(c, engine)
        if look.seen is not None:
            surface = look.seen.plan.surface
            say_registration(c, look.seen.correlations, surface.grid.cell_m)
        if look.seen is not None and filing.job.check.authenticity is not False:
            say_unit(c, look.seen, alignment)
    say_file_dates(c)
    if look.seen is not None and filing.job.check.authenticity is not False and not c.satellite:
        say_real(c, look.seen, look.kind)
    say_declared(c, _volumes(c, engine) if wants_volumes(c) else None)
    say_other_files(c)
    c.findings.sort(key=lambda f: (severity(f.verdict, f.flag), f.grade == "P"))
    return Submission(c, look.seen, look.covers)


def _say_no_regime(c: Context) -> None:
    c.filing.remarks.append(
        _remark(
            "regime",
            "Which law applies is not stated. The filing is judged by MCDR 2017 (major minerals); for "
            "minor minerals "
            "in Rajasthan, rule 28(2)(iv)(dd) asks every lessee for the same survey.",
        )
    )


def _remark(code: str, message: str) -> Any:
    from survey.remark import Remark

    return Remark(code, message, "serious")


class _Look:
    """Reads the rasters of the latest survey once, and keeps what could not be read as its file's problem."""

    def __init__(self, c: Context, engine: Engine) -> None:
        self.c = c
        self.engine = engine
        self.seen: Seen | None = None
        self.kind = "DSM"
        self.covers: dict[str, Coverage] = {}
        self.problems: dict[str, str] = {}

    @property
    def small_m2(self) -> float:
        return self.c.filing.job.detect.min_area_m2

    def _lease_in(self, crs_wkt: str) -> Any | None:
        lease = self.c.filing.lease
        return None if lease is None else lease.to_crs(crs_wkt).polygon

    def _area(self, crs_wkt: str) -> Bounds | None:
        lease = self._lease_in(crs_wkt)
        return None if lease is None else Bounds(*lease.bounds).grown(BUFFER_M + SURROUNDINGS_M)

    def surfaces(self) -> None:
        """The elevation models: coverage, and the sums of all tests."""
        filing = self.c.filing
        latest, earlier = filing.latest, filing.earlier
        if self.c.satellite:
            return
        for kind in ("DSM", "DTM"):
            surface = getattr(latest, kind.casefold())
            if surface is None:
                continue
            beside = latest.dtm if kind == "DSM" else None
            before = getattr(earlier, kind.casefold()) if earlier is not None else None
            if before is None and earlier is not None:
                before = earlier.surface
            ok = self._read(kind, surface, beside, before)
            if ok:
                break

    def _read(self, kind: str, surface: Any, dtm: Any, before: Any) -> bool:
        filing = self.c.filing
        latest, earlier = filing.latest, filing.earlier
        area = self._area(surface.grid.crs_wkt)
        if area is not None and not area.overlaps(surface.grid.bounds):
            area = None
        wanted = filing.job.check.authenticity is not False
        try:
            self.seen = look_over(
                surface,
                area,
                self.engine,
                small_m2=self.small_m2,
                authenticity=wanted,
                dtm=dtm,
                earlier=before,
                ortho=latest.ortho,
                earlier_ortho=earlier.ortho if earlier is not None else None,
            )
        except SurveyError as error:
            self._broken(kind, surface, error, dtm, before)
            return self.seen is not None
        self.kind = kind
        lease = self._lease_in(surface.grid.crs_wkt)
        if lease is not None:
            sigma = filing.lease.sigma_m if filing.lease is not None else 0.0
            covers = {kind: self.seen.covers}
            if dtm is not None and self.seen.dtm_covers:
                covers["DTM"] = self.seen.dtm_covers
            for name, tiles in covers.items():
                self.covers[name] = measure_cover(
                    tiles, lease, sigma or 0.0, self._exempt(surface.grid.crs_wkt), small_m2=self.small_m2
                )
        return True

    def _exempt(self, crs_wkt: str) -> Any:
        """Ground in front of common sides, where the rules know them; the lease is in the surface's
        system.
        """
        lease = self.c.filing.lease
        if self.c.row("rajasthan.28.dd.common_sides") is None or lease is None or lease.crs_wkt != crs_wkt:
            return ()
        return self.c.filing.common

    def _broken(self, kind: str, surface: Any, error: SurveyError, dtm: Any, before: Any) -> None:
        """A file broke while it was read: find out which, and go on without it."""
        filing = self.c.filing
        name = error.file or ""
        for state in filing.states.values():
            if state.path is not None and (state.name == name or state.name.endswith("/" + name)):
                state.problem = error
        latest, earlier = filing.latest, filing.earlier
        broken = [f for f in (latest, earlier) if f is not None]
        found = False
        for files in broken:
            for attribute in ("dsm", "dtm", "ortho"):
                held = getattr(files, attribute)
                if held is not None and held.name == name:
                    setattr(files, attribute, None)
                    found = True
        if not found or getattr(latest, kind.casefold()) is None:
            if not found:
                setattr(latest, kind.casefold(), None)
                own = filing.state(latest.survey.dem if kind == "DSM" else latest.survey.dtm)
                if own is not None:
                    own.problem = error
            self.problems[kind] = error.found
            return
        again = getattr(earlier, kind.casefold()) if earlier is not None else None
        self._read(kind, surface, latest.dtm if kind == "DSM" else None, again)

    def image(self) -> None:
        """The coverage of the orthomosaic or satellite image."""
        latest = self.c.filing.latest
        lease = self.c.filing.lease
        if latest.ortho is None or lease is None:
            return
        name = "satellite image" if self.c.satellite else "orthomosaic"
        try:
            area = Bounds(*lease.polygon.bounds).grown(BUFFER_M + SURROUNDINGS_M)
            tiles, blur = ortho_covers(latest.ortho, lease.crs_wkt, area, self.engine, small_m2=self.small_m2)
        except SurveyError as error:
            state = self.c.filing.state(latest.survey.ortho)
            if state is not None:
                state.problem = error
            latest.ortho = None
            self.problems[name] = error.found
            return
        # The picture's own cells are exact; larger ones are counted as seen when half of them is.
        blur = 0.0 if blur <= latest.ortho.cell_m * 1.001 else blur / 2
        self.covers[name] = measure_cover(
            tiles,
            lease.polygon,
            lease.sigma_m or 0.0,
            self._exempt(lease.crs_wkt),
            blur_m=blur,
            small_m2=self.small_m2,
        )

    def say_coverage(self) -> None:
        """A finding per product that should cover the ground."""
        latest = self.c.filing.latest
        if self.c.satellite:
            products: list[tuple[str, object | None]] = [("satellite image", latest.ortho)]
        else:
            products = [("orthomosaic", latest.ortho)]
            if latest.dsm is not None or latest.dtm is None:
                products.insert(0, ("DSM", latest.dsm))
            if latest.dtm is not None:
                products.insert(1, ("DTM", latest.dtm))
        for name, opened in products:
            if self.c.filing.lease is None:
                why = "there is no usable lease boundary to measure against"
            elif opened is None:
                why = self.problems.get(name, "it is missing or cannot be read")
            else:
                why = "it could not be laid on the boundary"
            say_cover(self.c, name, self.covers.get(name), why)


def _volumes(c: Context, engine: Engine) -> Volumes:
    """Volumes between the two latest surveys, as ``survey excavation`` measures them."""
    from survey.pipelines.change.compare import compare

    filing = c.filing
    if filing.lease is None:
        return Volumes(None, "there is no usable lease boundary")
    if filing.earlier is None or filing.earlier.surface is None or filing.latest.surface is None:
        return Volumes(None, "two surveys with an elevation model that opens are needed")
    try:
        comparison = compare(filing.job, filing.inputs, engine)
    except SurveyError as error:
        return Volumes(None, error.found)
    last = comparison.pairs[-1]
    days = (last.after.survey.date - last.before.survey.date).days
    return volumes_of(last.zones[0], days)


# -- the record ----------------------------------------------------------------------------------------------
def to_record(finding: LawFinding) -> Finding:
    """The finding as the record holds it."""
    values = asdict(finding)
    values["evidence"] = plain(finding.evidence)
    return Finding(**values)


def make_record(s: Submission, started: datetime, options: Options) -> Record:
    c = s.context
    filing, job = c.filing, c.filing.job
    verdicts: dict[str, int] = {}
    for f in c.findings:
        verdicts[f.verdict] = verdicts.get(f.verdict, 0) + 1
    flags = [f for f in c.findings if f.flag is not None]
    return Record(
        **record_head("check", job, filing.inputs, started),
        surveys=[_survey_part(x) for x in filing.surveys],
        lease=lease_part(filing.lease),
        checkpoints=_points_part(filing),
        checks={
            "judged_on": c.on.isoformat(),
            "regime": c.law.regime,
            "regime_stated": job.regime is not None,
            "law_tables": tables_digest(),
            "duty": None if c.duty is None else c.duty.id,
            "duties": [
                {
                    "id": d.id,
                    "name": d.name,
                    "applies": d.applies,
                    "waived_by": d.waived_by,
                    "citation": d.clause.citation,
                    "reasons": list(d.reasons),
                }
                for d in c.duties
            ],
            "verdicts": verdicts,
            "flags": {k: sum(f.flag == k for f in flags) for k in ("strong", "moderate", "weak")},
            "coverage": {
                name: {
                    "lease_missing_m2": cover.lease.size.value,
                    "buffer_missing_m2": cover.buffer.size.value,
                    "exempt_missing_m2": cover.exempt.size.value,
                    "holes": cover.holes,
                    "holes_m2": cover.holes_m2,
                }
                for name, cover in s.covers.items()
            },
            "tests": plain({"tests": c.tests})["tests"],
            "files": [
                {
                    "role": state.entry.role,
                    "survey": None if state.entry.survey is None else state.entry.survey.isoformat(),
                    "name": state.name,
                    "readable": state.readable,
                    "problem": None if state.problem is None else state.problem.found,
                }
                for state in filing.states.values()
            ],
        },
        findings=[to_record(f) for f in c.findings],
        notes=[
            Note(code=r.code, message=r.message, severity=r.severity)
            for r in dict.fromkeys([*filing.remarks, *(r for x in filing.surveys for r in x.remarks)])
        ],
        settings={"options": options.public()},
    )


def _survey_part(files: Any) -> dict[str, Any]:
    survey = files.survey
    surface = files.surface
    return {
        "date": None if survey.date is None else survey.date.isoformat(),
        "filed": None if survey.filed is None else survey.filed.isoformat(),
        "kind": survey.kind,
        "file": None if surface is None else surface.name,
        "height": None if files.reference is None else str(files.reference),
        "cell_m": None if surface is None else surface.grid.cell_m,
        "instrument": survey.instrument,
        "surveyed_by": survey.surveyed_by,
    }


def _points_part(filing: Filing) -> list[dict[str, Any]]:
    found = []
    for kind, check_ in zip(("check", "control"), filing.point_checks, strict=True):
        if check_ is not None:
            found.append(
                {
                    "survey": filing.latest.label,
                    "kind": kind,
                    "n": check_.n,
                    "mean_m": check_.mean_m,
                    "rmse_m": check_.rmse_m,
                    "rmse_with_points_m": check_.rmse_with_points_m,
                    "fewer_than_30": check_.n < 30,
                }
            )
    return found


def reach_of(lease: Any) -> Any:
    """The lease and the 100 m around it."""
    return grown(lease, BUFFER_M)


__all__ = ["check", "make_record", "reach_of", "run_check"]
