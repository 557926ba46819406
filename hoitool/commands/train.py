"""hoitool train: a recipe into a run, and predictions for its test images."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hoitool.commands.console import Json, say, show, show_json
from hoitool.commands.names import RECIPES, RUNS, of_these
from hoitool.errors import CheckFailed, UsageError
from hoitool.launch import is_first
from hoitool.workspace import RECIPE

if TYPE_CHECKING:
    from hoitool.models.weights import Match
    from hoitool.train.estimate import Estimate
    from hoitool.train.fit import Fitted
    from hoitool.train.settings import Recipe

DEFAULT = "defr-detection"


def train(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECIPE] [KEY=VALUE]...",
            help=f"A packaged recipe or a YAML file, and settings to change, such as optimise.lr=1e-4. Default: the "
            f"workspace's {RECIPE}, else {DEFAULT}.",
            autocompletion=RECIPES,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", metavar="FILE", help="A recipe's YAML; with RECIPE: settings that go over it."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|DIR", help="The run: a name in runs/, or a folder. Default: RECIPE.", autocompletion=RUNS
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was interrupted; without RECIPE the newest.")
    ] = False,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Start from these weights of the whole model, ours or published."),
    ] = None,
    device: Annotated[
        str,
        typer.Option(metavar="auto|cpu", help="auto: the GPUs that there are.", autocompletion=of_these("auto", "cpu")),
    ] = "auto",
    track: Annotated[
        list[str] | None,
        typer.Option(
            metavar="tensorboard|wandb",
            help="Metrics also there, where it is installed; repeatable.",
            autocompletion=of_these("tensorboard", "wandb"),
        ),
    ] = None,
    list_recipes: Annotated[bool, typer.Option("--list", help="List the recipes and their published figures.")] = False,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the recipe with every setting, and stop.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell parameters, memory, steps and time, and stop.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a recipe, and predict for its test images; several GPUs: torchrun --nproc-per-node N -m hoitool train."""
    if list_recipes:
        _list(as_json)
        return
    tell = say if is_first() else _silent
    if device not in ("auto", "cpu"):
        raise UsageError(f"--device {device}: expected auto or cpu; CUDA_VISIBLE_DEVICES chooses among GPUs")
    chosen = list(arguments or ())
    if checkpoint is not None:
        chosen.append(f"model.checkpoint={json.dumps(str(checkpoint))}")
    recipe, folder = _wanted(chosen, config, name, resume, tell)
    if print_config:
        _print(recipe, as_json)
        return
    from hoitool.train import fit

    where: Literal["auto", "cpu"] = "cpu" if device == "cpu" else "auto"
    if dry_run:
        _estimate(*fit.estimated(recipe, tell, where), as_json)
        return
    _log(tell)
    try:
        made = fit.fit(recipe, folder, tell, resume, where, tuple(track or ()))
    except KeyboardInterrupt:
        tell(f"interrupted; `hoitool train --resume --name {folder.name}` goes on from the last checkpoint")
        raise
    if is_first():
        _report(made, as_json)


def _wanted(
    arguments: list[str], config: Path | None, name: str | None, resume: bool, tell: Any
) -> tuple[Recipe, Path]:
    """The recipe and the run's folder."""
    from hoitool import workspace
    from hoitool.train.recipe import resolve
    from hoitool.train.run import CONFIG, named, newest

    names = [text for text in arguments if "=" not in text or Path(text).is_file()]
    changes = [text for text in arguments if text not in names]
    if len(names) > 1:
        raise UsageError(f"{names[1]!r}: one recipe at a time ({names[0]!r} is one); settings are changed by key=value")
    if not names and config is None:
        if resume:
            folder = newest() if name is None else named(name)
            tell(f"going on with {folder}")
            return resolve(folder / CONFIG, changes), folder
        names = [str(RECIPE) if RECIPE.exists() else DEFAULT]
        tell(f"took the recipe {names[0]} (name another as the first argument; --list lists them)")
    recipe = resolve(names[0] if names else str(config), changes, config if names else None)
    return recipe, workspace.run_named(name or recipe.name)


def _list(as_json: bool) -> None:
    from hoitool.report.terminal import grid
    from hoitool.train.recipe import names, resolve

    recipes = [resolve(name) for name in names()]
    if as_json:
        held = [each.model_dump(mode="json", include={"name", "summary", "reference"}) for each in recipes]
        show_json(held)
        return
    rows = [[each.name, each.summary, _published(each)] for each in recipes]
    show(grid("Recipes, and the figures (%) that were published", ["recipe", "what", "figures"], rows))


def _published(recipe: Recipe) -> str:
    figures = {} if recipe.reference is None else recipe.reference.figures
    return ", ".join(f"{name} {value:g}" for name, value in figures.items())


def _print(recipe: Recipe, as_json: bool) -> None:
    from hoitool.train.recipe import dump

    if as_json:
        show_json(recipe.model_dump(mode="json"))
    else:
        show(dump(recipe).rstrip())


def _estimate(found: Estimate, match: Match | None, as_json: bool) -> None:
    """What it takes; then raise for a checkpoint that does not fit, which a training would refuse."""
    from hoitool.report.terminal import facts, grid

    if as_json:
        show_json(found.to_json() | ({} if match is None else {"checkpoint": match.table()}))
    else:
        show(facts("What this training takes", dict(found.told())))
        if match is not None:
            show(grid("The checkpoint", ["state", "its name", "ours"], [list(row) for row in match.table()]))
    if match is not None and not match.complete:
        raise CheckFailed(f"the checkpoint does not fit, and would be refused: {match.summary()}")


def _report(made: Fitted, as_json: bool) -> None:
    """What came out, and where it lies."""
    from hoitool import workspace
    from hoitool.report.terminal import facts

    if as_json:
        show_json(made.summary())
        return
    show(facts(str(made.folder), made.told()))
    if made.predicted:
        named = "" if made.folder.parent == workspace.RUNS else " ".join(["", *map(str, made.predicted)])
        say(f"`hoitool eval{named}` scores these predictions")


def _log(tell: Callable[[str], None]) -> None:
    """What the engine remarks, as lines for the user."""

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            tell(record.getMessage())

    engine = logging.getLogger("hoitool.train")
    engine.setLevel(logging.INFO)
    engine.handlers = [Lines()]
    engine.propagate = False


def _silent(text: str) -> None:
    """What the other processes of torchrun say."""
