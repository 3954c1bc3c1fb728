"""Where the files of a job may lie: beside or below the job file, or in its delivery, and nowhere else.

A job file may come from the same stranger as the data. A path that leaves its folder (by ``..``, by an
absolute name, by a link) would let it read and publish any file of the reviewer's machine.
"""

from __future__ import annotations

import os
import stat
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from survey.delivery.remote import is_remote, remote_problem
from survey.pipelines.job.words import plain

Kind = Literal["file", "folder", "either"]
_LONGEST = 1024


def name_problem(name: str) -> str | None:
    """What is wrong with a path as a name, whatever lies there."""
    problem = _spelling_problem(name)
    if problem:
        return problem
    if is_remote(name) or "://" in name:
        return f'found "{plain(name)}"; only files on this machine are read: give a path'
    if "\\" in name:
        better = plain(name.replace("\\", "/"))
        return f'found "{plain(name)}"; write the path with forward slashes: "{better}"'
    return None


def _spelling_problem(name: str) -> str | None:
    if len(name) > _LONGEST:
        return f"has {len(name)} characters, more than the {_LONGEST} allowed"
    if any(ord(c) < 32 or ord(c) == 127 for c in name):
        return f'found "{plain(name)}"; a path cannot hold control characters'
    return None


def leaves(name: str) -> bool:
    """Whether a path points out of the folder that it is relative to, by its spelling alone."""
    depth = 0
    if os.path.isabs(name):
        return True
    for part in name.split("/"):
        depth += {"..": -1, "": 0, ".": 0}.get(part, 1)
        if depth < 0:
            return True
    return False


def check_path(
    name: str, kind: Kind, context: dict[str, Any], *, outside_delivery: bool = False
) -> str | None:
    """What is wrong with a path of the job file, as a clause for the message; None if nothing.

    ``context``: ``folder`` of the job file (absent: nothing on disk is looked at), ``allow_outside``,
    ``allow_remote`` (rasters may lie on object storage), ``delivery`` (the paths lie in it), ``check_files``.
    A delivery's own path never lies in a delivery.
    """
    if is_remote(name) and context.get("allow_remote"):
        return _spelling_problem(name) or _remote_problem(name, kind, context, outside_delivery)
    problem = name_problem(name)
    if problem:
        return problem
    folder: Path | None = context.get("folder")
    if context.get("delivery") and not outside_delivery:
        if leaves(name):
            return f'found "{plain(name)}"; paths are those inside the delivery and cannot point out of it'
        return None
    if folder is None:
        return None
    if not context.get("allow_outside") and (leaves(name) or not _is_within(folder / name, folder)):
        return (
            f'found "{plain(name)}", which lies outside the folder of the job file; '
            "move it there, or allow it with --allow-outside"
        )
    if not context.get("check_files", True):
        return None
    return _presence_problem(folder / name, name, kind)


def _remote_problem(name: str, kind: Kind, context: dict[str, Any], is_delivery: bool) -> str | None:
    """What is wrong with a name on object storage, which the command line allows."""
    if is_delivery or kind == "folder":
        what = "delivery" if is_delivery else "folder"
        return f'found "{plain(name)}"; a {what} must lie on this machine'
    if context.get("delivery"):
        return f'found "{plain(name)}"; paths are those inside the delivery and cannot point out of it'
    wrong = remote_problem(name)
    return None if wrong is None else f'found "{plain(name)}"; {wrong}'


def _is_within(path: Path, folder: Path) -> bool:
    real = Path(os.path.realpath(path))
    home = Path(os.path.realpath(folder))
    return real == home or home in real.parents


def _presence_problem(path: Path, name: str, kind: Kind) -> str | None:
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return f'found "{plain(name)}", but there is no such file' + _nearest(path)
    except OSError as error:
        return f'found "{plain(name)}", which cannot be read ({error.strerror})'
    if stat.S_ISREG(mode):
        return f'found "{plain(name)}", which is a file; a folder is expected' if kind == "folder" else None
    if stat.S_ISDIR(mode):
        return f'found "{plain(name)}", which is a folder; a file is expected' if kind == "file" else None
    return f'found "{plain(name)}", which is neither a file nor a folder'


def _nearest(path: Path) -> str:
    """The nearest name in the same folder, for the commonest mistake: a letter or an ending."""
    try:
        names = sorted(entry.name for entry in os.scandir(path.parent))[:5000]
    except OSError:
        return ""
    close = get_close_matches(path.name, names, n=1, cutoff=0.6)
    return f'; the nearest name there is "{close[0]}"' if close else ""
