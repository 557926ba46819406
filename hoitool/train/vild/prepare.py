"""From a recipe of ViLD to what is trained: boxes of base objects, texts and regions, the module, the task, the plan.

What a recipe leaves open is found in the workspace, and said: the only dataset, its pictures, the stores of embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from hoitool import workspace
from hoitool.convert.inputs import load_truth
from hoitool.data import Dataset, Meta, no_pairs, relabel
from hoitool.data.class_groups import base_or_novel
from hoitool.data.dataset import Array
from hoitool.embed.pictures import Album, album_of
from hoitool.errors import DataError, UsageError
from hoitool.launch import place
from hoitool.lookup import unknown_name
from hoitool.models import MODELS
from hoitool.models.card import Labelled, labelled
from hoitool.models.vild import DIM, Vild
from hoitool.models.weights import Match
from hoitool.predict.boxes import Boxes, boxes_for
from hoitool.predict.opened import opened
from hoitool.predict.recognition import Pace as Loading
from hoitool.predict.vild.whole import detect
from hoitool.train.device import require_precision
from hoitool.train.estimate import Sample
from hoitool.train.job import Job
from hoitool.train.planned import pace_of, plan_of
from hoitool.train.sources import Say, dataset_path, pictures_of, test_images
from hoitool.train.spelling import as_settings
from hoitool.train.start import load_checkpoint
from hoitool.train.vild.detection import Criterion, Detection
from hoitool.train.vild.examination import Examination
from hoitool.train.vild.settings import Recipe
from hoitool.train.vild.stores import encoder_of, regions_of, texts_of

SHOWN = 20  # names of objects in one line
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's
KINDS = {
    "text": frozenset({"text"}),
    "image": frozenset({"image"}),
    "shared": frozenset({"text", "image"}),
    "separate": frozenset({"text", "image"}),
}
Test = tuple[Dataset, Album, Boxes | None]


def prepare(recipe: Recipe, say: Say, device: Literal["auto", "cpu"] = "auto", lenient: bool = False) -> Job:
    """Resolve a recipe. say: called with a line for each thing that was chosen; lenient: a checkpoint fits in part.

    Raises MissingData for files that are not there, UsageError where several could be meant, DataError for what does
    not fit together.
    """
    _require(recipe)
    inputs: dict[str, Path] = {}
    annotated, album = _training(recipe, inputs, say)
    data = relabel(annotated, "objects")[0]
    base, novel = groups(recipe, data)
    _tell(recipe, data.meta.labels.objects, base | novel, say)
    texts, store = texts_of(recipe, data, say)
    inputs["texts"] = store.path
    teacher = regions_of(recipe, store, data, say)
    if teacher is not None:
        inputs["regions"] = teacher.store.path
    card = _card(recipe, data.meta, base, novel, texts.shape[1], encoder_of(store))
    module, match = _start(recipe, card, texts, inputs, say, lenient, device)
    plan, pace = plan_of(recipe), pace_of(recipe, device)
    require_precision(plan, pace)
    loading = Loading(recipe.optimise.per_device or recipe.optimise.batch, pace.workers)
    test = _test(recipe, annotated.meta, inputs)
    given = _given(recipe.data.boxes, data, "boxes", inputs)
    task = Detection(
        data,
        album,
        labels(recipe, base),
        card,
        recipe.augment,
        _criterion(recipe, base, texts),
        teacher,
        recipe.data.most,
        None if given is None else given.data,
        recipe.seed,
        None if test is None else _examination(recipe, test, card, loading),
    )
    finish = partial(_predicted, recipe, test, loading, device)
    return Job(task, module, plan, pace, card, inputs, _example(recipe, module), finish, None, match)


def card_of(recipe: Recipe, meta: Meta) -> Labelled:
    """What a recipe's model is, for weights of the whole of it, of labels whose objects are base or novel by name."""
    base, novel = groups(recipe, Dataset(meta, np.empty(0, object), **no_pairs(0)))
    return _card(recipe, meta, base, novel, DIM, {})


def groups(recipe: Recipe, data: Dataset) -> tuple[Array, Array]:
    """(O,) masks of the objects that are trained on and of those that are novel. UsageError for an unknown name."""
    space = data.meta.labels
    if recipe.data.novel is None:
        held = base_or_novel(data)
        return held["base"], held["novel"]
    novel = np.zeros(len(space.objects), bool)
    novel[[space.object_index(name) for name in recipe.data.novel]] = True
    return ~novel, novel


def _tell(recipe: Recipe, names: Sequence[str], known: Array, say: Say) -> None:
    """Say which objects are left out, and by which groups the figures stand."""
    if recipe.data.novel is not None:
        say("data.novel: what is trained on follows it; the figures stand by the protocol's own groups of classes")
    if others := [name for name, held in zip(names, known.tolist(), strict=True) if not held]:
        more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        held = f"{', '.join(others[:SHOWN])}{more}"
        say(f"neither base nor novel, so neither trained on nor found: {held} (with data.novel= all others are base)")


def labels(recipe: Recipe, base: Array) -> Array:
    """(O,) the label of each object in the softmax, 0 for those that are not trained on."""
    counted = np.arange(1, len(base) + 1) if recipe.loss.held_out == "zero" else np.cumsum(base)
    return np.where(base, counted, 0)


def _card(recipe: Recipe, meta: Meta, base: Array, novel: Array, dim: int, encoder: dict[str, str]) -> Labelled:
    held = recipe.model
    numbers = {
        "body": held.body,
        "heads": held.heads,
        "classes": len(base),
        "image_size": held.image_size,
        "dim": dim,
        "proposals": held.proposals == "own",
        "norm": held.norm,
    }
    said: dict[str, Any] = recipe.predict.model_dump(mode="json", include={"nms", "min_score", "most"})
    said |= {"temperature": recipe.loss.temperature, "encoder": encoder}
    said |= {"base": np.flatnonzero(base).tolist(), "novel": np.flatnonzero(novel).tolist()}
    return Labelled(held.name, numbers, said, meta.labels, "objects", MEAN, STD)


def _start(
    recipe: Recipe, card: Labelled, texts: Array, inputs: dict[str, Path], say: Say, lenient: bool, device: str
) -> tuple[nn.Module, Match | None]:
    """The module as training starts it, and how a checkpoint fitted. The same seed makes the same module."""
    held, match = recipe.model, None
    if held.weights is not None:
        inputs["weights"] = Path(held.weights)
    torch.manual_seed(recipe.seed)
    module: nn.Module = MODELS[card.model].build(**card.numbers, language=texts, weights=inputs.get("weights"))
    if held.checkpoint is not None:
        inputs["checkpoint"] = Path(held.checkpoint)
        match = load_checkpoint(module, card.model, inputs["checkpoint"], held.strict and not lenient)
        say(f"started from {held.checkpoint}: {match.summary()}")
    if place().ranks > 1 and device == "auto" and torch.cuda.is_available():
        module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
    return module, match


def _criterion(recipe: Recipe, base: Array, texts: Array) -> Criterion:
    """The texts of the softmax are those of base objects, or of all, of which the others' logits are 0."""
    shown = np.ones_like(base) if recipe.loss.held_out == "zero" else base
    rows, held_out = torch.from_numpy(texts[shown]), torch.from_numpy(~base[shown])
    return Criterion(recipe.loss, rows, held_out, KINDS[recipe.model.heads])


def _training(recipe: Recipe, inputs: dict[str, Path], say: Say) -> tuple[Dataset, Album]:
    """The images that are trained on and their pictures."""
    rule = recipe.data
    path = dataset_path(rule.dataset, rule.subset)
    if rule.dataset is None:
        say(f"took the images {path} (name others with data.dataset=)")
    inputs["images"] = path
    data = load_truth(path)[0]
    if not len(data.boxes):
        raise DataError(f"{data!r} has no boxes to train on")
    with as_settings():
        return data, album_of(data, pictures_of(data, rule))


def _test(recipe: Recipe, meta: Meta, inputs: dict[str, Path]) -> Test | None:
    """The annotated images that are scored and predicted for, with pictures and the boxes that are given."""
    made = test_images(recipe.data, meta, inputs)
    if made is None:
        return None
    truth = relabel(made[0], "objects")[0]
    return truth, made[1], _given(recipe.predict.boxes, truth, "test boxes", inputs)


def _given(path: str | None, data: Dataset, what: str, inputs: dict[str, Path]) -> Boxes | None:
    """The boxes of a file in images; None where none is named."""
    if path is None:
        return None
    inputs[what] = Path(path)
    return boxes_for(data, inputs[what])


def _require(recipe: Recipe) -> None:
    """Raise UsageError where a model that proposes nothing is given nothing, and for what a detector cannot have."""
    if recipe.optimise.compile:
        raise UsageError("optimise.compile: each step of a detector has other shapes; train without it")
    if recipe.model.proposals == "own":
        return
    if recipe.data.boxes is None or (recipe.data.test is not None and recipe.predict.boxes is None):
        name = "data.boxes" if recipe.data.boxes is None else "predict.boxes"
        raise UsageError(f"model.proposals is given, and {name} names no file of boxes")


def _examination(recipe: Recipe, test: Test, card: Labelled, loading: Loading) -> Examination:
    """Raises UsageError for a best figure that the evaluation does not have, before anything is trained."""
    truth, album, given = test
    rule = recipe.evaluate
    made = Examination(truth, album, None if given is None else given.data, rule.protocol, rule.variant, loading)
    if rule.best not in (known := made.names(card)):
        raise unknown_name("figure of the evaluation (evaluate.best)", rule.best, known)
    return made


def _example(recipe: Recipe, module: nn.Module) -> Sample:
    """Pictures of random numbers, each with as many regions as a step has at most."""
    assert isinstance(module, Vild)
    side, regions = recipe.model.image_size, module.drawn
    if recipe.model.heads != "text":
        regions += recipe.data.most
    return lambda count: (torch.rand(count, 3, side, side), _regions(count, regions, float(side)))


def _regions(count: int, each: int, side: float) -> torch.Tensor:
    """(count each, 5) regions: of each picture so many, in the middle of it and of a quarter of its area."""
    picture = torch.arange(float(count)).repeat_interleave(each)
    box = torch.tensor([side / 4, side / 4, 3 * side / 4, 3 * side / 4])
    return torch.cat([picture[:, None], box.expand(len(picture), 4)], dim=1)


def _predicted(recipe: Recipe, test: Test | None, loading: Loading, device: str, folder: Path) -> list[Path]:
    """Detect in the test images by the weights of a run's folder."""
    if test is None:
        return []
    truth, album, given = test
    model = opened(folder, best=recipe.predict.weights == "best", device=device)
    out = workspace.predictions_in(folder, truth.meta.subset)
    return [detect(model, truth, album, out, labelled(model.card).predict, loading, given).path]
