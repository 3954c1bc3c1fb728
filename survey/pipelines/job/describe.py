"""The sections and keys of a job file as data, for the template and for docs/REFERENCE.md.

Both are made from the models that check the file, so neither can drift from what is accepted.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from survey.pipelines.job.base import InputPath
from survey.pipelines.job.messages import LIMITS, SIGNS, number, section_in
from survey.pipelines.job.model import Job


@dataclass(frozen=True, slots=True)
class KeyText:
    """One key: what it says, which values it takes, and what stands in a template."""

    name: str
    says: str
    takes: str
    required: bool
    default: Any
    example: Any
    stands: bool


@dataclass(frozen=True, slots=True)
class SectionText:
    """One section; ``path`` is its dotted name, ``repeats`` whether it is written ``[[path]]``."""

    path: str
    says: str
    repeats: bool
    keys: tuple[KeyText, ...]

    @property
    def header(self) -> str:
        return f"[[{self.path}]]" if self.repeats else f"[{self.path}]"


def sections() -> Iterator[SectionText]:
    """Every section of a job file in its order; a nested one follows its parent."""
    for name, field in Job.model_fields.items():
        yield from _section(field.alias or name, field)


def _section(path: str, field: FieldInfo) -> Iterator[SectionText]:
    model = section_in(field.annotation)
    assert model is not None
    keys, nested = [], []
    for name, inner in model.model_fields.items():
        if section_in(inner.annotation):
            nested.append((f"{path}.{inner.alias or name}", inner))
        else:
            keys.append(_key(inner.alias or name, inner))
    says = " ".join((model.__doc__ or "").split())
    yield SectionText(path, says, _is_tuple(field.annotation), tuple(keys))
    for inner_path, inner in nested:
        yield from _section(inner_path, inner)


def _key(name: str, field: FieldInfo) -> KeyText:
    extra: dict[str, Any] = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    default = None if field.is_required() or field.default is PydanticUndefined else field.default
    return KeyText(
        name=name,
        says=field.description or "",
        takes=_takes(field, extra.get("unit")),
        required=field.is_required(),
        default=default,
        example=extra.get("example"),
        stands=bool(extra.get("stands")),
    )


def _is_tuple(annotation: Any) -> bool:
    return get_origin(annotation) is tuple or any(_is_tuple(arg) for arg in get_args(annotation))


def _takes(field: FieldInfo, unit: str | None) -> str:
    if any(isinstance(m, InputPath) for m in field.metadata):
        return "path"
    kinds = words(field.annotation)
    limits = {
        sign: value
        for part in field.metadata
        for sign, attribute in LIMITS.items()
        if (value := getattr(part, attribute, None)) is not None
    }
    span = " and ".join(f"{word} {number(limits[sign])}" for sign, word in SIGNS.items() if sign in limits)
    return ", ".join(part for part in (kinds, unit, span) if part)


def words(annotation: Any) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        if any(isinstance(m, InputPath) for m in args[1:]):
            return "path"
        return words(args[0])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(words(arg) for arg in args if arg is not type(None)))
    if origin is Literal:
        return " or ".join(f'"{arg}"' if isinstance(arg, str) else str(arg) for arg in args)
    if origin is tuple:
        return f"list of {words(args[0])}"
    plain = {float: "number", int: "whole number", bool: "true or false", str: "text", date: "date"}
    return plain.get(annotation, str(annotation))
