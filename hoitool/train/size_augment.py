"""How the sets that VSE-infinity pools vary in training: words, regions and cells of a grid that are left out.

Drawn from the generator of a sample (hoitool/train/task.py). Where nothing at all would be left, all of it stays; the
published code fails there.
Source: Chen et al., CVPR 2021 (size augmentation), and its published code. Its words are those of BERT's own masking,
but for those that BERT keeps as they are: here they are deleted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hoitool.data.dataset import Array

SHARE = 0.2  # of words that are changed, of regions that are dropped, of cells at most
MASKED, REPLACED = 0.5, 0.6  # of changed words: up to here masked, from there replaced, the rest deleted


def kept_regions(count: int, numbers: np.random.Generator, share: float = SHARE) -> Array:
    """(count,) bool: the regions that stay; each is dropped with probability `share`."""
    return _some(numbers.random(count) > share)


def kept_cells(count: int, numbers: np.random.Generator, share: float = SHARE) -> Array:
    """(count,) bool: the cells of a picture's grid that stay.

    Of a number u from 0 to 1, each is dropped with probability share x u where u is above share; below it all stay.
    """
    most = numbers.random()
    return _some((numbers.random(count) > share * most) | (most <= share))


def varied_words(
    words: Sequence[Sequence[int]], mask: int, vocabulary: int, numbers: np.random.Generator, share: float = SHARE
) -> list[int]:
    """The ids of a caption whose words, each with its pieces, are masked, replaced or deleted with probability `share`.

    mask        the id of [MASK], in the place of each piece of half of these words
    vocabulary  how many ids there are: each piece of a tenth becomes any but 0, padding; four tenths are deleted
    [CLS] and [SEP] are no words: they are for the caller to put around what comes back, which may be empty.
    """
    made: list[int] = []
    for pieces in words:
        drawn = numbers.random() / share if share else 1.0
        if drawn >= 1:
            made += pieces
        elif drawn < MASKED:
            made += [mask] * len(pieces)
        elif drawn < REPLACED:
            made += [int(numbers.integers(1, vocabulary)) for _ in pieces]
    return made


def _some(kept: Array) -> Array:
    """What is kept, or all where that is nothing."""
    return kept if kept.any() else np.ones_like(kept)
