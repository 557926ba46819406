"""What data say of each image, whatever the order of boxes: how formats that order them differently are compared."""

from __future__ import annotations

from typing import Any

from hoitool.data import Dataset

BOX = ("categories", "box_scores", "annotated", "crowd", "box_ids")


def meaning(data: Dataset) -> dict[str, Any]:
    """Per image key: sizes and names, boxes with their columns, pairs with both boxes' contents, labels, captions."""
    held = data.columns("box")
    boxes = [tuple(row) for row in zip(data.boxes.tolist(), *(held[n].tolist() for n in BOX if n in held), strict=True)]
    sides = [
        [boxes[at] if at >= 0 else None for at in data.pair_boxes(side).tolist()] for side in ("subject", "object")
    ]
    pair = [column.tolist() for name, column in data.columns("pair").items() if name not in ("subject", "object")]
    groups = {
        "image": [column.tolist() for name, column in data.columns("image").items() if name != "key"],
        "box": [[repr(box) for box in boxes]],
        "pair": [*sides, *pair],
        "image_label": [column.tolist() for column in data.columns("image_label").values()],
        "caption": [column.tolist() for column in data.columns("caption").values()],
    }
    rows = {name: [repr(row) for row in zip(*columns, strict=True)] for name, columns in groups.items()}
    made = {}
    for i, key in enumerate(data.key.tolist()):
        made[key] = {}
        for name, values in rows.items():
            offsets = data.offsets(name)
            made[key][name] = [] if offsets is None else sorted(values[offsets[i] : offsets[i + 1]])
    return made
