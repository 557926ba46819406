"""Predictions drawn, one picture for each image: its best pairs or objects, or where the whole image is scored its best
labels.

A drawn picture lies where the image lies below its own folder, under its name, as JPEG. Where two images would have one
name, such as a.jpg beside a.png, each keeps its suffix in the name. Scores of recognition are logits, and are shown as
probabilities; all others are shown as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from hoitool.data import Predictions, to_final, to_frame, to_sparse
from hoitool.data.dataset import Array
from hoitool.embed.pictures import Album, quiet
from hoitool.errors import DataError
from hoitool.files import atomic, refuse_overwrite
from hoitool.labels import LabelSpace
from hoitool.progress import progress
from hoitool.viz.pairs import draw_labels, draw_objects, draw_pairs

TOP = 10
SUFFIX = ".jpg"
QUALITY = 92
Draw = Callable[[int, Image.Image], Image.Image]  # an image's place and its picture


def draw_all(
    parts: Iterable[Predictions],
    album: Album,
    folder: Path,
    top: int = TOP,
    min_score: float = -np.inf,
    overwrite: bool = False,
) -> list[Path]:
    """Draw predictions, which may come in parts, on the pictures of an album; the files written.

    top, min_score  so many labels an image at most, of those that score so much or more
    Raises UsageError for a picture that is there already unless `overwrite`, DataError for an image that the album does
    not hold, DataError and MissingData for a picture that cannot be read.
    """
    places = {str(key): place for place, key in enumerate(album.keys.tolist())}
    targets = [folder / name for name in drawn_names(album.names)]
    written: list[Path] = []
    for part in parts:
        rows = [_place(places, key) for key in part.key.tolist()]
        for row in rows:
            refuse_overwrite(targets[row], overwrite)
        draw = drawer(part, top, min_score)

        def one(image: int, rows: list[int] = rows, draw: Draw = draw) -> Path:
            return _save(draw(image, album.open(rows[image])), targets[rows[image]])

        written += _in_threads(one, len(part))
    return written


def drawer(data: Predictions, top: int, min_score: float) -> Draw:
    """What draws an image of predictions on its picture."""
    if data.meta.label_kind == "objects" and data.image_scores is None:
        return _objects_drawer(to_frame(data, "continuous"), top, min_score)
    if data.image_scores is not None and not len(data.subject):
        return _labels_drawer(data, top, min_score)
    return _pairs_drawer(to_frame(to_sparse(to_final(data)), "continuous"), top, min_score)


def drawn_names(names: Sequence[str]) -> list[str]:
    """A name for each drawn picture, all different, none of which leads out of a folder."""
    inside = [PurePosixPath(*_parts(name)) for name in names]
    shared = Counter(str(path.with_suffix("")) for path in inside)
    made: dict[str, None] = {}
    for path in inside:
        stem = str(path.with_suffix("")) if shared[str(path.with_suffix(""))] == 1 else str(path)
        tries = (stem if n == 1 else f"{stem}-{n}" for n in range(1, len(names) + 2))
        made[next(name for tried in tries if (name := f"{tried}{SUFFIX}") not in made)] = None
    return list(made)


def _parts(name: str) -> list[str]:
    """The parts of a path that stay inside a folder."""
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")] or ["picture"]


def _place(places: dict[str, int], key: str) -> int:
    if key not in places:
        raise DataError(f"image {key!r} of the predictions is not among the {len(places):,} pictures")
    return places[key]


def _labels_drawer(data: Predictions, top: int, min_score: float) -> Draw:
    names = [data.meta.label_name(label) for label in range(data.meta.classes)]
    logits = data.meta.extras.get("predict", {}).get("task") == "recognition"

    def draw(image: int, picture: Image.Image) -> Image.Image:
        scores = data.need("image_scores")[image]
        return draw_labels(picture, names, probabilities(scores) if logits else scores, top, min_score)

    return draw


def _objects_drawer(data: Predictions, top: int, min_score: float) -> Draw:
    labels = data.meta.labels
    names = [*labels.objects, "object"]  # the last of boxes without a class

    def draw(image: int, picture: Image.Image) -> Image.Image:
        rows = slice(*data.box_offsets[image : image + 2])
        category = data.categories[rows]
        told, people = [names[i] for i in category.tolist()], (category == labels.person) & (category >= 0)
        scores = data.need("box_scores")[rows]
        return draw_objects(picture, data.boxes[rows], people, told, scores, top, min_score)

    return draw


def _pairs_drawer(data: Predictions, top: int, min_score: float) -> Draw:
    names = [data.meta.label_name(label) for label in range(data.meta.classes)]

    def draw(image: int, picture: Image.Image) -> Image.Image:
        boxes = slice(*data.box_offsets[image : image + 2])
        rows = slice(*data.pair_offsets[image : image + 2])
        subject, obj = data.subject[rows], data.object[rows]
        told = [names[label] for label in data.need("label")[rows].tolist()]
        if data.meta.label_kind != "interactions":
            told = with_objects(told, data.categories[boxes], obj, data.meta.labels)
        return draw_pairs(picture, data.boxes[boxes], subject, obj, told, data.need("score")[rows], top, min_score)

    return draw


def with_objects(names: Sequence[str], categories: Array, object: Array, labels: LabelSpace) -> list[str]:
    """P names of verbs or roles with the class of the pair's object, where there is one that is known.

    categories (B,) of an image's boxes; object (P,): its rows, -1 for none
    """
    classes = np.append(categories, -1)[object].tolist()
    return [
        f"{name} {labels.objects[category]}" if category >= 0 else name
        for name, category in zip(names, classes, strict=True)
    ]


def probabilities(logits: Array) -> Array:
    """sigmoid, in float64."""
    made: Array = np.exp(-np.logaddexp(0.0, -logits.astype(np.float64)))
    return made


def _save(picture: Image.Image, path: Path) -> Path:
    with atomic(path) as temporary:
        picture.save(temporary, "JPEG", quality=QUALITY, subsampling=0)  # colours of thin lines stay what they are
    return path


def _in_threads(one: Callable[[int], Path], count: int) -> list[Path]:
    pool = ThreadPoolExecutor()
    try:
        with quiet():
            return list(progress(pool.map(one, range(count)), "drawing", count))
    finally:
        pool.shutdown(cancel_futures=True)
