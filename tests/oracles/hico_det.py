"""The official HICO-DET protocol, written slowly and literally, one detection after the other."""

from __future__ import annotations

import numpy as np


def iou(a, b) -> float:
    """IoU of one-based inclusive boxes, as VOCevaldet_bboxpair.m has it."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    union = (a[2] - a[0] + 1) * (a[3] - a[1] + 1) + (b[2] - b[0] + 1) * (b[3] - b[1] + 1) - width * height
    return width * height / union


def evaluate_class(truth, detections):
    """AP, recall and TP flags of one class.

    truth       {image: [(human, object), ...]}, zero-based boxes
    detections  [(image, human, object, score), ...] by image, in file order
    """
    total = sum(len(pairs) for pairs in truth.values())
    order = sorted(range(len(detections)), key=lambda i: -detections[i][3])  # stable
    taken, flags = set(), [False] * len(detections)
    for i in order:
        image, human, obj, _ = detections[i]
        best, at = -np.inf, None
        for j, (true_human, true_object) in enumerate(truth.get(image, [])):
            overlap = min(
                iou([v + 1 for v in human], [v + 1 for v in true_human]),
                iou([v + 1 for v in obj], [v + 1 for v in true_object]),
            )
            if overlap > best:
                best, at = overlap, j
        if best >= 0.5 and (image, at) not in taken:
            taken.add((image, at))
            flags[i] = True
    found = np.cumsum([flags[i] for i in order])
    if not detections:
        return 0.0, 0.0, flags
    if not total:
        return 0.0, float("nan"), flags
    recall, precision = found / total, found / np.arange(1, len(order) + 1)
    ap = 0.0
    for k in range(11):
        reached = precision[recall >= k * 0.1]
        ap += (reached.max() if len(reached) else 0.0) / 11
    return ap, float(recall[-1]), flags
