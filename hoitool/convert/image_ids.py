"""The integer ids of COCO's images, which its file names end in: COCO_val2014_000000000042.jpg is image 42.

Where a file's ids are others they travel in meta.extras["coco"]["image_ids"], by key.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.data import Dataset

Array = NDArray[Any]
DIGITS = re.compile(r"([0-9]{1,18})$")


def image_ids(data: Dataset) -> Array:
    """(I,) int64: the ids that travel with the data, else the digits at the end of the names.

    Where a name has none, or two images have the same, all are numbered 1..I.
    """
    held = data.meta.extras.get("coco", {}).get("image_ids", {})
    made = [held.get(key, _told(key)) for key in data.key.tolist()]
    if None in made or len(set(made)) < len(made):
        return np.arange(1, len(data) + 1, dtype=np.int64)
    return np.array(made, np.int64)


def exceptions(keys: Array, ids: Array) -> dict[str, int]:
    """By key, the ids (I,) that `image_ids` would not find in the keys (I,) by itself."""
    return {key: number for key, number in zip(keys.tolist(), ids.tolist(), strict=True) if _told(key) != number}


def _told(key: str) -> int | None:
    found = DIGITS.search(PurePosixPath(key).stem)
    return int(found[1]) if found else None
