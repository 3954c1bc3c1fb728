"""What pydantic found wrong, said to the person who wrote the file."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from survey.pipelines.job.model import Job
from survey.pipelines.job.words import plain, shown

SIGNS = {
    "greater_than": "more than",
    "greater_than_equal": "at least",
    "less_than": "less than",
    "less_than_equal": "at most",
}
LIMITS = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
_TYPES = {
    "float_type": "a number (2.6, without quotes)",
    "int_type": "a whole number, without quotes",
    "int_from_float": "a whole number",
    "string_type": "text in double quotes",
    "bool_type": "true or false, without quotes",
    "tuple_type": "a list in square brackets",
    "list_type": "a list in square brackets",
    "model_type": "a section: keys below a line such as [lease]",
    "model_attributes_type": "a section: keys below a line such as [lease]",
    "dict_type": "a section: keys below a line such as [lease]",
    "finite_number": "a finite number",
}


def problems(error: ValidationError, raw: dict[str, Any]) -> list[str]:
    """One line per mistake: the key, what was found, what is allowed, the nearest known key."""
    lines = [
        _line(detail) for detail in error.errors(include_url=False, include_context=True, include_input=True)
    ]
    return list(dict.fromkeys(lines))


def dotted(loc: tuple[int | str, ...]) -> str:
    """``survey[2].dem``: sections and lists are counted from one, as a reader counts them."""
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part + 1}]"
        else:
            name = plain(part) if part.isidentifier() else shown(part)
            path += f".{name}" if path else name
    return path


def _line(detail: ErrorDetails) -> str:
    loc, kind, found = detail["loc"], detail["type"], detail.get("input")
    where = dotted(loc)
    context: dict[str, Any] = detail.get("ctx") or {}
    if kind == "extra_forbidden":
        return f"{where} is not a known key{_nearest(loc)}"
    if kind == "missing":
        return f"{where} is missing{_example(loc)}"
    if kind == "literal_error":
        allowed = _allowed(loc)
        # Two near words are no hint: EGM96 and EGM2008 must not be suggested for "EGM".
        near = get_close_matches(found, allowed, n=2, cutoff=0.5) if isinstance(found, str) else []
        hint = f'; did you mean "{near[0]}"?' if len(near) == 1 else ""
        expected = str(context.get("expected", "")).replace("'", '"')
        return f"{where}: found {shown(found)}; allowed are {expected}{hint}"
    if kind in SIGNS:
        return f"{where}: found {shown(found)}; allowed is {_range(loc, kind, context)}"
    if kind in _TYPES:
        return f"{where}: found {shown(found)}; expected {_TYPES[kind]}"
    if kind == "job":
        text = str(context.get("text", ""))
        return f"{where}: {text}" if where else text
    return f"{where}: found {shown(found)}; {detail['msg'].lower()}"


def _model_at(loc: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The section that ``loc`` points into."""
    model: type[BaseModel] = Job
    for part in loc:
        if isinstance(part, int):
            continue
        inner = next(
            (section_in(f.annotation) for n, f in model.model_fields.items() if part in (n, f.alias)), None
        )
        if inner is None:
            return None
        model = inner
    return model


def section_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := section_in(arg))), None)


def keys_of(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _nearest(loc: tuple[int | str, ...]) -> str:
    model = _model_at(loc[:-1])
    if model is None:
        return ""
    name, known = str(loc[-1]), keys_of(model)
    close = get_close_matches(name.casefold(), known, n=3, cutoff=0.6)
    # Two letters that changed places make another word less often than a wrong one does: "dme" is "dem".
    close.sort(key=lambda key: sorted(key) != sorted(name.casefold()))
    if close:
        return f'; the nearest is "{close[0]}"'
    homes = [
        key
        for key, field in ((f.alias or n, f) for n, f in Job.model_fields.items())
        if (section := section_in(field.annotation)) and name in keys_of(section)
    ]
    if homes:
        return f"; it belongs into [{homes[0]}]" if homes[0] != "survey" else "; it belongs into [[survey]]"
    return f"; known here are {', '.join(known)}"


def _field_at(loc: tuple[int | str, ...]) -> Any:
    names = [part for part in loc if isinstance(part, str)]
    model = _model_at(tuple(names[:-1])) if names else None
    if model is None:
        return None
    return next((f for n, f in model.model_fields.items() if names[-1] in (n, f.alias)), None)


def _example(loc: tuple[int | str, ...]) -> str:
    field = _field_at(loc)
    example = (field.json_schema_extra or {}).get("example") if field is not None else None
    if isinstance(example, list):
        example = example[0]
    if example is None:
        return f"; add a section [{loc[-1]}]" if len(loc) == 1 else ""
    return f"; for example {loc[-1]} = {shown(example)}"


def _allowed(loc: tuple[int | str, ...]) -> list[str]:
    field = _field_at(loc)

    def words(annotation: Any) -> list[str]:
        args = get_args(annotation)
        return [a for a in args if isinstance(a, str)] + [
            w for a in args if not isinstance(a, str) for w in words(a)
        ]

    return words(field.annotation) if field is not None else []


def _range(loc: tuple[int | str, ...], kind: str, context: dict[str, Any]) -> str:
    """Both ends of what is allowed, not only the one that was overstepped."""
    field = _field_at(loc)
    limits: dict[str, Any] = {}
    for part in getattr(field, "metadata", None) or []:
        for sign, attribute in LIMITS.items():
            if (value := getattr(part, attribute, None)) is not None:
                limits[sign] = value
    limits.setdefault(kind, context.get(LIMITS[kind]))
    unit = (getattr(field, "json_schema_extra", None) or {}).get("unit")
    text = " and ".join(f"{word} {number(limits[sign])}" for sign, word in SIGNS.items() if sign in limits)
    return f"{text} {unit}" if unit else text


def number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"
