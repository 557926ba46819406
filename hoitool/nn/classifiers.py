"""Classifiers over features, as DEFR has them (Jin et al., CVPR 2022): a row of weights for each class.

Each takes features (B, D) that are already scaled and gives logits (B, K) of their dtype. They start from weights
(K, D), of language or random: `rows`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize


def rows(classes: int, dim: int) -> Tensor:
    """(K, D) random weights, about 1 long each."""
    return torch.randn(classes, dim).div(dim**0.5)


class Cosine(nn.Module):
    """f W'^T, where W' is W with rows of length 1; W is free."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())

    def forward(self, features: Tensor) -> Tensor:
        """(B, K) of features (B, D)."""
        return linear(features, normalize(self.weight.to(features.dtype), dim=-1))


class Linear(nn.Module):
    """f W^T + b; the rows of W start with length 1, b with 0."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(normalize(weight, dim=-1))
        self.bias = nn.Parameter(torch.zeros(len(weight)))

    def forward(self, features: Tensor) -> Tensor:
        """(B, K) of features (B, D)."""
        return linear(features, self.weight.to(features.dtype), self.bias.to(features.dtype))


class Mapped(nn.Module):
    """f (M W)'^T, with rows of length 1: W stays as it is given, M (K, K) starts as the identity and is trained."""

    weight: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", normalize(weight, dim=-1))
        self.map = nn.Parameter(torch.eye(len(weight)))

    def forward(self, features: Tensor) -> Tensor:
        """(B, K) of features (B, D)."""
        return linear(features, normalize((self.map @ self.weight).to(features.dtype), dim=-1))
