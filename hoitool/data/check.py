"""Whether data are consistent: the first inconsistency becomes one exact message.

What a protocol can score is not an error here: boxes with swapped corners are counted, not refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.boxes import swapped
from hoitool.data.dataset import COLUMNS, GROUPS, Dataset
from hoitool.errors import DataError

Array = NDArray[Any]
CHUNK = 1 << 20  # rows looked at together, so that checks need little memory


def validate(data: Dataset) -> None:
    """Raise DataError, naming the image and the row, when the data break a rule of the format."""
    for rule in RULES:
        rule(data)


def require_objects(data: Dataset, format: str) -> None:
    """Raise DataError where a pair has no object, for the writers of formats that cannot say so."""
    lonely = np.flatnonzero(data.object < 0)
    if len(lonely):
        _fail(data, "pair", int(lonely[0]), f"it has no object, which {format} cannot hold")


def swapped_boxes(data: Dataset) -> int:
    """How many boxes have x2 < x1 or y2 < y1."""
    return sum(int(swapped(data.boxes[rows]).sum()) for rows in _chunks(len(data.boxes)))


def _lengths(data: Dataset) -> None:
    for group in GROUPS:
        offsets, columns = data.offsets(group), data.columns(group)
        if offsets is None:
            if columns:
                raise DataError(f"column {next(iter(columns))!r} without {group}_offsets")
            continue
        if len(offsets) != len(data) + 1 or offsets[0] != 0 or (np.diff(offsets) < 0).any():
            raise DataError(f"{group}_offsets do not divide rows among {len(data)} images")
        for name, values in columns.items():
            if len(values) != offsets[-1]:
                raise DataError(f"column {name!r} has {len(values)} rows, expected {offsets[-1]}")
            width = COLUMNS[name].width
            if width is not None and (values.ndim != 2 or width not in (0, values.shape[1])):
                raise DataError(f"column {name!r} has shape {list(values.shape)}, expected [n, {width or 'L'}]")


def _keys(data: Dataset) -> None:
    if len(set(data.key.tolist())) == len(data):
        return
    first: dict[str, int] = {}
    for row, key in enumerate(data.key.tolist()):
        if key in first:
            raise DataError(
                f"image {key!r} stands twice, in rows {first[key]} and {row}; one row per image is expected"
            )
        first[key] = row


def _finite_boxes(data: Dataset) -> None:
    for rows in _chunks(len(data.boxes)):
        part = data.boxes[rows]
        if not np.isfinite(part).all():
            row = rows.start + int(np.flatnonzero(~np.isfinite(part).all(axis=1))[0])
            _fail(data, "box", row, f"a box is {_numbers(data.boxes[row])}, expected finite numbers")


def _categories(data: Dataset) -> None:
    count = len(data.meta.labels.objects)
    row = _first_outside(data.categories, -1, count)
    if row is not None:
        _fail(data, "box", row, f"a category is {data.categories[row]}, expected -1..{count - 1}")


def _labels(data: Dataset) -> None:
    count = data.meta.classes
    of_images = (data.meta.image_classes, data.meta.image_label_kind)
    for name, (limit, kind) in (("label", (count, data.meta.label_kind)), ("image_label", of_images)):
        values = getattr(data, name)
        row = None if values is None else _first_outside(values, 0, limit)
        if row is not None:
            group = COLUMNS[name].group
            _fail(data, group, row, f"a label is {values[row]}, expected 0..{limit - 1} ({kind})")
    if data.label is None and data.scores is None:
        raise DataError("pairs have neither labels (sparse) nor rows of scores (dense)")
    for name in ("scores", "image_scores"):
        values = getattr(data, name)
        if values is not None and len(values) and values.shape[1] != count:
            raise DataError(
                f"column {name!r} has {values.shape[1]} values a row, expected {count} ({data.meta.label_kind})"
            )


def _pairs(data: Dataset) -> None:
    counts, per_image = np.diff(data.box_offsets), np.diff(data.pair_offsets)
    limit = np.repeat(counts, per_image)
    for name, least in (("subject", 0), ("object", -1)):
        index = getattr(data, name)
        wrong = (index < least) | (index >= limit)
        if wrong.any():
            row = int(wrong.argmax())
            _fail(data, "pair", row, f"{name} {index[row]} is not among the image's {limit[row]} boxes")


def _boxes_alone(data: Dataset) -> None:
    if data.meta.label_kind != "objects":
        return
    if len(data.subject):
        raise DataError(f"{len(data.subject)} pairs in data of objects, which are boxes alone")
    if data.kind == "predictions" and data.box_scores is None and data.image_scores is None:
        raise DataError("predictions of objects without scores of boxes ('box_scores')")


def _scores(data: Dataset) -> None:
    alone = data.meta.label_kind == "objects"
    if data.kind == "predictions" and data.score is None and data.scores is None and not alone:
        if len(data.subject) or data.image_scores is None:
            raise DataError("predictions without scores")
        return
    if data.score is not None and np.isnan(data.score).any():
        row = int(np.isnan(data.score).argmax())
        _fail(data, "pair", row, "a score is NaN, expected a number (higher is surer)")
    if data.box_scores is not None and np.isnan(data.box_scores).any():
        _fail(
            data,
            "box",
            int(np.isnan(data.box_scores).argmax()),
            "a box score is NaN, expected a number (higher is surer)",
        )
    if data.meta.score == "times-box-scores" and data.box_scores is None:
        raise DataError("scores are to be multiplied by box scores, but there is no column 'box_scores'")


def _image_values(data: Dataset) -> None:
    if data.image_value is not None:
        row = _first_outside(data.image_value, -1, 2)
        if row is not None:
            _fail(
                data,
                "image_label",
                row,
                f"an image label's value is {data.image_value[row]}, expected 1, -1 or 0",
            )


RULES: tuple[Callable[[Dataset], None], ...] = (
    _lengths, _keys, _finite_boxes, _categories, _boxes_alone, _labels, _pairs, _scores, _image_values,
)  # fmt: skip


def _fail(data: Dataset, group: str, row: int, told: str) -> None:
    offsets = data.offsets(group)
    assert offsets is not None
    image = int(np.searchsorted(offsets, row, side="right")) - 1
    raise DataError(f"image {data.key[image]!r}, {group} {row - int(offsets[image])}: {told}")


def _first_outside(values: Array, low: int, high: int) -> int | None:
    """The first row whose value is not in low..high-1, None when there is none."""
    if len(values) == 0 or (values.min() >= low and values.max() < high):
        return None
    return int(((values < low) | (values >= high)).argmax())


def _numbers(box: Array) -> str:
    return " ".join(f"{value:g}" for value in box)


def _chunks(rows: int) -> Iterator[slice]:
    for start in range(0, rows, CHUNK):
        yield slice(start, min(start + CHUNK, rows))
