"""Few-shot groups of HICO's interactions: those with at most 1, 5 and 10 training images by the image-level labels.

The lists are DEFR's (hico_few.json, 49, 125 and 162 interactions, 0-based); they hold for HICO's label space only.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.resources import files

from hoitool.errors import DataError
from hoitool.labels import LabelSpace

FILE = "hico_few.json"


def few_classes(labels: LabelSpace) -> dict[str, tuple[int, ...]]:
    """few@1, few@5 and few@10 for HICO's label space, nothing for any other."""
    held, splits = _table()
    return splits if labels.hash == held else {}


@cache
def _table() -> tuple[str, dict[str, tuple[int, ...]]]:
    """The hash of the label space that the lists index, and the lists, their checksum verified."""
    table = json.loads((files("hoitool.eval") / FILE).read_text(encoding="utf-8"))
    held = hashlib.sha256(json.dumps(table["splits"]).encode()).hexdigest()
    if held != table["sha256"]:
        raise DataError(f"{FILE}: names the checksum {table['sha256']:.16}, its lists give {held:.16}; it was altered")
    return table["labels"], {name: tuple(classes) for name, classes in table["splits"].items()}
