"""The images of a bootstrap: as many as there are, drawn with replacement, resample after resample.

`numpy.random.default_rng([seed, 1979])` draws them: resample b is its b-th call of `integers(images, size=images)`, the
places of the images drawn, in the order of the truth. So the same seed draws the same images for every run on that
truth, and others can draw them again; the second number keeps the draws apart from made data that the same seed made.
An image's weight is how many times it was drawn; its truths and detections count as often.
Source: Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7, 1979.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 64  # resamples that are drawn together
STREAM = 1979


def weights(images: int, resamples: int, seed: int) -> Iterator[NDArray[Any]]:
    """Blocks (images, b) uint16 of the weights of each image in up to BLOCK resamples, together all of them."""
    draw = np.random.default_rng([seed, STREAM])
    for start in range(0, resamples, BLOCK):
        block = np.empty((images, min(BLOCK, resamples - start)), np.uint16)
        for b in range(block.shape[1]):
            block[:, b] = np.bincount(draw.integers(images, size=images), minlength=images)
        yield block
