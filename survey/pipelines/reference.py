"""The part of docs/REFERENCE.md that describes the job file and the record, made from the models.

``python -m survey.pipelines.reference docs/REFERENCE.md`` writes it anew; a test keeps the file true.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import BaseModel

from survey.pipelines.job.describe import KeyText, sections, words
from survey.pipelines.template import toml

BEGIN = "<!-- made from the models: begin -->"
END = "<!-- made from the models: end -->"


def job_reference() -> str:
    """Markdown: a table per section of the job file."""
    parts = []
    for section in sections():
        rows = "\n".join(_row(key) for key in section.keys)
        again = " May be repeated." if section.repeats else ""
        parts.append(
            f"### `{section.header}`\n\n{section.says}{again}\n\n"
            f"| key | value | default | meaning |\n|---|---|---|---|\n{rows}\n"
        )
    return "\n".join(parts)


def _row(key: KeyText) -> str:
    default = (
        "**required**" if key.required else "" if key.default in (None, ()) else f"`{toml(key.default)}`"
    )
    return f"| `{key.name}` | {_cell(key.takes)} | {default} | {_cell(key.says)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def record_reference() -> str:
    """Markdown: a table per part of ``record.json``."""
    from survey.record import Record

    seen: dict[str, type[BaseModel]] = {}

    def collect(model: type[BaseModel]) -> None:
        if model.__name__ in seen:
            return
        seen[model.__name__] = model
        for field in model.model_fields.values():
            for inner in _models_in(field.annotation):
                collect(inner)

    collect(Record)
    parts = []
    for name, model in seen.items():
        rows = "\n".join(
            f"| `{field.alias or key}` | {_cell(_record_words(field.annotation))} |"
            for key, field in model.model_fields.items()
        )
        says = " ".join((model.__doc__ or "").split("\n\n")[0].split())
        title = "record.json" if model is Record else name
        parts.append(f"### {title}\n\n{says}\n\n| name | value |\n|---|---|\n{rows}\n")
    return "\n".join(parts)


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for arg in getattr(annotation, "__args__", ()) for m in _models_in(arg)]


def _record_words(annotation: object) -> str:
    models = _models_in(annotation)
    if models:
        many = str(annotation).startswith("list")
        return f"list of {models[0].__name__}" if many else models[0].__name__
    text = str(annotation)
    for long, short in (
        ("list[dict[str, typing.Any]]", "list of objects"),
        ("dict[str, typing.Any]", "object"),
        ("dict[str, str]", "object of texts"),
        ("dict[str, float]", "object of numbers"),
        ("list[str]", "list of texts"),
    ):
        if text.startswith(long):
            return short
    if "datetime" in text:
        return "date and time"
    return words(annotation)


def made() -> str:
    return f"{BEGIN}\n\n## The job file\n\n{job_reference()}\n## The record\n\n{record_reference()}\n{END}"


def with_made(text: str) -> str:
    """``text`` with the part between the marks replaced by what the models say now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{made()}{after}"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(with_made(page.read_text(encoding="utf-8")), encoding="utf-8")
