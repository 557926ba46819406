"""What every loss is, and how it reads logits and labels."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from hoitool.errors import DataError


class Loss(Protocol):
    """A built loss: logits (B, C) and targets (B, C) to the mean over rows, a tensor ()."""

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor: ...


def read(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The logits (B, C) in float32, or in float64 where they are; and which targets are positive (B, C) bool.

    Raises DataError for tables that are not two of one shape (B, C), and for empty ones, whose mean is no number.
    """
    if logits.ndim != 2 or logits.shape != targets.shape or not logits.numel():
        shapes = f"{tuple(logits.shape)} and {tuple(targets.shape)}"
        raise DataError(f"logits and targets are {shapes}; expected one shape (rows, classes), neither of them 0")
    return (logits if logits.dtype == torch.float64 else logits.float()), targets == 1
