"""V-COCO's truth as its official code sees it: people, which of them are annotated, what they do, with which boxes.

A box is x, y, x + max(0, w - 1), y + max(0, h - 1), clipped to the image, in float32; boxes without area, and those
that are to be ignored, are no boxes. Source: _load_vcoco and _init_coco of vsrl_eval.py (Gupta and Malik, 2015).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.boxes import extents
from hoitool.data import Dataset, offsets_of, to_frame
from hoitool.errors import DataError

Array = NDArray[Any]


@dataclass(frozen=True)
class People:
    """The people of a dataset, by image, in file order. P people, A actions, V verbs, B boxes.

    boxes     (B, 4) float32, all boxes of the data
    rows      (P,) the row of each person in boxes; offsets (I + 1,) of images
    annotated (P,)
    does      (P, A) whether a person does an action
    target    (P, V) the row in boxes of what a person does a verb with; -1 an empty role, -2 not done
    dropped   how many annotated people have no proper box, so that their actions cannot be found
    """

    boxes: Array
    rows: Array
    offsets: Array
    annotated: Array
    does: Array
    target: Array
    dropped: int

    @property
    def image(self) -> Array:
        """(P,) the image of each person."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    @property
    def positives(self) -> Array:
        """(A,) how many people do each action."""
        counts: Array = self.does.sum(axis=0)
        return counts


def people_of(truth: Dataset) -> People:
    """The people of annotations. Raises DataError for truth that does not say who is annotated, or without sizes."""
    labels = truth.meta.labels
    annotated = _annotated(truth)
    boxes, proper = _boxes(truth)
    person = truth.categories == labels.person
    rows = np.flatnonzero(person & proper)
    place = np.full(len(boxes), -1)
    place[rows] = np.arange(len(rows))
    subject, obj, label = truth.pair_boxes("subject"), truth.pair_boxes("object"), truth.need("label")
    lost = (obj >= 0) & ~proper[np.maximum(obj, 0)] if len(obj) else np.zeros(0, bool)
    if lost.any():
        _name_object(truth, int(lost.argmax()))
    who = place[subject]
    kept = who >= 0
    target = np.full((len(rows), len(labels.verbs)), -2, np.int64)
    target[who[kept], label[kept]] = obj[kept]
    does = np.zeros((len(rows), len(labels.actions)), bool)
    does[who[kept], labels.verb_actions[label[kept]]] = True
    image = truth.image_of("box")
    return People(
        boxes=boxes,
        rows=rows,
        offsets=offsets_of(np.bincount(image[rows], minlength=len(truth))),
        annotated=annotated[rows],
        does=does,
        target=target,
        dropped=int((annotated & person & ~proper).sum()),
    )


def _annotated(truth: Dataset) -> Array:
    if truth.annotated is None:
        raise DataError(
            f"{truth!r} does not say which people are annotated; V-COCO leaves detections of all others out, so it "
            "cannot be scored without. Convert the official files (--from v-coco), which say it"
        )
    return truth.annotated


def _boxes(truth: Dataset) -> tuple[Array, Array]:
    """(B, 4) float32 boxes as the official code clips them, and (B,) which of them it keeps."""
    continuous = to_frame(truth, "continuous").boxes.astype(np.float64)
    width, height = extents(continuous)
    low = continuous[:, :2]
    high = low + np.maximum(0, np.stack([width, height], axis=1) - 1)
    size = np.stack([truth.need("width"), truth.need("height")], axis=1)
    unknown = (size <= 0).any(axis=1) & (truth.counts("box") > 0)
    if unknown.any():
        key = truth.key[int(unknown.argmax())]
        raise DataError(f"image {key!r} has no known size, to which V-COCO clips boxes; convert the COCO instances too")
    limit = size[truth.image_of("box")] - 1.0
    boxes = np.concatenate([np.clip(low, 0, limit), np.clip(high, 0, limit)], axis=1)
    proper = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    marks = truth.meta.extras.get("coco", {})
    gone = [*marks.get("no_area", []), *marks.get("ignored", [])]
    if gone and truth.box_ids is not None:
        proper &= ~np.isin(truth.box_ids, gone)
    return boxes.astype(np.float32), proper


def _name_object(truth: Dataset, pair: int) -> None:
    image = int(truth.image_of("pair")[pair])
    box = int(truth.pair_boxes("object")[pair])
    name = f"annotation {truth.box_ids[box]}" if truth.box_ids is not None else f"box {truth.object[pair]}"
    verb = truth.meta.labels.verbs[int(truth.need("label")[pair])]
    raise DataError(
        f"image {truth.key[image]!r}: {name} is what somebody does {verb!r} with, but it has no area, is to be "
        "ignored, or is not wider and higher than a pixel; the official code stops there. Correct the annotation"
    )
