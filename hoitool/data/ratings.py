"""What people said of how alike two things are, such as two captions: columns of one length."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hoitool.data.dataset import Array


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings of N pairs.

    first, second  (N,) int64 ids of the things, or their places
    score          (N,) float64, higher is more alike
    original       (N,) bool: the dataset itself put the two together (captions of one image, an image and its caption)
    """

    first: Array
    second: Array
    score: Array
    original: Array

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.score)

    def placed(self, first: Array, second: Array) -> Ratings:
        """The ratings by the places of their ids in `first` and `second`, -1 for an id that is not there."""
        return replace(self, first=places(self.first, first), second=places(self.second, second))


def places(wanted: Array, held: Array) -> Array:
    """(N,) int64 place of each wanted id (N,) among those held (M,), which are distinct; -1 for one that is not."""
    order = np.argsort(held, kind="stable")
    at = np.searchsorted(held, wanted, sorter=order)
    found = order[np.minimum(at, len(held) - 1)] if len(held) else np.zeros(len(wanted), np.int64)
    there = held[found] == wanted if len(held) else np.zeros(len(wanted), bool)
    return np.where(there, found, -1)
