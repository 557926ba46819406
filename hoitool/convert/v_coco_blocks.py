"""The rows of vcoco_<subset>.json by action, and the ids of a split: every error names the file and the place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert import coco_instances as coco
from hoitool.convert.fields import brief, member, rows_of, unique
from hoitool.errors import DataError
from hoitool.files import load_json, reading
from hoitool.labels import Role

Array = NDArray[Any]


@dataclass(frozen=True)
class Block:
    """One action of vcoco_*.json: its rows (n,), their labels, and the object of each role but the agent, 0 = none."""

    action: str
    roles: list[Role]
    person: Array
    image: Array
    label: Array
    objects: Array  # (roles, n)


def blocks_of(file: Path) -> list[Block]:
    """The actions of a file, checked against each other."""
    table = rows_of(load_json(file, "official V-COCO annotations", list), str(file))
    blocks = [_block(row, f"{file}: [{i}]") for i, row in enumerate(table)]
    if not blocks:
        raise DataError(f"{file}: holds no actions")
    first = blocks[0]
    unique(first.person, f"{file}: [0].ann_id", "person")
    for i, block in enumerate(blocks):
        for name in ("person", "image"):
            mine, theirs = getattr(block, name), getattr(first, name)
            if not np.array_equal(mine, theirs):
                raise DataError(f"{file}: [{i}] ({block.action}) has other rows than [0] ({first.action})")
    actions = [block.action for block in blocks]
    twice = next((i for i, action in enumerate(actions) if action in actions[:i]), None)
    if twice is not None:
        raise DataError(f"{file}: [{twice}].action_name is {actions[twice]!r}, which an earlier one has too")
    return blocks


def _block(row: dict[str, Any], where: str) -> Block:
    action, names = member(row, "action_name", where, str), member(row, "role_name", where, list)
    include = member(row, "include", where, list)
    if not names or names[0] != "agent" or not all(isinstance(n, str) for n in names) or len(include) != len(names):
        raise DataError(f"{where}: role_name is {names!r} with {len(include)} includes, expected 'agent', then roles")
    if not all(isinstance(told, list) for told in include):
        raise DataError(f"{where}: include is {brief(include)}, expected a list of objects for each role")
    columns = {name: coco.flat_ids(row, name, where) for name in ("ann_id", "image_id", "label", "role_object_id")}
    rows = len(columns["ann_id"])
    for name, times in (("image_id", 1), ("label", 1), ("role_object_id", len(names))):
        if len(columns[name]) != times * rows:
            raise DataError(f"{where}: {name} has {len(columns[name])} entries, expected {times * rows}")
    wrong = (columns["label"] != 0) & (columns["label"] != 1)
    if wrong.any():
        at = int(wrong.argmax())
        raise DataError(f"{where}: label[{at}] is {columns['label'][at]}, expected 0 or 1")
    kept = [Role(action, name, tuple(map(str, inc))) for name, inc in zip(names, include, strict=True)][1:]
    objects = columns["role_object_id"].reshape(len(names), rows)[1:]
    return Block(action, kept or [Role(action, "")], columns["ann_id"], columns["image_id"], columns["label"], objects)


def ids_of(file: Path) -> Array:
    """The image ids of a split file, in its order."""
    made = []
    with reading(file, "the image ids of a split"):
        lines = file.read_text(encoding="utf-8-sig").split()
    for number, line in enumerate(lines, start=1):
        if not line.isascii() or not line.isdigit() or len(line) > 18:
            raise DataError(f"{file}: line {number} is {line[:40]!r}, expected an image id")
        made.append(int(line))
    ids = np.array(made, np.int64)
    unique(ids, str(file), "line")
    return ids
