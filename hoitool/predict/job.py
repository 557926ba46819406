"""A model over the images of a dataset, or over any pictures, into a file of predictions.

Recognition writes the logits of whole images; detection scores human-object pairs of boxes that somebody else found, or
of the dataset's own (called oracle-box: no detector made them). What decided the predictions stands in the file's
metadata, under `predict`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.data import Dataset, Predictions, select_images, write, write_shards
from hoitool.data.dataset import Array
from hoitool.embed.pictures import Album
from hoitool.errors import DataError, UsageError
from hoitool.models.card import labelled
from hoitool.models.defr import Defr
from hoitool.models.pairing import PairRule
from hoitool.predict.boxes import Boxes, boxes_for
from hoitool.predict.detection import pair_predictions
from hoitool.predict.looking import Looking
from hoitool.predict.opened import Opened
from hoitool.predict.recognition import Logits, Pace, image_predictions, logit_batches

BLOCK = 2**28  # bytes of logits in memory and in a shard
POWERS = ("human_power", "object_power", "interaction_power")


@dataclass(frozen=True, eq=False)
class Done:
    """What was predicted: where it lies, how many images and pairs, which pictures were left out and why.

    dropped  what was left out of a file of boxes -> how often; boxes: how many were found, by a detector of objects
    """

    path: Path
    images: int
    pairs: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    boxes: int = 0


def predict(
    model: Opened,
    images: Dataset,
    album: Album,
    out: Path,
    wanted: Mapping[str, Any],
    pace: Pace,
    boxes: Path | Boxes | None = None,
) -> Done:
    """Predict for the images of an album, and write it.

    wanted  settings of a recipe's `predict`: task, and of detection mask, mask_layers and the three powers
    boxes   of detection: a file of boxes (hoitool/predict/boxes.py), or what a detector found; None: the dataset's own
    Raises UsageError for a model that cannot do it, and DataError or MissingData naming a file.
    """
    if not len(images):
        raise DataError(f"{images!r} has no images to predict for")
    if wanted["task"] == "recognition":
        return recognise(model, images, album, out, pace)
    return detect(model, images, album, out, wanted, pace, boxes)


def recognise(model: Opened, images: Dataset, album: Album, out: Path, pace: Pace) -> Done:
    """Write the logits of whole images; pictures that could not be read are left out of the file."""
    card = labelled(model.card)
    labels, said = card.meta, about(model, "recognition")
    most = max(1, BLOCK // (4 * labels.classes))
    broken: dict[str, str] = {}
    count = 0

    def blocks() -> Iterator[Predictions]:
        nonlocal count
        for places, rows in _gathered(logit_batches(model.module, album, card, pace), most, broken):
            count += len(places)
            if len(places):
                yield image_predictions(select_images(images, places), rows, labels, predict=said)
        if not count:
            raise DataError(f"{next(iter(broken.values()))}; none of {len(broken)} pictures could be read")

    write_blocks(blocks(), out)
    return Done(out, count, 0, broken)


def _gathered(batches: Iterable[Logits], most: int, broken: dict[str, str]) -> Iterator[tuple[Array, Array]]:
    """Batches put together to blocks of `most` images or a batch more; broken is filled."""
    held: list[Logits] = []
    for batch in batches:
        broken |= batch.broken
        held.append(batch)
        if sum(len(each.places) for each in held) >= most:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


def _joined(held: list[Logits]) -> tuple[Array, Array]:
    """The places and rows of batches."""
    return np.concatenate([each.places for each in held]), np.concatenate([each.rows for each in held])


def write_blocks(blocks: Iterator[Predictions], out: Path) -> None:
    """One block as a file, several as the shards of a folder."""
    first = list(islice(blocks, 2))
    if len(first) == 1:
        write(first[0], out)
    else:
        write_shards(chain(first, blocks), out)


def detect(
    model: Opened,
    images: Dataset,
    album: Album,
    out: Path,
    wanted: Mapping[str, Any],
    pace: Pace,
    boxes: Path | Boxes | None = None,
) -> Done:
    """Write the scored pairs of boxes; of many images a folder of shards."""
    recogniser = model.module
    if not isinstance(recogniser, Defr):
        raise UsageError(f"{model.name} is of {model.card.model}, which scores no pairs of boxes that it is given")
    card = labelled(model.card)
    held = boxes_for(images, boxes) if not isinstance(boxes, Boxes) else boxes
    human, obj, interaction = (float(wanted[name]) for name in POWERS)
    rule = PairRule(human_power=human, object_power=obj, interaction_power=interaction)
    how = Looking(wanted["mask"], wanted["mask_layers"])
    counts = {"images": 0, "pairs": 0}
    broken: dict[str, str] = {}

    def counted() -> Iterator[Predictions]:
        said = about(model, "detection", boxes=held.name)
        for block in pair_predictions(recogniser, held.data, album, card, rule, how, pace, said, broken):
            counts["images"] += len(block)
            counts["pairs"] += len(block.need("label"))
            yield block.with_columns(meta=replace(block.meta, sources=block.meta.sources | held.sources))

    write_blocks(counted(), out)
    return Done(out, counts["images"], counts["pairs"], broken, held.dropped)


def about(model: Opened, task: str, **more: Any) -> dict[str, Any]:
    """What a file of predictions says of where they come from."""
    return {"model": model.name, "weights_sha256": model.sha256, "task": task} | more
