"""Embeddings of boxes, and of the unions of pairs of boxes: a crop for each, one decoding for each image.

Rows of an image: its boxes in their order (part box), then each pair of boxes once, in the order of their first
appearance: their union (part union), and the union with everything outside of the two boxes in the mean colour
(part union-masked). Several contexts: the sum of the normalised embeddings of each, normalised again (ViLD, Gu et al.,
ICLR 2022, section 3.2). Boxes that cut out the same pixels are encoded once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from hoitool.data import Dataset
from hoitool.data.dataset import Array, offsets_of
from hoitool.data.meta import Frame
from hoitool.embed.crops import CropRule, cut, masked, union
from hoitool.embed.encoder import Encoder
from hoitool.embed.ensembles import unit
from hoitool.embed.job import Inputs, Lane
from hoitool.embed.pictures import Album
from hoitool.errors import DataError, UsageError
from hoitool.store import Layout, Manifest

BOX, UNION, MASKED = "box", "union", "union-masked"
PAIR_PARTS = (UNION, MASKED)


@dataclass(frozen=True)
class Boxes:
    """The boxes of a dataset or of predictions, laid out as rows; parts: the boxes, and what is embedded of pairs."""

    layout: Layout
    parts: tuple[str, ...]
    frame: Frame
    sizes: Array  # (I, 2) width and height, 0 = unknown


def boxes_of(data: Dataset, pairs: Sequence[str] = ()) -> Boxes:
    """Rows for the boxes of a dataset, and for the parts `pairs` (union, union-masked) of its pairs.

    Raises UsageError for a part that is none, and for pairs of data without any.
    """
    if unknown := set(pairs) - set(PAIR_PARTS):
        raise UsageError(f"no part of a pair is called {sorted(unknown)[0]!r}; there are {' and '.join(PAIR_PARTS)}")
    image = [data.image_of("box")]
    columns = {name: [values] for name, values in _box_columns(data).items()}
    first = distinct_pairs(data) if pairs else np.empty(0, np.int64)
    if pairs and not len(first):
        raise UsageError(f"{data!r} has no pairs of two boxes; leave out --pairs")
    for part in pairs:
        image.append(data.image_of("pair")[first])
        for name, values in _pair_columns(data, first, 1 + PAIR_PARTS.index(part)).items():
            if name in columns:
                columns[name].append(values)
    rows = np.concatenate(image)
    order = np.argsort(rows, kind="stable")
    held = {name: np.concatenate(values)[order] for name, values in columns.items()}
    if not pairs:
        for name in ("part", "subject", "object"):
            del held[name]
    sizes = [np.zeros(len(data), np.int32) if each is None else each for each in (data.width, data.height)]
    layout = Layout(data.key, offsets_of(np.bincount(rows, minlength=len(data))), held)
    parts = (BOX, *PAIR_PARTS) if pairs else ()
    return Boxes(layout, parts, data.meta.box_frame, np.stack(sizes, axis=1))


def distinct_pairs(data: Dataset) -> Array:
    """The first row of each distinct (subject, object) of two boxes, in order."""
    subject, obj = data.pair_boxes("subject"), data.pair_boxes("object")
    both = np.flatnonzero(obj >= 0)
    _, first = np.unique(subject[both].astype(np.int64) * (len(data.boxes) + 1) + obj[both], return_index=True)
    found: Array = both[np.sort(first)]
    return found


def _box_columns(data: Dataset) -> dict[str, Array]:
    rows = len(data.boxes)
    made = {"boxes": data.boxes, "category": data.categories, "part": np.zeros(rows, np.uint8)}
    made |= {"subject": np.full(rows, -1, np.int32), "object": np.full(rows, -1, np.int32)}
    return made if data.box_scores is None else made | {"scores": data.box_scores}


def _pair_columns(data: Dataset, first: Array, part: int) -> dict[str, Array]:
    sides = [data.boxes[data.pair_boxes(side)[first]] for side in ("subject", "object")]
    made = {"boxes": union(*sides), "category": np.full(len(first), -1, np.int32)}
    made |= {"part": np.full(len(first), part, np.uint8), "subject": data.subject[first], "object": data.object[first]}
    if data.box_scores is not None:
        made["scores"] = np.full(len(first), np.nan, data.box_scores.dtype)
    return made


class Regions:
    """The job of embedding crops. Its manifest says the rule; see hoitool/embed/job.py for what a job is."""

    def __init__(self, boxes: Boxes, album: Album, encoder: Encoder, manifest: Manifest, rule: CropRule) -> None:
        """manifest: as hoitool/embed/about.py makes it; encoder: one of images."""
        assert encoder.preprocess is not None
        self.boxes, self.album, self.rule, self.preprocess = boxes, album, rule, encoder.preprocess
        self.manifest, self.layout = manifest, boxes.layout
        self.inputs = np.diff(boxes.layout.offsets) * len(rule.contexts)
        self.lanes: Mapping[str, Lane] = {"image": encoder.images}
        self._places: dict[int, Array] = {}  # where each row of an image that is under way finds its crops' results

    def picture_size(self, image: int) -> int:
        """The size of an image's file in bytes, -1 where there is none."""
        return self.album.size(image)

    def load(self, image: int) -> dict[str, Inputs]:
        """The distinct crops of an image, as pixels."""
        start, stop = self.layout.offsets[image : image + 2].tolist()
        if start == stop:
            return {}
        picture = self.album.open(image)
        require_size(picture.size, self.boxes.sizes[image], self.album.names[image])
        wanted = self._crops(image, slice(start, stop), picture)
        distinct, places = np.unique(wanted.reshape(-1, wanted.shape[-1]), axis=0, return_inverse=True)
        self._places[image] = places.reshape(wanted.shape[:2])
        return {"image": np.stack([self._pixels(picture, crop) for crop in distinct])}

    def combine(self, image: int, made: Mapping[str, Array]) -> Array:
        """(r, dim) a row for each box and pair."""
        if image not in self._places:
            return np.empty((0, self.manifest.dim), np.float32)
        rows = of_contexts(made["image"][self._places.pop(image)])
        return unit(rows, "box") if self.manifest.normalised else rows

    def _crops(self, image: int, rows: slice, picture: Image.Image) -> Array:
        """(r, contexts, 12): the crop of each row, and what is left of a masked one: two more crops in it, else 0."""
        columns, (width, height) = self.layout.columns, picture.size
        made = np.zeros((rows.stop - rows.start, len(self.rule.contexts), 12), np.int64)
        for c, context in enumerate(self.rule.contexts):
            made[:, c, :4] = self._cut(columns["boxes"][rows], width, height, context)
        if self.boxes.parts:
            hidden = np.flatnonzero(columns["part"][rows] == self.boxes.parts.index(MASKED))
            for at, side in ((4, "subject"), (8, "object")):
                box = columns["boxes"][rows.start + columns[side][rows][hidden]]
                inside = self._cut(box, width, height, 1.0)[:, None] - np.tile(made[hidden, :, :2], 2)
                made[hidden, :, at : at + 4] = inside
        return made

    def _cut(self, boxes: Array, width: int, height: int, context: float) -> Array:
        return cut(boxes, self.boxes.frame, width, height, context, self.rule.min_side)

    def _pixels(self, picture: Image.Image, crop: Array) -> Array:
        left, top, right, bottom = crop[:4].tolist()
        made = picture.crop((left, top, right, bottom))
        if crop[4:].any():
            red, green, blue = (round(255 * value) for value in self.preprocess.mean)
            made = masked(made, crop[4:].reshape(2, 4), (red, green, blue))
        return self.preprocess.pixels(made)


def of_contexts(views: Array) -> Array:
    """(r, dim) of the embeddings (r, contexts, dim) of each row's crops: the sum of the normalised, or the only one."""
    if views.shape[1] == 1:
        return views[:, 0]
    total: Array = unit(views.reshape(-1, views.shape[-1]), "crop").reshape(views.shape).sum(axis=1)
    return total


def require_size(size: tuple[int, int], said: Array, name: str) -> None:
    """Raise DataError unless a picture has the width and height (2,) that its annotations say; 0 = not said."""
    width, height = said.tolist()
    if width and height and (width, height) != size:
        raise DataError(
            f"{name}: the picture has {size[0]}x{size[1]} pixels, its annotations say {width}x{height}: "
            "another version of it?"
        )
