"""What a detector is examined on while it learns: annotated pictures, by a protocol of hoitool.eval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hoitool.data import Dataset, Predictions, select_images
from hoitool.data.dataset import Array
from hoitool.embed.pictures import Album
from hoitool.eval import Result, score
from hoitool.models.card import Labelled
from hoitool.models.vild import Vild
from hoitool.models.vild_regions import Thinning
from hoitool.predict.recognition import Pace
from hoitool.predict.vild.detection import Detector, Found, as_predictions, detections
from hoitool.predict.vild.vocabulary import own
from hoitool.train.device import bare, gathered, processes


@dataclass(frozen=True, eq=False)
class Examination:
    """The truth, boxes alone, with its pictures; given: boxes that are looked at in place of proposals."""

    truth: Dataset
    album: Album
    given: Dataset | None
    protocol: str
    variant: str | None
    pace: Pace

    def figures(self, module: torch.nn.Module, card: Labelled) -> dict[str, float]:
        """The headline of the protocol as a fraction by group of classes; each of several processes detects its share.

        Groups without true boxes have none.
        """
        rank, world = processes()
        mine = np.arange(rank, len(self.truth), world)
        made: dict[int, Found] = {}
        for held in gathered(self._detected(module, card, mine, "evaluating" if rank == 0 else "")):
            made |= held
        return figures(self._scored(as_predictions(self.truth, made, card.labels, {})))

    def names(self, card: Labelled) -> list[str]:
        """The names of the figures, without a model."""
        nothing = as_predictions(self.truth, {}, card.labels, {})
        return list(figures(self._scored(nothing)))

    def _detected(self, module: torch.nn.Module, card: Labelled, images: Array, told: str) -> dict[int, Found]:
        model = bare(module)
        assert isinstance(model, Vild)
        share = Album([self.album.names[i] for i in images.tolist()], self.album.keys[images], self.album.pictures)
        given = None if self.given is None else select_images(self.given, images)
        rule = Thinning(card.predict["nms"], card.predict["min_score"], card.predict["most"])
        detector = Detector(model, card, own(model, card), rule)
        stream = detections(detector, select_images(self.truth, images), share, self.pace, given, told=told)
        return {int(images[place]): found for place, found in stream}

    def _scored(self, predictions: Predictions) -> Result:
        return score(self.truth, predictions, self.protocol, self.variant)


def figures(result: Result) -> dict[str, float]:
    """The headline as a fraction by split, of those that have one."""
    made: dict[str, Any] = {split: result.mean(split) for split in result.splits}
    return {split: value for split, value in made.items() if np.isfinite(value)}
