"""A model over the images of a dataset, or over any pictures, into a file of predictions.

Recognition writes the logits of whole images; detection scores human-object pairs of boxes that somebody else found, or
of the dataset's own (labelled oracle-box: their scores are no detector's). What decided the predictions stands in the
file's metadata, under `predict`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, cast

from hoitool.data import Dataset, Predictions, write, write_shards
from hoitool.data.dataset import Array
from hoitool.embed.pictures import Album
from hoitool.errors import UsageError
from hoitool.models.card import Card
from hoitool.models.defr import Defr
from hoitool.models.pairing import PairRule
from hoitool.predict.boxes import Boxes
from hoitool.predict.detection import Looking, pair_predictions
from hoitool.predict.opened import Opened
from hoitool.predict.recognition import Pace, image_logits, image_predictions



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


@dataclass(frozen=True)
class Wanted:
    """How predictions are made, where it is not as the model's card says (None).

    mask  as-written, blocking or none (hoitool/models/defr_detection.py), or crops: each pair's union is cut out
    """

    task: str | None = None
    mask: str | None = None
    mask_layers: int | None = None
    human_power: float | None = None
    object_power: float | None = None
    interaction_power: float | None = None

    def over(self, card: Card) -> dict[str, Any]:
        """All of it, out of this and the card."""
        return card.predict | {name: value for name, value in asdict(self).items() if value is not None}


def recognise(model: Opened, images: Dataset, album: Album, pace: Pace, out: Path) -> Done:
    """Write the logits of whole images; pictures that could not be read are left out of the file."""
    logits, broken = image_logits(model.module, album, model.card, pace)
    made = image_predictions(images, logits, model.card.meta, predict=about(model, task="recognition"))
    if broken:
        made = select_images(made, ~np.isnan(logits).any(axis=1))
    write(made, out)
    return Done(out, len(made), 0, broken, logits)


def detect(
    model: Opened, boxes: Dataset, source: str, album: Album, wanted: dict[str, Any], pace: Pace, out: Path
) -> Done:
    """Write the scored pairs of boxes of the images of an album; of many images a folder of shards.

    boxes   of these images in this order; source: what they are called in the file, such as oracle-box
    wanted  mask, mask_layers and the three powers
    Raises UsageError for a model whose labels are no interactions.
    """
    card = model.card
    if card.label_kind != "interactions" or not isinstance(model.module, Defr):
        raise UsageError(f"{model.name}: recognises {card.label_kind}; pairs are scored by recognisers of interactions")
    rule = PairRule(**{name: float(wanted[name]) for name in POWERS})
    how = Looking(wanted["mask"], wanted["mask_layers"])
    said = about(model, task="detection", boxes=source, looking=asdict(how), rule=asdict(rule))
    blocks = pair_predictions(model.module, boxes, album, card, rule, how, pace)
    first = next(blocks)
    counts = Counts()
    rest = next(blocks, None)
