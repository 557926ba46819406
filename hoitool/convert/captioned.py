"""Captions of images as columns: what the formats of captions share.

Such data have no boxes and no labels: a row for each image, each with its captions in the order of the file, and a
label space in which nothing is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from hoitool.convert.fields import by_image
from hoitool.convert.fit import Holds, Lost
from hoitool.data import Dataset, Meta, no_pairs, offsets_of
from hoitool.data.dataset import Array
from hoitool.data.image_ids import EXTRA, exceptions
from hoitool.data.meta import LABEL_KINDS
from hoitool.files import sha256
from hoitool.labels import LabelSpace, build


def no_labels() -> LabelSpace:
    """The label space of images that nobody has labelled."""
    return build("none", "images without labels", [], [], [])


def captioned(meta: Meta, names: Array, image: Array, said: Array, ids: Array) -> Dataset:
    """Images (I,) by name, with captions (n,) and their ids (n,), which are of the images (n,) by place."""
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


def meta_of(dataset: str, subset: str, files: Iterable[Path], names: Array, numbers: Array | None = None) -> Meta:
    """What such data say of themselves: the files that they came from, the ids (I,) that names do not tell."""
    known = {} if numbers is None else exceptions(names, numbers)
    extras = {EXTRA: {"image_ids": known}} if known else {}
    return Meta(no_labels(), dataset, subset, sources={file.name: sha256(file) for file in files}, extras=extras)


def captions_alone(data: Dataset) -> tuple[Dataset, Lost]:
    """Data without labels, whose captions all say something and have ids of their own."""
    said = np.array([bool(text.strip()) for text in data.need("caption_text").tolist()], bool)
    lost = {"captions without a word": int((~said).sum())}
    ids, image = data.need("caption_id")[said], data.image_of("caption")[said]
    if len(np.unique(ids)) < len(ids):
        lost["ids of captions that are not all different"] = len(ids)
        ids = np.arange(1, len(ids) + 1, dtype=np.int64)
    meta = replace(data.meta, labels=no_labels(), label_kind="interactions", box_frame="inclusive")
    return data.with_columns(
        meta,
        caption_id=ids,
        caption_text=data.need("caption_text")[said],
        caption_offsets=offsets_of(np.bincount(image, minlength=len(data))),
    ), lost


def holds(
    also: Callable[[Dataset], tuple[Dataset, Lost]] = captions_alone, optional: frozenset[str] = frozenset()
) -> Holds:
    """What a format of captions holds: images by name, their captions, and the columns of `optional`."""
    always = frozenset({"file_name", "caption_id"})
    return Holds(label_kinds=LABEL_KINDS, boxes=False, always=always, optional=optional, also=also)
