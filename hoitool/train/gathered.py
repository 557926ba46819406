"""A loss over the whole batch of a step where each process has a share of it.

Every process sees the rows of all; gradients flow through its own, and their sum over processes is the gradient of the
whole loss. Source: as in CLIP's training over devices (Radford et al., ICML 2021).
"""

from __future__ import annotations

import torch
from torch import Tensor

from hoitool.train.device import processes


def gathered_rows(rows: Tensor) -> Tensor:
    """(world x B, D) the rows (B, D) of all processes in their order, as many in each."""
    rank, world = processes()
    if world == 1:
        return rows
    held = [torch.empty_like(rows) for _ in range(world)]
    torch.distributed.all_gather(held, rows.detach().contiguous())
    held[rank] = rows
    return torch.cat(held)


def summed(loss: Tensor) -> Tensor:
    """A loss, the same in all processes, whose gradients the engine averages over them: here they become their sum."""
    _, world = processes()
    return loss if world == 1 else loss.detach() + (loss - loss.detach()) * world
