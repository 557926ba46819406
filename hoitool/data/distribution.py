"""How pairs are spread: over classes (the long tail), over images, and over objects and verbs together.

What is counted are pairs; in data without pairs that have labels of whole images, the labels that are present; in data
of boxes alone, the boxes.
Interactions, verbs and objects are each other's by the label space. A pair's object is its box's class.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from hoitool.data.dataset import Array, Dataset

FEW = 10  # below it a class is called rare: Chao et al., WACV 2018, section 5
HEAD = 0.1  # the share of the classes that is called the head
NOTHING = "(no object)"
Counted = Literal["pairs", "image labels", "boxes"]


@dataclass(frozen=True)
class Tail:
    """How often each class (K,) of a table (interactions, verbs or objects) occurs."""

    table: str
    names: tuple[str, ...]
    counts: Array

    @cached_property
    def order(self) -> Array:
        """(K,) classes from the most to the least frequent, ties in the table's order."""
        return np.argsort(-self.counts, kind="stable")

    def ranked(self) -> list[tuple[str, int]]:
        """(name, count) of every class, the most frequent first."""
        return [(self.names[k], int(self.counts[k])) for k in self.order]

    def summary(self) -> dict[str, Any]:
        """Figures of the tail.

        median: count of the middle class; head_share: part of all that the most frequent 10 % of the classes (at
        least one) have; gini: 0 all classes equally often, towards 1 all in one class; both NaN where nothing is.
        """
        counts, total = np.sort(self.counts)[::-1], int(self.counts.sum())
        head = int(counts[: max(1, round(HEAD * len(counts)))].sum())
        return {
            "classes": len(counts),
            "never": int((counts == 0).sum()),
            f"fewer_than_{FEW}": int((counts < FEW).sum()),
            "max": int(counts.max(initial=0)),
            "median": float(np.median(counts)) if len(counts) else 0.0,
            "head_share": head / total if total else float("nan"),
            "gini": gini(counts),
        }


@dataclass(frozen=True)
class Distribution:
    """How the pairs of one subset are spread.

    counted    what is counted: pairs, images with a label, or boxes
    per_image  (I,) how many each image has
    tails      by table, in the order interactions, verbs, objects; those that the data have
    together   (O + 1, V) how often each object goes with each verb, the last row without an object; None without verbs
    """

    subset: str
    counted: Counted
    counts: dict[str, int]
    per_image: Array
    tails: tuple[Tail, ...]
    objects: tuple[str, ...]
    verbs: tuple[str, ...]
    together: Array | None

    def histogram(self) -> list[tuple[int, int]]:
        """(how many an image has, how many images have so many), without zeros."""
        images = np.bincount(self.per_image) if len(self.per_image) else np.empty(0, np.int64)
        return [(int(n), int(images[n])) for n in np.flatnonzero(images)]

    def cells(self, most: int | None = None) -> list[tuple[str | None, str, int]]:
        """(object or None, verb, count) of the cells of `together` that are not 0, the largest first."""
        if self.together is None:
            return []
        rows, columns = np.nonzero(self.together)
        count = self.together[rows, columns]
        order = np.argsort(-count, kind="stable")[:most]
        names = (*self.objects, None)
        return [(names[rows[i]], self.verbs[columns[i]], int(count[i])) for i in order]

    def spread(self) -> dict[str, float]:
        """Mean, median and largest number in an image."""
        if not len(self.per_image):
            return {"mean": 0.0, "median": 0.0, "max": 0}
        return {
            "mean": float(self.per_image.mean()),
            "median": float(np.median(self.per_image)),
            "max": int(self.per_image.max()),
        }

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values, everything."""
        return {
            "subset": self.subset,
            "counted": self.counted,
            "counts": self.counts,
            "per_image": self.spread() | {"histogram": self.histogram()},
            "tails": {tail.table: tail.summary() | {"counts": tail.ranked()} for tail in self.tails},
            "together": self.cells(),
        }


def distribution(data: Dataset) -> Distribution:
    """How the pairs of a dataset or of predictions are spread. Dense predictions have no labels to count."""
    counted, (label, category, per_image) = _rows_of(data)
    interaction, verb = _named(data, label, category)
    labels = data.meta.labels
    tails = []
    if interaction is not None and len(labels):
        names = tuple(labels.interaction_name(k) for k in range(len(labels)))
        tails.append(Tail("interactions", names, _bincount(interaction, len(labels))))
    together = None
    if verb is not None:
        tails.append(Tail("verbs", labels.verbs, _bincount(verb, len(labels.verbs))))
        together = np.zeros((len(labels.objects) + 1, len(labels.verbs)), np.int64)
        known = category > UNKNOWN_OBJECT
        np.add.at(together, (category[known], verb[known]), 1)
    tails.append(Tail("objects", labels.objects, _bincount(category, len(labels.objects))))
    return Distribution(
        data.meta.subset, counted, _counts(data), per_image, tuple(tails), labels.objects, labels.verbs, together
    )


UNKNOWN_OBJECT = -2  # of a pair whose object box has no class; -1: no object


def _rows_of(data: Dataset) -> tuple[Counted, tuple[Array | None, Array, Array]]:
    """What is counted, and of each its label and object class, and how many each image has."""
    if data.meta.label_kind == "objects":
        return "boxes", (None, data.categories, data.counts("box"))
    if len(data.subject) or data.image_value is None:
        return "pairs", _of_pairs(data)
    return "image labels", _of_images(data)


def _of_pairs(data: Dataset) -> tuple[Array | None, Array, Array]:
    """Labels (P,), object classes (P,) and the number of pairs of each image (I,)."""
    box = data.pair_boxes("object")
    category = np.where(box < 0, -1, data.categories[box]) if len(data.boxes) else box
    category = np.where((box >= 0) & (category < 0), UNKNOWN_OBJECT, category)
    return data.label, category, data.counts("pair")


def _of_images(data: Dataset) -> tuple[Array | None, Array, Array]:
    """Present image labels (n,), their object classes (n,), and how many each image has (I,)."""
    present = data.need("image_value") == 1
    label = data.need("image_label")[present]
    per_image = np.bincount(data.image_of("image_label")[present], minlength=len(data))
    if data.meta.label_kind == "interactions":
        return label, data.meta.labels.interaction_objects[label], per_image
    if data.meta.label_kind == "predicates":
        return None, label, per_image
    return label, np.full(len(label), UNKNOWN_OBJECT), per_image


def _named(data: Dataset, label: Array | None, category: Array) -> tuple[Array | None, Array | None]:
    """Interactions and verbs (n,) of the labels, -1 where the label space has no such interaction; None: no such."""
    if label is None or data.meta.label_kind == "agents+roles":
        return None, None
    labels = data.meta.labels
    if data.meta.label_kind == "interactions":
        return label, labels.interaction_verbs[label]
    if data.meta.label_kind == "predicates":
        return None, label
    known = category > UNKNOWN_OBJECT
    return np.where(known, labels.matrix[np.where(known, category, -1), label], -1), label


def _bincount(index: Array, classes: int) -> Array:
    """(classes,) how often each index occurs; negative ones are none."""
    return np.bincount(index[index >= 0], minlength=classes)


def _counts(data: Dataset) -> dict[str, int]:
    made = {
        "images": len(data),
        "images_without_pairs": int((data.counts("pair") == 0).sum()),
        "boxes": len(data.boxes),
        "pairs": len(data.subject),
        "pairs_without_object": int((data.object < 0).sum()),
    }
    if data.label is not None:
        made |= {"classes": data.meta.classes} | _classes_found(data)
    if data.image_value is not None:
        made["image_labels_present"] = int((data.image_value == 1).sum())
    return made


def _classes_found(data: Dataset) -> dict[str, int]:
    """How many classes occur, in pairs or in boxes alone."""
    if data.meta.label_kind == "objects":
        return {"classes_with_boxes": len(np.unique(data.categories[data.categories >= 0]))}
    return {"classes_with_pairs": len(np.unique(data.need("label")))}


def gini(counts: Array) -> float:
    """The Gini coefficient of counts (K,): the mean difference of two of them, by twice their mean; NaN for none."""
    total = float(counts.sum())
    if not total:
        return float("nan")
    rank = np.arange(1, len(counts) + 1)
    return float((2 * rank - len(counts) - 1) @ np.sort(counts) / (len(counts) * total))
