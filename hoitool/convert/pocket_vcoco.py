"""A file of fredzzhang's vcoco repository: pairs of V-COCO by action-role.

Layout: annotations, one object per image: boxes_h, boxes_o (x1 y1 x2 y2), actions (0-based into classes), objects
(into objects, whose first is the background), file_name; classes ('hold obj': action and role); images (COCO ids);
action_to_object (the objects of each class). Older files have no list of objects, and COCO's category ids.
Frame: continuous, x2 = x + w as floating-point addition gives it. Label kind: verbs. Label space: V-COCO's.
Source: vcoco.py and utilities/generate_annotations.py of that repository; its four instances_vcoco_*.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.convert.fields import (
    integer_list,
    member,
    names,
    rows_of,
    same_counts,
    spread_integers,
    spread_numbers,
    texts,
)
from hoitool.convert.fit import Holds, Lost
from hoitool.convert.paired import own_boxes, paired_columns, people_with_objects
from hoitool.data import Dataset, Meta, select_pairs
from hoitool.data.dataset import Array
from hoitool.data.image_ids import exceptions, image_ids
from hoitool.errors import DataError, UsageError
from hoitool.labels import load_labels

WORDS = ("annotations", "boxes_h", "actions", "classes")
SPACE = "v-coco"
BACKGROUND = "background"
LEFT_OUT = "point_instr"  # of V-COCO's 25 action-roles, the one that the authors leave out


def held(data: Dataset) -> tuple[Dataset, Lost]:
    """Data as they come back: pairs of people with objects by class, each with two boxes of its own."""
    known = np.isin(data.need("label"), _classes())
    data, lost = people_with_objects(select_pairs(data, known))
    order = np.lexsort((data.need("label"), data.image_of("pair")))
    pairs: dict[str, Any] = {name: values[order] for name, values in data.columns("pair").items()}
    data = data.with_columns(**pairs)
    lost["pairs that point at an object or name a body motion"] = int((~known).sum())
    return own_boxes(data), lost


HOLDS = Holds(
    label_kinds=("verbs",), box_frame="continuous", always=frozenset({"file_name"}), unknown_objects=True, also=held
)


def dataset(content: dict[str, Any], file: Path, subset: str) -> Dataset:
    """The images and pairs of a file's JSON. Raises DataError with the place of what is wrong."""
    where = f"{file}: annotations"
    rows = rows_of(member(content, "annotations", str(file), list), where)
    verbs, objects = _verbs(content, file), _objects(content, file)
    human, obj = (spread_numbers(rows, name, where, 4) for name in ("boxes_h", "boxes_o"))
    action = spread_integers(rows, "actions", where, 0, len(verbs) - 1)
    number = spread_integers(rows, "objects", where, 1, len(objects) - 1)
    counts = same_counts({"boxes_h": human, "boxes_o": obj, "actions": action, "objects": number}, where)
    category = objects[number.values]
    if (category < 0).any():
        entry = int((category < 0).argmax())
        raise DataError(f"{number.at(entry)} is {number.values[entry]}, expected a category id of COCO")
    keys = texts(rows, "file_name", where)
    known = _known_ids(content, keys, file)
    meta = Meta(
        load_labels(SPACE),
        dataset=SPACE,
        subset=subset,
        label_kind="verbs",
        box_frame="continuous",
        extras={"coco": {"image_ids": known}} if known else {},
    )
    columns = paired_columns(human.values, obj.values, counts, meta.labels.person, category, verbs[action.values])
    return Dataset(meta=meta, key=keys, file_name=keys, **columns)


def contents(parts: Sequence[Dataset]) -> list[dict[str, Any]]:
    """The JSON of fitted parts, in which a class takes the objects that it has in any of them or in the label space."""
    labels = load_labels(SPACE)
    taken = np.zeros((len(labels.verbs), len(labels.objects)), bool)
    with_object = labels.interaction_objects >= 0
    taken[labels.interaction_verbs[with_object], labels.interaction_objects[with_object]] = True
    for part in parts:
        taken[part.need("label"), part.categories[1::2]] = True
    shared = {
        "classes": [f"{labels.roles[v].action} {labels.roles[v].name}" for v in _classes()],
        "objects": [BACKGROUND, *labels.objects],
    }
    objects = [(np.flatnonzero(row) + 1).tolist() for row in taken[_classes()]]
    return [
        {"annotations": _annotations(part), **shared, "images": image_ids(part).tolist(), "action_to_object": objects}
        for part in parts
    ]


def _annotations(data: Dataset) -> list[dict[str, Any]]:
    class_of = np.full(len(data.meta.labels.verbs), -1)
    class_of[_classes()] = np.arange(len(_classes()))
    columns = {
        "boxes_h": data.boxes[0::2].tolist(),
        "boxes_o": data.boxes[1::2].tolist(),
        "actions": class_of[data.need("label")].tolist(),
        "objects": (data.categories[1::2] + 1).tolist(),
    }
    starts = data.pair_offsets.tolist()
    return [
        {**{name: values[a:b] for name, values in columns.items()}, "file_name": key}
        for key, a, b in zip(data.key.tolist(), starts[:-1], starts[1:], strict=True)
    ]


def _classes() -> Array:
    """(24,) the verbs that are classes: those with a role, without point_instr."""
    labels = load_labels(SPACE)
    return np.array([v for v in labels.role_verbs.tolist() if labels.verbs[v] != LEFT_OUT], np.int64)


def _verbs(content: dict[str, Any], file: Path) -> Array:
    """(C,) the verb of each class of a file. Raises DataError for one that V-COCO does not have."""
    try:
        return np.array([load_labels(SPACE).verb_index(name) for name in names(content, "classes", str(file))], int)
    except UsageError as error:
        raise DataError(f"{file}: classes: {error}") from error


def _objects(content: dict[str, Any], file: Path) -> Array:
    """The object of each number in a file, -1 for the background and for numbers that mean none."""
    labels = load_labels(SPACE)
    if "objects" not in content:
        made = np.full(int(labels.coco_ids.max()) + 1, -1)
        made[labels.coco_ids] = np.arange(len(labels.objects))
        return made
    try:
        return np.array([-1, *(labels.object_index(name) for name in names(content, "objects", str(file))[1:])], int)
    except UsageError as error:
        raise DataError(f"{file}: objects: {error}") from error


def _known_ids(content: dict[str, Any], keys: Array, file: Path) -> dict[str, int]:
    """The images' COCO ids that their names do not say."""
    if "images" not in content:
        return {}
    ids = integer_list(content, "images", str(file))
    if len(ids) != len(keys):
        raise DataError(f"{file}: {len(ids)} images for {len(keys)} annotations")
    return exceptions(keys, ids)
