"""Vocabulary expansion: scores for every class with every attribute, from the embeddings of both vocabularies alone.

ViLD's systematic expansion (Gu, Lin, Kuo and Cui, ICLR 2022, arXiv 2104.13921): given the embedding e of a region, the
attribute is taken as independent of the class, so that
    Pr(class i, attribute j | e) = Pr(class i | e) Pr(attribute j | e),
each a softmax of cosine / temperature over its own vocabulary. K + A texts stand for K A combinations.
"""

from __future__ import annotations

import numpy as np

from hoitool.data.dataset import Array
from hoitool.embed.ensembles import unit
from hoitool.errors import UsageError

TEMPERATURE = 0.01  # ViLD's


def product_scores(regions: Array, classes: Array, attributes: Array, temperature: float = TEMPERATURE) -> Array:
    """(N, K, A) float32: the probability of each class with each attribute, which sum to 1 for each region.

    regions (N, d), classes (K, d), attributes (A, d): embeddings of one space; they need not be normalised.
    Takes 4 N K A bytes for the result and 8 N (K + A) on the way: give regions in batches.
    Raises UsageError for dimensions that differ, an empty vocabulary or a temperature that is not positive, DataError
    for a row without a direction.
    """
    shapes = [rows.shape for rows in (regions, classes, attributes)]
    if any(len(shape) != 2 for shape in shapes) or len({shape[1] for shape in shapes}) != 1:
        raise UsageError(
            f"regions, classes and attributes are (rows, d) with one d, came {', '.join(map(str, shapes))}"
        )
    if not len(classes) or not len(attributes):
        raise UsageError(
            f"a softmax needs at least one class and one attribute, came {shapes[1][0]} and {shapes[2][0]}"
        )
    if not 0 < temperature < np.inf:
        raise UsageError(f"temperature {temperature}: expected a positive number (ViLD's is {TEMPERATURE})")
    seen = unit(regions, "region")
    of_class = _softmax(seen @ unit(classes, "class").T / temperature)
    of_attribute = _softmax(seen @ unit(attributes, "attribute").T / temperature)
    scores = np.empty((len(seen), len(classes), len(attributes)), np.float32)
    np.multiply(of_class[:, :, None], of_attribute[:, None, :], out=scores, casting="same_kind")
    return scores


def _softmax(logits: Array) -> Array:
    """Along the last axis."""
    exponentials: Array = np.exp(logits - logits.max(axis=-1, keepdims=True))
    exponentials /= exponentials.sum(axis=-1, keepdims=True)
    return exponentials
