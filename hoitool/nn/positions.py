"""The grid of position embeddings of a transformer over patches, made to fit pictures of another size.

Source: bicubic interpolation, align_corners=False, without antialiasing, as DEFR (Jin et al., CVPR 2022) and the first
vision transformers had it; later versions of timm and open_clip smooth, which gives other numbers.
"""

from __future__ import annotations

import torch
from torch.nn.functional import interpolate


def resized(positions: torch.Tensor, old: tuple[int, int], new: tuple[int, int]) -> torch.Tensor:
    """(..., T + h w, d) for a grid `new` (h, w) out of one for `old`; the T first, of no patch, stay as they are."""
    extra = positions.shape[-2] - old[0] * old[1]
    own, grid = positions[..., :extra, :], positions[..., extra:, :]
    held = grid.reshape(1, *old, -1).permute(0, 3, 1, 2).float()
    made = interpolate(held, new, mode="bicubic", align_corners=False).permute(0, 2, 3, 1)
    return torch.cat([own, made.reshape(*grid.shape[:-2], new[0] * new[1], -1).to(own.dtype)], dim=-2)
