"""COCO's and LVIS's result JSON of boxes: a list of {"image_id", "category_id", "bbox": [x, y, w, h], "score"}.

It names images and classes by ids, so it is read against the annotations that it belongs to. An image_id that is a
number is the id that hoitool/data/image_ids.py gives an image; one that is text is its file name or key. Boxes keep
the order of the file inside an image, and float64. Frame: continuous corners x, y, x + w, y + h. Label kind: objects.
Source: cocodataset.org/#format-results.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.boxes import extents, swapped
from hoitool.convert.coco_labels import numbers_of
from hoitool.convert.fields import Rows, brief, by_image, integers, numbers, rows_of
from hoitool.convert.fit import Holds, Lost, require_held
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, Meta, Predictions, no_pairs, offsets_of, select_boxes
from hoitool.data.dataset import Array
from hoitool.data.image_ids import image_ids, with_ids_of
from hoitool.errors import DataError, MissingData
from hoitool.files import atomic, load_json, refuse_overwrite, require, sha256

SUMMARY = "COCO's and LVIS's result JSON: detected boxes with scores"
WHAT = "detections (COCO's result JSON)"
ELSEWHERE = "boxes in images that are not among those asked for"
UNKNOWN = "classes of boxes that the label space does not have (the boxes are kept)"
FIELDS = ("image_id", "category_id", "bbox", "score")
HEAD = 1 << 12


def _writable(data: Dataset) -> tuple[Dataset, Lost]:
    """Boxes with a width and height, and scores that JSON can write."""
    scores = data.need("box_scores").astype(np.float64)
    endless, turned = ~np.isfinite(scores), swapped(data.boxes)
    made = select_boxes(data.with_columns(box_scores=scores), ~(endless | turned))
    return made, {
        "boxes with an infinite score": int(endless.sum()),
        "boxes with swapped corners": int((turned & ~endless).sum()),
    }


HOLDS = Holds(
    "predictions",
    label_kinds=("objects",),
    box_frame="continuous",
    extents=True,
    optional=frozenset({"box_scores", "width"}),
    objectless=True,
    lonely_boxes=True,
    one_subset=True,
    names_images=False,
    also=_writable,
)


def sniff(path: Path) -> bool:
    """Whether a path is such a list, by its beginning."""
    if not path.is_file() or path.suffix.lower() != ".json":
        return False
    with path.open("rb") as stream:
        head = stream.read(HEAD).lstrip()
    first = head.partition(b"}")[0]
    return head[:1] == b"[" and all(f'"{name}"'.encode() in first for name in FIELDS)


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """The boxes of the images of a truth, in its order. MissingData without one, DataError with row and field."""
    require(path, WHAT)
    if truth is None:
        raise MissingData(f"{path}: names images and classes by their ids; give the annotations with --truth")
    made, dropped = detections(path, truth)
    return Reading([made], dropped)


def detections(path: Path, images: Dataset) -> tuple[Predictions, dict[str, int]]:
    """The boxes that a file has of the images of a dataset, in their order, and what was dropped.

    Boxes of other images are dropped and counted, as are classes that are not known: those boxes have category -1.
    Raises DataError with file, row and field, and where no box is in any of the images.
    """
    where = str(path)
    rows = rows_of(load_json(path, WHAT, list), where)
    image, box, score = _images(rows, where, images), _corners(rows, where), numbers(rows, "score", where)
    category = _categories(integers(rows, "category_id", where), images.meta)
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
    return with_ids_of(made, images), {reason: count for reason, count in dropped.items() if count}


def _meta(images: Dataset, path: Path) -> Meta:
    held = images.meta
    return Meta(
        held.labels,
        dataset=held.dataset,
        subset=held.subset,
        label_kind="objects",
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


def _categories(ids: Array, meta: Meta) -> Array:
    """(n,) int32 the object of each category id, -1 where the label space has none."""
    index = {number: i for i, number in enumerate(numbers_of(meta))}
    return np.array([index.get(number, -1) for number in ids.tolist()], np.int32)


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write a list, one box a line."""
    refuse_overwrite(path, overwrite)
    (data,) = require_held(parts, HOLDS, "COCO's result JSON")
    corners = np.stack([data.boxes[:, 0], data.boxes[:, 1], *extents(data.boxes)], axis=1)
    category = np.array(numbers_of(data.meta), np.int64)[data.categories]
    columns = (image_ids(data)[data.image_of("box")], category, corners, data.need("box_scores"))
    lines = (
        json.dumps(dict(zip(FIELDS, row, strict=True)), allow_nan=False)
        for row in zip(*(column.tolist() for column in columns), strict=True)
    )
    with atomic(path) as temporary:
        temporary.write_text("[" + ",\n".join(lines) + "]\n", encoding="utf-8")
    return [path]
