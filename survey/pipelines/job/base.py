"""What all sections of a job file share: frozen models, and types whose errors a surveyor can mend."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from survey.pipelines.job.paths import Kind, check_path
from survey.pipelines.job.words import shown

EARLIEST = date(1950, 1, 1)
LATEST = date(2100, 1, 1)
_NEWEST_TEXT = 2000


class Section(BaseModel):
    """A section of the job file: frozen, closed against misspelt names, strict about types."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )


def key(
    says: str,
    *,
    default: Any = ...,
    example: Any = None,
    stands: bool = False,
    unit: str | None = None,
    **limits: Any,
) -> Any:
    """A key of the job file: what it says, its default, and an example for the template.

    Keys that ``stands`` marks stand in a template ready to be filled in, the others as comments. A list of
    examples in a section that may repeat gives the first, second … their own.
    """
    extra: dict[str, Any] = {"stands": stands}
    if example is not None:
        extra["example"] = example
    if unit is not None:
        extra["unit"] = unit
    return Field(default, description=says, json_schema_extra=extra, **limits)


def refuse(message: str) -> PydanticCustomError:
    """An error whose message is shown as it stands (``{`` is no placeholder here)."""
    return PydanticCustomError("job", "{text}", {"text": message})


# -- text ------------------------------------------------------------------------------------------------
_BIDI = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if any((unicodedata.category(c) == "Cc" and c not in "\n\t") or c in _BIDI for c in value):
        raise refuse("holds control characters; write plain text")
    if len(value) > _NEWEST_TEXT:
        raise refuse(f"has {len(value)} characters, more than the {_NEWEST_TEXT} allowed")
    return value.strip()


def _optional_text(value: Any) -> Any:
    value = _text(value)
    return None if value == "" else value


def _required_text(value: Any) -> Any:
    value = _text(value)
    if value == "":
        raise refuse("is empty")
    return value


Text = Annotated[str, BeforeValidator(_required_text)]
OptionalText = Annotated[str | None, BeforeValidator(_optional_text)]


def _listed(value: Any) -> Any:
    """One value may stand for a list of one; TOML arrays arrive as lists and are kept as tuples."""
    if value is None or isinstance(value, tuple):
        return value
    return tuple(value) if isinstance(value, list) else (value,)


Texts = Annotated[tuple[Text, ...], BeforeValidator(_listed)]
Integers = Annotated[tuple[int, ...], BeforeValidator(_listed)]


# -- choices ---------------------------------------------------------------------------------------------
def _folded(*allowed: str) -> Callable[[Any], Any]:
    spelled = {name.casefold(): name for name in allowed}

    def match(value: Any) -> Any:
        return spelled.get(value.strip().casefold(), value) if isinstance(value, str) else value

    return match


def choice(*allowed: str) -> Any:
    """One of a few words; capitals do not matter."""
    return Annotated[Literal[allowed], BeforeValidator(_folded(*allowed))]


def _switch(value: Any) -> Any:
    if value is True or value is False:
        return value
    if isinstance(value, str) and value.strip().casefold() == "auto":
        return "auto"
    raise refuse(f'found {shown(value)}; allowed are "auto", true and false')


Switch = Annotated[Literal["auto"] | bool, BeforeValidator(_switch)]


# -- dates -----------------------------------------------------------------------------------------------
_INDIAN_DATE = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})")


def _day(value: Any) -> Any:
    if isinstance(value, datetime):
        raise refuse(
            f"found {value.isoformat()}; a date without a time of day is expected: {value.date().isoformat()}"
        )
    if isinstance(value, str):
        text = value.strip()
        if _INDIAN_DATE.fullmatch(text):
            raise refuse(
                f'found "{text}", whose day and month could be mistaken; write year-month-day, as 2025-04-20'
            )
        try:
            if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
                raise ValueError
            value = date.fromisoformat(text)
        except ValueError:
            raise refuse(
                f"found {shown(value)}, which is no date; write year-month-day, as 2025-04-20"
            ) from None
    if not isinstance(value, date):
        raise refuse(f"found {shown(value)}, which is no date; write year-month-day, as 2025-04-20")
    if not EARLIEST <= value < LATEST:
        raise refuse(
            f"found {value.isoformat()}; dates from {EARLIEST.year} to {LATEST.year - 1} are accepted"
        )
    return value


def _past_day(value: Any, info: ValidationInfo) -> Any:
    value = _day(value)
    today = (info.context or {}).get("today")
    if today is not None and value > today:
        raise refuse(f"found {value.isoformat()}, which is still to come (today is {today.isoformat()})")
    return value


Day = Annotated[date, BeforeValidator(_day)]
PastDay = Annotated[date, BeforeValidator(_past_day)]
"""A day on which something was seen or done, so none in the future."""


# -- reference systems -----------------------------------------------------------------------------------
_CODE = re.compile(r"(?:EPSG|ESRI|OGC|IGNF):[A-Za-z0-9]+(?:\+[0-9]+)?", re.IGNORECASE)
_WKT = re.compile(r"\s*(?:PROJ|GEOG|GEOD|COMPD|COMPOUND|BOUND|GEODETIC|PROJECTED)[A-Z]*\s*\[", re.IGNORECASE)


def _crs(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        raise refuse(f'found {shown(value)}; write it as "EPSG:{shown(value)}"')
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text == "":
        return None
    if not (_CODE.fullmatch(text) or _WKT.match(text)):
        raise refuse(f'found {shown(value)}; write a code such as "EPSG:32643", or WKT')
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        CRS.from_user_input(text)
    except CRSError:
        raise refuse(
            f'found {shown(value)}, which names no known reference system; "EPSG:32643" is one'
        ) from None
    return text.upper() if _CODE.fullmatch(text) else text


Crs = Annotated[str | None, BeforeValidator(_crs)]


# -- files -----------------------------------------------------------------------------------------------
DETECTED = "detected"


class InputPath:
    """Marks fields that name an input, so that they can be listed."""


def _checked(value: Any, info: ValidationInfo, kind: Kind) -> Any:
    if not isinstance(value, str):
        return value
    if value.strip() == "":
        return None
    problem = check_path(value, kind, info.context or {}, outside_delivery=info.field_name == "delivery")
    if problem:
        raise refuse(problem)
    return value


def _path(kind: Kind) -> BeforeValidator:
    return BeforeValidator(lambda value, info: _checked(value, info, kind))


def _targets(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str) and value.strip().casefold() == DETECTED:
        return DETECTED
    return _checked(value, info, "file")


FilePath = Annotated[str | None, InputPath(), _path("file")]
FolderPath = Annotated[str | None, InputPath(), _path("folder")]
FileOrFolder = Annotated[str | None, InputPath(), _path("either")]
Targets = Annotated[str | None, InputPath(), BeforeValidator(_targets)]
