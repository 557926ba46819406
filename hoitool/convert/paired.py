"""Formats that repeat the two boxes with every pair: boxes of one image are never merged, whoever they are.

A pair's boxes stand one after the other, subject then object, in the order of the pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hoitool.data import Dataset, offsets_of, select_pairs
from hoitool.data.dataset import Array


def paired_columns(
    human: Array, obj: Array, counts: Array, person: int | Array, categories: Array, label: Array
) -> dict[str, Array]:
    """Columns and offsets from P pairs, image after image.

    human, obj (P, 4) boxes; counts (I,) pairs of each image; person (for all, or (P,)), categories (P,): the classes of
    the two boxes; label (P,).
    """
    offsets = offsets_of(counts)
    place = _places(offsets)
    return {
        "boxes": np.stack([human, obj], axis=1).reshape(-1, 4),
        "categories": np.stack([np.full(len(label), person), categories], axis=1).reshape(-1).astype(np.int32),
        "subject": place,
        "object": place + np.int32(1),
        "label": label.astype(np.int32),
        "box_offsets": 2 * offsets,
        "pair_offsets": offsets,
    }


def own_boxes(data: Dataset) -> Dataset:
    """For formats that repeat boxes with every pair: each pair with two boxes of its own, subject and object."""
    rows = np.stack([data.pair_boxes("subject"), data.pair_boxes("object")], axis=1).reshape(-1)
    columns: dict[str, Any] = {name: values[rows] for name, values in data.columns("box").items()}
    place = _places(data.pair_offsets)
    return data.with_columns(**columns, subject=place, object=place + np.int32(1), box_offsets=2 * data.pair_offsets)


def people_with_objects(data: Dataset) -> tuple[Dataset, dict[str, int]]:
    """Data whose pairs are of a person and an object of a known class, as files have them that name the object only.

    Each pair has two boxes of its own. Also returns what that cost: reason -> how many.
    """
    unknown = data.categories[data.pair_boxes("object")] < 0
    data = own_boxes(select_pairs(data, ~unknown))
    categories, person = data.categories.copy(), data.meta.labels.person
    lost = {
        "pairs with an object of no class": int(unknown.sum()),
        "classes of subjects other than person": int((categories[0::2] != person).sum()),
    }
    categories[0::2] = person
    return data.with_columns(categories=categories), lost


def _places(offsets: Array) -> Array:
    """(P,) int32: where the first box of each pair stands among its image's boxes."""
    made: Array = (2 * (np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets)))).astype(np.int32)
    return made
