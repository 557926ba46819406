"""NumPy box algebra. Boxes are x1 y1 x2 y2, in the last axis of length 4.

Two conventions of an edge, named everywhere by `edges`:
  inclusive   pixel indices: a box covers x2 - x1 + 1 pixels (PASCAL VOC, HICO-DET)
  continuous  coordinates: a box is x2 - x1 wide (COCO)
Every function keeps the dtype of its input, so float32 rules stay float32.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Edges = Literal["inclusive", "continuous"]
FloatArray = NDArray[Any]
DECIMALS = 12  # of the coordinates that `extents` recovers


def sizes(boxes: FloatArray, edges: Edges) -> tuple[FloatArray, FloatArray]:
    """Width and height of boxes (..., 4), negative where corners are swapped."""
    one = boxes.dtype.type(edges == "inclusive")
    return boxes[..., 2] - boxes[..., 0] + one, boxes[..., 3] - boxes[..., 1] + one


def extents(boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Width and height (...,) float64 of continuous boxes (..., 4) as their source wrote them, in x, y, w, h.

    x2 - x1 differs from w in the last bits for two boxes of three. The w taken is the number with the fewest decimals
    for which x1 + w is x2 exactly; else x2 - x1 or the float beside it for which it is; where there is none it is
    x2 - x1.
    """
    boxes = boxes.astype(np.float64, copy=False)
    return _written(boxes[..., 0], boxes[..., 2]), _written(boxes[..., 1], boxes[..., 3])


def _written(low: FloatArray, high: FloatArray) -> FloatArray:
    difference = np.atleast_1d(high - low)
    low, high = np.atleast_1d(low), np.atleast_1d(high)
    made = difference.copy()
    left = np.arange(made.size).reshape(made.shape)[np.isfinite(made)]
    for decimals in range(DECIMALS + 1):
        rounded = np.round(difference.flat[left], decimals)
        fits = low.flat[left] + rounded == high.flat[left]
        made.flat[left[fits]] = rounded[fits]
        left = left[~fits]
    for nearest in (difference, np.nextafter(difference, -np.inf), np.nextafter(difference, np.inf)):
        fits = low.flat[left] + nearest.flat[left] == high.flat[left]
        made.flat[left[fits]] = nearest.flat[left[fits]]
        left = left[~fits]
    return made


def area(boxes: FloatArray, edges: Edges) -> FloatArray:
    """Signed area of boxes (..., 4), as the official evaluators compute it."""
    width, height = sizes(boxes, edges)
    product: FloatArray = width * height
    return product


def swapped(boxes: FloatArray) -> NDArray[np.bool_]:
    """Which boxes (..., 4) have x2 < x1 or y2 < y1."""
    return (boxes[..., 2] < boxes[..., 0]) | (boxes[..., 3] < boxes[..., 1])


def iou(a: FloatArray, b: FloatArray, edges: Edges, single_pixel: bool = True) -> FloatArray:
    """Intersection over union of boxes a (..., 4) with b (..., 4), row by row (shapes broadcast).

    Zero where the intersection has no width or no height; with `single_pixel` False also where it is one pixel
    wide or high, as the evaluators of PPDM and QPIC have it. Source: VOCevaldet_bboxpair.m of HO-RCNN.
    """
    one = a.dtype.type(edges == "inclusive")
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0]) + one
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1]) + one
    least = one.dtype.type(0) if single_pixel else one
    overlaps = (width > least) & (height > least)
    inter = width * height
    union = area(a, edges) + area(b, edges) - inter
    ratio: FloatArray = np.divide(inter, union, out=np.zeros_like(inter), where=overlaps)
    return ratio


def pair_iou(
    human_a: FloatArray,
    object_a: FloatArray,
    human_b: FloatArray,
    object_b: FloatArray,
    edges: Edges,
    single_pixel: bool = True,
) -> FloatArray:
    """The overlap of human-object pairs: the smaller of the two boxes' IoUs. All arguments (..., 4)."""
    return np.minimum(iou(human_a, human_b, edges, single_pixel), iou(object_a, object_b, edges, single_pixel))
