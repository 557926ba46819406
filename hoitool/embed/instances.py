"""The instances of a dataset (a pair of boxes with its label) among the rows of a pair regions store.

An instance has three rows: its union box, its object box, its human box. A store may hold more images and pairs than
the data, such as those that a split took away: rows depend on images and boxes alone, not on labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hoitool.data import Dataset, ranges
from hoitool.data.dataset import Array, offsets_of
from hoitool.embed.regions import BOX, UNION
from hoitool.errors import DataError, UsageError
from hoitool.progress import progress
from hoitool.store import Store
from hoitool.store.layout import FAILED

BLOCK = 2048  # instances read at once


@dataclass(frozen=True)
class Crops:
    """The features (n, d) float64 of the crops of instances start .. start + n - 1."""

    instances: slice
    union: Array
    object: Array
    human: Array


@dataclass(frozen=True, eq=False)
class Instances:
    """Instances in the data's order, and how many were left out.

    image           (n,) place of the image in the store
    verb, category  (n,) index of the verb, and of the object's class
    rows            (3, n) rows in the store of union, object, human
    without_object  pairs without an object box, which have no union
    unread          pairs of images that the store could not read
    """

    store: Store
    image: Array
    verb: Array
    category: Array
    rows: Array
    without_object: int
    unread: int

    def __len__(self) -> int:
        """The number of instances."""
        return len(self.verb)

    def crops(self) -> Iterator[Crops]:
        """The features of all instances, a block at a time."""
        starts = range(0, len(self), BLOCK)
        for start in progress(starts, "adding up verbs"):
            part = slice(start, min(start + BLOCK, len(self)))
            yield Crops(part, *self._read(part))

    def _read(self, part: slice) -> Array:
        """(3, n, d) float64: the images of the block are read once each."""
        images, place = np.unique(self.image[part], return_inverse=True)
        offsets = self.store.layout.offsets
        shift = offsets_of(np.diff(offsets)[images])[:-1] - offsets[images]
        made: Array = self.store.read(images)[self.rows[:, part] + shift[place]].astype(np.float64)
        return made


def instances(store: Store, data: Dataset) -> Instances:
    """Find the instances of data in a store made by hoitool/embed/regions.py with the parts box and union.

    Raises UsageError for data without interactions or verbs as labels, and DataError for a store of another kind,
    of other images or boxes, or without a pair of theirs.
    """
    _require(store)
    verb = _verbs(data)
    place = _places(store, data)
    image = place[data.image_of("pair")]
    whole = data.object >= 0
    read = store.status[image] != FAILED
    kept = np.flatnonzero(whole & read)
    category = data.categories[data.pair_boxes("object")[kept]]
    if (category < 0).any():
        key = store.key[image[kept[int((category < 0).argmax())]]]
        raise DataError(f"{data!r}, image {key!r}: the object of a pair has no class (category -1), expected one")
    start = store.layout.offsets[image[kept]]
    union = _unions(store, image[kept], data.subject[kept], data.object[kept])
    rows = np.stack([union, start + data.object[kept], start + data.subject[kept]])
    unread = int((whole & ~read).sum())
    return Instances(store, image[kept], verb[kept], category.astype(np.int64), rows, int((~whole).sum()), unread)


def _require(store: Store) -> None:
    store.require(of="regions")
    parts = store.manifest.parts
    if not {BOX, UNION} <= set(parts):
        told = " and ".join(parts) or "boxes alone"
        raise DataError(f"{store.path}: holds {told}, expected boxes and unions of pairs; make it with pairs (union)")
    if store.manifest.normalised:
        raise DataError(
            f"{store.path}: its rows are normalised, the formulas are of features as the encoder gives them; "
            "make it without normalisation"
        )


def _verbs(data: Dataset) -> Array:
    """(P,) the verb of each pair."""
    kind = data.meta.label_kind
    if data.label is None or kind not in ("interactions", "verbs"):
        raise UsageError(f"{data!r}: its pairs have no interaction or verb each ({kind}), of which verbs are made")
    verb = data.meta.labels.interaction_verbs[data.label] if kind == "interactions" else data.label
    return verb.astype(np.int64)


def _places(store: Store, data: Dataset) -> Array:
    """(I,) the place in the store of each image of the data, whose boxes are its first rows and equal those."""
    index = {key: i for i, key in enumerate(store.key.tolist())}
    place = np.array([index.get(key, -1) for key in data.key.tolist()], np.int64)
    if (place < 0).any():
        key = data.key[int((place < 0).argmax())]
        raise DataError(f"{store.path}: has no image {key!r} of {data!r}; it was made of other images")
    counts, is_box = data.counts("box"), store.column("part") == store.manifest.parts.index(BOX)
    held = np.bincount(store.image_of_rows()[is_box], minlength=len(store))[place]
    if (held != counts).any():
        i = int((held != counts).argmax())
        raise DataError(f"{store.path}: image {data.key[i]!r} has {held[i]} boxes, the data have {counts[i]}")
    rows = ranges(store.layout.offsets[place], counts)
    differs = (store.column("boxes")[rows] != data.boxes).any(axis=1) | ~is_box[rows]
    if differs.any():
        key = data.key[data.image_of("box")[int(differs.argmax())]]
        told = f"frames {store.manifest.box_frame or '?'} and {data.meta.box_frame}"
        raise DataError(f"{store.path}: the boxes of image {key!r} are not those of the data ({told})")
    return place


def _unions(store: Store, image: Array, subject: Array, obj: Array) -> Array:
    """(n,) the row in the store of the union of each pair."""
    unions = store.places(UNION)
    held = [store.image_of_rows()[unions], store.column("subject")[unions], store.column("object")[unions]]
    width = 1 + max((int(side.max(initial=0)) for side in (*held[1:], subject, obj)), default=0)

    def code(place: Array, one: Array, other: Array) -> Array:
        made: Array = (place.astype(np.int64) * width + one) * width + other
        return made

    known, wanted = code(*held), code(image, subject, obj)
    order = np.argsort(known)
    at = np.minimum(np.searchsorted(known[order], wanted), max(len(known) - 1, 0))
    missing = known[order][at] != wanted if len(known) else np.ones(len(wanted), bool)
    if missing.any():
        i = int(missing.argmax())
        raise DataError(
            f"{store.path}: image {store.key[image[i]]!r} has no union of boxes {subject[i]} and {obj[i]}; it was made "
            f"of other pairs ({int(missing.sum()):,} of {len(wanted):,} are not there)"
        )
    found: Array = unions[order][at] if len(known) else unions
    return found
