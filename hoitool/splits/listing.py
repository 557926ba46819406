"""An index file: which training images somebody took.

Text with one entry a line (# starts a comment line), a JSON list of entries, or a JSON list of objects with
`file_name` (annotation files in the layout of HOIA, as which RLIP and HOICLIP hand out their parts). Entries are keys
or file names of images; where none is and all are whole numbers, they are zero-based rows of the data.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.data import Dataset
from hoitool.data.dataset import Array
from hoitool.errors import DataError
from hoitool.files import reading, require


@dataclass(frozen=True)
class Listed:
    """The keys of listed images in the data's order, how they were meant, and how many entries were repeats."""

    keys: tuple[str, ...]
    meant: str
    repeated: int


def read_index(path: Path, data: Dataset) -> Listed:
    """The images of `data` that an index file lists. Raises DataError for an entry that no image has."""
    entries = _entries(path)
    if not entries:
        raise DataError(f"{path}: lists no image")
    rows = _by_name(data.key, entries)
    meant = "keys"
    if data.file_name is not None and (rows < 0).any():
        named = _by_name(data.file_name, entries)
        rows, meant = np.where(rows < 0, named, rows), "file names" if (rows < 0).all() else "keys and file names"
    if (rows < 0).all() and all(entry.isascii() and entry.isdigit() for entry in entries):
        rows, meant = np.array([int(entry) if len(entry) < 18 else 10**18 for entry in entries]), "zero-based rows"
        rows = np.where(rows < len(data), rows, -1)
    if (rows < 0).any():
        at = int((rows < 0).argmax())
        raise DataError(
            f"{path}: entry {at + 1} is {entries[at]!r:.60}, which is no key, file name or zero-based row of the "
            f"{len(data):,} images ({int((rows < 0).sum()):,} of {len(rows):,} entries are not)"
        )
    chosen = np.unique(rows)
    return Listed(tuple(data.key[chosen].tolist()), meant, len(rows) - len(chosen))


def _entries(path: Path) -> list[str]:
    require(path, "a list of images")
    with reading(path, "a list of images"):
        text = path.read_bytes().decode("utf-8-sig")
        if text.lstrip()[:1] not in ("[", "{"):
            lines = [line.strip() for line in text.splitlines()]
            return [line for line in lines if line and not line.startswith("#")]
        held = json.loads(text)
    if not isinstance(held, list):
        raise DataError(f"{path}: holds a {type(held).__name__}, expected a list of images")
    return [_entry(value, f"{path}[{i}]") for i, value in enumerate(held)]


def _entry(value: Any, where: str) -> str:
    if isinstance(value, dict):
        value = value.get("file_name")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(f"{where}: expected a name, a row number or an object with 'file_name'")
    return str(value)


def _by_name(names: Array, entries: list[str]) -> Array:
    """(n,) the row of each entry among names, -1 for none."""
    row = {name: i for i, name in enumerate(names.tolist())}
    return np.array([row.get(entry, -1) for entry in entries], np.int64)
