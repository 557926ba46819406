"""The tables of Open Images around its relationships: names of classes, triplets, and the label space they make.

Labels are MIDs (/m/04yx4); description files name them, with or without a header. A label that none describes keeps its
MID as its name. Objects are the described classes in their order (the boxable ones where a file says so), then the
attributes that the relation `is` points at, then what else occurs; predicates are those of the relationship description
or the triplets, else those that occur. labels.json beside the files, as hoitool writes it, comes before all of these.
Source: storage.googleapis.com/openimages/web/download_v7.html and challenge2019.html; the heads of their files.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.csv_cells import Table, open_table
from hoitool.convert.own_labels import LABELS, Names, indices
from hoitool.data import Dataset
from hoitool.errors import DataError, MissingData
from hoitool.files import reading
from hoitool.labels import LabelSpace, build, parse

Array = NDArray[Any]
CLASSES = ("LabelName1", "LabelName2")
RELATIONS = ("RelationshipLabel", "RelationLabel")  # the second in newer copies
DESCRIBED = ("*class-descriptions*.csv", "*classes-description*.csv", "*classes-vrd*.csv")  # the last: challenges
HEADERS = {"labelname", "label", "id", "mid"}  # the first cell of a description file that has a header
EXTRA = "open-images"  # in Meta.extras: {"mids": {name: MID}}


@dataclass(frozen=True)
class Labels:
    """A label space and how its files spell the objects: MID -> name of the object."""

    space: LabelSpace
    names: dict[str, str]

    @property
    def extras(self) -> dict[str, Any]:
        """What a dataset's metadata keep, so that MIDs are written again."""
        known = set(self.space.objects)
        return {EXTRA: {"mids": {name: mid for mid, name in self.names.items() if name in known and name != mid}}}

    def object_codes(self, labels: Names) -> Array:
        """(n,) the objects of a column of MIDs or names. DataError, naming line and column, for an unknown one."""
        named = Names([self.names.get(value, value) for value in labels.values], labels.codes, labels.place)
        return indices(named, self.space.objects, self.space.object_index, Path(LABELS))[labels.codes]

    def predicate_codes(self, labels: Names) -> Array:
        """(n,) the predicates of a column of names. DataError, naming line and column, for an unknown one."""
        return indices(labels, self.space.verbs, self.space.verb_index, Path(LABELS))[labels.codes]


def relation_column(table: Table) -> str:
    """The name of the column of predicates. Raises DataError where there is none."""
    for name in RELATIONS:
        if name in table.columns:
            return name
    raise DataError(f"{table.file}, line 1: no column {RELATIONS[0]!r} (nor {RELATIONS[1]!r})")


def filled_names(table: Table, column: str, strip: bool = True) -> Names:
    """A column of names, all of them filled. Raises DataError, naming the line, for an empty cell."""
    values, codes = table.names(column, strip)
    if (codes < 0).any():
        raise table.error(int((codes < 0).argmax()), column, "a label")
    return Names(values, codes, lambda row: table.place(row, column))


def triplets(file: Path) -> set[tuple[str, str, str]]:
    """The (subject, predicate, object) labels of a triplets file, as it spells them."""
    table = open_table(file, (*CLASSES, *RELATIONS), CLASSES)
    columns = [filled_names(table, name) for name in (CLASSES[0], relation_column(table), CLASSES[1])]
    rows = [np.array([*column.values, ""], object)[column.codes].tolist() for column in columns]
    return set(zip(*rows, strict=True))


def labels_of_files(folder: Path, objects: Sequence[Names], predicates: Sequence[Names], file: Path) -> Labels:
    """The labels of relationship files in a folder, whose columns of labels are given; `file` names one of them."""
    names = _described(folder)
    beside = folder / LABELS
    if beside.is_file():
        return Labels(parse(beside.read_text(encoding="utf-8", errors="replace"), str(beside)), names)
    occurring = dict.fromkeys(value for column in objects for value in column.values)
    named = {*names, *names.values()}
    held = [*names, *sorted(label for label in occurring if label not in named)]
    called = {mid: names.get(mid, mid) for mid in held}
    said = _predicates(folder)
    others = sorted({value for column in predicates for value in column.values} - set(said))
    space = build(
        name=EXTRA,
        source=f"the labels of {file.name} and the descriptions beside it",
        objects=[(name, -1) for name in called.values()],
        verbs=[(name, name) for name in [*said, *others]],
        interactions=[],
    )
    return Labels(space, called)


def labels_of_truth(truth: Dataset, beside: Path | None = None) -> Labels:
    """The labels of data that were read from Open Images, or that have names only.

    beside  a folder whose descriptions say the MIDs of names, where the data do not
    """
    held = truth.meta.extras.get(EXTRA, {})
    mids = held.get("mids", {}) if isinstance(held, dict) else {}
    names = {str(mid): name for name, mid in mids.items()} if isinstance(mids, dict) else {}
    return Labels(truth.meta.labels, names or (_described(beside) if beside is not None else {}))


def mids_of(data: Dataset) -> Array:
    """(O,) how files spell each object of data: its MID where that is known, else its name."""
    mids = {name: mid for mid, name in labels_of_truth(data).names.items()}
    return np.array([*(mids.get(name, name) for name in data.meta.labels.objects), ""], object)[:-1]


def _described(folder: Path) -> dict[str, str]:
    """MID -> name, of the description files in a folder: boxable classes where there are such, then attributes.

    The classes of a challenge's relationships (challenge-2019-classes-vrd.csv) are boxable too.
    """
    classes = sorted({file for pattern in DESCRIBED for file in folder.glob(pattern)})
    boxable = [file for file in classes if "boxable" in file.name or "classes-vrd" in file.name]
    made: dict[str, str] = {}
    for file in [*(boxable or classes), *sorted(folder.glob("*attributes-description*.csv"))]:
        for mid, name in descriptions(file).items():
            made.setdefault(mid, name if name not in made.values() else f"{name} ({mid})")
    return made


def descriptions(file: Path) -> dict[str, str]:
    """MID -> name of a description file, with or without a header. Raises DataError naming the line."""
    made: dict[str, str] = {}
    if not file.is_file():
        raise MissingData(f"{file}: no such file (descriptions of labels expected)")
    with reading(file, "descriptions of labels"), file.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream)
        for row in rows:
            cells = [cell.strip() for cell in row[:2]]
            if not row or (rows.line_num == 1 and cells[0].lower() in HEADERS):
                continue
            if len(cells) < 2 or not all(cells) or made.get(cells[0], cells[1]) != cells[1]:
                raise DataError(f"{file}, line {rows.line_num}: expected a label and its name, each label once")
            made[cells[0]] = cells[1]
    return made


def _predicates(folder: Path) -> list[str]:
    """The predicates that a folder's relationship description names, else its triplets; none where it has neither."""
    for file in sorted(folder.glob("*relationships-description*.csv")):
        return list(descriptions(file))
    found = {row[1] for file in sorted(folder.glob("*triplets*.csv")) for row in triplets(file)}
    return sorted(found)
