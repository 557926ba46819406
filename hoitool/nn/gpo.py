"""GPO, the generalised pooling operator: a set of features becomes one, by weights that are learnt for each rank.

Each number of a feature is sorted over the set by itself, largest first, and the ranks are summed with weights that
depend on nothing but how many features there are: maximum, mean and the mean of the k largest are cases of it. The
weights come out of a GRU, there and back over the sinusoidal codes of the ranks, and a softmax at temperature 0.1.
Source: Chen et al., Learning the Best Pooling Strategy for Visual Semantic Embedding, CVPR 2021 (VSE-infinity), and
its published code, whose names the weights keep.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from hoitool.errors import DataError

TEMPERATURE = 0.1


class GPO(nn.Module):
    """Pools sets of features of any size and any number of numbers."""

    def __init__(self, codes: int = 32, hidden: int = 32) -> None:
        """codes: numbers of a rank's code, even; hidden: of the GRU's state, each way."""
        super().__init__()
        self.gru = nn.GRU(codes, hidden, 1, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(hidden, 1, bias=False)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """(B, D) of features (B, K, D), of which those of mask (B, K) bool are there, in any place.

        Raises DataError for a set without features.
        """
        lengths = mask.sum(1)
        ordered = features.masked_fill(~mask[..., None], -math.inf).sort(dim=1, descending=True).values
        ordered = ordered.masked_fill(~_there(lengths, mask.shape[1])[..., None], 0)
        weights = self.weights(lengths, mask.shape[1])
        return (weights[..., None] * ordered).sum(1)

    def weights(self, lengths: Tensor, size: int) -> Tensor:
        """(B, size) what each rank weighs in sets of these lengths (B,), 0 behind the last; in the module's precision.

        Sets of one length have the same weights: they are computed once. Raises DataError for a length below 1.
        """
        distinct, which = torch.unique(lengths, return_inverse=True)
        if int(distinct[0]) < 1:
            raise DataError("a set to pool has no features; expected at least one in each")
        with torch.autocast(lengths.device.type, enabled=False):
            codes = rank_codes(size, self.gru.input_size).to(self.linear.weight)
            rows = codes.expand(len(distinct), -1, -1)  # (U, size, codes), U the distinct lengths
            packed = pack_padded_sequence(rows, distinct.cpu(), batch_first=True, enforce_sorted=False)
            states, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=size)
            forth, back = states.chunk(2, dim=-1)  # (U, size, hidden)
            scores = self.linear((forth + back) / 2).squeeze(-1) / TEMPERATURE
            weights = scores.masked_fill(~_there(distinct, size), -math.inf).softmax(1)
        made: Tensor = weights[which]
        return made


def rank_codes(size: int, dim: int) -> Tensor:
    """(size, dim) float32 codes of ranks 0 to size - 1: sines in the even places, cosines in the odd ones."""
    frequency = torch.exp(torch.arange(0, dim, 2) * -(math.log(10000) / dim))
    angles = torch.arange(size)[:, None] * frequency
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def _there(lengths: Tensor, size: int) -> Tensor:
    """(B, size) bool: the first `lengths` (B,) of each row."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]
