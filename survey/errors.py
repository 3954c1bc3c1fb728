"""One family of errors. Each says what was found, what was expected, in which file, and how to mend it.

A ``SurveyError`` is for the person who delivered the data; it is printed without a traceback and ends
the command with its ``exit_code``. Anything else that escapes is a fault of the program.
"""

from __future__ import annotations

from pathlib import PurePath


class SurveyError(Exception):
    """Something a user can mend.

    Parameters
    ----------
    found:
        What was found, in one clause: "the DEM has no coordinate reference system".
    expected:
        What is accepted here, if that is not obvious.
    file:
        The file concerned. A path within the delivery is shown as it is, since each year may have its own
        ``dsm.tif``; of any other only the name: an error travels to people who do not share the disk.
    mend:
        What to do, as an instruction.
    """

    exit_code = 2

    def __init__(
        self,
        found: str,
        *,
        expected: str | None = None,
        file: str | PurePath | None = None,
        mend: str | None = None,
    ) -> None:
        self.found = found
        self.expected = expected
        self.file = None if file is None else str(file)
        self.mend = mend
        super().__init__(found)

    def __str__(self) -> str:
        text = self.found if self.file is None else f"{_shown(PurePath(self.file))}: {self.found}"
        if self.expected:
            text += f"; expected {self.expected}"
        if not text.endswith((".", "!", "?")):
            text += "."
        if self.mend:
            text += f" {self.mend}"
        return text

    def __reduce__(self):  # type: ignore[no-untyped-def]
        # Errors cross process borders; keyword-only arguments need help to be rebuilt there.
        return _rebuild, (type(self), self.found, self.expected, self.file, self.mend)


def _shown(file: PurePath) -> str:
    return file.name if file.is_absolute() or ".." in file.parts else file.as_posix()


def _rebuild(
    kind: type[SurveyError], found: str, expected: str | None, file: str | None, mend: str | None
) -> SurveyError:
    return kind(found, expected=expected, file=file, mend=mend)


class JobError(SurveyError):
    """The job file is wrong: an unknown key, a missing or impossible value."""


class InputRefused(SurveyError):
    """An input cannot be used: any number made from it would be wrong."""


class OutputError(SurveyError):
    """Results could not be written whole, so none are presented."""


class EngineError(SurveyError):
    """The cluster, a worker or the memory given is not enough to finish."""
