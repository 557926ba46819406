"""Which boxes are paired: a detector's, out of a file, or the dataset's own, which no detector found.

Figures on annotated boxes say nothing of a detector and are not compared with those of one: such boxes are called
oracle-box wherever they go. HICO-DET has a box once for each pair that it is in, each drawn anew by another annotator;
the non-maximum suppression of hoitool/models/pairing.py thins them as it does a detector's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hoitool.convert.detections import read_detections
from hoitool.data import Dataset, Predictions, select_boxes
from hoitool.data.dataset import Array
from hoitool.errors import DataError
from hoitool.files import sha256

ORACLE = "oracle-box"
UNSEEN = "boxes without size, or outside of their picture"
FARTHEST = 1e7  # pixels


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of images, in the order of these.

    name     what they are called in what is made of them: oracle-box, or their file
    sources  file name -> SHA-256 of where they were read
    dropped  what was left out of the file -> how often
    """

    data: Dataset
    name: str
    sources: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)


def boxes_for(images: Dataset, source: Path | None = None) -> Boxes:
    """The boxes of the images of a dataset: its own, or those of a file (hoitool/convert/detections.py).

    source  COCO's result JSON, predictions of any format that hoitool reads, or annotations, whose boxes are oracle-box
    Raises MissingData and DataError for the file, and DataError where there is no box at all.
    """
    if source is None:
        if not len(images.boxes):
            raise DataError(f"{images!r} has no boxes to pair; give those of a detector")
        return Boxes(images, ORACLE)
    found, dropped = read_detections(source, images)
    found, dropped = _visible(found, dropped)
    if not len(found.boxes):
        raise DataError(f"{source}: has no boxes in the {len(images)} images")
    name = f"{ORACLE} ({source.name})" if _annotated(found) else source.name
    digest = {source.name: sha256(source)} if source.is_file() else {}
    return Boxes(found, name, digest, dropped)


def _visible(found: Predictions, dropped: dict[str, int]) -> tuple[Predictions, dict[str, int]]:
    """The boxes that show something: those with a size, inside of the picture where its size is known."""
    image = found.image_of("box")
    wide, high = (_sides(found, side)[image] for side in ("width", "height"))
    box = found.boxes.astype(np.float64)
    inside = (box[:, 2] > 0) & (box[:, 3] > 0) & (box[:, 0] < wide) & (box[:, 1] < high)
    edge = 1 if found.meta.box_frame == "inclusive" else 0
    flat = (np.abs(box[:, 2] - box[:, 0]) + edge <= 0) | (np.abs(box[:, 3] - box[:, 1]) + edge <= 0)
    shown = inside & ~flat & (np.abs(box) < FARTHEST).all(axis=1)
    if shown.all():
        return found, dropped
    return select_boxes(found, shown), dropped | {UNSEEN: int((~shown).sum())}


def _sides(found: Predictions, side: str) -> Array:
    """(I,) the width or height of each picture, without end where it is not known."""
    held = getattr(found, side)
    if found.meta.box_frame == "normalised":
        return np.ones(len(found))
    return np.full(len(found), np.inf) if held is None else np.where(held > 0, held, np.inf)


def _annotated(found: Predictions) -> bool:
    """Whether boxes were read from annotations: they have no scores, and nothing was predicted of them."""
    return found.box_scores is None and not len(found.subject)
