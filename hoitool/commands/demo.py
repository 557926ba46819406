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
    """Make a workspace of synthetic scenes; convert, embed, train and score there by bare commands, and report."""
    from hoitool.demo import has, make_workspace

    for path in make_workspace(folder, seed):
        say(f"made {path}")
    hidden = contextlib.redirect_stdout(io.StringIO()) if as_json else contextlib.nullcontext()
    with contextlib.chdir(folder), hidden:
        say("\n$ hoitool convert")
        convert()
        if has("torch"):
            _embed_and_train()
        else:
            say("\n(hoitool embed --model clip and hoitool train need pip install 'hoitool[torch]': left out)")
        say("\n$ hoitool eval --split rare")
        evaluate(split="rare")
        say("\n$ hoitool eval -o report")
        evaluate(out=Path("report"))
    if as_json:
        show_json((folder / "report" / "result.json").read_text(encoding="utf-8").rstrip())
    say(f"\nThe workspace is {folder}; the tables are in {folder / 'report'}.")


def _embed_and_train() -> None:
    """Embed the labels, and train the workspace's recipe; its predictions are then the newest."""
    from hoitool.commands.embed import labels
    from hoitool.commands.embedding import Choice, Storing
    from hoitool.commands.train import train

    say("\n$ hoitool embed --model clip")
    say("(the weights in weights/clip are random, so these embeddings mean nothing: recipe.yaml starts from others)")
    labels(Choice(model="clip"), Storing())
    say("\n$ hoitool train")
    train()
