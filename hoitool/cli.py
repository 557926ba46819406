"""The command line: one line per command, and the only place where an error becomes an exit code.

0 ok, 1 failure, 2 usage, 3 a check did not hold, 4 data or weights missing.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Annotated

import typer

from hoitool.commands import (
    check,
    compare,
    convert,
    demo,
    diagnose,
    doctor,
    draw,
    embed,
    eval,
    explain,
    inspect,
    lint_table,
    predict,
    report,
    split,
    stats,
    train,
)
from hoitool.errors import HoitoolError, missing_extra

app = typer.Typer(
    name="hoitool",
    help="Human-object interaction research: convert annotations, train, predict, score, report.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("convert")(convert.convert)
app.command("check")(check.check)
app.command("stats")(stats.stats)
app.add_typer(embed.app, name="embed")
app.command("train")(train.train)
app.command("predict")(predict.predict)
app.command("eval")(eval.evaluate)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.command("diagnose")(diagnose.diagnose)
app.command("inspect")(inspect.inspect)
app.command("lint-table")(lint_table.lint_table)
app.command("explain")(explain.explain)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.add_typer(split.app, name="split", no_args_is_help=True)
app.add_typer(draw.app, name="draw", no_args_is_help=True)


def _version(wanted: bool) -> None:
    if wanted:
        from hoitool.report.installed import version_text

        typer.echo(version_text())
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and what is installed, and stop."
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options of every command; --debug may stand anywhere."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    given = sys.argv[1:] if arguments is None else arguments
    _prepare()
    debug = "--debug" in given
    try:
        app([argument for argument in given if argument != "--debug"])
    except Exception as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # Python 3.11 wraps what comes while a class is made
            sys.exit(130)
        if debug:
            raise
        told, code = _explained(error)
        sys.stderr.write(f"hoitool: {told}\n")
        sys.exit(code)


def _prepare() -> None:
    """Streams that take any name, and an orderly end on SIGTERM, so that nothing half-written stays."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 it stays open until the end
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def _explained(error: Exception) -> tuple[str, int]:
    """One line and the exit code for an error."""
    if isinstance(error, HoitoolError):
        return str(error), error.exit_code
    if isinstance(error, ModuleNotFoundError) and (extra := missing_extra(error.name or "")):
        return str(extra), extra.exit_code
    if isinstance(error, MemoryError):
        return "not enough memory for this", 1
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or error}", 1
    return f"internal error: {type(error).__name__}: {error} (--debug shows where; please report it)", 1
