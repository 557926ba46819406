"""RoIAlign against bilinear samples taken one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("torchvision")

from hoitool.embed.encoders.roi import roi_align

SIZE = (60, 100)  # height, width of the picture
BOXES = {
    "inside": (13.3, 7.9, 71.2, 44.4),
    "whole": (0, 0, 100, 60),
    "corner": (90, 50, 100, 60),
    "small": (40.2, 30.1, 40.9, 30.5),
    "no width": (50, 10, 50, 40),
    "a point": (20, 20, 20, 20),
    "a point in the corner": (100, 60, 100, 60),
}


def sample(grid, y, x):
    """Bilinear between the centres of cells, whose first is at 0; beyond the outer centres the nearest, then zero."""
    high, wide, _ = grid.shape
    if y < -1 or y > high or x < -1 or x > wide:
        return np.zeros(grid.shape[2])
    y, x = min(max(y, 0), high - 1), min(max(x, 0), wide - 1)
    top, left = math.floor(y), math.floor(x)
    bottom, right = min(top + 1, high - 1), min(left + 1, wide - 1)
    upper = grid[top, left] * (left + 1 - x) + grid[top, right] * (x - left)
    lower = grid[bottom, left] * (left + 1 - x) + grid[bottom, right] * (x - left)
    return upper * (top + 1 - y) + lower * (y - top)


def literal(grid, box, size):
    """The mean of 14 x 14 samples, two to a side of each of 7 x 7 bins; half a cell less than the edge coordinates."""
    high, wide, _ = grid.shape
    x1, y1, x2, y2 = box[0] / size[1] * wide, box[1] / size[0] * high, box[2] / size[1] * wide, box[3] / size[0] * high
    total = 0
    for i in range(14):
        for j in range(14):
            total = total + sample(grid, y1 + (i + 0.5) / 14 * (y2 - y1) - 0.5, x1 + (j + 0.5) / 14 * (x2 - x1) - 0.5)
    return total / 196


@pytest.mark.parametrize("shape", [(6, 10), (7, 7), (1, 1), (12, 3)])
def test_it_agrees_with_samples_taken_one_by_one(shape):
    maps = np.random.default_rng(0).normal(size=(2, *shape, 5)).astype(np.float32)
    boxes = np.array([*BOXES.values(), *BOXES.values()], np.float64)
    image = np.repeat([1, 0], len(BOXES))
    rows = roi_align(maps, boxes, image, SIZE)
    assert (rows.shape, rows.dtype) == ((len(boxes), 5), np.float32)
    expected = [literal(maps[i].astype(float), box, SIZE) for i, box in zip(image, boxes, strict=True)]
    np.testing.assert_allclose(rows, expected, atol=1e-5)


def test_a_slope_is_read_at_the_middle_of_a_box():
    columns = (np.arange(10) + 0.5) * 10  # the x in the picture of each cell's centre
    maps = np.broadcast_to(columns[None, None, :, None], (1, 6, 10, 1)).astype(np.float32)
    rows = roi_align(maps, np.array([[20, 10, 60, 50], [30, 30, 30, 30]]), np.zeros(2, np.int64), SIZE)
    np.testing.assert_allclose(rows[:, 0], [40, 30], atol=1e-4)


def test_no_boxes_are_no_rows():
    assert roi_align(np.zeros((1, 4, 4, 3), np.float32), np.zeros((0, 4)), np.zeros(0, np.int64), SIZE).shape == (0, 3)
