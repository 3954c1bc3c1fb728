"""``survey template``: a full, commented job file, made from the models that check it."""

from __future__ import annotations

import json
import textwrap
from datetime import date
from typing import Any

from survey.errors import JobError
from survey.pipelines.job.describe import KeyText, SectionText, sections

_SURVEYED = ("job", "lease", "survey", "align", "error", "detect", "report")
KINDS: dict[str, tuple[str, ...] | None] = {
    "full": None,
    "excavation": (
        "job",
        "mine",
        "lease",
        "survey",
        "material",
        "align",
        "error",
        "measure",
        "detect",
        "report",
    ),
    "check": ("job", "mine", "lease", "survey", "material", "declared", "check", "check.waiver", "report"),
    "outside": _SURVEYED,
    "assess": (
        "job",
        "mine",
        "lease",
        "survey",
        "material",
        "assess",
        "assess.materials",
        "assess.officers",
        "report",
    ),
    "triggers": ("job", "lease", "watch", "report"),
}
"""Which sections stand in the template of which command; None = all."""

_ONE_SURVEY = ("assess",)
_WIDTH = 100

_OPENING = {
    "full": "A job for mine-survey, with everything that it may say.",
    "excavation": "A job for: survey excavation. What was dug and dumped between two surveys.",
    "check": "A job for: survey check. Does a filing comply, and is it what it claims to be?",
    "outside": "A job for: survey outside. Pits and heaps beyond the lease, from two surveys or one.",
    "assess": "A job for: survey assess. How much lies in a pit or stock (rule 91).",
    "triggers": "A job for: survey triggers. What is new in satellite images, outside the permitted areas.",
}


def template(kind: str = "full") -> str:
    """The text of a commented job file.

    Raises
    ------
    JobError
        There is no such kind.
    """
    if kind not in KINDS:
        raise JobError(f'there is no template "{kind}"', expected=", ".join(KINDS))
    wanted = KINDS[kind]
    parts = [_opening(kind)]
    for section in sections():
        if wanted is None or section.path in wanted:
            parts.append(_section(section, surveys=1 if kind in _ONE_SURVEY else 2))
    return "\n".join(parts)


def _opening(kind: str) -> str:
    text = f"""\
        {_OPENING[kind]}

        Lines that begin with "# " explain; lines that begin with "#" and a key are possible settings:
        take the "#" away to use them. Where a line says (default), that value holds without it.
        Paths are relative to this file and may not leave its folder. Dates are year-month-day. Units stand
        in the names: _m metres, _m2 square metres, _m3 cubic metres, _ha hectares, _t tonnes, _t_m3 tonnes
        per cubic metre, _inr_t rupees per tonne, _deg degrees."""
    return "\n".join(f"# {line.strip()}".rstrip() for line in text.splitlines()) + "\n"


def _section(section: SectionText, surveys: int) -> str:
    optional = not any(key.stands for key in section.keys) or section.path == "check.waiver"
    lines = [f"# {'-' * (_WIDTH - 2)}", *_comment(section.says)]
    if section.repeats and section.path != "survey":
        lines += _comment("May be repeated.")
    lines.append(("#" if optional and section.repeats else "") + section.header)
    for key in section.keys:
        lines += _explained(key, commented=optional)
    count = surveys if section.path == "survey" else _examples(section) if not optional else 1
    for number in range(1, count):
        lines += ["", section.header]
        lines += [f"{key.name} = {toml(_example(key, number))}" for key in section.keys if key.stands]
    return "\n".join(lines) + "\n"


def _examples(section: SectionText) -> int:
    """How many examples a section that repeats gives."""
    if not section.repeats:
        return 1
    return max((len(key.example) for key in section.keys if isinstance(key.example, list)), default=1)


def _explained(key: KeyText, *, commented: bool) -> list[str]:
    says = key.says + (" Required." if key.required else "")
    lines = _comment(says)
    if key.stands and not commented:
        return [*lines, f"{key.name} = {toml(_example(key, 0))}"]
    value = _example(key, 0)
    note = "  # (default)" if key.default not in (None, ()) and value == key.default else ""
    return [*lines, f"#{key.name} = {toml(value)}{note}"]


def _example(key: KeyText, number: int) -> Any:
    example = key.example
    if isinstance(example, list):
        return example[min(number, len(example) - 1)]
    if example is None:
        return key.default
    return example


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH - 2)]


def toml(value: Any) -> str:
    """A value in TOML. JSON's escapes of text are TOML's too; what does not show is escaped as well."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "".join(c if c.isprintable() else _escaped(c) for c in json.dumps(value, ensure_ascii=False))
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {toml(item)}" for name, item in value.items()) + " }"
    raise TypeError(f"{type(value).__name__} has no place in a job file")


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
