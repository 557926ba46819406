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

    def __init__(self, module: torch.nn.Module, decay: float, state: State | None = None) -> None:
        """state: an average to go on with. The module's tensors are kept in view: they must stay where they are."""
        self.decay = decay
        self._own: State = module.state_dict()
        self.state = copied(self._own)
        put(state or {}, self.state)

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        moving = [name for name, tensor in self._own.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([self.state[n] for n in moving], [self._own[n] for n in moving], 1 - self.decay)
        put({n: t for n, t in self._own.items() if not t.is_floating_point()}, self.state)

    @contextmanager
    def within(self) -> Iterator[None]:
        """The module has the averaged weights until the block ends, and its own ones again bit for bit."""
        kept = copied(self._own)
        put(self.state, self._own)
        try:
            yield
        finally:
            put(kept, self._own)


def copied(state: State) -> State:
    """A copy that shares no memory."""
    return {name: tensor.detach().clone() for name, tensor in state.items()}


@torch.no_grad()
def put(state: State, into: State) -> None:
    """Copy tensors into those of the same names, wherever these lie."""
    for name, tensor in state.items():
        into[name].copy_(tensor)
