"""The command line: a thin door. Each command reads its options and calls one function.

Nothing heavy is imported here: ``survey --help`` answers in a tenth of a second.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from survey.pipelines.commands import DONE, REFUSED, guarded, pipeline
from survey.undisturbed import deaf

if TYPE_CHECKING:
    from survey.pipelines.options import Options

app = typer.Typer(
    help="Yearly surveys of mines, turned into measured facts.",
    epilog="Exit codes: 0 done; 1 done, and the filing breaches a rule; 2 refused; "
    "3 some jobs of a batch failed; 130, 143 interrupted.",
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Out = Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder of the results.")]
NoChange = Annotated[bool, typer.Option("--no-change", help="Leave change.tif out.")]
Workers = Annotated[
    int | None, typer.Option("--workers", metavar="N", min=1, max=4096, help="Threads or processes.")
]
Memory = Annotated[str | None, typer.Option("--memory", metavar="SIZE", help='At most so much, as "2GB".')]
Scheduler = Annotated[
    str | None, typer.Option("--scheduler", metavar="tcp://…", help="A dask cluster to work on.")
]
Tile = Annotated[
    int | None, typer.Option("--tile", metavar="CELLS", min=16, max=65536, help="Side of a piece.")
]
Force = Annotated[bool, typer.Option("--force", help="Run again and replace what is there.")]
Json = Annotated[bool, typer.Option("--json", help="Print the record as JSON, and nothing else.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing but errors.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="A log line per stage; tracebacks of faults.")]
Outside = Annotated[bool, typer.Option("--allow-outside", help="Paths may leave the folder of the job file.")]
Remote = Annotated[
    bool, typer.Option("--remote", help="Rasters of the job may lie on object storage (s3://, https:// …).")
]
CopyTo = Annotated[
    str | None,
    typer.Option("--copy-to", metavar="STORE", help="Copy each finished run there too: s3://bucket/runs."),
]
On = Annotated[
    str | None, typer.Option("--on", metavar="DATE", help="Judge by the law in force on that day.")
]
Reports = Annotated[
    str | None,
    typer.Option("--reports", metavar="all|html|none", help="Reports to draw now."),
]
Inputs = Annotated[
    Path | None, typer.Option("--inputs", metavar="DIR", help="Where the job's files lie now.")
]
Sign = Annotated[
    Path | None, typer.Option("--sign", metavar="KEY", help="If it stands, sign it with this SSH key.")
]
Signers = Annotated[
    Path | None,
    typer.Option("--signers", metavar="FILE", help="Whose signatures count (ssh allowed_signers)."),
]
Targets = Annotated[list[Path], typer.Argument(metavar="JOB.toml …", help="Job files; several make a batch.")]
Deliveries = Annotated[
    list[Path], typer.Argument(metavar="JOB.toml|FOLDER|ZIP …", help="Job files, or deliveries as received.")
]


def _version(value: bool) -> None:
    if value:
        from survey import __version__

        print(f"mine-survey {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def _language(asked: str | None) -> str | None:
    from survey.errors import JobError

    if asked not in (None, "en", "hi"):
        raise JobError(f'--language: found "{asked}"', expected="en or hi")
    return asked


# -- commands on jobs ----------------------------------------------------------------------------------------
def _jobs(command: str, targets: list[Path], options: Callable[[], Options], verbosity: int) -> None:
    def work() -> int:
        from survey.pipelines.do import do_jobs

        return do_jobs(command, targets, options())

    raise typer.Exit(guarded(work, verbosity))


def _options(
    out: Path,
    no_change: bool,
    workers: int | None,
    memory: str | None,
    scheduler: str | None,
    tile: int | None,
    force: bool,
    json: bool,
    verbosity: int,
    allow_outside: bool,
    remote: bool = False,
    copy_to: str | None = None,
    on: str | None = None,
    reports: str | None = None,
    outcomes: tuple[str, ...] = (),
) -> Options:
    from survey.delivery.store import check_store
    from survey.pipelines.options import Options, check_reports, check_scheduler, parse_day, parse_memory

    return Options(
        out=out,
        change=not no_change,
        workers=workers,
        memory_bytes=None if memory is None else parse_memory(memory),
        scheduler=None if scheduler is None else check_scheduler(scheduler),
        tile=tile,
        force=force,
        json=json,
        verbosity=verbosity,
        allow_outside=allow_outside,
        remote=remote,
        copy_to=None if copy_to is None else check_store(copy_to),
        on=None if on is None else parse_day(on),
        reports=None if reports is None else check_reports(reports),
        outcomes=outcomes,
    )


def _job_command(name: str, says: str, *, deliveries: bool = False) -> None:
    """Add a command that takes job files and the common options."""

    def command(
        jobs: list[Path],
        out: Out = Path("runs"),
        no_change: NoChange = False,
        workers: Workers = None,
        memory: Memory = None,
        scheduler: Scheduler = None,
        tile: Tile = None,
        force: Force = False,
        json: Json = False,
        quiet: Quiet = False,
        verbose: Verbose = False,
        allow_outside: Outside = False,
        remote: Remote = False,
        copy_to: CopyTo = None,
        on: On = None,
        reports: Reports = None,
        outcome: list[str] | None = None,
    ) -> None:
        level = _level(quiet, verbose)
        _jobs(
            name,
            jobs,
            lambda: _options(
                out,
                no_change,
                workers,
                memory,
                scheduler,
                tile,
                force,
                json,
                level,
                allow_outside,
                remote,
                copy_to,
                on,
                reports,
                tuple(outcome or ()),
            ),
            level,
        )

    command.__annotations__["jobs"] = Deliveries if deliveries else Targets
    command.__annotations__["outcome"] = Annotated[
        list[str] | None,
        typer.Option(
            "--outcome",
            metavar="ID=VERDICT[,DATE][,NOTE]",
            hidden=name != "triggers",
            help="Enter a field check of a trigger: confirmed, false or unclear.",
        ),
    ]
    command.__doc__ = says
    app.command(name)(command)


def _level(quiet: bool, verbose: bool) -> int:
    return 1 if verbose else -1 if quiet else 0


_job_command("run", "All that each job describes; many jobs make a batch.")
_job_command("check", "Does a filing comply, and are its files what they claim to be?", deliveries=True)
_job_command("excavation", "What was dug and dumped between two surveys.")
_job_command("outside", "Pits and heaps outside the lease, from two surveys or one.")
_job_command("assess", "How much lies in a pit or stock (rule 91).")
_job_command("triggers", "What is new in satellite images, outside the permitted areas.")


# -- commands around jobs ------------------------------------------------------------------------------------
@app.command()
def init(
    delivery: Annotated[Path, typer.Argument(metavar="FOLDER_OR_ZIP", help="A delivery as it was received.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite a job.toml that is there.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Look at a delivery, write a job.toml beside it, say what was guessed and what could not be known."""

    def work() -> int:
        from survey.pipelines.init import run_init

        told = run_init(delivery, force=force)
        if not quiet:
            print(told)
        return DONE

    raise typer.Exit(guarded(work, _level(quiet, verbose)))


@app.command()
def template(
    kind: Annotated[
        str, typer.Argument(help="full, excavation, check, outside, assess or triggers.", metavar="[KIND]")
    ] = "full",
) -> None:
    """Print a full, commented job file."""

    def work() -> int:
        from survey.pipelines.template import template as text

        sys.stdout.write(text(kind))
        sys.stdout.flush()
        return DONE

    raise typer.Exit(guarded(work, 0))


@app.command()
def schema(
    job: Annotated[bool, typer.Option("--job", help="The schema of job files instead.")] = False,
) -> None:
    """Print the JSON schema of record.json."""

    def work() -> int:
        import json

        from survey.record import json_schema

        if job:
            from survey.pipelines.job import Job

            print(json.dumps(Job.model_json_schema(by_alias=True), ensure_ascii=False, indent=1))
        else:
            print(json.dumps(json_schema(), ensure_ascii=False, indent=1))
        return DONE

    raise typer.Exit(guarded(work, 0))


@app.command()
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    language: Annotated[
        str | None,
        typer.Option("--language", metavar="en|hi", help="English or Hindi; that of the job if not given."),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Draw the reports of a run again from its record."""
    level = _level(quiet, verbose)

    def work() -> int:
        from survey.pipelines.options import Options
        from survey.pipelines.progress import progress_for

        with progress_for(level) as progress:
            options = Options(out=run.parent, force=True, verbosity=level)
            drawn = pipeline("report")(run, options, progress, _language(language))
        if not quiet:
            print("\n".join(str(path) for path in drawn))
        return DONE

    raise typer.Exit(guarded(work, level))


@app.command()
def demo(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder to make it in.")] = Path(
        "demo"
    ),
    workers: Workers = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make the sample deliveries and run them."""
    level = _level(quiet, verbose)

    def work() -> int:
        from survey.pipelines.options import Options
        from survey.pipelines.progress import progress_for

        options = Options(out=out / "runs", workers=workers, force=True, verbosity=level)
        with progress_for(level) as progress:
            told = pipeline("demo")(out, options, progress)
        if not quiet:
            print(told)
        return DONE

    raise typer.Exit(guarded(work, level))


@app.command()
def law(on: On = None, json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the rules in force, with their citations."""

    def work() -> int:
        from survey.pipelines.options import parse_day

        print(pipeline("law")(None if on is None else parse_day(on), json))
        return DONE

    raise typer.Exit(guarded(work, 0))


@app.command()
def verify(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    inputs: Inputs = None,
    sign: Sign = None,
    signers: Signers = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compute the hashes of inputs and outputs again: does the record still stand?"""
    level = _level(quiet, verbose)

    def work() -> int:
        from survey.pipelines.options import Options
        from survey.pipelines.progress import progress_for

        with progress_for(level) as progress:
            stands, told = pipeline("verify")(
                run, Options(json=json, verbosity=level), progress, inputs=inputs, sign=sign, signers=signers
            )
        if not quiet:
            print(told)
        return DONE if stands else REFUSED

    raise typer.Exit(guarded(work, level))


def main() -> None:
    """The command ``survey``."""
    try:
        app()
    finally:
        deaf()


if __name__ == "__main__":
    main()
