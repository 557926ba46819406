"""Captions of images: COCO's captions JSON, a table, JSON lines, or a dataset of hoitool's that has them.

    .json          {"images": [{"id", "file_name"}], "annotations": [{"image_id", "id", "caption"}]}
    .csv, .tsv     a header with file_name (or image, key) and caption (or text), perhaps id; a row for each caption
    .jsonl         an object with the same names on each line
    anything else  as hoitool reads it

Result: a dataset without boxes, in a label space without labels, one row for each image in the order of the file, its
captions in the order of the file. A row whose caption is empty says that the image is there. Texts are kept as they
are. In .csv cells may be quoted; .tsv has no quotes. Source: cocodataset.org/#format-data.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.convert import load
from hoitool.convert.coco import named
from hoitool.convert.fields import brief, by_image, integers, member, positions, rows_of, texts, unique
from hoitool.convert.image_ids import EXTRA, exceptions
from hoitool.data import Dataset, Meta, no_pairs, offsets_of, strings
from hoitool.data.dataset import Array
from hoitool.errors import DataError, UsageError
from hoitool.files import load_json, reading, require, sha256
from hoitool.labels import LabelSpace, build

WHAT = "captions"
IMAGE, CAPTION, ID = ("file_name", "image", "key"), ("caption", "text"), "id"


def read_captions(path: Path, subset: str | None = None) -> Dataset:
    """The images of a file with their captions; ids are the file's, else 1, 2, ... in its order.

    subset  which images, where a dataset of hoitool's holds several
    Raises MissingData, and DataError with the file and the line or row.
    """
    require(path, WHAT)
    suffix = path.suffix.lower()
    if suffix in TABLES:
        return _from_table(path, TABLES[suffix](path))
    if suffix == ".json":
        return _from_coco(path)
    held = load(path, subset=subset)
    if held.kind != "dataset" or held.caption_text is None:
        raise UsageError(f"{path}: has no captions")
    return held


def no_labels() -> LabelSpace:
    """The label space of images that nobody has labelled."""
    return build("none", "images without labels", [], [], [])


def _from_coco(path: Path) -> Dataset:
    table = load_json(path, "COCO captions", dict)
    images, rows = (
        rows_of(member(table, name, str(path), list), f"{path}: {name}") for name in ("images", "annotations")
    )
    where = f"{path}: images"
    names, numbers = texts(images, "file_name", where), integers(images, "id", where)
    unique(names, where, "file_name")
    unique(numbers, where)
    where = f"{path}: annotations"
    said, wanted = texts(rows, "caption", where), integers(rows, "image_id", where)
    empty = [i for i, text in enumerate(said.tolist()) if not text.strip()]
    if empty:
        raise DataError(f"{where}[{empty[0]}].caption is {brief(said[empty[0]])}, expected text")
    ids = integers(rows, ID, where) if any(ID in row for row in rows) else np.arange(1, len(rows) + 1)
    unique(ids, where)
    image = positions(numbers, wanted, where, "image_id", "image")
    known = exceptions(names, numbers)
    dataset, subset = named(table, path)
    extras = {EXTRA: {"image_ids": known}} if known else {}
    meta = Meta(no_labels(), dataset, subset, sources={path.name: sha256(path)}, extras=extras)
    return _dataset(meta, names, image, said, ids)


@dataclass(frozen=True)
class Row:
    """A row of a table: its line (counted from 1), the image, the caption ("" for none) and its id."""

    line: int
    image: str
    caption: str
    id: int | None


def _from_table(path: Path, rows: Iterator[Row]) -> Dataset:
    with reading(path, WHAT):
        held = list(rows)
    if not held:
        raise DataError(f"{path}: holds no captions")
    place: dict[str, int] = {}
    image = np.array([place.setdefault(row.image, len(place)) for row in held], np.int64)
    filled = np.array([bool(row.caption.strip()) for row in held], bool)
    captions = [row for row in held if row.caption.strip()]
    said = strings([row.caption for row in captions])
    meta = Meta(no_labels(), subset=named({}, path)[1], sources={path.name: sha256(path)})
    return _dataset(meta, strings(list(place)), image[filled], said, _ids(captions, path))


def _ids(rows: Sequence[Row], path: Path) -> Array:
    """(n,) the ids of rows; 1, 2, ... where none has any."""
    if all(row.id is None for row in rows):
        return np.arange(1, len(rows) + 1, dtype=np.int64)
    first: dict[int, int] = {}
    for row in rows:
        if row.id is None:
            raise DataError(f"{path}, line {row.line}: {ID} is missing, which other lines have")
        if row.id in first:
            raise DataError(f"{path}, line {row.line}: {ID} is {row.id}, which line {first[row.id]} has too")
        first[row.id] = row.line
    return np.array(list(first), np.int64)


def _dataset(meta: Meta, names: Array, image: Array, said: Array, ids: Array) -> Dataset:
    """Images (I,) by name, with captions (n,) of images (n,)."""
    order = by_image(image)
    return Dataset(
        meta=meta,
        key=names,
        file_name=names,
        caption_id=ids[order],
        caption_text=said[order],
        caption_offsets=offsets_of(np.bincount(image, minlength=len(names))),
        **no_pairs(len(names)),
    )


def _lines_of_table(path: Path, **dialect: Any) -> Iterator[Row]:
    """The rows of a table with a header."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        lines = csv.reader(stream, strict=True, **dialect)
        header = [name.strip() for name in next(lines, [])]
        columns = _columns(header, f"{path}, line 1")
        try:
            for cells in lines:
                if cells and len(cells) != len(header):
                    raise DataError(f"{path}, line {lines.line_num}: {len(cells)} cells, expected {len(header)}")
                if cells:
                    yield _row(dict(zip(header, cells, strict=True)), columns, path, lines.line_num)
        except csv.Error as error:
            raise DataError(f"{path}, line {lines.line_num}: not readable as a table ({error})") from error


def _lines_of_json(path: Path) -> Iterator[Row]:
    """The rows of JSON lines."""
    with path.open(encoding="utf-8-sig") as stream:
        for line, text in enumerate(stream, 1):
            if not text.strip():
                continue
            try:
                held = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}, line {line}: not readable as JSON ({error})") from error
            if not isinstance(held, dict):
                raise DataError(f"{path}, line {line} is {brief(held)}, expected an object {{...}}")
            yield _row(held, _columns(list(held), f"{path}, line {line}"), path, line)


def _columns(names: Sequence[str], where: str) -> tuple[str, str]:
    """The names of the columns of images and captions. DataError where there is none, or several."""
    found = []
    for known in (IMAGE, CAPTION):
        held = [name for name in names if name in known]
        if not held:
            expected = " or ".join(known)
            raise DataError(f"{where}: no {expected}; it has {', '.join(map(brief, names[:12])) or 'nothing'}")
        found.append(min(held, key=known.index))
        if names.count(found[-1]) > 1:
            raise DataError(f"{where}: column {found[-1]!r} stands twice")
    return found[0], found[1]


def _row(held: dict[str, Any], columns: tuple[str, str], path: Path, line: int) -> Row:
    image, caption = (held[name] for name in columns)
    where = f"{path}, line {line}"
    if not isinstance(image, str) or not image:
        raise DataError(f"{where}: {columns[0]} is {brief(image)}, expected the name of an image")
    if not isinstance(caption, str):
        raise DataError(f"{where}: {columns[1]} is {brief(caption)}, expected text")
    return Row(line, image, caption, _id(held.get(ID), where))


def _id(value: Any, where: str) -> int | None:
    """The id in a cell or field, None where there is none."""
    if value is None or value == "":
        return None
    try:
        number = int(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if not isinstance(number, int) or isinstance(number, bool) or abs(number) >= 2**63:
        raise DataError(f"{where}: {ID} is {brief(value)}, expected an integer")
    return number


TABLES: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": _lines_of_table,
    ".tsv": lambda path: _lines_of_table(path, delimiter="\t", quoting=csv.QUOTE_NONE),
    ".jsonl": _lines_of_json,
}
