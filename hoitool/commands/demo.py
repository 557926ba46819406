"""hoitool demo: a workspace of synthetic scenes, and the bare commands in it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from hoitool.commands.console import Json, say, show_json
from hoitool.commands.convert import convert
from hoitool.commands.eval import evaluate
from hoitool.commands.names import SYSTEMS

REPORT = "report"


def demo(
    folder: Annotated[Path, typer.Argument(help="Folder to make; it must be empty or new.")] = Path("hoitool-demo"),
    system: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What is trained: defr (interactions), vse (captions), vild (objects).",
            autocompletion=SYSTEMS,
        ),
    ] = "defr",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the scenes and of the detector's errors.")] = 0,
    as_json: Json = False,
) -> None:
    """Make a workspace of synthetic scenes; convert, embed, train and score there by bare commands, and report."""
    from hoitool.demo import SYSTEMS, has, make_workspace

    commands = SYSTEMS[system].COMMANDS
    for path in make_workspace(folder, seed, system):
        say(f"made {path}")
    hidden = contextlib.redirect_stdout(io.StringIO()) if as_json else contextlib.nullcontext()
    with contextlib.chdir(folder), hidden:
        for command in commands:
            if command in NEED_TORCH and not has("torch"):
                say(f"\n(hoitool {command} needs pip install 'hoitool[torch]': left out)")
                continue
            say(f"\n$ hoitool {command}")
            RUN[command]()
    if as_json:
        show_json((folder / REPORT / "result.json").read_text(encoding="utf-8").rstrip())
    say(f"\nThe workspace is {folder}; the tables are in {folder / REPORT}.")


def _embed() -> None:
    from hoitool.commands.embed import labels
    from hoitool.commands.embedding import Choice, Storing

    say("(the weights in weights/clip are random, so these embeddings mean nothing: recipe.yaml starts from others)")
    labels(Choice(model="clip"), Storing())


def _embed_names() -> None:
    from hoitool.commands.embed import labels
    from hoitool.commands.embedding import Choice, Storing

    labels(Choice(model="colours"), Storing(), what="objects")


def _embed_proposals() -> None:
    from hoitool.commands.embed import regions
    from hoitool.commands.embedding import Choice, Loading, Storing

    boxes, how = Path("proposals.parquet"), (Choice(model="colours"), Storing(), Loading(subset="train"))
    regions(*how, boxes=boxes, context=[1.5])


def _train() -> None:
    from hoitool.commands.train import train

    train()


NEED_TORCH = ("embed --model clip", "train")
RUN: dict[str, Callable[[], None]] = {
    "convert": convert,
    "embed --model clip": _embed,
    "embed labels --what objects --model colours": _embed_names,
    "embed regions --subset train --boxes proposals.parquet --context 1.5 --model colours": _embed_proposals,
    "train": _train,
    "eval": evaluate,
    "eval --split rare": lambda: evaluate(split="rare"),
    "eval -o report": lambda: evaluate(out=Path(REPORT)),
}
