"""``survey verify RUN``: does a record still stand?

The record names the SHA-256 of every file that went in and of every file that came out. This computes them
again. The record itself is the one file that it cannot name; a detached signature, in the format of
``ssh-keygen -Y``, says that it is the one that somebody vouched for.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

from survey.archive import RECORD, complete_record, sha256_of_file
from survey.errors import InputRefused, OutputError, SurveyError

if TYPE_CHECKING:
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress
    from survey.record import Record

SIGNATURE = f"{RECORD}.sig"
NAMESPACE = "mine-survey-record"
"""A signature counts for this purpose only: one made for mail or for commits is none."""

DRAWN = (".html", ".pdf", ".dxf", ".kml", ".kmz", ".xlsx", ".xml", ".str")
"""Drawn from the record: a newer version may draw them otherwise, and what was measured is the same."""


@dataclass
class Verdict:
    """What was found of every file: same, changed, missing, or (inputs) not found."""

    outputs: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    unnamed: list[str] = field(default_factory=list)
    differs: dict[str, list[str | None]] = field(default_factory=dict)
    signature: str = "none"
    problems: list[str] = field(default_factory=list)

    @property
    def stands(self) -> bool:
        evidence = [state for name, state in self.outputs.items() if not name.endswith(DRAWN)]
        return (
            all(state == "same" for state in evidence)
            and "changed" not in self.inputs.values()
            and not self.problems
            and self.signature != "bad"
        )

    def public(self) -> dict[str, Any]:
        return {
            "stands": self.stands,
            "outputs": self.outputs,
            "inputs": self.inputs,
            "unnamed": self.unnamed,
            "signature": self.signature,
            "differs": self.differs,
            "problems": self.problems,
        }

    def told(self) -> str:
        lines = ["The record stands." if self.stands else "The record does NOT stand."]
        lines += self.problems
        for title, states in (("Outputs", self.outputs), ("Inputs", self.inputs)):
            count = {
                state: sum(s == state for s in states.values()) for state in dict.fromkeys(states.values())
            }
            said = ", ".join(f"{n} {state}" for state, n in count.items())
            lines.append(f"{title}: {said or 'none named'}")
            for name, state in states.items():
                if state != "same":
                    drawn = title == "Outputs" and name.endswith(DRAWN)
                    lines.append(
                        f"  {name}: {state}{' (a drawing: survey report draws it again)' if drawn else ''}"
                    )
        if self.unnamed:
            lines.append(f"Files that the record does not name: {', '.join(self.unnamed)}")
        lines.append(f"Signature: {self.signature}")
        for name, (then, now) in self.differs.items():
            lines.append(f"Made with {name} {then}; here it is {now}")
        return "\n".join(lines)


def run_verify(
    run: Path,
    options: Options,
    progress: Progress,
    *,
    inputs: Path | None = None,
    sign: Path | None = None,
    signers: Path | None = None,
) -> tuple[bool, str]:
    """Whether the record of ``run`` stands, and what to print.

    Parameters
    ----------
    inputs : the folder that paths of the record are relative to; looked for around the run if not given.
    sign : a private SSH key; a record that stands is signed with it.
    signers : an ``allowed_signers`` file: the signature must be by one of them.

    Raises
    ------
    InputRefused
        ``run`` is not the folder of a run.
    OutputError
        The signature cannot be written.
    """
    folder = run.parent if run.name == RECORD else run
    raw = complete_record(folder)
    if raw is None:
        raise InputRefused(
            f"{folder.name} holds no whole run",
            expected=f"a folder with {RECORD}",
            mend="Give the folder that `survey run` made, such as runs/<job id>.",
        )
    verdict = Verdict()
    record = _read(folder, verdict)
    _seal(raw, verdict)
    _outputs(folder, raw, verdict, progress)
    if record is not None:
        _inputs(folder, record, inputs, verdict, progress)
        verdict.differs = _differs(record)
    if sign is not None:
        if not verdict.stands:
            raise InputRefused("the record does not stand, so it is not signed", file=folder / RECORD)
        sign_record(folder, sign)
    verdict.signature = signature_of(folder, signers)
    if signers is not None and verdict.signature == "none":
        verdict.problems.append("A signature is asked for and there is none.")
    told = json.dumps(verdict.public(), ensure_ascii=False, indent=1) if options.json else verdict.told()
    return verdict.stands, told


def _read(folder: Path, verdict: Verdict) -> Record | None:
    from survey.record import from_json

    try:
        return from_json((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        verdict.problems.append(f"The record is not of this version's form: {str(error).splitlines()[0]}")
        return None


def _seal(raw: dict[str, Any], verdict: Verdict) -> None:
    from survey.pipelines.sealing import seal_of

    settings = raw.get("settings")
    sealed = settings.get("seal") if isinstance(settings, dict) else None
    # Records of before there were seals have none.
    if sealed is not None and sealed != seal_of(raw):
        verdict.problems.append("The record was edited or damaged after it was written.")


def _outputs(folder: Path, raw: dict[str, Any], verdict: Verdict, progress: Progress) -> None:
    named = sorted(raw["outputs"].items())
    progress.stage("hashing outputs", len(named))
    for name, sha256 in named:
        verdict.outputs[name] = _state(folder, str(name), sha256)
        progress.advance()
    present = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() or path.is_symlink()
    }
    verdict.unnamed = sorted(present - set(raw["outputs"]) - {RECORD, SIGNATURE})


def _state(folder: Path, name: str, sha256: Any) -> str:
    path = folder / name
    if os.path.isabs(name) or ".." in Path(name).parts:
        return "outside the run"
    try:
        if path.is_symlink() or not path.is_file():
            return "missing"
        return "same" if sha256_of_file(path) == sha256 else "changed"
    except OSError as error:
        return f"unreadable ({error.strerror})"


# -- inputs ------------------------------------------------------------------------------------------------
def _inputs(folder: Path, record: Record, given: Path | None, verdict: Verdict, progress: Progress) -> None:
    bases = [given] if given is not None else [folder.resolve().parents[1], Path.cwd()]
    head = record.job.get("job")
    delivery = head.get("delivery") if isinstance(head, dict) else None
    base = next((b for b in bases if _any_there(b, record, delivery)), None)
    progress.stage("hashing inputs", len(record.sources))
    if base is None:
        verdict.inputs = {_label(s): "not found" for s in record.sources}
        if given is not None:
            verdict.problems.append(f"None of the job's files lies in {given.name or given}.")
        return
    with _places(base, delivery, verdict) as place:
        for source in record.sources:
            path = place(source.path)
            try:
                if path is None or not path.is_file():
                    state = "not found"
                else:
                    state = "same" if sha256_of_file(path) == source.sha256 else "changed"
            except OSError as error:
                state = f"unreadable ({error.strerror})"
            verdict.inputs[_label(source)] = state
            progress.advance()


def _label(source: Any) -> str:
    return source.path if source.survey is None else f"{source.path} ({source.role} of {source.survey})"


def _any_there(base: Path, record: Record, delivery: Any) -> bool:
    if isinstance(delivery, str):
        return (base / delivery).exists()
    return any((base / s.path).is_file() for s in record.sources)


@contextmanager
def _places(base: Path, delivery: Any, verdict: Verdict) -> Iterator[Any]:
    """Where a name of the record lies: beside the job, or inside its delivery."""
    if not isinstance(delivery, str):
        yield lambda name: base / name
        return
    from survey.delivery import open_delivery

    try:
        opened = open_delivery(base / delivery)
    except SurveyError as error:
        verdict.problems.append(str(error))
        yield lambda name: None
        return

    def find(name: str) -> Path | None:
        try:
            return Path(opened.find(name).path)
        except SurveyError:
            return None

    try:
        yield find
    finally:
        opened.close()


def _differs(record: Record) -> dict[str, list[str | None]]:
    """Software and law tables that are not those of the record: worth knowing, no fault of it."""
    from survey.pipelines.sealing import law_digest
    from survey.pipelines.software import software

    then = dict(record.software) | {"law tables": str(record.settings.get("law_digest", ""))[:12]}
    now = software() | {"law tables": law_digest()[:12]}
    return {
        name: [then.get(name), now.get(name)]
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    }


# -- signatures --------------------------------------------------------------------------------------------
def sign_record(folder: Path, key: Path) -> Path:
    """Write ``record.json.sig``, as ``ssh-keygen -Y sign -n mine-survey-record`` does.

    Raises
    ------
    OutputError
    """
    target = folder / SIGNATURE
    made = _ssh_keygen(
        "-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(key), stdin=(folder / RECORD).read_bytes()
    )
    if made.returncode != 0 or not made.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        reason = made.stderr.decode("utf-8", "replace").strip().splitlines()
        raise OutputError(
            f"the record cannot be signed ({reason[-1][:200] if reason else 'ssh-keygen failed'})", file=key
        )
    partial = target.with_name(f".{target.name}~partial")
    try:
        partial.write_bytes(made.stdout)
        os.replace(partial, target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"the signature cannot be written ({error.strerror})", file=target) from None
    return target


def signature_of(folder: Path, signers: Path | None) -> str:
    """none | bad | by <name> | by an unknown key …"""
    signature = folder / SIGNATURE
    if not signature.is_file():
        return "none"
    content = (folder / RECORD).read_bytes()
    if signers is None:
        looked = _ssh_keygen("-Y", "check-novalidate", "-n", NAMESPACE, "-s", str(signature), stdin=content)
        if looked.returncode != 0:
            return "bad"
        words = looked.stdout.decode("utf-8", "replace").split()
        key = next((word for word in words if word.startswith("SHA256:")), "unknown")
        return f"whole, by the key {key}; give --signers to know whose it is"
    found = _ssh_keygen("-Y", "find-principals", "-s", str(signature), "-f", str(signers))
    names = found.stdout.decode("utf-8", "replace").splitlines()
    for name in names if found.returncode == 0 else []:
        by_one = ("-f", str(signers), "-I", name, "-n", NAMESPACE, "-s", str(signature))
        looked = _ssh_keygen("-Y", "verify", *by_one, stdin=content)
        if looked.returncode == 0:
            return f"by {name}"
    return "bad"


def _ssh_keygen(*args: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    program = which("ssh-keygen")
    if program is None:
        raise SurveyError(
            "signatures need the program ssh-keygen, and it is not installed", mend="Install OpenSSH."
        )
    return subprocess.run(
        [program, *args],
        input=stdin if stdin is not None else b"",
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "SSH_ASKPASS_REQUIRE": "never"},
    )
