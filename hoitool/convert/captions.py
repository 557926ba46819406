"""Captions of images: COCO's captions JSON, Flickr30K's file, a table, or JSON lines.

    .json          {"images": [{"id", "file_name", "width", "height"}],
                    "annotations": [{"image_id", "id", "caption"}]}
    .csv, .tsv, .jsonl, .token    tables, see hoitool/convert/caption_rows.py

Result: a dataset without boxes, in a label space without labels, one row for each image in the order of the file, its
captions in the order of the file. A row of a table whose caption is empty says that the image is there. Texts are kept
as they are. Source: cocodataset.org/#format-data; Young et al., TACL 2014 (Flickr30K); the page is
hoitool/convert/pages/captions.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.convert import load
from hoitool.convert import sniff as recognised
from hoitool.convert.caption_rows import ID, TABLES, Row, looks_like_captions
from hoitool.convert.captioned import captioned, holds, meta_of
from hoitool.convert.coco import named, targets
from hoitool.convert.fields import brief, integers, member, place, positions, rows_of, texts, unique, within
from hoitool.convert.fit import require_held
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, strings
from hoitool.data.dataset import Array
from hoitool.data.image_ids import image_ids
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.files import json_object_with, load_json, reading, require, write_text

SUMMARY = "captions: COCO's JSON, Flickr30K's file, .csv, .tsv, .jsonl"
WHAT, WORD = "captions", "captions"
LARGEST = 2**31 - 1
FLICKR30K = "results_20130124.token"
HOLDS = holds(optional=frozenset({"width"}))


def sniff(path: Path) -> bool:
    """Whether a path is such a file, or a folder of COCO's captions without instances."""
    if path.is_dir():
        return bool(_files(path)) and not any(path.glob("instances*.json"))
    if path.suffix.lower() in TABLES:
        return path.is_file() and looks_like_captions(path)
    return json_object_with(path, "images", "annotations", "caption") and not json_object_with(path, "categories")


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """One part for each file; ids are the file's, else 1, 2, ... in its order.

    Raises MissingData, and DataError with the file and the line or row.
    """
    require(path, WHAT)
    files = _files(path) if path.is_dir() else [path]
    if not files:
        raise MissingData(f"{path}: no {WORD}*.json in this folder")
    return Reading([_read(file) for file in files])


def read_captions(path: Path, subset: str | None = None) -> Dataset:
    """The images of a file of any format with their captions. UsageError where it has none.

    subset  which images, where a dataset holds several
    """
    require(path, WHAT)
    ours = path.suffix.lower() in TABLES or (path.suffix.lower() == ".json" and recognised(path) is None)
    held = load(path, WORD if ours else None, subset=subset)
    if held.kind != "dataset" or held.caption_text is None:
        raise UsageError(f"{path}: has no captions")
    return held


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write a part as the file `path` (.json), or each into the folder `path` as captions_<subset>.json."""
    held = require_held(parts, HOLDS, "COCO's captions")
    files = targets(held, path, WORD, overwrite)
    for part, file in zip(held, files, strict=True):
        write_text(file, json.dumps(_content(part), allow_nan=False))
    return files


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob(f"{WORD}*.json") if json_object_with(file, "images", "annotations"))


def _read(file: Path) -> Dataset:
    suffix = file.suffix.lower()
    return _from_table(file, TABLES[suffix](file)) if suffix in TABLES else _from_coco(file)


def _from_coco(path: Path) -> Dataset:
    table = load_json(path, "COCO captions", dict)
    images, rows = (
        rows_of(member(table, name, str(path), list), f"{path}: {name}") for name in ("images", "annotations")
    )
    where = f"{path}: images"
    names, numbers = texts(images, "file_name", where), integers(images, "id", where)
    unique(names, where, "file_name")
    unique(numbers, where)
    sizes: dict[str, Any] = _sizes(images, where) if any("width" in row for row in images) else {}
    where = f"{path}: annotations"
    said, wanted = texts(rows, "caption", where), integers(rows, "image_id", where)
    refuse_blanks(said, where, "caption")
    ids = integers(rows, ID, where) if any(ID in row for row in rows) else np.arange(1, len(rows) + 1)
    unique(ids, where)
    image = positions(numbers, wanted, where, "image_id", "image")
    dataset, subset = named(table, path)
    made = captioned(meta_of(dataset, subset, [path], names, numbers), names, image, said, ids)
    return made.with_columns(**sizes)


def _sizes(images: list[dict[str, Any]], where: str) -> dict[str, Array]:
    """Widths and heights (I,), 0 where a row has none."""
    made = {name: integers(images, name, where, 0) for name in ("width", "height")}
    for name, values in made.items():
        within(values, 0, LARGEST, where, name)
    return {name: values.astype(np.int32) for name, values in made.items()}


def refuse_blanks(said: Array, where: str, name: str) -> None:
    """Raise DataError for a caption (n,) without a word."""
    empty = [i for i, text in enumerate(said.tolist()) if not text.strip()]
    if empty:
        raise DataError(f"{place(where, empty[0])}.{name} is {brief(said[empty[0]])}, expected text")


def _from_table(path: Path, rows: Iterator[Row]) -> Dataset:
    with reading(path, WHAT):
        held = list(rows)
    if not held:
        raise DataError(f"{path}: holds no captions")
    at: dict[str, int] = {}
    image = np.array([at.setdefault(row.image, len(at)) for row in held], np.int64)
    filled = np.array([bool(row.caption.strip()) for row in held], bool)
    captions = [row for row in held if row.caption.strip()]
    said, names = strings([row.caption for row in captions]), strings(list(at))
    meta = meta_of("flickr30k" if path.name == FLICKR30K else "", named({}, path)[1], [path], names)
    return captioned(meta, names, image[filled], said, _ids(captions, path))


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


def _content(data: Dataset) -> dict[str, Any]:
    numbers = image_ids(data)
    images: list[dict[str, Any]] = [
        {"id": number, "file_name": name} for number, name in zip(numbers.tolist(), data.key.tolist(), strict=True)
    ]
    if data.width is not None:
        for row, width, height in zip(images, data.width.tolist(), data.need("height").tolist(), strict=True):
            row |= {"width": width, "height": height}
    columns = (numbers[data.image_of("caption")], data.need("caption_id"), data.need("caption_text"))
    info = {"description": f"written by hoitool from {data.meta.dataset or 'captions'}"}
    return {
        "info": info | {"dataset": data.meta.dataset, "subset": data.meta.subset},
        "images": images,
        "annotations": [
            {"image_id": image, "id": number, "caption": text}
            for image, number, text in zip(*(column.tolist() for column in columns), strict=True)
        ],
    }
