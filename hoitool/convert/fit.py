"""What a format can hold, and data brought into what it can hold: nothing is lost quietly.

A format states `HOLDS`. `fit` returns the data that will come back from its files, and counts what will not. A writer
takes fitted data only. tests/convert/test_formats.py holds every format to it: write(fit(x)), read: fit(x).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hoitool.boxes import extents
from hoitool.convert.paired import own_boxes
from hoitool.data import (
    Dataset,
    Predictions,
    by_subset,
    no_pairs,
    offsets_of,
    relabel,
    select_boxes,
    select_images,
    select_pairs,
    to_final,
    to_frame,
    to_sparse,
)
from hoitool.data.dataset import COLUMNS, Array
from hoitool.data.meta import Frame, Kind, LabelKind
from hoitool.errors import DataError, UsageError

Lost = dict[str, int]


@dataclass(frozen=True)
class Holds:
    """What comes back from a format's files.

    kind          annotations or predictions
    label_kinds   the kinds of labels it has; others are turned into the first that the label space allows
    box_frame     the frame its boxes have, None for any
    extents       whether its boxes are x, y, width, height, which gives x2 = x1 + width back
    always        optional columns that its readers always give: a default is filled in where data have none; file names
                  become the keys, as there is one name of an image in all formats but hoitool's
    optional      optional columns that come back where data have them
    boxes         whether it has boxes and pairs; formats without are about whole images
    dense         whether a pair may have a score for every label
    precise       whether numbers come back as the float32 or float64 that they were; text gives float64
    one_subset    whether a file has room for one subset only
    names_images  whether the files name their images; others are read against the annotations they belong to
    order         the order in which its images stand, as rows of data that still have all their columns
    also          what else the format asks of data: returns them so, and counts what that cost
    of            what it holds of some data, where that depends on them; else these fields say it for all
    """

    kind: Kind = "dataset"
    label_kinds: tuple[LabelKind, ...] = ("interactions",)
    box_frame: Frame | None = None
    extents: bool = False
    always: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    boxes: bool = True
    dense: bool = False
    precise: bool = False
    objectless: bool = False
    lonely_boxes: bool = False
    unknown_objects: bool = False
    empty_images: bool = True
    one_subset: bool = False
    names_images: bool = True
    order: Callable[[Dataset], Array] | None = None
    also: Callable[[Dataset], tuple[Dataset, Lost]] | None = None
    of: Callable[[Dataset], Holds] | None = None


@dataclass(frozen=True)
class Fitted:
    """Data as a format holds them, what they lost (reason -> how many), and what they did not say and now do."""

    parts: list[Dataset]
    lost: Lost = field(default_factory=dict)
    filled: tuple[str, ...] = ()


NAMES = {
    "file_name": "file names that differ from the images' keys",
    "width": "image sizes",
    "image_scores": "scores of whole images",
    "image_label": "labels of whole images",
    "caption_id": "captions",
    "box_scores": "scores of boxes",
    "annotated": "marks of people as annotated",
    "crowd": "marks of boxes as crowds",
    "box_ids": "ids of boxes",
}
# columns that are kept or lost together with the first of them
TOGETHER = {
    "width": ("width", "height"),
    "image_label": ("image_label", "image_value", "image_label_offsets"),
    "caption_id": ("caption_id", "caption_text", "caption_offsets"),
}


def fit(parts: Sequence[Dataset], holds: Holds) -> Fitted:
    """Data as a format holds them. Raises UsageError where the format is for another kind of data altogether."""
    split = [by_subset(part, name) for part in parts for name in _subsets(part)]
    if holds.one_subset and len(split) > 1:
        names = ", ".join(repr(part.meta.subset) for part in split)
        raise UsageError(f"the format holds one subset, the data have {names}: choose one (--subset)")
    lost: Lost = {}
    made: list[Dataset] = []
    filled: dict[str, None] = {}
    for part in split:
        its = holds if holds.of is None else holds.of(part)
        lacking = [name for name in NAMES if name in its.always and getattr(part, name) is None]
        filled |= dict.fromkeys(NAMES[name] for name in lacking if name != "file_name")
        for step in STEPS:
            part, gone = step(part, its)
            for reason, count in gone.items():
                lost[reason] = lost.get(reason, 0) + count
        made.append(part)
    return Fitted(_numbered(made, holds), {reason: count for reason, count in lost.items() if count}, tuple(filled))


def require_held(parts: Sequence[Dataset], holds: Holds, format: str) -> list[Dataset]:
    """Fitted parts for a writer. Raises DataError where something would be lost: `fit` loses it knowingly."""
    fitted = fit(parts, holds)
    if fitted.lost:
        told = ", ".join(f"{count:,} {reason}" for reason, count in fitted.lost.items())
        raise DataError(f"{format} cannot hold {told}")
    return fitted.parts


def _subsets(part: Dataset) -> list[str]:
    return [part.meta.subset] if part.subset is None else list(dict.fromkeys(part.subset.tolist()))


def _kind(data: Dataset, holds: Holds) -> tuple[Dataset, Lost]:
    if data.kind != holds.kind:
        names = {"dataset": "annotations", "predictions": "predictions"}
        raise UsageError(f"the format holds {names[holds.kind]}, the data are {names[data.kind]}")
    return data, {}


def _whole_images(data: Dataset, holds: Holds) -> tuple[Dataset, Lost]:
    """Data about whole images for formats without boxes."""
    if holds.boxes:
        return data, {}
    lost = {"boxes": len(data.boxes), "pairs": len(data.subject)}
    made: dict[str, Any] = no_pairs(len(data)) | dict.fromkeys(("box_scores", "annotated", "crowd", "box_ids"))
    if isinstance(data, Predictions):
        made |= {"score": np.empty(0), "scores": None}
    return data.with_columns(replace(data.meta, score="final"), **made), lost


def _labels(data: Dataset, holds: Holds) -> tuple[Dataset, Lost]:
    """Labels of a kind that the format has, scores as they end up."""
    if isinstance(data, Predictions):
        data = to_final(data)
    if data.meta.label_kind not in holds.label_kinds:
        error = None
        for kind in holds.label_kinds:
            try:
                made, gone = relabel(data, kind)
                break
            except UsageError as refused:
                error = refused
        else:
            raise error or UsageError(f"the format has no {data.meta.label_kind}")
        unnamed = f"pairs that {kind} of label space {data.meta.labels.name!r} do not name"
        lost: Lost = {"pairs" if kind == "objects" else unnamed: gone}
        if data.image_label is not None and made.image_label is None:
            lost |= {NAMES["image_label"]: len(data.image_label)}
        if data.image_scores is not None:
            lost |= {NAMES["image_scores"]: len(data)}
        data = made
        return (to_sparse(data) if isinstance(data, Predictions) and not holds.dense else data), lost
    return (to_sparse(data) if isinstance(data, Predictions) and not holds.dense else data), {}


def _pairs(data: Dataset, holds: Holds) -> tuple[Dataset, Lost]:
    lost: Lost = {}
    if not holds.objectless:
        alone = data.object < 0
        lost["pairs without an object"] = int(alone.sum())
        data = select_pairs(data, ~alone) if alone.any() else data
    if not holds.unknown_objects:
        unknown = data.categories < 0
        lost["boxes without a class, with their pairs"] = int(unknown.sum())
        data = select_boxes(data, ~unknown) if unknown.any() else data
    return data, lost


def _boxes(data: Dataset, holds: Holds) -> tuple[Dataset, Lost]:
    """Boxes in the format's frame, without those in no pair where it has no place for them."""
    lost: Lost = {}
    if holds.box_frame is not None:
        data = to_frame(data, holds.box_frame)
    if holds.extents:
        data, lost["last bits of the corners of boxes"] = _extended(data)
    if not holds.lonely_boxes:
        used = in_pairs(data)
        lost["boxes in no pair"] = int((~used).sum())
        data = select_boxes(data, used) if not used.all() else data
    return data, lost


def _extended(data: Dataset) -> tuple[Dataset, int]:
    """Corners as x1 + width and y1 + height give them back, and how many boxes that changes."""
    width, height = extents(data.boxes)
    low = data.boxes[:, :2].astype(np.float64)
    boxes = np.concatenate([low, low + np.stack([width, height], axis=1)], axis=1)
    return data.with_columns(boxes=boxes), int((boxes != data.boxes).any(axis=1).sum())


def in_pairs(data: Dataset) -> Array:
    """(B,) whether a box is the subject or object of a pair."""
    used = np.zeros(len(data.boxes), bool)
    used[data.pair_boxes("subject")] = True
    obj = data.pair_boxes("object")
    used[obj[obj >= 0]] = True
    return used


def _images(data: Dataset, holds: Holds) -> tuple[Dataset, Lost]:
    if holds.order is not None:
        data = select_images(data, holds.order(data))
    if holds.empty_images or not (empty := data.counts("pair") == 0).any():
        return data, {}
    return select_images(data, ~empty), {"images without a pair": int(empty.sum())}


def _columns(data: Dataset, holds: Holds) -> tuple[Dataset, Lost]:
    """The optional columns that come back: those that the format has no place for go, defaults are filled in."""
    lost: Lost = {}
    made: dict[str, Any] = {"subset": None}
    for name, told in NAMES.items():
        values = getattr(data, name)
        if name in holds.always and (values is None or name == "file_name"):
            made |= _default(data, name)
            lost[told] = 0 if values is None else _informative(data, name)
        elif values is not None and name not in holds.always | holds.optional:
            lost[told] = _informative(data, name)
            made |= dict.fromkeys(TOGETHER.get(name, (name,)))
    if not holds.precise:
        for name in ("boxes", "score", "scores", "box_scores", "image_scores"):
            values = made.get(name, getattr(data, name))
            made[name] = None if values is None else values.astype(np.float64, copy=False)
    return data.with_columns(**made), lost


def _default(data: Dataset, name: str) -> dict[str, Any]:
    """What a reader gives for a column that the data do not have."""
    if name == "file_name":
        return {"file_name": data.key}
    if name == "width":
        return {"width": np.zeros(len(data), np.int32), "height": np.zeros(len(data), np.int32)}
    if name == "image_label":
        empty = {"image_label": np.empty(0, np.int32), "image_value": np.empty(0, np.int8)}
        return empty | {"image_label_offsets": offsets_of(np.zeros(len(data), np.int64))}
    if name == "caption_id":
        empty = {"caption_id": np.empty(0, np.int64), "caption_text": np.empty(0, object)}
        return empty | {"caption_offsets": offsets_of(np.zeros(len(data), np.int64))}
    if name in ("annotated", "crowd"):
        return {name: np.zeros(len(data.boxes), bool)}
    return {}  # ids are numbered over all parts at the end


def _informative(data: Dataset, name: str) -> int:
    """How many rows of a column say something that its absence does not."""
    values: Array = getattr(data, name)
    if name == "file_name":
        return int((values != data.key).sum())
    if name == "width":
        return int(((values > 0) | (data.need("height") > 0)).sum())
    return int(values.sum()) if COLUMNS[name].dtypes[0] == "bool" else len(values)


def _also(data: Dataset, holds: Holds) -> tuple[Dataset, Lost]:
    return (data, {}) if holds.also is None else holds.also(data)


def _numbered(parts: list[Dataset], holds: Holds) -> list[Dataset]:
    """Ids for the boxes of parts that have none, above those that are there, where the format always has them."""
    if "box_ids" not in holds.always:
        return parts
    made = []
    first = 1 + max((int(part.box_ids.max(initial=0)) for part in parts if part.box_ids is not None), default=0)
    for part in parts:
        if part.box_ids is None:
            part = part.with_columns(box_ids=np.arange(first, first + len(part.boxes), dtype=np.int64))
            first += len(part.boxes)
        made.append(part)
    return made


def implied_classes(data: Dataset) -> tuple[Dataset, Lost]:
    """For formats whose boxes have the classes that their interaction implies: each pair with two boxes of its own."""
    labels = data.meta.labels
    alone = labels.interaction_objects[data.need("label")] < 0
    data = select_pairs(data, ~alone) if alone.any() else data
    data = own_boxes(data)
    label = data.need("label")
    implied = np.stack([np.full(len(label), labels.person), labels.interaction_objects[label]], axis=1).reshape(-1)
    lost = {
        "classes of boxes other than their interaction's": int((data.categories != implied).sum()),
        "pairs with an object whose interaction has none": int(alone.sum()),
    }
    return data.with_columns(categories=implied.astype(np.int32)), lost


STEPS: tuple[Callable[[Dataset, Holds], tuple[Dataset, Lost]], ...] = (
    _kind, _whole_images, _labels, _pairs, _boxes, _images, _columns, _also,
)  # fmt: skip
