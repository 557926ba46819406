"""How classes changed from one system to another: AP with interval and p-value, and detections in numbers.

Holm's correction for hundreds of classes asks for smaller p-values than some permutations give: a class that none of
them came up to is permuted on, until its p-value could hold or one did.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.diagnose.bootstrap import interval_of_difference
from hoitool.diagnose.permutation import both_ways, class_of, of_classes
from hoitool.diagnose.significance import as_large, p_values
from hoitool.eval.ledger import Ranked

Array = NDArray[Any]


def class_p_values(observed: Array, permuted: Array, mixture: Ranked, swaps: Iterator[Array], enough: int) -> Array:
    """(K,) p-values of the differences (K,) of classes, NaN for classes without truths.

    permuted (K, p) differences of the first permutations; mixture: both systems, to go on from `swaps`
    enough   how many permutations a class that none came up to is given in all
    """
    count, done = as_large(observed, permuted), np.full(len(observed), permuted.shape[1])
    left = np.flatnonzero((count == 0) & (mixture.truths > 0))
    ranked = of_classes(mixture, left)
    for swapped in swaps:
        if not len(left) or done[left[0]] >= enough:
            break
        first, other = (ranked.weighted(weights)[0] for weights in both_ways(swapped))
        count[left] += as_large(observed[left], other - first)
        done[left] += swapped.shape[1]
        if count[left].any():
            left = left[count[left] == 0]
            ranked = of_classes(mixture, left)
    return np.where(mixture.truths > 0, p_values(count, done), np.nan)


def detections_moved(first: Ranked, other: Ranked) -> dict[str, Array]:
    """(K,) true positives that `other` gained and lost, and the false positives of both.

    Gained are those that it has more of in an image, lost those that it has fewer of, summed over the images.
    """
    classes = len(first.names)
    found = [np.stack([class_of(held), held.image], axis=1)[held.hit] for held in (first, other)]
    cells, which = np.unique(np.concatenate(found), axis=0, return_inverse=True)
    sign = np.repeat([-1.0, 1.0], [len(held) for held in found])
    more = np.bincount(which.ravel(), sign, minlength=len(cells))
    false = [np.bincount(class_of(held)[~held.hit], minlength=classes) for held in (first, other)]
    gained, lost = (np.bincount(cells[:, 0], np.maximum(part, 0), minlength=classes) for part in (more, -more))
    return {
        "gained": gained.astype(np.int64),
        "lost": lost.astype(np.int64),
        "false_first": false[0],
        "false_other": false[1],
    }


def columns(
    rankings: tuple[Ranked, Ranked],
    ap: tuple[Array, Array],
    drawn: Array,
    p: Array,
    corrected: Array,
    level: float,
) -> dict[str, Array]:
    """The columns of ClassChanges, from the largest gain to the largest loss, classes without truths last.

    rankings, ap  of the first system and the other, AP (K,); drawn (K, b) differences of resamples; p, corrected (K,)
    """
    first = rankings[0]
    difference = ap[1] - ap[0]
    ends = [interval_of_difference(row, value, level) for row, value in zip(drawn, difference.tolist(), strict=True)]
    low, high = np.array([each or (np.nan, np.nan) for each in ends]).reshape(-1, 2).T
    made = {
        "class": first.names,
        "truths": first.truths,
        "first": ap[0],
        "other": ap[1],
        "difference": difference,
        "low": low,
        "high": high,
        "p": p,
        "corrected": corrected,
        "noise": ~(((low > 0) | (high < 0)) & (corrected < 1 - level)),
        **detections_moved(*rankings),
    }
    order = np.lexsort((np.arange(len(difference)), -np.nan_to_num(difference, nan=-np.inf)))
    return {name: values[order] for name, values in made.items()}
