"""RoIAlign over maps of features: He et al., Mask R-CNN, ICCV 2017, by torchvision, with pixel centres aligned."""

from __future__ import annotations

import numpy as np
import torch
from torchvision.ops import roi_align as pooled

from hoitool.data.dataset import Array

BINS, SAMPLING = 7, 2


def roi_align(maps: Array, boxes: Array, image: Array, size: tuple[int, int]) -> Array:
    """(R, d) float32: the mean over 7 x 7 bins, each the mean of 2 x 2 bilinear samples, of each box.

    maps   (N, h, w, d) float32, each over a whole picture of `size` (height, width) pixels
    boxes  (R, 4) x1 y1 x2 y2 in these pixels, continuous; image (R,): the map of each box
    """
    high, wide = maps.shape[1:3]
    scale = np.array([wide / size[1], high / size[0]] * 2)
    rows = np.concatenate([np.asarray(image, np.float64)[:, None], boxes * scale], axis=1).astype(np.float32)
    with torch.inference_mode():
        held = torch.from_numpy(np.ascontiguousarray(maps.transpose(0, 3, 1, 2), np.float32))
        bins = pooled(held, torch.from_numpy(rows), (BINS, BINS), 1.0, SAMPLING, aligned=True)  # (R, d, 7, 7)
        made: Array = bins.mean((2, 3)).numpy()
    return made
