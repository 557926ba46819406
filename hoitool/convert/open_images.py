"""Open Images' visual relationships, V4 to V7 and the challenges: a .csv with one row per relation, boxes repeated.

A folder has oidv6-train-annotations-vrd.csv, challenge-2019-validation-vrd.csv, ...: any .csv with their columns
(convert/open_images_rows.py); beside them the descriptions of labels and triplets (convert/open_images_tables.py),
verified labels of images (convert/open_images_verified.py), and what says the images' sizes: image-sizes.csv (ImageID,
Width, Height), else folders of images `images` or of the subset.
Frame: normalised, as the files are; sizes are columns, so that pixel protocols can leave it. Boxes of an image with the
same label and the same four numbers are one box. Label kind: predicates, `is` (the object is an attribute) included.
Source: Kuznetsova et al., IJCV 2020; storage.googleapis.com/openimages/web/download_v7.html.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.csv_cells import open_table, write_table
from hoitool.convert.csv_pairs import merge_boxes
from hoitool.convert.fit import Holds, Lost, require_held
from hoitool.convert.open_images_rows import Rows, columns_of, is_relations, rows_of
from hoitool.convert.open_images_tables import EXTRA, Labels, labels_of_files, labels_of_truth, triplets
from hoitool.convert.open_images_verified import NAME, SUBSETS, certain, columns_of_labels, files_of, verified
from hoitool.convert.own_labels import require_same_labels, write_labels
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, Meta, offsets_of, select_images, strings
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.files import reading, refuse_overwrite, require, sha256

Array = NDArray[Any]
SUMMARY = "Open Images relationships, V4 to V7 and the challenges: .csv, one row per relation"
SIZES, CLASS_NAMES, RELATIONS = "image-sizes.csv", "class-descriptions.csv", "annotations-vrd.csv"
STEM = re.compile(r"(?:(?:oidv\d+|challenge-\d+)-)?(?P<subset>.*?)-?(?:annotations-)?vrd")


def image_file(key: str) -> str:
    """The file name of an image: its id and .jpg, unless the id is a file name already."""
    return key if Path(key).suffix else f"{key}.jpg"


def with_file_names(data: Dataset) -> tuple[Dataset, Lost]:
    """Data whose file names follow from the images' ids (for `Holds.also`)."""
    names = strings([image_file(key) for key in data.key.tolist()])
    other = 0 if data.file_name is None else int((data.file_name != names).sum())
    return data.with_columns(file_name=names), {"file names other than the image's id and .jpg": other}


def _as_table(data: Dataset) -> tuple[Dataset, Lost]:
    """Data as the rows of a file give them back: boxes merged, in the order of the pairs."""
    unnamed = data.key == ""
    data = select_images(data, ~unnamed) if unnamed.any() else data
    sides = np.stack([data.pair_boxes("subject"), data.pair_boxes("object")], axis=1).reshape(-1)
    made = _with_boxes(data, data.categories[sides], data.boxes[sides] + 0.0)
    made, lost = with_file_names(made)
    made, uncertain = certain(made)
    lost |= uncertain | {"images without a name": int(unnamed.sum())}
    return made, lost | {"boxes that repeat the class and corners of another one": len(data.boxes) - len(made.boxes)}


def _with_boxes(data: Dataset, categories: Array, boxes: Array) -> Dataset:
    """Data with the boxes (2P, 4) of their pairs, subject and object alternately, equal ones of an image as one."""
    image = np.repeat(data.image_of("pair"), 2)
    kept, became = merge_boxes(image, categories, boxes)
    offsets = offsets_of(np.bincount(image[kept], minlength=len(data)))
    place = (became - offsets[image]).astype(np.int32)
    return data.with_columns(
        boxes=boxes[kept],
        categories=categories[kept].astype(np.int32),
        subject=place[::2],
        object=place[1::2],
        box_offsets=offsets,
    )


HOLDS = Holds(
    label_kinds=("predicates",),
    box_frame="normalised",
    optional=frozenset({"file_name", "width", "image_label"}),
    empty_images=False,
    also=_as_table,
)


def sniff(path: Path) -> bool:
    """Whether a path is a file of relationships without scores by its header, or a folder that holds one."""
    return any(is_relations(file, scored=False) for file in _files(path))


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("[!.]*.csv")) if path.is_dir() else [path]


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """One part per file of a path, all in one label space. DataError names file, line and column."""
    require(path, "Open Images relationships")
    files = [file for file in _files(path) if path.is_file() or is_relations(file, scored=False)]
    if not files:
        raise MissingData(f"{path}: no .csv of relationships in this folder (oidv6-train-annotations-vrd.csv, ...)")
    _require_one_each(files)
    tables = [rows_of(file, scored=False) for file in files]
    folder = files[0].parent
    predicates = [rows.predicates for rows in tables]
    labels = labels_of_files(folder, [rows.classes for rows in tables], predicates, files[0])
    parts, notes = [], []
    for file, rows in zip(files, tables, strict=True):
        columns, told = verified(files_of(folder, _word(file)), strings(rows.images.values), labels)
        parts.append(_dataset(file, rows, labels).with_columns(**columns))
        notes += _notes(file, rows) + told
    return Reading(parts, notes=notes)


def _require_one_each(files: list[Path]) -> None:
    """Raise UsageError for two files whose names say the same subset, such as those of a version and of a challenge."""
    of: dict[str, Path] = {}
    for file in files:
        told = STEM.fullmatch(file.stem)
        other = of.setdefault(told["subset"], file) if told and told["subset"] else file
        if other != file:
            raise UsageError(f"{file.parent}: holds {other.name} and {file.name}, both of one subset; name one of them")


def _dataset(file: Path, rows: Rows, labels: Labels) -> Dataset:
    word = _word(file)
    meta = Meta(
        labels.space,
        dataset=EXTRA,
        subset=SUBSETS.get(word, word),
        label_kind="predicates",
        box_frame="normalised",
        sources={file.name: sha256(file)},
        extras=labels.extras,
    )
    order = np.argsort(rows.images.codes, kind="stable")
    sides = np.stack([2 * order, 2 * order + 1], axis=1).reshape(-1)
    key = strings(rows.images.values)
    counts = np.bincount(rows.images.codes, minlength=len(key))
    none = np.zeros(len(rows), np.int32)
    bare = Dataset(
        meta=meta,
        key=key,
        file_name=strings([image_file(name) for name in rows.images.values]),
        **_sizes(file, key),
        boxes=np.empty((0, 4)),
        categories=np.empty(0, np.int32),
        subject=none,
        object=none,
        label=labels.predicate_codes(rows.predicates)[order].astype(np.int32),
        box_offsets=np.zeros(len(key) + 1, np.int64),
        pair_offsets=offsets_of(counts),
    )
    return _with_boxes(bare, labels.object_codes(rows.classes)[sides], rows.boxes[sides])


def _word(file: Path) -> str:
    """The subset that a file's name says, as Open Images calls it, '' where it is not named as they are."""
    told = STEM.fullmatch(file.stem)
    return told["subset"] if told else ""


def _notes(file: Path, rows: Rows) -> list[str]:
    """What else to know of a file."""
    told = [f"{file}: columns not read: {', '.join(rows.ignored)}"] if rows.ignored else []
    if rows.outside:
        told.append(f"{file}: {rows.outside:,} boxes of relations reach outside 0..1; expected fractions of the image")
    listed = [triplets(table) for table in sorted(file.parent.glob("*triplets*.csv"))]
    if listed:
        found = set().union(*listed)
        classes = np.array([*rows.classes.values, ""], object)[rows.classes.codes].tolist()
        verbs = np.array([*rows.predicates.values, ""], object)[rows.predicates.codes].tolist()
        others = sum(triplet not in found for triplet in zip(classes[::2], verbs, classes[1::2], strict=True))
        told += (
            [f"{file}: {others:,} relations are of triplets that the list beside it does not have"] if others else []
        )
    return told


def _sizes(file: Path, keys: Array) -> dict[str, Array]:
    """Width and height (I,), 0 where unknown; nothing where nothing says sizes."""
    table = file.parent / SIZES
    if table.is_file():
        known = _listed_sizes(table)
    else:
        names = ["images", _word(file)]
        folders = [file.parent / name for name in names if name and (file.parent / name).is_dir()]
        if not folders:
            return {}
        known = {key: size for key in keys.tolist() for size in _size_in(folders, image_file(key))}
    sizes = np.array([known.get(key, (0, 0)) for key in keys.tolist()], np.int32).reshape(-1, 2)
    return {"width": sizes[:, 0].copy(), "height": sizes[:, 1].copy()}


def _listed_sizes(file: Path) -> dict[str, tuple[int, int]]:
    """ImageID -> width, height. Raises DataError for sizes that are no whole pixels, and for an id twice."""
    needed = ("ImageID", "Width", "Height")
    table = open_table(file, needed, needed)
    keys, key = table.names("ImageID", strip=False)
    columns = []
    for name in needed[1:]:
        values = table.numbers(name)
        wrong = ~((values >= 0) & (values <= np.iinfo(np.int32).max) & (values % 1 == 0))
        if wrong.any():
            raise table.error(int(wrong.argmax()), name, "whole pixels")
        columns.append(values.astype(np.int64).tolist())
    if (key < 0).any() or len(keys) < len(key):
        first = np.unique(key, return_index=True)[1]
        wrong = np.ones(len(key), bool)
        wrong[first] = key[first] < 0
        raise table.error(int(wrong.argmax()), "ImageID", "the id of an image, each once")
    return {keys[k]: (w, h) for k, w, h in zip(key.tolist(), *columns, strict=True)}


def _size_in(folders: list[Path], name: str) -> list[tuple[int, int]]:
    """The size of an image file in the first folder that has it, by its head; nothing where none has."""
    from PIL import Image

    for folder in folders:
        if (folder / name).is_file():
            with reading(folder / name, "an image"), Image.open(folder / name) as image:
                return [image.size]
    return []


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write <subset>-annotations-vrd.csv for each part into the folder `path`, with the tables that name its labels.

    Labels of images where data have them (<subset>-annotations-human-imagelabels.csv), class names where MIDs are known
    (class-descriptions.csv), sizes where they are (image-sizes.csv), labels.json.
    """
    held = require_held(parts, HOLDS, "Open Images relationships")
    space = require_same_labels(held)
    targets = [path / _file_name(part, RELATIONS) for part in held]
    beside = {path / SIZES: _sizes_table(held), path / CLASS_NAMES: _names_table(held[0])}
    tables = {target: columns_of(part) for target, part in zip(targets, held, strict=True)}
    beside |= {path / _file_name(part, NAME): columns_of_labels(part) for part in held}
    tables |= {file: table for file, table in beside.items() if table}
    for target in tables:
        refuse_overwrite(target, overwrite)
    written = write_labels(space, path, overwrite)
    for target, columns in tables.items():
        write_table(columns, target)
    return [*tables, *written]


def _file_name(data: Dataset, name: str) -> str:
    names = {ours: theirs for theirs, ours in SUBSETS.items()}
    subset = names.get(data.meta.subset, data.meta.subset)
    return f"{subset}-{name}" if subset else name


def _sizes_table(parts: list[Dataset]) -> dict[str, Array]:
    """ImageID, Width, Height of all parts that know sizes. Raises DataError for an image of two sizes."""
    sized = [part for part in parts if part.width is not None]
    if not sized:
        return {}
    rows: dict[str, tuple[int, int]] = {}
    for part in sized:
        for key, *size in zip(
            part.key.tolist(), part.need("width").tolist(), part.need("height").tolist(), strict=True
        ):
            if rows.setdefault(key, (size[0], size[1])) != (size[0], size[1]):
                raise DataError(f"image {key!r} has two sizes, {rows[key]} and {tuple(size)}, in two subsets")
    sizes = np.array(list(rows.values()), np.int64).reshape(-1, 2)
    return {"ImageID": strings(list(rows)), "Width": sizes[:, 0], "Height": sizes[:, 1]}


def _names_table(data: Dataset) -> dict[str, Array]:
    names = labels_of_truth(data).names
    return {"LabelName": strings(list(names)), "DisplayName": strings(list(names.values()))} if names else {}
