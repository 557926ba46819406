"""What relational pre-training leaves out of scene graphs, each step a named filter with its count.

Steps in the order in which they are done, as RLIP and RLIPv2 do them; without any, nothing is left out.
Source: Yuan et al., RLIP, NeurIPS 2022, and RLIPv2, ICCV 2023: vg_preprocess in their datasets/vg.py, and for what a
model labelled datasets/mixed_dataset.py. The code does not have the step on boxes that its text names; `improper-boxes`
is what the text says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.boxes import iou
from hoitool.convert.scenes import Dropped, Scene
from hoitool.errors import MissingData, UsageError
from hoitool.files import reading
from hoitool.lookup import unknown_name

Renaming = Callable[[str], str]
SELDOM = "relations with a name that occurs too seldom"
TABLES = ("object_alias.txt", "relationship_alias.txt")


def step(default: Any, doc: str) -> Any:
    """A dataclass field for a step: off by default; `doc` is what it leaves out, for counts and messages."""
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True)
class Filters:
    """Which steps are done. Numbers: confident a confidence, redundant the IoU, most and least a count; 0 is off."""

    lower_case: bool = step(False, "names that were not in lower case")
    confident: float = step(0.0, "relations whose confidence is lower than asked for")
    overlapping: bool = step(False, "relations whose two boxes do not overlap")
    repeated: bool = step(False, "relations that repeat subject, predicate and object of another one")
    redundant: float = step(0.0, "relations whose boxes overlap those of the same relation between the same classes")
    most: int = step(0, "relations over the most that an image may have")
    improper_boxes: bool = step(False, "boxes without an area or outside their image")
    aliases: bool = step(False, "names that became the first of their aliases")
    least: int = step(0, SELDOM)


NAMED = {"rlip": Filters(repeated=True, redundant=0.7, most=100, improper_boxes=True)}


def names() -> list[str]:
    """What filters are called: sets of them, and steps."""
    return [*NAMED, *(spec.name.replace("_", "-") for spec in fields(Filters))]


def filters_of(names: Sequence[str]) -> Filters:
    """Filters by name, such as `rlip`, `repeated`, `redundant=0.7`. Raises UsageError for what is none."""
    made = Filters()
    known = {spec.name.replace("_", "-"): spec for spec in fields(Filters)}
    for text in names:
        name, given, value = text.partition("=")
        if name in NAMED and not given:
            steps = {spec.name: getattr(NAMED[name], spec.name) for spec in fields(Filters)}
            made = replace(made, **{name: value for name, value in steps.items() if value})
            continue
        if name not in known:
            raise unknown_name("filter", name, [*NAMED, *known])
        made = replace(made, **{known[name].name: _value(name, known[name].default, given, value)})
    return made


def _value(name: str, default: Any, given: str, text: str) -> Any:
    if isinstance(default, bool):
        if given:
            raise UsageError(f"filter {name!r} takes no value, came {text!r}")
        return True
    try:
        value = type(default)(text)
    except ValueError:
        value = -1
    if not (0 < value <= 1 if isinstance(default, float) else value > 0):
        expected = "a number over 0, to 1" if isinstance(default, float) else "a whole number over 0"
        example = 0.7 if isinstance(default, float) else 100
        raise UsageError(f"filter {name!r} is {text!r}, expected {expected}, such as {name}={example}")
    return value


@dataclass(frozen=True)
class Aliases:
    """Name -> the first of its aliases, for objects and predicates; a name that is in no table stays."""

    objects: Mapping[str, str]
    predicates: Mapping[str, str]


def aliases_beside(folder: Path, needed: bool) -> Aliases:
    """The alias tables in a folder, empty where there are none. Raises MissingData for one that is `needed`."""
    tables = []
    for name in TABLES:
        file = folder / name
        table: dict[str, str] = {}
        if file.is_file():
            with reading(file, "a table of aliases"):
                for line in file.read_text(encoding="utf-8-sig").splitlines():
                    names = line.strip().split(",")
                    table |= dict.fromkeys(names, names[0])
        elif needed:
            raise MissingData(f"{file}: no such file; the filter 'aliases' needs it")
        tables.append(table)
    return Aliases(*tables)


def filtered(scene: Scene, filters: Filters, aliases: Aliases, size: tuple[int, int], dropped: Dropped) -> Scene:
    """An image after the steps that look at one image; `dropped` counts. size: width and height, 0 unknown."""
    done: Dropped = Counter()
    if filters.lower_case:
        done["lower_case"] = _rename(scene, str.lower, str.lower)
    if filters.confident:
        done["confident"] = _keep(scene, _confident(scene, filters.confident))
    if filters.overlapping:
        done["overlapping"] = _keep(scene, [(s, o, p) for s, o, p in scene.relations if _overlap(scene.boxes, s, o)])
    if filters.repeated:
        done["repeated"] = _keep(scene, list(dict.fromkeys(scene.relations)))
    if filters.redundant:
        done["redundant"] = _keep(scene, _without_redundant(scene, filters.redundant, aliases))
    if filters.most:
        done["most"] = _keep(scene, scene.relations[: filters.most])
    if filters.improper_boxes:
        done["improper_boxes"] = _without_improper(scene, size)
    if filters.aliases:
        objects, predicates = aliases.objects, aliases.predicates
        done["aliases"] = _rename(scene, lambda name: objects.get(name, name), lambda name: predicates.get(name, name))
    for spec in fields(Filters):
        if done[spec.name]:
            dropped[spec.metadata["doc"]] += done[spec.name]
    return scene


def without_rare(scene: Scene, objects: set[str], predicates: set[str], dropped: Dropped) -> Scene:
    """An image without the relations of names that are not kept; their objects lose the name."""
    names = scene.names
    kept = [r for r in scene.relations if names[r[0]] in objects and names[r[1]] in objects and r[2] in predicates]
    if len(kept) < len(scene.relations):
        dropped[SELDOM] += len(scene.relations) - len(kept)
    scene.names, scene.relations = [name if name in objects else "" for name in names], kept
    return scene


def _rename(scene: Scene, objects: Renaming, predicates: Renaming) -> int:
    """Rename objects and predicates; how many names changed."""
    names = [objects(name) for name in scene.names]
    relations = [(s, o, predicates(name)) for s, o, name in scene.relations]
    changed = sum(a != b for a, b in zip(names, scene.names, strict=True))
    changed += sum(a != b for a, b in zip(relations, scene.relations, strict=True))
    scene.names, scene.relations = names, relations
    return changed


def _keep(scene: Scene, kept: list[tuple[int, int, str]]) -> int:
    """Leave some relations; how many went."""
    gone = len(scene.relations) - len(kept)
    scene.relations = kept
    return gone


def _confident(scene: Scene, least: float) -> list[tuple[int, int, str]]:
    """Relations of that confidence or more, and those that have none: people drew them."""
    held = zip(scene.relations, scene.confidences, strict=True)
    return [relation for relation, confidence in held if confidence is None or confidence >= least]


def _overlap(boxes: list[list[float]], first: int, second: int) -> bool:
    """Whether two of the boxes x y w h have more than an edge in common."""
    a, b = boxes[first], boxes[second]
    return all(abs(2 * a[i] + a[i + 2] - 2 * b[i] - b[i + 2]) < a[i + 2] + b[i + 2] for i in (0, 1))


def _without_redundant(scene: Scene, least: float, aliases: Aliases) -> list[tuple[int, int, str]]:
    """Relations without those that an earlier one, which stays, says of boxes that overlap by `least` or more."""
    classes = [aliases.objects.get(name, name) for name in scene.names]
    groups: dict[tuple[str, str, str], list[int]] = {}
    for i, (subject, obj, name) in enumerate(scene.relations):
        groups.setdefault((classes[subject], aliases.predicates.get(name, name), classes[obj]), []).append(i)
    gone: set[int] = set()
    for group in groups.values():
        if len(group) > 1:
            gone |= _overlapping(scene, group, least)
    return [relation for i, relation in enumerate(scene.relations) if i not in gone]


def _overlapping(scene: Scene, group: list[int], least: float) -> set[int]:
    """The relations of a group that overlap an earlier one which stays; overlaps as the source measures them."""
    extents = np.array(scene.boxes)
    boxes = np.concatenate([extents[:, :2], extents[:, :2] + extents[:, 2:]], axis=1)
    rows = [scene.relations[i][:2] for i in group]
    sides = [boxes[list(side)] for side in zip(*rows, strict=True)]
    gone = np.zeros(len(group), bool)
    for i in range(len(group) - 1):
        if not gone[i]:
            overlaps = [iou(side[i], side[i + 1 :], "inclusive", single_pixel=False) >= least for side in sides]
            gone[i + 1 :] |= overlaps[0] & overlaps[1]
    return {i for i, left in zip(group, gone.tolist(), strict=True) if left}


def _without_improper(scene: Scene, size: tuple[int, int]) -> int:
    """Leave out boxes without an area or wholly outside their image, with their relations; how many."""
    width, height = (side or float("inf") for side in size)
    proper = [w > 0 and h > 0 and x + w > 0 and y + h > 0 and x < width and y < height for x, y, w, h in scene.boxes]
    if all(proper):
        return 0
    place = np.cumsum(proper) - 1
    for name in ("ids", "names", "boxes"):
        values = getattr(scene, name)
        setattr(scene, name, [value for value, kept in zip(values, proper, strict=True) if kept])
    scene.relations = [
        (int(place[s]), int(place[o]), name) for s, o, name in scene.relations if proper[s] and proper[o]
    ]
    return len(proper) - len(scene.ids)
