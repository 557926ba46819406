"""Karpathy's JSON of captions with their splits: dataset_coco.json, dataset_flickr30k.json, dataset_flickr8k.json.

Layout: images, each with filename, perhaps filepath (its folder: val2014) and cocoid, split, and sentences with raw and
sentid; and dataset, its name. A part for each split; restval is of train, as everybody trains on both. Boxes and
labels: none.
Source: Karpathy and Fei-Fei, CVPR 2015 (caption_datasets.zip); hoitool/convert/pages/karpathy.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hoitool.convert.captioned import captioned, captions_alone, holds, meta_of
from hoitool.convert.captions import refuse_blanks
from hoitool.convert.fields import integers, member, nested, rows_of, texts, unique
from hoitool.convert.fit import Lost, require_held
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, select_images, strings
from hoitool.data.dataset import Array
from hoitool.data.image_ids import image_ids
from hoitool.errors import DataError, MissingData
from hoitool.files import json_object_with, load_json, refuse_overwrite, require, write_text

SUMMARY = "Karpathy's splits of COCO, Flickr30K and Flickr8K with their captions, dataset_*.json"
WHAT = "Karpathy's dataset_<name>.json"
NAMES = "dataset_*.json"
REST, TRAIN = "restval", "train"
TOKEN = re.compile(r"\w+")


def _of_a_split(data: Dataset) -> tuple[Dataset, Lost]:
    """Data as such a file holds them. Raises DataError for no images, whose subset nothing would name."""
    if not len(data):
        raise DataError(f"{data!r} has no images, and the file names a subset for each image")
    return captions_alone(data)


HOLDS = holds(_of_a_split)


def sniff(path: Path) -> bool:
    """Whether a path is such a file, or a folder that holds one."""
    return any(json_object_with(file, "images", "sentences", "split") for file in _files(path))


def _files(path: Path) -> list[Path]:
    return sorted(path.glob(NAMES)) if path.is_dir() else [path]


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """The parts of each file of a path. Raises MissingData, DataError with image, sentence and field."""
    require(path, WHAT)
    files = _files(path)
    if not files:
        raise MissingData(f"{path}: no {NAMES} in this folder")
    held = [_read(file) for file in files]
    return Reading([part for each in held for part in each.parts], notes=[note for each in held for note in each.notes])


def _read(file: Path) -> Reading:
    table = load_json(file, WHAT, dict)
    where = f"{file}: images"
    rows = rows_of(member(table, "images", str(file), list), where)
    names, split = _names(rows, where), texts(rows, "split", where)
    numbers = integers(rows, "cocoid", where) if any("cocoid" in row for row in rows) else None
    if numbers is not None:
        unique(numbers, where, "cocoid")
    sentences, image, places = nested(rows, "sentences", where)
    said, ids = texts(sentences, "raw", places), integers(sentences, "sentid", places)
    refuse_blanks(said, places, "raw")
    unique(ids, places, "sentid")
    dataset = member(table, "dataset", str(file), str)
    whole = captioned(meta_of(dataset, "", [file], names, numbers), names, image, said, ids)
    rest = split == REST
    split[rest] = TRAIN
    subsets = list(dict.fromkeys(split.tolist()))
    parts = [select_images(whole, split == subset) for subset in subsets]
    parts = [part.with_columns(replace(part.meta, subset=name)) for part, name in zip(parts, subsets, strict=True)]
    notes = [f"{file}: {int(rest.sum()):,} images of restval are among train"] if rest.any() else []
    return Reading(parts, notes=notes)


def _names(rows: list[dict[str, Any]], where: str) -> Array:
    """(I,) folder and name of each image."""
    folders, names = texts(rows, "filepath", where, ""), texts(rows, "filename", where)
    made = strings([f"{a}/{b}" if a else b for a, b in zip(folders.tolist(), names.tolist(), strict=True)])
    unique(made, where, "filename")
    return made


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write all subsets as the file `path` (.json), or as dataset_<name>.json in the folder `path`."""
    held = require_held(parts, HOLDS, WHAT)
    dataset = held[0].meta.dataset if held else ""
    file = path if path.suffix == ".json" else path / NAMES.replace("*", dataset or "captions")
    refuse_overwrite(file, overwrite)
    images = [row for part in held for row in _image_rows(part)]
    for i, row in enumerate(images):
        row["imgid"] = i
        for sentence in row["sentences"]:
            sentence["imgid"] = i
    write_text(file, json.dumps({"images": images, "dataset": dataset}))
    return [file]


def _image_rows(data: Dataset) -> list[dict[str, Any]]:
    """The images of a part, each with its sentences."""
    rows: list[dict[str, Any]] = []
    at, ids, said = data.need("caption_offsets"), data.need("caption_id").tolist(), data.need("caption_text").tolist()
    for i, (name, number) in enumerate(zip(data.key.tolist(), image_ids(data).tolist(), strict=True)):
        mine = range(int(at[i]), int(at[i + 1]))
        sentences = [{"raw": said[j], "tokens": TOKEN.findall(said[j].lower()), "sentid": ids[j]} for j in mine]
        folder, _, own = name.rpartition("/")
        place = {"filepath": folder, "filename": own} if folder else {"filename": name}
        rows.append(
            place
            | {"cocoid": number, "split": data.meta.subset, "sentids": [ids[j] for j in mine], "sentences": sentences}
        )
    return rows
