"""A label space: the objects, the verbs and the interactions that labels index, 0-based.

An interaction is a (verb, object) pair; its index is what `label` means in sparse HOI data. The official files
of HICO count from 1: `official = index + 1`. Names are the authors' (`cell_phone`); look-ups also take spaces,
hyphens and capitals.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.errors import DataError, UsageError
from hoitool.lookup import unknown_name

RARE_BELOW = 10  # training pairs; Chao et al., WACV 2018, section 5
PARTS = ("objects", "verbs", "interactions")


@dataclass(frozen=True, eq=False)
class LabelSpace:
    """Names and their order. `coco_ids` and `train_instances` are facts about them, -1 where unknown."""

    name: str
    source: str
    objects: tuple[str, ...]
    verbs: tuple[str, ...]
    verbs_ing: tuple[str, ...]
    interaction_verbs: NDArray[np.int32]  # (K,) index into verbs
    interaction_objects: NDArray[np.int32]  # (K,) index into objects
    coco_ids: NDArray[np.int32]  # (O,) COCO category id of each object
    train_instances: NDArray[np.int64]  # (K,) pairs in the training set

    def __repr__(self) -> str:
        return f"<LabelSpace {self.name}: {len(self)} interactions, {self.hash[:12]}>"

    def __len__(self) -> int:
        """The number of interactions."""
        return len(self.interaction_verbs)

    @cached_property
    def matrix(self) -> NDArray[np.int32]:
        """(O, V): the interaction of each object with each verb, -1 where the label space has none."""
        table = np.full((len(self.objects), len(self.verbs)), -1, np.int32)
        table[self.interaction_objects, self.interaction_verbs] = np.arange(len(self))
        return table

    @cached_property
    def rare(self) -> NDArray[np.bool_]:
        """(K,): fewer than 10 training pairs. Raises UsageError where the counts are not known."""
        if (self.train_instances < 0).any():
            raise UsageError(f"label space {self.name!r} has no training counts, so nothing in it is rare or not")
        return self.train_instances < RARE_BELOW

    @cached_property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each part's names in order, which decide whether two label spaces are the same."""
        parts: dict[str, Any] = {
            "objects": self.objects,
            "verbs": self.verbs,
            "interactions": [self.interaction_name(i) for i in range(len(self))],
        }
        return {part: _sha256(list(parts[part])) for part in PARTS}

    @cached_property
    def hash(self) -> str:
        """SHA-256 over all names in order: the identity of the label space."""
        return _sha256([self.hashes[part] for part in PARTS])

    def object_index(self, name: str) -> int:
        """Index of an object by name. Raises UsageError with the nearest names."""
        return _index("object", self._object_index, name)

    def object_of_coco(self, category_id: int) -> int:
        """Index of the object with a COCO category id. Raises UsageError when the label space has none."""
        found = np.flatnonzero(self.coco_ids == category_id)
        if not len(found):
            raise UsageError(f"label space {self.name!r} has no object with the COCO category id {category_id}")
        return int(found[0])

    def verb_index(self, name: str) -> int:
        """Index of a verb by name or -ing form. Raises UsageError with the nearest names."""
        return _index("verb", self._verb_index, name)

    def interaction_index(self, verb: str | int, obj: str | int) -> int:
        """Index of an interaction by its verb and object, each a name or an index. UsageError if there is none."""
        v = self.verb_index(verb) if isinstance(verb, str) else self._in_range("verb", verb, self.verbs)
        o = self.object_index(obj) if isinstance(obj, str) else self._in_range("object", obj, self.objects)
        found = int(self.matrix[o, v])
        if found < 0:
            possible = ", ".join(self.verbs[i] for i in np.flatnonzero(self.matrix[o] >= 0))
            raise UsageError(
                f"label space {self.name!r} has no interaction {self.verbs[v]!r} with {self.objects[o]!r}; "
                f"its verbs for it: {possible}"
            )
        return found

    def _in_range(self, kind: str, index: int, names: tuple[str, ...]) -> int:
        if not 0 <= index < len(names):
            raise UsageError(f"{kind} {index} is outside 0..{len(names) - 1} (label space {self.name!r})")
        return index

    def interaction_name(self, index: int) -> str:
        """`verb object` of an interaction, in the label space's own spelling."""
        return f"{self.verbs[self.interaction_verbs[index]]} {self.objects[self.interaction_objects[index]]}"

    def official(self, index: int) -> int:
        """The 1-based number of an interaction in the official files of HICO."""
        return index + 1

    def from_official(self, number: int) -> int:
        """The index of an interaction by its official 1-based number. UsageError when out of range."""
        if not 1 <= number <= len(self):
            raise UsageError(f"interaction number {number} is outside 1..{len(self)} (label space {self.name!r})")
        return number - 1

    @cached_property
    def person(self) -> int:
        """Index of the object 'person', -1 when the label space has none."""
        return self._object_index.get("person", -1)

    @cached_property
    def _object_index(self) -> dict[str, int]:
        return {_plain(name): i for i, name in enumerate(self.objects)}

    @cached_property
    def _verb_index(self) -> dict[str, int]:
        forms = {_plain(name): i for i, name in enumerate(self.verbs_ing)}
        return forms | {_plain(name): i for i, name in enumerate(self.verbs)}

    def summary(self) -> dict[str, Any]:
        """What a data file says of its label space: name, hash, and the size and hash of each part."""
        counts = {"objects": len(self.objects), "verbs": len(self.verbs), "interactions": len(self)}
        parts = {part: [counts[part], self.hashes[part][:16]] for part in PARTS}
        return {"name": self.name, "hash": self.hash, "parts": parts}

    def save(self, path: Path) -> None:
        """Write the label space as JSON, in the layout of the packaged ones."""
        from hoitool.files import write_text

        write_text(path, dump(self))


def dump(space: LabelSpace) -> str:
    """The JSON text of a label space, one entry a line."""
    verb, obj = space.interaction_verbs, space.interaction_objects
    tables: dict[str, list[list[Any]]] = {
        "objects": [[n, int(c)] for n, c in zip(space.objects, space.coco_ids, strict=True)],
        "verbs": [list(pair) for pair in zip(space.verbs, space.verbs_ing, strict=True)],
        "interactions": [
            [space.verbs[verb[i]], space.objects[obj[i]], int(space.train_instances[i])] for i in range(len(space))
        ],
    }
    heads = {"name": space.name, "source": space.source, "sha256": checksum(tables)}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in heads.items()]
    for key, rows in tables.items():
        lines.append(f" {json.dumps(key)}: [\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n ]")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def parse(text: str, where: str) -> LabelSpace:
    """A label space from its JSON text. Raises DataError when it is malformed or its checksum does not hold."""
    try:
        table = json.loads(text)
        space = build(
            table["name"],
            table["source"],
            objects=[(name, coco) for name, coco in table["objects"]],
            verbs=[(name, ing) for name, ing in table["verbs"]],
            interactions=[(verb, obj, count) for verb, obj, count in table["interactions"]],
        )
        said, held = table["sha256"], checksum(table)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(f"{where}: not a label space ({type(error).__name__}: {error})") from error
    if said != held:
        raise DataError(f"{where}: names the checksum {said!s:.16}, its rows give {held:.16}; it was altered")
    return space


def checksum(table: dict[str, Any]) -> str:
    """SHA-256 over all rows of a label space's JSON, facts included."""
    return _sha256([table[part] for part in PARTS])


def build(
    name: str,
    source: str,
    objects: Sequence[tuple[str, int]],
    verbs: Sequence[tuple[str, str]],
    interactions: Sequence[tuple[str, str, int]],
) -> LabelSpace:
    """A label space from rows: (object, COCO id or -1), (verb, -ing form), (verb, object, training pairs or -1)."""
    object_names, verb_names = [row[0] for row in objects], [row[0] for row in verbs]
    object_at = {name: i for i, name in enumerate(object_names)}
    verb_at = {name: i for i, name in enumerate(verb_names)}
    return LabelSpace(
        name=name,
        source=source,
        objects=tuple(object_names),
        verbs=tuple(verb_names),
        verbs_ing=tuple(row[1] for row in verbs),
        interaction_verbs=np.array([verb_at[row[0]] for row in interactions], np.int32),
        interaction_objects=np.array([object_at[row[1]] for row in interactions], np.int32),
        coco_ids=np.array([row[1] for row in objects], np.int32),
        train_instances=np.array([row[2] for row in interactions], np.int64),
    )


def difference(expected: LabelSpace, came: dict[str, Any]) -> str:
    """How the label space that a file names (its summary) differs from `expected`; empty when it does not."""
    if came.get("hash") == expected.hash:
        return ""
    mine, theirs = expected.summary()["parts"], came.get("parts", {})
    told = []
    for part in PARTS:
        if theirs.get(part) != mine[part]:
            count, digest = theirs[part] if isinstance(theirs.get(part), list) and len(theirs[part]) == 2 else "??"
            told.append(f"{part} ({count} with hash {digest}, expected {mine[part][0]} with {mine[part][1]})")
    if not told:
        return f"label space {came.get('name')!r} names the hash {came.get('hash')!s:.16}, expected {expected.hash:.16}"
    same = [part for part in PARTS if theirs.get(part) == mine[part]]
    agree = f"; the {' and '.join(same)} agree" if same else ""
    return f"label space {came.get('name')!r} differs from {expected.name!r} in its {', '.join(told)}{agree}"


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _index(kind: str, table: dict[str, int], name: str) -> int:
    found = table.get(_plain(name))
    if found is None:
        raise unknown_name(kind, name, table)
    return found


def _sha256(names: list[Any]) -> str:
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()
