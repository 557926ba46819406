"""What recognition learns from: pictures, the labels of whole images, and how often an image is shown.

Targets are 1 present, -1 absent, 0 uncertain, UNKNOWN where the data say nothing: as the dataset has them. Losses take
1 for a positive and all else for a negative, as DEFR's do. Data filtered by a split are taken as they are,
and their split is recorded.
Repetition (DEFR, Jin et al., CVPR 2022): a class with n positive images asks for ceil(min_samples / n) - 1 repetitions
of each; an image is shown once, and again as often as the class of its labels that asks for most, at most `most` times,
where that is more than 1: an image that would be repeated once is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from hoitool.data import Dataset, offsets_of
from hoitool.data.dataset import Array
from hoitool.embed.pictures import Album, album_of
from hoitool.errors import DataError, UsageError
from hoitool.labels import difference
from hoitool.splits.apply import EXTRA as SPLIT
from hoitool.train.defr.settings import Balance

UNKNOWN = -2
From = Literal["images", "pairs", "auto"]


@dataclass(frozen=True, eq=False)
class Images:
    """Pictures and their labels, of one dataset or of several one after the other.

    albums   the pictures of each dataset; keys (I,) the images' names
    offsets  (I + 1,) the labels of image i are offsets[i]:offsets[i + 1] of `label` and `value`
    classes  how many labels there are; splits: what the datasets say of the splits they were filtered by
    """

    albums: tuple[Album, ...]
    keys: Array
    offsets: Array
    label: Array
    value: Array
    classes: int
    splits: tuple[dict[str, Any], ...]

    def __len__(self) -> int:
        """The number of images."""
        return len(self.keys)

    def open(self, image: int) -> Image.Image:
        """A picture as RGB. Raises MissingData, and DataError when it cannot be decoded."""
        album = int(np.searchsorted(self._starts, image, side="right")) - 1
        return self.albums[album].open(image - int(self._starts[album]))

    def target(self, image: int) -> Array:
        """(K,) int8 what the data say of an image: 1, -1, 0 or UNKNOWN."""
        made = np.full(self.classes, UNKNOWN, np.int8)
        rows = slice(self.offsets[image], self.offsets[image + 1])
        made[self.label[rows]] = self.value[rows]
        return made

    @cached_property
    def _starts(self) -> Array:
        return offsets_of([len(album.names) for album in self.albums])[:-1]


def images_of(data: Dataset, folder: Path, labels: From = "auto", split: str | None = None) -> Images:
    """The images of a dataset with their labels, its pictures below a folder.

    labels  of whole images, or those of pairs put together; auto: of whole images where the data have any
    split   the split that the data must have been filtered by
    Raises MissingData for a folder with none of the pictures, DataError for data without images or such labels,
    UsageError for data of another split.
    """
    if not len(data):
        raise DataError(f"{data!r} has no images to train on")
    _require_split(data, split)
    offsets, label, value = image_labels(data, labels)
    held = data.meta.extras.get(SPLIT)
    return Images(
        (album_of(data, folder),),
        data.key,
        offsets,
        label,
        value,
        data.meta.classes,
        () if held is None else (held,),
    )


def joined(data: Sequence[Dataset], parts: Sequence[Images]) -> Images:
    """The images of several datasets as one. Raises DataError where their labels are not the same."""
    for other in data[1:]:
        differs = difference(data[0].meta.labels, other.meta.labels.summary())
        if differs or other.meta.label_kind != data[0].meta.label_kind:
            raise DataError(f"{other!r} beside {data[0]!r}: {differs or 'labels of another kind'}")
    return Images(
        tuple(album for part in parts for album in part.albums),
        np.concatenate([part.keys for part in parts]),
        offsets_of(np.concatenate([np.diff(part.offsets) for part in parts])),
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.value for part in parts]),
        parts[0].classes,
        tuple(split for part in parts for split in part.splits),
    )


def image_labels(data: Dataset, labels: From = "auto") -> tuple[Array, Array, Array]:
    """Offsets (I + 1,), labels (n,) and values (n,) of whole images; those of pairs are each once, and present.

    Raises UsageError for predicates and objects: there, labels of whole images are of objects.
    """
    if data.meta.label_kind in ("predicates", "objects"):
        raise UsageError(
            f"{data!r} holds {data.meta.label_kind}, which recognition does not learn; it learns interactions or verbs"
        )
    if labels == "images" or (labels == "auto" and data.image_label is not None):
        offsets, label, value = data.offsets("image_label"), data.need("image_label"), data.need("image_value")
        assert offsets is not None
        return offsets, label, value
    if data.label is None:
        raise DataError(f"{data!r} has neither labels of whole images nor of pairs, which recognition learns from")
    held = np.unique(data.image_of("pair").astype(np.int64) * data.meta.classes + data.label)
    image, label = np.divmod(held, data.meta.classes)
    counts = np.bincount(image, minlength=len(data))
    return offsets_of(counts), label.astype(np.int32), np.ones(len(label), np.int8)


def repetitions(images: Images, rule: Balance) -> Array:
    """(I,) how often each image is shown in an epoch, at least once. See the module."""
    if rule.min_samples is None:
        return np.ones(len(images), np.int64)
    image = np.repeat(np.arange(len(images)), np.diff(images.offsets))
    present = images.value == 1
    image, label = image[present], images.label[present]
    counts = np.bincount(label, minlength=images.classes)
    again = np.zeros(len(images), np.int64)
    np.maximum.at(again, image, -(-rule.min_samples // counts[label]) - 1)
    again = np.minimum(again, rule.most)
    return 1 + np.where(again > 1, again, 0)


def _require_split(data: Dataset, split: str | None) -> None:
    """Raise UsageError unless data were filtered by the split, where one is asked for."""
    held = data.meta.extras.get(SPLIT, {}).get("name")
    if split is not None and held != split:
        by = f"by split {held!r}" if held else "by no split"
        raise UsageError(f"{data!r} was filtered {by}, data.split asks for {split!r}: `hoitool split apply` makes it")
