"""From a recipe to what is trained: the files that it means, the module as it starts, the task, the plan.

What a recipe leaves open is found in the workspace, and said: the only dataset, its pictures, its label embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from hoitool.data import Dataset, Meta
from hoitool.embed.pictures import Album
from hoitool.lookup import unknown_name
from hoitool.losses import LOSSES
from hoitool.losses.bce import positive_weights
from hoitool.losses.contract import Loss
from hoitool.models import MODELS
from hoitool.models.card import Card
from hoitool.models.defr import Defr
from hoitool.models.weights import Match
from hoitool.predict.boxes import boxes_for
from hoitool.predict.looking import Looking, looking
from hoitool.predict.recognition import Pace as Loading
from hoitool.train import settings
from hoitool.train.backbone import Backbone, architecture, resolved
from hoitool.train.device import require_precision
from hoitool.train.evaluate import figure_names
from hoitool.train.images import Images, repetitions
from hoitool.train.language import language_rows
from hoitool.train.plan import Pace, Plan
from hoitool.train.planned import pace_of, plan_of
from hoitool.train.recognition import Examination, Recognition
from hoitool.train.settings import Recipe
from hoitool.train.sources import Say, test_images, training_images
from hoitool.train.start import load_checkpoint


@dataclass(frozen=True, eq=False)
class Job:
    """All that a recipe means.

    test    the annotated images that are scored and predicted for, with their pictures; None: there are none
    inputs  the files that decide the weights, by what they are; loading: how test pictures are read
    match   how the names of a checkpoint that it starts from fitted; None: it starts from none
    """

    task: Recognition
    module: nn.Module
    plan: Plan
    pace: Pace
    card: Card
    inputs: dict[str, Path]
    test: tuple[Dataset, Album] | None
    loading: Loading
    match: Match | None = None


def prepare(recipe: Recipe, say: Say, device: Literal["auto", "cpu"] = "auto", lenient: bool = False) -> Job:
    """Resolve a recipe. say: called with a line for each thing that was chosen; lenient: a checkpoint fits in part.

    Raises MissingData for files that are not there, UsageError where several could be meant, DataError for what does
    not fit together.
    """
    inputs: dict[str, Path] = {}
    images, meta = training_images(recipe.data, inputs, say)
    test = test_images(recipe.data, meta, inputs)
    module, card, match = start(recipe, meta, inputs, say, lenient, device)
    if test is not None and recipe.predict.task == "detection":
        require_pairs(module, card, test, recipe.predict, inputs)
    plan, pace = plan_of(recipe), pace_of(recipe, device)
    require_precision(plan, pace)
    loading = Loading(recipe.optimise.per_device or recipe.optimise.batch, pace.workers)
    examination = None if test is None else _examination(recipe.evaluate, test, loading)
    task = Recognition(
        images,
        card,
        recipe.augment,
        criterion(recipe.loss, images),
        repetitions(images, recipe.balance),
        recipe.seed,
        examination,
    )
    return Job(task, module, plan, pace, card, inputs, test, loading, match)


def _examination(rule: settings.Evaluate, test: tuple[Dataset, Album], loading: Loading) -> Examination:
    """Raises UsageError for a best figure that the evaluation does not have, before anything is trained."""
    if rule.best not in (known := figure_names(test[0], rule.protocol, rule.variant)):
        raise unknown_name("figure of the evaluation (evaluate.best)", rule.best, known)
    return Examination(*test, rule.protocol, rule.variant, loading)


def require_pairs(
    module: nn.Module,
    card: Card,
    test: tuple[Dataset, Album],
    rule: settings.Predict,
    inputs: dict[str, Path],
) -> None:
    """Raise for what would end the predictions after the training: no boxes, a mask that the model cannot have."""
    path = None if rule.boxes is None else Path(rule.boxes)
    boxes_for(test[0], path)
    if path is not None:
        inputs["boxes"] = path
    if isinstance(module, Defr):
        looking(module, card, Looking(rule.mask, rule.mask_layers))


def start(
    recipe: Recipe, meta: Meta, inputs: dict[str, Path], say: Say, lenient: bool = False, device: str = "auto"
) -> tuple[nn.Module, Card, Match | None]:
    """The module as training starts it, its card, how a checkpoint fitted. The same seed makes the same module."""
    if recipe.model.checkpoint is not None:
        checkpoint = Path(recipe.model.checkpoint)
        card = card_of(recipe, meta)
        torch.manual_seed(recipe.seed)
        module = card.build()
        match = load_checkpoint(module, card.model, checkpoint, recipe.model.strict and not lenient)
        say(f"started from {checkpoint}: {match.summary()}")
        inputs["checkpoint"] = checkpoint
        return module, card, match
    backbone = resolved(recipe.model)
    if backbone.note:
        say(backbone.note)
    card = _card(recipe, meta, backbone)
    build = MODELS[card.model].build
    with torch.device("meta"):
        dim = build(**card.numbers).backbone.dim
    rows, store = language_rows(recipe.model.classifier, meta, backbone, dim, say, device)
    torch.manual_seed(recipe.seed)
    module = build(**card.numbers, language=rows, weights=backbone.weights)
    inputs |= {name: path for name, path in (("backbone", backbone.weights), ("language", store)) if path is not None}
    return module, card, None


def card_of(recipe: Recipe, meta: Meta) -> Card:
    """What a recipe's model is, for weights of the whole of it: those of the backbone are not looked for."""
    return _card(recipe, meta, architecture(recipe.model))


def _card(recipe: Recipe, meta: Meta, backbone: Backbone) -> Card:
    held = recipe.model
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
    return Card(held.name, numbers, meta.labels, meta.label_kind, backbone.mean, backbone.std, said)


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
