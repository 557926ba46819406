"""Box frames, and the one place where boxes pass from one to another.

inclusive   zero-based pixel indices, both corners inside the box: x2 - x1 + 1 pixels wide (HICO minus 1)
continuous  coordinates: x2 - x1 wide (COCO)
normalised  continuous, divided by the image's width and height (Open Images)
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from hoitool.data.dataset import Array, Dataset
from hoitool.data.meta import Frame
from hoitool.errors import DataError

Data = TypeVar("Data", bound=Dataset)
NEEDED = (
    "which boxes need to leave or enter the normalised frame; convert it again with sizes, as the format's page says"
)


def to_frame(data: Data, frame: Frame) -> Data:
    """The same data with boxes in another frame, in float64. DataError when image sizes are needed and unknown."""
    came = data.meta.box_frame
    if came == frame:
        return data
    boxes = data.boxes.astype(np.float64)
    if "normalised" in (came, frame):
        size = _sizes(data)
        boxes = boxes * size if came == "normalised" else (_continuous(boxes, came) / size)
        if frame == "inclusive":
            boxes = _inclusive(boxes)
    else:
        boxes = _inclusive(boxes) if frame == "inclusive" else _continuous(boxes, came)
    return data.with_columns(replace(data.meta, box_frame=frame), boxes=boxes)


def _continuous(boxes: Array, came: Frame) -> Array:
    return np.add(boxes, [0, 0, 1, 1]) if came == "inclusive" else boxes


def _inclusive(boxes: Array) -> Array:
    return np.subtract(boxes, [0, 0, 1, 1])


def _sizes(data: Dataset) -> Array:
    """(B, 4): width height width height of each box's image."""
    if data.width is None:
        raise DataError(f"{data!r} has no width and height of its images, {NEEDED}")
    width, height = data.need("width"), data.need("height")
    unknown = ((width <= 0) | (height <= 0)) & (np.diff(data.box_offsets) > 0)
    if unknown.any():
        key = data.key[int(unknown.argmax())]
        raise DataError(f"image {key!r} has no known size, {NEEDED}")
    size: Array = np.stack([width, height, width, height], axis=1).astype(np.float64)
    return size[data.image_of("box")]
