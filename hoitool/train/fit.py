"""A recipe from its beginning to its end: the folder of the run, the training, the predictions for the test images."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from hoitool.launch import is_first, place
from hoitool.models.weights import Match
from hoitool.train import run, trackers
from hoitool.train.device import threads
from hoitool.train.estimate import Estimate, estimate
from hoitool.train.job import Job
from hoitool.train.loop import Trained, train
from hoitool.train.recipe import dump
from hoitool.train.settings import Recipe
from hoitool.train.sources import Say
from hoitool.train.systems import SYSTEMS

Device = Literal["auto", "cpu"]


@dataclass(frozen=True)
class Fitted:
    """What a run left; predicted: the files of predictions, none where there are no test images, and none in the other
    processes of torchrun.
    """

    folder: Path
    trained: Trained
    predicted: tuple[Path, ...]

    def summary(self) -> dict[str, Any]:
        """JSON-ready values."""
        best = self.trained.best
        return {
            "run": str(self.folder),
            "steps": self.trained.steps,
            "figures": self.trained.figures,
            "best": None if best is None else {"step": best.step, "value": best.value},
            "checkpoint": str(self.trained.checkpoint),
            "predictions": [str(path) for path in self.predicted],
        }

    def told(self) -> dict[str, Any]:
        """Named values for people, figures in per cent."""
        held = self.summary()
        shown = {name: f"{100 * value:.2f}" for name, value in self.trained.figures.items()}
        best = self.trained.best
        told = "" if best is None else f"{100 * best.value:.2f} after step {best.step}"
        return held | {"figures": shown, "best": told, "predictions": ", ".join(held["predictions"]) or "none"}


def fit(
    recipe: Recipe,
    folder: Path,
    say: Say,
    resume: bool = False,
    device: Device = "auto",
    track: tuple[str, ...] = (),
) -> Fitted:
    """Train what a recipe says into a run's folder, and predict for its test images.

    track  where metrics go beside the run's own file: names of hoitool.train.trackers
    Raises UsageError for a run that is there already unless it is to go on, and what `prepare`, `train` and `predict`
    raise. A run whose training has ended is only predicted for.
    """
    if is_first():
        run.require_new(folder, resume)
        if resume and not (folder / run.CONFIG).exists():
            say(f"{folder}: no run there to go on with; it begins")
    trackers.require(track)
    job = _prepared(recipe, say, device)
    with run.held(folder) if is_first() else nullcontext():
        return _fitted(job, recipe, folder, say, resume, device, track)


def _fitted(
    job: Job, recipe: Recipe, folder: Path, say: Say, resume: bool, device: Device, track: tuple[str, ...]
) -> Fitted:
    run.begin(folder, dump(recipe), job.inputs, resume=resume)
    if is_first():
        job.card.write(folder)
    task = job.task if job.ready is None else job.ready()
    with trackers.tracked(track if is_first() else (), folder, recipe.model_dump(mode="json")) as call:
        trained = train(task, job.module, job.plan, folder, job.pace, resume=resume, track=call)
    with threads(job.pace.threads):
        return Fitted(folder, trained, tuple(job.finish(folder)) if is_first() else ())


def estimated(recipe: Recipe, say: Say, device: Device = "auto") -> tuple[Estimate, Match | None]:
    """What a training would take, and how the names of its checkpoint fit, be it in part; nothing but label embeddings
    is written.
    """
    job = _prepared(recipe, say, device, lenient=True)
    where = "cuda" if device == "auto" and torch.cuda.is_available() else "cpu"
    made = estimate(job.module, job.example, job.plan, job.pace, job.samples, place().ranks, where)
    return made, job.match


def _prepared(recipe: Recipe, say: Say, device: Device, lenient: bool = False) -> Job:
    job: Job = SYSTEMS[recipe.model.name].prepare(recipe, say, device, lenient)
    return job
