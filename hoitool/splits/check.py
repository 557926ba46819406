"""Proof that nothing of what a split takes away is left in training data.

Without the full training data: no pair and no label of a whole image is of an unseen class, no image is outside of
the split's list, and the data do not say that another split made them. With it: nothing at all is there that the
split, applied to it, would not leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hoitool.data import Dataset
from hoitool.data.dataset import Array
from hoitool.errors import UsageError
from hoitool.splits.apply import EXTRA, apply, require_annotations
from hoitool.splits.split import CHOICES, Split
from hoitool.splits.table import named


@dataclass(frozen=True)
class Finding:
    """Something that must not be there: its kind, image, zero-based row among the image's pairs or image labels."""

    kind: str
    told: str
    image: str | None = None
    row: int | None = None

    def __str__(self) -> str:
        at = "" if self.image is None else f"image {self.image!r}"
        row = "" if self.row is None else f" {self.kind} {self.row}"
        return f"{at}{row}: {self.told}" if at else self.told


def expected_hashes(split: Split) -> set[str]:
    """The hashes that data of this split may name: its own, or for a name without filter those with one."""
    if split.zero_shot and split.filter is None and split.images is None:
        try:
            return {named(f"{split.name}/{choice}").hash for choice in CHOICES}
        except UsageError:
            return {split.hash}
    return {split.hash}


def violations(data: Dataset, split: Split, full: Dataset | None = None) -> tuple[list[Finding], Split]:
    """What training data hold that the split forbids, and the split with the images that it took.

    full  the training data before the split, for an exact comparison, and to draw what is drawn
    Raises UsageError where the split cannot be meant: no classes, list or draw, or a draw without the full data.
    """
    if not (split.zero_shot or split.images is not None or split.draw is not None):
        raise UsageError(f"split {split.name!r} groups classes for a report and forbids nothing in training data")
    require_annotations(data, split)
    found = [*_unseen(data, split)] if split.zero_shot else []
    if split.draw is not None and full is None:
        raise UsageError(f"split {split.name!r} draws from the full training data: name them with --of")
    if full is not None:
        applied = apply(full, split)
        known = {(f.kind, f.image, f.row) for f in found}
        found += [f for f in _beyond(data, applied.data) if (f.kind, f.image, f.row) not in known]
        split = applied.split
    elif split.images is not None:
        listed = set(split.images)
        found += [Finding("image", "is not in the split's list", key) for key in data.key.tolist() if key not in listed]
    if split.filter == "empty" and full is None:
        found += [Finding("image", "the split trains on no image", key) for key in data.key.tolist()]
    return found + _stated(data, split), split


def _unseen(data: Dataset, split: Split) -> Iterator[Finding]:
    """Pairs and labels of whole images of unseen classes."""
    unseen, labels = split.mask("unseen"), data.meta.labels
    groups = (("pair", "pair", data.label), ("image label", "image_label", data.image_label))
    for kind, group, label in groups:
        if label is None:
            continue
        rows = np.flatnonzero(unseen[label])
        told = [f"{labels.interaction_name(c)!r} is unseen (class {c})" for c in label[rows].tolist()]
        yield from _at(data, group, kind, rows, told)
    if data.image_scores is not None and data.image_scores.shape[1] == len(unseen):
        for i in np.flatnonzero(~np.isnan(data.image_scores[:, unseen]).all(axis=1)).tolist():
            yield Finding("image scores", "scores of the whole image are of unseen classes too", str(data.key[i]))


def _at(data: Dataset, group: str, kind: str, rows: Array, told: list[str]) -> Iterator[Finding]:
    """Findings at flat rows of a group."""
    image, offsets = data.image_of(group)[rows], data.offsets(group)
    assert offsets is not None
    inner = (rows - offsets[image]).tolist()
    for key, row, text in zip(data.key[image].tolist(), inner, told, strict=True):
        yield Finding(kind, text, key, row)


def _beyond(data: Dataset, allowed: Dataset) -> Iterator[Finding]:
    """Images, pairs and labels of whole images that the allowed data do not have."""
    place = {key: i for i, key in enumerate(allowed.key.tolist())}
    image = np.array([place.get(key, -1) for key in data.key.tolist()], np.int64)
    for i in np.flatnonzero(image < 0).tolist():
        yield Finding("image", "the split does not train on it", str(data.key[i]))
    parts = [("pair", "pair", _pair_rows(data, image), _pair_rows(allowed, np.arange(len(allowed))))]
    if data.image_label is not None:
        theirs = _label_rows(allowed, np.arange(len(allowed)))
        parts.append(("image label", "image_label", _label_rows(data, image), theirs))
    for kind, group, mine, held in parts:
        known = set(map(bytes, held))
        new = np.array([row not in known for row in map(bytes, mine)], bool)
        rows = np.flatnonzero(new & (image[data.image_of(group)] >= 0))
        yield from _at(data, group, kind, rows, ["the split takes it away"] * len(rows))


def _pair_rows(data: Dataset, image: Array) -> Array:
    """(P, 12) image, boxes and categories of subject and object, label of each pair, comparable between data."""
    subject, obj = data.pair_boxes("subject"), data.pair_boxes("object")
    boxes = np.concatenate([data.boxes, np.full((1, 4), np.nan)])  # the last is that of no object
    categories = np.append(data.categories, -1)
    columns = [image[data.image_of("pair")], data.need("label"), categories[subject], categories[obj]]
    return np.column_stack([*columns, boxes[subject], boxes[obj]]).astype(np.float64) + 0.0


def _label_rows(data: Dataset, image: Array) -> Array:
    """(N, 3) image, label and value of each label of a whole image."""
    if data.image_label is None:
        return np.empty((0, 3))
    return np.column_stack([image[data.image_of("image_label")], data.image_label, data.need("image_value")]).astype(
        np.float64
    )


def chain(data: Dataset) -> list[dict[str, Any]]:
    """What the data say of the splits that made them, the last one first."""
    made: list[dict[str, Any]] = []
    held = data.meta.extras.get(EXTRA)
    while isinstance(held, dict) and len(made) < 100:
        made.append(held)
        held = held.get("after")
    return made


def _stated(data: Dataset, split: Split) -> list[Finding]:
    """A finding where the data say that a split of the same name base but another content made them."""
    stated = chain(data)
    if not stated or (split.zero_shot and split.filter is None):
        return []
    mine = [held for held in stated if str(held.get("name", "")).partition("/")[0] == split.base]
    if not mine or any(held.get("hash") in expected_hashes(split) for held in stated):
        return []
    names = ", ".join(f"{held.get('name')} ({held.get('hash')!s:.12})" for held in mine)
    return [Finding("split", f"the data say that {names} made them, not {split.name} ({split.hash:.12})")]
