"""The boxes of VG-SGG.h5: whole numbers in an image scaled so that its longer side is 1024 (or 512).

A box is its centre x, centre y, width and height. Its first corner is the centre less half the extent, towards zero
where that is no whole number; its last corner the first and the extent: Neural Motifs, CVPR 2018, load_graphs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def corners(centred: Array, longer: Array, grid: int) -> Array:
    """(B, 4) float64 x1 y1 x2 y2 in pixels of boxes (B, 4), in images whose longer sides (B,) became `grid`."""
    extent = centred[:, 2:].astype(np.float64)
    low = centred[:, :2].astype(np.float64) - extent / 2
    low = np.trunc(low) if centred.dtype.kind in "iu" else low
    made: Array = np.concatenate([low, low + extent], axis=1) / grid * longer[:, None]
    return made


def centred(boxes: Array, longer: Array, grid: int) -> Array:
    """(B, 4) int32 the boxes of the grid nearest to boxes (B, 4) in pixels: inside it, one wide and high at least."""
    scaled = boxes.astype(np.float64) * (grid / np.maximum(longer, 1))[:, None]
    low = np.clip(np.rint(scaled[:, :2]), 0, grid - 1)
    extent = np.clip(np.rint(scaled[:, 2:] - scaled[:, :2]), 1, grid - low)
    return np.concatenate([low + (extent + 1) // 2, extent], axis=1).astype(np.int32)
