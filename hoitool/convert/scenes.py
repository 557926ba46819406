"""Scene graphs as a stream: one image after the other out of a JSON list of any length, each checked.

An image: image_id; objects (object_id, x, y, w, h, names or name: a text, or a list of which the first counts);
relationships (predicate, subject_id, object_id: ids of the image's objects). In relationships.json a relationship holds
its two objects whole, and the image lists none. RLIPv2's pseudo-labelled images also say dataset and data_split, their
relationships confidence; hoitool's own may say file_name. What means nothing is left out and counted by reason.
Source: visualgenome.org/api/v0/api_readme; Krishna et al., IJCV 2017; RLIPv2's generate_relations_using_verb_tagger.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hoitool.convert.fields import brief
from hoitool.convert.json_stream import items
from hoitool.errors import DataError
from hoitool.files import reading

Dropped = Counter[str]
LARGEST = 1e300  # beyond it areas overflow
REPEATED_ID = "objects whose id stands before in their image"
NO_OBJECT = "relationships with an object that their image does not have"
SEVERAL = "names of objects after the first"
CONFIDENCES = "confidences of relations, which annotations have no place for"


@dataclass
class Scene:
    """One image: objects with their ids, names ('' none) and boxes x y w h; relations (subject, object, predicate).

    confidences  of the relations as they were read, None where one has none; filters take them along no further
    file_name    the key of the image where the file says it; dataset, data_split: '' where it does not
    """

    image_id: int
    ids: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    boxes: list[list[float]] = field(default_factory=list)
    relations: list[tuple[int, int, str]] = field(default_factory=list)
    confidences: list[float | None] = field(default_factory=list)
    file_name: str | None = None
    dataset: str = ""
    data_split: str = ""


def scenes(file: Path, dropped: Dropped) -> Iterator[Scene]:
    """The images of a file. Raises DataError, naming image and field; counts in `dropped` what means nothing."""
    with reading(file, "scene graphs"):
        for i, image in enumerate(items(file, "scene graphs")):
            yield _scene(image, f"{file}[{i}]", dropped)


def _scene(image: dict[str, Any], where: str, dropped: Dropped) -> Scene:
    scene = Scene(integer(image, "image_id", where), file_name=optional_text(image, "file_name", where))
    scene.dataset, scene.data_split = (optional_text(image, name, where) or "" for name in ("dataset", "data_split"))
    places: dict[int, int] = {}
    for j, row in enumerate(_rows(image, "objects", where, optional=True)):
        if not _add(scene, places, row, f"{where}.objects[{j}]", dropped):
            dropped[REPEATED_ID] += 1
    for j, row in enumerate(_rows(image, "relationships", where, optional="objects" in image)):
        _relate(scene, places, row, f"{where}.relationships[{j}]", dropped)
    return scene


def _add(scene: Scene, places: dict[int, int], row: dict[str, Any], where: str, dropped: Dropped) -> bool:
    """Add an object; False where its id is there already."""
    number = integer(row, "object_id", where)
    if number in places:
        return False
    places[number] = len(scene.ids)
    scene.ids.append(number)
    scene.names.append(_name(row, where, dropped))
    scene.boxes.append([_number(row, name, where) for name in ("x", "y", "w", "h")])
    return True


def _relate(scene: Scene, places: dict[int, int], row: dict[str, Any], where: str, dropped: Dropped) -> None:
    """Add a relation, with its two objects where it holds them."""
    ends = []
    for side in ("subject", "object"):
        held = row.get(side)
        if held is None:
            ends.append(places.get(integer(row, f"{side}_id", where), -1))
            continue
        if not isinstance(held, dict):
            raise DataError(f"{where}.{side} is {brief(held)}, expected an object {{...}}")
        _add(scene, places, held, f"{where}.{side}", dropped)
        ends.append(places[held["object_id"]])
    predicate = row.get("predicate")
    if not isinstance(predicate, str):
        raise DataError(f"{where}.predicate is {brief(predicate)}, expected text")
    if min(ends) < 0:
        dropped[NO_OBJECT] += 1
    else:
        scene.relations.append((ends[0], ends[1], predicate))
        scene.confidences.append(_confidence(row, where, dropped))


def _confidence(row: dict[str, Any], where: str, dropped: Dropped) -> float | None:
    if "confidence" not in row:
        return None
    dropped[CONFIDENCES] += 1
    return _number(row, "confidence", where)


def _rows(image: dict[str, Any], name: str, where: str, optional: bool) -> list[dict[str, Any]]:
    rows = image.get(name, [] if optional else None)
    if not isinstance(rows, list):
        raise DataError(f"{where}.{name} is {brief(rows)}, expected a list")
    for j, row in enumerate(rows):
        if not isinstance(row, dict):
            raise DataError(f"{where}.{name}[{j}] is {brief(row)}, expected an object {{...}}")
    return rows


def _name(row: dict[str, Any], where: str, dropped: Dropped) -> str:
    """The first name of an object, '' where it has none."""
    names = row["names"] if "names" in row else row.get("name")
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{where}.names is {brief(names)}, expected a list of texts")
    if len(names) > 1:
        dropped[SEVERAL] += len(names) - 1
    return names[0] if names else ""


def integer(row: dict[str, Any], name: str, where: str) -> int:
    """A member that is an integer, which fits 64 bits."""
    value = row.get(name)
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    raise DataError(f"{where}.{name} is {brief(value)}, expected an integer")


def optional_text(row: dict[str, Any], name: str, where: str) -> str | None:
    """A member that is a text, None where there is none."""
    value = row.get(name)
    if value is None or isinstance(value, str):
        return value
    raise DataError(f"{where}.{name} is {brief(value)}, expected text")


def _number(row: dict[str, Any], name: str, where: str) -> float:
    value = row.get(name)
    if (type(value) is int or type(value) is float) and -LARGEST < value < LARGEST:
        return float(value)
    raise DataError(f"{where}.{name} is {brief(value)}, expected a finite number")
