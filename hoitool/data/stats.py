"""What a dataset or predictions hold, in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from hoitool.data.check import swapped_boxes
from hoitool.data.dataset import Dataset


def statistics(data: Dataset) -> dict[str, Any]:
    """Counts of images, boxes, pairs, classes and labels; `rare_classes` where training counts are known."""
    per_image = np.diff(data.pair_offsets)
    made: dict[str, Any] = {
        "images": len(data),
        "images_without_pairs": int((per_image == 0).sum()),
        "boxes": len(data.boxes),
        "boxes_with_swapped_corners": swapped_boxes(data),
        "pairs": len(data.subject),
        "pairs_per_image_mean": float(per_image.mean()) if len(data) else 0.0,
        "pairs_per_image_max": int(per_image.max(initial=0)),
    }
    if data.meta.label_kind == "objects":
        made["classes"] = data.meta.classes
        made["classes_with_boxes"] = len(np.unique(data.categories[data.categories >= 0]))
    elif data.label is not None:
        counts = class_counts(data)
        made["classes"] = data.meta.classes
        made["classes_with_pairs"] = int((counts > 0).sum())
        if data.meta.label_kind == "interactions" and (data.meta.labels.train_instances >= 0).all():
            made["rare_classes"] = int(data.meta.labels.rare.sum())
    if data.image_value is not None:
        for name, value in (("present", 1), ("absent", -1), ("uncertain", 0)):
            made[f"image_labels_{name}"] = int((data.image_value == value).sum())
    if data.caption_text is not None:
        made["captions"] = len(data.caption_text)
    if data.kind == "predictions":
        score = data.scores if data.score is None else data.score
        given = np.empty(0) if score is None else score[~np.isnan(score)]
        if len(given):
            made["score_min"], made["score_max"] = float(given.min()), float(given.max())
    return made


def class_counts(data: Dataset) -> np.ndarray[Any, np.dtype[np.int64]]:
    """(K,) the number of pairs of each label; sparse data only."""
    return np.bincount(data.need("label"), minlength=data.meta.classes)
