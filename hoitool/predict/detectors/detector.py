"""What a detector is, by what it is asked for, and which objects of a label space its classes are.

Boxes are continuous, in pixels of the picture as it is stored, whatever size the detector looks at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from hoitool.data.dataset import Array
from hoitool.errors import DataError
from hoitool.labels import LabelSpace, load_labels
from hoitool.predict.detectors import DETECTORS

# what some models call COCO's classes, after PASCAL VOC
SPELLINGS = {
    "motorbike": "motorcycle",
    "aeroplane": "airplane",
    "sofa": "couch",
    "pottedplant": "potted_plant",
    "diningtable": "dining_table",
    "tvmonitor": "tv",
}


@dataclass(frozen=True)
class Settings:
    """What is asked of a detector: its name in DETECTORS, what follows the colon, its weights, and where it computes.

    weights  a file (torchvision) or a folder or hub id (Hugging Face); None: the published ones, from the caches or
             from where they are published
    """

    name: str
    variant: str | None = None
    weights: str | None = None
    device: str = "auto"


@dataclass(frozen=True, eq=False)
class Found:
    """The boxes (n, 4) float64 of a picture, x1 y1 x2 y2, their scores (n,) and classes (n,), the detector's own."""

    boxes: Array
    scores: Array
    classes: Array


class Detector(Protocol):
    """name; classes: the names of its classes by number; batch: how many pictures it takes at once; facts: what a file
    of its boxes says of it, weights and their hash.
    """

    name: str
    classes: Sequence[str]
    batch: int
    facts: dict[str, Any]

    def __call__(self, pictures: Sequence[Array]) -> list[Found]:
        """What is found in pictures (H, W, 3) uint8, all of one size."""
        ...


def found(made: Mapping[str, Any]) -> Found:
    """What torchvision and transformers say of a picture: boxes, scores and labels, tensors on any device."""
    boxes, scores = (made[part].double().cpu().numpy() for part in ("boxes", "scores"))
    return Found(boxes, scores, made["labels"].cpu().numpy())


def load_detector(detector: str, weights: str | None = None, device: str = "auto") -> Detector:
    """The detector that `name` or `name:variant` means.

    Raises UsageError for an unknown name or device, MissingData where there are no weights, DataError for a file that
    does not hold them; there are never random ones.
    """
    name, _, variant = detector.partition(":")
    made: Detector = DETECTORS[name].load(Settings(name, variant or None, weights, device))
    return made


def objects_of(detector: Detector, labels: LabelSpace) -> Array:
    """(C,) int32: the object that each class of a detector is in a label space, -1 for none; by name, else as COCO's.

    Raises DataError where none of them is any.
    """
    coco = {_plain(name): number for name, number in _named(load_labels("hico"))}
    of_coco = {number: i for i, number in enumerate(labels.coco_ids.tolist()) if number >= 0}
    own = {_plain(name): i for i, name in enumerate(labels.objects)}
    names = [SPELLINGS.get(_plain(name), _plain(name)) for name in detector.classes]
    made = np.array([own.get(name, of_coco.get(coco.get(name, -1), -1)) for name in names], np.int32)
    if not (made >= 0).any():
        told = ", ".join(map(repr, list(filter(None, detector.classes))[:3]))
        raise DataError(f"{detector.name}: none of its classes ({told}, ...) is an object of {labels.name!r}")
    return made


def _named(labels: LabelSpace) -> list[tuple[str, int]]:
    return list(zip(labels.objects, labels.coco_ids.tolist(), strict=True))


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")
