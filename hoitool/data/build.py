"""The columns of sparse predictions from flat arrays, checked: every error names the array and the row.

Also the columns of data about whole images, which have neither boxes nor pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.data.dataset import offsets_of, strings
from hoitool.errors import DataError
from hoitool.labels import LabelSpace

Array = NDArray[Any]


def pair_columns(
    labels: LabelSpace,
    image: Sequence[str] | Array,
    human: Array,
    obj: Array,
    label: Array,
    score: Array,
    images: Sequence[str] | Array | None,
) -> dict[str, Array]:
    """The columns and offsets of `Predictions.from_pairs`, whose arguments these are."""
    names, index = image_index(image, images)
    rows = len(index)
    human, obj = _numbers("human", human, (rows, 4)), _numbers("object", obj, (rows, 4))
    label, score = _labels(label, rows, labels), _numbers("score", score, (rows,))
    if (np.diff(index) < 0).any():
        order = np.argsort(index, kind="stable")
        human, obj, label, score, index = (column[order] for column in (human, obj, label, score, index))
    offsets = offsets_of(np.bincount(index, minlength=len(names)))
    subject = (2 * (np.arange(rows) - offsets[index])).astype(np.int32)
    categories = np.empty((rows, 2), np.int32)
    categories[:, 0], categories[:, 1] = labels.person, labels.interaction_objects[label]
    return {
        "key": names,
        "boxes": np.stack([human, obj], axis=1).reshape(-1, 4),
        "categories": categories.reshape(-1),
        "subject": subject,
        "object": subject + np.int32(1),
        "label": label,
        "score": score,
        "box_offsets": 2 * offsets,
        "pair_offsets": offsets,
    }


def no_pairs(images: int) -> dict[str, Array]:
    """The box and pair columns, and their offsets, of that many images without boxes."""
    none = np.zeros(images + 1, np.int64)
    index = np.empty(0, np.int32)
    return {
        "boxes": np.empty((0, 4)),
        "categories": index,
        "subject": index,
        "object": index,
        "label": index,
        "box_offsets": none,
        "pair_offsets": none,
    }


def image_index(image: Sequence[str] | Array, images: Sequence[str] | Array | None) -> tuple[Array, Array]:
    """Names in order, and for each row its index into them."""
    column = np.asarray(image)
    if column.ndim != 1:
        raise DataError(f"image has shape {list(column.shape)}, expected one name or index per row")
    if column.dtype.kind in "iu":
        if images is None:
            raise DataError("image holds indices, which mean nothing without the names in their order (a truth)")
        if len(column) and not (column.min() >= 0 and column.max() < len(images)):
            row = int(np.flatnonzero((column < 0) | (column >= len(images)))[0])
            raise DataError(f"image in row {row} is {column[row]}, expected 0..{len(images) - 1}")
        return strings(images), column.astype(np.int32)
    if column.dtype.kind not in "UO" and len(column):
        raise DataError(f"image is {column.dtype}, expected names or integer indices")
    starts = np.flatnonzero(np.concatenate([[True], column[1:] != column[:-1]])) if len(column) else np.empty(0, int)
    runs = column[starts].tolist()
    known = {name: i for i, name in enumerate(dict.fromkeys(runs) if images is None else images)}
    unknown = next((i for i, name in enumerate(runs) if name not in known), None)
    if unknown is not None:
        raise DataError(f"image in row {starts[unknown]} is {runs[unknown]!r}, {_none_of(list(known))}")
    run_index = np.array([known[name] for name in runs], np.int32)
    lengths = np.diff(np.append(starts, len(column)))
    return strings(list(known)), np.repeat(run_index, lengths)


def _none_of(names: list[str]) -> str:
    """That a name is none of these, of which the first is told: it shows how names should look."""
    return f"which is none of the {len(names):,} images of the truth" + (f", such as {names[0]!r}" if names else "")


def _labels(values: Array, rows: int, labels: LabelSpace) -> Array:
    """(N,) int32 interactions. Raises DataError for another shape, fractions, or a label out of range."""
    made = np.asarray(values)
    _check_shape("label", made, (rows,))
    if (rows and made.dtype.kind not in "iuf") or (made.dtype.kind == "f" and (made != np.floor(made)).any()):
        raise DataError(f"label is {made.dtype}, expected integers")
    wrong = (made < 0) | (made >= len(labels)) if rows else np.zeros(0, bool)
    if wrong.any():
        row = int(wrong.argmax())
        expected = f"expected 0..{len(labels) - 1} (0-based interactions of {labels.name!r})"
        raise DataError(f"label in row {row} is {made[row]}, {expected}")
    return made.astype(np.int32)


def _numbers(name: str, values: Array, shape: tuple[int, ...]) -> Array:
    """Boxes, which must be finite, or scores, which must not be NaN, as float32 or float64. DataError names the row."""
    made = np.asarray(values)
    _check_shape(name, made, shape)
    if made.dtype.kind not in "fiu":
        raise DataError(f"{name} is {made.dtype}, expected numbers")
    wrong = np.isnan(made) if made.ndim == 1 else ~np.isfinite(made).all(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        came = " ".join(f"{value:g}" for value in np.atleast_1d(made[row]))
        raise DataError(f"{name} in row {row} is {came}, expected {'a number' if made.ndim == 1 else 'finite numbers'}")
    return made if made.dtype in (np.float32, np.float64) else made.astype(np.float64)


def _check_shape(name: str, values: Array, shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise DataError(f"{name} has shape {list(values.shape)}, expected {list(shape)}")
