"""Tables of captions: a row for each caption, or for an image that has none.

    .csv, .tsv     a header with file_name (or image, key) and caption (or text), perhaps id
    .jsonl         an object with the same names on each line
    .token         Flickr30K's: lines of `name.jpg#0`, a tab and the caption

In .csv cells may be quoted; .tsv and .token have no quotes. Texts are kept as they are.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoitool.convert.fields import brief
from hoitool.errors import DataError

IMAGE, CAPTION, ID = ("file_name", "image", "key"), ("caption", "text"), "id"
HEAD = 65536  # bytes that a file is recognised by


@dataclass(frozen=True)
class Row:
    """A row of a table: its line (counted from 1), the image, the caption ("" for none) and its id."""

    line: int
    image: str
    caption: str
    id: int | None


def _lines_of_table(path: Path, **dialect: Any) -> Iterator[Row]:
    """The rows of a table with a header."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        lines = csv.reader(stream, strict=True, **dialect)
        header = [name.strip() for name in next(lines, [])]
        columns = _columns(header, f"{path}, line 1")
        try:
            for cells in lines:
                if cells and len(cells) != len(header):
                    raise DataError(f"{path}, line {lines.line_num}: {len(cells)} cells, expected {len(header)}")
                if cells:
                    yield _row(dict(zip(header, cells, strict=True)), columns, path, lines.line_num)
        except csv.Error as error:
            raise DataError(f"{path}, line {lines.line_num}: not readable as a table ({error})") from error


def _lines_of_json(path: Path) -> Iterator[Row]:
    """The rows of JSON lines."""
    with path.open(encoding="utf-8-sig") as stream:
        for line, text in enumerate(stream, 1):
            if not text.strip():
                continue
            try:
                held = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}, line {line}: not readable as JSON ({error})") from error
            if not isinstance(held, dict):
                raise DataError(f"{path}, line {line} is {brief(held)}, expected an object {{...}}")
            yield _row(held, _columns(list(held), f"{path}, line {line}"), path, line)


def _columns(names: Sequence[str], where: str) -> tuple[str, str]:
    """The names of the columns of images and captions. DataError where there is none, or several."""
    found = []
    for known in (IMAGE, CAPTION):
        held = [name for name in names if name in known]
        if not held:
            expected = " or ".join(known)
            raise DataError(f"{where}: no {expected}; it has {', '.join(map(brief, names[:12])) or 'nothing'}")
        found.append(min(held, key=known.index))
        if names.count(found[-1]) > 1:
            raise DataError(f"{where}: column {found[-1]!r} stands twice")
    return found[0], found[1]


def _row(held: dict[str, Any], columns: tuple[str, str], path: Path, line: int) -> Row:
    image, caption = (held[name] for name in columns)
    where = f"{path}, line {line}"
    if not isinstance(image, str) or not image:
        raise DataError(f"{where}: {columns[0]} is {brief(image)}, expected the name of an image")
    if not isinstance(caption, str):
        raise DataError(f"{where}: {columns[1]} is {brief(caption)}, expected text")
    return Row(line, image, caption, _id(held.get(ID), where))


def _id(value: Any, where: str) -> int | None:
    """The id in a cell or field, None where there is none."""
    if value is None or value == "":
        return None
    try:
        number = int(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if not isinstance(number, int) or isinstance(number, bool) or abs(number) >= 2**63:
        raise DataError(f"{where}: {ID} is {brief(value)}, expected an integer")
    return number


def _lines_of_tokens(path: Path) -> Iterator[Row]:
    """The rows of Flickr30K's file."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        for line, text in enumerate(stream, 1):
            text = text.rstrip("\r\n")
            place, tab, caption = text.partition("\t")
            image, mark, number = place.rpartition("#")
            if not tab or not mark or not image or not number.isdecimal():
                raise DataError(f"{path}, line {line}: is {brief(text)}, expected name.jpg#0, a tab and a caption")
            yield Row(line, image, caption, None)


def looks_like_captions(path: Path) -> bool:
    """Whether the first row of a table is one of captions, and of nothing else."""
    suffix = path.suffix.lower()
    with path.open("rb") as stream:
        head = stream.readline(HEAD).decode("utf-8-sig", "replace").strip()
    if suffix == ".token":
        return "#" in head.partition("\t")[0]
    if suffix == ".jsonl":
        names = {name for name in (*IMAGE, *CAPTION) if head.startswith("{") and f'"{name}"' in head}
    else:
        names = {name.strip().strip('"') for name in head.split("\t" if suffix == ".tsv" else ",")}
    return bool(names & {*IMAGE}) and bool(names & {*CAPTION}) and "verb" not in names


TABLES: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": _lines_of_table,
    ".tsv": lambda path: _lines_of_table(path, delimiter="\t", quoting=csv.QUOTE_NONE),
    ".jsonl": _lines_of_json,
    ".token": _lines_of_tokens,
}
