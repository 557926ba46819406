"""A model over the images of a dataset, or over any pictures, into a file of predictions.

Recognition writes the logits of whole images; detection scores human-object pairs of boxes that somebody else found, or
of the dataset's own (called oracle-box: no detector made them). What decided the predictions stands in the file's
metadata, under `predict`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.data import Dataset, Predictions, select_images, write, write_shards
from hoitool.data.dataset import Array
from hoitool.embed.pictures import Album
from hoitool.errors import UsageError
from hoitool.models.defr import Defr
from hoitool.models.pairing import PairRule
from hoitool.predict.boxes import boxes_for
from hoitool.predict.detection import Looking, pair_predictions
from hoitool.predict.opened import Opened
from hoitool.predict.recognition import Pace, image_logits, image_predictions

POWERS = ("human_power", "object_power", "interaction_power")


@dataclass(frozen=True, eq=False)
class Done:
    """What was predicted: where it lies, how many images and pairs, which pictures were left out and why.

    logits  (I, K) of recognition, NaN where a picture was left out; None for pairs
    """

    path: Path
    images: int
    pairs: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    logits: Array | None = None


def predict(
    model: Opened,
    images: Dataset,
    album: Album,
    out: Path,
    wanted: Mapping[str, Any],
    pace: Pace,
    boxes: Path | Predictions | None = None,
) -> Done:
    """Predict for the images of an album, and write it.

    wanted  settings of a recipe's `predict`: task, and of detection mask, mask_layers and the three powers
    boxes   of detection: a file of boxes (hoitool/predict/boxes.py), or what a detector found; None: the dataset's own
    Raises UsageError for a model that cannot do it, and DataError or MissingData naming a file.
    """
    if wanted["task"] == "recognition":
        return recognise(model, images, album, out, pace)
    return detect(model, images, album, out, wanted, pace, boxes)


def recognise(model: Opened, images: Dataset, album: Album, out: Path, pace: Pace) -> Done:
    """Write the logits of whole images; pictures that could not be read are left out of the file."""
    logits, broken = image_logits(model.module, album, model.card, pace)
    made = image_predictions(images, logits, model.card.meta, predict=about(model, "recognition"))
    if broken:
        made = select_images(made, ~np.isnan(logits).any(axis=1))
    write(made, out)
    return Done(out, len(made), 0, broken, logits)


def detect(
    model: Opened,
    images: Dataset,
    album: Album,
    out: Path,
    wanted: Mapping[str, Any],
    pace: Pace,
    boxes: Path | Predictions | None = None,
) -> Done:
    """Write the scored pairs of boxes; of many images a folder of shards."""
    card = model.card
    if card.label_kind != "interactions" or not isinstance(model.module, Defr):
        raise UsageError(f"{model.name}: recognises {card.label_kind}; pairs are scored by recognisers of interactions")
    held, source, sources = boxes_for(images, boxes)
    rule = PairRule(**{name: float(wanted[name]) for name in POWERS})
    how = Looking(wanted["mask"], wanted["mask_layers"])
    said = about(model, "detection", boxes=source, looking=asdict(how), rule=asdict(rule))
    counts = {"images": 0, "pairs": 0}
    broken: dict[str, str] = {}

    def counted() -> Iterator[Predictions]:
        for block in pair_predictions(model.module, held, album, card, rule, how, pace, broken):
            counts["images"] += len(block)
            counts["pairs"] += len(block.need("label"))
            yield block.with_meta(extras=said, sources=sources)

    blocks = counted()
    first = list(chain([next(blocks)], [each for each in [next(blocks, None)] if each is not None]))
    if len(first) == 1:
        write(first[0], out)
    else:
        write_shards(chain(first, blocks), out)
    return Done(out, counts["images"], counts["pairs"], broken)


def about(model: Opened, task: str, **more: Any) -> dict[str, Any]:
    """What a file of predictions says of where they come from."""
    return {"model": model.name, "weights_sha256": model.sha256, "task": task} | more
