"""The task of open-vocabulary detection: boxes of base objects and their texts, regions and an image encoder's rows.

Losses of a step, all recorded: `objectness` and `proposals` of the network of proposals, `text` and `boxes` of regions
drawn out of them, `image` of the teacher's regions; what is minimised is their sum, the image loss times its weight.
Novel objects' boxes, and crowds, are not there for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from hoitool.data import Dataset
from hoitool.data.dataset import Array
from hoitool.embed.crops import continuous
from hoitool.embed.pictures import Album
from hoitool.embed.regions import require_size
from hoitool.losses.vild import image_loss, text_logits, text_loss
from hoitool.models.card import Labelled
from hoitool.models.vild import Seen
from hoitool.models.vild_regions import Lesson
from hoitool.predict.vild.squares import normalised
from hoitool.train.task import Task, generator
from hoitool.train.vild.augment import varied
from hoitool.train.vild.examination import Examination
from hoitool.train.vild.settings import Augment, Loss
from hoitool.train.vild.teacher import Teacher

SMOOTH = 1 / 9  # where the loss of shifts turns from a square into a distance, as torchvision has it


@dataclass(frozen=True, eq=False)
class Criterion:
    """What is minimised. texts (C, D): those of the softmax; held_out (C,) bool: of which the logit is 0.

    kinds: the losses that the heads have, of text and image
    """

    rule: Loss
    texts: Tensor
    held_out: Tensor
    kinds: frozenset[str]

    def __call__(self, seen: Seen, target: Tensor, valid: Tensor) -> dict[str, Tensor]:
        """The losses by name of what a model says of a lesson; target (M, D) and valid (M,) of the given regions."""
        assert seen.taught is not None
        labels = seen.taught.labels
        made = dict(zip(("objectness", "proposals"), seen.found, strict=False))
        on = labels > 0
        shifts = smooth_l1_loss(seen.shifts[on], seen.taught.shifts[on], beta=SMOOTH, reduction="sum")
        made["boxes"] = shifts / max(1, len(labels))
        if "text" in self.kinds:
            assert seen.background is not None
            texts, held_out = (held.to(labels.device) for held in (self.texts, self.held_out))
            logits = text_logits(seen.text, seen.background, texts, self.rule.temperature)
            made["text"] = text_loss(logits, labels, held_out)
        if "image" in self.kinds:
            made["image"] = image_loss(seen.image, target, valid)
        weights = {"image": self.rule.image}
        weighted = [weights.get(name, 1.0) * held for name, held in made.items()]
        return {"loss": torch.stack(weighted).sum()} | made


@dataclass(frozen=True, eq=False)
class Detection(Task):
    """Pictures with boxes; see hoitool/train/task.py for what a task is.

    data      boxes alone, with pictures in `album`; label (O,): of each object the label in the softmax, 0 for none
    teacher   None for heads that learn from texts alone, most: its regions of a picture in a step
    proposals boxes of the same images, for a model that is given them
    """

    data: Dataset
    album: Album
    label: Array
    card: Labelled
    augment: Augment
    criterion: Criterion
    teacher: Teacher | None
    most: int
    proposals: Dataset | None
    seed: int
    examination: Examination | None

    def __len__(self) -> int:
        return len(self.data)

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        """A square, its picture's size, boxes and labels, the teacher's boxes and rows, the given proposals."""
        numbers = generator(self.seed, epoch, index)
        pixels = np.asarray(self.album.open(index))
        high, wide = pixels.shape[:2]
        self._require_size(index, wide, high)
        square = varied(pixels, self.augment, self.card.image_size, numbers)
        boxes, labels = self._objects(index, wide, high)
        boxes, kept = square.boxes(boxes)
        made = {"pixels": square.pixels, "size": square.size, "boxes": boxes, "labels": labels[kept], "index": index}
        if self.proposals is not None:
            held = self.proposals.boxes[slice(*self.proposals.box_offsets[index : index + 2])]
            made["proposals"] = square.boxes(continuous(held, self.proposals.meta.box_frame, wide, high))[0]
        regions, target = np.empty((0, 4), np.float32), np.empty((0, self.card.numbers["dim"]), np.float32)
        if self.teacher is not None:
            found, rows = self.teacher.regions(index, wide, high)
            regions, kept = square.boxes(found)
            drawn = np.sort(numbers.permutation(len(kept))[: self.most])
            regions, target = regions[drawn], rows[kept[drawn]]
        return made | {"regions": regions, "target": target}

    def collate(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """A batch of squares. Regions lie one after the other; where no sample has any, one that does not count."""
        regions = [torch.from_numpy(each["regions"]) for each in samples]
        rows = [torch.cat([held.new_full((len(held), 1), i), held], dim=1) for i, held in enumerate(regions)]
        rois, target = torch.cat(rows), torch.from_numpy(np.concatenate([each["target"] for each in samples]))
        valid = torch.ones(len(rois), dtype=torch.bool)
        if not len(rois):
            side = float(self.card.image_size)
            rois, target = torch.tensor([[0, 0, 0, side, side]]), target.new_zeros(1, target.shape[1])
            valid = torch.zeros(1, dtype=torch.bool)
        columns = {name: [torch.from_numpy(each[name]) for each in samples] for name in ("boxes", "labels")}
        given = [torch.from_numpy(each["proposals"]) for each in samples] if self.proposals is not None else None
        return {
            "pixels": torch.from_numpy(np.stack([each["pixels"] for each in samples])),
            "lesson": Lesson([each["size"] for each in samples], columns["boxes"], columns["labels"], given),
            "regions": rois,
            "target": target,
            "valid": valid,
            "index": [each["index"] for each in samples],
        }

    def loss(self, module: torch.nn.Module, batch: dict[str, Any], at: float) -> dict[str, Tensor]:
        """The losses by name; `loss` is minimised."""
        lesson = Lesson(*batch["lesson"])
        pictures = normalised(batch["pixels"], lesson.sizes, self.card)
        return self.criterion(module(pictures, batch["regions"], lesson), batch["target"], batch["valid"])

    def names(self, batch: dict[str, Any]) -> Sequence[str]:
        """The images' keys."""
        return [str(self.data.key[i]) for i in batch["index"]]

    def evaluate(self, module: torch.nn.Module) -> dict[str, float]:
        """The figures of the protocol."""
        return {} if self.examination is None else self.examination.figures(module, self.card)

    def _objects(self, index: int, wide: int, high: int) -> tuple[Array, Array]:
        """Boxes (n, 4) of an image's base objects, continuous, in pixels, and their labels (n,)."""
        rows = slice(*self.data.box_offsets[index : index + 2])
        category = self.data.categories[rows]
        label = np.where(category < 0, 0, self.label[category])
        if self.data.crowd is not None:
            label = np.where(self.data.crowd[rows], 0, label)
        boxes = continuous(self.data.boxes[rows], self.data.meta.box_frame, wide, high)
        return boxes[label > 0], label[label > 0].astype(np.int64)

    def _require_size(self, index: int, wide: int, high: int) -> None:
        if self.data.width is not None and self.data.height is not None:
            said = np.array([self.data.width[index], self.data.height[index]])
            require_size((wide, high), said, self.album.names[index])
