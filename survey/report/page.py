"""Pages of HTML: one way to fill a template, in which everything that came from outside is escaped."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template


@cache
def template(name: str, folder: str = "templates") -> Template:
    """A template of ``survey/report``, compiled once: a night's batch fills it hundreds of times.

    A name that the template asks for and nobody gave is an error, not a gap in a report.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("survey.report", folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
