"""What can be mended safely in annotations; everything else stays as it is.

In this order: sizes are taken from the image files where they are unknown, swapped corners are put in order, boxes are
clipped to their image, and pairs that repeat an earlier one of their image exactly are removed. Boxes without width or
height, boxes that are not in the image at all and forbidden labels are left: nothing says what they should be.
meta.extras["fixed"] says what was changed, and how often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hoitool.data.dataset import Dataset
from hoitool.data.quality.boxes import clipped, in_order, limits, shape
from hoitool.data.quality.files import Files, Look, file_sizes
from hoitool.data.quality.finding import KINDS
from hoitool.data.quality.repeats import repeated_pairs
from hoitool.data.select import select_pairs
from hoitool.errors import UsageError

EXTRA = "fixed"
Changes = dict[str, int]  # kind -> how many findings of it were mended


def fix(
    parts: Sequence[Dataset], files: Files | None = None, tolerance: float | None = None
) -> tuple[list[Dataset], Changes]:
    """The parts mended, and how many findings of which kind are gone. Parts without any come back as they are.

    Raises UsageError for predictions: a change of theirs is a change of their score.
    """
    made, total = [], dict.fromkeys((kind for kind, held in KINDS.items() if held.mended), 0)
    for i, part in enumerate(parts):
        if part.kind == "predictions":
            raise UsageError("predictions are scored as they are: only annotations are mended")
        mended, changes = _fix(part, None if files is None else files.looks[i], tolerance)
        made.append(mended)
        for kind, count in changes.items():
            total[kind] += count
    return made, {kind: count for kind, count in total.items() if count}


def _fix(data: Dataset, looks: list[Look] | None, tolerance: float | None) -> tuple[Dataset, Changes]:
    changes: Changes = {}
    made = data
    if looks is not None:
        made, changes["size-unknown"] = _sized(made, looks)
    found = shape(made, tolerance)
    changes |= {"box-swapped": int(found.swapped.sum()), "box-outside": int(found.partly.sum())}
    if changes["box-swapped"] or changes["box-outside"]:
        boxes = in_order(made)
        rows = np.flatnonzero(found.partly)
        boxes[rows] = clipped(boxes[rows], limits(made)[rows])
        made = made.with_columns(boxes=boxes)
    first = repeated_pairs(made) == np.arange(len(made.subject))
    changes["pair-repeated"] = int((~first).sum())
    if changes["pair-repeated"]:
        made = select_pairs(made, first)
    changes = {kind: count for kind, count in changes.items() if count}
    if not changes:
        return data, {}
    return _recorded(made, changes), changes


def _sized(data: Dataset, looks: list[Look]) -> tuple[Dataset, int]:
    sizes = file_sizes(data, looks)
    before = np.zeros_like(sizes)
    if data.width is not None and data.height is not None:
        before = np.stack([data.width, data.height], axis=1)
    changed = int((sizes != before).any(axis=1).sum())
    if not changed:
        return data, 0
    return data.with_columns(width=sizes[:, 0].copy(), height=sizes[:, 1].copy()), changed


def _recorded(data: Dataset, changes: Changes) -> Dataset:
    """The data with what was changed, added to what had been before."""
    told = dict(data.meta.extras.get(EXTRA, {}))
    for kind, count in changes.items():
        told[KINDS[kind].mended] = told.get(KINDS[kind].mended, 0) + count
    return data.with_columns(replace(data.meta, extras=data.meta.extras | {EXTRA: told}))
