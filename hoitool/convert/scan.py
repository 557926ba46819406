"""SCAN's precomputed folders of image-text matching: lines of captions, lines of image ids, region features.

    <subset>_caps.txt      a caption on each line, those of an image one after the other
    <subset>_ids.txt       the number of an image on each line: one for each image, or one for each caption
    <subset>_ims.npy       (N, regions, numbers), N as the ids; `hoitool embed import` puts them into a store
    <subset>_capids.txt    COCO's id of each caption, where there is one (vse_infty's annotations for CxC)
    id_mapping.json        {"number": "file name"} of the images, in the folder or above it (vse_infty), optional

A folder, or the folder that holds it as precomp/. Boxes and labels: none. Source: Lee et al., ECCV 2018 (SCAN); Chen et
al., CVPR 2021 (vse_infty); hoitool/convert/pages/scan.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hoitool.convert.captioned import captioned, captions_alone, holds, meta_of
from hoitool.convert.fields import brief, unique
from hoitool.convert.fit import Lost, require_held
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, select_images, strings
from hoitool.data.dataset import Array
from hoitool.data.image_ids import image_ids
from hoitool.errors import DataError, MissingData
from hoitool.files import load_json, reading, refuse_overwrite, require, write_text
from hoitool.lookup import unknown_name

SUMMARY = "SCAN's precomputed folders: lines of captions and image ids, region features beside them"
CAPTIONS, IDS, CAPTION_IDS, FEATURES = "_caps.txt", "_ids.txt", "_capids.txt", "_ims.npy"
NAMES, INSIDE = "id_mapping.json", "precomp"
WHAT = "a folder of SCAN's captions"
LONGEST = 19  # digits of an int64


def _in_lines(data: Dataset) -> tuple[Dataset, Lost]:
    """Data whose captions are single lines, of images that have some."""
    data, lost = captions_alone(data)
    said = strings([" ".join(text.split()) for text in data.need("caption_text").tolist()])
    lost["captions whose white space is more than single spaces"] = int((said != data.need("caption_text")).sum())
    silent = data.counts("caption") == 0
    lost["images without captions"] = int(silent.sum())
    data = data.with_columns(caption_text=said)
    return select_images(data, ~silent) if silent.any() else data, lost


HOLDS = holds(_in_lines)


def sniff(path: Path) -> bool:
    """Whether a path is a folder with lines of captions and of ids, or holds it as precomp/."""
    folder = _folder(path)
    return any((folder / f"{subset}{IDS}").is_file() for subset in _subsets(folder))


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """One part for each subset. Raises MissingData, DataError with file and line."""
    folder = _folder(require(path, WHAT))
    found = _subsets(folder)
    if not found:
        raise MissingData(f"{path}: no <subset>{CAPTIONS} in this folder ({WHAT} expected)")
    parts = [_read(folder, subset) for subset in found]
    held = [subset for subset in found if (folder / f"{subset}{FEATURES}").is_file()]
    told = f"{path}: the features of {', '.join(held)} go to a store by `hoitool embed import {path}`"
    return Reading(parts, notes=[told] if held else [])


@dataclass(frozen=True)
class Regions:
    """Precomputed features of the images of a subset: the file, its array (N, K, D), mapped, and each image's row."""

    data: Dataset
    file: Path
    features: Array
    rows: Array


def read_regions(path: Path, subset: str | None = None) -> list[Regions]:
    """The precomputed features of each subset (or of one) that has some; images that stand several times count once.

    Raises MissingData for a folder without features, UsageError for an unknown subset, DataError for arrays that are
    not the features of the folder's images.
    """
    folder = _folder(require(path, WHAT))
    found = [name for name in _subsets(folder) if (folder / f"{name}{FEATURES}").is_file()]
    if not found:
        raise MissingData(f"{path}: no <subset>{FEATURES} beside <subset>{CAPTIONS} ({WHAT} expected)")
    if subset is not None and subset not in found:
        raise unknown_name(f"subset with features in {path}", subset, found)
    return [_regions(folder, name) for name in found if subset in (None, name)]


def _regions(folder: Path, subset: str) -> Regions:
    data, file = _read(folder, subset), folder / f"{subset}{FEATURES}"
    require(file, "precomputed features")
    with reading(file, "precomputed features (.npy)"):
        features = np.lib.format.open_memmap(file, mode="r")
    if features.ndim != 3 or features.dtype.kind != "f":
        raise DataError(
            f"{file}: is {features.dtype}{list(features.shape)}, expected numbers [images, regions, numbers]"
        )
    by_count = {len(data): np.arange(len(data)), len(data.need("caption_text")): data.caption_offsets}
    rows = by_count.get(len(features))
    if rows is None:
        raise DataError(
            f"{file}: features of {len(features):,} images, expected {len(data):,} (one for each image of "
            f"{subset}{IDS}) or {len(data.need('caption_text')):,} (one for each caption)"
        )
    return Regions(data, file, features, rows[: len(data)])


def _folder(path: Path) -> Path:
    inside = path / INSIDE
    return inside if inside.is_dir() else path


def _subsets(folder: Path) -> list[str]:
    """The subsets that have captions, in name order."""
    return [] if not folder.is_dir() else sorted(p.name.removesuffix(CAPTIONS) for p in folder.glob(f"*{CAPTIONS}"))


def _read(folder: Path, subset: str) -> Dataset:
    captions, ids, caption_ids = (folder / f"{subset}{suffix}" for suffix in (CAPTIONS, IDS, CAPTION_IDS))
    said = strings(_lines(captions))
    numbers, image = _images(ids, len(said))
    files, own = [captions, ids], np.arange(1, len(said) + 1, dtype=np.int64)
    if caption_ids.is_file():
        files.append(caption_ids)
        own = _numbers(caption_ids)
        _check_count(caption_ids, len(own), len(said))
        _refuse_repeats(caption_ids, own, np.arange(len(own)))
    names = strings([str(number) for number in numbers.tolist()])
    table = next((file for file in (folder / NAMES, folder.parent / NAMES) if file.is_file()), None)
    if table is not None:
        files.append(table)
        names = _named(table, names)
    return captioned(meta_of(_dataset(folder), subset, files, names, numbers), names, image, said, own)


def _dataset(folder: Path) -> str:
    """coco_precomp is of coco, and so is coco/precomp."""
    folder = folder.resolve()
    return folder.parent.name if folder.name == INSIDE else folder.name.removesuffix(f"_{INSIDE}")


def _lines(file: Path) -> list[str]:
    """The lines of a file, none of them empty. Raises MissingData, DataError with the line."""
    with reading(file, WHAT):
        held = [line.strip() for line in file.read_bytes().decode("utf-8-sig").split("\n")]
    if not held[-1]:
        held.pop()
    if "" in held:
        raise DataError(f"{file}, line {held.index('') + 1}: is empty")
    return held


def _numbers(file: Path) -> Array:
    """(n,) int64 of a file with a number on each line."""
    held = _lines(file)
    for line, text in enumerate(held, 1):
        if not text.isascii() or not text.isdecimal() or len(text) > LONGEST or int(text) >= 2**63:
            raise DataError(f"{file}, line {line}: is {brief(text)}, expected the number of an image or caption")
    return np.array([int(text) for text in held], np.int64)


def _images(file: Path, captions: int) -> tuple[Array, Array]:
    """The numbers (I,) of the images, and the image of each caption (captions,) by place."""
    ids = _numbers(file)
    if len(ids) == captions:
        new = np.diff(ids, prepend=-1) != 0
        lines = np.flatnonzero(new)
        image = np.cumsum(new) - 1
    else:
        _check_count(file, len(ids), captions)
        lines = np.arange(len(ids))
        image = np.repeat(lines, captions // len(ids))
    _refuse_repeats(file, ids[lines], lines)
    return ids[lines], image


def _check_count(file: Path, came: int, captions: int) -> None:
    """Raise DataError unless lines go with captions: one for each, or for ids one for each image's."""
    if came != captions and (not came or captions % came or not file.name.endswith(IDS)):
        raise DataError(f"{file}: {came:,} lines for {captions:,} captions, which do not go together")


def _refuse_repeats(file: Path, ids: Array, lines: Array) -> None:
    """Raise DataError for an id (n,) that stands twice, where it is no run; lines (n,) of the ids, from 0."""
    first: dict[int, int] = {}
    for number, line in zip(ids.tolist(), (lines + 1).tolist(), strict=True):
        if number in first:
            raise DataError(f"{file}, line {line}: is {number}, which line {first[number]} is too")
        first[number] = line


def _named(file: Path, numbers: Array) -> Array:
    """(I,) the file names of the images of numbers (I,), as texts. Raises DataError for one that has none."""
    table = load_json(file, "names of images", dict)
    for number in numbers.tolist():
        if not isinstance(table.get(number), str):
            raise DataError(f"{file}: {number} is {brief(table.get(number))}, expected the file name of that image")
    names = strings([table[number] for number in numbers.tolist()])
    unique(names, str(file), "name")
    return names


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write captions, ids and names into the folder `path`; features stay in their store."""
    held = require_held(parts, HOLDS, WHAT)
    number = _numbered(held)
    texts: dict[Path, str] = {path / NAMES: json.dumps({str(i): name for name, i in number.items()}, indent=0)}
    for part in held:
        ids = [number[name] for name in part.key[part.image_of("caption")].tolist()]
        columns = {
            CAPTIONS: part.need("caption_text").tolist(),
            IDS: ids,
            CAPTION_IDS: part.need("caption_id").tolist(),
        }
        for suffix, values in columns.items():
            texts[path / f"{part.meta.subset}{suffix}"] = "".join(f"{value}\n" for value in values)
    for file in texts:
        refuse_overwrite(file, overwrite)
    for file, text in texts.items():
        write_text(file, text)
    return list(texts)


def _numbered(parts: Sequence[Dataset]) -> dict[str, int]:
    """Name -> number of all images: COCO's ids where all have one of their own, else 1, 2, ..."""
    made: dict[str, int] = {}
    for part in parts:
        for name, number in zip(part.key.tolist(), image_ids(part).tolist(), strict=True):
            made.setdefault(name, number)
    if len(set(made.values())) < len(made) or min(made.values(), default=0) < 0:
        return {name: i for i, name in enumerate(made, 1)}
    return made
