"""Crisscrossed Captions: how alike people rated pairs of COCO's images and captions, three tables of a subset.

    sts_<subset>.csv   caption, caption, agg_score, sampling_method     c2c_cocaption: two captions of one image
    sis_<subset>.csv   image, image, agg_score, sampling_method
    sits_<subset>.csv  caption, image, agg_score, sampling_method       c2i_original: a caption and its own image

The things of a pair are the first two columns, whatever these are called. A caption is COCO_val2014:sentid:N, where N
is COCO's id of it, an image COCO_val2014_000000000042.jpg, where 42 is COCO's id; scores run from 0 to 5. Subsets are
val and test, of Karpathy's split. Source: Parekh et al., EACL 2021; google-research-datasets/Crisscrossed-Captions.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hoitool.convert.csv_cells import Table, open_table
from hoitool.data.dataset import Array
from hoitool.data.image_ids import LONGEST, trailing_number
from hoitool.data.ratings import Ratings
from hoitool.errors import DataError
from hoitool.files import reading, require

WHAT = "ratings of Crisscrossed Captions"
SCORE, METHOD = "agg_score", "sampling_method"
ORIGINAL = ("c2c_cocaption", "c2i_original")
HIGHEST = 5.0


def caption_number(text: str) -> int | None:
    """COCO's id in the name of a caption, None where there is none."""
    place, _, number = text.rpartition(":")
    return int(number) if place and number.isdecimal() and len(number) <= LONGEST else None


KINDS: dict[str, tuple[Callable[[str], int | None], Callable[[str], int | None]]] = {
    "sts": (caption_number, caption_number),
    "sis": (trailing_number, trailing_number),
    "sits": (caption_number, trailing_number),
}
CALLED = {caption_number: "a caption such as COCO_val2014:sentid:7", trailing_number: "an image such as 000042.jpg"}


def read_ratings(folder: Path, subset: str = "test") -> dict[str, Ratings]:
    """The ratings of a subset by the names sts, sis and sits, with COCO's ids.

    Raises MissingData for a file that is not there, DataError with file, line and column for what is not readable.
    """
    require(folder, WHAT)
    return {kind: _read(file, *KINDS[kind]) for kind, file in files_of(folder, subset).items()}


def files_of(folder: Path, subset: str) -> dict[str, Path]:
    """The files of a subset by kind."""
    return {kind: folder / f"{kind}_{subset}.csv" for kind in KINDS}


def tables_of(path: Path) -> list[Path]:
    """The tables of ratings that a path is or, a folder, holds; none for anything else."""
    found = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    return [file for file in found if _kind(file) in KINDS and {SCORE, METHOD} <= _names(file)]


def read_table(file: Path) -> Ratings:
    """The ratings of one table, whose name says what it is of. Raises what `read_ratings` raises."""
    return _read(file, *KINDS[_kind(file)])


def _kind(file: Path) -> str:
    return file.name.partition("_")[0]


def _names(file: Path) -> set[str]:
    """The names of the columns of a .csv; none for any other file."""
    if file.suffix.lower() != ".csv" or not file.is_file():
        return set()
    with file.open("rb") as stream:
        header = stream.readline(65536).decode("utf-8-sig", "replace")
    return {name.strip().strip('"') for name in header.split(",")}


def _read(file: Path, first: Callable[[str], int | None], second: Callable[[str], int | None]) -> Ratings:
    require(file, WHAT)
    with reading(file, WHAT), file.open(encoding="utf-8-sig", newline="") as stream:
        header = [name.strip() for name in next(csv.reader(stream), [])]
    if len(header) < 2:
        raise DataError(f"{file}, line 1: expected two columns of captions or images, {SCORE} and {METHOD}")
    table = open_table(file, (*header[:2], SCORE, METHOD), (*header[:2], SCORE, METHOD))
    score = table.numbers(SCORE)
    wrong = np.flatnonzero(~((score >= 0) & (score <= HIGHEST)))
    if len(wrong):
        raise table.error(int(wrong[0]), SCORE, f"a rating from 0 to {HIGHEST:g}")
    methods, code = table.names(METHOD)
    original = np.array([*(name in ORIGINAL for name in methods), False])[code]
    return Ratings(_ids(table, header[0], first), _ids(table, header[1], second), score, original)


def _ids(table: Table, column: str, number: Callable[[str], int | None]) -> Array:
    """(N,) COCO's ids in the cells of a column."""
    names, code = table.names(column)
    numbers = [number(name) for name in names]
    lacking = np.array([*(value is None for value in numbers), True])[code]
    if lacking.any():
        raise table.error(int(lacking.argmax()), column, CALLED[number])
    return np.array([value or 0 for value in numbers], np.int64)[code]
