"""Exponential moving average of weights: average = decay * average + (1 - decay) * weights, after every step.

Floating-point tensors of the state are averaged, buffers included, others are copied. It starts at the first weights.
Source: Polyak and Juditsky, SIAM J. Control Optim. 1992, in the exponential form that timm and torch use.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

State = dict[str, torch.Tensor]


class Average:
    """The averaged state of a module."""

    def __init__(self, module: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self.state: State = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: torch.nn.Module) -> None:
        """Take in the weights after a step."""
        current = module.state_dict()
        moving = [name for name, tensor in self.state.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([self.state[n] for n in moving], [current[n] for n in moving], 1 - self.decay)
        for name in self.state.keys() - set(moving):
            self.state[name].copy_(current[name])

    @contextmanager
    def within(self, module: torch.nn.Module) -> Iterator[None]:
        """The module has the averaged weights until the block ends, and its own ones again bit for bit."""
        own = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
        put(module, self.state)
        try:
            yield
        finally:
            put(module, own)


@torch.no_grad()
def put(module: torch.nn.Module, state: State) -> None:
    """Copy a state of the same names and shapes into a module, wherever its tensors lie."""
    for name, tensor in module.state_dict().items():
        tensor.copy_(state[name])
