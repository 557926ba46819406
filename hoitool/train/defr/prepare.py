"""From a recipe to what is trained: the files that it means, the module as it starts, the task, the plan.

What a recipe leaves open is found in the workspace, and said: the only dataset, its pictures, its label embeddings.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from hoitool import workspace
from hoitool.data import Dataset, Meta
from hoitool.embed.pictures import Album
from hoitool.lookup import unknown_name
from hoitool.losses import LOSSES
from hoitool.losses.bce import positive_weights
from hoitool.losses.contract import Loss
from hoitool.models import MODELS
from hoitool.models.card import Labelled
from hoitool.models.defr import Defr
from hoitool.models.weights import Match
from hoitool.predict.boxes import boxes_for
from hoitool.predict.job import predict
from hoitool.predict.looking import Looking, looking
from hoitool.predict.opened import opened
from hoitool.predict.recognition import Pace as Loading
from hoitool.train.defr.backbone import Backbone, architecture, resolved
from hoitool.train.defr.evaluate import figure_names
from hoitool.train.defr.images import Images, repetitions
from hoitool.train.defr.language import language_rows
from hoitool.train.defr.probe import is_probe, probe
from hoitool.train.defr.recognition import Examination, Recognition
from hoitool.train.defr.settings import Evaluate, Predict, Recipe
from hoitool.train.defr.settings import Loss as LossRule
from hoitool.train.defr.sources import training_images
from hoitool.train.device import require_precision
from hoitool.train.estimate import Sample
from hoitool.train.job import Job
from hoitool.train.planned import pace_of, plan_of
from hoitool.train.sources import Say, test_images
from hoitool.train.start import load_checkpoint

STAYS = {"all": (), "classifier": ("backbone.",)}  # by model.train: beginnings of names that are not trained


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
    plan, pace = plan_of(recipe, stays=STAYS[recipe.model.train]), pace_of(recipe, device)
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
    finish = partial(_predicted, recipe, test, card, loading, device)
    ready = partial(probe, task, module, device, pace.workers, say) if is_probe(recipe) else None
    return Job(task, module, plan, pace, card, inputs, _example(recipe, module), finish, ready, match)


def _example(recipe: Recipe, module: nn.Module) -> Sample:
    """Pictures, or of a probe features, of random numbers."""
    size = recipe.model.image_size
    shape = (int(module.backbone.dim),) if is_probe(recipe) else (3, size, size)  # type: ignore[arg-type]
    return lambda count: torch.rand(count, *shape)


def _predicted(
    recipe: Recipe,
    test: tuple[Dataset, Album] | None,
    card: Labelled,
    loading: Loading,
    device: str,
    folder: Path,
) -> list[Path]:
    """Predict for the test images by the weights of a run's folder."""
    if test is None:
        return []
    truth, album = test
    model = opened(folder, best=recipe.predict.weights == "best", device=device)
    boxes = None if recipe.predict.boxes is None else Path(recipe.predict.boxes)
    out = workspace.predictions_in(folder, truth.meta.subset)
    return [predict(model, truth, album, out, card.predict, loading, boxes).path]


def _examination(rule: Evaluate, test: tuple[Dataset, Album], loading: Loading) -> Examination:
    """Raises UsageError for a best figure that the evaluation does not have, before anything is trained."""
    if rule.best not in (known := figure_names(test[0], rule.protocol, rule.variant)):
        raise unknown_name("figure of the evaluation (evaluate.best)", rule.best, known)
    return Examination(*test, rule.protocol, rule.variant, loading)


def require_pairs(
    module: nn.Module,
    card: Labelled,
    test: tuple[Dataset, Album],
    rule: Predict,
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
) -> tuple[nn.Module, Labelled, Match | None]:
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


def card_of(recipe: Recipe, meta: Meta) -> Labelled:
    """What a recipe's model is, for weights of the whole of it: those of the backbone are not looked for."""
    return _card(recipe, meta, architecture(recipe.model))


def _card(recipe: Recipe, meta: Meta, backbone: Backbone) -> Labelled:
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
    return Labelled(held.name, numbers, said, meta.labels, meta.label_kind, backbone.mean, backbone.std)


def criterion(rule: LossRule, images: Images) -> Loss:
    """The loss, with the weights of positives counted in the images where it has any."""
    numbers: dict[str, object] = {
        name: value for name, value in (("alpha", rule.alpha), ("gamma", rule.gamma)) if value is not None
    }
    if rule.name == "weighted-bce":
        counts = np.bincount(images.label[images.value == 1], minlength=images.classes)
        numbers["pos_weight"] = positive_weights(counts, len(images))
    made: Loss = LOSSES[rule.name](**numbers)
    return made
