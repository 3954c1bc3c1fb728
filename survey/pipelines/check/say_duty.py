"""Which duty applies, when the survey was made and when it was filed."""

from __future__ import annotations

from survey.law.clauses import Clause
from survey.law.duties import Circumstances, chosen, duties
from survey.law.judge import due_day, verdict_of
from survey.pipelines.check.context import Context
from survey.quantity import Z95, Measured


def circumstances(c: Context) -> Circumstances:
    """What the job says of the lessee, and what the boundary says of its size."""
    f = c.filing
    mine, check, survey = f.job.mine, f.job.check, f.latest.survey
    area: Measured | float | None = mine.lease_area_ha
    source = "lease deed"
    if area is None and f.lease is not None:
        area, source = boundary_area(c), "boundary file"
    earlier = f.surveys[-2].survey if len(f.surveys) > 1 else None
    return Circumstances(
        regime=c.law.regime,
        survey_date=survey.date,
        survey_kind=survey.kind,
        mineral=mine.mineral,
        state=mine.state,
        annual_excavation_plan_t=mine.annual_excavation_plan_t,
        lease_area_ha=area,
        lease_area_source=source,
        mining_plan_on=check.mining_plan,
        letter_of_intent=True if check.letter_of_intent is not None else None,
        images_under_yearly_rule_on=_yearly_images(survey.filed, earlier, check.mining_plan),
        discontinued_days=check.discontinued_days or None,
        discontinuance_notice=True if check.discontinued_notice is not None else None,
        common_sides=tuple(f.job.lease.common_sides) if f.job.lease is not None else (),
    )


def _yearly_images(filed, earlier, plan):  # type: ignore[no-untyped-def]
    """The latest filing of yearly images before the mining plan, of those that the job names."""
    if plan is None:
        return None
    days = [d for d in (filed, None if earlier is None else earlier.filed) if d is not None and d <= plan]
    return max(days) if days else None


def boundary_area(c: Context) -> Measured | None:
    """Area that the boundary encloses, hectares, with the doubt of its corners.

    Each corner errs by σ on its own: σ_A² = Σ σ² |P(i+1) − P(i−1)|² / 4. The interval also holds the area
    on the map beside that on the ellipsoid, since a deed says neither which.
    """
    import numpy as np

    from survey.boundary.bands import rings_of

    lease = c.filing.lease
    if lease is None:
        return None
    total = 0.0
    for ring in rings_of(lease.polygon):
        open_ring = ring[:-1]
        chord = np.roll(open_ring, -1, axis=0) - np.roll(open_ring, 1, axis=0)
        total += float((chord**2).sum()) / 4
    sigma_ha = (lease.sigma_m or 0.0) * total**0.5 / 1e4
    one, other = sorted((lease.area_ha, lease.grid_area_ha))
    return Measured(lease.area_ha, one - Z95 * sigma_ha, other + Z95 * sigma_ha, "ha")


def decide_duties(c: Context) -> None:
    """Work out every duty and say the decision with its reasons."""
    facts = circumstances(c)
    c.duties = duties(facts, c.law)
    c.duty = chosen(c.duties)
    for duty in c.duties:
        if (
            duty.id in ("mcdr.34A.3", "mcdr.34A.4", "rajasthan.29A.1", "rajasthan.29A.2")
            and duty.applies is None
        ):
            continue
        c.tests.append(
            {
                "test": "duty",
                "subject": duty.id,
                "applies": duty.applies,
                "waived_by": duty.waived_by,
                "reasons": list(duty.reasons),
            }
        )
    if c.law.regime == "mcdr":
        _say_thresholds(c, facts)
    else:
        decided = c.duty
        if decided is not None:
            c.say("rajasthan.28.dd.who", True, decided.in_words, verdict="complies", shown="a lessee")
    _say_mineral(c)
    if c.duty is not None and c.duty.applies is None:
        c.say(
            c.duty.clause.id,
            None,
            f"Which duty applies cannot be told. {c.duty.in_words} The delivery is checked as what it is.",
            subject="duty",
            verdict="not measured",
            mend="State the annual excavation plan and the area of the lease deed.",
        )
    _say_before_plan(c)
    _say_star_rating(c)


def _say_thresholds(c: Context, facts: Circumstances) -> None:
    drone = next((d for d in c.duties if d.id == "mcdr.34A.1"), None)
    satellite = next((d for d in c.duties if d.id == "mcdr.34A.2"), None)
    if drone is None:
        return
    # A threshold that is not reached breaches nothing: it decides which duty there is.
    text = drone.in_words + (f" {satellite.in_words}" if satellite is not None else "")
    seen = [
        (clause_id, observed, verdict_of(row, observed, {}))
        for clause_id, observed in (
            ("mcdr.34A.1.plan", facts.annual_excavation_plan_t),
            ("mcdr.34A.1.area", facts.lease_area_ha),
        )
        if observed is not None and (row := c.row(clause_id)) is not None
    ]
    reached = [s for s in seen if s[2] == "complies"]
    for clause_id, observed, verdict in reached or seen:
        if verdict == "breaches":
            c.say(clause_id, observed, f"Below the threshold. {text}", verdict="complies", shown="below")
        else:
            c.say(clause_id, observed, text, verdict=verdict)


def _say_mineral(c: Context) -> None:
    mineral = c.filing.job.mine.mineral
    row = c.row("mcdr.2.minerals")
    if row is None or mineral is None:
        return
    if verdict_of(row, mineral.strip(), {}) == "breaches":
        c.say(
            row.id,
            mineral,
            (
                f"{mineral} is a mineral to which these rules do not apply; the filing is judged by them all "
                f"the same."
            ),
            verdict="exempt, for review",
        )


def _say_before_plan(c: Context) -> None:
    for duty in c.duties:
        if duty.id not in ("mcdr.34A.3", "rajasthan.29A.1") or duty.applies is not True:
            continue
        plan, flown = c.filing.job.check.mining_plan, c.filing.latest.day
        if duty.waived_by:
            c.say(duty.clause.id, flown, duty.in_words, verdict="complies")
            continue
        when = "on an unknown day" if flown is None else f"on {flown.isoformat()}"
        c.say(
            duty.clause.id,
            flown,
            f"{duty.in_words} The survey was made {when}.",
            until=plan,
            limit=f"within six months before {plan.isoformat()}" if plan else "six months",
        )
    for duty in c.duties:
        if duty.id in ("mcdr.34A.4", "rajasthan.29A.2") and duty.applies is True:
            c.say(
                duty.clause.id,
                True,
                f"{duty.in_words} The survey is checked against the boundary as the block to be covered.",
                verdict="complies",
                shown="letter of intent",
            )


def _say_star_rating(c: Context) -> None:
    duty = next((d for d in c.duties if d.id == "mcdr.35.2"), None)
    survey = c.filing.latest.survey
    if duty is None or survey.date is None:
        return
    filed = c.filing.job.check.star_rating
    if duty.waived_by:
        c.say(duty.clause.id, filed, duty.in_words, verdict="complies", shown="waived", year=survey.date.year)
        return
    message = duty.in_words
    if filed is None:
        message += " When the self-assessment was filed is not stated."
    c.say(duty.clause.id, filed, message, year=survey.date.year, state=c.filing.job.mine.state)


def say_dates(c: Context) -> None:
    """The month of the survey, and the day of filing."""
    survey = c.filing.latest.survey
    prefix = "mcdr.34A.2" if c.satellite else c.rules
    row = c.row(f"{prefix}.month")
    if row is not None:
        if survey.date is None:
            message = "The delivery does not say when the survey was made."
        else:
            message = f"The survey is stated for {survey.date.isoformat()}."
        c.say(row.id, survey.date, message)
    filed_row = c.row(f"{prefix}.filed")
    if filed_row is not None:
        _say_filed(c, filed_row)


def _say_filed(c: Context, row: Clause) -> None:
    survey = c.filing.latest.survey
    year = survey.date.year if survey.date else survey.filed.year if survey.filed else None
    state = c.filing.job.mine.state
    if row.relation == "not specified" or year is None:
        said = f"Filed on {survey.filed.isoformat()}." if survey.filed else "When it was filed is not stated."
        c.say(
            row.id,
            survey.filed,
            said,
            verdict=None if year or row.relation == "not specified" else "not measured",
        )
        return
    last, words = due_day(row, {"year": year, "state": state})
    if survey.filed is None:
        message = f"When it was filed is not stated; it was due on {words}."
        if c.on > last:
            message += f" That day has passed on {c.on.isoformat()}."
        c.say(row.id, None, message, year=year, state=state)
        return
    late = (survey.filed - last).days
    message = f"Filed on {survey.filed.isoformat()}"
    message += (
        f", {late} day{'s' if late != 1 else ''} after the due date {words}."
        if late > 0
        else f"; due on {words}."
    )
    if state is None:
        message += " The state is not given, so only national holidays were taken into account."
    c.say(row.id, survey.filed, message, year=year, state=state)
