"""Boxes and pairs that stand in an image more than once, exactly or almost.

Exactly: the same coordinates and class; for pairs the same two boxes by coordinates and class, and the same label (in
dense data the same boxes). Almost: the same class and an IoU of at least `min_iou`; for pairs the same label and class
of object, and an IoU of both boxes. The later row is the finding, the earliest row like it the one it is said to
repeat. Where boxes are written once for each interaction that they are in, repeated ones are ordinary: they are one
finding per image.
Images are never compared with each other, and only boxes that begin at nearly the same x: sorted by x1, one with
IoU >= t can begin at most (1 - t) * width further on.
"""

from __future__ import annotations

import numpy as np

from hoitool.boxes import Edges, iou, sizes
from hoitool.data.dataset import Array, Dataset
from hoitool.data.quality.boxes import ZERO, edges_of
from hoitool.data.quality.finding import Findings, of_rows
from hoitool.data.quality.labels import object_categories

SHOWN = 8  # rows that one finding names


def first_same(*columns: Array) -> Array:
    """(n,) the first row that equals each row in all columns, (n,) or (n, k) each; its own where it is the first."""
    flat = [column for values in columns for column in (values.T if values.ndim == 2 else [values])]
    rows = len(flat[0])
    order = np.lexsort(flat[::-1]) if rows else np.empty(0, np.int64)
    fresh = np.zeros(rows, bool)
    fresh[:1] = True
    for column in flat:
        ordered = column[order]
        fresh[1:] |= ordered[1:] != ordered[:-1]
    first = np.empty(rows, np.int64)
    first[order] = order[np.maximum.accumulate(np.where(fresh, np.arange(rows), 0))]
    return first


def first_near(group: Array, boxes: list[Array], edges: Edges, min_iou: float) -> Array:
    """(n,) the first row of the same group (n,) whose boxes all overlap by `min_iou`; its own where there is none.

    boxes  one or two arrays (n, 4); rows that are NaN in the second one have no second box
    """
    order = np.lexsort((boxes[0][:, 0], group))
    group, boxes = group[order], [part[order] for part in boxes]
    x1 = boxes[0][:, 0]
    reach = x1 + (1 - min_iou) * sizes(boxes[0], edges)[0] + 1e-6 * (1 + np.abs(x1))
    first = np.arange(len(order))
    active, step = np.arange(len(order)), 1
    while len(active := active[active + step < len(order)]):
        other = active + step
        near = (group[other] == group[active]) & (x1[other] <= reach[active])
        active, other = active[near], other[near]
        same = np.ones(len(active), bool)
        for part in boxes:
            overlap = iou(part[active], part[other], edges)
            same &= (overlap >= min_iou) | np.isnan(part[active, 0])
        a, b = order[active[same]], order[other[same]]
        np.minimum.at(first, np.maximum(a, b), np.minimum(a, b))
        step += 1
    return first


def repeated_pairs(data: Dataset) -> Array:
    """(P,) the first pair of the image with the same boxes and label; its own row where it is the first."""
    return first_same(*_pair_columns(data))


def check_boxes_again(data: Dataset, min_iou: float) -> list[Findings]:
    """Boxes that stand in their image more than once, and boxes that almost do. Annotations only."""
    image = data.image_of("box")
    first = first_same(image, data.categories, data.boxes)
    alone = first == np.arange(len(first))
    return _boxes_again(data, np.flatnonzero(~alone)) + _boxes_nearly(data, image, alone, min_iou)


def _boxes_again(data: Dataset, again: Array) -> list[Findings]:
    counts = np.bincount(np.searchsorted(data.box_offsets, again, side="right") - 1, minlength=len(data))
    images = np.flatnonzero(counts)
    ends = np.cumsum(counts)[images]

    def tell(i: int) -> str:
        image = images[i]
        rows = again[ends[i] - counts[image] : ends[i]] - data.box_offsets[image]
        held = data.box_offsets[image + 1] - data.box_offsets[image]
        return f"{len(rows)} of {held} boxes repeat an earlier one of their class exactly: {_listed(rows)}"

    return of_rows(data, "box-repeated", again[ends - counts[images]], tell)


def _boxes_nearly(data: Dataset, image: Array, alone: Array, min_iou: float) -> list[Findings]:
    frame, edges = data.meta.box_frame, edges_of(data)
    width, height = sizes(data.boxes, edges)
    rows = np.flatnonzero(alone & (width > ZERO[frame]) & (height > ZERO[frame]))
    group = image[rows].astype(np.int64) * (len(data.meta.labels.objects) + 1) + data.categories[rows]
    near = first_near(group, [data.boxes[rows].astype(np.float64)], edges, min_iou)
    later = np.flatnonzero(near != np.arange(len(near)))
    row, earlier = rows[later], rows[near[later]]

    def tell(i: int) -> str:
        overlap = float(iou(data.boxes[row[i]], data.boxes[earlier[i]], edges))
        name = _object(data, int(data.categories[row[i]]))
        return f"overlaps box {earlier[i] - data.box_offsets[image[row[i]]]} by {overlap:.3f}, both {name}"

    return of_rows(data, "box-near-repeated", row, tell)


def check_pairs_again(data: Dataset, min_iou: float) -> list[Findings]:
    """Pairs that repeat another; in annotations also those that almost do."""
    first = repeated_pairs(data)
    alone = first == np.arange(len(first))
    again = np.flatnonzero(~alone)
    start = data.pair_offsets[data.image_of("pair")]

    def tell(i: int) -> str:
        row = int(again[i])
        return f"repeats pair {first[row] - start[row]}: {_label(data, row)}with the same boxes"

    found = of_rows(data, "pair-repeated", again, tell)
    return found if data.kind == "predictions" else found + _pairs_nearly(data, alone, start, min_iou)


def _pairs_nearly(data: Dataset, alone: Array, start: Array, min_iou: float) -> list[Findings]:
    frame, edges = data.meta.box_frame, edges_of(data)
    subject, obj = _sides(data)
    sound = alone.copy()
    for part in (subject, obj):
        width, height = sizes(part, edges)
        sound &= ((width > ZERO[frame]) & (height > ZERO[frame])) | np.isnan(width)
    rows = np.flatnonzero(sound)
    image, label = data.image_of("pair")[rows].astype(np.int64), data.need("label")[rows]
    obj_class = np.where(data.object < 0, -2, object_categories(data))[rows]  # -1: of unknown class
    group = (image * data.meta.classes + label) * (len(data.meta.labels.objects) + 2) + obj_class
    near = first_near(group, [subject[rows], obj[rows]], edges, min_iou)
    later = np.flatnonzero(near != np.arange(len(near)))
    row, earlier = rows[later], rows[near[later]]

    def tell(i: int) -> str:
        a, b = row[i], earlier[i]
        overlaps = [float(iou(side[a], side[b], edges)) for side in (subject, obj) if not np.isnan(side[a, 0])]
        return f"nearly pair {b - start[a]}: {_label(data, int(a))}with boxes that overlap by {min(overlaps):.3f}"

    return of_rows(data, "pair-near-repeated", row, tell)


def _sides(data: Dataset) -> tuple[Array, Array]:
    """The subject and object boxes (P, 4) float64 of the pairs, NaN for no object."""
    box = data.pair_boxes("object")
    obj = np.full((len(box), 4), np.nan)
    obj[box >= 0] = data.boxes[box[box >= 0]]
    return data.boxes[data.pair_boxes("subject")].astype(np.float64), obj


def _pair_columns(data: Dataset) -> list[Array]:
    """What decides whether two pairs are the same."""
    subject, obj = data.pair_boxes("subject"), data.pair_boxes("object")
    box = first_same(data.image_of("box"), data.categories, data.boxes)  # a box by the first one that equals it
    sides = [box[subject], np.where(obj < 0, -1, box[obj]) if len(box) else obj]
    return [data.image_of("pair"), *sides] + ([] if data.label is None else [data.label])


def _listed(rows: Array) -> str:
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return ", ".join(map(str, rows[:SHOWN].tolist())) + more


def _object(data: Dataset, category: int) -> str:
    return "of unknown class" if category < 0 else repr(data.meta.labels.objects[category])


def _label(data: Dataset, row: int) -> str:
    return "" if data.label is None else f"{data.meta.label_name(int(data.label[row]))!r} "
