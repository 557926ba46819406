"""Scores of whole pictures: what a recogniser says of each interaction, as logits.

Logits and not probabilities, which in float32 are 1 from a logit of 17 on: they would tie images that the model tells
apart. Ranking, and so every average precision, is the same; sigmoid makes probabilities of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from hoitool.data import Dataset, Meta, Predictions, no_pairs
from hoitool.data.dataset import Array
from hoitool.embed.encoders.device import Eye
from hoitool.embed.pictures import Album
from hoitool.embed.preprocess import Preprocess
from hoitool.errors import DataError
from hoitool.models.card import Labelled
from hoitool.predict.loading import loaded
from hoitool.progress import progress


@dataclass(frozen=True)
class Pace:
    """How pictures are worked through: in a batch, by how many processes they are read, what a broken one does.

    skip_broken  leave out pictures that cannot be read, in place of stopping at the first
    """

    batch: int = 32
    workers: int = 0
    skip_broken: bool = False


class Logits(NamedTuple):
    """A batch: places (n,) of its pictures in the album, their rows (n, K) float32, name -> why of those left out."""

    places: Array
    rows: Array
    broken: dict[str, str]


def logit_batches(
    module: nn.Module, album: Album, card: Labelled, pace: Pace | None = None, told: str = "recognising"
) -> Iterator[Logits]:
    """The logits of the pictures of an album, in its order, a batch at a time.

    module  takes (B, 3, S, S) normalised pictures and gives (B, K); it computes where its tower is, as it is
    told    what the progress bar is called; empty: there is none
    Raises DataError and MissingData for a picture that cannot be read, naming its file, unless those are skipped.
    """
    pace = pace or Pace()
    rule = squash(card)
    weight = next(getattr(module, "backbone", module).parameters())
    eye = Eye(rule, weight.device, weight.dtype)
    none = np.empty((0, card.meta.classes), np.float32)
    batches = loaded(album, rule.pixels, pace.batch, pace.workers, pace.skip_broken)
    shown = progress(batches, told, total=-(-len(album.names) // pace.batch)) if told else batches
    for places, pixels, wrong in shown:
        rows = none
        if len(places):
            with torch.inference_mode():
                rows = module(eye(np.stack(pixels))).float().cpu().numpy()
            require_finite(rows, [album.names[place] for place in places.tolist()])
        yield Logits(places, rows, wrong)


def require_finite(rows: Array, names: Sequence[str]) -> None:
    """Raise DataError naming the first picture of which a model says something that is no finite number."""
    wrong = ~np.isfinite(rows.reshape(len(rows), -1)).all(axis=1)
    if wrong.any():
        raise DataError(
            f"{names[int(wrong.argmax())]}: the model's scores are no finite numbers; its weights are not, or half "
            "precision does not hold them"
        )


def image_logits(
    module: nn.Module, album: Album, card: Labelled, pace: Pace | None = None, told: str = "recognising"
) -> tuple[Array, dict[str, str]]:
    """(I, K) float32 logits of an album, and which pictures could not be read and why: their rows are NaN.

    As `logit_batches`, all at once.
    """
    made = np.full((len(album.names), card.meta.classes), np.nan, np.float32)
    broken: dict[str, str] = {}
    for places, rows, wrong in logit_batches(module, album, card, pace, told):
        made[places] = rows
        broken |= wrong
    return made, broken


def image_predictions(images: Dataset, scores: Array, labels: Meta, **extras: Any) -> Predictions:
    """Predictions of whole images: scores (I, K), higher is surer, in the order of the images and of the labels.

    extras: what the file says of them. Raises DataError for scores of another shape.
    """
    held, expected = images.meta, (len(images), labels.classes)
    if scores.shape != expected:
        raise DataError(f"scores of images are {scores.shape}, expected {expected} for {images!r}")
    meta = Meta(labels.labels, dataset=held.dataset, subset=held.subset, label_kind=labels.label_kind, extras=extras)
    columns: dict[str, Any] = no_pairs(len(images)) | {"score": np.empty(0)}
    names = {name: getattr(images, name) for name in ("file_name", "width", "height")}
    return Predictions(meta=meta, key=images.key, image_scores=scores, **names, **columns)


def squash(card: Labelled) -> Preprocess:
    """How a picture becomes the model's input: squashed to a square, bicubic, as DEFR does it."""
    return Preprocess(card.image_size, card.image_size, "squash", "bicubic", card.mean, card.std)
