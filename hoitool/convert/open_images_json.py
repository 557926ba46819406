"""The processed Open Images relationships of PySGG, SGTR and RLIPv2: vrd-<subset>-anno.json and categories_dict.json.

A list over images: img_fn (the image's id, without .jpg), img_size (width, height), bbox (x1 y1 x2 y2 in pixels),
det_labels (the object of each box), rel (two places in bbox, subject and object, and the predicate). All count from 0.
categories_dict.json: {"obj": [names of objects], "rel": [names of predicates]}; networks put a background before both.
Frame: inclusive, as their evaluators measure (width x2 - x1 + 1). Label kind: predicates.
Source: the processed release of BGNN / PySGG (Li et al., CVPR 2021), its open_image.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.fields import names, numbers, rows_of, spread_integers, spread_numbers, texts, unique
from hoitool.convert.fit import Holds, require_held
from hoitool.convert.hoia import plain_boxes
from hoitool.convert.open_images import with_file_names
from hoitool.convert.open_images_tables import EXTRA
from hoitool.convert.own_labels import LABELS, require_same_labels, space_of_names, write_labels
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, Meta, offsets_of
from hoitool.errors import DataError, MissingData
from hoitool.files import atomic, load_json, refuse_overwrite, require, sha256, write_text
from hoitool.labels import LabelSpace

Array = NDArray[Any]
SUMMARY = "the processed Open Images relationships of PySGG, SGTR and RLIPv2: vrd-*-anno.json"
CATEGORIES = "categories_dict.json"
STEM = re.compile(r"vrd-(?P<subset>.*)-anno")
HEAD = 1 << 20
LARGEST = np.iinfo(np.int32).max
HOLDS = Holds(
    label_kinds=("predicates",),
    box_frame="inclusive",
    always=frozenset({"width"}),
    optional=frozenset({"file_name"}),
    lonely_boxes=True,
    also=with_file_names,
)


def sniff(path: Path) -> bool:
    """Whether a path is such a file, or a folder that holds one."""
    return any(_looks_processed(file) for file in _files(path))


def _files(path: Path) -> list[Path]:
    found = sorted(path.glob("[!.]*.json")) if path.is_dir() else [path]
    return [
        file for file in found if file.suffix == ".json" and file.is_file() and file.name not in (LABELS, CATEGORIES)
    ]


def _looks_processed(file: Path) -> bool:
    with file.open("rb") as stream:
        head = stream.read(HEAD).removeprefix(b"\xef\xbb\xbf")
    return head.lstrip()[:1] == b"[" and b'"img_fn"' in head and b'"det_labels"' in head


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """One part per file of a path. Raises MissingData without categories, DataError naming file, image and field."""
    require(path, "processed Open Images relationships")
    files = [file for file in _files(path) if path.is_file() or STEM.fullmatch(file.stem) or _looks_processed(file)]
    if not files:
        raise MissingData(f"{path}: no vrd-train-anno.json, ... in this folder")
    space = _label_space(files[0].parent)
    return Reading([_dataset(file, space) for file in files])


def _label_space(folder: Path) -> LabelSpace:
    """That of labels.json where it has the names of categories_dict.json, else these names."""
    file = folder / CATEGORIES
    table = load_json(file, "the names of categories", dict)
    objects, predicates = names(table, "obj", str(file)), names(table, "rel", str(file))
    return space_of_names(EXTRA, file, objects, predicates)


def _dataset(file: Path, space: LabelSpace) -> Dataset:
    where = str(file)
    images = rows_of(load_json(file, "processed Open Images relationships", list), where)
    key = texts(images, "img_fn", where)
    unique(key, where, "img_fn")
    sizes = numbers(images, "img_size", where, 2)
    if (wrong := ((sizes < 0) | (sizes > LARGEST) | (sizes % 1 != 0)).any(axis=1)).any():
        row = int(wrong.argmax())
        raise DataError(f"{where}[{row}].img_size is {sizes[row].tolist()}, expected width and height in pixels")
    boxes = spread_numbers(images, "bbox", where, 4)
    classes = spread_integers(images, "det_labels", where, 0, len(space.objects) - 1)
    if (wrong := boxes.counts != classes.counts).any():
        row = int(wrong.argmax())
        raise DataError(f"{where}[{row}]: {boxes.counts[row]} boxes for {classes.counts[row]} det_labels")
    rel, counts = _relations(images, where, boxes.counts, len(space.verbs))
    told = STEM.fullmatch(file.stem)
    meta = Meta(
        space,
        dataset=EXTRA,
        subset=told["subset"] if told else "",
        label_kind="predicates",
        box_frame="inclusive",
        sources={file.name: sha256(file)},
    )
    made = Dataset(
        meta=meta,
        key=key,
        width=sizes[:, 0].astype(np.int32),
        height=sizes[:, 1].astype(np.int32),
        boxes=boxes.values,
        categories=classes.values.astype(np.int32),
        subject=rel[:, 0],
        object=rel[:, 1],
        label=rel[:, 2],
        box_offsets=offsets_of(boxes.counts),
        pair_offsets=offsets_of(counts),
    )
    return with_file_names(made)[0]


def _relations(images: list[dict[str, Any]], where: str, boxes: Array, predicates: int) -> tuple[Array, Array]:
    """(P, 3) int32 subject, object and predicate, and (I,) how many each image has."""
    found = spread_numbers(images, "rel", where, 3)
    limit = np.repeat(boxes, found.counts)
    values = found.values
    most = np.stack([limit, limit, np.full(len(limit), predicates)], axis=1)
    wrong = ((values < 0) | (values >= most) | (values % 1 != 0)).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        told = f"two places among {limit[row]} boxes and a predicate 0..{predicates - 1}"
        raise DataError(f"{found.at(row)} is {values[row].tolist()}, expected {told}")
    return values.astype(np.int32), found.counts


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write vrd-<subset>-anno.json for each part, categories_dict.json and labels.json into the folder `path`."""
    held = require_held(parts, HOLDS, "processed Open Images JSON")
    space = require_same_labels(held)
    targets = [path / f"vrd-{part.meta.subset}-anno.json" for part in held]
    for target in (*targets, path / CATEGORIES):
        refuse_overwrite(target, overwrite)
    written = write_labels(space, path, overwrite)
    for part, target in zip(held, targets, strict=True):
        with atomic(target) as temporary:
            temporary.write_text(json.dumps(_entries(part), allow_nan=False), encoding="utf-8")
    write_text(path / CATEGORIES, json.dumps({"obj": list(space.objects), "rel": list(space.verbs)}))
    return [*targets, path / CATEGORIES, *written]


def _entries(data: Dataset) -> list[dict[str, Any]]:
    """The images of a part."""
    boxes, classes = plain_boxes(data.boxes), data.categories.tolist()
    rel = np.stack([data.subject, data.object, data.need("label")], axis=1).tolist()
    box_at, pair_at = data.box_offsets.tolist(), data.pair_offsets.tolist()
    sizes = np.stack([data.need("width"), data.need("height")], axis=1).tolist()
    return [
        {
            "img_fn": key,
            "img_size": sizes[i],
            "bbox": boxes[box_at[i] : box_at[i + 1]],
            "det_labels": classes[box_at[i] : box_at[i + 1]],
            "rel": rel[pair_at[i] : pair_at[i + 1]],
        }
        for i, key in enumerate(data.key.tolist())
    ]
