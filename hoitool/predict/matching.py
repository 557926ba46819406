"""A matcher over images and captions: a row of length 1 for each, whose products are their similarity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from hoitool.data.dataset import Array
from hoitool.embed.encoders.device import computing
from hoitool.errors import DataError
from hoitool.models.vse import Vse
from hoitool.predict.image_sets import ImageSets, captions_together
from hoitool.predict.recognition import Pace
from hoitool.progress import progress


def image_rows(module: Vse, images: ImageSets, pace: Pace, told: str = "embedding images") -> Array:
    """(I, dim) float32 of images, in their order, where the module lies and in its precision.

    told: what the progress bar is called; empty: there is none. Raises MissingData and DataError naming a file, and
    DataError for rows that are no finite numbers.
    """
    weight = next(module.image.parameters())
    made: list[Array] = []
    batches = images.batches(pace.batch, pace.workers)
    for held, mask in progress(batches, told, total=-(-len(images) // pace.batch)) if told else batches:
        with computing():
            given = images.given(held.to(weight.device)).to(weight.dtype)
            made.append(_rows(module.image(given, None if mask is None else mask.to(weight.device))))
    return _joined(made, "an image")


def caption_rows(module: Vse, captions: Sequence[Sequence[int]], pace: Pace, told: str = "embedding captions") -> Array:
    """(C, dim) float32 of captions by their ids, in their order; those of one length go together. As `image_rows`."""
    device = next(module.text.parameters()).device
    order = np.argsort([len(held) for held in captions], kind="stable")
    groups = [order[first : first + pace.batch] for first in range(0, len(order), pace.batch)]
    made: list[Array] = []
    for group in progress(groups, told) if told else groups:
        with computing():
            made.append(_rows(module.text(captions_together([captions[i] for i in group]).to(device))))
    rows = _joined(made, "a caption")
    placed = np.empty_like(rows)
    placed[order] = rows
    return placed


def _rows(made: Tensor) -> Array:
    rows: Array = made.float().cpu().numpy()
    return rows


def _joined(made: list[Array], what: str) -> Array:
    rows = np.concatenate(made) if made else np.empty((0, 1), np.float32)
    if not np.isfinite(rows).all():
        raise DataError(f"the model's row of {what} is no finite numbers; its weights are not, or half precision fails")
    return rows
