"""A recipe from its beginning to its end: the folder of the run, the training, the predictions for the test images."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from hoitool import workspace
from hoitool.launch import is_first, place
from hoitool.models.weights import Match
from hoitool.predict.job import Done, predict
from hoitool.predict.opened import opened
from hoitool.train import run, trackers
from hoitool.train.device import threads
from hoitool.train.estimate import Estimate, estimate
from hoitool.train.loop import Trained, train
from hoitool.train.prepare import Job, prepare
from hoitool.train.probe import is_probe, probe
from hoitool.train.recipe import dump
from hoitool.train.settings import Recipe
from hoitool.train.sources import Say

Device = Literal["auto", "cpu"]


@dataclass(frozen=True)
class Fitted:
    """What a run left; predicted: None where there are no test images, and in the other processes of torchrun."""

    folder: Path
    trained: Trained
    predicted: Done | None

    def summary(self) -> dict[str, Any]:
        """JSON-ready values."""
        best, done = self.trained.best, self.predicted
        return {
            "run": str(self.folder),
            "steps": self.trained.steps,
            "figures": self.trained.figures,
            "best": None if best is None else {"step": best.step, "value": best.value},
            "checkpoint": str(self.trained.checkpoint),
            "predictions": None if done is None else str(done.path),
        }

    def told(self) -> dict[str, Any]:
        """Named values for people, figures in per cent."""
        held = self.summary()
        shown = {name: f"{100 * value:.2f}" for name, value in self.trained.figures.items()}
        best = self.trained.best
        told = "" if best is None else f"{100 * best.value:.2f} after step {best.step}"
        return held | {"figures": shown, "best": told, "predictions": held["predictions"] or "none"}


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
    trackers.require(track)
    job = prepare(recipe, say, device)
    with run.held(folder) if is_first() else nullcontext():
        return _fitted(job, recipe, folder, say, resume, device, track)


def _fitted(
    job: Job, recipe: Recipe, folder: Path, say: Say, resume: bool, device: Device, track: tuple[str, ...]
) -> Fitted:
    run.begin(folder, dump(recipe), job.inputs, resume=resume)
    if is_first():
        job.card.write(folder)
    task = probe(job.task, job.module, device, job.pace.workers, say) if is_probe(recipe) else job.task
    with trackers.tracked(track if is_first() else (), folder, recipe.model_dump(mode="json")) as call:
        trained = train(task, job.module, job.plan, folder, job.pace, resume=resume, track=call)
    with threads(job.pace.threads):
        return Fitted(folder, trained, _predicted(job, recipe, folder, device) if is_first() else None)


def estimated(recipe: Recipe, say: Say, device: Device = "auto") -> tuple[Estimate, Match | None]:
    """What a training would take, and how the names of its checkpoint fit, be it in part; nothing but label embeddings
    is written.
    """
    job = prepare(recipe, say, device, lenient=True)
    size = job.card.image_size
    shape = (job.module.backbone.dim,) if is_probe(recipe) else (3, size, size)

    def sample(count: int) -> torch.Tensor:
        return torch.rand(count, *shape)

    where = "cuda" if device == "auto" and torch.cuda.is_available() else "cpu"
    samples = int(job.task.repeated.sum())
    return estimate(job.module, sample, job.plan, job.pace, samples, place().ranks, where), job.match


def _predicted(job: Job, recipe: Recipe, folder: Path, device: Device) -> Done | None:
    if job.test is None:
        return None
    truth, album = job.test
    model = opened(folder, best=recipe.predict.weights == "best", device=device)
    boxes = None if recipe.predict.boxes is None else Path(recipe.predict.boxes)
    out = workspace.predictions_in(folder, truth.meta.subset)
    return predict(model, truth, album, out, job.card.predict, job.loading, boxes)
