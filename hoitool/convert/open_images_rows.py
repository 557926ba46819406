"""The rows of Open Images' relationship files, annotations or predictions: columns by header name.

ImageID; LabelName1, LabelName2; XMin1, XMax1, YMin1, YMax1 and the same with 2, fractions of width and height from 0 to
1; RelationshipLabel (RelationLabel in newer copies); Score in predictions. A box has no id: the same one stands in all
rows that it is part of. Arrays (2N, ...) hold subject and object of each of N rows alternately.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.csv_cells import Table, open_table
from hoitool.convert.open_images_tables import CLASSES, RELATIONS, filled_names, mids_of, relation_column
from hoitool.convert.own_labels import Names
from hoitool.data import Dataset

Array = NDArray[Any]
SCORE = "Score"
WRITTEN = [f"{axis}{edge}{side}" for side in "12" for axis in "XY" for edge in ("Min", "Max")]  # X, X, Y, Y
CORNERS = [[f"{axis}{edge}{side}" for edge in ("Min", "Max") for axis in "XY"] for side in "12"]  # x1 y1 x2 y2
NEEDED = ("ImageID", *CLASSES, *WRITTEN)


@dataclass(frozen=True)
class Rows:
    """The relations of a file: N rows with subjects and objects in (2N,)."""

    images: Names
    classes: Names
    predicates: Names
    boxes: Array  # (2N, 4) x1 y1 x2 y2
    scores: Array | None  # (N,)
    ignored: list[str]

    def __len__(self) -> int:
        """The number of relations."""
        return len(self.images.codes)

    @property
    def outside(self) -> int:
        """How many boxes reach outside 0..1."""
        return int(((self.boxes < 0) | (self.boxes > 1)).any(axis=1).sum())


def header(path: Path) -> set[str]:
    """The names of the columns of a .csv, none for anything else."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return set()
    with path.open("rb") as stream:
        names = stream.readline(65536).decode("utf-8-sig", "replace").strip().split(",")
    return {name.strip().strip('"') for name in names}


def is_relations(path: Path, scored: bool) -> bool:
    """Whether a path is a file of relationships, with scores or without, by its header."""
    names = header(path)
    return {"ImageID", *CLASSES} <= names and bool(names & {*RELATIONS}) and (SCORE in names) == scored


def rows_of(file: Path, scored: bool) -> Rows:
    """The rows of a file. Raises DataError, naming line and column, for a cell that is empty or no number."""
    known = (*NEEDED, *RELATIONS, SCORE)
    table = open_table(file, known, (*NEEDED, SCORE) if scored else NEEDED)
    predicates = filled_names(table, relation_column(table))
    first, second = (filled_names(table, name) for name in CLASSES)
    values = list(dict.fromkeys([*first.values, *second.values]))
    at = {value: i for i, value in enumerate(values)}
    codes = [np.array([at[value] for value in side.values], np.int64)[side.codes] for side in (first, second)]
    return Rows(
        images=filled_names(table, "ImageID", strip=False),
        classes=Names(values, np.stack(codes, axis=1).reshape(-1), lambda i: table.place(i // 2, CLASSES[i % 2])),
        predicates=predicates,
        boxes=np.stack([_corners(table, side) for side in CORNERS], axis=1).reshape(-1, 4),
        scores=_filled(table, SCORE, finite=False) if scored else None,
        ignored=table.ignored,
    )


def _corners(table: Table, names: list[str]) -> Array:
    return np.stack([_filled(table, name) for name in names], axis=1) + 0.0  # no negative zeros, which equal zeros


def _filled(table: Table, name: str, finite: bool = True) -> Array:
    """(N,) a column of numbers, all of them filled."""
    values = table.numbers(name, finite)
    if np.isnan(values).any():
        raise table.error(int(np.isnan(values).argmax()), name, "a number")
    return values


def columns_of(data: Dataset) -> dict[str, Array]:
    """The columns of a file, without Score, from data in the normalised frame: a row for each pair, in their order."""
    mids, sides = mids_of(data), [data.pair_boxes(side) for side in ("subject", "object")]
    made: dict[str, Array] = {"ImageID": data.key[data.image_of("pair")]}
    made |= {name: mids[data.categories[box]] for name, box in zip(CLASSES, sides, strict=True)}
    corners = {
        name: data.boxes[box, i] for box, side in zip(sides, CORNERS, strict=True) for i, name in enumerate(side)
    }
    verbs = np.array([*data.meta.labels.verbs, ""], object)[:-1]
    return made | {name: corners[name] for name in WRITTEN} | {RELATIONS[0]: verbs[data.need("label")]}
