"""LVIS annotations, v0.5 and v1: COCO's instances JSON with more of images and categories.

Of an image: neg_category_ids (verified absent) and not_exhaustive_category_ids (some of its objects lack a box), which
become labels of the image, -1 and 0. Of a category: frequency (r, c, f), which with ids that are not 1, 2, ... travels
in meta.extras["lvis"] (data/class_groups.py). An image is named by file_name (v0.5), else by the end of coco_url (v1:
train2017/000000391895.jpg), else by its id. Frame: continuous. Label kind: objects, the categories by ascending id.
Source: lvisdataset.org/dataset; Gupta et al., CVPR 2019.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.convert import coco_instances as coco
from hoitool.convert.coco import named
from hoitool.convert.fields import Chosen, Rows, integers, member, positions, rows_of, spread_integers, texts, unique
from hoitool.convert.fit import Holds, Lost, require_held
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, Meta, offsets_of
from hoitool.data.class_groups import EXTRA, LETTERS, UNKNOWN
from hoitool.data.dataset import Array
from hoitool.errors import DataError, UsageError
from hoitool.files import atomic, json_object_with, load_json, refuse_overwrite, require, sha256
from hoitool.labels import NOTHING, LabelSpace, build

SUMMARY = "LVIS annotations, v0.5 and v1"
WHAT = "LVIS annotations"
WORDS = ("images", "annotations", "categories", "neg_category_ids")
ABSENT, NOT_EXHAUSTIVE = "neg_category_ids", "not_exhaustive_category_ids"
VALUES = {ABSENT: -1, NOT_EXHAUSTIVE: 0}


def _as_lvis(data: Dataset) -> tuple[Dataset, Lost]:
    """Boxes with ids of their own, labels of images without those that are present, which boxes say; absent first."""
    data, lost = coco.own_ids(data)
    if data.image_label is None or data.image_value is None:
        return data, lost
    value = data.image_value
    order = np.lexsort((np.arange(len(value)), value, data.image_of("image_label")))
    kept = order[value[order] != 1]
    image = data.image_of("image_label")[kept]
    lost = lost | {"labels of images that say that an object is there": len(order) - len(kept)}
    return data.with_columns(
        image_label=data.image_label[kept],
        image_value=value[kept],
        image_label_offsets=offsets_of(np.bincount(image, minlength=len(data))),
    ), lost


HOLDS = Holds(
    label_kinds=("objects",),
    box_frame="continuous",
    extents=True,
    always=frozenset({"file_name", "width", "box_ids", "image_label"}),
    objectless=True,
    lonely_boxes=True,
    also=_as_lvis,
)


def sniff(path: Path) -> bool:
    """Whether a path is such a file, or a folder that holds some."""
    return bool(_files(path))


def _files(path: Path) -> list[Path]:
    inside = sorted(path.glob("*.json")) if path.is_dir() else [path]
    return [file for file in inside if json_object_with(file, *WORDS)]


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """One part for each file of a path. Raises MissingData, DataError with file, row and field."""
    require(path, WHAT)
    files = _files(path) or ([path] if path.is_file() else sorted(path.glob("lvis*.json")))
    if not files:
        raise DataError(f"{path}: no LVIS annotations in it")
    return Reading([_dataset(load_json(file, WHAT, dict, emptied=coco.OUTLINES), file) for file in files])


def _dataset(table: dict[str, Any], file: Path) -> Dataset:
    rows = rows_of(member(table, "images", str(file), list), f"{file}: images")
    ids = integers(rows, "id", f"{file}: images")
    held = table | {"images": _named(rows, ids, f"{file}: images")}
    instances = coco.parse_instances(held, file)
    dataset, subset = named(table, file)
    category = np.arange(len(instances.category_ids), dtype=np.int32)
    meta = Meta(
        _label_space(instances, file),
        dataset=dataset or "lvis",
        subset=subset,
        label_kind="objects",
        box_frame="continuous",
        sources={file.name: sha256(file)},
    )
    data = instances.images(instances.image_ids, meta, category).data
    extras = data.meta.extras | {EXTRA: _of_categories(table, instances, file)}
    labels = _image_labels(rows, instances, f"{file}: images")
    return data.with_columns(replace(data.meta, extras=extras), annotated=None, crowd=None, **labels)


def _named(rows: Rows, ids: Array, where: str) -> Rows:
    """Images with file names."""
    urls = texts(rows, "coco_url", where, default="")
    names = [
        "/".join(url.split("/")[-2:]) if url else name
        for url, name in zip(urls.tolist(), coco.named_by(ids).tolist(), strict=True)
    ]
    return [{"file_name": name} | row for name, row in zip(names, rows, strict=True)]


def _label_space(instances: coco.Instances, file: Path) -> LabelSpace:
    names = np.array([*instances.category_names, ""], object)[:-1]
    unique(names, f"{file}: categories", "name")
    if NOTHING in instances.category_names:
        raise DataError(f"{file}: categories: a name is {NOTHING!r}, which means nothing; names decide")
    return build("lvis", f"categories of {file.name}", [(name, -1) for name in names.tolist()], [], [])


def _of_categories(table: dict[str, Any], instances: coco.Instances, file: Path) -> dict[str, Any]:
    """The frequency of each category by ascending id where some are told, and the ids where they are not 1, 2, ..."""
    where = f"{file}: categories"
    rows = rows_of(table["categories"], where)
    letters = texts(rows, "frequency", where, default=UNKNOWN).tolist()
    for i, letter in enumerate(letters):
        if letter not in (*LETTERS.values(), UNKNOWN):
            raise DataError(f"{where}[{i}].frequency is {letter!r:.40}, expected one of {', '.join(LETTERS.values())}")
    order = np.argsort(integers(rows, "id", where)).tolist()
    frequency = "".join(letters[i] for i in order)
    ids = instances.category_ids.tolist()
    made: dict[str, Any] = {} if set(frequency) <= {UNKNOWN} else {"frequency": frequency}
    return made | ({} if ids == list(range(1, len(ids) + 1)) else {"category_ids": ids})


def _image_labels(rows: Rows, instances: coco.Instances, where: str) -> dict[str, Array]:
    """The columns of what is said of categories in whole images: absent ones, then those without all boxes."""
    image, label, value = [], [], []
    for name, meaning in VALUES.items():
        filled = [row if name in row else row | {name: []} for row in rows]
        held = spread_integers(filled, name, where, 0, coco.LARGEST)
        image.append(np.repeat(np.arange(len(rows)), held.counts))
        there = Chosen(where, image[-1])
        label.append(positions(instances.category_ids, held.values, there, name, "category"))
        value.append(np.full(len(held.values), meaning, np.int8))
    order = np.argsort(np.concatenate(image), kind="stable")
    return {
        "image_label": np.concatenate(label)[order].astype(np.int32),
        "image_value": np.concatenate(value)[order],
        "image_label_offsets": offsets_of(np.bincount(np.concatenate(image), minlength=len(rows))),
    }


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write a part as the file `path` (.json), or each into the folder `path` as lvis_<subset>.json."""
    held = require_held(parts, HOLDS, "LVIS annotations")
    if path.suffix == ".json" and len(held) > 1:
        names = ", ".join(part.meta.subset for part in held)
        raise UsageError(f"{path}: the source holds {len(held)} subsets ({names}); name a folder for them")
    targets = [path] if path.suffix == ".json" else [path / _file_name(part) for part in held]
    for target in targets:
        refuse_overwrite(target, overwrite)
    for part, target in zip(held, targets, strict=True):
        with atomic(target) as temporary:
            temporary.write_text(json.dumps(_content(part), allow_nan=False), encoding="utf-8")
    return targets


def _file_name(data: Dataset) -> str:
    return f"lvis_{data.meta.subset}.json" if data.meta.subset else "lvis.json"


def _content(data: Dataset) -> dict[str, Any]:
    numbers = _category_ids(data)
    frequency = data.meta.extras.get(EXTRA, {}).get("frequency", UNKNOWN * len(numbers))
    categories = [
        {"id": number, "name": name} | ({} if letter == UNKNOWN else {"frequency": letter})
        for number, name, letter in zip(numbers, data.meta.labels.objects, frequency, strict=True)
    ]
    crowdless = data.with_columns(crowd=np.zeros(len(data.boxes), bool))
    rows = [row for image in coco.annotation_rows(crowdless, numbers) for row in image]
    for row in rows:
        del row["iscrowd"]  # LVIS has none
    return {
        "info": {"dataset": data.meta.dataset, "subset": data.meta.subset},
        "images": [row | told for row, told in zip(coco.image_rows(data), _told(data, numbers), strict=True)],
        "annotations": rows,
        "categories": categories,
    }


def _category_ids(data: Dataset) -> list[int]:
    """The ids that the data's own file had, else 1, 2, ..."""
    said: list[int] | None = data.meta.extras.get(EXTRA, {}).get("category_ids")
    return list(range(1, len(data.meta.labels.objects) + 1)) if said is None else said


def _told(data: Dataset, numbers: list[int]) -> list[dict[str, list[int]]]:
    """What is said of categories in each image."""
    offsets, value = data.need("image_label_offsets").tolist(), data.need("image_value")
    label = np.array(numbers, np.int64)[data.need("image_label")]
    return [
        {name: label[a:b][value[a:b] == meaning].tolist() for name, meaning in VALUES.items()}
        for a, b in pairwise(offsets)
    ]
