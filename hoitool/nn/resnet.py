"""Residual networks that give the cells of their last map, with the blocks of torchvision and its names of weights.

Two layouts: torchvision's own halves the map at the 3 x 3 convolution of a block; Caffe's (the detector of bottom-up
attention, and every ResNet of VSE-infinity) at the 1 x 1 before it, and its first pooling has no padding and rounds up.
Statistics of the batch norms stay as they are, in training too, and their weight and bias learn; what learns from
nothing is given another norm.
Source: He et al., CVPR 2016; Xie et al., CVPR 2017 (ResNeXt).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm
from torch.utils.checkpoint import checkpoint
from torchvision.models.resnet import Bottleneck

PLANES = (64, 128, 256, 512)
Norm = Callable[[int], nn.Module]


class FixedNorm(nn.Module):
    """Batch norm over given statistics, which no batch changes."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))
        self.register_buffer("running_mean", torch.zeros(dim))
        self.register_buffer("running_var", torch.ones(dim))

    def forward(self, maps: Tensor) -> Tensor:
        """(B, dim, h, w) of maps (B, dim, h, w)."""
        return batch_norm(maps, self.running_mean, self.running_var, self.weight, self.bias)


class ResNet(nn.Module):
    """Convolutions without a head: pictures in, cells out."""

    def __init__(
        self,
        blocks: Sequence[int],
        caffe: bool,
        groups: int = 1,
        width: int = 64,
        stem: int = 64,
        planes: Sequence[int] = PLANES,
        norm: Norm = FixedNorm,
    ) -> None:
        """blocks: how many each of the four layers has; groups, width: of ResNeXt; stem: maps of the first convolution;
        planes: a quarter of the maps that each layer gives; norm: makes the norm of so many maps.
        """
        super().__init__()
        self.conv1 = nn.Conv2d(3, stem, 7, stride=2, padding=3, bias=False)
        self.bn1 = norm(stem)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=0, ceil_mode=True) if caffe else nn.MaxPool2d(3, 2, padding=1)
        entering = [stem, *(4 * held for held in planes)]
        layers = [
            _layer(entering[i], planes[i], count, 1 if i == 0 else 2, caffe, norm, groups, width)
            for i, count in enumerate(blocks)
        ]
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        self.dim = entering[-1]
        self.checkpointing = False  # whether training computes each layer again on the way back, for less memory
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """(B, h w, dim) cells, row by row, of pictures (B, 3, H, W)."""
        maps = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            maps = checkpoint(layer, maps, use_reentrant=False) if self.checkpointing and self.training else layer(maps)
        made: Tensor = maps.flatten(2).transpose(1, 2)
        return made


def _layer(
    entering: int, planes: int, count: int, stride: int, caffe: bool, norm: Norm, groups: int, width: int
) -> nn.Sequential:
    """The blocks of one resolution; the first of them changes it."""
    shortcut = None
    if stride != 1 or entering != 4 * planes:
        shortcut = nn.Sequential(nn.Conv2d(entering, 4 * planes, 1, stride, bias=False), norm(4 * planes))
    first = _block(caffe, norm, entering, planes, stride, shortcut, groups, width)
    rest = [_block(caffe, norm, 4 * planes, planes, 1, None, groups, width) for _ in range(count - 1)]
    return nn.Sequential(first, *rest)


def _block(caffe: bool, norm: Norm, *numbers: Any) -> nn.Module:
    """A block of torchvision; Caffe's has the stride at its first convolution."""
    made: Any = Bottleneck(*numbers, norm_layer=norm)
    if caffe:
        made.conv1.stride, made.conv2.stride = made.conv2.stride, made.conv1.stride
    block: nn.Module = made
    return block
