"""Focal loss: binary cross-entropy in which classes that are nearly right count little.

For a logit x with p = sigmoid(x): -alpha (1 - p)^gamma log p where positive, -(1 - alpha) p^gamma log(1 - p)
elsewhere. The loss is the mean over all B x C entries, as in DEFR's trainer, not the sum per positive of detectors.
Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, whose alpha 0.25 and gamma 2 are the defaults;
DEFR (Jin et al.) publishes none. Its code gives labels other than 0 and 1 no loss; here, as in every loss, they are
negative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from hoitool.errors import UsageError
from hoitool.losses.contract import read


@dataclass(frozen=True)
class Focal:
    """The mean of `focal` over all entries.

    alpha  weight of positives, 0..1; negatives weigh 1 - alpha
    gamma  at least 0: how fast an entry stops to count as it gets right; 0 is weighted cross-entropy
    """

    alpha: float = 0.25
    gamma: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise UsageError(f"alpha of the focal loss is {self.alpha}; expected a number from 0 to 1")
        if not 0 <= self.gamma < math.inf:
            raise UsageError(f"gamma of the focal loss is {self.gamma}; expected 0 or a larger finite number")

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        return focal(logits, targets, self.alpha, self.gamma).mean()


def focal(logits: Tensor, targets: Tensor, alpha: float, gamma: float) -> Tensor:
    """Focal loss per element: (B, C), (B, C) -> (B, C).

    The power is taken in the logarithm: where 1 - p underflows, its derivative is 0 for every gamma, never infinite.
    """
    x, positive = read(logits, targets)
    right = torch.where(positive, x, -x)  # (B, C), the logit of being right
    fading = torch.exp(gamma * logsigmoid(-right))
    cost = -fading * logsigmoid(right)
    return torch.where(positive, alpha * cost, (1 - alpha) * cost)
