"""Pictures in squares: resized as a whole, put into the upper left corner, the rest zero.

Zero is what pictures have once they are normalised, so that a square's rest looks like nothing, and what a model says
of a picture does not depend on those beside it in a batch. Resampling is bilinear and smooths where it shrinks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from hoitool.data.dataset import Array
from hoitool.models.card import Labelled


class Square(NamedTuple):
    """A square's pixels (S, S, 3) uint8, the size (height, width) of the picture in it, and its scale (height, width):
    pixels of the square for one of the picture as it was.
    """

    pixels: Array
    size: tuple[int, int]
    scale: tuple[float, float]


def fitted(pixels: Array, side: int) -> Square:
    """A picture (H, W, 3) uint8 whose longer side becomes the square's."""
    high, wide = pixels.shape[:2]
    share = side / max(high, wide)
    size = (min(side, max(1, round(high * share))), min(side, max(1, round(wide * share))))
    return Square(placed(resized(pixels, size), side), size, (size[0] / high, size[1] / wide))


def resized(pixels: Array, size: tuple[int, int]) -> Array:
    """(h, w, 3) uint8 of (H, W, 3) uint8."""
    if pixels.shape[:2] == size:
        return pixels
    held = torch.from_numpy(np.require(pixels, requirements=["C", "W"])).permute(2, 0, 1)[None]
    made: Array = interpolate(held, size, mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()
    return made


def placed(pixels: Array, side: int) -> Array:
    """(side, side, 3) with pixels (h, w, 3), of which no side is longer, in the upper left corner."""
    made = np.zeros((side, side, 3), np.uint8)
    made[: pixels.shape[0], : pixels.shape[1]] = pixels
    return made


def normalised(pixels: Tensor, sizes: Sequence[tuple[int, int]], card: Labelled) -> Tensor:
    """(B, 3, S, S) float32 of squares (B, S, S, 3) uint8 whose pictures are of sizes (height, width)."""
    made = pixels.permute(0, 3, 1, 2).float().div(255)
    mean, std = (made.new_tensor(held).view(3, 1, 1) for held in (card.mean, card.std))
    made = made.sub(mean).div(std).contiguous()
    for picture, (high, wide) in zip(made, sizes, strict=True):
        picture[:, high:] = 0
        picture[:, :, wide:] = 0
    return made
