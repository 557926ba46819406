"""A JSON list or object of any length as a stream of its entries, in the memory of one of them.

The standard library's parser takes one entry after the other out of a buffer that is filled as it is used up. Parsers
made for streams were looked at: ijson's fast backend (3.6) ends the process on brackets that are nested deeply enough,
which a foreign file may have, and is slower.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from hoitool.convert.fields import brief
from hoitool.errors import DataError
from hoitool.files import reading, require
from hoitool.progress import progress

CHUNK = 1 << 20  # characters that are read at a time
AFTER = tuple(", ]}:\t\n\r")  # what may follow an entry, or the name of one
Entry = Callable[[TextIO, str, int], tuple[Any, str, int]]
SPACE = re.compile(r"[ \t\n\r]*")


def items(file: Path, what: str) -> Iterator[dict[str, Any]]:
    """The objects of a JSON list, one at a time. Raises DataError, naming the file, for anything else."""
    require(file, what)
    with reading(file, what), file.open(encoding="utf-8-sig") as stream:
        for i, item in enumerate(progress(values(stream), f"reading {file.name}")):
            if not isinstance(item, dict):
                raise DataError(f"{file}[{i}] is {brief(item)}, expected an object {{...}}")
            yield item


def values(stream: TextIO) -> Iterator[Any]:
    """The entries of a JSON list. Raises ValueError for anything else, when it is come to."""
    return _entries(stream, "[]", "list", _decoded)


def members(stream: TextIO) -> Iterator[tuple[str, Any]]:
    """The names and values of a JSON object. Raises ValueError for anything else, when it is come to."""
    return _entries(stream, "{}", "object", _member)


def _entries(stream: TextIO, brackets: str, kind: str, entry: Entry) -> Iterator[Any]:
    """What `entry` takes out of the buffer, between brackets and separated by commas."""
    text, at = _filled(stream, "", 0)
    if text[at : at + 1] != brackets[0]:
        raise ValueError(f"it does not begin with {brackets[0]!r}")
    text, at = _filled(stream, text, at + 1)
    mark = ","
    if text[at : at + 1] == brackets[1]:
        mark, (text, at) = brackets[1], _filled(stream, text, at + 1)
    while mark == ",":
        value, text, at = entry(stream, text, at)
        yield value
        text, at = _filled(stream, text, at)
        mark = text[at : at + 1]
        text, at = _filled(stream, text, at + 1)
    if mark != brackets[1]:
        told = f"{mark!r} in place of a comma or the end of the {kind}" if mark else f"the {kind} does not end"
        raise ValueError(told)
    if text:
        raise ValueError(f"more after the end of the {kind}")


def _member(stream: TextIO, text: str, at: int) -> tuple[tuple[str, Any], str, int]:
    """The name and value at a place, with the buffer and the place after them."""
    name, text, at = _decoded(stream, text, at)
    text, at = _filled(stream, text, at)
    if not isinstance(name, str) or text[at : at + 1] != ":":
        raise ValueError("an object whose entries are not all a name, a colon and a value")
    text, at = _filled(stream, text, at + 1)
    value, text, at = _decoded(stream, text, at)
    return (name, value), text, at


def _filled(stream: TextIO, text: str, at: int) -> tuple[str, int]:
    """The buffer and the place of its first character from `at` that is no space; at the end of the file '' and 0."""
    while True:
        space = SPACE.match(text, at)
        at = space.end() if space else len(text)
        if at < len(text):
            return text, at
        text, at = stream.read(CHUNK), 0
        if not text:
            return "", 0


def _decoded(stream: TextIO, text: str, at: int) -> tuple[Any, str, int]:
    """The entry at a place, with the buffer and the place after it; a buffer that ends inside it is filled up."""
    decode, more = json.JSONDecoder().raw_decode, CHUNK
    while True:
        try:
            value, end = decode(text, at)
        except json.JSONDecodeError:
            added = stream.read(more)
            if not added:
                raise
        else:
            if text[end : end + 1] in AFTER or not (added := stream.read(more)):  # else a number may be cut in two
                return value, text, end
        text, at, more = text[at:] + added, 0, 2 * more
