"""Ids in other people's files as indices into a label space, and back.

Objects are numbered by COCO id (1..90 with gaps), or from 0 in COCO's order, where the number after the last means no
object. Labels are numbered from 0 or from 1. `Ids` says what a format's own files have; where the ids of a file can
only be the other numbering they are read so, and where they could be either that is noted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hoitool.data import Meta
from hoitool.errors import UsageError
from hoitool.labels import LabelSpace

Array = NDArray[Any]
Objects = Literal["contiguous", "coco"]
NOTHING, UNKNOWN = -2, -1  # what an object id means that is no object, or none that is known
NAMES: dict[Objects, str] = {"contiguous": "0-based numbers in COCO's order", "coco": "COCO category ids"}


@dataclass(frozen=True)
class Ids:
    """How a format numbers things.

    objects  how the boxes' classes are numbered, None where boxes have none
    base     what labels count from, 0 or 1
    order    an order of verbs of the format's own, from 0, for the label space that has exactly these
    """

    objects: Objects | None
    base: int
    order: tuple[str, ...] = ()

    def objects_of(self, ids: Array, labels: LabelSpace, notes: list[str]) -> Array:
        """(n,) the object of each id, NOTHING or UNKNOWN; `notes` gets a line where the numbering had to be chosen."""
        mine: Objects = self.objects or "contiguous"
        other: Objects = "coco" if mine == "contiguous" else "contiguous"
        read, read_else = _look_up(ids, labels, mine), _look_up(ids, labels, other)
        if (read_else == UNKNOWN).any() or not len(ids):
            return read
        if (read == UNKNOWN).any():
            notes.append(f"the boxes' category_id are {NAMES[other]}, as the ids show, and not {NAMES[mine]}")
            return read_else
        if (read != read_else).any():
            notes.append(f"the boxes' category_id ({_span(ids)}) could be {NAMES[other]}; read as {NAMES[mine]}")
        return read

    def object_ids(self, labels: LabelSpace) -> Array:
        """(O,) the id of each object. Raises UsageError where COCO ids are wanted and not known."""
        return _object_ids(labels, self.objects or "contiguous")

    def labels_of(self, ids: Array, meta: Meta, notes: list[str]) -> Array:
        """(n,) the label of each id, or UNKNOWN; counted from 0 or 1 as the ids show, else from `base`, noting that."""
        own = self._own_order(meta.labels)
        if own is not None:
            return np.where(_inside(ids, len(own)), own[np.clip(ids, 0, len(own) - 1)], UNKNOWN)
        zero, top = bool((ids == 0).any()), bool((ids == meta.classes).any())
        base = self.base if zero == top else int(top)
        what = f"the pairs' category_id ({meta.label_kind})"
        if base != self.base:
            notes.append(f"{what} count from {base}: there is a {meta.classes if top else 0}")
        elif not zero and not top and len(ids):
            notes.append(f"{what}, {_span(ids)}, could count from 0 or from 1; read as counted from {base}")
        return np.where(_inside(ids - base, meta.classes), ids - base, UNKNOWN)

    def label_ids(self, meta: Meta) -> Array:
        """(labels,) the id of each label."""
        own = self._own_order(meta.labels)
        return np.arange(meta.classes) + self.base if own is None else np.argsort(own)

    def _own_order(self, labels: LabelSpace) -> Array | None:
        if not self.order or sorted(self.order) != sorted(labels.verbs):
            return None
        return np.array([labels.verb_index(name) for name in self.order], np.int64)


def _object_ids(labels: LabelSpace, numbering: Objects) -> Array:
    known = bool((labels.coco_ids >= 0).all())
    if numbering == "contiguous":
        order = np.argsort(labels.coco_ids, kind="stable") if known else np.arange(len(labels.objects))
        return np.argsort(order)
    if not known:
        raise UsageError(f"label space {labels.name!r} has objects without COCO ids")
    return labels.coco_ids.astype(np.int64)


def _look_up(ids: Array, labels: LabelSpace, numbering: Objects) -> Array:
    """(n,) the object of each id in a numbering, NOTHING or UNKNOWN; all unknown where there is no such numbering."""
    try:
        known = _object_ids(labels, numbering)
    except UsageError:
        return np.full(len(ids), UNKNOWN)
    table = np.full(int(known.max(initial=-1)) + 2, UNKNOWN, np.int64)
    table[known] = np.arange(len(known))
    if numbering == "contiguous":
        table[len(known)] = NOTHING
    return np.where(_inside(ids, len(table)), table[np.clip(ids, 0, len(table) - 1)], UNKNOWN)


def _inside(ids: Array, count: int) -> Array:
    inside: Array = (ids >= 0) & (ids < count)
    return inside


def _span(ids: Array) -> str:
    return f"{ids.min()}..{ids.max()}"
