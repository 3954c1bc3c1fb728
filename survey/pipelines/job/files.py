"""Names of a job inside its delivery."""

from __future__ import annotations

import unicodedata
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from survey.errors import InputRefused
from survey.pipelines.job.words import plain

if TYPE_CHECKING:
    from survey.delivery import Delivery


def _spelled(name: str) -> str:
    """One spelling per name: accents composed, ``./`` and doubled slashes gone."""
    parts = [part for part in unicodedata.normalize("NFC", name).split("/") if part not in ("", ".")]
    return "/".join(parts)


def in_delivery(name: str, delivery: Delivery) -> Path:
    """The unpacked file of that name.

    Raises
    ------
    InputRefused
        The delivery holds none, or several that are spelled alike.
    """
    wanted = _spelled(name)
    names = {file: _spelled(file.display_name) for file in delivery.files}
    found = [file for file, spelled in names.items() if spelled == wanted]
    if len(found) == 1:
        return Path(found[0].path)
    if found:
        raise InputRefused(
            f'the delivery holds {len(found)} files called "{plain(name)}"', mend="Send one of them."
        )
    # A folder forgotten is the commonest mistake, a misspelling the next.
    last = wanted.rpartition("/")[2]
    alike = sorted(spelled for spelled in names.values() if spelled.rpartition("/")[2] == last)
    close = alike or get_close_matches(wanted, sorted(names.values()), n=1, cutoff=0.4)
    hint = f'The nearest name in it is "{plain(close[0])}".' if close else None
    raise InputRefused(f'the delivery holds no file called "{plain(name)}"', mend=hint)
