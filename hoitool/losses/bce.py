"""Binary cross-entropy over all classes, plain and with positives weighted per class.

For a logit x with p = sigmoid(x): -w log p where positive, -log(1 - p) elsewhere; w is 1, or per class the number of
its negatives over that of its positives. The loss is the mean over all B x C entries.
Source: the baselines of Jin et al. (DEFR). Their weighted loss came out in float64, this one in the type of the logits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from hoitool.errors import DataError, UsageError
from hoitool.losses.contract import read

EPS = 1e-6  # beside a count of positives: too small to be seen in a weight


@dataclass(frozen=True)
class BCE:
    """The mean of `bce` over all entries; no parameters."""

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        return bce(logits, targets).mean()


@dataclass(frozen=True, eq=False)
class WeightedBCE:
    """The mean of `bce` over all entries, positives weighted per class.

    pos_weight  (C,) finite and not negative, as `positive_weights` makes it. It is brought to the device and type of
                the logits at each call: at no cost where it is there already.
    """

    pos_weight: Tensor

    def __post_init__(self) -> None:
        weights = self.pos_weight
        if weights.ndim != 1 or not bool((weights.isfinite() & (weights >= 0)).all()):
            raise UsageError("pos_weight must be one finite number per class, none negative; see positive_weights")

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        return bce(logits, targets, self.pos_weight).mean()


def bce(logits: Tensor, targets: Tensor, pos_weight: Tensor | None = None) -> Tensor:
    """Cross-entropy per element, positives times pos_weight (C,): (B, C), (B, C) -> (B, C).

    Raises DataError where there is not one weight per class.
    """
    x, positive = read(logits, targets)
    if pos_weight is not None:
        if pos_weight.shape != x.shape[1:]:
            raise DataError(f"pos_weight is {tuple(pos_weight.shape)}; expected one per class, ({x.shape[1]},)")
        pos_weight = pos_weight.to(x)
    return binary_cross_entropy_with_logits(x, positive.to(x.dtype), pos_weight=pos_weight, reduction="none")


def positive_weights(positives: ArrayLike | Tensor, rows: int, eps: float = EPS) -> Tensor:
    """Negatives over positives of each class, (rows - n) / (n + eps): counts (C,) of positives -> (C,) float64.

    rows  the number of images counted; whatever is not positive is negative
    A class without positives weighs 1: no term of these data has its weight, and rows / eps would swamp the loss if
    other data (pseudo-labels) brought a first one. Raises DataError for counts outside 0..rows.
    """
    counts = torch.as_tensor(positives, dtype=torch.float64)
    if counts.ndim != 1 or not bool(((counts >= 0) & (counts <= rows)).all()):
        raise DataError(f"counts of positives must be one per class, from 0 to the {rows} rows")
    return torch.where(counts > 0, (rows - counts) / (counts + eps), 1.0)
