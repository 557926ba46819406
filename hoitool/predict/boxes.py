"""Which boxes are paired: a detector's, out of a file, or the dataset's own, which no detector found.

Figures on annotated boxes say nothing of a detector and are not compared with those of one: such boxes are called
oracle-box wherever they go. HICO-DET has a box once for each pair that it is in, each drawn anew by another annotator;
the non-maximum suppression of hoitool/models/pairing.py thins them as it does a detector's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hoitool.convert.detections import read_detections
from hoitool.data import Dataset, Predictions
from hoitool.errors import DataError
from hoitool.files import sha256

ORACLE = "oracle-box"


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
    if not len(found.boxes):
        raise DataError(f"{source}: has no boxes in the {len(images)} images")
    name = f"{ORACLE} ({source.name})" if _annotated(found) else source.name
    digest = {source.name: sha256(source)} if source.is_file() else {}
    return Boxes(found, name, digest, dropped)


def _annotated(found: Predictions) -> bool:
    """Whether boxes were read from annotations: they have no scores, and nothing was predicted of them."""
    return found.box_scores is None and not len(found.subject)
