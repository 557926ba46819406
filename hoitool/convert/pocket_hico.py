"""A file of fredzzhang's hicodet repository: pairs of HICO-DET, or of data of the same shape.

Layout: filenames; size ([w, h] of each); annotation, one object per image: boxes_h, boxes_o (x1 y1 x2 y2), hoi, object,
verb (0-based, one per pair); empty (indices of images without pairs); objects, verbs (names); correspondence
([hoi, object, verb] of each interaction; object -1: the verb alone); rare, non_rare (interactions).
Frame: one-based pixel indices there, the inclusive zero-based frame here (minus 1). Label kind: interactions.
The authors number objects in COCO's order, in older files alphabetically: names decide.
Source: hicodet.py, DOC.md and convert.py of that repository; its two instances_*2015.json.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hoitool.convert.fields import (
    Spread,
    integer_table,
    member,
    names,
    rows_of,
    same_counts,
    spread_integers,
    spread_numbers,
)
from hoitool.convert.fit import Holds, Lost
from hoitool.convert.paired import paired_columns, people_with_objects
from hoitool.data import Dataset, Meta, strings
from hoitool.data.dataset import Array
from hoitool.errors import DataError, UsageError
from hoitool.labels import LABEL_SPACES, NOTHING, LabelSpace, build, load_labels

WORDS = ("annotation", "filenames", "boxes_h", "correspondence")
SPACE = "hico"


def held(data: Dataset) -> tuple[Dataset, Lost]:
    """Data as they come back: pairs of people with objects, each with two boxes of its own."""
    data, lost = people_with_objects(data)
    boxes = (data.boxes + 1) - 1
    lost["boxes with more digits than one-based numbers keep"] = int((boxes != data.boxes).any(axis=1).sum())
    return data.with_columns(boxes=boxes), lost


HOLDS = Holds(box_frame="inclusive", always=frozenset({"file_name", "width"}), unknown_objects=True, also=held)


def dataset(content: dict[str, Any], file: Path, subset: str, name: str) -> tuple[Dataset, list[str]]:
    """The images and pairs of a file's JSON, and what else to know. Raises DataError with the place of what is wrong.

    name  what to call the data and their label space where it is not HICO's
    """
    where = f"{file}: annotation"
    rows = rows_of(member(content, "annotation", str(file), list), where)
    keys = strings(names(content, "filenames", str(file)))
    if len(keys) != len(rows):
        raise DataError(f"{file}: {len(keys)} filenames for {len(rows)} annotations")
    tables = _tables(content, file, name)
    human, obj = (spread_numbers(rows, field, where, 4) for field in ("boxes_h", "boxes_o"))
    hoi = spread_integers(rows, "hoi", where, 0, len(tables.labels) - 1)
    number = spread_integers(rows, "object", where, 0, len(tables.objects) - 1)
    verb = spread_integers(rows, "verb", where, 0, len(tables.verbs) - 1)
    counts = same_counts({"boxes_h": human, "boxes_o": obj, "hoi": hoi, "object": number, "verb": verb}, where)
    label, category = tables.labels[hoi.values], tables.objects[number.values]
    space = tables.space
    _check_verbs(verb, tables.verbs[verb.values] != space.interaction_verbs[label], hoi)
    size = integer_table(content, "size", str(file), 2) if "size" in content else np.zeros((len(keys), 2))
    if len(size) != len(keys):
        raise DataError(f"{file}: {len(size)} sizes for {len(keys)} filenames")
    meta = Meta(space, dataset="hico-det" if space.name == SPACE else name, subset=subset, box_frame="inclusive")
    made = Dataset(
        meta=meta,
        key=keys,
        file_name=keys,
        width=size[:, 0].astype(np.int32),
        height=size[:, 1].astype(np.int32),
        **paired_columns(human.values - 1, obj.values - 1, counts, space.person, category, label),
    )
    other = int((category != space.interaction_objects[label]).sum())
    return made, [f"{file}: {other:,} pairs with an object of another class than their interaction's"] if other else []


def content(data: Dataset) -> dict[str, Any]:
    """The JSON of a fitted part."""
    labels = data.meta.labels
    order = _order(labels)
    number = np.argsort(order)
    label, category = data.need("label"), data.categories[1::2]
    boxes = data.boxes + 1
    columns = {
        "boxes_h": boxes[0::2].tolist(),
        "boxes_o": boxes[1::2].tolist(),
        "hoi": label.tolist(),
        "object": number[category].tolist(),
        "verb": labels.interaction_verbs[label].tolist(),
    }
    starts = data.pair_offsets.tolist()
    of_interaction = np.where(labels.interaction_objects < 0, -1, number[labels.interaction_objects])
    made = {
        "annotation": [{name: values[a:b] for name, values in columns.items()} for a, b in pairwise(starts)],
        "filenames": data.key.tolist(),
        "empty": np.flatnonzero(data.counts("pair") == 0).tolist(),
        "objects": [labels.objects[o] for o in order.tolist()],
        "verbs": list(labels.verbs),
        "correspondence": np.stack([np.arange(len(labels)), of_interaction, labels.interaction_verbs], axis=1).tolist(),
        "size": np.stack([data.need("width"), data.need("height")], axis=1).tolist(),
    }
    if (labels.train_instances >= 0).all():
        made |= {"rare": np.flatnonzero(labels.rare).tolist(), "non_rare": np.flatnonzero(~labels.rare).tolist()}
    return made


def _order(labels: LabelSpace) -> Array:
    """(O,) the objects as a file numbers them: HICO's as COCO does, others as they are."""
    if labels.hash == load_labels(SPACE).hash:
        return np.argsort(labels.coco_ids, kind="stable")
    return np.arange(len(labels.objects))


class _Tables(NamedTuple):
    """What the numbers of a file mean in the label space."""

    space: LabelSpace
    labels: Array  # (K,) by hoi
    objects: Array  # (O,) by object
    verbs: Array  # (V,) by verb


def _tables(content: dict[str, Any], file: Path, name: str) -> _Tables:
    """HICO's label space where the file's names and correspondence are its, else one made of them."""
    objects, verbs = names(content, "objects", str(file)), names(content, "verbs", str(file))
    rows = integer_table(content, "correspondence", str(file), 3)
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    if not np.array_equal(rows[:, 0], np.arange(len(rows))):
        raise DataError(f"{file}: correspondence does not name the interactions 0..{len(rows) - 1} once each")
    for column, field, least, count in ((1, "object", -1, len(objects)), (2, "verb", 0, len(verbs))):
        wrong = (rows[:, column] < least) | (rows[:, column] >= count)
        if wrong.any():
            row = rows[int(wrong.argmax())]
            raise DataError(f"{file}: correspondence of interaction {row[0]}: {field} {row[column]} of {count}")
    hico = load_labels(SPACE)
    try:
        made = _Tables(
            hico,
            np.arange(len(rows)),
            np.array([hico.object_index(text) for text in objects], int),
            np.array([hico.verb_index(text) for text in verbs], int),
        )
        if len(rows) == len(hico) and np.array_equal(
            hico.matrix[made.objects[rows[:, 1]], made.verbs[rows[:, 2]]], made.labels
        ):
            return made
    except UsageError:
        pass
    return _Tables(_own_space(objects, verbs, rows, file, name), *(np.arange(len(t)) for t in (rows, objects, verbs)))


def _own_space(objects: list[str], verbs: list[str], rows: Array, file: Path, name: str) -> LabelSpace:
    hico = load_labels(SPACE)
    coco = {text: int(number) for text, number in zip(hico.objects, hico.coco_ids, strict=True)}
    ing = dict(zip(hico.verbs, hico.verbs_ing, strict=True))
    return build(
        name=file.stem if name in LABEL_SPACES else name,
        source=f"objects, verbs and correspondence of {file.name}",
        objects=[(text, coco.get(text, -1)) for text in objects],
        verbs=[(text, ing.get(text, text)) for text in verbs],
        interactions=[(verbs[v], objects[o] if o >= 0 else NOTHING, -1) for _, o, v in rows.tolist()],
    )


def _check_verbs(verb: Spread, wrong: Array, hoi: Spread) -> None:
    if wrong.any():
        entry = int(wrong.argmax())
        raise DataError(
            f"{verb.at(entry)} is {verb.values[entry]}, which is not the verb of interaction {hoi.values[entry]}"
        )
