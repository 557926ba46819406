"""DEFR for detection: a recogniser looks at each human-object pair by a mask on its class token. Nothing is trained.

The tower runs once on a picture up to its last blocks; in these the class token of a pair attends to the patches that
either box touches. The mask of the tokens outside both, by name:

    as-written  adds 1 to their logits, so that they are looked at more: the published code casts its mask of booleans
                to numbers before the attention. The published figures are with it
    blocking    adds minus infinity: what the paper means
    none        adds nothing: each pair is scored as its picture

A pair's score for an interaction is sigmoid(logit)^i s_human^h s_object^o, for interactions with the object's class;
the exponents are in hoitool/models/pairing.py. Pictures are squashed to S x S by bilinear interpolation after they are
normalised, where recognition squashes before, bicubic. Source: Jin et al., CVPR 2022 (DEFR), and its published code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from hoitool.errors import UsageError
from hoitool.lookup import unknown_name
from hoitool.models import defr
from hoitool.models.defr import Defr
from hoitool.models.pairing import PUBLISHED, PairRule
from hoitool.models.weights import KeyMap
from hoitool.nn.towers import Block

SUMMARY = "DEFR on human-object pairs of any boxes, by masked attention; trained as defr"
# those of the recogniser, and our own
CHECKPOINTS: KeyMap = (
    (r"(recogniser\..+)", r"\1"),
    *((pattern, f"recogniser.{ours}") for pattern, ours in defr.CHECKPOINTS),
)
Mask = Literal["as-written", "blocking", "none"]
MASKS: dict[Mask, float] = {"as-written": 1.0, "blocking": float("-inf"), "none": 0.0}  # added outside both boxes


class DefrDetection(nn.Module):
    """A recogniser and how it looks at a pair."""

    def __init__(self, recogniser: Defr, mask: Mask = "as-written", mask_layers: int = 1) -> None:
        """mask_layers: how many of the tower's last blocks have the mask. UsageError where it has not as many."""
        super().__init__()
        if mask not in MASKS:
            raise unknown_name("mask of DEFR's detection", mask, MASKS)
        if not 1 <= mask_layers <= len(recogniser.backbone.blocks):
            raise UsageError(f"mask_layers is {mask_layers}, expected 1 to {len(recogniser.backbone.blocks)}")
        self.recogniser, self.mask, self.mask_layers = recogniser, mask, mask_layers

    def forward(self, images: Tensor, humans: Tensor, objects: Tensor, image: Tensor) -> Tensor:
        """(P, K) logits of P pairs.

        images (B, 3, S, S); humans, objects (P, 4) x1 y1 x2 y2 in their pixels; image (P,) the picture of each pair.
        """
        return self.recogniser.classify(self.features(self.tokens(images), humans, objects, image))

    def tokens(self, images: Tensor) -> Tensor:
        """(B, T, D) of pictures (B, 3, S, S): the part of the work that is the same for all of their pairs."""
        tower = self.recogniser.backbone
        made = tower.embed(images)
        for block in tower.blocks[: -self.mask_layers]:
            made = block(made, made)
        return made

    def features(self, tokens: Tensor, humans: Tensor, objects: Tensor, image: Tensor) -> Tensor:
        """(P, dim) of P pairs of the pictures whose tokens (B, T, D) are given; the rest as `forward` takes it."""
        tower = self.recogniser.backbone
        *middle, last = tower.blocks[-self.mask_layers :]
        outside = outside_both(humans, objects, tower.image_size, tower.grid)  # (P, T)
        added = torch.zeros_like(outside, dtype=tokens.dtype).masked_fill(outside, MASKS[self.mask])
        if not middle:
            return tower.pool(_class_rows(last, tokens, added, image))
        tokens = tokens[image]  # (P, T, D): from the second on the patches have seen a pair's own class token
        for block in middle:
            tokens = block(tokens, tokens, _on_class_row(added))
        return tower.pool(last(tokens[:, :1], tokens, added[:, None])[:, 0])


def build(mask: Mask = "as-written", mask_layers: int = 1, **recogniser: Any) -> DefrDetection:
    """A recogniser as hoitool.models.defr.build makes it, looking at pairs. Raises UsageError and DataError as it."""
    return DefrDetection(defr.build(**recogniser), mask, mask_layers)


def outside_both(humans: Tensor, objects: Tensor, image_size: int, grid: tuple[int, int]) -> Tensor:
    """(P, 1 + h w) bool: which tokens neither box of a pair touches; the class token, first, is never outside."""
    touched = _touched(humans, image_size, grid) | _touched(objects, image_size, grid)
    return torch.cat([touched.new_zeros(len(touched), 1), ~touched.flatten(1)], dim=1)


def _touched(boxes: Tensor, image_size: int, grid: tuple[int, int]) -> Tensor:
    """(P, h, w) bool: the patches that boxes (P, 4) touch."""
    high, wide = grid
    scaled = boxes * boxes.new_tensor([wide, high, wide, high]) / image_size
    low, up = scaled[:, :2].floor().clamp(min=0), scaled[:, 2:].ceil()
    x, y = torch.arange(wide, device=boxes.device), torch.arange(high, device=boxes.device)
    columns = (x >= low[:, :1]) & (x < up[:, :1])  # (P, w)
    lines = (y >= low[:, 1:]) & (y < up[:, 1:])  # (P, h)
    return lines[:, :, None] & columns[:, None, :]


def _class_rows(block: Block, tokens: Tensor, added: Tensor, image: Tensor) -> Tensor:
    """(P, D) the class tokens of pairs after a block: those of a picture look at its tokens (1, T, D) together."""
    made = []
    for place in range(len(tokens)):
        seen, mine = tokens[place : place + 1], added[None, image == place]  # (1, pairs of this picture, T)
        made.append(block(seen[:, :1].expand(-1, mine.shape[1], -1), seen, mine)[0])
    return torch.cat(made)[image.argsort(stable=True).argsort()]


def _on_class_row(added: Tensor) -> Tensor:
    """(P, T, T) of what is added in the class token's row (P, T)."""
    rest = added.new_zeros(len(added), added.shape[1] - 1, added.shape[1])
    return torch.cat([added[:, None], rest], dim=1)


def squashed(image: Tensor, side: int, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(3, side, side) of a picture (3, H, W) with numbers 0 to 1: normalised, then squashed."""
    normalised = (image - image.new_tensor(mean)[:, None, None]) / image.new_tensor(std)[:, None, None]
    return interpolate(normalised[None], (side, side), mode="bilinear", align_corners=False)[0]


def rescaled(boxes: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """(..., 4) boxes in pixels of a picture of size `new` (height, width), out of those of size `old`."""
    high, wide = new[0] / old[0], new[1] / old[1]
    return boxes * boxes.new_tensor([wide, high, wide, high])


def scores(logits: Tensor, priors: Tensor, rule: PairRule = PUBLISHED) -> Tensor:
    """(P, K) scores of logits (P, K) and priors (2, P, K): hoitool.models.pairing.priors."""
    return logits.sigmoid() ** rule.interaction_power * priors.prod(dim=0)
