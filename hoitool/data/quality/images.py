"""Images as annotated: empty ones, and one image under two names or in two subsets.

Names are compared without regard to case, to the kind of slash, to `./` and to how accents are encoded; both keys and
file names. A subset that holds another one entirely (trainval and train) is meant to, and is not compared with it.
"""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Sequence
from functools import partial
from itertools import combinations

import numpy as np

from hoitool.data.dataset import Dataset
from hoitool.data.quality.finding import Findings, of_rows


def normal(name: str) -> str:
    """What two names of one image have in common."""
    return unicodedata.normalize("NFC", posixpath.normpath(name.replace("\\", "/"))).casefold()


def check_empty(data: Dataset) -> list[Findings]:
    """Images without boxes, and images with boxes and no pairs, which data of boxes alone never have.

    Not for data that have nothing but image labels.
    """
    if not len(data.boxes) and (data.image_label is not None or data.image_scores is not None):
        return []
    boxes, pairs = data.counts("box"), data.counts("pair")
    alone = data.meta.label_kind == "objects"
    bare, idle = np.flatnonzero(boxes == 0), np.flatnonzero((boxes > 0) & (pairs == 0) & (not alone))
    return [
        *of_rows(data, "image-without-boxes", bare, lambda i: "no boxes"),
        *of_rows(data, "image-without-pairs", idle, lambda i: f"{boxes[idle[i]]} boxes and no pairs"),
    ]


def check_names(data: Dataset) -> list[Findings]:
    """Images that have the name of an earlier one, as key or as file."""
    earlier: dict[int, int] = {}
    for names in _names(data):
        first: dict[str, int] = {}
        for row, name in enumerate(names):
            if name and first.setdefault(normal(name), row) != row:
                earlier.setdefault(row, first[normal(name)])
    rows = np.array(sorted(earlier), np.int64)
    return of_rows(data, "image-repeated", rows, lambda i: f"is also named {data.key[earlier[int(rows[i])]]!r}")


def _names(data: Dataset) -> list[list[str]]:
    keys = data.key.tolist()
    if data.file_name is None or data.file_name.tolist() == keys:
        return [keys]
    return [keys, data.file_name.tolist()]


def check_subsets(parts: Sequence[Dataset]) -> list[Findings]:
    """Images of a later part that an earlier part of the same kind has too."""
    found = []
    names = [dict.fromkeys(map(normal, part.key.tolist())) for part in parts] if len(parts) > 1 else []
    for a, b in combinations(range(len(names)), 2):
        shared = names[a].keys() & names[b].keys()
        if parts[a].kind != parts[b].kind or not shared or len(shared) in (len(names[a]), len(names[b])):
            continue
        rows = np.flatnonzero([normal(name) in shared for name in parts[b].key.tolist()])
        found += of_rows(parts[b], "image-in-two-subsets", rows, partial(_in_other, parts[a].meta.subset))
    return found


def _in_other(subset: str, i: int) -> str:
    return f"is in {subset!r} too"
