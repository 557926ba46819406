"""Boxes that a detector found, of the images of a dataset: COCO's result JSON, or any file that hoitool reads.

A result file is a list of {"image_id", "category_id", "bbox": [x, y, w, h], "score"}. An image_id that is a number is
the id that hoitool/convert/image_ids.py gives an image; one that is text is its file name or key. Boxes keep the order
of the file inside an image, and float64. Frame: continuous corners x, y, x + w, y + h.
Source: cocodataset.org/#format-results.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hoitool.convert import one_part, read, sniff
from hoitool.convert.fields import Rows, brief, by_image, integers, numbers, rows_of
from hoitool.convert.image_ids import image_ids, with_ids_of
from hoitool.data import Dataset, Meta, Predictions, align, no_pairs, offsets_of
from hoitool.data.dataset import Array
from hoitool.errors import DataError
from hoitool.files import load_json, require, sha256
from hoitool.labels import LabelSpace

WHAT = "detections"
ELSEWHERE = "boxes in images that are not among those asked for"
UNKNOWN = "classes of boxes that the label space does not have (the boxes are kept)"
Dropped = dict[str, int]


def read_detections(path: Path, images: Dataset) -> tuple[Predictions, Dropped]:
    """The boxes that a file has of the images of a dataset, in their order, and what was dropped.

    Boxes of other images are dropped and counted, as are classes that are not known: those boxes have category -1.
    Of a file of annotations the boxes are taken, of predictions the pairs too. Raises MissingData, DataError with
    file, row and field, and DataError where no box is in any of the images.
    """
    require(path, WHAT)
    name = sniff(path)
    if name is None and path.suffix.lower() == ".json":
        found, dropped = _from_results(path, images)
    else:
        held = read(path, name, images)
        found, dropped = _boxes_of(one_part(held, path, _subset(held.parts, images))), dict(held.dropped)
        try:
            found = align(found, images)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
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


def _from_results(path: Path, images: Dataset) -> tuple[Predictions, Dropped]:
    """The boxes of a result file."""
    where = str(path)
    rows = rows_of(load_json(path, "detections (COCO's result JSON)", list), where)
    image, box, score = _images(rows, where, images), _corners(rows, where), numbers(rows, "score", where)
    category = _categories(integers(rows, "category_id", where), images.meta.labels)
    held = image >= 0
    if len(rows) and not held.any():
        raise DataError(
            f"{where}[0].image_id is {brief(rows[0]['image_id'])}, and no other is of one of the {len(images)} images"
            + (f", such as {images.key[0]!r} (id {image_ids(images)[0]})" if len(images) else "")
        )
    kept = np.flatnonzero(held)
    kept = kept[by_image(image[kept])]
    dropped = {ELSEWHERE: int((~held).sum()), UNKNOWN: int((category[kept] < 0).sum())}
    columns: dict[str, Any] = no_pairs(len(images)) | {
        "boxes": box[kept],
        "categories": category[kept],
        "box_scores": score[kept],
        "box_offsets": offsets_of(np.bincount(image[kept], minlength=len(images))),
        "score": np.empty(0),
    }
    made = Predictions(meta=_meta(images, path), key=images.key, width=images.width, height=images.height, **columns)
    return made, {reason: count for reason, count in dropped.items() if count}


def _meta(images: Dataset, path: Path) -> Meta:
    held = images.meta
    return Meta(
        held.labels,
        dataset=held.dataset,
        subset=held.subset,
        label_kind=held.label_kind,
        box_frame="continuous",
        sources={path.name: sha256(path)},
    )


def _images(rows: Rows, where: str, images: Dataset) -> Array:
    """(n,) the image of each row, -1 where it is none of them."""
    named = [i for i, row in enumerate(rows) if isinstance(row.get("image_id"), str)]
    if not named:
        known = dict(zip(image_ids(images).tolist(), range(len(images)), strict=True))
        return np.array([known.get(number, -1) for number in integers(rows, "image_id", where).tolist()], np.int64)
    if len(named) < len(rows):
        other = next(i for i, row in enumerate(rows) if not isinstance(row.get("image_id"), str))
        came = brief(rows[other].get("image_id"))
        raise DataError(f"{where}[{other}].image_id is {came}, expected text as in row {named[0]}")
    files = images.key if images.file_name is None else images.file_name
    by_name = {name: i for names in (files, images.key) for i, name in enumerate(names.tolist())}
    return np.array([by_name.get(row["image_id"], -1) for row in rows], np.int64)


def _corners(rows: Rows, where: str) -> Array:
    """(n, 4) x1 y1 x2 y2. Raises DataError for a width or height below zero."""
    box = numbers(rows, "bbox", where, 4)
    wrong = (box[:, 2:] < 0).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{where}[{row}].bbox is {brief(rows[row]['bbox'])}, expected x, y, width, height (not negative)"
        )
    return np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1)


def _categories(ids: Array, labels: LabelSpace) -> Array:
    """(n,) int32 the object of each COCO category id, -1 where the label space has none."""
    index = {number: i for i, number in enumerate(labels.coco_ids.tolist()) if number >= 0}
    return np.array([index.get(number, -1) for number in ids.tolist()], np.int32)
