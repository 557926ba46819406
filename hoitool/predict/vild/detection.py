"""Detections of pictures: proposals or given boxes, their scores for a vocabulary, moved, thinned.

Boxes are continuous, in pixels of the picture as it is stored; those of an image come by falling score. Numbers on the
way from scores to boxes are float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hoitool.data import Dataset, Meta, Predictions, no_pairs, offsets_of, select_images
from hoitool.data.dataset import Array
from hoitool.embed.crops import continuous
from hoitool.embed.encoders.device import computing
from hoitool.embed.pictures import Album
from hoitool.embed.regions import require_size
from hoitool.labels import LabelSpace
from hoitool.models.card import Labelled
from hoitool.models.vild import Vild
from hoitool.models.vild_regions import Thinning, moved, thinned
from hoitool.predict.detectors.finding import as_array
from hoitool.predict.loading import loaded
from hoitool.predict.recognition import Pace, require_finite
from hoitool.predict.vild.squares import Square, fitted, normalised
from hoitool.predict.vild.vocabulary import Vocabulary, scores
from hoitool.progress import progress

BLOCK = 1000  # images of predictions that are kept in memory
PIXELS = 2**23  # of the squares that go through a model at once: 8 of 1024 x 1024


class Found(NamedTuple):
    """Boxes (n, 4) float64 of a picture, their objects (n,) of the vocabulary's labels, and scores (n,) float32.

    Of proposals, objects are -1.
    """

    boxes: Array
    objects: Array
    scores: Array


@dataclass(frozen=True, eq=False)
class Detector:
    """A model, its card, the vocabulary, how detections are thinned.

    classes: False for proposals alone, boxes without classes
    """

    model: Vild
    card: Labelled
    words: Vocabulary
    rule: Thinning
    classes: bool = True

    def __call__(self, squares: Sequence[Square], given: Sequence[Array] | None = None) -> list[Found]:
        """What is found in pictures; given: boxes (n, 4) of each, in pixels of its square, in place of proposals."""
        weight = next(self.model.backbone.parameters())
        sizes = [square.size for square in squares]
        with computing():
            pixels = torch.from_numpy(np.stack([square.pixels for square in squares])).to(weight.device)
            pictures = normalised(pixels, sizes, self.card).to(weight.dtype)
            maps = self.model.maps(pictures)
            if given is None:
                proposed = self.model.proposals(pictures, maps, sizes)
                if not self.classes:
                    return [_proposed(*each) for each in zip(proposed, squares, strict=True)]
                boxes = [each[:, :4] for each in proposed]
            else:
                boxes = [torch.from_numpy(each).to(weight.device, torch.float32) for each in given]
            made = self._scored(maps, boxes)
            return [self._found(mine, *rows, square) for mine, rows, square in zip(boxes, made, squares, strict=True)]

    def _scored(self, maps: dict[str, Tensor], boxes: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Of each picture the scores (n, K) of its boxes and their shifts (n, 4)."""
        counts = [len(each) for each in boxes]
        picture = torch.repeat_interleave(torch.arange(len(boxes)), torch.tensor(counts)).to(boxes[0])
        rois = torch.cat([picture[:, None], torch.cat(boxes)], dim=1)
        text, shifts, image = self.model.look(maps, rois, None)
        heads, temperature = self.card.numbers["heads"], self.card.predict["temperature"]
        rows = scores(text, image, self.model.background, heads, self.words, temperature)
        return list(zip(*(torch.split(held, counts) for held in (rows, shifts)), strict=True))

    def _found(self, boxes: Tensor, rows: Tensor, shifts: Tensor, square: Square) -> Found:
        places = moved(boxes, shifts, square.size)
        kept, label = thinned(places, rows, self.rule)
        objects = self.words.objects[label.cpu().numpy()]
        return Found(_in_picture(places[kept], square), objects, rows[kept, label].cpu().numpy())


def _proposed(rows: Tensor, square: Square) -> Found:
    """Proposals (n, 5) of a square."""
    nothing = np.full(len(rows), -1, np.int64)
    return Found(_in_picture(rows[:, :4], square), nothing, rows[:, 4].float().cpu().numpy())


def _in_picture(boxes: Tensor, square: Square) -> Array:
    """(n, 4) float64 boxes in pixels of the picture as it was."""
    high, wide = square.scale
    made: Array = boxes.double().cpu().numpy() / [wide, high, wide, high]
    return made


def detections(
    detector: Detector,
    images: Dataset,
    album: Album,
    pace: Pace,
    given: Dataset | None = None,
    broken: dict[str, str] | None = None,
    told: str = "detecting",
) -> Iterator[tuple[int, Found]]:
    """What is found in the pictures of images, in their order: an image's place and its boxes.

    given   boxes of the same images that are looked at in place of proposals; an image of none is not opened
    broken  with pace.skip_broken: name -> why, filled with pictures that could not be read
    told    what the progress bar is called; empty: there is none
    Raises DataError for a picture that cannot be read, or is of another size than its image.
    """
    side = detector.card.image_size
    wanted = np.arange(len(images)) if given is None else np.flatnonzero(given.counts("box") > 0)
    part = Album([album.names[i] for i in wanted.tolist()], album.keys[wanted], album.pictures)
    at_once = max(1, min(pace.batch, PIXELS // side**2))
    batches = loaded(part, as_array, at_once, pace.workers, pace.skip_broken)
    for places, pixels, wrong in progress(batches, told, -(-len(wanted) // at_once)) if told else batches:
        if broken is not None:
            broken |= wrong
        rows = wanted[places].tolist()
        for row, held in zip(rows, pixels, strict=True):
            _require_size(images, row, held, album.names[row])
        squares = [fitted(held, side) for held in pixels]
        if not squares:
            continue
        boxes = None if given is None else [_given(given, *each) for each in zip(rows, squares, strict=True)]
        for row, found in zip(rows, detector(squares, boxes), strict=True):
            require_finite(found.scores[None], [album.names[row]])
            yield row, found


def _require_size(images: Dataset, row: int, pixels: Array, name: str) -> None:
    if images.width is not None and images.height is not None:
        require_size((pixels.shape[1], pixels.shape[0]), np.array([images.width[row], images.height[row]]), name)


def _given(given: Dataset, row: int, square: Square) -> Array:
    """(n, 4) the boxes of an image in pixels of its square."""
    (high, wide), (tall, broad) = square.scale, square.size
    held = given.boxes[slice(*given.box_offsets[row : row + 2])]
    made = continuous(held, given.meta.box_frame, round(broad / wide), round(tall / high))
    clipped: Array = np.clip(made * [wide, high, wide, high], 0, [broad, tall, broad, tall])
    return clipped


def as_predictions(images: Dataset, found: dict[int, Found], labels: LabelSpace, extras: dict[str, Any]) -> Predictions:
    """The detections of images: those not found have none. extras: what the file says of them."""
    nothing = Found(np.empty((0, 4)), np.empty(0, np.int64), np.empty(0, np.float32))
    rows = [found.get(image, nothing) for image in range(len(images))]
    boxes, objects, sure = (np.concatenate(column) for column in zip(nothing, *rows, strict=True))
    held = images.meta
    meta = Meta(labels, held.dataset, held.subset, "objects", box_frame="continuous", extras=extras)
    names = {name: getattr(images, name) for name in ("key", "file_name", "width", "height", "subset")}
    columns: dict[str, Any] = no_pairs(len(images)) | {"score": np.empty(0), "boxes": boxes, "box_scores": sure}
    columns |= {"categories": objects.astype(np.int32), "box_offsets": offsets_of([len(each.scores) for each in rows])}
    return Predictions(meta=meta, **names, **columns)


def in_blocks(
    images: Dataset, stream: Iterator[tuple[int, Found]], labels: LabelSpace, extras: dict[str, Any]
) -> Iterator[Predictions]:
    """The detections of a stream as predictions of BLOCK images each."""
    coming = next(stream, None)
    for first in range(0, max(1, len(images)), BLOCK):
        part, found = np.arange(first, min(first + BLOCK, len(images))), {}
        while coming is not None and coming[0] < first + BLOCK:
            found[coming[0] - first] = coming[1]
            coming = next(stream, None)
        yield as_predictions(select_images(images, part), found, labels, extras)
