"""What a file says of one picture, ready to be drawn: pairs, objects alone, or labels and captions of the whole.

Boxes are brought onto the picture: into continuous pixels, and into the picture's size where the file knows another
one, so that boxes lie right on a copy of another size too. Verbs and roles are told with their objects. Scores of
recognition by a trained model are logits, and become probabilities; all others are shown as they are; annotations have
none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from hoitool.data import Dataset, Predictions, to_final, to_sparse
from hoitool.data.dataset import Array
from hoitool.labels import LabelSpace

Size = tuple[int, int]
What = Literal["pairs", "objects", "labels", "captions"]


@dataclass(frozen=True, eq=False)
class Seen:
    """R lines about one picture.

    what     what they are of
    names    R texts; scores (R,), higher is surer, or None
    boxes    (B, 4) x1 y1 x2 y2, continuous pixels of the picture; people (B,) bool: those drawn as people
    subject  (R,) and object (R,) rows of boxes, object -1 for none; without rows for labels and captions
    """

    what: What
    names: Sequence[str]
    scores: Array | None = None
    boxes: Array = field(default_factory=lambda: np.empty((0, 4)))
    people: Array = field(default_factory=lambda: np.empty(0, bool))
    subject: Array = field(default_factory=lambda: np.empty(0, np.int32))
    object: Array = field(default_factory=lambda: np.empty(0, np.int32))


See = Callable[[int, Size], Seen]  # an image's place in the file, and the width and height of its picture


def seer(data: Dataset) -> See:
    """What tells what a dataset or predictions say of an image."""
    if isinstance(data, Predictions):
        if data.image_scores is not None and not len(data.subject):
            return _labels(data, data.image_scores)
        if data.meta.label_kind != "objects":
            data = to_sparse(to_final(data))
            return _pairs(data, data.need("score"))
        return _objects(data, data.need("box_scores"))
    if len(data.subject):
        return _pairs(data, None)
    if len(data.boxes):
        return _objects(data, data.box_scores)
    if data.caption_text is not None and len(data.caption_text):
        return _captions(data, data.caption_text)
    return _image_labels(data)


def _pairs(data: Dataset, scores: Array | None) -> See:
    names = [data.meta.label_name(label) for label in range(data.meta.classes)]

    def see(image: int, size: Size) -> Seen:
        boxes, rows = slice(*data.box_offsets[image : image + 2]), slice(*data.pair_offsets[image : image + 2])
        subject, obj = data.subject[rows], data.object[rows]
        told = [names[label] for label in data.need("label")[rows].tolist()]
        if data.meta.label_kind != "interactions":
            told = with_objects(told, data.categories[boxes], obj, data.meta.labels)
        people = np.zeros(boxes.stop - boxes.start, bool)
        people[subject] = True
        mine = None if scores is None else scores[rows]
        return Seen("pairs", told, mine, placed(data, image, size), people, subject, obj)

    return see


def _objects(data: Dataset, scores: Array | None) -> See:
    labels = data.meta.labels
    names = [*labels.objects, "object"]  # the last of boxes without a class

    def see(image: int, size: Size) -> Seen:
        rows = slice(*data.box_offsets[image : image + 2])
        category = data.categories[rows]
        told, people = [names[i] for i in category.tolist()], (category == labels.person) & (category >= 0)
        each, none = np.arange(len(category)), np.full(len(category), -1)
        mine = None if scores is None else scores[rows]
        return Seen("objects", told, mine, placed(data, image, size), people, each, none)

    return see


def _labels(data: Dataset, scores: Array) -> See:
    names = [data.meta.label_name(label) for label in range(data.meta.classes)]
    logits = data.meta.extras.get("predict", {}).get("task") == "recognition"
    return lambda image, size: Seen("labels", names, probabilities(scores[image]) if logits else scores[image])


def _image_labels(data: Dataset) -> See:
    names = data.meta.labels.objects if data.meta.image_label_kind == "objects" else None
    offsets = data.image_label_offsets

    def see(image: int, size: Size) -> Seen:
        if offsets is None or data.image_label is None or data.image_value is None:
            return Seen("labels", [])
        rows = slice(*offsets[image : image + 2])
        held = data.image_label[rows][data.image_value[rows] == 1].tolist()
        return Seen("labels", [names[i] if names is not None else data.meta.label_name(i) for i in held])

    return see


def _captions(data: Dataset, texts: Array) -> See:
    offsets = data.caption_offsets
    assert offsets is not None
    return lambda image, size: Seen("captions", texts[slice(*offsets[image : image + 2])].tolist())


def placed(data: Dataset, image: int, size: Size) -> Array:
    """(B, 4) the boxes of an image in continuous pixels of a picture of this width and height."""
    boxes: Array = data.boxes[slice(*data.box_offsets[image : image + 2])].astype(np.float64)
    if data.meta.box_frame == "normalised":
        boxes *= np.array([*size, *size])
        return boxes
    if data.meta.box_frame == "inclusive":
        boxes += np.array([0, 0, 1, 1])
    if data.width is None or data.height is None or not (data.width[image] > 0 and data.height[image] > 0):
        return boxes
    scale = np.array(size) / (int(data.width[image]), int(data.height[image]))
    boxes *= np.concatenate([scale, scale])
    return boxes


def with_objects(names: Sequence[str], categories: Array, object: Array, labels: LabelSpace) -> list[str]:
    """R names of verbs or roles with the class of the pair's object, where there is one that is known.

    categories (B,) of an image's boxes; object (R,): its rows, -1 for none
    """
    classes = np.append(categories, -1)[object].tolist()
    return [
        f"{name} {labels.objects[category]}" if category >= 0 else name
        for name, category in zip(names, classes, strict=True)
    ]


def probabilities(logits: Array) -> Array:
    """sigmoid, in float64."""
    made: Array = np.exp(-np.logaddexp(0.0, -logits.astype(np.float64)))
    return made
