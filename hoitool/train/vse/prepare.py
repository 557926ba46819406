"""From a recipe of VSE-infinity to what is trained: captions and their images, the module as it starts, task and plan.

What a recipe leaves open is found in the workspace, and said: the only dataset, its pictures, the stores of regions.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from hoitool import workspace
from hoitool.convert.captions import read_captions
from hoitool.data import Dataset, select_images
from hoitool.errors import DataError, UsageError
from hoitool.eval import choose_variant
from hoitool.launch import place
from hoitool.lookup import unknown_name
from hoitool.models.vse_card import Matcher
from hoitool.models.vse_images import cells
from hoitool.predict.image_sets import ImageSets, RegionSets
from hoitool.predict.opened import opened
from hoitool.predict.recognition import Pace as Loading
from hoitool.predict.vse import embed, images_of
from hoitool.train.device import require_precision
from hoitool.train.estimate import Sample
from hoitool.train.job import Job
from hoitool.train.planned import pace_of, plan_of
from hoitool.train.sources import Say, dataset_path, pictures_of
from hoitool.train.spelling import as_settings
from hoitool.train.vse.pairs import pairs_of
from hoitool.train.vse.settings import Data, Recipe
from hoitool.train.vse.start import card_of, start
from hoitool.train.vse.task import FIGURES, Examination, Matching

__all__ = ["card_of", "prepare"]

REGIONS, LENGTH = 36, 16  # of an image and a caption, for the estimate
Held = tuple[Dataset, ImageSets]


def prepare(recipe: Recipe, say: Say, device: Literal["auto", "cpu"] = "auto", lenient: bool = False) -> Job:
    """Resolve a recipe. say: called with a line for each thing that was chosen; lenient: a checkpoint fits in part.

    Raises MissingData for files that are not there, UsageError where several could be meant, DataError for what does
    not fit together.
    """
    require_whole(recipe, place().ranks)
    choose_variant(recipe.evaluate.protocol, recipe.evaluate.variant)
    if recipe.evaluate.best not in FIGURES:
        raise unknown_name("figure of the evaluation (evaluate.best)", recipe.evaluate.best, FIGURES)
    inputs: dict[str, Path] = {}
    data = _captions(recipe.data, recipe.data.subset, "captions", inputs)
    if recipe.data.dataset is None:
        say(f"took the captions {inputs['captions']} (name others with data.dataset=)")
    module, card, match = start(recipe, data, inputs, say, lenient)
    images = _images(recipe.data, card, data, "captions", inputs, say)
    test = _held(recipe.data, recipe.data.test, "test captions", card, inputs, say)
    dev = test if recipe.data.dev is None else _held(recipe.data, recipe.data.dev, "dev captions", card, inputs, say)
    plan, pace = plan_of(recipe, drop_last=True), pace_of(recipe, device)
    require_precision(plan, pace)
    loading = Loading(recipe.optimise.per_device or recipe.optimise.batch, pace.workers)
    pairs = pairs_of(data, images, card.words, recipe.augment, _cells(card))
    examination = None if dev is None else _examination(recipe, *dev, card, loading)
    task = Matching(pairs, recipe.loss, recipe.seed, examination)
    finish = partial(_embedded, recipe, test, card, loading, device)
    return Job(task, module, plan, pace, card, inputs, _example(card), finish, match=match)


def require_whole(recipe: Recipe, world: int) -> None:
    """Raise UsageError for a batch without false pairs, and for one that would be accumulated on `world` devices: its
    negatives are those of all of it.
    """
    batch, held = recipe.optimise.batch, recipe.optimise.per_device
    if batch < 2:
        raise UsageError("optimise.batch is 1, and a pair learns from the other ones of its batch; expected 2 or more")
    if held is not None and held * world < batch:
        raise UsageError(
            f"optimise.batch {batch} is more than {world} x {held} samples at once (optimise.per_device), and the "
            "hardest negatives are those of the whole batch, which is not accumulated; use more devices, "
            "optimise.gradient_checkpointing=true or a smaller batch"
        )


def _captions(rule: Data, subset: str, what: str, inputs: dict[str, Path]) -> Dataset:
    """The images and captions of a subset, whose file is noted in `inputs`."""
    inputs[what] = dataset_path(rule.dataset, subset)
    return read_captions(inputs[what])


def _images(rule: Data, card: Matcher, data: Dataset, what: str, inputs: dict[str, Path], say: Say) -> ImageSets:
    """The images of data as the model takes them; a store of features is noted in `inputs`."""
    with as_settings():
        made = images_of(card, data, [Path(each) for each in rule.features], pictures_of(data, rule), say)
    if isinstance(made, RegionSets):
        inputs[f"features of {what}"] = made.store.path
    return made


def _held(rule: Data, subset: str | None, what: str, card: Matcher, inputs: dict[str, Path], say: Say) -> Held | None:
    """The images and captions of a subset; None where none is asked for."""
    if subset is None:
        return None
    data = _captions(rule, subset, what, inputs)
    return data, _images(rule, card, data, what, inputs, say)


def _examination(recipe: Recipe, data: Dataset, images: ImageSets, card: Matcher, loading: Loading) -> Examination:
    """The first images of a subset, as many as are scored while it learns. DataError for one without captions."""
    first = np.arange(min(len(data), recipe.data.dev_images or len(data)))
    made = select_images(data, first)
    if (bare := np.flatnonzero(made.counts("caption") == 0)).size or not len(made):
        told = f"image {made.key[bare[0]]!r} has no caption" if bare.size else "there are no images"
        raise DataError(f"{made!r}: {told}, and a search needs one of each")
    return Examination(made, images.share(first), card.words, recipe.evaluate.variant, loading)


def _cells(card: Matcher) -> int:
    return 0 if card.images == "regions" else cells(card.images, card.image_size)


def _example(card: Matcher) -> Sample:
    """Images and captions of random numbers, as the module takes them."""
    side = card.image_size
    shape = (REGIONS, card.numbers["features"]) if card.images == "regions" else (3, side, side)
    return lambda count: (torch.rand(count, *shape), torch.randint(1, len(card.words), (count, LENGTH)))


def _embedded(
    recipe: Recipe, test: Held | None, card: Matcher, loading: Loading, device: str, folder: Path
) -> list[Path]:
    """Embed the test images and captions by the weights of a run's folder."""
    if test is None:
        return []
    data, images = test
    model = opened(folder, best=recipe.predict.weights == "best" and recipe.data.dev is not None, device=device)
    out = workspace.predictions_in(folder, data.meta.subset or str(recipe.data.test)).with_suffix(".h5")
    return [embed(model, card, data, images, out, loading).done.path]
