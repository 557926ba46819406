"""The section of a report with pictures: the most confident errors, and missed pairs, of every cause.

False positives are the best-scored ones of a cause, missed pairs are spread over the classes; an image comes once per
cause. Pictures are shrunk to SIDE pixels; what is drawn on them is drawn by the page, in the pixels of the original.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hoitool.data import Dataset, to_frame
from hoitool.data.dataset import Array
from hoitool.diagnose.diagnosis import CAUSES, MISSES, Diagnosis
from hoitool.embed.pictures import Album, album_of, quiet
from hoitool.errors import DataError, MissingData
from hoitool.progress import working
from hoitool.report.document.errors import Diagnosed, told
from hoitool.report.document.parts import Gallery, Mark, Role, Section, Shot
from hoitool.viz.pairs import score_text

SIDE, QUALITY = 480, 80  # pixels of the longer side, and of JPEG
TRIED = 4  # images that are looked for, for each that is shown
FALSE, MISSED = "false positive", "missed pair"


def gallery(methods: Sequence[Diagnosed], images: Path, count: int) -> Section | None:
    """So many pictures of errors at most, as evenly as may be over methods and causes; None where there are none.

    images  the folder of the pictures. Raises MissingData when none of them is there; one that is not there, or cannot
    be read, is left out and counted.
    """
    shots: list[Shot] = []
    gone: set[str] = set()
    shares = np.diff(np.linspace(0, count, len(methods) + 1).astype(int)).tolist() if methods else []
    for method, share in zip(methods, shares, strict=True):
        found = _in_continuous(method.found)
        with working("pictures"), quiet():
            made = _shots(found, share, album_of(found.truth, images), gone)
        shots += made if len(methods) == 1 else [replace(s, facts=(f"By {method.name}.", *s.facts)) for s in made]
    if not shots:
        return None
    lines = ["The most confident false positives of each cause, and missed pairs of each, drawn on their pictures."]
    if gone:
        lines.append(f"{len(gone):,} pictures that would be here are not in {images}, or cannot be read.")
    caption = f"{len(shots)} pictures: false positives and missed pairs by cause"
    return Section("gallery", "Pictures of errors", tuple(lines), (Gallery("pictures", caption, tuple(shots)),))


def _in_continuous(found: Diagnosis) -> Diagnosis:
    """The same with boxes as drawings need them."""
    return replace(
        found, truth=to_frame(found.truth, "continuous"), predictions=to_frame(found.predictions, "continuous")
    )


def _shots(found: Diagnosis, count: int, album: Album, gone: set[str]) -> list[Shot]:
    """`count` errors at most, cause after cause; causes take turns, so that frequent ones fill what others leave."""
    queues = [
        (kind, cause, _candidates(found, kind, cause, count))
        for kind, causes in ((FALSE, CAUSES), (MISSED, MISSES))
        for cause in causes
    ]
    made: list[list[Shot]] = [[] for _ in queues]
    full = False
    while not full:
        before = sum(map(len, made))
        for shots, (kind, cause, rows) in zip(made, queues, strict=True):
            if sum(map(len, made)) < count and (shot := _next(found, kind, cause, rows, album, gone)) is not None:
                shots.append(shot)
        full = sum(map(len, made)) in (before, count)
    return [shot for shots in made for shot in shots]


def _candidates(found: Diagnosis, kind: str, cause: str, count: int) -> Iterator[int]:
    """Rows of a cause that are worth showing, the best first, each image once."""
    if kind == FALSE:
        rows, image = found.false_positives.of(cause), found.false_positives.image
    else:
        rows, image = found.missed.of(cause), found.missed.image
        rows = rows[_spread(len(rows))]
    _, first = np.unique(image[rows], return_index=True)
    return iter(rows[np.sort(first)][: TRIED * count].tolist())


def _spread(count: int) -> Array:
    """0 .. count - 1 in an order whose beginnings are spread evenly: by the bits of the place, reversed."""
    bits = max(1, (count - 1).bit_length()) if count else 1
    places = np.arange(1 << bits)
    reverse = np.zeros_like(places)
    for bit in range(bits):
        reverse |= ((places >> bit) & 1) << (bits - 1 - bit)
    return reverse[reverse < count]


def _next(found: Diagnosis, kind: str, cause: str, rows: Iterator[int], album: Album, gone: set[str]) -> Shot | None:
    """The next error whose picture can be opened."""
    for row in rows:
        try:
            return _shot(found, kind, cause, row, album)
        except (MissingData, DataError) as error:
            gone.add(str(error))
    return None


def _shot(found: Diagnosis, kind: str, cause: str, row: int, album: Album) -> Shot:
    """A picture with the predicted pair and the true one that an error is about."""
    errors = found.false_positives if kind == FALSE else found.missed
    image, pair, closest = int(errors.image[row]), int(errors.pair[row]), int(errors.closest[row])
    predicted, true = (pair, closest) if kind == FALSE else (closest, pair)
    title, key = str(found.classes.name[errors.label[row]]).replace("_", " "), str(found.truth.key[image])
    facts = []
    if predicted >= 0:
        said = title if kind == FALSE else _name(found.predictions, predicted)
        facts.append(f"Predicted: {said}{_score(found, kind, row, predicted)}.")
    if true >= 0:
        facts.append(f"True: {_name(found.truth, true)}.")
    picture = album.open(image)
    stored = picture.size
    width, height = _size(found.truth, image, stored)
    picture.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=QUALITY, optimize=True)
    marks = (*_marks(found.predictions, image, predicted), *_marks(found.truth, image, true))
    return Shot(kind, told(cause), title, key, tuple(facts), stream.getvalue(), width, height, marks)


def _score(found: Diagnosis, kind: str, row: int, predicted: int) -> str:
    if kind == FALSE:
        return f", score {score_text(float(found.false_positives.score[row]))}"
    held = found.predictions.score
    return "" if held is None else f", score {score_text(float(held[predicted]))}"


def _name(data: Dataset, pair: int) -> str:
    """What a pair is called by its label; pairs with a score for every label have none."""
    return "a pair" if data.label is None else data.meta.label_name(int(data.label[pair])).replace("_", " ")


def _size(truth: Dataset, image: int, stored: tuple[int, int]) -> tuple[int, int]:
    """Width and height that the boxes are in: those that the annotations say, else those of the picture."""
    if truth.width is None or truth.height is None or not truth.width[image] or not truth.height[image]:
        return stored
    return int(truth.width[image]), int(truth.height[image])


def _marks(data: Dataset, image: int, pair: int) -> Iterator[Mark]:
    """The boxes of a pair of an image, none for -1."""
    roles: tuple[tuple[Role, Array], ...] = (("human", data.subject), ("object", data.object))
    for role, index in roles if pair >= 0 else ():
        if index[pair] >= 0:
            x1, y1, x2, y2 = data.boxes[data.box_offsets[image] + index[pair]].tolist()
            yield Mark((x1, y1, x2, y2), role, data.kind == "dataset")
