"""What the tasks of a Label Studio export say: the images' names, rectangles with classes, relations with verbs.

Of each task the first annotation that is not cancelled is taken. What is no rectangle, and relations that name no verb
or lead to something else than a rectangle, are dropped and counted.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.fields import (
    Chosen,
    brief,
    flags,
    integers,
    lists,
    nested,
    numbers,
    objects,
    place,
    texts,
    unique,
    within,
)
from hoitool.convert.own_labels import UNKNOWN, Names
from hoitool.data import strings
from hoitool.data.parquet import PLAIN_NAME
from hoitool.errors import DataError

Array = NDArray[Any]
RECTANGLES = ("rectanglelabels", "rectangle")
LABELS, RELATION = "labels", "relation"
DIRECTIONS = {"right": ((0, 1),), "left": ((1, 0),), "bi": ((0, 1), (1, 0))}  # pairs as (subject, object) of (from, to)
UPLOADED = re.compile(r"(?:.*/)?upload/.*?(?:[0-9a-f]{8}-)?(?P<name>[^/]+)")  # Label Studio puts 8 digits before
IMAGE = re.compile(r".*\.(?:jpe?g|png|bmp|gif|webp|tiff?|svg)", re.IGNORECASE)
OWN = ("file_name", "subset")  # fields of data with a meaning of their own
TAGS = ("from_name", "to_name")
MOST = 1_000_000  # per cent, or degrees
LARGEST = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Images:
    """The images of I tasks: names, subsets, sizes (0: unknown), and what `data` says beside that."""

    key: Array
    subset: Array
    size: Array  # (I, 2) width height
    extras: dict[str, Any]
    notes: list[str]


@dataclass(frozen=True)
class Results:
    """B rectangles, R relations, each of a verb."""

    image: Array  # (B,)
    percent: Array  # (B, 4) x y width height
    rotation: Array  # (B,) degrees, clockwise around x y
    size: Array  # (B, 2) width height of the image
    classes: Names  # (B,)
    subject: Array  # (R,) rectangles
    object: Array  # (R,)
    verbs: Names  # (R,)
    tags: dict[str, str]  # the names of the tags that made the first rectangle
    dropped: dict[str, int] = field(default_factory=dict)


def images_of(tasks: list[dict[str, Any]], results: Results, where: str) -> Images:
    """The images of tasks. Raises DataError for a task without one, and where sizes in a task disagree."""
    data, at = objects(tasks, "data", where), Chosen(where, np.arange(len(tasks)), "data")
    name = _field(data, at)
    sources = texts(data, name, at)
    own = texts(data, "file_name", at, default="")
    key = strings([mine or short_name(source) for mine, source in zip(own, sources, strict=True)])
    held = Counter(key.tolist())
    notes = []
    if len(held) < len(key):
        key = strings([k if held[k] == 1 else source for k, source in zip(key, sources, strict=True)])
        notes.append("images with the same file name are named by their whole path")
    unique(key, at, name)
    subset = texts(data, "subset", at, default="")
    for i, text in enumerate(subset.tolist()):
        if not PLAIN_NAME.fullmatch(text):
            raise DataError(f"{place(at, i)}.subset is {text!r}, expected a plain name, as files are named after it")
    extras = {
        "image": {k: source for k, source in zip(key.tolist(), sources.tolist(), strict=True) if k != source},
        "field": name,
        **results.tags,
    }
    return Images(key, subset, _sizes(data, results, at), extras, notes)


def short_name(source: str) -> str:
    """The file name in a path or URL, without what Label Studio puts before the names of uploaded files."""
    path = _path(source)
    uploaded = UPLOADED.fullmatch(path)
    return (uploaded["name"] if uploaded else path.rsplit("/", 1)[-1]) or source


def _path(source: str) -> str:
    """The path in a URL, the path itself otherwise."""
    if "://" not in source and not source.startswith("/data/"):
        return source
    try:
        parts = urlsplit(source)
    except ValueError:
        return source
    local = parse_qs(parts.query).get("d")  # /data/local-files/?d=folder/name.jpg
    return local[0] if local else unquote(parts.path)


def _field(data: list[dict[str, Any]], where: str) -> str:
    """The field of `data` with the image: 'image', else the only one whose text is a name of an image."""
    if not data or all("image" in row for row in data):
        return "image"
    held = {name: value for name, value in data[0].items() if isinstance(value, str) and name not in OWN}
    named = [name for name, value in held.items() if IMAGE.fullmatch(_path(value))]
    if len(named) != 1:
        told = f"; {' and '.join(named)} could be it" if named else ""
        raise DataError(f"{place(where, 0)}: no field 'image' with the path or URL of an image{told}")
    return named[0]


def _sizes(data: list[dict[str, Any]], results: Results, where: str) -> Array:
    """(I, 2) width and height: the rectangles', else those of `data`, else 0."""
    size = np.stack([integers(data, name, where, default=0) for name in ("width", "height")], axis=1)
    for i, name in enumerate(("width", "height")):
        within(size[:, i], 0, LARGEST, where, name)
    first = np.unique(results.image, return_index=True)[1]
    size[results.image[first]] = results.size[first]
    wrong = (size[results.image] != results.size).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        mine, theirs = results.size[row].tolist(), size[results.image[row]].tolist()
        raise DataError(f"{place(where, int(results.image[row]))}: rectangles of images of {theirs} and {mine} pixels")
    return size.astype(np.int32)


@dataclass(frozen=True)
class _Flat:
    """Results of one or all types: the objects, the task of each, and where they stand."""

    rows: list[dict[str, Any]]
    task: Array
    where: str

    def of(self, *kinds: str) -> _Flat:
        """The results of these types."""
        at = np.flatnonzero([row["type"] in kinds for row in self.rows])
        return _Flat([self.rows[i] for i in at.tolist()], self.task[at], Chosen(self.where, at))


def results_of(tasks: list[dict[str, Any]], where: str) -> Results:
    """The rectangles and relations of tasks. Raises DataError, naming task, result and field."""
    dropped = {"predictions of models": sum(map(len, lists(tasks, "predictions", where, default=[])))}
    every = _chosen(tasks, where, dropped)
    known = (*RECTANGLES, LABELS, RELATION)
    dropped["results that are neither rectangles nor relations"] = len(every.rows) - len(every.of(*known).rows)
    drawn, links = every.of(*RECTANGLES), every.of(RELATION)
    values, at = objects(drawn.rows, "value", drawn.where), Chosen(drawn.where, np.arange(len(drawn.rows)), "value")
    size = np.stack([integers(drawn.rows, f"original_{side}", drawn.where) for side in ("width", "height")], axis=1)
    for i, side in enumerate(("width", "height")):
        within(size[:, i], 1, LARGEST, drawn.where, f"original_{side}")
    ids = _places(every, drawn)
    ends, verbs = _relations(links, ids, dropped)
    return Results(
        image=drawn.task,
        percent=np.stack([_bounded(values, name, at) for name in ("x", "y", "width", "height")], axis=1),
        rotation=_bounded(values, "rotation", at, default=0.0),
        size=size,
        classes=_classes(values, at, drawn, every.of(LABELS), dropped),
        subject=ends[:, 0],
        object=ends[:, 1],
        verbs=verbs,
        tags={name: str(drawn.rows[0][name]) for name in TAGS if drawn.rows and name in drawn.rows[0]},
        dropped={reason: count for reason, count in dropped.items() if count},
    )


def _chosen(tasks: list[dict[str, Any]], where: str, dropped: dict[str, int]) -> _Flat:
    """The results of each task's first annotation that is not cancelled."""
    annotations, task, at = nested(tasks, "annotations", where)
    cancelled = flags(annotations, "was_cancelled", at, default=False)
    kept = np.flatnonzero(~cancelled)
    first = kept[np.unique(task[kept], return_index=True)[1]]
    dropped["annotations that were cancelled"] = int(cancelled.sum())
    dropped["annotations of a task after its first"] = len(kept) - len(first)
    results, owner, places = nested([annotations[i] for i in first.tolist()], "result", Chosen(at, first))
    texts(results, "type", places)
    return _Flat(results, task[first][owner], places)


def _bounded(rows: list[dict[str, Any]], name: str, where: str, default: float | None = None) -> Array:
    """(n,) numbers that can be multiplied with sizes and angles."""
    made = numbers(rows, name, where, default=default)
    within(made, -MOST, MOST, where, name)
    return made


def _places(every: _Flat, drawn: _Flat) -> dict[tuple[int, str], int]:
    """The place among the rectangles of each id of a task, -1 for the ids of other results."""
    ids = texts(every.rows, "id", every.where, default="").tolist()
    made = dict.fromkeys(zip(every.task.tolist(), ids, strict=True), -1)
    for i, key in enumerate(zip(drawn.task.tolist(), texts(drawn.rows, "id", drawn.where, default=""), strict=True)):
        if key[1] and made[key] >= 0:
            raise DataError(f"{place(drawn.where, i)}.id is {key[1]!r}, which {place(drawn.where, made[key])} has too")
        made[key] = i
    return made


def _classes(values: list[dict[str, Any]], where: str, drawn: _Flat, labels: _Flat, dropped: dict[str, int]) -> Names:
    """The class of each rectangle: its first label, else that of a result of type 'labels' with its id, else none."""
    beside = {}
    told = objects(labels.rows, "value", labels.where)
    names = _texts(told, LABELS, Chosen(labels.where, np.arange(len(told)), "value"))
    for task, result, held in zip(labels.task.tolist(), labels.rows, names, strict=True):
        beside[task, result.get("id", "")] = held
    own = _texts(values, RECTANGLES[0], where)
    made = []
    for task, result, mine in zip(drawn.task.tolist(), drawn.rows, own, strict=True):
        made.append(mine or beside.get((task, result.get("id", "")), []))
    dropped["classes of a rectangle after its first"] = sum(max(len(held) - 1, 0) for held in made)
    code: dict[str, int] = {}
    codes = [code.setdefault(held[0], len(code)) if held else UNKNOWN for held in made]
    return Names(list(code), np.array(codes, np.int64), lambda row: f"{place(where, row)}.{RECTANGLES[0]}")


def _texts(rows: list[dict[str, Any]], name: str, where: str) -> list[list[str]]:
    """One field, a list of texts that are not empty; null and absence are none."""
    held = [[] if row.get(name) is None else row[name] for row in rows]
    for i, values in enumerate(held):
        if not isinstance(values, list) or not all(isinstance(text, str) and text.strip() for text in values):
            raise DataError(f"{place(where, i)}.{name} is {brief(values)}, expected a list of names")
    return [[text.strip() for text in values] for values in held]


def _relations(links: _Flat, ids: dict[tuple[int, str], int], dropped: dict[str, int]) -> tuple[Array, Names]:
    """(R, 2) subject and object of each relation and verb, and the verbs."""
    ends = [texts(links.rows, name, links.where).tolist() for name in ("from_id", "to_id")]
    directions = texts(links.rows, "direction", links.where, default="right").tolist()
    verbs = _texts(links.rows, LABELS, links.where)
    code: dict[str, int] = {}
    made: list[tuple[int, int, int, int]] = []
    foreign = unnamed = 0
    for i, task in enumerate(links.task.tolist()):
        at = []
        for name, held in zip(("from_id", "to_id"), ends, strict=True):
            if (task, held[i]) not in ids or not held[i]:
                raise DataError(f"{place(links.where, i)}.{name} is {brief(held[i])}, which no result of the task has")
            at.append(ids[task, held[i]])
        if directions[i] not in DIRECTIONS:
            expected = ", ".join(DIRECTIONS)
            raise DataError(f"{place(links.where, i)}.direction is {brief(directions[i])}, expected {expected}")
        foreign += min(at) < 0
        unnamed += min(at) >= 0 and not verbs[i]
        for a, b in DIRECTIONS[directions[i]] if min(at) >= 0 else ():
            made += [(at[a], at[b], code.setdefault(verb, len(code)), i) for verb in verbs[i]]
    dropped["relations with something that is no rectangle"] = foreign
    dropped["relations without a verb"] = unnamed
    rows = np.array(made, np.int64).reshape(-1, 4)
    return rows[:, :2], Names(list(code), rows[:, 2], lambda row: f"{place(links.where, int(rows[row, 3]))}.{LABELS}")
