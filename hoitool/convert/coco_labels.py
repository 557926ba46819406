"""The label space of COCO with relations: categories are objects, predicates are verbs, both in ascending id.

A packaged label space is taken where a file's categories (names by COCO id) and predicates (names) are its own; of a
file without predicates where the categories are spelled as there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hoitool.convert.coco_instances import Instances, category_ids
from hoitool.convert.fields import integers, positions, rows_of, texts, unique
from hoitool.data import Meta
from hoitool.data.class_groups import EXTRA as LVIS
from hoitool.data.dataset import Array
from hoitool.errors import DataError, UsageError
from hoitool.labels import LABEL_SPACES, NOTHING, LabelSpace, build, load_labels

NONE = -1  # category ids are not negative
OWN = 1001  # the first category id in result files of objects that are none of COCO's


def category_numbers(labels: LabelSpace) -> list[int]:
    """The category id of each object: COCO's where readers then find the objects in their order, else 1, 2, ..."""
    known = category_ids(labels.coco_ids)
    if _packaged(labels) or known == sorted(known):
        return known
    return list(range(1, len(known) + 1))


def numbers_of(meta: Meta) -> list[int]:
    """The category id of each object in result files: what LVIS's annotations say, else COCO's, else 1, 2, ...

    Where only some objects are COCO's the others count from 1001.
    """
    said: list[int] | None = meta.extras.get(LVIS, {}).get("category_ids")
    if said is not None:
        return said
    known = meta.labels.coco_ids
    first = np.isin(np.arange(len(known)), np.unique(known, return_index=True)[1]) & (known >= 0)
    others = np.arange(len(known)) + (OWN if first.any() else 1)
    made: list[int] = np.where(first, known, others).tolist()
    return made


def interaction_rows(labels: LabelSpace, numbers: list[int]) -> list[dict[str, Any]] | None:
    """The interactions of a label space by predicate and category id, None where it is packaged and need not say."""
    if _packaged(labels):
        return None
    pairs = zip(labels.interaction_verbs.tolist(), labels.interaction_objects.tolist(), strict=True)
    return [{"predicate_id": v + 1, "category_id": numbers[o] if o >= 0 else None} for v, o in pairs]


def label_space(
    table: dict[str, Any], instances: Instances, present: Array, file: Path, name: str
) -> tuple[LabelSpace, Array, Array]:
    """The label space of a file's content, and what its categories (C,) and predicates (V,) are in it.

    present  (R, 2) verb and category (-1: none) of each relation, as indices in ascending id
    name     what to call a label space that is not packaged; the file's own name where it is a packaged one's
    """
    rows = rows_of(table.get("predicates", []), f"{file}: predicates")
    ids, names = (read(rows, field, f"{file}: predicates") for read, field in ((integers, "id"), (texts, "name")))
    unique(ids, f"{file}: predicates")
    unique(names, f"{file}: predicates", "name")
    order = np.argsort(ids)
    verbs, objects = names[order].tolist(), instances.category_names
    alone = "predicates" not in table
    for packaged in sorted(map(load_labels, LABEL_SPACES), key=lambda space: len(space.verbs)):
        if alone and set(packaged.objects) != set(objects):
            continue  # the spelling tells label spaces with the same objects apart
        if found := _found(packaged, instances.category_ids, objects, [*packaged.verbs] if alone else verbs):
            return packaged, *found
    again = next((text for i, text in enumerate(objects) if text in objects[:i] or text == NOTHING), None)
    if again is not None:
        raise DataError(f"{file}: categories: the name {again!r} stands twice or means nothing; names decide")
    by_object = np.unique(present[:, ::-1], axis=0)[:, ::-1]  # then by verb
    interactions = _listed(table, ids[order], instances, file) if "interactions" in table else by_object.tolist()
    space = build(
        name=file.stem if name in LABEL_SPACES else name,
        source=f"categories, predicates and relations of {file.name}",
        objects=list(zip(objects, instances.category_ids.tolist(), strict=True)),
        verbs=[(text, text) for text in verbs],
        interactions=[(verbs[v], objects[o] if o >= 0 else NOTHING, -1) for v, o in interactions],
    )
    return space, np.arange(len(objects), dtype=np.int32), np.arange(len(verbs), dtype=np.int32)


def _packaged(labels: LabelSpace) -> bool:
    return any(load_labels(name).hash == labels.hash for name in LABEL_SPACES)


def _found(labels: LabelSpace, numbers: Array, objects: list[str], verbs: list[str]) -> tuple[Array, Array] | None:
    """The file's categories and predicates in a packaged label space, None where they are not its own."""
    if len(objects) != len(labels.objects) or len(verbs) != len(labels.verbs):
        return None
    try:
        category = np.array([labels.object_index(text) for text in objects], np.int32)
        verb = np.array([labels.verb_index(text) for text in verbs], np.int32)
    except UsageError:
        return None
    own = np.array_equal(labels.coco_ids[category], numbers) and len(set(verb.tolist())) == len(verbs)
    return (category, verb) if own else None


def _listed(table: dict[str, Any], predicates: Array, instances: Instances, file: Path) -> list[list[int]]:
    """The verb and object (-1: none) of each of a file's interactions."""
    where = f"{file}: interactions"
    rows = rows_of(table.get("interactions", []), where)
    verb = positions(predicates, integers(rows, "predicate_id", where), where, "predicate_id", "predicate")
    known = np.append(instances.category_ids, NONE)
    filled = [{"category_id": NONE} if row.get("category_id") is None else row for row in rows]
    obj = positions(known, integers(filled, "category_id", where), where, "category_id", "category")
    made = np.stack([verb, np.where(known[obj] == NONE, -1, obj)], axis=1)
    if len(np.unique(made, axis=0)) < len(made):
        raise DataError(f"{where}: a verb with an object stands twice in it")
    pairs: list[list[int]] = made.tolist()
    return pairs
