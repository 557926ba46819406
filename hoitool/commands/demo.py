"""hoitool demo: a workspace of synthetic scenes, and the bare commands in it."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Annotated

import typer

from hoitool.commands.console import Json, say, show_json
from hoitool.commands.convert import convert
from hoitool.commands.eval import evaluate


def demo(
    folder: Annotated[Path, typer.Argument(help="Folder to make; it must be empty or new.")] = Path("hoitool-demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the scenes and of the detector's errors.")] = 0,
    as_json: Json = False,
) -> None:
    """Make a workspace of synthetic scenes, convert it, embed its labels, score a detector, and show the report."""
    from hoitool.demo import make_workspace

    for path in make_workspace(folder, seed):
        say(f"made {path}")
    hidden = contextlib.redirect_stdout(io.StringIO()) if as_json else contextlib.nullcontext()
    with contextlib.chdir(folder), hidden:
        say("\n$ hoitool convert")
        convert()
        _embed()
        say("\n$ hoitool eval -o report")
        evaluate(out=Path("report"))
        say("\n$ hoitool eval --split rare")
        evaluate(split="rare")
    if as_json:
        show_json((folder / "report" / "result.json").read_text(encoding="utf-8").rstrip())
    say(f"\nThe workspace is {folder}; the tables are in {folder / 'report'}.")


def _embed() -> None:
    """Embed the labels, where a CLIP model can be loaded."""
    from hoitool.commands.embed import labels
    from hoitool.commands.embedding import Choice, Storing
    from hoitool.demo import can_embed

    if not can_embed():
        say("\n(hoitool embed --model clip needs pip install 'hoitool[torch]': left out)")
        return
    say("\n$ hoitool embed --model clip")
    say("(the weights in weights/clip are random, so these embeddings mean nothing)")
    labels(Choice(model="clip"), Storing())
