"""The image encoders of VSE-infinity: a set of regions or the cells of a grid becomes one embedding of length 1.

regions  features of boxes, as bottom-up attention gives them: a linear map beside a small network, pooled
grid     pictures through a residual network whose last cells are mapped and pooled; it learns with the rest
GRIDS has the networks by what their weights come from. Pictures are squashed to a square, 512 pixels for every network,
and normalised as their weights want them: the detector's are blue, green, red from 0 to 255, less a mean.
Source: Chen et al., CVPR 2021, and its published code, from which is that the ImageNet ResNets have Caffe's layout too,
though their weights were trained in torchvision's; the ResNeXts are torchvision's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hoitool.models.weights import KeyMap
from hoitool.nn.gpo import GPO
from hoitool.nn.resnet import ResNet

# weights of a network alone: torchvision's names, and the detector's two parts
CNN: KeyMap = (
    (r".+\.num_batches_tracked", None),
    (r"(?:resnet\.)?fc\..+", None),
    (r"(?:resnet\.)?((?:conv1|bn1|layer[1-4])\..+)", r"\1"),
    (r"base\.0\.(.+)", r"conv1.\1"),
    (r"base\.1\.(.+)", r"bn1.\1"),
    (r"base\.4\.(.+)", r"layer1.\1"),
    (r"base\.5\.(.+)", r"layer2.\1"),
    (r"base\.6\.(.+)", r"layer3.\1"),
    (r"top\.0\.(.+)", r"layer4.\1"),
)


@dataclass(frozen=True)
class Grid:
    """A network for grids, and what its pictures are.

    numbers    of the ResNet
    mean, std  of the channels, in the order that the network takes them; bgr: blue first
    scale      what bytes are divided by before that
    """

    numbers: Mapping[str, Any]
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    bgr: bool = False
    scale: float = 255.0

    def normalised(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) float32, what the network takes, of RGB pictures (B, H, W, 3) uint8."""
        channels = pictures.flip(-1) if self.bgr else pictures
        mean, std = (torch.tensor(held, device=pictures.device) for held in (self.mean, self.std))
        return ((channels.float() / self.scale - mean) / std).permute(0, 3, 1, 2).contiguous()


class Regions(nn.Module):
    """Sets of features of regions, each the sum of a linear map and a network with one hidden layer, pooled."""

    def __init__(self, features: int, dim: int) -> None:
        """features: numbers of a region; dim: of the embedding."""
        super().__init__()
        self.fc = _linear(features, dim)
        hidden = dim // 2
        self.mlp = nn.Sequential(nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, dim))
        self.gpool = GPO()

    def forward(self, regions: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, dim) of length 1, of regions (B, K, features), of which those of mask (B, K) bool are there: None, all.

        In training the others, which are zeros, count in the batch norm's statistics, as in the published code.
        """
        hidden = self.mlp(regions.flatten(0, 1)).unflatten(0, regions.shape[:2])
        return pooled(self.gpool, hidden + self.fc(regions), mask)


class Cells(nn.Module):
    """Pictures as the cells of a network's last map, each mapped, pooled."""

    def __init__(self, backbone: ResNet, dim: int) -> None:
        """dim: numbers of the embedding."""
        super().__init__()
        self.backbone = backbone
        self.fc = _linear(backbone.dim, dim)
        self.gpool = GPO()

    def forward(self, pictures: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, dim) of length 1, of pictures (B, 3, H, W).

        mask (B, cells) bool: the cells, row by row, that are kept, where training leaves some out; None, all.
        """
        return self.embed(self.backbone(pictures), mask)

    def embed(self, cells: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, dim) of cells (B, K, backbone.dim)."""
        return pooled(self.gpool, self.fc(cells), mask)


def cells(name: str, size: int) -> int:
    """How many cells a network of GRIDS makes of a square picture of `size` pixels a side."""
    with torch.device("meta"):
        return int(ResNet(**GRIDS[name].numbers)(torch.empty(1, 3, size, size)).shape[1])


def pooled(gpool: GPO, features: Tensor, mask: Tensor | None) -> Tensor:
    """(B, D) of length 1, in float32 or better, of features (B, K, D) and the mask (B, K) of those that are there."""
    if mask is None:
        mask = torch.ones(features.shape[:2], dtype=torch.bool, device=features.device)
    features = features.to(torch.promote_types(features.dtype, torch.float32))
    made = gpool(features, mask)
    unit: Tensor = made / (made.norm(dim=-1, keepdim=True) + 1e-8)
    return unit


def _linear(features: int, dim: int) -> nn.Linear:
    made = nn.Linear(features, dim)
    nn.init.xavier_uniform_(made.weight)
    nn.init.zeros_(made.bias)
    return made


def _caffe(*blocks: int) -> Grid:
    return Grid({"blocks": blocks, "caffe": True})


RESNEXT = {"blocks": (3, 4, 23, 3), "caffe": False, "groups": 32, "width": 8}  # ResNeXt-101 32x8d
GRIDS: dict[str, Grid] = {
    "detector": Grid(  # the detector of bottom-up attention, trained on Visual Genome
        {"blocks": (3, 4, 23, 3), "caffe": True},
        mean=(102.9801, 115.9465, 122.7717),
        std=(1.0, 1.0, 1.0),
        bgr=True,
        scale=1.0,
    ),
    "wsl": Grid(RESNEXT),  # trained on hashtags of Instagram, then on ImageNet
    "imagenet-50": _caffe(3, 4, 6, 3),
    "imagenet-101": _caffe(3, 4, 23, 3),
    "imagenet-152": _caffe(3, 8, 36, 3),
    "imagenet-resnext": Grid(RESNEXT),
    "tiny": Grid({"blocks": (1, 1, 1, 1), "caffe": True, "stem": 8, "planes": (4, 8, 8, 16)}),
}
