"""Detection written slowly and literally, one detection after the other; COCO's own by pycocotools."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from hoitool.data import Dataset, Predictions

OVERLAPS = np.linspace(0.5, 0.95, 10)
Row = dict[str, Any]


def rows_of(data: Dataset, crowd: np.ndarray | None = None) -> list[Row]:
    """Boxes as COCO's JSON has them."""
    image, scores = data.image_of("box"), data.box_scores
    corners = [[x1, y1, round(x2 - x1, 9), round(y2 - y1, 9)] for x1, y1, x2, y2 in data.boxes.tolist()]
    return [
        {
            "id": i + 1,
            "image_id": int(image[i]) + 1,
            "category_id": int(data.categories[i]),
            "bbox": corners[i],
            "area": corners[i][2] * corners[i][3],
            "iscrowd": 0 if crowd is None else int(crowd[i]),
            "score": 1.0 if scores is None else float(scores[i]),
        }
        for i in range(len(corners))
    ]


def coco(truth: Dataset, found: Predictions, classes: list[int], agnostic: bool = False) -> COCOeval:
    """cocoeval.py on some classes; with `agnostic` recall of boxes at 100, 300, 1000 for detections of any class."""
    made, held = COCO(), [row for row in rows_of(truth, truth.crowd) if row["category_id"] in classes]
    images = [{"id": i + 1} for i in range(len(truth))]
    made.dataset = {"images": images, "annotations": held, "categories": [{"id": c} for c in classes]}
    detections = COCO()
    rows = [row for row in rows_of(found) if agnostic or row["category_id"] in classes]
    if agnostic:
        held, rows = ([row | {"category_id": classes[0]} for row in each] for each in (held, rows))
        made.dataset["annotations"] = held
    detections.dataset = {**made.dataset, "annotations": rows}
    with contextlib.redirect_stdout(io.StringIO()):
        made.createIndex()
        detections.createIndex()
        run = COCOeval(made, detections, "bbox")
        if agnostic:
            run.params.useCats, run.params.maxDets = 0, [100, 300, 1000]
        run.evaluate()
        run.accumulate()
    return run


def overlap(a: Row, b: Row) -> float:
    """IoU of boxes x, y, w, h."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = a["bbox"], b["bbox"]
    width, height = min(ax + aw, bx + bw) - max(ax, bx), min(ay + ah, by + bh) - max(ay, by)
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (aw * ah + bw * bh - width * height)


def precision_at_recalls(flags: list[bool], truths: int) -> float:
    """Mean over 101 recalls of the best precision there or beyond, of detections best first."""
    curve = [(sum(flags[: i + 1]) / truths, sum(flags[: i + 1]) / (i + 1)) for i in range(len(flags))]
    return float(np.mean([max((p for r, p in curve if r >= t), default=0.0) for t in np.linspace(0, 1, 101)]))


def lvis(truth: Dataset, found: Predictions, category: int, least: float, most: int = 300) -> float:
    """AP of one category at one overlap, as lvis-api has it; NaN without true boxes."""
    flags: list[tuple[float, bool]] = []
    mine, image_label = rows_of(truth), truth.image_of("image_label")
    for image in range(len(truth)):
        said = {
            int(c): int(v)
            for i, c, v in zip(image_label, truth.image_label, truth.image_value, strict=True)
            if i == image
        }
        true = [row for row in mine if row["image_id"] == image + 1 and row["category_id"] == category]
        best = sorted((row for row in rows_of(found) if row["image_id"] == image + 1), key=lambda row: -row["score"])
        if not true and said.get(category) != -1:
            continue
        taken: set[int] = set()
        for row in [row for row in best[:most] if row["category_id"] == category]:
            free = [t for t in true if t["id"] not in taken and overlap(row, t) >= min(least, 1 - 1e-10)]
            if free:
                taken.add(max(free, key=lambda t: (overlap(row, t), t["id"]))["id"])
            if free or said.get(category) != 0:
                flags.append((row["score"], bool(free)))
    truths = sum(row["category_id"] == category for row in mine)
    ordered = [hit for _, hit in sorted(flags, key=lambda each: -each[0])]
    return precision_at_recalls(ordered, truths) if truths else float("nan")


def voc(truth: Dataset, found: Predictions, category: int, difficult: set[int], eleven: bool) -> float:
    """AP of one class as voc_eval.py has it, of inclusive boxes; NaN without true boxes."""
    image, taken, tp, fp = truth.image_of("box"), set(), [], []
    truths = sum(int(c) == category and i not in difficult for i, c in enumerate(truth.categories))
    for d in np.argsort(-found.box_scores, kind="stable").tolist():
        if found.categories[d] != category:
            continue
        rows = [i for i in np.flatnonzero(image == found.image_of("box")[d]) if truth.categories[i] == category]
        ious = [inclusive(found.boxes[d], truth.boxes[i]) for i in rows]
        best = int(np.argmax(ious)) if rows else -1
        hit = bool(rows) and ious[best] > 0.5
        if hit and rows[best] in difficult:
            continue
        tp.append(hit and rows[best] not in taken)
        fp.append(not tp[-1])
        taken |= {rows[best]} if hit else set()
    if not truths:
        return float("nan")
    recall, precision = np.cumsum(tp) / truths, np.cumsum(tp) / np.maximum(np.cumsum(tp) + np.cumsum(fp), 1)
    if eleven:
        return sum(max(precision[recall >= t], default=0) / 11 for t in np.arange(0.0, 1.1, 0.1))
    recall, precision = np.concatenate([[0], recall, [1]]), np.concatenate([[0], precision, [0]])
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * best[1:]).sum())


def inclusive(a: np.ndarray, b: np.ndarray) -> float:
    """IoU of pixel indices x1 y1 x2 y2, both corners inside."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]) + 1, min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return float(width * height / (sum(areas) - width * height))
