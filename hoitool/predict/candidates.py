"""Candidates: the human-object pairs of boxes that somebody found, and what each of them may be.

Which boxes are paired says hoitool/models/pairing.py. Boxes of unknown classes and regions of a crowd are not paired,
and no pair stays whose object no interaction takes. Boxes without scores count as scored 1. Overlaps are those of
continuous coordinates, in which an inclusive box is a pixel wider and higher.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hoitool.data import Dataset, offsets_of, ranges
from hoitool.data.dataset import Array
from hoitool.embed.crops import continuous
from hoitool.errors import DataError, UsageError
from hoitool.models.pairing import PUBLISHED, PairRule, pairs, powers


@dataclass(frozen=True, eq=False)
class Candidates:
    """The pairs of I images, P in all, in each image in the order of `pairs`.

    offsets              (I + 1,) the pairs of image i are offsets[i]:offsets[i + 1]
    human, object        (P,) places among the boxes of their image
    category, prior      (P,) the object's class; float64 what the scores of both boxes give to a pair's score
    interaction_objects  (K,) the class that each interaction takes
    """

    offsets: Array
    human: Array
    object: Array
    category: Array
    prior: Array
    interaction_objects: Array

    def rows(self, image: int) -> tuple[Array, Array]:
        """(n,) pairs and (n,) labels: the interactions of each pair of an image, by pair, then by label."""
        pair = np.arange(self.offsets[image], self.offsets[image + 1])
        counts = self._counts[self.category[pair]]
        return np.repeat(pair, counts), self._labels[ranges(self._starts[self.category[pair]], counts)]

    @cached_property
    def _labels(self) -> Array:
        """(K,) the interactions by the class that they take."""
        return np.argsort(self.interaction_objects, kind="stable").astype(np.int32)

    @cached_property
    def _counts(self) -> Array:
        return np.bincount(self.interaction_objects, minlength=int(self.category.max(initial=-1)) + 1)

    @cached_property
    def _starts(self) -> Array:
        return offsets_of(self._counts)[:-1]


def candidates(boxes: Dataset, rule: PairRule = PUBLISHED) -> Candidates:
    """The pairs of the boxes of each image.

    Raises UsageError for a label space without a person, DataError for boxes' scores outside of 0 to 1, whose powers
    say nothing.
    """
    space, category = boxes.meta.labels, boxes.categories
    if space.person < 0:
        raise UsageError(f"label space {space.name!r} has no object 'person', of which every pair has one")
    scores = np.ones(len(boxes.boxes)) if boxes.box_scores is None else boxes.box_scores.astype(np.float64)
    _require_shares(scores, boxes)
    corners = continuous(boxes.boxes, boxes.meta.box_frame, 1, 1)  # normalised ones overlap as they do in pixels
    usable = (category >= 0) & (True if boxes.crowd is None else ~boxes.crowd)
    human, obj = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    counts = np.zeros(len(boxes), np.int64)
    for image, (start, stop) in enumerate(zip(boxes.box_offsets[:-1], boxes.box_offsets[1:], strict=True)):
        rows = start + np.flatnonzero(usable[start:stop])
        humans, objects = pairs(corners[rows], scores[rows], category[rows], space.person, rule)
        kept = np.isin(category[rows[objects]], space.interaction_objects)
        human.append(rows[humans[kept]])
        obj.append(rows[objects[kept]])
        counts[image] = kept.sum()
    human_row, object_row = np.concatenate(human), np.concatenate(obj)
    first = np.repeat(boxes.box_offsets[:-1], counts)
    return Candidates(
        offsets_of(counts),
        (human_row - first).astype(np.int32),
        (object_row - first).astype(np.int32),
        category[object_row],
        powers(scores[human_row], scores[object_row], rule).prod(axis=0),
        space.interaction_objects,
    )


def _require_shares(scores: Array, boxes: Dataset) -> None:
    wrong = ~((scores >= 0) & (scores <= 1))
    if wrong.any():
        row = int(wrong.argmax())
        key = boxes.key[boxes.image_of("box")[row]]
        raise DataError(f"image {key!r}: a box is scored {scores[row]:g}, expected 0 to 1 (a probability, no logit)")
