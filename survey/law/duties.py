"""Which duty applies to this lessee in this year, and which waiver lifts it: a decision with its reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from survey.law.calendar import last_first_of_july, mining_year
from survey.law.clauses import Clause, Law
from survey.law.judge import compare, number
from survey.quantity import Measured


@dataclass(frozen=True)
class Circumstances:
    """What the filing says about the lessee. None = not said, which is never taken for no."""

    regime: str
    survey_date: date | None = None
    survey_kind: str | None = None  # drone | satellite
    mineral: str | None = None
    state: str | None = None
    annual_excavation_plan_t: float | None = None
    lease_area_ha: Measured | float | None = None
    lease_area_source: str = "lease deed"
    mining_plan_on: date | None = None  # a mining plan, scheme or modification submitted
    letter_of_intent: bool | None = None
    images_under_yearly_rule_on: date | None = None  # filing under 34A(1) or 28(2)(iv)(dd), the year before
    images_under_plan_rule_on: date | None = None  # filing under 34A(3)
    discontinued_days: float | None = None
    discontinuance_notice: bool | None = None
    common_sides: Sequence[str] = ()


@dataclass(frozen=True)
class Duty:
    """One duty: whether it applies (None = it cannot be told from what was given) and why."""

    id: str  # the beginning of the ids of its rows: "mcdr.34A.1"
    name: str
    clause: Clause
    applies: bool | None
    reasons: tuple[str, ...]
    waived_by: str | None = None

    @property
    def in_words(self) -> str:
        word = {True: "applies", False: "does not apply", None: "cannot be told"}[self.applies]
        if self.waived_by:
            word = "is waived"
        return f"{self.clause.cited} {word}: {'; '.join(self.reasons)}."


def duties(facts: Circumstances, law: Law) -> tuple[Duty, ...]:
    """Every duty of the regime, decided.

    A duty whose rows are not in force on the day of ``law`` is left out.
    """
    deciders = {"mcdr": _mcdr, "rajasthan": _rajasthan}
    return tuple(duty for duty in deciders[facts.regime](facts, law) if duty is not None)


def chosen(all_duties: Sequence[Duty]) -> Duty | None:
    """The yearly duty by which a delivery is checked; the first that applies, else the first in doubt."""
    yearly = [d for d in all_duties if d.id in ("mcdr.34A.1", "mcdr.34A.2", "rajasthan.28.dd")]
    for wanted in (True, None):
        for duty in yearly:
            if duty.applies is wanted and not duty.waived_by:
                return duty
    return yearly[0] if yearly else None


def _passes(clause: Clause, observed: Measured | float | None) -> bool | None:
    """Whether a threshold is reached; None if it is not known or lies inside the interval."""
    if observed is None:
        return None
    return {"complies": True, "breaches": False}.get(compare(clause.relation, observed, float(clause.limit)))


def _mcdr(facts: Circumstances, law: Law) -> list[Duty | None]:
    scope = law.get("mcdr.2.minerals")
    outside = (
        scope is not None
        and facts.mineral is not None
        and facts.mineral.strip().casefold() in {str(m) for m in scope.limit}
    )
    if outside and scope is not None:
        reason = f"{facts.mineral} is a mineral to which these rules do not apply ({scope.cited})"
        row = law.get("mcdr.34A.1.month")
        return [Duty("mcdr.34A.1", "drone survey every year", row, False, (reason,))] if row else []
    first = _mcdr_drone(facts, law)
    return [
        first,
        _mcdr_satellite(facts, law, first),
        _before_plan(facts, law, "mcdr.34A.3", "34A(1)"),
        _letter_of_intent(facts, law, "mcdr.34A.4", "mcdr.34A.4.block"),
        _star_rating(facts, law),
    ]


def _mcdr_drone(facts: Circumstances, law: Law) -> Duty | None:
    by_plan, by_area = law.get("mcdr.34A.1.plan"), law.get("mcdr.34A.1.area")
    row = law.get("mcdr.34A.1.month")
    if by_plan is None or by_area is None or row is None:
        return None
    reasons: list[str] = []
    tonnes = facts.annual_excavation_plan_t
    plan = _passes(by_plan, tonnes)
    if tonnes is None:
        reasons.append("the annual excavation plan was not given")
    else:
        reasons.append(
            f"the annual excavation plan is {number(tonnes, 't')}, "
            f"{'not below' if plan else 'below'} {number(by_plan.limit, 't')}"
        )
    area = _passes(by_area, facts.lease_area_ha)
    hectares = facts.lease_area_ha
    if hectares is None:
        reasons.append("the leased area is not known")
    else:
        value = hectares.value if isinstance(hectares, Measured) else hectares
        place = {True: "not below", False: "below", None: "too near to call to"}[area]
        reasons.append(
            f"the leased area is {number(value, 'ha')} by the {facts.lease_area_source}, "
            f"{place} {number(by_area.limit, 'ha')}"
        )
    applies = True if (plan or area) else False if (plan is False and area is False) else None
    if applies is None:
        reasons.append("either would be enough, so it cannot be told whether the drone survey is owed")
    return Duty("mcdr.34A.1", "drone survey every year", row, applies, tuple(reasons))


def _mcdr_satellite(facts: Circumstances, law: Law, first: Duty | None) -> Duty | None:
    row, waiver = law.get("mcdr.34A.2.month"), law.get("mcdr.34A.2.waiver")
    if row is None:
        return None
    name = "satellite images every year"
    if first is None or first.applies is None:
        return Duty(
            "mcdr.34A.2",
            name,
            row,
            None,
            ("it is owed by every lessee who does not owe the drone survey, and that cannot be told",),
        )
    if first.applies:
        return Duty("mcdr.34A.2", name, row, False, ("the lessee owes the drone survey of sub-rule (1)",))
    reasons = ["the lessee does not owe the drone survey of sub-rule (1)"]
    sent, flown = facts.images_under_plan_rule_on, facts.survey_date
    if waiver is not None and sent is not None and flown is not None and sent.year == flown.year:
        reasons.append(f"images went in under sub-rule (3) on {sent.isoformat()}, in the same year")
        return Duty("mcdr.34A.2", name, row, True, tuple(reasons), waiver.id)
    if sent is None:
        reasons.append("no images under sub-rule (3) are stated for the year")
    if facts.survey_kind == "drone":
        reasons.append("a drone survey was sent in its place, and is checked as one")
    return Duty("mcdr.34A.2", name, row, True, tuple(reasons))


def _before_plan(facts: Circumstances, law: Law, prefix: str, yearly: str) -> Duty | None:
    row, waiver = law.get(f"{prefix}.window"), law.get(f"{prefix}.waiver")
    if row is None:
        return None
    name = "drone survey before a mining plan"
    plan = facts.mining_plan_on
    if plan is None:
        return Duty(prefix, name, row, None, ("no mining plan, scheme or modification is stated",))
    reasons = [f"a mining plan is stated for {plan.isoformat()}"]
    filed = facts.images_under_yearly_rule_on
    last = last_first_of_july(plan)
    if filed is not None and waiver is not None:
        # "On or before the 1 July just before": images of that season, so of the mining year it lies in.
        season = mining_year(last)[0]
        if season <= filed <= last:
            reasons.append(
                f"images under rule {yearly} went in on {filed.isoformat()}, "
                f"on or before the 1 July just before ({last.isoformat()})"
            )
            return Duty(prefix, name, row, True, tuple(reasons), waiver.id)
        reasons.append(
            f"images under rule {yearly} of {filed.isoformat()} do not lift it: "
            f"the season is {season.isoformat()} to {last.isoformat()}"
        )
    else:
        reasons.append(f"no images under rule {yearly} are stated for the 1 July just before")
    return Duty(prefix, name, row, True, tuple(reasons))


def _letter_of_intent(facts: Circumstances, law: Law, prefix: str, row_id: str) -> Duty | None:
    row = law.get(row_id)
    if row is None:
        return None
    said = facts.letter_of_intent
    reason = {
        True: "the filing is a letter-of-intent holder's",
        False: "the filing is not a letter-of-intent holder's",
        None: "no letter of intent is stated",
    }[said]
    return Duty(prefix, "drone survey with a letter of intent", row, said, (reason,))


def _star_rating(facts: Circumstances, law: Law) -> Duty | None:
    row, waiver = law.get("mcdr.35.2.star_rating"), law.get("mcdr.35.2.waiver")
    if row is None:
        return None
    name = "star-rating self-assessment"
    days = facts.discontinued_days
    if waiver is not None and days is not None and days > float(waiver.options["more_than"]):
        reasons = [f"the mine was discontinued for {number(days, 'days')} in the year"]
        if facts.discontinuance_notice:
            reasons.append("with notice under rule 28")
            return Duty("mcdr.35.2", name, row, True, tuple(reasons), waiver.id)
        reasons.append(
            "no notice under rule 28 was given"
            if facts.discontinuance_notice is False
            else "whether notice under rule 28 was given is not stated"
        )
        known = facts.discontinuance_notice is False
        return Duty("mcdr.35.2", name, row, True if known else None, tuple(reasons))
    if days is None:
        return Duty("mcdr.35.2", name, row, True, ("no discontinuance is stated",))
    return Duty(
        "mcdr.35.2",
        name,
        row,
        True,
        (f"the mine was discontinued for {number(days, 'days')}, not more than {waiver_days(waiver)}",),
    )


def waiver_days(waiver: Clause | None) -> str:
    return number(float(waiver.options["more_than"]), "days") if waiver else "the waiver asks"


def _rajasthan(facts: Circumstances, law: Law) -> list[Duty | None]:
    row, proviso = law.get("rajasthan.28.dd.month"), law.get("rajasthan.28.dd.common_sides")
    yearly: Duty | None = None
    if row is not None:
        reasons = ["every lessee owes it, without a threshold"]
        if facts.common_sides and proviso is not None:
            reasons.append(
                f"sides declared common with another lease ({', '.join(facts.common_sides)}) are exempt, "
                f"for review ({proviso.cited})"
            )
        yearly = Duty("rajasthan.28.dd", "drone survey every year", row, True, tuple(reasons))
    return [
        yearly,
        _before_plan(facts, law, "rajasthan.29A.1", "28(2)(iv)(dd)"),
        _letter_of_intent(facts, law, "rajasthan.29A.2", "rajasthan.29A.2.plot"),
    ]
