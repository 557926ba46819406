"""What an image encoder says of regions: the rows of a store of the training images, with their boxes.

Made by `hoitool embed regions`, of any boxes: proposals that a detector of base objects made, in ViLD. Rows are the sum
of the normalised embeddings of the box and of the box 1.5 times as large where the store was made with that context
(Gu et al., ICLR 2022, section 3.2); here they get length 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from hoitool.data import Dataset
from hoitool.data.dataset import Array
from hoitool.data.meta import Frame
from hoitool.embed.crops import continuous
from hoitool.embed.regions import BOX
from hoitool.errors import DataError
from hoitool.store import Store
from hoitool.store.layout import FAILED


@dataclass(frozen=True, eq=False)
class Teacher:
    """A store, and the place (I,) in it of each image of a dataset."""

    store: Store
    place: Array

    def regions(self, image: int, width: int, height: int) -> tuple[Array, Array]:
        """(n, 4) float64 boxes of an image, continuous, in pixels, and (n, D) float32 embeddings of length 1.

        width, height: of its picture. A picture that the encoder could not read has no regions.
        """
        place = int(self.place[image])
        start, stop = self.store.offsets[place : place + 2].tolist()
        if self.store.status[place] == FAILED:
            stop = start
        kept = np.arange(start, stop)
        if parts := self.store.manifest.parts:
            kept = kept[self.store.column("part")[kept] == parts.index(BOX)]
        rows = self.store.rows(start, stop)[kept - start].astype(np.float32)
        frame = cast(Frame, self.store.manifest.box_frame)
        boxes = continuous(self.store.column("boxes")[kept], frame, width, height)
        return boxes, rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)


def teacher_of(store: Store, data: Dataset) -> Teacher:
    """The regions of the images of a dataset. Raises DataError for a store of anything else, or without an image."""
    store.require(of="regions")
    index = {key: i for i, key in enumerate(store.key.tolist())}
    place = np.array([index.get(key, -1) for key in data.key.tolist()], np.int64)
    if (place < 0).any():
        key = data.key[int((place < 0).argmax())]
        raise DataError(f"{store.path}: has no image {key!r} of {data!r}; it was made of other images")
    return Teacher(store, place)
