"""Metrics also to where people watch them: TensorBoard and Weights & Biases, where these are installed and asked for.

What the loop writes into metrics.jsonl goes there by step: losses by their names, figures as evaluation/NAME. A run
that goes on after an interruption goes on there too.
  tensorboard  event files in the run's folder tensorboard/; what was told later than the last checkpoint is hidden
  wandb        a run of the project hoitool (WANDB_PROJECT names another), its id kept in the run's file wandb.txt; what
               was told later than the last checkpoint stays
"""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hoitool.errors import HoitoolError, MissingData, first_line
from hoitool.files import write_text
from hoitool.lookup import unknown_name
from hoitool.models import checkpoints

Track = Callable[[int, Mapping[str, float]], None]  # a step and its numbers by name


def require(names: Sequence[str]) -> None:
    """Raise UsageError for an unknown name, and MissingData for what is not installed."""
    for name in names:
        if name not in TRACKERS:
            raise unknown_name("tracker", name, TRACKERS)
        if find_spec(name) is None:
            raise MissingData(f"{name} is not installed; pip install {name}, or train without --track {name}")


@contextmanager
def tracked(names: Sequence[str], folder: Path, config: Mapping[str, Any]) -> Iterator[Track]:
    """A call that takes a step's numbers to each of `names` (TRACKERS), until the block ends.

    folder, config: the run's. `require` has been asked.
    """
    made = checkpoints.steps(folder / checkpoints.FOLDER)
    step = int(made[-1].name.partition("-")[2]) if made else 0  # the one that the run goes on from
    with ExitStack() as held:
        calls = [held.enter_context(TRACKERS[name](folder, step, config)) for name in names]

        def track(step: int, numbers: Mapping[str, float]) -> None:
            for call in calls:
                call(step, numbers)

        yield track


def numbers(line: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a line of metrics, those of a section as section/NAME; neither the step nor what is not finite."""
    found: dict[str, float] = {}
    for name, value in line.items():
        inside = value if isinstance(value, Mapping) else {"": value}
        found |= {"/".join(filter(None, (name, key))): held for key, held in inside.items() if math.isfinite(held)}
    found.pop("step", None)
    return found


@contextmanager
def _tensorboard(folder: Path, step: int, config: Mapping[str, Any]) -> Iterator[Track]:
    tensorboard = import_module("torch.utils.tensorboard")
    writer = tensorboard.SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1 if step else None)

    def track(step: int, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    try:
        yield track
    finally:
        writer.close()


@contextmanager
def _wandb(folder: Path, step: int, config: Mapping[str, Any]) -> Iterator[Track]:
    wandb = import_module("wandb")
    named = folder / "wandb.txt"
    if not named.exists():
        write_text(named, secrets.token_hex(8) + "\n")
    name = named.read_text(encoding="utf-8").strip()
    project = os.environ.get("WANDB_PROJECT", "hoitool")
    try:
        run = wandb.init(
            project=project, id=name, name=folder.name, dir=str(folder), config=dict(config), resume="allow"
        )
    except wandb.errors.Error as error:
        raise HoitoolError(f"wandb: {first_line(error)}; `wandb login`, or WANDB_MODE=offline, or none") from error

    def track(step: int, numbers: Mapping[str, float]) -> None:
        run.log(dict(numbers), step=step)

    try:
        yield track
    finally:
        run.finish()


TRACKERS: dict[str, Callable[[Path, int, Mapping[str, Any]], AbstractContextManager[Track]]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
}
