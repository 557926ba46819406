"""A label space: the objects, the verbs and the interactions that labels index, 0-based.

An interaction is a (verb, object) pair, or a verb alone (object -1); its index is what `label` means in sparse HOI
data. The official files of HICO count from 1: `official = index + 1`. Names are the authors' (`cell_phone`);
look-ups also take spaces, hyphens and capitals.
A label space of the V-COCO kind also has roles: each verb is an action with one of its roles (hit_instr, hit_obj), or
an action without any (stand). Its predictions have one score for each action's agent and one for each role.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.errors import DataError, UsageError
from hoitool.lookup import unknown_name

NOTHING = "-"  # how a label space's file spells the object of a verb alone
RARE_BELOW = 10  # training pairs; Chao et al., WACV 2018, section 5
PARTS = ("objects", "verbs", "interactions")


@dataclass(frozen=True)
class Role:
    """What a verb is in V-COCO's terms: an action, a role ('' for none), and the objects it takes (none named: all)."""

    action: str
    name: str
    include: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class LabelSpace:
    """Names and their order. `coco_ids` and `train_instances` are facts about them, -1 where unknown."""

    name: str
    source: str
    objects: tuple[str, ...]
    verbs: tuple[str, ...]
    verbs_ing: tuple[str, ...]
    interaction_verbs: NDArray[np.int32]  # (K,) index into verbs
    interaction_objects: NDArray[np.int32]  # (K,) index into objects, -1 for a verb alone
    coco_ids: NDArray[np.int32]  # (O,) COCO category id of each object
    train_instances: NDArray[np.int64]  # (K,) pairs in the training set
    roles: tuple[Role, ...] = ()  # one per verb, or none at all

    def __repr__(self) -> str:
        return f"<LabelSpace {self.name}: {len(self)} interactions, {self.hash[:12]}>"

    def __len__(self) -> int:
        """The number of interactions."""
        return len(self.interaction_verbs)

    @cached_property
    def matrix(self) -> NDArray[np.int32]:
        """(O + 1, V): the interaction of each object with each verb, -1 where there is none; row -1: verbs alone."""
        table = np.full((len(self.objects) + 1, len(self.verbs)), -1, np.int32)
        table[self.interaction_objects, self.interaction_verbs] = np.arange(len(self))
        return table

    @cached_property
    def possible(self) -> NDArray[np.bool_]:
        """(V, O): which verbs take which objects: by the roles, else by the interactions."""
        if not self.roles:
            return self.matrix[:-1].T >= 0
        table = np.zeros((len(self.verbs), len(self.objects)), bool)
        for v, role in enumerate(self.roles):
            table[v, [self.object_index(name) for name in role.include] or slice(None)] = True
        return table

    @cached_property
    def actions(self) -> tuple[str, ...]:
        """The actions of a label space with roles, in order."""
        return tuple(dict.fromkeys(role.action for role in self.roles))

    @cached_property
    def verb_actions(self) -> NDArray[np.int64]:
        """(V,): the action of each verb, an index into `actions`."""
        return np.array([self.actions.index(role.action) for role in self.roles], np.int64)

    @cached_property
    def role_verbs(self) -> NDArray[np.int64]:
        """(R,): the verbs that are roles; the others are actions without any."""
        return np.flatnonzero([bool(role.name) for role in self.roles])

    @cached_property
    def agents_and_roles(self) -> tuple[str, ...]:
        """What predictions of a label space with roles score: hold_agent, ... for actions, then hold_obj, ..."""
        return tuple([f"{action}_agent" for action in self.actions] + [self.verbs[v] for v in self.role_verbs])

    @cached_property
    def rare(self) -> NDArray[np.bool_]:
        """(K,): fewer than 10 training pairs. Raises UsageError where the counts are not known."""
        if (self.train_instances < 0).any():
            raise UsageError(self._uncounted)
        return self.train_instances < RARE_BELOW

    @property
    def rare_means(self) -> str:
        """What is rare here, in words that name the training set. Raises UsageError where the counts are not known."""
        if (self.train_instances < 0).any():
            raise UsageError(self._uncounted)
        total = int(self.train_instances.sum())
        return f"fewer than {RARE_BELOW} of the {total:,} training pairs that label space {self.name!r} counts"

    @property
    def _uncounted(self) -> str:
        return f"label space {self.name!r} has no training counts, so nothing in it is rare or not"

    @cached_property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each part's names in order, which decide whether two label spaces are the same."""
        parts: dict[str, Any] = {
            "objects": self.objects,
            "verbs": self.verbs,
            "interactions": [self.interaction_name(i) for i in range(len(self))],
        }
        if self.roles:
            parts["verbs"] = [list(row) for row in zip(self.verbs, _role_rows(self), strict=True)]
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
        """Index of an interaction by its verb and object (-1: none), each a name or an index. UsageError if absent."""
        v = self.verb_index(verb) if isinstance(verb, str) else self._in_range("verb", verb, self.verbs)
        if obj == -1 and self.matrix[-1, v] >= 0:
            return int(self.matrix[-1, v])
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
        """`verb object` of an interaction, in the label space's own spelling; the verb where it has no object."""
        verb, obj = self.verbs[self.interaction_verbs[index]], int(self.interaction_objects[index])
        return verb if obj < 0 else f"{verb} {self.objects[obj]}"

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

    def save(self, path: Path | str) -> None:
        """Write the label space as JSON, in the layout of the packaged ones."""
        from hoitool.files import write_text

        write_text(Path(path), dump(self))


def dump(space: LabelSpace) -> str:
    """The JSON text of a label space, one entry a line."""
    verb, obj = space.interaction_verbs, space.interaction_objects
    tables: dict[str, list[list[Any]]] = {
        "objects": [[n, int(c)] for n, c in zip(space.objects, space.coco_ids, strict=True)],
        "verbs": [list(pair) for pair in zip(space.verbs, space.verbs_ing, strict=True)],
        "interactions": [
            [space.verbs[v], space.objects[o] if o >= 0 else NOTHING, int(n)]
            for v, o, n in zip(verb.tolist(), obj.tolist(), space.train_instances, strict=True)
        ],
    }
    if space.roles:
        tables["roles"] = _role_rows(space)
    heads = {"name": space.name, "source": space.source, "sha256": checksum(tables)}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in heads.items()]
    for key, rows in tables.items():
        lines.append(f" {json.dumps(key)}: [\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n ]")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def parse(text: str, where: str) -> LabelSpace:
    """A label space from its JSON text. Raises DataError when it is malformed or its checksum does not hold."""
    try:
        table = json.loads(text.removeprefix("\ufeff"))
        for told in (table["name"], table["source"], *(row[0] for part in PARTS for row in table[part])):
            if not isinstance(told, str):
                raise TypeError(f"{told!r:.40} in place of a name")
        space = build(
            table["name"],
            table["source"],
            objects=[(name, coco) for name, coco in table["objects"]],
            verbs=[(name, ing) for name, ing in table["verbs"]],
            interactions=[(verb, obj, count) for verb, obj, count in table["interactions"]],
            roles=[Role(action, role, tuple(include)) for action, role, include in table.get("roles", [])],
        )
        said, held = table["sha256"], checksum(table)
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(f"{where}: not a label space ({type(error).__name__}: {error})") from error
    if said != held:
        raise DataError(f"{where}: names the checksum {said!s:.16}, its rows give {held:.16}; it was altered")
    return space


def checksum(table: dict[str, Any]) -> str:
    """SHA-256 over all rows of a label space's JSON, facts included."""
    return _sha256([table[part] for part in (*PARTS, "roles") if part in table])


def _role_rows(space: LabelSpace) -> list[list[Any]]:
    return [[role.action, role.name, list(role.include)] for role in space.roles]


def build(
    name: str,
    source: str,
    objects: Sequence[tuple[str, int]],
    verbs: Sequence[tuple[str, str]],
    interactions: Sequence[tuple[str, str, int]],
    roles: Sequence[Role] = (),
) -> LabelSpace:
    """A label space from rows: (object, COCO id or -1), (verb, -ing form), (verb, object, training pairs or -1).

    An object spelled `-` is none. roles: one per verb. Raises ValueError for roles that are not one per verb, KeyError
    for a name that is in no table.
    """
    object_names, verb_names = [row[0] for row in objects], [row[0] for row in verbs]
    object_at = {NOTHING: -1} | {name: i for i, name in enumerate(object_names)}
    if roles and len(roles) != len(verb_names):
        raise ValueError(f"{len(roles)} roles for {len(verb_names)} verbs")
    actions = [action for action, _ in groupby(role.action for role in roles)]
    if len(set(actions)) < len(actions):
        raise ValueError("the roles of an action do not stand beside each other")
    verb_at = {name: i for i, name in enumerate(verb_names)}
    return LabelSpace(
        name=name,
        source=source,
        objects=tuple(object_names),
        verbs=tuple(verb_names),
        verbs_ing=tuple(row[1] for row in verbs),
        interaction_verbs=np.array([verb_at[row[0]] for row in interactions], np.int32),
        interaction_objects=np.array([object_at[row[1]] for row in interactions], np.int32),
        coco_ids=_int32([row[1] for row in objects]),
        train_instances=np.array([row[2] for row in interactions], np.int64),
        roles=tuple(roles),
    )


def _int32(values: list[int]) -> NDArray[np.int32]:
    """The numbers as int32. OverflowError for one that is too large, which NumPy 1 would only warn of."""
    made = np.array(values, np.int64)
    if (made != made.astype(np.int32)).any():
        raise OverflowError("a number does not fit into 32 bits")
    return made.astype(np.int32)


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
