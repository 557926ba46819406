"""Dataclasses of options as parameters of commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from hoitool.commands.options import expanded


@dataclass(frozen=True)
class Making:
    """Two options."""

    model: Annotated[str, typer.Option(help="Encoder.")] = "clip"
    often: Annotated[list[int] | None, typer.Option("-n", help="Numbers.")] = None


@dataclass(frozen=True)
class Showing:
    """One flag."""

    plain: Annotated[bool, typer.Option("--plain", help="Plainly.")] = False


def labels(
    making: Making, showing: Showing, source: Annotated[str, typer.Argument(help="What.")] = "data", seed: int = 3
) -> None:
    """Embed."""
    typer.echo(f"{making} {showing} {source} {seed}")


def run(*arguments):
    app = typer.Typer()
    app.command()(expanded(labels))
    return CliRunner().invoke(app, list(arguments))


def test_defaults_are_those_of_the_dataclasses():
    assert run().output == "Making(model='clip', often=None) Showing(plain=False) data 3\n"


def test_options_fill_the_dataclasses():
    done = run("hico", "--model", "bert", "-n", "1", "-n", "2", "--plain", "--seed", "9")
    assert done.output == "Making(model='bert', often=[1, 2]) Showing(plain=True) hico 9\n"


def test_help_names_all_of_them_and_the_command():
    told = run("--help").output
    assert all(text in told for text in ("Embed.", "--model", "Encoder.", "--plain", "--seed"))
    assert expanded(labels).__name__ == "labels"


def test_unknown_options_are_refused():
    assert run("--making", "x").exit_code == 2
