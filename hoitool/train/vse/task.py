"""The task of matching: images and captions of a batch find each other, the hardest of the others stay behind.

The triplet loss is over the whole batch of a step, on however many devices it lies. In the first epochs all false pairs
count, then the hardest alone; behind these the loss may rise from 0. Source: Chen et al., CVPR 2021, and its code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hoitool.data import Dataset
from hoitool.eval import Result
from hoitool.eval.embedded import Embedded
from hoitool.eval.retrieval import BOTH, evaluate
from hoitool.eval.search_figures import FULL, IMAGE_TO_TEXT, RECALLS, TEXT_TO_IMAGE
from hoitool.losses.triplet import triplet
from hoitool.models.vse import Vse, similarity
from hoitool.models.vse_words import Words
from hoitool.predict.image_sets import ImageSets
from hoitool.predict.matching import caption_rows, image_rows
from hoitool.predict.recognition import Pace
from hoitool.train.device import gathered, processes
from hoitool.train.gathered import gathered_rows, summed
from hoitool.train.task import Task, generator
from hoitool.train.vse.pairs import Pairs, collated
from hoitool.train.vse.settings import Loss

SHORT = {IMAGE_TO_TEXT: "i2t", TEXT_TO_IMAGE: "t2i"}
FIGURES = (*(f"{short} R@{k}" for short in SHORT.values() for k in RECALLS), "rsum")


@dataclass(frozen=True, eq=False)
class Examination:
    """What a matcher is examined on while it learns: annotated images and their captions, by `retrieval`."""

    data: Dataset
    images: ImageSets
    words: Words
    variant: str | None
    pace: Pace

    def figures(self, module: Vse) -> dict[str, float]:
        """Recalls as fractions, and their sum; each of several processes embeds its share."""
        rank, world = processes()
        captions = [self.words.ids(text) for text in self.data.need("caption_text").tolist()]
        mine, told = np.arange(rank, len(self.data), world), "evaluating" if rank == 0 else ""
        images = _joined(image_rows(module, self.images.share(mine), self.pace, told))
        texts = _joined(caption_rows(module, captions[rank::world], self.pace, told))
        numbers = np.arange(1, len(captions) + 1)
        held = Embedded(images, texts, self.data.image_of("caption"), self.data.key, numbers)
        return figures(evaluate(held) if self.variant is None else evaluate(held, self.variant))


@dataclass(frozen=True, eq=False)
class Matching(Task):
    """Captions and their images; see hoitool/train/task.py for what a task is."""

    pairs: Pairs
    rule: Loss
    seed: int
    examination: Examination | None

    def __len__(self) -> int:
        return len(self.pairs)

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        """A caption with its image, varied."""
        return self.pairs.sample(index, generator(self.seed, epoch, index))

    def collate(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """Images, captions and masks of a batch."""
        return collated(samples)

    def loss(self, module: torch.nn.Module, batch: dict[str, Any], at: float) -> torch.Tensor:
        """The triplet loss of the whole batch, over all processes."""
        images, captions = module(self.pairs.images.given(batch["images"]), batch["captions"], batch["mask"])
        table = similarity(gathered_rows(images), gathered_rows(captions))
        hardest = at >= self.rule.summed
        return summed(triplet(table, self.rule.margin, hardest) * rise(at, self.rule))

    def names(self, batch: dict[str, Any]) -> Sequence[str]:
        """The images' keys."""
        return [str(self.pairs.keys[self.pairs.image[i]]) for i in batch["index"].tolist()]

    def evaluate(self, module: torch.nn.Module) -> dict[str, float]:
        """Recalls of both directions, and their sum."""
        if self.examination is None or not isinstance(module, Vse):
            return {}
        return self.examination.figures(module)


def rise(at: float, rule: Loss) -> float:
    """The factor of the loss at a fractional epoch: below 1 only in the epochs of its warm-up."""
    if at < rule.summed or at >= rule.summed + rule.warmup:
        return 1.0
    return (at - rule.summed) / rule.warmup


def figures(result: Result) -> dict[str, float]:
    """What a training tells of a search: recalls by the names of FIGURES, on all images, and rsum."""
    recalls = {
        f"{short} R@{k}": result.mean(FULL, setting, f"R@{k}") for setting, short in SHORT.items() for k in RECALLS
    }
    return recalls | {"rsum": result.mean(FULL, BOTH, "rsum")}


def _joined(rows: Any) -> Any:
    """The rows of all processes, each of which has every world-th of them."""
    _, world = processes()
    shares = gathered(rows)
    made = np.empty((sum(map(len, shares)), max(each.shape[1] for each in shares)), np.float32)
    for other, each in enumerate(shares):
        made[other::world] = each
    return made
