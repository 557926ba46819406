"""The instance JSON of fredzzhang's hicodet and vcoco repositories, which SCG, UPT and PViC train on.

Two layouts of pairs with their boxes: V-COCO's 24 action-roles (pocket_vcoco.py) and HICO-DET's interactions
(pocket_hico.py). What a file holds says which one it is; data are written in the one of their label space.
Frames: continuous in the first; one-based pixel indices in the second, the inclusive zero-based frame here.
Source: github.com/fredzzhang/hicodet and github.com/fredzzhang/vcoco; hoitool/convert/pages/pocket.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hoitool.convert import pocket_hico, pocket_vcoco
from hoitool.convert.fit import Holds, require_held
from hoitool.convert.reading import Reading
from hoitool.data import Dataset
from hoitool.errors import DataError, UsageError
from hoitool.files import atomic, json_object_with, load_json, refuse_overwrite, require, sha256
from hoitool.labels import load_labels

SUMMARY = "the instance JSON of fredzzhang's hicodet and vcoco repositories (SCG, UPT, PViC)"


def _holds_of(data: Dataset) -> Holds:
    return pocket_vcoco.HOLDS if _is_vcoco(data) else pocket_hico.HOLDS


HOLDS = Holds(always=frozenset({"file_name"}), of=_holds_of)


def sniff(path: Path) -> bool:
    """Whether a path is such a file, or a folder with some."""
    return bool(_files(path))


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """One part for each file; its name says the subset. Raises MissingData, DataError."""
    require(path, "an instances_*.json of hicodet or vcoco")
    files = _files(path) or ([path] if path.is_file() else sorted(path.glob("instances_*.json")))
    if not files:
        raise DataError(f"{path}: no instances_*.json of hicodet or vcoco in it")
    parts, notes = [], []
    for file in files:
        content = load_json(file, "an instances_*.json of hicodet or vcoco", dict)
        subset = _subset(file)
        if "annotations" in content:
            part = pocket_vcoco.dataset(content, file, subset)
        else:
            part, told = pocket_hico.dataset(content, file, subset, file.resolve().parent.name)
            notes += told
        parts.append(part.with_columns(replace(part.meta, sources={file.name: sha256(file)})))
    return Reading(_counted(parts), notes=notes)


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write each part into the folder `path`, under the authors' names. Raises UsageError for a path that is a file."""
    if path.suffix == ".json":
        raise UsageError(f"{path}: name a folder; the files in it are called instances_...json as the authors' are")
    held = require_held(parts, HOLDS, "the instance JSON of pocket")
    targets = [path / _file_name(part) for part in held]
    for target in targets:
        refuse_overwrite(target, overwrite)
    vcoco = pocket_vcoco.contents([part for part in held if _is_vcoco(part)])
    for part, target in zip(held, targets, strict=True):
        content = vcoco.pop(0) if _is_vcoco(part) else pocket_hico.content(part)
        with atomic(target) as temporary:
            temporary.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
    return targets


def _is_vcoco(data: Dataset) -> bool:
    return data.meta.labels.hash == load_labels(pocket_vcoco.SPACE).hash


def _files(path: Path) -> list[Path]:
    """The files of either layout: `path` itself, or those in the folder."""
    inside = sorted(path.glob("*.json")) if path.is_dir() else [path]
    kinds = (pocket_vcoco.WORDS, pocket_hico.WORDS)
    return [file for file in inside if any(json_object_with(file, *words) for words in kinds)]


def _file_name(data: Dataset) -> str:
    if _is_vcoco(data):
        return f"instances_vcoco_{data.meta.subset}.json" if data.meta.subset else "instances_vcoco.json"
    return f"instances_{data.meta.subset}2015.json"


def _subset(file: Path) -> str:
    """What the authors' names say between their fixed parts, else the word in the name that is a subset's."""
    for pattern in (r"instances_vcoco_?(.*)", r"instances_(.*)2015", r".*?(trainval|train|val|test).*"):
        if found := re.fullmatch(pattern, file.stem):
            return found[1]
    return ""


def _counted(parts: list[Dataset]) -> list[Dataset]:
    """Parts whose label space is their own, with the pairs that the training part has of each interaction."""
    made = []
    for part in parts:
        labels = part.meta.labels
        train = [p for p in parts if p.meta.subset == "train" and p.meta.labels.hash == labels.hash]
        if train and (labels.train_instances < 0).any():
            counts = np.bincount(train[0].need("label"), minlength=len(labels)).astype(np.int64)
            part = part.with_columns(replace(part.meta, labels=replace(labels, train_instances=counts)))
        made.append(part)
    return made
