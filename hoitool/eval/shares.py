"""Means of what belongs to images, such as recalls, and the same means where an image counts several times.

Source of counting images several times: the bootstrap, docs/uncertainty.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.eval.weighted import quotient

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Shares:
    """Values (n,) of images (n,), each in a group (n,): a group's figure is the mean of its values, 0 without any."""

    image: Array
    group: Array
    value: Array
    groups: int = 1

    @classmethod
    def of(cls, image: Array, value: Array) -> Shares:
        """All values in one group."""
        return cls(image, np.zeros(len(image), np.int64), value)

    def means(self) -> Array:
        """(groups,) the figure of each."""
        sums, counts = np.bincount(self.group, self.value, self.groups), np.bincount(self.group, minlength=self.groups)
        made: Array = sums / np.maximum(counts, 1)
        return made

    def resampled(self, weights: Array) -> Array:
        """(B,) the mean of the figures where images count weights (I, B) times, in B resamples.

        A group whose values all belong to images that do not count is left out of the mean, NaN where none is left.
        """
        order = np.argsort(self.group, kind="stable")
        held, starts = np.unique(self.group[order], return_index=True)
        taken = weights[self.image[order]].astype(float)
        absent = self.groups - len(held)  # their figure is 0
        if not len(held):
            return np.zeros(weights.shape[1])
        counts = np.add.reduceat(taken, starts, axis=0)
        taken *= self.value[order][:, None]
        sums = np.add.reduceat(taken, starts, axis=0)
        there = counts > 0
        figures = np.divide(sums, counts, out=np.zeros_like(sums), where=there)
        return quotient(figures.sum(axis=0), there.sum(axis=0) + absent)
