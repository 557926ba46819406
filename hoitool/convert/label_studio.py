"""Label Studio's JSON export of image tasks: rectangles with a class, and relations between them.

A list of tasks: data (the image's path or URL), annotations[].result[]. A rectangle has x, y, width, height in per cent
of original_width and original_height; a relation has from_id (subject), to_id (object), direction and labels (verbs).
Frame: continuous corners in pixels, (x, y, x + width, y + height) / 100 times the size, rounded to 9 decimals.
Label space: convert/own_labels.py. Specification: hoitool/convert/pages/label-studio.md.
Source: "Label Studio JSON format of annotated tasks" in Label Studio's documentation; its RelationStore (directions).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.fields import rows_of
from hoitool.convert.fit import Holds, Lost, require_held
from hoitool.convert.label_studio_tasks import Images, Results, images_of, results_of
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
from hoitool.data import Dataset, Meta, offsets_of, select_boxes
from hoitool.files import load_json, refuse_overwrite, require, sha256, write_text

Array = NDArray[Any]
SUMMARY = "Label Studio's JSON export: rectangles and relations"
FILE = "label-studio.json"
EXTRA = "label-studio"
HEAD = 1 << 20
DECIMALS = 9  # of a corner in pixels: per cent of a size cannot say the last bit
SHORT = 12  # decimals of per cent, where they give the same corner


def sniff(path: Path) -> bool:
    """Whether a path is an export of tasks with results, or a folder that holds one as label-studio.json."""
    file = path / FILE if path.is_dir() else path
    if file.suffix.lower() != ".json" or not file.is_file():
        return False
    with file.open("rb") as stream:
        head = stream.read(HEAD).removeprefix(b"\xef\xbb\xbf")
    return head.lstrip()[:1] == b"[" and all(name in head for name in (b'"annotations"', b'"result"', b'"data"'))


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """One part per subset of an export. Raises DataError, naming task, result and field."""
    file = path / FILE if path.is_dir() else path
    require(file, "a Label Studio export")
    where = str(file)
    tasks = rows_of(load_json(file, "a Label Studio export", list), where)
    found = results_of(tasks, where)
    images = images_of(tasks, found, where)
    order = np.argsort(found.image[found.subject], kind="stable")
    objects = found.classes.codes[found.object]
    train = (images.subset == "train")[found.image[found.subject]]
    space, category, verb = label_space(file, found.classes, found.verbs, objects, train)
    categories = np.maximum(taken(category, found.classes.codes), -1).astype(np.int32)
    label = taken(verb, found.verbs.codes)[order].astype(np.int32)
    meta = Meta(
        space,
        dataset=file.stem,
        label_kind="verbs",
        box_frame="continuous",
        sources={file.name: sha256(file)},
        extras={EXTRA: images.extras},
    )
    whole = _dataset(meta, images, found, order, categories, label)
    parts = parts_by_subset(whole, images.subset, taken(category, objects)[order])
    turned = int((found.rotation % 360 != 0).sum())
    notes = [f"{turned:,} rotated rectangles became the upright boxes around them"] if turned else []
    return Reading(parts, found.dropped, [*images.notes, *notes, *verbs_told(parts)])


def _dataset(meta: Meta, images: Images, found: Results, order: Array, categories: Array, label: Array) -> Dataset:
    """All tasks, pairs (R,) in the order given, by image. Rectangles stand by task already."""
    offsets = offsets_of(np.bincount(found.image, minlength=len(images.key)))
    image = found.image[found.subject[order]]
    return Dataset(
        meta=meta,
        key=images.key,
        file_name=images.key,
        width=images.size[:, 0],
        height=images.size[:, 1],
        boxes=corners(found.percent, found.size, found.rotation),
        categories=categories,
        subject=(found.subject[order] - offsets[image]).astype(np.int32),
        object=(found.object[order] - offsets[image]).astype(np.int32),
        label=label,
        box_offsets=offsets,
        pair_offsets=offsets_of(np.bincount(image, minlength=len(images.key))),
    )


def corners(percent: Array, size: Array, rotation: Array | float = 0.0) -> Array:
    """(n, 4) corners in pixels of rectangles x, y, width, height (n, 4) in per cent of sizes (n, 2).

    rotation  (n,) degrees, clockwise around the corner x, y: the box is the upright one around the rectangle
    """
    width, height = size[:, 0] / 100, size[:, 1] / 100
    angle = np.radians(np.broadcast_to(rotation, len(percent)) % 360)
    x, y = percent[:, 0] * size[:, 0] / 100, percent[:, 1] * size[:, 1] / 100
    across, down = percent[:, 2] * width, percent[:, 3] * height
    xs = np.stack([0 * x, across * np.cos(angle), -down * np.sin(angle), across * np.cos(angle) - down * np.sin(angle)])
    ys = np.stack([0 * y, across * np.sin(angle), down * np.cos(angle), across * np.sin(angle) + down * np.cos(angle)])
    upright = np.stack(
        [x, y, (percent[:, 0] + percent[:, 2]) * width, (percent[:, 1] + percent[:, 3]) * height], axis=1
    )
    around = np.stack([x + xs.min(axis=0), y + ys.min(axis=0), x + xs.max(axis=0), y + ys.max(axis=0)], axis=1)
    made: Array = np.round(np.where((angle == 0)[:, None], upright, around), DECIMALS) + 0.0
    return made


def percents(boxes: Array, size: Array) -> Array:
    """x, y, width, height (n, 4) in per cent of corners (n, 4), with few decimals where they give the same corners."""
    low, extent = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
    exact = np.concatenate([low * 100 / size, extent * 100 / size], axis=1)
    short = np.round(exact, SHORT)
    same = (corners(short, size) == corners(exact, size)).all(axis=1)
    made: Array = np.where(same[:, None], short, exact) + 0.0
    return made


def _as_tasks(data: Dataset) -> tuple[Dataset, Lost]:
    """Data as tasks give them back: corners of 9 decimals, the pairs of two boxes together, labels by names."""
    width, height = data.need("width"), data.need("height")
    unknown = ((width <= 0) | (height <= 0))[data.image_of("box")]
    data = select_boxes(data, ~unknown) if unknown.any() else data
    size = _size(data)
    boxes = corners(percents(data.boxes, size), size)
    moved = int((boxes != data.boxes).any(axis=1).sum())
    made, lost = by_names(_together(data.with_columns(boxes=boxes)))
    return made, lost | {
        "boxes of images of unknown size, with their pairs": int(unknown.sum()),
        f"boxes whose corners have more than {DECIMALS} decimals, rounded": moved,
    }


def _together(data: Dataset) -> Dataset:
    """Pairs of the same two boxes after the first of them: a relation names all their verbs."""
    sides = data.pair_boxes("subject") * (len(data.boxes) + 1) + data.pair_boxes("object")
    _, first, group = np.unique(sides, return_index=True, return_inverse=True)
    order = np.lexsort((np.arange(len(sides)), first[group.reshape(-1)], data.image_of("pair")))
    columns: dict[str, Any] = {name: values[order] for name, values in data.columns("pair").items()}
    return data.with_columns(**columns)


def _size(data: Dataset) -> Array:
    """(B, 2) width and height of the image of each box."""
    image = data.image_of("box")
    return np.stack([data.need("width")[image], data.need("height")[image]], axis=1).astype(np.float64)


HOLDS = Holds(
    label_kinds=("interactions", "verbs"),
    box_frame="continuous",
    always=frozenset({"file_name", "width"}),
    lonely_boxes=True,
    unknown_objects=True,
    also=_as_tasks,
)


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write all subsets as the file `path`, or label-studio.json in the folder `path`, with labels.json beside it."""
    file = path if path.suffix.lower() == ".json" else path / FILE
    refuse_overwrite(file, overwrite)
    held = require_held(parts, HOLDS, "a Label Studio file")
    labels = write_labels(require_same_labels(held), file.parent, overwrite)
    tasks = [task for part in held for task in _tasks(part)]
    write_text(file, "[\n" + ",\n".join(json.dumps(task, ensure_ascii=False) for task in tasks) + "\n]\n")
    return [file, *labels]


def _tasks(data: Dataset) -> list[dict[str, Any]]:
    """A task with one annotation for each image."""
    extras = data.meta.extras.get(EXTRA, {})
    sources, name = extras.get("image", {}), extras.get("field", "image")
    tags = {tag: extras.get(tag, usual) for tag, usual in (("from_name", "label"), ("to_name", "image"))}
    rectangles, relations = _rectangles(data, tags), _relations(data)
    subset = {"subset": data.meta.subset} if data.meta.subset else {}
    made = []
    for i, key in enumerate(data.key.tolist()):
        size = {"width": int(data.need("width")[i]), "height": int(data.need("height")[i])}
        shown = {name: sources.get(key, key), "file_name": key} | size | subset
        mine = rectangles[data.box_offsets[i] : data.box_offsets[i + 1]]
        made.append({"data": shown, "annotations": [{"result": [*mine, *relations.get(i, [])]}]})
    return made


def _rectangles(data: Dataset, tags: dict[str, str]) -> list[dict[str, Any]]:
    objects, size, names = data.meta.labels.objects, _size(data), _ids(data)
    values = percents(data.boxes, size).tolist()
    rows = zip(values, size.astype(int).tolist(), data.categories.tolist(), names, strict=True)
    return [
        {
            "id": name,
            "type": "rectanglelabels",
            **tags,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {
                **dict(zip(("x", "y", "width", "height"), value, strict=True)),
                "rotation": 0,
                "rectanglelabels": [objects[category]] if category >= 0 else [],
            },
        }
        for value, (width, height), category, name in rows
    ]


def _relations(data: Dataset) -> dict[int, list[dict[str, Any]]]:
    """By image, a relation for each two boxes with pairs."""
    verbs, names = data.meta.labels.verbs, _ids(data)
    sides = (data.pair_boxes("subject").tolist(), data.pair_boxes("object").tolist())
    held: dict[tuple[int, int, int], list[str]] = {}
    for image, subject, obj, verb in zip(
        data.image_of("pair").tolist(), *sides, verbs_and_objects(data)[0].tolist(), strict=True
    ):
        held.setdefault((image, subject, obj), []).append(verbs[verb])
    made: dict[int, list[dict[str, Any]]] = {}
    for (image, subject, obj), told in held.items():
        ends = {"from_id": names[subject], "to_id": names[obj]}
        made.setdefault(image, []).append({"type": "relation", **ends, "direction": "right", "labels": told})
    return made


def _ids(data: Dataset) -> list[str]:
    """The id of each box: box-1, box-2, ... in its image."""
    places = np.arange(len(data.boxes)) - data.box_offsets[data.image_of("box")] + 1
    return [f"box-{place}" for place in places.tolist()]
