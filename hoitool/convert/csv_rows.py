"""What the rows of a table of annotations say, checked: the middle between csv_cells.py and csv_pairs.py.

Arrays (2N, ...) hold subject and object of each of N rows alternately: row r's are at 2r and 2r + 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.csv_cells import Table
from hoitool.convert.own_labels import NONE, UNKNOWN, Names
from hoitool.data import strings
from hoitool.data.parquet import PLAIN_NAME

Array = NDArray[Any]
CORNERS = ("x1", "y1", "x2", "y2")
SUBJECT, OBJECT = (tuple(f"{side}_{corner}" for corner in CORNERS) for side in ("subject", "object"))
CATEGORIES = ("subject_category", "object_category")
NEEDED = ("file_name", *SUBJECT, "verb")
KNOWN = ("file_name", "width", "height", "subset", *SUBJECT, CATEGORIES[0], *OBJECT, CATEGORIES[1], "verb")
PERSON, ANY = "person", "?"  # the class of a subject that names none; how an unknown class is spelled


@dataclass(frozen=True)
class Rows:
    """The pairs and boxes of N rows. A class is a code, NONE (no box, nothing named) or UNKNOWN."""

    verbs: Names  # (N,), negative: no pair
    classes: Names  # (2N,)
    boxes: Array  # (2N, 4), NaN where there is none
    has_box: Array  # (2N,)

    @property
    def objects(self) -> Array:
        """(N,) the class of each row's object."""
        return self.classes.codes[1::2]


@dataclass(frozen=True)
class Images:
    """The images of a table, by first appearance: I names and subsets, sizes where there are any, and the row's."""

    key: Array  # (I,)
    subset: Array  # (I,)
    sizes: dict[str, Array]  # width and height (I,), or nothing
    of_row: Array  # (N,)


def rows_of_pairs(table: Table) -> Rows:
    """The rows of a table. Raises DataError, naming line and column, for one that says only a part of a pair."""
    sides = [_corners(table, names) for names in (SUBJECT, OBJECT)]
    has_subject, has_object = (~np.isnan(side[:, 0]) for side in sides)
    made = Rows(
        verbs=Names(*table.names("verb"), lambda row: table.place(row, "verb")),
        classes=_classes(table, has_subject),
        boxes=np.stack(sides, axis=1).reshape(-1, 4),
        has_box=np.stack([has_subject, has_object], axis=1).reshape(-1),
    )
    paired, says_object = made.verbs.codes >= 0, has_object | (made.objects != NONE)
    for wrong, column, expected in (
        ((paired | says_object | table.filled(CATEGORIES[0])) & ~has_subject, SUBJECT[0], "the box of the subject"),
        (says_object & ~paired, "verb", "the verb of a row with an object"),
        (has_object & (made.objects == NONE), CATEGORIES[1], f"a class ({ANY} where it is not known)"),
        (~has_object & (made.objects == UNKNOWN), CATEGORIES[1], "a class or nothing, as the object has no box"),
    ):
        if wrong.any():
            raise table.error(int(wrong.argmax()), column, expected)
    return made


def images_of(table: Table) -> Images:
    """The images of a table. Raises DataError for a row without a name, and where rows of an image disagree."""
    names, name = table.names("file_name", strip=False)
    subsets, subset = table.names("subset")
    if (name < 0).any():
        raise table.error(int((name < 0).argmax()), "file_name", "the name of an image")
    for code, text in enumerate(subsets):
        if not PLAIN_NAME.fullmatch(text):
            raise table.error(int((subset == code).argmax()), "subset", "a plain name, as files are named after it")
    key = name * (len(subsets) + 1) + subset + 1
    _, first, image = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    of_row, first = rank[image], first[order]
    return Images(
        key=strings([names[i] for i in name[first]]),
        subset=strings([[*subsets, ""][i] for i in subset[first]]),
        sizes=_sizes(table, of_row, len(order)),
        of_row=of_row,
    )


def _corners(table: Table, names: Sequence[str]) -> Array:
    """(N, 4) corners, NaN where a row has none. Raises DataError for a row with some of the four."""
    made = np.stack([table.numbers(name) for name in names], axis=1)
    empty = np.isnan(made)
    wrong = empty.any(axis=1) & ~empty.all(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise table.error(row, names[int(empty[row].argmax())], "a number, as the other corners have one")
    return made + 0.0  # no negative zeros, which equal zeros


def _classes(table: Table, has_subject: Array) -> Names:
    """The classes of subjects and objects in one list of names."""
    (subjects, subject), (objects, obj) = (table.names(name) for name in CATEGORIES)
    default = has_subject & (subject < 0)
    values = dict.fromkeys([*([PERSON] if default.any() else []), *subjects, *objects])
    values.pop(ANY, None)
    code = {name: i for i, name in enumerate(values)} | {ANY: UNKNOWN}
    sides = [
        np.array([*(code[name] for name in names), NONE])[at] for names, at in ((subjects, subject), (objects, obj))
    ]
    sides[0] = np.where(default, code.get(PERSON, NONE), sides[0])
    return Names(
        list(values),
        np.stack(sides, axis=1).reshape(-1),
        lambda at: table.place(at // 2, CATEGORIES[at % 2]),
    )


def _sizes(table: Table, image: Array, images: int) -> dict[str, Array]:
    """Width and height (I,) where the table has them, 0 where it does not say."""
    made: dict[str, Array] = {}
    for name in ("width", "height") if {"width", "height"} & set(table.columns) else ():
        values = table.numbers(name)
        given = np.flatnonzero(~np.isnan(values))[::-1]  # so that the first row of an image is written last
        wrong = (values[given] < 0) | (values[given] > np.iinfo(np.int32).max) | (values[given] % 1 != 0)
        if wrong.any():
            raise table.error(int(given[wrong][-1]), name, "whole pixels")
        made[name] = np.zeros(images, np.int32)
        made[name][image[given]] = values[given]
        wrong = made[name][image[given]] != values[given]
        if wrong.any():
            row = int(given[wrong][-1])
            raise table.error(row, name, f"{made[name][image[row]]}, which an earlier row has for the image")
    return made
