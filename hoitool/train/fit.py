"""A recipe from its beginning to its end: the folder of the run, the training, the predictions for the test images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hoitool import workspace
from hoitool.predict.job import Done, predict
from hoitool.predict.opened import opened
from hoitool.train import run
from hoitool.train.loop import Trained, train
from hoitool.train.prepare import Job, prepare
from hoitool.train.recipe import dump
from hoitool.train.settings import Recipe
from hoitool.train.sources import Say


@dataclass(frozen=True)
class Fitted:
    """What a run left; predicted: None where there are no test images, and in the other processes of torchrun."""

    folder: Path
    trained: Trained
    predicted: Done | None


def fit(recipe: Recipe, folder: Path, say: Say, resume: bool = False, checkpoint: Path | None = None) -> Fitted:
    """Train what a recipe says into a run's folder, and predict for its test images.

    checkpoint  weights of the whole model to start from, in place of the backbone's own and the language's
    Raises UsageError for a run that is there already unless it is to go on, and what `prepare`, `train` and `predict`
    raise. A run whose training has ended is predicted for only.
    """
    job = prepare(recipe, say, checkpoint)
    run.begin(folder, dump(recipe), job.inputs, resume=resume)
    job.card.write(folder)
    trained = train(job.task, job.module, job.plan, folder, job.pace, resume=resume)
    return Fitted(folder, trained, _predicted(job, recipe, folder, say))


def _predicted(job: Job, recipe: Recipe, folder: Path, say: Say) -> Done | None:
    if job.test is None or os.environ.get("RANK", "0") != "0":
        return None
    truth, album = job.test
    out = folder / workspace.predictions_name(truth.meta.subset)
    model = opened(folder, best=recipe.predict.weights == "best")
    return predict(model, truth, album, job.card.predict, job.examination_pace, out)
