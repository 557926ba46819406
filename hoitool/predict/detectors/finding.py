"""A detector over pictures: the boxes of a dataset's images, or of any, found once and kept in a file.

Boxes whose class the label space does not have are left out and counted. Those of an image come by falling score. An
image whose picture cannot be read has none, and is told. A detector is given pictures of one size at a time, because
padding to a common one changes what it finds: the boxes of a picture do not depend on the others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hoitool.data import Dataset, Meta, Predictions, no_pairs, offsets_of, read, write
from hoitool.data.dataset import Array
from hoitool.embed.pictures import Album
from hoitool.errors import DataError, UsageError
from hoitool.predict.detectors.detector import Detector, Found, objects_of
from hoitool.predict.loading import loaded
from hoitool.progress import progress

EXTRA = "detector"  # the key in meta.extras
NOT_READ = "not_read"  # the key in it: name -> why of pictures that could not be read
MIN_SCORE = 0.05


@dataclass(frozen=True, eq=False)
class Boxes:
    """What was found: boxes of images as predictions without pairs, and name -> why of pictures that were not read.

    held  whether they are those that a file held already
    """

    data: Predictions
    broken: dict[str, str] = field(default_factory=dict)
    held: bool = False


def file_name(detector: str) -> str:
    """The name of a file of boxes: boxes-<detector>.parquet."""
    return f"boxes-{re.sub(r'[^A-Za-z0-9_.-]+', '-', detector)}.parquet"


def boxes_in(
    path: Path,
    images: Dataset,
    album: Album,
    detector: Detector,
    workers: int = 0,
    skip_broken: bool = False,
    min_score: float = MIN_SCORE,
    overwrite: bool = False,
) -> Boxes:
    """The boxes that a file holds of these images by this detector, which finds and writes them where it is not there.

    Raises UsageError where the file holds others, or none of a picture that could not be read then and is not to be
    skipped, unless `overwrite`; see find_boxes for the rest.
    """
    if path.exists() and not overwrite:
        return _held(path, images, facts(detector, min_score), skip_broken)
    made = find_boxes(images, album, detector, workers, skip_broken, min_score)
    write(made.data, path)
    return made


def find_boxes(
    images: Dataset,
    album: Album,
    detector: Detector,
    workers: int = 0,
    skip_broken: bool = False,
    min_score: float = MIN_SCORE,
) -> Boxes:
    """The boxes that a detector finds in the pictures of images, in their order, scored `min_score` or more.

    workers      processes that read pictures; skip_broken: go on where one cannot be read
    Raises DataError for a picture that cannot be read or is of another size than its image, and for a detector none of
    whose classes is in the label space; MissingData for a picture that is not there.
    """
    objects = objects_of(detector, images.meta.labels)
    order = _by_size(images)
    sorted_album = Album([album.names[i] for i in order.tolist()], album.keys[order], album.pictures)
    found: list[Found | None] = [None] * len(images)
    broken: dict[str, str] = {}
    batches = loaded(sorted_album, as_array, detector.batch, workers, skip_broken)
    for places, pictures, wrong in progress(batches, "finding boxes", -(-len(images) // detector.batch)):
        broken |= wrong
        for group in _of_one_size(pictures):
            rows = order[places[group]].tolist()
            _require_size(images, rows, pictures[group[0]])
            for row, each in zip(rows, detector([pictures[i] for i in group]), strict=True):
                found[row] = _kept(each, min_score)
    return Boxes(_predictions(images, found, objects, facts(detector, min_score) | {NOT_READ: broken}), broken)


def facts(detector: Detector, min_score: float) -> dict[str, Any]:
    """What a file of boxes says of how they were found."""
    return {"name": detector.name, **detector.facts, "min_score": min_score}


def as_array(picture: Image.Image) -> Array:
    """(H, W, 3) uint8."""
    return np.asarray(picture)


def _by_size(images: Dataset) -> Array:
    """(I,) the images, those of one size beside each other where sizes are known."""
    if images.width is None or images.height is None:
        return np.arange(len(images))
    return np.lexsort((images.width, images.height))


def _of_one_size(pictures: Sequence[Array]) -> list[list[int]]:
    """The places of pictures, those of one size together."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, picture in enumerate(pictures):
        groups.setdefault(picture.shape, []).append(i)
    return list(groups.values())


def _require_size(images: Dataset, rows: Sequence[int], picture: Array) -> None:
    """Raise DataError where a picture is not of the size that the data say: its boxes would be of another scale."""
    if images.width is None or images.height is None:
        return
    height, width = picture.shape[:2]
    for row in rows:
        wide, high = int(images.width[row]), int(images.height[row])
        if min(wide, high) > 0 and (wide, high) != (width, height):
            raise DataError(
                f"image {images.key[row]!r} is {width} x {height} pixels, the data say {wide} x {high}; boxes found in "
                "it would not fit theirs"
            )


def _kept(found: Found, min_score: float) -> Found:
    order = np.argsort(-found.scores, kind="stable")
    order = order[found.scores[order] >= min_score]
    return Found(found.boxes[order], found.scores[order], found.classes[order])


def _predictions(images: Dataset, found: list[Found | None], objects: Array, told: dict[str, Any]) -> Predictions:
    """All boxes as columns; those of no object of the label space are left out and counted."""
    held = [Found(np.empty((0, 4)), np.empty(0), np.empty(0, np.int64)) if each is None else each for each in found]
    image = np.repeat(np.arange(len(held)), [len(each.scores) for each in held])
    boxes, scores, classes = (
        np.concatenate([np.empty(shape, kind), *(getattr(each, part) for each in held)])
        for part, shape, kind in (("boxes", (0, 4), float), ("scores", 0, float), ("classes", 0, np.int64))
    )
    known = objects[classes] >= 0
    columns: dict[str, Any] = no_pairs(len(images)) | {
        "boxes": boxes[known],
        "categories": objects[classes[known]],
        "box_scores": scores[known],
        "box_offsets": offsets_of(np.bincount(image[known], minlength=len(images))),
        "score": np.empty(0),
    }
    of = images.meta
    extras = {EXTRA: told | {"of_no_object": int((~known).sum())}}
    meta = Meta(of.labels, of.dataset, of.subset, of.label_kind, box_frame="continuous", extras=extras)
    names = {name: getattr(images, name) for name in ("key", "file_name", "width", "height")}
    return Predictions(meta=meta, **names, **columns)


def _held(path: Path, images: Dataset, expected: dict[str, Any], skip_broken: bool) -> Boxes:
    """The boxes of a file. Raises UsageError where they are by another detector, of other images, or not of all."""
    data = read(path)
    said = data.meta.extras.get(EXTRA)
    if not (isinstance(data, Predictions) and isinstance(said, dict) and isinstance(said.get(NOT_READ), dict)):
        raise UsageError(f"{path}: holds no boxes of a detector; --overwrite replaces it")
    broken = said[NOT_READ]
    other = next((name for name, value in expected.items() if said.get(name) != value), None)
    if other is not None:
        came = f"boxes of {other} {said.get(other)!r}, not {expected[other]!r}"
    elif data.key.tolist() != images.key.tolist() or data.meta.labels.hash != images.meta.labels.hash:
        came = "boxes of other images or of another label space"
    elif broken and not skip_broken:
        came = f"no boxes of {next(iter(broken))!r}, which could not be read then"
    else:
        return Boxes(data, broken, held=True)
    raise UsageError(f"{path}: holds {came}; --overwrite replaces it")
