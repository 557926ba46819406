"""The permutation test of two systems: in each image what one found may as well have been found by the other.

Both rankings of a class are mixed into one, by the place that a detection has in its own system's ranking (of equal
places the first image's comes first), so that systems whose scores have other scales can be mixed. A permutation swaps
the systems in some images: what is left for one is the mixture where it counts those images' detections of the other.
`numpy.random.default_rng([seed, 1])` draws them: permutation p is its p-th call of
`integers(2, size=images, dtype=uint8)`, 1 where an image is swapped.
Source: Noreen, Computer-Intensive Methods for Testing Hypotheses, 1989 (approximate randomisation).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.eval.ledger import Ledger, Ranked

Array = NDArray[Any]
BLOCK = 64  # permutations that are drawn together


def swaps(images: int, seed: int, first: int) -> Iterator[Array]:
    """Blocks (images, b) uint8 of permutations, without end: 1 where the systems are swapped.

    The first `first` permutations end with a block, the `blocks_of(first)`-th.
    """
    draw = np.random.default_rng([seed, 1])
    for size in chain(repeat(BLOCK, first // BLOCK), [first % BLOCK] if first % BLOCK else [], repeat(BLOCK)):
        yield np.stack([draw.integers(2, size=images, dtype=np.uint8) for _ in range(size)], axis=1)


def blocks_of(count: int) -> int:
    """How many blocks so many weightings or permutations make."""
    return -(-count // BLOCK)


def mixed(first: Ledger, second: Ledger) -> Ledger:
    """Both systems' detections as one ledger of twice the images: those of the first, then those of the second.

    With weights of 1 for the first half and 0 for the second its figures are those of the first system.
    """
    images = len(first.images)
    ranked = {name: _mixed(held, second.ranked[name], images) for name, held in first.ranked.items()}
    return replace(first, images=np.concatenate([first.images, second.images]), ranked=ranked)


def both_ways(swapped: Array) -> tuple[Array, Array]:
    """The weights (2 I, B) of a mixture that give the first and the second system after swaps (I, B)."""
    kept = 1 - swapped
    return np.concatenate([kept, swapped]), np.concatenate([swapped, kept])


def of_classes(ranked: Ranked, classes: Array) -> Ranked:
    """The same ranking for some classes (n,), in ascending order."""
    rows = np.isin(class_of(ranked), classes)
    counts = np.diff(ranked.starts)[classes]
    true = np.isin(ranked.true_class, classes)
    return replace(
        ranked,
        names=ranked.names[classes],
        starts=np.concatenate([[0], np.cumsum(counts)]),
        **{name: getattr(ranked, name)[rows] for name in ("image", "hit", "score", "row")},
        true_image=ranked.true_image[true],
        true_class=np.searchsorted(classes, ranked.true_class[true]),
        bare_recall=ranked.bare_recall[classes],
    )


def class_of(ranked: Ranked) -> Array:
    """(N,) the class of each detection."""
    return np.repeat(np.arange(len(ranked.names)), np.diff(ranked.starts))


def _mixed(first: Ranked, second: Ranked, images: int) -> Ranked:
    """The ranking of both; `score` is the place in the own system's ranking, falling, and `row` that of the system."""
    label = np.concatenate([class_of(first), class_of(second)])
    place = np.concatenate([np.arange(len(held.image)) - held.starts[class_of(held)] for held in (first, second)])
    image = np.concatenate([first.image, second.image])
    of_second = np.arange(len(label)) >= len(first.image)
    order = np.lexsort((of_second, image, place, label))
    return replace(
        first,
        starts=first.starts + second.starts,
        image=(image + images * of_second)[order],
        hit=np.concatenate([first.hit, second.hit])[order],
        score=-place[order].astype(float),
        row=np.concatenate([first.row, second.row])[order],
        true_image=np.concatenate([first.true_image, second.true_image + images]),
        true_class=np.concatenate([first.true_class, second.true_class]),
    )
