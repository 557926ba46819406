"""Verified labels of Open Images' images: a .csv beside the relationships with ImageID, LabelName and Confidence.

Confidence is 1 where people saw the class in the image and 0 where they saw that it is not there. A file belongs to a
subset by the word in its name (validation-annotations-human-imagelabels-boxable.csv), and to its images by their ids.
The challenge's protocol drops predictions of classes that are not verified in their image.
Source: storage.googleapis.com/openimages/web/download_v7.html.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.csv_cells import open_table
from hoitool.convert.open_images_rows import header
from hoitool.convert.open_images_tables import Labels, filled_names, mids_of
from hoitool.data import Dataset, offsets_of

Array = NDArray[Any]
COLUMNS = ("ImageID", "LabelName", "Confidence")
SUBSETS = {"validation": "val"}  # how the files say it -> how hoitool does; some files of V7 say it as hoitool does
NAME = "annotations-human-imagelabels.csv"


def files_of(folder: Path, subset: str) -> list[Path]:
    """The files of verified labels in a folder that a subset can have, by its word in Open Images' names ('': all)."""
    found = [file for file in sorted(folder.glob("[!.]*.csv")) if _holds_labels(file)]
    words = {file: {SUBSETS.get(word, word) for word in re.split(r"[-_.]", file.stem)} for file in found}
    return [file for file in found if not subset or SUBSETS.get(subset, subset) in words[file]]


def _holds_labels(file: Path) -> bool:
    """Whether a file has their columns and no boxes; what machines said is not verified."""
    names = header(file)
    return names >= {*COLUMNS} and not names & {"XMin", "XMin1"} and "machine" not in file.name


def verified(files: list[Path], keys: Array, labels: Labels) -> tuple[dict[str, Any], list[str]]:
    """The columns of labels of images (I,), none without files, and notes on what was left out.

    A label that stands again, in one file or in two, counts once; one that is said to be present and absent stays both.
    Raises DataError, naming the line, for an empty cell and a confidence other than 0 and 1.
    """
    if not files:
        return {}, []
    objects = {name: i for i, name in enumerate(labels.space.objects)}
    places = {key: i for i, key in enumerate(keys.tolist())}
    rows, notes = [], []
    for file in files:
        table = open_table(file, COLUMNS, COLUMNS)
        images, classes = filled_names(table, "ImageID", strip=False), filled_names(table, "LabelName")
        confidence = table.numbers("Confidence")
        if (wrong := ~np.isin(confidence, (0, 1))).any():
            raise table.error(int(wrong.argmax()), "Confidence", "1 (present) or 0 (absent)")
        image = np.array([*(places.get(key, -1) for key in images.values), -1])[images.codes]
        label = np.array([*(objects.get(labels.names.get(name, name), -1) for name in classes.values), -1])
        label = label[classes.codes]
        if unknown := int(((label < 0) & (image >= 0)).sum()):
            notes.append(f"{file}: {unknown:,} labels of images are of classes that the label space does not have")
        held = (image >= 0) & (label >= 0)
        rows.append(np.stack([image, label, np.where(confidence == 1, 1, -1)])[:, held])
    image, label, value = _each_once(np.concatenate(rows, axis=1), len(objects))
    if both := int(len(image) - len(np.unique(image * len(objects) + label))):
        notes.append(f"{files[0]}: {both:,} labels of images are said to be present and absent; both are kept")
    order = np.argsort(image, kind="stable")
    return {
        "image_label": label[order].astype(np.int32),
        "image_value": value[order].astype(np.int8),
        "image_label_offsets": offsets_of(np.bincount(image, minlength=len(keys))),
    }, notes


def _each_once(rows: Array, objects: int) -> Array:
    """Rows (3, n) of image, label and value without those that stand before, in their order."""
    image, label, value = rows
    first = np.unique((image * objects + label) * 2 + (value == 1), return_index=True)[1]
    kept: Array = rows[:, np.sort(first)]
    return kept


def certain(data: Dataset) -> tuple[Dataset, dict[str, int]]:
    """Data without labels of images that are uncertain or stand again, and how many those were."""
    if data.image_label is None:
        return data, {}
    held = np.stack([data.image_of("image_label"), data.image_label, data.need("image_value")])
    sure = held[:, held[2] != 0]
    image, label, value = _each_once(sure, len(data.meta.labels.objects))
    made = data.with_columns(
        image_label=label.astype(np.int32),
        image_value=value.astype(np.int8),
        image_label_offsets=offsets_of(np.bincount(image, minlength=len(data))),
    )
    repeated = sure.shape[1] - len(image)
    uncertain = held.shape[1] - sure.shape[1]
    return made, {"uncertain labels of images": uncertain, "labels of images that stand again": repeated}


def columns_of_labels(data: Dataset) -> dict[str, Array]:
    """The columns of a file of verified labels; none where data have no labels of images."""
    if data.image_label is None:
        return {}
    key = data.key[data.image_of("image_label")]
    confidence = (data.need("image_value") == 1).astype(np.int64)
    return dict(zip(COLUMNS, (key, mids_of(data)[data.image_label], confidence), strict=True))
