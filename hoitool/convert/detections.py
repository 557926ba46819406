"""Boxes that a detector found, of the images of a dataset: from COCO's result JSON, or any file that hoitool reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.convert import one_part, read, sniff
from hoitool.convert.predictions import coco_results
from hoitool.data import Dataset, Predictions, align, no_pairs
from hoitool.data.image_ids import with_ids_of
from hoitool.files import naming, require

WHAT = "detections"
Dropped = dict[str, int]


def read_detections(path: Path, images: Dataset) -> tuple[Predictions, Dropped]:
    """The boxes that a file has of the images of a dataset, in their order, and what was dropped.

    Boxes of other images are dropped and counted, as are classes that are not known: those boxes have category -1.
    Of a file of annotations the boxes are taken, of predictions the pairs too. Raises MissingData, DataError with
    file, row and field, and DataError where no box is in any of the images.
    """
    require(path, WHAT)
    name = sniff(path)
    if name == "coco-results" or (name is None and path.suffix.lower() == ".json"):
        found, dropped = coco_results.detections(path, images)
        found = found.with_columns(replace(found.meta, label_kind=images.meta.label_kind))
    else:
        held = read(path, name, images)
        found, dropped = _boxes_of(one_part(held, path, _subset(held.parts, images))), dict(held.dropped)
        with naming(path):
            found = align(found, images)
    return with_ids_of(found.with_columns(file_name=images.file_name), images), dropped


def _subset(parts: list[Dataset], images: Dataset) -> str | None:
    """The subset to take of a file that holds several."""
    return images.meta.subset if len(parts) > 1 else None


def _boxes_of(data: Dataset) -> Predictions:
    """Predictions as they are; of annotations the boxes alone."""
    if isinstance(data, Predictions):
        return data
    columns: dict[str, Any] = no_pairs(len(data)) | {"score": np.empty(0)}
    held = {name: getattr(data, name) for name in ("key", "boxes", "categories", "box_offsets", "box_ids", "crowd")}
    return Predictions(meta=data.meta, **columns | held)
