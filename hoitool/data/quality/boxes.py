"""Single boxes against their image and their own shape.

A box may reach 0..w-1 and 0..h-1 in the inclusive frame, 0..w and 0..h in the continuous one, 0..1 in the normalised
one, and a tolerance beyond: TOLERANCE is what two decimals of x, y, w, h (COCO) can be off, and float32 in 0..1.
Width and height are those of the frame: x2 - x1 + 1 in the inclusive one, which is 0 for x2 = x1 - 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hoitool.boxes import Edges, sizes
from hoitool.data.dataset import Array, Dataset
from hoitool.data.meta import Frame
from hoitool.data.quality.finding import Findings, numbers, of_rows

TOLERANCE: dict[Frame, float] = {"inclusive": 0.011, "continuous": 0.011, "normalised": 1e-5}
ZERO: dict[Frame, float] = {"inclusive": 1e-6, "continuous": 1e-6, "normalised": 1e-9}  # a width that is none


@dataclass(frozen=True)
class Shape:
    """What is wrong with each box (B,). `partly` and `wholly` say what of it is outside; both False where unknown."""

    swapped: Array
    degenerate: Array
    partly: Array
    wholly: Array


def edges_of(data: Dataset) -> Edges:
    """How widths are counted in the data's frame."""
    return "inclusive" if data.meta.box_frame == "inclusive" else "continuous"


def limits(data: Dataset) -> Array:
    """(B, 2) float64 the largest x and y of each box's image, infinite where its size is unknown."""
    if data.meta.box_frame == "normalised":
        return np.ones((len(data.boxes), 2))
    if data.width is None or data.height is None:
        return np.full((len(data.boxes), 2), np.inf)
    size = np.stack([data.width, data.height], axis=1).astype(np.float64)
    size[(size <= 0).any(axis=1)] = np.inf
    made: Array = (size - (data.meta.box_frame == "inclusive"))[data.image_of("box")]
    return made


def in_order(data: Dataset) -> Array:
    """(B, 4) the boxes with swapped corners put in order, side by side; others as they are."""
    made = data.boxes.copy()
    for low, extent in enumerate(sizes(data.boxes, edges_of(data))):
        rows = np.flatnonzero(extent < -ZERO[data.meta.box_frame])
        made[rows, low], made[rows, low + 2] = data.boxes[rows, low + 2], data.boxes[rows, low]
    return made


def clipped(boxes: Array, limit: Array) -> Array:
    """Boxes (B, 4) cut off at 0 and at their limits (B, 2), in the boxes' dtype."""
    made: Array = np.clip(boxes, 0, np.concatenate([limit, limit], axis=1)).astype(boxes.dtype)
    return made


def shape(data: Dataset, tolerance: float | None = None) -> Shape:
    """What is wrong with each box; tolerance in the boxes' units, default TOLERANCE of the frame."""
    frame, zero = data.meta.box_frame, ZERO[data.meta.box_frame]
    beyond = TOLERANCE[frame] if tolerance is None else tolerance
    extent = np.stack(sizes(data.boxes, edges_of(data)), axis=1)
    swapped, degenerate = _either(extent < -zero), _either(np.abs(extent) <= zero)
    boxes, limit = in_order(data), limits(data)
    low, high = boxes[:, :2], boxes[:, 2:]
    out = _either((np.minimum(low, high) < -beyond) | (np.maximum(low, high) > limit + beyond))
    left = np.stack(sizes(clipped(boxes, limit), edges_of(data)), axis=1)
    off = _either((low > limit) | (high < 0) | (left <= zero))
    return Shape(swapped, degenerate, out & ~off, out & off)


def _either(mask: Array) -> Array:
    """(B,) whether something (B, 2) holds for x or y."""
    made: Array = mask[:, 0] | mask[:, 1]
    return made


def check_boxes(data: Dataset, tolerance: float | None = None) -> list[Findings]:
    """Boxes outside the image, with swapped corners, or without width or height."""
    found = shape(data, tolerance)
    rows = [np.flatnonzero(mask) for mask in (found.partly, found.wholly, found.swapped, found.degenerate)]
    partly, wholly, swapped, degenerate = rows
    limit = limits(data) if len(partly) or len(wholly) else np.empty((0, 2))

    def outside(i: int) -> str:
        box, edge = data.boxes[partly[i]], limit[partly[i]]
        x, y = np.sort(box[[0, 2]]), np.sort(box[[1, 3]])
        by = max(-x[0], -y[0], x[1] - edge[0], y[1] - edge[1])
        return f"box {numbers(box)} leaves the image ({_range(edge)}) by {by:.4g}"

    def off(i: int) -> str:
        return f"box {numbers(data.boxes[wholly[i]])} is not in the image ({_range(limit[wholly[i]])})"

    return [
        *of_rows(data, "box-outside", partly, outside),
        *of_rows(data, "box-off-image", wholly, off),
        *of_rows(data, "box-swapped", swapped, lambda i: f"box {numbers(data.boxes[swapped[i]])} has swapped corners"),
        *of_rows(data, "box-degenerate", degenerate, lambda i: _thin(data, int(degenerate[i]))),
    ]


def _range(edge: Array) -> str:
    return f"0..{edge[0]:g} x 0..{edge[1]:g}" if np.isfinite(edge).all() else "whose size is not known"


def _thin(data: Dataset, row: int) -> str:
    width, height = sizes(data.boxes[row], edges_of(data))
    return f"box {numbers(data.boxes[row])} is {abs(width):.3g} wide and {abs(height):.3g} high"
