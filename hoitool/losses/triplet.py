"""Triplet loss of image-text matching: each pair of a batch against the pairs that the others would make.

For similarities S (B, B), images by captions, with the true pairs on the diagonal, and a margin m:
    of captions  max(0, m + S_ij - S_ii)    of images  max(0, m + S_ij - S_jj)    i other than j
Either all of them are summed, or those of the hardest negative: of each image's worst caption, each caption's worst
image. It is a sum and no mean: twice the batch is twice the loss, and learning rates belong to a size of batch.
Source: Faghri et al., VSE++, BMVC 2018; as in VSE-infinity (Chen et al., CVPR 2021), which sums all in its first epoch
and takes the hardest from then on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hoitool.errors import DataError, UsageError


@dataclass(frozen=True)
class Triplet:
    """`triplet` with its parameters.

    margin   at least 0: how much a true pair is to be more similar than a false one
    hardest  of each row and column the hardest negative alone
    """

    margin: float = 0.2
    hardest: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.margin < math.inf:
            raise UsageError(f"margin of the triplet loss is {self.margin}; expected 0 or a larger finite number")

    def __call__(self, similarity: Tensor) -> Tensor:
        return triplet(similarity, self.margin, self.hardest)


def triplet(similarity: Tensor, margin: float, hardest: bool) -> Tensor:
    """The loss, a tensor (), of similarities (B, B), images by captions; float32, or float64 for float64.

    Of equal negatives, all of them hardest, one alone takes the gradient. Raises DataError for a table that is not
    square, or empty.
    """
    if similarity.ndim != 2 or similarity.shape[0] != similarity.shape[1] or not len(similarity):
        raise DataError(
            f"similarities are {tuple(similarity.shape)}; expected (B, B), images by captions, B at least 1"
        )
    table = similarity if similarity.dtype == torch.float64 else similarity.float()
    true = table.diagonal()
    itself = torch.eye(len(table), dtype=torch.bool, device=table.device)
    captions = (margin + table - true[:, None]).clamp(min=0).masked_fill(itself, 0)  # (B, B)
    images = (margin + table - true[None, :]).clamp(min=0).masked_fill(itself, 0)
    if hardest:
        return captions.max(dim=1).values.sum() + images.max(dim=0).values.sum()
    return captions.sum() + images.sum()
