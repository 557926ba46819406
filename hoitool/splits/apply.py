"""Training data as a split has them: the training filter first, then the images of its list or draw.

    labels      drops every pair (row) with an unseen label; a person and object keep their seen labels; images stay
    pairs       drops every row of a person and object of which one row has an unseen label, then images without a pair
    near-pairs  the same, where boxes that overlap count as one (hoitool/splits/same.py)
    images      drops every image with a pair of, or the image label 1 for, an unseen class
    empty       drops every image

Labels of whole images go with every filter where their class is unseen, whatever their value. Boxes stay with their
images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hoitool.data import Dataset, class_counts, select_images, select_pairs
from hoitool.data.dataset import Array
from hoitool.errors import UsageError
from hoitool.splits.draw import drawn, keep_image_labels
from hoitool.splits.same import with_equal, with_overlapping
from hoitool.splits.split import Split
from hoitool.splits.table import require_filter

EXTRA = "split"  # the key in meta.extras


@dataclass(frozen=True)
class Applied:
    """Training data as a split has them, the split with the images it took, what was dropped, and what else to know."""

    data: Dataset
    split: Split
    dropped: dict[str, int]
    notes: tuple[str, ...] = ()


def apply(data: Dataset, split: Split, sources: dict[str, str] | None = None) -> Applied:
    """Filter training data; its split stands in meta.extras afterwards.

    sources  file name -> SHA-256 of the file that the data were read from: what nothing may be made of any more
    Raises UsageError for a split that says nothing about training data or not which filter, for another label space,
    and for data without a label for each pair.
    """
    require_filter(split)
    if split.filter is None and split.draw is None and split.images is None:
        raise UsageError(f"split {split.name!r} groups classes for a report, training data have nothing to lose to it")
    require_annotations(data, split)
    made = FILTERED[split.filter](data, split.mask("unseen")) if split.filter is not None else data
    if split.filter is not None and split.draw is None and split.images is None:
        concrete = split
    else:
        made, concrete = _chosen(made, split)
    made, notes = _without_remains(made, split)
    stated: dict[str, Any] = concrete.summary() | {"of": sources or {}}
    if split.draw is not None:
        stated["seed"] = split.draw.seed
    if EXTRA in data.meta.extras:
        stated["after"] = data.meta.extras[EXTRA]
    made = made.with_columns(replace(made.meta, extras=made.meta.extras | {EXTRA: stated}))
    notes += [*_not_training(data), *_vacuous(data, made, split), *_lost_classes(data, made, split)]
    return Applied(made, concrete, _dropped(data, made), tuple(notes))


def require_annotations(data: Dataset, split: Split) -> None:
    """Raise UsageError unless data are annotations of interactions in the split's label space."""
    if data.kind != "dataset" or data.label is None:
        raise UsageError(f"{data!r}: a split is of annotations with a label for each pair")
    if split.space is not None and data.meta.label_kind != "interactions":
        raise UsageError(f"{data!r} is labelled with {data.meta.label_kind}; split {split.name!r} is of interactions")
    split.require_space(data.meta.labels, "the data")


def _chosen(data: Dataset, split: Split) -> tuple[Dataset, Split]:
    """The images of the split's list or draw, and the split that names them."""
    if split.images is not None:
        wanted = set(split.images)
        made = select_images(data, np.array([key in wanted for key in data.key.tolist()], bool))
        return made, split
    assert split.draw is not None
    made = drawn(data, split.draw)
    return made, replace(split, images=tuple(made.key.tolist()))


def _by_labels(data: Dataset, unseen: Array) -> Dataset:
    return _without_image_labels(select_pairs(data, ~unseen[data.need("label")]), unseen)


def _by_pairs(data: Dataset, unseen: Array) -> Dataset:
    return _without_pairs(data, with_equal(data, unseen[data.need("label")]), unseen)


def _by_near_pairs(data: Dataset, unseen: Array) -> Dataset:
    return _without_pairs(data, with_overlapping(data, unseen[data.need("label")]), unseen)


def _without_pairs(data: Dataset, gone: Array, unseen: Array) -> Dataset:
    made = _without_image_labels(select_pairs(data, ~gone), unseen)
    return select_images(made, made.counts("pair") > 0)


def _by_images(data: Dataset, unseen: Array) -> Dataset:
    return _without_image_labels(select_images(data, ~shows(data, unseen)), unseen)


def _empty(data: Dataset, unseen: Array) -> Dataset:
    return select_images(data, np.zeros(len(data), bool))


FILTERED: dict[str, Callable[[Dataset, Array], Dataset]] = {
    "labels": _by_labels,
    "pairs": _by_pairs,
    "near-pairs": _by_near_pairs,
    "images": _by_images,
    "empty": _empty,
}


def shows(data: Dataset, classes: Array) -> Array:
    """(I,) whether an image has a pair of one of the classes (K,), or is labelled with one as present."""
    made = np.zeros(len(data), bool)
    made[data.image_of("pair")[classes[data.need("label")]]] = True
    if data.image_label is not None and data.image_value is not None:
        made[data.image_of("image_label")[classes[data.image_label] & (data.image_value == 1)]] = True
    return made


def _without_image_labels(data: Dataset, unseen: Array) -> Dataset:
    return data if data.image_label is None else keep_image_labels(data, ~unseen[data.image_label])


def _without_remains(data: Dataset, split: Split) -> tuple[Dataset, list[str]]:
    """Without what stands outside of the rows that were filtered and may still speak of what is gone."""
    if split.filter is None and (split.draw is None or not split.draw.shots):
        return data, []
    notes = []
    if data.image_scores is not None:
        data = data.with_columns(image_scores=None)
        notes.append("scores of whole images are left out: they are of all classes")
    gone = sorted(set(data.meta.extras) - {EXTRA})
    if gone:
        extras = {name: held for name, held in data.meta.extras.items() if name not in gone}
        data = data.with_columns(replace(data.meta, extras=extras))
        notes.append(f"what {' and '.join(gone)} holds beside the columns is left out: it is of the unfiltered rows")
    if data.caption_text is not None:
        notes.append("captions stay as they are: what they say of unseen classes is not looked at")
    return data, notes


def _dropped(before: Dataset, after: Dataset) -> dict[str, int]:
    made = {
        "images": len(before) - len(after),
        "boxes": len(before.boxes) - len(after.boxes),
        "pairs": len(before.subject) - len(after.subject),
    }
    if before.image_label is not None and after.image_label is not None:
        made["image labels"] = len(before.image_label) - len(after.image_label)
    return made


def _not_training(data: Dataset) -> list[str]:
    """A note where the data are those that figures are told of."""
    if data.meta.subset != "test":
        return []
    return ["these are test data: a split takes training data, and its figures are of all test images (eval --split)"]


def _vacuous(before: Dataset, after: Dataset, split: Split) -> list[str]:
    """A note where whole pairs were to go and only unseen labels went."""
    if split.filter != "pairs" or split.draw is not None or split.images is not None:
        return []
    seen = int(split.mask("seen")[before.need("label")].sum())
    if len(after.subject) < seen or seen == len(before.subject):
        return []
    near = f"; {split.base}/near-pairs takes boxes that overlap as one" if split.name.endswith("/pairs") else ""
    return [f"no pair with an unseen label has equal boxes with a seen one, so only unseen labels went{near}"]


def _lost_classes(before: Dataset, after: Dataset, split: Split) -> list[str]:
    """A note on classes that had pairs, are not unseen, and have none left."""
    lost: Any = (class_counts(before) > 0) & (class_counts(after) == 0)
    if split.zero_shot:
        lost &= ~split.mask("unseen")
    if not lost.any():
        return []
    of = "seen classes" if split.zero_shot else "classes"
    return [f"{int(lost.sum())} {of} have no pair left"]
