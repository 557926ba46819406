"""From a recipe to what is trained: the files that it means, the module as it starts, the task, the plan.

What a recipe leaves open is found in the workspace, and said: the only dataset, its pictures, its label embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hoitool.data import Dataset, Meta
from hoitool.embed.pictures import Album
from hoitool.losses import LOSSES
from hoitool.losses.bce import positive_weights
from hoitool.losses.contract import Loss
from hoitool.models import MODELS
from hoitool.models.card import Card
from hoitool.predict.recognition import Pace as Loading
from hoitool.train import settings
from hoitool.train.backbone import resolved
from hoitool.train.images import Images, repetitions
from hoitool.train.language import language_rows
from hoitool.train.plan import Pace, Plan
from hoitool.train.planned import pace_of, plan_of
from hoitool.train.recognition import Examination, Recognition
from hoitool.train.settings import Recipe
from hoitool.train.sources import Say, test_images, training_images

@dataclass(frozen=True, eq=False)
class Job:
    """All that a recipe means.

    test    the annotated images that are scored and predicted for, with their pictures; None: there are none
    inputs  the files that decide the weights, by what they are
    """

    task: Recognition
    module: nn.Module
    plan: Plan
    pace: Pace
    card: Card
    inputs: dict[str, Path]
    test: tuple[Dataset, Album] | None


def prepare(recipe: Recipe, say: Say) -> Job:
    """Resolve a recipe. say: called with a line for each thing that was chosen.

    Raises MissingData for files that are not there, UsageError where several could be meant, DataError for what does
    not fit together.
    """
    inputs: dict[str, Path] = {}
    images, meta = training_images(recipe.data, inputs, say)
    test = test_images(recipe.data, meta, inputs)
    module, card = start(recipe, meta, inputs, say)
    pace = pace_of(recipe)
    examination = None
    if test is not None:
        loading = Loading(recipe.optimise.per_device or recipe.optimise.batch, pace.workers)
        examination = Examination(*test, recipe.evaluate.protocol, recipe.evaluate.variant, loading)
    task = Recognition(
        images,
        card,
        recipe.augment,
        criterion(recipe.loss, images),
        repetitions(images, recipe.balance),
        recipe.seed,
        examination,
    )
    return Job(task, module, plan_of(recipe), pace, card, inputs, test)


def start(recipe: Recipe, meta: Meta, inputs: dict[str, Path], say: Say) -> tuple[nn.Module, Card]:
    """The module as training starts it, and its card. The same seed makes the same module."""
    held = recipe.model
    backbone = resolved(held)
    if backbone.note:
        say(backbone.note)
    numbers = {
        "backbone": backbone.name,
        "classifier": held.classifier.kind,
        "classes": meta.classes,
        "image_size": held.image_size,
        "patch": held.patch,
        "log_scale": held.log_scale,
        "train_scale": held.train_scale,
        "projected": held.projected,
    } | ({} if backbone.config is None else {"config": backbone.config})
    said = recipe.predict.model_dump(mode="json")
    card = Card(held.name, numbers, meta.labels, meta.label_kind, backbone.mean, backbone.std, said)
    model = MODELS[held.name]
    with torch.device("meta"):
        dim = model.build(**numbers).backbone.dim
    rows, store = language_rows(held.classifier, meta, backbone, dim, say)
    torch.manual_seed(recipe.seed)
    module: nn.Module = model.build(**numbers, language=rows, weights=backbone.weights)
    if backbone.weights is not None:
        inputs["backbone"] = backbone.weights
    if store is not None:
        inputs["language"] = store
    return module, card


def criterion(rule: settings.Loss, images: Images) -> Loss:
    """The loss, with the weights of positives counted in the images where it has any."""
    numbers: dict[str, object] = {
        name: value for name, value in (("alpha", rule.alpha), ("gamma", rule.gamma)) if value is not None
    }
    if rule.name == "weighted-bce":
        counts = np.bincount(images.label[images.value == 1], minlength=images.classes)
        numbers["pos_weight"] = positive_weights(counts, len(images))
    made: Loss = LOSSES[rule.name](**numbers)
    return made
