"""COCO's instances JSON as columns, and data as such JSON: images, annotations with x, y, w, h boxes, categories.

What the columns of a dataset cannot hold and protocols need travels in meta.extras["coco"]: image ids that the file
name does not tell, annotations without area and those to ignore. Source: cocodataset.org/#format-data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.boxes import extents
from hoitool.convert.fields import Rows, integers, member, numbers, positions, rows_of, texts, unique, within
from hoitool.data import Dataset, Meta, offsets_of
from hoitool.data.image_ids import exceptions, image_ids
from hoitool.errors import DataError
from hoitool.files import load_json

Array = NDArray[Any]
EXTRA = "coco"
NAME = "file_name"  # of images
OUTLINES = "segmentation"  # of annotations: most of a file, and not kept
LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Instances:
    """The columns of an instances file. Image columns (I,), category columns (C,), annotation columns (A,)."""

    where: Path
    image_ids: Array
    names: Array
    width: Array
    height: Array
    category_ids: Array  # ascending
    category_names: list[str]
    ids: Array
    image_of: Array  # (A,) image id
    boxes: Array  # (A, 4) x1 y1 x2 y2, continuous
    category: Array  # (A,) index into the categories
    crowd: Array
    no_area: Array  # (A,) area is there and not positive
    ignored: Array

    @cached_property
    def image_row(self) -> Array:
        """(A,) the image of each annotation, a row of the image columns."""
        return positions(self.image_ids, self.image_of, f"{self.where}: annotations", "image_id", "image")

    def images(self, ids: Array, meta: Meta, category: Array | None = None) -> Part:
        """The images of these ids, in this order, with their boxes in file order; no pairs yet.

        category  (C,) the object of each category; default: by COCO id
        """
        rows = positions(self.image_ids, ids, f"{self.where}: images", "id", "image")
        place = np.full(len(self.image_ids), -1)
        place[rows] = np.arange(len(rows))
        image = place[self.image_row]
        boxes = np.flatnonzero(image >= 0)
        boxes = boxes[np.argsort(image[boxes], kind="stable")]
        if category is None:
            index = {number: i for i, number in enumerate(meta.labels.coco_ids.tolist())}
            category = np.array([index[number] for number in self.category_ids.tolist()], np.int32)
        data = Dataset(
            meta=replace(meta, extras=self._extras(rows, boxes)),
            key=self.names[rows],
            file_name=self.names[rows],
            width=self.width[rows],
            height=self.height[rows],
            boxes=self.boxes[boxes],
            categories=category[self.category[boxes]],
            annotated=np.zeros(len(boxes), bool),
            crowd=self.crowd[boxes],
            box_ids=self.ids[boxes],
            subject=np.empty(0, np.int32),
            object=np.empty(0, np.int32),
            label=np.empty(0, np.int32),
            box_offsets=offsets_of(np.bincount(image[boxes], minlength=len(rows))),
            pair_offsets=np.zeros(len(rows) + 1, np.int64),
        )
        return Part(data, self, image[boxes])

    def _extras(self, rows: Array, boxes: Array) -> dict[str, Any]:
        held = {
            "image_ids": exceptions(self.names[rows], self.image_ids[rows]),
            "no_area": self.ids[boxes[self.no_area[boxes]]].tolist(),
            "ignored": self.ids[boxes[self.ignored[boxes]]].tolist(),
        }
        return {EXTRA: {name: value for name, value in held.items() if value}} if any(held.values()) else {}


@dataclass(frozen=True)
class Part:
    """Some images of an instances file as a dataset, and (B,) the image of each of its boxes."""

    data: Dataset
    instances: Instances
    image_of_box: Array

    def rows_of_boxes(self, ids: Array) -> Array:
        """(n,) the flat row of each box id, -1 for those of other images."""
        held = self.data.need("box_ids")
        order = np.argsort(held, kind="stable")
        at = np.minimum(np.searchsorted(held[order], ids), max(len(order) - 1, 0))
        if not len(order):
            return np.full(len(ids), -1)
        return np.where(held[order[at]] == ids, order[at], -1)


def read_instances(path: Path) -> Instances:
    """The columns of an instances file. Raises DataError, naming file, row and field, for what does not fit."""
    return parse_instances(load_json(path, "COCO instances", dict, emptied=OUTLINES), path)


def parse_instances(table: dict[str, Any], path: Path) -> Instances:
    """The columns of an instances file's JSON."""
    images = rows_of(member(table, "images", str(path), list), f"{path}: images")
    categories = rows_of(member(table, "categories", str(path), list), f"{path}: categories")
    annotations = rows_of(member(table, "annotations", str(path), list), f"{path}: annotations")
    columns = _images(images, path) | _categories(categories, path) | _boxes(annotations, categories, path)
    return Instances(where=path, **columns)


def _images(rows: Rows, path: Path) -> dict[str, Any]:
    where = f"{path}: images"
    ids = integers(rows, "id", where)
    names = texts(rows, NAME, where) if any(NAME in row for row in rows) else named_by(ids)
    unique(ids, where)
    unique(names, where, NAME)
    made = {"image_ids": ids, "names": names}
    for name in ("width", "height"):
        values = integers(rows, name, where, default=0)
        within(values, 0, LARGEST, where, name)
        made[name] = values.astype(np.int32)
    return made


def named_by(ids: Array) -> Array:
    """(I,) file names of images that have none: their ids (I,), written as COCO names its images."""
    return np.array([f"{number:012d}.jpg" for number in ids.tolist()], object)


def _categories(rows: Rows, path: Path) -> dict[str, Any]:
    where = f"{path}: categories"
    ids, names = integers(rows, "id", where), texts(rows, "name", where).tolist()
    unique(ids, where)
    within(ids, 0, LARGEST, where, "id")
    order = np.argsort(ids)
    return {"category_ids": ids[order], "category_names": [names[i] for i in order.tolist()]}


def _boxes(rows: Rows, categories: Rows, path: Path) -> dict[str, Any]:
    where = f"{path}: annotations"
    ids = integers(rows, "id", where)
    unique(ids, where)
    box = numbers(rows, "bbox", where, 4)
    corners = np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1)
    known = np.sort(integers(categories, "id", f"{path}: categories"))
    return {
        "ids": ids,
        "image_of": integers(rows, "image_id", where),
        "boxes": corners,
        "category": positions(known, integers(rows, "category_id", where), where, "category_id", "category"),
        "crowd": integers(rows, "iscrowd", where, default=0) != 0,
        "no_area": numbers(rows, "area", where, default=1.0) <= 0,
        "ignored": integers(rows, "ignore", where, default=0) == 1,
    }


def flat_ids(row: dict[str, Any], name: str, where: str) -> Array:
    """(n,) int64 of a member that is a list of ids. Raises DataError, naming the entry, for anything else."""
    values = member(row, name, where, list)
    try:
        made = np.array(values)
    except (ValueError, OverflowError):
        made = np.empty(0, object)
    if not values:
        return np.empty(0, np.int64)
    if made.ndim != 1 or made.dtype.kind not in "i":
        at = next((i for i, value in enumerate(values) if not _is_id(value)), 0)
        raise DataError(f"{where}: {name}[{at}] is {values[at]!r:.40}, expected an integer id")
    return made.astype(np.int64)


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def instances_of(parts: Sequence[Dataset]) -> dict[str, Any]:
    """The images, annotations and categories of parts as JSON-ready values; an image of several parts stands once.

    Raises DataError where parts disagree about the boxes of an image.
    """
    images: dict[int, dict[str, Any]] = {}
    boxes: dict[int, list[dict[str, Any]]] = {}
    for part in parts:
        for row, mine in zip(image_rows(part), annotation_rows(part), strict=True):
            if boxes.setdefault(row["id"], mine) != mine or images.setdefault(row["id"], row) != row:
                raise DataError(f"{part!r}: image {row['file_name']!r} has other boxes than in another subset")
    labels = parts[0].meta.labels
    return {
        "info": {"description": f"written by hoitool from {parts[0].meta.dataset or labels.name}"},
        "images": [images[number] for number in sorted(images)],
        "annotations": _by_id([row for number in sorted(boxes) for row in boxes[number]]),
        "categories": [
            {"id": int(number), "name": name}
            for number, name in sorted(zip(category_ids(labels.coco_ids), labels.objects, strict=True))
        ],
    }


def category_ids(coco: Array) -> list[int]:
    """The category id of each object: COCO's, or 1, 2, ... where the label space does not know them all."""
    known: list[int] = coco.tolist()
    return known if min(known, default=-1) >= 0 and len(set(known)) == len(known) else list(range(1, len(known) + 1))


def _by_id(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Annotations by ascending id where that keeps their order inside images, as in COCO's files; else by image."""
    by_id = sorted(rows, key=lambda row: row["id"])
    last: dict[int, int] = {}
    for row in rows:
        if row["id"] < last.get(row["image_id"], row["id"]):
            return rows
        last[row["image_id"]] = row["id"]
    return by_id


def image_rows(part: Dataset) -> list[dict[str, Any]]:
    """The images as COCO lists them, in their order."""
    width, height = part.need("width").tolist(), part.need("height").tolist()
    columns = zip(image_ids(part).tolist(), part.key.tolist(), width, height, strict=True)
    return [{"id": number, "file_name": name, "width": w, "height": h} for number, name, w, h in columns]


def annotation_rows(part: Dataset, numbers: list[int] | None = None) -> list[list[dict[str, Any]]]:
    """The annotations of each image; numbers: the category id of each object, where `category_ids` does not say it."""
    width, height = extents(part.boxes)
    box = np.stack([part.boxes[:, 0], part.boxes[:, 1], width, height], axis=1)
    numbers_of = np.array(category_ids(part.meta.labels.coco_ids) if numbers is None else numbers, np.int64)
    extra = part.meta.extras.get(EXTRA, {})
    ids = part.need("box_ids")
    area = np.where(np.isin(ids, extra.get("no_area", [])), 0.0, width * height)
    ignored = np.isin(ids, extra.get("ignored", []))
    image = image_ids(part)[part.image_of("box")]
    rows = []
    for number, owner, corners, category, crowd, size, ignore in zip(
        ids.tolist(), image.tolist(), box.tolist(), numbers_of[part.categories].tolist(),
        part.need("crowd").tolist(), area.tolist(), ignored.tolist(), strict=True,
    ):  # fmt: skip
        row = {"id": number, "image_id": owner, "category_id": category, "bbox": corners, "area": size}
        rows.append(row | {"iscrowd": int(crowd)} | ({"ignore": 1} if ignore else {}))
    return [rows[a:b] for a, b in pairwise(part.box_offsets.tolist())]


def own_ids(data: Dataset) -> tuple[Dataset, dict[str, int]]:
    """Data whose boxes have ids of their own above 0; others are numbered anew, which is counted."""
    ids = data.box_ids
    if ids is None or (len(np.unique(ids)) == len(ids) and (ids > 0).all()):
        return data, {}
    return data.with_columns(box_ids=None), {"ids of boxes that are not all different and above 0": len(ids)}
