"""Vision transformers as towers: pictures in, a state each out, with the blocks open to a mask on the class token.

Both kinds are pre-norm transformers over patches after one class token, hosted by the modules of open_clip and timm,
whose names their weights keep.
  ClipTower  CLIP (Radford et al., ICML 2021): a norm before the blocks, the class token after the norm behind them,
             before the projection into the space of texts, or through it where `visual.proj` stands
  TimmTower  ViT (Dosovitskiy et al., ICLR 2021): the class token after the norm, without a head
Shapes: B pictures of S x S pixels, T = 1 + h w tokens with the class token first, D the width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from open_clip.transformer import QuickGELU
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

from hoitool.nn.positions import resized


@dataclass(frozen=True)
class Block:
    """A pre-norm block, as parts of the module that hosts it: qkv is the weight (3 D, D) and the bias (3 D,)."""

    before: nn.Module
    qkv: tuple[Tensor, Tensor]
    out: nn.Module
    heads: int
    between: nn.Module
    mlp: nn.Module

    def __call__(self, rows: Tensor, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, Q, D) of rows (B, Q, D) that look at tokens (B, T, D); mask (B, Q, T) is added to the attention."""
        rows = rows + self.out(self._attended(self.before(rows), self.before(tokens), mask))
        made: Tensor = rows + self.mlp(self.between(rows))
        return made

    def _attended(self, rows: Tensor, tokens: Tensor, mask: Tensor | None) -> Tensor:
        (weight, bias), width = self.qkv, rows.shape[-1]
        query = self._split(linear(rows, weight[:width], bias[:width]))  # (B, heads, Q, D / heads)
        key, value = linear(tokens, weight[width:], bias[width:]).chunk(2, dim=-1)
        mask = None if mask is None else mask[:, None].to(query.dtype)
        made = scaled_dot_product_attention(query, self._split(key), self._split(value), mask)
        return made.transpose(1, 2).flatten(2)

    def _split(self, states: Tensor) -> Tensor:
        return states.reshape(*states.shape[:-1], self.heads, states.shape[-1] // self.heads).transpose(1, 2)


class ClipTower(nn.Module):
    """The image tower of CLIP, an open_clip VisionTransformer."""

    positions = "visual.positional_embedding"

    def __init__(self, visual: Any) -> None:
        super().__init__()
        self.visual = visual
        self.image_size: int = visual.image_size[0]
        self.grid: tuple[int, int] = tuple(visual.grid_size)

    @property
    def dim(self) -> int:
        """Numbers a feature."""
        pooled: int = self.visual.ln_post.normalized_shape[0]
        return pooled if self.visual.proj is None else int(self.visual.proj.shape[1])

    @property
    def quick(self) -> bool:
        """Whether the blocks compute with QuickGELU."""
        return isinstance(self.visual.transformer.resblocks[0].mlp.gelu, QuickGELU)

    def drop_projection(self) -> None:
        """Give features before the projection from now on."""
        self.visual.proj = None

    def forward(self, images: Tensor) -> Tensor:
        """(B, dim) of pictures (B, 3, S, S)."""
        made: Tensor = self.visual(images)
        return made

    @property
    def blocks(self) -> list[Block]:
        """The blocks, from the pictures on."""
        return [
            Block(
                b.ln_1, (b.attn.in_proj_weight, b.attn.in_proj_bias), b.attn.out_proj, b.attn.num_heads, b.ln_2, b.mlp
            )
            for b in self.visual.transformer.resblocks
        ]

    def embed(self, images: Tensor) -> Tensor:
        """(B, T, D) what goes into the first block."""
        patches = self.visual.conv1(images).flatten(2).transpose(1, 2)  # (B, h w, D)
        first = self.visual.class_embedding.expand(len(images), 1, -1)
        made: Tensor = self.visual.ln_pre(torch.cat([first, patches], dim=1) + self.visual.positional_embedding)
        return made

    def pool(self, classes: Tensor) -> Tensor:
        """(..., dim) of class tokens (..., D) out of the last block."""
        made: Tensor = self.visual.ln_post(classes)
        return made if self.visual.proj is None else made @ self.visual.proj

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Compute the states of the blocks again on the way back, in place of keeping them."""
        self.visual.set_grad_checkpointing(enable)


class TimmTower(nn.Module):
    """A ViT, a timm VisionTransformer without a head that pools its class token."""

    positions = "vit.pos_embed"

    def __init__(self, vit: Any) -> None:
        super().__init__()
        self.vit = vit
        self.image_size: int = vit.patch_embed.img_size[0]
        self.grid: tuple[int, int] = tuple(vit.patch_embed.grid_size)
        self.dim: int = vit.num_features

    def forward(self, images: Tensor) -> Tensor:
        """(B, dim) of pictures (B, 3, S, S)."""
        made: Tensor = self.vit(images)
        return made

    @property
    def blocks(self) -> list[Block]:
        """The blocks, from the pictures on."""
        return [
            Block(b.norm1, (a.qkv.weight, a.qkv.bias), a.proj, a.num_heads, b.norm2, b.mlp)
            for b in self.vit.blocks
            for a in [b.attn]
        ]

    def embed(self, images: Tensor) -> Tensor:
        """(B, T, D) what goes into the first block."""
        patches = self.vit.patch_embed.proj(images).flatten(2).transpose(1, 2)  # (B, h w, D)
        first = self.vit.cls_token.expand(len(images), -1, -1)
        made: Tensor = torch.cat([first, patches], dim=1) + self.vit.pos_embed
        return made

    def pool(self, classes: Tensor) -> Tensor:
        """(..., dim) of class tokens (..., D) out of the last block."""
        made: Tensor = self.vit.norm(classes)
        return made

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Compute the states of the blocks again on the way back, in place of keeping them."""
        self.vit.set_grad_checkpointing(enable)


Tower = ClipTower | TimmTower


def fitted(positions: Tensor, grid: tuple[int, int]) -> Tensor:
    """(..., 1 + h w, D) positions for a grid (h, w), out of those of another square one; as they are where they fit."""
    side = round((positions.shape[-2] - 1) ** 0.5)
    if side * side != positions.shape[-2] - 1 or (side, side) == grid:
        return positions
    return resized(positions, (side, side), grid)
