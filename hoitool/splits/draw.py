"""Parts of training data, drawn by a rule that needs nothing but SHA-256.

Images are ordered by the SHA-256 of `<seed>:<key>` (UTF-8, the seed in decimal), smallest first. p % are the first
ceil(n * p / 100) of n images; k-shot takes of each class the first k pairs, images in that order and rows of an
image in theirs. So draws of one seed are nested, and an image's place depends on no other image. No class is
guaranteed to stay in a percentage; `k-shot` has min(k, all) pairs of each class.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np

from hoitool.data import Dataset, offsets_of, select_images, select_pairs
from hoitool.data.dataset import Array
from hoitool.errors import UsageError
from hoitool.splits.split import Draw


def ranks(keys: Array, seed: int) -> Array:
    """(I,) the place of each image in the order of a seed."""
    digests = b"".join(hashlib.sha256(f"{seed}:{key}".encode()).digest() for key in keys.tolist())
    words = np.frombuffer(digests, ">u8").reshape(-1, 4).astype(np.uint64)
    made = np.empty(len(keys), np.int64)
    made[np.lexsort(words.T[::-1])] = np.arange(len(keys))
    return made


def first_images(keys: Array, draw: Draw) -> Array:
    """(I,) whether an image is among the percentage drawn."""
    wanted = -(-len(keys) * Fraction(draw.percent) // 100)
    chosen: Array = ranks(keys, draw.seed) < wanted
    return chosen


def drawn(data: Dataset, draw: Draw) -> Dataset:
    """The part of training data that is drawn. UsageError for a k-shot draw where pairs have no label."""
    if draw.percent:
        return select_images(data, first_images(data.key, draw))
    if data.label is None or data.meta.label_kind == "objects":
        raise UsageError(f"{data!r} has no label for each pair, so no pairs of a class can be drawn")
    rank = ranks(data.key, draw.seed)[data.image_of("pair")]
    order = np.lexsort((np.arange(len(rank)), rank, data.label))
    label = data.label[order]
    place = np.arange(len(order)) - np.searchsorted(label, label)
    mask = np.empty(len(order), bool)
    mask[order] = place < draw.shots
    kept = select_pairs(data, mask)
    return _only_their_labels(select_images(kept, kept.counts("pair") > 0))


def _only_their_labels(data: Dataset) -> Dataset:
    """Without the labels of whole images that say something else than the pairs do."""
    if data.image_label is None or data.image_value is None or data.meta.label_kind == "predicates":
        return data
    table = np.zeros((len(data), data.meta.classes), bool)
    table[data.image_of("pair"), data.need("label")] = True
    return keep_image_labels(data, table[data.image_of("image_label"), data.image_label] & (data.image_value == 1))


def keep_image_labels(data: Dataset, mask: Array) -> Dataset:
    """The labels of whole images of a mask, in their order."""
    assert data.image_label is not None and data.image_value is not None and data.image_label_offsets is not None
    return data.with_columns(
        image_label=data.image_label[mask],
        image_value=data.image_value[mask],
        image_label_offsets=offsets_of(mask)[data.image_label_offsets],
    )
