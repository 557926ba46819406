"""Predictions drawn, one picture for each image: its best pairs or objects, or where the whole image is scored its best
labels.

A drawn picture lies where the image lies below its own folder, under its name, as JPEG. Where two images would have one
name, such as a.jpg beside a.png, each keeps its suffix in the name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
from PIL import Image

from hoitool.data import Predictions
from hoitool.embed.pictures import Album, quiet
from hoitool.errors import DataError
from hoitool.files import atomic, refuse_overwrite
from hoitool.progress import progress
from hoitool.viz.pairs import one_page
from hoitool.viz.seen import seer
from hoitool.viz.shapes import Page, save

TOP = 10
SUFFIX = ".jpg"
Made = TypeVar("Made")
Draw = Callable[[int, Image.Image], Page]  # of an image's place and its picture


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
            with atomic(targets[rows[image]]) as temporary:
                save(draw(image, album.open(rows[image])), temporary, "jpg")
            return targets[rows[image]]

        written += in_threads(one, len(part))
    return written


def drawer(data: Predictions, top: int, min_score: float) -> Draw:
    """What draws an image of predictions on its picture."""
    see = seer(data)
    return lambda image, picture: one_page(picture, see(image, picture.size), top, min_score)


def drawn_names(names: Sequence[str], suffix: str = SUFFIX) -> list[str]:
    """A name for each drawn picture, all different, none of which leads out of a folder."""
    inside = [PurePosixPath(*_parts(name)) for name in names]
    shared = Counter(map(_stem, inside))
    made: dict[str, None] = {}
    for path in inside:
        stem = _stem(path) if shared[_stem(path)] == 1 else str(path)
        tries = (stem if n == 1 else f"{stem}-{n}" for n in range(1, len(names) + 2))
        made[next(name for tried in tries if (name := f"{tried}{suffix}") not in made)] = None
    return list(made)


def _stem(path: PurePosixPath) -> str:
    """A path without its suffix, or as it is where only dots would be left of its name."""
    return str(path.parent / path.stem) if path.stem.strip(".") else str(path)


def _parts(name: str) -> list[str]:
    """The parts of a path that stay inside a folder."""
    return [part for part in name.replace("\\", "/").split("/") if part.strip(".")] or ["picture"]


def _place(places: dict[str, int], key: str) -> int:
    if key not in places:
        raise DataError(f"image {key!r} of the predictions is not among the {len(places):,} pictures")
    return places[key]


def in_threads(one: Callable[[int], Made], count: int, workers: int | None = None) -> list[Made]:
    """What `one` makes of 0 .. count - 1, in several threads, with a bar."""
    pool = ThreadPoolExecutor(workers)
    try:
        with quiet():
            return list(progress(pool.map(one, range(count)), "drawing", count))
    finally:
        pool.shutdown(cancel_futures=True)
