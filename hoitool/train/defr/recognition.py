"""The task of recognition: whole pictures, varied, and which interactions they show.

Pictures are decoded and varied where they are loaded, travel as bytes, and are normalised on the device. Evaluation
squashes the test pictures as they are; where several processes train, each recognises its share of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hoitool.data import Dataset
from hoitool.data.dataset import Array
from hoitool.embed.pictures import Album
from hoitool.losses.contract import Loss
from hoitool.models.card import Labelled
from hoitool.predict.recognition import Pace, image_logits
from hoitool.train.augment import augmented
from hoitool.train.defr.evaluate import evaluated, figures
from hoitool.train.defr.images import Images
from hoitool.train.device import gathered, processes
from hoitool.train.settings import Augment
from hoitool.train.task import Task, generator


@dataclass(frozen=True, eq=False)
class Examination:
    """What a recogniser is examined on while it learns: annotated pictures, by a protocol of hoitool.eval."""

    truth: Dataset
    album: Album
    protocol: str
    variant: str | None
    pace: Pace

    def figures(self, module: torch.nn.Module, card: Labelled) -> dict[str, float]:
        """mAP as a fraction by split; each of several processes recognises its share."""
        rank, world = processes()
        mine = np.arange(rank, len(self.truth), world)
        share = Album([self.album.names[i] for i in mine], self.album.keys[mine], self.album.pictures)
        logits, _ = image_logits(module, share, card, self.pace, "evaluating" if rank == 0 else "")
        scores = np.empty((len(self.truth), card.meta.classes), np.float32)
        for other, made in enumerate(gathered(logits)):
            scores[other::world] = made
        return figures(evaluated(self.truth, scores, self.protocol, self.variant))


@dataclass(frozen=True, eq=False)
class Recognition(Task):
    """Pictures and their labels; see hoitool/train/task.py for what a task is.

    repeated     (I,) how often each image is shown in an epoch; examination: None where there is nothing to score on
    """

    images: Images
    card: Labelled
    augment: Augment
    criterion: Loss
    repeated: Array
    seed: int
    examination: Examination | None

    def __len__(self) -> int:
        return len(self.images)

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        """A picture (S, S, 3) uint8, varied; what is said of its labels (K,); its number."""
        picture = self.images.open(index)
        numbers = generator(self.seed, epoch, index)
        pixels = augmented(picture, self.augment, self.card.image_size, numbers)
        return {"pixels": pixels, "target": self.images.target(index), "index": index}

    def loss(self, module: torch.nn.Module, batch: dict[str, Any], at: float) -> torch.Tensor:
        """The criterion of the module's logits; only 1 is positive."""
        return self.criterion(module(normalised(batch["pixels"], self.card)), batch["target"])

    def names(self, batch: dict[str, Any]) -> Sequence[str]:
        """The images' keys."""
        return [str(self.images.keys[i]) for i in batch["index"].tolist()]

    def factors(self) -> Array | None:
        """How often each image is shown."""
        return self.repeated

    def evaluate(self, module: torch.nn.Module) -> dict[str, float]:
        """mAP by split."""
        return {} if self.examination is None else self.examination.figures(module, self.card)


def normalised(pixels: torch.Tensor, card: Labelled) -> torch.Tensor:
    """(B, 3, S, S) float32 of pictures (B, S, S, 3) uint8: (pixels / 255 - mean) / std."""
    made = pixels.permute(0, 3, 1, 2).float().div(255)
    mean, std = (made.new_tensor(held).view(3, 1, 1) for held in (card.mean, card.std))
    return made.sub(mean).div(std).contiguous()
