"""People's own annotations as a table: .csv, one row per pair, names spelled out.

Columns: file_name; subject_x1 .. subject_y2, subject_category (default: person); object_x1 .. object_y2 (empty: no
box), object_category; verb. Optional: width, height, subset. A row with a file name only is an image without pairs, one
with a subject only a box in no pair.
Frame: continuous corners in pixels. Boxes of an image with the same class and corners are one box.
Label space: convert/own_labels.py. Specification: hoitool/convert/pages/csv.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.csv_cells import open_table, write_table
from hoitool.convert.csv_rows import (
    ANY,
    CATEGORIES,
    KNOWN,
    NEEDED,
    OBJECT,
    SUBJECT,
    Images,
    Rows,
    images_of,
    rows_of_pairs,
)
from hoitool.convert.fit import Holds, Lost, in_pairs, require_held
from hoitool.convert.own_labels import (
    by_names,
    label_space,
    parts_by_subset,
    require_same_labels,
    taken,
    verbs_and_objects,
    verbs_told,
    write_labels,
)
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, Meta, offsets_of
from hoitool.files import refuse_overwrite, require, sha256

Array = NDArray[Any]
SUMMARY = "people's own annotations: .csv, one row per pair, names spelled out"
FILE = "annotations.csv"


def merge_boxes(image: Array, categories: Array, boxes: Array) -> tuple[Array, Array]:
    """Boxes of one image with the same class and corners as one.

    image (n,), categories (n,), boxes (n, 4). Returns (m,) the row of each box that stays, by image and first
    appearance, and (n,) which of these each row has become.
    """
    order = np.lexsort((*boxes.T[::-1], categories, image))
    keys = np.column_stack([image, categories, boxes])[order]
    new = np.concatenate([[True], (keys[1:] != keys[:-1]).any(axis=1)])[: len(order)]
    first = order[new]
    by_place = np.lexsort((first, image[first]))
    rank = np.empty(len(first), np.int64)
    rank[by_place] = np.arange(len(first))
    became = np.empty(len(order), np.int64)
    became[order] = rank[np.cumsum(new) - 1]
    return first[by_place], became


def _as_table(data: Dataset) -> tuple[Dataset, Lost]:
    """Data as a table gives them back: boxes merged, labels by names."""
    boxes = data.boxes + 0.0  # no negative zeros, which equal zeros
    sides = np.stack([data.pair_boxes("subject"), data.pair_boxes("object")], axis=1).reshape(-1)
    shown = np.concatenate([sides[sides >= 0], np.flatnonzero(~in_pairs(data))])  # in the order of the rows
    image = data.image_of("box")[shown]
    kept, became = merge_boxes(image, data.categories[shown], boxes[shown])
    at = np.full(len(boxes) + 1, -1)  # the last stands for no box
    at[shown] = became
    columns: dict[str, Any] = {name: values[shown[kept]] for name, values in data.columns("box").items()}
    columns |= {"boxes": boxes[shown[kept]], "box_offsets": offsets_of(np.bincount(image[kept], minlength=len(data)))}
    columns |= _sides(at[sides[::2]], at[sides[1::2]], columns["box_offsets"][data.image_of("pair")])
    made, lost = by_names(data.with_columns(**columns))
    return made, lost | {"boxes that repeat the class and corners of another one": len(boxes) - len(kept)}


HOLDS = Holds(
    label_kinds=("interactions", "verbs"),
    box_frame="continuous",
    always=frozenset({"file_name"}),
    optional=frozenset({"width"}),
    objectless=True,
    lonely_boxes=True,
    unknown_objects=True,
    also=_as_table,
)


def sniff(path: Path) -> bool:
    """Whether a path is a table of annotations by its header, or a folder that holds one as annotations.csv."""
    file = path / FILE if path.is_dir() else path
    if file.suffix.lower() != ".csv" or not file.is_file():
        return False
    with file.open("rb") as stream:
        header = stream.readline(65536).decode("utf-8-sig", "replace").strip().split(",")
    names = {name.strip().strip('"') for name in header}
    return {"file_name", "verb"} <= names and "score" not in names


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """One part per subset of a table, images by first appearance. DataError names line and column."""
    file = path / FILE if path.is_dir() else path
    require(file, "a table of annotations")
    table = open_table(file, KNOWN, NEEDED)
    rows, images = rows_of_pairs(table), images_of(table)
    train = (images.subset == "train")[images.of_row]
    space, category, verb = label_space(file, rows.classes, rows.verbs, rows.objects, train)
    sources = {file.name: sha256(file)}
    meta = Meta(space, dataset=file.stem, label_kind="verbs", box_frame="continuous", sources=sources)
    pairs = _pairs(rows, images)
    columns = _columns(rows, images, pairs, taken(category, rows.classes.codes), taken(verb, rows.verbs.codes))
    whole = Dataset(meta=meta, key=images.key, file_name=images.key, **images.sizes, **columns)
    parts = parts_by_subset(whole, images.subset, taken(category, rows.objects)[pairs])
    notes = [f"columns not read: {', '.join(table.ignored)}"] if table.ignored else []
    return Reading(parts, notes=notes + verbs_told(parts) + _sizes_told(images))


def _sizes_told(images: Images) -> list[str]:
    """A note on images whose width or height the table does not say."""
    unknown = np.zeros(len(images.key), bool)
    for name in ("width", "height"):
        unknown |= images.sizes.get(name, np.zeros(len(unknown), np.int32)) == 0
    count = int(unknown.sum())
    return (
        [f"{count:,} images have no width and height: `hoitool check --images DIR --fix OUT` adds them"]
        if count
        else []
    )


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write all subsets as the file `path`, or annotations.csv in the folder `path`, with labels.json beside it."""
    file = path if path.suffix.lower() == ".csv" else path / FILE
    refuse_overwrite(file, overwrite)
    held = require_held(parts, HOLDS, "a table of annotations")
    space = require_same_labels(held)
    tables = [_table(part) for part in held]
    names = [name for name in KNOWN if any(name in table for table in tables)]
    columns = {name: np.concatenate([_column(table, name) for table in tables]) for name in names}
    labels = write_labels(space, file.parent, overwrite)
    write_table(columns, file)
    return [file, *labels]


def _pairs(rows: Rows, images: Images) -> Array:
    """(P,) the rows that are pairs, by image, in their order."""
    found = np.flatnonzero(rows.verbs.codes >= 0)
    return found[np.argsort(images.of_row[found], kind="stable")]


def _columns(rows: Rows, images: Images, pair: Array, categories: Array, verbs: Array) -> dict[str, Array]:
    """The columns of boxes, merged, and of pairs, labelled with verbs."""
    image, count, at = images.of_row, len(images.key), np.flatnonzero(rows.has_box)
    kept, became = merge_boxes(image[at // 2], categories[at], rows.boxes[at])
    offsets = offsets_of(np.bincount(image[at[kept] // 2], minlength=count))
    box = np.full(len(rows.has_box), -1)
    box[at] = became
    return {
        "boxes": rows.boxes[at[kept]],
        "categories": np.maximum(categories[at[kept]], -1).astype(np.int32),
        **_sides(box[2 * pair], box[2 * pair + 1], offsets[image[pair]]),
        "label": verbs[pair].astype(np.int32),
        "box_offsets": offsets,
        "pair_offsets": offsets_of(np.bincount(image[pair], minlength=count)),
    }


def _sides(subject: Array, obj: Array, start: Array) -> dict[str, Array]:
    """Pairs' boxes, flat rows (P,), as places in their images, whose first boxes are `start` (P,)."""
    return {
        "subject": (subject - start).astype(np.int32),
        "object": np.where(obj < 0, -1, obj - start).astype(np.int32),
    }


def _table(data: Dataset) -> dict[str, Array]:
    """The rows of a part: of each image its pairs, its boxes in no pair, and itself where it has neither."""
    space = data.meta.labels
    lonely = np.flatnonzero(~in_pairs(data))
    empty = np.flatnonzero((data.counts("pair") == 0) & (data.counts("box") == 0))
    pairs = len(data.subject)
    image = np.concatenate([data.image_of("pair"), data.image_of("box")[lonely], empty])
    none = np.full(len(empty), -1)
    subject = np.concatenate([data.pair_boxes("subject"), lonely, none])
    obj = np.concatenate([data.pair_boxes("object"), np.full(len(image) - pairs, -1)])
    verbs, objects = (np.append(column, np.full(len(image) - pairs, -1)) for column in verbs_and_objects(data))
    order = np.argsort(image, kind="stable")
    classes = np.array([*space.objects, ANY, ""], object)  # UNKNOWN and NONE index the last two
    category = np.append(np.where(data.categories < 0, -2, data.categories), -1)
    columns: dict[str, Any] = {"file_name": data.key[image]}
    if data.width is not None:
        columns |= {"width": data.width[image], "height": data.need("height")[image]}
    if data.meta.subset:
        columns["subset"] = np.full(len(image), data.meta.subset, object)
    boxes = np.concatenate([data.boxes, np.full((1, 4), np.nan)])
    columns |= {name: boxes[subject, i] for i, name in enumerate(SUBJECT)}
    columns |= {CATEGORIES[0]: classes[category[subject]]}
    columns |= {name: boxes[obj, i] for i, name in enumerate(OBJECT)}
    columns |= {CATEGORIES[1]: classes[objects], "verb": np.array([*space.verbs, ""], object)[verbs]}
    return {name: values[order] for name, values in columns.items()}


def _column(table: dict[str, Array], name: str) -> Array:
    """A column of a part, empty where another part has it: no subset, sizes unknown."""
    rows = len(table["file_name"])
    return table[name] if name in table else np.full(rows, "", object) if name == "subset" else np.zeros(rows, np.int32)
