"""LSE-Sign: one log-sum-exp over the signed logits of all classes of an image.

For logits x_c and signs s_c = +1 (positive) or -1 (negative): L = log(1 + sum_c exp(-s_c x_c)).
Its gradient with respect to x_c is -s_c exp(-s_c x_c) / (1 + sum_k exp(-s_k x_k)), so that the classes of an image
share a gradient of at most 1, most of it on the worst mistakes, however many classes there are.
Source: Jin et al., "The Overlooked Classifier in Human-Object Interaction Recognition" (DEFR).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hoitool.losses.contract import read


@dataclass(frozen=True)
class LSESign:
    """The mean over rows of `lse_sign`; no parameters."""

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        return lse_sign(logits, targets).mean()


def lse_sign(logits: Tensor, targets: Tensor) -> Tensor:
    """log(1 + sum exp) of the signed logits: (B, C), (B, C) -> (B,).

    The largest exponent is taken out first: beside 65504 float32 is too coarse for the logarithm of a few classes, and
    the gradient would sum to more than 1.
    """
    x, positive = read(logits, targets)
    wrong = torch.where(positive, -x, x)  # (B, C), how far on the wrong side
    largest = wrong.detach().amax(dim=1).clamp(min=0)  # (B,), a constant: it cancels in the gradient
    shifted = torch.cat([wrong - largest[:, None], -largest[:, None]], dim=1)  # (B, C + 1), the 1 last
    return largest + shifted.logsumexp(dim=1)
