"""hoitool demo: a workspace of synthetic scenes, and the bare commands in it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from hoitool.commands.console import say
from hoitool.commands.convert import convert
from hoitool.commands.eval import evaluate


def demo(
    folder: Annotated[Path, typer.Argument(help="Folder to make; it must be empty or new.")] = Path("hoitool-demo"),
    seed: Annotated[int, typer.Option(help="Seed of the scenes and of the detector's errors.")] = 0,
) -> None:
    """Make a workspace of synthetic scenes, convert it, score an imperfect detector, and show the report."""
    from hoitool.demo import make_workspace

    for path in make_workspace(folder, seed):
        say(f"made {path}")
    with contextlib.chdir(folder):
        say("\n$ hoitool convert")
        convert()
        say("\n$ hoitool eval -o report")
        evaluate(out=Path("report"))
        say("\n$ hoitool eval --split rare")
        evaluate(split="rare")
    say(f"\nThe workspace is {folder}; the tables are in {folder / 'report'}.")
