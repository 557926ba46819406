"""How a recogniser of whole pictures looks at human-object pairs: by masked attention, or at crops.

Masked: pictures go through the tower together, then the pairs of each look at its tokens past a mask on the class token
(hoitool/models/defr_detection.py). Crops: the union of a pair's boxes is cut out (hoitool/embed/crops.py) and
recognised as a picture is; unions that cut out the same pixels once.
Pairs are computed in as many at once as MEMORY allows for their states. Source of the masks: Jin et al., CVPR 2022
(DEFR), and its published code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hoitool.data.dataset import Array
from hoitool.embed.crops import cut, union
from hoitool.embed.encoders.device import Eye
from hoitool.models.card import Labelled
from hoitool.models.defr import Defr
from hoitool.models.defr_detection import DefrDetection, Mask, squashed
from hoitool.nn.towers import Tower
from hoitool.predict.loading import processors
from hoitool.predict.recognition import squash

MEMORY = 2**30  # bytes that the states of the pairs under way may take


@dataclass(frozen=True)
class Looking:
    """How a pair is looked at: by a mask in so many of the tower's last blocks, or, without any, as a crop."""

    mask: Mask | Literal["crops"] = "as-written"
    mask_layers: int = 1


class View(NamedTuple):
    """A picture (H, W, 3) uint8, and its P pairs: boxes (P, 4) x1 y1 x2 y2, continuous, in its pixels."""

    pixels: Array
    humans: Array
    objects: Array


Look = Callable[[list[View]], Iterator[Tensor]]  # pictures -> of each the logits (P, K) of its pairs, on the device


def looking(module: Defr, card: Labelled, how: Looking) -> Look:
    """How pairs are looked at. Raises UsageError for a mask or a number of blocks that there is not."""
    if how.mask == "crops":
        return Cropped(module, card)
    return Masked(DefrDetection(module, how.mask, how.mask_layers), card)


class Masked:
    """Pairs by masked attention."""

    def __init__(self, model: DefrDetection, card: Labelled) -> None:
        self.model, self.card = model, card
        self.weight = next(model.recogniser.backbone.parameters())
        self.at_once = pairs_at_once(model.recogniser.backbone, model.mask_layers)

    def __call__(self, views: list[View]) -> Iterator[Tensor]:
        """The pictures go through the tower together, then the pairs of each."""
        tokens = self.model.tokens(torch.stack([self._picture(view.pixels) for view in views]))
        for place, view in enumerate(views):
            seen = tokens[place : place + 1]
            sides = [self._boxes(side, view.pixels) for side in (view.humans, view.objects)]
            starts = range(0, len(view.humans), self.at_once)
            yield torch.cat([self._logits(seen, *(side[at : at + self.at_once] for side in sides)) for at in starts])

    def _logits(self, tokens: Tensor, humans: Tensor, objects: Tensor) -> Tensor:
        """(P, K) of P pairs of the picture whose tokens (1, T, D) are given."""
        its = torch.zeros(len(humans), dtype=torch.long, device=humans.device)
        return self.model.recogniser.classify(self.model.features(tokens, humans, objects, its))

    def _picture(self, pixels: Array) -> Tensor:
        """(3, S, S) as the published detection squashes it."""
        held = torch.from_numpy(np.require(pixels, requirements=["C", "W"])).to(self.weight.device)
        image = held.permute(2, 0, 1).float().div(255)
        return squashed(image, self.card.image_size, self.card.mean, self.card.std).to(self.weight.dtype)

    def _boxes(self, boxes: Array, pixels: Array) -> Tensor:
        """(P, 4) float64 in the pixels of the squashed picture."""
        high, wide = (self.card.image_size / side for side in pixels.shape[:2])
        return torch.from_numpy(boxes * [wide, high, wide, high]).to(self.weight.device)


class Cropped:
    """Pairs as crops: unions that cut out the same pixels are recognised once."""

    def __init__(self, module: Defr, card: Labelled) -> None:
        self.module, self.rule = module, squash(card)
        weight = next(module.backbone.parameters())
        self.eye = Eye(self.rule, weight.device, weight.dtype)
        self.at_once = crops_at_once(module.backbone)

    def __call__(self, views: list[View]) -> Iterator[Tensor]:
        """Crops are cut out by threads while the device has those before them."""
        with ThreadPoolExecutor(processors()) as pool:
            for view in views:
                high, wide = view.pixels.shape[:2]
                crops = cut(union(view.humans, view.objects), "continuous", wide, high, 1.0)
                distinct, place = np.unique(crops, axis=0, return_inverse=True)
                picture, made = Image.fromarray(view.pixels), []
                for first in range(0, len(distinct), self.at_once):
                    part = distinct[first : first + self.at_once].tolist()
                    pixels = pool.map(lambda crop, held=picture: self.rule.pixels(held.crop(crop)), part)
                    made.append(self.module(self.eye(np.stack(list(pixels)))))
                yield torch.cat(made)[torch.from_numpy(place.reshape(-1)).to(made[0].device)]


def pairs_at_once(tower: Tower, mask_layers: int) -> int:
    """How many pairs' states fit MEMORY, counted as float32.

    In one masked block a pair is its class token alone; in more it has all tokens of its picture, and weights between
    each two of them.
    """
    count, width, heads = _numbers(tower)
    each = 4 * width + count * (heads + 2)
    if mask_layers > 1:
        each = 12 * count * width + count * count * (heads + 2)
    return max(1, MEMORY // (4 * each))


def crops_at_once(tower: Tower) -> int:
    """How many crops' states fit MEMORY, counted as float32."""
    count, width, heads = _numbers(tower)
    return max(1, MEMORY // (4 * (12 * count * width + count * count * heads)))


def _numbers(tower: Tower) -> tuple[int, int, int]:
    """Tokens of a picture, their width, and the heads of a block."""
    block, (high, wide) = tower.blocks[-1], tower.grid
    return 1 + high * wide, block.qkv[0].shape[1], block.heads
