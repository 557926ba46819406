"""A feature pyramid of a residual network, and RoIAlign over it.

Maps P2 to P6 have a cell for each 4, 8, 16, 32 and 64 pixels; a box of side s (the root of its area) is pooled out of
the one of P2 to P5 whose number is 4 + log2(s / 224), rounded down. For pooling these four lie side by side on one
sheet, each with its border repeated: boxes of all levels are one operation, whose shapes no box decides, and the
numbers are those of pooling level by level. Names of weights are torchvision's.
Source: Lin et al., Feature Pyramid Networks, CVPR 2017; He et al., Mask R-CNN, ICCV 2017 (RoIAlign).
"""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops import roi_align

from hoitool.nn.resnet import ResNet

STRIDES = (4, 8, 16, 32)  # pixels of a cell of P2 to P5
USUAL, USUAL_LEVEL = 224, 2  # a box of this side is of P4, the third of the four
ROUNDING = 1e-6  # of a logarithm: sides that are powers of two times the usual one are of the upper level
BINS, SAMPLING = 7, 2


def pyramid(body: ResNet, width: int) -> nn.Module:
    """A module: pictures (B, 3, H, W) -> the maps P2 to P6 by name, of `width` channels."""
    layers = {f"layer{i}": str(i - 1) for i in range(1, 5)}
    made: nn.Module = BackboneWithFPN(body, layers, [body.dim // 2**i for i in (3, 2, 1, 0)], width)
    return made


def pooled(maps: list[Tensor], rois: Tensor) -> Tensor:
    """(R, C, 7, 7) of rois (R, 5): the picture of each, and x1 y1 x2 y2 in its pixels.

    maps  P2 to P5, each (B, C, h, w), of pictures whose sides are multiples of 32
    """
    sheet, corners = _sheet(maps)
    level = levels(rois[:, 1:])
    stride = rois.new_tensor(STRIDES)[level]
    boxes = rois[:, 1:] / stride[:, None] + corners.to(rois)[level].repeat(1, 2)
    placed = torch.cat([rois[:, :1], boxes], dim=1)
    made: Tensor = roi_align(sheet.to(placed.dtype), placed, (BINS, BINS), 1.0, SAMPLING, aligned=True)
    return made.to(sheet.dtype)


def levels(boxes: Tensor) -> Tensor:
    """(R,) the place among P2 to P5 of boxes (R, 4)."""
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1).sqrt()
    level = torch.floor(USUAL_LEVEL + torch.log2(sides / USUAL) + ROUNDING)
    return level.clamp(0, len(STRIDES) - 1).long()


def _sheet(maps: list[Tensor]) -> tuple[Tensor, Tensor]:
    """(B, C, H, W) with P2 on the left, the others under each other beside it, and the corner (4, 2), x y, of each."""
    left, *rest = (pad(held, (1, 1, 1, 1), mode="replicate") for held in maps)
    heights = [held.shape[2] for held in rest]
    high, wide = max(left.shape[2], sum(heights)), max(held.shape[3] for held in rest)
    column = torch.cat([pad(held, (0, wide - held.shape[3])) for held in rest], dim=2)
    sheet = torch.cat([pad(held, (0, 0, 0, high - held.shape[2])) for held in (left, column)], dim=3)
    tops = [0, *accumulate(heights)]
    corners = [[1, 1], *([1 + left.shape[3], 1 + top] for top in tops[: len(rest)])]
    return sheet, torch.tensor(corners)
