"""COCO image ids: the number at the end of an image's name, and the exceptions that a file makes.

COCO names images after their ids (COCO_val2014_000000000042.jpg is 42), so an id is a column only where a file departs
from that: meta.extras["coco"]["image_ids"] then has it by key. Source: the file names of the COCO 2014 and 2017 images.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from hoitool.data.dataset import Array, Dataset

EXTRA = "coco"
Data = TypeVar("Data", bound=Dataset)
DIGITS = "0123456789"
LONGEST = 18  # digits that always fit an int64


def image_ids(data: Dataset) -> Array:
    """(I,) int64: the COCO id of each image: what extras say, else the digits that end its key's stem.

    Where a key has neither, or two images would share one, all images are numbered 1..I instead.
    """
    known: dict[str, Any] = data.meta.extras.get(EXTRA, {}).get("image_ids", {})
    ids = [known.get(key, trailing_number(key)) for key in data.key.tolist()]
    if None in ids or len(set(ids)) < len(ids):
        return np.arange(1, len(ids) + 1, dtype=np.int64)
    return np.array(ids, np.int64)


def exceptions(keys: Array, ids: Array) -> dict[str, int]:
    """Key -> id of the images (I,) whose ids (I,) are not the number at the end of their key: what extras must say."""
    pairs = zip(keys.tolist(), ids.tolist(), strict=True)
    return {key: number for key, number in pairs if trailing_number(key) != number}


def trailing_number(key: str) -> int | None:
    """The number that ends the stem of a file name, None where it ends in no digit or in more than fit."""
    name = key.rpartition("/")[2]
    stem = name.rpartition(".")[0] or name
    digits = stem[len(stem.rstrip(DIGITS)) :]
    return int(digits) if 0 < len(digits) <= LONGEST else None


def with_ids_of(data: Data, truth: Dataset) -> Data:
    """Predictions that remember the ids of their images where the names do not tell them."""
    held = truth.meta.extras.get(EXTRA, {}).get("image_ids", {})
    if not held:
        return data
    mine = data.meta.extras.get(EXTRA, {})
    return data.with_columns(replace(data.meta, extras=data.meta.extras | {EXTRA: mine | {"image_ids": held}}))
