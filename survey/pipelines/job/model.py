"""The whole job: its sections, what they must agree on, and what each command needs of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, PrivateAttr, model_validator

from survey.errors import InputRefused, JobError
from survey.pipelines.job.assess import Assess
from survey.pipelines.job.base import DETECTED, InputPath, Section, key, refuse
from survey.pipelines.job.filing import Check, Declared
from survey.pipelines.job.settings import Align, Detect, Error, Measure, Report
from survey.pipelines.job.site import Head, Lease, Mine
from survey.pipelines.job.surveys import Material, Survey
from survey.pipelines.job.watch import Watch

if TYPE_CHECKING:
    from survey.delivery import Delivery


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file that a job names: under which key, for which survey, as which name."""

    key: str  # survey[1].dem
    role: str  # dem
    survey: date | None
    name: str


Surveys = Annotated[
    tuple[Survey, ...],
    BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else (v,) if isinstance(v, dict) else v),
]


class Job(Section):
    """A checked job file. ``folder`` is where it lies; relative paths begin there."""

    head: Head = key("What this job is called and which law it is held against.", alias="job")
    mine: Mine = key("The mine and its holder.", default=Mine())
    lease: Lease | None = key("The boundary.", default=None)
    surveys: Surveys = key("The surveys, in order of date.", default=(), alias="survey")
    material: Material = key("What the ground weighs.", default=Material())
    align: Align = key("How surveys are laid on each other.", default=Align())
    error: Error = key("Declared errors.", default=Error())
    measure: Measure = key("What else is measured.", default=Measure())
    detect: Detect = key("When a change is called a site.", default=Detect())
    declared: Declared = key("What the annual return says.", default=Declared())
    check: Check = key("What the reviewer knows.", default=Check())
    assess: Assess | None = key("The assessment.", default=None)
    watch: Watch | None = key("What is watched.", default=None)
    report: Report = key("How reports are drawn.", default=Report())

    _folder: Path = PrivateAttr(default=Path())
    _source: Path | None = PrivateAttr(default=None)
    _allow_outside: bool = PrivateAttr(default=False)
    _allow_remote: bool = PrivateAttr(default=False)

    @model_validator(mode="after")
    def _in_order(self) -> Job:
        for number, (a, b) in enumerate(zip(self.surveys, self.surveys[1:], strict=False), start=1):
            here, there = f"survey[{number}]", f"survey[{number + 1}]"
            if a.date == b.date:
                raise refuse(
                    f"{here} and {there} have the same date, {a.date.isoformat()}; "
                    "two surveys that are compared were made on different days"
                )
            if a.date > b.date:
                raise refuse(
                    f"{here} ({a.date.isoformat()}) is later than {there} ({b.date.isoformat()}); "
                    "list surveys in order of date, or correct the dates if they were swapped"
                )
        if self.assess and self.assess.base == "earlier" and len(self.surveys) < 2:
            raise refuse('assess.base = "earlier" needs an earlier survey: two [[survey]] tables')
        return self

    # -- short names -------------------------------------------------------------------------------------
    @property
    def id(self) -> str:
        return self.head.id

    @property
    def regime(self) -> str | None:
        return self.head.regime

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def source(self) -> Path | None:
        """The job file itself."""
        return self._source

    @property
    def measured(self) -> tuple[Survey, ...]:
        """The surveys that have a surface."""
        return tuple(survey for survey in self.surveys if survey.has_surface)

    @property
    def tasks(self) -> tuple[str, ...]:
        """What ``survey run`` does, in the order in which it is done."""
        if self.head.tasks:
            return tuple(task for task in TASKS if task in self.head.tasks)
        described = {
            "check": self.regime is not None and bool(self.surveys) and self.lease is not None,
            "excavation": len(self.measured) > 1 and self.lease is not None,
            "outside": bool(self.measured) and self.lease is not None,
            "assess": self.assess is not None,
            "triggers": self.watch is not None,
        }
        return tuple(task for task in TASKS if described[task])

    # -- files -------------------------------------------------------------------------------------------
    def files(self) -> Iterator[JobFile]:
        """Every input that the job names, in the order of the job file; not the delivery itself."""
        yield from _files(self, "", None)

    def resolve(self, name: str, delivery: Delivery | None = None) -> Path:
        """The path on disk of a file named in this job.

        ``delivery`` is the opened delivery when the job has one: names are then those inside it.

        Raises
        ------
        InputRefused
            There is no such file.
        """
        if self.head.delivery is not None and name != self.head.delivery:
            if delivery is None:
                raise ValueError("the job's files lie in its delivery: open it and hand it over")
            return Path(delivery.find(name).path)
        from survey.pipelines.job.paths import check_path

        problem = check_path(name, "either", {"folder": self._folder, "allow_outside": self._allow_outside})
        if problem:
            raise InputRefused(problem, file=name)
        return self._folder / name

    def is_remote(self, name: str) -> bool:
        """Whether a file named in this job is to be fetched; never one of a delivery."""
        from survey.delivery.remote import is_remote

        return self._allow_remote and self.head.delivery is None and is_remote(name)

    # -- what each command needs -------------------------------------------------------------------------
    def require_excavation(self) -> None:
        """Two surveys with a surface, and a lease."""
        self._need_lease("excavation")
        if len(self.measured) < 2:
            raise self._lacks(
                f"excavation compares two surveys, and this job has {_count(len(self.measured), 'survey')} "
                "with a DEM",
                "Add a [[survey]] with date and dem; check, outside and assess can use a single one.",
            )

    def require_outside(self) -> None:
        """One survey with a surface, and a lease."""
        self._need_lease("outside")
        if not self.measured:
            raise self._lacks(
                "outside needs a survey with a DEM, and this job has none", "Add dem to a [[survey]]."
            )

    def require_assess(self) -> None:
        """[assess], and either points or a survey with a surface."""
        if self.assess is None:
            raise self._lacks("the section [assess] is missing", "See: survey template assess")
        if self.assess.points is None and not self.measured:
            raise self._lacks(
                "assess needs a survey with a DEM, or GNSS points, and this job has neither",
                "Add dem to a [[survey]], or points to [assess].",
            )

    def require_check(self) -> None:
        """A regime, a lease and a survey."""
        if self.regime is None:
            raise self._lacks(
                "no law is named that the filing could be checked against",
                'Add regime = "mcdr" or "rajasthan" to [job].',
            )
        self._need_lease("check")
        if not self.surveys:
            raise self._lacks("there is no [[survey]] to check", "Add one, with its date and files.")

    def require_triggers(self) -> None:
        """[watch], and a place: a lease, a registry or an area."""
        if self.watch is None:
            raise self._lacks("the section [watch] is missing", "See: survey template triggers")
        if self.lease is None and self.watch.registry is None and self.watch.area is None:
            raise self._lacks(
                "nothing says which place is watched",
                "Add [lease] with a boundary, or a registry or an area to [watch].",
            )

    def require(self, command: str) -> None:
        """What ``command`` needs: one of excavation, outside, assess, check, triggers, run."""
        if command != "run":
            getattr(self, f"require_{command}")()
            return
        if not self.tasks:
            raise self._lacks(
                "this job describes nothing that could be run",
                "Two surveys and a lease make an excavation; [assess] an assessment; [watch] triggers.",
            )
        for task in self.tasks:
            self.require(task)

    def _need_lease(self, command: str) -> None:
        if self.lease is None:
            raise self._lacks(
                f"{command} needs the lease, and the section [lease] is missing",
                'Add [lease] with boundary = "…".',
            )

    def _lacks(self, found: str, mend: str) -> JobError:
        return JobError(found, file=self._source, mend=mend)

    # -- for the record ----------------------------------------------------------------------------------
    def public(self) -> dict[str, Any]:
        """This job as plain JSON values, every default said, no path of the machine in it."""
        return _public(self)

    def digest(self) -> str:
        """SHA-256 over what the job says: the same for the same content, however the file is laid out."""
        text = json.dumps(
            self.public(), sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
        )
        return hashlib.sha256(text.encode()).hexdigest()


TASKS = ("check", "excavation", "outside", "assess", "triggers")


def _count(number: int, noun: str) -> str:
    return f"no {noun}" if number == 0 else f"only one {noun}" if number == 1 else f"{number} {noun}s"


def _files(part: BaseModel, prefix: str, survey: date | None) -> Iterator[JobFile]:
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        where = f"{prefix}{field.alias or name}"
        if isinstance(value, BaseModel):
            yield from _files(value, where + ".", survey)
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            for number, item in enumerate(value, start=1):
                day = item.date if isinstance(item, Survey) else survey
                yield from _files(item, f"{where}[{number}].", day)
        elif (
            value not in (None, DETECTED)
            and name != "delivery"
            and any(isinstance(m, InputPath) for m in field.metadata)
        ):
            yield JobFile(where, name, survey, value)


def _public(part: BaseModel) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        if value is None:
            continue
        if (
            isinstance(value, str)
            and os.path.isabs(value)
            and any(isinstance(m, InputPath) for m in field.metadata)
        ):
            # A record travels to people who do not share the disk.
            value = PurePosixPath(value).name
        content[field.alias or name] = _plain(value)
    return content


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _public(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value
