"""The day a scene is of: what its tags say, else its name."""

from __future__ import annotations

import os
import re
from datetime import date
from typing import TYPE_CHECKING

from survey.errors import InputRefused
from survey.remark import Remark

if TYPE_CHECKING:
    from survey.rasters.describe import RasterDescription

_TAGS = (
    "ACQUISITION_DATE",
    "ACQUISITIONDATETIME",
    "ACQUISITION_DATETIME",
    "DATE_ACQUIRED",
    "SENSING_TIME",
    "SENSING_DATE",
    "PRODUCT_START_TIME",
    "DATATAKE_1_DATATAKE_SENSING_START",
    "DATE",
    "DATETIME",
    "TIFFTAG_DATETIME",
)
_DAY = re.compile(r"(?<!\d)((?:19|20)\d{2})([-_:/. ]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")


def day_in(text: str) -> date | None:
    """The first YYYYMMDD (also with - _ : / . or a space between) that is a day of the calendar."""
    for match in _DAY.finditer(text):
        try:
            return date(int(match[1]), int(match[3]), int(match[4]))
        except ValueError:
            continue
    return None


def day_of(raster: RasterDescription, name: str, notes: list[Remark]) -> date:
    """The day a file is of: its tags, else its name.

    Raises
    ------
    InputRefused
        Neither says.
    """
    tags = {key.upper(): value for key, value in raster.tags}
    said = None
    for key in _TAGS:
        if key in tags and (said := day_in(tags[key])):
            break
    named = day_in(os.path.basename(name)) or day_in(name)
    if said and named and said != named:
        notes.append(
            Remark(
                "two-dates",
                f"{os.path.basename(name)}: its tags say {said.isoformat()}, its name {named.isoformat()}; "
                "the tags count",
                "caution",
            )
        )
    found = said or named
    if found is None:
        raise InputRefused(
            "nothing says of which day this scene is",
            expected="a date in its tags, or YYYYMMDD in its name",
            file=name,
            mend="Put the day of acquisition into the file's name.",
        )
    return found
